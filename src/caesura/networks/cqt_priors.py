"""The constant-Q networks as priors: what holds one, at what levels it is used, how a signal becomes its state.

    published:  z = g H x,        g brings the context to the level of the training data, H keeps the network's bands
    lean:       z = W x,          W whitens with the context's own envelope; the network is told z where it is known

What H takes away (below 86 Hz, and a little at the top) is put back from the first guess.

References:
    E. Moliner, V. Välimäki, "Diffusion-based audio inpainting", J. Audio Eng. Soc. 72(3), 2024.
"""

from __future__ import annotations

__all__ = ["Facts", "Prior", "open_weights"]

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from caesura.diffusion import Denoiser, Karras
from caesura.networks.context import Context
from caesura.networks.cqt_lean import PRESETS as LEAN_PRESETS
from caesura.networks.cqt_lean import CqtLean
from caesura.networks.cqt_unet import PRESETS, CqtUnet, load_published
from caesura.networks.weights import load

LOUDNESS_FLOOR = 1e-7  # root mean square that is not turned up further


@dataclass(frozen=True, eq=False)
class Prior:
    """A batch of signals as the network sees them."""

    denoiser: Denoiser
    """Of states (batch, samples)."""
    clean: Tensor
    """The state of the signals as they were given, with a first guess where they are unknown (batch, samples)."""
    back: Callable[[Tensor], Tensor]
    """From a state to signals."""
    forth: Callable[[Tensor], Tensor]
    """From signals (batch, samples) to a state."""


@dataclass(frozen=True, eq=False)
class Facts:
    """A network, and how it is used."""

    network: nn.Module
    sample_rate: int
    """Hertz."""
    samples: int
    """Length of the signals that it was trained on."""
    sigma_data: float
    sigma_min: float
    sigma_max: float
    rho: float
    """Of the levels; see `caesura.diffusion.karras`."""
    steps: int
    gaps: str
    """Conditioner for gaps."""
    boxes: str
    """Conditioner for boxes."""
    solver: str
    halvings: int
    """How often signals may be halved in length, to save time."""
    guess: str
    """Method whose fill the network is shown as a first guess."""
    guess_settings: Mapping[str, str] = field(default_factory=dict)
    """Of that method."""
    start: float = 0.0
    """Level at which the walk to a gap's fill starts from that guess, relative to `sigma_data`; 0: from noise alone."""
    start_boxes: float = 0.0
    """The same for boxes, whose guess is that of `nmf`."""

    def prior(self, guess: Tensor, known: Tensor) -> Prior:
        """Prepare a batch.

        Args:
            guess: signals with a first guess where they are unknown (batch, samples), on the CPU.
            known: bool (batch, samples), True where nothing is to be filled.
        """
        device = next(self.network.parameters()).device
        guess, known = guess.to(device, torch.float32), known.to(device)
        network = _of_length(self.network, guess.shape[1])
        if isinstance(network, CqtLean):
            context = Context(network, guess, ~known)
            return Prior(context, context.guess, context.colour, context.whiten)
        return _published(network, guess, known, self.sigma_data)


@cache
def open_weights(weights: str, preset: str) -> Facts:
    """The network that a name or a file stands for, on the device there is.

    Args:
        weights: a card's name, "tiny" (untrained), a .safetensors file of a lean network, or a .pt file that the
            paper's authors published.
        preset: what a .pt file was trained on.

    Raises:
        MissingWeights: they are not on this machine.
        ValueError: there are none of that name, or they do not fit.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return _published_facts(weights, preset, device) if weights.endswith(".pt") else _lean_facts(weights, device)


def _lean_facts(weights: str, device: torch.device) -> Facts:
    """Levels span those of the training, log-normal around 0.5 with a spread of 1.3.

    Solver, steps, guess and start were chosen on recordings that are neither in the training nor in the test data: a
    sparse first guess is a fifth nearer in log-mel distance at 300 ms than the prediction that the network was trained
    with, and its SNR is higher the lower the walk starts. Boxes were 1.2 dB nearer in LSD with a guess than without.
    """
    network = _untrained() if weights == "tiny" else load(weights)
    if not isinstance(network, CqtLean):
        raise ValueError(f"the weights '{weights}' are of a {type(network).__name__}; cqtdiff takes a CqtLean")
    shape = network.shape
    return Facts(
        network.eval().requires_grad_(False).to(device),
        shape.sample_rate,
        shape.samples,
        sigma_data=1.0,
        sigma_min=0.01,
        sigma_max=8.0,
        rho=7.0,
        steps=6,
        gaps="prior",
        boxes="null_space",
        solver="2m",
        halvings=2,
        guess="spain",
        guess_settings={"learned": "true"},
        start=1.0,
        start_boxes=0.5,
    )


def _published_facts(path: str, preset: str, device: torch.device) -> Facts:
    """Levels, guidance and Heun's step with churn are those of the published tests; 35 levels theirs of long gaps."""
    if preset not in PRESETS:
        raise ValueError(f"preset='{preset}' is not one of {', '.join(PRESETS)}")
    if not Path(path).is_file():
        raise ValueError(f"there is no file '{path}'")
    config = PRESETS[preset]
    network = load_published(Path(path), config)
    return Facts(
        network.eval().requires_grad_(False).to(device),
        config.sample_rate,
        config.samples,
        sigma_data=0.063,
        sigma_min=1e-4,
        sigma_max=1.0,
        rho=13.0,
        steps=35,
        gaps="guidance",
        boxes="guidance",
        solver="heun",
        halvings=0,  # its attention and its norms run over the whole signal
        guess="lsar",
    )


def _untrained() -> CqtLean:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CqtLean(LEAN_PRESETS["tiny"])


def _of_length(network: nn.Module, samples: int) -> CqtLean | CqtUnet:
    """The same weights for signals of another length."""
    if isinstance(network, CqtLean):
        if network.cqt.samples == samples:
            return network
        other: CqtLean | CqtUnet = CqtLean(network.shape, samples)
    else:
        network = cast(CqtUnet, network)
        if network.config.samples == samples:
            return network
        other = CqtUnet(dataclasses.replace(network.config, samples=samples))
    other.load_state_dict(network.state_dict())
    return other.eval().requires_grad_(False).to(next(network.parameters()).device)


def _published(network: CqtUnet, guess: Tensor, known: Tensor, sigma_data: float) -> Prior:
    power = (guess.square() * known).sum(dim=1, keepdim=True) / known.sum(dim=1, keepdim=True).clamp(min=1)
    gain = sigma_data / power.sqrt().clamp(min=LOUDNESS_FLOOR)
    heard = network.cqt.keep_bands(guess)
    karras = Karras(network, sigma_data)
    return Prior(
        lambda x, sigma, **_: network.cqt.keep_bands(karras(x, sigma)),
        heard * gain,
        lambda z: z / gain + (guess - heard),
        lambda x: network.cqt.keep_bands(x) * gain,
    )
