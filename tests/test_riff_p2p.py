"""Riff-P2P: the published arithmetic, checkpoints in the published layout, and stems added over a backing track."""

import itertools
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from caesura.codecs.image import SpectrogramImage
from caesura.diffusion import Instructed, Unconstrained, ddpm, euler, sample
from caesura.diffusion.schedules import sigmas_of
from caesura.networks.checkpoints import part_of
from caesura.networks.hub import _needed, known
from caesura.networks.latent_models import scaled_linear
from caesura.networks.riff_p2p import open_riff_p2p, seeing, wider
from caesura.networks.riffusion import BETAS, PictureModel, open_riffusion
from riffusion_cases import close, entries, numbers, signal
from riffusion_layout import riffusion

torch.set_num_threads(1)

LEVELS = scaled_linear(*BETAS)


def given(entry: dict[str, Any], name: str) -> torch.Tensor:
    """An input of an entry, double precision."""
    what = entry["input"][name]
    return torch.from_numpy(numbers(what["seed"], what["shape"], what["amplitude"]))


def by_rule(network: Any, seed: int, entry: dict[str, Any], part: str) -> Any:
    """A network with the weights of the entry's rule, in double precision."""
    state = network.state_dict()
    assert len(state) == entry["input"][f"{part}_tensor_count"]
    total = 0.0
    for k, name in enumerate(sorted(state)):
        shape = list(state[name].shape)
        gain = len(shape) == 1 and name.endswith(".weight")
        amplitude = float(np.prod(shape[1:])) ** -0.5 if len(shape) > 1 else 0.1 if gain else 0.05
        values = numbers(seed + k, shape, amplitude) + float(gain)
        total += float(values.sum())
        state[name] = torch.from_numpy(values)
    assert total == pytest.approx(entry["input"][f"{part}_sum_of_all_weights"], rel=1e-8)
    network.double().load_state_dict(state)
    return network.eval().requires_grad_(False)


# --- the published arithmetic ---------------------------------------------------------------------------------------


def answering(branches: dict[str, torch.Tensor], asked: list[str]) -> Any:
    """A prior that says what an entry says of each branch."""

    def prior(x: torch.Tensor, sigma: Any, *, text: bool, image: bool) -> torch.Tensor:
        name = "text_and_image" if text else "image_only" if image else "none"
        asked.append(name)
        return branches[name]

    return prior


def test_two_scales_are_the_published_ones() -> None:
    entry = entries()["two_scale_guidance"]
    branches = {name: given(entry, name) for name in ("text_and_image", "image_only", "none")}
    for case in entry["expected"]["cases"]:
        asked: list[str] = []
        guided = Instructed(
            answering(branches, asked), case["text_scale"], case["image_scale"], {"text": False}, {"image": False}
        )
        found = guided(branches["none"], 1.0, text=True, image=True)
        close(found.numpy(), case["samples"], rtol=1e-6, atol=1e-6)
        assert float(found.norm()) == pytest.approx(case["l2"], rel=1e-6)
        assert len(asked) == 3 - (case["image_scale"] == 1.0)  # what has no weight is not asked for


@pytest.mark.parametrize(
    ("scales", "asked"),
    [((1.0, 1.0), ["text_and_image"]), ((2.0, 2.0), ["text_and_image", "none"]), ((0.0, 1.0), ["image_only"])],
)
def test_scales_that_leave_a_branch_out_do_not_ask_for_it(scales: tuple[float, float], asked: list[str]) -> None:
    branches = {name: torch.full((1, 2), float(k)) for k, name in enumerate(("none", "image_only", "text_and_image"))}
    said: list[str] = []
    guided = Instructed(answering(branches, said), *scales, {"text": False}, {"image": False})
    found = guided(branches["none"], 1.0, text=True, image=True)
    text, image = scales
    torch.testing.assert_close(found, torch.full((1, 2), text * (2.0 - 1.0) + image * (1.0 - 0.0)))
    assert said == asked


def test_the_first_convolution_is_widened_with_its_bias() -> None:
    entry = entries()["conv_in_expansion_4_to_8"]
    convolution = nn.Conv2d(4, 6, 3, padding=1).double()
    convolution.weight.data, convolution.bias.data = given(entry, "weight"), given(entry, "bias")  # type: ignore[union-attr]
    wide, expected = wider(convolution, 8).requires_grad_(False), entry["expected"]
    assert list(wide.weight.shape) == expected["new_weight_shape"]
    assert float(wide.weight.norm()) == pytest.approx(expected["new_weight_l2"], rel=1e-6)
    assert not wide.weight[:, 4:].any()
    noisy, image = given(entry, "noisy_latent"), given(entry, "image_latent")
    with torch.no_grad():
        found = wide(torch.cat([noisy, image], dim=1))
        torch.testing.assert_close(found, convolution(noisy), rtol=1e-12, atol=1e-12)
    close(found.numpy(), expected["output_samples"], rtol=1e-6, atol=1e-6)
    for name, value in expected["output"].items():
        if name in ("sum", "min", "max"):
            assert float(getattr(found, name)()) == pytest.approx(value, rel=1e-6)


@pytest.fixture(scope="module")
def published() -> PictureModel:
    """The tiny networks of the whole-pipeline entry."""
    entry = entries()["p2p_tiny_pipeline"]
    unet = part_of("diffusers", "UNet2DConditionModel")(**entry["parameters"]["unet"])
    vae = part_of("diffusers", "AutoencoderKL")(**entry["parameters"]["vae"])
    unet = by_rule(unet, entry["input"]["unet_base_seed"], entry, "unet")
    vae = by_rule(vae, entry["input"]["vae_base_seed"], entry, "vae")
    scale = entry["parameters"]["vae"]["scaling_factor"]
    return PictureModel(vae, unet, nn.Identity(), lambda _: (), (0, 0), scale, LEVELS)


def told(entry: dict[str, Any], model: PictureModel) -> dict[str, torch.Tensor]:
    """Text and image of the entry; the image is the unscaled mean of the posterior."""
    codec = model.codec(SpectrogramImage(bands=32))
    pixels = torch.from_numpy(signal(entry["input"]["image_rgb"]).reshape(32, 32, 3)).double().permute(2, 0, 1)[None]
    return {
        "encoder_hidden_states": given(entry, "text_embedding"),
        "image": codec.encode(pixels / 127.5 - 1.0) / model.scale,
    }


def test_the_image_latents_are_the_published_ones(published: PictureModel) -> None:
    entry = entries()["p2p_tiny_pipeline"]
    image, expected = told(entry, published)["image"], entry["expected"]["image_latent"]
    close(image.numpy(), expected["samples"], rtol=1e-6, atol=1e-6)
    assert float(image.norm()) == pytest.approx(expected["stats"]["l2"], rel=1e-6)


def instructed(entry: dict[str, Any], model: PictureModel, run: dict[str, Any]) -> Instructed:
    untold = {"encoder_hidden_states": given(entry, "empty_text_embedding")}
    unseen = {"image": torch.zeros(1, 4, 1, 1, dtype=torch.float64)}
    return Instructed(model.prior, run["text_scale"], run["image_scale"], untold, unseen)


@pytest.mark.parametrize("which", range(len(entries()["p2p_tiny_pipeline"]["expected"]["runs"])))
def test_every_step_of_the_published_loop(published: PictureModel, which: int) -> None:
    entry = entries()["p2p_tiny_pipeline"]
    run = entry["expected"]["runs"][which]
    # The published scheduler ends at its lowest level, not at 0.
    sigmas = torch.cat([ddpm(LEVELS, run["steps"], offset=1)[:-1], sigmas_of(LEVELS)[:1]])
    torch.testing.assert_close(sigmas[:-1], sigmas_of(LEVELS)[run["timesteps"]])
    x = given(entry, "start_latents") * (1.0 + sigmas[0] ** 2).sqrt()
    for (sigma, after), expected in zip(itertools.pairwise(sigmas), run["latents_after_each_step"], strict=True):
        x = sample(
            instructed(entry, published, run), Unconstrained(), None, torch.stack([sigma, after]), euler,
            start=x, noise=torch.zeros_like, **told(entry, published),
        )  # fmt: skip
        found = x / (1.0 + after**2).sqrt()
        close(found.numpy(), expected["samples"], rtol=1e-6, atol=1e-6)
        assert float(found.norm()) == pytest.approx(expected["l2"], rel=1e-6)
    close(found.numpy(), run["final_samples"], rtol=1e-6, atol=1e-6)
    if "decoded_l2" in run:
        picture = published.codec(SpectrogramImage(bands=32)).decode(found)
        assert float(picture.norm()) == pytest.approx(run["decoded_l2"], rel=1e-6)


def test_items_of_a_batch_do_not_influence_each_other(published: PictureModel) -> None:
    entry = entries()["p2p_tiny_pipeline"]
    prior = instructed(entry, published, entry["expected"]["runs"][0])
    rng = torch.Generator().manual_seed(0)
    x = 5.0 * torch.randn(3, 4, 16, 16, generator=rng, dtype=torch.float64)
    cond = told(entry, published)
    image = torch.randn(3, 4, 16, 16, generator=rng, dtype=torch.float64)
    with torch.no_grad():
        together = prior(x, torch.tensor([5.0, 2.0, 1.0]), **{**cond, "image": image})
        for k, sigma in enumerate((5.0, 2.0, 1.0)):
            alone = prior(x[k : k + 1], sigma, **{**cond, "image": image[k : k + 1]})
            torch.testing.assert_close(together[k : k + 1], alone, rtol=1e-9, atol=1e-9)


# --- checkpoints ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("old", [False, True])
def test_a_checkpoint_in_the_published_layout_is_read(old: bool, tmp_path: Path) -> None:
    parts = riffusion(tmp_path, channels=8, old=old)
    model = open_riff_p2p.__wrapped__(str(tmp_path))
    assert model.seeing
    theirs = parts["unet"].state_dict()
    for name, tensor in model.unet.state_dict().items():
        torch.testing.assert_close(tensor.cpu(), theirs[name], rtol=0, atol=0)


def test_files_of_pickled_code_are_not_read(tmp_path: Path) -> None:
    riffusion(tmp_path, channels=8, old=True)
    torch.save({"weights": partial(print)}, tmp_path / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(ValueError, match="holds no weights that can be read"):
        open_riff_p2p.__wrapped__(str(tmp_path))


def test_what_lies_beside_the_checkpoint_is_not_fetched() -> None:
    there = [
        "model_index.json", "README.md", "unet/config.json", "unet/diffusion_pytorch_model.bin", "vae/config.json",
        "text_encoder/pytorch_model.bin", "tokenizer/vocab.json", "scheduler/scheduler_config.json",
        "checkpoint-300000/unet/diffusion_pytorch_model.bin", "checkpoint-300000/scaler.pt", "logs/text2image/events",
        "safety_checker/pytorch_model.bin", "samples/a.png",
    ]  # fmt: skip
    wanted = _needed(there, known()["zachary-shah/riff-pix2pix-v1"].files)
    assert {Path(name).parts[0] for name in wanted} == {
        "model_index.json", "unet", "vae", "text_encoder", "tokenizer", "scheduler",
    }  # fmt: skip


def test_each_method_names_the_other_for_its_weights(tmp_path: Path) -> None:
    riffusion(tmp_path / "wide", channels=8)
    with pytest.raises(ValueError, match="take the method riff_p2p"):
        open_riffusion.__wrapped__(str(tmp_path / "wide"))
    riffusion(tmp_path / "plain")
    with pytest.raises(ValueError, match="caesura train riff_p2p --base"):
        open_riff_p2p.__wrapped__(str(tmp_path / "plain"))
    with pytest.raises(ValueError, match="caesura models pull zachary-shah/riff-pix2pix-v1"):
        open_riff_p2p("zachary-shah/riff-pix2pix-v1")


def test_a_widened_network_does_what_it_did(tmp_path: Path) -> None:
    parts = riffusion(tmp_path)
    wide = seeing(parts["unet"])
    assert wide.config.in_channels == 8
    assert parts["unet"].config.in_channels == 4
    rng = torch.Generator().manual_seed(0)
    x, image = (torch.randn(1, 4, 8, 16, generator=rng) for _ in range(2))
    words = torch.randn(1, 77, 16, generator=rng)
    with torch.no_grad():
        found = wide(torch.cat([x, image], dim=1), 500, words).sample
        torch.testing.assert_close(found, parts["unet"](x, 500, words).sample, rtol=1e-5, atol=1e-6)
