"""Options that several commands share, and what the shell completes."""

from __future__ import annotations

__all__ = [
    "TOLD",
    "Channel",
    "Force",
    "Gap",
    "Gaps",
    "Kinds",
    "Mask",
    "Output",
    "PacketMs",
    "Quiet",
    "Seed",
    "Sensitivity",
    "Setting",
    "Text",
    "complete_method",
]

from pathlib import Path
from typing import Annotated

import typer


def complete_method(incomplete: str) -> list[str]:
    """Names of methods that begin so."""
    from caesura.methods import names

    return [name for name in names() if name.startswith(incomplete)]


def complete_kinds(incomplete: str) -> list[str]:
    """A list of kinds, one longer."""
    from caesura.labels import KINDS

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{kind}" for kind in KINDS if kind.startswith(last) and kind not in before.split(",")]


Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; - is the standard output.")
]
Gap = Annotated[
    list[str] | None,
    typer.Option(
        "--gap", metavar="TIMES", help="A span to fill: 1.20-1.35, 1:02.2-1:02.4, 350ms-400ms; repeat for more."
    ),
]
Gaps = Annotated[
    Path | None,
    typer.Option(
        "--gaps", metavar="FILE", help="Labels: Audacity, CSV, JSON, a report, a loss trace, or a WAV's cues."
    ),
]
Mask = Annotated[
    Path | None,
    typer.Option(metavar="PICTURE", help="A picture over the recording, up to 10 kHz: white is filled, black stays."),
]
Kinds = Annotated[
    str | None,
    typer.Option("--kinds", metavar="LIST", help="Only these kinds: click,silence ...", autocompletion=complete_kinds),
]
Channel = Annotated[int | None, typer.Option("--channel", metavar="N", help="Only this channel, counted from 0.")]
PacketMs = Annotated[
    float | None, typer.Option("--packet-ms", metavar="MS", help="Length of a packet, for packet-loss traces.")
]
Sensitivity = Annotated[
    float, typer.Option("--sensitivity", help="Of the detection: 2 finds fainter damage and more that is none.")
]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="Setting of the method; repeat for more."),
]
TOLD = "text_mini"  # the method that is taken where a text is given and no method
Text = Annotated[str, typer.Option("--text", help="What should be heard; text_mini hears it without --method.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same bytes.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
