"""GTZAN as pairs, on songs of seconds in its real layout, with a separator that a test can foresee."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from caesura.cli import main
from caesura.codecs.image import SpectrogramImage
from caesura.data.gtzan import PREFIX, Gtzan
from caesura.data.pairs import manifest_rows
from caesura.data.separation import vocals_and_rest
from pair_cases import LENGTH, RATE, bands, made, put, strongest, tone

OWN_RATE = 22_050  # of the published files
SPLIT = 600.0  # hertz: what our singers never go below and our bands never above


def by_pitch(x: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
    """Everything above 600 Hz is sung."""
    low = signal.sosfiltfilt(signal.butter(8, SPLIT, fs=sample_rate, output="sos"), x, axis=1)
    return {"drums": 0.5 * low, "other": 0.5 * low, "vocals": x - low}


def song(folder: Path, name: str = "blues/blues.00000.wav", sung: float = 0.2, seconds: float = 2.0) -> Path:
    x = tone(200.0, seconds, rate=OWN_RATE) + tone(2000.0, seconds, sung, rate=OWN_RATE)
    return put(folder / "genres" / name, x, OWN_RATE, channels=1)


def gtzan(source: Path, **options: object) -> Gtzan:
    return Gtzan(source, **{"separator": by_pitch, "holdout": 0.0, "prefixed": 0.0, "segments": 2} | options)  # type: ignore[arg-type]


def test_a_song_is_separated_cut_and_transposed(tmp_path: Path) -> None:
    song(tmp_path / "in")
    assert gtzan(tmp_path / "in").keys == tuple(range(-5, 7))
    done, rows = made(gtzan(tmp_path / "in", keys=(-5, 0, 6)), tmp_path / "out")
    assert done.pairs == 6
    assert [(row["frame"], row["key"]) for row in rows] == [(f, k) for f in (0, 1) for k in (-5, 0, 6)]
    for row in rows:
        ratio = 2.0 ** (row["key"] / 12.0)
        # bands are 2 % apart at 200 Hz, and 0.9 % at 2 kHz
        assert strongest(tmp_path / "out", row, "source") == pytest.approx(200.0 * ratio, rel=0.02)
        added = bands(tmp_path / "out", row, "target") - bands(tmp_path / "out", row, "source")
        found = SpectrogramImage().edges[1:-1][np.argmax(added.mean(axis=1))]
        assert found == pytest.approx(2000.0 * ratio, rel=0.01)
    assert rows[0]["text"] == "Generate a sung blues melody."
    assert (rows[0]["song"], rows[0]["adds"], rows[0]["over"]) == ("blues/blues.00000", ["vocals"], ["accompaniment"])


@pytest.mark.parametrize(("ratio", "pairs"), [(0.49, 2), (0.51, 0)])
def test_stretches_with_too_little_singing_are_left_out_in_every_key(tmp_path: Path, ratio: float, pairs: int) -> None:
    song(tmp_path / "in", sung=0.1)  # half of what it is sung to
    done, _ = made(gtzan(tmp_path / "in", ratio=ratio, keys=(0,)), tmp_path / "out")
    assert done.pairs == pairs
    assert bool(done.rejected) == (not pairs)


def test_songs_that_are_too_short_say_so(tmp_path: Path) -> None:
    song(tmp_path / "in", seconds=0.5)
    done, _ = made(gtzan(tmp_path / "in"), tmp_path / "out")
    assert done.rejected == {"blues/blues.00000": f"it is shorter than a picture's {LENGTH / RATE:.2f} s"}


def test_stems_that_are_there_are_taken(tmp_path: Path) -> None:
    song(tmp_path / "in")
    song(tmp_path / "in", "rock/rock.00007.wav")
    stems = tmp_path / "stems"
    put(stems / "blues.00000" / "vocals.wav", tone(3000.0, 1.0))
    put(stems / "blues.00000" / "accompaniment.wav", tone(300.0, 1.0))
    put(stems / "rock" / "rock.00007" / "vocals.flac", tone(3000.0, 1.0))
    put(stems / "rock" / "rock.00007" / "no_vocals.flac", tone(300.0, 1.0))
    done, rows = made(gtzan(tmp_path / "in", stems=stems, keys=(0,), segments=1), tmp_path / "out")
    assert done.pairs == 2
    for row in rows:
        assert strongest(tmp_path / "out", row, "source") == pytest.approx(300.0, rel=0.02)
    (stems / "blues.00000" / "vocals.wav").unlink()
    done, _ = made(gtzan(tmp_path / "in", stems=stems, keys=(0,), segments=1), tmp_path / "again")
    assert list(done.unreadable) == ["blues/blues.00000"]
    assert "there is no vocals in" in done.unreadable["blues/blues.00000"]


def test_prompts_and_their_prefix(tmp_path: Path) -> None:
    for name in ("blues/blues.00000.wav", "rock/rock.00001.wav", "rock/rock.00002.wav"):
        song(tmp_path / "in", name, seconds=0.7)
    prompts = tmp_path / "prompts.json"
    lines = [("blues.00000.wav", "Sing one."), ("blues.00000.wav", "Sing two."), ("rock.00002.wav", "Shout.")]
    prompts.write_text("".join(json.dumps({"file": file, "prompt": text}) + "\n" for file, text in lines))
    options = {"prompts": prompts, "listed": True, "segments": 12, "keys": (0,), "prefixed": 0.5}
    _, rows = made(gtzan(tmp_path / "in", **options), tmp_path / "out")
    assert {row["song"] for row in rows} == {"blues/blues.00000", "rock/rock.00002"}
    said = [row["text"].removeprefix(PREFIX) for row in rows]
    assert set(said[:12]) == {"Sing one.", "Sing two."}
    assert set(said[12:]) == {"Shout."}
    prefixed = sum(row["text"].startswith(PREFIX) for row in rows)
    assert 4 <= prefixed <= 20  # 24 draws of one half: outside in 3 of 10 000
    prompts.write_text(json.dumps({"file": "jazz.00003.wav", "prompt": "Hum."}) + "\n")
    with pytest.raises(ValueError, match=r"none of the 3 songs .* has a prompt"):
        made(gtzan(tmp_path / "in", **options), tmp_path / "none")


def test_other_ways_to_unpack_it(tmp_path: Path) -> None:
    song(tmp_path)
    (tmp_path / "genres" / "blues" / "._blues.00000.wav").write_bytes(b"what macOS leaves in archives")
    assert [s.name for s in gtzan(tmp_path / "genres").songs()] == ["blues/blues.00000"]
    for name in ("genres_original", "Data/genres_original"):
        (tmp_path / "other" / name).parent.mkdir(parents=True, exist_ok=True)
        next(tmp_path.rglob("blues")).parent.rename(tmp_path / "other" / name)
        assert [s.name for s in gtzan(tmp_path / "other").songs()] == ["blues/blues.00000"]


def test_a_separator_must_find_vocals(tmp_path: Path) -> None:
    x = np.zeros((1, 100))
    with pytest.raises(ValueError, match="finds drums, bass: it must find vocals"):
        vocals_and_rest(lambda x, rate: {"drums": x, "bass": x}, x, RATE)


def test_the_command_goes_without_demucs_where_stems_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song(tmp_path / "in")
    put(tmp_path / "stems" / "blues.00000" / "vocals.wav", tone(3000.0, 1.0))
    put(tmp_path / "stems" / "blues.00000" / "accompaniment.wav", tone(300.0, 1.0))
    command = ["prepare", "gtzan", str(tmp_path / "out"), "--source", str(tmp_path / "in"), "--columns", "64"]
    assert main([*command, "--stems", str(tmp_path / "stems"), "--keys", "-1:1", "--segments", "1"]) == 0
    assert "3 pairs of 1 songs" in capsys.readouterr().err
    assert len(manifest_rows(tmp_path / "out")) == 3
    checkpoints = tmp_path / "nothing"
    assert main([*command, "--checkpoints", str(checkpoints)]) == 2
    said = capsys.readouterr().err
    assert str(checkpoints) in said or "pip install 'caesura[stems]'" in said
    assert main(["prepare", "gtzan", str(tmp_path / "out"), "--source", str(tmp_path / "x"), "--stems", "."]) == 2
    assert "there is no genres/blues/blues.00000.wav" in capsys.readouterr().err
