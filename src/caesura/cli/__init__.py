"""The command line: every command parses, calls and prints.

Nothing heavier than typer is imported before a command runs, so that `--help` answers at once. An error is one line on
stderr that begins with `caesura:`.

    exit code 0    done
    exit code 1    finished, with something refused or failed
    exit code 2    bad usage or input
    exit code 130  interrupted
"""

from __future__ import annotations

__all__ = ["app", "main"]

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from caesura import __version__
from caesura.cli.add import add
from caesura.cli.catalogue import cite, methods
from caesura.cli.checking import evaluate, verify
from caesura.cli.damage import detect, labels_app, punch
from caesura.cli.denoise import denoise
from caesura.cli.doctor import doctor
from caesura.cli.generate import continue_, generate, vary
from caesura.cli.image import image_app
from caesura.cli.models import models_app
from caesura.cli.morph import morph
from caesura.cli.notes import notes_app
from caesura.cli.prepare import prepare_app
from caesura.cli.restore import restore
from caesura.cli.studio import studio
from caesura.cli.terminal import one_line, say
from caesura.cli.train import train

USAGE, INTERRUPTED = 2, 130

app = typer.Typer(name="caesura", rich_markup_mode=None, pretty_exceptions_enable=False)
MAKING = (generate, continue_, vary, morph, add)
MEASURING = (detect, verify, punch, evaluate)
for command in (restore, denoise, *MAKING, *MEASURING, methods, cite, train, studio, doctor):
    app.command(command.__name__.rstrip("_"))(command)
app.add_typer(labels_app, name="labels")
app.add_typer(image_app, name="image")
app.add_typer(models_app, name="models")
app.add_typer(notes_app, name="notes")
app.add_typer(prepare_app, name="prepare")


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> int:
    """Repair dropouts, clicks and gaps in recordings, and leave every other byte alone."""
    if version:
        typer.echo(f"caesura {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(USAGE)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: without the program's name; those of the process when None.

    Returns:
        The exit code.
    """
    # The vectors here are too short to share: threads that wait for each other made a restore ten times slower.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        code = app(list(arguments) if arguments is not None else None, prog_name="caesura", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except (ValueError, OSError, MemoryError) as error:
        return _refuse(_message(error))
    except Exception as error:  # what typer raises for bad usage has no public name
        if not hasattr(error, "format_message"):
            raise
        return _refuse(f"{_usage(error)} (`{_command(error)} --help` shows how)")
    if code == INTERRUPTED:
        say("caesura: interrupted")
    return int(code or 0)


def _refuse(message: str) -> int:
    say(f"caesura: {message}")
    return USAGE


def _message(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _usage(error: Exception) -> str:
    return one_line(error.format_message()).rstrip(".")  # type: ignore[attr-defined]


def _command(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context is not None else "caesura"
