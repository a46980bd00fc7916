"""The benchmark: what is computed, what is kept, where gaps lie, and what the tables say of it."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.evaluation import benchmark, frames, metrics, protocols, report, rows, tables
from caesura.inpainter import Accepts, Listener, Note, Progress, Unsupported, ignore, silent
from caesura.methods.repeat import Repeat
from caesura.problem import Problem, Region
from caesura.restoration import restore

RATE = 8000


@dataclass(frozen=True)
class Half:
    """Half of the truth, told by `secret`, or a refusal. Only a benchmark of the benchmark needs it."""

    factor: float = 0.5
    refuse: bool = False
    unsupported: bool = False

    accepts: ClassVar[Accepts] = Accepts(context=None)

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> np.ndarray:
        if self.unsupported:
            raise Unsupported("half cannot do this: try linear")
        for k, gap in enumerate(problem.gaps):
            note(Note(gap, refused=self.refuse, confidence=0.1 * k))
        return self.factor * chord(problem.samples / RATE)


def chord(seconds: float) -> np.ndarray:
    n = np.arange(round(seconds * RATE))
    return sum(0.1 * np.sin(2 * np.pi * f * n / RATE) for f in (220.0, 277.0, 330.0))[None]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = []
    for k, gain in enumerate((1.0, 0.8)):
        path = tmp_path / f"chord_{k}.wav"
        soundfile.write(path, gain * chord(2.0)[0], RATE, subtype="FLOAT")
        found.append(path)
    return found


def counted() -> tuple[list[float], Callable[[float], None]]:
    seen: list[float] = []
    return seen, seen.append


# --- rows and the file they live in


def test_every_method_meets_every_file_gap_and_seed_once(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    found = benchmark.run(["repeat"], files, [0.01, 0.02], [0, 1], out)
    assert {row.label for row in found} == {"silence", "linear", "repeat"}
    assert len(found) == 3 * 2 * 2 * 2 == len({row.key for row in found})
    assert {row.key for row in rows.read(out)} == {row.key for row in found}
    assert all(len(row.gaps) == protocols.COUNT for row in found)


def test_gaps_lie_in_the_same_places_for_every_method_and_move_with_the_seed(files: list[Path], tmp_path: Path) -> None:
    found = benchmark.run(["repeat"], files[:1], [0.01], [0, 1], tmp_path / "rows.jsonl")
    places = {(row.label, row.seed): tuple(gap.start for gap in row.gaps) for row in found}
    assert places["silence", 0] == places["linear", 0] == places["repeat", 0]
    assert places["silence", 0] != places["silence", 1]


def test_what_is_there_is_not_computed_again(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    first = benchmark.run([], files, [0.01], [0], out)
    before = out.read_bytes()
    seen, progress = counted()
    assert benchmark.run([], files, [0.01], [0], out, progress=progress) == first
    assert out.read_bytes() == before
    assert seen == []
    benchmark.run(["repeat"], files, [0.01], [0], out, progress=progress)
    assert seen == [0.5, 1.0]
    assert out.read_bytes().startswith(before)


def test_other_settings_content_and_protocol_are_other_rows(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    benchmark.run(["linear:fade=32"], files[:1], [0.01], [0], out)
    seen, progress = counted()
    benchmark.run(["linear:fade=33"], files[:1], [0.01], [0], out, progress=progress)
    assert len(seen) == 1
    benchmark.run(["linear:fade=33"], files[:1], [0.01], [0], out, protocol="paper", progress=progress)
    assert len(seen) == 3
    soundfile.write(files[0], 0.5 * chord(2.0)[0], RATE, subtype="FLOAT")
    benchmark.run(["linear:fade=33"], files[:1], [0.01], [0], out, progress=progress)
    assert len(seen) == 5


def test_another_name_for_the_same_method_is_the_same_row(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    benchmark.run({"mine": Repeat()}, files[:1], [0.01], [0], out)
    seen, progress = counted()
    found = benchmark.run({"copy": Repeat()}, files[:1], [0.01], [0], out, progress=progress)
    assert [row.label for row in found] == ["silence", "linear", "copy"]
    assert seen == []


@given(cut=st.integers(1, 400))
@settings(max_examples=10, deadline=None)
def test_a_half_written_last_line_is_repaired(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    out = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    row = rows.Row("a", "a", {}, "f", "0", "sound", 0.01, 0)
    for seed in range(3):
        rows.append(out, dataclasses.replace(row, seed=seed))
    whole = out.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    out.write_bytes(whole[: -min(cut, last)])
    assert rows.repair(out) is (cut < last)
    assert [found.seed for found in rows.read(out)] == [0, 1]
    rows.append(out, dataclasses.replace(row, seed=2))
    assert out.read_bytes() == whole


def test_a_crash_costs_only_the_row_in_hand(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"

    def stop(fraction: float) -> None:
        if fraction > 0.4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        benchmark.run(["repeat"], files, [0.01], [0], out, progress=stop)
    assert len(rows.read(out)) == 3
    with out.open("a") as file:
        file.write('{"label": "sil')
    seen, progress = counted()
    assert len(benchmark.run(["repeat"], files, [0.01], [0], out, progress=progress)) == 6
    assert len(seen) == 3


def test_a_method_that_has_changed_is_forgotten(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    benchmark.run(["repeat"], files, [0.01], [0], out)
    assert rows.forget(out, ["repeat", "lsar"]) == 2
    assert {row.method for row in rows.read(out)} == {"silence", "linear"}
    before = out.read_bytes()
    assert rows.forget(out, [""]) == 0
    assert out.read_bytes() == before
    assert rows.forget(tmp_path / "gone.jsonl", ["repeat"]) == 0
    benchmark.run(["lpc", "lpc:order=64"], files[:1], [0.01], [0], out)
    assert rows.forget(out, ["lpc:order=64"]) == 1
    assert {row.label for row in rows.read(out)} == {"silence", "linear", "lpc"}


def test_a_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    rows.append(out, rows.Row("a", "a", {}, "f", "0", "sound", 0.01, 0))
    with out.open("a") as file:
        file.write('{"label": "b"}\n')
    with pytest.raises(ValueError, match=r"line 2: not a row"):
        rows.read(out)


def test_several_processes_find_what_one_finds(files: list[Path], tmp_path: Path) -> None:
    one = benchmark.run(["repeat"], files, [0.01], [0], tmp_path / "one.jsonl")
    before = dict(os.environ)
    two = benchmark.run(["repeat"], files, [0.01], [0], tmp_path / "two.jsonl", jobs=2)
    assert dict(os.environ) == before
    timeless = [[dataclasses.replace(row, cpu_seconds=None) for row in found] for found in (one, two)]
    assert timeless[0] == timeless[1]


# --- what a row says


def test_a_row_holds_the_measures_of_its_gaps(files: list[Path], tmp_path: Path) -> None:
    found = benchmark.run({"half": Half()}, files[:1], [0.02], [0], tmp_path / "rows.jsonl")
    by_label = {row.label: row for row in found}
    assert by_label["silence"].snr == pytest.approx(0.0, abs=1e-9)
    assert by_label["silence"].energy is None  # minus infinity has no place in a mean
    half = by_label["half"]
    assert half.snr == pytest.approx(20.0 * math.log10(2.0), abs=1e-5)  # the file holds 32-bit samples
    assert half.energy == pytest.approx(-20.0 * math.log10(2.0), abs=1e-5)
    assert [gap.stop - gap.start for gap in half.gaps] == [160] * 4
    assert half.lsd == pytest.approx(np.mean([gap.lsd for gap in half.gaps]))
    assert half.odg is not None
    assert -4.0 <= half.odg <= 0.22
    assert half.cpu_seconds is not None
    assert 0.0 <= half.cpu_seconds < 1.0
    assert [gap.confidence for gap in half.gaps] == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_the_distance_near_the_gap_is_that_of_the_whole_file(files: list[Path], tmp_path: Path) -> None:
    row = benchmark.run([], files[:1], [0.02], [3], tmp_path / "rows.jsonl")[0]
    x, _ = soundfile.read(files[0], always_2d=True)
    mask = np.ones((1, len(x)), dtype=bool)
    gap = row.gaps[1]
    mask[:, gap.start : gap.stop] = False
    assert gap.snr == pytest.approx(metrics.gap_snr(x.T, np.where(mask, x.T, 0.0), mask), abs=1e-9)
    # Frames lie on another grid in the excerpt, so the two agree only roughly.
    assert gap.lsd == pytest.approx(metrics.lsd(x.T, np.where(mask, x.T, 0.0), mask=mask), rel=0.3)


def test_refusals_and_what_cannot_be_run_are_told(files: list[Path], tmp_path: Path) -> None:
    methods = {"shy": Half(refuse=True), "unable": Half(unsupported=True)}
    found = benchmark.run(methods, files, [0.01], [0], tmp_path / "rows.jsonl")
    shy = [row for row in found if row.label == "shy"]
    assert all(not gap.filled and gap.snr == pytest.approx(0.0) for row in shy for gap in row.gaps)
    unable = [row for row in found if row.label == "unable"]
    assert all(row.error == "half cannot do this: try linear" and row.snr is None for row in unable)
    text = tables.table(found)
    assert "`shy` left 8 of 8 gaps unfilled" in text
    assert "`unable` was not run 2 times: half cannot do this: try linear" in text


def test_gaps_that_do_not_fit_are_told_and_do_not_stop_the_run(files: list[Path], tmp_path: Path) -> None:
    short = tmp_path / "short.wav"
    soundfile.write(short, chord(0.5)[0], RATE, subtype="FLOAT")
    found = benchmark.run([], [*files, short], [0.1], [0], tmp_path / "rows.jsonl", protocol="paper")
    errors = [row.error for row in found if row.error]
    assert len(errors) == 2
    assert all("short.wav: 4 gaps of 100 ms do not fit" in error for error in errors)


@pytest.mark.parametrize(
    ("methods", "gaps", "more", "message"),
    [
        (["lineer"], [0.01], {}, "did you mean linear"),
        (["linear:fade"], [0.01], {}, "write linear:name=value"),
        (["linear:fade=-1"], [0.01], {}, "fade=-1"),
        ([], [-0.01], {}, "a gap of -0.01 s"),
        ([], [0.01], {"protocol": "dice"}, "no protocol 'dice'"),
        ([], [0.01], {"jobs": 0}, "jobs=0"),
        ([], [0.01], {"protocol": "given"}, r"needs .*gaps\.json"),
    ],
)
def test_bad_requests_are_named(
    files: list[Path], tmp_path: Path, methods: list[str], gaps: list[float], more: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        benchmark.run(methods, files, gaps, [0], tmp_path / "rows.jsonl", **more)  # type: ignore[arg-type]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gone\.wav cannot be read \(No such file"):
        benchmark.run([], [tmp_path / "gone.wav"], [0.01], [0], tmp_path / "rows.jsonl")


# --- protocols


def test_the_gaps_of_the_paper_have_equal_distances() -> None:
    spans = protocols.place("paper", Path("x"), chord(5.0), RATE, length=400, rng=np.random.default_rng(0))
    assert [(start + stop) / 2 for start, stop in spans] == pytest.approx([8000, 16_000, 24_000, 32_000], abs=1)


@pytest.mark.parametrize("protocol", ["paper", "sound"])
def test_gaps_lie_where_there_is_sound_and_apart(protocol: str) -> None:
    x = chord(6.0)
    x[:, 14_000:26_000] = 0.0
    for seed in range(5):
        spans = protocols.place(protocol, Path("x"), x, RATE, length=800, rng=np.random.default_rng(seed))
        assert len(spans) == 4
        assert all(np.mean(x[:, start:stop] != 0.0) > 0.35 for start, stop in spans)
        assert all(b[0] - a[1] >= protocols.APART * RATE for a, b in itertools.pairwise(spans))


def test_given_gaps_come_from_the_file_beside_the_recording(files: list[Path], tmp_path: Path) -> None:
    known = {path.stem: {"10": [[4000, 4080], [9000, 9080]]} for path in files}
    (tmp_path / "gaps.json").write_text(json.dumps(known))
    found = benchmark.run([], files, [0.01], [0], tmp_path / "rows.jsonl", protocol="given")
    assert all([(gap.start, gap.stop) for gap in row.gaps] == [(4000, 4080), (9000, 9080)] for row in found)
    with pytest.raises(ValueError, match="has no entry '20' for chord_0"):
        benchmark.run([], files, [0.02], [0], tmp_path / "rows.jsonl", protocol="given")


# --- tables


def scored(label: str, file: str, value: float, gap: float = 0.01, seed: int = 0) -> rows.Row:
    return rows.Row(label, label, {}, file, file, "sound", gap, seed, snr=value, cpu_seconds=0.002)


def test_an_interval_of_three_pairs_by_hand() -> None:
    mean, half = tables.paired_interval([1.0, 2.0, 3.0])
    assert mean == pytest.approx(2.0)
    assert half == pytest.approx(4.302653 * 1.0 / math.sqrt(3.0), rel=1e-6)  # t(0.975, 2) of the printed tables
    assert tables.paired_interval([1.5]) == (1.5, math.inf)
    with pytest.raises(ValueError, match="0 differences"):
        tables.paired_interval([])


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(2000):
        mean, half = tables.paired_interval(list(rng.normal(0.7, 2.0, 6)))
        hits += abs(mean - 0.7) <= half
    assert hits / 2000 == pytest.approx(0.95, abs=0.015)  # three standard errors


@given(st.floats(-20, 20))
@settings(max_examples=20, deadline=None)
def test_what_is_common_to_both_cancels_in_a_paired_difference(spread: float) -> None:
    found = []
    for k in range(4):
        found += [scored("linear", str(k), k * spread), scored("better", str(k), k * spread + 1.0 + 0.1 * k)]
    text = tables.measure_table(found, tables.MEASURES[0])
    half = 3.182446 * np.std([1.0, 1.1, 1.2, 1.3], ddof=1) / 2.0
    assert f"(+1.15 ± {half:.2f})" in text


def test_the_file_is_the_unit_and_seeds_are_averaged() -> None:
    found = [scored("linear", "a", 0.0, seed=s) for s in (0, 1)] + [scored("linear", "b", 6.0)]
    assert "| `linear` | 3.00 |" in tables.measure_table(found, tables.MEASURES[0])


def test_a_cell_says_when_files_are_missing_and_lengths_are_in_order() -> None:
    found = [scored("linear", f, 1.0, gap=g) for f in "ab" for g in (0.02, 0.005)] + [
        scored("some", "a", 2.0, gap=0.02)
    ]
    text = tables.measure_table(found, tables.MEASURES[0])
    assert text.splitlines()[0] == "| method | 5 ms | 20 ms |"
    assert "| `some` | – | 2.00 (+1.00) [1/2 files] |" in text
    assert "| `linear` | 2 | 2 |" in tables.time_table(found)


def test_tables_without_rows_or_baseline_are_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        tables.table([])
    with pytest.raises(ValueError, match=r"no row of the baseline 'lpc': choose from linear"):
        tables.table([scored("linear", "a", 0.0)], baseline="lpc")


def test_confidence_is_compared_with_what_was_reached(files: list[Path], tmp_path: Path) -> None:
    found = benchmark.run({"half": Half()}, files, [0.01], [0], tmp_path / "rows.jsonl")
    gaps = tuple(dataclasses.replace(gap, confidence=0.1 * k, snr=float(k**2)) for k, gap in enumerate(found[-1].gaps))
    rising = dataclasses.replace(found[-1], gaps=gaps)
    assert tables.confidence_correlation([rising]) == {"half": (pytest.approx(1.0), 4)}
    assert tables.confidence_correlation([scored("linear", "a", 0.0)]) == {}


# --- the page


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "classical.py"
    spec = importlib.util.spec_from_file_location("classical_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_one_command_makes_the_page_and_another_run_only_writes_it(
    script: ModuleType, files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {path.stem: {"10": [[4000, 4080], [9000, 9080]]} for path in files}
    (tmp_path / "gaps.json").write_text(json.dumps(known))
    page = tmp_path / "docs" / "page.md"
    where = ["--results", str(tmp_path / "results"), "--page", str(page)]
    folders = ["--standard", str(tmp_path), "--test", str(tmp_path)]
    assert script.main([*folders, *where, "--methods", "repeat", "--gaps", "10"]) == 0
    text = page.read_text()
    for needed in ("# Model-free", "## Short gaps", "## Long gaps", "2 files, 1 seed", "| `repeat` |", "| `silence` |"):
        assert needed in text
    assert script.main(["--page-only", *where]) == 0
    assert page.read_text() == text
    assert "error" not in capsys.readouterr().err


def test_the_command_says_what_is_wrong_in_one_line(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["--page", str(tmp_path / "page.md")]) == 2
    assert "pass --standard DIR or --test DIR, and" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert script.main(["--standard", str(tmp_path / "empty"), "--page", str(tmp_path / "page.md")]) == 2
    assert "holds no recording" in capsys.readouterr().err
    assert not (tmp_path / "page.md").exists()


def test_times_stand_beside_published_ones() -> None:
    found = [scored("linear", file, 0.0, gap=gap) for file in "ab" for gap in (0.01, 0.02)]
    published = {"linear": report.Published("a ruler", 1.0)}
    assert "| `linear` | 0.002 | a ruler | 1 | 500 |" in report.speed_table(found, published, 0.02)
    assert report.speed_table(found, published, 0.03) == ""
    assert report.speed_table(found, {}, 0.02) == ""


def test_a_page_replaces_the_old_one_whole(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    report.write(page, "old")
    report.write(page, "new")
    assert page.read_text() == "new"
    assert os.listdir(tmp_path) == ["page.md"]


# --- copy the past


def filled(x: np.ndarray, *regions: Region) -> np.ndarray:
    return restore(Problem(x, regions, RATE), Repeat()).samples


def test_a_periodic_signal_is_continued_exactly() -> None:
    x = np.tile(np.random.default_rng(0).standard_normal(50), 100)[None]
    assert filled(x, Region(2000, 2100)) == pytest.approx(x, abs=0.0)


def test_the_fill_is_the_stretch_before_the_gap() -> None:
    x = np.random.default_rng(1).standard_normal((2, 3000))
    y = filled(x, Region(1000, 1200))
    assert np.array_equal(y[:, 1000:1200], x[:, 800:1000])
    short = filled(x, Region(50, 200))
    assert np.array_equal(short[:, 50:200], np.tile(x[:, :50], 3))


def test_without_a_past_the_future_is_copied_up_to_the_next_gap() -> None:
    x = np.random.default_rng(2).standard_normal((1, 3000))
    y = filled(x, Region(0, 100), Region(130, 150))
    assert np.array_equal(y[:, :100], np.resize(x[:, 100:130], (1, 100)))
    assert np.array_equal(filled(x, Region(0, 3000)), np.zeros((1, 3000)))


def test_the_second_gap_may_copy_the_fill_of_the_first() -> None:
    x = np.random.default_rng(3).standard_normal((1, 3000))
    y = filled(x, Region(1000, 1100), Region(1120, 1220))
    assert np.array_equal(y[:, 1120:1220], y[:, 1020:1120])


def test_frames_are_kept_where_asked_for(files: list[Path], tmp_path: Path) -> None:
    out, folder = tmp_path / "rows.jsonl", tmp_path / "frames"
    methods = {"half": Half(), "more": Half(factor=2.0)}
    benchmark.run(methods, files, [0.02], [0], out)
    found = benchmark.run(methods, files, [0.02], [0], out, keep=folder)
    for label in methods:
        original, restored = frames.read(folder, [row for row in found if row.label == label])
        assert original.shape == restored.shape
        assert original.shape[1] == 64
        assert np.abs(restored - original).max() > 0.1
        assert metrics.frechet_distance(original, restored) > 0.1
    with pytest.raises(ValueError, match="there are no frames of half on"):
        frames.read(tmp_path / "elsewhere", [row for row in found if row.label == "half"])
    kept = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    benchmark.run(methods, files, [0.02], [0], out, keep=folder)
    assert kept == {path: path.stat().st_mtime_ns for path in folder.iterdir()}
