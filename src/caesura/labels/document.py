"""The lossless form: a JSON document with a version, positions in samples and in seconds.

    {"format": "caesura-labels", "version": 1, "sample_rate": 48000,
     "labels": [{"start": 57600, "stop": 64800, "start_s": 1.2, "stop_s": 1.35, "low_hz": null, "high_hz": null,
                 "channel": null, "kind": "gap", "confidence": null, "text": ""}]}

Samples count when the document's rate is that of the recording, seconds otherwise. A repair report can be read too:
its regions are the labels.
"""

from __future__ import annotations

__all__ = ["read_document", "write_document"]

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from caesura.labels.label import Label, Timeline, default_kind, quoted

FORMAT = "caesura-labels"
VERSION = 1


def read_document(text: str, timeline: Timeline) -> list[Label]:
    """Labels from a JSON document.

    Raises:
        ValueError: the document or one of its labels cannot be read; the message quotes where.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        line = [*text.split("\n"), ""][error.lineno - 1]
        raise ValueError(f"line {error.lineno}: {quoted(line.strip())} is not JSON ({error.msg})") from None
    except RecursionError:
        raise ValueError("the JSON is nested too deeply to be a label file") from None
    entries, rate = _contents(document)
    labels = []
    for index, entry in enumerate(entries, start=1):
        try:
            labels.append(_label(entry, rate, timeline))
        except ValueError as error:
            raise ValueError(f"label {index}: {quoted(json.dumps(entry, ensure_ascii=False))}: {error}") from None
    return labels


def write_document(labels: Iterable[Label], timeline: Timeline) -> str:
    """The text of a JSON document."""
    rate = timeline.sample_rate
    entries = [_entry(label, rate) for label in labels]
    document = {"format": FORMAT, "version": VERSION, "sample_rate": rate, "labels": entries}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _entry(label: Label, rate: int) -> dict[str, Any]:
    region = label.region
    return {
        "start": region.start,
        "stop": region.stop,
        "start_s": region.start / rate,
        "stop_s": region.stop / rate,
        "low_hz": None if region.is_gap else region.low,
        "high_hz": None if math.isinf(region.high) else region.high,
        "channel": region.channel,
        "kind": label.kind,
        "confidence": label.confidence,
        "text": label.text,
    }


def _contents(document: Any) -> tuple[list[Any], float | None]:
    if not isinstance(document, dict):
        raise ValueError('the JSON is not a label file: it needs {"sample_rate": ..., "labels": [...]}')
    version = document.get("version", VERSION)
    if version != VERSION:
        raise ValueError(f"version {quoted(str(version))} of the format is not known, only {VERSION}: update caesura")
    entries = document.get("labels", document.get("regions"))
    if not isinstance(entries, list):
        raise ValueError('the JSON has no list of "labels"')
    return entries, _number(document, "sample_rate")


def _label(entry: Any, rate: float | None, timeline: Timeline) -> Label:
    if not isinstance(entry, dict):
        raise ValueError('it is not an object such as {"start_s": 1.2, "stop_s": 1.35}')
    region = timeline.region(
        _position(entry, "start", rate, timeline.sample_rate),
        _position(entry, "stop", rate, timeline.sample_rate),
        _number(entry, "low_hz"),
        _number(entry, "high_hz"),
        _channel(entry),
    )
    kind, text = (_text(entry, name) for name in ("kind", "text"))
    return Label(region, kind or default_kind(region), _number(entry, "confidence"), text)


def _position(entry: Mapping[str, Any], name: str, rate: float | None, own: int) -> float:
    samples, seconds = _number(entry, name), _number(entry, f"{name}_s")
    if samples is not None and (rate in (None, own) or seconds is None):
        return samples
    if seconds is None:
        raise ValueError(f'there is no "{name}" in samples and no "{name}_s" in seconds')
    return seconds * own


def _number(entry: Mapping[str, Any], name: str) -> float | None:
    value = entry.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError
        return float(value)
    except (ValueError, OverflowError):
        raise ValueError(f'"{name}" is {quoted(str(value))}, not a number') from None


def _channel(entry: Mapping[str, Any]) -> int | None:
    value = _number(entry, "channel")
    if value is not None and value != int(value):
        raise ValueError(f'"channel" is {value:g}, not a whole number')
    return None if value is None else int(value)


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f'"{name}" is {quoted(str(value))}, not text')
    return value or ""
