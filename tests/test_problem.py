"""Regions, problems and pasting: what is reliable comes back bit for bit."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.problem import Problem, Region, gaps_of, merge, runs

RATE = 8000


def noise(channels: int, samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((channels, samples))


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, tuple[Region, ...]]:
    channels, samples = draw(st.integers(1, 3)), draw(st.integers(40, 400))
    regions = []
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, samples - 20))
        stop = draw(st.integers(start + 16, samples))
        channel = draw(st.none() | st.integers(0, channels - 1))
        box = draw(st.booleans())
        regions.append(Region(start, stop, 500.0, 1500.0, channel) if box else Region(start, stop, channel=channel))
    return noise(channels, samples, draw(st.integers(0, 9))), tuple(regions)


def touched(shape: tuple[int, ...], regions: tuple[Region, ...]) -> np.ndarray:
    inside = np.zeros(shape, dtype=bool)
    for r in regions:
        inside[slice(None) if r.channel is None else r.channel, r.start : r.stop] = True
    return inside


@given(problems())
def test_paste_leaves_everything_outside_the_regions(case: tuple[np.ndarray, tuple[Region, ...]]) -> None:
    x, regions = case
    problem = Problem(x, regions, RATE)
    restored = problem.paste(noise(*x.shape, seed=99))
    outside = ~touched(x.shape, regions)
    assert np.array_equal(restored[outside], x[outside])


@given(problems())
def test_pasting_the_truth_gives_the_truth(case: tuple[np.ndarray, tuple[Region, ...]]) -> None:
    x, regions = case
    boxes = tuple(r for r in regions if not r.is_gap)
    assert np.allclose(Problem(x, boxes, RATE).paste(x), x, atol=1e-12)
    gaps = tuple(r for r in regions if r.is_gap)
    assert np.array_equal(Problem(x, gaps, RATE).paste(x), x)


@given(problems())
def test_what_lies_in_a_gap_cannot_be_seen(case: tuple[np.ndarray, tuple[Region, ...]]) -> None:
    x, regions = case
    problem = Problem(x, regions, RATE)
    hidden = np.where(problem.mask, x, np.nan)
    assert np.array_equal(Problem(hidden, regions, RATE).y, problem.y)
    assert (problem.y[~problem.mask] == 0.0).all() or problem.boxes


@given(problems())
def test_gaps_agree_with_the_mask(case: tuple[np.ndarray, tuple[Region, ...]]) -> None:
    x, regions = case
    problem = Problem(x, regions, RATE)
    mask = np.ones(x.shape, dtype=bool)
    for gap in problem.gaps:
        mask[slice(None) if gap.channel is None else gap.channel, gap.start : gap.stop] = False
    assert np.array_equal(mask, problem.mask)


@given(problems(), st.integers(0, 30))
def test_fading_touches_only_the_context_given_up(case: tuple[np.ndarray, tuple[Region, ...]], fade: int) -> None:
    x, regions = case
    gaps = tuple(r for r in regions if r.is_gap)
    wide = tuple(
        dataclasses.replace(r, start=max(r.start - fade, 0), stop=min(r.stop + fade, x.shape[1])) for r in gaps
    )
    problem = Problem(x, gaps, RATE)
    restored = problem.paste(noise(*x.shape, seed=5), fade)
    outside = ~touched(x.shape, wide)
    assert np.array_equal(restored[outside], x[outside])
    # A crossfade stays between the two signals it joins.
    low, high = np.minimum(x, noise(*x.shape, seed=5)), np.maximum(x, noise(*x.shape, seed=5))
    assert ((restored >= low - 1e-12) & (restored <= high + 1e-12)).all()


def test_crossfade_rises_towards_the_gap() -> None:
    problem = Problem(np.zeros((1, 100)), (Region(40, 60),), RATE)
    restored = problem.paste(np.ones((1, 100)), fade=10)[0]
    assert (restored[40:60] == 1.0).all()
    assert (np.diff(restored[28:41]) >= 0).all()
    assert restored[29] == 0.0
    assert restored[30] > 0.0
    assert np.allclose(restored[::-1], restored)


def test_a_box_takes_out_its_band_and_nothing_else() -> None:
    t = np.arange(RATE) / RATE
    low, high = np.sin(2 * np.pi * 300 * t), np.sin(2 * np.pi * 1500 * t)
    problem = Problem((low + high)[None], (Region(2000, 6000, 1000.0, 2000.0),), RATE)
    middle = slice(2600, 5400)  # the operator fades in and out over one window
    assert np.abs(problem.y[0, middle] - low[middle]).max() < 1e-3
    assert np.array_equal(problem.y[0, :2000], (low + high)[:2000])
    restored = problem.paste(np.zeros((1, RATE)))
    assert np.abs(restored[0, middle] - low[middle]).max() < 1e-3


def test_gaps_merge_where_they_touch_and_name_their_channel() -> None:
    regions = (Region(10, 20), Region(20, 30), Region(25, 40), Region(60, 70, channel=1), Region(0, 9, 100.0, 200.0))
    assert gaps_of(regions, 2) == (Region(10, 40), Region(60, 70, channel=1))
    assert gaps_of((Region(60, 70, channel=0),), 1) == (Region(60, 70),)
    assert gaps_of((Region(5, 9, channel=0), Region(5, 9, channel=1)), 2) == (Region(5, 9),)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_runs_cover_exactly_the_true_samples(flags: list[bool]) -> None:
    rebuilt = np.zeros(len(flags), dtype=bool)
    for start, stop in runs(np.array(flags)):
        assert not rebuilt[start:stop].any()
        rebuilt[start:stop] = True
    assert rebuilt.tolist() == flags


def test_merge_joins_what_is_close() -> None:
    assert merge([(8, 9), (0, 3), (3, 5)]) == [(0, 5), (8, 9)]
    assert merge([(8, 9), (0, 3), (3, 5)], gap=3) == [(0, 9)]


@pytest.mark.parametrize("rate", [4000, 6000, 16000, 44100])
def test_at_another_rate_gaps_cover_what_the_filter_smears(rate: int) -> None:
    t = np.arange(4 * RATE) / RATE
    x = np.sin(2 * np.pi * 440 * t)[None]
    problem = Problem(x, (Region(12000, 14000),), RATE).at(rate)
    truth = np.sin(2 * np.pi * 440 * np.arange(problem.samples) / rate)[None]
    error = np.abs(problem.y - truth)[problem.mask]
    inner = error[200:-200]  # the filter also rings at the ends of the recording
    assert inner.max() < 3e-3
    assert problem.sample_rate == rate
    assert problem.gaps[0].start <= 12000 * rate / RATE
    assert problem.gaps[0].stop >= 14000 * rate / RATE


def test_crop_shifts_regions_and_keeps_the_guide_in_step() -> None:
    x = noise(2, 1000)
    problem = Problem(x, (Region(100, 150), Region(400, 600, channel=1)), RATE, guide=x + 1.0)
    crop = problem.crop(120, 500)
    assert crop.regions == (Region(0, 30), Region(280, 380, channel=1))
    assert np.array_equal(crop.y, problem.y[:, 120:500])
    assert crop.guide is not None
    assert np.array_equal(crop.guide, (x + 1.0)[:, 120:500])


def test_what_is_not_a_target_is_unknown_and_not_to_be_filled() -> None:
    problem = Problem(noise(1, 1000), (Region(100, 150), Region(400, 600)), RATE)
    crop = problem.crop(90, 700, (Region(400, 600),))
    assert crop.gaps == (Region(310, 510),)
    assert crop.unknown == (Region(10, 60),)
    assert not crop.mask[0, 10:60].any()
    assert crop.start == 90
    assert crop.crop(300, 600).start == 390


def test_channel_keeps_only_its_own_regions() -> None:
    problem = Problem(noise(2, 100), (Region(0, 5), Region(20, 30, channel=1)), RATE)
    assert problem.channel(0).gaps == (Region(0, 5),)
    assert problem.channel(1).gaps == (Region(0, 5), Region(20, 30))


def test_the_caller_keeps_his_array() -> None:
    x = noise(1, 100)
    before = x.copy()
    problem = Problem(x, (Region(10, 20),), RATE)
    assert np.array_equal(x, before)
    with pytest.raises(ValueError, match="read-only"):
        problem.y[0, 0] = 1.0


@pytest.mark.parametrize(
    ("start", "stop", "more", "message"),
    [
        (5, 5, {}, "0 <= start < stop, got start 5 and stop 5"),
        (-1, 5, {}, "got start -1"),
        (0, 5, {"low": 200.0, "high": 100.0}, "got 200 to 100 Hz"),
        (0, 5, {"low": -1.0}, "got -1 to inf Hz"),
        (0, 5, {"low": math.nan}, "got nan"),
    ],
)
def test_impossible_regions_are_named(start: int, stop: int, more: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Region(start, stop, **more)


def test_impossible_problems_are_named() -> None:
    with pytest.raises(ValueError, match="the region 90-120 lies outside the observation, which has 100 samples"):
        Problem(np.zeros((1, 100)), (Region(90, 120),), RATE)
    with pytest.raises(ValueError, match="channel 2 does not exist, the observation has 2"):
        Problem(np.zeros((2, 100)), (Region(9, 12, channel=2),), RATE)
    with pytest.raises(ValueError, match=r"100 channels .*the axes look swapped"):
        Problem(np.zeros((100, 2)), (), RATE)
    with pytest.raises(ValueError, match="is empty"):
        Problem(np.zeros((1, 0)), (), RATE)
    with pytest.raises(ValueError, match="got -5"):
        Problem(np.zeros((1, 10)), (), -5)
    with pytest.raises(ValueError, match="sample 7 of channel 0 is nan and no region covers it"):
        Problem(np.where(np.arange(10) == 7, np.nan, 0.0), (), RATE)
    with pytest.raises(ValueError, match=r"the estimate has shape \(1, 9\)"):
        Problem(np.zeros((1, 10)), (), RATE).paste(np.zeros((1, 9)))


@pytest.mark.parametrize("rate", [4000, 6000, 16_000, 22_050])
def test_noise_at_another_rate_is_what_is_left_of_white_noise(rate: int) -> None:
    x = 0.3 * noise(1, 40_000)
    problem = Problem(x, (), RATE, noise=0.3).at(rate)
    # The filter's transition takes up to 6 % of the band; the deviation of 20,000 numbers is good to 1 %.
    assert float(problem.y.std()) == pytest.approx(problem.noise, rel=0.05)
    assert problem.at(rate).noise == problem.noise


def test_a_part_of_a_problem_is_as_noisy_as_the_whole() -> None:
    problem = Problem(noise(2, 400), (Region(50, 80),), RATE, noise=0.2)
    assert problem.crop(20, 200).noise == problem.channel(1).noise == 0.2


@pytest.mark.parametrize("level", [-0.1, math.inf, math.nan])
def test_a_noise_that_is_no_deviation_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="is a standard deviation: 0 or more, and finite"):
        Problem(noise(1, 40), (), RATE, noise=level)
