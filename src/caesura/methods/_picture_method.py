"""What the methods that draw pictures of sound have in common: their settings, walks and windows.

    image = mel bands of up to `high` hertz,   sigmas, step = walk(preset, steps, step)

The network was trained on pictures of 5.11 s, 64 columns of latents; longer ones are drawn in windows that overlap by
half.
"""

from __future__ import annotations

__all__ = ["HOP", "OFFSET", "STEPS", "WINDOW", "PictureMethod"]

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from caesura.codecs.image import SpectrogramImage
from caesura.diffusion import Ancestral, Renoise, Step, dpm_solver_2m, euler, heun
from caesura.methods._walks import Walk

WINDOW = 64  # columns of latents that the network was trained on
HOP = 32
ROWS = 64  # of a picture, or a multiple: the U-Net halves its latents three times
TRAINED = 5.11  # seconds of a picture that wide
OFFSET = 1  # index of the lowest level, where not all are gone through
STEPS: dict[str, Step] = {
    "2m": dpm_solver_2m,
    "euler": euler,
    "heun": heun,
    "ancestral": Ancestral(),
    "renoise": Renoise(),
}
Range = tuple[str, float, float]
RANGES: tuple[Range, ...] = (
    ("steps", 0, math.inf),
    ("scale", 0.0, math.inf),
    ("iterations", 0, 10_000),
    ("width", 0.0, 1.0),
)


@dataclass(frozen=True)
class PictureMethod:
    """Settings of a method that draws pictures of sound as a text says."""

    weights: str = "riffusion/riffusion-model-v1"
    """The repository of the authors once it was downloaded, a folder in diffusers' layout, or "tiny" (untrained)."""
    preset: Literal["fast", "published"] = "fast"
    """A walk of a second order method, or the published one of DDIM, which takes longer."""
    step: Literal["auto", "2m", "euler", "heun", "ancestral", "renoise"] = "auto"
    """From one level to the next; auto: that of the preset. euler is DDIM, ancestral DDPM."""
    steps: int = 0
    """Noise levels of the walk; 0: those of the preset."""
    scale: float = 7.0
    """How strongly the text is followed; 1: as the model itself does."""
    negative: str = ""
    """What should not be heard."""
    duration: float = TRAINED
    """Seconds that the model draws at least; it was trained on 5.11."""
    width: float = 0.0
    """How different the noise of the channels is: 0 the same, 1 unrelated."""
    high: Literal[10_000, 20_000] = 10_000
    """Hertz up to which pictures show; the published weights know 10 kHz."""
    bands: int = 512
    """Rows of the pictures, a multiple of 64; the published weights know 512."""
    iterations: int = 64
    """Of the Griffin-Lim algorithm that finds the phases."""

    def __post_init__(self) -> None:
        self.check(*RANGES)
        if not 0.0 < self.duration <= 60.0:
            raise ValueError(f"duration={self.duration} must be above 0 and at most 60")
        if self.bands < ROWS or self.bands % ROWS:
            raise ValueError(f"bands={self.bands} must be a multiple of {ROWS}")
        if self.steps == 1:
            raise ValueError("steps=1 is no walk: 2 or more, or 0 to leave it to the preset")

    def check(self, *ranges: Range) -> None:
        """Raise `ValueError` where a field lies outside its range; one that may be None is not checked then."""
        for name, least, most in ranges:
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise ValueError(f"{name}={value} must lie between {least:g} and {most:g}")

    @property
    def image(self) -> SpectrogramImage:
        """How pictures are made."""
        return SpectrogramImage(bands=self.bands, low=0 if self.high == 10_000 else 10, high=self.high)

    @property
    def least(self) -> int:
        """Columns that are drawn at least."""
        return self.image.frames(round(self.duration * self.image.sample_rate))

    def stepping(self, walk: Walk) -> Walk:
        """A walk with the step that was asked for."""
        return walk if self.step == "auto" else dataclasses.replace(walk, step=STEPS[self.step])

    def sigmas(self, walk: Walk, alphas_cumprod: Tensor) -> Tensor:
        """The levels of a walk (levels,), falling."""
        return walk.sigmas(alphas_cumprod, self.steps, offset=OFFSET)
