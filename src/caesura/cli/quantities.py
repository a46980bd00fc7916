"""Times, frequencies and settings as people type them.

    time         12.5   12.5s   350ms   1:02.250   1:00:02.5   5512smp
    time range   1.20-1.35   1:02.2-1:02.4   350ms-400ms   5512smp-5600smp
    band         800-3200   300Hz-2kHz
    box          12.3-12.9,800-3200
    setting      order=512

A number without a unit is in seconds or in hertz. When one end of a range has another unit both ends need one.
"""

from __future__ import annotations

__all__ = ["Box", "Moment", "band", "box", "key_values", "moment", "moments"]

import re
from collections.abc import Sequence
from typing import NamedTuple

NUMBER = r"\d+(?:\.\d*)?|\.\d+"
TIME = re.compile(rf"(?P<value>{NUMBER})\s*(?P<unit>s|ms|smp)?", re.ASCII)
CLOCK = re.compile(r"(?:(?P<hours>\d+):)?(?P<minutes>\d{1,2}):(?P<seconds>\d{1,2}(?:\.\d*)?)", re.ASCII)
FREQUENCY = re.compile(rf"(?P<value>{NUMBER})\s*(?P<unit>hz|khz)?", re.ASCII | re.IGNORECASE)
DASHES = re.compile("[-–—]")
SEXAGESIMAL = 60


class Moment(NamedTuple):
    """A time, in samples where the person gave samples."""

    value: float
    unit: str = "s"
    """'s' or 'smp'."""

    def samples(self, sample_rate: int) -> float:
        """Position in samples, perhaps with a fraction."""
        return self.value if self.unit == "smp" else self.value * sample_rate


class Box(NamedTuple):
    """A span of time with a band."""

    start: Moment
    stop: Moment
    low: float
    high: float


def moment(text: str) -> Moment:
    """A time.

    Raises:
        ValueError: the text is not one.
    """
    clock = CLOCK.fullmatch(text.strip())
    if clock:
        hours, minutes, seconds = (float(part or 0) for part in clock.group("hours", "minutes", "seconds"))
        if seconds < SEXAGESIMAL and (minutes < SEXAGESIMAL or clock["hours"] is None):
            return Moment((hours * SEXAGESIMAL + minutes) * SEXAGESIMAL + seconds)
    plain = TIME.fullmatch(text.strip())
    if plain is None:
        raise ValueError(f"'{text}' is not a time: write 12.5, 350ms, 1:02.250 or 5512smp")
    value = float(plain["value"])
    if plain["unit"] == "smp":
        return Moment(value, "smp")
    return Moment(value / 1000.0 if plain["unit"] == "ms" else value)


def moments(text: str) -> tuple[Moment, Moment]:
    """A range of time.

    Raises:
        ValueError: the text is not one.
    """
    first, last = _ends(text, "1.20-1.35 or 350ms-400ms")
    start, stop = moment(first), moment(last)
    _check_units(text, (first, last), "s", "350ms-400ms")
    if start.unit == stop.unit and not start.value < stop.value:
        raise ValueError(f"'{text}' stops before it starts: the earlier time comes first")
    return start, stop


def band(text: str) -> tuple[float, float]:
    """A range of frequency in hertz.

    Raises:
        ValueError: the text is not one.
    """
    ends = _ends(text, "800-3200 or 300Hz-2kHz")
    low, high = (_hertz(end, text) for end in ends)
    _check_units(text, ends, "hz", "300Hz-2kHz")
    if not low < high:
        raise ValueError(f"'{text}' is an empty band: the lower frequency comes first")
    return low, high


def box(text: str) -> Box:
    """A range of time and a band, separated by a comma.

    Raises:
        ValueError: the text is not one.
    """
    parts = text.split(",")
    if len(parts) != 2:
        raise ValueError(f"'{text}' is not a box: write 12.3-12.9,800-3200 (seconds, hertz)")
    return Box(*moments(parts[0].strip()), *band(parts[1].strip()))


def _ends(text: str, example: str) -> tuple[str, str]:
    parts = [part.strip() for part in DASHES.split(text)]
    if len(parts) != 2 or not all(parts):
        raise ValueError(f"'{text}' is not a range: write {example}")
    return parts[0], parts[1]


def _hertz(text: str, whole: str) -> float:
    match = FREQUENCY.fullmatch(text)
    if match is None:
        raise ValueError(f"'{whole}' is not a band: write 800-3200 or 300Hz-2kHz")
    return float(match["value"]) * (1000.0 if (match["unit"] or "").lower() == "khz" else 1.0)


def _check_units(text: str, ends: tuple[str, str], default: str, example: str) -> None:
    """Refuse '350-400ms', which could mean two things."""
    units = ["".join(c for c in end if c.isalpha()).lower() for end in ends]
    if "" in units and set(units) - {"", default}:
        raise ValueError(f"'{text}' has a unit at one end only: give both ends one, as in {example}")


def key_values(settings: Sequence[str], example: str, hint: str = "") -> dict[str, str]:
    """Settings by their names.

    Args:
        settings: texts such as `order=512`.
        example: what the message tells to write.
        hint: what the message says besides.

    Raises:
        ValueError: a text is none.
    """
    given = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"-s {setting} is not KEY=VALUE: write -s {example}" + (f", {hint}" if hint else ""))
        given[key.strip()] = value.strip()
    return given
