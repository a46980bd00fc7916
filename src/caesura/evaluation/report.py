"""The page of a benchmark: what was run, on what, and every table.

Nothing on the page is typed in: numbers come from rows, the machine and the versions from the interpreter.
"""

from __future__ import annotations

__all__ = ["Part", "Published", "page", "speed_table", "write"]

import os
import platform
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from caesura.evaluation.protocols import APART, COUNT
from caesura.evaluation.rows import Row
from caesura.evaluation.tables import BASELINE, confidence_correlation, table

PROTOCOL_WORDS = {
    "given": "The gaps are those given with the files.",
    "paper": f"{COUNT} gaps per clip at equal distances, each moved, where it fell into silence, to the nearest sound.",
    "sound": f"{COUNT} gaps per file at random where there is sound, at least {1e3 * APART:.0f} ms apart.",
}
MEASURED = """\
Each gap is filled from its damaged surroundings alone; every sample outside stays as it was. SNR is
10 log10 of the energy of the original over that of the error in the gap. The log-spectral distance takes frames of
2048 samples with a hop of 512 (equation 14 of the CQT-Diff+ paper, 10 log10 |X|², periodic Hann window, floor 1e-10)
that touch the gap. The grade is PEAQ basic (ITU-R BS.1387) of the whole file with all its gaps; it was made for codecs
and hardly reacts to short gaps, so it should not decide. A cell is the mean over files of the mean over gaps; behind it
stands the paired difference to `{baseline}` with its 95 % confidence interval (t distribution, one difference per
file)."""


@dataclass(frozen=True)
class Part:
    """One set of rows with a heading."""

    title: str
    """Heading, in words."""
    about: str
    """What the files are."""
    rows: tuple[Row, ...]
    """Of one protocol."""
    more: str = ""
    """Markdown behind the tables."""


@dataclass(frozen=True)
class Published:
    """Time that a published implementation takes for one gap."""

    program: str
    """Which one, and what it runs in."""
    seconds: float
    """Per gap."""


def page(title: str, command: str, parts: Sequence[Part], *, baseline: str = BASELINE) -> str:
    """The page as markdown.

    Args:
        title: heading of the page.
        command: what makes the page, as it is typed.
        parts: sections, in order.
        baseline: label of the method that the differences are taken to.

    Raises:
        ValueError: a part without rows.
    """
    head = f"# {title}\n\nMade by `{command}` with {_versions()}, on {_machine()}.\n\n"
    return head + MEASURED.format(baseline=baseline) + "\n\n" + "\n".join(_section(part, baseline) for part in parts)


def speed_table(rows: Sequence[Row], published: Mapping[str, Published], gap_seconds: float) -> str:
    """Processor time of one gap beside that of a published implementation, as markdown; empty where nothing compares.

    Args:
        rows: of one protocol.
        published: by name of the method here.
        gap_seconds: the gap length that the published times hold for.
    """
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        if row.cpu_seconds is not None and abs(row.gap_seconds - gap_seconds) < 1e-9 and row.method in published:
            seconds[row.label, row.method].append(row.cpu_seconds)
    if not seconds:
        return ""
    lines = [f"Time of one gap of {1e3 * gap_seconds:g} ms beside a published implementation", ""]
    lines += ["| method | here, s | published | s | ratio |", "|---|--:|---|--:|--:|"]
    for (label, method), own in seconds.items():
        mean, other = float(np.mean(own)), published[method]
        lines.append(f"| `{label}` | {mean:.3g} | {other.program} | {other.seconds:g} | {other.seconds / mean:.3g} |")
    return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> None:
    """Replace a page in one step, so that a crash leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".part")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _section(part: Part, baseline: str) -> str:
    if not part.rows:
        raise ValueError(f"the part '{part.title}' has no rows: run it first")
    first = part.rows[0]
    files, seeds = len({row.digest for row in part.rows}), len({row.seed for row in part.rows})
    count = f"{files} {'file' if files == 1 else 'files'}, {seeds} {'seed' if seeds == 1 else 'seeds'}"
    head = f"## {part.title}\n\n{part.about} {count}. {PROTOCOL_WORDS[first.protocol]}\n\n"
    text = head + table(part.rows, baseline=baseline)
    correlations = [
        f"- `{label}`: rank correlation of its confidence with the SNR reached {value:.2f} over {gaps} gaps."
        for label, (value, gaps) in confidence_correlation(part.rows).items()
    ]
    return "\n".join([text, *correlations, *([""] if correlations else []), part.more])


def _versions() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy"))
    return f"caesura {version('caesura')}, Python {platform.python_version()}, {packages}"


def _machine() -> str:
    return f"{_processor()}, {os.cpu_count()} logical processors"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
