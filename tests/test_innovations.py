"""Innovations that are not equally loud: their level, models estimated under it, gaps solved under it."""

import numpy as np
import pytest
from scipy.linalg import toeplitz
from scipy.signal import lfilter

from caesura.autoregression import (
    Level,
    Model,
    burg,
    conditional_mean,
    experts,
    fit,
    innovations,
    interpolate,
    polynomials,
    reflections,
    residual,
)
from caesura.autoregression.innovations import EXPONENT, FLOOR
from caesura.methods.lsar import Lsar
from caesura.problem import Problem, Region

POLES = 0.985 * np.exp(0.35j), 0.96 * np.exp(1.1j)
AR4 = np.poly([p for pole in POLES for p in (pole, np.conj(pole))]).real
OTHER = np.poly([p for pole in (0.97 * np.exp(0.8j), 0.9 * np.exp(2.2j)) for p in (pole, np.conj(pole))]).real
LOOK = {"reach": 8000, "references": [(4000, 40)]}


def process(level: np.ndarray, seed: int = 0, a: np.ndarray = AR4) -> np.ndarray:
    """An autoregressive process whose innovations have the standard deviations `level`."""
    noise = np.random.default_rng(seed).standard_normal(level.size + 2000)
    return lfilter([1.0], a, noise * np.concatenate([np.full(2000, level[0]), level]))[2000:]


def gap(samples: int, start: int, stop: int) -> np.ndarray:
    missing = np.zeros(samples, dtype=bool)
    missing[start:stop] = True
    return missing


def weighted_burg(x: np.ndarray, q: np.ndarray, order: int) -> np.ndarray:
    """Burg's method with every pair counting what its two ends count, as it is defined."""
    f, g, k = x.copy(), x.copy(), np.zeros(order)
    for m in range(order):
        ahead, back = f[m + 1 :].copy(), g[: x.size - m - 1].copy()
        u = np.sqrt(q[m + 1 :] * q[: x.size - m - 1])
        k[m] = -2.0 * np.sum(u * ahead * back) / np.sum(u * (ahead**2 + back**2))
        f[m + 1 :], g[: x.size - m - 1] = ahead + k[m] * back, back + k[m] * ahead
    return k


class TestLevel:
    def test_follows_the_innovations(self):
        t = np.arange(16000)
        level = np.exp(0.8 * np.sin(2.0 * np.pi * t / 9000.0))
        x = process(level)
        (found,) = innovations(x, gap(x.size, 8000, 8800), (8000, 8800), widths=[400.0], **LOOK)
        true = 2.0 * np.log(level) - np.median(2.0 * np.log(level))
        known = np.r_[500:7500, 9300:15500]
        # Gaussian smoothing over 400 samples leaves a standard error of about sqrt(2 / 1400) = 0.04.
        assert np.std((found.log - true)[known]) < 0.12
        assert np.ptp(true) > 3.0

    def test_crosses_the_gap_in_a_straight_line(self):
        x = process(np.r_[np.full(6000, 1.0), np.full(6000, 10.0)])
        (found,) = innovations(x, gap(x.size, 5800, 6200), (5800, 6200), widths=[50.0], **LOOK)
        inside = found.log[5799:6201]
        np.testing.assert_allclose(np.diff(inside), np.diff(inside)[0], rtol=1e-9)
        assert inside[-1] - inside[0] > 3.0

    def test_does_not_depend_on_the_scale(self):
        x = process(np.linspace(0.1, 3.0, 12000))
        missing = gap(x.size, 6000, 6300)
        one = innovations(x, missing, (6000, 6300), widths=[50.0, 300.0], **LOOK)
        two = innovations(1e-6 * x, missing, (6000, 6300), widths=[50.0, 300.0], **LOOK)
        for a, b in zip(one, two, strict=True):
            np.testing.assert_allclose(a.log, b.log, atol=1e-6)

    def test_several_references_are_averaged(self):
        x = process(np.linspace(0.1, 3.0, 12000))
        missing = gap(x.size, 6000, 6300)
        look = {"reach": 8000, "widths": [50.0]}
        one, two, both = (
            innovations(x, missing, (6000, 6300), references=references, **look)[0].log
            for references in ([(1000, 20)], [(4000, 80)], [(1000, 20), (4000, 80)])
        )
        assert np.abs(one - two).max() > 0.05
        np.testing.assert_allclose(both, 0.5 * (one + two), atol=1e-12)

    def test_what_is_missing_is_never_read(self):
        x = process(np.linspace(1.0, 4.0, 12000))
        missing = gap(x.size, 6000, 6300) | gap(x.size, 9000, 9100)
        wrong = np.where(missing, 1e6, x)
        one = innovations(x, missing, (6000, 6300), widths=[50.0], **LOOK)
        two = innovations(wrong, missing, (6000, 6300), widths=[50.0], **LOOK)
        np.testing.assert_array_equal(one[0].log, two[0].log)

    def test_silence_and_short_recordings_have_none(self):
        assert innovations(np.zeros(9000), gap(9000, 4000, 4100), (4000, 4100), widths=[50.0], **LOOK) is None
        x = process(np.ones(120))
        assert innovations(x, gap(120, 50, 60), (50, 60), widths=[50.0], **LOOK) is None

    def test_silence_on_one_side_is_30_db_down(self):
        x = process(np.ones(12000))
        x[7000:] = 0.0
        (found,) = innovations(x, gap(x.size, 6600, 6900), (6600, 6900), widths=[50.0], **LOOK)
        assert found.log.min() > np.log(FLOOR) - 1.0
        assert found.log[-1] < found.log[5000] - 5.0

    def test_weights_past_the_ends_are_those_of_the_ends(self):
        level = Level(np.log(np.array([1.0, 2.0, 4.0])), 10)
        np.testing.assert_allclose(level.weights(8, 15), np.array([1, 1, 1, 2, 4, 4, 4.0]) ** -EXPONENT)


class TestBurg:
    def test_equals_the_definition(self):
        t = np.arange(20000)
        q = np.exp(1.5 * np.sin(2.0 * np.pi * t / 12000.0))
        x = process(q**-0.5)
        expected = weighted_burg(x, q, 30)
        # Weights stand still over blocks of 256 samples and 16 stages; in these they move by 20 % at most.
        np.testing.assert_allclose(reflections([x], 30, floor=0.0, weights=[q]), expected, atol=1e-3)
        assert np.abs(reflections([x], 30, floor=0.0) - expected).max() > 5e-3

    def test_equal_weights_change_nothing(self):
        x = process(np.ones(5000))
        parts = [x[:1500], x[2000:2600], x[3000:]]
        same = reflections(parts, 100, weights=[np.full(p.size, 7.0) for p in parts])
        np.testing.assert_allclose(same, reflections(parts, 100), rtol=1e-5, atol=1e-6)

    def test_a_stroke_of_another_sound_counts_little(self):
        x = process(np.ones(8000))
        x[300:900] += process(np.full(600, 30.0), 1, OTHER)
        (found,) = innovations(x, gap(x.size, 5000, 5200), (5000, 5200), widths=[150.0], **LOOK)
        known = [x[:5000], x[5200:]]
        plain = burg(known, 4)
        model = fit(known, [4], weights=[found.weights(0, 5000), found.weights(5200, 8000)])[0]
        fresh = process(np.ones(20000), 2)
        excess = [float(np.mean(residual(fresh, a) ** 2)) - 1.0 for a in (plain, model.a)]
        assert excess[0] > 0.5
        assert excess[1] < 0.25 * excess[0]

    @pytest.mark.parametrize("sizes", [(2,), (5, 3), (300,), (257, 1, 40), (1, 1)])
    def test_short_segments_give_a_stable_model(self, sizes):
        parts = [process(np.ones(n), n) for n in sizes]
        weights = [np.exp(np.random.default_rng(n).standard_normal(n)) for n in sizes]
        k = reflections(parts, 290, weights=weights)
        assert np.isfinite(k).all()
        assert np.abs(k).max() <= 1.0
        assert all(np.isfinite(a).all() for a in polynomials(k, [10, 290]))

    def test_contexts_take_their_weights_from_where_they_are(self):
        x = process(np.r_[np.full(5000, 1.0), np.full(5000, 5.0)])
        missing = gap(x.size, 6000, 6400) | gap(x.size, 7000, 7100)
        level = Level(np.linspace(0.0, 3.0, 10000), 0)
        (model,) = experts(x, missing, 6000, 6400, [(2000, (20,))], level)
        spans = [(4000, 6000), (6400, 7000), (7100, 8400)]
        expected = fit([x[a:b] for a, b in spans], [20], weights=[level.weights(a, b) for a, b in spans])[0]
        np.testing.assert_array_equal(model.a, expected.a)


class TestSolve:
    def models(self) -> list[Model]:
        return [Model(AR4, 1.0), Model(np.convolve(OTHER, [1.0, -0.3]), 2.5)]

    def dense(self, x: np.ndarray, missing: np.ndarray, q: np.ndarray, models: list[Model]) -> np.ndarray:
        """The minimum of the weighted residuals, forwards and backwards, with explicit matrices."""
        p = np.zeros((x.size, x.size))
        for model in models:
            n = model.a.size
            rows = toeplitz(np.r_[model.a[-1], np.zeros(x.size - n)], np.r_[model.a[::-1], np.zeros(x.size - n)])
            back = rows[::-1, ::-1]
            p += 0.5 / model.variance * (rows.T * q[n - 1 :] @ rows + back.T * q[: x.size - n + 1] @ back)
        return np.linalg.solve(p[np.ix_(missing, missing)], -p[np.ix_(missing, ~missing)] @ x[~missing])

    def test_minimises_the_weighted_residuals(self):
        rng = np.random.default_rng(3)
        q = np.exp(np.cumsum(0.1 * rng.standard_normal(400)))
        x = process(q**-0.5)
        missing = gap(400, 150, 210)
        filled = interpolate(x, missing, self.models(), q)
        np.testing.assert_allclose(filled[missing], self.dense(x, missing, q, self.models()), rtol=1e-6, atol=1e-8)
        np.testing.assert_array_equal(filled[~missing], x[~missing])

    def test_neighbouring_gaps_are_solved_together(self):
        q = np.linspace(0.2, 5.0, 300)
        x = process(q**-0.5, 4)
        missing = gap(300, 100, 130) | gap(300, 132, 160) | gap(300, 163, 170)
        filled = interpolate(x, missing, self.models(), q)
        np.testing.assert_allclose(filled[missing], self.dense(x, missing, q, self.models()), rtol=1e-6, atol=1e-8)

    def test_equal_weights_give_the_conditional_mean(self):
        x = process(np.ones(600))
        missing = gap(600, 200, 300)
        plain = interpolate(x, missing, self.models())
        np.testing.assert_allclose(interpolate(x, missing, self.models(), np.full(600, 0.1)), plain, atol=1e-7)

    def test_runs_alike_in_both_directions(self):
        q = np.exp(np.sin(np.arange(500) / 70.0))
        x, missing = process(q**-0.5), gap(500, 260, 330)
        ahead = interpolate(x, missing, self.models(), q)
        back = interpolate(x[::-1], missing[::-1], self.models(), q[::-1])
        np.testing.assert_allclose(ahead, back[::-1], atol=1e-7)

    def test_near_an_end_of_the_recording_all_residuals_count_the_same(self):
        q = np.linspace(0.2, 5.0, 300)
        x, missing = process(q**-0.5), gap(300, 3, 40)
        np.testing.assert_array_equal(interpolate(x, missing, self.models(), q), interpolate(x, missing, self.models()))

    def test_a_stroke_behind_the_gap_does_not_reach_into_it(self):
        wins, total = 0, 0.0
        for seed in range(20):
            level = np.ones(3000)
            level[1530:] = 20.0
            x, missing = process(level, seed), gap(3000, 1500, 1530)
            plain = conditional_mean(x, missing, 1500, 1530, [Model(AR4)])
            heard = conditional_mean(x, missing, 1500, 1530, [Model(AR4)], Level(2.0 * np.log(level), 0))
            errors = [float(np.sum((fill - x[missing]) ** 2)) for fill in (plain, heard)]
            wins += errors[1] < errors[0]
            total += np.log10(errors[0] / errors[1])
        assert wins >= 16
        assert total / 20 > 0.1  # 1 dB


class TestLsar:
    def test_strokes_beside_the_gap_no_longer_mislead(self):
        gains = []
        for seed in range(6):
            level = np.full(30000, 0.05)
            for stroke in (9000, 16300, 22000):
                level[stroke : stroke + 400] = 1.0
            x = process(level, seed) + 0.01 * process(np.ones(30000), seed + 100, OTHER)
            problem = Problem(x, (Region(15200, 16200),), 44100)
            true = x[15200:16200]
            errors = []
            for heteroscedastic in (False, True):
                fill = Lsar(order=256, heteroscedastic=heteroscedastic).fill(problem, 0, 15200, 16200)[0]
                errors.append(float(np.sum((fill - true) ** 2)))
            gains.append(10.0 * np.log10(errors[0] / errors[1]))
        assert np.mean(gains) > 0.5

    def test_silence_is_filled_with_silence(self):
        problem = Problem(np.zeros(20000), (Region(9000, 9900),), 44100)
        assert not Lsar(heteroscedastic=True).fill(problem, 0, 9000, 9900)[0].any()

    @pytest.mark.parametrize("span", [(0, 900), (19100, 20000), (40, 940), (19000, 19960)])
    def test_gaps_at_the_ends(self, span):
        x = process(np.linspace(0.1, 1.0, 20000))
        fill, _ = Lsar(heteroscedastic=True).fill(Problem(x, (Region(*span),), 44100), 0, *span)
        assert np.isfinite(fill).all()
        assert np.abs(fill).max() <= 2.0 * np.abs(x).max()
