"""ControlNet: a copy of the way down of a U-Net that sees a picture, and adds to what the U-Net hands on.

    F(z, t, text, picture) = U(z, t, text; h_i + s_i Z_i(c_i)),   c = C(z + H(picture), t, text)

h_i are the n + 1 residuals that the U-Net hands from its way down to its way up, the last one in the middle; Z_i are
convolutions of one pixel that are zero before training; s_i is the strength s, or s 0.825^(n - i) in guess mode.
Checkpoints are folders in diffusers' layout, whose pictures go from 0 to 1, or the authors' own files, whose pictures
go from 0 to 255: there W in the first convolution of H becomes 255 W.

References:
    L. Zhang, A. Rao, M. Agrawala, "Adding conditional control to text-to-image diffusion models", ICCV 2023.
    Z. Shah and co-authors, Riff-CNET (zachary-shah/riff-cnet), 2023.
"""

from __future__ import annotations

__all__ = ["PUBLISHED", "ControlledModel", "open_controlled"]

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from caesura.diffusion import Denoiser, FromEpsilon, FromVelocity
from caesura.networks.checkpoints import filled, folder_of, part_of, read, read_json, untrained
from caesura.networks.hub import published
from caesura.networks.key_maps import controlnet_key
from caesura.networks.latent_models import predicted
from caesura.networks.riffusion import PictureModel, open_riffusion
from caesura.networks.weights import MissingWeights

PUBLISHED = published("controlnet")
ORIGINAL = "control_model."  # of the control network's tensors in the authors' files
FILES = (".ckpt", ".pth", ".pt", ".bin", ".safetensors")  # of the authors' kind
WHITE = 255.0
FADING = 0.825  # from residual to residual, in guess mode
HINT_STEPS = (1, 3, 5)  # convolutions of the picture that change the number of channels
SHAPE = ("block_out_channels", "layers_per_block", "cross_attention_dim", "down_block_types")


@dataclass(frozen=True, eq=False)
class ControlledModel:
    """A model of pictures told by text, and by a control picture."""

    base: PictureModel
    """What is controlled."""
    network: nn.Module
    """Diffusers' `ControlNetModel`; its pictures go from 0 to 1."""

    def prior(self, strength: float = 1.0, *, guess: bool = False) -> Denoiser:
        """E[x0 | x] of latents (batch, 4, rows, columns).

        It is told `control`, (batch or 1, 3, 8 rows, 8 columns) from 0 to 1, or None: then it is the base itself.

        Args:
            strength: s; 0 is the base itself.
            guess: whether the residuals count the less the finer they are.
        """
        made = FromVelocity if self.base.velocity else FromEpsilon
        network = _Controlled(self.base.unet, self.network, strength, FADING if guess else 1.0)
        return made(network, self.base.alphas_cumprod)


@lru_cache(maxsize=1)
def open_controlled(weights: str, control: str) -> ControlledModel:
    """A model and what controls it.

    Args:
        weights: of the model, see `caesura.networks.riffusion.open_riffusion`.
        control: "tiny" (random), a folder in diffusers' layout, a file of the authors or a folder that holds one, or
            one of `PUBLISHED` that was downloaded.

    Raises:
        MissingWeights: they are not on this machine.
        ValueError: there are none of that name, or they do not fit.
    """
    base = open_riffusion(weights)
    if control == "tiny":
        network = untrained(partial(_tiny, base.unet))
    elif Path(control).suffix in FILES and not Path(control).is_dir():
        network = _of_file(Path(control), base.unet)
    else:
        folder = folder_of(control, PUBLISHED)
        files = [path for path in sorted(folder.iterdir()) if path.suffix in FILES]
        ours = (folder / "config.json").is_file() or not files
        network = _of_folder(folder, base.unet) if ours else _of_file(files[0], base.unet)
    return ControlledModel(base, network.to(base.place))


def scales(count: int, strength: float, fading: float) -> list[float]:
    """What each of so many residuals is multiplied by, the finest first."""
    return [strength * fading ** (count - 1 - k) for k in range(count)]


@dataclass(frozen=True, eq=False)
class _Controlled:
    unet: Any
    network: Any
    strength: float
    fading: float

    def __call__(self, x: Tensor, t: Tensor, *, control: Tensor | None, **told: Tensor) -> Tensor:
        """See `caesura.networks.latent_models.predicted`."""
        if control is None or not self.strength:
            return predicted(self.unet, x, t, **told)
        batch = {name: each.expand(len(x), *each.shape[1:]) for name, each in told.items()}
        shown = control.expand(len(x), *control.shape[1:])
        down, middle = self.network(x, t, controlnet_cond=shown, return_dict=False, **batch)
        weights = scales(len(down) + 1, self.strength, self.fading)
        more = [weight * each for weight, each in zip(weights, (*down, middle), strict=True)]
        into = {"down_block_additional_residuals": more[:-1], "mid_block_additional_residual": more[-1]}
        out: Tensor = self.unet(x, t, **batch, **into).sample
        return out


def _of_folder(folder: Path, unet: Any) -> nn.Module:
    config = read_json(folder / "config.json")
    for name in SHAPE:
        theirs, own = config.get(name), unet.config.get(name)
        if theirs is not None and _plain(theirs) != _plain(own):
            raise ValueError(f"'{folder}' controls another network: its {name} is {theirs}, that of the weights {own}")
    return filled(part_of("diffusers", "ControlNetModel").from_config(config), read(folder), f"'{folder}'")


def _of_file(path: Path, unet: Any) -> nn.Module:
    """A network of the authors' file, with the scale of their pictures folded into the first convolution."""
    if not path.is_file():
        raise MissingWeights(f"there is no file '{path}'")
    try:
        stored = read(path.parent, path.stem)
    except ValueError as error:
        raise ValueError(
            f"{error}; if you trust the file, load it once with torch.load(..., weights_only=False) where it can do no "
            f"harm and save the tensors whose names begin with {ORIGINAL} as {path.stem}.safetensors beside it"
        ) from None
    layers = int(unet.config.layers_per_block)
    own = {name.removeprefix(ORIGINAL): t for name, t in stored.items() if name.startswith(ORIGINAL)}
    weights = {controlnet_key(name, layers): t for name, t in own.items()}
    if not weights:
        raise ValueError(f"'{path}' holds no control network: none of its {len(stored)} tensors begins with {ORIGINAL}")
    network = _like(unet, _hint_channels(weights))
    first = "controlnet_cond_embedding.conv_in.weight"
    if first in weights:
        weights[first] = WHITE * weights[first]
    return filled(network, weights, f"'{path}'")


def _hint_channels(weights: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Channels of the convolutions that see the picture; where some are missing, `filled` will say so."""
    names = ["conv_in", *(f"blocks.{k}" for k in HINT_STEPS)]
    found = [weights.get(f"controlnet_cond_embedding.{name}.weight") for name in names]
    return tuple(16 if each is None else len(each) for each in found)


def _like(unet: Any, channels: tuple[int, ...], *, copied: bool = False) -> Any:
    return part_of("diffusers", "ControlNetModel").from_unet(
        unet, conditioning_embedding_out_channels=channels, load_weights_from_unet=copied
    )


def _tiny(unet: Any) -> Any:
    """A network that makes a difference at once: the convolutions that training begins with at zero are random."""
    network = _like(unet, (4, 4, 8, 8), copied=True)
    for part in (
        network.controlnet_down_blocks,
        network.controlnet_mid_block,
        network.controlnet_cond_embedding.conv_out,
    ):
        for weight in part.parameters():
            nn.init.normal_(weight, std=0.2)
    return network


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
