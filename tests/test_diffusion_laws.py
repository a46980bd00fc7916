"""The exact law of every published sampler under a Gaussian prior, however long and wherever it travels.

Each transition of a sampler without memory is affine in the state and in its noise, so the engine is asked for it once
per pair of levels, by unit vectors, and mean and covariance are carried along: thousands of steps in a second.
Published samplers that are more biased than need be are built here, out of the engine's parts.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from caesura.autoregression.burg import Model
from caesura.autoregression.interpolation import interpolate
from caesura.diffusion import (
    Ancestral,
    Gaussian,
    Masked,
    NullSpace,
    Renoise,
    Replacement,
    Unconstrained,
    ddpm,
    euler,
    heun,
    karras,
    sample,
    travel,
)
from caesura.diffusion.schedules import sigmas_of
from diffusion_cases import OneLevelTooNoisy, alphas_cumprod, covariance, entries, oracle, truth, unit

GAP = slice(24, 40)
SAMPLES = 64
STATED = 1e-7  # of the exact laws


class Units:
    """Noise of a batch: draw k is a unit vector in its own block of items, zero in all others."""

    def __init__(self, size: int, draws: int) -> None:
        self.size, self.items, self.taken = size, 1 + size + draws * size, 0

    def __call__(self, like: Tensor) -> Tensor:
        noise = torch.zeros(self.items, self.size, dtype=torch.float64)
        first = 1 + self.size + self.taken * self.size
        noise[first : first + self.size] = torch.eye(self.size, dtype=torch.float64)
        self.taken += 1
        return noise


@dataclass(frozen=True)
class Affine:
    """x -> own x + drawn n + offset."""

    offset: Tensor
    own: Tensor
    drawn: Tensor

    @classmethod
    def of(cls, run: Callable[[Tensor, Any], Tensor], size: int) -> "Affine":
        """What a batch of states and as many draws as it takes are made into."""
        counted = Counted()
        run(torch.zeros(1, size, dtype=torch.float64), counted)
        noise = Units(size, counted.taken)
        states = torch.zeros(noise.items, size, dtype=torch.float64)
        states[1 : 1 + size] = torch.eye(size, dtype=torch.float64)
        out = run(states, noise)
        columns = (out[1:] - out[:1]).mT
        return cls(out[0], columns[:, :size], columns[:, size:])


@dataclass(frozen=True)
class Law:
    """Of a normal state."""

    mean: Tensor
    covariance: Tensor

    def then(self, step: Affine) -> "Law":
        """After an affine map."""
        spread = step.own @ self.covariance @ step.own.mT + step.drawn @ step.drawn.mT
        return Law(step.offset + step.own @ self.mean, spread)


def observed(items: int) -> Masked:
    return Masked(oracle()["y"].expand(items, -1), oracle()["mask"].bool())


def noisy(items: int, deviation: float = 0.5) -> Masked:
    return Masked(oracle()["denoise_y"].expand(items, -1), torch.ones(SAMPLES, dtype=torch.bool), noise=deviation)


def blank(deviation: float, size: int = SAMPLES) -> Law:
    """White noise."""
    return Law(torch.zeros(size, dtype=torch.float64), deviation**2 * torch.eye(size, dtype=torch.float64))


def standard(sigmas: Tensor, size: int = SAMPLES) -> Law:
    """A standard normal start of a variance-preserving chain, at signal scale 1."""
    return blank(float((1.0 + sigmas[0] ** 2).sqrt()), size)


def walked(
    law: Law, sigmas: Tensor, conditioner: Any, step: Any, known: Any, prior: Any, *, mix_first: bool = False
) -> Law:
    """After a walk down and up a list of levels; `mix_first` puts y in before a step as well."""

    @cache
    def through(a: float, b: float) -> Affine:
        def run(x: Tensor, noise: Any) -> Tensor:
            observed = known(len(x))
            if mix_first and b < a:
                x = Replacement().restate(x, a, observed, noise)
            levels = torch.tensor([a, b], dtype=torch.float64)
            return sample(prior, conditioner, observed, levels, step, start=x, noise=noise)

        return Affine.of(run, len(law.mean))

    for a, b in itertools.pairwise(sigmas.tolist()):
        law = law.then(through(a, b))
    return law


class Counted:
    def __init__(self) -> None:
        self.taken = 0

    def __call__(self, like: Tensor) -> Tensor:
        self.taken += 1
        return torch.zeros_like(like)


def prior() -> Gaussian:
    return Gaussian(oracle()["covariance"])


def matches(law: Law, name: str, scale: float = 1.0) -> None:
    """Mean and covariance in the gap, and the scores that follow from them."""
    mean, spread = scale * law.mean[GAP], scale**2 * law.covariance[GAP, GAP]
    assert torch.allclose(mean, oracle()[f"law/{name}/mean"], rtol=0.0, atol=STATED)
    assert torch.allclose(spread, oracle()[f"law/{name}/covariance"], rtol=0.0, atol=STATED)
    wanted = entries()[f"oracle/{name}"]["expected"]
    mu, exact = oracle()["posterior_mean"], oracle()["posterior_covariance"]
    off = mean - mu
    assert 10.0 * math.log10(float(mu @ mu / (off @ off))) == pytest.approx(wanted["mean_snr_db"], rel=1e-5)
    assert float(spread.trace() / exact.trace()) == pytest.approx(wanted["variance_ratio"], rel=1e-6)
    distance = torch.linalg.solve(exact, spread + torch.outer(off, off)).trace() / len(off)
    assert float(distance) == pytest.approx(wanted["mahalanobis_per_dof"], rel=1e-5)


# --- the problems themselves ----------------------------------------------------------------------------------------


def test_the_prior() -> None:
    wanted = entries()["prior/ar4"]["expected"]
    assert covariance(64)[0].tolist() == pytest.approx(wanted["autocovariance_64"], rel=1e-9)
    values = torch.linalg.eigvalsh(covariance(64))
    assert [float(values[0]), float(values[-1])] == pytest.approx(wanted["eigenvalue_range_of_C_64"], rel=1e-8)


def test_the_problem_and_its_least_squares_interpolation() -> None:
    """Interpolation with the true model is the conditional mean."""
    wanted = entries()["oracle/problem"]["expected"]
    x = truth(SAMPLES, 71)
    assert x.tolist() == pytest.approx(wanted["x_true"], abs=1e-8)
    missing = np.zeros(SAMPLES, dtype=bool)
    missing[GAP] = True
    filled = interpolate(np.where(missing, 0.0, x.numpy()), missing, [Model(np.array(wanted["a"]))])
    assert filled[GAP].tolist() == pytest.approx(wanted["posterior_mean"], abs=1e-8)


def test_the_denoising_problem() -> None:
    y = truth(SAMPLES, 71) + 0.5 * unit(73, SAMPLES)
    assert torch.allclose(y, oracle()["denoise_y"], rtol=0.0, atol=1e-8)
    # E[x | x + 0.5 n = y] is what the denoiser says at that level
    found = Gaussian(covariance(SAMPLES))(y[None], 0.5)[0]
    wanted = entries()["oracle/denoise_problem"]["expected"]["posterior_mean"]
    assert found.tolist() == pytest.approx(wanted, abs=1e-8)


# --- samplers that know everything, or are as published -------------------------------------------------------------


@pytest.mark.parametrize(("step", "levels", "name"), [(Ancestral(), 200, "ancestral_n200"), (heun, 80, "heun")])
def test_the_denoiser_of_the_posterior(step: Any, levels: int, name: str) -> None:
    mean, spread = oracle()["y"].clone(), torch.zeros(SAMPLES, SAMPLES, dtype=torch.float64)
    mean[GAP], spread[GAP, GAP] = oracle()["posterior_mean"], oracle()["posterior_covariance"]
    sigmas = karras(levels, 1e-3, 20.0, 7.0)
    law = walked(blank(float(sigmas[0])), sigmas, Unconstrained(), step, lambda _: None, Gaussian(spread, mean))
    matches(law, f"exact_posterior_mean_{name}")


@pytest.mark.parametrize(
    ("name", "conditioner"),
    [
        ("repaint_ancestral_travel8x5", Replacement()),
        ("repaint_ancestral_travel8x20", Replacement()),
        ("repaint_ancestral_travel1x10", Replacement()),
        ("null_space_ancestral_travel8x5", NullSpace(keep=False)),
    ],
)
def test_chains_that_travel(name: str, conditioner: Any) -> None:
    sigmas = travel(karras(80, 1e-3, 20.0, 7.0), *entries()[f"oracle/{name}"]["parameters"]["travel"])
    matches(walked(blank(float(sigmas[0])), sigmas, conditioner, Ancestral(), observed, prior()), name)


@pytest.mark.parametrize("name", ["tango_plain_T200", "tango_repaint_T200_10_10"])
def test_tango_with_replacement(name: str) -> None:
    p = entries()[f"oracle/{name}"]["parameters"]
    sigmas = travel(ddpm(alphas_cumprod("tango"), p["T"]), p["jump_length"], p["jump_n_sample"])
    matches(walked(standard(sigmas), sigmas, Replacement(), Ancestral(), observed, prior()), name)


def test_tango_repaint_one_level_too_noisy() -> None:
    name = "tango_repaint_one_level_too_noisy_T200_10_10"
    p, abar = entries()[f"oracle/{name}"]["parameters"], alphas_cumprod("tango")
    kept = abar[:: 1000 // p["T"]]
    sigmas = travel(ddpm(abar, p["T"]), p["jump_length"], p["jump_n_sample"])
    matches(walked(standard(sigmas), sigmas, OneLevelTooNoisy(abar=kept), Ancestral(), observed, prior()), name)


def test_audioldm_as_published() -> None:
    """Mixes before every call, ends above zero, and its output keeps the scale of that level."""
    name, abar = "audioldm_as_published_S200", alphas_cumprod("audioldm")
    sigmas = sigmas_of(abar)[[*range(996, 0, -5), 0]]
    law = walked(standard(sigmas), sigmas, Unconstrained(), Ancestral(), observed, prior(), mix_first=True)
    matches(law, name, float(abar[0] ** 0.5))


def test_repaint_as_published() -> None:
    """Mixes before every call but the first, at the level of the call."""
    name = "repaint_as_published_250_10_10"
    abar = alphas_cumprod("ddnm_linear")[[round(k * 999 / 249) for k in range(250)]]
    sigmas = travel(torch.cat([sigmas_of(abar).flip(0), torch.zeros(1, dtype=torch.float64)]), 10, 10)
    law = walked(standard(sigmas), sigmas[:2], Unconstrained(), Ancestral(), observed, prior())
    law = walked(law, sigmas[1:], Unconstrained(), Ancestral(), observed, prior(), mix_first=True)
    matches(law, name)


# --- noise in the observation ---------------------------------------------------------------------------------------


def denoised(form: str) -> Law:
    """The law of a denoising sampler of the parity file."""
    p, abar = entries()[f"oracle/denoise_{form}"]["parameters"], alphas_cumprod("tango")
    if form == "noise_matched_start":
        sigmas = torch.cat([sigmas_of(abar)[: p["t_star"] + 1].flip(0), torch.zeros(1, dtype=torch.float64)])
        law = Law(oracle()["denoise_y"], torch.zeros(SAMPLES, SAMPLES, dtype=torch.float64))
        return walked(law, sigmas, Unconstrained(), Ancestral(), noisy, prior())
    sigmas = ddpm(abar, p.get("T_sampling", 1000))
    if p["form"] == "DDPM":
        return walked(standard(sigmas), sigmas, NullSpace(keep=False), Ancestral(), noisy, prior())
    return walked(standard(sigmas), sigmas, NullSpace(), Renoise(p["eta"]), noisy, prior())


@pytest.mark.parametrize(
    "form",
    [
        "ddnm_plus_ddim_form_T100_eta0.85",
        "ddnm_plus_ddim_form_T1000_eta0.85",
        "ddnm_plus_ddim_form_T100_eta0.0",
        "ddnm_plus_ddpm_form_T1000",
        "noise_matched_start",
    ],
)
def test_denoising(form: str) -> None:
    wanted, law = entries()[f"oracle/denoise_{form}"]["expected"], denoised(form)
    assert law.mean[::8].tolist() == pytest.approx(wanted["mean_every_8th"], rel=1e-6)
    assert law.covariance.diagonal().sqrt()[::8].tolist() == pytest.approx(wanted["std_every_8th"], rel=1e-6)
    mu, exact = oracle()["denoise_posterior_mean"], oracle()["denoise_posterior_covariance"]
    off = law.mean - mu
    assert 10.0 * math.log10(float(mu @ mu / (off @ off))) == pytest.approx(wanted["mean_snr_db"], rel=1e-5)
    assert float(law.covariance.trace() / exact.trace()) == pytest.approx(wanted["variance_ratio"], rel=1e-6)


def test_denoising_white_data() -> None:
    """Output = alpha y + noise of variance beta; from them the squared error and the variance of the output."""
    white, abar = Gaussian(torch.eye(1, dtype=torch.float64)), alphas_cumprod("tango")
    for case in entries()["ddnm/white_prior_denoising"]["expected"]["cases"]:
        deviation = case["sigma_y"]

        def one(items: int, deviation: float = deviation) -> Masked:
            ones = torch.ones(items, 1, dtype=torch.float64)
            return Masked(ones, ones.bool(), noise=deviation)

        matched = int(torch.searchsorted(sigmas_of(abar), deviation))
        low = torch.cat([sigmas_of(abar)[: matched + 1].flip(0), torch.zeros(1, dtype=torch.float64)])
        full, tenth = ddpm(abar, 1000), ddpm(abar, 100)
        exactly = Law(torch.ones(1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64))
        laws = {
            "ddpm_form_1000": walked(standard(full, 1), full, NullSpace(keep=False), Ancestral(), one, white),
            "ddim_form_100_eta085": walked(standard(tenth, 1), tenth, NullSpace(), Renoise(0.85), one, white),
            "noise_matched_start": walked(exactly, low, Unconstrained(), Ancestral(), one, white),
        }
        for name, law in laws.items():
            alpha, beta = float(law.mean[0]), float(law.covariance[0, 0])
            error = (alpha - 1.0) ** 2 + alpha**2 * deviation**2 + beta
            found = [alpha, beta, error, alpha**2 * (1.0 + deviation**2) + beta]
            assert found == pytest.approx(case[name], rel=1e-6), name
        assert case["raw_y_mse"] == pytest.approx(deviation**2)
        assert case["posterior_mean_mse"] == pytest.approx(deviation**2 / (1.0 + deviation**2))


def test_the_step_without_noise_keeps_a_law_normal() -> None:
    """The tool itself: Euler from level to level under a white prior shrinks every state by the same factor."""
    white = Gaussian(torch.eye(4, dtype=torch.float64))
    levels = torch.tensor([2.0, 1.0], dtype=torch.float64)
    law = walked(blank(3.0, 4), levels, Unconstrained(), euler, lambda _: None, white)
    factor = 1.0 / 5.0 + 0.5 * (1.0 - 1.0 / 5.0)
    assert torch.allclose(law.covariance, (3.0 * factor) ** 2 * torch.eye(4, dtype=torch.float64))
