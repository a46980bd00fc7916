"""Diffusion prior of music in the constant-Q domain, conditioned on what surrounds the gap (CQT-Diff+).

    x = x0 + sigma n,   D(x, sigma) = c_skip x + c_out F(c_in x, ln(sigma) / 4) ~ E[x0 | x]

The network F works on the constant-Q transform of pieces of a few seconds; the sampler walks from noise to a signal
that agrees with the context. `weights="lean"` is the network that comes with the package, a path is a checkpoint of
the paper's authors. What is above the network's band, and the guess of a warm start, come from prediction.

References:
    E. Moliner, V. Välimäki, "Diffusion-based audio inpainting", J. Audio Eng. Soc. 72(3), 2024.
    F. Rozet, G. Andry, F. Lanusse, G. Louppe, "Learning diffusion priors from observations by expectation
    maximization", NeurIPS 2024 (conditioner "moments").
"""

from __future__ import annotations

__all__ = ["Cqtdiff"]

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from caesura.box import bin_shares, windows
from caesura.inpainter import Accepts, Listener, Note, Progress, ignore, silent
from caesura.methods._cqtdiff import Job, Piece, Recording, cut, length_for
from caesura.problem import Problem, Region

try:
    import torch
except ImportError:
    raise ValueError("cqtdiff needs PyTorch: pip install 'caesura[torch]'") from None
from torch import Tensor

from caesura.diffusion import (
    Ancestral,
    Churn,
    Conditioner,
    Masked,
    MomentMatching,
    NullSpace,
    Observation,
    ReconstructionGuidance,
    Replacement,
    Step,
    Unconstrained,
    dpm_solver_2m,
    heun,
    karras,
    sample,
)
from caesura.diffusion.multiplier import Multiplier, lacking
from caesura.diffusion.noise import from_rng
from caesura.methods._denoising import STEPS, denoised
from caesura.networks.cqt_priors import Facts, open_weights

Array = NDArray[np.float64]

BATCH = 8  # pieces that are sampled at once; bounds the memory whatever the recording holds
S_CHURN = 10.0  # as published, spread over the levels
LARGEST_GAMMA = math.sqrt(2.0) - 1.0


@dataclass(frozen=True)
class Cqtdiff:
    """Diffusion model of music: sounds plausible where prediction has run out, from about 50 ms to a second."""

    weights: str = "lean"
    """"lean" (comes with the package), "tiny" (untrained, for trials), a .safetensors file of `caesura train`, or a .pt
    file that the paper's authors published."""
    preset: str = "musicnet44k_4s"
    """What a .pt file was trained on: musicnet44k_4s, musicnet44k_8s, maestro22k_8s, maestro22k_131072."""
    steps: int = 0
    """Noise levels of the walk; 0: as many as the weights were measured with."""
    conditioner: Literal["auto", "guidance", "moments", "null_space", "replacement", "prior"] = "auto"
    """How the context enters; auto: as the weights were measured."""
    strength: float = 0.25
    """Length of a guidance step in units of the noise level; the paper's xi."""
    solver: Literal["auto", "heun", "2m", "ancestral"] = "auto"
    """How to get from level to level: the published churned Heun, DPM-Solver++(2M), or with new noise at each."""
    start: float | None = None
    """Level, relative to the signal, at which the walk starts from a classical fill; 0: from noise alone, None: as the
    weights were measured."""
    context: float = 0.4
    """Seconds on either side of a region that the network hears at least; twice that takes twice as long."""
    level: float = 0.6
    """Share of the difference in level from the surroundings that is taken away from a fill, band by band; 0: none."""
    candidates: int = 1
    """Fills to draw of each region; the one whose edges are least conspicuous is taken."""

    accepts: ClassVar[Accepts] = Accepts(channels=1, window=4.0, context=1.0, bands=True)
    quick: ClassVar[Mapping[str, Any]] = {"weights": "tiny", "steps": 2}

    def __post_init__(self) -> None:
        for name, least in (
            ("steps", 0),
            ("strength", 0.0),
            ("start", 0.0),
            ("context", 0.0),
            ("level", 0.0),
            ("candidates", 1),
        ):
            if getattr(self, name) is not None and not getattr(self, name) >= least:
                raise ValueError(f"{name}={getattr(self, name)} is below {least:g}")
        if self.level > 1.0:
            raise ValueError(f"level={self.level} must lie in 0 to 1")
        if self.steps == 1:
            raise ValueError("steps=1 is no walk: 2 or more, or 0 to leave it to the weights")

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> Array:
        """See `caesura.inpainter.Inpainter`."""
        return self.many([problem], rngs=[rng], progress=progress, notes=[note])[0]

    def many(
        self,
        problems: Sequence[Problem],
        *,
        rngs: Sequence[np.random.Generator],
        progress: Progress = silent,
        notes: Sequence[Listener] | None = None,
    ) -> list[Array]:
        """Estimates of several problems, whose pieces share batches.

        Args:
            problems: of any lengths.
            rngs: one per problem.
            progress: called with the fraction done.
            notes: one listener per problem.
        """
        facts = open_weights(self.weights, self.preset)
        guess = facts.guess, facts.guess_settings
        recordings = [Recording(problem, facts.sample_rate, *guess) for problem in problems]
        seeds = [int(rng.integers(2**63)) for rng in rngs]
        jobs = [
            Job(recording, piece, (seed, piece.start + piece.mask.size, k))
            for recording, seed in zip(recordings, seeds, strict=True)
            for piece in cut(recording, self._length(recording.problem, facts), self.context)
            for k in range(self.candidates)
        ]
        fills = self._fills(facts, jobs, progress)
        for k in range(0, len(jobs), self.candidates):
            piece, drawn = jobs[k].piece, fills[k : k + self.candidates]
            jobs[k].recording.put(piece, min(drawn, key=piece.conspicuous))
        for recording, note in zip(recordings, notes or [ignore] * len(problems), strict=True):
            self._report(recording, facts, note)
        return [recording.estimate(seed, self.level) for recording, seed in zip(recordings, seeds, strict=True)]

    def denoise(self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent) -> Array:
        """The recording without its noise; see `caesura.denoising.files.Cleaner`."""
        facts = open_weights(self.weights, self.preset)
        return denoised(facts, problem, rng, progress, self.steps or STEPS)

    def _length(self, problem: Problem, facts: Facts) -> int:
        return length_for(problem, self.context, facts.sample_rate, facts.samples, facts.halvings)

    def _fills(self, facts: Facts, jobs: Sequence[Job], progress: Progress) -> list[Array]:
        """The network's fill of each job; equal jobs, as of identical channels, are done once."""
        keys = [job.identity() for job in jobs]
        distinct = dict(zip(keys, jobs, strict=True))
        done = {key: job.piece.guess for key, job in distinct.items() if job.piece.silent}
        alike: dict[tuple[int, bool], list[tuple[object, ...]]] = {}
        for key, job in distinct.items():
            if key not in done:
                alike.setdefault((job.piece.mask.size, bool(job.piece.boxes)), []).append(key)
        batches = [group[k : k + BATCH] for group in alike.values() for k in range(0, len(group), BATCH)]
        for number, batch in enumerate(batches):

            def part(fraction: float, number: int = number) -> None:
                progress((number + fraction) / len(batches))

            done.update(zip(batch, self._walk(facts, [distinct[key] for key in batch], part), strict=True))
        return [done[key] for key in keys]

    def _walk(self, facts: Facts, jobs: Sequence[Job], progress: Progress) -> list[Array]:
        """Sample a batch of pieces of one length, all of them with boxes or all without."""
        pieces = [job.piece for job in jobs]
        guess, heard, mask, taken = (
            torch.from_numpy(np.stack([getattr(piece, name) for piece in pieces]))
            for name in ("guess", "heard", "mask", "taken")
        )
        prior = facts.prior(guess, mask & ~taken)
        noise = from_rng([np.random.default_rng(job.seed) for job in jobs])
        usual = facts.start_boxes if pieces[0].boxes else facts.start
        start = usual if self.start is None else self.start
        top = start * facts.sigma_data if start else facts.sigma_max
        sigmas = karras(self.steps or facts.steps, facts.sigma_min, top, facts.rho)
        known = prior.clean if start else torch.zeros_like(prior.clean)
        z = sample(
            prior.denoiser,
            self._conditioner(facts.boxes if pieces[0].boxes else facts.gaps),
            _observed(prior.forth(heard.to(prior.clean)), mask, pieces, facts.sample_rate),
            sigmas,
            self._step(facts, len(sigmas)),
            start=known + top * noise(known),
            noise=noise,
            progress=progress,
        )
        return list(prior.back(z).double().cpu().numpy())

    def _conditioner(self, usual: str) -> Conditioner:
        made: dict[str, Callable[[], Conditioner]] = {
            "guidance": lambda: ReconstructionGuidance(self.strength, "always"),
            "moments": MomentMatching,
            "null_space": NullSpace,
            "replacement": Replacement,
            "prior": Unconstrained,
        }
        return made[usual if self.conditioner == "auto" else self.conditioner]()

    def _step(self, facts: Facts, levels: int) -> Step:
        solver = facts.solver if self.solver == "auto" else self.solver
        if solver == "heun":
            return Churn(heun, min(S_CHURN / levels, LARGEST_GAMMA))
        return dpm_solver_2m if solver == "2m" else Ancestral()

    def _report(self, recording: Recording, facts: Facts, note: Listener) -> None:
        for region in (*recording.problem.gaps, *recording.problem.boxes):
            if region.low >= facts.sample_rate / 2:
                why = f"the box lies above the {facts.sample_rate / 2000:g} kHz that these weights know"
                note(Note(region, why=why, refused=True))
            else:
                note(Note(region, parameters={"weights": self.weights, "steps": self.steps or facts.steps}))


def _observed(heard: Tensor, mask: Tensor, pieces: Sequence[Piece], sample_rate: int) -> Observation:
    """What is known of a batch: samples, and in the spans of boxes all but their bands."""
    mask = mask.to(heard.device)
    if not any(piece.boxes for piece in pieces):
        return Masked(heard, mask)
    return lacking(heard, mask, [[_band(box, sample_rate) for box in piece.boxes] for piece in pieces])


def _band(box: Region, sample_rate: int) -> Multiplier:
    starts, window = windows(box.length, box.low, box.high, sample_rate)
    weights = bin_shares(2 * window.size, box.low / sample_rate, box.high / sample_rate)
    return Multiplier([box.start + s for s in starts], torch.from_numpy(window), torch.from_numpy(weights))
