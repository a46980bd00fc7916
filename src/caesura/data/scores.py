"""Standard MIDI files as lists of events: read one, cut an excerpt, play it differently, write it again.

    seconds = sum over tempos of ticks_k * tempo_k / (ticks per quarter) / 1e6,    tempo_k in microseconds per quarter

References:
    MIDI Manufacturers Association, "Standard MIDI Files 1.0", 1996.
"""

from __future__ import annotations

__all__ = ["Event", "Score", "excerpt", "played", "read_score", "write_score"]

import bisect
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

NOTE_OFF, NOTE_ON, CONTROL, PROGRAM = 0x80, 0x90, 0xB0, 0xC0
SUSTAIN = 64  # the controller of the pedal
META, TEMPO, END = 0xFF, 0x51, 0x2F
SYSTEM_EXCLUSIVE = (0xF0, 0xF7)
ONE_BYTE = (0xC0, 0xD0)  # kinds of channel messages with one data byte instead of two
DRUMS = 9  # the channel whose keys are instruments and not pitches
DEFAULT_TEMPO = 500_000  # microseconds per quarter until a score says otherwise
LONGEST_WORK = 2**28  # ticks that a delta time can hold


class Event(NamedTuple):
    """A channel message, or a tempo as (0xFF, 0x51, 3, t, t, t)."""

    tick: int
    data: bytes

    @property
    def kind(self) -> int:
        """The status byte without its channel."""
        return self.data[0] if self.data[0] == META else self.data[0] & 0xF0

    @property
    def channel(self) -> int:
        """From 0; of a tempo without meaning."""
        return self.data[0] & 0x0F

    @property
    def sounds(self) -> bool:
        """Whether a note begins here."""
        return self.kind == NOTE_ON and self.data[2] > 0


@dataclass(frozen=True)
class Score:
    """Events of all tracks in order of time."""

    ticks: int
    """Per quarter."""
    events: tuple[Event, ...]

    def seconds(self, tick: int, since: int = 0) -> float:
        """Time between two ticks in seconds."""
        ticks, tempos, passed = self._tempos

        def at(tick: int) -> float:
            k = bisect.bisect_right(ticks, tick) - 1
            return passed[k] + (tick - ticks[k]) * tempos[k]

        return (at(tick) - at(since)) / self.ticks / 1e6

    @cached_property
    def _tempos(self) -> tuple[list[int], list[int], list[float]]:
        """Tick of each change of tempo, the tempo from there on, and ticks times tempo until there."""
        ticks, tempos, passed = [0], [DEFAULT_TEMPO], [0.0]
        for event in self.events:
            if event.kind == META:
                passed.append(passed[-1] + (event.tick - ticks[-1]) * tempos[-1])
                ticks.append(event.tick)
                tempos.append(int.from_bytes(event.data[3:6]))
        return ticks, tempos, passed

    @property
    def last(self) -> int:
        """Tick of the last event."""
        return self.events[-1].tick if self.events else 0


def read_score(path: Path) -> Score:
    """Read a standard MIDI file of format 0 or 1.

    Raises:
        ValueError: it is none, is damaged, or counts time in frames.
    """
    data = path.read_bytes()
    if data[:4] != b"MThd" or len(data) < 14:
        raise ValueError(f"'{path}' is not a standard MIDI file")
    kind, _, ticks = struct.unpack(">HHH", data[8:14])
    if kind > 1 or not 0 < ticks < 0x8000:
        raise ValueError(f"'{path}' has format {kind} and division {ticks}: formats 0 and 1 in ticks are understood")
    events, at = [], 8 + int.from_bytes(data[4:8])
    try:
        while at + 8 <= len(data):
            size = int.from_bytes(data[at + 4 : at + 8])
            if data[at : at + 4] == b"MTrk":
                events += _track(data[at + 8 : at + 8 + size])
            at += 8 + size
    except IndexError:
        raise ValueError(f"'{path}' is damaged: a track ends within an event") from None
    return Score(ticks, tuple(sorted(events, key=lambda event: event.tick)))


def excerpt(score: Score, start: int, seconds: float) -> Score:
    """What is played from tick `start` on, with the programs, controls and tempo that hold there.

    Notes that sound at its beginning are left out, those that sound at its end are ended there.
    """
    before: dict[tuple[int, ...], Event] = {}
    kept: list[Event] = []
    sounding: set[tuple[int, int]] = set()
    for event in score.events:
        if event.tick < start and event.kind not in (NOTE_ON, NOTE_OFF):
            key = (event.data[0], event.data[1] if event.kind == CONTROL else -1)
            before[key] = Event(0, event.data)
        elif event.tick >= start and score.seconds(event.tick, start) <= seconds:
            if event.sounds:
                sounding.add((event.channel, event.data[1]))
            elif event.kind in (NOTE_ON, NOTE_OFF):
                if (event.channel, event.data[1]) not in sounding:
                    continue
                sounding.remove((event.channel, event.data[1]))
            kept.append(Event(event.tick - start, event.data))
    last = kept[-1].tick if kept else 0
    ends = [Event(last, bytes((NOTE_OFF | channel, key, 0))) for channel, key in sorted(sounding)]
    # without a lifted pedal a synthesiser may never fall silent
    pedals = [Event(last, bytes((CONTROL | channel, SUSTAIN, 0))) for channel in range(16)]
    return Score(score.ticks, (*before.values(), *kept, *ends, *pedals))


def played(
    score: Score,
    *,
    programs: Mapping[int, int],
    transpose: int,
    tempo: float,
    velocity: float,
    jitter: float,
    rng: np.random.Generator,
) -> Score:
    """The same notes on other instruments, at another pitch, speed and dynamic.

    Args:
        score: what is played.
        programs: General MIDI program, from 0, of each channel; channels that are missing keep theirs.
        transpose: semitones; notes that would leave the keyboard stay where they are, drums too.
        tempo: factor of the speed.
        velocity: factor of the velocities.
        jitter: standard deviation of the velocities around that, in steps of MIDI.
        rng: source of the jitter.
    """
    events = [Event(0, bytes((PROGRAM | channel, program))) for channel, program in programs.items()]
    events += [Event(0, _tempo(DEFAULT_TEMPO / tempo))]
    for event in score.events:
        if event.kind == PROGRAM and event.channel in programs:
            continue
        data = event.data
        if event.kind == META:
            data = _tempo(int.from_bytes(data[3:6]) / tempo)
        elif event.kind in (NOTE_ON, NOTE_OFF) and event.channel != DRUMS:
            key = data[1] + transpose if 0 <= data[1] + transpose < 128 else data[1]
            loud = round(data[2] * velocity + jitter * rng.standard_normal()) if event.sounds else data[2]
            data = bytes((data[0], key, min(max(loud, 1), 127) if event.sounds else loud))
        events.append(event._replace(data=data))
    return replace(score, events=tuple(events))


def write_score(path: Path, score: Score) -> None:
    """Write a standard MIDI file of format 0."""
    body, last = bytearray(), 0
    for event in sorted(score.events, key=lambda event: event.tick):
        body += _variable(event.tick - last) + event.data
        last = event.tick
    body += _variable(score.ticks) + bytes((META, END, 0))
    header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, score.ticks)
    path.write_bytes(header + b"MTrk" + struct.pack(">I", len(body)) + bytes(body))


def _track(data: bytes) -> list[Event]:
    events, at, tick, status = [], 0, 0, 0
    while at < len(data):
        delta, at = _number(data, at)
        tick += delta
        if data[at] >= 0x80:
            status, at = data[at], at + 1
        if status == META or status in SYSTEM_EXCLUSIVE:
            kind = data[at] if status == META else -1
            size, at = _number(data, at + (status == META))
            if kind == TEMPO and size == 3:
                events.append(Event(tick, bytes((META, TEMPO, 3)) + data[at : at + 3]))
            at += size
        else:
            size = 1 if status & 0xF0 in ONE_BYTE else 2
            events.append(Event(tick, bytes((status, *(data[at + k] for k in range(size))))))
            at += size
    return events


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    while True:
        value = value << 7 | data[at] & 0x7F
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def _variable(value: int) -> bytes:
    if not 0 <= value < LONGEST_WORK:
        raise ValueError(f"{value} ticks lie between two events, a MIDI file holds 0 to {LONGEST_WORK - 1}")
    parts = [value & 0x7F]
    while value := value >> 7:
        parts.append(value & 0x7F | 0x80)
    return bytes(reversed(parts))


def _tempo(microseconds: float) -> bytes:
    return bytes((META, TEMPO, 3)) + min(round(microseconds), 0xFFFFFF).to_bytes(3)
