"""The interface as OpenAPI: `python -m caesura.studio.openapi > openapi.json`; the client's types come from it."""

from __future__ import annotations

__all__ = ["document"]

import json
import sys
from typing import Any

from caesura.studio.app import create_app
from caesura.studio.settings import Settings


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    return create_app(Settings()).openapi()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(), indent=1) + "\n")
