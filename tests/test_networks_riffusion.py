"""Riffusion's checkpoints: the published layout is read strictly, and what its parts compute is what they did."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from caesura.codecs import reliable
from caesura.codecs.image import SpectrogramImage
from caesura.codecs.image_latents import reach
from caesura.networks.riffusion import PictureModel, open_riffusion
from caesura.networks.weights import MissingWeights
from caesura.problem import Region
from riffusion_cases import close, entries, signal
from riffusion_layout import riffusion

torch.set_num_threads(1)
SMALL = SpectrogramImage(sample_rate=8_000, bands=64, high=3_000)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("riffusion") / "model"
    folder.mkdir()
    return folder, riffusion(folder)


def same(a: Any, b: Any) -> None:
    theirs = b.state_dict()
    for name, tensor in a.state_dict().items():
        torch.testing.assert_close(tensor.cpu(), theirs[name], rtol=0, atol=0)


def test_a_checkpoint_is_read(saved: tuple[Path, dict[str, Any]]) -> None:
    folder, parts = saved
    model = open_riffusion(str(folder))
    same(model.vae, parts["vae"])
    same(model.unet, parts["unet"])
    same(model.text, parts["text_encoder"])
    assert model.scale == 0.18215
    assert model.ends == (58, 59)
    assert list(model.tokenize("rain")) == [56, 57]
    assert not model.velocity


def test_one_that_old_versions_wrote_is_the_same(saved: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    riffusion(folder, old=True)
    old, new = open_riffusion.__wrapped__(str(folder)), open_riffusion(str(saved[0]))
    for part in ("vae", "unet", "text"):
        same(getattr(old, part), getattr(new, part))
    assert old.scale == new.scale


def test_levels_are_those_of_the_scheduler() -> None:
    expected = entries()["masked_update"]["expected"]["alpha_bar"]
    levels = open_riffusion("tiny").alphas_cumprod
    for k, value in expected:
        assert float(levels[k]) == pytest.approx(value, abs=1e-6)


def test_the_prior_is_what_the_network_predicts(saved: tuple[Path, dict[str, Any]]) -> None:
    model = open_riffusion(str(saved[0]))
    x = torch.randn(2, 4, 8, 16, generator=torch.Generator().manual_seed(0))
    told = model.tell("(rain:1.3) falls")
    t = 500
    abar = float(model.alphas_cumprod[t])
    sigma = ((1 - abar) / abar) ** 0.5
    with torch.no_grad():
        noise = model.unet(
            x * abar**0.5, t, encoder_hidden_states=told["encoder_hidden_states"].expand(2, -1, -1)
        ).sample
        torch.testing.assert_close(model.prior(x, sigma, **told), x - sigma * noise, rtol=1e-4, atol=1e-4)


def test_texts_of_several_blocks_can_be_compared(saved: tuple[Path, dict[str, Any]]) -> None:
    model = open_riffusion(str(saved[0]))
    long = "rain " * 50
    assert model.blocks(long) == 2
    assert model.tell(long)["encoder_hidden_states"].shape == (1, 154, 16)
    assert model.tell("rain", 2)["encoder_hidden_states"].shape == (1, 154, 16)
    torch.testing.assert_close(
        model.tell("rain", 2)["encoder_hidden_states"][:, :77], model.tell("rain")["encoder_hidden_states"]
    )


def break_shape(folder: Path) -> None:
    config = json.loads((folder / "unet" / "config.json").read_text())
    (folder / "unet" / "config.json").write_text(json.dumps({**config, "cross_attention_dim": 24}))


def break_schedule(folder: Path) -> None:
    (folder / "scheduler" / "scheduler_config.json").write_text('{"beta_schedule": "linear"}')


@pytest.mark.parametrize(
    ("damage", "error", "complaint"),
    [
        (break_shape, ValueError, "does not fit"),
        (break_schedule, ValueError, "beta_schedule=linear"),
        (lambda f: (f / "tokenizer" / "tokenizer_config.json").unlink(), MissingWeights, "no tokenizer_config.json"),
        (lambda f: (f / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"x"), ValueError, "can be read"),
    ],
)
def test_what_does_not_fit_is_refused(damage: Any, error: type[Exception], complaint: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    riffusion(folder)
    damage(folder)
    with pytest.raises(error, match=complaint):
        open_riffusion(str(folder))


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(MissingWeights, match=r"caesura models pull riffusion/riffusion-model-v1"):
        open_riffusion("riffusion/riffusion-model-v1")
    with pytest.raises(ValueError, match="neither a folder nor one of tiny"):
        open_riffusion("nobody/nothing")


# --- latents of pictures --------------------------------------------------------------------------------------------


def test_pictures_go_in_as_published() -> None:
    entry = entries()["init_image_to_tensor"]["expected"]["b"]
    pixels = signal(entries()["init_image_to_tensor"]["input"]["b"]).reshape(32, 64, 3)
    image = SpectrogramImage(bands=32)
    model = open_riffusion("tiny")
    for channel in range(3):
        grey = np.repeat(pixels[..., channel : channel + 1], 3, axis=-1).astype(np.uint8)
        mel = image.from_pixels(grey, 1.0)
        found = model.codec(image).pictures(mel, 1.0, "grey").numpy()
        rows = [[0, 0, r, c, v] for _, k, r, c, v in entry["samples"] if k == channel]
        close(found, rows, atol=1e-6)


@pytest.mark.parametrize(("levels", "layers"), [(4, 2), (4, 1), (3, 2)])
def test_reach_is_that_of_the_convolutions(levels: int, layers: int) -> None:
    from caesura.networks.checkpoints import part_of

    network = part_of("diffusers", "AutoencoderKL")(
        block_out_channels=(2,) * levels, layers_per_block=layers, norm_num_groups=1, latent_channels=1,
        down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
        mid_block_add_attention=False,
    ).double().eval()  # fmt: skip
    for block in network.modules():
        for name, child in block.named_children():
            if isinstance(child, torch.nn.GroupNorm):
                setattr(block, name, torch.nn.Identity())  # norms run over the whole picture and are not counted
    x = torch.randn(1, 3, 2**levels, 256, dtype=torch.float64, requires_grad=True)
    z = network.encode(x).latent_dist.mean
    fold = 2 ** (levels - 1)
    cell = 256 // fold // 2
    (gradient,) = torch.autograd.grad(z[0, 0, 0, cell], x)
    touched = torch.nonzero(gradient.abs().sum(dim=(0, 1, 2)) > 0)[:, 0]
    before, after = reach(levels, layers)
    first = cell * fold
    assert int(touched[0]) >= first - before
    assert int(touched[-1]) < first + after
    assert (int(touched[0]), int(touched[-1]) + 1) == (max(first - before, 0), min(first + after, 256))


@pytest.mark.parametrize("sees", ["frames", "tile"])
def test_cells_keep_what_lies_beside_a_region(sees: Any) -> None:
    codec = open_riffusion("tiny").codec(SMALL)
    cells = codec.cells(128, sees)
    assert (cells.start.size, cells.low.size) == (16, 8)
    region = Region(4 * 640, 6 * 640)  # columns 32 to 48: cells 4 and 5
    kept = reliable(cells, [region])
    reaching = 0 if sees == "tile" else 1
    assert (~kept).any(axis=1).nonzero()[0].tolist() == list(range(4 - reaching, 6 + reaching))
    assert (np.diff(cells.low) < 0).all()  # from the top
    high = reliable(cells, [Region(0, 128 * 80, 2_000.0, 9_000.0)])
    assert not high[:, 0].any()
    assert high[:, -1].all()


def test_long_pictures_go_through_in_parts() -> None:
    model: PictureModel = open_riffusion("tiny")
    codec = model.codec(SMALL)
    x = torch.rand(1, 3, 64, 1280, generator=torch.Generator().manual_seed(0)) * 2 - 1
    z = codec.encode(x)
    assert z.shape == (1, 4, 8, 160)
    torch.testing.assert_close(z[..., :8], codec.encode(x[..., :512])[..., :8], rtol=1e-4, atol=1e-4)
    assert codec.decode(z).shape == x.shape


def test_two_channels_are_two_colours() -> None:
    codec = open_riffusion("tiny").codec(SMALL)
    mel = np.random.default_rng(0).random((2, 64, 16))
    shown = codec.pictures(mel, 1.0, "colour")
    assert shown.shape == (1, 3, 64, 16)
    assert (shown[:, 0] == -1.0).all()
    np.testing.assert_allclose(codec.bands(shown, 1.0, "colour"), mel, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(codec.bands(codec.pictures(mel, 1.0, "grey"), 1.0, "grey"), mel, rtol=1e-4, atol=1e-6)
