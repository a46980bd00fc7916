"""Prompts with weights: the published grammar, blocks, and what weighing leaves as it is."""

import numpy as np
import pytest
import torch

from caesura.networks.prompts import blocks_of, runs, tokens_of, weighted
from riffusion_cases import close, entries, numbers

TABLE = numbers(546, [100, 6], 1.0, 0.3)


def toy(text: str) -> list[int]:
    return [1 + sum(map(ord, word)) % 97 for word in text.split()]


def test_the_grammar_is_the_published_one() -> None:
    for case in entries()["prompt_weight_grammar"]["expected"]["cases"]:
        found = runs(case["prompt"])
        assert [text for text, _ in found] == [text for text, _ in case["runs"]], case["prompt"]
        assert [w for _, w in found] == pytest.approx([w for _, w in case["runs"]], rel=1e-9)


@pytest.mark.parametrize("prompt", ["(a:1.3.2)", "\\", "((((", "))))", "[(]):2)", ":1.5)", "(a:)", "(a:-)"])
def test_no_prompt_is_an_error(prompt: str) -> None:
    assert all(np.isfinite(weight) for _, weight in runs(prompt))


def test_blocks_and_weights_are_the_published_ones() -> None:
    for case in entries()["prompt_chunks_and_weighted_embedding"]["expected"]["cases"]:
        tokens, weights = tokens_of(case["prompt"], toy)
        assert tokens[: len(case["first_tokens"])] == case["first_tokens"]
        assert weights[: len(case["first_weights"])] == pytest.approx(case["first_weights"], rel=1e-9)
        ids, scales = blocks_of(tokens, weights, 98, 99)
        assert len(ids) == case["chunks"]
        assert len(scales) == case["embedding_tokens"] == 77 * len(ids)
        assert sum(scales) == pytest.approx(case["sum_of_weights"], rel=1e-8)
        embedding = weighted(torch.from_numpy(TABLE[np.array(ids).ravel()])[None], scales)[0].numpy()
        assert embedding.mean() == pytest.approx(case["mean"], rel=1e-6, abs=1e-6)
        assert np.linalg.norm(embedding) == pytest.approx(case["l2"], rel=1e-6)
        close(embedding, case["samples_token_dim"], rtol=1e-6, atol=1e-6)


def test_more_blocks_can_be_had_than_a_prompt_takes() -> None:
    ids, weights = blocks_of(toy("a b c"), [1.0, 2.0, 1.0], 98, 99, least=3)
    assert [len(block) for block in ids] == [77] * 3
    assert (len(weights), sum(weights)) == (231, 232.0)
    assert all(block[0] == 98 and block[-1] == 99 for block in ids)


def test_equal_weights_leave_the_embedding_alone() -> None:
    embedding = torch.randn(1, 77, 4, generator=torch.Generator().manual_seed(0))
    assert weighted(embedding, [1.0] * 77) is embedding
