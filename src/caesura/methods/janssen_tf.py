"""Janssen's interpolation for boxes of the time-frequency plane.

An autoregressive model a with innovation variance sigma^2 comes from the sound on both sides of the span; the estimate
explains best both the model and what is still known inside the span,

    x_hat = argmin  ||a * x||^2 / sigma^2  +  <x - x_0, (I - B) (x - x_0)> / epsilon^2,    (I - B) x_0 = y,

where B is the operator that took the box out (`caesura.box`): a cell that was taken out whole costs nothing, one at
the edge of the box costs by what was left of it. Different bands of a stationary process are independent, so all of
this happens in the band of the box alone, moved down to zero frequency and sampled no faster than it has to be. There
the problem is small, Hermitian and banded, and one Cholesky factorisation solves it: no iterations.

Several orders are tried on boxes of the same shape that are cut out of the context, where the answer is known. The
estimate is the mixture of them that was best there, down to nothing at all where nothing could be predicted.

References:
    O. Mokry, P. Rajmic, "Janssen 2.0: audio inpainting in the time-frequency domain", EUSIPCO 2025.
    A. J. E. M. Janssen, R. N. J. Veldhuis, L. B. Vries, "Adaptive interpolation of discrete-time signals that can be
    modeled as autoregressive processes", IEEE Trans. ASSP 34, 1986.
"""

from __future__ import annotations

__all__ = ["JanssenTf"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from caesura.box import bin_shares, windows
from caesura.inpainter import Accepts, Listener, Note, Progress, ignore, silent
from caesura.problem import Problem, Region, runs

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Model = tuple[ComplexArray, float]  # polynomial and innovation variance

ROOM = 1.5  # seconds on either side that may be looked at: for the model, and for trial boxes
GUARD = 2.0  # bins of the box's window on either side of the band; beyond them the operator is below -55 dB
TAPER = 0.05  # seconds at the ends of the room that fade, so that the transform does not ring
LONGEST_ORDER = 0.75  # of the longest known stretch
PREDICTABLE = 1e-9  # of the power: a smaller innovation is rounding, and would make the equations singular
SILENCE = 1e-20  # power under which there is nothing to model
CAUTION = 0.5  # how strongly the mixture is drawn to equal parts, as a trial box costs one


@dataclass(frozen=True)
class JanssenTf:
    """Fill a box with what an autoregressive model of its band expects (Janssen-TF)."""

    memory: tuple[float, ...] = (0.008, 0.016, 0.032, 0.064)
    """Seconds that the models reach back; they are mixed by how well they do on boxes cut out of the context."""
    context: float = 0.35
    """Seconds on either side that the models are fitted to."""
    tolerance: float = 0.05
    """Distance allowed from what is left at the edges of the box, relative to the level of the context. Larger is safer
    where the unwanted sound touches the edges of the box, smaller is more exact where it does not."""

    accepts: ClassVar[Accepts] = Accepts(channels=1, context=ROOM, gaps=False, bands=True)

    def __post_init__(self) -> None:
        if not self.memory or min(self.memory) <= 0.0:
            raise ValueError(f"memory={self.memory} is not a list of positive numbers of seconds")
        for name in ("context", "tolerance"):
            if getattr(self, name) <= 0.0:
                raise ValueError(f"{name}={getattr(self, name):g} is not positive")

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> Array:
        """See `caesura.inpainter.Inpainter`."""
        estimate = np.array(problem.y)
        boxes = problem.boxes
        # The box taken out last goes back first, so that each is filled as if it were the only one.
        for done, k in enumerate(reversed(range(len(boxes)))):
            box = boxes[k]
            for row in range(problem.channels) if box.channel is None else (box.channel,):
                holes = [other for other in boxes[:k] if other.channel in (None, row)]
                content, parts = self._content(estimate[row], box, holes, problem.sample_rate)
                estimate[row, box.start : box.stop] += content
                note(Note(box, why="autoregressive models of the band", parameters=parts))
            progress((done + 1) / len(boxes))
        return estimate

    def _content(
        self, x: Array, box: Region, holes: Sequence[Region], sample_rate: int
    ) -> tuple[Array, dict[str, Any]]:
        """What to add to the samples of a box, and how much of which model is in it."""
        band = Band(x, box, holes, sample_rate)
        start, stop = band.span
        if stop <= start or band.power <= SILENCE:
            return np.zeros(box.length), {}
        orders = [max(round(memory * sample_rate / band.step), 1) for memory in self.memory]
        reach = max(round(self.context * sample_rate / band.step), 2 * band.operator.shape[0])
        weight = 1.0 / (self.tolerance**2 * band.power)
        weights = self._mixture(band, orders, reach, weight)
        models = _models(band.segments(band.known, start, stop, reach), orders)
        filled = np.zeros(stop - start, dtype=np.complex128)
        for share, model in zip(weights, models, strict=True):
            if share > 0.0:
                filled += share * _addition(band.z, start, band.operator, model, weight)
        parts = {f"memory {memory:g} s": round(float(w), 3) for memory, w in zip(self.memory, weights, strict=True)}
        return band.back(filled), parts

    def _mixture(self, band: Band, orders: Sequence[int], reach: int, weight: float) -> Array:
        """Weights of the orders, by what they do on boxes that are cut out of the context."""
        from scipy.optimize import nnls

        count = len(orders)
        # Equal parts are what is left where the context has no room for trials.
        rows: list[Array] = [CAUTION * np.eye(count)]
        wanted: list[Array] = [np.full(count, CAUTION / count)]
        for start, operator in band.trials(reach, max(orders)):
            stop = start + operator.shape[1]
            truth = _multiply(operator, band.z[start:stop])
            size = np.linalg.norm(truth)
            if size**2 <= SILENCE * truth.size:
                continue
            hidden = band.z.copy()
            hidden[start:stop] -= truth
            known = band.known.copy()
            known[start:stop] = False
            models = _models(band.segments(known, start, stop, reach), orders)
            tried = np.stack([_addition(hidden, start, operator, model, weight) for model in models], axis=1) / size
            rows += [tried.real, tried.imag]
            wanted += [truth.real / size, truth.imag / size]
        return np.asarray(nnls(np.concatenate(rows), np.concatenate(wanted))[0])


class Band:
    """The band of a box, moved down to zero frequency: complex samples `step` samples of the recording apart."""

    def __init__(self, x: Array, box: Region, holes: Sequence[Region], sample_rate: int) -> None:
        from scipy.fft import next_fast_len

        self.box, self.sample_rate = box, sample_rate
        _, window = windows(box.length, box.low, box.high, sample_rate)
        guard = GUARD * sample_rate / window.size
        room = max(round(ROOM * sample_rate), 2 * box.length)
        self.size = next_fast_len(box.length + 2 * room, real=True)
        self.first = box.start - room
        inside = slice(max(self.first, 0), min(self.first + self.size, x.size))
        stretch = np.zeros(self.size)
        stretch[inside.start - self.first : inside.stop - self.first] = x[inside]
        taper = min(round(TAPER * sample_rate), room // 4) + 1
        fade = np.sin(0.5 * np.pi * (np.arange(taper) + 0.5) / taper) ** 2
        stretch[:taper] *= fade
        stretch[-taper:] *= fade[::-1]
        self.lowest = max(int((box.low - guard) * self.size / sample_rate), 1)
        highest = min((box.high + guard) * self.size / sample_rate, (self.size - 1) // 2)
        self.count = max(int(highest) + 1 - self.lowest, 1)
        self.step = self.size / self.count
        spectrum = np.fft.rfft(stretch)[self.lowest : self.lowest + self.count]
        self.z: ComplexArray = np.fft.ifft(spectrum, self.count) / self.step
        self.span = self.position(box.start), self.position(box.stop)
        self.operator = self._operator(box.length, self.span[0] * self.step - (box.start - self.first))
        self.known = np.zeros(self.count, dtype=bool)
        ends = max(inside.start, self.first + taper), min(inside.stop, self.first + self.size - taper)
        self.known[self.position(ends[0]) : self.position(ends[1])] = True
        for region in (box, *(hole for hole in holes if hole.low < box.high + guard and hole.high > box.low - guard)):
            self.known[self.position(region.start) : self.position(region.stop)] = False
        self.power = float(np.mean(np.abs(self.z[self.known]) ** 2)) if self.known.any() else 0.0

    def position(self, sample: int) -> int:
        """First complex sample that does not lie before a sample of the recording."""
        return int(np.clip(np.ceil((sample - self.first) / self.step), 0, self.count))

    def back(self, content: ComplexArray) -> Array:
        """Samples (box length,) of the recording that belong to complex samples of the span."""
        z = np.zeros(self.count, dtype=np.complex128)
        z[self.span[0] : self.span[1]] = content
        spectrum = np.zeros(self.size // 2 + 1, dtype=np.complex128)
        spectrum[self.lowest : self.lowest + self.count] = np.fft.fft(z) * self.step
        offset = self.box.start - self.first
        return np.fft.irfft(spectrum, self.size)[offset : offset + self.box.length]

    def segments(self, known: NDArray[np.bool_], start: int, stop: int, reach: int) -> list[ComplexArray]:
        """Known stretches within `reach` of a span."""
        first = max(start - reach, 0)
        return [self.z[first + a : first + b] for a, b in runs(known[first : stop + reach])]

    def trials(self, reach: int, order: int) -> list[tuple[int, ComplexArray]]:
        """Where boxes can be cut out of the context on either side, with their operators."""
        length = min(self.box.length, round(reach * self.step))
        operator = self._operator(length, 0.0)
        count, (start, stop) = operator.shape[1], self.span
        places = (start - order - count, stop + order)
        return [
            (place, operator)
            for place in places
            if place >= order and self.known[place - order : place + count + order].all() and count > 0
        ]

    def _operator(self, length: int, offset: float) -> ComplexArray:
        """The box's operator between complex samples, in the lower banded form of `scipy.linalg.solveh_banded`.

        Args:
            length: samples of the span.
            offset: of the first complex sample from the first sample of the span.
        """
        box, rate = self.box, self.sample_rate
        starts, window = windows(length, box.low, box.high, rate)
        times = np.arange(offset, length, self.step)
        lags = np.arange(min(int(window.size / self.step) + 1, times.size)) * self.step
        shares = bin_shares(2 * window.size, box.low / rate, box.high / rate)
        bins = np.flatnonzero(shares)
        turns = np.outer(lags, bins / (2 * window.size) - self.lowest / self.size)
        kernel = self.step * (np.exp(2j * np.pi * turns) @ shares[bins]) / (2 * window.size)
        banded = np.zeros((lags.size, times.size))
        for start in starts:
            inside = slice(*np.searchsorted(times, (start, start + window.size - 1)))
            w = np.interp(times[inside] - start, np.arange(window.size), window)
            for lag in range(min(lags.size, w.size)):
                banded[lag, inside.start : inside.start + w.size - lag] += w[lag:] * w[: w.size - lag]
        return np.asarray(banded * kernel[:, None])


def _models(segments: Sequence[ComplexArray], orders: Sequence[int]) -> list[Model]:
    """Burg's method over several segments, as in `caesura.autoregression`, but complex and for several orders."""
    longest = max((part.size for part in segments), default=0)
    limits = [min(order, int(LONGEST_ORDER * longest)) for order in orders]
    forward = [part.copy() for part in segments if part.size > 1]
    backward = [part.copy() for part in forward]
    total = sum(float(np.vdot(f, f).real) for f in forward) / max(sum(f.size for f in forward), 1)
    a: ComplexArray = np.ones(1, dtype=np.complex128)
    variance = max(total, SILENCE)
    models = {0: (a, variance)}
    for m in range(max(limits, default=0)):
        pairs = [(f[m + 1 :], g[: g.size - m - 1]) for f, g in zip(forward, backward, strict=True) if f.size > m + 1]
        power = sum(float(np.vdot(f, f).real + np.vdot(g, g).real) for f, g in pairs)
        if power > 0.0 and variance > PREDICTABLE * total:
            k = complex(-2.0 * sum(complex(np.vdot(g, f)) for f, g in pairs) / power)
            for f, g in pairs:
                old = f.copy()
                f += k * g
                g += np.conj(k) * old
            a = np.append(a, 0.0) + k * np.append(0.0, a[::-1].conj())
            variance *= 1.0 - abs(k) ** 2
        models[m + 1] = (a, max(variance, PREDICTABLE * total, SILENCE))
    return [models[limit] for limit in limits]


def _addition(z: ComplexArray, start: int, operator: ComplexArray, model: Model, weight: float) -> ComplexArray:
    """What to add to the span of `operator` that starts at `start`: the minimiser above, less what is there."""
    from scipy.linalg import solveh_banded
    from scipy.signal import oaconvolve

    a, variance = model
    order, count = a.size - 1, operator.shape[1]
    stretch = np.pad(z, order)[start : start + count + 2 * order]
    mirrored = a[::-1].conj()
    gradient = oaconvolve(mirrored, oaconvolve(stretch, a, mode="valid"))[order : order + count]
    lags = oaconvolve(a, mirrored)[order:]
    banded = np.zeros((min(max(lags.size, operator.shape[0]), count), count), dtype=np.complex128)
    banded[: lags.size] += lags[: banded.shape[0], None] / variance
    banded[: operator.shape[0]] -= weight * operator
    banded[0] += weight
    # From the observation, which satisfies the model as little as the gradient says and (I - B) x = y as B y says.
    right = weight * _multiply(operator, z[start : start + count]) - gradient / variance
    return np.asarray(solveh_banded(banded, right, lower=True, check_finite=False))


def _multiply(operator: ComplexArray, v: ComplexArray) -> ComplexArray:
    """Product of a Hermitian matrix in lower banded form with a vector."""
    product = operator[0] * v
    for lag in range(1, operator.shape[0]):
        lower = operator[lag, :-lag]
        product[lag:] += lower * v[:-lag]
        product[:-lag] += lower.conj() * v[lag:]
    return np.asarray(product)
