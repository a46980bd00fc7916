"""Laws of the tight Gabor frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.codecs import Cells, reliable
from caesura.codecs.gabor import Gabor, overlap_add
from caesura.problem import Region

FRAMES = [
    Gabor(win_length=64, hop_length=16),
    Gabor(win_length=64, hop_length=16, n_fft=256, window="sine", phase="frame"),
    Gabor(win_length=37, hop_length=11, n_fft=65, window="hamming", centre=1000),
    Gabor(win_length=48, hop_length=12, window="blackman", centre=-7),
    Gabor(win_length=32, hop_length=32, window="boxcar"),
]


@given(st.sampled_from(FRAMES), st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_decode_is_the_adjoint_and_the_inverse(frame: Gabor, samples: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, samples))
    z = frame.encode(x)
    v = rng.standard_normal(z.shape) + 1j * rng.standard_normal(z.shape)
    assert z.shape == (2, frame.starts(samples).size, frame.bins)
    np.testing.assert_allclose(frame.decode(z, samples), x, atol=1e-12)
    scale = np.linalg.norm(x) * np.linalg.norm(v)
    assert abs(np.sum((z * v.conj()).real) - np.sum(x * frame.decode(v, samples))) <= 1e-12 * scale
    assert np.linalg.norm(z) == pytest.approx(np.linalg.norm(x), rel=1e-12)


@given(st.sampled_from(FRAMES), st.integers(64, 400), st.integers(0, 2**32 - 1))
def test_frames_inside_are_the_same_frames_and_have_an_adjoint(frame: Gabor, samples: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    inner = replace(frame, inside=True)
    x = rng.standard_normal(samples)
    starts = frame.starts(samples)
    kept = (starts >= 0) & (starts + frame.win_length <= samples)
    np.testing.assert_array_equal(inner.starts(samples), starts[kept])
    z = inner.encode(x)
    np.testing.assert_allclose(z, frame.encode(x)[kept], atol=1e-12)
    v = rng.standard_normal(z.shape) + 1j * rng.standard_normal(z.shape)
    assert np.sum((z * v.conj()).real) == pytest.approx(np.sum(x * inner.decode(v, samples)), abs=1e-10)


@given(st.sampled_from(FRAMES), st.integers(1, 300), st.data())
def test_a_sample_moves_exactly_the_cells_that_look_at_it(frame: Gabor, samples: int, data: st.DataObject) -> None:
    n = data.draw(st.integers(0, samples - 1))
    x = np.random.default_rng(0).standard_normal(samples)
    changed = x.copy()
    changed[n] += 1.0
    cells = frame.cells(samples)
    looks = (cells.start <= n) & (n < cells.stop)
    moved = np.abs(frame.encode(changed) - frame.encode(x)).max(axis=-1)
    assert looks.any()
    np.testing.assert_array_equal(moved[~looks], 0.0)
    np.testing.assert_array_equal(looks, ~reliable(cells, [Region(n, n + 1)]).all(axis=1))


@pytest.mark.parametrize("frame", FRAMES[:2])
def test_a_tone_outside_the_band_of_a_cell_hardly_moves_it(frame: Gabor) -> None:
    tone = np.cos(2 * np.pi * 6000.0 / frame.sample_rate * np.arange(2000))
    cells = frame.cells(2000)
    size = np.abs(replace(frame, inside=True).encode(tone)).max(axis=0)
    hears = (cells.low < 6000.0) & (cells.high > 6000.0)
    assert size[hears].max() > 10 * size[~hears].max()  # the sine window's side lobes lie at -23 dB


def test_reliable_asks_for_time_and_band() -> None:
    cells = Cells(np.array([0, 10]), np.array([10, 20]), np.array([0.0, 100.0]), np.array([100.0, 200.0]))
    np.testing.assert_array_equal(reliable(cells, []), np.ones((2, 2)))
    np.testing.assert_array_equal(reliable(cells, [Region(10, 11)]), [[True, True], [False, False]])
    np.testing.assert_array_equal(reliable(cells, [Region(5, 10, 100.0, 150.0)]), [[True, False], [True, True]])


def test_a_frame_is_centred_where_it_was_asked_to_be() -> None:
    frame = Gabor(win_length=64, hop_length=16, centre=1003)
    assert 1003 - 32 in frame.starts(2000)


def test_instantaneous_frequency_finds_a_sinusoid_and_the_absolute_phase_follows_it() -> None:
    frame = Gabor(win_length=512, hop_length=128, inside=True, centre=300)
    x = np.cos(2 * np.pi * 3210.0 / 44100 * np.arange(5000) + 0.3)
    k = round(3210.0 * 512 / 44100)
    np.testing.assert_allclose(frame.instantaneous_frequency(x)[:, k], 3210.0, atol=0.5)
    z = frame.encode(x)[:, k]
    turned = z * np.exp(-2j * np.pi * (3210.0 - frame.frequencies[k]) * frame.starts(5000) / 44100)
    np.testing.assert_allclose(turned, turned[0], atol=1e-3 * abs(turned[0]))


def test_silence_has_the_frequency_of_the_bins() -> None:
    frame = Gabor(win_length=64, hop_length=16)
    assert (frame.instantaneous_frequency(np.zeros(200)) == frame.frequencies).all()


def test_single_precision_stays_single() -> None:
    x = np.random.default_rng(0).standard_normal(500).astype(np.float32)
    for frame in FRAMES:
        z = frame.encode(x)
        assert z.dtype == np.complex64
        assert frame.decode(z, 500).dtype == np.float32
        np.testing.assert_allclose(frame.decode(z, 500), x, atol=2e-6)


def test_overlap_add_sums_shifted_frames() -> None:
    np.testing.assert_array_equal(overlap_add(np.ones((2, 3)), 2), [1.0, 1.0, 2.0, 1.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hop_length": 0}, "hop_length=0"),
        ({"win_length": 8, "hop_length": 9}, "hop_length=9"),
        ({"win_length": 64, "hop_length": 16, "n_fft": 63}, "n_fft=63"),
        ({"win_length": 64, "hop_length": 64}, "leave holes"),
    ],
)
def test_impossible_frames_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Gabor(**settings)


def test_a_grid_of_another_shape_is_refused() -> None:
    frame = Gabor(win_length=64, hop_length=16)
    with pytest.raises(ValueError, match="the grid has shape"):
        frame.decode(frame.encode(np.zeros(200)), 300)
    with pytest.raises(ValueError, match="too few for one frame of 64"):
        replace(frame, inside=True).encode(np.zeros(50))
