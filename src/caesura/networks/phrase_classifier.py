"""What a phrase is, by ear: instrument family, register, tempo and figure of one second of sound.

    p_k = softmax(W_k mean over time of convolutions of L),   longer sounds: mean of ln p_k over windows

L is a log-mel spectrogram, no lower than some level under its loudest cell. It judges generated sounds, and never
learns from one.

References:
    none needed.
"""

from __future__ import annotations

__all__ = ["PRESETS", "QUESTIONS", "WINDOW", "PhraseClassifier", "Shape", "judged", "restored"]

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from caesura.codecs.mel import Mel
from caesura.data.phrases import FAMILIES, FIGURES, REGISTERS, TEMPOS

BINS = 64
WINDOW, APART = 96, 24  # frames of 10 ms that are heard at once, and from one window to the next
RANGE = 8.0  # nepers below the loudest cell that are heard
QUESTIONS = {"family": tuple(FAMILIES), "register": tuple(REGISTERS), "tempo": tuple(TEMPOS), "figure": FIGURES}


@dataclass(frozen=True)
class Shape:
    """Sizes."""

    channels: int = 24
    """Of the first convolution; the later ones have more."""


PRESETS = {"tiny": Shape(4), "cpu": Shape(), "gpu": Shape(64)}


class PhraseClassifier(nn.Module):
    """Judges windows of log-mel spectrograms.

    Args:
        shape: sizes.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        widths = (shape.channels, 2 * shape.channels, 3 * shape.channels, 4 * shape.channels)
        layers: list[nn.Module] = [
            nn.Conv2d(1, widths[0], 5, stride=2, padding=2),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        ]
        for before, after in itertools.pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
        self.layers = nn.Sequential(*layers)
        size = widths[-1] * (BINS // 16) * 2
        self.heads = nn.ModuleDict(
            {name: nn.Sequential(nn.Dropout(0.3), nn.Linear(size, len(values))) for name, values in QUESTIONS.items()}
        )

    def forward(self, heard: Tensor) -> dict[str, Tensor]:
        """Logits (batch, answers) of each question on `floored` spectrograms (batch, frames, bins)."""
        seen = self.layers(heard[:, None])  # (batch, channels, frames, bins)
        pooled = torch.cat([seen.mean(dim=2), seen.amax(dim=2)], dim=1).flatten(1)
        return {name: head(pooled) for name, head in self.heads.items()}


def floored(mel: Tensor, reach: Tensor | float = RANGE) -> Tensor:
    """A spectrogram (batch, frames, bins) from -1, so far below its loudest cell or further, to 1."""
    top = mel.amax(dim=(1, 2), keepdim=True)
    return ((mel - top) / reach).clamp(min=-1.0) * 2.0 + 1.0


@torch.no_grad()
def judged(network: PhraseClassifier, x: Tensor) -> dict[str, Tensor]:
    """Logarithms of the probabilities of the answers (answers,) to each question.

    Args:
        network: the classifier.
        x: a sound at 16 kHz (samples,), 0.97 s of it or more; its level does not matter.
    """
    mel = torch.from_numpy(Mel().encode(x.double().numpy())).float()
    if len(mel) < WINDOW:
        raise ValueError(f"{x.numel()} samples are too short to be judged: {WINDOW * Mel().hop_length} are needed")
    windows = mel.unfold(0, WINDOW, APART).transpose(1, 2)
    return {name: logits.log_softmax(dim=1).mean(dim=0) for name, logits in network(floored(windows)).items()}


def restored(preset: str, weights: Mapping[str, Tensor]) -> PhraseClassifier:
    """A network of a named size with its weights; the counterpart of `caesura.networks.weights.load`."""
    network = PhraseClassifier(PRESETS[preset])
    network.load_state_dict(dict(weights))
    return network.eval().requires_grad_(False)
