r"""Prompts in which words weigh more or less, in any length.

    (x)  1.1     (x:w)  w     [x]  1 / 1.1     nested: multiplied     \( \) \[ \] \\  the characters themselves

A bracket that is never closed reaches to the end; one that closes nothing, or a weight that is none, is text. Tokens go
in blocks of 75 between a beginning and an end, three blocks at most; E' = w E mean(E) / mean(w E).

References:
    A. Radford et al., "Learning transferable visual models from natural language supervision" (CLIP), ICML 2021.
    The grammar is that of the Stable Diffusion web UI, which Riffusion took over.
"""

from __future__ import annotations

__all__ = ["BLOCK", "MOST_BLOCKS", "blocks_of", "runs", "tokens_of", "weighted"]

import math
import re
from collections.abc import Callable, Sequence

from torch import Tensor

STRONGER = 1.1
BLOCK = 75  # tokens that the text encoder takes between its beginning and its end
MOST_BLOCKS = 3

WEIGHT = re.compile(r":([+-]?(?:\d+\.?\d*|\.\d+))\)")
PLAIN = re.compile(r"[^\\()\[\]:]+")

Run = tuple[str, float]


def runs(prompt: str) -> list[Run]:
    """A prompt as texts with weights; neighbours of equal weight are one."""
    found: list[list[float | str]] = []
    round_, square = [], []
    at = 0
    while at < len(prompt):
        weight, plain, here = WEIGHT.match(prompt, at), PLAIN.match(prompt, at), prompt[at]
        taken = 1
        if here == "\\":
            taken = 2
            found.append([prompt[at + 1] if prompt[at + 1 : at + 2] in tuple("()[]\\") else "", 1.0])
            taken = 2 if found[-1][0] else 1
        elif here == "(":
            round_.append(len(found))
        elif here == "[":
            square.append(len(found))
        elif weight and round_:
            _scale(found, round_.pop(), float(weight[1]))
            taken = len(weight[0])
        elif here == ")" and round_:
            _scale(found, round_.pop(), STRONGER)
        elif here == "]" and square:
            _scale(found, square.pop(), 1.0 / STRONGER)
        else:
            taken = len(plain[0]) if plain else 1
            found.append([prompt[at : at + taken], 1.0])
        at += taken
    for first in round_:
        _scale(found, first, STRONGER)
    for first in square:
        _scale(found, first, 1.0 / STRONGER)
    return _merged(found) or [("", 1.0)]


def _scale(found: list[list[float | str]], first: int, factor: float) -> None:
    for run in found[first:]:
        run[1] = float(run[1]) * factor


def _merged(found: Sequence[Sequence[float | str]]) -> list[Run]:
    merged: list[Run] = []
    for text, weight in found:
        if merged and merged[-1][1] == weight:
            merged[-1] = (merged[-1][0] + str(text), float(weight))
        else:
            merged.append((str(text), float(weight)))
    return merged


def tokens_of(prompt: str, tokenize: Callable[[str], Sequence[int]]) -> tuple[list[int], list[float]]:
    """Tokens of a prompt without beginning and end, and their weights; what exceeds three blocks is left out.

    Args:
        prompt: with or without weights.
        tokenize: text -> tokens, without beginning and end.
    """
    pairs = [(token, weight) for text, weight in runs(prompt) for token in tokenize(text)][: BLOCK * MOST_BLOCKS]
    return [token for token, _ in pairs], [weight for _, weight in pairs]


def blocks_of(
    tokens: Sequence[int], weights: Sequence[float], first: int, last: int, least: int = 1
) -> tuple[list[list[int]], list[float]]:
    """Tokens in blocks of 77, and a weight for each of them in a row.

    Args:
        tokens: of the content.
        weights: of the content.
        first: token that begins a block.
        last: token that ends it, and fills it up.
        least: blocks that there are at least, so that two prompts can be compared.
    """
    count = max(math.ceil(len(tokens) / BLOCK), least, 1)
    padding = count * BLOCK - len(tokens)
    ids, scales = [*tokens, *[last] * padding], [*weights, *[1.0] * padding]
    parts = [slice(k * BLOCK, (k + 1) * BLOCK) for k in range(count)]
    return [[first, *ids[part], last] for part in parts], [w for part in parts for w in (1.0, *scales[part], 1.0)]


def weighted(embedding: Tensor, weights: Sequence[float]) -> Tensor:
    """Every token's part times its weight, the mean over all as it was.

    Args:
        embedding: (1, tokens, width).
        weights: one per token.
    """
    if all(w == 1.0 for w in weights):
        return embedding
    scaled = embedding * embedding.new_tensor(weights)[None, :, None]
    return scaled * (embedding.mean() / scaled.mean())
