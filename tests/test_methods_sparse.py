"""Sparse and phase-aware methods: what they must reach, and what must not happen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from caesura.codecs.gabor import Gabor
from caesura.inpainter import Inpainter, Note
from caesura.methods import build
from caesura.methods._dictionary import Rotated, learn
from caesura.methods._sparse import Schedule, analysis, synthesis
from caesura.methods.phain import PUBLISHED as PUBLISHED_PHAIN
from caesura.methods.phain import Phain, phase_correction
from caesura.methods.spain import PUBLISHED as PUBLISHED_SPAIN
from caesura.methods.spain import Spain
from caesura.problem import Problem, Region

RATE = 16000
METHODS: dict[str, Inpainter] = {
    "analysis": Spain(),
    "analysis by window": Spain(scope="window"),
    "synthesis": Spain(formulation="synthesis"),
    "synthesis together": Spain(formulation="synthesis", scope="neighbourhood"),
    "learned": Spain(learned=True),
    "U": Phain(),
    "B": Phain(variant="B"),
}
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())


def tones(samples: int = 2 * RATE) -> NDArray[np.float64]:
    t = np.arange(samples) / RATE
    return np.asarray(sum(0.2 * np.sin(2 * np.pi * f * t + f) for f in (261.6, 523.9, 880.3, 1567.0)))


def fill(method: Inpainter, y: NDArray[np.float64], *regions: Region, seed: int = 0) -> NDArray[np.float64]:
    return method(Problem(y, regions, RATE), rng=np.random.default_rng(seed))


def snr(x: NDArray[np.float64], estimate: NDArray[np.float64]) -> float:
    return float(10 * np.log10(np.sum(x**2) / np.sum((x - estimate) ** 2)))


@every_method
def test_steady_tones_are_continued(method: Inpainter) -> None:
    x = tones()
    floor = 8.0 if getattr(method, "variant", None) == "B" else 15.0
    for length in (80, 480):
        gap = slice(16000, 16000 + length)
        assert snr(x[gap], fill(method, x, Region(gap.start, gap.stop))[0, gap]) > floor


@every_method
def test_gaps_at_the_ends_and_next_to_each_other_are_filled_from_what_is_left(method: Inpainter) -> None:
    x = tones(RATE)
    x[RATE // 2 :] += np.random.default_rng(1).standard_normal(RATE // 2) * 0.01
    regions = (Region(0, 60), Region(8000, 8100), Region(8100, 8150), Region(8400, 8500), Region(RATE - 60, RATE))
    estimate = fill(method, x, *regions)
    assert np.isfinite(estimate).all()
    for region in regions:
        inside = slice(region.start, region.stop)
        assert np.sum(estimate[0, inside] ** 2) > 0.01 * np.sum(x[inside] ** 2)
        assert np.abs(estimate[0, inside]).max() < 4 * np.abs(x).max()


@every_method
def test_a_fill_uses_only_its_own_neighbourhood(method: Inpainter) -> None:
    x = tones(6 * RATE)
    far = x.copy()
    far[-RATE:] = np.random.default_rng(0).standard_normal(RATE)
    near = Region(RATE, RATE + 100)
    alone = fill(method, x, near)[0, near.start : near.stop]
    with_others = fill(method, far, near, Region(5 * RATE, 5 * RATE + 100))[0, near.start : near.stop]
    np.testing.assert_array_equal(alone, with_others)


@every_method
@pytest.mark.parametrize("samples", [1, 7, 100, 3000])
def test_silence_and_nothing_stay_silent(method: Inpainter, samples: int) -> None:
    assert not fill(method, np.zeros(samples), Region(0, max(samples // 2, 1))).any()
    assert not fill(method, np.ones(samples), Region(0, samples)).any()


@every_method
@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1e9])
def test_the_fill_scales_with_the_recording(method: Inpainter, scale: float) -> None:
    x, region = tones(8000), Region(4000, 4100)
    expected = fill(method, x, region)
    np.testing.assert_allclose(fill(method, scale * x, region) / scale, expected, atol=1e-3)


@every_method
def test_the_seed_and_the_other_channel_do_not_matter(method: Inpainter) -> None:
    x, regions = tones(8000), (Region(4000, 4100), Region(2000, 2100, channel=1))
    once = fill(method, np.stack([x, x]), Region(4000, 4100), seed=0)
    again = fill(method, np.stack([x, np.flip(x)]), *regions, seed=1)
    np.testing.assert_array_equal(once[0], once[1])
    np.testing.assert_array_equal(once[0], again[0])


@pytest.mark.parametrize("rate", [1000, 8000, 96000])
def test_windows_follow_the_rate(rate: int) -> None:
    notes: list[Note] = []
    x = np.sin(2 * np.pi * 0.02 * np.arange(rate))
    for method in (Spain(), Phain()):
        problem = Problem(x, (Region(rate // 2, rate // 2 + rate // 100),), rate)
        estimate = method(problem, rng=np.random.default_rng(0), note=notes.append)
        assert snr(x[~problem.mask[0]], estimate[0][~problem.mask[0]]) > 10.0
        assert notes[-1].parameters["window"] == pytest.approx(
            {"Spain": 0.093, "Phain": 0.07}[type(method).__name__], rel=0.2
        )
        assert notes[-1].region == problem.gaps[0]


def test_progress_reaches_one_and_cancels() -> None:
    problem = Problem(tones(8000), (Region(2000, 2050), Region(6000, 6050)), RATE)
    for method in (Spain(), Phain()):
        seen: list[float] = []
        method(problem, rng=np.random.default_rng(0), progress=seen.append)
        assert seen == [0.5, 1.0]


def test_sparse_spectra_are_recovered_by_both_iterations() -> None:
    t = np.arange(256)
    x = np.stack([np.cos(2 * np.pi * 8 * t / 256), np.sin(2 * np.pi * 20 * t / 256)])
    mask = np.ones(x.shape, dtype=bool)
    mask[:, 100:140] = False
    codec = Gabor(win_length=256, hop_length=256, window="boxcar", phase="frame", inside=True)
    for solve in (analysis, synthesis):
        filled = solve(codec, np.where(mask, x, 0.0), mask, Schedule(0.05, 1e-3))
        np.testing.assert_array_equal(filled[mask], x[mask])
        np.testing.assert_allclose(filled, x, atol=1e-2)
        alone = solve(codec, np.where(mask, x, 0.0)[1:], mask[1:], Schedule(0.05, 1e-3))
        np.testing.assert_allclose(alone[0], filled[1], atol=1e-12)


def test_a_learned_dictionary_is_unitary_and_sparser() -> None:
    rng = np.random.default_rng(0)
    frame = Gabor(RATE, 256, 64, 512, phase="frame", inside=True)
    x = tones(4000) + 0.01 * rng.standard_normal(4000)
    spectra = frame.encode(x)
    rotated = Rotated(frame, learn(spectra))
    z = rotated.encode(x)
    v = rng.standard_normal(z.shape) + 1j * rng.standard_normal(z.shape)
    np.testing.assert_allclose(np.linalg.norm(z, axis=-1), np.linalg.norm(spectra, axis=-1), rtol=1e-12)
    np.testing.assert_allclose(rotated.decode(z, 4000), frame.decode(spectra, 4000), atol=1e-12)
    assert np.sum((z * v.conj()).real) == pytest.approx(np.sum(x * rotated.decode(v, 4000)), abs=1e-9)
    np.testing.assert_array_equal(z[:, [0, -1]], spectra[:, [0, -1]])
    sizes = [np.abs(Rotated(frame, learn(spectra, layers)).encode(x)).sum() for layers in range(5)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 0.9 * sizes[0]


def test_corrected_phases_stand_still_on_steady_tones() -> None:
    frame = Gabor(RATE, 1024, 256, inside=True)
    z = frame.encode(tones())
    still = phase_correction(frame, tones()) * z
    assert np.abs(np.diff(still, axis=0)).sum() < 0.1 * np.abs(np.diff(z, axis=0)).sum()


def test_updates_of_the_frequency_pay() -> None:
    x, gap = tones(), slice(16000, 16320)
    scores = [snr(x[gap], fill(m, x, Region(16000, 16320))[0, gap]) for m in (Phain(variant="B"), Phain(variant="U"))]
    assert scores[1] > scores[0] + 3.0


@pytest.mark.parametrize("name", PUBLISHED_SPAIN)
def test_published_settings_of_spain_work(name: str) -> None:
    x, gap = tones(8000), slice(4000, 4080)
    assert snr(x[gap], fill(Spain(**PUBLISHED_SPAIN[name]), x, Region(4000, 4080))[0, gap]) > 10.0


@pytest.mark.parametrize("name", PUBLISHED_PHAIN)
def test_published_settings_of_phain_work(name: str) -> None:
    x, gap = tones(8000), slice(4000, 4080)
    assert snr(x[gap], fill(Phain(**PUBLISHED_PHAIN[name]), x, Region(4000, 4080))[0, gap]) > 8.0


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("spain", {"window": 0.0}, "window=0 must"),
        ("spain", {"overlap": 1}, "overlap=1 must"),
        ("spain", {"growth": -1.0}, "growth=-1 must"),
        ("spain", {"tolerance": 0.0}, "tolerance=0 "),
        ("spain", {"learned": True, "scope": "window"}, "learned=True needs"),
        ("spain", {"formulation": "both"}, "formulation=.?both"),
        ("phain", {"window": 11.0}, "window=11 must"),
        ("phain", {"iterations": 0}, "iterations=0 must"),
        ("phain", {"variant": "R"}, "variant=.?R"),
    ],
)
def test_impossible_settings_are_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(name, settings)
