r"""Audacity label files, with their frequency rows.

    start TAB stop TAB text
    \ TAB low TAB high            optional: hertz, negative where undefined

The text carries the rest, in words a person can read and type:

    [kind] [confidence] [chN] [: free text]          click 0.93 ch1: left of the cough

Channels count from 0. Free text that looks like none of these stands alone. A confidence keeps four decimals.

References:
    Audacity Manual, "Importing and Exporting Labels".
"""

from __future__ import annotations

__all__ = ["parse_text", "read_audacity", "write_audacity"]

import math
import re
from collections.abc import Iterable, Iterator

from caesura.labels.label import KINDS, Label, Timeline, default_kind, quoted
from caesura.region import Region

BAND_ROW = "\\"
TAGS = re.compile(
    rf"(?:(?P<kind>{'|'.join(KINDS)})(?:\s+(?P<confidence>0(?:\.\d+)?|1(?:\.0+)?)(?=[\s:]|$))?(?=[\s:]|$))?"
    r"\s*(?:(?P<channel>ch\d{1,4})(?=[\s:]|$))?\s*(?P<colon>:)?\s*(?P<text>.*)",
    re.DOTALL,
)
CONFIDENCE_DECIMALS = 4


def read_audacity(lines: list[str], timeline: Timeline) -> list[Label]:
    """Labels from the lines of an Audacity label file; blank lines are passed over.

    Raises:
        ValueError: a line cannot be read; the message quotes its number and text.
    """
    labels: list[Label] = []
    for number, line, band in _rows(lines):
        fields = line.split("\t")
        if len(fields) < 2:
            raise ValueError(f"line {number}: {quoted(line)} is not 'start TAB stop TAB text' with times in seconds")
        try:
            labels.append(_label(fields, band, timeline))
        except ValueError as error:
            raise ValueError(f"line {number}: {quoted(line)}: {error}") from None
    return labels


def write_audacity(labels: Iterable[Label], timeline: Timeline) -> str:
    """The text of an Audacity label file; runs of white space in the free text become one space."""
    lines = []
    for label in labels:
        region = label.region
        lines.append("\t".join((timeline.seconds(region.start), timeline.seconds(region.stop), _text(label))))
        if not region.is_gap:
            lines.append("\t".join((BAND_ROW, _hertz(region.low), _hertz(region.high))))
    return "".join(line + "\n" for line in lines)


def parse_text(text: str, region: Region) -> Label:
    """A label from what is written on it."""
    match = TAGS.fullmatch(text.strip())
    tags = match.groupdict() if match else {"text": text}
    if tags.get("colon") and not (tags.get("kind") or tags.get("channel")):
        tags["text"] = text
    channel, confidence = tags.get("channel"), tags.get("confidence")
    if channel is not None:
        region = Region(region.start, region.stop, region.low, region.high, int(channel[2:]))
    return Label(
        region,
        kind=tags.get("kind") or default_kind(region),
        confidence=None if confidence is None else float(confidence),
        text=(tags["text"] or "").strip(),
    )


def number(text: str) -> float:
    """A decimal number; a comma may stand for the point.

    Raises:
        ValueError: the text is not a number.
    """
    plain = text.strip()
    try:
        return float(plain.replace(",", ".") if "." not in plain else plain)
    except ValueError:
        raise ValueError(f"{quoted(plain)} is not a number") from None


def _rows(lines: list[str]) -> Iterator[tuple[int, str, str | None]]:
    """Number and text of every label line, with the frequency row below it."""
    held: tuple[int, str] | None = None
    for number, line in enumerate(lines, start=1):
        if line.startswith(BAND_ROW):
            if held is None:
                raise ValueError(f"line {number}: {quoted(line)} is a frequency row with no label above it: remove it")
            yield *held, line
            held = None
            continue
        if held is not None:
            yield *held, None
        held = (number, line) if line.strip() else None
    if held is not None:
        yield *held, None


def _label(fields: list[str], band: str | None, timeline: Timeline) -> Label:
    start, stop = (number(field) * timeline.sample_rate for field in fields[:2])
    low = high = None
    if band is not None:
        edges = band.split("\t")[1:]
        if len(edges) < 2:
            raise ValueError(f"the frequency row {quoted(band)} is not '\\ TAB low TAB high' in hertz")
        low, high = (number(edge) for edge in edges[:2])
    return parse_text(" ".join(fields[2:]), timeline.region(start, stop, low, high))


def _text(label: Label) -> str:
    region, text = label.region, " ".join(label.text.split())
    tags = [label.kind]
    if label.confidence is not None:
        tags.append(f"{label.confidence:.{CONFIDENCE_DECIMALS}f}".rstrip("0").rstrip("."))
    if region.channel is not None:
        tags.append(f"ch{region.channel}")
    if tags == [default_kind(region)] and text and parse_text(text, region) == Label(region, label.kind, None, text):
        return text
    return " ".join(tags) + (f": {text}" if text else "")


def _hertz(edge: float) -> str:
    if math.isinf(edge):
        return "-1"
    short = f"{edge:.6f}"
    return short if float(short) == edge else repr(edge)
