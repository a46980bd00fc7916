"""Measures of notes: when they begin, how far apart two sets of them are, how much the answers to one question differ.

    Frechet distance = |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)),   of the embeddings of two sets

The embeddings, and the pitches and families that a set is told to have, are those that the network `note_classifier`
hears; it comes with the package and needs torch.

References:
    D. C. Dowson, B. V. Landau, "The Frechet distance between multivariate normal distributions", J. Multivariate
        Analysis 12, 1982.
    K. Kilgour et al., "Frechet audio distance: a reference-free metric for evaluating music enhancement algorithms",
        Interspeech 2019.
"""

from __future__ import annotations

__all__ = ["accuracies", "diversity", "frechet_distance", "listen", "onset"]

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from caesura.data.notes import LOWEST
from caesura.networks.weights import load

if TYPE_CHECKING:
    from caesura.networks.note_classifier import Heard

Array = NDArray[np.float64]

CLASSIFIER = "note-classifier"  # card of the weights
ONSET_LEVEL = 0.1  # of the loudest frame: where a note begins
FRAME = 0.005  # seconds over which its loudness is taken


def listen(sounds: Array, weights: str = CLASSIFIER) -> Heard:
    """What the classifier hears.

    Args:
        sounds: notes (notes, samples) at 16 kHz.
        weights: a card's name, or a file that `caesura train note_classifier` wrote.

    Raises:
        ValueError: the weights are those of another network.
    """
    from caesura.networks.note_classifier import NoteClassifier

    network = load(weights)
    if not isinstance(network, NoteClassifier):
        raise ValueError(f"'{weights}' is a {type(network).__name__}, not a NoteClassifier")
    return network.judge(sounds)


def accuracies(heard: Heard, labels: NDArray[np.integer[Any]]) -> tuple[float, float]:
    """Shares of the notes that are heard with the right pitch and with the right family.

    Args:
        heard: from `listen`.
        labels: pitch above `LOWEST` and index of the family in the first two columns (notes, 2 or more).
    """
    pitch = heard.pitch.argmax(axis=1) == labels[:, 0]
    family = heard.family.argmax(axis=1) == labels[:, 1]
    return float(pitch.mean()), float(family.mean())


def onset(x: Array, sample_rate: int) -> float:
    """Seconds until a note (samples,) is a tenth as loud as it gets."""
    frame = max(round(FRAME * sample_rate), 1)
    whole = x[: x.size // frame * frame].reshape(-1, frame)
    loudness = np.sqrt(np.mean(whole**2, axis=1))
    if not loudness.any():
        raise ValueError("silence has no onset")
    return float(np.argmax(loudness >= ONSET_LEVEL * loudness.max())) * frame / sample_rate


def frechet_distance(a: Array, b: Array) -> float:
    """Between two sets of embeddings (notes, size), each of more notes than the embedding is large."""
    for name, one in (("a", a), ("b", b)):
        if len(one) <= one.shape[1]:
            raise ValueError(f"{name} has {len(one)} notes, too few for the spread of {one.shape[1]} numbers")
    root = _root(np.cov(a, rowvar=False))
    inner = np.linalg.eigvalsh(root @ np.cov(b, rowvar=False) @ root)
    spread = float(np.var(a, axis=0, ddof=1).sum() + np.var(b, axis=0, ddof=1).sum())
    between = float(np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2))
    return max(between + spread - 2.0 * float(np.sqrt(np.maximum(inner, 0.0)).sum()), 0.0)


def diversity(groups: Sequence[Array]) -> float:
    """Mean distance between two embeddings of one group (notes, size); 0 where all answers are the same."""
    means = []
    for group in groups:
        if len(group) < 2:
            raise ValueError("a group needs two answers or more to differ")
        distances = np.linalg.norm(group[:, None] - group, axis=-1)
        means.append(distances.sum() / (len(group) * (len(group) - 1)))
    return float(np.mean(means))


def _root(covariance: Array) -> Array:
    """The symmetric square root of a covariance."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)
