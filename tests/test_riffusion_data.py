"""Which stretches of a song pairs are made of: the published rules, without the 16 bits that their program wraps in."""

from pathlib import Path

import numpy as np
import pytest

from caesura.data.segments import power, sounding, spread
from caesura.data.slakh2100 import _sum
from riffusion_cases import entries, signal


def test_stretches_are_spread_as_published() -> None:
    entry = entries()["segment_starts"]
    for case in entry["expected"]["cases"]:
        found = spread(case["length"], entry["parameters"]["segment_samples"], case["requested"])
        assert list(found) == case["starts"]


def test_loud_stretches_are_told_by_powers_that_do_not_wrap() -> None:
    entry = entries()["frame_power_filter"]
    given, length, wanted = entry["input"]["signal"], entry["parameters"]["frame_samples"], entry["expected"]
    base, amplitudes = signal(given["base"]), given["amplitudes"]
    loud = np.append(np.repeat(amplitudes, length), np.full(base.size - length * len(amplitudes), 5000))
    x = np.round(base * loud).astype(np.int16)
    assert x[:8].tolist() == wanted["first_samples"]
    starts = range(0, length * len(amplitudes), length)
    for dtype in (np.float64, np.float32):
        heard = x.astype(dtype)
        powers = [power(heard[start : start + length]) for start in starts]
        np.testing.assert_allclose(powers, wanted["frame_powers"], rtol=1e-9, atol=5e-4)  # they are rounded
        assert power(heard[heard != 0]) == pytest.approx(wanted["stem_power_over_non_zero_samples"], rel=1e-9)
        kept = sounding(heard, list(starts), length, entry["parameters"]["minimum_proportion"])
        assert np.flatnonzero(kept).tolist() == wanted["kept_frames"]


def test_sums_do_not_wrap() -> None:
    entry = entries()["mixing_without_wrap"]
    parts = [np.array(entry["input"][name], np.float32) for name in "ab"]
    assert _sum(parts).tolist() == entry["expected"]["sum"]


def test_singing_is_told_by_a_tenth_of_the_accompaniment() -> None:
    """The rule of `data.gtzan`: its ratio of norms, squared, on powers."""
    entry = entries()["vocal_presence_filter"]
    given, wanted = entry["input"], entry["expected"]
    vocals = signal(given["vocals"]).reshape(6, 50) * np.array(given["row_scale"])[:, None]
    rest = signal(given["accompaniment"]).reshape(6, 50)
    ratios = [power(v) / power(r) for v, r in zip(vocals, rest, strict=True)]
    np.testing.assert_allclose(np.sqrt(ratios), wanted["ratios"], rtol=1e-8)
    from caesura.data.gtzan import Gtzan

    kept = [k for k, ratio in enumerate(ratios) if ratio > Gtzan(Path()).ratio ** 2]
    assert kept == wanted["kept"]


def test_every_published_number_is_looked_at() -> None:
    """An entry that no test names is one that nobody proved."""
    folder = Path(__file__).parent
    texts = {path.name: path.read_text() for path in folder.glob("*.py")}
    named = {name for name in entries() if any(f'"{name}"' in text for text in texts.values())}
    # Two matrices are named by their bands.
    named |= {name for name in entries() if name.startswith("mel_matrix") and "mel_matrix" in texts["test_image.py"]}
    assert set(entries()) - named == set()
