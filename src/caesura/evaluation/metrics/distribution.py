"""Distances between sets of sounds: do fills, taken together, sound like originals, taken together?

    d = |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))

is the squared 2-Wasserstein (Frechet) distance between normal laws with the means and covariances of two sets of
embeddings. It pairs nothing: a fill may differ from its original as long as the whole set has the right spread. What
it says depends on the embedding, so a number without one says nothing; `log_mel_frames` is one that needs no network.

References:
    D. C. Dowson, B. V. Landau, "The Fréchet distance between multivariate normal distributions", J. Multivariate
        Analysis 12, 1982.
    T. Salimans, I. Goodfellow, W. Zaremba et al., "Improved techniques for training GANs", NIPS 2016 (inception score).
    K. Kilgour, M. Zuluaga, D. Roblek, M. Sharifi, "Fréchet audio distance: a reference-free metric for evaluating
        music enhancement algorithms", Interspeech 2019.
"""

from __future__ import annotations

__all__ = ["frechet_distance", "inception_score", "label_divergence", "log_mel_frames"]

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, rel_entr

from caesura.evaluation.metrics.spectral import log_mel, touching
from caesura.evaluation.metrics.waveform import missing_samples

Array = NDArray[np.float64]

LEAST = 1e-6  # added to a probability that something is divided by


def frechet_distance(reference: Array, estimate: Array) -> float:
    """Squared Frechet distance between normal laws fitted to two sets; 0 for sets of equal mean and covariance.

    Args:
        reference: embeddings (items, features).
        estimate: embeddings (other items, features).

    Raises:
        ValueError: the sets differ in their features, or one has fewer than two items.
    """
    sets = [np.asarray(each, dtype=np.float64) for each in (reference, estimate)]
    if any(each.ndim != 2 or len(each) < 2 for each in sets) or sets[0].shape[1] != sets[1].shape[1]:
        raise ValueError(
            f"sets of shapes {sets[0].shape} and {sets[1].shape}: both must be (items, features) with 2 or more items "
            "and as many features"
        )
    means = [each.mean(axis=0) for each in sets]
    spreads = [np.atleast_2d(np.cov(each, rowvar=False)) for each in sets]
    root = _root(spreads[0])
    common = np.trace(_root(root @ spreads[1] @ root))
    apart = means[0] - means[1]
    return max(float(apart @ apart + np.trace(spreads[0]) + np.trace(spreads[1]) - 2.0 * common), 0.0)


def label_divergence(reference: Array, estimate: Array, *, exclusive: bool = True) -> float:
    """Kullback-Leibler divergence of what a classifier hears in fills from what it hears in their originals, in nats.

    sum over classes of p ln(p / (q + 1e-6)), mean over pairs; p of the original, q of the fill.

    Args:
        reference: the classifier's logits (items, classes).
        estimate: the same for the estimates, item by item.
        exclusive: whether a sound belongs to one class (softmax) or may to several (a sigmoid for each).

    Raises:
        ValueError: the shapes differ, or there is nothing.
    """
    if np.ndim(reference) != 2 or np.shape(reference) != np.shape(estimate) or not np.size(reference):
        raise ValueError(
            f"logits of shapes {np.shape(reference)} and {np.shape(estimate)}: both must be (items, classes)"
        )
    p, q = (_softmax(each) if exclusive else expit(each) for each in (reference, estimate))
    return float(np.sum(rel_entr(p, q + LEAST)) / len(p))


def inception_score(logits: Array, splits: int = 10) -> tuple[float, float]:
    """How sure a classifier is of each sound, and how different the sounds are; from 1 to the number of classes.

    exp(mean KL(p || mean p)) of each split of the items, in their order.

    Args:
        logits: of the classifier (items, classes).
        splits: parts that the score is taken of.

    Returns:
        mean and population standard deviation over the splits.

    Raises:
        ValueError: there are fewer items than splits.
    """
    if np.ndim(logits) != 2 or not 1 <= splits <= len(logits):
        raise ValueError(f"splits={splits} must be from 1 to the number of items, logits have shape {np.shape(logits)}")
    scores = [
        np.exp(np.mean(np.sum(rel_entr(part, part.mean(axis=0)), axis=1)))
        for part in np.array_split(_softmax(logits), splits)
    ]
    return float(np.mean(scores)), float(np.std(scores))


def log_mel_frames(
    x: Array,
    sample_rate: int,
    *,
    mask: NDArray[np.bool_] | None = None,
    n_fft: int = 1024,
    hop_length: int = 160,
    n_mels: int = 64,
) -> Array:
    """Embeddings of a signal: one vector of log-mel magnitudes per frame, as `log_mel_distance` takes them.

    Args:
        x: (channels, samples).
        sample_rate: hertz.
        mask: (channels, samples), False on missing samples; only frames that touch one of them count. None: all frames.
        n_fft: samples of a frame.
        hop_length: samples between frames.
        n_mels: number of bands.

    Returns:
        (frames of all channels, n_mels), natural logarithm.
    """
    x = np.atleast_2d(x)
    frames = np.moveaxis(log_mel(x, sample_rate, n_fft, hop_length, n_mels), 1, 2)
    if mask is None:
        return frames.reshape(-1, n_mels)
    missing = missing_samples(np.atleast_2d(mask), x.shape)
    return np.asarray(frames[touching(missing, n_fft, hop_length, "reflect")])


def _softmax(logits: Array) -> Array:
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))


def _root(spread: Array) -> Array:
    """Symmetric square root; what rounding has made negative counts as zero."""
    values, vectors = np.linalg.eigh(spread)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)
