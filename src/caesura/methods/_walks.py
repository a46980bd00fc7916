"""Ways of conditioning a text-to-sound model by name, each with the levels it walks.

    plain       known latents mixed in at every level
    repaint     the same, and every stretch of levels is passed several times; repaint+ goes back further at once
    ddnm        known latents in the estimate; ddnm+ reaches every level anew from above
    guidance    a step against the gradient of the error on the known latents

References:
    A. Lugmayr et al., "RePaint: inpainting using denoising diffusion probabilistic models", CVPR 2022.
    Y. Wang, J. Yu, J. Zhang, "Zero-shot image restoration using denoising diffusion null-space model", ICLR 2023.
"""

from __future__ import annotations

__all__ = ["PRESETS", "Conditioning", "Preset", "Walk"]

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from caesura.diffusion import (
    Ancestral,
    Conditioner,
    NullSpace,
    ReconstructionGuidance,
    Renoise,
    Replacement,
    Step,
    ddpm,
    revisit,
    travel,
)

Conditioning = Literal["plain", "repaint", "repaint+", "ddnm", "ddnm+", "guidance"]
Preset = Literal["fast", "published"]


@dataclass(frozen=True)
class Walk:
    """A way of conditioning, and the levels it walks."""

    conditioner: Conditioner
    step: Step
    levels: int
    """Levels that are gone through, unless the user asks for another number."""
    jump: int = 0
    """Levels that RePaint's walk goes back up, or from above which DDNM's reaches every level; 0 never goes up."""
    passes: int = 0
    """How often RePaint's walk passes every stretch; 0 is DDNM's walk."""

    def sigmas(self, alphas_cumprod: Tensor, steps: int = 0, *, offset: int = 0) -> Tensor:
        """The list of levels that is walked.

        Args:
            alphas_cumprod: of the model, (levels,).
            steps: levels to go through; 0: as many as belong to the walk.
            offset: index of the lowest of them, where not all are gone through.
        """
        count = steps or self.levels
        down = ddpm(alphas_cumprod, count, offset=offset if count < len(alphas_cumprod) else 0)
        if not self.jump:
            return down
        return travel(down, self.jump, self.passes) if self.passes else revisit(down, self.jump)


# The published numbers are those of Tango with RePaint and DDNM, 1000 levels each; with guidance there are none. The
# fast ones take 50 to 200 evaluations, and for DDNM its own step, which is less biased than that of the paper.
PRESETS: dict[str, dict[str, Walk]] = {
    "published": {
        "plain": Walk(Replacement(), Ancestral(), 1000),
        "repaint": Walk(Replacement(), Ancestral(), 1000, jump=1, passes=10),
        "repaint+": Walk(Replacement(), Ancestral(), 1000, jump=10, passes=10),
        "ddnm": Walk(NullSpace(keep=False), Ancestral(), 1000),
        "ddnm+": Walk(NullSpace(keep=False), Ancestral(), 1000, jump=10),
        "guidance": Walk(ReconstructionGuidance(), Ancestral(), 1000),
    },
    "fast": {
        "plain": Walk(Replacement(), Ancestral(), 100),
        "repaint": Walk(Replacement(), Ancestral(), 20, jump=1, passes=10),
        "repaint+": Walk(Replacement(), Ancestral(), 40, jump=5, passes=5),
        "ddnm": Walk(NullSpace(), Renoise(), 100),
        "ddnm+": Walk(NullSpace(), Renoise(), 30, jump=3),
        "guidance": Walk(ReconstructionGuidance(), Ancestral(), 50),
    },
}
