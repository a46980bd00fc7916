"""The log-mel front end computes what AudioLDM and Tango compute, and its cells say what its frames look at."""

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caesura.codecs import reliable
from caesura.codecs.mel import FLOOR, Level, Mel
from caesura.problem import Region

SAMPLES = 163_840
MEL = Mel()


@cache
def entries() -> dict[str, dict[str, Any]]:
    found = json.loads((Path(__file__).parent / "data" / "tango.json").read_text())["entries"]
    return {entry["id"]: entry for entry in found}


@cache
def lcg(seed: int, samples: int) -> np.ndarray:
    state, values = seed, np.empty(samples)
    for k in range(samples):
        state = (1103515245 * state + 12345) % 2**31
        values[k] = state / 2**30 - 1.0
    return values


def chirp(samples: int, f0: float, f1: float, duration: float, a0: float, a1: float) -> np.ndarray:
    n = np.arange(samples)
    t = n / 16_000
    return (a0 + a1 * n / samples) * np.sin(2 * np.pi * (f0 * t + 0.5 * (f1 - f0) / duration * t**2))


def tones(samples: int, dc: float, components: list[list[float]], decay: float) -> np.ndarray:
    n = np.arange(samples)
    return dc + np.exp(-n / decay) * sum(a * np.sin(2 * np.pi * f * n / 16_000 + p) for a, f, p in components)


def made(name: str) -> np.ndarray:
    """The signal of an entry, rounded to single precision as the references read it."""
    p = entries()[name]["input"]["parameters"]
    if "D" in p:
        x = chirp(p["samples"], p["f0"], p["f1"], p["D"], p["a0"], p["a1"])
    elif "components" in p:
        x = tones(**p)
    else:
        x = p.get("dc", 0.0) + p["amplitude"] * lcg(p["seed"], p["samples"])
    return x.astype(np.float32).astype(np.float64)


WITH_LEVEL = [name for name in entries() if "mean_removed" in entries()[name]["expected"]]


@pytest.mark.parametrize("name", WITH_LEVEL)
def test_level_and_log_mel_are_the_published_ones(name: str) -> None:
    wanted, tolerance = entries()[name]["expected"], entries()[name]["tolerance"]
    x = made(name)
    assert x.size == wanted["samples_in"]
    kept = wanted["samples_after_pad_or_truncate"]  # AudioLDM does not truncate
    level = Level.of(x, kept)
    assert level.mean == pytest.approx(wanted["mean_removed"], abs=tolerance["waveform_abs"])
    assert level.gain == pytest.approx(wanted["total_gain_on_mean_removed_signal"], rel=1e-9)
    z = np.pad(level.apply(x)[:kept], (0, max(kept - x.size, 0)))
    for k, value in wanted["waveform"].items():
        assert z[int(k)] == pytest.approx(value, abs=tolerance["waveform_abs"])
    grid = MEL.encode(z)[:1024]
    assert list(grid.shape) == wanted["log_mel_shape"]
    for cell, value in wanted["log_mel"].items():
        frame, f = map(int, cell.split(","))
        assert grid[frame, f] == pytest.approx(value, abs=tolerance["log_mel_abs"])
    for f, value in wanted["log_mel_mean_per_bin"].items():
        assert grid[:, int(f)].mean() == pytest.approx(value, abs=tolerance["log_mel_abs"])
    assert np.linalg.norm(grid) == pytest.approx(wanted["log_mel_stats"]["l2"], rel=tolerance["log_mel_stats_rel"])
    silent = np.flatnonzero((grid == FLOOR).all(axis=1))
    span = [int(silent[0]), int(silent[-1]) + 1] if silent.size else []
    assert span == wanted["frames_entirely_at_floor"]


def test_the_first_of_two_channels_is_what_the_references_hear() -> None:
    wanted = entries()["mel/two_channels"]["expected"]["log_mel_stats"]
    x = made("mel/noise")[:40_000]
    grid = MEL.encode(np.pad(Level.of(x).apply(x), (0, SAMPLES - x.size)))
    assert np.linalg.norm(grid) == pytest.approx(wanted["l2"], rel=1e-4)
    assert grid.mean() == pytest.approx(wanted["mean"], rel=1e-4)
    assert grid.max() == pytest.approx(wanted["max"], rel=1e-4)


def test_silence_is_the_floor() -> None:
    wanted = entries()["mel/silence"]["expected"]
    x = np.zeros(SAMPLES)
    assert Level.of(x) == Level(0.0, 1.0)
    grid = MEL.encode(Level.of(x).apply(x))
    assert (grid == FLOOR).all()
    assert pytest.approx(wanted["floor"], abs=1e-6) == FLOOR


def test_frames_are_centred_where_the_references_centre_them() -> None:
    entry = entries()["mel/impulse"]
    p, wanted = entry["input"]["parameters"], entry["expected"]
    x = np.zeros(p["samples"])
    x[p["position"]] = p["amplitude"]
    grid = MEL.encode(x)
    heard = np.flatnonzero((grid > FLOOR).any(axis=1))
    assert [heard[0], heard[-1] + 1] == wanted["frames_above_floor"]
    for cell, value in wanted["log_mel"].items():
        frame, f = map(int, cell.split(","))
        assert grid[frame, f] == pytest.approx(value, abs=entry["tolerance"]["abs"])


def test_the_filters_are_the_published_triangles() -> None:
    wanted = entries()["mel/filterbank"]["expected"]
    np.testing.assert_allclose(MEL.edges, wanted["band_edges_hz_66_points"], atol=1e-6)
    for row, (first, stop) in zip(MEL.filters, wanted["nonzero_fft_bins_per_row_half_open"], strict=True):
        assert np.flatnonzero(row).tolist() == list(range(first, stop))
    for k, value in wanted["row_sums"].items():
        assert MEL.filters[int(k)].sum() == pytest.approx(value, rel=1e-5)
    for k, values in wanted["row_values"].items():
        row = MEL.filters[int(k)]
        np.testing.assert_allclose(row[row > 0], values, rtol=1e-5)
    assert np.linalg.norm(MEL.filters) == pytest.approx(wanted["frobenius"], rel=1e-5)


def test_frames_of_a_duration() -> None:
    for row in entries()["frames/durations"]["expected"]["table"]:
        assert MEL.frames(row["target_samples"]) == row["target_frames"]
    wanted = entries()["frames/durations"]["expected"]["seconds_10_24"]
    assert MEL.encode(np.ones(wanted["samples"])).shape == (wanted["frames"], 64)
    assert wanted["frames"] == wanted["stft_frames_before_cut"] - 1


@pytest.mark.parametrize("case", entries()["mask/rows_for_gaps"]["expected"]["cases"])
def test_cells_name_the_frames_that_look_at_a_gap(case: dict[str, Any]) -> None:
    kept = reliable(MEL.cells(SAMPLES), [Region(*case["gap_samples"])])
    assert (kept == kept[:, :1]).all()
    lost = np.flatnonzero(~kept[:, 0])
    assert [lost[0], lost[-1] + 1] == case["mel_frames_looking_at_gap"]


@pytest.mark.parametrize("span", [(0, 1), (1_000, 1_001), (5_000, 5_400), (15_999, 16_000)])
def test_a_frame_moves_only_if_its_cell_meets_the_change(span: tuple[int, int]) -> None:
    x = np.random.default_rng(0).standard_normal(16_000)
    other = x.copy()
    other[slice(*span)] += 1.0
    moved = (MEL.encode(x) != MEL.encode(other)).any(axis=1)
    kept = reliable(MEL.cells(x.size), [Region(*span)])[:, 0]
    assert (moved == ~kept).all()


@pytest.mark.parametrize("hertz", [100.0, 440.0, 3000.0, 7000.0])
def test_a_tone_is_heard_in_the_bins_whose_band_holds_it(hertz: float) -> None:
    cells = MEL.cells(16_000)
    grid = MEL.encode(np.sin(2 * np.pi * hertz * np.arange(16_000) / 16_000))
    loudest = int(grid[50].argmax())
    assert cells.low[loudest] < hertz < cells.high[loudest]


@pytest.mark.parametrize("scale", [1e-4, 1.0, 300.0])
def test_a_level_is_undone(scale: float) -> None:
    x = scale * (0.1 + np.random.default_rng(1).standard_normal(4_000))
    level = Level.of(x)
    z = level.apply(x)
    assert np.abs(z).max() == pytest.approx(0.5)
    assert abs(z.mean()) < 1e-12
    np.testing.assert_allclose(level.undo(z), x, rtol=1e-12, atol=1e-12 * scale)


def test_what_is_missing_has_no_part_in_the_level() -> None:
    x = np.random.default_rng(2).standard_normal(4_000)
    mask = np.ones(x.size, bool)
    mask[1_000:2_000] = False
    hidden = np.where(mask, x, 1e6)
    assert Level.of(hidden, mask=mask) == Level.of(x, mask=mask)
    assert (Level.of(x, mask=mask).apply(hidden, mask)[~mask] == 0.0).all()
    assert Level.of(x, mask=np.zeros(x.size, bool)) == Level(0.0, 1.0)


def test_a_signal_too_short_to_be_mirrored_is_refused() -> None:
    with pytest.raises(ValueError, match="512 samples cannot be mirrored"):
        MEL.encode(np.zeros(512))
    assert MEL.encode(np.zeros(513)).shape == (3, 64)


def test_latent_bands_of_the_super_resolution_preset() -> None:
    wanted = entries()["mask/columns"]["expected"]
    np.testing.assert_allclose(MEL.edges[:-2:4], wanted["column_low_hz"], atol=1e-6)
    np.testing.assert_allclose(MEL.edges[2:][3::4], wanted["column_high_hz"], atol=1e-6)
    assert math.isclose(MEL.edges[48], wanted["super_resolution_preset"]["lowest_edge_hz"], abs_tol=1e-6)
