"""Do the small models that add an instrument add what they are told, and does it fit the backing track?

    caesura prepare captions phrases --count 6000
    caesura train phrase_classifier --data phrases --out judge --minutes 40
    caesura train phrase_classifier --out judge --export judge.safetensors
    caesura prepare stems corpus --count 1000
    python benchmarks/mini_add.py --data corpus --judge judge.safetensors [--methods mini_p2p] [--count 50] [--write]

One stem is taken out of each held-out piece, and what the method adds instead of it, told its tempo, register, family
and figure, is judged: by a classifier of phrases that never heard a generated sound; by the share of its energy in the
notes of the piece's key; by how much better it agrees with its backing track than with those of other pieces, in the
pitch classes of half a second and in onsets; and by how much of its power is that of the backing track, band by band.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from caesura.audio import read
from caesura.codecs.mel import Level, Mel
from caesura.codecs.vae import Latents
from caesura.codecs.voicing import Voice
from caesura.data.phrases import MOODS, SECONDS, Phrase
from caesura.data.stems import Piece, pieces
from caesura.methods import build
from caesura.networks.mini_model import open_mini
from caesura.networks.phrase_classifier import QUESTIONS, PhraseClassifier, judged
from caesura.networks.weights import load
from caesura.problem import Problem, Region

Array = NDArray[np.float64]

ROOT = Path(__file__).resolve().parent.parent
CARD = ROOT / "docs" / "cards" / "mini_add.md"
BEGIN, END = "<!-- scores: benchmarks/mini_add.py writes what follows -->\n", "<!-- end of scores -->\n"
RATE = 16_000
N_FFT, HOP = 4096, 800  # of the pitch classes: 4 Hz and 50 ms apart
BAND = (100.0, 4000.0)  # hertz that they are taken from
HALF_SECOND = 10  # of these frames
TOGETHER = 3  # frames of 10 ms that an onset may last
SHIFTS = 10  # pieces whose backing tracks are compared with, for each stem
QUIETEST = 1e-3  # peak of a stem that sounds
FLOOR = -9.0  # of log-mel spectrograms, natural logarithm


@dataclass(frozen=True, eq=False)
class Case:
    """A stem, what it was taken out of, and what to ask for."""

    piece: Piece
    phrase: Phrase
    stem: Array
    """(samples,)."""
    backing: Array
    """(samples,)."""

    @property
    def text(self) -> str:
        """Tempo, register, family and figure in the plainest words."""
        phrase = self.phrase
        figure = {"sustained": "sustained notes", "repeated": "repeated notes"}.get(phrase.figure, phrase.figure)
        return f"{phrase.tempo} {phrase.register} {phrase.family} {figure}"


def cases(found: Sequence[Piece], count: int) -> list[Case]:
    """One stem of each of so many pieces, from all over; of all families about equally often."""
    asked: Counter[str] = Counter()
    made = []
    for k in np.linspace(0, len(found) - 1, min(count, len(found))):
        piece = found[int(k)]
        sounds = [read(piece.path(stem)).samples[0] for stem in piece.stems]
        phrases = {
            n: stem.phrase for n, stem in enumerate(piece.stems) if stem.phrase and np.abs(sounds[n]).max() > 1e-3
        }
        chosen, phrase = min(phrases.items(), key=lambda item: asked[item[1].family])
        asked[phrase.family] += 1
        backing = np.sum([x for n, x in enumerate(sounds) if n != chosen], axis=0)
        made.append(Case(piece, phrase, sounds[chosen], backing))
    return made


def chroma(x: Array) -> Array:
    """Power of the twelve pitch classes from C in every half second (half seconds, 12); rows add up to one."""
    frames = np.lib.stride_tricks.sliding_window_view(x, N_FFT)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(N_FFT), axis=1)) ** 2
    hertz = np.fft.rfftfreq(N_FFT, 1 / RATE)
    kept = (hertz >= BAND[0]) & (hertz <= BAND[1])
    number = np.round(69 + 12 * np.log2(hertz[kept] / 440)).astype(int) % 12
    classes = power[:, kept] @ np.eye(12)[number]
    whole = classes[: len(classes) // HALF_SECOND * HALF_SECOND].reshape(-1, HALF_SECOND, 12).sum(axis=1)
    return np.asarray(whole / np.maximum(whole.sum(axis=1, keepdims=True), 1e-12))


@dataclass(frozen=True, eq=False)
class Heard:
    """What is compared of a sound."""

    classes: Array
    """See `chroma`."""
    rise: Array
    """How much sets in, every 10 ms (frames,)."""
    power: Array
    """Of mel bands (frames, bands)."""

    @classmethod
    def of(cls, x: Array) -> Heard:
        """Of a sound (samples,)."""
        mel = Mel().encode(Level.of(x).apply(x))
        rise = np.maximum(np.diff(np.maximum(mel, FLOOR), axis=0), 0.0).mean(axis=1)
        return cls(chroma(x), np.convolve(rise, np.ones(TOGETHER) / TOGETHER, mode="same"), np.exp(2 * mel))


def in_key(x: Heard, piece: Piece) -> float:
    """Share of a sound's power in the notes of a piece's key, the mean over half seconds."""
    scale = [(piece.tonic + step) % 12 for step in MOODS[piece.mood]]
    return float(x.classes[:, scale].sum(axis=1).mean())


def harmony(x: Heard, y: Heard) -> float:
    """Cosine of the pitch classes of two sounds, the mean over half seconds."""
    a, b = (c / np.maximum(np.linalg.norm(c, axis=1, keepdims=True), 1e-12) for c in (x.classes, y.classes))
    return float(np.sum(a * b, axis=1).mean())


def onsets(x: Heard, y: Heard) -> float:
    """Correlation of how two sounds set in."""
    return float(np.corrcoef(x.rise, y.rise)[0, 1])


def leaked(x: Heard, y: Heard) -> float:
    """Share of the power of `x`, in mel bands and frames, that is explained by that of `y` at a gain of each band."""
    a, b = x.power, y.power
    gain = np.maximum(np.sum(a * b, axis=0) / np.maximum(np.sum(b * b, axis=0), 1e-12), 0.0)
    return float(1.0 - np.sum((a - gain * b) ** 2) / np.sum(a**2))


class Table:
    """Scores of the rows, each a list of one score per case."""

    def __init__(self, judge: PhraseClassifier, found: Sequence[Case]) -> None:
        self.judge, self.cases = judge, found
        self.backings = [Heard.of(case.backing) for case in found]
        self.lines: list[str] = []

    def add(self, name: str, sounds: Sequence[Array]) -> None:
        """Judge what was added to each case (samples,)."""
        right: dict[str, list[bool]] = {question: [] for question in QUESTIONS}
        for case, x in zip(self.cases, sounds, strict=True):
            for question, said in judged(self.judge, torch.from_numpy(x)).items():
                right[question].append(QUESTIONS[question][int(said.argmax())] == getattr(case.phrase, question))
        heard = [Heard.of(x) for x in sounds]
        key = [100 * in_key(x, case.piece) for case, x in zip(self.cases, heard, strict=True)]
        row = [*(_share(each) for each in right.values()), _mean(key, 0)]
        for score, digits in ((harmony, 2), (onsets, 2), (leaked, 2)):
            row.append(_mean(self._over_others(score, heard), digits))
        self.lines.append(f"| {name} | {len(sounds)} | " + " | ".join(row) + " |")
        print(self.lines[-1], flush=True)

    def _over_others(self, score: Callable[[Heard, Heard], float], sounds: Sequence[Heard]) -> list[float]:
        """How much higher each scores with its own backing track than with those of other pieces."""
        found, total = [], len(self.cases)
        for k, x in enumerate(sounds):
            others = [self.backings[(k + n) % total] for n in range(1, min(SHIFTS, total - 1) + 1)]
            found.append(score(x, self.backings[k]) - float(np.mean([score(x, other) for other in others])))
        return found

    def page(self) -> str:
        """The table as markdown; chance is the share of the commonest answer, and of the notes of a key."""
        head = "| stems | n | family | register | tempo | figure | in key | harmony | onsets | leak |"
        asked = [case.phrase for case in self.cases]
        commonest = [
            max(sum(getattr(phrase, name) == value for phrase in asked) for value in values) / len(asked)
            for name, values in QUESTIONS.items()
        ]
        chance = " | ".join(f"{100 * each:.0f}" for each in (*commonest, 7 / 12))
        return "\n".join([
            head, "|" + "---|" * 10, *self.lines, f"| chance | | {chance} | 0 | 0 | 0 |",
        ])  # fmt: skip


def _share(right: Sequence[bool]) -> str:
    """Share and half of its 95 % interval (Wilson), in %."""
    n, p, z = len(right), float(np.mean(right)), 1.96
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return f"{100 * p:.0f} ± {100 * half:.0f}"


def _mean(values: Sequence[float], digits: int) -> str:
    """Mean and half of its 95 % interval."""
    half = 1.96 * float(np.std(values, ddof=1)) / np.sqrt(len(values))
    return f"{np.mean(values):.{digits}f} ± {half:.{digits}f}"


def stems_of(name: str, found: Sequence[Case], settings: dict[str, str], *, shift: int = 0) -> list[Array]:
    """What a method adds to each case, or to the backing track of the case so many further on, told of its own."""
    method, made = build(name, settings), []
    for k, case in enumerate(found):
        backing = found[(k + shift) % len(found)].backing[None]
        problem = Problem(np.zeros_like(backing), (Region(0, backing.size),), RATE, guide=backing, text=case.text)
        made.append((method(problem, rng=np.random.default_rng(k)) - backing)[0])
    return made


def alone(found: Sequence[Case]) -> list[Array]:
    """What `text_mini` plays, told the same words and nothing of the backing track."""
    method, samples = build("text_mini", {}), round(SECONDS * RATE)
    nothing = [Problem(np.zeros((1, samples)), (Region(0, samples),), RATE, text=case.text) for case in found]
    return [method(problem, rng=np.random.default_rng(k))[0] for k, problem in enumerate(nothing)]


def main() -> int:
    """Measure, print, and write the card if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="from `caesura prepare stems`")
    parser.add_argument("--judge", required=True, help="weights of phrase_classifier")
    parser.add_argument("--methods", default="mini_p2p", help="with commas between; none: the other rows")
    parser.add_argument("--count", type=int, default=50, help="stems per row")
    parser.add_argument("--settings", default="", help="settings of the methods, key=value:key=value")
    parser.add_argument(
        "--split", default="valid", choices=["train", "valid", "test"], help="test: of instruments held out"
    )
    parser.add_argument("--only", action="store_true", help="the methods' rows only, to choose settings")
    parser.add_argument("--write", action="store_true", help="put the table into the card")
    given = parser.parse_args()
    torch.set_num_threads(1)
    judge = load(given.judge)
    if not isinstance(judge, PhraseClassifier):
        raise SystemExit(f"{given.judge} holds no phrase classifier")
    settings = dict(pair.split("=", 1) for pair in given.settings.split(":") if pair)
    found = cases(pieces(given.data, (given.split,)), given.count)
    table = Table(judge, found)
    if not given.only:
        table.add("the stem that was taken out", [case.stem for case in found])
        codec = open_mini("").codec
        table.add("the same by way of codec and voice", [_coded(codec, case.stem) for case in found])
        table.add("out of perfect pictures of mix and backing track", [_subtracted(case) for case in found])
        table.add("`text_mini`, told the same", alone(found))
    for name in filter(None, given.methods.split(",")):
        table.add(f"`{name}`", stems_of(name, found, settings))
        if not given.only:
            table.add(f"`{name}`, given the backing track of another piece", stems_of(name, found, settings, shift=1))
    text = table.page()
    print(text)
    if given.write:
        before, _, rest = CARD.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        CARD.write_text(f"{before}{BEGIN}\n{text}\n\n{END}{after}")
    return 0


def _coded(codec: Latents, x: Array) -> Array:
    whole = np.pad(Level.of(x).apply(x), (0, -x.size % codec.row))
    return codec.decode(codec.encode(torch.from_numpy(whole)[None].float()), whole.size)[0].double().numpy()


def _subtracted(case: Case) -> Array:
    """What a model that draws the mix could give at best: the power of the mix less that of the backing track."""
    mix = case.stem + case.backing
    level, voice = Level.of(mix), Voice()
    whole, other = (np.exp(2 * voice.mel.encode(level.apply(x))) for x in (mix, case.backing))
    return voice(0.5 * np.log(np.maximum(whole - other, np.exp(2 * FLOOR))), mix.size)


if __name__ == "__main__":
    sys.exit(main())
