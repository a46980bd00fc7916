"""Files of codes: what is written comes back, and nothing that cannot be is believed."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")

from caesura.audio import Audio, read
from caesura.cli import main
from caesura.codes import Codes, decode, encode, read_codes, write_codes

RATE = 16_000


def sound(seconds: float = 1.5, channels: int = 1, rate: int = RATE) -> Audio:
    t = np.arange(round(seconds * rate)) / rate
    x = [0.3 / (c + 1) * np.exp(-t) * np.sin(2 * np.pi * 220.0 * t) for c in range(channels)]
    return Audio(np.stack(x), rate)


@pytest.fixture(scope="module")
def codes() -> Codes:
    return encode(sound(), "tiny", pitch=57, family="organ", velocity=100)


@pytest.mark.parametrize("suffix", ["json", "npz"])
def test_what_is_written_comes_back(codes: Codes, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"note.codes.{suffix}"
    write_codes(path, codes)
    again = read_codes(path)
    for field in dataclasses.fields(codes):
        assert np.array_equal(getattr(again, field.name), getattr(codes, field.name)), field.name
    assert np.array_equal(decode(again, "tiny").samples, decode(codes, "tiny").samples)
    with pytest.raises(ValueError, match="exists"):
        write_codes(path, codes)


@pytest.mark.parametrize(("seconds", "channels", "rate"), [(0.04, 1, 96_000), (5.0, 2, 44_100), (1.024, 1, RATE)])
def test_any_sound_keeps_its_shape(seconds: float, channels: int, rate: int) -> None:
    x = sound(seconds, channels, rate)
    found = encode(x, "tiny")
    y = decode(found, "tiny")
    assert y.samples.shape == x.samples.shape
    assert y.sample_rate == rate
    assert found.top.shape == (channels, 32, -(-round(seconds * RATE) // 16_384))
    assert found.bottom.shape == (channels, 64, 2 * found.top.shape[2])


def test_level_is_kept(codes: Codes) -> None:
    x = sound()
    quiet = encode(Audio(0.01 * x.samples, RATE), "tiny")
    assert quiet.level == pytest.approx(0.01 * codes.level)
    assert np.array_equal(quiet.top, codes.top)
    assert np.allclose(decode(quiet, "tiny").samples, 0.01 * decode(codes, "tiny").samples, atol=1e-9)
    assert encode(Audio(np.zeros((1, 100)), RATE), "tiny").level == 1.0


def test_codes_of_another_network(codes: Codes) -> None:
    with pytest.raises(ValueError, match=r"codes of the network 0123, not of [0-9a-f]{12}: pass its weights"):
        decode(dataclasses.replace(codes, network="0123"), "tiny")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pitch": 100}, "pitch=100 must be a whole number from 24 to 84"),
        ({"velocity": 0}, "velocity=0 must be a whole number from 1 to 127"),
        ({"family": "tuba"}, "family='tuba' must be one of bass"),
        ({"sample_rate": 0}, "sample_rate=0 must be"),
        ({"sample_rate": 16_000.5}, "sample_rate=16000.5 must be a whole number"),
        ({"samples": 10**6}, "top has shape .*, 1000000 samples have"),
        ({"level": -1.0}, r"level=-1\.0 must be a number above 0"),
        ({"level": float("nan")}, "level=nan must be a number above 0"),
        ({"network": 5}, "network=5 must be a fingerprint"),
        ({"codes": 5}, "top holds codes from 0 to .*, there are 0 to 4"),
        ({"top": np.zeros((1, 32), int)}, r"top has shape \(1, 32\)"),
        ({"bottom": np.full((1, 64, 4), -1)}, "bottom holds codes from -1 to -1"),
        ({"top": np.zeros((0, 32, 2), int)}, r"top has shape \(0, 32, 2\)"),
    ],
)
def test_what_cannot_be(codes: Codes, changes: dict[str, Any], words: str) -> None:
    known = dataclasses.replace(codes, top=np.minimum(codes.top, 31))
    known.top[0, 0, 0] = 0
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(known, **changes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "holds no codes"),
        ("[1]", "holds no codes"),
        ("{}", "kind is missing"),
        ('{"kind": "notono codes", "schema": 2}', "schema 1"),
        ('{"kind": "notono codes", "schema": 1}', "top is missing"),
        ('{"kind": "notono codes", "schema": 1, "top": [[["a"]]], "bottom": []}', "not whole numbers"),
        ('{"kind": "notono codes", "schema": 1, "top": [[[1]]], "bottom": [[[1]]], "more": 1}', "more"),
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str, words: str) -> None:
    for path in (tmp_path / "a.json", tmp_path / "a.npz"):
        path.write_text(text)
        with pytest.raises(ValueError, match=words if path.suffix == ".json" else "holds no codes"):
            read_codes(path)
    with pytest.raises(ValueError, match=r"codes are kept as .json or .npz, not as 'a.txt'"):
        read_codes(tmp_path / "a.txt")


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = sound()
    soundfile.write(tmp_path / "note.wav", x.samples.T, RATE)
    files = [str(tmp_path / name) for name in ("note.wav", "note.json", "back.wav")]
    labels = ["--pitch", "57", "--family", "organ"]
    assert main(["notes", "encode", files[0], "-o", files[1], "--weights", "tiny", *labels]) == 0
    assert capsys.readouterr().err == f"{files[1]}: 64 coarse and 256 fine codes of 32\n"
    facts = json.loads(Path(files[1]).read_text())
    assert (facts["pitch"], facts["family"], facts["velocity"], facts["samples"]) == (57, "organ", None, 24_000)
    assert main(["notes", "decode", files[1], "-o", files[2], "--weights", "tiny"]) == 0
    assert capsys.readouterr().err == f"{files[2]}: 1.5 s at 16000 Hz\n"
    assert read(Path(files[2])).samples.shape == x.samples.shape
    assert main(["notes", "encode", files[0], "-o", files[1], "--weights", "tiny", "--force", "--pitch", "5"]) == 2
    assert capsys.readouterr().err == "caesura: pitch=5 must be a whole number from 24 to 84\n"
    assert main(["notes", "decode", files[0], "-o", str(tmp_path / "x.wav"), "--weights", "tiny"]) == 2
    assert "codes are kept as .json or .npz, not as 'note.wav'" in capsys.readouterr().err
