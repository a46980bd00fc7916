"""Projects: what the studio writes the command line does, byte for byte; what does not fit is refused in words."""

import json
from pathlib import Path

import numpy as np
import pytest

from caesura.audio import read
from caesura.audio.opening import open_audio
from caesura.audio.streaming import PIECE, WavStream
from caesura.cli import main
from caesura.labels import Label
from caesura.project import Project, Step, apply, deliver, fill, named, parsed, plain
from caesura.region import Region
from caesura.stem import write_stem
from studio_cases import GAP, RATE, recording

STEPS = (
    Step("lsar", {"order": 64, "contexts": [256]}, (Label(Region(*GAP)),), seed=3, fade_ms=1.0),
    Step("silence", {}, (Label(Region(2000, 6000, 500.0, 1500.0), "box"),), seed=9),
)


@pytest.fixture
def take(tmp_path: Path) -> Path:
    path = tmp_path / "take.wav"
    path.write_bytes(recording())
    return path


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_a_project_survives_its_file(take: Path, tmp_path: Path) -> None:
    project = Project(named(take), RATE, STEPS)
    again = parsed(write(tmp_path / "p.json", plain(project)))
    assert again == project


def test_the_command_line_does_what_the_steps_did_one_by_one(take: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "1.wav", tmp_path / "2.wav"
    fill(STEPS[0], take, first, None)
    fill(STEPS[1], first, second, None)
    project = write(tmp_path / "p.json", plain(Project(named(take), RATE, STEPS)))
    out, report = tmp_path / "out.wav", tmp_path / "r.json"
    assert main(["restore", "--project", str(project), "-o", str(out), "--report", str(report), "-q"]) == 0
    assert out.read_bytes() == second.read_bytes() != take.read_bytes()
    steps = json.loads(report.read_text())["steps"]
    assert [step["method"] for step in steps] == ["lsar", "silence"]
    assert all(step["changed_outside"] == 0 for step in steps)


def test_another_container_is_the_same_for_both(take: Path, tmp_path: Path) -> None:
    first = tmp_path / "1.wav"
    fill(STEPS[0], take, first, None)
    deliver(first, tmp_path / "1.flac", output_format="flac")
    project = write(tmp_path / "p.json", plain(Project(named(take), RATE, STEPS[:1])))
    out = tmp_path / "out.flac"
    assert main(["restore", str(take), "--project", str(project), "-o", str(out), "-q"]) == 0
    assert out.read_bytes() == (tmp_path / "1.flac").read_bytes()


def test_a_project_without_steps_is_a_copy(take: Path, tmp_path: Path) -> None:
    apply(Project(named(take), RATE), take, tmp_path / "out.wav", lambda _: take)
    assert (tmp_path / "out.wav").read_bytes() == take.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "{out}", "--method", "lpc"], "leave the options out"),
        ([], "name the result with -o"),
        (["-o", "{take}"], "exists"),
    ],
)
def test_what_the_command_line_refuses(
    take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    project = write(tmp_path / "p.json", plain(Project(named(take), RATE, STEPS)))
    given = [a.format(out=tmp_path / "out.wav", take=take) for a in arguments]
    assert main(["restore", "--project", str(project), *given]) == 2
    assert message in capsys.readouterr().err


def test_another_recording_is_refused(take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = write(tmp_path / "p.json", plain(Project(named(take), RATE, STEPS)))
    take.write_bytes(recording(seed=1))
    assert main(["restore", "--project", str(project), "-o", str(tmp_path / "out.wav")]) == 2
    assert "is not the file 'take.wav' that the project was made with" in capsys.readouterr().err
    assert not (tmp_path / "out.wav").exists()


@pytest.mark.parametrize("name", ["../take.wav", "/etc/passwd", "a\\b.wav", ""])
def test_a_project_names_no_places(take: Path, tmp_path: Path, name: str) -> None:
    document = plain(Project(named(take), RATE))
    document["source"]["name"] = name
    with pytest.raises(ValueError, match="is no file name"):
        parsed(write(tmp_path / "p.json", document))


@pytest.mark.parametrize(
    "change", [{"format": "x"}, {"version": 2}, {"source": None}, {"steps": [1]}, {"steps": [{}]}, {"source": {}}]
)
def test_what_is_no_project_is_refused(take: Path, tmp_path: Path, change: dict[str, object]) -> None:
    document = plain(Project(named(take), RATE, STEPS)) | change
    with pytest.raises(ValueError, match="is no project file"):
        parsed(write(tmp_path / "p.json", document))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000, b"[]"])
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is no project file"):
        parsed(path)


def test_a_stem_is_what_was_added(take: Path, tmp_path: Path) -> None:
    fill(STEPS[0], take, tmp_path / "1.wav", None)
    write_stem(take, tmp_path / "1.wav", tmp_path / "stem.wav")
    before, after, stem = (read(tmp_path / name).samples for name in ("take.wav", "1.wav", "stem.wav"))
    np.testing.assert_array_equal(before + stem, after)
    assert np.abs(stem[:, GAP[0] : GAP[1]]).max() > 0.01


@pytest.mark.parametrize("span", [(0, 10), (40, 50), (44, 45), (3, PIECE + 9), (0, None)])
def test_any_bytes_of_a_stream_are_those_of_the_file(tmp_path: Path, span: tuple[int, int | None]) -> None:
    content = recording(3.0, subtype="PCM_16")
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with open_audio(path) as reader:
        stream = WavStream(reader)
        assert stream.size == len(content)
        start, stop = span[0], span[1] or stream.size
        assert b"".join(stream.bytes(start, stop)) == content[start:stop]
