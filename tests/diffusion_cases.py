"""What the tests of the diffusion engine share: the reference's number generator, priors and noise of known values."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from caesura.diffusion import Gaussian, Guided, Replacement, Unconstrained, sample
from caesura.diffusion.schedules import sigmas_of

torch.set_num_threads(1)

DATA = Path(__file__).parent / "data"
POLES = ((0.985, 0.35), (0.96, 1.1))


@cache
def entries() -> dict[str, dict[str, Any]]:
    """Entries of the parity file by their names."""
    found = json.loads((DATA / "diffusion.json").read_text())["entries"]
    return {entry["id"]: entry for entry in found}


def named(prefix: str) -> list[str]:
    return [name for name in entries() if name.startswith(prefix)]


@cache
def oracle() -> dict[str, Tensor]:
    with np.load(DATA / "diffusion_oracle.npz") as arrays:
        return {name: torch.from_numpy(arrays[name].copy()) for name in arrays.files}


def lcg(seed: int) -> Iterator[float]:
    """The stream of the parity files, uniform in [-1, 1)."""
    state = seed
    while True:
        state = (1103515245 * state + 12345) % 2**31
        yield state / 2**30 - 1.0


def numbers(seed: int, *shape: int, scale: float = 1.0) -> Tensor:
    stream = lcg(seed)
    count = int(np.prod(shape))
    return scale * torch.tensor([next(stream) for _ in range(count)], dtype=torch.float64).reshape(shape)


def unit(seed: int, *shape: int) -> Tensor:
    """Of unit variance: stands in for Gaussian noise."""
    return numbers(seed, *shape, scale=3.0**0.5)


class Stream:
    """One generator consumed draw by draw, of unit variance."""

    def __init__(self, seed: int) -> None:
        self.stream = lcg(seed)

    def __call__(self, like: Tensor) -> Tensor:
        flat = [next(self.stream) for _ in range(like.numel())]
        return 3.0**0.5 * torch.tensor(flat, dtype=like.dtype).reshape(like.shape)


class Scripted:
    """Draws that are laid out beforehand; taking one too many or leaving one is an error."""

    def __init__(self, draws: Iterable[Tensor]) -> None:
        self.draws = list(draws)

    def __call__(self, like: Tensor) -> Tensor:
        return self.draws.pop(0).reshape(like.shape)


class Normal:
    """Double-precision normal noise for simulations."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self.generator, dtype=torch.float64)


def toeplitz(row: Tensor) -> Tensor:
    index = torch.arange(len(row))
    return row[(index[:, None] - index[None]).abs()]


@cache
def covariance(samples: int) -> Tensor:
    """Of the stationary AR(4) prior: the Yule-Walker equations, normalised to unit variance."""
    polynomial = np.array([1.0])
    for radius, angle in POLES:
        polynomial = np.convolve(polynomial, [1.0, -2.0 * radius * np.cos(angle), radius**2])
    order = polynomial.size - 1
    system = np.zeros((order + 1, order + 1))
    for lag in range(order + 1):
        for k, a in enumerate(polynomial):
            system[lag, abs(lag - k)] += a
    r = list(np.linalg.solve(system, np.eye(order + 1)[0]))
    while len(r) < samples:
        r.append(-sum(polynomial[k] * r[-k] for k in range(1, order + 1)))
    return toeplitz(torch.tensor(r[:samples]) / r[0])


def truth(samples: int, seed: int) -> Tensor:
    return torch.linalg.cholesky(covariance(samples)) @ unit(seed, samples)


def alphas_cumprod(kind: str, steps: int = 1000) -> Tensor:
    """The schedules of the reference systems."""
    if kind == "ddnm_linear":
        return (1.0 - torch.linspace(1e-4, 0.02, steps, dtype=torch.float64)).cumprod(0)
    first, last = {"audioldm": (0.0015, 0.0195), "tango": (0.00085, 0.012), "small": (0.05, 0.4)}[kind]
    return (1.0 - torch.linspace(first**0.5, last**0.5, steps, dtype=torch.float64) ** 2).cumprod(0)


def close(found: Tensor, wanted: Any, tolerance: float) -> None:
    """Equal within a tolerance relative to the largest number."""
    wanted = torch.as_tensor(wanted, dtype=found.dtype).reshape(found.shape)
    assert torch.allclose(found, wanted, rtol=0.0, atol=tolerance * max(1.0, float(wanted.abs().max())))


def one(prior: Any, step: Any, x: Tensor, sigma: float, sigma_next: float, *draws: Tensor) -> Tensor:
    levels = torch.tensor([sigma, sigma_next], dtype=torch.float64)
    return sample(prior, Unconstrained(), None, levels, step, start=x, noise=Scripted(draws))


def shifted(scale: float, conditional: Tensor, unconditional: Tensor | float, covariance: Tensor) -> Guided:
    """Two Gaussian priors, one told the condition and one not."""

    def prior(x: Tensor, sigma: Any, *, mean: Any) -> Tensor:
        flat = mean.reshape(-1) if isinstance(mean, Tensor) else mean
        return Gaussian(covariance, flat)(x, sigma)

    return Guided(lambda x, s, mean=conditional: prior(x, s, mean=mean), scale, {"mean": unconditional})


def quarter(n: int) -> Tensor:
    return 0.25 * torch.eye(n, dtype=torch.float64)


@dataclass(frozen=True)
class OneLevelTooNoisy(Replacement):
    """The published Tango script's: the known part, at the level the step came from, by the script's own scale."""

    abar: Tensor | None = None

    def restate(self, x: Tensor, sigma: float, observed: Any, noise: Any) -> Tensor:
        if sigma == 0.0:
            return observed.project(x)
        assert self.abar is not None
        now = int((sigmas_of(self.abar) - sigma).abs().argmin())
        here, above = self.abar[now], self.abar[now + 1]
        known = ((above / here).sqrt() * observed.y + ((1.0 - above) / here).sqrt() * noise(x)).expand(x.shape)
        return torch.where(observed.mask, known, x)
