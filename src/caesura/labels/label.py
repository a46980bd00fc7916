"""A label: a region with what is known about it, and the checks every format shares."""

from __future__ import annotations

__all__ = ["KINDS", "Label", "Timeline", "default_kind", "quoted"]

import math
from dataclasses import dataclass

from caesura.region import Region

KINDS = ("gap", "silence", "held", "dropout", "click", "clipping", "nan", "loss", "box")
LONGEST_QUOTE = 60  # characters of a bad line that an error repeats


@dataclass(frozen=True)
class Label:
    """A region with what is known about it."""

    region: Region
    kind: str = "gap"
    """What it is: gap, silence, held, dropout, click, clipping, nan, loss or box."""
    confidence: float | None = None
    """0 (hardly damage) to 1 (certain); None where a person marked it."""
    text: str = ""
    """What the person wrote."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind {quoted(self.kind)} is not known: choose from {', '.join(KINDS)}")
        if self.confidence is not None and not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"confidence {self.confidence:g} lies outside 0 to 1")


@dataclass(frozen=True)
class Timeline:
    """The recording that labels refer to."""

    sample_rate: int
    """Hertz."""
    samples: int | None = None
    """Samples per channel, or None where labels may lie anywhere."""

    def region(
        self, start: float, stop: float, low: float | None = None, high: float | None = None, channel: int | None = None
    ) -> Region:
        """A region from positions in samples, which are rounded to the nearest.

        Anything shorter than a sample, a point included, becomes the one sample there.

        Args:
            start: first sample, perhaps with a fraction.
            stop: one past the last sample.
            low: lower edge in hertz; negative or None means undefined, which is 0.
            high: upper edge in hertz; negative or None means undefined, which is no limit.
            channel: index of the only channel concerned, from 0.

        Raises:
            ValueError: the region is empty, reversed or outside the recording.
        """
        if not (math.isfinite(start) and math.isfinite(stop)):
            raise ValueError("start and stop must be finite")
        if start < 0:
            raise ValueError(f"it starts {self._spoken(-start)} before the recording: move it inside")
        if stop < start:
            raise ValueError("it stops before it starts: swap the two times")
        first = round(start)
        last = max(round(stop), first + 1)
        if self.samples is not None and last > self.samples:
            raise ValueError(
                f"it ends at {self._spoken(last)}, outside the recording of {self._spoken(self.samples)}: shorten it"
            )
        return Region(first, last, *self._band(low, high), self._channel(channel))

    def seconds(self, sample: int) -> str:
        """A position in seconds with decimals enough to find the sample again, six at least."""
        return f"{sample / self.sample_rate:.{max(6, len(str(self.sample_rate)))}f}"

    def _band(self, low: float | None, high: float | None) -> tuple[float, float]:
        bottom = 0.0 if low is None or low < 0.0 else low
        top = math.inf if high is None or high < 0.0 else high
        if not bottom < top:
            raise ValueError(f"the band {bottom:g} to {top:g} Hz is empty: the lower edge comes first")
        if bottom >= self.sample_rate / 2:
            raise ValueError(
                f"the band starts at {bottom:g} Hz, above half the sample rate ({self.sample_rate / 2:g} Hz)"
            )
        return bottom, top

    def _channel(self, channel: int | None) -> int | None:
        if channel is not None and channel < 0:
            raise ValueError(f"channel {channel} does not exist: channels are counted from 0")
        return channel

    def _spoken(self, sample: float) -> str:
        return f"{sample / self.sample_rate:.6g} s"


def default_kind(region: Region) -> str:
    """What a region is called when nobody says."""
    return "gap" if region.is_gap else "box"


def quoted(text: str) -> str:
    """Text as an error repeats it: on one line, not too long, nothing unprintable."""
    short = text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 3] + "..."
    return "'" + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short) + "'"
