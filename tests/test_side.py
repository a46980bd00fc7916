"""The other channel as side information: what it can say exactly, and that it is silent where it has nothing to say."""

import numpy as np
import pytest

from caesura.autoregression import predictions
from caesura.inpainter import Note
from caesura.methods import build
from caesura.problem import Problem, Region

RATE = 16_000
GAP = Region(8_000, 8_320, channel=0)


def noise(seed: int, samples: int = 16_000) -> np.ndarray:
    """Noise with resonances: hard to predict over 20 ms, so that the other channel has much to say."""
    from scipy.signal import lfilter

    e = np.random.default_rng(seed).standard_normal(samples)
    return 0.05 * lfilter([1.0], [1.0, -1.2, 0.8], e)


def fill(x: np.ndarray, *regions: Region, name: str = "lsar", **settings: object) -> tuple[np.ndarray, list[Note]]:
    notes: list[Note] = []
    estimate = build(name, settings)(Problem(x, regions, RATE), rng=np.random.default_rng(0), note=notes.append)
    return estimate, notes


def snr(x: np.ndarray, estimate: np.ndarray, gap: Region = GAP) -> float:
    at = slice(gap.start, gap.stop)
    return 10.0 * np.log10(np.sum(x[at] ** 2) / np.sum((x[at] - estimate[at]) ** 2))


def heard(x: np.ndarray, *others: np.ndarray, taps: tuple[int, ...] = (33,)) -> np.ndarray:
    """What the predictions say together in the gap of `x`."""
    missing = np.zeros(x.size, bool)
    missing[GAP.start : GAP.stop] = True
    known = np.where(missing, 0.0, x)
    found = predictions(
        known, missing, np.stack(others), np.zeros(x.size, bool), (GAP.start, GAP.stop), taps=taps, scale=1.0
    )
    return sum((p.weight * p.samples for p in found), np.zeros(x.size))


def test_a_filtered_copy_is_predicted_to_the_last_digits():
    o = noise(1)
    h = np.zeros(33)
    h[[3, 16, 20]] = 0.2, 1.0, -0.4  # two-sided: it hears ahead and behind
    x = np.convolve(o, h, "same")
    # The ridge of 1e-6 of the power is all that is lost.
    assert snr(x, heard(x, o)) > 80.0


def test_two_other_channels_share_the_filters():
    a, b = noise(2), noise(3)
    x = 0.7 * np.roll(a, 2) - 0.5 * np.roll(b, -4)
    assert snr(x, heard(x, a, b, taps=(65,))) > 60.0
    assert snr(x, heard(x, a, taps=(65,))) < 20.0


def test_shares_sum_to_one_and_say_how_much_they_help():
    o = noise(4)
    missing = np.zeros(o.size, bool)
    missing[GAP.start : GAP.stop] = True
    x = np.where(missing, 0.0, o + 0.01 * noise(5))
    found = predictions(x, missing, o[None], ~np.ones(o.size, bool), (8_000, 8_320), taps=(33, 129), scale=1.0)
    assert sum(p.weight for p in found) == pytest.approx(1.0)
    assert min(p.error for p in found) < 0.01
    assert {p.taps for p in found} <= {0, 33, 129}


@pytest.mark.parametrize("quality", ["default", "best"])
def test_one_damaged_channel_gains_from_the_other(quality):
    o = noise(6)
    x = np.stack([np.convolve(o, [0.3, 0.8, 0.1], "same") + 0.02 * noise(7), o])
    alone, _ = fill(x[:1], Region(GAP.start, GAP.stop), name="auto", quality=quality)
    both, notes = fill(x, GAP, name="auto", quality=quality)
    assert snr(x[0], both[0]) > snr(x[0], alone[0]) + 15.0
    np.testing.assert_array_equal(both[1], x[1])
    assert notes[0].parameters["taps"]
    assert notes[0].parameters["error_beside"] < 0.05
    assert "other channels" in notes[0].why


def test_unrelated_channels_are_filled_each_from_itself_to_the_last_bit():
    t = np.arange(16_000) / RATE
    x = np.stack([np.sin(2 * np.pi * 311 * t) + 0.01 * noise(8), noise(9)])
    both, notes = fill(x, GAP)
    np.testing.assert_array_equal(both[0], fill(x[:1], Region(GAP.start, GAP.stop))[0][0])
    assert "taps" not in notes[0].parameters


def test_a_channel_that_is_damaged_there_too_is_not_listened_to():
    x = np.stack([noise(10), noise(10) + 0.01 * noise(11)])
    beside = Region(GAP.stop - 1, GAP.stop + 40, channel=1)
    both, _ = fill(x, GAP, beside)
    np.testing.assert_array_equal(both[0], fill(x[:1], Region(GAP.start, GAP.stop))[0][0])


def test_a_channel_that_is_damaged_elsewhere_still_helps():
    x = np.stack([noise(10), noise(10) + 0.01 * noise(11)])
    both, notes = fill(x, GAP, Region(GAP.start - 1_000, GAP.start - 900, channel=1))
    assert snr(x[0], both[0]) > 25.0
    assert notes[0].parameters["taps"]


def test_swapped_channels_give_swapped_fills():
    x = np.stack([noise(12), noise(12) + 0.1 * noise(13)])
    first, _ = fill(x, GAP)
    second, _ = fill(x[::-1], Region(GAP.start, GAP.stop, channel=1))
    np.testing.assert_array_equal(first, second[::-1])


def test_what_is_in_the_gap_changes_nothing():
    x = np.stack([noise(14), noise(14) + 0.1 * noise(15)])
    hidden = x.copy()
    hidden[0, GAP.start : GAP.stop] = np.nan
    np.testing.assert_array_equal(fill(x, GAP)[0], fill(hidden, GAP)[0])


@pytest.mark.parametrize("other", ["silence", "impulse", "constant"])
@pytest.mark.parametrize("span", [(0, 40), (15_960, 16_000), (8_000, 8_001), (100, 15_900)])
def test_degenerate_channels_and_places_give_finite_fills(other, span):
    o = {"silence": np.zeros(16_000), "impulse": np.eye(1, 16_000, 500)[0], "constant": np.full(16_000, 0.2)}[other]
    x = np.stack([noise(16), o])
    estimate, _ = fill(x, Region(*span, channel=0))
    assert np.isfinite(estimate).all()
    assert np.abs(estimate).max() <= 2.0 * np.abs(x).max()
    estimate, _ = fill(x[::-1], Region(*span, channel=0))
    assert np.isfinite(estimate).all()


def test_even_filters_are_refused():
    with pytest.raises(ValueError, match="taps"):
        build("lsar", {"taps": (32,)})
