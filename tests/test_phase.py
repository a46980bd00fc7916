"""Phases for magnitudes: projections are exact, the error falls, what is known stays, more is known means nearer."""

import itertools

import numpy as np
import pytest

from caesura.codecs.phase import Known, Stft, griffin_lim, random_phases

RATE = 16_000
STFT = Stft(512, 128)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def tones(samples: int = 8192) -> np.ndarray:
    t = np.arange(samples) / RATE
    return sum(np.sin(2 * np.pi * f * t + f) * np.exp(-t * 3) for f in (220.0, 331.0, 892.0)) / 3


def inconsistency(x: np.ndarray, magnitude: np.ndarray, stft: Stft = STFT) -> float:
    """Spectral convergence: how far the signal's magnitudes are from those wanted."""
    off = np.abs(stft.encode(x, magnitude.shape[-2])) - magnitude
    return float(np.linalg.norm(off) / np.linalg.norm(magnitude))


@pytest.mark.parametrize("stft", [STFT, Stft(1024, 160), Stft(1024, 100, 600), Stft(400, 200)])
@pytest.mark.parametrize("samples", [4000, 4001, 4096])
def test_the_transform_is_undone(stft: Stft, samples: int, rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, samples))
    back = stft.decode(stft.encode(x), samples)
    inner = slice(None, (stft.frames(samples) - 1) * stft.hop_length)  # the last frame's far end has no window
    assert np.abs(back - x)[:, inner].max() < 1e-9


def test_frames_are_those_of_the_definition(rng: np.random.Generator) -> None:
    stft, x = Stft(64, 16), rng.standard_normal(200)
    grid, window = stft.encode(x), np.hanning(65)[:64]
    assert grid.shape == (13, 33)
    assert np.abs(grid[5] - np.fft.rfft(x[80 - 32 : 80 + 32] * window)).max() < 1e-10


def test_kept_frames_are_those_that_missing_samples_do_not_change(rng: np.random.Generator) -> None:
    for stft in (Stft(64, 16), Stft(128, 16, 64)):
        mask = np.ones(400, dtype=bool)
        mask[150:161] = False
        x = rng.standard_normal(400)
        changed = np.abs(stft.encode(x) - stft.encode(np.where(mask, x, 9.0))).max(axis=1) > 1e-9
        assert np.array_equal(stft.kept(mask), ~changed)


def test_griffin_lim_without_momentum_never_gets_worse(rng: np.random.Generator) -> None:
    magnitude = np.abs(STFT.encode(rng.standard_normal(4096)))
    start = random_phases(magnitude, rng)
    errors = []
    for n in range(0, 12, 2):
        # the published measure: the distance of consistent grid and wanted magnitudes, which the projections lower
        x = griffin_lim(magnitude, STFT, 4096, start=start, iterations=n, momentum=0.0)
        errors.append(inconsistency(x, magnitude))
    assert all(b <= a + 1e-9 for a, b in itertools.pairwise(errors))
    assert errors[-1] < 0.75 * errors[0]


def test_momentum_is_faster(rng: np.random.Generator) -> None:
    magnitude = np.abs(STFT.encode(tones()))
    start = random_phases(magnitude, rng)
    plain, fast = (
        inconsistency(griffin_lim(magnitude, STFT, 8192, start=start, iterations=60, momentum=a), magnitude)
        for a in (0.0, 0.99)
    )
    assert fast < 0.7 * plain


def test_true_phases_are_a_fixed_point() -> None:
    x = tones()
    grid = STFT.encode(x)
    back = griffin_lim(np.abs(grid), STFT, x.size, start=grid, iterations=5)
    assert np.abs(back - x)[:-128].max() < 1e-9


def test_known_samples_stay_and_help(rng: np.random.Generator) -> None:
    x = tones()
    magnitude = np.abs(STFT.encode(x))
    mask = np.ones(x.size, dtype=bool)
    mask[3000:3600] = False
    heard = np.where(mask, x, 0.0)
    filled = griffin_lim(magnitude, STFT, x.size, known=Known(heard, mask), iterations=100)
    assert np.array_equal(filled[mask], x[mask])
    blind = griffin_lim(magnitude, STFT, x.size, start=random_phases(magnitude, rng), iterations=100)
    gap = ~mask
    # without the context even the sign of the whole signal is open; with it the fill is the signal but for a little
    assert np.linalg.norm((filled - x)[gap]) < 0.5 * np.linalg.norm(x[gap]) < np.linalg.norm((blind - x)[gap])


def test_known_cells_stay() -> None:
    x = tones()
    grid = STFT.encode(x)
    cells = np.zeros(grid.shape, dtype=bool)
    cells[:, :12] = True  # the low band is known, magnitudes and phases
    low = griffin_lim(np.abs(grid), STFT, x.size, known=Known(grid=grid, cells=cells), iterations=50)
    error = np.abs(STFT.encode(low) - grid)[:, :10]
    assert np.linalg.norm(error) < 0.05 * np.linalg.norm(grid[:, :10])


def test_single_precision_and_batches(rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, 4096)).astype(np.float32)
    magnitude = np.abs(STFT.encode(x))
    assert magnitude.dtype == np.float32
    together = griffin_lim(magnitude, STFT, 4096, start=random_phases(magnitude, np.random.default_rng(1)))
    assert together.dtype == np.float32
    start = random_phases(magnitude, np.random.default_rng(1))
    alone = griffin_lim(magnitude[1], STFT, 4096, start=start[1])
    assert np.abs(together[1] - alone).max() < 1e-4  # float32, the same sums


def test_wrong_arguments_are_refused() -> None:
    magnitude = np.ones((9, 257))
    with pytest.raises(ValueError, match="hop_length=300"):
        Stft(512, 300)
    with pytest.raises(ValueError, match="win_length=600"):
        Stft(512, 128, 600)
    with pytest.raises(ValueError, match="bins"):
        griffin_lim(magnitude[:, :-1], STFT, 1024)
    with pytest.raises(ValueError, match="momentum=3"):
        griffin_lim(magnitude, STFT, 1024, momentum=3)
    with pytest.raises(ValueError, match="both or neither"):
        Known(x=np.zeros(4))
