"""Boxes: the operator's laws, and what the methods bring back."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.box import band_part, bin_shares, windows
from caesura.inpainter import Note
from caesura.methods import build
from caesura.methods.janssen_tf import Band, JanssenTf
from caesura.methods.nmf import Nmf
from caesura.problem import Problem, Region
from caesura.restoration import restore

RATE = 16_000
BOX = Region(20_000, 24_000, 800.0, 3200.0)

spans = st.tuples(st.integers(8, 400), st.floats(0.0, 7000.0), st.floats(1.0, 9000.0))


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(samples)


def partials(samples: int, frequencies: tuple[float, ...], level: float = 1e-3) -> np.ndarray:
    """Slowly decaying tones over a little noise."""
    t = np.arange(samples) / RATE
    tones = sum(np.sin(2 * np.pi * f * t + k) * np.exp(-0.3 * t) for k, f in enumerate(frequencies))
    return np.asarray(tones) + level * noise(samples)


def snr(x: np.ndarray, restored: np.ndarray, box: Region = BOX) -> float:
    """Of what was in the box, in decibels; 0 for an empty box."""
    y = Problem(x[None], (box,), RATE).y[0]
    return float(10 * np.log10(np.sum((x - y) ** 2) / np.sum((x - restored) ** 2)))


def fill(method: Callable[..., np.ndarray], x: np.ndarray, *boxes: Region, seed: int = 0) -> np.ndarray:
    return restore(Problem(np.atleast_2d(x), boxes or (BOX,), RATE), method, seed=seed).samples[0]  # type: ignore[arg-type]


@given(spans)
def test_the_operator_is_symmetric_and_never_amplifies(case: tuple[int, float, float]) -> None:
    samples, low, width = case
    matrix = band_part(np.eye(samples), low, low + width, RATE)
    assert np.abs(matrix - matrix.T).max() < 1e-12
    eigenvalues = np.linalg.eigvalsh(0.5 * (matrix + matrix.T)) if samples < 200 else np.zeros(1)
    assert eigenvalues.min() > -1e-12
    assert eigenvalues.max() < 1.0 + 1e-12


@given(spans)
def test_windows_lie_inside_the_span(case: tuple[int, float, float]) -> None:
    samples, low, width = case
    starts, window = windows(samples, low, low + width, RATE)
    assert starts[0] >= 0
    assert starts[-1] + window.size <= samples
    ends = starts[0], samples - starts[-1] - window.size
    assert abs(ends[0] - ends[1]) <= 1  # as much room at either end


@pytest.mark.parametrize("rate", [8000, 44100, 96000])
def test_the_full_band_is_taken_out_whole_in_the_middle(rate: int) -> None:
    x = noise(rate // 4)[None]
    part = band_part(x, 0.0, rate / 2, rate)
    assert np.allclose(part[0, rate // 10 : -rate // 10], x[0, rate // 10 : -rate // 10], atol=1e-12)


@pytest.mark.parametrize(("low", "high"), [(45.0, 55.0), (800.0, 3200.0), (3200.0, 8000.0)])
def test_a_tone_inside_disappears_and_one_outside_stays(low: float, high: float) -> None:
    t = np.arange(4 * RATE) / RATE
    middle = slice(3 * RATE // 2, 5 * RATE // 2)  # clear of the ends even for the long window of the narrow band
    inside, outside = (np.sin(2 * np.pi * f * t)[None] for f in (0.5 * (low + high), 0.25 * low))
    assert np.abs(inside - band_part(inside, low, high, RATE))[0, middle].max() < 0.06
    assert np.abs(band_part(outside, low, high, RATE))[0, middle].max() < 2e-3


def test_neighbouring_bands_add_up() -> None:
    edges = [0.0, 0.013, 0.2, 0.2001, 0.5]
    total = sum(bin_shares(64, low, high) for low, high in itertools.pairwise(edges))
    assert np.allclose(total, 1.0)


def test_a_box_too_short_for_a_window_is_named() -> None:
    with pytest.raises(ValueError, match="a box needs at least 8 samples, got 7: make it longer"):
        windows(7, 100.0, 200.0, RATE)


def test_the_operator_of_the_band_is_that_of_the_box() -> None:
    x = noise(40_000)
    band = Band(x, BOX, [], RATE)
    start, stop = band.span
    z = band.z[start:stop]
    whole = np.zeros((stop - start, stop - start), dtype=complex)
    for lag, diagonal in enumerate(band.operator):
        whole += np.diag(diagonal[: stop - start - lag], -lag)
    whole += np.tril(whole, -1).conj().T
    expected = band_part(x[None, BOX.start : BOX.stop], BOX.low, BOX.high, RATE)[0]
    error = band.back(whole @ z) - expected
    assert np.sum(error**2) < 10**-5.5 * np.sum(expected**2)  # 55 dB: what the guard leaves out, measured 58 to 68


def test_what_was_in_the_box_has_no_influence() -> None:
    """The problem removes it; what leaks past the edges of the box moves the fill by less than itself."""
    x = partials(48_000, (300.0, 1000.0, 1700.0))
    ring = np.zeros_like(x)
    ring[20_500:23_500] = np.hanning(3000) * np.sin(2 * np.pi * 2000.0 * np.arange(3000) / RATE)
    difference = fill(JanssenTf(), x + 10 * ring) - fill(JanssenTf(), x)
    assert 10 * np.log10(np.sum((10 * ring) ** 2) / np.sum(difference**2)) > 35.0


def test_steady_tones_come_back() -> None:
    x = partials(48_000, (300.0, 1000.0, 1230.0, 2410.0))
    assert snr(x, fill(JanssenTf(), x)) > 25.0


def test_tones_beside_the_box_are_left_alone() -> None:
    x = partials(48_000, (300.0, 5000.0), level=1e-5)
    restored = fill(JanssenTf(), x)
    assert np.abs(restored - x).max() < 1e-3


def test_noise_is_not_predicted() -> None:
    """The trials find that nothing can be known, so the fill falls back towards an empty box instead of below it."""
    assert snr(noise(48_000), fill(JanssenTf(), noise(48_000))) > -0.5


def test_the_mixture_prefers_the_order_that_predicts() -> None:
    notes: list[Note] = []
    problem = Problem(partials(48_000, (1000.0, 1011.0, 1023.0, 1034.0, 2400.0, 2413.0))[None], (BOX,), RATE)
    JanssenTf()(problem, rng=np.random.default_rng(0), note=notes.append)
    shares = notes[0].parameters
    assert shares["memory 0.064 s"] > 2.0 * shares["memory 0.008 s"]


@pytest.mark.parametrize("start", [0, 44_000])
def test_a_box_at_an_end_has_one_side_only(start: int) -> None:
    x = partials(48_000, (1000.0, 2400.0))
    box = Region(start, start + 4000, 800.0, 3200.0)
    assert snr(x, fill(JanssenTf(), x, box), box) > 3.0


def test_overlapping_boxes_go_back_in_reverse() -> None:
    x = partials(48_000, (300.0, 1000.0, 2410.0))
    boxes = (Region(20_000, 23_000, 800.0, 2000.0), Region(22_000, 24_000, 1500.0, 3200.0))
    y = Problem(x[None], boxes, RATE).y[0]
    restored = fill(JanssenTf(), x, *boxes)
    assert 10 * np.log10(np.sum((x - y) ** 2) / np.sum((x - restored) ** 2)) > 15.0


def test_a_neighbouring_box_is_not_taken_for_silence() -> None:
    x = partials(48_000, (300.0, 1000.0, 2410.0))
    boxes = (BOX, Region(25_000, 28_000, 800.0, 3200.0))
    restored = fill(JanssenTf(), x, *boxes)
    assert snr(x[:24_500], restored[:24_500]) > 10.0


@pytest.mark.parametrize("name", ["janssen_tf", "nmf"])
@pytest.mark.parametrize(
    "box",
    [
        Region(9_000, 9_400, 0.0, 100.0),
        Region(9_000, 9_400, 5000.0, np.inf),
        Region(9_000, 9_400, 7999.0, 8000.0),
        Region(9_000, 9_400, 9000.0, 9500.0),
        Region(9_000, 9_008, 20.0, 7900.0),
        Region(0, 16_000, 20.0, 7900.0),
    ],
    ids=["from 0 Hz", "to the top", "one hertz", "above the top", "eight samples", "everything"],
)
def test_unusual_boxes_give_a_finite_fill(name: str, box: Region) -> None:
    x = partials(16_000, (300.0, 1000.0))
    restored = restore(Problem(x[None], (box,), RATE), build(name)).samples[0]
    assert np.isfinite(restored).all()
    assert np.abs(restored).max() < 2.0 * np.abs(x).max()
    assert np.array_equal(np.delete(restored, slice(box.start, box.stop)), np.delete(x, slice(box.start, box.stop)))


def syllables(samples: int) -> np.ndarray:
    """A rich tone switched by syllables: the harmonics below the box say when there are some inside."""
    t = np.arange(samples) / RATE
    gate = (np.sin(2 * np.pi * 5.0 * t) > 0.0).astype(float)
    gate = np.convolve(gate, np.hanning(320) / 160, mode="same")
    rough = np.sin(2 * np.pi * (150.0 * t + 0.8 * np.cumsum(noise(samples)) / np.sqrt(RATE)))
    pulses = np.sign(rough) * np.abs(rough) ** 0.2
    return np.asarray(gate * pulses + 1e-3 * noise(samples, 1))


def test_nmf_hears_the_syllables_from_outside_the_box() -> None:
    x = syllables(64_000)
    box = Region(24_000, 40_000, 800.0, 3200.0)

    def envelope(s: np.ndarray) -> np.ndarray:
        power = band_part(s[None, box.start : box.stop], box.low, box.high, RATE)[0] ** 2
        return 10 * np.log10(power[2000:-2000].reshape(-1, 400).mean(axis=1) + 1e-4)  # 30 dB under the syllables

    errors = [float(np.abs(envelope(x) - envelope(fill(m, x, box))).mean()) for m in (Nmf(strength=1.0), JanssenTf())]
    assert errors[0] < 6.0
    assert errors[0] < 0.5 * errors[1]


def test_nmf_without_strength_is_the_prediction_alone() -> None:
    x = syllables(48_000)
    assert np.array_equal(fill(Nmf(strength=0.0), x), fill(JanssenTf(), x))


def test_nmf_draws_anew_for_another_seed() -> None:
    x = syllables(48_000)
    assert not np.array_equal(fill(Nmf(), x, seed=1), fill(Nmf(), x, seed=2))


def test_settings_that_cannot_be_are_named() -> None:
    with pytest.raises(ValueError, match=r"memory=.* is not a list of positive numbers"):
        JanssenTf(memory=(0.01, -1.0))
    with pytest.raises(ValueError, match="tolerance=0 is not positive"):
        JanssenTf(tolerance=0.0)
    with pytest.raises(ValueError, match="components=0 is not a positive number"):
        Nmf(components=0)
    with pytest.raises(ValueError, match=r"strength=1\.5 is not between 0 and 1"):
        Nmf(strength=1.5)
