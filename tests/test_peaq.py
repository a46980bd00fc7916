"""PEAQ basic: constants of the recommendation, limits and laws of the model; and ViSQOL under its own name.

The recordings of the recommendation's conformance test are not distributed, but its table of results is public: the
pairs of distortion index and grade in it pin the output scaling.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest

from caesura.evaluation import peaq
from caesura.evaluation.peaq import detection, ear, movs, network, patterns
from caesura.evaluation.perceptual import _program, visqol

RATE = 48_000

# Item of the conformance test: distortion index, grade.
PUBLISHED = {
    "acodsna": (1.304, -0.676),
    "bcodtri": (1.949, -0.304),
    "ccodsax": (0.048, -1.829),
    "ecodsmg": (1.731, -0.412),
    "fcodsb1": (0.677, -1.195),
    "fcodtr2": (-0.045, -1.927),
    "fcodtr3": (-0.715, -2.601),
    "hcodstr": (2.403, -0.128),
    "icodsna": (-3.029, -3.786),
    "kcodsme": (3.093, 0.038),
    "mcodcla": (-0.436, -2.331),
    "ncodsfe": (3.135, 0.045),
}


def music(seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    """A chord with vibrato and a little noise, without sound above 16 kHz as most recordings (1, samples)."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    tone = np.zeros_like(t)
    for f0 in (220.0, 277.2, 329.6):
        for h in range(1, 20):
            tone += np.sin(2 * np.pi * f0 * h * t + 0.3 * np.sin(2 * np.pi * 5.0 * t) + rng.uniform(0, 6)) / h**1.5
    return below(0.05 * tone + 1e-3 * rng.standard_normal(t.size), 16_000.0, 80.0)[None]


def below(x: np.ndarray, hertz: float, decibels: float) -> np.ndarray:
    """The signal (samples,) with what lies above a frequency turned down."""
    spectrum = np.fft.rfft(x)
    spectrum[round(hertz * x.size / RATE) :] *= 10.0 ** (-decibels / 20.0)
    return np.fft.irfft(spectrum, x.size)


def with_noise(x: np.ndarray, snr: float) -> np.ndarray:
    noise = np.random.default_rng(1).standard_normal(x.shape)
    return x + noise * np.linalg.norm(x) / np.linalg.norm(noise) * 10.0 ** (-snr / 20.0)


def tone(frequency: float, decibels: float, seconds: float = 1.0) -> np.ndarray:
    """A sine (samples,) at a sound pressure level."""
    t = np.arange(round(seconds * RATE)) / RATE
    return 10.0 ** ((decibels - 92.0) / 20.0) * np.sin(2 * np.pi * frequency * t)


@pytest.mark.parametrize("item", PUBLISHED)
def test_grades_of_the_published_distortion_indices(item: str) -> None:
    index, grade = PUBLISHED[item]
    assert network.grade_of_index(index) == pytest.approx(grade, abs=1e-3)  # both are printed with three decimals


def test_the_network_is_that_of_the_equations() -> None:
    values = list(np.random.default_rng(0).uniform(0.0, 50.0, 11))
    index = network.OUTPUT_BIAS
    for j in range(3):
        inner = network.HIDDEN_BIAS[j]
        for i, (low, high, *weights) in enumerate(network.INPUTS):
            inner += weights[j] * (values[i] - low) / (high - low)
        index += network.HIDDEN_WEIGHTS[j] / (1.0 + np.exp(-inner))
    assert network.distortion_index(values) == pytest.approx(index, rel=1e-12)
    assert network.grade(values) == pytest.approx(-3.98 + 4.2 / (1.0 + np.exp(-index)), rel=1e-12)


# --- the grade


@pytest.mark.parametrize("sample_rate", [48_000, 44_100, 16_000])
def test_nothing_changed_is_graded_as_no_difference(sample_rate: int) -> None:
    x = music()
    assert 0.17 <= peaq.odg(x, x, sample_rate) <= 0.22


def test_the_grade_falls_as_noise_rises_and_stays_in_its_range() -> None:
    x = music()
    grades = [peaq.odg(x, with_noise(x, snr), RATE) for snr in (80.0, 60.0, 50.0, 40.0, 30.0, 20.0, 0.0)]
    assert grades == sorted(grades, reverse=True)
    assert grades[0] > 0.0
    assert grades[-1] < -3.5
    assert all(-4.0 <= grade <= 0.22 for grade in grades)


def test_a_filled_gap_is_better_than_a_hole() -> None:
    x = music()
    hole, filled = np.array(x), np.array(x)
    hole[:, 48_000:50_400] = 0.0
    filled[:, 48_000:50_400] *= 0.98
    assert peaq.odg(x, hole, RATE) < -0.5 < peaq.odg(x, filled, RATE)


def test_two_equal_channels_are_graded_as_one() -> None:
    x = music()
    y = with_noise(x, 45.0)
    assert peaq.odg(np.vstack([x, x]), np.vstack([y, y]), RATE) == pytest.approx(peaq.odg(x, y, RATE), abs=1e-12)


def test_silence_before_and_after_does_not_count() -> None:
    x = music()
    y = with_noise(x, 45.0)
    wide = ((0, 0), (10 * 1024, 7 * 1024))
    assert peaq.odg(np.pad(x, wide), np.pad(y, wide), RATE) == pytest.approx(peaq.odg(x, y, RATE), abs=0.01)


def test_a_silent_estimate_and_a_short_recording_have_a_grade() -> None:
    x = music(0.05)
    assert 0.1 < peaq.odg(x, x, RATE) <= 0.22
    assert -4.0 <= peaq.odg(x, np.zeros_like(x), RATE) < peaq.odg(x, x, RATE)


def test_what_has_no_grade_is_named() -> None:
    with pytest.raises(ValueError, match="mono and stereo, got 3"):
        peaq.odg(np.ones((3, 5000)), np.ones((3, 5000)), RATE)
    with pytest.raises(ValueError, match="reference is silent"):
        peaq.odg(np.zeros((1, 5000)), np.zeros((1, 5000)), RATE)


def test_the_variables_come_by_name_in_the_order_of_the_network() -> None:
    assert list(peaq.variables(music(), music(), RATE)) == [
        "BandwidthRefB",
        "BandwidthTestB",
        "Total NMRB",
        "WinModDiff1B",
        "ADBB",
        "EHSB",
        "AvgModDiff1B",
        "AvgModDiff2B",
        "RmsNoiseLoudB",
        "MFPDB",
        "RelDistFramesB",
    ]


# --- the ear


def test_bands_are_those_of_the_recommendation() -> None:
    assert ear.BANDS == 109
    assert ear.CENTRES[[0, 1, -1]] == pytest.approx([91.708, 115.216, 17690.045], abs=2e-3)
    # Every bin between the edges goes to bands as a whole.
    inside = slice(5, 767)
    assert ear.GROUPING.sum(axis=1)[inside] == pytest.approx(np.ones(762), abs=1e-9)


@pytest.mark.parametrize("decibels", [40.0, 60.0, 92.0])
def test_the_test_tone_has_its_level(decibels: float) -> None:
    heard = ear.hear(tone(1019.5, decibels))
    assert 10.0 * np.log10(heard.spectrum.max(axis=1)) == pytest.approx(decibels, abs=0.01)


def test_the_outer_ear_is_most_sensitive_near_3_khz() -> None:
    assert 2500.0 < np.argmax(ear.OUTER_EAR) * RATE / 2048 < 4000.0
    # -2.184 + 6.5 exp(-0.6 * 2.3^2) - 0.001 dB at 1 kHz; the nearest bin is at 1008 Hz.
    assert 10.0 * np.log10(ear.OUTER_EAR[43]) == pytest.approx(-1.89, abs=0.05)


def test_spreading_falls_by_27_db_per_bark_below_and_less_above_when_louder() -> None:
    slopes = {}
    for decibels in (40.0, 80.0):
        power = np.full((1, ear.BANDS), 1e-30)
        power[0, 50] = 10.0 ** (decibels / 10.0)
        spread = 10.0 * np.log10(ear._spread(power)[0])
        assert spread[46] - spread[42] == pytest.approx(27.0, abs=0.01)
        slopes[decibels] = spread[54] - spread[58]
    expected = {level: 24.0 + 230.0 / ear.CENTRES[50] - 0.2 * level for level in slopes}
    assert slopes == pytest.approx(expected, abs=0.01)


def test_spreading_leaves_a_flat_floor_flat() -> None:
    assert ear._spread(np.ones((1, ear.BANDS))) / ear.SPREAD_OF_ONE == pytest.approx(np.ones((1, ear.BANDS)))


def test_excitation_outlasts_a_tone_and_never_precedes_it() -> None:
    x = np.concatenate([np.zeros(RATE // 2), tone(1000.0, 70.0, 0.5), np.zeros(RATE // 2)])
    heard = ear.hear(x)
    band = int(np.argmax(heard.excitation[36]))
    after = heard.excitation[48:60, band]  # the tone ends in frame 46
    assert np.all(after > heard.unsmeared[48:60, band])
    assert np.all(np.diff(after) < 0.0)
    assert heard.excitation[20, band] == pytest.approx(heard.unsmeared[20, band])


# --- patterns and variables


def test_a_steady_sound_has_no_modulation_and_a_beating_one_has() -> None:
    steady, average = patterns.modulation(np.full((200, ear.BANDS), 1e4))
    assert steady[-1] == pytest.approx(np.zeros(ear.BANDS), abs=1e-3)
    assert average[-1] == pytest.approx(np.full(ear.BANDS, 1e4**0.3), rel=1e-3)
    beating = np.full((200, ear.BANDS), 1e4)
    beating[::2] *= 10.0
    assert patterns.modulation(beating)[0][-1].min() > 10.0 * steady[-1].max()


def test_adaptation_takes_level_and_slow_filtering_out() -> None:
    rng = np.random.default_rng(0)
    reference = 1e4 * rng.uniform(0.5, 2.0, (400, ear.BANDS))
    tilt = 10.0 ** np.linspace(-1.0, 1.0, ear.BANDS)
    for test in (7.0 * reference, 0.1 * reference, tilt * reference):
        adapted = patterns.adapt(reference, test)
        assert np.median(np.abs(np.log(adapted[0][-100:] / adapted[1][-100:]))) < 0.25
    same = patterns.adapt(reference, reference)
    assert same[0] == pytest.approx(same[1], rel=1e-12)


def test_ten_decibels_are_about_twice_as_loud() -> None:
    levels = [patterns.loudness(ear.hear(tone(1000.0, level)).excitation)[20] for level in (50.0, 60.0, 70.0)]
    assert 1.7 < levels[1] / levels[0] < 2.6
    assert 1.7 < levels[2] / levels[1] < 2.6
    assert patterns.loudness(ear.hear(np.zeros(RATE)).excitation)[20] < 0.1


def test_bandwidth_is_where_the_spectrum_ends() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE)
    for hertz in (12_000, 16_000):
        heard = ear.hear(below(noise, hertz, 50.0))
        own, other = movs.bandwidths(heard, heard)
        assert own == pytest.approx(hertz * 2048 / RATE, abs=3.0)
        assert own == other
    narrow = ear.hear(below(noise, 6000.0, 50.0))
    assert movs.bandwidths(narrow, narrow) == (0.0, 0.0)
    assert movs.bandwidths(heard, narrow)[1] == pytest.approx(
        6000.0 * 2048 / RATE, abs=15.0
    )  # 5 dB over noise is less sharp


def test_noise_to_mask_rises_by_a_decibel_per_decibel() -> None:
    x = music()[0]
    ratios = [movs.noise_to_mask(ear.hear(x), ear.hear(x * (1.0 + error))) for error in (0.01, 0.1)]
    assert ratios[1] - ratios[0] == pytest.approx(20.0, abs=0.01)
    assert movs.disturbed_frames(ear.hear(x), ear.hear(x)) == 0.0
    assert movs.disturbed_frames(ear.hear(x), ear.hear(with_noise(music(), 10.0)[0])) == 1.0


def test_an_error_that_repeats_along_frequency_has_harmonic_structure() -> None:
    noise = np.random.default_rng(0).standard_normal(2 * RATE)
    echo = noise + 0.5 * np.roll(noise, 300)  # a comb: the ratio of the spectra repeats every 160 Hz
    other = noise + 0.5 * np.random.default_rng(1).standard_normal(2 * RATE)
    reference = ear.hear(0.1 * noise)
    combed, white = (movs.harmonic_structure(reference, ear.hear(0.1 * y)) for y in (echo, other))
    assert combed > 3.0 * white > 0.0
    assert movs.harmonic_structure(reference, reference) == 0.0


def test_a_difference_of_one_step_is_heard_half_of_the_time() -> None:
    level = 60.0
    step = (
        5.95072 * (6.39468 / level) ** 1.71332 + 9.01033e-11 * level**4 + 5.05622e-6 * level**3
        - 0.00102438 * level**2 + 0.0550197 * level - 0.198719
    )  # fmt: skip
    test = np.full((1, 1), 10.0 ** (level / 10.0))
    # The reference is softer, so the level that counts is the test's.
    softer = 10.0 ** ((level - step) / 10.0) * np.ones((1, 1))
    probability, _ = detection.detection([(softer, test)])
    assert probability == pytest.approx([0.5], abs=1e-9)
    both, _ = detection.detection([(np.hstack([softer, softer]), np.hstack([test, test]))])
    assert both == pytest.approx([0.75], abs=1e-9)
    none, steps = detection.detection([(test, test)])
    assert none == pytest.approx([0.0])
    assert steps == pytest.approx([0.0])


def test_what_listeners_notice_is_summed_up_as_defined() -> None:
    assert detection.average_distorted_block(np.array([0.1, 0.5]), np.array([9.0, 9.0])) == 0.0
    assert detection.average_distorted_block(np.array([0.1, 0.9]), np.array([9.0, 0.0])) == -0.5
    assert detection.average_distorted_block(np.array([0.9, 0.9]), np.array([50.0, 150.0])) == pytest.approx(2.0)
    assert detection.highest_probability(np.array([1.0, 1.0, 0.0])) == pytest.approx(1.0 - 0.9**2)


# --- ViSQOL


def test_visqol_hears_noise() -> None:
    pytest.importorskip("visqol")
    x = music(1.0)
    assert visqol(x, x, RATE) > 4.5
    assert visqol(x, with_noise(x, 10.0), RATE) < 4.0


def test_visqol_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    _program.cache_clear()
    monkeypatch.setitem(sys.modules, "visqol", None)
    with pytest.raises(ValueError, match=r"pip install 'caesura\[eval\]'"):
        visqol(music(0.1), music(0.1), RATE)
    with pytest.raises(ValueError, match="no mode 'noise'"):
        visqol(music(0.1), music(0.1), RATE, mode="noise")  # type: ignore[arg-type]
