"""Rows of a benchmark as tables: means, paired confidence intervals, and what the methods refused.

A cell is the mean over files of the mean over gaps and seeds. Behind it stands the mean of the differences to the
baseline on the same gaps, with the half width of its 95 % confidence interval,

    d +- t(0.975, n - 1) s_d / sqrt(n),   one difference per file:

gaps of one file are not independent, so the file is the unit.

References:
    Student, "The probable error of a mean", Biometrika 1908.
"""

from __future__ import annotations

__all__ = ["MEASURES", "Measure", "confidence_correlation", "measure_table", "paired_interval", "table", "time_table"]

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from caesura.evaluation.rows import Row

LEVEL = 0.95  # of the confidence intervals
BASELINE = "linear"
NOTHING = "–"

Keyed = Mapping[tuple[str, float], Mapping[str, float]]
"""Label and gap length -> digest of the file -> mean of a measure over gaps and seeds."""


@dataclass(frozen=True)
class Measure:
    """A field of `Row` and how to write it."""

    field: str
    title: str
    digits: int = 2


MEASURES = (
    Measure("snr", "SNR in the gap, dB (higher is better)"),
    Measure("lsd", "Log-spectral distance in the frames that touch the gap, dB (lower is better)"),
    Measure("energy", "Energy of the fill over the original, dB (0 is right, negative is too quiet)"),
    Measure("odg", "PEAQ objective difference grade of the whole file (0 is best, -4 worst)"),
)


def table(rows: Sequence[Row], *, baseline: str = BASELINE) -> str:
    """Everything about a set of rows as markdown: one table per measure, then time, refusals and errors.

    Args:
        rows: of one protocol.
        baseline: label of the method that the differences are taken to.

    Raises:
        ValueError: no rows, or none of the baseline.
    """
    if not rows:
        raise ValueError("there are no rows: run the benchmark first")
    parts = [f"{measure.title}\n\n{measure_table(rows, measure, baseline=baseline)}" for measure in MEASURES]
    parts.append(f"Processor time per gap, ms\n\n{time_table(rows)}")
    notes = [*_refused(rows), *_errors(rows)]
    if notes:
        parts.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts) + "\n"


def measure_table(rows: Sequence[Row], measure: Measure, *, baseline: str = BASELINE) -> str:
    """Methods by gap lengths: mean (difference to the baseline ± half width of its interval).

    Raises:
        ValueError: there is no row of the baseline.
    """
    found = _by_file(rows, measure.field)
    labels, lengths = _axes(rows)
    if baseline not in labels:
        raise ValueError(f"there is no row of the baseline '{baseline}': choose from {', '.join(labels)}")
    files = len({row.digest for row in rows})

    def cell(label: str, gap: float) -> str:
        own, other = found.get((label, gap), {}), found.get((baseline, gap), {})
        if not own:
            return NOTHING
        text = f"{np.mean(list(own.values())):.{measure.digits}f}"
        common = sorted(own.keys() & other.keys())
        if label != baseline and common:
            text += _difference([own[file] - other[file] for file in common], measure.digits)
        return text if len(own) == files else f"{text} [{len(own)}/{files} files]"

    return _markdown(lengths, [(label, [cell(label, gap) for gap in lengths]) for label in labels])


def time_table(rows: Sequence[Row]) -> str:
    """Methods by gap lengths: mean processor time per gap in milliseconds."""
    found = _by_file(rows, "cpu_seconds")
    labels, lengths = _axes(rows)

    def cell(label: str, gap: float) -> str:
        seconds = list(found.get((label, gap), {}).values())
        return f"{1e3 * float(np.mean(seconds)):.3g}" if seconds else NOTHING

    return _markdown(lengths, [(label, [cell(label, gap) for gap in lengths]) for label in labels])


def paired_interval(differences: Sequence[float], *, level: float = LEVEL) -> tuple[float, float]:
    """Mean of paired differences and half width of its confidence interval (infinite for a single pair).

    Args:
        differences: one per independent unit.
        level: probability that the interval holds the true mean, for normal differences.

    Raises:
        ValueError: there are no differences, or the level is not a probability.
    """
    from scipy.special import stdtrit

    d = np.asarray(differences, dtype=np.float64)
    if not d.size or not 0.0 < level < 1.0:
        raise ValueError(f"{d.size} differences at level {level:g}: pass at least one, and a level between 0 and 1")
    if d.size == 1:
        return float(d[0]), math.inf
    quantile = float(stdtrit(d.size - 1, 0.5 + level / 2.0))
    return float(d.mean()), quantile * float(d.std(ddof=1)) / math.sqrt(d.size)


def confidence_correlation(rows: Sequence[Row]) -> dict[str, tuple[float, int]]:
    """Rank correlation between what methods said of their fills and the SNR of these, with the number of gaps.

    Returns:
        by label, for methods that gave at least three different confidences.
    """
    pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        pairs[row.label] += [(g.confidence, g.snr) for g in row.gaps if g.confidence is not None and g.snr is not None]
    known = {label: np.array(own) for label, own in pairs.items() if len({c for c, _ in own}) > 2}
    return {label: (_rank_correlation(own[:, 0], own[:, 1]), len(own)) for label, own in known.items()}


def _by_file(rows: Sequence[Row], field: str) -> Keyed:
    collected: dict[tuple[str, float], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        value = getattr(row, field)
        if value is not None:
            collected[row.label, row.gap_seconds][row.digest].append(value)
    return {
        place: {file: float(np.mean(values)) for file, values in files.items()} for place, files in collected.items()
    }


def _axes(rows: Sequence[Row]) -> tuple[list[str], list[float]]:
    return list(dict.fromkeys(row.label for row in rows)), sorted({row.gap_seconds for row in rows})


def _difference(differences: Sequence[float], digits: int) -> str:
    mean, half = paired_interval(differences)
    return f" ({mean:+.{digits}f} ± {half:.{digits}f})" if math.isfinite(half) else f" ({mean:+.{digits}f})"


def _markdown(lengths: Sequence[float], lines: Sequence[tuple[str, Sequence[str]]]) -> str:
    head = ["method", *(f"{1e3 * gap:g} ms" for gap in lengths)]
    body = ["| " + " | ".join(cells) + " |" for cells in (head, *([f"`{label}`", *cells] for label, cells in lines))]
    body.insert(1, "|---|" + "--:|" * len(lengths))
    return "\n".join(body)


def _refused(rows: Sequence[Row]) -> list[str]:
    notes = []
    for label in _axes(rows)[0]:
        gaps = [gap for row in rows if row.label == label for gap in row.gaps]
        left = sum(not gap.filled for gap in gaps)
        if left:
            notes.append(f"`{label}` left {left} of {len(gaps)} gaps unfilled; they count as silence.")
    return notes


def _errors(rows: Sequence[Row]) -> list[str]:
    """One line per kind of failure, with the number of runs that it concerns."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        if row.error:
            counts[row.label, row.error] += 1
    return [f"`{label}` was not run {count} times: {error}" for (label, error), count in counts.items()]


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(x, y).statistic)
