"""Does `text_mini` play what it is told? Its sounds are judged by a classifier that never heard a generated one.

    caesura prepare captions corpus --count 6000
    caesura train phrase_classifier --data corpus --out judge --minutes 40
    caesura train phrase_classifier --out judge --export judge.safetensors
    python benchmarks/text_mini.py --data corpus --judge judge.safetensors [--count 66] [--write]
    python benchmarks/text_mini.py --data corpus --judge judge.safetensors --choose [--count 12]

The rows: rendered phrases of instruments that classifier and model know, of instruments that neither was trained
on, these by way of codec and voice; sounds made from a text; and gaps of one second, filled without a text, with the
text of the recording, and with that of another one. --choose measures the ways of conditioning.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from caesura.audio import read
from caesura.codecs.mel import Level, Mel
from caesura.data.captions import Clip, clips
from caesura.data.phrases import FAMILIES, FIGURES, MOODS, RANGES, REGISTERS, TEMPOS, Phrase
from caesura.methods import build
from caesura.networks.mini_model import open_mini
from caesura.networks.phrase_classifier import QUESTIONS, PhraseClassifier, judged
from caesura.networks.weights import load
from caesura.problem import Problem, Region
from caesura.restoration import restore

Array = NDArray[np.float64]

ROOT = Path(__file__).resolve().parent.parent
CARD = ROOT / "docs" / "cards" / "text_mini.md"
BEGIN, END = "<!-- scores: benchmarks/text_mini.py writes what follows -->\n", "<!-- end of scores -->\n"
RATE = 16_000
SECONDS = 5.12  # of a sound made from a text
GAP = (3.5, 4.5)  # seconds, in phrases of eight
WAYS = ("plain", "repaint", "repaint+", "ddnm", "ddnm+", "guidance")
FLOOR = -9.0  # of log-mel distances, natural logarithm
Answers = dict[str, int]


def wording(phrase: Phrase) -> str:
    """What a phrase is called here: family, register, tempo and figure in the plainest words."""
    figure = {"sustained": "sustained notes", "repeated": "repeated notes"}.get(phrase.figure, phrase.figure)
    return f"{phrase.tempo} {phrase.register} {phrase.family} {figure}"


def prompts(count: int) -> list[Phrase]:
    """Phrases to ask for, every family equally often."""
    rng, found = np.random.default_rng(0), []
    for k in range(count):
        family = list(FAMILIES)[k % len(FAMILIES)]
        registers = RANGES.get(family, tuple(REGISTERS))
        figure = FIGURES[int(rng.integers(len(FIGURES)))]
        tempo = "slow" if figure == "sustained" else list(TEMPOS)[int(rng.integers(2))]
        register = registers[int(rng.integers(len(registers)))]
        found.append(Phrase(family, 0, register, tempo, next(iter(MOODS)), figure, "dry", 60, 0))
    return found


def answers(phrase: Phrase) -> Answers:
    """The right answer to each question."""
    return {name: values.index(getattr(phrase, name)) for name, values in QUESTIONS.items()}


class Table:
    """How often the classifier's answer is the one that was wanted."""

    def __init__(self, judge: PhraseClassifier) -> None:
        self.judge = judge
        self.rows: dict[str, list[dict[str, bool]]] = {}

    def add(self, row: str, x: Array, wanted: Answers) -> None:
        """Judge a sound (samples,)."""
        said = judged(self.judge, torch.from_numpy(x))
        right = {name: int(said[name].argmax()) == answer for name, answer in wanted.items()}
        self.rows.setdefault(row, []).append(right)

    def page(self, asked: Sequence[Phrase]) -> str:
        """The table as markdown, in % with 95 % intervals; chance is the share of the commonest answer asked for."""
        lines = ["| sounds | n | " + " | ".join(QUESTIONS) + " |", "|---|---|" + "---|" * len(QUESTIONS)]
        for row, found in self.rows.items():
            shares = [_share([right[name] for right in found]) for name in QUESTIONS]
            lines.append(f"| {row} | {len(found)} | " + " | ".join(shares) + " |")
        commonest = [
            max(sum(getattr(phrase, name) == value for phrase in asked) for value in values) / len(asked)
            for name, values in QUESTIONS.items()
        ]
        chance = " | ".join(f"{100 * c:.0f}" for c in commonest)
        lines.append(f"| chance: always the commonest answer | | {chance} |")
        return "\n".join(lines)


def _share(right: Sequence[bool]) -> str:
    """Share and half of its 95 % interval (Wilson), in %."""
    n, p, z = len(right), float(np.mean(right)), 1.96
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return f"{100 * p:.0f} ± {100 * half:.0f}"


def sound(clip: Clip) -> Array:
    """The phrase (samples,) at the level of the model."""
    x = read(clip.path).samples[0]
    return Level.of(x).apply(x)


def filled(xs: Sequence[Array], texts: Sequence[str], region: Region, settings: dict[str, str]) -> list[Array]:
    """Each sound (samples,) with the region filled, each with a seed of its own."""
    method = build("text_mini", settings)
    pairs = enumerate(zip(xs, texts, strict=True))
    return [restore(Problem(x[None], (region,), RATE, text=text), method, seed=k).samples[0] for k, (x, text) in pairs]


def distance(x: Array, y: Array, region: Region) -> float:
    """Log-mel distance in the frames that lie within the region, mean absolute difference in nepers."""
    rows = slice(-(-region.start // 160) + 3, region.stop // 160 - 3)
    a, b = (np.maximum(Mel().encode(each), FLOOR)[rows] for each in (x, y))
    return float(np.abs(a - b).mean())


def measured(data: Path, judge: PhraseClassifier, count: int, settings: dict[str, str]) -> str:
    """The table of the classifier."""
    table, gap = Table(judge), Region(round(GAP[0] * RATE), round(GAP[1] * RATE))
    known, other = (spread(clips(data, (split,)), count) for split in ("valid", "test"))
    codec = open_mini(settings.get("weights", "")).codec
    for name, found in (("rendered, known instruments", known), ("rendered, instruments held out", other)):
        for clip in found:
            table.add(name, sound(clip), answers(clip.phrase))
    for clip in other:
        x = sound(clip)[: round(SECONDS * RATE)]
        back = codec.decode(codec.encode(torch.from_numpy(x)[None].float()), x.size)[0]
        table.add("these by way of codec and voice", back.double().numpy(), answers(clip.phrase))
    asked, whole = prompts(count), Region(0, round(SECONDS * RATE))
    nothing = [np.zeros(whole.length)] * count
    for phrase, x in zip(asked, filled(nothing, [wording(p) for p in asked], whole, settings), strict=True):
        table.add("generated from a text", x, answers(phrase))
    xs = [sound(clip) for clip in known]
    for name, wanted in (
        ("the gap itself, known instruments", None),
        ("gap of 1 s, filled without a text", [None] * count),
        ("gap of 1 s, text of the recording", [clip.phrase for clip in known]),
        ("gap of 1 s, text of another sound, judged by the text", asked),
    ):
        texts = ["" if phrase is None else wording(phrase) for phrase in wanted or []]
        ys = filled(xs, texts, gap, settings) if wanted is not None else xs
        for k, y in enumerate(ys):
            told = wanted[k] if wanted is not None else None
            table.add(name, y[gap.start : gap.stop], answers(told or known[k].phrase))
    return table.page([*asked])


def spread(found: Sequence[Clip], count: int) -> list[Clip]:
    """So many of the clips, from all over."""
    return [found[int(k)] for k in np.linspace(0, len(found) - 1, count)]


def choice(data: Path, judge: PhraseClassifier, count: int, settings: dict[str, str]) -> str:
    """What every way of conditioning makes of a gap of one second in phrases of known instruments."""
    gap = Region(round(GAP[0] * RATE), round(GAP[1] * RATE))
    known = spread(clips(data, ("valid",)), count)
    xs = [sound(clip) for clip in known]
    texts = [wording(clip.phrase) for clip in known]
    silent = [np.where((np.arange(x.size) >= gap.start) & (np.arange(x.size) < gap.stop), 0.0, x) for x in xs]
    lines = [
        "| conditioning | log-mel distance in the gap, nepers | family, % | s per gap |",
        "|---|---|---|---|",
    ]
    lines.append(f"| silence | {np.mean([distance(x, y, gap) for x, y in zip(xs, silent, strict=True)]):.2f} | | |")
    for way in WAYS:
        began = time.perf_counter()
        ys = filled(xs, texts, gap, {**settings, "conditioning": way})
        spent = (time.perf_counter() - began) / count
        said = [judged(judge, torch.from_numpy(y[gap.start : gap.stop]))["family"].argmax() for y in ys]
        right = [int(k) == answers(clip.phrase)["family"] for k, clip in zip(said, known, strict=True)]
        far = np.mean([distance(x, y, gap) for x, y in zip(xs, ys, strict=True)])
        lines.append(f"| {way} | {far:.2f} | {_share(right)} | {spent:.1f} |")
    return "\n".join(lines)


def main() -> int:
    """Measure, print, and write the card if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="from `caesura prepare captions`")
    parser.add_argument("--judge", required=True, help="weights of phrase_classifier")
    parser.add_argument("--count", type=int, default=66, help="sounds per row")
    parser.add_argument("--weights", default="", help="of text_mini")
    parser.add_argument("--settings", default="", help="more settings of text_mini, key=value:key=value")
    parser.add_argument("--choose", action="store_true", help="compare the ways of conditioning")
    parser.add_argument("--write", action="store_true", help="put the table into the card")
    given = parser.parse_args()
    judge = load(given.judge)
    if not isinstance(judge, PhraseClassifier):
        raise SystemExit(f"{given.judge} holds no phrase classifier")
    settings = {"weights": given.weights, **dict(pair.split("=", 1) for pair in given.settings.split(":") if pair)}
    work: Callable[[Path, PhraseClassifier, int, dict[str, str]], str] = choice if given.choose else measured
    text = work(given.data, judge, given.count, settings)
    print(text)
    if given.write:
        before, _, rest = CARD.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        CARD.write_text(f"{before}{BEGIN}\n{text}\n\n{END}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
