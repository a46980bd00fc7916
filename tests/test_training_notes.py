"""Training on notes: examples that repeat, selections of all kinds, recipes that learn one batch and go on exactly."""

import dataclasses
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what others deprecate in others
    from lightning import Callback, Trainer

    from caesura.training.recipes import notono_bottom, notono_top, vqvae

from caesura.audio import Audio, write  # noqa: E402
from caesura.data.notes import held_out, read_notes  # noqa: E402
from caesura.methods._notono import open_networks  # noqa: E402
from caesura.networks.codemap_transformer import CodemapTransformer  # noqa: E402
from caesura.networks.vqvae2 import Vqvae2  # noqa: E402
from caesura.networks.weights import load  # noqa: E402
from caesura.training import coding  # noqa: E402
from caesura.training.notes import Codes, Images, Selections, coded, imaged, labels_of, selection  # noqa: E402
from caesura.training.run import LAST, Run  # noqa: E402

RATE = 16_000
FILLERS = {"notono_top": notono_top, "notono_bottom": notono_bottom}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four notes of four instruments of two families, and an untrained autoencoder."""
    home = tmp_path_factory.mktemp("notes")
    (home / "data" / "audio").mkdir(parents=True)
    facts, t = {}, np.arange(2 * RATE) / RATE
    for k, (family, pitch) in enumerate([("organ", 45), ("organ", 60), ("mallet", 52), ("mallet", 72)]):
        x = 0.5 * np.exp(-t) * np.sin(2 * np.pi * 440.0 * 2 ** ((pitch - 69) / 12) * t)
        write(home / "data" / "audio" / f"{k}.wav", Audio(x[None], RATE), subtype="PCM_16")
        facts[str(k)] = {
            "pitch": pitch, "velocity": 75, "instrument_str": f"{family}_{k}", "instrument_family_str": family,
        }  # fmt: skip
    (home / "data" / "examples.json").write_text(json.dumps(facts))
    train(vqvae, home, "vqvae", steps=2)
    vqvae.export(home / "vqvae" / LAST, home / "vqvae.safetensors", "tiny")
    return home


class Interrupt(Callback):
    """Stops after three steps of however many."""

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        trainer.should_stop = trainer.global_step == 3


def train(
    recipe: Any, home: Path, out: str, callbacks: Sequence[Callback] = (), preset: str = "tiny", **settings: Any
) -> Any:
    run = Run(home / "data", home / out, accelerator="cpu", progress=False, **settings)
    return recipe.train(recipe.PRESETS[preset], run, callbacks)


def test_images_are_made_once(folder: Path, tmp_path: Path) -> None:
    notes = read_notes(folder / "data")
    first = imaged(notes[:2], tmp_path)
    assert first.shape == (2, 2, 1024, 128)
    path = next(tmp_path.glob("images-*.npy"))
    before = path.stat().st_mtime_ns
    assert np.array_equal(imaged(notes[:2], tmp_path), first)
    assert path.stat().st_mtime_ns == before
    imaged(notes[2:], tmp_path)
    assert len(list(tmp_path.glob("images-*.npy"))) == 2


def test_codes_are_made_once_for_a_network(folder: Path, tmp_path: Path) -> None:
    notes = read_notes(folder / "data")
    images = imaged(notes, folder)
    network = load(str(folder / "vqvae.safetensors"))
    assert isinstance(network, Vqvae2)
    codes = coded(network, images, notes, tmp_path)
    assert codes.top.shape == (4, 32, 4)
    assert codes.bottom.shape == (4, 64, 8)
    assert np.array_equal(codes.labels, labels_of(notes))
    top, _ = network.encode(torch.from_numpy(images[2:3].astype(np.float32)))
    assert np.array_equal(codes.top[2:3], top.numpy())
    for stored, again in zip(codes, coded(network, images, notes, tmp_path), strict=True):
        assert np.array_equal(stored, again)
    other = Vqvae2(network.shape).eval()
    coded(other, images, notes, tmp_path)
    assert len(list(tmp_path.glob("codes-*.npz"))) == 2


def test_an_example_is_a_function_of_its_number() -> None:
    rng = np.random.default_rng(0)
    codes = Codes(
        rng.integers(9, size=(3, 32, 4)).astype(np.int16),
        rng.integers(9, size=(3, 64, 8)).astype(np.int16),
        np.array([[1, 6, 0], [2, 6, 1], [3, 5, 2]], np.int16),
    )
    for top in (True, False):
        one, other = (Selections(codes, 7, top=top) for _ in range(2))
        for index in (4, 0, 4):
            for a, b in zip(one[index], other[index], strict=True):
                assert torch.equal(a, b)
        assert {tuple(one[k].codes.shape) for k in range(4)} == {(32, 4) if top else (64, 8)}
        labels = torch.stack([one[k].labels for k in range(300)])
        assert 0.05 < float((labels == -1).float().mean()) < 0.15
        # two families, one of two notes and one of one: drawn with the roots 1.41 and 1
        share = float((labels[:, 1] == 5).float().mean() / (labels[:, 1] >= 0).float().mean())
        assert share == pytest.approx(1.0 / (1.0 + 2.0**0.5), abs=0.1)
    images = Images(np.zeros((3, 2, 4, 4), np.float16), codes.labels, 0)
    assert torch.equal(images[5], images[5])


@pytest.mark.parametrize("top", [True, False])
def test_what_is_told_is_what_is_inside(top: bool) -> None:
    """Note k consists of codes k alone: the selection holds the note of the labels, all that is kept one other note."""
    notes = 6
    codes = Codes(
        np.arange(notes, dtype=np.int16)[:, None, None].repeat(32, 1).repeat(4, 2),
        np.arange(notes, dtype=np.int16)[:, None, None].repeat(64, 1).repeat(8, 2),
        np.array([[k // 3, k % 3, k] for k in range(notes)], np.int16),
    )
    examples, around = Selections(codes, 0, top=top), []
    for k in range(300):
        one = examples[k]
        inside, outside = one.codes[~one.known].unique(), one.codes[one.known].unique()
        assert len(inside) == 1
        assert len(outside) <= 1
        assert all(label in (-1, own) for label, own in zip(one.labels.tolist(), codes.labels[inside[0]], strict=True))
        if len(outside):
            around.append((int(inside), int(outside)))
        if not top:  # a fine code never stands under the coarse code of another note
            assert torch.equal(one.codes, one.coarse.repeat_interleave(2, 0).repeat_interleave(2, 1))
    mixed = [(a, b) for a, b in around if a != b]
    assert 0.08 < len(mixed) / len(around) < 0.45
    assert np.mean([a // 3 == b // 3 for a, b in mixed]) > 0.5  # of one pitch: half of them, and others by chance


def test_selections_are_of_all_kinds() -> None:
    rng = np.random.default_rng(0)
    drawn = [selection((32, 4), rng) for _ in range(400)]
    assert all(chosen.any() for chosen in drawn)
    shares = np.array([chosen.mean() for chosen in drawn])
    assert 0.15 < np.mean(shares == 1.0) < 0.35  # asked for, and by chance
    assert np.mean(shares < 0.25) > 0.1
    right = [chosen for chosen in drawn if not chosen[:, -1].any() and chosen.any()]
    assert len(right) > 40  # context on the right is met often


def test_the_autoencoder_learns_a_batch(folder: Path) -> None:
    learnt, measured = held_out(read_notes(folder / "data"))
    assert len(learnt) == len(measured) == 2
    image = torch.from_numpy(imaged(learnt, folder).astype(np.float32))
    losses = []
    for steps in (1, 35):
        network = train(vqvae, folder, f"learns{steps}", steps=steps).network.eval()
        with torch.no_grad():
            losses.append(float(network.loss(image, network(image))))
    assert losses[1] < 0.6 * losses[0]


def test_settled_codes_stay_while_the_decoder_learns(folder: Path, tmp_path: Path) -> None:
    preset = vqvae.PRESETS["tiny"]
    preset = dataclasses.replace(preset, how=dataclasses.replace(preset.how, settled=4))
    notes, networks = read_notes(folder / "data"), []
    for steps in (4, 6):
        run = Run(folder / "data", folder / "settled", accelerator="cpu", progress=False, steps=steps, resume=steps > 4)
        networks.append(vqvae.train(preset, run).network)
    changed = {key for key, value in networks[0].state_dict().items() if not value.equal(networks[1].state_dict()[key])}
    assert changed == {key for key in networks[0].state_dict() if key.startswith(("dec.", "upsample_top_to_bottom."))}
    for network in networks:
        coded(network, imaged(notes, folder), notes, tmp_path)
    assert len(list(tmp_path.glob("codes-*.npz"))) == 1


@pytest.mark.parametrize("name", FILLERS)
def test_a_transformer_learns_a_batch(name: str, folder: Path) -> None:
    losses = []
    for steps in (1, 40):
        filler = train(FILLERS[name], folder, f"{name}{steps}", steps=steps)
        batch = coding.pieces(filler.examples, 8)
        with torch.no_grad():
            losses.append(float(filler.network.loss(*batch)))
    assert losses[1] < 0.8 * losses[0]


@pytest.mark.parametrize("recipe", [vqvae, notono_bottom], ids=["vqvae", "notono_bottom"])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(recipe: Any, folder: Path) -> None:
    name = recipe.__name__.rpartition(".")[2]
    whole = train(recipe, folder, f"{name}-whole", steps=6)
    assert train(recipe, folder, f"{name}-parts", [Interrupt()], steps=6).global_step == 3
    parts = train(recipe, folder, f"{name}-parts", steps=6, resume=True)
    assert parts.global_step == 6
    for (key, a), b in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        assert torch.equal(a, b), key
    with pytest.raises(ValueError, match="exists: pass --resume"):
        train(recipe, folder, f"{name}-parts", steps=6)


def test_exports_are_what_the_method_opens(folder: Path) -> None:
    for name, recipe in FILLERS.items():
        filler = train(recipe, folder, f"{name}-export", steps=2)
        recipe.export(folder / f"{name}-export" / LAST, folder / f"{name}.safetensors", "tiny")
        network = load(str(folder / f"{name}.safetensors"))
        assert isinstance(network, CodemapTransformer)
        for key, value in filler.average.network.state_dict().items():
            assert torch.equal(network.state_dict()[key], value.half().float()), key
        with pytest.raises(ValueError, match=f"holds no network of preset {name[7:]}-cpu"):
            recipe.export(folder / f"{name}-export" / LAST, folder / "no.safetensors", "cpu")
    networks = open_networks(str(folder))
    assert networks.top.shape.map == "top"
    assert networks.bottom.shape.map == "bottom"


def test_what_is_missing_is_said(folder: Path, tmp_path: Path) -> None:
    run = Run(folder / "data", tmp_path / "notono_top", accelerator="cpu", progress=False, steps=1)
    with pytest.raises(ValueError, match=r"run `caesura train vqvae --out .*/vqvae --data .*/data`, then `.* --export"):
        notono_top.train(notono_top.PRESETS["tiny"], run)
    cpu = notono_top.PRESETS["cpu"]
    with pytest.raises(ValueError, match="has 32 codes, this preset 256: take the same preset for both"):
        notono_top.train(cpu, dataclasses.replace(run, out=folder / "other"))
    with pytest.raises(ValueError, match="there is no checkpoint"):
        vqvae.export(tmp_path / "none.ckpt", tmp_path / "x.safetensors", "tiny")
