"""Run methods over files, gap lengths and seeds, and write one row for each.

    for every file, gap length and seed:  gaps = protocol(file, seed)
        for every method:                 row  = measures(original, restore(gaps, method, seed))

Rows that the results file already holds are not computed again, so a run can be stopped, resumed and split. The
methods `silence` and `linear` are always in: without them a number of decibels says nothing. Processor time is that of
`restore` alone, after the method has run once on a second of noise, so that imports are not counted.
"""

from __future__ import annotations

__all__ = ["BASELINES", "named", "run"]

import dataclasses
import hashlib
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caesura import methods as registry
from caesura.evaluation import frames, metrics, peaq
from caesura.evaluation.protocols import PROTOCOLS, NoRoom, place
from caesura.evaluation.rows import GapScore, Row, append, read, repair
from caesura.inpainter import Inpainter, Progress, Unsupported, name_of, silent
from caesura.problem import Problem, Region, Span
from caesura.restoration import Fill, restore

Array = NDArray[np.float64]

BASELINES = ("silence", "linear")
PEAQ_CHANNELS = 2  # the recommendation covers mono and stereo
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
MILLISECONDS_WARM = 5  # gap of the problem a method is warmed up with


def run(
    methods: Mapping[str, Inpainter] | Sequence[str],
    files: Sequence[Path],
    gap_seconds: Sequence[float],
    seeds: Sequence[int],
    out: Path,
    *,
    protocol: str = "sound",
    jobs: int = 1,
    keep: Path | None = None,
    progress: Progress = silent,
) -> list[Row]:
    """Rows of every method on every file with every gap length and seed, the baselines included.

    Args:
        methods: names as `named` takes them, or methods by the name they have in tables.
        files: recordings.
        gap_seconds: lengths of the gaps.
        seeds: of the positions and of the methods.
        out: JSON-lines file; its rows are kept, those asked for and not in it are appended.
        protocol: where the gaps lie, see `caesura.evaluation.protocols`.
        jobs: processes; when there are several, each uses one thread for linear algebra.
        keep: folder for the log-mel frames of gaps, see `caesura.evaluation.frames`; a row whose frames are not there
            is computed again.
        progress: called with the fraction of rows done; raising from it cancels, what was done stays in the file.

    Returns:
        the rows asked for, in the order of gap lengths, seeds, files, methods.

    Raises:
        ValueError: an unknown method or protocol, a file that cannot be read, gaps that do not fit.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"there is no protocol '{protocol}': choose from {', '.join(PROTOCOLS)}")
    if jobs < 1:
        raise ValueError(f"jobs={jobs}: at least one process is needed")
    repair(out)
    known = {row.key: row for row in read(out)}
    wanted = list(_tasks(named(methods), files, gap_seconds, seeds, protocol, keep))
    missing = [task for task in wanted if task.row.key not in known or not task.has_frames()]
    for done, row in enumerate(_computed(missing, jobs), start=1):
        append(out, row)
        known[row.key] = row
        progress(done / len(missing))
    return [dataclasses.replace(known[task.row.key], label=task.row.label) for task in wanted]


def named(methods: Mapping[str, Inpainter] | Sequence[str]) -> dict[str, Inpainter]:
    """Methods by the name they have in tables; `silence` and `linear` are added where they are missing.

    Args:
        methods: a mapping, or names with settings behind colons, such as `lsar:order=512`.

    Raises:
        ValueError: there is no such method or setting.
    """
    chosen = dict(methods) if isinstance(methods, Mapping) else {text: _built(text) for text in methods}
    present = {name_of(inpainter) for inpainter in chosen.values()}
    return {**{name: registry.build(name) for name in BASELINES if name not in present}, **chosen}


@dataclasses.dataclass(frozen=True)
class _Task:
    """A row to compute: its fields so far, where the file lies, and the method."""

    row: Row
    path: Path
    inpainter: Inpainter
    keep: Path | None = None

    def has_frames(self) -> bool:
        return self.keep is None or self.keep.is_file()


def _built(text: str) -> Inpainter:
    name, *settings = text.split(":")
    pairs = [setting.partition("=") for setting in settings]
    for key, equals, _ in pairs:
        if not equals:
            raise ValueError(f"'{key}' in '{text}' is not a setting: write {name}:name=value")
    return registry.build(name, {key: value for key, _, value in pairs})


def _tasks(
    methods: Mapping[str, Inpainter],
    files: Sequence[Path],
    gap_seconds: Sequence[float],
    seeds: Sequence[int],
    protocol: str,
    folder: Path | None = None,
) -> Iterator[_Task]:
    digests = {path: _digest(path) for path in files}
    for gap in gap_seconds:
        if not gap > 0.0:
            raise ValueError(f"a gap of {gap:g} s cannot be filled: pass a positive length")
        for seed in seeds:
            for path in files:
                for label, inpainter in methods.items():
                    settings = registry.settings_of(inpainter)
                    row = Row(label, name_of(inpainter), settings, path.name, digests[path], protocol, gap, seed)
                    yield _Task(row, path, inpainter, None if folder is None else frames.file_of(folder, row))


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}): check the path") from error


def _computed(tasks: Sequence[_Task], jobs: int) -> Iterator[Row]:
    if jobs == 1 or len(tasks) < 2:
        yield from map(_row, tasks)
        return
    # A fresh interpreter per process: a fork would copy locked threads of numerical libraries.
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=get_context("spawn")) as pool:
        with _one_thread_each():
            futures = [pool.submit(_row, task) for task in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started inside have one thread for linear algebra: numerical libraries look when they are loaded."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _row(task: _Task) -> Row:
    samples, sample_rate = _recording(task.path, task.row.digest)
    try:
        spans = _spans(task, samples, sample_rate)
        problem = Problem(samples, tuple(Region(*span) for span in spans), sample_rate)
        _warm(task.row.method, sample_rate, problem.channels, task.inpainter)
        before = time.process_time()
        restored = restore(problem, task.inpainter, seed=task.row.seed)
        seconds = time.process_time() - before
    except (NoRoom, Unsupported) as error:
        return dataclasses.replace(task.row, error=str(error))
    if task.keep is not None:
        frames.keep(task.keep, samples, restored.samples, sample_rate, spans)
    fills = {fill.region.start: fill for fill in restored.fills}
    scores = [_score(samples, restored.samples, sample_rate, span, fills[span[0]]) for span in spans]
    return dataclasses.replace(
        task.row,
        gaps=tuple(scores),
        snr=_mean([score.snr for score in scores]),
        lsd=_mean([score.lsd for score in scores]),
        log_mel=_mean([score.log_mel for score in scores]),
        energy=_mean([score.energy for score in scores]),
        odg=_finite(peaq.odg(samples, restored.samples, sample_rate)) if len(samples) <= PEAQ_CHANNELS else None,
        cpu_seconds=seconds / len(spans),
    )


@lru_cache(maxsize=2)
def _recording(path: Path, _digest: str) -> tuple[Array, int]:
    from caesura.audio import read as read_audio

    audio = read_audio(path)
    return audio.samples, audio.sample_rate


def _spans(task: _Task, samples: Array, sample_rate: int) -> list[Span]:
    row = task.row
    length = max(round(row.gap_seconds * sample_rate), 1)
    # Positions depend on the file, the length and the seed, never on the method: the differences are paired.
    rng = np.random.default_rng([row.seed, int(row.digest, 16), length])
    return place(row.protocol, task.path, samples, sample_rate, length=length, rng=rng)


_warmed: set[tuple[str, int]] = set()


def _warm(method: str, sample_rate: int, channels: int, inpainter: Inpainter) -> None:
    """Run a method once in this process, so that its imports and tables are not counted as its time."""
    if (method, sample_rate) in _warmed:
        return
    _warmed.add((method, sample_rate))
    noise = np.random.default_rng(0).standard_normal((channels, sample_rate))
    gap = Region(sample_rate // 2, sample_rate // 2 + max(sample_rate * MILLISECONDS_WARM // 1000, 1))
    try:
        restore(Problem(noise, (gap,), sample_rate), inpainter)
    except Unsupported:
        return  # said again, in the row, about the recording itself


def _score(original: Array, restored: Array, sample_rate: int, span: Span, fill: Fill) -> GapScore:
    start, stop = span
    # A frame of the spectral measures on either side hears all that the gap can change.
    near = slice(max(start - 4096, 0), stop + 4096)
    x, y = original[:, near], restored[:, near]
    mask = np.ones(x.shape, dtype=bool)
    mask[:, start - near.start : stop - near.start] = False
    return GapScore(
        start=start,
        stop=stop,
        snr=_finite(metrics.gap_snr(x, y, mask)),
        lsd=_finite(metrics.lsd(x, y, mask=mask)),
        log_mel=_finite(metrics.log_mel_distance(x, y, sample_rate, mask=mask)),
        energy=_finite(metrics.energy_loss(x, y, mask)),
        seam=None if fill.seam is None else _finite(fill.seam),
        confidence=fill.confidence,
        method=fill.method,
        filled=fill.filled,
    )


def _finite(value: float) -> float | None:
    """The value, or None: JSON has no infinity, and a mean with one says nothing."""
    return float(value) if math.isfinite(value) else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
