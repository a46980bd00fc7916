"""What Lightning drives to learn sounds with captions: noisy crops of latents, the words for them, and the velocity.

    || F(sqrt(abar_t) z + sqrt(1 - abar_t) n, t, caption) - (sqrt(abar_t) n - sqrt(1 - abar_t) z) ||^2

Example i is a function of (seed, i) alone: the clip, the crop, the wording of its caption, the level and the noise. One
caption in ten is kept from the network, so that it learns the sounds by themselves.

References:
    T. Salimans, J. Ho, "Progressive distillation for fast sampling of diffusion models", ICLR 2022.
    J. Ho, T. Salimans, "Classifier-free diffusion guidance", 2022.
"""

from __future__ import annotations

__all__ = ["Captioned", "Teller", "Told", "disturbed", "mels", "taught"]

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from caesura.atomic import replacing
from caesura.audio import read
from caesura.codecs.mel import FLOOR, Level, Mel
from caesura.codecs.patches import CHANNELS, FOLD, Patches
from caesura.data.captions import Clip, Split, caption, clips
from caesura.data.phrases import Phrase
from caesura.networks.latent_models import scaled_linear
from caesura.networks.text_mini import BETAS, LEVELS, Shape, TextMini, pieces
from caesura.training.average import Average
from caesura.training.coding import FIRST_HELD_OUT, Optimisation
from caesura.training.learner import Learner

LOUD = 0.75  # power that levels are drawn with: below 1 the high ones, where words matter, are more frequent
UNTOLD = 0.1  # share of examples without a caption
ENDING = 0.1  # share of examples that end in silence
NOISE_WORDS = 0.1  # share of captions with a word in them that means nothing
TEACHING = 1e-3  # learning rate of a reader that is taught by itself
FACTS = ("family", "program", "register", "tempo", "mood", "figure", "effect")
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")


class Told(NamedTuple):
    """One crop, or a batch of them with one axis more."""

    mel: Tensor
    """Log-mel spectrogram (frames, bins)."""
    words: Tensor
    """Pieces of the caption's words (WORDS, PIECES)."""
    level: Tensor
    """Index of a level, int64 ()."""
    noise: Tensor
    """Standard normal, of the latents' shape (CHANNELS, rows, columns)."""


@dataclass(frozen=True, eq=False)
class Captioned(Dataset[Told]):
    """Example i of an endless sequence."""

    clips: Sequence[Clip]
    mel: NDArray[np.float16]
    """Log-mel spectrograms (clips, frames, bins)."""
    frames: int
    """Of a crop."""
    seed: int

    def __getitem__(self, index: int) -> Told:
        rng = np.random.default_rng((self.seed, index))
        which = int(rng.integers(len(self.clips)))
        mel = np.asarray(self.mel[which], dtype=np.float32)
        first = int(rng.integers(mel.shape[0] - self.frames + 1))
        crop = mel[first : first + self.frames].copy()
        if rng.random() < ENDING:
            crop[int(rng.integers(self.frames // 4, self.frames)) :] = FLOOR
        words = "" if rng.random() < UNTOLD else disturbed(caption(self.clips[which].phrase, rng), rng)
        noise = rng.standard_normal((CHANNELS, self.frames // FOLD, mel.shape[1] // FOLD), dtype=np.float32)
        level = torch.tensor(int(LEVELS * rng.random() ** LOUD))
        return Told(torch.from_numpy(crop), pieces(words)[0], level, torch.from_numpy(noise))


class Teller(Learner):
    """The network in training; its average is what is kept.

    Args:
        shape: of the network.
        how: of the optimisation.
        examples: crops with captions.
        held_out: crops that are measured on; there may be none.
        seed: of the weights.
    """

    how: Optimisation
    network: TextMini
    abar: Tensor

    def __init__(
        self, shape: Shape, how: Optimisation, examples: Captioned, held_out: Captioned | None, seed: int
    ) -> None:
        super().__init__(how, examples, how.workers)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = TextMini(shape)
        step = max(len(examples.clips) // MEASURED, 1)
        codec = Patches.fitted(torch.from_numpy(examples.mel[::step].astype(np.float32)))
        self.network.mean.copy_(codec.mean)
        self.network.spread.copy_(codec.spread)
        self.average = Average(self.network, how.decay)
        self.held_out = held_out
        self.register_buffer("abar", scaled_linear(*BETAS, LEVELS).float(), persistent=False)

    def training_step(self, batch: Told, _: int) -> Tensor:
        """One step of Lightning's."""
        loss = self.loss(self.network, batch)
        self.log("loss", loss, prog_bar=True)
        return loss

    def loss(self, network: TextMini, batch: Told) -> Tensor:
        """Mean squared error of the velocity."""
        z, _ = Patches(network.mean, network.spread).moments(batch.mel[:, None])
        abar = self.abar[batch.level][:, None, None, None]
        signal, noise = abar.sqrt(), (1.0 - abar).sqrt()
        predicted = network(signal * z + noise * batch.noise, batch.level, *network.read(batch.words))
        error: Tensor = predicted - (signal * batch.noise - noise * z)
        return error.square().mean()

    @torch.no_grad()
    def on_train_batch_end(self, *_: Any) -> None:
        """The average follows, and is measured now and then."""
        self.average.update(self.network)
        if self.held_out is not None and self.global_step % self.how.every == 0:
            found = [self.held_out[FIRST_HELD_OUT + k] for k in range(HEARD)]
            batch = Told(*(torch.stack(parts).to(self.device) for parts in zip(*found, strict=True)))
            self.log("held out/loss", self.loss(cast(TextMini, self.average.network).eval(), batch))


def taught(reader: nn.Module, phrases: Sequence[Phrase], steps: int, seed: int, batch: int = 64) -> float:
    """Teach a reader what captions are about, before there is any sound: to tell the phrase from its caption.

    What the denoiser would learn of words comes last, since at most levels a sound speaks for itself.

    Args:
        reader: of a `TextMini`.
        phrases: to caption.
        steps: how many.
        seed: of the wording.
        batch: captions per step.

    Returns:
        Cross-entropy of the last step in nats, summed over the facts of a phrase.
    """
    facts = {name: sorted({getattr(phrase, name) for phrase in phrases}) for name in FACTS}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        width = reader(pieces(""))[0].shape[2]
        heads = nn.ModuleDict({name: nn.Linear(width, len(values)) for name, values in facts.items()})
    optimizer = torch.optim.AdamW([*reader.parameters(), *heads.parameters()], lr=TEACHING)
    loss = torch.zeros(())
    for step in range(steps):
        rng = np.random.default_rng((seed, step))
        chosen = [phrases[int(k)] for k in rng.integers(len(phrases), size=batch)]
        words = torch.cat([pieces(disturbed(caption(phrase, rng), rng)) for phrase in chosen])
        whole = reader(words)[0][:, 0]
        loss = torch.stack([
            functional.cross_entropy(heads[name](whole), torch.tensor([values.index(getattr(p, name)) for p in chosen]))
            for name, values in facts.items()
        ]).sum()  # fmt: skip
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return float(loss.detach())


def mels(folder: Path, split: Split) -> tuple[tuple[Clip, ...], NDArray[np.float16]]:
    """Clips of a split with their spectrograms (clips, frames, bins), which are kept in the folder.

    Raises:
        ValueError: there are no such clips.
    """
    found = clips(folder, (split,))
    path = folder / f"mels_{split}_{len(found)}.npy"
    if not path.is_file():
        kept = np.stack([_mel(clip.path) for clip in found])
        with replacing(path, force=True) as partial, partial.open("wb") as file:
            np.save(file, kept)
    return found, np.load(path, mmap_mode="r")


def _mel(path: Path) -> NDArray[np.float16]:
    x = read(path).samples[0]
    return Mel().encode(Level.of(x).apply(x)).astype(np.float16)


def disturbed(text: str, rng: np.random.Generator) -> str:
    """The text, now and then with a word in it that means nothing: such words are to be passed over."""
    if rng.random() >= NOISE_WORDS:
        return text
    words = text.split(" ")
    nothing = "".join(rng.choice(LETTERS, int(rng.integers(3, 9))))
    words.insert(int(rng.integers(len(words) + 1)), nothing)
    return " ".join(words)


MEASURED = 300  # clips that the codec's constants are taken from
HEARD = 64  # crops of a measurement
