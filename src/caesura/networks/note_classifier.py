"""Pitch and instrument family of a note by ear: a small network that hears how strong each half semitone is.

    L = log sum_k W[k, b] |X[k, t]|^2, no lower than 60 dB under its loudest cell,   h = convolutions of L
    pitch p:  sum_{c, j} A[c, j] pooled h[c, 2 p + j],      family:  softmax of a perceptron of h, averaged in areas

The weights A of the harmonics are the same for every pitch, so that a pitch that was hardly trained on is heard too.
It judges generated notes, and never learns from one.

References:
    none needed.
"""

from __future__ import annotations

__all__ = ["PRESETS", "Heard", "NoteClassifier", "Shape", "features", "restored"]

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from caesura.data.notes import FAMILIES, LOWEST, PITCHES, SECONDS

Array = NDArray[np.float64]

RATE = 16000  # hertz
WINDOW, HOP = 4096, 1024  # samples
FIRST, BINS = 18, 202  # MIDI number of the first bin, and bins of half a semitone up to 7.8 kHz
RANGE = 60.0  # dB below the loudest cell that are heard
BELOW = 12  # bins below a pitch that speak for it
REACH = 128  # bins above it: more than five octaves
AREAS = (6, 4)  # parts of the band and of the time over which a family is judged
CHUNK = 64  # sounds that are judged at once


@dataclass(frozen=True)
class Shape:
    """What makes one network differ from another."""

    channels: int = 16
    """Of the first convolutions; the later ones have more."""
    embedding: int = 32
    """Size of what the family is judged by."""


PRESETS = {"tiny": Shape(4, 8), "cpu": Shape()}


class Heard(NamedTuple):
    """What is heard of some notes."""

    pitch: Array
    """Probability of each pitch from `LOWEST` on (notes, pitches)."""
    family: Array
    """Probability of each of `FAMILIES` (notes, families)."""
    embedding: Array
    """(notes, size)."""


class NoteClassifier(nn.Module):
    """Judges notes."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape, c = shape, shape.channels
        self.near = nn.Sequential(
            nn.Conv2d(1, c, 5, padding=2), nn.ReLU(), nn.MaxPool2d((1, 2)), nn.Conv2d(c, c, 3, padding=1), nn.ReLU()
        )
        self.harmonics = nn.Conv1d(2 * c, 1, BELOW + 1 + REACH, stride=2)
        self.wide = nn.Sequential(
            nn.MaxPool2d(2), nn.Conv2d(c, 2 * c, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2), nn.Conv2d(2 * c, 3 * c, 3, padding=1), nn.ReLU(),
        )  # fmt: skip
        self.embed = nn.Linear(3 * c * AREAS[0] * AREAS[1], shape.embedding)
        self.family = nn.Sequential(nn.ReLU(), nn.Dropout(0.3), nn.Linear(shape.embedding, len(FAMILIES)))

    def forward(self, heard: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Judge `features` (batch, bins, frames).

        Returns:
            logits of the pitches (batch, pitches) and of the families (batch, families), and the embedding.
        """
        near = self.near(heard[:, None])
        over_time = torch.cat([near.mean(dim=3), near.amax(dim=3)], dim=1)
        first = 2 * (LOWEST - FIRST) - BELOW
        last = first + 2 * (PITCHES - 1) + BELOW + 1 + REACH
        placed = functional.pad(over_time[:, :, first:], (0, last - BINS))
        areas = functional.adaptive_avg_pool2d(self.wide(near), AREAS)
        embedding = self.embed(areas.flatten(1))
        return self.harmonics(placed)[:, 0], self.family(embedding), embedding

    @torch.no_grad()
    def judge(self, sounds: Array) -> Heard:
        """Listen to notes.

        Args:
            sounds: (notes, samples) at 16 kHz, cut or filled up to four seconds; the level does not matter.
        """
        parts: list[tuple[Tensor, Tensor, Tensor]] = []
        for start in range(0, len(sounds), CHUNK):
            chunk = np.stack([features(x) for x in sounds[start : start + CHUNK]])
            pitch, family, embedding = self(torch.from_numpy(chunk))
            parts.append((pitch.softmax(dim=1), family.softmax(dim=1), embedding))
        return Heard(*(torch.cat(column).double().numpy() for column in zip(*parts, strict=True)))


def features(x: Array) -> NDArray[np.float32]:
    """What the network is given of a note (samples,) at 16 kHz: (bins, frames), from -1 to 1."""
    wanted = round(SECONDS * RATE)
    padded = np.pad(x[:wanted], (WINDOW // 2, WINDOW // 2 + max(wanted - x.size, 0)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW))) ** 2 @ _bands()
    level = 10.0 * np.log10(np.maximum(power.T, 1e-20))
    return np.asarray(np.clip((level - level.max()) / RANGE, -1.0, 0.0) * 2.0 + 1.0, dtype=np.float32)


def restored(preset: str, weights: Mapping[str, Tensor]) -> NoteClassifier:
    """A network of a named size with its weights; the counterpart of `caesura.networks.weights.load`."""
    network = NoteClassifier(PRESETS[preset])
    network.load_state_dict(dict(weights))
    return network.eval().requires_grad_(False)


@lru_cache(maxsize=1)
def _bands() -> Array:
    """Triangles half a semitone wide, or a bin of the transform where that is wider (transform bins, bins)."""
    centre = 440.0 * 2.0 ** ((FIRST + 0.5 * np.arange(BINS) - 69) / 12)
    hertz = np.arange(WINDOW // 2 + 1)[:, None] * RATE / WINDOW
    half = np.maximum(centre * (2.0 ** (0.5 / 12) - 1.0), RATE / WINDOW)
    triangles = np.maximum(1.0 - np.abs(hertz - centre) / half, 0.0)
    return np.asarray(triangles / triangles.sum(axis=0))
