"""One noisy file in, one clean file and a record of what was taken out.

    read a stretch -> problem with a noise level -> cleaner -> splice into a copy of the file

Stretches overlap, so a cleaner hears what comes before and after, and an hour of audio takes no more memory than a
minute. What holds no noise is left as it is: digital silence, values that were held, samples that are no numbers.
"""

from __future__ import annotations

__all__ = ["Chosen", "Cleaned", "Cleaner", "denoise_file"]

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from caesura.audio import Patch, Reader, open_audio, splice
from caesura.denoising.noise import noise_spectrum
from caesura.denoising.spectral import Spectral
from caesura.inpainter import Progress, silent
from caesura.problem import Problem
from caesura.region import Region, runs

Array = NDArray[np.float64]

STRETCH = 30.0  # seconds that are cleaned at once
MARGIN = 1.0  # seconds before and after that a cleaner hears as well
HELD = 8  # equal samples in a row that no noise would leave
BRIDGED = (0.002, 0.25)  # seconds of such a run over which prediction stands in, so that no edge is taken for sound
FRAME = 2048  # samples of the frames in which a level is estimated


class Cleaner(Protocol):
    """What takes noise out: called with a problem that states the level of its noise, it returns an estimate."""

    def __call__(self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent) -> Array:
        """The recording (channels, samples) without its noise."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """What takes noise out, and what the record says of it."""

    cleaner: Cleaner
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cleaned:
    """What was done to a file."""

    source: str
    target: str
    container: str
    sigma: float
    """Standard deviation of the noise, full scale 1."""
    estimated: bool
    """Whether that was found out or given."""
    taken_db: float
    """Power of what was taken out against that of the recording, decibels."""
    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    clipped: int = 0
    """Samples that did not fit the sample format and were held at full scale."""
    note: str = ""

    @property
    def sigma_db(self) -> float:
        """The noise in decibels of full scale."""
        return 20.0 * math.log10(self.sigma) if self.sigma > 0.0 else -math.inf

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "source": self.source,
            "target": self.target,
            "container": self.container,
            "method": self.method,
            "settings": dict(self.settings),
            "noise": self.sigma,
            "noise_dbfs": None if math.isinf(self.sigma_db) else self.sigma_db,
            "noise_was_estimated": self.estimated,
            "taken_out_db": None if math.isinf(self.taken_db) else self.taken_db,
            "clipped": self.clipped,
            "note": self.note,
        }


def denoise_file(
    source: Path,
    target: Path,
    chosen: Chosen,
    *,
    noise: float | None = None,
    seed: int = 0,
    output_format: str | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> Cleaned:
    """Take the noise out of a file and write the result to another.

    Args:
        source: any readable audio file.
        target: where the result goes; written only when everything has worked.
        chosen: what takes it out.
        noise: standard deviation of the noise, full scale 1; None: it is estimated.
        seed: of cleaners that draw; the same seed gives the same bytes.
        output_format: container of the result where it cannot or should not be that of the source.
        force: overwrite an existing target.
        progress: called with the fraction done.

    Raises:
        ValueError: something is wrong with the input; the message names the fix.
        OSError: a file cannot be read or written.
    """
    with open_audio(source) as reader:
        level, cleaner = _level(reader, chosen.cleaner, noise)
        powers = [0.0, 0.0]
        patches = _patches(reader, cleaner, level, seed, powers, progress)
        done = splice(source, target, patches, force=force, output_format=output_format)
    taken = 10.0 * math.log10(powers[1] / powers[0]) if min(powers) > 0.0 else -math.inf
    return Cleaned(
        str(source),
        str(done.path),
        done.container,
        level,
        noise is None,
        taken,
        chosen.name,
        chosen.settings,
        done.clipped,
        done.note,
    )


def _level(reader: Reader, cleaner: Cleaner, noise: float | None) -> tuple[float, Cleaner]:
    """The level of the noise, and a cleaner that knows its spectrum where it can make use of that."""
    if noise is not None:
        return noise, cleaner
    rate = reader.info.sample_rate
    blocks = (_heard(reader, a, b)[0] for a, b in _stretches(reader))
    if isinstance(cleaner, Spectral):
        fitted = cleaner.heard(blocks, rate)
        return fitted.level, fitted
    return noise_spectrum(blocks, rate, FRAME).sigma, cleaner


def _patches(
    reader: Reader, cleaner: Cleaner, level: float, seed: int, powers: list[float], progress: Progress
) -> Iterator[Patch]:
    """The clean recording; `powers` collects that of the recording and of what was taken out."""
    margin, frames = round(MARGIN * reader.info.sample_rate), reader.info.frames
    for start, stop in _stretches(reader):
        first, last = max(start - margin, 0), min(stop + margin, frames)
        y, broken = _heard(reader, first, last)
        problem = Problem(y, (), reader.info.sample_rate, noise=level, unknown=broken, start=first)

        def part(fraction: float, start: int = start, stop: int = stop) -> None:
            progress((start + fraction * (stop - start)) / frames)

        inside = slice(start - first, stop - first)
        held = _noiseless(y)
        bridged = dataclasses.replace(problem, y=_bridged(problem, held))
        made = cleaner(bridged, rng=np.random.default_rng((seed, start)), progress=part)
        clean = np.where(held | ~problem.mask, y, made)[:, inside]
        powers[0] += float(np.sum(y[:, inside] ** 2))
        powers[1] += float(np.sum((y[:, inside] - clean) ** 2))
        for region in broken:  # what is no number stays none, for the search for damage to find
            row, a, b = region.channel or 0, max(region.start - inside.start, 0), max(region.stop - inside.start, 0)
            clean[row, a:b] = reader.read(start, stop)[row, a:b]
        yield Patch(start, clean)


def _stretches(reader: Reader) -> Iterator[tuple[int, int]]:
    length = round(STRETCH * reader.info.sample_rate)
    for start in range(0, reader.info.frames, length):
        yield start, min(start + length, reader.info.frames)


def _heard(reader: Reader, start: int, stop: int) -> tuple[Array, tuple[Region, ...]]:
    """A stretch (channels, samples) with zeros for what is no number, and where that is."""
    y = reader.read(start, stop)
    broken = tuple(Region(*span, channel=c) for c, row in enumerate(y) for span in runs(~np.isfinite(row)))
    return np.nan_to_num(y, nan=0.0, posinf=0.0, neginf=0.0), broken


def _bridged(problem: Problem, held: NDArray[np.bool_]) -> Array:
    """The recording (channels, samples) with predictions in place of runs that are no longer than gaps are."""
    from caesura.methods import build

    shortest, longest = (seconds * problem.sample_rate for seconds in BRIDGED)
    spans = [(c, a, b) for c, row in enumerate(held) for a, b in runs(row) if shortest <= b - a <= longest]
    if not spans:
        return problem.y
    gaps = tuple(Region(a, b, channel=c) for c, a, b in spans)
    lacking = dataclasses.replace(problem, regions=gaps)
    return np.where(lacking.mask, problem.y, build("lpc")(lacking, rng=np.random.default_rng(0)))


def _noiseless(y: Array) -> NDArray[np.bool_]:
    """(channels, samples), True within runs of equal samples."""
    found = np.zeros(y.shape, dtype=bool)
    for row, flags in zip(y, found, strict=True):
        for start, stop in runs(np.diff(row) == 0.0):
            flags[start : stop + 1] = stop + 1 - start >= HELD
    return found
