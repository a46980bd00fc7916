"""Fill a box with the energy that the rest of the spectrum calls for: a hidden voice keeps its syllables.

The power spectrogram of the context is factorised under the Itakura-Saito divergence, the likelihood of the Gaussian
composite model,

    V ~ W H,    W <- W * ((V / (WH)^2) H^T / ((1 / WH) H^T))^1/2,    H likewise,

and the frames of the span find their activations H from the bins outside the box alone; W H then says how much energy
belongs inside. What an autoregressive model can predict (`janssen_tf`) is kept with its phase; of the energy that is
still missing a share is drawn at random:

    x_hat = x_AR + G* (strength sqrt(max(W H - |G x_AR|^2, 0)) G n),    n white Gaussian.

A prediction alone falls silent in the middle of a long box, and an interpolation from the sides does not know
what is being said there. The price is a lower signal-to-noise ratio: what is drawn is likely, not true.

References:
    C. Fevotte, N. Bertin, J.-L. Durrieu, "Nonnegative matrix factorization with the Itakura-Saito divergence", Neural
    Computation 21, 2009.
    O. Mokry, P. Magron, T. Oberlin, C. Fevotte, "Algorithms for audio inpainting based on probabilistic nonnegative
    matrix factorization", Signal Processing 206, 2023.
"""

from __future__ import annotations

__all__ = ["Nmf"]

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from caesura.codecs.gabor import Gabor
from caesura.inpainter import Accepts, Listener, Note, Progress, ignore, silent
from caesura.methods.janssen_tf import JanssenTf
from caesura.problem import Problem, Region

Array = NDArray[np.float64]

ROOM = 1.5  # seconds on either side of the box from which the spectra are learned
WINDOW_SECONDS = 0.046  # 2048 samples at 44.1 kHz: separates the partials of one voice
OVERLAP = 4
GUARD = 2  # bins beside the box that are not looked at, because the window leaks
TOP = 6000.0  # hertz; speech and music say little of the rest above it, or above twice the box
FLOOR = 1e-6  # of the mean power, under which differences are not heard
TINY = 1e-100  # keeps a component that explains nothing from dividing by zero


@dataclass(frozen=True)
class Nmf:
    """Fill a box with the energy that the rest of the spectrum calls for (NMF on top of janssen_tf)."""

    components: int = 20
    """Spectra that the context is explained with."""
    iterations: int = 40
    """Updates of the factorisation."""
    strength: float = 0.5
    """Amplitude of what is drawn at random, relative to what is missing; 0 is `janssen_tf` alone."""

    accepts: ClassVar[Accepts] = Accepts(channels=1, context=ROOM, gaps=False, bands=True)

    def __post_init__(self) -> None:
        for name in ("components", "iterations"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} is not a positive number")
        if not 0.0 <= self.strength <= 1.0:
            raise ValueError(f"strength={self.strength:g} is not between 0 and 1")

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> Array:
        """See `caesura.inpainter.Inpainter`."""
        estimate = JanssenTf()(problem, rng=rng, note=note)
        boxes = problem.boxes
        for done, box in enumerate(boxes):
            for row in range(problem.channels) if box.channel is None else (box.channel,):
                others = [b for b in boxes if b is not box and b.channel in (None, row)]
                addition = self._addition(estimate[row], box, others, problem.sample_rate, rng)
                estimate[row, box.start : box.stop] += addition
                share = float(np.mean(addition**2) / (np.mean(estimate[row, box.start : box.stop] ** 2) + 1e-30))
                note(
                    Note(box, why="prediction and energy learned from the rest", parameters={"drawn": round(share, 4)})
                )
            progress((done + 1) / len(boxes))
        return estimate

    def _addition(
        self, x: Array, box: Region, others: list[Region], sample_rate: int, rng: np.random.Generator
    ) -> Array:
        """What is drawn for one box (box length,)."""
        length = max(int(2 ** round(np.log2(WINDOW_SECONDS * sample_rate))), 4 * OVERLAP)
        gabor = Gabor(sample_rate, length, length // OVERLAP, window="sine")
        room = max(round(ROOM * sample_rate), 2 * length)
        first = max(box.start - room, 0)
        stretch = x[first : box.stop + room]
        power = np.abs(gabor.encode(stretch)) ** 2
        starts = gabor.starts(stretch.size) + first
        touched = _touching(starts, length, [box])
        clean = (starts >= first) & (starts + length <= first + stretch.size)
        clean &= ~_touching(starts, length, [box, *others])
        expected = self._expected(power, touched, clean, gabor.frequencies, box, rng)
        if expected is None:
            return np.zeros(box.length)
        noise = gabor.encode(rng.standard_normal(stretch.size))
        noise *= np.sqrt(0.5 * OVERLAP)  # to a mean power of one in every cell
        drawn = np.zeros_like(noise)
        drawn[touched] = self.strength * np.sqrt(np.maximum(expected - power[touched], 0.0)) * noise[touched]
        offset = box.start - first
        return np.asarray(gabor.decode(drawn, stretch.size)[offset : offset + box.length])

    def _expected(
        self,
        power: Array,
        touched: NDArray[np.bool_],
        clean: NDArray[np.bool_],
        frequencies: Array,
        box: Region,
        rng: np.random.Generator,
    ) -> Array | None:
        """Power of the cells in the box (touched frames, bins), zero beside it; None where nothing can be learned."""
        margin = GUARD * (frequencies[1] - frequencies[0])
        used = frequencies <= max(TOP, 2.0 * min(box.high, frequencies[-1]))
        outside = used & ((frequencies < box.low - margin) | (frequencies > box.high + margin))
        inside = used & (frequencies >= box.low) & (frequencies <= box.high)
        if clean.sum() < self.components or not outside.any() or power[clean].max() == 0.0:
            return None
        floored = (power + FLOOR * power[clean].mean()).T
        basis = self._learn(floored[used][:, clean], rng)
        activations = self._activate(floored[outside][:, touched], basis[outside[used]], rng)
        expected = np.zeros((int(touched.sum()), frequencies.size))
        # Where little lies outside the box the fit is loose: nothing gets louder than it is somewhere in the context.
        expected[:, inside] = np.minimum((basis[inside[used]] @ activations).T, power[clean][:, inside].max(axis=0))
        return expected

    def _learn(self, power: Array, rng: np.random.Generator) -> Array:
        """Spectra W (bins, components) of a power spectrogram (bins, frames)."""
        basis = power.mean(axis=1, keepdims=True) * rng.uniform(0.5, 1.5, (power.shape[0], self.components))
        activations = rng.uniform(0.5, 1.5, (self.components, power.shape[1])) / self.components
        for _ in range(self.iterations):
            activations *= _update(power, basis, activations)
            basis *= _update(power.T, activations.T, basis.T).T
            scale = basis.sum(axis=0) + TINY
            basis /= scale
            activations *= scale[:, None]
        return np.asarray(basis)

    def _activate(self, power: Array, basis: Array, rng: np.random.Generator) -> Array:
        """Activations H (components, frames) of a power spectrogram (bins, frames) for given spectra."""
        scale = power.sum(axis=0) / basis.sum()
        activations = scale * rng.uniform(0.5, 1.5, (self.components, power.shape[1]))
        for _ in range(self.iterations):
            activations *= _update(power, basis, activations)
        return np.asarray(activations)


def _update(power: Array, basis: Array, activations: Array) -> Array:
    """Factor of the multiplicative Itakura-Saito update of the activations."""
    inverse = 1.0 / (basis @ activations + TINY)
    return np.asarray(np.sqrt((basis.T @ (power * inverse**2)) / (basis.T @ inverse + TINY)))


def _touching(starts: NDArray[np.int64], length: int, boxes: list[Region]) -> NDArray[np.bool_]:
    """Which frames look at a sample of one of the boxes (frames,)."""
    touching = np.zeros(starts.size, dtype=bool)
    for box in boxes:
        touching |= (starts < box.stop) & (starts + length > box.start)
    return touching
