"""caesura denoise: take out the noise that a recording has all along, such as hiss."""

from __future__ import annotations

__all__ = ["denoise", "denoised"]

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from caesura.cli import options
from caesura.cli.terminal import progress_bar, say

if TYPE_CHECKING:
    from caesura.denoising.files import Chosen, Cleaned

LOUDEST = 1.0  # standard deviation of noise that is as loud as anything can be


def denoise(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A sound file, or - for stdin.")],
    output: options.Output = None,
    noise: Annotated[
        float | None, typer.Option(metavar="SIGMA", help="Standard deviation of white noise; full scale is 1.")
    ] = None,
    noise_db: Annotated[
        float | None, typer.Option("--noise-db", metavar="DB", help="The same in decibels of full scale, such as -50.")
    ] = None,
    method: Annotated[
        str, typer.Option(metavar="NAME", help="spectral, or a method with a model of sounds: cqtdiff ...")
    ] = "spectral",
    setting: Annotated[
        list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE", help="Setting of the method; repeat.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 0,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="What was done, as JSON.")] = None,
    output_format: Annotated[str | None, typer.Option(metavar="flac|wav", help="Container of the result.")] = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> int:
    """Take out steady noise. Without a level it is estimated, with its colour, from the quietest moments.

    This changes every sample. To repair damage in a noisy recording in one go: `caesura restore --auto --denoise`.
    """
    from caesura.cli.files import STREAM, Job, check_new, incoming, outgoing, plan
    from caesura.denoising.files import denoise_file

    level = stated(noise, noise_db)
    chosen = built(method, setting or ())
    (job,) = plan([(source, Path(source.name))], output, None, force=force)
    check_new(report, force=force)
    kind = output_format or ("wav" if job.target == STREAM else None)
    with (
        incoming(source) as path,
        progress_bar(source.name, quiet=quiet) as progress,
        outgoing(job, _suffix(job, path, kind)) as target,
    ):
        done = denoise_file(
            path, target, chosen, noise=level, seed=seed, output_format=kind, force=force, progress=progress
        )  # fmt: skip
    if report is not None:
        _write(report, done, Job(source, job.target), force=force)
    if not quiet:
        say(f"{'standard output' if job.target == STREAM else job.target}: {told(done)}")
    return 0


@contextlib.contextmanager
def denoised(source: Path, wanted: bool, output_format: str | None) -> Iterator[tuple[Path, Mapping[str, Any] | None]]:
    """A file without its noise for the time of the block, and what was done; the file itself where none is wanted."""
    if not wanted:
        yield source, None
        return
    from caesura.audio import output_suffix
    from caesura.denoising.files import denoise_file

    with tempfile.TemporaryDirectory(prefix="caesura-") as folder:
        clean = Path(folder) / f"{source.stem}{output_suffix(source, output_format)}"
        done = denoise_file(source, clean, built("spectral", ()), output_format=output_format)
        yield clean, done.to_json()


def stated(noise: float | None, noise_db: float | None) -> float | None:
    """The standard deviation that the options say, or None.

    Raises:
        ValueError: it is none, or both are given.
    """
    if noise is not None and noise_db is not None:
        raise ValueError("--noise and --noise-db say the same: give one of them")
    if noise_db is not None:
        noise = 10.0 ** (noise_db / 20.0)
    if noise is not None and not 0.0 < noise <= LOUDEST:
        said = f"--noise {noise:g}" if noise_db is None else f"--noise-db {noise_db:g}"
        raise ValueError(f"{said} is no level of noise: above 0 and at most {LOUDEST:g}, which is 0 dB")
    return noise


def built(method: str, settings: Sequence[str]) -> Chosen:
    """What takes the noise out.

    Raises:
        ValueError: there is none of that name, or a setting does not fit.
    """
    from caesura.cli.quantities import key_values
    from caesura.denoising import Spectral
    from caesura.denoising.files import Chosen
    from caesura.methods import build, construct, load, settings_of

    given = key_values(settings, "inertia=0.95")
    if method == "spectral":
        spectral = construct(Spectral, method, given)
        return Chosen(spectral, method, settings_of(spectral))
    if not hasattr(load(method), "denoise"):
        raise ValueError(f"{method} fills gaps and takes out no noise: try --method spectral or cqtdiff")
    inpainter = build(method, given)
    return Chosen(inpainter.denoise, method, settings_of(inpainter))  # type: ignore[attr-defined]


def told(done: Cleaned) -> str:
    """What was done, in half a sentence."""
    how = "estimated" if done.estimated else "as stated"
    parts = [f"noise at {done.sigma_db:.1f} dBFS ({how}) taken out by {done.method}"]
    if done.clipped:
        parts.append(f"{done.clipped} samples held at full scale")
    return ", ".join(parts) + (f". Note: {done.note}" if done.note else "")


def _suffix(job: Any, path: Path, kind: str | None) -> str:
    from caesura.audio import output_suffix
    from caesura.cli.files import STREAM

    return output_suffix(path, kind) if job.target == STREAM else ""


def _write(report: Path, done: Cleaned, job: Any, *, force: bool) -> None:
    import json

    from caesura.atomic import replacing

    plain = {**done.to_json(), "source": str(job.source), "target": str(job.target)}
    with replacing(report, force=force) as partial, partial.open("w", encoding="utf-8") as file:
        json.dump(plain, file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")
