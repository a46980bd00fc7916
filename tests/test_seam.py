"""The seam score: inconspicuous where nothing happened, high where an edge clicks."""

import numpy as np
import pytest

from caesura.problem import Region
from caesura.seam import seam_score

RATE = 44100


def tone(samples: int = 40_000) -> np.ndarray:
    t = np.arange(samples) / RATE
    rng = np.random.default_rng(1)
    return (0.3 * np.sin(2 * np.pi * 330 * t) + 0.01 * rng.standard_normal(samples))[None]


@pytest.mark.parametrize("edge", [17_000, 20_000, 23_001])
def test_an_untouched_signal_has_no_seam(edge: int) -> None:
    x = tone()
    score = seam_score(x, Region(edge, edge + 900), np.ones(x.shape, bool))
    assert score is not None
    assert score < 3.5


def test_a_jump_is_a_seam_whatever_the_level() -> None:
    x = tone()
    x[:, 20_000:20_900] += 0.5
    mask = np.ones(x.shape, bool)
    mask[:, 20_000:20_900] = False
    loud, quiet = (seam_score(g * x, Region(20_000, 20_900), mask) for g in (1.0, 0.1))
    assert loud is not None
    assert quiet is not None
    assert loud > 10
    assert quiet == pytest.approx(loud, rel=0.1)


def test_silence_in_the_middle_of_sound_is_a_seam() -> None:
    x = np.random.default_rng(0).standard_normal((2, 40_000))
    x[1, 20_000:21_000] = 0.0
    mask = np.ones(x.shape, bool)
    mask[1, 20_000:21_000] = False
    assert (seam_score(x, Region(20_000, 21_000, channel=1), mask) or 0) > 10
    assert (seam_score(x, Region(20_000, 21_000, channel=0), mask) or 0) < 4


def test_nothing_to_compare_with_gives_no_score() -> None:
    assert seam_score(np.zeros((1, 100)), Region(0, 100), np.zeros((1, 100), bool)) is None
    assert seam_score(np.zeros((1, 100)), Region(40, 60), np.zeros((1, 100), bool)) is None
