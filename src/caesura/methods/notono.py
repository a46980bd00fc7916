"""Notes repainted as codes: a transformer draws what a selection holds, told pitch, instrument family and loudness.

    top ~ p(top | kept codes, labels),   bottom ~ p(bottom | kept codes, top, labels),   x_hat = D(top, bottom)

A region of time and frequency becomes cells of two maps of codes, a coarse one of about a second by a quarter of an
octave and a fine one of half of that each way. Only what lies inside the region is taken from the decoded sound; near
its ends it gives way to a linear prediction of the context, so that no edge clicks. Where nothing is known, a note
is made from scratch.

References:
    T. Bazin, G. Hadjeres, P. Esling, M. Malt, "Spectrogram inpainting for interactive generation of instrument
        sounds", CSMC + MuMe 2020.
"""

from __future__ import annotations

__all__ = ["Notono"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from caesura.audio import resample
from caesura.codecs import reliable
from caesura.data.notes import FAMILIES, LOWEST, PEAK, PITCHES, VELOCITIES, level_of
from caesura.inpainter import Accepts, Listener, Note, Progress, ignore, silent
from caesura.methods._cqtdiff import Recording
from caesura.problem import Problem, Region, runs
from caesura.region import clipped
from caesura.seam import seam_score

try:
    import torch
except ImportError:
    raise ValueError("notono needs PyTorch: pip install 'caesura[torch]'") from None

from caesura.methods._notono import Networks, open_networks, repaint
from caesura.networks.sampling import Draw

Array = NDArray[np.float64]

RATE = 16000
SHORTEST = 4  # coarse columns that the transformers look at
FADE = 0.02  # seconds at each end of a gap over which prediction gives way to the decoded sound


@dataclass(frozen=True)
class Notono:
    """Repaints notes: a selection of time and frequency comes back with another pitch or family, or as a new note."""

    weights: str = ""
    """Folder with vqvae.safetensors, notono_top.safetensors and notono_bottom.safetensors of `caesura train`; "tiny":
    untrained networks, for trials; empty: the networks that come with the package."""
    pitch: int = -1
    """MIDI number that is asked for, 24 to 84; -1: none."""
    family: Literal[
        "any",
        "bass",
        "brass",
        "flute",
        "guitar",
        "keyboard",
        "mallet",
        "organ",
        "reed",
        "string",
        "synth_lead",
        "vocal",
    ] = "any"
    """Instrument family that is asked for."""
    velocity: int = -1
    """How hard the note is played, 1 to 127; -1: as it comes."""
    layer: Literal["both", "bottom"] = "both"
    """Draw both maps, or the fine one alone: the shape of the sound stays, its texture changes. Its shape is that of
    the guide (the recording itself, to keep it), or of a prediction where there is no guide."""
    temperature: float = 1.0
    """Above 1 more surprising, below 1 more likely; 0 takes the most likely code each time."""
    top_p: float = 0.8
    """Share of the probability that the most likely codes, which alone are drawn, exceed; 1: all."""
    guidance: float = 2.0
    """How far pitch, family and loudness outweigh what the context suggests; 0 takes the networks at their word."""
    candidates: int = 1
    """Fills to draw; the one whose edges are least conspicuous is taken."""

    accepts: ClassVar[Accepts] = Accepts(channels=1, context=4.0, bands=True, generates=16_000)
    quick: ClassVar[Mapping[str, Any]] = {"weights": "tiny", "layer": "bottom"}

    def __post_init__(self) -> None:
        if self.pitch != -1 and not LOWEST <= self.pitch < LOWEST + PITCHES:
            raise ValueError(f"pitch={self.pitch} must lie between {LOWEST} and {LOWEST + PITCHES - 1}, or be -1")
        if self.velocity != -1 and not 1 <= self.velocity <= 127:
            raise ValueError(f"velocity={self.velocity} must lie between 1 and 127, or be -1")
        for name, value, known in (("family", self.family, ("any", *FAMILIES)), ("layer", self.layer, LAYERS)):
            if value not in known:
                raise ValueError(f"{name}={value!r} must be one of {', '.join(known)}")
        if self.candidates < 1:
            raise ValueError(f"candidates={self.candidates} is below 1")
        self._draw()

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> Array:
        """See `caesura.inpainter.Inpainter`."""
        networks = open_networks(self.weights)
        recording = Recording(problem, RATE, "lpc")
        drawn = self._drawn(networks, recording, rng, progress)
        estimates = [_joined(recording, fill) for fill in drawn]
        for region in (*problem.gaps, *problem.boxes):
            if region.low >= RATE / 2:
                note(Note(region, why=f"the box lies above the {RATE // 2000} kHz that notono knows", refused=True))
            else:
                note(Note(region, parameters={"pitch": self.pitch, "family": self.family, "layer": self.layer}))
        return min(estimates, key=lambda x: _conspicuous(problem, x))

    def _drawn(self, networks: Networks, recording: Recording, rng: np.random.Generator, progress: Progress) -> Array:
        """The decoded candidates at the networks' rate (candidates, samples)."""
        x, codec = recording.low, networks.codec
        samples = x.shape[1]
        least = SHORTEST * codec.melif.hop_length * 32
        model = _model(recording, samples) if self.layer == "bottom" else x[:0]
        gain = level_of(np.concatenate([x, model]))
        padded = np.pad(x / gain, ((0, 0), (0, max(least - samples, 0))))
        maps = codec.encode(padded)
        regions = _at(recording.problem, samples)
        missing = [~reliable(codec.cells(padded.shape[1], top=top), regions).T for top in (True, False)]
        if samples < least and len(recording.problem.gaps) == 1 and not recording.problem.mask.any():
            missing = [np.ones_like(flags) for flags in missing]  # the rest of a note that does not exist yet
        if self.layer == "bottom":
            if len(model):
                shape, _ = codec.encode(np.pad(model / gain, ((0, 0), (0, padded.shape[1] - samples))))
                maps = torch.where(torch.from_numpy(missing[0]).to(codec.device), shape, maps[0]), maps[1]
            missing[0] = np.zeros_like(missing[0])
        missing[1] = missing[1] | missing[0].repeat(2, axis=0).repeat(2, axis=1)
        batch = [codes.expand(self.candidates, -1, -1) for codes in maps]
        uniform = [torch.from_numpy(rng.random(tuple(codes.shape))).to(codec.device) for codes in batch]
        top, bottom = repaint(
            networks, (batch[0], batch[1]), (missing[0], missing[1]), self._labels().to(codec.device),
            self._draw(), (uniform[0], uniform[1]), progress,
        )  # fmt: skip
        y = codec.decode(top, bottom, padded.shape[1])[:, :samples]
        # never louder than a note at full level
        return np.asarray(y * gain / np.maximum(np.abs(y).max(axis=1, keepdims=True) / PEAK, 1.0))

    def _draw(self) -> Draw:
        return Draw(self.temperature, top_p=self.top_p, guidance=self.guidance)

    def _labels(self) -> torch.Tensor:
        pitch = -1 if self.pitch == -1 else self.pitch - LOWEST
        family = -1 if self.family == "any" else FAMILIES.index(self.family)
        nearest = min(range(len(VELOCITIES)), key=lambda k: abs(VELOCITIES[k] - self.velocity))
        return torch.tensor([[pitch, family, -1 if self.velocity == -1 else nearest]]).expand(self.candidates, 3)


LAYERS = ("both", "bottom")


def _model(recording: Recording, samples: int) -> Array:
    """The guide at the networks' rate (1, samples), or nothing (0, samples)."""
    problem = recording.problem
    if problem.guide is None:
        return recording.low[:0]
    guide = resample(problem.guide[:1], problem.sample_rate, RATE)[:, :samples]
    return np.pad(guide, ((0, 0), (0, samples - guide.shape[1])))


def _at(problem: Problem, samples: int) -> tuple[Region, ...]:
    """The regions in samples at the networks' rate."""
    ratio = RATE / problem.sample_rate
    scaled = (
        Region(int(r.start * ratio), max(int(np.ceil(r.stop * ratio)), int(r.start * ratio) + 1), r.low, r.high)
        for r in (*problem.gaps, *problem.boxes, *problem.unknown)
    )
    return clipped(tuple(scaled), 0, samples)


def _joined(recording: Recording, fill: Array) -> Array:
    """An estimate (1, samples) at the problem's rate: prediction near the context, the decoded sound elsewhere."""
    problem = recording.problem
    recording.change[0] = fill - recording.low[0]
    decoded = recording.estimate()
    weight = np.ones(problem.samples)
    for start, stop in runs(~problem.mask[0]):
        fade = min(round(FADE * problem.sample_rate), (stop - start) // 2)
        ramp = np.sin(0.5 * np.pi * (np.arange(fade) + 0.5) / max(fade, 1)) ** 2
        if start > 0:
            weight[start : start + fade] = ramp
        if stop < problem.samples:
            weight[stop - fade : stop] *= ramp[::-1]
    return np.asarray(weight * decoded + (1.0 - weight) * recording.filled)


def _conspicuous(problem: Problem, x: Array) -> float:
    """How unusual the edges of an estimate (1, samples) are; see `caesura.seam`."""
    restored = problem.paste(x)
    scores = [seam_score(restored, gap, problem.mask) for gap in problem.gaps]
    return sum(score for score in scores if score is not None)
