"""caesura add: a stem over a song, in files that are exact, and errors of one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from caesura.cli import main
from caesura.networks.checkpoints import untrained
from caesura.networks.riffusion import open_riffusion
from riffusion_layout import controlnet, original, riffusion

torch.set_num_threads(1)

RATE = 44_100
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Settings of the methods that read small checkpoints in the published layouts."""
    folder = tmp_path_factory.mktemp("published")
    for name in ("riffusion", "p2p", "control"):
        (folder / name).mkdir()
    riffusion(folder / "riffusion")
    riffusion(folder / "p2p", channels=8)
    network = untrained(lambda: controlnet(open_riffusion(str(folder / "riffusion")).unet))
    original(network, folder / "control" / "final_checkpoint.ckpt")
    small = ["-s", "bands=64", "-s", "steps=2", "-s", "iterations=0", "-s", "duration=0.6", "-s", "scale=1"]
    control = ["-s", f"weights={folder / 'riffusion'}", "-s", f"control_weights={folder / 'control'}"]
    return {
        "riff_cnet": ["--method", "riff_cnet", *control, *small],
        "riff_p2p": ["--method", "riff_p2p", "-s", f"weights={folder / 'p2p'}", "-s", "image_scale=1", *small],
    }


def song(
    path: Path, seconds: float, channels: int, *, level: float = 0.2, subtype: str = "PCM_16", **more: Any
) -> Path:
    t = np.arange(round(seconds * RATE)) / RATE
    x = np.stack([level * np.sin(2 * np.pi * 220 * (c + 1) * t) * (t % 0.5 < 0.4) for c in range(channels)], axis=1)
    soundfile.write(path, x, RATE, subtype=subtype, **more)
    return path


def samples(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float64", always_2d=True)[0]


def error_of(result: tuple[int, str, str]) -> str:
    code, out, err = result
    assert (code, out) == (2, "")
    assert err.startswith("caesura: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("method", "seconds", "channels"),
    [("riff_cnet", 5.0, 1), ("riff_p2p", 5.0, 2), ("riff_p2p", 30.0, 1), ("riff_cnet", 30.0, 2)],
)
def test_the_mix_is_the_song_and_the_stem(
    run: Run, published: dict[str, list[str]], tmp_path: Path, method: str, seconds: float, channels: int
) -> None:
    source, mix, stem = song(tmp_path / "song.wav", seconds, channels), tmp_path / "mix.wav", tmp_path / "stem.wav"
    before = source.read_bytes()
    code, out, err = run("add", source, "--text", "airy voice", "-o", mix, "--stem", stem, *published[method])
    assert (code, out) == (0, "")
    assert err.startswith(f"{mix}: {seconds:g} s, the stem ")
    assert err.endswith(f", stem in {stem}, seed 0\n")
    assert source.read_bytes() == before
    x, y, added = (samples(path) for path in (source, mix, stem))
    assert y.shape == added.shape == x.shape
    assert np.array_equal(x + added, y)
    assert added.std() > 1e-4
    assert (soundfile.info(mix).subtype, soundfile.info(stem).subtype) == ("PCM_16", "FLOAT")


def test_a_loud_song_is_never_turned_down(run: Run, published: dict[str, list[str]], tmp_path: Path) -> None:
    source, mix, stem = song(tmp_path / "song.wav", 1.2, 1, level=1.0), tmp_path / "mix.wav", tmp_path / "stem.wav"
    code, _, err = run("add", source, "--text", "a", "-o", mix, "--stem", stem, *published["riff_cnet"])
    assert code == 0
    assert "turned down" in err
    assert "where there was no room for it" in err
    assert "held at full scale" not in err
    x, y, added = (samples(path) for path in (source, mix, stem))
    assert np.array_equal(x + added, y)
    assert np.abs(y).max() <= np.abs(x).max()
    assert added.any()


def test_other_containers_and_rates(run: Run, published: dict[str, list[str]], tmp_path: Path) -> None:
    t = np.arange(9_600) / 16_000
    tone = 0.2 * np.sin(2 * np.pi * 220 * t)
    for suffix, subtype in (("flac", "PCM_24"), ("wav", "FLOAT"), ("wav", "PCM_U8"), ("ogg", "VORBIS")):
        source, stem = tmp_path / f"song.{suffix}", tmp_path / "stem.wav"
        mix = tmp_path / ("mix.flac" if suffix == "ogg" else f"mix.{suffix}")
        soundfile.write(source, tone, 16_000, subtype=subtype)
        command = ("add", source, "--text", "a", "-o", mix, "--stem", stem, "--force", *published["riff_cnet"])
        code, _, err = run(*command)
        assert code == 0
        assert ("lossy" in err) == (suffix == "ogg")
        x, y, added = (samples(path) for path in (source, mix, stem))
        tolerance = 0.0 if subtype in ("PCM_24", "PCM_U8") else 2.0**-23  # of floats a difference is rounded
        np.testing.assert_allclose(x + added, y, rtol=0, atol=tolerance)
        assert soundfile.info(mix).samplerate == 16_000


def test_what_is_no_number_stays_none(run: Run, published: dict[str, list[str]], tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-0.2, 0.2, 9_600).astype(np.float32)
    x[4_000] = np.nan
    soundfile.write(tmp_path / "song.wav", x, 16_000, subtype="FLOAT")
    mix, stem = tmp_path / "mix.wav", tmp_path / "stem.wav"
    assert run("add", tmp_path / "song.wav", "--text", "a", "-o", mix, "--stem", stem, *published["riff_cnet"])[0] == 0
    assert np.flatnonzero(~np.isfinite(soundfile.read(mix)[0])).tolist() == [4_000]
    assert np.isfinite(soundfile.read(stem)[0]).all()


def test_candidates_and_the_seed(run: Run, published: dict[str, list[str]], tmp_path: Path) -> None:
    source = song(tmp_path / "song.wav", 0.6, 1)
    command = ("add", source, "--text", "a", "-o", tmp_path / "mix.wav", "--stem", tmp_path / "stem.wav", "-q")
    assert run(*command, "-n", 2, *published["riff_cnet"]) == (0, "", "")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"song.wav", "mix-1.wav", "mix-2.wav", "stem-1.wav", "stem-2.wav"}
    one, two = (samples(tmp_path / f"stem-{k}.wav") for k in (1, 2))
    assert not np.array_equal(one, two)
    assert run(*command, "--seed", 1, *published["riff_cnet"]) == (0, "", "")
    assert np.array_equal(samples(tmp_path / "stem.wav"), two)
    assert np.array_equal(samples(tmp_path / "mix.wav"), samples(tmp_path / "mix-2.wav"))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["song.wav", "-o", "m.wav", "--method", "riff_cnet"], 'say what to add: --text "airy female vocal"'),
        (["song.wav", "-o", "m.wav", "--method", "riff_cnet", "--text", " "], "say what to add"),
        (["song.wav", "--text", "a", "--method", "riff_cnet"], "say where the result goes"),
        (["song.wav", "-o", "m.wav", "--text", "a", "--method", "lpc"], "lpc cannot add to a recording: choose from"),
        (["song.wav", "-o", "m.wav", "--text", "a", "--method", "rif_cnet"], "did you mean riff_cnet?"),
        (["song.wav", "-o", "song.wav", "--force", "--text", "a", "--method", "riff_cnet"], "song.wav is the input"),
        (["song.wav", "-o", "m.wav", "--stem", "song.wav", "--force", "--text", "a", "--method", "riff_cnet"],
         "song.wav is the input"),
        (["song.wav", "-o", "m.wav", "--stem", "m.wav", "--text", "a", "--method", "riff_cnet"], "is the mix as well"),
        (["song.wav", "-o", "m.wav", "--stem", "-", "--text", "a", "--method", "riff_cnet"], "--stem -"),
        (["none.wav", "-o", "m.wav", "--text", "a", "--method", "riff_cnet"], "there is no file 'none.wav'"),
        (["song.wav", "-o", "m.wav", "--text", "a", "--method", "riff_cnet", "-s", "weights=gone"],
         "'gone' is neither a folder nor one of"),
        (["song.wav", "-o", "m.wav", "--text", "a", "--method", "riff_cnet", "-s", "control=blur"],
         "control='blur' is not one of canny, sobel"),
        (["empty.wav", "-o", "m.wav", "--text", "a", "--method", "riff_cnet"], "holds no samples"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    song(tmp_path / "song.wav", 0.2, 1)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    assert complaint in error_of(run("add", *arguments))
    assert {path.name for path in tmp_path.iterdir()} == {"song.wav", "empty.wav"}


def test_without_a_method_ours_is_taken_or_those_that_can_are_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from caesura import addition

    source = song(tmp_path / "song.wav", 0.2, 1)
    monkeypatch.setattr(addition, "can_add", lambda: ("riff_cnet", "riff_p2p"))
    wanted = "say which method adds it: --method riff_cnet or riff_p2p"
    assert wanted in error_of(run("add", source, "--text", "a", "-o", tmp_path / "mix.wav"))


def test_the_help_says_what_it_does(run: Run) -> None:
    code, out, _ = run("add", "--help")
    assert code == 0
    for words in ("mix = song + stem", "--text", "--stem", "riff_cnet", "riff_p2p"):
        assert words in " ".join(out.split())
