"""caesura image: sound as a picture, and pictures as sound."""

from __future__ import annotations

__all__ = ["image_app"]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from caesura.cli import options
from caesura.cli.terminal import columns, say

if TYPE_CHECKING:
    from caesura.codecs.image_files import Picture

PEAK = 10.0 ** (-0.1 / 20.0)  # of a sound whose picture does not say how loud it was

Source = Annotated[Path, typer.Argument(metavar="IN", help="A file.")]
Target = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to.")]

image_app = typer.Typer(help="Spectrogram images: sound to picture, picture to sound.", no_args_is_help=True)


@image_app.command()
def to(
    source: Source,
    output: Target,
    stereo: Annotated[bool, typer.Option("--stereo", help="Two channels as green and blue.")] = False,
    band: Annotated[str, typer.Option(metavar="LOW-HIGH", help="Hertz shown: 0-10000, 10Hz-20kHz.")] = "0-10000",
    rows: Annotated[int, typer.Option(min=16, max=4096, help="Mel bands.")] = 512,
    step_ms: Annotated[int, typer.Option(min=1, max=100, help="Milliseconds per column.")] = 10,
    rate: Annotated[int | None, typer.Option(min=1000, help="Hertz to resample to; the file's own by default.")] = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> int:
    """Draw the spectrogram image of a sound file; the picture says how loud and how long it was."""
    from caesura.audio import read, resample
    from caesura.cli.files import check_new, required
    from caesura.cli.quantities import band as hertz
    from caesura.codecs.image import SpectrogramImage
    from caesura.codecs.image_files import Picture, write_picture

    check_new(output, force=force)
    low, high = (round(edge) for edge in hertz(band))
    audio = read(required(source))
    x, own = audio.samples, rate or audio.sample_rate
    x = resample(x, audio.sample_rate, own)
    x = x[[0, min(1, len(x) - 1)]] if stereo else x.mean(axis=0, keepdims=True)
    codec = SpectrogramImage(sample_rate=own, step_ms=step_ms, bands=rows, low=low, high=high)
    mel = codec.mel(x)
    pixels = codec.pixels(mel)
    picture = Picture(pixels, codec, stereo, float(mel.max()), x.shape[1])
    write_picture(output, picture, force=force)
    if not quiet:
        say(f"{output}: {pixels.shape[1]} columns of {step_ms} ms, {rows} bands from {low} to {high} Hz")
    return 0


@image_app.command("from")
def from_(
    source: Source,
    output: Target,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 0,
    iterations: Annotated[int, typer.Option(min=0, max=10_000, help="Of the Griffin-Lim algorithm.")] = 64,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> int:
    """Make sound of a spectrogram image, PNG or JPEG, whoever drew it."""
    import numpy as np

    from caesura.audio import Audio, write
    from caesura.cli.files import check_new, required
    from caesura.codecs.image import LOUDEST
    from caesura.codecs.image_files import read_picture

    check_new(output, force=force)
    found = read_picture(required(source))
    loudest = LOUDEST if found.loudest is None else found.loudest
    mel = found.codec.from_pixels(found.pixels, loudest, stereo=found.stereo)
    samples = found.codec.samples(mel.shape[-1]) if found.samples is None else found.samples
    if samples < 1:
        raise ValueError(f"{source} has {mel.shape[-1]} column: a sound takes two or more")
    x = found.codec.decode(mel, samples, np.random.default_rng(seed), iterations=iterations)
    peak = float(np.abs(x).max())
    if found.loudest is None and peak > 0.0:
        x = x * (PEAK / peak)
    write(output, Audio(x, found.codec.sample_rate), force=force)
    if not quiet:
        length = f"{samples / found.codec.sample_rate:.2f} s"
        say(f"{output}: {length} at {found.codec.sample_rate} Hz" + (f". Note: {found.note}" if found.note else ""))
    return 0


@image_app.command()
def info(source: Source) -> int:
    """Say what a picture says of itself."""
    from caesura.cli.files import required
    from caesura.codecs.image_files import read_picture

    typer.echo(columns((str(source), ""), _facts(read_picture(required(source)))))
    return 0


def _facts(found: Picture) -> list[tuple[str, str]]:
    codec = found.codec
    return [
        ("size", f"{found.pixels.shape[1]} x {found.pixels.shape[0]} pixels"),
        ("channels", "2" if found.stereo else "1"),
        ("rate", f"{codec.sample_rate} Hz"),
        ("step, window, transform", f"{codec.step_ms}, {codec.window_ms}, {codec.padded_ms} ms"),
        ("bands", f"{codec.bands} from {codec.low} to {codec.high} Hz"),
        ("power", f"{codec.power:g}"),
        ("loudest", "unknown" if found.loudest is None else f"{found.loudest:g}"),
        ("samples", "unknown" if found.samples is None else str(found.samples)),
        ("note", found.note or "none"),
    ]
