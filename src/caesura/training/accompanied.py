"""What Lightning drives to learn adding an instrument to others: noisy latents of a stem, its backing track, its words.

    || F(sqrt(abar_t) z + sqrt(1 - abar_t) n, t, caption, c) - (sqrt(abar_t) n - sqrt(1 - abar_t) z) ||^2

z are the latents of one stem of a piece, c those of the sum of some of its other stems, each at a level of its own.
Example i is a function of (seed, i) alone. One example in twenty is without its caption, one without its backing track,
one without either, so that both can be followed more or less closely.

References:
    T. Brooks, A. Holynski, A. A. Efros, "InstructPix2Pix: learning to follow image editing instructions", CVPR 2023.
    T. Salimans, J. Ho, "Progressive distillation for fast sampling of diffusion models", ICLR 2022.
"""

from __future__ import annotations

__all__ = ["Accompanied", "Accompanist", "Added", "Sounds", "sounds"]

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from caesura.atomic import replacing
from caesura.audio import read, resample
from caesura.codecs.mel import FLOOR, Level, Mel
from caesura.codecs.patches import CHANNELS, FOLD, Patches
from caesura.data.captions import Split, caption
from caesura.data.phrases import SECONDS, Phrase
from caesura.data.stems import Piece, pieces
from caesura.networks.latent_models import scaled_linear
from caesura.networks.text_mini import BETAS, LEVELS
from caesura.networks.text_mini import pieces as letters
from caesura.training.average import Average
from caesura.training.captioned import ENDING, HEARD, LOUD, disturbed
from caesura.training.coding import FIRST_HELD_OUT, Optimisation
from caesura.training.learner import Learner

DROPPED = 0.05  # share of examples without a caption, without a backing track, and without both
JOINED = 0.7  # probability of each other stem to be in the backing track
APART = 4.0  # dB that the stems of a backing track are moved by
ASKED = 0.2  # share of captions that begin with "add"
SILENT = 1e-4  # peak of a stem that is not heard, full scale 1
FULL = 32767.0


class Added(NamedTuple):
    """One crop, or a batch of them with one axis more."""

    mel: Tensor
    """Log-mel spectrogram of the stem (frames, bins)."""
    guide: Tensor
    """Of its backing track (frames, bins)."""
    seen: Tensor
    """1 where the backing track is shown, else 0, ()."""
    words: Tensor
    """Pieces of the caption's words (WORDS, PIECES)."""
    level: Tensor
    """Index of a level, int64 ()."""
    noise: Tensor
    """Standard normal, of the latents' shape (CHANNELS, rows, columns)."""


class Sounds(NamedTuple):
    """Pieces of a split with what is heard of them; stem k of piece p is number `first[p] + k`."""

    pieces: tuple[Piece, ...]
    first: tuple[int, ...]
    waves: NDArray[np.int16]
    """(stems, samples) at 16 kHz."""
    mels: NDArray[np.float16]
    """Log-mel spectrograms, each at the level that the models hear it at (stems, frames, bins)."""


@dataclass(frozen=True, eq=False)
class Accompanied(Dataset[Added]):
    """Example i of an endless sequence."""

    sounds: Sounds
    frames: int
    """Of a crop."""
    seed: int

    def __getitem__(self, index: int) -> Added:
        rng = np.random.default_rng((self.seed, index))
        which, chosen, phrase = self._chosen(rng)
        piece, first = self.sounds.pieces[which], self.sounds.first[which]
        mel = np.asarray(self.sounds.mels[first + chosen], dtype=np.float32)
        begin = int(rng.integers(mel.shape[0] - self.frames + 1))
        crop = mel[begin : begin + self.frames].copy()
        guide = self._guide(first, len(piece.stems), chosen, begin, rng)
        if rng.random() < ENDING:
            end = int(rng.integers(self.frames // 4, self.frames))
            crop[end:] = guide[end:] = FLOOR
        part, words = float(rng.random()), caption(phrase, rng)
        words = disturbed(f"add {words}" if rng.random() < ASKED else words, rng)
        told, seen = part >= 2 * DROPPED, not DROPPED <= part < 3 * DROPPED
        noise = rng.standard_normal((CHANNELS, self.frames // FOLD, mel.shape[1] // FOLD), dtype=np.float32)
        level = torch.tensor(int(LEVELS * rng.random() ** LOUD))
        return Added(
            torch.from_numpy(crop), torch.from_numpy(guide), torch.tensor(float(seen)),
            letters(words if told else "")[0], level, torch.from_numpy(noise),
        )  # fmt: skip

    def _chosen(self, rng: np.random.Generator) -> tuple[int, int, Phrase]:
        """A piece, and one of its stems that has a caption and is heard."""
        while True:
            which = int(rng.integers(len(self.sounds.pieces)))
            chosen = int(rng.integers(len(self.sounds.pieces[which].stems)))
            phrase = self.sounds.pieces[which].stems[chosen].phrase
            heard = np.abs(self.sounds.waves[self.sounds.first[which] + chosen]).max() > SILENT * FULL
            if heard and phrase is not None:
                return which, chosen, phrase

    def _guide(self, first: int, stems: int, chosen: int, begin: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Spectrogram (frames, bins) of some of the other stems together."""
        others = [k for k in range(stems) if k != chosen]
        kept = [k for k in others if rng.random() < JOINED] or [others[int(rng.integers(len(others)))]]
        hop = Mel().hop_length
        span = slice(begin * hop, (begin + self.frames) * hop)
        gains = 10.0 ** (rng.uniform(-APART, APART, len(kept)) / 20.0)
        parts = [gain * self.sounds.waves[first + k, span] for k, gain in zip(kept, gains, strict=True)]
        x = np.sum(parts, axis=0) / FULL
        return Mel().encode(Level.of(x).apply(x)).astype(np.float32)


class Accompanist(Learner):
    """A network in training; its average is what is kept.

    Args:
        network: with the codec's constants; called with latents, level, words and a backing track.
        how: of the optimisation.
        examples: crops with captions and backing tracks.
        held_out: crops that are measured on.
    """

    how: Optimisation
    abar: Tensor

    def __init__(self, network: nn.Module, how: Optimisation, examples: Accompanied, held_out: Accompanied) -> None:
        super().__init__(how, examples, how.workers)
        self.network = network
        self.average = Average(network, how.decay)
        self.held_out = held_out
        self.register_buffer("abar", scaled_linear(*BETAS, LEVELS).float(), persistent=False)

    def training_step(self, batch: Added, _: int) -> Tensor:
        """One step of Lightning's."""
        loss = self.loss(self.network, batch)
        self.log("loss", loss, prog_bar=True)
        return loss

    def loss(self, network: Any, batch: Added) -> Tensor:
        """Mean squared error of the velocity."""
        codec = Patches(network.mean, network.spread)
        z, _ = codec.moments(batch.mel[:, None])
        guide = codec.moments(batch.guide[:, None])[0] * batch.seen[:, None, None, None]
        abar = self.abar[batch.level][:, None, None, None]
        signal, noise = abar.sqrt(), (1.0 - abar).sqrt()
        predicted = network(signal * z + noise * batch.noise, batch.level, *network.read(batch.words), guide)
        error: Tensor = predicted - (signal * batch.noise - noise * z)
        return error.square().mean()

    @torch.no_grad()
    def on_train_batch_end(self, *_: Any) -> None:
        """The average follows, and is measured now and then; with the backing tracks of others as well."""
        self.average.update(self.network)
        if self.global_step % self.how.every == 0:
            found = [self.held_out[FIRST_HELD_OUT + k] for k in range(HEARD)]
            batch = Added(*(torch.stack(parts).to(self.device) for parts in zip(*found, strict=True)))
            network = self.average.network.eval()
            self.log("held out/loss", self.loss(network, batch))
            self.log(
                "held out/loss with another backing", self.loss(network, batch._replace(guide=batch.guide.roll(1, 0)))
            )


def sounds(folder: Path, split: Split) -> Sounds:
    """Pieces of a split with their sounds, which are kept in the folder in one file each.

    Raises:
        ValueError: there are no such pieces.
    """
    found = pieces(folder, (split,))
    first = tuple(int(n) for n in np.cumsum([0, *(len(piece.stems) for piece in found)])[:-1])
    names = [folder / f"{kind}_{split}_{len(found)}.npy" for kind in ("waves", "mels")]
    if not all(name.is_file() for name in names):
        waves = np.stack([_wave(piece.path(stem)) for piece in found for stem in piece.stems])
        mels = np.stack([Mel().encode(Level.of(x).apply(x)).astype(np.float16) for x in (w / FULL for w in waves)])
        for name, kept in zip(names, (waves, mels), strict=True):
            with replacing(name, force=True) as partial, partial.open("wb") as file:
                np.save(file, kept)
    return Sounds(found, first, *(np.load(name, mmap_mode="r") for name in names))


def _wave(path: Path) -> NDArray[np.int16]:
    audio, rate = read(path), Mel().sample_rate
    x = audio.samples[:1]
    if audio.sample_rate != rate:
        x = resample(x, audio.sample_rate, rate)
    size = round(SECONDS * rate)
    return np.round(FULL * np.pad(x[0, :size], (0, max(size - x.shape[1], 0)))).astype(np.int16)
