"""A picture of what changed: spectrogram and waveform before and after, around each region."""

from __future__ import annotations

__all__ = ["draw"]

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from caesura.atomic import replacing
from caesura.audio import Reader, open_audio
from caesura.problem import Span, merge
from caesura.restoration import Fill

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 6  # the longest stretches; more would be too small to see
CONTEXT = 1.5  # regions are shown with this many times their length on either side
SHORTEST, LONGEST = 0.03, 4.0  # seconds of context on either side
DYNAMIC_RANGE = 90.0  # decibels shown
MARK = "#d1495b"


def draw(before: Path, after: Path, fills: Sequence[Fill], target: Path, *, force: bool = False) -> None:
    """Draw the repaired regions of a file as a PNG.

    Args:
        before: the damaged file.
        after: the repaired file.
        fills: what was done, from the report.
        target: where the picture goes.
        force: overwrite an existing picture.

    Raises:
        ValueError: there is nothing to draw, the picture exists, or matplotlib is not installed.
    """
    if not fills:
        raise ValueError("no region was filled, so there is nothing to draw")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError("a picture needs matplotlib: pip install 'caesura[picture]'") from None
    with open_audio(before) as old, open_audio(after) as new:
        stretches = _stretches(fills, old.info.sample_rate, old.info.frames)
        figure = Figure(figsize=(11.0, 2.6 * len(stretches) + 0.6), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(len(stretches), 4, squeeze=False, width_ratios=(3, 3, 2, 2))
        for row, stretch in zip(axes, stretches, strict=True):
            _draw_row(row, stretch, fills, old, new)
        for ax, title in zip(axes[0], ("before", "after", "before", "after"), strict=True):
            ax.set_title(title, fontsize=10)
        with replacing(target, force=force) as partial:
            figure.savefig(partial, dpi=110, format="png")


def _stretches(fills: Sequence[Fill], sample_rate: int, frames: int) -> list[Span]:
    """What to show: every region with context, joined where these overlap; the ones with the longest regions."""
    spans = []
    for fill in fills:
        around = round(np.clip(CONTEXT * fill.region.length / sample_rate, SHORTEST, LONGEST) * sample_rate)
        spans.append((max(fill.region.start - around, 0), min(fill.region.stop + around, frames)))
    longest = sorted(merge(spans), key=lambda span: span[0] - span[1])[:MOST_ROWS]
    return sorted(longest)


def _draw_row(row: Sequence[Any], stretch: Span, fills: Sequence[Fill], old: Reader, new: Reader) -> None:
    rate = old.info.sample_rate
    times = (stretch[0] / rate, stretch[1] / rate)
    pair = [np.nan_to_num(reader.read(*stretch)).mean(axis=0) for reader in (old, new)]
    spectra = [_spectrogram(x, rate) for x in pair]
    top = max(float(s.max()) for s in spectra)
    for ax, spectrum in zip(row[:2], spectra, strict=True):
        ax.imshow(
            spectrum,
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=top - DYNAMIC_RANGE,
            vmax=top,
            extent=(*times, 0.0, rate / 2000.0),
        )
    row[0].set_ylabel("kHz", fontsize=8)
    peak = 1.05 * max(float(np.abs(x).max()) for x in pair) or 1.0
    for ax, x in zip(row[2:], pair, strict=True):
        ax.plot(np.linspace(*times, x.size, endpoint=False), x, linewidth=0.5, color="#1d3557")
        ax.set(xlim=times, ylim=(-peak, peak))
    for ax in row:
        _mark(ax, stretch, fills, rate)


def _mark(ax: Axes, stretch: Span, fills: Sequence[Fill], rate: int) -> None:
    ax.tick_params(labelsize=7)
    ax.locator_params(axis="x", nbins=4)
    ax.set_xlabel("s", fontsize=8)
    for fill in fills:
        region = fill.region
        if region.start < stretch[1] and region.stop > stretch[0]:
            for edge in (region.start, region.stop):
                ax.axvline(edge / rate, color=MARK, linewidth=0.8, linestyle="-" if fill.filled else ":")


def _spectrogram(x: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    """Decibels (bins, frames); the window is short enough to show the shortest gap."""
    length = int(min(1024 * max(sample_rate // 22050, 1), max(64, 2 ** int(np.log2(max(x.size // 16, 64))))))
    padded = np.pad(x, length // 2)
    hop = max(length // 8, x.size // 1500, 1)
    frames = np.lib.stride_tricks.sliding_window_view(padded, length)[::hop] * np.hanning(length)
    return np.asarray(20.0 * np.log10(np.abs(np.fft.rfft(frames)) + 1e-7)).T
