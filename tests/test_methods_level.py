"""Levels of fills: exact where nothing is wrong, a known share of a known error taken away, nothing else touched."""

from typing import Any

import numpy as np
import pytest

from caesura.methods import build
from caesura.methods._level import levelled
from caesura.methods.auto import Auto
from caesura.methods.spain import Spain
from caesura.problem import Problem, Region
from caesura.restoration import restore

RATE = 16_000
GAP = slice(16_000, 19_200)


def noise(seed: int = 0, samples: int = 2 * RATE) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(samples)


def mask(gap: slice = GAP, samples: int = 2 * RATE) -> np.ndarray:
    known = np.ones(samples, dtype=bool)
    known[gap] = False
    return known


def decibels(x: np.ndarray, gap: slice = GAP) -> float:
    inner = slice(gap.start + 400, gap.stop - 400)  # the correction sets in within 3 ms, and its frames look over 32
    return float(10.0 * np.log10(np.mean(x[inner] ** 2)))


@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("error", [-9.0, -3.0, 3.0])
def test_a_share_of_the_error_in_level_is_taken_away(share: float, error: float) -> None:
    x = noise()
    x[GAP] *= 10.0 ** (error / 20.0)
    found = levelled(x, mask(), RATE, share)
    # Frames of noise scatter by some decibels about their mean; the mean of a gap's worth of them by a few tenths.
    assert decibels(found) - decibels(noise()) == pytest.approx((1.0 - share) * error, abs=0.8)
    assert np.array_equal(found[mask()], x[mask()])


def test_a_share_of_nothing_and_a_tone_that_goes_on_are_left_alone() -> None:
    x = noise()
    np.testing.assert_allclose(levelled(x, mask(), RATE, 0.0), x, rtol=0.0, atol=1e-12)
    tone = np.sin(2.0 * np.pi * 440.0 * np.arange(2 * RATE) / RATE)
    assert np.max(np.abs(levelled(tone, mask(), RATE, 1.0) - tone)) < 0.02


def test_the_level_goes_from_one_side_to_the_other() -> None:
    x = noise()
    x[GAP.stop :] *= 0.1
    x[GAP] *= 0.3
    found = levelled(x, mask(), RATE, 1.0)
    quarters = [decibels(found, slice(a, a + 1200)) for a in (GAP.start + 200, GAP.stop - 1400)]
    assert quarters[0] - quarters[1] > 3.0


def test_there_is_a_most_that_is_added() -> None:
    x = noise()
    x[GAP] *= 1e-3
    assert decibels(levelled(x, mask(), RATE, 1.0)) - decibels(x) == pytest.approx(12.0, abs=0.1)


def test_bands_are_corrected_each_by_itself() -> None:
    t = np.arange(2 * RATE) / RATE
    low, high = (np.sin(2.0 * np.pi * hertz * t) for hertz in (300.0, 3000.0))
    x = low + high
    x[GAP] = (low + 0.5 * high)[GAP]
    found = levelled(x, mask(), RATE, 1.0)
    inner = slice(GAP.start + 800, GAP.stop - 800)
    for wave, wanted in ((low, 1.0), (high, 1.0)):
        amplitude = 2.0 * np.mean(found[inner] * wave[inner])
        assert amplitude == pytest.approx(wanted, abs=0.03)


@pytest.mark.parametrize("gap", [slice(0, 3200), slice(28_800, 32_000)], ids=["start", "end"])
def test_one_side_is_enough(gap: slice) -> None:
    x = noise()
    x[gap] *= 0.5
    found = levelled(x, mask(gap), RATE, 1.0)
    assert decibels(found, gap) - decibels(noise(), gap) == pytest.approx(0.0, abs=1.0)


def test_without_a_side_nothing_happens() -> None:
    x = noise(samples=4000)
    known = np.zeros(4000, dtype=bool)
    known[:300] = True  # less than a frame
    assert np.array_equal(levelled(x, known, RATE, 1.0), x)


def test_another_gap_nearby_does_not_set_the_level() -> None:
    x, known = noise(), mask()
    known[GAP.stop + 800 : GAP.stop + 1600] = False
    loud = np.where(known, x, 100.0 * x)
    loud[GAP] = x[GAP]
    assert abs(decibels(levelled(loud, known, RATE, 1.0)) - decibels(x)) < 1.0


def test_sparse_fills_of_long_gaps_are_as_loud_as_what_is_around() -> None:
    """Noise is not sparse: its fill is far too quiet."""
    x, gap = noise()[None], Region(GAP.start, GAP.stop)
    quiet, level = (
        restore(Problem(x, (gap,), RATE), build("spain", learned=True, level=share)).samples[0] for share in (0.0, 1.0)
    )
    assert decibels(quiet) < -3.0
    assert abs(decibels(level)) < 0.5 * abs(decibels(quiet))
    with pytest.raises(ValueError, match=r"level=1\.5 must lie in 0 to 1"):
        build("spain", level=1.5)


def test_progress_waits_for_the_long_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.sin(0.2 * np.arange(24_000))[None]
    regions = (Region(4000, 4100), Region(8000, 9200), Region(15_000, 16_000, 500.0, 900.0))
    seen: list[float] = []
    before: list[list[float]] = []
    fill = Spain.__call__

    def watched(self: Spain, *args: Any, **more: Any) -> Any:
        before.append(list(seen))
        return fill(self, *args, **more)

    monkeypatch.setattr(Spain, "__call__", watched)
    Auto(policy="fill")(Problem(x, regions, 8000), rng=np.random.default_rng(0), progress=seen.append)
    assert before == [[pytest.approx(1 / 3)]]  # one of three regions was done when the long one was begun
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
