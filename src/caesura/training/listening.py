"""What TensorBoard plays and shows of a run: a crop, the first guess for its gaps, and what the average network makes.

References:
    none needed.
"""

from __future__ import annotations

__all__ = ["Listening", "fill"]

from typing import Any, cast

import torch
from lightning import Callback, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from caesura.diffusion import Seeded, Unconstrained, heun, karras, sample
from caesura.networks.context import Context
from caesura.networks.cqt_lean import CqtLean
from caesura.training.examples import Example

INDEX = 2**40  # number of the example that is listened to, out of the reach of training
STEPS, LOW, HIGH = 10, 0.02, 6.0  # of the walk: fewer steps than a restore takes
PICTURE = 512  # samples of the spectrogram's windows
RANGE = 80.0  # dB of the spectrogram


def fill(network: CqtLean, example: Example, noise: Seeded, *, steps: int = STEPS) -> Tensor:
    """Restore a batch of examples, (batch, samples)."""
    context = Context(network, example.guess, example.unknown)
    sigmas = karras(steps, LOW, HIGH)
    start = context.guess + HIGH * noise(context.guess)
    z = sample(context, Unconstrained(), None, sigmas, heun, start=start, noise=noise)
    return torch.where(example.unknown, context.colour(z), example.guess)


class Listening(Callback):
    """Writes audio and spectrograms of one example to TensorBoard.

    Args:
        every: steps from one to the next.
    """

    def __init__(self, every: int) -> None:
        self.every = every

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: Any) -> None:
        """See Lightning."""
        if trainer.global_step % self.every or not trainer.is_global_zero:
            return
        example = Example(*(part[None].to(module.device) for part in module.examples[INDEX]))
        filled = fill(module.average.network, example, Seeded([module.seed]))
        writer, rate = cast(TensorBoardLogger, trainer.logger).experiment, module.network.shape.sample_rate
        for name, x in (("original", example.x), ("guess", example.guess), ("filled", filled)):
            peak = example.x.abs().max().clamp(min=1e-9)
            writer.add_audio(name, (x / peak).clamp(-1.0, 1.0).cpu(), trainer.global_step, sample_rate=rate)
            writer.add_image(name, _spectrogram(x[0]).cpu(), trainer.global_step)


def _spectrogram(x: Tensor) -> Tensor:
    """Levels from 0 to 1, high frequencies on top, (1, bins, frames)."""
    window = torch.hann_window(PICTURE, device=x.device)
    power = torch.stft(x, PICTURE, PICTURE // 4, window=window, return_complex=True).abs().square()
    level = 10.0 * (power.clamp(min=1e-12) / power.amax().clamp(min=1e-12)).log10()
    return (1.0 + level / RANGE).clamp(0.0, 1.0).flip(0)[None]
