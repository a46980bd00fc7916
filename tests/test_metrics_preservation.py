"""What is left of a background: the published distances, their laws, and CDPAM where it is installed."""

import pickle
from collections.abc import Callable
from importlib.util import find_spec
from io import BytesIO

import numpy as np
import pytest

from caesura.evaluation import metrics
from caesura.evaluation.perceptual import cdpam
from riffusion_cases import entries, signal

RATE = 22_050
Distance = Callable[[np.ndarray, np.ndarray], float]
DISTANCES: dict[str, Distance] = {"spectral": metrics.multi_scale_spectral, "envelope": metrics.envelope_distance}


@pytest.mark.parametrize("name", DISTANCES)
def test_the_distance_is_the_published_one(name: str) -> None:
    entry = entries()["metrics_spectral_and_envelope"]
    known = {letter: signal(entry["input"][letter])[None] for letter in "abc"}
    known |= {"half_a": 0.5 * known["a"], "silence": np.zeros_like(known["a"])}
    allowed = entry["tolerance"][name]
    for case in entry["expected"]["pairs"]:
        first, _, second = case["pair"].partition("_")
        found = DISTANCES[name](known[first], known[second])
        assert found == pytest.approx(case[name], rel=allowed["rel"], abs=allowed["abs"]), case["pair"]


@pytest.mark.parametrize("name", DISTANCES)
def test_a_distance_is_one(name: str) -> None:
    distance, rng = DISTANCES[name], np.random.default_rng(3)
    x, y = 0.1 * rng.standard_normal((2, 2, 4000))
    assert distance(x, x) == 0.0
    assert distance(x, y) == pytest.approx(distance(y, x), rel=1e-12)
    assert distance(x, x + 0.01 * y) < distance(x, x + 0.1 * y) < distance(x, y)
    # Channels weigh the same, and their order does not matter.
    assert distance(x[::-1], y[::-1]) == pytest.approx(distance(x, y), rel=1e-12)


def test_envelopes_do_not_hear_the_phase() -> None:
    t = np.arange(8000) / 8000  # whole periods, so that the Hilbert transform is exact
    tones = [np.sin(2 * np.pi * 440 * t + phase)[None] for phase in (0.0, 1.3)]
    assert metrics.envelope_distance(*tones) == pytest.approx(0.0, abs=1e-12)


def test_what_cannot_be_compared_is_refused() -> None:
    for distance in DISTANCES.values():
        with pytest.raises(ValueError, match="cut one"):
            distance(np.zeros((1, 3000)), np.zeros((1, 2999)))
    with pytest.raises(ValueError, match="1024 samples are too few"):
        metrics.multi_scale_spectral(np.zeros((1, 1024)), np.zeros((1, 1024)))


# --- CDPAM ----------------------------------------------------------------------------------------------------------


def test_cdpam_hears_how_far_apart_two_sounds_are() -> None:
    pytest.importorskip("torch")
    if find_spec("cdpam") is None:
        pytest.skip("cdpam is an extra of its own, and its package is large")
    t, rng = np.arange(RATE // 25) / RATE, np.random.default_rng(0)
    x = 0.2 * np.stack([np.sin(2 * np.pi * f * t) for f in (220.0, 330.0)])
    near, far = x + 0.001 * rng.standard_normal(x.shape), x + 0.1 * rng.standard_normal(x.shape)
    assert cdpam(x, x, RATE) == pytest.approx(0.0, abs=1e-6)
    assert 0.0 < cdpam(x, near, RATE) < cdpam(x, far, RATE)
    # The mean over channels, each of which is heard alone.
    alone = [cdpam(x[c : c + 1], far[c : c + 1], RATE) for c in range(2)]
    assert cdpam(x, far, RATE) == pytest.approx(np.mean(alone), rel=1e-4)


def test_cdpam_is_given_the_rate_that_it_was_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from caesura.networks import cdpam as network

    heard = []
    monkeypatch.setattr(network, "distances", lambda x, y: heard.append((x.shape, y.shape)) or np.zeros(len(x)))
    for rate in (RATE, 44_100, 16_000):
        cdpam(np.zeros((2, rate)), np.zeros((2, rate)), rate)
    assert heard == [((2, RATE), (2, RATE))] * 3


def test_cdpam_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from caesura.networks import cdpam as network

    network._network.cache_clear()
    monkeypatch.setattr(network, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"CDPAM is not installed: pip install 'caesura\[cdpam\]'"):
        cdpam(np.zeros((1, 100)), np.zeros((1, 100)), RATE)


def test_a_pickle_may_hold_tensors_only() -> None:
    pytest.importorskip("torch")
    from caesura.networks.cdpam import _Tensors

    with pytest.raises(pickle.UnpicklingError, match=r"asks for builtins\.eval: it is not read"):
        _Tensors(BytesIO(pickle.dumps(eval))).load()
