"""What Lightning drives to learn from pairs of pictures: the noise that was put on the latents of the target.

    || F(sqrt(abar_t) z + sqrt(1 - abar_t) n, t, text, source) - n ||^2,    z = s (mu + sigma e) of the target

Example i is a function of (seed, i) alone: the pair, the stretch of it, the level, the noise, and what is kept from the
network: now and then the text, the source or both, so that guidance by each of them can be had.

References:
    T. Brooks, A. Holynski, A. A. Efros, "InstructPix2Pix: learning to follow image editing instructions", CVPR 2023.
    L. Zhang, A. Rao, M. Agrawala, "Adding conditional control to text-to-image diffusion models", ICCV 2023.
    J. Ho, T. Salimans, "Classifier-free diffusion guidance", 2022.
"""

from __future__ import annotations

__all__ = ["Batch", "Drawing", "Optimisation", "Pictured", "base_of", "examples", "levels_of", "share"]

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from caesura.codecs.image import Pixels
from caesura.codecs.image_files import read_picture
from caesura.codecs.image_latents import FOLD
from caesura.data.pairs import Pair, manifest_rows, pairs
from caesura.networks.checkpoints import folder_of
from caesura.networks.riffusion import CHANNELS, PUBLISHED, PictureModel, opened
from caesura.training.average import Average
from caesura.training.coding import FIRST_HELD_OUT
from caesura.training.learner import Learner
from caesura.training.run import Run

MULTIPLE = 64  # rows and columns of a picture: the U-Net halves its latents three times
WHITE = 255  # silence
MEASURED = 8  # held-out examples of a measurement
TOKENS = 77  # that the text encoder takes at once; longer texts are cut

Dropped = Callable[[float], tuple[bool, bool]]
"""A number from 0 to 1 -> whether the text, and whether the source, is kept from the network."""


@dataclass(frozen=True)
class Optimisation:
    """How the weights move."""

    batch: int
    """Pairs per step and process."""
    rate: float
    """Learning rate after the warm-up."""
    warmup: int = 0
    """Steps over which the learning rate rises from zero."""
    decay: float = 0.0
    """Of the average of the weights, which is then what is exported; 0: there is none."""
    clip: float = 1.0
    """Norm that gradients are cut down to."""
    every: int = 500
    """Steps from one measurement on held-out pairs to the next."""
    workers: int = 0
    """Processes that prepare pictures."""


class Batch(NamedTuple):
    """One example, or a batch of them with one axis more."""

    source: Tensor
    """What the network is shown (3, rows, columns), as the recipe wants it."""
    target: Tensor
    """Grey levels of what it is to draw (3, rows, columns), from -1 to 1."""
    text: Any
    """What it is told: str, or a list of them."""
    seen: Tensor
    """bool (), False where the source is kept from it."""
    level: Tensor
    """Index of a level, int64 ()."""
    noise: Tensor
    """Standard normal (4, rows / 8, columns / 8)."""
    draw: Tensor
    """The same, for the draw from the autoencoder's posterior."""


@dataclass(frozen=True, eq=False)
class Pictured(Dataset[Batch]):
    """Example i of an endless sequence."""

    pairs: Sequence[Pair]
    columns: int
    """Of a stretch, a multiple of 64; what is shorter ends in silence."""
    seed: int
    show: Callable[[Pixels], Tensor]
    """A picture (rows, columns, 3) -> what the network is shown of it (3, rows, columns)."""
    dropped: Dropped
    levels: int = 1000

    def __post_init__(self) -> None:
        if self.columns < MULTIPLE or self.columns % MULTIPLE:
            raise ValueError(f"columns={self.columns} must be a multiple of {MULTIPLE}")

    def __getitem__(self, index: int) -> Batch:
        rng = np.random.default_rng((self.seed, index))
        pair = self.pairs[int(rng.integers(len(self.pairs)))]
        source, target = (_pixels(path) for path in (pair.source, pair.target))
        if source.shape != target.shape:
            raise ValueError(
                f"{pair.source} has {source.shape[1]} x {source.shape[0]} pixels, "
                f"{pair.target.name} {target.shape[1]} x {target.shape[0]}: the two of a pair must be the same"
            )
        first = int(rng.integers(max(source.shape[1] - self.columns, 0) + 1))
        source, target = (_stretch(pixels, first, self.columns) for pixels in (source, target))
        untold, unseen = self.dropped(float(rng.random()))
        shape = (CHANNELS, source.shape[0] // FOLD, self.columns // FOLD)
        noise, draw = (torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)) for _ in range(2))
        level = torch.tensor(int(rng.integers(self.levels)))
        text = "" if untold else pair.text
        return Batch(self.show(source), levels_of(target), text, torch.tensor(not unseen), level, noise, draw)


def levels_of(pixels: Pixels) -> Tensor:
    """Grey levels (3, rows, columns) from -1 to 1, as the autoencoder wants them."""
    return share(pixels) * 2.0 - 1.0


def share(pixels: Pixels) -> Tensor:
    """Grey levels (3, rows, columns) from 0 to 1, as a ControlNet wants them."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, -1, 0))).float() / WHITE


def _pixels(path: Path) -> Pixels:
    pixels = read_picture(path).pixels
    if pixels.shape[0] % MULTIPLE:
        raise ValueError(f"{path} has {pixels.shape[0]} rows: a multiple of {MULTIPLE} can be drawn")
    return pixels


def _stretch(pixels: NDArray[np.uint8], first: int, columns: int) -> Pixels:
    cut = pixels[:, first : first + columns]
    return np.pad(cut, ((0, 0), (0, columns - cut.shape[1]), (0, 0)), constant_values=WHITE)


def base_of(base: str, recipe: str) -> tuple[PictureModel, Path]:
    """The model that a recipe trains further, and the folder it lies in.

    Raises:
        MissingWeights: it is not on this machine.
        ValueError: none was named, or it does not fit.
    """
    if base in ("", "tiny"):
        names = " or ".join(each.hub for each in PUBLISHED)
        raise ValueError(f"{recipe} trains other weights further: name them with --base, a folder or {names}")
    folder = folder_of(base, PUBLISHED).resolve()
    model = opened(folder)
    if model.seeing:
        raise ValueError(f"--base {base} is told a picture already: name a model that is told a text only")
    if model.velocity:
        raise ValueError(f"--base {base} predicts the velocity: {recipe} is known for models that predict the noise")
    return model, folder


def examples(
    run: Run, columns: int, show: Callable[[Pixels], Tensor], dropped: Dropped
) -> tuple[Pictured, Pictured | None]:
    """What a run learns from, and what it is measured on, of which there may be nothing.

    Args:
        run: where the pairs are, and the seed.
        columns: of a picture.
        show: see `Pictured`.
        dropped: see `Pictured`.

    Raises:
        ValueError: there are no pairs.
    """
    found = [Pictured(pairs(run.data, "train"), columns, run.seed, show, dropped)]
    if any(row["split"] == "test" for row in manifest_rows(run.data)):
        found.append(Pictured(pairs(run.data, "test"), columns, run.seed, show, lambda _: (False, False)))
    return found[0], found[1] if len(found) == 2 else None


class Drawing(Learner, ABC):
    """A network in training that draws the target of a pair, told its text and shown its source.

    What it needs besides (autoencoder, text encoder, the rest of the U-Net) stays as it is, and is not part of its
    checkpoints; those name the folder it is in.

    Args:
        parts: what learns, by name.
        base: what it needs besides.
        folder: where that is.
        how: of the optimisation.
        examples: what it learns from.
        held_out: what it is measured on; there may be none.
    """

    how: Optimisation
    weight_decay: ClassVar[float] = 0.01
    betas: ClassVar[tuple[float, float]] = (0.9, 0.999)
    abar: Tensor

    def __init__(
        self, parts: Mapping[str, nn.Module], base: PictureModel, folder: Path, how: Optimisation, examples: Pictured,
        held_out: Pictured | None,
    ) -> None:  # fmt: skip
        super().__init__(how, examples, how.workers)
        self.network: nn.ModuleDict = nn.ModuleDict(parts)
        self.folder, self.held_out = folder, held_out
        self.average = Average(self.network, how.decay) if how.decay else None
        self.base = base
        self.register_buffer("abar", base.alphas_cumprod.float(), persistent=False)

    @abstractmethod
    def predicted(self, network: nn.ModuleDict, noisy: Tensor, words: Tensor, batch: Batch) -> Tensor:
        """The noise in latents.

        Args:
            network: what learns, or its average.
            noisy: (batch, 4, rows, columns).
            words: what the text encoder makes of the texts (batch, 77, width).
            batch: level and source.
        """

    def setup(self, stage: str) -> None:
        """What is no part of the checkpoint goes where the network is."""
        for part in (self.base.vae, self.base.text, self.base.unet):
            part.to(self.device)

    def loss(self, network: nn.ModuleDict, batch: Batch) -> Tensor:
        """Mean squared error of the noise."""
        base = self.base
        with torch.no_grad():
            z = base.scale * self._posterior(batch.target, batch.draw)
            words = torch.cat([self._words(text) for text in batch.text])
        abar = self.abar[batch.level][:, None, None, None]
        noisy = abar.sqrt() * z + (1.0 - abar).sqrt() * batch.noise
        return (self.predicted(network, noisy, words, batch) - batch.noise).square().mean()

    def _posterior(self, levels: Tensor, draw: Tensor | None) -> Tensor:
        """Unscaled latents of pictures: drawn from the posterior, or its mean."""
        vae: Any = self.base.vae
        posterior = vae.encode(levels).latent_dist
        mean: Tensor = posterior.mean
        return mean if draw is None else mean + posterior.std * draw

    def _words(self, text: str) -> Tensor:
        return self.base.tell(text)["encoder_hidden_states"][:, :TOKENS]

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """One step of Lightning's."""
        loss = self.loss(self.network, batch)
        self.log("loss", loss, prog_bar=True, batch_size=len(batch.level))
        return loss

    @property
    def kept(self) -> nn.ModuleDict:
        """What is exported: the average where there is one."""
        return self.network if self.average is None else cast(nn.ModuleDict, self.average.network)

    @torch.no_grad()
    def on_train_batch_end(self, *_: Any) -> None:
        """The average follows, and is measured now and then."""
        if self.average is not None:
            self.average.update(self.network)
        if self.held_out is not None and self.global_step % self.how.every == 0:
            found = [self.held_out[FIRST_HELD_OUT + k] for k in range(MEASURED)]
            losses = [self.loss(self.kept, self._alone(example)) for example in found]
            self.log("held out/loss", torch.stack(losses).mean(), batch_size=MEASURED)

    def _alone(self, example: Batch) -> Batch:
        parts = {name: getattr(example, name) for name in Batch._fields}
        tensors = {name: part[None].to(self.device) for name, part in parts.items() if name != "text"}
        return Batch(text=[example.text], **tensors)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say what the weights belong to."""
        checkpoint["base"] = str(self.folder)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A run goes on with what it began with."""
        if checkpoint["base"] != str(self.folder):
            raise ValueError(f"the run began from '{checkpoint['base']}': it cannot go on from '{self.folder}'")
