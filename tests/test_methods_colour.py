"""Noise that makes up for what a prediction loses in a band: its power, its colour, and where it must not be."""

import numpy as np
import pytest
from numpy.typing import NDArray

from caesura.methods._colour import lost_noise

RATE = 44100
LOW = 8000.0
GAP = slice(20000, 33000)  # 0.3 s


def hiss(seed: int, samples: int = 53000) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(samples)


def gapped(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    y, mask = x.copy(), np.ones(x.size, dtype=bool)
    y[GAP], mask[GAP] = 0.0, False
    return y, mask


def band_power(x: NDArray[np.float64], low: float, high: float) -> float:
    spectrum = np.abs(np.fft.rfft(x * np.hanning(x.size))) ** 2
    hertz = np.fft.rfftfreq(x.size, 1.0 / RATE)
    return float(spectrum[(hertz >= low) & (hertz < high)].sum() / np.sum(np.hanning(x.size) ** 2) * 2.0 / x.size)


def test_it_is_as_loud_as_its_surroundings_above_the_frequency_and_not_below() -> None:
    y, mask = gapped(hiss(0))
    added = lost_noise(y, mask, RATE, LOW, np.random.default_rng(1))
    # 13000 samples of noise: the power of a band of 2 kHz is known to 5 %
    for low in (9000.0, 13000.0, 19000.0):
        wanted = band_power(hiss(0)[GAP], low, low + 2000.0)
        assert band_power(added[GAP], low, low + 2000.0) == pytest.approx(wanted, rel=0.25)
    assert band_power(added[GAP], 0.0, 7000.0) < 1e-3 * band_power(added[GAP], LOW, RATE / 2)
    assert not added[mask].any()


def test_it_has_the_colour_of_both_sides() -> None:
    x = hiss(0)
    x[: GAP.start] *= 0.01
    y, mask = gapped(x)
    added = lost_noise(y, mask, RATE, LOW, np.random.default_rng(1))[GAP]
    assert added[:1500].std() < 0.3 * added[-1500:].std()


def test_what_is_loud_enough_gets_nothing_and_silence_stays_silent() -> None:
    x, mask = hiss(0), gapped(hiss(0))[1]
    added = lost_noise(x, mask, RATE, LOW, np.random.default_rng(1))
    assert added.std() < 0.35 * x.std()  # the power over 5 ms of noise varies by some 10 % around the right one
    assert not lost_noise(0.0 * x, mask, RATE, LOW, np.random.default_rng(1)).any()


def test_gaps_at_the_edges_take_the_side_there_is() -> None:
    x, mask = hiss(0), np.ones(53000, dtype=bool)
    mask[:5000] = mask[-5000:] = False
    added = lost_noise(np.where(mask, x, 0.0), mask, RATE, LOW, np.random.default_rng(1))
    for part in (slice(0, 5000), slice(-5000, None)):
        wanted = band_power(x[part], 10000.0, 20000.0)
        assert band_power(added[part], 10000.0, 20000.0) == pytest.approx(wanted, rel=0.3)
    nothing = lost_noise(x, np.zeros_like(mask), RATE, LOW, np.random.default_rng(1))
    assert not nothing.any()


def test_the_same_seed_gives_the_same_noise() -> None:
    y, mask = gapped(hiss(0))
    one, other = (lost_noise(y, mask, RATE, LOW, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(lost_noise(100.0 * y, mask, RATE, LOW, np.random.default_rng(3)), 100.0 * one)
