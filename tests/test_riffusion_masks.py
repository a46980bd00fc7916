"""Riffusion with a mask: black stays, white is drawn anew, grey is pulled back; and every command that takes one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from caesura.audio import Audio, read, write
from caesura.cli import main
from caesura.codecs.image import SpectrogramImage
from caesura.diffusion import Weighted
from caesura.generation import can_hold, varied
from caesura.methods import build, load
from caesura.problem import Hold, Region
from riffusion_layout import riffusion

torch.set_num_threads(1)

RATE = 44_100
SAMPLES = 48_000


def take(samples: int = SAMPLES, channels: int = 1) -> np.ndarray:
    t = np.arange(samples) / RATE
    rows = [sum(0.1 / h * np.sin(2 * np.pi * 220 * (c + 1) * h * t + h) for h in range(1, 6)) for c in range(channels)]
    return np.stack(rows) + 0.003 * np.random.default_rng(5).standard_normal((channels, samples))


def tiny(**more: Any) -> Any:
    return build("riffusion", {**load("riffusion").quick, **more})  # type: ignore[attr-defined]


def held(weights: np.ndarray) -> Hold:
    return Hold(weights, 0.0, float(SAMPLES))


def played(x: np.ndarray, hold: Hold, regions: Any = None, **more: Any) -> np.ndarray:
    wanted = hold.regions(x.shape[1]) if regions is None else regions
    return varied(x, wanted, RATE, tiny(**{"strength": 1.0, "iterations": 0, **more}), hold=hold, seed=3).samples


def test_black_stays_to_the_bit_and_beside_a_box_to_the_bin() -> None:
    x, weights = take(), np.ones((64, 100))
    weights[:, 60:80] = 0.0
    weights[:16, 10:40] = 0.0
    y = played(x, held(weights))
    gap, box = slice(60 * 480, 80 * 480), slice(10 * 480, 40 * 480)
    kept = np.ones(SAMPLES, bool)
    kept[gap] = kept[box] = False
    np.testing.assert_array_equal(y[:, kept], x[:, kept])
    assert not np.allclose(y[:, gap], x[:, gap], atol=1e-3)
    change = np.abs(np.fft.rfft((y - x)[:, box] * np.hanning(30 * 480))) ** 2
    low = np.fft.rfftfreq(30 * 480, 1 / RATE) < 0.85 * held(weights).regions(SAMPLES)[0].low
    assert change.sum() > 0.0
    assert change[:, low].sum() < 1e-3 * change.sum()


@pytest.mark.parametrize("conditioning", ["plain", "ddnm", "guidance"])
def test_the_darker_the_more_stays(conditioning: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the latents: the untrained decoder does not tell them apart."""
    method, distances = load("riffusion"), []
    before = method._drawn  # type: ignore[attr-defined]

    def drawn(self: Any, model: Any, heard: Any, *given: Any) -> Any:
        z, evaluations = before(self, model, heard, *given)
        distances.append(float((z - heard.guide).norm() / heard.guide.norm()))
        return z, evaluations

    monkeypatch.setattr(method, "_drawn", drawn)
    for weight in (0.0, 0.2, 0.5, 1.0):
        hold = held(np.full((1, 1), weight))
        played(take(), hold, [Region(0, SAMPLES)], conditioning=conditioning, steps=4)
    free, light, dark, black = distances
    assert free > light > dark > black
    assert black < 1e-5  # held for good


def test_what_is_held_may_be_a_part_of_what_is_played_again() -> None:
    """Black inside a white ring lies within its gap, and its bands stay."""
    x, weights = take(), np.zeros((64, 100))
    weights[20:50, 30:70] = 1.0
    y = played(x, held(weights), iterations=32)
    image = SpectrogramImage(bands=64)
    a, b = image.mel(y), image.mel(x)
    inside = np.s_[:, 64 - 48 : 64 - 22, 36:72]  # bands from the bottom, away from the edges of the black
    outside = np.s_[:, 64 - 18 :, 36:72]
    errors = [np.linalg.norm(a[where] - b[where]) / np.linalg.norm(b[where]) for where in (inside, outside)]
    assert errors[0] < 0.25
    assert errors[1] > 3.0 * errors[0]


def test_a_mask_without_a_guide_holds_nothing() -> None:
    """What a gap lacks is unknown, so grey can hold none of it."""
    from caesura.problem import Problem
    from caesura.restoration import restore

    x, gap = take(), Region(20_000, 28_000)
    free = restore(Problem(x, (gap,), RATE), tiny(), seed=1).samples
    grey = restore(Problem(x, (gap,), RATE, hold=held(np.full((2, 2), 0.5))), tiny(), seed=1).samples
    np.testing.assert_array_equal(free, grey)


def test_weights_move_by_their_share() -> None:
    y, x = torch.tensor([[4.0, 4.0, 4.0]]), torch.tensor([[0.0, 0.0, 0.0]])
    observed = Weighted(y, torch.tensor([0.0, 0.25, 1.0]))
    torch.testing.assert_close(observed.project(x), torch.tensor([[0.0, 1.0, 4.0]]))
    torch.testing.assert_close(x + observed.back(observed.y - observed.apply(x)), observed.project(x))


def test_the_published_form_draws_one_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    from caesura.diffusion import Replacement

    seen: list[Any] = []
    before = Replacement.restate
    monkeypatch.setattr(Replacement, "restate", lambda self, *given: (seen.append(self.fixed), before(self, *given))[1])
    for preset in ("fast", "published"):
        played(take(), held(np.full((1, 1), 0.25)), conditioning="plain", preset=preset, steps=2)
    assert seen[0] is None
    assert seen[-1] is not None


def test_only_what_heeds_a_mask_is_given_one() -> None:
    assert can_hold() == ("riffusion",)
    with pytest.raises(ValueError, match="text_mini cannot hold parts of a guide: choose from riffusion"):
        varied(take(), [Region(0, 100)], RATE, build("text_mini"), hold=held(np.zeros((1, 1))))


# --- the commands ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("published") / "model"
    folder.mkdir()
    riffusion(folder)
    settings = {"weights": folder, "steps": 2, "duration": 0.64, "iterations": 0, "scale": 1.0, "bands": 64}
    return [part for key, value in settings.items() for part in ("-s", f"{key}={value}")]


def painted(path: Path, white: slice, grey: slice) -> Path:
    levels = np.zeros((512, 512), np.uint8)
    levels[:, white] = 255
    levels[:192, grey] = 191
    Image.fromarray(levels).save(path)
    return path


@pytest.mark.parametrize(("seconds", "channels"), [(5, 2), (30, 1)])
def test_a_recording_is_played_again_where_the_mask_is_white(
    seconds: int, channels: int, checkpoint: list[str], tmp_path: Path
) -> None:
    source, target = tmp_path / "take.wav", tmp_path / "out.wav"
    write(source, Audio(take(seconds * RATE, channels), RATE))
    mask = painted(tmp_path / "mask.png", np.s_[128:256], np.s_[384:448])
    command = ["vary", str(source), "-o", str(target), "--method", "riffusion", "--mask", str(mask), *checkpoint]
    assert main(command) == 0
    x, y = read(source).samples, read(target).samples
    changed = (x != y).any(axis=0)
    n = seconds * RATE
    assert changed[n // 4 : n // 2].mean() > 0.9
    assert not changed[: n // 4].any()
    assert not changed[n // 2 + 1 : 3 * n // 4].any()
    assert changed[3 * n // 4 : 7 * n // 8].mean() > 0.9
    assert not changed[7 * n // 8 + 1 :].any()


def test_a_mask_says_where_to_restore(tmp_path: Path) -> None:
    source, one, other = (tmp_path / f"{name}.wav" for name in ("take", "one", "other"))
    write(source, Audio(take(51_200), RATE))
    mask = tmp_path / "mask.png"
    levels = np.zeros((8, 512), np.uint8)
    levels[:, 100:120] = 255
    Image.fromarray(levels).save(mask)
    shape = ["--method", "lsar", "-s", "order=64"]
    assert main(["restore", str(source), "-o", str(one), "--mask", str(mask), *shape]) == 0
    gap = f"{10_000 / RATE:.9f}-{12_000 / RATE:.9f}"
    assert main(["restore", str(source), "-o", str(other), "--gap", gap, *shape]) == 0
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["vary", "--method", "riffusion", "--gap", "0.1-0.2", "--mask", "m.png"],
            "--gap 0.1-0.2 and --mask m.png both",
        ),
        (["vary", "--method", "riffusion", "--mask", "none.png"], "there is no file 'none.png'"),
        (["vary", "--method", "riffusion", "--mask", "black.png"], "the mask is black everywhere"),
        (["vary", "--method", "text_mini", "--mask", "m.png"], "text_mini cannot hold parts of a guide"),
        (["restore", "--mask", "none.png"], "there is no file 'none.png'"),
        (["restore", "--mask", "take.wav"], "is not a picture that can be read"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "take.wav", Audio(take(20_000), RATE))
    painted(tmp_path / "m.png", np.s_[0:100], np.s_[0:0])
    painted(tmp_path / "black.png", np.s_[0:0], np.s_[0:0])
    more = ["-s", "weights=tiny"] if "riffusion" in arguments else []
    assert main([arguments[0], "take.wav", "-o", "out.wav", *arguments[1:], *more]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out.wav").exists()
