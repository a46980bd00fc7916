"""caesura models: which weights there are, what is known of them, and how they get here and away."""

from __future__ import annotations

__all__ = ["models_app"]

from typing import TYPE_CHECKING, Annotated

import typer

from caesura.cli import options
from caesura.cli.terminal import columns, progress_bar, say

if TYPE_CHECKING:
    from caesura.networks.weights import Card


def complete_weights(incomplete: str) -> list[str]:
    """Names of weights that begin so."""
    from caesura.networks.weights import cards

    return [name for name in cards() if name.startswith(incomplete)]


Name = Annotated[str, typer.Argument(help="Weights, by the name in the list.", autocompletion=complete_weights)]

models_app = typer.Typer(help="Weights: list, describe, fetch, delete.", no_args_is_help=True)


@models_app.command("list")
def list_() -> int:
    """List the weights."""
    from caesura.networks.weights import cards

    rows = [(c.name, c.network, f"{c.size / 1e6:.1f} MB", c.licence, _where(c)) for c in cards().values()]
    typer.echo(columns(("weights", "network", "size", "licence", "where"), rows))
    return 0


@models_app.command()
def info(name: Name) -> int:
    """Say what is known of one set of weights."""
    from caesura.networks.weights import card

    found = card(name)
    facts = [
        ("network", found.network),
        ("where", _where(found)),
        ("file", found.file),
        ("size", f"{found.size} bytes"),
        ("sha256", found.sha256),
        ("licence", found.licence),
        ("trained on", found.trained_on),
        *((f"score: {metric}", str(value)) for metric, value in found.scores.items()),
        ("card", found.page or "none"),
    ]
    typer.echo(columns((name, ""), facts))
    return 0


@models_app.command()
def pull(name: Name, quiet: options.Quiet = False) -> int:
    """Fetch weights and check them."""
    from caesura.networks.weights import pull as fetch

    with progress_bar(f"pull {name}", quiet=quiet) as progress:
        path = fetch(name, progress)
    if not quiet:
        say(f"{name} is at {path}")
    return 0


@models_app.command("rm")
def remove(name: Name) -> int:
    """Delete fetched weights."""
    from caesura.networks.weights import remove as delete

    say(f"{name} was deleted" if delete(name) else f"{name} was not there")
    return 0


def _where(found: Card) -> str:
    from caesura.networks.weights import cache

    if found.bundled:
        return "comes with caesura"
    return "fetched" if (cache() / found.file).is_file() else f"caesura models pull {found.name}"
