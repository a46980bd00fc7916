"""The published way to long sounds, which a benchmark compares with ours, is the published one."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from riffusion_cases import close, entries, signal

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
chain = importlib.import_module("image_chain")
sys.path.pop(0)


def steps(given: dict[str, object]) -> np.ndarray:
    return np.clip(np.floor(32767.0 * signal(given) + 0.5), -32768, 32767)


def test_downmix() -> None:
    entry = entries()["stereo_to_mono_int16"]
    x = np.array([entry["input"]["left"], entry["input"]["right"]], float)
    assert chain.downmix(x)[0].tolist() == entry["expected"]["mono"]


@pytest.mark.parametrize("name", ["a", "b"])
def test_pictures_are_taken(name: str) -> None:
    """With a side of 50 and one of 70 pixels, and with sides that fit; caesura squeezes nothing."""
    entry = entries()["init_image_to_tensor"]
    given, wanted, allowed = (entry[part][name] for part in ("input", "expected", "tolerance"))
    found = chain.taken(signal(given).astype(np.uint8))[None]
    assert list(found.shape) == wanted["shape"]
    close(found, wanted["samples"], atol=allowed["abs"])
    if "stats" in wanted:  # a level of grey is 2 / 255, and resampling may round differently by one
        assert np.linalg.norm(found) == pytest.approx(wanted["stats"]["l2"], rel=1e-3)
        assert np.abs(found).sum() == pytest.approx(wanted["stats"]["l1"], rel=1e-3)


def test_controls_are_squeezed() -> None:
    for height, width, *wanted in entries()["control_resize_sizes"]["expected"]["height_width_to_height_width"]:
        assert list(chain.control_size(height, width)) == wanted


def test_peaks_are_levelled() -> None:
    entry = entries()["peak_normalise_int16"]
    assert chain.peak_levelled(signal(entry["input"]["x"])).tolist() == entry["expected"]["int16"]


def test_clips() -> None:
    for case in entries()["clip_starts"]["expected"]["cases"]:
        found = chain.clip_starts(case["start"], case["duration"], case["clip"], case["overlap"])
        np.testing.assert_allclose(found, case["starts"], atol=1e-9)


def test_loudness() -> None:
    for case in entries()["loudness_post_processing"]["expected"]["cases"]:
        x = steps(case["input"])
        if case["spike_at_700"] is not None:
            x[700] = case["spike_at_700"]
        found = chain.levelled(x)
        close(found, case["output_samples"], atol=1)
        assert np.abs(found).max() == pytest.approx(case["output_peak"], abs=1)


def test_joints() -> None:
    entry = entries()["stitch_crossfade"]
    first, second = (steps(entry["input"][k]) for k in ("first", "second"))
    for result in entry["expected"]["results"]:
        found = chain.joined(first, second, result["crossfade_s"], 44_100)
        assert found.size == result["length"]
        close(found, result["samples"], atol=2)
