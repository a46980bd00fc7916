"""Measures of notes: when they begin, of what pitch and family they are, how much answers to one question differ.

    onset = min { t : rms(t) >= 0.1 max rms },      diversity = mean |e_i - e_j| over the answers i != j to a question

Pitches, families and embeddings e are those that the network `note_classifier` hears; it comes with the package and
needs torch. `caesura.evaluation.metrics.frechet_distance` compares sets of embeddings.

References:
    none needed.
"""

from __future__ import annotations

__all__ = ["accuracies", "diversity", "listen", "onset"]

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from caesura.networks.weights import load

if TYPE_CHECKING:
    from caesura.networks.note_classifier import Heard

Array = NDArray[np.float64]

CLASSIFIER = "note-classifier"  # card of its weights
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
        labels: of the notes, as `caesura.data.notes.Note` has them (notes, 3).
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


def diversity(groups: Sequence[Array]) -> float:
    """Mean distance between two embeddings of one group (notes, size); 0 where all answers are the same."""
    means = []
    for group in groups:
        if len(group) < 2:
            raise ValueError("a group needs two answers or more to differ")
        distances = np.linalg.norm(group[:, None] - group, axis=-1)
        means.append(distances.sum() / (len(group) * (len(group) - 1)))
    return float(np.mean(means))
