"""Measures of notes: answers that differ by a known distance, onsets where they were put, pitches that are heard."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from caesura.data.notes import LOWEST  # noqa: E402
from caesura.evaluation.notes import accuracies, diversity, onset  # noqa: E402
from caesura.networks.note_classifier import (  # noqa: E402
    BINS,
    FIRST,
    PRESETS,
    RATE,
    Heard,
    NoteClassifier,
    features,
    restored,
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def tone(pitch: float, seconds: float = 1.0) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    return np.sin(2 * np.pi * 440.0 * 2.0 ** ((pitch - 69) / 12) * t)


def test_diversity_is_the_mean_distance() -> None:
    assert diversity([np.zeros((3, 2)), np.zeros((2, 2))]) == 0.0
    assert diversity([np.array([[0.0, 0.0], [3.0, 4.0]]), np.zeros((4, 2))]) == pytest.approx(2.5)
    with pytest.raises(ValueError, match="two answers"):
        diversity([np.zeros((1, 2))])


@pytest.mark.parametrize("delay", [0.0, 0.3, 1.25])
def test_an_onset_is_where_it_was_put(delay: float) -> None:
    x = np.concatenate([np.zeros(round(delay * RATE)), tone(60)])
    assert onset(0.01 * x, RATE) == pytest.approx(delay, abs=0.005)  # a frame
    with pytest.raises(ValueError, match="silence"):
        onset(np.zeros(RATE), RATE)


@pytest.mark.parametrize("pitch", [36, 57, 84])
def test_a_tone_lights_its_bin_at_any_level(pitch: int) -> None:
    heard = features(tone(pitch))
    assert heard.shape == (BINS, 63)
    assert heard[:, 5].argmax() == 2 * (pitch - FIRST)
    np.testing.assert_allclose(features(1e-3 * tone(pitch)), heard, atol=1e-5)
    assert heard.max() == 1.0
    assert heard.min() == -1.0


def test_pitch_is_heard_alike_everywhere() -> None:
    """The same spectrum two semitones higher has the same logits two places further on."""
    network = NoteClassifier(PRESETS["tiny"]).eval()
    heard = torch.full((1, BINS, 63), -1.0)
    heard[0, 60:70] = torch.rand(10, 63)
    with torch.no_grad():
        low, high = network(heard)[0], network(torch.roll(heard, 4, dims=1))[0]
    # pitches whose harmonics all lie inside the band; next to its ends the convolutions see what is filled up
    torch.testing.assert_close(low[0, 2:27], high[0, 4:29], rtol=1e-4, atol=1e-5)


def test_one_harmonic_template_learns_all_pitches() -> None:
    """Trained on every third pitch, it hears those in between."""
    network = NoteClassifier(PRESETS["tiny"])
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    pitches = np.arange(LOWEST + 12, LOWEST + 60)
    batch = torch.from_numpy(np.stack([features(tone(p)) for p in pitches]))[:, :, :16]
    labels = torch.from_numpy(pitches - LOWEST)
    for _ in range(25):
        loss = torch.nn.functional.cross_entropy(network(batch[::3])[0], labels[::3])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = (network.eval()(batch)[0].argmax(dim=1) == labels).float()
    assert float(right.mean()) > 0.9


def test_judging() -> None:
    network = restored("tiny", NoteClassifier(PRESETS["tiny"]).state_dict())
    sounds = np.stack([tone(60), tone(64)])
    heard = network.judge(sounds)
    assert [part.shape for part in heard] == [(2, 61), (2, 11), (2, 8)]
    np.testing.assert_allclose(heard.pitch.sum(axis=1), 1.0, rtol=1e-6)
    for one, other in zip(network.judge(sounds[1:]), heard, strict=True):
        np.testing.assert_allclose(one[0], other[1], rtol=1e-4, atol=1e-6)
    labels = np.array([[heard.pitch[0].argmax(), 0, 0], [heard.pitch[1].argmax() + 1, 0, 0]])
    certain = Heard(heard.pitch, np.eye(11)[[0, 0]], heard.embedding)
    assert accuracies(certain, labels) == (0.5, 1.0)
