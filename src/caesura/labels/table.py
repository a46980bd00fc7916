"""Comma-separated tables with a header; the unit of a column is in its name.

    start_s, start_ms, start_sample      stop_s (end_s), stop_ms, stop_sample      low_hz      high_hz
    channel (from 0)      kind      confidence      text (label)

Order is free, other columns are ignored, and semicolons or tabs may separate. Where a position is given in several
units the samples count.
"""

from __future__ import annotations

__all__ = ["is_table", "read_table", "write_table"]

import csv
import io
from collections.abc import Iterable, Mapping

from caesura.labels.audacity import number
from caesura.labels.label import Label, Timeline, default_kind, quoted

COLUMNS = ("start_s", "stop_s", "low_hz", "high_hz", "channel", "kind", "confidence", "text")
SYNONYMS = {
    "start": "start_s",
    "stop": "stop_s",
    "end": "stop_s",
    "end_s": "stop_s",
    "end_ms": "stop_ms",
    "end_sample": "stop_sample",
    "low": "low_hz",
    "high": "high_hz",
    "label": "text",
}
DELIMITERS = ",;\t"
HIGHEST_CHANNEL = 9999


def is_table(first_line: str) -> bool:
    """Whether a line is the header of a table of regions."""
    return any(name.startswith("start") for name in _header(first_line, _delimiter(first_line)))


def read_table(text: str, timeline: Timeline) -> list[Label]:
    """Labels from a table.

    Raises:
        ValueError: a row cannot be read; the message quotes its line number and text.
    """
    text = text.lstrip("\r\n")
    first_line = text.splitlines()[0]
    delimiter = _delimiter(first_line)
    names = _header(first_line, delimiter)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    labels = []
    try:
        next(rows)
        for row in rows:
            if any(cell.strip() for cell in row):
                labels.append(_label(row, names, delimiter, rows.line_num, timeline))
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num}: this row cannot be read ({error}): check its quotes") from None
    return labels


def write_table(labels: Iterable[Label], timeline: Timeline) -> str:
    """The text of a table; positions in seconds."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\r\n")  # as in RFC 4180; with "\n" alone a "\r" in a text is not quoted
    writer.writerow(COLUMNS)
    for label in labels:
        region = label.region
        band = ("", "") if region.is_gap else (repr(region.low), repr(region.high))
        channel = "" if region.channel is None else region.channel
        confidence = "" if label.confidence is None else repr(float(label.confidence))
        times = (timeline.seconds(region.start), timeline.seconds(region.stop))
        writer.writerow((*times, *band, channel, label.kind, confidence, label.text))
    return file.getvalue()


def _delimiter(first_line: str) -> str:
    return max(DELIMITERS, key=first_line.count)


def _header(first_line: str, delimiter: str) -> list[str]:
    names = [name.strip().strip('"').strip().lower() for name in first_line.split(delimiter)]
    return [SYNONYMS.get(name, name) for name in names]


def _label(row: list[str], names: list[str], delimiter: str, line: int, timeline: Timeline) -> Label:
    named = dict(zip(names, row, strict=False))
    cells = {name: cell for name, cell in named.items() if cell.strip()}
    try:
        region = timeline.region(
            _position(cells, "start", timeline.sample_rate),
            _position(cells, "stop", timeline.sample_rate),
            _optional(cells, "low_hz"),
            _optional(cells, "high_hz"),
            _channel(cells),
        )
        kind = cells["kind"].strip() if "kind" in cells else default_kind(region)
        return Label(region, kind, _optional(cells, "confidence"), named.get("text", ""))
    except ValueError as error:
        raise ValueError(f"line {line}: {quoted(delimiter.join(row))}: {error}") from None


def _position(cells: Mapping[str, str], name: str, sample_rate: int) -> float:
    """A position in samples, from whichever column has it."""
    for unit, factor in (("sample", 1.0), ("s", sample_rate), ("ms", sample_rate / 1000.0)):
        if f"{name}_{unit}" in cells:
            return number(cells[f"{name}_{unit}"]) * factor
    raise ValueError(f"there is no {name}: fill in {name}_s, {name}_ms or {name}_sample")


def _optional(cells: Mapping[str, str], name: str) -> float | None:
    return number(cells[name]) if name in cells else None


def _channel(cells: Mapping[str, str]) -> int | None:
    if "channel" not in cells:
        return None
    value = number(cells["channel"])
    if not 0 <= value <= HIGHEST_CHANNEL or value != int(value):
        raise ValueError(f"channel {quoted(cells['channel'])} is not a whole number from 0")
    return int(value)
