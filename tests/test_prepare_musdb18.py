"""MUSDB18 as pairs, on songs of seconds in both of its layouts."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from caesura.cli import main
from caesura.codecs.image import SpectrogramImage
from caesura.codecs.image_files import read_picture
from caesura.data.musdb18 import STEMS, Musdb18
from caesura.data.pairs import pairs
from pair_cases import COLUMNS, LENGTH, RATE, bands, made, put, strongest, tone

PITCHES = {"drums": 150.0, "bass": 60.0, "other": 400.0, "vocals": 1200.0}


def song(folder: Path, level: float = 0.2, seconds: float = 1.5) -> Path:
    for name in STEMS:
        put(folder / f"{name}.wav", tone(PITCHES[name], seconds, level))
    put(folder / "mixture.wav", tone(100.0, seconds))
    return folder


def media(path: Path, seconds: float = 1.5) -> Path:
    """The five streams of a .stem.mp4, the mixture first."""
    av = pytest.importorskip("av")
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [tone(f, seconds) for f in PITCHES.values()]
    with av.open(str(path), "w", format="mp4") as file:
        streams = [file.add_stream("aac", rate=RATE, layout="stereo") for _ in range(5)]
        for stream, x in zip(streams, (np.sum(parts, axis=0), *parts), strict=True):
            for start in range(0, x.size, 1024):
                block = np.tile(x[start : start + 1024], (2, 1)).astype(np.float32)
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="stereo")
                frame.sample_rate, frame.pts = RATE, start
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
    return path


def test_pairs_differ_by_the_stem_and_have_one_gain(tmp_path: Path) -> None:
    song(tmp_path / "in" / "train" / "A - B")
    done, rows = made(Musdb18(tmp_path / "in", keys=(0,)), tmp_path / "out")
    assert (done.pairs, done.songs, len(rows)) == (2, 1, 2)
    for row in rows:
        before, after = (read_picture(tmp_path / "out" / row[side]) for side in ("source", "target"))
        assert before.pixels.shape == after.pixels.shape == (512, COLUMNS, 3)
        assert before.loudest == after.loudest
        assert before.samples == after.samples == LENGTH
        low = SpectrogramImage().edges[1:-1] < 700.0
        # what is behind is drawn alike: a difference of one grey level is a rounding
        place = slice(512 - int(low.sum()), 512), slice(10, -10)  # at the ends the stem leaks into all bands
        step = np.abs(before.pixels[place].astype(int) - after.pixels[place].astype(int))
        loud = before.pixels[place] < 100
        assert loud.any()
        assert step[loud].max() <= 1
    assert strongest(tmp_path / "out", rows[0], "source") < 450.0
    both = bands(tmp_path / "out", rows[0], "target") - bands(tmp_path / "out", rows[0], "source")
    assert SpectrogramImage().edges[1:-1][np.argmax(both.mean(axis=1))] == pytest.approx(1200.0, rel=0.01)


def test_the_level_is_kept_and_loud_stems_do_not_wrap(tmp_path: Path) -> None:
    tops = []
    for level in (0.1, 0.9):  # three stems at 0.9 are far over full scale
        song(tmp_path / str(level) / "one", level)
        _, rows = made(Musdb18(tmp_path / str(level), keys=(0,), holdout=0.0), tmp_path / f"out{level}")
        tops.append(bands(tmp_path / f"out{level}", rows[0], "source").max())
    # 16-bit files and grey levels near black: 0.14 dB each
    assert tops[1] / tops[0] == pytest.approx(9.0, rel=0.04)


def test_both_stems_are_transposed_alike(tmp_path: Path) -> None:
    song(tmp_path / "in" / "one", seconds=0.7)
    done, rows = made(Musdb18(tmp_path / "in", keys=(-3, 0, 2), holdout=0.0), tmp_path / "out")
    assert done.pairs == 3
    for row in rows:
        ratio = 2.0 ** (row["key"] / 12.0)
        change = bands(tmp_path / "out", row, "target") - bands(tmp_path / "out", row, "source")
        found = SpectrogramImage().edges[1:-1][np.argmax(change.mean(axis=1))]
        # bands are 0.8 % apart at 1.2 kHz
        assert found == pytest.approx(1200.0 * ratio, rel=0.01)
        behind = bands(tmp_path / "out", row, "source")
        for f in (60.0, 150.0, 400.0):
            band = np.argmin(np.abs(SpectrogramImage().edges[1:-1] - f * ratio))
            assert behind[band].mean() > 0.1 * behind.max()


def test_stretches_without_the_stem_are_left_out(tmp_path: Path) -> None:
    folder = song(tmp_path / "in" / "one", seconds=2.0)
    put(folder / "vocals.wav", np.concatenate((np.zeros(round(1.3 * RATE)), tone(1200.0, 0.7))))
    _, rows = made(Musdb18(tmp_path / "in", keys=(0,), holdout=0.0), tmp_path / "out")
    assert [row["frame"] for row in rows] == [2]
    put(folder / "vocals.wav", np.zeros(2 * RATE))
    done, _ = made(Musdb18(tmp_path / "in", keys=(0,), holdout=0.0), tmp_path / "silent")
    assert done.rejected == {"one": "no stretch of it has what is wanted"}


def test_songs_belong_to_the_split_of_their_folder(tmp_path: Path) -> None:
    for name in ("train/A", "test/B"):
        song(tmp_path / "in" / name, seconds=0.7)
    made(Musdb18(tmp_path / "in", keys=(0,)), tmp_path / "out")
    assert [pair.song for pair in pairs(tmp_path / "out")] == ["train/A"]
    assert [pair.song for pair in pairs(tmp_path / "out", "test")] == ["test/B"]


def test_prompts_are_somebodys_or_ours(tmp_path: Path) -> None:
    for name in ("A - B", "C"):
        song(tmp_path / "in" / name, seconds=0.7)
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text(json.dumps({"file": "A - B.stem.mp4", "edit_prompt": "add a hum"}) + "\n\n")
    _, rows = made(Musdb18(tmp_path / "in", prompts=prompts, keys=(0,), holdout=0.0), tmp_path / "out")
    assert [row["text"] for row in rows] == ["add a hum", "add a vocal melody"]
    assert [(row["adds"], row["over"]) for row in rows] == [(["vocals"], ["drums", "bass", "other"])] * 2
    _, rows = made(Musdb18(tmp_path / "in", "bass", keys=(0,), holdout=0.0), tmp_path / "bass")
    assert rows[0]["text"] == "add a bass line"
    assert strongest(tmp_path / "bass", rows[0], "source") > 100.0


def test_media_files_hold_the_same_stems(tmp_path: Path) -> None:
    song(tmp_path / "wav" / "one")
    media(tmp_path / "mp4" / "train" / "one.stem.mp4")
    _, plain = made(Musdb18(tmp_path / "wav", keys=(0,), holdout=0.0), tmp_path / "out")
    _, coded = made(Musdb18(tmp_path / "mp4", keys=(0,)), tmp_path / "coded")
    assert coded[0]["song"] == "train/one"
    for side in ("source", "target"):
        a, b = bands(tmp_path / "out", plain[0], side), bands(tmp_path / "coded", coded[0], side)
        # AAC at its default rate: measured 2 % of the norm, a wrong stream gives 100 %
        assert np.linalg.norm(a - b) < 0.1 * np.linalg.norm(a)


def test_media_files_without_ffmpeg_are_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.stem.mp4").write_bytes(b"anything")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["prepare", "musdb18", str(tmp_path / "out"), "--source", str(tmp_path)]) == 2
    assert "pip install 'caesura[media]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stem", "horn"], "stem 'horn' is not one of drums, bass, other, vocals"),
        (["--keys", "3:1"], "--keys '3:1': from -12 to 12 semitones"),
        (["--keys", "a,b"], "--keys 'a,b' is no list of semitones: write -3:3"),
        (["--overlap", "1"], "overlap=1.0, share=0.4: from 0 to below 1"),
        ([], "there is no train/SONG/vocals.wav or train/SONG.stem.mp4 in"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["prepare", "musdb18", str(tmp_path / "out"), "--source", str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err


def test_prompts_that_are_none_are_refused(tmp_path: Path) -> None:
    song(tmp_path / "in" / "one", seconds=0.7)
    prompts = tmp_path / "prompts.jsonl"
    for line, message in (("{", "line 1 .* is no JSON"), ('{"file": "one"}', "line 1 .* is not")):
        prompts.write_text(line)
        with pytest.raises(ValueError, match=message):
            made(Musdb18(tmp_path / "in", prompts=prompts), tmp_path / "out")
