"""caesura studio: the editor in the browser."""

from __future__ import annotations

__all__ = ["studio"]

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from caesura.cli import options
from caesura.cli.terminal import say

NEEDED = ("fastapi", "uvicorn")


def studio(
    host: Annotated[str, typer.Option(help="Address to listen at; others than this machine's need --token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8765,
    token: Annotated[
        str, typer.Option(envvar="CAESURA_TOKEN", help="What clients have to know; best set by $CAESURA_TOKEN.")
    ] = "",
    folder: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Recordings to choose from.")] = None,
    weights: Annotated[
        list[str] | None, typer.Option(metavar="METHOD=WEIGHTS", help="Weights of a method; repeat for more.")
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="cpu, cuda:0 ...: one process each; repeat for more.")
    ] = None,
    most_gigabytes: Annotated[float, typer.Option(min=0.001, help="On disk, per session.")] = 8.0,
    most_hours: Annotated[float, typer.Option(min=0.001, help="Longest recording.")] = 6.0,
    work: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where temporary files go.")] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
    quiet: options.Quiet = False,
) -> int:
    """Open the editor in the browser; Ctrl-C ends it and removes its temporary files."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ValueError(f"the studio needs {', '.join(missing)}: pip install 'caesura[studio]'")
    from caesura.studio.settings import Settings
    from caesura.studio.starting import serve

    settings = Settings(
        host=host, port=port, token=token, folder=folder, weights=dict(_pair(each) for each in weights or ()),
        devices=tuple(device or ("cpu",)), most_bytes=round(most_gigabytes * 1e9), most_seconds=3600.0 * most_hours,
        work=work,
    )  # fmt: skip
    serve(settings, browser=browser, say=(lambda message: None) if quiet else say)
    return 0


def _pair(text: str) -> tuple[str, str]:
    method, equals, value = text.partition("=")
    if not (method and equals and value):
        raise ValueError(f"--weights {text} is not METHOD=WEIGHTS: write --weights notono=FOLDER")
    return method, value
