"""Control networks: names and sums of the published layout, both layouts the same network, and what a control does."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from caesura.networks.checkpoints import filled, part_of, untrained
from caesura.networks.controlnet import ControlledModel, open_controlled, scales
from caesura.networks.key_maps import controlnet_key
from caesura.networks.riffusion import open_riffusion
from caesura.networks.weights import MissingWeights
from riffusion_cases import at, entries, numbers, signal
from riffusion_layout import controlnet, original, riffusion

torch.set_num_threads(1)
ENTRY = entries()["controlnet_key_map"]
KEYS = dict(ENTRY["expected"]["key_map_ldm_to_diffusers"])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("riffusion") / "model"
    folder.mkdir()
    riffusion(folder)
    return str(folder)


@pytest.fixture(scope="module")
def network(base: str) -> Any:
    return untrained(partial(controlnet, open_riffusion(base).unet))


# --- the published numbers -------------------------------------------------------------------------------------------


def test_every_name_is_the_published_one() -> None:
    assert len(KEYS) == ENTRY["expected"]["tensor_count"] == 340
    assert {name: controlnet_key(name) for name in KEYS} == KEYS


def test_residuals_are_the_published_ones() -> None:
    parameters, given = ENTRY["parameters"], ENTRY["input"]
    config = dict(parameters["diffusers_config"])
    config = {name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}
    made = part_of("diffusers", "ControlNetModel")(**config)
    shapes = {name: tuple(t.shape) for name, t in made.state_dict().items()}
    weights = {}
    for i, name in enumerate(sorted(KEYS)):
        shape = shapes[KEYS[name]]
        gain = len(shape) == 1 and name.endswith(".weight")
        size = float(np.prod(shape[1:])) ** -0.5 if len(shape) > 1 else 0.1 if gain else 0.05
        weights[KEYS[name]] = torch.from_numpy(numbers(given["base_seed"] + i, list(shape), size) + gain).float()
    total = sum(float(t.double().sum()) for t in weights.values())
    assert total == pytest.approx(ENTRY["expected"]["sum_of_all_weights"], rel=1e-6)
    made = filled(made, weights, "the entry")
    x, hint, text = (
        torch.from_numpy(signal(given[name]).reshape(given[name]["shape"])).float() for name in ("x", "hint", "text")
    )
    embedded = made.controlnet_cond_embedding(hint)
    wanted = ENTRY["expected"]["hint_embedding"]
    assert float(embedded.norm()) == pytest.approx(wanted["l2"], rel=1e-4)
    _near(embedded, wanted["samples"])
    down, middle = made(x, given["timestep"], encoder_hidden_states=text, controlnet_cond=hint, return_dict=False)
    assert len(down) + 1 == len(ENTRY["expected"]["residuals"])
    for each, expected in zip((*down, middle), ENTRY["expected"]["residuals"], strict=True):
        assert list(each.shape) == expected["shape"]
        assert float(each.norm()) == pytest.approx(expected["l2"], rel=1e-4)
        _near(each, expected["samples"])
    louder = made.controlnet_cond_embedding(255.0 * hint)
    folded = made.controlnet_cond_embedding.conv_in
    folded.weight *= 255.0
    torch.testing.assert_close(made.controlnet_cond_embedding(hint), louder, rtol=1e-4, atol=1e-4)
    said = ENTRY["expected"]["hint_scale_identity"]["hint_0_255_embedding_l2"]
    assert float(louder.norm()) == pytest.approx(said, rel=1e-4)


def _near(x: torch.Tensor, rows: list[list[float]]) -> None:
    found, wanted = at(x.numpy(), rows)
    tolerance = ENTRY["tolerance"]["residuals"]
    np.testing.assert_allclose(found, wanted, rtol=tolerance["rel"], atol=tolerance["abs"])


def test_scales_are_the_published_ones() -> None:
    expected = entries()["sampling_constants"]["expected"]
    np.testing.assert_allclose(scales(13, 1.0, 0.825), expected["guess_mode_scales"], atol=1e-9)
    np.testing.assert_allclose(scales(13, 1.0, 1.0), expected["plain_scales"], atol=1e-9)
    np.testing.assert_allclose(scales(3, 0.5, 0.825), [0.5 * 0.825**2, 0.5 * 0.825, 0.5])


# --- reading ----------------------------------------------------------------------------------------------------------


def same(a: Any, b: Any) -> None:
    theirs = b.state_dict()
    assert a.state_dict().keys() == theirs.keys()
    for name, tensor in a.state_dict().items():
        torch.testing.assert_close(tensor.cpu(), theirs[name], rtol=1e-6, atol=0)


def test_a_folder_of_diffusers_is_read(base: str, network: Any, tmp_path: Path) -> None:
    network.save_pretrained(tmp_path / "control")
    model = open_controlled(base, str(tmp_path / "control"))
    same(model.network, network)
    same(model.base.unet, open_riffusion(base).unet)


@pytest.mark.parametrize("place", ["file", "folder"])
def test_the_authors_file_is_the_same_network(base: str, network: Any, tmp_path: Path, place: str) -> None:
    original(network, tmp_path / "final_checkpoint.ckpt")
    control = tmp_path / "final_checkpoint.ckpt" if place == "file" else tmp_path
    same(open_controlled(base, str(control)).network, network)


def test_a_file_that_would_run_code_is_refused_and_its_tensors_beside_it_are_taken(
    base: str, network: Any, tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "final_checkpoint.ckpt"
    weights = original(network, path)
    torch.save({"state_dict": weights, "callbacks": Callback()}, path)
    with pytest.raises(ValueError, match=r"holds no weights that can be read: .*if you trust the file, .*safetensors"):
        open_controlled(base, str(path))
    assert not Callback.called
    save_file({n: t.contiguous() for n, t in weights.items() if n.startswith("control_model.")},
              tmp_path / "final_checkpoint.safetensors")  # fmt: skip
    same(open_controlled(base, str(path)).network, network)


class Callback:
    """What Lightning stores beside the weights."""

    called = False

    def __reduce__(self) -> Any:
        return _called, ()


def _called() -> "Callback":
    Callback.called = True
    return Callback()


def test_what_does_not_fit_is_said(base: str, network: Any, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="'nowhere' is neither a folder nor one of tiny, zachary-shah/riffusion-cnet-v2"
    ):
        open_controlled(base, "nowhere")
    with pytest.raises(MissingWeights, match=r"there is no file 'gone\.ckpt'"):
        open_controlled(base, "gone.ckpt")
    with pytest.raises(MissingWeights, match=r"zachary-shah/riffusion-cnet-v2.* are not on this machine"):
        open_controlled(base, "zachary-shah/riffusion-cnet-v2")
    torch.save({"state_dict": {"model.weight": torch.zeros(3)}}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match="holds no control network: none of its 1 tensors begins with control_model"):
        open_controlled(base, str(tmp_path / "other.ckpt"))
    weights = original(network, tmp_path / "short.ckpt")
    weights.pop("control_model.zero_convs.0.0.weight")
    torch.save({"state_dict": weights}, tmp_path / "short.ckpt")
    with pytest.raises(ValueError, match=r"does not fit: 1 of .*controlnet_down_blocks\.0\.weight"):
        open_controlled(base, str(tmp_path / "short.ckpt"))
    network.save_pretrained(tmp_path / "control")
    config = json.loads((tmp_path / "control" / "config.json").read_text())
    (tmp_path / "control" / "config.json").write_text(json.dumps({**config, "cross_attention_dim": 768}))
    with pytest.raises(ValueError, match="controls another network: its cross_attention_dim is 768"):
        open_controlled(base, str(tmp_path / "control"))
    (tmp_path / "nothing.ckpt").write_bytes(b"no tensors")
    with pytest.raises(ValueError, match="holds no weights that can be read"):
        open_controlled(base, str(tmp_path / "nothing.ckpt"))


# --- what a control does ----------------------------------------------------------------------------------------------


def asked(model: ControlledModel, control: torch.Tensor | None, strength: float = 1.0, *, guess: bool = False) -> Any:
    x = torch.from_numpy(numbers(3, [2, 4, 8, 16], 1.0)).float()
    prior = model.prior(strength, guess=guess)
    return prior(x, 2.0, control=control, **model.base.tell("rain"))


def test_a_control_makes_a_difference_in_its_place() -> None:
    model = open_controlled("tiny", "tiny")
    dark, marked = torch.zeros(1, 3, 64, 128), torch.zeros(1, 3, 64, 128)
    marked[..., 64:] = 1.0
    none, plain, other = (asked(model, control) for control in (None, dark, marked))
    change = (other - plain).abs().mean(dim=(0, 1, 2))
    assert change[8:].mean() > 2.0 * change[:4].mean()
    torch.testing.assert_close(asked(model, marked, 0.0), none, rtol=0, atol=0)
    changes = [float((asked(model, marked, s) - none).norm()) for s in (0.1, 0.5, 1.0)]
    assert changes == sorted(changes)
    guessed = asked(model, marked, guess=True)
    assert not torch.allclose(guessed, other, atol=1e-4)


def test_zero_convolutions_leave_the_base_as_it_is() -> None:
    model = open_controlled("tiny", "tiny")
    fresh = part_of("diffusers", "ControlNetModel").from_unet(
        model.base.unet, conditioning_embedding_out_channels=(4, 4, 8, 8)
    )  # as training begins: a copy of the way down, and zeros
    untaught = ControlledModel(model.base, fresh.eval().requires_grad_(False))
    torch.testing.assert_close(asked(untaught, torch.ones(1, 3, 64, 128)), asked(untaught, None), rtol=0, atol=1e-6)
