"""Write docs/methods.md, the settings of every method, from the methods' own files: `make docs`."""

from __future__ import annotations

from pathlib import Path

import caesura.methods
from caesura.methods._describe import Description, describe

HERE = Path(__file__).parent
HEAD = """# Methods and their settings

Written by `make docs` from the files in `src/caesura/methods`; `caesura methods NAME` prints the same.
"""


def page() -> str:
    """The whole page."""
    folder = Path(caesura.methods.__file__).parent
    names = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    return HEAD + "".join(_section(describe(name)) for name in names)


def _section(method: Description) -> str:
    rows = "".join(
        f"| `{s.name}` | `{s.type}` | `{s.default}` | {s.doc} |\n".replace("' | '", "'/'") for s in method.fields
    )
    table = f"\n| setting | type | default | |\n|---|---|---|---|\n{rows}" if rows else "\nNo settings.\n"
    sources = "\n".join(f"* {line}" for line in _entries(method.references))
    return f"\n## {method.name}\n\n{method.summary}\n{table}\n{sources}\n"


def _entries(references: str) -> list[str]:
    """One entry per reference; a continuation ends without a full stop on the line before it."""
    entries: list[str] = []
    for line in references.splitlines():
        if entries and not entries[-1].endswith("."):
            entries[-1] += " " + line.strip()
        elif line.strip():
            entries.append(line.strip())
    return entries


if __name__ == "__main__":
    (HERE / "methods.md").write_text(page())
