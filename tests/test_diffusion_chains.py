"""Whole published chains: AudioLDM, Tango, RePaint and DDNM, with their draws given."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from caesura.diffusion import (
    Ancestral,
    Estimate,
    FromVelocity,
    Gaussian,
    Guided,
    Masked,
    NullSpace,
    Renoise,
    Replacement,
    Unconstrained,
    ddpm,
    revisit,
    sample,
    travel,
)
from caesura.diffusion.schedules import sigmas_of
from diffusion_cases import (
    OneLevelTooNoisy,
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
)

GAP_OF_16 = torch.tensor([True] * 5 + [False] * 5 + [True] * 6)


# --- whole published chains -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", named("chain/audioldm_masked"))
def test_audioldm_inpainting(name: str) -> None:
    p, wanted = entries()[name]["parameters"], entries()[name]["expected"]
    shape, abar = (1, 2, 8, 2), alphas_cumprod("audioldm")
    prior = shifted(p["guidance_scale"], numbers(11, *shape, scale=1.5), numbers(12, *shape, scale=0.2), quarter(32))
    mask = torch.ones(1, 1, 8, 2, dtype=torch.bool)
    mask[:, :, slice(*p["regenerated_rows"])] = False
    observed = Masked(numbers(13, *shape, scale=1.2), mask)
    sigmas = sigmas_of(abar)[[*p["timesteps"], 0]]
    levels = sigmas.tolist()
    stream, like = Stream(14), torch.zeros(shape, dtype=torch.float64)
    start = stream(like) * (1.0 + levels[0] ** 2) ** 0.5
    draws = [stream(like) for _ in range(2 * len(p["timesteps"]))]
    # AudioLDM mixes before every call, the first included, and not after the last, which ends above zero.
    x = Replacement().restate(start, levels[0], observed, Scripted(draws[:1]))
    x = sample(
        prior,
        Replacement(),
        observed,
        sigmas[:-1],
        Ancestral(),
        start=x,
        noise=Scripted(draws[1:-1]),
    )
    x = one(prior, Ancestral(), x, levels[-2], levels[-1], draws[-1])
    close((x * abar[0] ** 0.5).reshape(-1), wanted["final"], 1e-8)


def test_audioldm_style_transfer() -> None:
    p, wanted = (entries()["chain/audioldm_style_transfer"][k] for k in ("parameters", "expected"))
    shape, abar = (1, 2, 8, 2), alphas_cumprod("audioldm")
    prior = shifted(p["guidance_scale"], numbers(11, *shape, scale=1.5), numbers(12, *shape, scale=0.2), quarter(32))
    sigmas = sigmas_of(abar)[[*range(p["first_network_timestep"], 0, -100), 0]]
    stream, latent = Stream(15), numbers(13, *shape, scale=1.2)
    noisy = float(sigmas_of(abar)[p["timestep_of_the_noise"]])
    # The noise is that of one level above the first call: at its own scale the state is x_vp / sqrt(abar) there.
    state = (latent + noisy * stream(latent)) * abar[p["timestep_of_the_noise"]] ** 0.5
    close(state.reshape(-1), wanted["start"], 1e-8)
    start = state / abar[p["first_network_timestep"]] ** 0.5
    x = sample(prior, Unconstrained(), None, sigmas, Ancestral(), start=start, noise=stream)
    close((x * abar[0] ** 0.5).reshape(-1), wanted["final"], 1e-8)


def test_tango_generation() -> None:
    p, wanted = (entries()["chain/tango_plain"][k] for k in ("parameters", "expected"))
    shape, abar = (1, 8, 256, 16), alphas_cumprod("tango")
    mean = numbers(21, *shape, scale=0.8)

    def network(x: Tensor, t: Tensor, *, mean: Tensor | float) -> Tensor:
        a = abar[t]
        denoised = mean + 0.25 * a.sqrt() * (x - a.sqrt() * mean) / (0.25 * a + 1.0 - a)
        epsilon = (x - a.sqrt() * denoised) / (1.0 - a).sqrt()
        return a.sqrt() * epsilon - (1.0 - a).sqrt() * denoised

    prior = Guided(FromVelocity(network, abar), p["guidance_scale"], {"mean": 0.0})
    sigmas, stream = ddpm(abar, p["steps"]), Stream(22)
    start = stream(mean) * (1.0 + sigmas[0] ** 2).sqrt()
    x = sample(prior, Unconstrained(), None, sigmas, Ancestral(), start=start, noise=stream, mean=mean)
    for where, value in wanted["final"].items():
        assert float(x[tuple(int(k) for k in where.split(","))]) == pytest.approx(value, rel=1e-8)
    assert float(x.norm()) == pytest.approx(wanted["final_stats"]["l2"], rel=1e-8)


@pytest.mark.parametrize("name", named("repaint/chain"))
def test_repaint(name: str) -> None:
    p, wanted = entries()[name]["parameters"], entries()[name]["expected"]
    abar = alphas_cumprod("ddnm_linear")[p["kept_timesteps"]]
    down = torch.cat([sigmas_of(abar).flip(0), torch.zeros(1, dtype=torch.float64)])
    sigmas = travel(down, p["jump_length"], p["jump_n_sample"])
    observed = Masked(truth(16, 41)[None], GAP_OF_16)
    stream, like = Stream(42), torch.zeros(1, 16, dtype=torch.float64)
    start = stream(like) * (1.0 + sigmas[0] ** 2).sqrt()
    # As published: at every call but the first the known part is mixed in beforehand, and the step's noise is drawn
    # first, also at the last level, which has no use for it.
    levels, script, mixed = sigmas.tolist(), [], False
    steps = list(itertools.pairwise(levels))
    for a, b in steps:
        if b > a:
            script.append(("up", stream(like)))
            continue
        script.append(("step", stream(like)))
        if mixed:
            script.append(("mix", stream(like)))
        mixed = True
    close(_replayed(Gaussian(covariance(16)), observed, steps, script, start)[0], wanted["final"], 1e-7)


def _replayed(
    prior: Any, observed: Masked, steps: list[tuple[float, float]], script: list[tuple[str, Tensor]], start: Tensor
) -> Tensor:
    """Published RePaint out of the engine's parts: mix at the level of the call, then a step, then perhaps up."""
    x, script = start, list(script)
    for a, b in steps:
        kind, draw = script.pop(0)
        if kind == "step" and script and script[0][0] == "mix":
            x = Replacement().restate(x, a, observed, Scripted([script.pop(0)[1]]))
        x = one(prior, Ancestral(), x, a, b, draw)
    return x


@pytest.mark.parametrize("name", named("repaint/tango_script"))
def test_tango_repaint_at_the_right_level(name: str) -> None:
    p, wanted = entries()[name]["parameters"], entries()[name]["expected"]
    prior = shifted(p["guidance_scale"], numbers(43, 16, scale=0.6), 0.0, covariance(16))
    abar = alphas_cumprod("small", p["schedule"]["steps"])
    sigmas = travel(ddpm(abar, len(abar)), p["jump_length"], p["jump_n_sample"])
    stream, like = Stream(44), torch.zeros(1, 16, dtype=torch.float64)
    start = stream(like) * (1.0 + sigmas[0] ** 2).sqrt()
    observed = Masked(truth(16, 41)[None], GAP_OF_16)
    x = sample(prior, Replacement(), observed, sigmas, Ancestral(), start=start, noise=stream)
    close(x[0], wanted["corrected"], 1e-8)


@pytest.mark.parametrize("name", named("repaint/tango_script"))
def test_tango_repaint_one_level_too_noisy(name: str) -> None:
    """As published; see `diffusion_cases.OneLevelTooNoisy`."""
    p, wanted = entries()[name]["parameters"], entries()[name]["expected"]
    prior = shifted(p["guidance_scale"], numbers(43, 16, scale=0.6), 0.0, covariance(16))
    abar = alphas_cumprod("small", p["schedule"]["steps"])
    sigmas = travel(ddpm(abar, len(abar)), p["jump_length"], p["jump_n_sample"])
    stream, like = Stream(44), torch.zeros(1, 16, dtype=torch.float64)
    start = stream(like) * (1.0 + sigmas[0] ** 2).sqrt()
    observed = Masked(truth(16, 41)[None], GAP_OF_16)
    x = sample(prior, OneLevelTooNoisy(abar=abar), observed, sigmas, Ancestral(), start=start, noise=stream)
    close(x[0], wanted["published"], 1e-8)


# --- DDNM -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in named("ddnm/svd") if "r1" not in n])
def test_ddnm_going_up_as_published(name: str) -> None:
    """Every step up noises the last estimate of the prior from scratch, so of a climb only the last draw matters."""
    given, p, wanted = (entries()[name][k] for k in ("input", "parameters", "expected"))
    observed, sigmas, stream, state = _ddnm(name, given, p)
    prior, estimate = Gaussian(covariance(16)), state
    for a, b in itertools.pairwise(sigmas.tolist()):
        draw = stream(state)
        if b > a:
            state = estimate + b * draw
            continue
        estimate = prior(state, a)
        levels = torch.tensor([a, b], dtype=torch.float64)
        noise = Scripted([draw] * 2)
        state = sample(prior, NullSpace(), observed, levels, Renoise(p["eta"]), start=state, noise=noise)
    close(state[0], wanted["final"], 1e-7)
    close(estimate[0], wanted["last_unrectified_x0"], 1e-7)


@pytest.mark.parametrize("name", named("ddnm/simplified"))
def test_the_simplified_path_of_ddnm(name: str) -> None:
    """Built here as the entry's note describes it: roots left out, and its noise scaled down twice."""
    given, p, wanted = (entries()[name][k] for k in ("input", "parameters", "expected"))
    observed, sigmas, stream, state = _ddnm(name, given, p)
    prior, noise, eta = Gaussian(covariance(16)), p["sigma_y_effective"], p["eta"]
    for a, b in itertools.pairwise(sigmas.tolist()):
        estimate = prior(state, a)
        direction, abar = (state - estimate) / a, 1.0 / (1.0 + b**2)
        spread = (1.0 - abar**2) ** 0.5
        share = 1.0 if spread >= abar * noise else spread / (abar * noise)
        left = max(spread**2 - (abar * noise) ** 2, 0.0) ** 0.5
        rectified = estimate + share * observed.back(observed.y - observed.apply(estimate))
        state = rectified + left * b * (eta * stream(state) + (1.0 - eta**2) ** 0.5 * direction)
    close(state[0], wanted["published_simplified"], 1e-7)


@pytest.mark.parametrize("name", named("ddnm/svd") + named("ddnm/simplified"))
def test_ddnm(name: str) -> None:
    given, p, wanted = (entries()[name][k] for k in ("input", "parameters", "expected"))
    final = wanted.get("final_with_forward_travel", wanted.get("final", wanted.get("svd_form_same_draws")))
    observed, sigmas, stream, start = _ddnm(name, given, p)
    noise_of_all = Published(stream)
    x = sample(
        Gaussian(covariance(16)),
        NullSpace(),
        observed,
        sigmas,
        noise_of_all.counted(Renoise(p["eta"])),
        start=start,
        noise=noise_of_all,
    )
    close(x[0], final, 1e-7)


def _ddnm(name: str, given: dict[str, Any], p: dict[str, Any]) -> tuple[Masked, Tensor, Stream, Tensor]:
    """Observation, levels, draws and start of a DDNM entry."""
    mask = GAP_OF_16 if "inpainting" in name else torch.ones(16, dtype=torch.bool)
    noise = p.get("sigma_y", p.get("sigma_y_effective"))
    observed = Masked(torch.tensor([given["y"]], dtype=torch.float64), mask, noise=noise)
    skip = 1000 // p["T_sampling"]
    abar = alphas_cumprod("ddnm_linear")[torch.arange(0, 1000, skip)[: p["T_sampling"]]]
    down = torch.cat([sigmas_of(abar).flip(0), torch.zeros(1, dtype=torch.float64)])
    sigmas = travel(down, p.get("travel_length", 100), p.get("travel_repeat", 1))
    stream = Stream(52 if "svd" in name else 53)
    start = stream(torch.zeros(1, 16, dtype=torch.float64)) * (1.0 + sigmas[0] ** 2).sqrt()
    return observed, sigmas, stream, start


class Published:
    """One draw per transition, whether the step needs it or not."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def __call__(self, like: Tensor) -> Tensor:
        return self.stream(like)

    def counted(self, step: Any) -> Any:
        def wrapped(denoise: Any, x: Tensor, sigma: float, sigma_next: float, draw: Any) -> Tensor:
            drawn = draw()
            return step(denoise, x, sigma, sigma_next, lambda: drawn)

        return wrapped


@pytest.mark.parametrize("name", [n for n in named("ddnm/tango_script_T") if "sy" in n])
def test_tango_ddnm(name: str) -> None:
    """DDPM form; with noise it is built here, for it thins out the noise of missing entries as well."""
    p, wanted = entries()[name]["parameters"], entries()[name]["expected"]
    prior = shifted(p["guidance_scale"], numbers(43, 16, scale=0.6), 0.0, covariance(16))
    abar = alphas_cumprod("small", p["schedule"]["steps"])
    down, length = ddpm(abar, len(abar)), p["travel_length"]
    stream, like = Stream(54), torch.zeros(1, 16, dtype=torch.float64)
    start = stream(like) * (1.0 + down[0] ** 2).sqrt()
    draws = []
    for k in range(len(abar)):
        jump = stream(like)  # drawn even where the jump has no length
        if min(k, length):
            draws.append(jump)
        draws += [stream(like) for j in range(max(k - length, 0), k + 1) if j < len(abar) - 1]
    observed = Masked(truth(16, 41)[None], GAP_OF_16, noise=p["sigma_y"])
    noise = Scripted(draws)
    x = sample(
        prior,
        ThinnedOut() if p["sigma_y"] else NullSpace(keep=False),
        observed,
        revisit(down, length),
        _used(Ancestral(), noise),
        start=start,
        noise=noise,
    )
    assert not noise.draws
    close(x[0], wanted["final"], 1e-8)


class ThinnedOut:
    """The published script's DDNM+: a share of the correction, and less new noise everywhere."""

    def denoise(self, prior: Any, x: Tensor, sigma: float, observed: Masked, last: Any, **cond: Any) -> Estimate:
        return _ThinnedOut(prior(x, sigma, **cond), x, sigma, observed)

    def restate(self, x: Tensor, sigma: float, observed: Masked, noise: Any) -> Tensor:
        return x


class _ThinnedOut(Estimate):
    def __init__(self, x0: Tensor, x: Tensor, sigma: float, observed: Masked) -> None:
        super().__init__(x0, (x - x0) / sigma)
        object.__setattr__(self, "known", (x, sigma, observed))

    def leave(self, down: float, up: float, draw: Any) -> Tensor:
        x, sigma, observed = self.known  # type: ignore[attr-defined]
        weight = 1.0 - down / sigma  # of the estimate in the next state
        share = min(1.0, up / (weight * observed.noise))
        rectified = self.x0 + share * observed.back(observed.y - observed.apply(self.x0))
        spread = max(up**2 - (share * weight * observed.noise) ** 2, 0.0) ** 0.5
        return weight * rectified + down / sigma * x + spread * draw()


def _used(step: Any, noise: Scripted) -> Any:
    """The published script draws at every level but the last, whether the step needs it or not."""

    def wrapped(denoise: Any, x: Tensor, sigma: float, sigma_next: float, draw: Any) -> Tensor:
        drawn = draw() if sigma_next > 0.0 else torch.zeros_like(x)
        return step(denoise, x, sigma, sigma_next, lambda: drawn)

    return wrapped


@pytest.mark.parametrize("form", ["ddpm", "ddim"])
def test_how_much_of_a_noisy_observation_is_taken(form: str) -> None:
    """Shares and noise of DDNM+, read off a step by probing it: they are linear in y and in the noise."""
    rows = entries()[f"ddnm/sigma_y_{form}_form"]["expected"]["rows"]
    assert len(rows) > 40
    silent = Gaussian(torch.zeros(2, 2, dtype=torch.float64))
    mask = torch.tensor([True, False])
    for row in rows:
        abar = alphas_cumprod(row[0])
        now, then = row[2], row[2] - 1 if form == "ddpm" else row[3]
        sigma, sigma_next = float(sigmas_of(abar)[now]), float(sigmas_of(abar)[then]) if then >= 0 else 0.0
        conditioner, step = NullSpace(keep=form == "ddim"), Ancestral() if form == "ddpm" else Renoise(0.85)
        scale = float(abar[then] ** 0.5) if then >= 0 else 1.0

        def probed(y: float, n: float, x: float) -> Tensor:
            observed = Masked(torch.full((1, 2), y, dtype=torch.float64), mask, noise=row[1])  # noqa: B023
            levels = torch.tensor([sigma, sigma_next], dtype=torch.float64)  # noqa: B023
            return sample(
                silent,
                conditioner,  # noqa: B023
                observed,
                levels,
                step,  # noqa: B023
                start=torch.full((1, 2), x, dtype=torch.float64),
                noise=lambda like: torch.full_like(like, n),
            )[0]

        taken, fresh, kept = probed(1.0, 0.0, 0.0), probed(0.0, 1.0, 0.0), probed(0.0, 0.0, sigma)
        if form == "ddpm":
            weight, _, share, spread = row[3:7]
            assert float(taken[0]) * scale == pytest.approx(weight * share, rel=1e-7, abs=1e-9)
            # The table subtracts nearly equal squares at high levels; its digits are good to 1e-7 of the level.
            assert float(fresh[0]) * scale == pytest.approx(spread, rel=1e-6, abs=1e-8)
        else:
            share, known, missing, epsilon = row[6:10]
            assert float(taken[0]) == pytest.approx(share, rel=1e-7)
            assert float(fresh[0]) * scale == pytest.approx(known, rel=1e-7)
            assert float(fresh[1]) * scale == pytest.approx(missing, rel=1e-7)
            assert float(kept[1]) * scale == pytest.approx(epsilon, rel=1e-7)
            assert abs(float(kept[0])) < 1e-12
