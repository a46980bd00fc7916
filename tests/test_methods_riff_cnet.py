"""Riff-CNET as a method: what it is shown of a backing track, what is drawn over it, and in any length."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from caesura.codecs.edges import canny, control_of
from caesura.codecs.image import SpectrogramImage
from caesura.diffusion.schedules import sigmas_of
from caesura.methods import build, load
from caesura.methods._backing import backing
from caesura.methods._pictures import shown
from caesura.methods.riff_cnet import WALKS
from caesura.methods.riffusion import Riffusion
from caesura.networks.checkpoints import part_of
from caesura.networks.controlnet import ControlledModel, open_controlled
from caesura.networks.latent_models import scaled_linear
from caesura.networks.riffusion import BETAS
from caesura.problem import Problem, Region
from riffusion_cases import entries

torch.set_num_threads(1)

RATE = 44_100
SMALL = SpectrogramImage(bands=64)


def take(samples: int = 24_000, channels: int = 1, low: float = 220.0) -> np.ndarray:
    """Partials that begin twice, over a little noise, (channels, samples)."""
    t = np.arange(samples) / RATE
    rows = [sum(0.1 / h * np.sin(2 * np.pi * low * (c + 1) * h * t + h) for h in range(1, 6)) for c in range(channels)]
    x = np.stack(rows) * (np.arange(samples) % 15_000 > 4_000)
    return x + 0.001 * np.random.default_rng(5).standard_normal((channels, samples))


def tiny(**more: Any) -> Any:
    return build("riff_cnet", {**load("riff_cnet").quick, **more})  # type: ignore[attr-defined]


def over(guide: np.ndarray, text: str = "a flute") -> Problem:
    return Problem(np.zeros_like(guide), (Region(0, guide.shape[1]),), RATE, guide=guide, text=text)


def stem(method: Any, guide: np.ndarray, text: str = "a flute", seed: int = 0) -> np.ndarray:
    """What the method adds to a backing track."""
    return np.asarray(method(over(guide, text), rng=np.random.default_rng(seed)) - guide)


@contextmanager
def controls() -> Iterator[list[torch.Tensor]]:
    """Lists what the control network is shown."""
    seen: list[torch.Tensor] = []
    network = open_controlled("tiny", "tiny").network
    hook = network.register_forward_pre_hook(
        lambda _, __, named: seen.append(named["controlnet_cond"]), with_kwargs=True
    )
    try:
        yield seen
    finally:
        hook.remove()


def edges(x: np.ndarray, low: int = 100) -> np.ndarray:
    """Edges (bands, frames) of a signal's picture, from 0 to 1."""
    return canny(SMALL.pixels(SMALL.mel(x))[..., 0], low) / 255.0


# --- what the networks are asked --------------------------------------------------------------------------------------


def test_the_published_walk_is_the_published_one() -> None:
    levels = scaled_linear(*BETAS)
    found = WALKS["published"].sigmas(levels, offset=1)
    torch.testing.assert_close(found[:-1], sigmas_of(levels)[entries()["sampling_constants"]["expected"]["ddim"]])


@pytest.mark.parametrize("extension", ["shared", "published"])
def test_with_zero_convolutions_the_latents_are_those_of_riffusion(extension: str) -> None:
    """Training begins there: a copy of the way down, and convolutions that are zero."""
    base = open_controlled("tiny", "tiny").base
    fresh = part_of("diffusers", "ControlNetModel").from_unet(
        base.unet, conditioning_embedding_out_channels=(4, 4, 8, 8)
    )
    untaught = ControlledModel(base, fresh.eval().requires_grad_(False))
    x, codec = take(60_000), base.codec(SMALL)
    method = tiny(scale=7.0, steps=3, extension=extension)
    known = backing(over(x), SMALL, least=64)
    mine = method.drawn(untaught, codec, known, "a flute", np.random.default_rng(4))
    plain = Riffusion(weights="tiny", scale=7.0, steps=3, bands=64)
    nothing = Problem(np.zeros_like(x), (Region(0, x.shape[1]),), RATE, text="a flute")
    heard = shown(nothing, codec, least=64, sees="encoder", colours="grey", place=base.place)
    theirs, _ = plain._drawn(base, heard, np.random.default_rng(4), lambda _: None)
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)
    controlled = method.drawn(open_controlled("tiny", "tiny"), codec, known, "a flute", np.random.default_rng(4))
    assert float((controlled - theirs).norm()) > 0.1 * float(theirs.norm())


@pytest.mark.parametrize(
    ("more", "calls"), [({}, 2), ({"guess": True}, 1), ({"scale": 1.0}, 1), ({"control_strength": 0.0}, 0)]
)
def test_the_control_is_shown_with_and_without_the_text(more: dict[str, Any], calls: int) -> None:
    with controls() as seen:
        stem(tiny(steps=3, **more), take(8_000))
    assert len(seen) == 3 * calls


@pytest.mark.parametrize("control", ["canny", "sobel", "sobel_denoised", "spectrogram"])
def test_the_control_is_that_of_the_backing(control: Any) -> None:
    x = take(20_000)
    with controls() as seen:
        stem(tiny(control=control, scale=1.0), x)
    wanted = control_of(SMALL.pixels(SMALL.mel(x)), control) / 255.0
    assert wanted.std() > 0.0
    frames = SMALL.frames(20_000)
    for each in seen:
        assert each.shape == (1, 3, 64, 64)
        np.testing.assert_allclose(each[0, ..., :frames].permute(1, 2, 0).numpy(), wanted, atol=1e-6)
        assert (each[..., frames:] == float(control == "spectrogram")).all()  # silence, and no edge where it begins


def test_windows_are_shown_their_own_parts() -> None:
    x = take(8 * RATE)
    with controls() as seen:
        stem(tiny(scale=1.0, iterations=0), x)
    wanted = np.pad(edges(x), ((0, 0), (0, 832 - 801)))
    for part, start in zip(seen, (0, 256, 320), strict=False):
        np.testing.assert_array_equal(part[0, 0].numpy(), wanted[:, start : start + 512])
    assert len(seen) == 2 * 3


def test_the_published_extension_sees_what_was_drawn_before() -> None:
    x = take(8 * RATE)
    method = tiny(scale=1.0, iterations=0, extension="published", threshold=150)
    base, codec = open_controlled("tiny", "tiny").base, open_controlled("tiny", "tiny").base.codec(SMALL)
    known = backing(over(x), SMALL, least=64)
    with controls() as seen:
        z = method.drawn(open_controlled("tiny", "tiny"), codec, known, "a flute", np.random.default_rng(0))
    assert z.shape == (1, 4, 8, 104)
    assert base.place == z.device
    assert [part.shape[-1] for part in seen] == [512] * 6  # two levels of each of three windows
    wanted = np.pad(edges(x, 150), ((0, 0), (0, 1024 - 801)))
    for k, first in enumerate((0, 256, 512)):
        control = seen[2 * k][0, 0].numpy()
        np.testing.assert_array_equal(control[:, 256:], wanted[:, first + 256 : first + 512])
        if k:
            drawn = codec.decode(z[..., first // 8 - 32 : first // 8 + 32])[0, :, :, 256:].mean(dim=0)
            again = canny((127.5 * (drawn.clamp(-1, 1) + 1)).numpy().astype(np.uint8), 150) / 255.0
            assert (control[:, :256] != again).mean() < 0.01  # of two sums of bytes one may round the other way


# --- what comes of it -------------------------------------------------------------------------------------------------


def test_text_backing_control_and_seed_make_a_difference() -> None:
    x, plain = take(), {"scale": 3.0, "iterations": 0}
    sounds = [
        stem(tiny(**plain), x), stem(tiny(**plain), x, text="drums"), stem(tiny(**plain), take(low=330.0)),
        stem(tiny(**plain), x, seed=1), stem(tiny(control="sobel", **plain), x), stem(tiny(guess=True, **plain), x),
        stem(tiny(control_strength=0.4, **plain), x), stem(tiny(negative="noise", **plain), x),
    ]  # fmt: skip
    assert np.array_equal(sounds[0], stem(tiny(**plain), x))
    for k, one in enumerate(sounds):
        assert np.isfinite(one).all()
        assert one.std() > 1e-5
        for second in sounds[:k]:
            assert np.abs(one - second).max() > 1e-5


@pytest.mark.parametrize("step", ["2m", "euler", "heun", "ancestral", "renoise"])
def test_every_step_of_the_engine_works(step: str) -> None:
    assert np.isfinite(stem(tiny(step=step, steps=3, iterations=0), take())).all()


def test_equal_channels_stay_equal_unless_they_are_to_differ() -> None:
    x = np.repeat(take(), 2, axis=0)
    same, wide = (stem(tiny(width=w), x) for w in (0.0, 0.5))
    assert np.array_equal(same[0], same[1])
    assert np.abs(wide[0] - wide[1]).max() > 1e-5
    with controls() as seen:
        stem(tiny(), take(channels=2))
    assert seen[0].shape[0] == 2
    assert not torch.equal(seen[0][0], seen[0][1])


def test_pictures_are_padded_where_the_published_program_stretches_them() -> None:
    """Nothing is resized: where the published width is the nearest multiple of 64, ours is the next one."""
    for rows, columns, _, published in entries()["control_resize_sizes"]["expected"]["height_width_to_height_width"]:
        if rows == 512:
            made = backing(over(np.zeros((1, SMALL.samples(columns)))), SMALL, least=64).mel.shape[-1]
            assert made >= columns
            assert made - published in (0, 64)
            assert made % 64 == 0


def test_over_silence_there_are_no_edges() -> None:
    with controls() as seen:
        made = stem(tiny(), np.zeros((1, 20_000)))
    assert not any(each.any() for each in seen)
    assert np.isfinite(made).all()


def test_progress_never_goes_back() -> None:
    for extension in ("shared", "published"):
        told: list[float] = []
        tiny(extension=extension, iterations=0)(
            over(take(8 * RATE)), rng=np.random.default_rng(0), progress=told.append
        )
        assert told == sorted(told)
        assert told[-1] == 1.0


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ({"steps": 1}, "steps=1 is no walk"),
        ({"scale": -1.0}, "scale=-1.0 must lie between 0 and inf"),
        ({"control_strength": -0.5}, "control_strength=-0.5 must lie between 0 and 10"),
        ({"control": "blur"}, "control='blur' is not one of canny, sobel"),
        ({"threshold": "120"}, "threshold='120' is not one of 100, 150"),
        ({"duration": 0.0}, "duration=0.0 must be above 0"),
        ({"bands": 100}, "bands=100 must be a multiple of 64"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        build("riff_cnet", setting)
