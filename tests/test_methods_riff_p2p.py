"""Riff-P2P as a method: what is added over a backing track, and that the backing stays as it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from caesura.audio import Audio, read, write
from caesura.cli import main
from caesura.codecs.image import SpectrogramImage
from caesura.codecs.image_latents import ImageLatents
from caesura.diffusion.schedules import sigmas_of
from caesura.methods import build, load
from caesura.methods._backing import Backing, backing, with_stem
from caesura.methods.riff_p2p import WALKS
from caesura.networks.latent_models import scaled_linear
from caesura.networks.riff_p2p import open_riff_p2p
from caesura.networks.riffusion import BETAS
from caesura.problem import Problem, Region
from riffusion_layout import riffusion

torch.set_num_threads(1)

RATE = 44_100


def take(samples: int = 24_000, channels: int = 1, low: float = 220.0) -> np.ndarray:
    """Partials over a little noise, (channels, samples)."""
    t = np.arange(samples) / RATE
    rows = [sum(0.1 / h * np.sin(2 * np.pi * low * (c + 1) * h * t + h) for h in range(1, 6)) for c in range(channels)]
    return np.stack(rows) + 0.003 * np.random.default_rng(5).standard_normal((channels, samples))


def tiny(**more: Any) -> Any:
    return build("riff_p2p", {**load("riff_p2p").quick, **more})  # type: ignore[attr-defined]


def stem(method: Any, guide: np.ndarray, text: str = "add a flute", seed: int = 0) -> np.ndarray:
    """What the method adds to a backing track."""
    problem = Problem(np.zeros_like(guide), (Region(0, guide.shape[1]),), RATE, guide=guide, text=text)
    return np.asarray(method(problem, rng=np.random.default_rng(seed)) - guide)


@contextmanager
def heard() -> Iterator[list[torch.Tensor]]:
    """Lists what the U-Net is given."""
    given: list[torch.Tensor] = []
    hook = open_riff_p2p("tiny").unet.register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
    try:
        yield given
    finally:
        hook.remove()


# --- what the model is asked ----------------------------------------------------------------------------------------


def test_the_published_walk_has_a_hundred_levels() -> None:
    levels = scaled_linear(*BETAS)
    found = WALKS["published"].sigmas(levels, offset=1)
    torch.testing.assert_close(found[:-1], sigmas_of(levels)[list(range(991, 0, -10))])


@pytest.mark.parametrize(
    ("more", "calls"), [({}, 3), ({"scale": 1.0, "image_scale": 1.0}, 1), ({"scale": 2.0, "image_scale": 2.0}, 2)]
)
def test_the_network_is_asked_for_the_branches_that_count(more: dict[str, Any], calls: int) -> None:
    with heard() as given:
        stem(tiny(steps=3, **more), take(8_000))
    assert len(given) == 3 * calls


def test_every_window_is_shown_its_own_part_of_the_backing() -> None:
    guide = take(12 * RATE)
    method = tiny(scale=1.0, image_scale=1.0, iterations=0)
    model = open_riff_p2p("tiny")
    codec = model.codec(SpectrogramImage(bands=64))
    problem = Problem(np.zeros_like(guide), (Region(0, guide.shape[1]),), RATE, guide=guide)
    shown = codec.encode(backing(problem, codec.image, least=64).picture(codec)) / model.scale
    with heard() as given:
        stem(method, guide)
    starts = (0, 32, 64, 88)  # 1201 columns are drawn as 1216, which are 152 cells
    for part, start in zip(given, starts, strict=False):
        torch.testing.assert_close(part[:, 4:], shown[..., start : start + 64])
    assert len(given) == 2 * len(starts)


def test_without_the_picture_the_network_is_shown_nothing() -> None:
    with heard() as given:
        stem(tiny(steps=2), take(8_000))
    assert [bool(part[:, 4:].any()) for part in given] == [True, True, False] * 2
    for k in (1, 2):
        torch.testing.assert_close(given[k][:, :4], given[0][:, :4])


# --- what comes of it -----------------------------------------------------------------------------------------------


def test_text_backing_scales_and_seed_make_a_difference() -> None:
    x, plain = take(), {"scale": 3.0}
    other = take(low=330.0)
    sounds = [
        stem(tiny(**plain), x), stem(tiny(**plain), x, text="add a drum"), stem(tiny(**plain), other),
        stem(tiny(**plain), x, seed=1), stem(tiny(scale=9.0), x), stem(tiny(image_scale=4.0, **plain), x),
        stem(tiny(negative="noise", **plain), x),
    ]  # fmt: skip
    assert np.array_equal(sounds[0], stem(tiny(**plain), x))
    for k, one in enumerate(sounds):
        assert np.isfinite(one).all()
        assert one.std() > 1e-5
        for second in sounds[:k]:
            assert np.abs(one - second).max() > 1e-5


@pytest.mark.parametrize("step", ["2m", "euler", "heun", "ancestral", "renoise"])
def test_every_step_of_the_engine_works(step: str) -> None:
    assert np.isfinite(stem(tiny(step=step, steps=3), take())).all()


def test_equal_channels_stay_equal_unless_they_are_to_differ() -> None:
    x = np.repeat(take(), 2, axis=0)
    same, wide = (stem(tiny(width=w), x) for w in (0.0, 0.5))
    assert np.array_equal(same[0], same[1])
    assert np.abs(wide[0] - wide[1]).max() > 1e-5


class Painted:
    """An autoencoder whose every picture is the one that it is given first."""

    def __init__(self, picture: torch.Tensor) -> None:
        self.picture = picture

    def moments(self, mel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return mel[:, :1, ::8, ::8], mel[:, :1, ::8, ::8]

    def decoded(self, latents: torch.Tensor) -> torch.Tensor:
        return self.picture


def test_of_a_mix_the_part_that_was_added_is_kept_and_the_backing_is_not_touched() -> None:
    image, samples = SpectrogramImage(), 100_000
    t = np.arange(samples) / RATE
    backing_, part = take(samples), np.zeros((1, samples))
    part[0, 40_000:80_000] = 0.1 * np.sin(2 * np.pi * 3_000.0 * t[40_000:80_000]) * np.hanning(40_000)
    problem = Problem(np.zeros_like(backing_), (Region(0, samples),), RATE, guide=backing_)
    known = backing(problem, image, least=256, headroom=24.0)
    mix = np.pad(image.mel(backing_ + part), ((0, 0), (0, 0), (0, known.mel.shape[-1] - image.frames(samples))))
    plain = ImageLatents(Painted(torch.zeros(1)), 1.0, image)
    drawn = plain.pictures(1.5 * mix, known.loudest, "grey")  # half as loud again: the level of a picture is not known
    codec = ImageLatents(Painted(drawn), 1.0, image)
    made = with_stem(known, codec, torch.zeros(1, 4, 64, drawn.shape[-1] // 8), np.random.default_rng(0), 16)
    added = (made - backing_)[0]
    assert added[48_000:72_000].std() == pytest.approx(part[0, 48_000:72_000].std(), rel=0.2)
    before = added[2_000:30_000].std()
    assert before < 0.03 * added[48_000:72_000].std()
    spectrum = np.abs(np.fft.rfft(added[48_000:72_000] * np.hanning(24_000)))
    assert abs(np.argmax(spectrum) * RATE / 24_000 - 3_000.0) < 5.0


def test_headroom_makes_the_backing_lighter() -> None:
    image = SpectrogramImage(bands=64)
    problem = Problem(take(), (Region(0, 100),), RATE)
    known, quiet = (backing(problem, image, least=64, headroom=db) for db in (0.0, 20.0))
    assert quiet.loudest == pytest.approx(10.0 * known.loudest)
    assert known.loudest == known.mel.max()


def test_without_a_guide_the_recording_is_the_backing() -> None:
    problem = Problem(take(), (Region(8_000, 12_000),), RATE, text="add a flute")
    made = tiny()(problem, rng=np.random.default_rng(0))
    assert isinstance(backing(problem, SpectrogramImage(bands=64), least=64), Backing)
    added = made - problem.y
    guided = stem(tiny(), np.array(problem.y))
    np.testing.assert_allclose(added, guided, atol=1e-12)


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ({"steps": 1}, "steps=1 is no walk"),
        ({"scale": -1.0}, "scale=-1.0 must lie between 0 and inf"),
        ({"image_scale": -0.5}, "image_scale=-0.5 must lie between 0 and inf"),
        ({"headroom": 30.0}, "headroom=30.0 must lie between 0 and 24"),
        ({"duration": 0.0}, "duration=0.0 must be above 0"),
        ({"bands": 100}, "bands=100 must be a multiple of 64"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        build("riff_p2p", setting)


# --- the command, on a checkpoint in the published layout -----------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("published") / "model"
    riffusion(folder, channels=8, old=True)
    settings = {"weights": folder, "steps": 2, "iterations": 0, "scale": 2.0, "image_scale": 2.0}
    return [part for key, value in settings.items() for part in ("-s", f"{key}={value}")]


@pytest.mark.parametrize(("seconds", "channels", "bands"), [(5.0, 1, 512), (5.0, 2, 64), (30.0, 2, 64)])
def test_a_stem_is_added_end_to_end(
    seconds: float, channels: int, bands: int, checkpoint: list[str], tmp_path: Path
) -> None:
    song, mix, part = (tmp_path / f"{name}.wav" for name in ("song", "mix", "stem"))
    write(song, Audio(take(round(seconds * RATE), channels), RATE), subtype="PCM_16")
    said = ["--text", "add a female vocal pop melody", "--method", "riff_p2p", *checkpoint, "-s", f"bands={bands}"]
    assert main(["add", str(song), "-o", str(mix), "--stem", str(part), *said]) == 0
    x, made, stem = (read(path).samples for path in (song, mix, part))
    assert made.shape == x.shape == (channels, round(seconds * RATE))
    assert np.abs(made).max() <= 1.0
    assert stem.std() > 1e-5
    np.testing.assert_allclose(made, x + stem, atol=1e-7)  # the stem is of 32-bit floats
