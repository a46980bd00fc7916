"""Folders of pairs that were stopped half-way: killed, out of room, or with files that cannot be read."""

import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from caesura.cli import main
from caesura.data.musdb18 import STEMS
from caesura.data.pairs import MANIFEST, manifest_rows
from caesura.data.workers import computed
from pair_cases import COLUMNS, put, tone, tree

SONGS = 5


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("musdb18")
    for number in range(SONGS):
        for k, name in enumerate(STEMS):
            put(folder / "train" / f"Song {number}" / f"{name}.wav", tone(100.0 * (k + 1) + 10.0 * number, 0.7))
    return folder


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a run leaves that nothing stopped."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert main(command(source, out)) == 0
    return tree(out)


def command(source: Path, out: Path, *options: str) -> list[str]:
    base = ["prepare", "musdb18", str(out), "--source", str(source), "--columns", str(COLUMNS), "--keys", "0,2"]
    return [*base, "--quiet", *options]


def children(pid: int) -> set[int]:
    found = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found |= set(map(int, task.read_text().split()))
    return found


def waited(condition: object, seconds: float = 240.0) -> Iterator[None]:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it took too long"
        yield
        time.sleep(0.01)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="processes are listed in /proc")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(
    source: Path, whole: dict[str, bytes], tmp_path: Path, jobs: int
) -> None:
    out = tmp_path / "out"
    run = subprocess.Popen([sys.executable, "-m", "caesura", *command(source, out, "--jobs", str(jobs))])
    for _ in waited(lambda: list(out.glob("songs/[!.]*.json"))):
        assert run.poll() is None
    below = children(run.pid)
    run.send_signal(signal.SIGKILL)
    run.wait()
    for _ in waited(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in below)):
        pass
    assert not (out / MANIFEST).exists()
    done = len(list(out.glob("songs/[!.]*.json")))
    assert 1 <= done < SONGS
    # what a kill can leave: half a song, and half a file of its own
    (out / "songs" / ".half.json").write_text("{")
    assert main(command(source, out, "--jobs", str(3 - jobs))) == 0
    assert tree(out) == whole


def test_a_finished_folder_is_left_alone(source: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(command(source, out, "--songs", "2")) == 0
    assert len({row["song"] for row in manifest_rows(out)}) == 2
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    assert main(command(source, out)) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert tree(out) == whole


def test_a_folder_of_other_settings_is_refused(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(source, tmp_path / "out", "--songs", "1")) == 0
    before = tree(tmp_path / "out")
    for options, said in ((["--stem", "bass"], "stem = vocals, not bass"), (["--jpeg"], "suffix = .png, not .jpg")):
        assert main(command(source, tmp_path / "out", *options)) == 2
        assert f"was made with {said}" in capsys.readouterr().err
    assert tree(tmp_path / "out") == before


def test_a_full_disk_is_said_and_gone_on_from(
    source: Path, whole: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    largest = max(len(data) for name, data in whole.items() if name.endswith("_source.png"))
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, limits[1]))  # writing beyond fails as on a full disk
    try:
        assert main(command(source, out)) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert "there is no room for" in capsys.readouterr().err
    assert not (out / MANIFEST).exists()
    assert main(command(source, out)) == 0
    assert tree(out) == whole


def test_songs_that_cannot_be_read_are_named_and_tried_again(
    source: Path, whole: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, broken = tmp_path / "out", source / "train" / "Song 3" / "bass.wav"
    data = broken.read_bytes()
    broken.write_bytes(b"no sound at all")
    try:
        assert main(command(source, out)) == 1
    finally:
        broken.write_bytes(data)
    assert f"train/Song 3 cannot be read: '{broken}' is not a sound file" in capsys.readouterr().err
    assert "train/Song 3" not in {row["song"] for row in manifest_rows(out)}
    assert main(command(source, out)) == 0
    assert tree(out) == whole


def test_jpegs_are_smaller(source: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    assert main(command(source, tmp_path / "out", "--jpeg", "--songs", "1")) == 0
    (row,) = [row for row in manifest_rows(tmp_path / "out") if (row["frame"], row["key"]) == (0, 2)]
    assert row["target"].endswith(".jpg")
    assert (tmp_path / "out" / row["target"]).stat().st_size < len(whole[row["target"].replace(".jpg", ".png")])


def test_less_than_one_process_is_refused() -> None:
    with pytest.raises(ValueError, match="0 processes do nothing"):
        list(computed(os.path.basename, ["a"], 0))
    assert list(computed(os.path.basename, ["a/b", "c"], 1)) == ["b", "c"]


PAGE = Path(__file__).parent.parent / "docs" / "datasets.md"
SHOWN = [line.strip() for line in PAGE.read_text().splitlines() if line.startswith("    caesura prepare ")]


@pytest.mark.parametrize("line", SHOWN)
def test_commands_of_the_page_are_understood(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.jsonl").write_text("")
    monkeypatch.setattr("caesura.data.separation.Demucs.check", lambda self: None)
    assert main(shlex.split(line)[1:]) == 2
    assert f"in '{line.split('--source ')[1].split()[0]}'" in capsys.readouterr().err  # only the dataset is missing
