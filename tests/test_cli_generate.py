"""caesura generate, continue, vary: files that are whole, originals that stay, errors of one line."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import soundfile

from caesura.audio import AudioError, append, chunks, read
from caesura.cli import main
from caesura.inpainter import Accepts

RATE = 16_000

Result = tuple[int, str, str]
Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> Result:
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def tones(seconds: float = 1.0, channels: int = 2) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    noise = 0.001 * np.random.default_rng(1).standard_normal((t.size, channels))
    return 0.3 * np.sin(2 * np.pi * 220 * t)[:, None] + 0.2 * np.sin(2 * np.pi * 557 * t)[:, None] + noise


@pytest.fixture
def take(tmp_path: Path) -> Path:
    path = tmp_path / "take.wav"
    soundfile.write(path, tones(), RATE, subtype="PCM_24")
    return path


def error_of(result: Result) -> str:
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.startswith("caesura: ")
    assert err.count("\n") == 1
    return err


def codes(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="int32", always_2d=True)[0]


# --- continue ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "subtype"), [("wav", "PCM_24"), ("wav", "PCM_U8"), ("aiff", "PCM_16"), ("flac", "PCM_16")]
)
def test_what_was_there_stays_bit_for_bit(run: Run, tmp_path: Path, suffix: str, subtype: str) -> None:
    source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    soundfile.write(source, tones(), RATE, subtype=subtype)
    before = source.read_bytes()
    code, out, err = run("continue", source, "-o", target, "--duration", "100ms", "--method", "lpc")
    assert (code, out) == (0, "")
    assert err == f"{target}: 0.1 s added from 1 s on, seed 0\n"
    old, new = codes(source), codes(target)
    assert new.shape == (old.shape[0] + 1600, 2)
    assert np.array_equal(new[: len(old)], old)
    assert np.abs(new[len(old) :]).max() > 0
    assert soundfile.info(target).subtype == subtype
    assert source.read_bytes() == before


def test_floats_keep_even_what_is_no_number(tmp_path: Path) -> None:
    x = tones()[:, 0]
    x[100] = np.nan
    soundfile.write(tmp_path / "in.wav", x, RATE, subtype="FLOAT")
    append(tmp_path / "in.wav", tmp_path / "out.wav", np.full((1, 10), 0.25))
    old, new = (soundfile.read(tmp_path / name, dtype="float32")[0] for name in ("in.wav", "out.wav"))
    assert np.array_equal(old.view(np.int32), new[:-10].view(np.int32))
    assert (new[-10:] == 0.25).all()


def test_marks_keep_their_places(tmp_path: Path) -> None:
    """A cue at frame 500, a title, and the loudest place of a sound that is now another one."""
    soundfile.write(tmp_path / "plain.wav", tones(channels=1), RATE, subtype="PCM_16")
    cue = b"cue " + struct.pack("<I", 28) + struct.pack("<III4sIII", 1, 1, 500, b"data", 0, 0, 500)
    title = b"LIST" + struct.pack("<I", 16) + b"INFOINAM" + struct.pack("<I", 4) + b"Abc\0"
    peak = b"PEAK" + struct.pack("<I", 16) + bytes(16)
    data = (tmp_path / "plain.wav").read_bytes() + cue + title + peak
    (tmp_path / "in.wav").write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    done = append(tmp_path / "in.wav", tmp_path / "out.wav", np.zeros((1, 100)))
    assert [chunk.id for chunk in chunks(tmp_path / "out.wav")] == ["fmt ", "data", "cue ", "LIST"]
    assert done.note == "left behind, because their positions would be wrong: PEAK"


def test_a_lossy_file_goes_on_without_being_encoded_again(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "in.ogg"
    soundfile.write(source, tones(), RATE)
    code, _, err = run("continue", source, "-o", tmp_path / "out.flac", "--duration", "50ms", "--method", "lpc")
    assert code == 0
    assert "encoding it again would change every sample" in err
    old, new = read(source).samples, read(tmp_path / "out.flac").samples
    assert new.shape[1] == old.shape[1] + 800
    assert np.abs(new[:, : old.shape[1]] - old).max() <= 2.0**-23


def test_several_results(run: Run, take: Path, tmp_path: Path) -> None:
    arguments = ("continue", take, "-o", tmp_path / "out.wav", "--duration", "50ms", "--method", "lpc", "-q")
    assert run(*arguments, "-n", 2) == (0, "", "")
    assert {path.name for path in tmp_path.iterdir()} == {"take.wav", "out-1.wav", "out-2.wav"}
    assert "out-1.wav exists: pass --force" in error_of(run(*arguments, "-n", 2))
    assert "the standard output takes one result, not 2" in error_of(run("continue", take, "-o", "-", "-n", 2))


def test_appending_what_does_not_fit(take: Path, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"has 2 channels, samples of shape \(1, 5\) do not fit"):
        append(take, tmp_path / "out.wav", np.zeros((1, 5)))
    assert not (tmp_path / "out.wav").exists()
    loud = append(take, tmp_path / "out.wav", np.full((2, 5), 3.0))
    assert loud.clipped == 10


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--duration", "0"), "--duration 0 must lie between 1 sample and 600 s"),
        (("--duration", "1:00:00"), "--duration 1:00:00 must lie between 1 sample and 600 s"),
        (("--duration", "soon"), "'soon' is not a time"),
        (("--method", "auto"), "auto refused: 4 s is longer than max_gap"),
        (("--method", "lpx"), "did you mean lpc?"),
        (("--method", "nmf"), "nmf fills boxes only"),
    ],
)
def test_what_continue_refuses(run: Run, take: Path, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    assert words in error_of(run("continue", take, "-o", tmp_path / "out.wav", *arguments))
    assert not (tmp_path / "out.wav").exists()


def test_the_input_is_no_output(run: Run, take: Path) -> None:
    assert "is the input" in error_of(run("continue", take, "-o", take, "--force", "--method", "lpc"))
    assert "say where the result goes" in error_of(run("continue", take))


# --- generate and vary ------------------------------------------------------------------------------------------------


def test_what_generate_refuses_before_anything_is_loaded(run: Run, tmp_path: Path) -> None:
    out = ("-o", tmp_path / "out.wav")
    assert "say which method makes the sound: --method audioldm or notono" in error_of(run("generate", *out))
    assert "lpc cannot make a sound where nothing is known: choose from audioldm, notono" in error_of(
        run("generate", *out, "--method", "lpc")
    )
    assert "--pitch 60 is a setting that lpc does not have" in error_of(
        run("generate", *out, "--method", "lpc", "--pitch", 60)
    )
    assert "--rate 5 must lie between 4000 and" in error_of(run("generate", *out, "--method", "lpc", "--rate", 5))
    assert "--channels 9 must lie" in error_of(run("generate", *out, "--method", "lpc", "--channels", 9))
    assert "lpc cannot vary a guide: choose from audioldm" in error_of(run("vary", out[1], *out, "--method", "lpc"))


def test_a_file_that_is_cut_off_is_said_to_be(run: Run, tmp_path: Path) -> None:
    whole = tmp_path / "whole.wav"
    soundfile.write(whole, 0.1 * np.sin(0.1 * np.arange(4_000)), 8_000, subtype="PCM_16")
    (tmp_path / "cut.wav").write_bytes(whole.read_bytes()[:3_044])
    done = run("continue", tmp_path / "cut.wav", "-o", tmp_path / "more.wav", "--method", "lpc", "--duration", "0.1")
    assert done[0] == 0
    assert "the header promises 4000 frames, the file holds 1500: those are used" in done[2]


def test_notes_from_nothing(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    arguments = (
        "generate",
        "--method",
        "notono",
        "-s",
        "weights=tiny",
        "--duration",
        "500ms",
        "-o",
        tmp_path / "n.wav",
    )
    code, out, err = run(*arguments, "--pitch", 60, "--family", "organ", "--rate", 44_100, "--channels", 2, "--seed", 3)
    assert (code, out) == (0, "")
    assert err == f"{tmp_path / 'n.wav'}: 0.5 s at 44100 Hz, seed 3\n"
    made = read(tmp_path / "n.wav")
    assert made.samples.shape == (2, 22_050)
    assert np.array_equal(made.samples[0], made.samples[1])
    assert np.abs(made.samples).max() > 0.0
    assert "pitch=100 must lie between 24 and 84" in error_of(run(*arguments, "--force", "--pitch", 100))
    assert "family='tuba' is not one of any, bass, brass" in error_of(run(*arguments, "--force", "--family", "tuba"))


def test_varying_leaves_the_rest_alone(run: Run, take: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from caesura import generation, methods
    from caesura.methods.silence import Silence

    class Varying(Silence):
        strength: float = 0.5
        accepts: ClassVar[Accepts] = Accepts(varies=True)

        def __call__(self, problem, **_):  # type: ignore[no-untyped-def]
            return 0.5 * problem.guide

    monkeypatch.setattr(generation, "can_vary", lambda: ("silence",))
    monkeypatch.setattr(methods, "build", lambda name, settings: Varying())
    arguments = ("vary", take, "--method", "silence", "-o", tmp_path / "out.wav")
    assert run(*arguments, "--gap", "0.2-0.4", "--channel", 1)[0] == 0
    old, new = codes(take), codes(tmp_path / "out.wav")
    changed = (old != new).any(axis=1)
    assert (np.flatnonzero(changed)[0], np.flatnonzero(changed)[-1]) == (3200, 6399)
    assert np.array_equal(old[:, 0], new[:, 0])
    code, _, err = run(*arguments, "--force", "--guide", take)
    assert code == 0
    assert err == f"{tmp_path / 'out.wav'}: 1 s varied, seed 0\n"
