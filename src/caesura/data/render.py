"""Training music from scores: a synthesiser plays excerpts, each in its own instruments, room, level and noise.

    take i = noise_i + gain_i * FluidSynth(score_i played with settings_i),   settings_i drawn from (seed, i) alone

References:
    FluidSynth, a software synthesiser for sound fonts, https://www.fluidsynth.org (called as a program).
"""

from __future__ import annotations

__all__ = ["Take", "draw_take", "find_fluidsynth", "find_soundfonts", "render"]

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caesura.audio import read, resample
from caesura.data.scores import DRUMS, Score, excerpt, played, read_score, write_score

SOUNDFONTS = Path("/usr/share/sounds/sf2")  # where Debian's packages put them
PACKAGES = "apt install fluidsynth fluid-soundfont-gm"
SYNTHESIS_RATE = 44100  # hertz
PATIENCE = 300  # seconds of work that one excerpt may take
PEAK = 0.95  # full scale 1
LOUDEST, QUIETEST = -12.0, -36.0  # dB full scale of the root mean square
NOISES = (-80.0, -45.0)  # dB under the music

# General MIDI programs, from 0, by how they sound.
KEYS = (0, 0, 0, 0, 1, 3, 4, 6, 6)
PLUCKED = (24, 24, 25, 26, 45, 46)
ORGANS = (16, 19, 19, 20, 21)
MALLETS = (8, 9, 11, 12, 13)
BOWED = (40, 40, 41, 42, 42, 44, 48, 49)
WINDS = (56, 57, 58, 60, 65, 66, 68, 69, 70, 71, 71, 73, 73, 74, 75)
VOICES = (52, 53)
ALONE = (KEYS, KEYS, PLUCKED, ORGANS, MALLETS)
TOGETHER = (BOWED, BOWED, WINDS, WINDS, VOICES, KEYS, PLUCKED)


@dataclass(frozen=True)
class Take:
    """How one excerpt is played; everything that is needed to render it again."""

    score: str
    """File name."""
    begin: float
    """Where the excerpt begins, as a share of the score."""
    length: float
    """Seconds of the score, before the change of tempo."""
    soundfont: str
    """File name."""
    programs: tuple[int, ...]
    """General MIDI program of each channel, from 0; empty as written."""
    transpose: int
    """Semitones."""
    tempo: float
    """Factor."""
    velocity: float
    """Factor."""
    jitter: float
    """Standard deviation of the velocities."""
    room: float
    """Size of the room, 0 to 1."""
    damping: float
    """Of the room's high frequencies, 0 to 1."""
    reverb: float
    """Level of the room, 0 to 1."""
    level: float
    """dB full scale of the root mean square."""
    noise: float | None
    """dB under the music; None adds none."""
    seed: int
    """Of the jitter and the noise."""


def draw_take(scores: Sequence[Path], soundfonts: Sequence[Path], seconds: float, rng: np.random.Generator) -> Take:
    """Draw how the next excerpt is played."""
    kind = rng.random()
    if kind < 0.3:
        programs: tuple[int, ...] = ()
    elif kind < 0.65:
        programs = (_one(ALONE[int(rng.integers(len(ALONE)))], rng),) * 16
    else:
        programs = tuple(_one(TOGETHER[int(rng.integers(len(TOGETHER)))], rng) for _ in range(16))
    return Take(
        score=scores[int(rng.integers(len(scores)))].name,
        begin=round(0.95 * rng.random(), 4),
        length=seconds,
        soundfont=soundfonts[int(rng.integers(len(soundfonts)))].name,
        programs=programs,
        transpose=int(rng.integers(-6, 7)),
        tempo=round(float(2.0 ** rng.uniform(-0.5, 0.5)), 3),
        velocity=round(float(rng.uniform(0.6, 1.3)), 3),
        jitter=round(float(rng.uniform(0.0, 12.0)), 2),
        room=round(float(rng.uniform(0.0, 1.0)), 3),
        damping=round(float(rng.uniform(0.0, 0.8)), 3),
        reverb=round(float(rng.uniform(0.0, 1.0) ** 2), 3),
        level=round(float(rng.uniform(QUIETEST, LOUDEST)), 2),
        noise=round(float(rng.uniform(*NOISES)), 2) if rng.random() < 0.5 else None,
        seed=int(rng.integers(2**31)),
    )


def render(take: Take, scores: Path, soundfonts: Sequence[Path], sample_rate: int) -> NDArray[np.float64]:
    """Play a take.

    Args:
        take: from `draw_take`.
        scores: the folder that holds its score.
        soundfonts: one of which is the take's.
        sample_rate: hertz.

    Returns:
        (samples,); empty where nothing sounds.
    """
    rng = np.random.default_rng(take.seed)
    score = _performance(take, read_score(scores / take.score), rng)
    if not any(event.sounds for event in score.events):
        return np.zeros(0)
    font = next(path for path in soundfonts if path.name == take.soundfont)
    x = resample(_synthesised(take, score, font), SYNTHESIS_RATE, sample_rate)[0]
    heard = np.flatnonzero(np.abs(x) > 1e-3 * np.abs(x).max(initial=1e-9))
    if not heard.size:
        return np.zeros(0)
    x = x[heard[0] : heard[-1] + 1]
    x *= 10.0 ** (take.level / 20.0) / np.sqrt(np.mean(x**2))
    if take.noise is not None:
        x += 10.0 ** ((take.level + take.noise) / 20.0) * _noise(x.size, rng)
    return np.asarray(x * min(1.0, PEAK / np.abs(x).max()))


def find_fluidsynth() -> str:
    """The program.

    Raises:
        ValueError: it is not installed.
    """
    found = shutil.which("fluidsynth")
    if found is None:
        raise ValueError(f"scores are played by FluidSynth, which is not installed: {PACKAGES}")
    return found


def find_soundfonts(given: Sequence[Path] = ()) -> tuple[Path, ...]:
    """Sound fonts, those given or what Debian's packages installed.

    Raises:
        ValueError: there is none.
    """
    for path in given:
        if not path.is_file():
            raise ValueError(f"there is no sound font '{path}'")
    # several names may stand for one file: Debian's default is a link
    found = tuple(given) or tuple(sorted(p for p in SOUNDFONTS.glob("*.sf2") if not p.is_symlink()))
    if not found:
        raise ValueError(f"there is no sound font in {SOUNDFONTS}: {PACKAGES}, or name one with --soundfont")
    return found


def _one(programs: Sequence[int], rng: np.random.Generator) -> int:
    return programs[int(rng.integers(len(programs)))]


def _performance(take: Take, score: Score, rng: np.random.Generator) -> Score:
    cut = excerpt(score, int(take.begin * score.last), take.length)
    channels = {event.channel for event in cut.events if event.sounds and event.channel != DRUMS}
    programs = {channel: take.programs[channel] for channel in sorted(channels)} if take.programs else {}
    return played(
        cut, programs=programs, transpose=take.transpose, tempo=take.tempo, velocity=take.velocity,
        jitter=take.jitter, rng=rng,
    )  # fmt: skip


def _synthesised(take: Take, score: Score, font: Path) -> NDArray[np.float64]:
    """The performance at `SYNTHESIS_RATE`, (1, samples)."""
    with tempfile.TemporaryDirectory(prefix="caesura-") as folder:
        midi, wav = Path(folder) / "take.mid", Path(folder) / "take.wav"
        write_score(midi, score)
        settings = {
            "synth.reverb.active": 1,
            "synth.reverb.room-size": take.room,
            "synth.reverb.damp": take.damping,
            "synth.reverb.level": take.reverb,
            "synth.chorus.active": 0,
        }
        options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
        command = [find_fluidsynth(), "-niq", "-r", str(SYNTHESIS_RATE), "-g", "0.3", *options]
        command += ["-T", "wav", "-O", "float", "-F", str(wav), str(font), str(midi)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise ValueError(f"fluidsynth played {take.score} for over {PATIENCE} s and was stopped") from None
        if done.returncode or not wav.is_file():
            raise ValueError(f"fluidsynth could not play {take.score}: {' '.join(done.stderr.split())[-200:]}")
        return np.asarray(read(wav).samples.mean(axis=0, keepdims=True))


def _noise(samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise of unit power, its spectrum somewhere between white and pink (samples,)."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    tilt = rng.uniform(0.0, 1.0)
    shaped = np.fft.irfft(spectrum / np.maximum(np.arange(spectrum.size), 1.0) ** (0.5 * tilt), samples)
    return np.asarray(shaped / max(float(np.sqrt(np.mean(shaped**2))), 1e-12))
