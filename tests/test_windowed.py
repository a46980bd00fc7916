"""Long signals in overlapping windows, and what lies between two noises and two ends."""

import itertools

import pytest
import torch

from caesura.diffusion import Gaussian, Unconstrained, euler, karras, sample
from caesura.diffusion.interpolation import slerp
from caesura.diffusion.noise import Seeded
from caesura.diffusion.windowed import Windowed, blended, starts
from caesura.progression import way
from riffusion_cases import close, entries, numbers


@pytest.mark.parametrize("length", [1, 63, 64, 65, 96, 100, 500])
def test_windows_cover_a_signal(length: int) -> None:
    places = starts(length, 64, 32)
    covered = {k for a in places for k in range(a, min(a + 64, length))}
    assert covered == set(range(length))
    assert all(b - a <= 32 for a, b in itertools.pairwise(places))


@pytest.mark.parametrize("length", [40, 64, 90, 200])
def test_a_prior_that_looks_at_each_sample_alone_is_not_changed_by_windows(length: int) -> None:
    x = torch.randn(2, 3, length, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def shrunk(part: torch.Tensor, sigma: float, **_: object) -> torch.Tensor:
        return part / (1.0 + sigma**2)

    found = Windowed(shrunk, 64, 32)(x, 2.0)
    torch.testing.assert_close(found, x / 5.0, rtol=1e-14, atol=1e-14)


def test_windows_may_change_the_scale() -> None:
    x = torch.arange(800.0, dtype=torch.float64)[None]
    halved = blended(x, 128, 96, lambda part, _: part[..., ::4], scale=(1, 4))
    torch.testing.assert_close(halved, x[..., ::4], rtol=1e-12, atol=1e-12)
    doubled = blended(x, 128, 96, lambda part, _: part.repeat_interleave(2, -1), scale=(2, 1))
    torch.testing.assert_close(doubled, x.repeat_interleave(2, -1), rtol=1e-12, atol=1e-12)


def test_windows_are_told_by_where_they_are() -> None:
    told = []

    def listening(part: torch.Tensor, sigma: float, place: float, always: int) -> torch.Tensor:
        told.append((place, always))
        return part

    Windowed(listening, 64, 32, lambda place: {"place": place})(torch.zeros(1, 192), 1.0, always=7)
    assert told == [(0.0, 7), (0.25, 7), (0.5, 7), (0.75, 7), (1.0, 7)]


def test_windows_are_told_their_own_part_of_what_runs_along() -> None:
    x = torch.arange(150.0)[None]
    fine = torch.arange(1200.0)[None] / 8.0

    def comparing(part: torch.Tensor, sigma: float, same: torch.Tensor, finer: torch.Tensor) -> torch.Tensor:
        torch.testing.assert_close(same, part)
        torch.testing.assert_close(finer[..., ::8], part)
        return part

    Windowed(comparing, 64, 32, along={"same": 1, "finer": 8})(x, 1.0, same=x, finer=fine)
    Windowed(comparing, 200, 32, along={"same": 1, "finer": 8})(x, 1.0, same=x, finer=fine)


def test_long_draws_have_no_joints() -> None:
    """With a correlated prior the increments at the windows' edges are those of everywhere else."""
    n, long = 32, 128
    k = torch.arange(n, dtype=torch.float64)
    prior = Windowed(Gaussian(torch.exp(-((k[:, None] - k) ** 2) / 18.0) + 1e-6 * torch.eye(n)), n, n // 2)
    items = 200
    noise = Seeded(range(items))
    start = 20.0 * noise(torch.zeros(items, long, dtype=torch.float64))
    x = sample(prior, Unconstrained(), None, karras(30, 0.01, 20.0), euler, start=start, noise=noise)
    steps = x.diff(dim=1).pow(2).mean(dim=0).sqrt()
    edges = torch.tensor([16, 32, 48, 64, 80, 96, 112]) - 1
    inner = torch.ones(long - 1, dtype=torch.bool)
    inner[edges] = False
    # Deviations of 200 draws: their standard error is 1 / sqrt(400), and the sampler's own spread is a little more.
    assert float((steps[edges].mean() / steps[inner].mean() - 1.0).abs()) < 0.15


def test_slerp_is_the_published_one() -> None:
    entry = entries()["slerp"]["expected"]
    a, b = (torch.from_numpy(numbers(seed, [1, 4, 6, 8])) for seed in (541, 542))
    for result in entry["results"]:
        found = slerp(result["t"], a, b)
        close(found.numpy(), result["samples"], rtol=1e-9, atol=1e-9)
        assert float(found.norm()) == pytest.approx(result["l2"], rel=1e-9)
    others = {"first + 0.001*second": a + 0.001 * b, "-first": -a}
    checked = 0
    for special in entry["special"]:
        if special["second"] in others:
            close(slerp(special["t"], a, others[special["second"]]).numpy(), special["samples"], rtol=1e-9, atol=1e-9)
            checked += 1
    assert checked >= 2


def test_noise_stays_noise_on_the_way() -> None:
    a, b = (Seeded([seed])(torch.zeros(1, 4, 64, 64)) for seed in (1, 2))
    for t in (0.0, 0.3, 0.5, 1.0):
        # 16384 numbers: five standard errors of their deviation.
        assert float(slerp(t, a, b).std()) == pytest.approx(1.0, abs=5 / (2 * 16384) ** 0.5)
    torch.testing.assert_close(slerp(0.0, a, b), a)
    torch.testing.assert_close(slerp(1.0, a, b), b)


def test_the_way_is_shaped_as_published() -> None:
    for case in entries()["interpolation_alphas"]["expected"]["cases"]:
        assert way(case["steps"], case["power"]) == pytest.approx(case["alphas"], abs=1e-9)


def test_the_line_between_texts_is_the_published_one() -> None:
    a, b = (torch.from_numpy(numbers(seed, [1, 3, 4])) for seed in (543, 544))
    for t, wanted in entries()["text_lerp"]["expected"]["embedding"]:
        torch.testing.assert_close(torch.lerp(a, b, t), torch.tensor(wanted, dtype=torch.float64), atol=1e-6, rtol=0.0)
