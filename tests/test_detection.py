from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from caesura.data.damage import add_clicks, clip, dropouts, punch_gaps
from caesura.detection import KINDS, detect, detect_blocks
from caesura.labels import Label
from caesura.problem import Region

RATE = 22_050


def quantised(x: np.ndarray) -> np.ndarray:
    return np.round(x * 32768.0) / 32768.0


def music(seconds: float = 3.0, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """(1, samples): partials of three slowly changing tones over coloured noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * rate)) / rate
    x = lfilter([1.0], [1.0, -0.9], 0.001 * rng.standard_normal(t.size))
    for tone in (196.0, 293.7, 440.0):
        for k in range(1, 9):
            swell = 1.0 + 0.3 * np.sin(2 * np.pi * rng.uniform(0.2, 1.0) * t + rng.uniform(0, 6))
            x += 0.06 / k * swell * np.sin(2 * np.pi * tone * k * t + rng.uniform(0, 6))
    return quantised(x)[None]


def regions(labels: list[Label], *kinds: str) -> list[tuple[int, int]]:
    return [(label.region.start, label.region.stop) for label in labels if label.kind in kinds]


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=12, deadline=None)
def test_every_digital_gap_is_found_with_its_edges_and_nothing_else(seed: int, hold: bool) -> None:
    rng = np.random.default_rng(seed)
    y, truth = punch_gaps(music(), RATE, count=5, length=(RATE // 1000 + 1, RATE // 20), rng=rng, hold=hold)
    found = detect(quantised(y), RATE)
    assert len(found) == len(truth)
    for label, true in zip(found, truth, strict=True):
        assert label.kind in ("held", true.kind)
        assert abs(label.region.start - true.region.start) <= 2  # a genuine sample may be zero or equal by chance
        assert abs(label.region.stop - true.region.stop) <= 2
        assert label.region.channel is None
        assert label.confidence is not None
        assert 0.5 <= label.confidence <= 1.0


def test_undamaged_music_is_left_alone() -> None:
    assert detect(music(), RATE) == []


@pytest.mark.parametrize("fade", [0.005, 0.05, 1.0])
def test_a_rest_after_a_fade_is_no_gap(fade: float) -> None:
    x = music()
    n = int(fade * RATE)
    stop = RATE + 4000
    x[:, RATE - n : RATE] *= np.linspace(1.0, 0.0, n)
    x[:, RATE:stop] = 0.0
    assert regions(detect(quantised(x), RATE), "silence", "held") == []


def test_silence_at_the_start_and_at_the_end_is_no_gap() -> None:
    x = music()
    x[:, :4000] = 0.0
    x[:, -4000:] = 0.0
    assert regions(detect(x, RATE), "silence", "held", "click") == []


def test_plateaus_of_a_quiet_slow_wave_are_no_held_values() -> None:
    t = np.arange(3 * RATE) / RATE
    x = quantised(60 / 32768 * np.sin(2 * np.pi * 40 * t))[None]
    assert (np.diff(x) == 0).mean() > 0.3
    assert regions(detect(x, RATE), "silence", "held", "clipping") == []


def test_strokes_are_no_clicks() -> None:
    rng = np.random.default_rng(1)
    x = 0.001 * rng.standard_normal(4 * RATE)
    starts = np.arange(4000, 4 * RATE - 5000, 3500)
    for start in starts:
        n = np.arange(2000)
        x[start : start + 2000] += 0.3 * rng.standard_normal(2000) * np.exp(-n / (0.01 * RATE))
    found = regions(detect(quantised(x)[None], RATE), "click")
    assert len(found) <= len(starts) // 10


def test_onsets_of_plucked_strings_are_no_clicks() -> None:
    x = music()
    n = np.arange(8000)
    for start in range(3000, 55000, 9000):
        x[0, start : start + 8000] += 0.5 * np.sin(2 * np.pi * 660 / RATE * n) * np.exp(-n / 2000)
    assert regions(detect(quantised(x), RATE), "click", "dropout") == []


def test_clicks_are_found_with_their_edges() -> None:
    y, truth = add_clicks(music(), RATE, count=15, length=(5, 40), level=10.0, rng=np.random.default_rng(5))
    found = regions(detect(quantised(y), RATE), "click")
    assert len(found) == len(truth)
    for (start, stop), true in zip(found, truth, strict=True):
        assert abs(start - true.region.start) <= 3
        assert abs(stop - true.region.stop) <= 3


def test_one_wrong_sample_is_found() -> None:
    x = music()
    x[0, 30_000] += 0.05
    ((start, stop),) = regions(detect(x, RATE), "click")
    assert 29_998 <= start <= 30_000 < stop <= 30_003


def test_dropouts_are_found_near_their_edges() -> None:
    y, truth = dropouts(music(), RATE, count=4, length=(1500, 2500), depth=30.0, edge=70, rng=np.random.default_rng(6))
    found = regions(detect(quantised(y), RATE), "dropout")
    assert len(found) == len(truth)
    for (start, stop), true in zip(found, truth, strict=True):
        assert abs(start - true.region.start) <= 0.004 * RATE
        assert abs(stop - true.region.stop) <= 0.004 * RATE


def test_a_slow_fade_and_swell_is_no_dropout() -> None:
    x = music()
    gain = np.interp(np.arange(x.shape[1]), [20000, 24000, 26000, 30000], [1.0, 0.01, 0.01, 1.0])
    assert regions(detect(quantised(x * gain), RATE), "dropout", "silence", "held") == []


def test_clipping_is_found_and_is_not_a_held_value() -> None:
    x = music()
    y, truth = clip(x, level=quantised(np.array(0.6 * np.abs(x).max())).item())
    found = detect(y, RATE)
    assert regions(found, "held", "silence") == []
    exact = {(t.region.start, t.region.stop) for t in truth if t.region.length >= 5}
    assert exact
    tops = regions(found, "clipping")
    assert all(any(a <= start and stop <= b for a, b in tops) for start, stop in exact)


def test_nan_and_infinity_are_found_exactly_and_hide_nothing() -> None:
    x = music()
    x[0, 10_000:10_007] = np.nan
    x[0, 20_000] = np.inf
    x[0, 30_000:30_500] = 0.0
    found = detect(x, RATE)
    assert regions(found, "nan") == [(10_000, 10_007), (20_000, 20_001)]
    assert regions(found, "silence") == [(30_000, 30_500)]
    assert len(found) == 3


def test_nothing_but_nan_is_one_region() -> None:
    assert detect(np.full((2, 3000), np.nan), RATE) == [Label(Region(0, 3000), "nan", 1.0)]


def test_channels_are_told_apart_and_merged_where_they_agree() -> None:
    x = np.concatenate([music(seed=1), music(seed=2)])
    x[:, 20_000:20_300] = 0.0
    x[1, 40_000:40_300] = 0.0
    found = [(label.region.start, label.region.channel) for label in detect(x, RATE)]
    assert found == [(20_000, None), (40_000, 1)]


def test_blocks_give_what_the_whole_gives_and_stay_small() -> None:
    rate = 8_000
    x = np.tile(music(10.0, rate), 13)
    x[0, 131_000:133_000] = 0.0  # across the edge of the first block
    x[0, 250_000:290_000] = 0.0
    x[0, 262_100] += 0.5
    x[0, 400_000] = np.nan
    sizes: list[int] = []

    def read(start: int, stop: int) -> np.ndarray:
        assert 0 <= start < stop <= x.shape[1]
        sizes.append(stop - start)
        return x[:, start:stop]

    found = detect_blocks(read, x.shape[1], rate)
    assert found == detect(x, rate)
    assert max(sizes) < x.shape[1] / 3
    assert (131_000, 133_000) in regions(found, "silence")


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_wanted_kind_is_reported(kind: str) -> None:
    y, _ = punch_gaps(music(), RATE, count=3, length=200, rng=np.random.default_rng(8))
    y[0, 5_000] = np.nan
    assert {label.kind for label in detect(y, RATE, kinds=(kind,))} <= {kind}
    assert bool(detect(y, RATE, kinds=(kind,))) == (kind in ("nan", "silence"))


def test_sensitivity_moves_the_threshold() -> None:
    y, _ = add_clicks(music(), RATE, count=15, length=(3, 10), level=-25.0, rng=np.random.default_rng(9))
    counts = [len(detect(quantised(y), RATE, kinds=["click"], sensitivity=s)) for s in (0.25, 1.0, 4.0)]
    assert counts[0] < counts[2]
    assert counts == sorted(counts)


def test_short_and_flat_recordings_are_no_error() -> None:
    for samples in (1, 2, 30, 500):
        assert detect(np.zeros((1, samples)), RATE) == []
    assert detect(np.zeros((2, 0)), RATE) == []
    assert detect(np.full((1, 50_000), 0.25), RATE) == []


@pytest.mark.parametrize("rate", [8_000, 96_000])
def test_other_rates(rate: int) -> None:
    y, truth = punch_gaps(music(1.5, rate), rate, count=3, length=rate // 200, rng=np.random.default_rng(10))
    assert regions(detect(quantised(y), rate), "silence") == [(t.region.start, t.region.stop) for t in truth]


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="no kind of damage 'hum'"):
        detect(music(), RATE, kinds=["hum"])
    with pytest.raises(ValueError, match="positive number"):
        detect(music(), RATE, sensitivity=0.0)
