"""caesura methods, cite: what there is, read from the text of the files."""

from __future__ import annotations

__all__ = ["cite", "methods"]

from typing import TYPE_CHECKING, Annotated

import typer

from caesura.cli import options
from caesura.cli.terminal import columns

if TYPE_CHECKING:
    from caesura.methods._describe import Description

BASE = ("numpy", "scipy", "soundfile", "soxr")  # always there

Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="A method.", autocompletion=options.complete_method)]


def methods(name: Name = None) -> int:
    """List the methods, or describe one."""
    from caesura.methods import names

    if name is not None:
        typer.echo(_page(_described(name)))
        return 0
    found = [_described(each) for each in names()]
    typer.echo(columns(("method", "fills", "needs", "what it does"), [_row(each) for each in found]))
    return 0


def cite(name: Name = None) -> int:
    """Print what to cite for a method and for caesura."""
    from importlib.metadata import metadata

    facts = metadata("caesura")
    if name is not None:
        typer.echo(f"{name}:\n{_indented(_described(name).references or 'no references given')}\n\ncaesura:")
    typer.echo(
        f'  The caesura authors, "caesura: audio inpainting", version {facts["Version"]}, software, '
        f"{facts['License-Expression'] or facts['License']}."
    )
    return 0


def _described(name: str) -> Description:
    import difflib

    from caesura.methods import names
    from caesura.methods._describe import describe

    if name not in names():
        close = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(names())}"
        raise ValueError(f"there is no method '{name}': {hint}")
    return describe(name)


def _row(found: Description) -> tuple[str, str, str, str]:
    return found.name, _fills(found), _needs(found), found.summary


def _fills(found: Description) -> str:
    accepts = found.accepts
    alone = accepts.get("generates") and not accepts.get("guide")
    kinds = {"gaps": accepts.get("gaps", True), "boxes": accepts.get("bands"), "new sounds": alone}
    kinds["added stems"] = accepts.get("adds")
    return ", ".join(kind for kind, there in kinds.items() if there)


def _needs(found: Description) -> str:
    accepts = found.accepts
    needs = [need for need in ("text", "guide") if accepts.get(need)]
    needs += [package for package in found.packages if package not in BASE]
    if accepts.get("sample_rate"):
        needs.append(f"{accepts['sample_rate']} Hz")
    return ", ".join(needs) or "nothing"


def _page(found: Description) -> str:
    parts = [f"{found.name}: {found.summary}", f"fills {_fills(found) or 'nothing'}; needs {_needs(found)}"]
    if found.fields:
        rows = [(f"-s {each.name}={_plain(each.default)}", each.type, each.doc) for each in found.fields]
        parts.append(columns(("setting and default", "type", "meaning"), rows))
    else:
        parts.append("no settings")
    parts.append(f"References:\n{_indented(found.references or 'none given')}")
    if found.source is not None:
        parts.append(f"File: {found.source}")
    return "\n\n".join(parts)


def _plain(default: str) -> str:
    """A default as one types it on the command line."""
    return default[1:-1] if default[:1] in "'\"" and default[:1] == default[-1:] else default


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
