"""What was done to a file: one record per region, and the proof that nothing else changed."""

from __future__ import annotations

__all__ = ["Report", "write_report"]

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caesura.atomic import replacing
from caesura.problem import Region
from caesura.restoration import Fill

SCHEMA = 1


@dataclass(frozen=True)
class Report:
    """What `repair_file` did."""

    source: str
    """The damaged file."""
    target: str
    """The repaired file."""
    container: str
    """Container of the repaired file."""
    sample_rate: int
    """Hertz."""
    channels: int
    frames: int
    """Samples per channel."""
    method: str
    settings: Mapping[str, Any]
    """Hyperparameters of the method."""
    seed: int
    fade: int
    """Context samples given up to a crossfade on either side of a gap."""
    fills: tuple[Fill, ...]
    """One entry per region, in order of time."""
    clipped: int
    """Filled samples that did not fit the sample format and were held at full scale."""
    changed_outside: int
    """Samples outside the filled regions that differ between the two files, counted after writing."""
    metadata_kept: bool | None
    """Whether every metadata chunk is the same byte for byte; None where the containers cannot be compared."""
    note: str = ""
    """What the user should know, such as a change of container."""
    denoised: Mapping[str, Any] | None = None
    """What noise was taken out first, where that was asked for; the counts above are then against the clean file."""

    @property
    def filled(self) -> int:
        """Number of regions filled."""
        return sum(fill.filled for fill in self.fills)

    @property
    def refused(self) -> int:
        """Number of regions left as they were."""
        return len(self.fills) - self.filled

    def to_json(self) -> dict[str, Any]:
        """The report as plain data; times in seconds, positions in samples as well."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("fills", "denoised")}
        plain["settings"] = {key: _plain(value) for key, value in self.settings.items()}
        fills = [_fill(fill, self.sample_rate) for fill in self.fills]
        if self.denoised is not None:
            plain["denoised"] = {key: self.denoised[key] for key in self.denoised if key not in ("source", "target")}
        return {"schema": SCHEMA, **plain, "filled": self.filled, "refused": self.refused, "regions": fills}


def write_report(path: Path, report: Report, *, force: bool = False) -> None:
    """Write a report as JSON, all of it or nothing.

    Raises:
        ValueError: the file exists and `force` is not set.
    """
    with replacing(path, force=force) as partial, partial.open("w", encoding="utf-8") as file:
        json.dump(report.to_json(), file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")


def _fill(fill: Fill, sample_rate: int) -> dict[str, Any]:
    region = fill.region
    return {
        "start_s": region.start / sample_rate,
        "stop_s": region.stop / sample_rate,
        "length_ms": 1000.0 * region.length / sample_rate,
        **_where(region),
        "filled": fill.filled,
        "method": fill.method,
        "why": fill.why,
        "confidence": fill.confidence,
        "seam": fill.seam,
        "parameters": {key: _plain(value) for key, value in fill.parameters.items()},
    }


def _where(region: Region) -> dict[str, Any]:
    where: dict[str, Any] = {"start": region.start, "stop": region.stop, "channel": region.channel}
    if not region.is_gap:
        where |= {"low_hz": region.low, "high_hz": None if math.isinf(region.high) else region.high}
    return where


def _plain(value: Any) -> Any:
    """NumPy scalars and tuples as JSON knows them."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value
