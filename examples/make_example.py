"""Render the example: the opening of a Bach prelude with the damage an archive sees, as a Broadcast WAV.

The score is public domain (J. S. Bach, Prelude in C major, BWV 846, 1722), typed in below. The sound is FluidSynth with
the FluidR3 GM soundfont (MIT licence), as Debian packages it: apt-get install fluidsynth fluid-soundfont-gm.

Writes examples/original.flac, examples/damaged.wav (24 bit, with bext, iXML, cue points and their names) and
examples/truth.json with the exact place of every piece of damage.
"""

from __future__ import annotations

import dataclasses
import json
import struct
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from caesura.data.damage import Damaged, add_clicks, dropouts, punch_gaps
from caesura.labels import Label

HERE = Path(__file__).parent
SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
RATE = 44_100
SECONDS = 13.0
SEED = 2
TICKS = 96  # per sixteenth
SIXTEENTH = 0.19  # seconds

# One chord a bar, from the lowest note to the highest (MIDI numbers); the bar plays it as 1 2 3 4 5 3 4 5, twice.
CHORDS = ((60, 64, 67, 72, 76), (60, 62, 69, 74, 77), (59, 62, 67, 74, 77), (60, 64, 67, 72, 76))
FIGURE = (0, 1, 2, 3, 4, 2, 3, 4)
BASS = (36, 38, 43, 36)

Event = tuple[int, bytes]


def score() -> bytes:
    """The prelude as a standard MIDI file: a piano, and a cello that holds the bass."""
    setup = ((0xC0, 0), (0xC1, 42), (0xB0, 10, 50), (0xB1, 10, 88))  # piano, cello, and where they sit
    events: list[Event] = [(0, bytes(message)) for message in setup]
    rng = np.random.default_rng(SEED)
    for bar, (chord, bass) in enumerate(zip(CHORDS, BASS, strict=True)):
        start = bar * 16 * TICKS
        events += [(start, bytes([0x91, bass + 12, 70])), (start + 16 * TICKS - 10, bytes([0x81, bass + 12, 0]))]
        for step in range(16):
            pitch, at = chord[FIGURE[step % 8]], start + step * TICKS
            hold = 16 * TICKS if FIGURE[step % 8] == 0 else 2 * TICKS
            velocity = int(70 + 8 * np.sin(step / 2) + rng.integers(-4, 5))
            events += [(at, bytes([0x90, pitch, velocity])), (at + hold - 5, bytes([0x80, pitch, 0]))]
    final = 4 * 16 * TICKS
    for pitch in (48, 60, 64, 67, 72):
        events += [(final, bytes([0x90, pitch, 74])), (final + 12 * TICKS, bytes([0x80, pitch, 0]))]
    return _midi(events)


def _midi(events: list[Event]) -> bytes:
    track = b"\x00\xff\x51\x03" + round(4 * SIXTEENTH * 1e6).to_bytes(3, "big")
    now = 0
    for tick, message in sorted(events, key=lambda event: event[0]):
        track += _variable(tick - now) + message
        now = tick
    track += b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 4 * TICKS) + b"MTrk" + struct.pack(">I", len(track)) + track


def _variable(value: int) -> bytes:
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(0x80 | value & 0x7F)
    return bytes(reversed(digits))


def render(midi: bytes) -> np.ndarray:
    """(channels, samples) of the first `SECONDS`, in 24-bit steps, with a peak of -6 dBFS."""
    with tempfile.TemporaryDirectory() as folder:
        song, sound = Path(folder, "song.mid"), Path(folder, "sound.wav")
        song.write_bytes(midi)
        command = ["fluidsynth", "-ni", "-g", "0.8", "-r", str(RATE), "-O", "s24", "-T", "wav", "-F", str(sound)]
        subprocess.run([*command, str(SOUNDFONT), str(song)], check=True, capture_output=True, stdin=subprocess.DEVNULL)
        x = soundfile.read(sound, always_2d=True)[0].T[:, : round(SECONDS * RATE)]
    fade = round(0.4 * RATE)
    x[:, -fade:] *= np.linspace(1.0, 0.0, fade) ** 2
    return np.round(x * (0.5 / np.abs(x).max()) * 2**23) / 2**23


def damage(x: np.ndarray) -> tuple[np.ndarray, list[Label]]:
    """Dropped buffers of 5 to 80 ms, one of them on the right only; a dropout of 120 ms; and a dozen clicks."""
    ms = RATE / 1000
    labels: list[Label] = []
    for length in (5, 12, 20, 35, 50, 80):
        x = apart(x, labels, lambda y, rng, n=length: punch_gaps(y, RATE, count=1, length=round(n * ms), rng=rng))
    right = apart(x[1:], labels, lambda y, rng: punch_gaps(y, RATE, count=1, length=round(25 * ms), rng=rng))
    labels[-1] = dataclasses.replace(labels[-1], region=dataclasses.replace(labels[-1].region, channel=1))
    x = np.concatenate([x[:1], right])
    soft = {"count": 1, "length": round(120 * ms), "depth": 45.0, "edge": round(3 * ms)}
    x = apart(x, labels, lambda y, rng: dropouts(y, RATE, **soft, rng=rng))
    for _ in range(12):
        x = apart(x, labels, lambda y, rng: add_clicks(y, RATE, count=1, length=(6, 40), level=14.0, rng=rng))
    return np.clip(np.round(x * 2**23), -(2**23), 2**23 - 1) / 2**23, labels


def apart(
    x: np.ndarray, labels: list[Label], punch: Callable[[np.ndarray, np.random.Generator], Damaged]
) -> np.ndarray:
    """Damage at the first place tried that is 0.2 s or more from all the rest."""
    for attempt in range(1000):
        y, (label,) = punch(x, np.random.default_rng([SEED, len(labels), attempt]))
        centre = (label.region.start + label.region.stop) / 2
        if all(abs(centre - (n.region.start + n.region.stop) / 2) > 0.2 * RATE for n in labels):
            labels.append(label)
            return y
    raise RuntimeError("no room is left for more damage")


def broadcast_wav(x: np.ndarray) -> bytes:
    """A 24-bit WAV with what an archive writes into it: bext, iXML, cue points and their names."""
    frames = np.ascontiguousarray((x.T * 2**23).astype("<i4")).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    return _riff(
        (b"bext", _bext()),
        (b"fmt ", struct.pack("<HHIIHH", 1, 2, RATE, 6 * RATE, 6, 24)),
        (
            b"iXML",
            b'<?xml version="1.0" encoding="UTF-8"?><BWFXML><PROJECT>caesura example</PROJECT><TAKE>1</TAKE></BWFXML>',
        ),
        (b"data", frames),
        (b"cue ", struct.pack("<I", 4) + b"".join(_cue_point(bar) for bar in range(4))),
        (
            b"LIST",
            b"adtl"
            + b"".join(_chunk(b"labl", struct.pack("<I", bar + 1) + b"bar %d\0" % (bar + 1)) for bar in range(4)),
        ),
    )


def _bext() -> bytes:
    text = (b"BWV 846, opening, with transfer damage", 256), (b"caesura", 32), (b"CAESURA0000001", 32)
    fixed = b"".join(value.ljust(length, b"\0") for value, length in text) + b"2026-11-21" + b"12:00:00"
    history = b"A=PCM,F=44100,W=24,M=stereo,T=FluidSynth\r\n"
    return fixed + struct.pack("<QH", 3600 * RATE, 1) + bytes(254) + history


def _cue_point(bar: int) -> bytes:
    at = round(bar * 16 * SIXTEENTH * RATE)
    return struct.pack("<II4sIII", bar + 1, at, b"data", 0, 0, at)


def _riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WAVE" + b"".join(_chunk(name, data) for name, data in chunks)
    return _chunk(b"RIFF", body)


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def main() -> None:
    """Write the three files."""
    x = render(score())
    damaged, labels = damage(x)
    soundfile.write(HERE / "original.flac", x.T, RATE, subtype="PCM_24")
    (HERE / "damaged.wav").write_bytes(broadcast_wav(damaged))
    truth = [
        {"start": n.region.start, "stop": n.region.stop, "channel": n.region.channel, "kind": n.kind}
        for n in sorted(labels, key=lambda label: label.region.start)
    ]
    (HERE / "truth.json").write_text(json.dumps({"sample_rate": RATE, "damage": truth}, indent=1) + "\n")


if __name__ == "__main__":
    main()
