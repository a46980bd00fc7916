"""Builds the studio's page from web/ when a wheel is built, where Node.js is there, and says so where it is not.

The base install needs no Node.js: without it the wheel is built all the same, and the studio shows a page that says
what to do. CAESURA_REQUIRE_WEB=1 makes that an error, for releases.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = "src/caesura/studio/static"
OLDEST_NODE = 20


class WebBuildHook(BuildHookInterface):
    """Runs `npm ci` and `npm run build` in web/ before a wheel is put together; editable installs are left alone."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page and put it into the wheel."""
        if self.target_name != "wheel" or version == "editable":
            return
        root = Path(self.root)
        page = root / STATIC / "index.html"
        why = "" if page.is_file() and not (root / "web").is_dir() else self._built(root / "web")
        if why and not page.is_file():
            message = f"the studio's page is not in this wheel: {why}"
            if os.environ.get("CAESURA_REQUIRE_WEB") == "1":
                raise RuntimeError(message)
            self.app.display_warning(message)
        if page.is_file():
            build_data["artifacts"].append(f"/{STATIC}/**")

    def _built(self, web: Path) -> str:
        """Build the page; return why that was not possible, or nothing."""
        if not (web / "package.json").is_file():
            return "there is no web/package.json"
        npm = shutil.which("npm")
        if npm is None:
            return f"npm is not installed; install Node.js {OLDEST_NODE} or newer and build again"
        for arguments in (("ci", "--no-audit", "--no-fund"), ("run", "build")):
            done = subprocess.run([npm, *arguments], cwd=web, capture_output=True, text=True, check=False)
            if done.returncode:
                lines = (done.stderr or done.stdout).strip().splitlines()
                return f"`npm {' '.join(arguments)}` failed in web/: {lines[-1] if lines else 'no message'}"
        return ""
