"""Every conditioner with every step under a Gaussian prior, whose posterior is known exactly.

What is linear is not simulated: one run with the noise of a single draw set to a unit vector gives one column of the
map from noise to output, so a batch with an item per draw and element gives mean and covariance exactly.
"""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from caesura.diffusion import (
    Ancestral,
    Churn,
    Conditioner,
    Gaussian,
    Linear,
    Masked,
    MomentMatching,
    NullSpace,
    ReconstructionGuidance,
    Renoise,
    Replacement,
    Step,
    Unconstrained,
    dpm_solver_2m,
    euler,
    heun,
    karras,
    sample,
    travel,
)
from diffusion_cases import Normal, entries, named, oracle

GAP = slice(24, 40)
SAMPLES = 64
STEPS: dict[str, Step] = {"ancestral": Ancestral(), "heun": heun, "euler": euler}


def observed(items: int) -> Masked:
    return Masked(oracle()["y"].expand(items, -1), oracle()["mask"].bool())


class Impulses:
    """Draw k is a unit vector in the items of its own block and zero in all others."""

    def __init__(self, draws: int) -> None:
        self.items, self.taken = 1 + draws * SAMPLES, 0

    def __call__(self, like: Tensor) -> Tensor:
        noise = torch.zeros(self.items, SAMPLES, dtype=torch.float64)
        first = 1 + self.taken * SAMPLES
        noise[first : first + SAMPLES] = torch.eye(SAMPLES, dtype=torch.float64)
        self.taken += 1
        return noise


def law(conditioner: Conditioner, step: Step, sigmas: Tensor, draws: int) -> tuple[Tensor, Tensor]:
    """Exact mean (64,) and covariance (64, 64) of a sampler that is linear in its noise."""
    noise = Impulses(draws)
    start = sigmas[0] * noise(sigmas)
    known = observed(noise.items)
    x = sample(Gaussian(oracle()["covariance"]), conditioner, known, sigmas, step, start=start, noise=noise)
    assert noise.taken == draws
    columns = x[1:] - x[:1]
    return x[0], columns.T @ columns


def simulate(conditioner: Conditioner, step: Step, sigmas: Tensor, *, items: int, known: Any = None) -> Tensor:
    noise = Normal(5)
    start = sigmas[0] * noise(torch.zeros(items, SAMPLES))
    known = observed(items) if known is None else known
    return sample(Gaussian(oracle()["covariance"]), conditioner, known, sigmas, step, start=start, noise=noise)


def scores(mean: Tensor, covariance: Tensor) -> dict[str, float]:
    """As the parity files define them."""
    mu, exact = oracle()["posterior_mean"], oracle()["posterior_covariance"]
    off = mean - mu
    return {
        "mean_snr_db": 10.0 * math.log10(float(mu @ mu / (off @ off))),
        "variance_ratio": float(covariance.trace() / exact.trace()),
        "mahalanobis_per_dof": float(torch.linalg.solve(exact, covariance + torch.outer(off, off)).trace()) / 16,
    }


def levels(p: dict[str, Any]) -> Tensor:
    s = p["schedule"]
    sigmas = karras(s["n"], s["lo"], s["hi"], s["rho"])
    return travel(sigmas, *p["travel"]) if p.get("travel") else sigmas


CONDITIONERS: dict[str, Conditioner] = {
    "prior": Unconstrained(),
    "replacement": Replacement(),
    "null_space": NullSpace(keep=False),
}
LINEAR = [
    name
    for name in named("oracle/")
    if entries()[name].get("parameters", {}).get("conditioner") in CONDITIONERS and "travel" not in name
]


@pytest.mark.parametrize("name", LINEAR)
def test_the_exact_law_of_published_conditioners(name: str) -> None:
    p, wanted = entries()[name]["parameters"], entries()[name]["expected"]
    steps = p["schedule"]["n"]
    draws = 1 + (steps - 1) * ((p["step"] == "ancestral") + (p["conditioner"] == "replacement"))
    mean, covariance = law(CONDITIONERS[p["conditioner"]], STEPS[p["step"]], levels(p), draws)
    stored = name.removeprefix("oracle/")
    assert torch.allclose(mean[GAP], oracle()[f"law/{stored}/mean"], rtol=0.0, atol=1e-7)
    assert torch.allclose(covariance[GAP, GAP], oracle()[f"law/{stored}/covariance"], rtol=0.0, atol=1e-7)
    for key, value in scores(mean[GAP], covariance[GAP, GAP]).items():
        assert value == pytest.approx(wanted[key], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("kind", ["euler", "ancestral"])
def test_the_exact_law_of_replacement_with_one_noise(kind: str) -> None:
    name = f"replacement_fixed_noise_{kind}"
    sigmas = levels(entries()[f"oracle/{name}"]["parameters"])
    noise = Impulses(2 + (79 if kind == "ancestral" else 0))
    start = noise(sigmas)
    conditioner = Replacement(fixed=noise(sigmas))
    known = observed(noise.items)
    prior = Gaussian(oracle()["covariance"])
    x = sample(prior, conditioner, known, sigmas, STEPS[kind], start=sigmas[0] * start, noise=noise)
    columns = (x[1:] - x[:1])[:, GAP]
    assert torch.allclose(x[0, GAP], oracle()[f"law/{name}/mean"], rtol=0.0, atol=1e-7)
    assert torch.allclose(columns.T @ columns, oracle()[f"law/{name}/covariance"], rtol=0.0, atol=1e-7)


@pytest.mark.parametrize("eta", [0.0, 0.85, 1.0])
def test_the_exact_law_of_ddnm(eta: float) -> None:
    """A standard normal start of the variance-preserving chain is a start of deviation sqrt(1 + sigma^2)."""
    name = f"ddnm_as_published_T100_eta{eta}"
    abar = (1.0 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)).cumprod(0)[::10]
    sigmas = torch.cat([((1.0 - abar) / abar).sqrt().flip(0), torch.zeros(1, dtype=torch.float64)])
    noise = Impulses(1 + (99 if eta else 0))
    start = (1.0 + sigmas[0] ** 2).sqrt() * noise(sigmas)
    known = observed(noise.items)
    x = sample(Gaussian(oracle()["covariance"]), NullSpace(), known, sigmas, Renoise(eta), start=start, noise=noise)
    assert torch.allclose(x[0, GAP], oracle()[f"law/{name}/mean"], rtol=0.0, atol=1e-7)
    columns = (x[1:] - x[:1])[:, GAP]
    assert torch.allclose(columns.T @ columns, oracle()[f"law/{name}/covariance"], rtol=0.0, atol=1e-7)


@pytest.mark.parametrize("name", named("oracle/guidance"))
def test_reconstruction_guidance_by_simulation(name: str) -> None:
    """Not linear: compared within 5 combined standard errors of the stated scores."""
    p, wanted, finite = (entries()[name][k] for k in ("parameters", "expected", "finite_sample"))
    items = 1000
    conditioner = ReconstructionGuidance(p["strength"], "always" if p["project"] else "never")
    x = simulate(conditioner, Churn(STEPS[p["step"]], p["churn_gamma"]), levels(p), items=items)[:, GAP]
    found = scores(x.mean(0), x.T.cov())
    for key, value in found.items():
        # The spread of one repetition of `draws` samples, taken to our number of them.
        error = finite[key][1] * (finite["draws"] / items) ** 0.5 + entries()[name]["standard_error"][key]
        if key == "mean_snr_db":  # the bias of so few draws is part of what the finite-sample average shows
            error += 4.0 / items
        assert abs(found[key] - wanted[key]) <= 5.0 * error, (key, value)


# --- moment matching: exact for this prior ---------------------------------------------------------------------------

PUBLISHED = 11.0610057033  # dB: the best published sampler of the table, RePaint (8, 20), 1448 evaluations


def test_with_enough_iterations_moment_matching_is_the_conditional_mean() -> None:
    """E[x0 | x, y] by conditioning the joint normal law of x0, x = x0 + sigma n and y."""
    c, mask = oracle()["covariance"], oracle()["mask"].bool()
    y, eye = oracle()["y"], torch.eye(SAMPLES, dtype=torch.float64)
    x = 2.0 * Normal(3)(torch.zeros(2, SAMPLES))
    for sigma, noise in ((2.0, 0.0), (0.3, 0.0), (1.0, 0.4)):
        picked = eye[mask]
        joint = torch.cat([eye, picked])
        spread = torch.block_diag(sigma**2 * eye, noise**2 * torch.eye(len(picked), dtype=torch.float64))
        gain = c @ joint.T @ torch.linalg.inv(joint @ c @ joint.T + spread)
        wanted = torch.stack([gain @ torch.cat([row, y[mask]]) for row in x])
        known = Masked(y.expand(2, -1), mask, noise=noise)
        found = MomentMatching(200, floor=0.0).denoise(Gaussian(c), x, sigma, known, None).x0
        # The system's condition number is about 1e5, and the solve stops at 1e-6 of the residual.
        assert torch.allclose(found, wanted, rtol=0.0, atol=1e-4), (sigma, noise)


@pytest.mark.parametrize(
    ("step", "steps", "iterations", "at_least"),
    [
        (Ancestral(), 80, 1, 11.5),
        (Ancestral(), 80, 3, 16.0),
        (dpm_solver_2m, 20, 3, 12.0),
        (heun, 20, 3, 12.0),
    ],
)
def test_moment_matching_beats_every_published_conditioner(
    step: Step, steps: int, iterations: int, at_least: float
) -> None:
    x = simulate(MomentMatching(iterations), step, karras(steps, 1e-3, 20.0, 7.0), items=1000)[:, GAP]
    found = scores(x.mean(0), x.T.cov())
    assert found["mean_snr_db"] > at_least > PUBLISHED
    assert found["variance_ratio"] == pytest.approx(1.0, abs=0.25)
    assert found["mahalanobis_per_dof"] < 1.35


def test_starting_from_the_last_solve_is_worth_its_price() -> None:
    """One more backward pass an evaluation, against one more iteration."""
    sigmas = karras(40, 1e-3, 20.0, 7.0)
    warm = simulate(MomentMatching(1), Ancestral(), sigmas, items=500)[:, GAP].mean(0)
    cold = simulate(MomentMatching(2, warm=False), Ancestral(), sigmas, items=500)[:, GAP].mean(0)
    mu = oracle()["posterior_mean"]
    assert (warm - mu).norm() < (cold - mu).norm()


# --- noise in the observation ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("iterations", [3, 8])
def test_denoising_with_moment_matching_gives_the_posterior(iterations: int) -> None:
    items = 1000
    known = Masked(oracle()["denoise_y"].expand(items, -1), torch.ones(SAMPLES, dtype=torch.bool), noise=0.5)
    x = simulate(MomentMatching(iterations), heun, karras(20, 1e-3, 20.0, 7.0), items=items, known=known)
    mu, exact = oracle()["denoise_posterior_mean"], oracle()["denoise_posterior_covariance"]
    error = 10.0 * math.log10(float(mu @ mu / ((x.mean(0) - mu) @ (x.mean(0) - mu))))
    assert error > 24.1  # DDNM+ with 100 evaluations and a quarter of the variance reaches 24.07 dB
    assert float(x.T.cov().trace() / exact.trace()) == pytest.approx(1.0, abs=0.1)


# --- operators that are no masks ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "conditioner",
    [Replacement(), NullSpace(), ReconstructionGuidance(0.25), MomentMatching(3)],
    ids=lambda c: type(c).__name__,
)
def test_a_linear_operator_that_is_no_mask(conditioner: Conditioner) -> None:
    """Means of four neighbours: all agree with them in the end, and moment matching with the posterior mean too."""
    a = torch.kron(torch.eye(16, dtype=torch.float64), torch.full((1, 4), 0.25, dtype=torch.float64))
    y, items = a @ oracle()["x_true"], 400
    known = Linear(y.expand(items, -1), lambda x: x @ a.T, lambda r: r @ a)
    x = simulate(conditioner, Ancestral(), karras(30, 1e-3, 20.0, 7.0), items=items, known=known)
    assert torch.allclose(x @ a.T, y.expand(items, -1), rtol=0.0, atol=1e-5)
    c = oracle()["covariance"]
    mu = c @ a.T @ torch.linalg.solve(a @ c @ a.T, y)
    posterior = c - c @ a.T @ torch.linalg.solve(a @ c @ a.T, a @ c)
    if isinstance(conditioner, MomentMatching):
        assert (x.mean(0) - mu).norm() < 5.0 * (posterior.trace() / items).sqrt()
