"""Many clicks at once: the same models and the same fills as one by one."""

import numpy as np
import pytest
from scipy.signal import lfilter

from caesura.autoregression import burg, burg_many, fit, short_gaps
from caesura.detection import detect
from caesura.inpainter import Note
from caesura.methods import build
from caesura.methods.lsar import Lsar
from caesura.problem import Problem, Region

RATE = 44_100


def sound(seed: int, samples: int, level: float = 0.02) -> np.ndarray:
    """Partials over noise with resonances."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / RATE
    partials = sum(np.sin(2 * np.pi * 233.0 * h * t + h) / h for h in range(1, 9))
    return 0.1 * partials + level * lfilter([1.0], [1.0, -1.5, 0.8], rng.standard_normal(samples))


@pytest.mark.parametrize("order", [1, 2, 31, 128])
def test_models_are_those_of_the_lattice(order):
    x = sound(0, 6_000)
    gaps = [[x[:700]], [x[:500], x[530:1_000]], [x[2_000:2_300], x[2_400:2_600], x[2_700:4_000]]]
    models, powers = burg_many(gaps, order)
    for own, a, power in zip(gaps, models, powers, strict=True):
        # Products lose about half the digits that a lattice keeps; what is left is far more than a model needs.
        np.testing.assert_allclose(a, burg(own, order), atol=1e-6)
        assert power == pytest.approx(fit(own, [order])[0].variance, rel=1e-6)


def test_one_gap_does_not_hear_another():
    x, y = sound(1, 2_000), sound(2, 3_000)
    both, _ = burg_many([[x], [y[:900], y[1_000:]]], 40)
    np.testing.assert_allclose(both[0], burg_many([[x]], 40)[0][0], atol=1e-12)


def test_silence_has_no_power():
    models, powers = burg_many([[np.zeros(300)], [sound(3, 300)]], 16)
    np.testing.assert_array_equal(models[0], np.eye(1, 17)[0])
    assert powers[0] == 0.0
    assert powers[1] > 0.0


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e3])
def test_fills_are_those_of_one_click_at_a_time(scale):
    x = scale * np.stack([sound(4, 44_100), sound(5, 44_100)])
    gaps = [Region(s, s + n) for s, n in ((3_000, 1), (9_000, 60), (12_000, 13), (20_000, 132), (30_000, 40))]
    problem = Problem(x, tuple(gaps), RATE)
    method = Lsar(contexts=(1024,), order=384, taps=())
    together = method.clicks(problem, gaps)
    assert len(together) == 2 * len(gaps)
    for (channel, start), (fill, said) in together.items():
        gap = next(gap for gap in gaps if gap.start == start)
        alone, note = method.fill(problem, channel, start, gap.stop)
        np.testing.assert_allclose(fill, alone, atol=1e-5 * np.abs(x).max())
        assert said.region == note.region
        assert said.confidence == pytest.approx(note.confidence, abs=1e-3)


def test_a_click_within_the_context_costs_nothing():
    x, gaps = sound(4, 12_000, level=0.002)[None], [Region(5_000, 5_040), Region(5_500, 5_520)]
    problem, method = Problem(x, tuple(gaps), RATE), Lsar(contexts=(1024,), order=384, taps=())
    for (channel, start), (fill, _) in method.clicks(problem, gaps).items():
        true = x[channel, start : start + fill.size]
        alone, _ = method.fill(problem, channel, start, start + fill.size)
        # Stretches shorter than the order are left out here, so the models differ a little.
        assert np.linalg.norm(fill - true) < 1.3 * np.linalg.norm(alone - true)


def test_clicks_without_room_are_left_to_the_slow_way():
    x = np.stack([sound(6, 6_000)])
    spans = [(10, 20), (5_980, 5_990), (2_000, 2_010), (2_100, 2_110), (4_000, 4_010)]
    missing = np.zeros(x.shape, bool)
    for start, stop in spans:
        missing[0, start:stop] = True
    fills = short_gaps(np.where(missing, 0.0, x), missing, [(0, *span) for span in spans], 1_024, 200)
    assert [fill is not None for fill in fills] == [False, False, False, False, True]
    assert short_gaps(np.zeros((1, 6_000)), missing, [(0, 4_000, 4_010)], 1_024, 200) == [None]


def test_auto_fills_clicks_close_together_and_far_apart():
    x = np.stack([sound(7, 88_200, level=0.001), sound(8, 88_200, level=0.001)])
    rng = np.random.default_rng(9)
    gaps = [Region(int(s), int(s) + int(rng.integers(1, 60))) for s in np.arange(100, 87_000, 700)]
    gaps += [Region(g.stop + 20, g.stop + 30) for g in gaps[::5]]
    notes: list[Note] = []
    estimate = build("auto")(Problem(x, tuple(gaps), RATE), rng=rng, note=notes.append)
    hit = np.zeros(x.shape[1], bool)
    for gap in gaps:
        hit[gap.start : gap.stop] = True
    wrong = estimate - x
    assert not wrong[:, ~hit].any()
    assert 10.0 * np.log10(np.sum(x[:, hit] ** 2) / np.sum(wrong[:, hit] ** 2)) > 20.0
    assert len(notes) == 2 * len(Problem(x, tuple(gaps), RATE).gaps)


def test_a_click_in_both_channels_is_one_label():
    x = np.stack([sound(10, 44_100), 0.8 * sound(10, 44_100)])
    rng = np.random.default_rng(1)
    x[0, 20_000:20_030] += 0.5 * rng.standard_normal(30)
    x[1, 20_004:20_036] += 0.5 * rng.standard_normal(32)
    x[1, 30_000:30_020] += 0.5 * rng.standard_normal(20)
    first, second = (label.region for label in detect(x, RATE, kinds=["click"]))
    assert first.channel is None
    assert abs(first.start - 20_000) <= 3
    assert abs(first.stop - 20_036) <= 3
    assert second.channel == 1
