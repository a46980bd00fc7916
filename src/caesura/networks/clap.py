"""CLAP: how well a sound fits a text, by which candidates are ranked.

    s = <a, t> / (||a|| ||t||),   a = audio tower (48 kHz, the first 10 s),   t = text tower

References:
    Y. Wu et al., "Large-scale contrastive language-audio pretraining with feature fusion and keyword-to-caption
        augmentation" (CLAP), ICASSP 2023.
"""

from __future__ import annotations

__all__ = ["DEFAULT", "PUBLISHED", "Clap", "open_clap"]

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caesura.audio import resample
from caesura.networks.checkpoints import filled, folder_of, part_of, read, read_json, untrained
from caesura.networks.hub import published
from caesura.networks.latent_models import device

PUBLISHED = published("clap")
DEFAULT = PUBLISHED[0].hub
RATE = 48_000
LONGEST = 10 * RATE  # samples that the audio tower hears
LONGEST_TEXT = 77  # tokens

Tokens = Callable[[str], tuple[Tensor, Tensor]]
"""Text -> its tokens and which of them count, (1, tokens) each."""


@dataclass(frozen=True, eq=False)
class Clap:
    """Both towers, ready for use."""

    network: Any
    """Transformers' `ClapModel`."""
    features: Any
    """Transformers' `ClapFeatureExtractor`."""
    tokens: Tokens

    def similarity(self, waves: NDArray[np.float64], sample_rate: int, text: str) -> NDArray[np.float64]:
        """Cosines between sounds and a text.

        Args:
            waves: (sounds, samples).
            sample_rate: hertz.
            text: what they should sound like.

        Returns:
            (sounds,), from -1 to 1.
        """
        place = next(self.network.parameters()).device
        heard = resample(waves, sample_rate, RATE)[:, :LONGEST].astype(np.float32)
        given = self.features(list(heard), sampling_rate=RATE, truncation="rand_trunc", return_tensors="pt").to(place)
        ids, attended = (each.to(place) for each in self.tokens(text))
        with torch.no_grad():
            sounds = self.network.get_audio_features(**given).pooler_output
            words = self.network.get_text_features(input_ids=ids, attention_mask=attended).pooler_output
        cosines: Tensor = torch.nn.functional.cosine_similarity(sounds, words)
        return np.asarray(cosines.double().cpu().numpy())


@lru_cache(maxsize=1)
def open_clap(weights: str) -> Clap:
    """The towers of a checkpoint.

    Args:
        weights: "tiny" (random), a folder that transformers saved, or one of `PUBLISHED` that was downloaded.

    Raises:
        MissingWeights: they are not on this machine.
        ValueError: there are none of that name, or they do not fit.
    """
    if weights == "tiny":
        return Clap(untrained(_tiny).to(device()), part_of("transformers", "ClapFeatureExtractor")(), _bytes)
    folder = folder_of(weights, PUBLISHED)
    settings = part_of("transformers", "ClapConfig").from_dict(read_json(folder / "config.json"))
    network = filled(part_of("transformers", "ClapModel")(settings), read(folder), f"'{folder}'")
    heard = part_of("transformers", "ClapFeatureExtractor").from_dict(read_json(folder / "preprocessor_config.json"))
    read_json(folder / "tokenizer_config.json")  # where it is missing, this says so
    tokenizer = part_of("transformers", "RobertaTokenizerFast").from_pretrained(folder)

    def tokens(text: str) -> tuple[Tensor, Tensor]:
        made = tokenizer(text, truncation=True, max_length=LONGEST_TEXT, return_tensors="pt")
        return made.input_ids, made.attention_mask

    return Clap(network.to(device()), heard, tokens)


def _tiny() -> Any:
    """Towers with the structure of the published ones and almost no width."""
    text = {"vocab_size": 260, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 16, "projection_dim": 16}  # fmt: skip
    audio = {"patch_embeds_hidden_size": 8, "hidden_size": 64, "depths": [1, 1, 1, 1],
             "num_attention_heads": [1, 1, 1, 1], "projection_dim": 16}  # fmt: skip
    settings = part_of("transformers", "ClapConfig")(text_config=text, audio_config=audio, projection_dim=16)
    return part_of("transformers", "ClapModel")(settings)


def _bytes(text: str) -> tuple[Tensor, Tensor]:
    """The bytes of a text between a beginning and an end."""
    ids = torch.tensor([[0, *(3 + b for b in text.encode()[: LONGEST_TEXT - 2]), 2]])
    return ids, torch.ones_like(ids)
