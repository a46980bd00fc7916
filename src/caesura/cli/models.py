"""caesura models: which weights there are, what is known of them, and how they get here and away."""

from __future__ import annotations

__all__ = ["models_app"]

from typing import TYPE_CHECKING, Annotated

import typer

from caesura.cli import options
from caesura.cli.terminal import columns, progress_bar, say

if TYPE_CHECKING:
    from caesura.networks.hub import Published
    from caesura.networks.weights import Card


def complete_weights(incomplete: str) -> list[str]:
    """Names of weights that begin so."""
    from caesura.networks.hub import known
    from caesura.networks.weights import cards

    return [name for name in (*cards(), *known()) if name.startswith(incomplete)]


Name = Annotated[str, typer.Argument(help="Weights, by the name in the list.", autocompletion=complete_weights)]

models_app = typer.Typer(help="Weights: list, describe, fetch, delete.", no_args_is_help=True)


@models_app.command("list")
def list_() -> int:
    """List the weights."""
    from caesura.networks.hub import known
    from caesura.networks.weights import cards

    rows = [(c.name, c.network, f"{c.size / 1e6:.1f} MB", c.licence, _where(c)) for c in cards().values()]
    rows += [(p.hub, p.network, f"{p.bytes / 1e9:.1f} GB", p.licence, _place(p)) for p in known().values()]
    typer.echo(columns(("weights", "network", "size", "licence", "where"), rows))
    return 0


@models_app.command()
def info(name: Name) -> int:
    """Say what is known of one set of weights."""
    if _published(name):
        return _tell(name)
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
def pull(
    name: Name,
    accept: Annotated[
        bool, typer.Option("--accept", help="Agree to a licence that forbids commercial use; needed where one does.")
    ] = False,
    quiet: options.Quiet = False,
) -> int:
    """Fetch weights and check them."""
    if _published(name):
        return _fetch(name, accept, quiet)
    from caesura.networks.weights import pull as fetch

    with progress_bar(f"pull {name}", quiet=quiet) as progress:
        path = fetch(name, progress)
    if not quiet:
        say(f"{name} is at {path}")
    return 0


@models_app.command("rm")
def remove(name: Name) -> int:
    """Delete fetched weights."""
    from caesura.networks import hub, weights

    found = hub.remove(name) if _published(name) else weights.remove(name)
    say(f"{name} was deleted" if found else f"{name} was not there")
    return 0


def _published(name: str) -> bool:
    """Whether a name is that of a repository on the hub; what looks like one and is not known is an error."""
    from caesura.networks.hub import named

    return "/" in name and bool(named(name))


def _fetch(name: str, accept: bool, quiet: bool) -> int:
    from caesura.networks.hub import fetch, fetched, folder, named, remote

    wanted = named(name)
    if fetched(name):
        say(f"{name} is at {folder(name)} ({wanted.terms})")
        return 0
    if not (wanted.commercial or accept):
        raise ValueError(f"{name} is {wanted.terms}: pass --accept to agree to that and to download it")
    files = remote(wanted)
    if not quiet:
        size = sum(file.size for file in files) / 1e9
        say(f"{name}: {len(files)} files, {size:.2f} GB, licence {wanted.licence}, into {folder(name)}")
    with progress_bar(f"pull {name}", quiet=quiet) as progress:
        path = fetch(wanted, files, progress)
    if not quiet:
        say(f"{name} is at {path}; every file has the hash that the hub says")
    return 0


def _tell(name: str) -> int:
    from caesura.networks.hub import folder, named

    found = named(name)
    facts = [
        ("network", found.network),
        ("where", _place(found)),
        ("folder", str(folder(name))),
        ("size", f"about {found.bytes / 1e9:.1f} GB"),
        ("licence", found.licence),
        ("commercial use", "allowed" if found.commercial else "not allowed"),
        ("page", f"https://huggingface.co/{name}"),
        ("also from", "; ".join(part.split(":")[0] for part in found.beside) or "nowhere else"),
    ]
    typer.echo(columns((name, ""), facts))
    return 0


def _place(found: Published) -> str:
    from caesura.networks.hub import fetched

    accept = "" if found.commercial else " --accept"
    return "fetched" if fetched(found.hub) else f"caesura models pull {found.hub}{accept}"


def _where(found: Card) -> str:
    from caesura.networks.weights import cache

    if found.bundled:
        return "comes with caesura"
    return "fetched" if (cache() / found.file).is_file() else f"caesura models pull {found.name}"
