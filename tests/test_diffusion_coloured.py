"""Observations with coloured noise: one level for all is the null space of everything, and the oracle is followed."""

import itertools

import pytest
import torch

from caesura.diffusion import Gaussian, Masked, NullSpace, Renoise, karras, sample
from caesura.diffusion.coloured import Coloured
from diffusion_cases import Normal, covariance

N = 32


@pytest.mark.parametrize("spread", [0.05, 0.4, 3.0])
@pytest.mark.parametrize("eta", [0.0, 0.85, 1.0])
def test_one_level_for_all_is_the_null_space_of_everything(spread: float, eta: float) -> None:
    prior, sigmas = Gaussian(covariance(N)), karras(12, 0.01, 8.0)
    y = torch.randn(3, N, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    level = torch.full((3, N // 2 + 1), spread, dtype=torch.float64)
    everything = Masked(y, torch.ones(N, dtype=torch.bool), noise=spread)
    found = [
        sample(prior, conditioner, observed, sigmas, Renoise(eta), start=8.0 * Normal(2)(y), noise=Normal(3))
        for conditioner, observed in ((Coloured(y, level), None), (NullSpace(), everything))
    ]
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-9)


def test_what_is_known_exactly_comes_back_and_what_is_lost_is_made_up() -> None:
    prior, sigmas = Gaussian(covariance(N)), karras(40, 1e-4, 8.0)
    x = torch.linalg.cholesky(covariance(N)) @ torch.randn(N, 400, generator=torch.Generator().manual_seed(4)).double()
    level = torch.full((400, N // 2 + 1), 1e-6, dtype=torch.float64)
    level[:, 8:] = 1e3
    made = sample(prior, Coloured(x.mT, level), None, sigmas, Renoise(), start=8.0 * Normal(5)(x.mT), noise=Normal(6))
    known, wanted = (torch.fft.rfft(each)[:, :8] for each in (made, x.mT))
    # The last step leaves the level 1e-4 with the prior's own estimate.
    torch.testing.assert_close(known, wanted, rtol=0, atol=5e-3)
    power = [torch.fft.rfft(each)[:, 8:].abs().square().mean() for each in (made, x.mT)]
    assert float(power[0] / power[1]) == pytest.approx(1.0, abs=0.5)


def test_a_colour_is_followed_better_than_its_mean() -> None:
    """Noise that is loud in one half of the spectrum: who knows that estimates better."""
    prior, sigmas = Gaussian(covariance(N)), karras(30, 0.01, 8.0)
    x = (
        torch.linalg.cholesky(covariance(N)) @ torch.randn(N, 500, generator=torch.Generator().manual_seed(7)).double()
    ).mT
    level = torch.full((500, N // 2 + 1), 0.1, dtype=torch.float64)
    level[:, 6:] = 2.0
    noise = torch.fft.irfft(level * torch.fft.rfft(Normal(8)(x)), N)
    errors = []
    for told in (level, level.square().mean().sqrt().expand_as(level)):
        start = 8.0 * Normal(9)(x)
        made = sample(prior, Coloured(x + noise, told), None, sigmas, Renoise(), start=start, noise=Normal(10))
        errors.append(float((made - x).square().mean()))
    assert errors[0] < 0.7 * errors[1]
    assert all(a > b for a, b in itertools.pairwise([float(noise.square().mean()), errors[0]]))
