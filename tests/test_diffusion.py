"""Laws of the engine: orders of convergence, independence of batch items, noise, masks, and what it refuses."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from caesura.diffusion import (
    Ancestral,
    Churn,
    Conditioner,
    FromEpsilon,
    Gaussian,
    Guided,
    Karras,
    Linear,
    Masked,
    MomentMatching,
    Multiplier,
    NullSpace,
    ReconstructionGuidance,
    Renoise,
    Replacement,
    Seeded,
    Step,
    Unconstrained,
    ddpm,
    dpm_solver_2m,
    euler,
    heun,
    karras,
    revisit,
    sample,
    travel,
    walk,
)
from caesura.diffusion.multiplier import lacking
from caesura.diffusion.noise import from_rng
from caesura.diffusion.observation import conjugate_gradients, faded
from caesura.diffusion.schedules import sigmas_of
from diffusion_cases import Normal, covariance, one

N = 16
MASK = torch.tensor([True] * 5 + [False] * 5 + [True] * 6)
CONDITIONERS: list[Conditioner] = [
    Unconstrained(),
    Replacement(),
    NullSpace(),
    NullSpace(keep=False),
    ReconstructionGuidance(0.25, "always"),
    ReconstructionGuidance(0.25, "never"),
    MomentMatching(2),
]
STEPS: list[Step] = [euler, heun, dpm_solver_2m, Ancestral(), Renoise(), Churn(heun, 0.1)]


def prior() -> Gaussian:
    return Gaussian(covariance(N))


def run(conditioner: Conditioner, step: Step, y: Tensor, seeds: list[int], noise: float = 0.0) -> Tensor:
    sigmas, draws = karras(8, 0.01, 5.0), Seeded(seeds)
    observed = Masked(y, MASK, noise=noise)
    return sample(prior(), conditioner, observed, sigmas, step, start=sigmas[0] * draws(y), noise=draws)


# --- orders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step", "order"), [(euler, 1.0), (heun, 2.0), (dpm_solver_2m, 2.0)])
def test_order_of_convergence(step: Step, order: float) -> None:
    """Against the exact flow: along an eigenvector of value v the state shrinks as sqrt(v + sigma^2)."""
    values, vectors = torch.linalg.eigh(covariance(N))
    x = 5.0 * Normal(1)(torch.zeros(1, N))
    high, low = 5.0, 0.05
    shrunk = ((values + low**2) / (values + high**2)).sqrt()
    exact = (x @ vectors * shrunk) @ vectors.T
    errors = []
    for steps in (80, 160, 320):
        sigmas = karras(steps + 1, low, high)[:-1]
        found = sample(prior(), Unconstrained(), None, sigmas, step, start=x, noise=Seeded([0]))
        errors.append(float((found - exact).norm()))
    slopes = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    # Asymptotic: what is left of the next order at these counts is a few hundredths.
    assert slopes[-1] == pytest.approx(order, abs=0.1)
    assert abs(slopes[-1] - order) <= abs(slopes[0] - order) + 0.01


def test_the_multistep_solver_forgets_what_came_before_going_up() -> None:
    """Its first step after a rise is the first-order one, which is Euler's in log sigma."""
    x = Normal(2)(torch.zeros(1, N))
    up = torch.tensor([1.0, 0.5, 2.0, 1.0], dtype=torch.float64)
    silent = lambda like: torch.zeros_like(like)  # noqa: E731
    found = sample(prior(), Unconstrained(), None, up, dpm_solver_2m, start=x, noise=silent)
    below = sample(prior(), Unconstrained(), None, up[:2], dpm_solver_2m, start=x, noise=silent)
    assert torch.equal(found, one(prior(), euler, below, 2.0, 1.0))


def test_ddpm_is_the_ancestral_step() -> None:
    """The variance-preserving update with the small variance, against ours at signal scale 1."""
    abar = (1.0 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)).cumprod(0)
    x, n = Normal(3)(torch.zeros(1, N)), Normal(4)(torch.zeros(1, N))
    for t in (999, 500, 20):
        a, b = abar[t], abar[t - 1]
        x0 = prior()(x / a.sqrt(), float(sigmas_of(a)))
        beta = 1.0 - a / b
        mean = (b.sqrt() * beta * x0 + (a / b).sqrt() * (1.0 - b) * x) / (1.0 - a)
        wanted = mean + ((1.0 - b) / (1.0 - a) * beta).sqrt() * n
        found = one(prior(), Ancestral(), x / a.sqrt(), float(sigmas_of(a)), float(sigmas_of(b)), n) * b.sqrt()
        assert torch.allclose(found, wanted, rtol=0.0, atol=1e-12)


# --- every conditioner with every step ------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("step", STEPS, ids=lambda s: getattr(s, "__name__", type(s).__name__))
@pytest.mark.parametrize("conditioner", CONDITIONERS, ids=lambda c: type(c).__name__)
def test_items_of_a_batch_do_not_influence_each_other(conditioner: Conditioner, step: Step, noise: float) -> None:
    y = Normal(7)(torch.zeros(3, N))
    y[2] *= 1e3  # a loud neighbour
    together = run(conditioner, step, y, [1, 2, 3], noise)
    alone = torch.cat([run(conditioner, step, y[k : k + 1], [k + 1], noise) for k in range(3)])
    # Sums over a batch of another size may be taken in another order.
    assert torch.allclose(together, alone, rtol=1e-9, atol=1e-11)
    assert torch.isfinite(together).all()


@pytest.mark.parametrize("step", STEPS, ids=lambda s: getattr(s, "__name__", type(s).__name__))
@pytest.mark.parametrize("conditioner", [c for c in CONDITIONERS[1:] if getattr(c, "project", "") != "never"], ids=repr)
def test_what_is_known_comes_back(conditioner: Conditioner, step: Step) -> None:
    y = Normal(7)(torch.zeros(2, N))
    assert torch.allclose(run(conditioner, step, y, [1, 2])[:, MASK], y[:, MASK], rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("conditioner", CONDITIONERS, ids=repr)
def test_what_lies_under_the_mask_is_never_looked_at(conditioner: Conditioner) -> None:
    y = Normal(7)(torch.zeros(1, N))
    hidden = torch.where(MASK, y, torch.nan)
    assert torch.equal(run(conditioner, heun, y, [1]), run(conditioner, heun, hidden, [1]))


@pytest.mark.parametrize("conditioner", CONDITIONERS, ids=repr)
def test_nothing_is_left_to_differentiate(conditioner: Conditioner) -> None:
    assert not run(conditioner, heun, Normal(7)(torch.zeros(1, N)), [1]).requires_grad


def test_a_warm_start_stays_near_the_guess() -> None:
    """From a level below every eigenvalue's root the walk moves the guess by about that level."""
    guess = torch.linalg.cholesky(covariance(N)) @ Normal(9)(torch.zeros(N))
    draws, sigma = Seeded([0]), 1e-3
    sigmas = karras(10, 1e-5, sigma)
    start = guess[None] + sigma * draws(guess[None])
    found = sample(prior(), Unconstrained(), None, sigmas, heun, start=start, noise=draws)
    assert (found - guess).norm() < 5.0 * sigma * N**0.5


def test_progress_ends_at_one_and_cancels() -> None:
    seen: list[float] = []
    sigmas = karras(4, 0.1, 1.0)
    x = torch.zeros(1, N, dtype=torch.float64)
    sample(prior(), Unconstrained(), None, sigmas, euler, start=x, noise=Seeded([0]), progress=seen.append)
    assert seen == [0.25, 0.5, 0.75, 1.0]

    def cancel(_fraction: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        sample(prior(), Unconstrained(), None, sigmas, euler, start=x, noise=Seeded([0]), progress=cancel)


# --- noise ----------------------------------------------------------------------------------------------------------


def test_a_seed_means_the_same_in_every_precision_and_batch() -> None:
    single, double = torch.zeros(2, 5), torch.zeros(2, 5, dtype=torch.float64)
    assert torch.equal(Seeded([3, 4])(single).double(), Seeded([3, 4])(double))
    assert torch.equal(Seeded([9, 3])(single)[1], Seeded([3])(single[:1])[0])
    assert torch.equal(
        from_rng([np.random.default_rng(1)])(single[:1]), from_rng([np.random.default_rng(1)])(single[:1])
    )
    assert all(generator.device.type == "cpu" for generator in Seeded([1, 2]).generators)


def test_noise_needs_a_seed_per_item() -> None:
    with pytest.raises(ValueError, match="a batch of 3 items needs as many seeds, got 2"):
        Seeded([1, 2])(torch.zeros(3, 4))


# --- denoisers ------------------------------------------------------------------------------------------------------


def test_karras_preconditioning_passes_the_state_through_without_noise_and_the_network_without_signal() -> None:
    network = lambda x, c: torch.ones_like(x)  # noqa: E731
    denoiser = Karras(network, 0.1)
    x = torch.ones(1, 3, dtype=torch.float64)
    assert torch.allclose(denoiser(x, 1e-9), x, atol=1e-8)
    assert torch.allclose(denoiser(x, 1e9), torch.full_like(x, 0.1), atol=1e-8)


def test_karras_tells_the_network_a_quarter_of_the_logarithm() -> None:
    told: list[Tensor] = []

    def network(x: Tensor, c: Tensor) -> Tensor:
        told.append(c)
        return x

    Karras(network, 0.5)(torch.zeros(2, 3), torch.tensor([0.5, 2.0]))
    assert torch.allclose(told[0], torch.tensor([0.25 * math.log(0.5), 0.25 * math.log(2.0)]))


def test_levels_may_differ_between_items() -> None:
    x, sigma = Normal(1)(torch.zeros(2, N)), torch.tensor([0.3, 2.0], dtype=torch.float64)
    both = prior()(x, sigma)
    assert torch.allclose(both[0], prior()(x[:1], 0.3)[0])
    assert torch.allclose(both[1], prior()(x[1:], 2.0)[0])


def test_a_discrete_network_is_told_the_nearest_level() -> None:
    abar = (1.0 - torch.linspace(1e-4, 0.02, 50, dtype=torch.float64)).cumprod(0)
    told: list[int] = []

    def network(x: Tensor, t: Tensor) -> Tensor:
        told.extend(t.tolist())
        return torch.zeros_like(x)

    for k in (0, 17, 49):
        FromEpsilon(network, abar)(torch.zeros(1, 2), float(sigmas_of(abar)[k]) * 1.001)
    assert told == [0, 17, 49]


def test_guidance_of_scale_one_calls_the_prior_once() -> None:
    calls: list[str] = []

    def network(x: Tensor, sigma: object, text: str) -> Tensor:
        calls.append(text)
        return x

    Guided(network, 1.0, {"text": ""})(torch.zeros(1, 2), 1.0, text="rain")
    Guided(network, 2.0, {"text": ""})(torch.zeros(1, 2), 1.0, text="rain")
    assert calls == ["rain", "rain", ""]


# --- observations ---------------------------------------------------------------------------------------------------


def test_conjugate_gradients_solve_and_leave_singular_items_alone() -> None:
    system = torch.stack([covariance(6) + torch.eye(6), torch.zeros(6, 6), torch.eye(6, dtype=torch.float64)])
    right = Normal(1)(torch.zeros(3, 6))
    right[2] = 0.0
    found = conjugate_gradients(lambda v: (system @ v[..., None])[..., 0], right, 20)
    assert torch.allclose(found[0], torch.linalg.solve(system[0], right[0]), rtol=1e-5)
    assert torch.equal(found[1:], torch.zeros_like(found[1:]))


def test_a_bad_guess_is_worth_no_less_than_none() -> None:
    system, right = covariance(6) + torch.eye(6), Normal(1)(torch.zeros(1, 6))
    operator = lambda v: v @ system  # noqa: E731
    plain = conjugate_gradients(operator, right, 2)
    assert torch.equal(conjugate_gradients(operator, right, 2, start=1e3 * right), plain)
    exact = torch.linalg.solve(system, right[0])[None]
    assert torch.allclose(conjugate_gradients(operator, right, 1, start=exact), exact, rtol=1e-9)


def test_the_pseudo_inverse_of_a_linear_operator_is_solved_for() -> None:
    a = Normal(2)(torch.zeros(4, 9))
    observed = Linear(Normal(3)(torch.zeros(2, 4)), lambda x: x @ a.T, lambda r: r @ a)
    x = Normal(4)(torch.zeros(2, 9))
    wanted = x + (observed.y - x @ a.T) @ torch.linalg.pinv(a).T
    assert torch.allclose(observed.project(x), wanted, rtol=0.0, atol=1e-5)  # solved to 1e-6 of the residual
    exact = Linear(observed.y, observed.forward, observed.transposed, inverse=lambda r: r @ torch.linalg.pinv(a).T)
    assert torch.allclose(exact.project(x), wanted, rtol=0.0, atol=1e-12)


def test_an_observation_that_lacks_parts_of_a_plane_knows_its_adjoint() -> None:
    """<A x, z> = <x, A* z>, with two overlapping parts and missing samples, where A is not symmetric."""
    window, weights = torch.hann_window(8, dtype=torch.float64), torch.linspace(0.0, 1.0, 9, dtype=torch.float64)
    parts = [Multiplier(range(0, 9, 2), window, weights), Multiplier(range(3, 8, 2), window, weights.flip(0))]
    x, z = Normal(1)(torch.zeros(2, N)), Normal(2)(torch.zeros(2, N))
    observed = lacking(x, MASK.expand(2, -1), [parts, []])
    assert torch.allclose((observed.apply(x) * z).sum(1), (x * observed.adjoint(z)).sum(1), rtol=1e-12)
    assert torch.equal(observed.apply(x)[1], torch.where(MASK, x[1], 0.0))
    assert not torch.allclose(observed.apply(x), observed.adjoint(x))


def test_the_published_fade() -> None:
    """cos^2 before a gap and sin^2 after it, over n reliable samples; at the ends and between near gaps too."""
    n = 4
    mask = torch.ones(20, dtype=torch.bool)
    mask[8:11] = False
    weights = faded(mask, n)
    falling = torch.cos(torch.pi * torch.arange(n, dtype=torch.float64) / (2 * n)) ** 2
    assert torch.allclose(weights[8 - n : 8], falling)
    assert torch.allclose(weights[11 : 11 + n], 1.0 - falling)
    assert torch.equal(weights[8:11], torch.zeros(3, dtype=torch.float64))
    assert torch.equal(weights[:4], torch.ones(4, dtype=torch.float64))
    edges = torch.tensor([False, True, True, False])
    assert torch.allclose(faded(edges, n)[1:3], torch.sin(torch.tensor([0.0, 1.0]) * torch.pi / 8).double() ** 2)


# --- schedules ------------------------------------------------------------------------------------------------------


def test_travel_that_never_goes_up_is_the_list_itself() -> None:
    sigmas = karras(12, 0.01, 1.0)
    assert torch.equal(travel(sigmas, 3, 1), sigmas)
    assert torch.equal(revisit(sigmas, 0), sigmas)


def test_every_schedule_starts_high_and_ends_clean() -> None:
    abar = (1.0 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)).cumprod(0)
    for sigmas in (karras(9, 0.01, 3.0), ddpm(abar, 40), ddpm(abar, 40, offset=1)):
        assert sigmas[-1] == 0.0
        assert (sigmas.diff() < 0.0).all()
    assert float(ddpm(abar, 40, offset=1)[-2]) == pytest.approx(float(sigmas_of(abar)[1]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: karras(1, 0.1, 1.0), "2 or more steps"),
        (lambda: karras(5, 1.0, 0.1), "0 < sigma_min < sigma_max"),
        (lambda: ddpm(torch.tensor([0.9, 0.5]), 3), "steps=3: the schedule has 2 levels"),
        (lambda: walk(10, 0, 2), "length=0"),
    ],
)
def test_what_makes_no_schedule_is_refused(call: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()  # type: ignore[operator]
