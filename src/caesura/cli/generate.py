"""caesura generate, continue, vary: sounds from nothing, past the end of a recording, and after a model."""

from __future__ import annotations

__all__ = ["alone", "container", "continue_", "generate", "vary"]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from caesura.cli import options

if TYPE_CHECKING:
    from caesura.problem import Hold

RATES = (4000, 384_000)  # hertz
MOST_CHANNELS = 8  # of a new sound: what FLAC holds

In = Annotated[str, typer.Argument(metavar="IN", help="A sound file, or - for stdin.")]
Method = Annotated[
    str, typer.Option("--method", metavar="NAME", help="See `caesura methods`.", autocompletion=options.complete_method)
]
Duration = Annotated[str, typer.Option("--duration", metavar="TIME", help="4, 500ms, 1:02.")]
Candidates = Annotated[
    int,
    typer.Option("--candidates", "-n", min=1, max=99, help="Results: out-1.wav and so on, with seeds in a row."),
]
Format = Annotated[str | None, typer.Option("--output-format", metavar="flac|wav", help="Container of the result.")]


def generate(  # the options of the command; what follows takes them in groups
    output: options.Output = None,
    method: Method = "",
    text: options.Text = "",
    duration: Duration = "4",
    rate: Annotated[int | None, typer.Option(metavar="HZ", help="Sample rate; the method's own by default.")] = None,
    channels: Annotated[int, typer.Option(metavar="N", help="All alike where the method knows one.")] = 1,
    pitch: Annotated[str | None, typer.Option(metavar="MIDI", help="Short for -s pitch=60.")] = None,
    family: Annotated[str | None, typer.Option(metavar="NAME", help="Short for -s family=organ.")] = None,
    setting: options.Setting = None,
    seed: options.Seed = 0,
    candidates: Candidates = 1,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> int:
    """Make a sound where nothing is known; one that is longer than the method hears at once goes on from its own end.

    Exit code: 0 done, 2 bad usage or input.
    """
    from caesura.cli.making import each_candidate, length, make_alone, where_to
    from caesura.cli.repairing import built
    from caesura.generation import can_generate, own_rate

    method = method or (options.TOLD if text else "")
    if not method:
        them = " or ".join(can_generate())
        raise ValueError(f"say which method makes the sound: --method {them}, or what it is: --text")
    if rate is not None and not RATES[0] <= rate <= RATES[1]:
        raise ValueError(f"--rate {rate} must lie between {RATES[0]} and {RATES[1]} Hz")
    if not 1 <= channels <= MOST_CHANNELS:
        raise ValueError(f"--channels {channels} must lie between 1 and {MOST_CHANNELS}")
    targets = where_to(output, candidates, force=force)
    short = {"pitch": pitch, "family": family}
    inpainter = built(method, setting or (), {key: value for key, value in short.items() if value is not None})
    own = own_rate(inpainter)
    samples = length(duration, "--duration", rate or own)
    make = make_alone(inpainter, samples, rate or own, channels=channels, text=text, force=force)
    return each_candidate(targets, seed, make, quiet=quiet)


def continue_(
    source: In,
    output: options.Output = None,
    method: Method = "",
    text: options.Text = "",
    duration: Duration = "4",
    setting: options.Setting = None,
    seed: options.Seed = 0,
    candidates: Candidates = 1,
    output_format: Format = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> int:
    """Let a recording go on past its end; what was there stays as it is, bit for bit.

    Without --method and --text it goes on with a moment of its own, by graph.

    Exit code: 0 done, 2 bad usage or input.
    """
    from caesura.cli.files import incoming
    from caesura.cli.making import each_candidate, go_on, where_to
    from caesura.cli.repairing import built

    method = method or (options.TOLD if text else "graph")
    targets, inpainter = where_to(output, candidates, force=force), built(method, setting or (), {})
    with incoming(alone(source, targets)) as path:
        form, suffix = container(path, targets[0], output_format)
        make = go_on(path, inpainter, duration, text=text, output_format=form, force=force)
        return each_candidate(targets, seed, make, suffix=suffix, quiet=quiet)


def vary(
    source: In,
    output: options.Output = None,
    method: Method = "",
    gap: options.Gap = None,
    channel: options.Channel = None,
    strength: Annotated[
        str | None, typer.Option(metavar="0..1", help="0 hardly changes it, 1 forgets it; short for -s strength=0.5.")
    ] = None,
    guide: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What to vary instead of the recording itself.")
    ] = None,
    mask: options.Mask = None,
    text: options.Text = "",
    setting: options.Setting = None,
    seed: options.Seed = 0,
    candidates: Candidates = 1,
    output_format: Format = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> int:
    """Play a recording, or gaps of it, again: like the guide, but not the same. Without --method text_mini plays it.

    Exit code: 0 done, 2 bad usage or input.
    """
    from caesura.cli.files import incoming
    from caesura.cli.making import each_candidate, play_again, where_to
    from caesura.cli.repairing import built
    from caesura.cli.where import Where
    from caesura.generation import can_vary
    from caesura.methods import load

    method = method or options.TOLD
    load(method)
    if method not in can_vary():
        raise ValueError(f"{method} cannot vary a guide: choose from {', '.join(can_vary())}")
    if mask is not None and gap:
        raise ValueError(f"--gap {gap[0]} and --mask {mask} both say where: leave one of them out")
    where = Where.parsed(gap, None, channel=channel)
    targets = where_to(output, candidates, force=force)
    inpainter = built(method, setting or (), {} if strength is None else {"strength": strength})
    with incoming(alone(source, targets)) as path:
        form, suffix = container(path, targets[0], output_format)
        regions = _painted(path, mask) or [label.region for label in where.labels(path, lambda fraction: None)]
        make = play_again(path, inpainter, regions, guide=guide, text=text, output_format=form, force=force)
        return each_candidate(targets, seed, make, suffix=suffix, quiet=quiet)


def _painted(source: Path, mask: Path | None) -> Hold | None:
    """What a mask says of a recording."""
    if mask is None:
        return None
    from caesura.audio import open_audio
    from caesura.cli.files import required
    from caesura.codecs.image_files import read_mask

    with open_audio(source) as reader:
        return read_mask(required(mask), reader.info.frames)


def alone(source: str, targets: list[Path]) -> Path:
    """The input, which no result may overwrite."""
    from caesura.cli.files import STREAM, required

    path = Path(source)
    if path != STREAM:
        required(path)
        for target in targets:
            if target != STREAM and target.resolve() == path.resolve():
                raise ValueError(f"{target} is the input: choose another output, the original stays as it is")
    return path


def container(source: Path, target: Path, output_format: str | None) -> tuple[str | None, str]:
    """Container of the result, and the suffix of what goes to the standard output."""
    from caesura.audio import output_suffix
    from caesura.cli.files import STREAM

    if target != STREAM:
        return output_format, ""
    return output_format or "wav", output_suffix(source, output_format or "wav")
