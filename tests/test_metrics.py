"""Metrics: laws first, then numbers of published implementations on deterministic signals.

The numbers under "parity" were computed by torchmetrics 1.9.0, scikit-image 0.26.0, librosa 0.11.0 and auraloss 0.4.0
on signals made by the linear congruential generator below.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.evaluation import metrics
from caesura.evaluation.metrics.spectra import hann, mel_filters, spectrogram

SAMPLES = 160_000
RATE = 16_000


def lcg(seed: int, count: int) -> np.ndarray:
    """s <- (1103515245 s + 12345) mod 2^31; sample s / 2^30 - 1."""
    values, state = np.empty(count), seed
    for n in range(count):
        state = (1103515245 * state + 12345) % 2**31
        values[n] = state / 2**30 - 1.0
    return values


@pytest.fixture(scope="module")
def signals() -> dict[str, np.ndarray]:
    n = np.arange(SAMPLES)
    partials = sum(0.2 / h * np.sin(2 * np.pi * 220.0 * h * n / RATE + 0.5 * h) for h in range(1, 6))
    return {
        "signs": 0.1 * np.where(lcg(1, SAMPLES) >= 0.0, 1.0, -1.0)[None],
        "noise": 0.1 * lcg(2, SAMPLES)[None],
        "tonal": (partials + 0.02 * lcg(3, SAMPLES))[None],
    }


def filled(x: np.ndarray, start: int, stop: int, fill: str) -> tuple[np.ndarray, np.ndarray]:
    """The signal with one filled gap, and the mask of its reliable samples."""
    y, length = np.array(x), stop - start
    y[:, start:stop] = {
        "zero": lambda: np.zeros(length),
        "white_noise": lambda: 0.1 * lcg(9, length),
        "half": lambda: 0.5 * x[:, start:stop],
        "negated": lambda: -x[:, start:stop],
        "copy_before": lambda: x[:, start - length : start],
        "late_3": lambda: x[:, start - 3 : stop - 3],
    }[fill]()
    mask = np.ones(x.shape, dtype=bool)
    mask[:, start:stop] = False
    return y, mask


def noise(seed: int, channels: int = 1, samples: int = 6000) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((channels, samples))


# --- laws


@given(st.integers(0, 2**32 - 1), st.floats(-60.0, 60.0))
@settings(max_examples=25, deadline=None)
def test_snr_is_the_level_of_the_error(seed: int, level: float) -> None:
    x, error = noise(seed, channels=2), noise(seed + 1, channels=2)
    error *= 10.0 ** (-level / 20.0) * np.linalg.norm(x) / np.linalg.norm(error)
    assert metrics.snr(x, x + error) == pytest.approx(level, abs=1e-6)


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100.0))
@settings(max_examples=20, deadline=None)
def test_si_sdr_ignores_the_scale_and_snr_does_not(seed: int, scale: float) -> None:
    x, y = noise(seed), noise(seed) + 0.3 * noise(seed + 1)
    assert metrics.si_sdr(x, scale * y) == pytest.approx(metrics.si_sdr(x, y), abs=1e-9)
    if abs(math.log(scale)) > 0.1:
        assert abs(metrics.snr(x, scale * y) - metrics.snr(x, y)) > 1e-3


def test_sdr_forgives_a_filter_that_fits_and_no_longer_one() -> None:
    x = noise(0, samples=20_000)
    # 600 zeros at the end keep both sequences whole: the filter then explains everything.
    padded = np.pad(x, ((0, 0), (0, 600)))
    short, long = (np.roll(padded, delay, axis=1) for delay in (500, 560))
    assert metrics.sdr(padded, short) > 90.0
    assert metrics.sdr(padded, long) < 0.0
    assert metrics.sdr(padded, long, taps=600) > 90.0


def test_one_tap_of_sdr_is_si_sdr() -> None:
    x, y = noise(1), noise(1) + 0.2 * noise(2)
    assert metrics.sdr(x, y, taps=1) == pytest.approx(metrics.si_sdr(x, y), abs=1e-9)


@pytest.mark.parametrize("metric", [metrics.lsd, metrics.multi_resolution_lsd, metrics.multi_resolution_stft])
def test_spectral_distances_are_zero_for_equal_signals_and_grow_with_the_error(metric: object) -> None:
    x, error = noise(3, channels=2, samples=8000), noise(4, channels=2, samples=8000)
    values = [metric(x, x + level * error) for level in (0.0, 0.01, 0.1, 1.0)]  # type: ignore[operator]
    assert values[0] == 0.0
    assert values == sorted(values)
    assert values[1] > 0.0


def test_lsd_is_symmetric_and_blind_to_sign() -> None:
    x, y = noise(5), noise(6)
    assert metrics.lsd(x, y) == pytest.approx(metrics.lsd(y, x), abs=1e-12)
    assert metrics.lsd(x, -x) == 0.0


def test_lsd_of_twice_the_amplitude_is_the_logarithm_of_four() -> None:
    x = noise(7)
    assert metrics.lsd(x, 2.0 * x, unit="ln") == pytest.approx(math.log(4.0), abs=1e-6)
    assert metrics.lsd(x, 2.0 * x, unit="log10") == pytest.approx(math.log10(4.0), abs=1e-6)
    assert metrics.lsd(x, 2.0 * x) == pytest.approx(10.0 * math.log10(4.0), abs=1e-6)


def test_a_mask_leaves_frames_out_that_do_not_touch_the_gap() -> None:
    x = noise(8, samples=30_000)
    y, mask = filled(x, 15_000, 15_400, "zero")
    whole, near = metrics.lsd(x, y), metrics.lsd(x, y, mask=mask)
    frames = 1 + (30_000 - 2048) // 512
    touching = sum(start < 15_400 and start + 2048 > 15_000 for start in range(0, 30_000 - 2047, 512))
    assert near * touching == pytest.approx(whole * frames, rel=1e-9)
    near = metrics.log_mel_distance(x, y, RATE, mask=mask)
    assert near > metrics.log_mel_distance(x, y, RATE) > 0.0


def test_what_happens_far_from_the_gap_does_not_move_a_masked_distance() -> None:
    x = noise(9, samples=30_000)
    y, mask = filled(x, 15_000, 15_400, "half")
    elsewhere = np.array(y)
    elsewhere[:, :5000] = 0.0
    assert metrics.lsd(x, elsewhere, mask=mask) == metrics.lsd(x, y, mask=mask)
    assert metrics.lsd(x, elsewhere) > metrics.lsd(x, y)


def test_energy_loss_is_that_of_the_gap() -> None:
    x = noise(10, channels=2)
    y, mask = filled(x, 2000, 2500, "half")
    assert metrics.energy_loss(x, y, mask) == pytest.approx(20.0 * math.log10(0.5), abs=1e-9)
    y[:, 4000:] = 0.0
    assert metrics.energy_loss(x, y, mask) == pytest.approx(20.0 * math.log10(0.5), abs=1e-9)
    y[:, 2000:2500] = 0.0
    assert metrics.energy_loss(x, y, mask) == -math.inf


def test_extremes_of_the_ratios() -> None:
    x, zero = noise(11), np.zeros((1, 6000))
    assert metrics.snr(x, x) == math.inf
    assert metrics.snr(zero, x) == -math.inf
    assert metrics.si_sdr(x, zero) == 0.0 or metrics.si_sdr(x, zero) == -math.inf
    assert metrics.sdr(x, zero) == 0.0 or metrics.sdr(x, zero) == -math.inf
    assert metrics.psnr(x, x, 1.0) == math.inf


def test_a_short_signal_has_one_frame() -> None:
    assert spectrogram(np.ones((2, 100)), 512, 128).shape == (2, 1, 257)
    assert metrics.lsd(np.ones((1, 100)), np.ones((1, 100))) == 0.0


def test_the_window_is_periodic_and_the_frames_are_where_they_should_be() -> None:
    assert hann(4) == pytest.approx([0.0, 0.5, 1.0, 0.5])
    impulse = np.zeros((1, 4096))
    impulse[0, 2000] = 1.0
    level = np.abs(spectrogram(impulse, 1024, 256))[0, :, 0]
    expected = [hann(1024)[2000 - start] if 0 <= 2000 - start < 1024 else 0.0 for start in range(0, 3073, 256)]
    assert level == pytest.approx(expected, abs=1e-12)


def test_mel_bands_have_equal_area_over_frequency() -> None:
    filters = mel_filters(RATE, 8192, 20, 8000.0)
    area = filters.sum(axis=1) * RATE / 8192
    assert area == pytest.approx(np.ones(20), rel=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.snr(np.ones((1, 5)), np.ones((1, 6))), r"shape \(1, 5\), the estimate \(1, 6\)"),
        (lambda: metrics.snr(np.ones((1, 0)), np.ones((1, 0))), "nothing to compare"),
        (lambda: metrics.sdr(np.ones((1, 5)), np.ones((1, 5)), taps=0), "taps=0"),
        (lambda: metrics.gap_snr(np.ones((1, 5)), np.ones((1, 5)), np.ones((1, 5), bool)), "no sample is missing"),
        (lambda: metrics.gap_snr(np.ones((1, 5)), np.ones((1, 5)), np.ones((1, 4), bool)), "mask has shape"),
        (lambda: metrics.ssim(np.ones((3, 9)), np.ones((3, 9)), 1.0), "at least 7 rows"),
    ],
)
def test_input_that_cannot_be_measured_is_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]


def test_a_gap_in_the_last_part_frame_is_named() -> None:
    mask = np.ones((1, 2500), dtype=bool)
    mask[:, 2490:] = False
    with pytest.raises(ValueError, match="reflect"):
        metrics.lsd(noise(0, samples=2500), noise(1, samples=2500), mask=mask)
    assert metrics.lsd(noise(0, samples=2500), noise(1, samples=2500), mask=mask, padding="reflect") > 0.0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_frechet_distance_is_that_of_normal_laws_with_closed_forms(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((50, 4)) @ rng.standard_normal((4, 4))
    x -= x.mean(axis=0)
    spread, shift = np.cov(x, rowvar=False), rng.standard_normal(4)
    assert metrics.frechet_distance(x, x + shift) == pytest.approx(shift @ shift)
    # a law and the same one wider: (1 - a)^2 tr C, and the shift adds to it
    wider = metrics.frechet_distance(x, 3.0 * x + shift)
    assert wider == pytest.approx(4.0 * np.trace(spread) + shift @ shift)
    assert metrics.frechet_distance(3.0 * x + shift, x) == pytest.approx(wider)
    # covariances that commute: sum over axes of the squared difference of the deviations
    axes, vectors = np.linalg.eigh(spread)
    factors = np.array([0.5, 1.0, 2.0, 0.0])
    stretched = x @ vectors * factors @ vectors.T
    assert metrics.frechet_distance(x, stretched) == pytest.approx(np.sum((1.0 - factors) ** 2 * axes))
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    y = rng.standard_normal((30, 4))
    assert metrics.frechet_distance(x @ turn, y @ turn) == pytest.approx(metrics.frechet_distance(x, y))
    assert metrics.frechet_distance(x, x[rng.permutation(50)]) < 1e-9 * np.trace(spread)


def test_frechet_distance_of_sets_that_do_not_fit_is_refused() -> None:
    for shapes in (((1, 3), (5, 3)), ((5, 3), (5, 2)), ((5,), (5, 3))):
        with pytest.raises(ValueError, match=r"both must be \(items, features\) with 2 or more items"):
            metrics.frechet_distance(np.zeros(shapes[0]), np.zeros(shapes[1]))


def test_log_mel_frames_are_those_that_the_distance_compares() -> None:
    x, y = noise(0, 2), noise(1, 2)
    mask = np.ones(x.shape, dtype=bool)
    mask[:, 2000:2400] = False
    for told in (None, mask):
        one, other = (metrics.log_mel_frames(each, RATE, mask=told) for each in (x, y))
        assert one.shape[1] == 64
        found = np.mean(np.abs(one - other))
        assert found == pytest.approx(metrics.log_mel_distance(x, y, RATE, mask=told))
    # frames of 1024 samples every 160 that touch 400 missing samples, in two channels
    assert len(metrics.log_mel_frames(x, RATE, mask=mask)) == pytest.approx(2 * (1024 + 400) / 160, abs=2.0)


# --- parity


def test_frechet_distance_against_audioldm_eval() -> None:
    generated = lcg(31, 360).reshape(60, 6)
    target = 0.8 * lcg(32, 480).reshape(80, 6) @ (np.eye(6) + 0.3 * np.tril(np.ones((6, 6)))) + 0.2
    assert metrics.frechet_distance(target, generated) == pytest.approx(0.52081982404, rel=1e-6)


def test_what_a_classifier_hears_is_compared_as_published() -> None:
    generated, target = (3.0 * lcg(seed, 200).reshape(20, 10) for seed in (33, 34))
    assert metrics.label_divergence(target, generated) == pytest.approx(1.6251785742, rel=1e-6)
    assert metrics.label_divergence(target, generated, exclusive=False) == pytest.approx(2.9055885315, rel=1e-6)
    assert metrics.inception_score(generated, 10) == pytest.approx((1.375449859, 0.1323279607), rel=1e-6)
    assert metrics.inception_score(generated, 2) == pytest.approx((1.8898641912, 0.074755066674), rel=1e-6)


def test_what_a_classifier_hears_is_the_same_for_the_same_sounds_and_sure_at_best() -> None:
    logits = lcg(5, 60).reshape(12, 5)
    assert metrics.label_divergence(logits, logits) == pytest.approx(0.0, abs=1e-5)  # 1e-6 is added to a probability
    assert metrics.inception_score(np.zeros((12, 5)), 3) == pytest.approx((1.0, 0.0))
    assert metrics.inception_score(np.kron(np.ones((2, 1)), 50.0 * np.eye(5)), 2)[0] == pytest.approx(5.0)
    with pytest.raises(ValueError, match="splits=13"):
        metrics.inception_score(logits, 13)
    with pytest.raises(ValueError, match=r"\(12, 5\) and \(11, 5\)"):
        metrics.label_divergence(logits, logits[1:])


@pytest.mark.parametrize(
    ("name", "fill", "expected"),
    [
        ("noise", "white_noise", 0.080590929571),
        ("noise", "half", 0.060784585838),
        ("noise", "copy_before", 0.080714760166),
        ("noise", "zero", 2.2674354589),
        ("tonal", "white_noise", 0.16506882941),
        ("tonal", "zero", 2.1503468001),
    ],
)
def test_the_log_spectral_distance_of_audioldm_s_evaluation(
    signals: dict[str, np.ndarray], name: str, fill: str, expected: float
) -> None:
    """ssr_eval's form is not ours: zero-padded frames of 743 samples, magnitudes, a floor under one of the two."""
    y, _ = filled(signals[name], 72_000, 88_000, fill)
    reference, estimate = (_magnitudes(each[0], 743, 160) for each in (signals[name], y))
    distance = np.log10(reference**2 / (estimate + 1e-12) ** 2 + 1e-12) ** 2
    assert np.sqrt(distance.mean(axis=1)).mean() == pytest.approx(expected, abs=1e-4)


def _magnitudes(x: np.ndarray, n_fft: int, hop: int) -> np.ndarray:
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, n_fft // 2), n_fft)[::hop]
    return np.abs(np.fft.rfft(frames * hann(n_fft)))


@pytest.mark.parametrize(
    ("duration", "gap", "zero", "uncorrelated", "half", "negated"),
    [
        (10.0, 1.0, 10.0, 6.9897000434, 16.020599913, 3.9794000867),
        (10.0, 2.0, 6.9897000434, 3.9794000867, 13.010299957, 0.96910013008),
        (4.0, 0.3, 11.249387366, 8.2390874094, 17.269987279, 5.2287874528),
    ],
)
def test_closed_forms_of_snr(
    duration: float, gap: float, zero: float, uncorrelated: float, half: float, negated: float
) -> None:
    samples, missing = round(duration * 1000), round(gap * 1000)
    x = np.where(np.arange(samples) % 2 == 0, 1.0, -1.0)[None]
    assert metrics.snr(x, filled(x, 500, 500 + missing, "zero")[0]) == pytest.approx(zero, abs=1e-9)
    assert metrics.snr(x, filled(x, 500, 500 + missing, "half")[0]) == pytest.approx(half, abs=1e-9)
    assert metrics.snr(x, filled(x, 500, 500 + missing, "negated")[0]) == pytest.approx(negated, abs=1e-9)
    y = np.array(x)
    y[:, 500 : 500 + missing] = np.where(np.arange(missing) % 4 < 2, 1.0, -1.0)  # orthogonal to the alternation
    assert metrics.snr(x, y) == pytest.approx(uncorrelated, abs=1e-9)


WAVEFORM = [
    # signal, gap, fill, SNR, gap SNR, SI-SDR, SI-SDR with zero mean, SDR of 512 taps
    ("signs", (72_000, 88_000), "zero", 10.0, 0.0, 9.5424250944, 9.5423359002, 9.5587646038),
    ("signs", (64_000, 96_000), "late_3", 3.9636853775, -3.0260146659, 2.4769344605, 2.4768227837, 3.2734695908),
    ("noise", (72_000, 88_000), "white_noise", 6.9115636303, -3.0334104792, 6.2016079827, 6.2016165367, 6.2182035711),
    ("noise", (72_000, 88_000), "half", 15.965574023, 6.0205999133, 15.977947276, 15.977957603, 15.991924284),
    ("noise", (64_000, 96_000), "negated", 0.95851835591, -6.0205999133, -2.5208447636, -2.5208232794, -2.4868422049),
    ("tonal", (72_000, 88_000), "white_noise", 9.527764793, -0.46864461386, 9.0206193142, 9.0206274057, 9.0231949291),
    ("tonal", (64_000, 96_000), "copy_before", 27.400480667, 20.41312766, 27.394304249, 27.394320662, None),
]


@pytest.mark.parametrize("case", WAVEFORM, ids=lambda case: f"{case[0]}-{case[2]}")
def test_waveform_measures_against_torchmetrics(signals: dict[str, np.ndarray], case: tuple) -> None:  # type: ignore[type-arg]
    name, gap, fill, snr, gap_snr, si_sdr, zero_mean, sdr = case
    x = signals[name]
    y, mask = filled(x, *gap, fill)
    assert metrics.snr(x, y) == pytest.approx(snr, abs=1e-8)
    assert metrics.gap_snr(x, y, mask) == pytest.approx(gap_snr, abs=1e-8)
    assert metrics.si_sdr(x, y) == pytest.approx(si_sdr, abs=1e-8)
    assert metrics.si_sdr(x, y, zero_mean=True) == pytest.approx(zero_mean, abs=1e-8)
    if sdr is not None:
        assert metrics.sdr(x, y) == pytest.approx(sdr, abs=1e-6)


LSD = [
    # signal, fill, log10 over frames inside, ln, log10 over centred frames, log10 over frames that touch the gap
    ("noise", "white_noise", 0.084269438899, 0.1940375538, 0.083192513162, 0.74397876057),
    ("noise", "zero", 0.92865439394, 2.138305764, 0.91678660616, 8.1986916494),
    ("tonal", "half", 0.067259611586, 0.154870979, 0.066400063834, 0.59380628515),
    ("tonal", "copy_before", 0.082697699806, 0.1904184908, 0.081640860192, 0.73010254972),
]


@pytest.mark.parametrize("case", LSD, ids=lambda case: f"{case[0]}-{case[1]}")
def test_log_spectral_distance_in_its_variants(signals: dict[str, np.ndarray], case: tuple) -> None:  # type: ignore[type-arg]
    name, fill, log10, natural, centred, touching = case
    x = signals[name]
    y, mask = filled(x, 72_000, 88_000, fill)
    assert metrics.lsd(x, y, unit="log10") == pytest.approx(log10, abs=1e-9)
    assert metrics.lsd(x, y, unit="ln") == pytest.approx(natural, abs=1e-9)
    assert metrics.lsd(x, y) == pytest.approx(10.0 * log10, abs=1e-8)
    assert metrics.lsd(x, y, unit="log10", padding="reflect") == pytest.approx(centred, abs=1e-9)
    assert metrics.lsd(x, y, unit="log10", mask=mask) == pytest.approx(touching, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "fill", "total", "lsd"),
    [
        ("noise", "zero", 1.092201756, 0.75185917272),
        ("noise", "white_noise", 0.28438196149, 0.093139365969),
        ("tonal", "white_noise", 0.48271327222, 0.19398245276),
        ("tonal", "half", 0.23016703691, 0.07902399836),
    ],
)
def test_multi_resolution_distances_against_auraloss(
    signals: dict[str, np.ndarray], name: str, fill: str, total: float, lsd: float
) -> None:
    x = signals[name][:, :48_000]
    y, _ = filled(x, 20_000, 24_800, fill)
    assert metrics.multi_resolution_stft(x, y) == pytest.approx(total, rel=1e-8)
    assert metrics.multi_resolution_lsd(x, y) == pytest.approx(lsd, rel=1e-8)


@pytest.mark.parametrize(
    ("name", "fill", "psnr", "ssim", "log_mel"),
    [
        ("noise", "white_noise", 28.609245018, 90.449772964, 0.028348915163),
        ("tonal", "zero", 29.132597285, 97.322026629, 0.73461702747),
        ("tonal", "copy_before", 69.602106003, 99.999214294, 0.020829568116),
    ],
)
def test_spectrogram_pictures_against_librosa_and_scikit_image(
    signals: dict[str, np.ndarray], name: str, fill: str, psnr: float, ssim: float, log_mel: float
) -> None:
    x = signals[name]
    y, _ = filled(x, 72_000, 88_000, fill)
    P, Q = (metrics.mel_spectrogram(signal, RATE)[0] for signal in (x, y))
    assert P.shape == (128, 313)
    assert metrics.psnr(P, Q, P.max()) == pytest.approx(psnr, abs=1e-6)
    assert 100.0 * metrics.ssim(P, Q, P.max()) == pytest.approx(ssim, abs=1e-6)
    assert metrics.log_mel_distance(x, y, RATE) == pytest.approx(log_mel, abs=1e-8)


@pytest.mark.parametrize(
    ("case", "data_range", "ssim", "psnr"),
    [
        ("noise", 2.0, 0.93262653829, 24.777221852),
        ("noise", 1.0, 0.91126819863, 18.756621938),
        ("inverted", 2.0, 0.73206275808, 4.6769076155),
        ("positive", 0.99708653241, 0.92646148877, 18.903002283),
    ],
)
def test_pictures_against_scikit_image(case: str, data_range: float, ssim: float, psnr: float) -> None:
    u = lcg(21, 480).reshape(20, 24)
    v = u + 0.2 * lcg(22, 480).reshape(20, 24)
    x, y = {"noise": (u, v), "inverted": (u, -u), "positive": (np.abs(u), np.abs(v))}[case]
    assert metrics.ssim(x, y, data_range) == pytest.approx(ssim, abs=1e-9)
    assert metrics.psnr(x, y, data_range) == pytest.approx(psnr, abs=1e-8)
