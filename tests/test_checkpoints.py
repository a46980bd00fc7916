"""Checkpoints in the published layouts: every tensor finds its place, and what does not fit is refused in words."""

import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import published_layouts as layouts
from caesura.networks import checkpoints
from caesura.networks.audioldm import PUBLISHED as AUDIOLDM
from caesura.networks.audioldm import open_audioldm
from caesura.networks.checkpoints import folder_of, part_of, read, read_json
from caesura.networks.hub import Published
from caesura.networks.tango import PUBLISHED as TANGO
from caesura.networks.tango import open_tango
from caesura.networks.weights import MissingWeights

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def audioldm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("weights") / "audioldm"
    return folder, layouts.audioldm(folder)


@pytest.fixture(scope="module")
def tango(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("weights") / "tango"
    return folder, layouts.tango(folder)


def same(found: torch.nn.Module, wanted: torch.nn.Module) -> None:
    a, b = found.state_dict(), wanted.state_dict()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in b)


def of_text(model: Any, text: str) -> dict[str, torch.Tensor]:
    return dict(model.tell(text))


def test_audioldm_in_the_layout_of_diffusers(audioldm: tuple[Path, dict[str, Any]]) -> None:
    folder, parts = audioldm
    model = open_audioldm(str(folder))
    for name in ("vae", "vocoder", "unet"):
        same(getattr(model, name), parts[name])
    assert model.scale == 0.9227914214134216
    assert not model.velocity
    # The file says 8, or nothing, which is 8: the network was trained with one head for every 32 channels.
    assert json.loads((folder / "unet" / "config.json").read_text())["attention_head_dim"] == 8
    assert model.unet.config.attention_head_dim == [1, 1, 1, 2]
    told = of_text(model, "a dog barks")["class_labels"]
    tokens = part_of("transformers", "RobertaTokenizer").from_pretrained(folder / "tokenizer")
    wanted = parts["text_encoder"](**tokens("a dog barks", return_tensors="pt")).text_embeds
    torch.testing.assert_close(told, torch.nn.functional.normalize(wanted), rtol=0, atol=1e-6)
    assert told.shape == (1, 512)
    assert float(told.norm()) == pytest.approx(1.0, abs=1e-6)
    assert not torch.allclose(told, of_text(model, "")["class_labels"], atol=1e-3)


def test_audioldm_as_older_versions_saved_it(tmp_path: Path) -> None:
    parts = layouts.audioldm(tmp_path / "old", old=True)
    assert not list(tmp_path.rglob("*.safetensors"))
    assert "encoder.mid_block.attentions.0.query.weight" in read(tmp_path / "old" / "vae")
    model = open_audioldm(str(tmp_path / "old"))
    for name in ("vae", "vocoder", "unet"):
        same(getattr(model, name), parts[name])
    tokens = part_of("transformers", "RobertaTokenizer").from_pretrained(tmp_path / "old" / "tokenizer")
    wanted = parts["text_encoder"](**tokens("rain", return_tensors="pt")).text_embeds
    told = of_text(model, "rain")["class_labels"]
    torch.testing.assert_close(told, torch.nn.functional.normalize(wanted), rtol=0, atol=1e-6)


def test_tango_from_its_own_files(tango: tuple[Path, dict[str, Any]]) -> None:
    folder, parts = tango
    model = open_tango(str(folder))
    for name in ("vae", "vocoder", "unet"):
        same(getattr(model, name), parts[name])
    assert model.velocity
    assert model.scale == 0.9227914214134216
    told = of_text(model, "a dog barks")
    tokens = part_of("transformers", "AutoTokenizer").from_pretrained(folder / "tokenizer")
    ids = tokens("a dog barks", return_tensors="pt").input_ids
    assert ids[0, -1] == 1  # the end is read along
    wanted = parts["text_encoder"](input_ids=ids).last_hidden_state
    torch.testing.assert_close(told["encoder_hidden_states"], wanted, rtol=0, atol=1e-5)
    assert told["encoder_attention_mask"].all()


def test_the_table_of_words_may_be_stored_under_one_name(tango: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, parts = tango
    for file in folder.iterdir():
        if file.name != "pytorch_model_main.bin":
            (tmp_path / file.name).symlink_to(file)
    main = read(folder, "pytorch_model_main")
    assert main.pop("text_encoder.encoder.embed_tokens.weight") is not None
    torch.save(main, tmp_path / "pytorch_model_main.bin")
    same(open_tango(str(tmp_path)).unet, parts["unet"])
    told = of_text(open_tango(str(tmp_path)), "rain")["encoder_hidden_states"]
    torch.testing.assert_close(told, of_text(open_tango(str(folder)), "rain")["encoder_hidden_states"])


@pytest.mark.parametrize("which", ["audioldm", "tango"])
def test_a_loaded_model_goes_from_sound_to_sound(which: str, request: pytest.FixtureRequest) -> None:
    folder, _ = request.getfixturevalue(which)
    model = {"audioldm": open_audioldm, "tango": open_tango}[which](str(folder))
    x = torch.randn(2, model.shortest, generator=torch.Generator().manual_seed(0)) * 0.1
    z = model.codec.encode(x)
    assert z.shape == (2, 8, 8, 16)
    denoised = model.prior(z, 2.0, **model.tell("rain"))
    assert denoised.shape == z.shape
    assert not torch.allclose(denoised, model.prior(z, 2.0, **model.tell("")), atol=1e-6)
    wave = model.codec.decode(denoised, model.shortest)
    assert wave.shape == x.shape
    assert torch.isfinite(wave).all()


def test_what_is_missing_from_a_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "vae").mkdir()
    with pytest.raises(MissingWeights, match=r"no complete checkpoint: there is no config\.json"):
        open_audioldm(str(tmp_path))
    with pytest.raises(MissingWeights, match=r"there is no vae_config\.json"):
        open_tango(str(tmp_path))
    with pytest.raises(MissingWeights, match=r"there is none of diffusion_pytorch_model\.safetensors"):
        read(tmp_path / "vae")


def test_a_checkpoint_of_another_kind_is_refused(tango: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, _ = tango
    other = tmp_path / "other"
    other.mkdir()
    for file in folder.iterdir():
        (other / file.name).symlink_to(file)
    main = read(folder, "pytorch_model_main")
    for weights, complaint in (
        ({k: t for k, t in main.items() if k != "unet.conv_in.bias"}, "the U-Net in .* does not fit"),
        ({k: t for k, t in main.items() if not k.startswith("text_encoder.")}, "begins with 'text_encoder.'"),
    ):
        (other / "pytorch_model_main.bin").unlink()
        torch.save(weights, other / "pytorch_model_main.bin")
        open_tango.cache_clear()
        with pytest.raises(ValueError, match=complaint):
            open_tango(str(other))


class Harmful:
    """Would write a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (Path.touch, (self.path,))  # type: ignore[return-value]


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    torch.save({"weight": Harmful(trap)}, tmp_path / "model.bin")
    with pytest.raises(ValueError, match="holds no weights that can be read"):
        read(tmp_path)
    assert not trap.exists()
    (tmp_path / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"model\.safetensors' holds no weights that can be read"):
        read(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="holds no configuration that can be read"):
        read_json(tmp_path / "config.json")


@pytest.mark.parametrize("published", [*AUDIOLDM, *TANGO], ids=lambda p: p.hub)
def test_offline_the_licence_and_the_command_are_named(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("CAESURA_CACHE", str(tmp_path))
    said = f"licence CC-BY-NC-SA-4.0, non-commercial .* `caesura models pull {published.hub}`"
    with pytest.raises(MissingWeights, match=said):
        folder_of(published.hub, [published])


def test_a_downloaded_repository_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0" * 40
    home = tmp_path / "models--cvssp--audioldm"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(commit)
    (home / "snapshots" / commit).mkdir(parents=True)
    (home / "snapshots" / commit / "model_index.json").write_text("{}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("CAESURA_CACHE", str(tmp_path))
    assert folder_of("cvssp/audioldm", AUDIOLDM) == home / "snapshots" / commit


def test_other_names_are_refused() -> None:
    with pytest.raises(ValueError, match="weights='cvssp/other' is neither a folder nor one of tiny, cvssp/audioldm"):
        open_audioldm("cvssp/other")


def test_without_the_tokenizer_its_command_is_named(
    tango: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    for file in tango[0].iterdir():
        if file.name != "tokenizer":
            (tmp_path / file.name).symlink_to(file)
    with pytest.raises(MissingWeights, match="hf download google/flan-t5-large"):
        open_tango(str(tmp_path))


def test_without_the_libraries_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr(checkpoints, "import_module", absent)
    with pytest.raises(ValueError, match=r"needs diffusers .*: pip install 'caesura\[diffusion\]'"):
        part_of("diffusers", "AutoencoderKL")
    assert importlib.import_module("json") is json


def scales() -> dict[str, float]:
    found = json.loads((layouts.DATA / "tango.json").read_text())["entries"]
    wanted = next(entry for entry in found if entry["id"] == "networks/scale_factors")["expected"]
    return {name: value for name, value in wanted.items() if isinstance(value, float)}


def test_a_checkpoint_of_audioldms_own_program_is_read(tmp_path: Path) -> None:
    """The average of the network is what counts, and the scale of the latents is the checkpoint's own."""
    scale = scales()["audioldm_m_full"]
    layouts.audioldm_original(tmp_path / "audioldm.ckpt", tmp_path, scale)
    own, theirs = open_audioldm(str(tmp_path / "audioldm.ckpt")), open_audioldm(str(tmp_path))
    for part in ("vae", "vocoder", "unet"):
        wanted = getattr(theirs, part).state_dict()
        for name, tensor in getattr(own, part).state_dict().items():
            torch.testing.assert_close(tensor, wanted[name], rtol=0, atol=0)
    assert own.scale == pytest.approx(scale)
    told, wanted_told = (model.tell("a dog") for model in (own, theirs))
    torch.testing.assert_close(told["class_labels"], wanted_told["class_labels"])
    x = torch.zeros(1, 8, 8, 16)
    torch.testing.assert_close(own.prior(x, 1.0, **told), theirs.prior(x, 1.0, **wanted_told))


@pytest.mark.parametrize("name", scales())
def test_the_scale_of_the_latents_is_that_of_the_checkpoint(name: str) -> None:
    x, scale = torch.randn(1, 5_120, generator=torch.Generator().manual_seed(0)), scales()[name]
    model = open_audioldm("tiny")
    scaled = replace(model, scale=scale)
    torch.testing.assert_close(scaled.codec.encode(x), scale * model.codec.encode(x))
    back = scaled.codec.decode(scaled.codec.encode(x), 5_120)
    # Multiplying by the scale and dividing again rounds twice before networks in single precision.
    torch.testing.assert_close(back, model.codec.decode(model.codec.encode(x), 5_120), rtol=0, atol=1e-4)


def test_a_checkpoint_of_another_program_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {"first_stage_model.a": torch.zeros(1)}}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match="there is no scale_factor"):
        open_audioldm(str(tmp_path / "other.ckpt"))
    with pytest.raises(ValueError, match="there is no file"):
        open_audioldm(str(tmp_path / "none.ckpt"))
