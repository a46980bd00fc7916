"""One damaged file in, one repaired file and a report out.

    read a window -> problem -> method -> paste -> splice into a copy of the file -> compare both files

Only windows around the regions are ever in memory, so an hour of audio takes no more of it than a minute.
"""

from __future__ import annotations

__all__ = ["repair_file"]

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caesura.audio import Patch, Reader, open_audio, resample, splice
from caesura.inpainter import Inpainter, Progress, name_of, silent
from caesura.labels import Label
from caesura.methods import settings_of
from caesura.problem import Problem
from caesura.region import Region, clipped, gaps_of, runs
from caesura.report import Report
from caesura.restoration import Fill, changed, check, fill_windows
from caesura.verify import verify
from caesura.windows import Window, plan

NOT_REPAIRED = frozenset({"clipping"})  # kinds that are reported only

Guide = Callable[[Window], NDArray[np.float64]]


def repair_file(
    source: Path,
    target: Path,
    labels: Sequence[Label],
    inpainter: Inpainter,
    *,
    seed: int = 0,
    fade: int = 0,
    text: str = "",
    guide: Path | None = None,
    output_format: str | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> Report:
    """Fill the marked regions of a file and write the result to another.

    Samples that are not finite and not marked are left as they are and never used as context.

    Args:
        source: any readable audio file.
        target: where the result goes; written only when everything has worked.
        labels: what to fill; labels of kind clipping are passed over.
        inpainter: the method.
        seed: the same seed gives the same bytes.
        fade: context samples given up to a crossfade on either side of a gap.
        text: what should be heard, for methods that take a text.
        guide: a recording that steers the fill, for methods that take one.
        output_format: container of the result where it cannot or should not be that of the source.
        force: overwrite an existing target.
        progress: called with the fraction done; raising from it cancels and leaves no target.

    Raises:
        ValueError: something is wrong with the input; the message names the fix.
        OSError: a file cannot be read or written.
    """
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(open_audio(source))
        targets = _targets(labels, reader)
        windows = plan(targets, reader.info.frames, reader.info.sample_rate, inpainter.accepts, fade=fade)
        hear = _guide(stack.enter_context(open_audio(guide)), reader) if guide else None
        crops = (_crop(window, targets, reader, text, hear, inpainter) for window in windows)
        fills: list[Fill] = []
        done = fill_windows(
            windows, crops, inpainter, seed=seed, fade=fade, progress=lambda fraction: progress(0.95 * fraction)
        )
        patches = _patches(windows, done, fade, fills)
        spliced = splice(source, target, patches, force=force, output_format=output_format)
        info = reader.info
    filled = [_widened(fill.region, fade, info.frames) for fill in fills if fill.filled]
    verdict = verify(source, spliced.path, filled)
    progress(1.0)
    return Report(
        source=str(source),
        target=str(spliced.path),
        container=spliced.container,
        sample_rate=info.sample_rate,
        channels=info.channels,
        frames=info.frames,
        method=name_of(inpainter),
        settings=settings_of(inpainter),
        seed=seed,
        fade=fade,
        fills=tuple(fills),
        clipped=spliced.clipped,
        changed_outside=verdict.changed_outside,
        metadata_kept=verdict.metadata_kept,
        note="; ".join(filter(None, (info.note, spliced.note))),
    )


def _targets(labels: Sequence[Label], reader: Reader) -> tuple[Region, ...]:
    regions = [label.region for label in labels if label.kind not in NOT_REPAIRED]
    info = reader.info
    for region in regions:
        if region.stop > info.frames:
            raise ValueError(
                f"the region {region.start / info.sample_rate:.6f}-{region.stop / info.sample_rate:.6f} s lies outside "
                f"{info.path}, which is {info.frames / info.sample_rate:.6f} s long: correct the region"
            )
        if region.channel is not None and region.channel >= info.channels:
            raise ValueError(f"channel {region.channel} does not exist in {info.path}: it has {info.channels}, from 0")
    boxes = tuple(region for region in regions if not region.is_gap)
    return (*gaps_of(regions, info.channels), *boxes)


def _crop(
    window: Window, targets: Sequence[Region], reader: Reader, text: str, hear: Guide | None, inpainter: Inpainter
) -> Problem:
    y = reader.read(window.start, window.stop)
    near = [r for r in targets if r.is_gap and r.start < window.stop and r.stop > window.start]
    others = clipped((r for r in near if r not in window.targets), window.start, window.stop)
    broken = (Region(*span, channel=c) for c, row in enumerate(y) for span in runs(~np.isfinite(row)))
    problem = Problem(
        np.nan_to_num(y, nan=0.0, posinf=0.0, neginf=0.0),
        clipped(window.targets, window.start, window.stop),
        reader.info.sample_rate,
        guide=None if hear is None else hear(window),
        text=text,
        unknown=(*others, *broken),
        start=window.start,
    )
    check(window.targets, problem, inpainter)
    return problem


def _guide(guide: Reader, reader: Reader) -> Guide:
    """What of the guide belongs to a window, at the recording's rate; silence past its end."""
    ratio = guide.info.sample_rate / reader.info.sample_rate

    def hear(window: Window) -> NDArray[np.float64]:
        a, b = (min(round(t * ratio), guide.info.frames) for t in (window.start, window.stop))
        x = resample(guide.read(a, b), guide.info.sample_rate, reader.info.sample_rate)
        length = window.stop - window.start
        return np.pad(x[:, :length], ((0, 0), (0, max(length - x.shape[1], 0))))

    return hear


def _patches(
    windows: Sequence[Window],
    done: Iterator[tuple[NDArray[np.float64], tuple[Fill, ...]]],
    fade: int,
    fills: list[Fill],
) -> Iterator[Patch]:
    """What to write, in order of time; `fills` collects what was done on the way."""
    for window, (pasted, found) in zip(windows, done, strict=True):
        fills += found
        for fill in found:
            if fill.filled:
                rows, span = changed(fill.region, window, fade)
                samples = pasted[rows, span.start - window.start : span.stop - window.start]
                yield Patch(span.start, samples, fill.region.channel)


def _widened(region: Region, fade: int, frames: int) -> Region:
    return dataclasses.replace(region, start=max(region.start - fade, 0), stop=min(region.stop + fade, frames))
