"""The report of `boxes.py`: its tables and what they mean."""

from __future__ import annotations

__all__ = ["Result", "Ring", "report"]

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

KINDS = (("music, noises", False), ("speech, song", True))
SPEECH = ("speech", "voice", "historical")  # beginnings of the names of spoken and sung clips
PAIRS = (
    ("janssen_tf", "spectral interpolation"),
    ("nmf", "spectral interpolation"),
    ("nmf", "noise from the sides"),
    ("nmf", "janssen_tf"),
    ("cqtdiff", "nmf"),
    ("cqtdiff", "janssen_tf"),
)
RESAMPLES = 2000


@dataclass(frozen=True)
class Result:
    """One method on one box."""

    clip: str
    shape: tuple[float, float, float]
    method: str
    snr: float
    lsd: float
    seconds: float

    @property
    def speech(self) -> bool:
        """Whether somebody speaks or sings."""
        return self.clip.startswith(SPEECH)


@dataclass(frozen=True)
class Ring:
    """One method against one ring."""

    method: str
    attenuation: float
    inside: float
    outside: float
    lsd: float


def report(results: Sequence[Result], rings: Sequence[Ring]) -> str:
    """The page in Markdown."""
    clips, methods = len({r.clip for r in results}), _methods(results)
    return "\n\n".join(
        [
            "# Boxes of the time-frequency plane",
            "Written by `python benchmarks/boxes.py --data ../shared/data`, whose docstring says how; do not edit.",
            f"{len(results) // len(methods)} boxes in {clips} clips. SNR is that of what was in the box, `B x`, to "
            "what was put there, `B x_hat`: 0 dB for an empty box. LSD is the log-spectral distance over the bins of "
            "the band: lower is better. Every sample outside the span was equal bit for bit; the script stops "
            "otherwise. Spectral interpolation is the usual spectral repair: magnitudes interpolated from side to "
            "side, phases advanced from both sides. Noise from the sides is `nmf` with the power interpolated between "
            "the sides instead of learned. The settings of the methods were chosen on other recordings.",
            _winners(results),
            "## Signal-to-noise ratio inside the box, dB",
            _table(results, lambda r: r.snr),
            "## Log-spectral distance inside the box, dB",
            _table(results, lambda r: r.lsd),
            "## Differences paired by box, with 95 % intervals (bootstrap over clips)",
            _differences(results),
            "## CPU seconds per box",
            _seconds(results),
            "## A phone rings over speech",
            f"{len(rings) // len(methods)} rings of half a second in the spoken clips: 1000 and 1250 Hz in turns, 20 "
            "times a second, with second harmonics, 10 dB above what the voice has in the box of 800-3200 Hz, which "
            "is 30 ms longer on either side. Attenuation compares the energy of the ring with that of all it changes "
            "in the result. Inside the box the voice is compared with the voice before the ring; beside it, in "
            "the same span, 100 Hz or more from the band. Outside the span nothing changes.",
            _ring_table(rings),
            "",
        ]
    )


def _methods(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(r.method for r in results))


def _winners(results: Sequence[Result]) -> str:
    """How often each method is best, over shapes and kinds of clip."""
    cells: dict[tuple[object, ...], dict[str, list[Result]]] = {}
    for r in results:
        cells.setdefault((r.shape, r.speech), {}).setdefault(r.method, []).append(r)
    snr = [max(cell, key=lambda m, cell=cell: np.mean([r.snr for r in cell[m]])) for cell in cells.values()]
    lsd = [min(cell, key=lambda m, cell=cell: np.mean([r.lsd for r in cell[m]])) for cell in cells.values()]
    said = [
        ", ".join(f"{method} in {count} of {len(cells)}" for method, count in Counter(best).most_common())
        for best in (snr, lsd)
    ]
    return (
        f"Of all shapes, for music and for speech, the highest SNR has {said[0]}; the lowest LSD has {said[1]}. An AR "
        "prediction fades out in a long box, which is right for the waveform and a hole to the ear; `nmf` fills it."
    )


def _table(results: Sequence[Result], value: Callable[[Result], float]) -> str:
    shapes = sorted({r.shape for r in results})
    lines = [
        "| clips | method | " + " | ".join(f"{s:g} s {low:g}-{high:g} Hz" for s, low, high in shapes) + " | mean |",
        "|---|---|" + "---|" * (len(shapes) + 1),
    ]
    for kind, speech in KINDS:
        for method in _methods(results):
            own = [r for r in results if r.method == method and r.speech == speech]
            cells = [[value(r) for r in own if r.shape == shape] for shape in shapes] + [[value(r) for r in own]]
            lines.append(f"| {kind} | {method} | " + " | ".join(_mean(cell) for cell in cells) + " |")
    return "\n".join(lines)


def _mean(values: Sequence[float], digits: int = 1) -> str:
    return f"{np.mean(values):.{digits}f}" if values else "-"


def _differences(results: Sequence[Result]) -> str:
    lines = ["| | clips | SNR, dB | LSD, dB |", "|---|---|---|---|"]
    there = set(_methods(results))
    for first, second in (pair for pair in PAIRS if there.issuperset(pair)):
        for kind, speech in KINDS:
            one, other = ([r for r in results if r.method == m and r.speech == speech] for m in (first, second))
            cells = [_interval(one, other, field) for field in ("snr", "lsd")]
            lines.append(f"| {first} less {second} | {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _interval(one: Sequence[Result], other: Sequence[Result], field: str) -> str:
    by_clip: dict[str, list[float]] = {}
    for a, b in zip(one, other, strict=True):
        by_clip.setdefault(a.clip, []).append(getattr(a, field) - getattr(b, field))
    if not by_clip:
        return "-"
    clusters = list(by_clip.values())
    picks = np.random.default_rng(0).integers(len(clusters), size=(RESAMPLES, len(clusters)))
    low, high = np.quantile([np.mean(_joined(clusters[i] for i in pick)) for pick in picks], (0.025, 0.975))
    return f"{np.mean(_joined(clusters)):+.2f} ({low:+.2f} to {high:+.2f})"


def _joined(clusters: Iterable[list[float]]) -> list[float]:
    return list(itertools.chain.from_iterable(clusters))


def _seconds(results: Sequence[Result]) -> str:
    durations = sorted({r.shape[0] for r in results})
    lines = ["| method | " + " | ".join(f"{s:g} s" for s in durations) + " | longest |"]
    lines.append("|---|" + "---|" * (len(durations) + 1))
    for method in _methods(results):
        own = [r for r in results if r.method == method]
        means = [_mean([r.seconds for r in own if r.shape[0] == s], 3) for s in durations]
        lines.append(f"| {method} | " + " | ".join(means) + f" | {max(r.seconds for r in own):.2f} |")
    return "\n".join(lines)


def _ring_table(rings: Sequence[Ring]) -> str:
    lines = [
        "| method | ring attenuated by, dB (least) | voice in the box: SNR, dB | LSD, dB | voice beside it: SNR, dB |",
        "|---|---|---|---|---|",
    ]
    for method in dict.fromkeys(ring.method for ring in rings):
        own = [ring for ring in rings if ring.method == method]
        columns = {name: [getattr(r, name) for r in own] for name in ("attenuation", "inside", "lsd", "outside")}
        means = {name: _mean(column) for name, column in columns.items()}
        away = f"{means['attenuation']} ({min(columns['attenuation']):.1f})"
        lines.append(f"| {method} | {away} | {means['inside']} | {means['lsd']} | {means['outside']} |")
    return "\n".join(lines)
