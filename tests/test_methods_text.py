"""AudioLDM and Tango as methods: walks, text, level, what is known, regions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

import numpy as np
import pytest
import torch

from caesura.codecs.mel import Level
from caesura.diffusion.schedules import sigmas_of
from caesura.inpainter import Note, Unsupported
from caesura.methods import build, load
from caesura.methods._levelling import LIMIT, matched
from caesura.methods._walks import PRESETS, Conditioning
from caesura.networks.audioldm import BETAS as AUDIOLDM_BETAS
from caesura.networks.audioldm import open_audioldm
from caesura.networks.latent_models import scaled_linear
from caesura.networks.tango import BETAS as TANGO_BETAS
from caesura.networks.tango import open_tango
from caesura.problem import Problem, Region
from caesura.restoration import restore
from caesura.seam import seam_score

torch.set_num_threads(1)

RATE = 16_000
METHODS = ("audioldm", "tango")
WAYS = get_args(Conditioning)
GAP = Region(10_000, 13_000)


def take(samples: int = 24_000, seed: int = 5) -> np.ndarray:
    """Partials over a little noise, (1, samples)."""
    t = np.arange(samples) / RATE
    sound = sum(0.2 / h * np.sin(2 * np.pi * 220 * h * t + h) for h in range(1, 6))
    return (sound + 0.01 * np.random.default_rng(seed).standard_normal(samples))[None]


def tiny(name: str, **more: Any) -> Any:
    return build(name, {**load(name).quick, "steps": 4, **more})  # type: ignore[attr-defined]


def fill(method: Any, x: np.ndarray, region: Region = GAP, seed: int = 0, **more: Any) -> np.ndarray:
    return restore(Problem(x, (region,), RATE, **more), method, seed=seed).samples


def inside(x: np.ndarray, region: Region = GAP) -> np.ndarray:
    return x[:, region.start : region.stop]


# --- walks ---------------------------------------------------------------------------------------------------------

EVALUATIONS = {
    "published": {"plain": 1000, "repaint": 9991, "repaint+": 9910, "ddnm": 1000, "ddnm+": 10_945, "guidance": 1000},
    "fast": {"plain": 100, "repaint": 191, "repaint+": 180, "ddnm": 100, "ddnm+": 114, "guidance": 50},
}


@pytest.mark.parametrize("preset", EVALUATIONS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("betas", "offset"), [(AUDIOLDM_BETAS, 1), (TANGO_BETAS, 0)])
def test_walks_ask_the_network_as_often_as_published(
    preset: str, way: str, betas: tuple[float, float], offset: int
) -> None:
    sigmas = PRESETS[preset][way].sigmas(scaled_linear(*betas), offset=offset)
    assert int((sigmas[1:] <= sigmas[:-1]).sum()) == EVALUATIONS[preset][way]
    assert sigmas[-1] == 0.0
    assert sigmas[0] == sigmas.max()


@contextmanager
def counted(model: Any) -> Iterator[list[float]]:
    """Lists the time steps that the U-Net is asked for."""
    asked: list[float] = []
    hook = model.unet.register_forward_pre_hook(lambda _, given: asked.extend(given[1].tolist()))
    try:
        yield asked
    finally:
        hook.remove()


def test_audioldms_own_walk_is_the_published_one() -> None:
    notes: list[Note] = []
    method = tiny("audioldm", preset="published", conditioning="plain", steps=30)
    with counted(open_audioldm("tiny")) as asked:
        method(Problem(take(8_000), (Region(3_000, 4_000),), RATE), rng=np.random.default_rng(0), note=notes.append)
    assert asked == [k * 33 + 1 for k in range(30, -1, -1)]
    assert notes[0].parameters == {"conditioning": "plain", "evaluations": 31}


def test_tangos_walk_begins_at_the_lowest_level() -> None:
    with counted(open_tango("tiny")) as asked:
        fill(tiny("tango", conditioning="plain", steps=50), take(8_000), Region(3_000, 4_000))
    assert asked == list(range(980, -1, -20))


# --- text -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_the_text_makes_a_difference_and_no_text_is_one(name: str) -> None:
    method, x = tiny(name), take()
    silent = fill(method, x)
    assert not np.allclose(inside(silent), inside(fill(method, x, text="a dog barks")), atol=1e-4)
    assert not np.allclose(inside(silent), inside(fill(tiny(name, negative="a dog barks"), x)), atol=1e-4)
    same = fill(tiny(name, negative="a dog barks"), x, text="a dog barks")
    # What is to be heard and what is not cancel: the model is asked once, with that text.
    np.testing.assert_array_equal(same, fill(tiny(name, scale=1.0), x, text="a dog barks"))


@pytest.mark.parametrize(("text", "scale", "calls"), [("", 3.0, 4), ("rain", 3.0, 8), ("rain", 1.0, 4)])
def test_the_network_is_asked_twice_only_where_a_text_guides(text: str, scale: float, calls: int) -> None:
    with counted(open_tango("tiny")) as asked:
        fill(tiny("tango", scale=scale), take(8_000), Region(3_000, 4_000), text=text)
    assert len(asked) == calls


# --- level ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("scale", "offset"), [(1e-3, 0.0), (1.0, 0.2)])
def test_the_fill_follows_the_level_and_the_mean_of_the_recording(name: str, scale: float, offset: float) -> None:
    method, x = tiny(name), take()
    found, wanted = fill(method, scale * x + offset), scale * fill(method, x) + offset
    # Single precision in the networks, over four steps that begin at a level of 80.
    assert np.abs(inside(found - wanted)).max() < 2e-3 * scale * np.abs(inside(wanted - offset) / scale).max()


def test_a_clip_at_another_level_is_brought_to_that_of_its_surroundings() -> None:
    y = np.random.default_rng(0).standard_normal(20_000)
    mask = np.ones(y.size, bool)
    mask[8_000:12_000] = False
    region = Region(8_000, 12_000)
    for factor in (0.2, 1.0, 7.0):
        np.testing.assert_allclose(matched(factor * y, y, mask, [region])[~mask], y[~mask], rtol=1e-9)
    # A clip that is 1.5 times too loud before and 6 times after: the gain goes from 1/1.5 to 1/6.
    drifting = np.where(np.arange(y.size) < 10_000, 1.5, 6.0) * y
    gain = (matched(drifting, y, mask, [region]) / drifting)[~mask]
    assert gain[0] == pytest.approx(1 / 1.5)
    assert gain[-1] == pytest.approx(1 / 6.0)
    np.testing.assert_allclose(np.diff(np.log(gain)), np.log(0.25) / 3999, rtol=1e-6)


def test_a_level_that_is_far_off_is_not_forced() -> None:
    y = np.random.default_rng(0).standard_normal(4_000)
    mask = np.ones(y.size, bool)
    mask[1_000:2_000] = False
    region = [Region(1_000, 2_000)]
    np.testing.assert_allclose(matched(1e-3 * y, y, mask, region)[~mask], LIMIT * 1e-3 * y[~mask])
    np.testing.assert_array_equal(matched(0.0 * y, y, mask, region), 0.0 * y)
    np.testing.assert_array_equal(matched(y, y, np.zeros_like(mask), region), y)


# --- what is known --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_oracle_latents_leak_what_was_in_the_gap_and_nothing_else_does(name: str) -> None:
    x = take()
    other = x.copy()
    other[:, GAP.start : GAP.stop] *= -0.3
    leaking = tiny(name, oracle_latents=True)
    one, two = (inside(fill(leaking, x, guide=guide)) for guide in (x, other))
    assert np.abs(one - two).max() > 1e-4
    for known in ("encoder", "frames", "tile"):
        blind = tiny(name, known=known)
        np.testing.assert_array_equal(fill(blind, x)[0, GAP.start : GAP.stop], inside(fill(blind, other))[0])


def test_oracle_latents_need_the_complete_recording() -> None:
    with pytest.raises(ValueError, match="pass it as guide"):
        fill(tiny("tango", oracle_latents=True), take())


@pytest.mark.parametrize("strength", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("name", METHODS)
def test_a_guide_is_varied_by_as_much_as_asked(name: str, strength: float) -> None:
    x = take()
    model = {"audioldm": open_audioldm, "tango": open_tango}[name]("tiny")
    heard = torch.from_numpy(np.pad(Level.of(x[0]).apply(x[0]), (0, 1_600)))[None].float()
    latents, states, sigmas = model.codec.encode(heard), [], sigmas_of(model.alphas_cumprod)
    hook = model.unet.register_forward_pre_hook(lambda _, given: states.append(given[:2]))
    whole = Region(0, x.shape[1])
    method = tiny(name, strength=strength, steps=10, conditioning="plain")
    # The guide is heard at the level of the recording, of which nothing is known here but silence.
    fill(method, np.zeros_like(x), whole, guide=heard[:, : x.shape[1]].double().numpy())
    hook.remove()
    assert len(states) == round(10 * strength)
    first, t = states[0]
    sigma = float(sigmas[t])
    noise = (float(np.hypot(1.0, sigma)) * first - latents) / sigma
    # 5120 numbers: their mean and their variance are those of unit noise within five standard errors.
    assert abs(float(noise.mean())) < 5 / 5120**0.5
    assert float(noise.var()) == pytest.approx(1.0, abs=5 * (2 / 5120) ** 0.5)


@pytest.mark.parametrize("name", METHODS)
def test_sound_from_nothing(name: str) -> None:
    made = fill(tiny(name), np.zeros((1, 16_000)), Region(0, 16_000), text="rain")
    again = fill(tiny(name), np.zeros((1, 16_000)), Region(0, 16_000), seed=1, text="rain")
    assert np.isfinite(made).all()
    assert 1e-4 < made.std() < 1.0
    assert not np.allclose(made, again, atol=1e-4)


# --- regions --------------------------------------------------------------------------------------------------------


def spectrum(x: np.ndarray) -> np.ndarray:
    return np.abs(np.fft.rfft(x * np.hanning(x.size)))


@pytest.mark.parametrize("name", METHODS)
def test_a_band_is_filled_and_what_lies_outside_it_is_kept(name: str) -> None:
    x = take()
    box = Region(4_000, 20_000, 4_000.0, 7_000.0)
    made = fill(tiny(name, known="tile"), x, box)
    assert np.array_equal(made[:, :4_000], x[:, :4_000])
    assert np.array_equal(made[:, 20_000:], x[:, 20_000:])
    hertz = np.fft.rfftfreq(16_000, 1 / RATE)
    difference = spectrum(made[0, 4_000:20_000] - x[0, 4_000:20_000]) ** 2
    # The box's frame leaks by the side lobes of its window only; see caesura.problem.
    assert difference[(hertz < 3_500) | (hertz > 7_500)].sum() < 1e-3 * difference.sum()


def test_a_band_above_what_the_model_knows_is_refused() -> None:
    x = np.random.default_rng(3).standard_normal((1, 44_100))
    restored = restore(Problem(x, (Region(10_000, 20_000, 9_000.0, 12_000.0),), 44_100), tiny("tango"))
    assert not restored.fills[0].filled
    assert restored.fills[0].why == "the box lies above the 8 kHz that the model knows"


def test_a_region_longer_than_a_clip_is_refused() -> None:
    with pytest.raises(Unsupported, match=r"longer than the 10.24 s this method hears at once"):
        fill(tiny("tango"), np.zeros((1, 12 * RATE)), Region(100, 11 * RATE))


def test_a_gap_in_a_long_stereo_recording_at_another_rate() -> None:
    rng = np.random.default_rng(4)
    x = 0.1 * rng.standard_normal((2, 13 * 22_050))
    gap = Region(6 * 22_050, 6 * 22_050 + 2_205)
    restored = restore(Problem(x, (gap,), 22_050), tiny("audioldm", steps=2)).samples
    assert np.array_equal(
        np.delete(restored, np.s_[gap.start : gap.stop], axis=1), np.delete(x, np.s_[gap.start : gap.stop], axis=1)
    )
    # The gap is a hundredth of the clip; its level is that of what the model can hear of the surroundings.
    assert 0.02 < inside(restored, gap).std() < 0.5


def test_the_least_conspicuous_candidate_is_taken() -> None:
    x = take()
    mask = np.ones(x.shape, bool)
    mask[:, GAP.start : GAP.stop] = False
    better = 0
    for seed in range(3):
        one, best = (fill(tiny("audioldm", candidates=n), x, seed=seed) for n in (1, 4))
        alone, chosen = (seam_score(filled, GAP, mask) for filled in (one, best))
        assert alone is not None
        assert chosen is not None
        # The first of four is the one that is drawn alone, so four can only be better, up to rounding.
        assert chosen <= alone * (1.0 + 1e-3)
        better += chosen < 0.99 * alone
    assert better


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ({"steps": 1}, "steps=1 is no walk"),
        ({"steps": -1}, "steps=-1 is below 0"),
        ({"scale": -0.5}, "scale=-0.5 is below 0"),
        ({"candidates": 0}, "candidates=0 is below 1"),
        ({"duration": 20.0}, "duration=20.0 must be above 0 and at most 10.24"),
        ({"strength": 0.0}, "strength=0.0 must be above 0 and at most 1"),
        ({"conditioning": "magic"}, "conditioning='magic' is not one of plain, repaint"),
    ],
)
@pytest.mark.parametrize("name", METHODS)
def test_settings_out_of_range_are_refused(name: str, setting: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint.replace("+", r"\+")):
        build(name, setting)
