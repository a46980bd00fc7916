"""Higher and lower without longer or shorter; where notes begin and how fast they follow."""

import numpy as np
import pytest

from caesura.data.onsets import attacks, tempi
from caesura.data.segments import consecutive, excerpt, power, sounding, spread
from caesura.data.transposition import transposed

RATE = 44_100


def tones(frequencies: tuple[float, ...], seconds: float = 2.0) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    return np.sum([0.1 * np.sin(2.0 * np.pi * f * t + k) for k, f in enumerate(frequencies)], axis=0)


def strokes(places: np.ndarray, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Bursts of noise that die away in 15 ms."""
    x = np.zeros(samples)
    for place in places:
        length = min(round(0.08 * RATE), samples - place)
        x[place : place + length] += rng.standard_normal(length) * np.exp(-np.arange(length) / (0.015 * RATE))
    return x


def pitch(x: np.ndarray, near: float) -> float:
    """Frequency of the strongest partial within half a semitone, by a parabola through the logarithms."""
    spectrum = np.log(np.abs(np.fft.rfft(x * np.hanning(x.size), 4 * x.size)) + 1e-12)
    bins = np.arange(spectrum.size) * RATE / (4 * x.size)
    inside = np.flatnonzero(np.abs(np.log2(np.maximum(bins, 1.0) / near)) < 1 / 24)
    top = inside[np.argmax(spectrum[inside])]
    a, b, c = spectrum[top - 1 : top + 2]
    return float((top + 0.5 * (a - c) / (a - 2 * b + c)) * RATE / (4 * x.size))


@pytest.mark.parametrize("semitones", [-5, -1, 1, 6])
def test_every_partial_moves_by_the_same_interval(semitones: int) -> None:
    frequencies = (82.4, 196.0, 440.0, 1318.5, 5274.0)
    x = tones(frequencies)
    y = transposed(x[None], semitones, RATE)
    assert y.shape == (1, x.size)
    inner = slice(RATE // 4, -RATE // 4)
    ratio = 2.0 ** (semitones / 12.0)
    for f in frequencies:
        # measured: 0.3 cents; a listener hears 5 at best
        assert 1200.0 * np.log2(pitch(y[0, inner], f * ratio) / (f * ratio)) == pytest.approx(0.0, abs=1.0)
    assert 10.0 * np.log10(power(y[0, inner]) / power(x[inner])) == pytest.approx(0.0, abs=0.2)


@pytest.mark.parametrize("semitones", [-5, 4])
@pytest.mark.parametrize("bed", [0.0, 1.0])
def test_attacks_stay_sharp_and_where_they_are(semitones: int, bed: float) -> None:
    rng = np.random.default_rng(0)
    places = np.round(np.arange(0.3, 1.8, 0.25) * RATE).astype(int)
    samples = 2 * RATE
    x = strokes(places, samples, rng)
    y = transposed(np.stack((x, bed * tones((220.0, 331.0)))), semitones, RATE)[0]
    before, after = (
        sum(np.sum(y[place + first : place + last] ** 2) for place in places)
        for first, last in ((-round(0.03 * RATE), -round(0.002 * RATE)), (0, round(0.06 * RATE)))
    )
    # measured: -47 and -72 dB; without attacks the same vocoder leaves -10 and -11
    assert 10.0 * np.log10(before / after) < -30.0
    crest, other = (np.abs(z).max() / np.sqrt(power(z)) for z in (x, y))
    assert other > 0.75 * crest  # what is played slower lasts longer: 0.87 at five semitones down


def test_rows_are_moved_alike() -> None:
    rng = np.random.default_rng(1)
    x = 0.1 * rng.standard_normal(RATE)
    first, second = transposed(np.stack((x, x)), 3, RATE)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(transposed(x[None], 0, RATE)[0], x)


def test_an_excerpt_is_as_if_it_were_cut_from_the_whole() -> None:
    x = tones((110.0, 277.2, 659.3), 3.0)[None]
    whole = transposed(x, 2, RATE)
    part = excerpt(x, RATE, RATE, 2, RATE)
    assert part.shape == (1, RATE)
    # phases begin elsewhere, the level does not fall off at the cuts
    for k in range(10):
        place = slice(k * RATE // 10, (k + 1) * RATE // 10)
        ratio = power(part[0, place]) / power(whole[0, RATE:][place])
        assert 10.0 * np.log10(ratio) == pytest.approx(0.0, abs=1.5)
    np.testing.assert_array_equal(excerpt(x, RATE, RATE, 0, RATE), x[:, RATE : 2 * RATE])


def test_attacks_are_found_to_the_sample() -> None:
    rng = np.random.default_rng(2)
    places = np.round(np.arange(0.3, 1.8, 0.2) * RATE).astype(int)
    found = attacks(strokes(places, 2 * RATE, rng) + tones((300.0,)), RATE, 0.1)
    near = [np.abs(found - place).min() for place in places]
    assert max(near) < 0.001 * RATE
    assert len(found) <= len(places) + 1  # the tone begins as well


@pytest.mark.parametrize("bpm", [84.0, 100.0, 118.0])
def test_the_tempo_of_a_beat_is_found(bpm: float) -> None:
    rng = np.random.default_rng(3)
    places = np.round(np.arange(0.2, 13.8, 60.0 / bpm) * RATE).astype(int)
    found = tempi(strokes(places, 14 * RATE, rng), RATE)
    # lags are hundredths of a second: 1.3 % of half a second
    assert np.mean(np.abs(found / bpm - 1.0) < 0.015) > 0.9


def test_silence_has_no_tempo() -> None:
    assert np.isnan(tempi(np.zeros(10 * RATE), RATE)).all()


def test_stretches_are_spread_from_the_beginning_to_the_end() -> None:
    assert spread(1_323_000, 225_351, 6) == tuple(219_529 * k for k in range(6))
    assert spread(100, 100, 5) == (0,)
    assert spread(99, 100, 5) == ()
    assert spread(300, 100, 1) == (0,)
    assert consecutive(350, 100) == (0, 100, 200)
    assert consecutive(350, 100, 0.5) == (0, 50, 100, 150, 200, 250)


def test_powers_of_16_bit_samples_do_not_wrap() -> None:
    x = np.round(1000.0 * np.random.default_rng(4).standard_normal(100_000)).astype(np.int16)
    # the standard error of a power in 100 000 draws is 0.45 %; squares in 16 bits give a thousandth of this
    assert power(x) == pytest.approx(1e6, rel=0.02)


def test_a_part_sounds_where_it_is_loud_for_itself() -> None:
    x = np.repeat([0.0, 0.5, 1.0, 0.0], 1000) * np.sin(np.arange(4000))
    # the mean where it is not silent is 5/8 of full power, of which 0.4 are a quarter
    assert sounding(x, (0, 1000, 2000, 3000), 1000, 0.399).tolist() == [False, True, True, False]
    assert sounding(x, (0, 1000, 2000, 3000), 1000, 0.41).tolist() == [False, False, True, False]
