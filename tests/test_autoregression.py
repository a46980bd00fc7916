"""The laws of the autoregressive layer: estimation never crosses a gap, interpolation is the conditional mean."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import toeplitz
from scipy.signal import lfilter

from caesura.autoregression import (
    Glide,
    Model,
    burg,
    calibrated,
    calibration,
    conditional_mean,
    confidence,
    experts,
    extrapolate,
    find_glide,
    fit,
    interpolate,
    polynomials,
    refined,
    reflections,
    rehearse,
    residual,
    segments,
    weighted,
)
from caesura.autoregression.burg import FLOOR
from caesura.autoregression.toeplitz import ToeplitzInverse, autocorrelation, convolve, triangular
from caesura.region import runs

POLES = 0.985 * np.exp(0.35j), 0.96 * np.exp(1.1j)
EXAMPLE = Path(__file__).parent.parent / "examples" / "original.flac"
AR4 = np.poly([p for pole in POLES for p in (pole, np.conj(pole))]).real


def process(samples: int, seed: int = 0, a: np.ndarray = AR4) -> np.ndarray:
    """A stationary autoregressive process."""
    return lfilter([1.0], a, np.random.default_rng(seed).standard_normal(samples + 2000))[2000:]


def covariance(samples: int, a: np.ndarray = AR4) -> np.ndarray:
    """Covariance of `samples` consecutive samples, from the impulse response and not from the code under test."""
    h = lfilter([1.0], a, np.eye(1, 20000)[0])
    return toeplitz([h[: h.size - k] @ h[k:] for k in range(samples)])


def conditional(x: np.ndarray, missing: np.ndarray, a: np.ndarray = AR4) -> np.ndarray:
    """Conditional mean of a Gaussian vector by the textbook formula."""
    c = covariance(x.size, a)
    return c[np.ix_(missing, ~missing)] @ np.linalg.solve(c[np.ix_(~missing, ~missing)], x[~missing])


def flags(samples: int, *gaps: tuple[int, int]) -> np.ndarray:
    missing = np.zeros(samples, dtype=bool)
    for start, stop in gaps:
        missing[start:stop] = True
    return missing


def plain_burg(parts: list[np.ndarray], order: int) -> np.ndarray:
    """Burg's method as it is written in the books."""
    errors = [(x.copy(), x.copy()) for x in parts]
    k = np.zeros(order)
    for m in range(order):
        pairs = [(f[m + 1 :], g[: max(g.size - m - 1, 0)]) for f, g in errors]
        k[m] = -2.0 * sum(f @ g for f, g in pairs) / sum(f @ f + g @ g for f, g in pairs)
        for f, g in pairs:
            old = f.copy()
            f += k[m] * g
            g += k[m] * old
    return k


class TestBurg:
    def test_reflections_equal_the_definition(self):
        x = process(3000)
        parts = [x[:1200], x[1500:1900], x[2500:2530]]
        np.testing.assert_allclose(reflections(parts, 60, floor=0.0), plain_burg(parts, 60), rtol=1e-9, atol=1e-11)

    def test_finds_the_process_across_a_gap(self):
        x = process(40000)
        # The standard error of a coefficient is about 1 / sqrt(40000) times the condition of the process.
        np.testing.assert_allclose(burg([x[:20000], x[21000:]], 4), AR4, atol=0.03)

    def test_a_product_never_crosses_a_gap(self):
        x, y = process(500, 1), 100.0 + process(400, 2)
        joined = reflections([np.concatenate([x, y])], 8)
        assert np.abs(reflections([x, y], 8) - joined).max() > 1e-3
        np.testing.assert_allclose(reflections([x, y], 8, floor=0.0), reflections([y, x], 8, floor=0.0), rtol=1e-12)

    def test_lower_orders_are_those_fitted_alone(self):
        x = process(2000)
        for order, a in zip((0, 3, 17), polynomials(reflections([x], 17), (0, 3, 17)), strict=True):
            np.testing.assert_allclose(a, burg([x], order), rtol=1e-12, atol=1e-14)

    def test_input_is_untouched(self):
        x = process(100)
        before = x.copy()
        burg([x], 10)
        np.testing.assert_array_equal(x, before)

    @given(st.integers(0, 40), st.integers(0, 30), st.sampled_from([0.0, 1.0, 1e-30, 1e30]), st.integers(0, 9))
    @settings(deadline=None, max_examples=60)
    def test_short_silent_and_constant_segments_give_a_stable_model(self, size, order, scale, seed):
        noise = np.random.default_rng(seed).standard_normal(size)
        for parts in ([], [np.full(size, scale)], [scale * noise], [scale * noise, np.zeros(3)]):
            k = reflections(parts, order)
            assert np.isfinite(k).all()
            assert np.abs(k).max(initial=0.0) <= 1.0

    def test_variance_is_the_power_of_the_residual(self):
        x = process(20000)
        model = fit([x], [4])[0]
        assert model.variance == pytest.approx(np.mean(residual(x, model.a) ** 2), rel=1e-2)
        assert fit([np.zeros(50)], [4])[0].variance == 0.0


class TestInterpolation:
    @pytest.mark.parametrize(
        "gaps",
        [
            [(20, 36)],
            [(0, 6)],
            [(58, 64)],
            [(1, 7)],
            [(60, 63)],
            [(10, 14), (16, 21)],
            [(2, 5), (10, 14), (16, 21), (40, 43), (61, 63)],
        ],
    )
    def test_is_the_conditional_mean_of_the_process(self, gaps):
        x, missing = process(64), flags(64, *gaps)
        filled = interpolate(x, missing, [Model(AR4)])
        # 1e-9 of the signal: the loading of 1e-13 times the condition of the covariance, about 1e4.
        np.testing.assert_allclose(filled[missing], conditional(x, missing), atol=1e-9 * np.abs(x).max())
        np.testing.assert_array_equal(filled[~missing], x[~missing])

    def test_neighbouring_long_gaps_are_solved_jointly(self):
        a = burg([process(8000, 3)], 64)
        x, missing = process(3000, 4), flags(3000, (700, 1300), (1320, 1950))
        filled = interpolate(x, missing, [Model(a)])
        at = np.flatnonzero(missing)
        matrix = autocorrelation(a, 3000)[np.abs(at[:, None] - at)]
        known = np.where(missing, 0.0, x)
        two_sided = np.concatenate([autocorrelation(a, 65)[:0:-1], autocorrelation(a, 65)])
        expected = np.linalg.solve(matrix, -np.convolve(known, two_sided)[64:-64][at])
        np.testing.assert_allclose(filled[at], expected, atol=1e-6 * np.abs(x).max())

    def test_what_the_gap_holds_does_not_matter(self):
        x, missing = process(200), flags(200, (80, 120))
        garbage = np.where(missing, 1e6, x)
        np.testing.assert_array_equal(
            interpolate(x, missing, [Model(AR4)])[missing], interpolate(garbage, missing, [Model(AR4)])[missing]
        )

    def test_variances_only_matter_against_each_other(self):
        x, missing = process(300), flags(300, (140, 160))
        other = burg([x[:140]], 8)
        one = interpolate(x, missing, [Model(AR4, 1.0), Model(other, 2.0)])
        np.testing.assert_allclose(interpolate(x, missing, [Model(AR4, 3.0), Model(other, 6.0)]), one, rtol=1e-9)
        alone = interpolate(x, missing, [Model(AR4, 1.0)])
        np.testing.assert_allclose(interpolate(x, missing, [Model(AR4, 1.0), Model(other, 1e12)]), alone, atol=1e-6)

    def test_a_lone_gap_gets_the_same_from_either_function(self):
        x, missing = process(300), flags(300, (140, 160))
        whole = interpolate(x, missing, [Model(AR4)])
        np.testing.assert_allclose(conditional_mean(x, missing, 140, 160, [Model(AR4)]), whole[140:160], atol=1e-9)

    def test_a_far_gap_hardly_changes_a_fill(self):
        a, x = burg([process(4000)], 32), process(600)
        alone = conditional_mean(x, flags(600, (300, 320)), 300, 320, [Model(a)])
        both = conditional_mean(x, flags(600, (300, 320), (353, 360)), 300, 320, [Model(a)])
        np.testing.assert_allclose(both, alone, atol=1e-3 * np.abs(x).max())

    def test_extrapolation_continues_a_sinusoid(self):
        x = np.sin(0.1 * np.arange(600))
        np.testing.assert_allclose(
            extrapolate(x[:500], np.array([1.0, -2.0 * np.cos(0.1), 1.0]), 100), x[500:], atol=1e-9
        )

    def test_extrapolation_with_less_past_than_order(self):
        expected = lfilter(
            [1.0], AR4, np.zeros(5), zi=-np.array([AR4[1] * 2.0, AR4[2] * 2.0, AR4[3] * 2.0, AR4[4] * 2.0])
        )[0]
        np.testing.assert_allclose(extrapolate(np.array([2.0]), AR4, 5), expected, atol=1e-12)
        np.testing.assert_array_equal(extrapolate(np.zeros(0), AR4, 3), np.zeros(3))

    def test_residual_whitens(self):
        e = residual(process(20000), AR4)
        assert np.corrcoef(e[1:], e[:-1])[0, 1] == pytest.approx(0.0, abs=0.03)
        assert residual(np.ones(3), AR4).size == 0


class TestToeplitz:
    def test_inverse(self):
        column = autocorrelation(AR4, 40)
        inverse = np.linalg.inv(toeplitz(column))
        fast = ToeplitzInverse(column)
        np.testing.assert_allclose(fast.diagonal(), np.diag(inverse), rtol=1e-8)
        np.testing.assert_allclose(fast(np.arange(40.0)), inverse @ np.arange(40.0), rtol=1e-8)

    def test_triangular_products_are_adjoint(self):
        rng = np.random.default_rng(0)
        low, x, y = triangular(rng.standard_normal(9), 20), rng.standard_normal(20), rng.standard_normal(20)
        assert low(x) @ y == pytest.approx(x @ low(y, transposed=True), rel=1e-12)

    @given(st.integers(1, 200), st.integers(1, 200))
    @settings(deadline=None, max_examples=30)
    def test_convolution(self, m, n):
        rng = np.random.default_rng(m + 1000 * n)
        x, y = rng.standard_normal(m), rng.standard_normal(n)
        np.testing.assert_allclose(convolve(x, y), np.convolve(x, y), atol=1e-11)


class TestContext:
    def test_segments_skip_what_is_missing_and_lean_at_the_ends(self):
        x, missing = np.arange(100.0), flags(100, (20, 25), (30, 32))
        assert [(s[0], s[-1]) for s in segments(x, missing, 20, 25, 10)] == [(10, 19), (25, 29), (32, 34)]
        assert [(s[0], s[-1]) for s in segments(x, flags(100, (2, 5)), 2, 5, 10)] == [(0, 1), (5, 22)]
        assert [(s[0], s[-1]) for s in segments(x, flags(100, (97, 100)), 97, 100, 10)] == [(77, 96)]

    def test_experts_need_no_gap_and_stop_where_the_recording_ends(self):
        x, missing = process(400), flags(400, (190, 200))
        models = experts(x, missing, 190, 200, [(50, (20,)), (100, (40,)), (400, (40,)), (800, (40,))])
        assert [model.order for model in models] == [20, 40, 40, 0]
        assert len(weighted(models, np.ones(4))) == 3
        changed = np.where(missing, 1e6, x)
        assert all(
            np.array_equal(a.a, b.a)
            for a, b in zip(
                models,
                experts(changed, missing, 190, 200, [(50, (20,)), (100, (40,)), (400, (40,)), (800, (40,))]),
                strict=True,
            )
        )

    def test_rehearsal_prefers_the_right_order(self):
        x = process(6000)
        errors = rehearse(x, flags(6000, (3000, 3010)), 3000, 3010, [(2000, (1, 4))], 200)
        assert errors[1] < 0.5 * errors[0]
        assert rehearse(x[:400], flags(400, (200, 260)), 200, 260, [(100, (4,))], 200) is None

    def test_refined_models_learn_from_the_guess(self):
        t = np.arange(4000)
        x = np.cos(0.3 * t) + np.cos(0.311 * t) + 0.01 * np.random.default_rng(0).standard_normal(4000)
        missing, contexts = flags(4000, (1850, 2150)), [(300, (200,))]

        def error(models: list[Model]) -> float:
            return float(np.sum((conditional_mean(x, missing, 1850, 2150, models) - x[missing]) ** 2))

        hidden = np.where(missing, 0.0, x)
        before = experts(hidden, missing, 1850, 2150, contexts)
        filled = hidden.copy()
        filled[missing] = conditional_mean(x, missing, 1850, 2150, before)
        after = refined(filled, missing, 1850, 2150, contexts, x[missing])
        assert error(after) < error(before)


class TestConfidence:
    def test_foretells_the_error(self):
        model, foretold, found = Model(AR4), 0.0, 0.0
        for seed in range(200):
            x, missing = process(80, seed), flags(80, (30, 50))
            fill = interpolate(x, missing, [model])[missing]
            foretold += fill @ fill * (1.0 / confidence(fill, [model]) - 1.0)
            found += np.sum((fill - x[missing]) ** 2)
        assert foretold == pytest.approx(found, rel=0.15)

    def test_one_side_is_trusted_less(self):
        fill = process(30)
        assert confidence(fill, [Model(AR4)], sides=1) < confidence(fill, [Model(AR4)])
        assert confidence(np.zeros(5), [Model(AR4)]) == 0.0
        assert confidence(fill, []) == 0.0


def glissando(rate: float, seconds: float = 0.6, sample_rate: int = 16000) -> np.ndarray:
    """Harmonics of 140 Hz whose pitch changes by `rate` per second about the middle."""
    t = np.arange(round(seconds * sample_rate)) / sample_rate - seconds / 2
    phase = 2 * np.pi * 140.0 * (t + 0.5 * rate * t**2)
    tone = sum(np.cos(k * phase + k) / k for k in range(1, 20))
    return tone + 0.01 * np.random.default_rng(0).standard_normal(t.size)


class TestGlide:
    @pytest.mark.parametrize("rate", [-1.2, 0.5])
    def test_finds_the_rate(self, rate):
        x, missing = glissando(rate), flags(9600, (4640, 4960))
        glide = find_glide(x, missing, 4640, 4960, 16000)
        assert (glide.before, glide.after) == pytest.approx((rate, rate), abs=0.1)
        assert glide.rise == pytest.approx(rate * 320 / 16000, abs=0.005)

    def test_a_vibrato_turns_round_in_the_gap(self):
        t = (np.arange(9600) - 4800) / 16000
        swing = 0.03 * np.cos(2.0 * np.pi * 5.0 * t)  # of the logarithm of the pitch, at its top in the gap
        turns = 300.0 * np.cumsum(np.exp(swing)) / 16000
        x = sum(np.sin(2.0 * np.pi * h * turns + h) / h for h in range(1, 11))
        glide = find_glide(x + 0.01 * process(9600), flags(9600, (4640, 4960)), 4640, 4960, 16000)
        assert 0.3 < glide.before < 0.95  # the steepest is 0.94 per second
        assert -0.95 < glide.after < -0.3
        assert abs(glide.rise) < 0.005

    def test_the_warp_is_continuous_and_invertible(self):
        glide, t = Glide(-0.8, 0.5, 0.02, 4640, 4960, 16000), np.linspace(-1600.0, 1600.0, 3201)
        u = glide.warp(t)
        assert np.all(np.diff(u) > 0.0)
        # The cubic bends by 6 rise / 320^2 + 5 slope / (16000 * 320) = 2e-6 at most; an edge with a kink by 5e-5.
        assert np.abs(np.diff(u, 3)).max() < 4e-6
        assert glide.unwarp(u) == pytest.approx(t, abs=1e-4)
        assert glide.warp(np.zeros(1)) == pytest.approx(np.zeros(1), abs=1e-9)

    def test_a_steady_tone_and_noise_have_none(self):
        missing = flags(9600, (4640, 4960))
        assert find_glide(glissando(0.0), missing, 4640, 4960, 16000) is None
        assert find_glide(np.random.default_rng(0).standard_normal(9600), missing, 4640, 4960, 16000) is None
        assert find_glide(np.zeros(9600), missing, 4640, 4960, 16000) is None

    def test_neither_the_end_of_the_scale_nor_a_slow_glide_counts(self):
        missing = flags(9600, (4640, 4960))
        assert find_glide(glissando(2.6), missing, 4640, 4960, 16000) is None
        assert find_glide(glissando(0.15), missing, 4640, 4960, 16000) is None

    def test_needs_both_sides(self):
        x = glissando(1.0)
        assert find_glide(x, flags(9600, (100, 400)), 100, 400, 16000) is None
        assert find_glide(x, flags(9600, (4640, 4960), (4500, 4630)), 4640, 4960, 16000) is None

    def test_the_way_back_undoes_the_way_there(self):
        x, missing = glissando(1.0), flags(9600, (4640, 4960))
        glide = find_glide(x, missing, 4640, 4960, 16000)
        warped, unknown, origin = glide.apply(x, flags(9600), 4640, 4960)
        back = glide.back(warped, origin, 4640, 4960)
        # Two spline interpolations of a tone with little above 3 kHz.
        assert np.sum((back - x[missing]) ** 2) < 1e-3 * np.sum(x[missing] ** 2)
        assert unknown.sum() <= 2  # an end may fall between two points of the grid
        assert runs(glide.apply(x, missing, 4640, 4960)[1])[0][0] < origin


class TestFloor:
    def test_what_a_codec_left_empty_does_not_rule_the_models(self):
        original, rate = soundfile.read(EXAMPLE, frames=200000)
        coded = io.BytesIO()
        soundfile.write(coded, original.mean(axis=1), rate, format="OGG", subtype="VORBIS")
        coded.seek(0)
        x = soundfile.read(coded)[0]
        error = {0.0: 0.0, FLOOR: 0.0}
        for start in (60000, 100000, 140000):
            missing = np.zeros(x.size, dtype=bool)
            missing[start : start + 882] = True
            for floor in error:
                models = fit(segments(x, missing, start, start + 882, 4096), [1536], floor=floor)
                difference = conditional_mean(x, missing, start, start + 882, models) - x[start : start + 882]
                error[floor] += float(difference @ difference)
        assert error[FLOOR] < 0.1 * error[0.0]  # 12 dB less over nine gaps of this recording


class TestCalibrated:
    def test_it_rises_from_nothing_to_everything(self):
        told = [calibrated(c) for c in (0.0, 0.1, 0.5, 0.9, 0.99, 1.0)]
        assert told == sorted(told)
        assert told[0] == 0.0
        assert told[-1] > 0.999

    def test_models_are_believed_less_than_they_believe_themselves(self):
        assert all(calibrated(c) < c for c in (0.1, 0.5, 0.9, 0.99))

    def test_the_constants_are_those_of_the_curve(self):
        expected = 1.0 / (1.0 + np.exp(-(calibration.OFFSET + calibration.SLOPE * np.log(0.8 / 0.2))))
        assert calibrated(0.8) == pytest.approx(expected)
