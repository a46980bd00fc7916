"""Where to repair, from all the ways to say it: spans, boxes, label files, detection. They add up."""

from __future__ import annotations

__all__ = ["Where", "chosen_kinds"]

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from caesura.cli.files import required
from caesura.cli.quantities import Box, Moment, box, moments

if TYPE_CHECKING:
    from caesura.labels import Label
    from caesura.labels.label import Timeline
    from caesura.region import Region


@dataclass(frozen=True)
class Where:
    """What the options say, before any recording is known."""

    spans: tuple[tuple[Moment, Moment], ...] = ()
    boxes: tuple[Box, ...] = ()
    file: Path | None = None
    """A label file."""
    mask: Path | None = None
    """A picture laid over the recording; what is not black is to be filled."""
    auto: bool = False
    """Whether to look for damage."""
    kinds: frozenset[str] | None = None
    channel: int | None = None
    packet_ms: float | None = None
    sensitivity: float = 1.0

    @classmethod
    def parsed(cls, gap: Sequence[str] | None, box_: Sequence[str] | None, **more: object) -> Where:
        """From the text of the options; `more` are the other fields as they are.

        Raises:
            ValueError: a text cannot be read.
        """
        where = cls(tuple(map(moments, gap or ())), tuple(map(box, box_ or ())))
        where = dataclasses.replace(where, **more)  # type: ignore[arg-type]
        for path in (where.file, where.mask):
            if path is not None:
                required(path)
        if where.channel is not None and where.channel < 0:
            raise ValueError(f"--channel {where.channel} does not exist: channels are counted from 0")
        return where

    @property
    def said(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self.spans or self.boxes or self.file or self.mask or self.auto)

    def labels(self, path: Path, progress: Callable[[float], None]) -> list[Label]:
        """The labels in one recording, in order of time.

        Raises:
            ValueError: one of them cannot be read or lies outside.
        """
        from caesura.audio import open_audio
        from caesura.labels import Label, read
        from caesura.labels.label import Timeline, default_kind

        with open_audio(path) as reader:
            samples = reader.info.frames
            timeline = Timeline(reader.info.sample_rate, samples)
        regions = [_region(timeline, span, (None, None)) for span in self.spans]
        regions += [_region(timeline, (b.start, b.stop), (b.low, b.high)) for b in self.boxes]
        if self.mask is not None:
            from caesura.codecs.image_files import read_mask

            regions += read_mask(self.mask, samples).regions(samples)
        found = [Label(region, default_kind(region)) for region in regions]
        if self.file is not None:
            known = read(
                self.file, sample_rate=timeline.sample_rate, samples=timeline.samples, packet_ms=self.packet_ms
            )
            found += [label for label in known if self.kinds is None or label.kind in self.kinds]
        if self.auto:
            from caesura.detection import detect_file

            found += detect_file(path, kinds=self.kinds, sensitivity=self.sensitivity, progress=progress)
        return sorted(self._of_channel(found), key=lambda label: label.region.order())

    def _of_channel(self, labels: Sequence[Label]) -> list[Label]:
        if self.channel is None:
            return list(labels)
        own = [label for label in labels if label.region.channel in (None, self.channel)]
        return [
            dataclasses.replace(label, region=dataclasses.replace(label.region, channel=self.channel)) for label in own
        ]


def chosen_kinds(text: str | None, known: Sequence[str]) -> frozenset[str] | None:
    """A comma-separated list of kinds.

    Raises:
        ValueError: one of them is not known.
    """
    if text is None:
        return None
    chosen = [kind.strip() for kind in text.split(",")]
    for kind in chosen:
        if kind not in known:
            raise ValueError(f"'{kind}' is not a kind of damage: choose from {', '.join(known)}")
    return frozenset(chosen)


def _region(timeline: Timeline, span: tuple[Moment, Moment], edges: tuple[float | None, float | None]) -> Region:
    start, stop = (end.samples(timeline.sample_rate) for end in span)
    try:
        return timeline.region(start, stop, *edges)
    except ValueError as error:
        rate = timeline.sample_rate
        raise ValueError(f"the region {start / rate:.6g}-{stop / rate:.6g} s: {error}") from None
