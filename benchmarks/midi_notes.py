"""Notes of a standard MIDI file, and where a passage comes back note for note."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MARGIN = 1.0  # seconds on either side that must come back as well
SAME = 0.01  # seconds within which two notes start together

Notes = NDArray[np.float64]


def read_notes(path: Path) -> Notes:
    """Onset in seconds and pitch of every note, (notes, 2), in order of time."""
    data = path.read_bytes()
    ticks = int.from_bytes(data[12:14])
    events, at = [], 14
    while at < len(data):
        size = int.from_bytes(data[at + 4 : at + 8])
        events += _track(data[at + 8 : at + 8 + size])
        at += 8 + size
    seconds, last, tempo, found = 0.0, 0, 500_000, []
    for tick, pitch, new_tempo in sorted(events):
        seconds += (tick - last) * tempo / ticks / 1e6
        last = tick
        if pitch < 0:
            tempo = new_tempo
        else:
            found.append((seconds, pitch))
    return np.array(sorted(found))


def _track(data: bytes) -> list[tuple[int, int, int]]:
    """Tick, pitch and velocity of every note; tick, -1 and microseconds per quarter of every tempo."""
    events, at, tick, status = [], 0, 0, 0
    while at < len(data):
        delta, at = _variable(data, at)
        tick += delta
        if data[at] >= 0x80:
            status, at = data[at], at + 1
        if status == 0xFF:
            kind = data[at]
            size, at = _variable(data, at + 1)
            if kind == 0x51:
                events.append((tick, -1, int.from_bytes(data[at : at + 3])))
            at += size
        elif status in (0xF0, 0xF7):
            size, at = _variable(data, at)
            at += size
        else:
            if status & 0xF0 == 0x90 and data[at + 1] > 0:
                events.append((tick, data[at], data[at + 1]))
            at += 1 if status & 0xF0 in (0xC0, 0xD0) else 2
    return events


def _variable(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    while True:
        value = value << 7 | data[at] & 0x7F
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def repeats(notes: Notes, start: float, stop: float) -> list[float]:
    """Shifts in seconds by which everything around `start` to `stop` is played again.

    Args:
        notes: from `read_notes`.
        start: seconds.
        stop: seconds.
    """
    here = _between(notes, start - MARGIN, stop + MARGIN)
    if len(here) == 0:
        return []
    found = []
    for shift in notes[notes[:, 1] == here[0, 1], 0] - here[0, 0]:
        there = _between(notes, start - MARGIN + shift, stop + MARGIN + shift)
        if abs(shift) > SAME and len(there) == len(here) and _same(here, there, shift):
            found.append(float(shift))
    return found


def _between(notes: Notes, start: float, stop: float) -> Notes:
    return notes[(notes[:, 0] >= start - SAME) & (notes[:, 0] < stop - SAME)]


def _same(here: Notes, there: Notes, shift: float) -> bool:
    a, b = (
        part[np.lexsort((np.round(part[:, 0] - move, 2), part[:, 1]))] for part, move in ((here, 0.0), (there, shift))
    )
    return bool((a[:, 1] == b[:, 1]).all() and (np.abs(a[:, 0] + shift - b[:, 0]) < SAME).all())
