"""Steps, schedules, walks, the loop and guidance compute what the published systems compute, with their draws given."""

import itertools
import json
from typing import Any

import numpy as np
import pytest
import torch

from caesura.diffusion import (
    Ancestral,
    Churn,
    Conditioner,
    FromEpsilon,
    FromVelocity,
    Gaussian,
    Guided,
    Masked,
    NullSpace,
    ReconstructionGuidance,
    Replacement,
    Unconstrained,
    ddpm,
    euler,
    heun,
    karras,
    revisit,
    sample,
    travel,
    walk,
)
from caesura.diffusion.schedules import sigmas_of
from diffusion_cases import (
    DATA,
    Scripted,
    Stream,
    alphas_cumprod,
    close,
    covariance,
    entries,
    named,
    numbers,
    one,
    quarter,
    shifted,
    truth,
    unit,
)

STATED = 1e-10  # the files give 12 significant digits; chains lose about one
GAP_OF_16 = torch.tensor([True] * 5 + [False] * 5 + [True] * 6)


# --- single steps ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", named("step/audioldm") + named("step/tango"))
def test_one_step_of_a_discrete_model(name: str) -> None:
    entry, p, wanted = entries()[name], entries()[name]["parameters"], entries()[name]["expected"]
    abar = torch.tensor([0.999999, p["alphas_cumprod"]], dtype=torch.float64)
    velocity = "_v_" in name or p.get("prediction_type") == "v_prediction"
    output = unit(2, 1, 2, 3, 2)
    prior = (FromVelocity if velocity else FromEpsilon)(lambda x, t: output, abar)
    x = unit(1, 1, 2, 3, 2) / p["alphas_cumprod"] ** 0.5
    close(x, wanted["x_ve"], STATED)
    close(prior(x, wanted["sigma"]), wanted["denoised"], 1e-9)
    step = Ancestral(p.get("eta", 1.0))
    close(one(prior, step, x, wanted["sigma"], wanted["sigma_next"], unit(3, 12)), wanted["x_ve_next"], 1e-9)
    assert entry["input"]["shape"] == [1, 2, 3, 2]


@pytest.mark.parametrize("name", named("step/ve_"))
def test_one_step_with_the_exact_denoiser(name: str) -> None:
    p, wanted = entries()[name]["parameters"], entries()[name]["expected"]
    prior, s = Gaussian(covariance(12)), p["sigma"]
    x, n = (1.0 + s**2) ** 0.5 * unit(6, 1, 12), unit(7, 12)
    close(prior(x, s), wanted["denoised"], 1e-8)
    for key, step in (
        ("euler", euler),
        ("heun", heun),
        ("ancestral", Ancestral()),
        ("heun_churn", Churn(heun, p["gamma"])),
    ):
        close(one(prior, step, x, s, p["sigma_next"], n), wanted[key], 1e-8)


def test_conversions() -> None:
    wanted = entries()["step/conversions"]["expected"]
    abar = torch.tensor([0.999, entries()["step/conversions"]["parameters"]["alphas_cumprod"]], dtype=torch.float64)
    x0, n = numbers(4, 1, 6), unit(5, 1, 6)
    sigma = float(sigmas_of(abar)[1])
    assert sigma == pytest.approx(wanted["sigma"], rel=STATED)
    close(x0 + sigma * n, wanted["x_ve"], STATED)
    velocity = torch.tensor([wanted["velocity"]], dtype=torch.float64)
    close(FromVelocity(lambda x, t: velocity, abar)(x0 + sigma * n, sigma), x0, 1e-10)
    given = torch.tensor([wanted["x_vp"]], dtype=torch.float64) / abar[1] ** 0.5
    prior = FromVelocity(lambda x, t: velocity, abar)
    close(prior(given, sigma), x0, 1e-10)


# --- schedules and walks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", named("schedule/karras"))
def test_karras_levels(name: str) -> None:
    given, wanted = entries()[name]["input"], entries()[name]["expected"]
    sigmas = karras(given["n"], given["sigma_min"], given["sigma_max"], given["rho"])
    assert len(sigmas) == wanted["length"]
    for k, value in wanted["sigmas"].items():
        assert float(sigmas[int(k)]) == pytest.approx(value, rel=STATED)
    assert 10.0 / len(sigmas) == pytest.approx(wanted["cqtdiff_gamma_for_S_churn_10"])


@pytest.mark.parametrize("name", ["repaint/walks", "ddnm/walks"])
def test_walks(name: str) -> None:
    for case in entries()[name]["expected"]["cases"]:
        key = f"{case['T']}_{case['jump_length']}_{case['jump_n_sample']}"
        path = walk(case["T"], case["jump_length"], case["jump_n_sample"])
        with np.load(DATA / "diffusion_walks.npz") as walks:
            assert path == walks[key].tolist()
        assert sum(b < a for a, b in itertools.pairwise(path)) == case["network_evaluations"]


def test_walks_that_jump_low_only() -> None:
    """Two options of the published scheduler: a level above which nothing is resampled, and jumps of one level."""
    cases = entries()["repaint/walk_options"]["expected"]
    p = cases["start_resampling"]["parameters"]
    found = walk(p["t_T"], p["jump_length"], p["jump_n_sample"], top=p["start_resampling"])
    assert found == cases["start_resampling"]["list"]
    p = cases["n_sample"]["parameters"]  # its jumps stay two levels below the start
    assert walk(p["t_T"], 1, p["n_sample"], top=p["t_T"] - 2) == cases["n_sample"]["list"]


def test_repaint_takes_4571_states() -> None:
    sigmas = travel(ddpm(alphas_cumprod("ddnm_linear"), 250), 10, 10)
    assert len(sigmas) == 4571
    assert sigmas[-1] == 0.0


def test_revisiting_counts() -> None:
    for case in entries()["ddnm/tango_script_counts"]["expected"]["cases"]:
        sigmas = revisit(ddpm(alphas_cumprod("tango"), case["T"]), case["travel_length"])
        down = (sigmas[1:] < sigmas[:-1]).sum()
        assert int(down) == case["network_evaluations"]
        assert len(sigmas) - 1 - int(down) == case["jumps"]


def test_noise_matched_level() -> None:
    for case in entries()["ddnm/noise_matched_start"]["expected"]["cases"]:
        sigmas = sigmas_of(alphas_cumprod(case["schedule"]))
        found = int(torch.searchsorted(sigmas, case["sigma_y"]))
        assert found == case["t_star"]
        assert float(sigmas[found]) == pytest.approx(case["sigma_at_t_star"], rel=1e-9)


def test_renoising() -> None:
    x, n = unit(31, 1, 6), unit(32, 6)
    cases = [case for case in entries()["repaint/renoise"]["expected"]["cases"] if "sigma" in case]
    assert len(cases) >= 8
    for case in cases:
        start = x / alphas_cumprod(case["schedule"])[case["t"]] ** 0.5
        close(one(Gaussian(torch.eye(6)), euler, start, case["sigma"], case["sigma_up"], n), case["x_ve_up"], 1e-8)


def test_renoising_over_ten_levels_at_once() -> None:
    cases = [case for case in entries()["repaint/renoise"]["expected"]["cases"] if "sigma" not in case]
    assert len(cases) == 2
    for case in cases:
        abar = alphas_cumprod(case["schedule"])
        now, up = (float(sigmas_of(abar)[case[key]]) for key in ("t", "t_up"))
        start = unit(31, 1, 6) / abar[case["t"]] ** 0.5
        found = one(Gaussian(torch.eye(6)), euler, start, now, up, unit(32, 6))
        close(found * abar[case["t_up"]] ** 0.5, case["x_vp_up"], 1e-8)
        assert float(abar[case["t_up"]] / abar[case["t"]]) == pytest.approx(case["one_draw_ratio"])


def test_the_known_part_is_mixed_in_at_the_level_just_reached() -> None:
    known, n = numbers(33, 1, 6), unit(32, 6)
    for case in entries()["repaint/mixing_level"]["expected"]["cases"]:
        observed = Masked(known, torch.ones(6, dtype=torch.bool))
        draws = Scripted([n])
        found = Replacement().restate(torch.zeros(1, 6), case["sigma_of_corrected"], observed, draws)
        close(found, case["corrected_known_ve"], 1e-8)


# --- the loop in one coordinate system ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", named("loop/"))
def test_the_loop(name: str) -> None:
    p, wanted = entries()[name]["parameters"], entries()[name]["expected"]
    observed = Masked(truth(16, 41)[None], GAP_OF_16)
    conditioner: Conditioner = {
        "replacement": Replacement(),
        "null_space": NullSpace(keep=False),
        "guidance": ReconstructionGuidance(p.get("strength", 0.0), "always" if p.get("project") else "never"),
        "prior": Unconstrained(),
    }[p["conditioner"]]
    sigmas = torch.tensor(p["base_sigmas"], dtype=torch.float64)
    if p["travel"]:
        sigmas = travel(sigmas, *p["travel"])
    close(sigmas, p["sigmas"], STATED)
    draws = []
    for k, (a, b) in enumerate(itertools.pairwise(sigmas.tolist())):
        if b > a or (p["step"] == "ancestral" and b > 0.0):
            draws.append(unit(62 + 1000 * k, 16))
        if b < a and b > 0.0 and p["conditioner"] == "replacement":
            draws.append(unit(63 + 1000 * k, 16))
    step = {"ancestral": Ancestral(), "heun": heun, "euler": euler}[p["step"]]
    noise = Scripted(draws)
    x = sample(
        Gaussian(covariance(16)), conditioner, observed, sigmas, step, start=sigmas[0] * unit(61, 1, 16), noise=noise
    )
    assert not noise.draws
    close(x[0], wanted["final"], 1e-9)


@pytest.mark.parametrize("name", named("guidance/cqtdiff"))
def test_cqtdiff_sampler(name: str) -> None:
    p, wanted = entries()[name]["parameters"], entries()[name]["expected"]
    mask = torch.ones(64, dtype=torch.bool)
    mask[24:40] = False
    observed = Masked(truth(64, 71)[None], mask, fade=p["hann_size"])
    project = {"always": "always", "end": "end", "none": "never"}[p["data_consistency"]]
    noise = Stream(72)
    sigmas = karras(p["T"], p["sigma_min"], p["sigma_max"], p["rho"])
    gamma = min(p["S_churn"] / len(sigmas), 2.0**0.5 - 1.0)
    x = sample(
        Gaussian(covariance(64)),
        ReconstructionGuidance(p["strength"], project),  # type: ignore[arg-type]
        observed,
        sigmas,
        Churn(heun if p["order"] == 2 else euler, gamma),
        start=sigmas[0] * noise(torch.zeros(1, 64, dtype=torch.float64)),
        noise=noise,
    )
    for k, value in wanted["final"].items():
        assert float(x[0, int(k)]) == pytest.approx(value, abs=1e-6)
    assert float(x.norm()) == pytest.approx(wanted["final_stats"]["l2"], abs=1e-6)


# --- guidance by text -----------------------------------------------------------------------------------------------


def _tango(name: str) -> dict[str, Any]:
    return json.loads((DATA / "diffusion_guidance.json").read_text())[name]


@pytest.mark.parametrize("scale", ["2.5", "1.0", "0.0"])
def test_guidance_away_from_no_text(scale: str) -> None:
    entry = _tango(f"guidance/text_w{scale}")
    p, wanted, shape = entry["parameters"], entry["expected"], (1, 2, 3, 2)
    prior = shifted(p["guidance_scale"], numbers(42, *shape, scale=1.5), numbers(43, *shape, scale=0.2), quarter(12))
    sigma = float(sigmas_of(torch.tensor(p["alphas_cumprod"], dtype=torch.float64)))
    x = unit(41, *shape) / p["alphas_cumprod"] ** 0.5
    close(prior(x, sigma).reshape(-1), wanted["x0"], 1e-6)  # the entry was computed from inputs in single precision


def test_two_scales_are_one_guidance_inside_another() -> None:
    entry = _tango("guidance/two_scales")
    p = entry["parameters"]
    answers = {(True, True): numbers(48, 1, 12), (False, True): numbers(49, 1, 12), (False, False): numbers(50, 1, 12)}
    inner = Guided(lambda x, s, text, guide: answers[text, guide], p["text_scale"] / p["guide_scale"], {"text": False})
    outer = Guided(inner, p["guide_scale"], {"text": False, "guide": False})
    close(outer(torch.zeros(1, 12), 1.0, text=True, guide=True)[0], entry["expected"]["out"], 1e-9)
