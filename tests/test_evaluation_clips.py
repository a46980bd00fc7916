"""The published evaluation of filled clips, and what stands beside it: parity, laws, rows."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from caesura.evaluation import clips, metrics
from caesura.evaluation.clips import Clip, baselines, measured, normalised, pictures
from caesura.problem import Region

SAMPLES, RATE = 160_000, 16_000
GAP = Region(72_000, 88_000)


@cache
def lcg(seed: int, count: int) -> np.ndarray:
    values, state = np.empty(count), seed
    for n in range(count):
        state = (1103515245 * state + 12345) % 2**31
        values[n] = state / 2**30 - 1.0
    return values


@cache
def signal(name: str) -> np.ndarray:
    n = np.arange(SAMPLES)
    if name == "noise":
        return 0.1 * lcg(2, SAMPLES)[None]
    partials = sum(0.2 / h * np.sin(2 * np.pi * 220.0 * h * n / RATE + 0.5 * h) for h in range(1, 6))
    return (partials + 0.02 * lcg(3, SAMPLES))[None]


def put(x: np.ndarray, fill: np.ndarray | float) -> np.ndarray:
    y = np.array(x)
    y[:, GAP.start : GAP.stop] = fill
    return y


# PSNR in decibels and 100 SSIM, by scikit-image 0.26.0 on spectrograms of librosa 0.11.0, AudioLDM and audioldm_eval.
PICTURES = {
    ("noise", "zero"): [
        (24.444653448, 89.164299739), (24.829582908, 89.744042061),
        (-0.046242235938, 90.007741543), (16.72341366, 89.482849442),
    ],
    ("noise", "white_noise"): [
        (28.609245018, 90.449772964), (29.072509962, 90.830774291),
        (27.171170506, 90.583090349), (37.087742363, 90.785136959),
    ],
    ("tonal", "zero"): [
        (29.132597285, 97.322026629), (27.39385712, 96.58799476),
        (8.6056070826, 91.4441744), (17.697682312, 89.582831708),
    ],
    ("tonal", "white_noise"): [
        (29.143219667, 97.361391127), (27.414120895, 96.657769094),
        (21.760919602, 91.400127189), (26.506273468, 91.180882076),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", PICTURES, ids="-".join)
def test_pictures_of_spectrograms_under_four_definitions(case: tuple[str, str]) -> None:
    x = signal(case[0])
    y = put(x, 0.0 if case[1] == "zero" else 0.1 * lcg(9, GAP.length))
    for definition, (psnr, ssim) in zip(get_args(clips.MelDefinition), PICTURES[case], strict=True):
        found = pictures(x, y, definition)
        # The references compute their spectrograms in single precision.
        assert found[0] == pytest.approx(psnr, abs=0.002), definition
        assert 100.0 * found[1] == pytest.approx(ssim, abs=0.002), definition


def test_what_separate_normalisation_does_to_the_published_numbers() -> None:
    x = signal("noise")
    loud, only = put(x, 0.3 * lcg(9, GAP.length)), np.zeros_like(x)
    only[:, GAP.start : GAP.stop] = x[:, GAP.start : GAP.stop]
    for y, raw, snr, sdr in (
        (loud, -0.026450840782, 2.1968167227, -0.91457526186),
        (only, 0.46373215288, 0.46373823452, -9.3484137689),
        (put(x, 0.0), 9.9449741095, 9.9449776409, 9.4964153758),
    ):
        assert metrics.snr(x, y) == pytest.approx(raw, abs=1e-3)
        a, b = normalised(x), normalised(y)
        assert metrics.snr(a, b) == pytest.approx(snr, abs=1e-3)
        assert metrics.sdr(a, b) == pytest.approx(sdr, abs=1e-2)
    half = 0.5 * x + 0.01
    assert metrics.snr(x, half) == pytest.approx(5.5271047541, abs=1e-3)
    assert metrics.snr(normalised(x), normalised(half)) > 100.0


def test_silence_beats_noise_in_waveform_measures_and_loses_in_the_gap() -> None:
    x = signal("noise")
    clip = Clip(x, GAP)
    rows = {name: measured(clip, clip.problem.paste(estimate)) for name, estimate in baselines(clip).items()}
    # One second of ten of constant power: 10 dB without anything, 3 dB less with as much noise.
    assert rows["silence"]["snr"] == pytest.approx(10.0, abs=0.1)
    assert rows["noise"]["snr"] == pytest.approx(7.0, abs=0.2)
    assert rows["silence"]["gap_snr"] == 0.0
    assert rows["silence"]["gap_level"] == -math.inf
    assert abs(rows["noise"]["gap_level"]) < 0.5
    assert rows["noise"]["gap_log_mel"] < 0.2 * rows["silence"]["gap_log_mel"]
    assert rows["noise"]["edges"] < 4.0 < rows["silence"]["edges"]


def test_the_original_is_perfect_and_its_level_counts() -> None:
    clip = Clip(signal("tonal"), GAP)
    perfect, half = (measured(clip, factor * clip.x) for factor in (1.0, 0.5))
    assert perfect["gap_log_mel"] == 0.0
    assert perfect["ssim"] == pytest.approx(100.0)
    assert perfect["snr"] == math.inf
    assert half["snr_peak"] > 100.0  # the published evaluation does not hear it
    assert half["snr"] == pytest.approx(20 * math.log10(2.0))
    assert half["gap_level"] == pytest.approx(-20 * math.log10(2.0))


def test_means_leave_out_what_is_not_finite() -> None:
    assert clips.means([{"a": 1.0, "b": math.inf}, {"a": 3.0, "b": math.inf}, {"a": math.nan, "b": math.inf}])[
        "a"
    ] == pytest.approx(2.0)


def test_noise_on_latents_is_that_of_the_published_experiment() -> None:
    found = json.loads((Path(__file__).parent / "data" / "tango.json").read_text())["entries"]
    wanted = next(e for e in found if e["id"] == "noise/latent_noise_of_the_speech_experiment")["expected"]
    assert {float(key): value for key, value in wanted["table"].items()} == clips.LATENT_NOISE
    for key, value in wanted["true_psnr_db_on_unit_range"].items():
        spread = clips.LATENT_NOISE[float(key)]
        assert (-20.0 * math.log10(spread) if spread else math.inf) == pytest.approx(float(value), abs=1e-6)
    shape = (2, 8, 4, 4)
    latents, noise = 2.5 * lcg(31, 256).reshape(shape), math.sqrt(3.0) * lcg(32, 256).reshape(shape)
    for case in wanted["cases"]:
        noisy, level = clips.with_latent_noise(latents, noise, float(case["key"]))
        for cell, value in case["noisy_latents"].items():
            assert noisy[tuple(map(int, cell.split(",")))] == pytest.approx(value, abs=1e-5)
        assert level == pytest.approx(case["noise_std_injected"], abs=1e-5)
        # What the script took for the level is something else, and far too much.
        script = float(noisy.max() - noisy.min()) * float(noisy.std(ddof=1))
        assert script == pytest.approx(case["sigma_y_used_by_script_for_denoising"], rel=1e-3)
    with pytest.raises(ValueError, match="key=12 is not one of 100, 30"):
        clips.with_latent_noise(latents, noise, 12.0)


def test_the_round_trip_goes_through_the_models_own_decoder() -> None:
    pytest.importorskip("diffusers")
    from caesura.methods import build

    x = signal("tonal")[:, :24_000]
    clip = Clip(x, Region(10_000, 13_000))
    made = clips.round_trip(clip, build("tango", {"weights": "tiny", "duration": 0.32}))
    assert made is not None
    assert made.shape == x.shape
    assert np.isfinite(made).all()
    assert clips.round_trip(clip, build("repeat")) is None
