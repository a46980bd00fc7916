"""One file in, one file out: splicing, the report, bounded memory, and what happens when something is wrong."""

import json
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from caesura.labels import Label
from caesura.methods import build
from caesura.picture import draw
from caesura.region import Region
from caesura.repair import repair_file
from caesura.report import write_report

RATE = 16_000


def tones(channels: int = 2, seconds: float = 3.0) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    rng = np.random.default_rng(3)
    sound = 0.3 * np.sin(2 * np.pi * 220 * t) + 0.1 * np.sin(2 * np.pi * 663 * t)
    return np.stack([sound / (1 + c) + 0.001 * rng.standard_normal(t.size) for c in range(channels)])


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    path = tmp_path / "take.wav"
    soundfile.write(path, tones().T, RATE, "PCM_24")
    return path


def gap(start: int, stop: int, **more: int) -> Label:
    return Label(Region(start, stop, **more))


def test_only_the_marked_samples_change(damaged: Path, tmp_path: Path) -> None:
    target = tmp_path / "fixed.wav"
    labels = [gap(10_000, 10_200), gap(30_000, 30_100, channel=1)]
    report = repair_file(damaged, target, labels, build("linear"))
    old, new = (soundfile.read(path, dtype="int32")[0] for path in (damaged, target))
    changed = (old != new).any(axis=1)
    assert changed[10_000:10_200].mean() > 0.9
    assert not changed[np.r_[0:10_000, 10_200:30_000, 30_100:48_000]].any()
    assert (old[30_000:30_100, 0] == new[30_000:30_100, 0]).all()
    assert (report.filled, report.refused, report.changed_outside, report.clipped) == (2, 0, 0, 0)
    assert report.metadata_kept is True


def test_a_file_and_an_array_are_filled_alike(damaged: Path, tmp_path: Path) -> None:
    from caesura.audio import read
    from caesura.problem import Problem
    from caesura.restoration import restore

    audio = read(damaged)
    regions = (Region(10_000, 10_200), Region(30_000, 30_100))
    whole = restore(Problem(audio.samples, regions, RATE), build("auto"), seed=5).samples
    repair_file(damaged, tmp_path / "fixed.wav", [Label(r) for r in regions], build("auto"), seed=5)
    assert np.abs(read(tmp_path / "fixed.wav").samples - whole).max() <= 2.0**-24


def test_overlapping_and_adjacent_regions_become_one(damaged: Path, tmp_path: Path) -> None:
    labels = [gap(100, 200), gap(150, 300), gap(300, 320)]
    report = repair_file(damaged, tmp_path / "fixed.wav", labels, build("linear"))
    assert [fill.region for fill in report.fills] == [Region(100, 320)]


def test_a_refused_region_keeps_its_bytes(damaged: Path, tmp_path: Path) -> None:
    target = tmp_path / "fixed.wav"
    report = repair_file(damaged, target, [gap(8_000, 40_000)], build("auto", max_gap=0.05))
    assert report.refused == 1
    assert report.fills[0].why
    assert target.read_bytes() == damaged.read_bytes()


def test_clipping_is_reported_by_detection_but_not_repaired(damaged: Path, tmp_path: Path) -> None:
    report = repair_file(damaged, tmp_path / "fixed.wav", [Label(Region(5, 9), kind="clipping")], build("linear"))
    assert report.fills == ()
    assert (tmp_path / "fixed.wav").read_bytes() == damaged.read_bytes()


def test_nan_outside_the_regions_is_never_context_and_stays(tmp_path: Path) -> None:
    x = tones()
    x[0, 10_300] = np.nan
    source, target = tmp_path / "take.wav", tmp_path / "fixed.wav"
    soundfile.write(source, x.T, RATE, "FLOAT")
    repair_file(source, target, [gap(10_000, 10_200)], build("lsar"))
    y = soundfile.read(target)[0].T
    assert np.isnan(y[0, 10_300])
    assert np.isfinite(y[:, 10_000:10_200]).all()
    assert np.isnan(y).sum() == 1


def test_the_report_is_plain_json_and_complete(damaged: Path, tmp_path: Path) -> None:
    report = repair_file(damaged, tmp_path / "fixed.wav", [gap(10_000, 10_200)], build("auto"), seed=9)
    write_report(tmp_path / "r.json", report)
    data = json.loads((tmp_path / "r.json").read_text())
    assert data["changed_outside"] == 0
    assert data["seed"] == 9
    (region,) = data["regions"]
    assert region["start_s"] == pytest.approx(0.625)
    assert region["length_ms"] == pytest.approx(12.5)
    assert region["method"] != "auto"
    assert region["why"]
    assert 0.0 <= region["confidence"] <= 1.0
    assert region["seam"] is not None
    with pytest.raises(ValueError, match=r"r\.json exists: pass --force"):
        write_report(tmp_path / "r.json", report)


def test_the_same_seed_gives_the_same_bytes(damaged: Path, tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        repair_file(damaged, tmp_path / name, [gap(10_000, 10_200)], build("auto"), seed=1)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_regions_outside_the_file_are_named_in_seconds(damaged: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the region 2\.500000-3\.500000 s lies outside .* which is 3\.000000 s long"):
        repair_file(damaged, tmp_path / "fixed.wav", [gap(40_000, 56_000)], build("linear"))
    with pytest.raises(ValueError, match=r"channel 2 does not exist in .*: it has 2, from 0"):
        repair_file(damaged, tmp_path / "fixed.wav", [gap(0, 10, channel=2)], build("linear"))
    assert not (tmp_path / "fixed.wav").exists()


def test_a_cancelled_run_leaves_nothing_behind(damaged: Path, tmp_path: Path) -> None:
    def stop(_fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repair_file(damaged, tmp_path / "fixed.wav", [gap(10_000, 10_200)], build("linear"), progress=stop)
    assert [p.name for p in tmp_path.iterdir()] == ["take.wav"]


def test_fades_are_allowed_for_in_the_proof(damaged: Path, tmp_path: Path) -> None:
    report = repair_file(damaged, tmp_path / "fixed.wav", [gap(10_000, 10_200)], build("silence"), fade=32)
    old, new = (soundfile.read(path, dtype="int32")[0] for path in (damaged, tmp_path / "fixed.wav"))
    first = int(np.flatnonzero((old != new).any(axis=1))[0])
    assert 10_000 - 32 <= first < 10_000
    assert report.changed_outside == 0


def test_a_box_leaves_the_rest_of_the_file_alone(damaged: Path, tmp_path: Path) -> None:
    report = repair_file(
        damaged, tmp_path / "fixed.wav", [Label(Region(16_000, 24_000, 500.0, 900.0))], build("silence")
    )
    y = soundfile.read(tmp_path / "fixed.wav")[0][:, 0]
    spectrum = np.abs(np.fft.rfft(y[17_000:23_000] * np.hanning(6000)))
    kept, gone = spectrum[round(220 * 6000 / RATE)], spectrum[round(663 * 6000 / RATE)]
    assert report.changed_outside == 0
    assert 20 * np.log10(kept / gone) > 40


def test_the_picture_shows_what_changed(damaged: Path, tmp_path: Path) -> None:
    report = repair_file(damaged, tmp_path / "fixed.wav", [gap(10_000, 10_200), gap(40_000, 41_000)], build("linear"))
    draw(damaged, tmp_path / "fixed.wav", report.fills, tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(ValueError, match="nothing to draw"):
        draw(damaged, tmp_path / "fixed.wav", (), tmp_path / "q.png")


MEMORY = """
import resource, sys
from pathlib import Path
from caesura.labels import Label
from caesura.methods import build
from caesura.region import Region
from caesura.repair import repair_file
source, target = map(Path, sys.argv[1:])
labels = [Label(Region(k, k + 800)) for k in range(200_000, 60 * 48_000 * 4, 230_400)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = repair_file(source, target, labels, build("lsar"))
print(report.filled, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    source = tmp_path / "long.wav"
    minute = (np.random.default_rng(0).standard_normal((48_000 * 60, 2)) * 3000).astype("<i2").tobytes()
    with wave.open(str(source), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48_000)
        for _ in range(4):
            file.writeframesraw(minute)
    command = [sys.executable, "-c", MEMORY, str(source), str(tmp_path / "out.wav")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    filled, kilobytes = map(int, done.stdout.split())
    assert filled == 50
    # The whole file as float64 would take 184 MB; ten seconds of window and the method take far less.
    assert kilobytes < 120_000
