"""A stem over a backing track: what is isolated from a drawn mix, how long songs go, and what never changes."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from caesura.addition import added, can_add
from caesura.generation import can_generate, generate
from caesura.inpainter import Accepts, Listener, Note, Progress, Unsupported, ignore, silent
from caesura.methods import build
from caesura.methods._stems import fitted_gain, isolated, isolated_bands
from caesura.problem import Problem

RATE = 16_000
LONG = 6 * RATE


def backing(samples: int = LONG, channels: int = 1) -> np.ndarray:
    """Low partials that die away, over a little noise."""
    t = np.arange(samples) / RATE
    sound = sum(0.2 / h * np.sin(2 * np.pi * 110 * h * t) for h in range(1, 5)) * np.exp(-2 * (t % 1.0))
    noise = 0.001 * np.random.default_rng(1).standard_normal((channels, samples))
    return np.stack([sound * (1 + 0.5 * c) for c in range(channels)]) + noise


def tune(samples: int = LONG) -> np.ndarray:
    """A tone high above the backing, in the middle half only."""
    t = np.arange(samples) / RATE
    return (0.1 * np.sin(2 * np.pi * 1_500 * t) * (np.abs(t / t[-1] - 0.5) < 0.25))[None]


@dataclass(frozen=True)
class Singer:
    """Adds a tone to what it hears, and spoils the guide above half its band as a resampler would."""

    level: float = 0.1

    accepts: ClassVar[Accepts] = Accepts(guide=True, adds=True, generates=RATE)
    heard: ClassVar[list[Problem]] = []

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> np.ndarray:
        """The guide and a tone that goes on from piece to piece."""
        self.heard.append(problem)
        progress(0.5)
        t = (problem.start + np.arange(problem.samples)) / problem.sample_rate
        assert problem.guide is not None
        return problem.guide + self.level * np.sin(2 * np.pi * 440 * t)


@pytest.fixture(autouse=True)
def _forget() -> None:
    Singer.heard.clear()


def decibels(part: np.ndarray, whole: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(part**2) / np.sum(whole**2) + 1e-15))


# --- what is isolated from a drawn mix ------------------------------------------------------------------------------


@pytest.mark.parametrize("gain", [0.1, 1.0, 5.0])
def test_a_stem_is_isolated_at_the_level_of_the_guide(gain: float) -> None:
    guide, stem = backing(), tune()
    found = isolated(gain * (guide + stem), guide, RATE)
    assert decibels(found - stem, stem) < -20.0
    assert found.shape == stem.shape


def test_phases_need_not_agree() -> None:
    guide, stem = backing(), tune()
    late = np.roll(guide, 40, axis=1)  # a quarter of a millisecond: a quarter of a period at 1 kHz
    found = isolated(late + stem, guide, RATE)
    assert decibels(found - stem, stem) < -18.0


def test_the_guide_alone_leaves_nothing_even_where_it_was_drawn_unevenly() -> None:
    guide = backing()
    swell = 10 ** (1.5 / 20 * np.sin(2 * np.pi * np.arange(LONG) / LONG))  # by 1.5 dB up and down
    assert decibels(isolated(2.0 * guide, guide, RATE), guide) < -60.0
    assert decibels(isolated(swell * guide, guide, RATE), guide) < -40.0


def test_over_silence_everything_is_stem() -> None:
    stem = tune()
    np.testing.assert_allclose(isolated(stem, np.zeros_like(stem), RATE), stem, atol=1e-9)
    assert not isolated(np.zeros_like(stem), backing(), RATE).any()


@pytest.mark.parametrize("louder", [0.2, 1.0, 3.0])
def test_the_gain_is_that_of_the_guide_and_not_of_the_stem(louder: float) -> None:
    rng = np.random.default_rng(3)
    guide = rng.rayleigh(1.0, (1, 100, 60))
    mix = 2.5 * guide
    mix[:, :, 40:] += 2.5 * louder * rng.rayleigh(3.0, (1, 100, 20))  # a third of the cells
    assert fitted_gain(mix, guide) == pytest.approx(2.5, rel=0.1)
    assert fitted_gain(mix, np.zeros_like(mix)) == fitted_gain(np.zeros_like(mix), guide) == 1.0


def test_bands_are_isolated_as_sounds_are() -> None:
    heard, sung = np.zeros((2, 32, 50)), np.zeros((2, 32, 50))
    heard[:, :16] = 1.0
    sung[:, 20:24, 10:40] = 0.5
    found = isolated_bands(3.0 * (heard + sung), heard)
    np.testing.assert_allclose(found[:, 20:24, 10:40], 0.5, rtol=1e-6)
    assert not found[:, :15].any()


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"the mix has shape \(1, 5\), its guide \(1, 4\)"):
        isolated(np.zeros((1, 5)), np.zeros((1, 4)), RATE)


# --- what is added --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2])
def test_the_mix_is_the_recording_and_the_stem(channels: int) -> None:
    x = backing(channels=channels)
    done = added(x, RATE, Singer(), text="a tone")
    assert np.array_equal(done.mix, x + done.stem)
    t = np.arange(LONG) / RATE
    np.testing.assert_allclose(done.stem, np.tile(0.1 * np.sin(2 * np.pi * 440 * t), (channels, 1)), atol=1e-9)
    assert (done.turned_down, done.share) == (0.0, 0.0)
    problem = Singer.heard[0]
    assert problem.text == "a tone"
    assert problem.guide is not None
    assert np.array_equal(problem.guide, x)
    assert not problem.y.any()


@pytest.mark.parametrize(("own", "rate"), [(16_000, 44_100), (44_100, 16_000), (16_000, 48_000)])
def test_the_rate_of_the_method_takes_nothing_from_the_recording(own: int, rate: int) -> None:
    @dataclass(frozen=True)
    class Elsewhere(Singer):
        accepts: ClassVar[Accepts] = Accepts(sample_rate=own, channels=1, guide=True, adds=True)

    x = np.random.default_rng(2).standard_normal((2, rate)) * 0.1  # as much above 8 kHz as below
    done = added(x, rate, Elsewhere())
    assert {problem.sample_rate for problem in Singer.heard} == {own}
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    inner = slice(rate // 20, -rate // 20)
    np.testing.assert_allclose(done.stem[:, inner], np.tile(tone[inner], (2, 1)), atol=1e-3)


def test_a_song_longer_than_the_method_hears_goes_on_from_piece_to_piece() -> None:
    @dataclass(frozen=True)
    class Short(Singer):
        accepts: ClassVar[Accepts] = Accepts(window=2.0, guide=True, adds=True)

    x = backing()
    seen: list[float] = []
    done = added(x, RATE, Short(), progress=seen.append)
    assert len(Singer.heard) == 4
    assert all(problem.samples <= 2 * RATE for problem in Singer.heard)
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(LONG) / RATE)
    np.testing.assert_allclose(done.stem[0], tone, atol=0.01)  # at the joints a prediction gives way to it
    for problem in Singer.heard[1:]:
        gap = problem.gaps[0]
        before = slice(problem.start, problem.start + gap.start)
        assert gap.start >= RATE // 4
        assert np.array_equal(problem.y[:, : gap.start], (x + done.stem)[:, before])
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)


def test_the_stem_gives_way_where_there_is_no_room_and_the_recording_never() -> None:
    x = np.zeros((2, RATE))
    x[0, 4_000:4_400] = 0.95
    x[1, 9_000:9_400] = -1.2  # beyond full scale already
    done = added(x, RATE, Singer(0.1), full=0.999)
    assert np.array_equal(done.mix, x + done.stem)
    assert np.abs(done.mix[0]).max() <= 0.999
    assert done.mix[1].min() >= -1.2
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    np.testing.assert_allclose(done.stem[:, 5_000:8_800], np.tile(tone[5_000:8_800], (2, 1)), atol=1e-9)
    assert np.abs(np.diff(done.stem, axis=1)).max() < 2.0 * np.abs(np.diff(tone)).max()  # it does so without a click
    assert done.turned_down == np.inf
    assert 0.05 < done.share < 2 * (0.025 + 0.01) + 0.025  # 25 ms in either channel, and 10 ms on both sides of each
    softer = added(np.full((1, RATE), 0.95), RATE, Singer(0.1))
    assert softer.turned_down == pytest.approx(20 * np.log10(2.0), abs=0.1)


def test_what_cannot() -> None:
    with pytest.raises(Unsupported, match="lpc cannot add to a recording"):
        added(backing(), RATE, build("lpc"))
    with pytest.raises(ValueError, match="the recording is empty or has samples that are no numbers"):
        added(np.full((1, 5), np.nan), RATE, Singer())
    with pytest.raises(Unsupported, match="cannot make a sound where nothing is known"):
        generate(Singer(), 100)  # without a guide
    assert not {"lpc", "auto"} & set(can_add())
    assert not set(can_add()) & set(can_generate())

    @dataclass(frozen=True)
    class Stubborn(Singer):
        def __call__(self, problem: Problem, *, note: Listener = ignore, **_: object) -> np.ndarray:
            note(Note(problem.gaps[0], why="it is too late", refused=True))
            return np.array(problem.y)

    with pytest.raises(Unsupported, match="refused: it is too late"):
        added(backing(), RATE, Stubborn())
