"""The tables of docs/benchmarks/graph.md from the trials of benchmarks/graph.py."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from caesura.methods.graph import Graph

THRESHOLD = Graph().threshold
KINDS = ("loop", "score", "music", "speech", "environment", "noise")
ROWS = ("graph", "past", "random", "random, same joins", "silence")
BINS = (0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 99.0)
Trial = dict[str, Any]

HEAD = """# Long gaps from the recording itself

`python benchmarks/graph.py --data ../shared/data` made this page; it needs `fluidsynth` and the soundfont of
Debian's `fluid-soundfont-gm`. One gap per recording and length, at random where there is sound.

* *loop*: excerpts of rendered scores in the order A B C B D, the gap inside the second B, noise at -80 dB over all of
  it: an exact repetition exists, 50 s earlier.
* *score*: songs rendered from MIDI, with the usual reverberation and chorus. Where every note within the gap and a
  second around it comes back, a *true repetition* exists.
* *music*: the recordings of `data/music`. Nothing repeats exactly: a player plays a phrase again.
* *speech*, *environment*, *noise*: what does not repeat. Environment clips last 6 to 9 s.

`graph` hears 120 s on either side. *difference* is its measure of how much the surroundings of the source differ from
those of the gap, in decibels; above the threshold of {threshold:g} dB a gap is refused. All fills were computed, those
that would be refused included; the first table says which they are, and the second looks only at the others.
"""

FAILS = """
## What it cannot do

* Music that develops without repeating is refused, and so is speech.
* Stationary noise is filled although nothing repeats: every stretch of it sounds like every other.
* Of a repeated passage with another text, ornament or ending, the fill has those of the other time.
* A repetition played again is aligned as a whole. Where the player has taken another tempo the onsets inside the gap
  drift, and the two edges cannot both be in time.
* With a gap at the end of the recording there is one transition only, and the confidence does not say so.
"""


def page(trials: Sequence[Trial]) -> str:
    """The page as Markdown."""
    done = [t for t in trials if t["difference"] is not None]
    loops = [t for t in done if t["kind"] == "loop"]
    seconds = np.array([t["seconds"] for t in trials])
    parts = [
        HEAD.format(threshold=THRESHOLD),
        "## How many gaps are filled\n",
        _filled(trials),
        "\n## How well the fills fit\n\nFilled gaps of *score* and *music*. Seam: median over the gaps of the score of "
        "`caesura.seam` at the worse edge, under 3 is inconspicuous. LSD: mean log-spectral distance to the truth in "
        "the gap, dB. Onsets: mean F measure of the onsets in the gap against those of the truth, 50 ms. *past* is "
        "what precedes the gap, copied; *random* another place of the recording, copied; *same joins* puts that place "
        "into the gap as `graph` would.\n",
        _fits([t for t in done if t["kind"] in ("score", "music") and _accepted(t)]),
        "\n## Whether a repetition is found\n\nThe noise floor, which differs from the truth's, limits the SNR; it "
        f"alone gives the loops' fills a mean LSD of {_mean(loops, 'graph', 'lsd', np.mean, 1)} dB.\n",
        _repetitions(done),
        "\n## What the difference says\n\nAll gaps of *score* and *music*. Closer than random: share of the fills with "
        "a lower LSD than the random source. Confidence: mean of what `graph` reports.\n",
        _calibration([t for t in done if t["kind"] in ("score", "music")]),
        "\n## How far it has to hear\n\nGaps of 1 s.\n",
        _contexts([t for t in done if "contexts" in t]),
        FAILS,
        f"## Time\n\nMedian {np.median(seconds):.1f} CPU-s per gap, at most {seconds.max():.1f}.\n",
    ]
    return "\n".join(parts)


def _accepted(trial: Trial) -> bool:
    return trial["difference"] is not None and trial["difference"] <= THRESHOLD


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _lengths(trials: Iterable[Trial]) -> list[float]:
    return sorted({t["length"] for t in trials})


def _filled(trials: Sequence[Trial]) -> str:
    lengths = _lengths(trials)
    rows = []
    for kind in KINDS:
        cells = []
        for length in lengths:
            here = [t for t in trials if t["kind"] == kind and t["length"] == length]
            known = [t["difference"] for t in here if t["difference"] is not None]
            median = f", {np.median(known):.1f} dB" if known else ""
            cells.append(f"{sum(map(_accepted, here))} of {len(here)}{median}" if here else "")
        rows.append([kind, *cells])
    return _table(["filled, median difference", *(f"{length:g} s" for length in lengths)], rows)


def _mean(trials: Sequence[Trial], row: str, metric: str, average: Callable[[list[float]], Any], digits: int) -> str:
    values = [t["rows"][row][metric] for t in trials]
    known = [v for v in values if v is not None]
    return f"{average(known):.{digits}f}" if known else ""


def _fits(trials: Sequence[Trial]) -> str:
    rows = []
    for length in _lengths(trials):
        here = [t for t in trials if t["length"] == length]
        for name in ROWS:
            cells = [_mean(here, name, "seam", np.median, 1), _mean(here, name, "lsd", np.mean, 1)]
            rows.append([f"{length:g} s", str(len(here)), name, *cells, _mean(here, name, "onsets", np.mean, 2)])
    return _table(["gap", "n", "fill", "seam", "LSD, dB", "onsets"], rows)


def _repetitions(trials: Sequence[Trial]) -> str:
    rows = []
    for length in _lengths(trials):
        loops = [t for t in trials if t["kind"] == "loop" and t["length"] == length]
        true = [t for t in trials if t.get("true") and t["length"] == length]
        rows.append(
            [
                f"{length:g} s",
                f"{sum(t['exact'] for t in loops)} of {len(loops)}",
                _mean(loops, "graph", "snr", np.median, 1),
                f"{sum(t['found'] for t in true)} of {len(true)}",
                f"{sum(_accepted(t) for t in true)} of {len(true)}",
            ]
        )
    head = ["gap", "loop: found to the sample", "median SNR, dB", "score: found within 5 ms", "of these filled"]
    return _table(head, rows)


def _calibration(trials: Sequence[Trial]) -> str:
    rows = []
    for low, high in itertools.pairwise(BINS):
        here = [t for t in trials if low <= t["difference"] < high]
        if here:
            closer = np.mean([t["rows"]["graph"]["lsd"] < t["rows"]["random"]["lsd"] for t in here])
            cells = [_mean(here, name, "lsd", np.mean, 1) for name in ("graph", "random")]
            cells += [f"{100 * closer:.0f} %", _mean(here, "graph", "onsets", np.mean, 2)]
            confidence = np.mean([t["confidence"] for t in here])
            rows.append([f"{low:g}-{high:g}", str(len(here)), *cells, f"{confidence:.2f}"])
    head = ["difference, dB", "n", "LSD", "LSD of random", "closer than random", "onsets", "confidence"]
    return _table(head, rows)


def _contexts(trials: Sequence[Trial]) -> str:
    rows = []
    for kind in ("score", "music"):
        here = [t["contexts"] for t in trials if t["kind"] == kind]
        seconds = sorted(here[0], key=float) if here else []
        shares = [f"{sum(c[s] <= THRESHOLD for c in here)} of {len(here)}" for s in seconds]
        rows.append([kind, *shares])
    return _table(["filled, hearing on either side", *(f"{float(s):g} s" for s in seconds)], rows)
