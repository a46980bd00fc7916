"""Text methods on several clips at once, candidates and what they are ranked by, noise of the published experiment."""

from typing import Any

import numpy as np
import pytest
import torch

from caesura.inpainter import Note
from caesura.methods import _latent, build, load
from caesura.methods._latent import best_of
from caesura.networks.clap import open_clap
from caesura.problem import Problem, Region
from caesura.restoration import restore

torch.set_num_threads(1)

RATE = 16_000
METHODS = ("audioldm", "tango")


def take(seed: int, samples: int = 6_400) -> np.ndarray:
    t = np.arange(samples) / RATE
    tone = 0.2 * np.sin(2 * np.pi * 220 * (1 + seed) * t)
    return (tone + 0.01 * np.random.default_rng(seed).standard_normal(samples))[None]


def tiny(name: str, **more: Any) -> Any:
    return build(name, {**load(name).quick, "steps": 3, **more})  # type: ignore[attr-defined]


@pytest.mark.parametrize("way", ["plain", "ddnm", "guidance"])
@pytest.mark.parametrize("name", METHODS)
def test_clips_drawn_together_are_those_drawn_alone(name: str, way: str) -> None:
    method = tiny(name, conditioning=way, candidates=2)
    problems = [Problem(take(k), (Region(2_000 + 300 * k, 3_500),), RATE, text="rain") for k in range(3)]
    together = method.many(problems, rngs=[np.random.default_rng(k) for k in range(3)])
    for k, problem in enumerate(problems):
        alone = method(problem, rng=np.random.default_rng(k))
        # Single precision through the networks, in batches of six and of two.
        assert np.abs(together[k] - alone).max() < 2e-3 * np.abs(alone).max()


def test_clips_of_different_texts_are_told_their_own() -> None:
    method = tiny("tango")
    problems = [Problem(take(0), (Region(2_000, 3_500),), RATE, text=text) for text in ("rain", "a dog", "rain")]
    made = method.many(problems, rngs=[np.random.default_rng(0) for _ in problems])
    np.testing.assert_allclose(made[0], made[2], atol=1e-5)
    assert np.abs(made[0] - made[1]).max() > 1e-4


def test_windows_of_a_long_recording_are_drawn_together(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    whole = _latent.estimates

    def counted(draw: Any, problems: Any, *rest: Any) -> Any:
        counts.append(len(problems))
        return whole(draw, problems, *rest)

    monkeypatch.setattr("caesura.methods._text_method.estimates", counted)
    x = 0.1 * np.random.default_rng(0).standard_normal((1, 24 * RATE))
    gaps = (Region(3 * RATE, 3 * RATE + 800), Region(20 * RATE, 20 * RATE + 800))
    restore(Problem(x, gaps, RATE), tiny("tango", steps=2))
    assert counts == [2]


def test_candidates_lie_as_in_the_published_batches() -> None:
    """The entry mask/candidates: prompt i owns items i, i + B, i + 2 B ..."""
    similarity = np.array([0.582313, 0.174973, -0.229209, 0.451998, 0.529634, -0.450053])
    assert best_of(similarity, 2) == [0, 3]


@pytest.mark.parametrize("text", ["", "rain"])
def test_candidates_are_ranked_by_clap_where_there_is_a_text(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_latent, "RANKING", "tiny")
    notes: list[Note] = []
    problem = Problem(take(0), (Region(2_000, 3_500),), RATE, text=text)
    tiny("tango", candidates=3)(problem, rng=np.random.default_rng(0), note=notes.append)
    assert notes[0].parameters["ranked by"] == ("clap" if text else "seam")


def test_the_candidate_nearest_to_the_text_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Listening:
        def similarity(self, waves: np.ndarray, sample_rate: int, text: str) -> np.ndarray:
            assert (sample_rate, text, waves.shape) == (RATE, "rain", (4, 6_400))
            heard.extend(waves)
            return np.array([0.1, 0.3, 0.9, 0.2])

    heard: list[np.ndarray] = []
    monkeypatch.setattr(_latent, "open_clap", lambda weights: Listening())
    problem = Problem(take(0), (Region(2_000, 3_500),), RATE, text="rain")
    made = tiny("tango", candidates=4)(problem, rng=np.random.default_rng(0))[0]
    gap = slice(2_000, 3_500)
    shapes = [np.corrcoef(made[gap], wave[gap])[0, 1] for wave in heard]
    assert int(np.argmax(shapes)) == 2
    assert shapes[2] == pytest.approx(1.0)


def test_without_the_weights_the_seam_decides(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("CAESURA_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    open_clap.cache_clear()
    notes: list[Note] = []
    problem = Problem(take(0), (Region(2_000, 3_500),), RATE, text="rain")
    tiny("audioldm", candidates=2)(problem, rng=np.random.default_rng(0), note=notes.append)
    assert notes[0].parameters["ranked by"] == "seam"


def test_similarity_is_a_cosine_of_each_sound_alone() -> None:
    clap = open_clap("tiny")
    waves = np.concatenate([take(k, RATE) for k in range(3)])
    found = clap.similarity(waves, RATE, "rain")
    assert found.shape == (3,)
    assert (np.abs(found) <= 1.0 + 1e-6).all()
    np.testing.assert_allclose(found[1:2], clap.similarity(waves[1:2], RATE, "rain"), atol=1e-5)
    assert not np.allclose(found, clap.similarity(waves, RATE, "a dog"), atol=1e-6)


def test_clap_is_read_from_its_published_layout(tmp_path: Any) -> None:
    from caesura.networks.checkpoints import part_of

    tiny_clap = open_clap("tiny")
    tiny_clap.network.save_pretrained(tmp_path)
    tiny_clap.features.save_pretrained(tmp_path)
    words = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *"abcdefghijklmnopqrstuvwxyz", "\u0120"]
    part_of("transformers", "RobertaTokenizer")(vocab={w: k for k, w in enumerate(words)}, merges=[]).save_pretrained(
        tmp_path
    )
    own = open_clap(str(tmp_path))
    for name, tensor in tiny_clap.network.state_dict().items():
        torch.testing.assert_close(own.network.state_dict()[name], tensor, rtol=0, atol=0)
    assert np.isfinite(own.similarity(take(0, RATE), RATE, "rain")).all()
