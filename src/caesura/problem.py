"""What is missing, what is known, and how to put an answer back.

A problem is an observation y with regions to fill. A region that covers the whole band is a *gap*: y is zero there.
A region with a band is a *box* of the time-frequency plane: its content is taken out of y with the operator
B = G* M G, where G is a Parseval frame of windowed Fourier atoms that lie inside the span and M keeps the bins
of the band. Pasting an estimate x_hat is

    restored = x_hat in the gaps, y + B x_hat in the boxes, y everywhere else,

so every sample outside the spans comes back bit for bit, and so does, up to rounding, the part of the spectrum
outside a box.
"""

from __future__ import annotations

__all__ = ["Hold", "Problem", "Region", "Span", "gaps_of", "merge", "runs"]

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from caesura.box import band_part
from caesura.hold import Hold
from caesura.region import Region, Span, clipped, gaps_of, merge, runs

MAX_CHANNELS = 64  # more than this is an array with its axes swapped, not a recording
RESAMPLER_HALF_LENGTH = 100  # samples at the lower of two rates: soxr's HQ filter rings below 1e-7 from there on


@dataclass(frozen=True, eq=False)
class Problem:
    """An observation with regions to fill.

    The constructor copies `y` and takes out what the regions cover, so that no method can see the answer.

    Raises:
        ValueError: a region lies outside the observation, or a reliable sample is not finite.
    """

    y: NDArray[np.float64]
    """Observation (channels, samples); zero in the gaps, whatever was passed."""
    regions: tuple[Region, ...]
    """What to fill."""
    sample_rate: int
    """Hertz."""
    guide: NDArray[np.float64] | None = None
    """Audio (channels, samples) that may be heard inside the regions and steers the fill."""
    text: str = ""
    """What a listener would call the sound."""
    noise: float = 0.0
    """Standard deviation of the white noise on the reliable samples; 0: the recording is taken as it is."""
    unknown: tuple[Region, ...] = ()
    """Gaps that are not to be filled here and hold nothing to go by either, such as another window's."""
    start: int = 0
    """Position of the first sample in the recording, for what a method has to say of places."""
    hold: Hold | None = None
    """What of the guide stays, more or less firmly; None: nothing in particular."""
    observed: bool = field(default=False, repr=False)
    """True when `y` already lacks what the regions cover; set by `crop` and `at`."""

    def __post_init__(self) -> None:
        y = np.array(self.y, dtype=np.float64, ndmin=2)
        _check_shape(y, self.sample_rate)
        if not 0.0 <= self.noise < math.inf:
            raise ValueError(f"noise={self.noise:g} is a standard deviation: 0 or more, and finite")
        regions = tuple(sorted(self.regions, key=Region.order))
        for region in (*regions, *self.unknown):
            _check_region(region, y.shape)
        object.__setattr__(self, "regions", regions)
        y[~self._mask(y.shape)] = 0.0
        _check_finite(y)
        if not self.observed:
            for box in self.boxes:
                _add_band_part(y, y, box, self.sample_rate, -1.0)
        y.flags.writeable = False
        object.__setattr__(self, "y", y)

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """(channels, samples), True where the sample is reliable. Boxes leave every sample reliable."""
        mask = self._mask(self.y.shape)
        mask.flags.writeable = False
        return mask

    @cached_property
    def gaps(self) -> tuple[Region, ...]:
        """Full-band regions in order of time; see `gaps_of`."""
        return gaps_of(self.regions, self.channels)

    @property
    def boxes(self) -> tuple[Region, ...]:
        """Regions that cover only a part of the band."""
        return tuple(region for region in self.regions if not region.is_gap)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.y.shape[0])

    @property
    def samples(self) -> int:
        """Number of samples per channel."""
        return int(self.y.shape[1])

    def crop(self, start: int, stop: int, targets: Sequence[Region] | None = None) -> Problem:
        """The problem between samples `start` and `stop`; regions are cut at the edges.

        A box that sticks out keeps only its inner part, so crop around whole boxes.

        Args:
            start: first sample.
            stop: one past the last sample.
            targets: the regions to fill, where that is not all of them; the other gaps become unknown.
        """
        start, stop = max(start, 0), min(stop, self.samples)
        wanted = (*self.gaps, *self.boxes) if targets is None else tuple(targets)
        left = [gap for gap in self.gaps if gap not in wanted]
        return dataclasses.replace(
            self,
            y=self.y[:, start:stop],
            regions=clipped(wanted, start, stop),
            unknown=clipped((*self.unknown, *left), start, stop),
            guide=None if self.guide is None else self.guide[:, start:stop],
            hold=None if self.hold is None else self.hold.shifted(-start),
            start=self.start + start,
            observed=True,
        )

    def channel(self, index: int) -> Problem:
        """The problem of one channel alone."""
        regions, unknown = (
            tuple(dataclasses.replace(r, channel=None) for r in group if r.channel in (None, index))
            for group in (self.regions, self.unknown)
        )
        guide = None if self.guide is None else self.guide[min(index, len(self.guide) - 1)][None]
        y = self.y[index][None]
        return dataclasses.replace(self, y=y, regions=regions, unknown=unknown, guide=guide, observed=True)

    def at(self, sample_rate: int) -> Problem:
        """The problem at another rate; gaps are widened by the filter, which smears their zeros into the context.

        Of white noise a lower rate keeps the share that lies in its band; a higher rate adds none.
        """
        if sample_rate == self.sample_rate:
            return self
        from caesura.audio import resample

        ratio = sample_rate / self.sample_rate
        y = resample(self.y, self.sample_rate, sample_rate)
        margin = math.ceil(RESAMPLER_HALF_LENGTH * max(1.0, ratio))
        regions, unknown = (
            tuple(_rescaled(r, ratio, margin if r.is_gap else 0, y.shape[1]) for r in group)
            for group in (self.regions, self.unknown)
        )
        return dataclasses.replace(
            self,
            y=y,
            regions=regions,
            unknown=unknown,
            sample_rate=sample_rate,
            noise=self.noise * math.sqrt(min(ratio, 1.0)),
            guide=None if self.guide is None else resample(self.guide, self.sample_rate, sample_rate),
            hold=None if self.hold is None else self.hold.scaled(ratio),
            start=round(self.start * ratio),
            observed=True,
        )

    def paste(self, estimate: NDArray[np.float64], fade: int = 0) -> NDArray[np.float64]:
        """Put an estimate (channels, samples) into the observation.

        Args:
            estimate: any finite values; only what lies in the regions is used.
            fade: context samples on either side of a gap given up to a crossfade; 0 keeps every one of them.

        Returns:
            (channels, samples); with `fade=0` equal to `y` bit for bit outside the regions' spans.
        """
        if estimate.shape != self.y.shape:
            raise ValueError(f"the estimate has shape {estimate.shape}, the observation {self.y.shape}")
        weight = _fade_weights(self.mask, fade)
        restored = np.where(weight == 0.0, self.y, np.where(weight == 1.0, estimate, 0.0))
        mixed = (weight > 0.0) & (weight < 1.0)
        restored[mixed] = weight[mixed] * estimate[mixed] + (1.0 - weight[mixed]) * self.y[mixed]
        if self.boxes:
            rest = np.array(estimate)
            for box in self.boxes:
                # Overlapping boxes were taken out one after the other, so they go back in the same way.
                _add_band_part(restored, rest, box, self.sample_rate, 1.0)
                _add_band_part(rest, rest, box, self.sample_rate, -1.0)
            if not np.isfinite(restored).all():
                raise ValueError("the estimate is not finite in a box")
        return restored

    def _mask(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        mask = np.ones(shape, dtype=bool)
        for region in (*self.regions, *self.unknown):
            if region.is_gap:
                mask[_rows(region), region.start : region.stop] = False
        return mask


def _rows(region: Region) -> slice:
    return slice(None) if region.channel is None else slice(region.channel, region.channel + 1)


def _add_band_part(
    target: NDArray[np.float64], x: NDArray[np.float64], box: Region, sample_rate: int, sign: float
) -> None:
    span = slice(box.start, box.stop)
    target[_rows(box), span] += sign * band_part(x[_rows(box), span], box.low, box.high, sample_rate)


def _rescaled(region: Region, ratio: float, margin: int, samples: int) -> Region:
    start = max(math.floor(region.start * ratio) - margin, 0)
    stop = min(math.ceil(region.stop * ratio) + margin, samples)
    return dataclasses.replace(region, start=min(start, samples - 1), stop=max(stop, 1))


def _fade_weights(mask: NDArray[np.bool_], fade: int) -> NDArray[np.float64]:
    """1 in the gaps, 0 on reliable samples, sin^2 ramps over `fade` reliable samples next to a gap."""
    weight = (~mask).astype(np.float64)
    if fade <= 0:
        return weight
    ramp = np.sin(0.5 * np.pi * np.arange(1, fade + 1) / (fade + 1)) ** 2
    for row, reliable in zip(weight, mask, strict=True):
        for start, stop in runs(~reliable):
            before, after = min(fade, start), min(fade, row.size - stop)
            row[start - before : start] = np.maximum(row[start - before : start], ramp[fade - before :])
            row[stop : stop + after] = np.maximum(row[stop : stop + after], ramp[::-1][:after])
    return weight


def _check_shape(y: NDArray[np.float64], sample_rate: int) -> None:
    if y.ndim != 2:
        raise ValueError(f"an observation has shape (channels, samples), got {y.shape}")
    if y.shape[0] > MAX_CHANNELS:
        raise ValueError(
            f"{y.shape[0]} channels (at most {MAX_CHANNELS}): the axes look swapped, pass (channels, samples)"
        )
    if y.size == 0:
        raise ValueError(f"the observation is empty, shape {y.shape}")
    if sample_rate < 1:
        raise ValueError(f"a sample rate is a positive number of hertz, got {sample_rate}")


def _check_region(region: Region, shape: Sequence[int]) -> None:
    if region.stop > shape[1]:
        raise ValueError(
            f"the region {region.start}-{region.stop} lies outside the observation, which has {shape[1]} samples"
        )
    if region.channel is not None and not 0 <= region.channel < shape[0]:
        raise ValueError(f"channel {region.channel} does not exist, the observation has {shape[0]} (counted from 0)")


def _check_finite(y: NDArray[np.float64]) -> None:
    bad = np.argwhere(~np.isfinite(y))
    if bad.size:
        channel, sample = bad[0]
        raise ValueError(
            f"sample {sample} of channel {channel} is {y[channel, sample]} and no region covers it: "
            "detect the damage first or add a region there"
        )
