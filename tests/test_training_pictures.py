"""Training on pairs of pictures: examples that repeat, what is kept back, a pair learnt, exports that play."""

import dataclasses
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what others deprecate in others
    import lightning  # noqa: F401

from caesura.cli import main  # noqa: E402
from caesura.codecs.image_files import Picture, read_picture, write_picture  # noqa: E402
from caesura.data.pairs import pairs  # noqa: E402
from caesura.methods import build  # noqa: E402
from caesura.networks.checkpoints import part_of  # noqa: E402
from caesura.networks.riff_p2p import open_riff_p2p  # noqa: E402
from caesura.networks.riffusion import open_riffusion  # noqa: E402
from caesura.problem import Problem, Region  # noqa: E402
from caesura.training.pictures import levels_of, share  # noqa: E402
from caesura.training.recipes import riff_cnet, riff_p2p  # noqa: E402
from picture_cases import IMAGE, RATE, Interrupt, fixed, pictured, prepare, run, smallest, tones, words  # noqa: E402
from riffusion_cases import entries  # noqa: E402
from riffusion_layout import riffusion  # noqa: E402

P2P = riff_p2p.PRESETS["tiny"]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return smallest(tmp_path_factory.mktemp("base") / "model")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("pairs") / "data")


# --- examples -------------------------------------------------------------------------------------------------------


def test_an_example_is_a_function_of_its_number(data: Path) -> None:
    one, other = pictured(data), pictured(data)
    for index in (5, 0, 5):
        for a, b in zip(one[index], other[index], strict=True):
            assert a == b if isinstance(a, str) else torch.equal(a, b)
    assert not torch.equal(one[0].noise, one[1].noise)
    assert one[0].noise.shape == one[0].draw.shape == (4, 8, 8)


def test_a_pair_is_cut_at_the_same_place_and_ends_in_silence(data: Path) -> None:
    pair = pairs(data)[0]
    wide = dataclasses.replace(pictured(data), columns=128)[0]  # the pictures have 64 columns
    for shown, path in ((wide.source, pair.source), (wide.target, pair.target)):
        whole = levels_of(read_picture(path).pixels)
        torch.testing.assert_close(shown[..., :64], whole)
        assert (shown[..., 64:] == 1.0).all()
    assert float(share(np.full((1, 1, 3), 51, np.uint8))[0, 0, 0]) == pytest.approx(0.2)


def test_what_is_dropped_is_what_is_published(data: Path) -> None:
    for number, untold, unseen in entries()["conditioning_dropout"]["expected"]["r_text_empty_image_zero"]:
        assert riff_p2p.dropped(number) == (untold, unseen)
    source = pictured(data)
    found = [(source[k].text == "", not bool(source[k].seen)) for k in range(400)]
    for which in ((True, False), (True, True), (False, True)):
        # Of 400 draws a share of 0.05 has a standard error of 0.011: three of them.
        assert found.count(which) / len(found) == pytest.approx(0.05, abs=0.033)


@pytest.mark.parametrize(
    ("columns", "complaint"), [(0, "columns=0 must be a multiple of 64"), (100, "columns=100 must be a multiple")]
)
def test_stretches_that_cannot_be_drawn_are_refused(columns: int, complaint: str, data: Path) -> None:
    with pytest.raises(ValueError, match=complaint):
        dataclasses.replace(pictured(data), columns=columns)


def test_pictures_of_a_pair_that_differ_in_size_are_refused(tmp_path: Path) -> None:
    folder = prepare(tmp_path / "data")
    write_picture(folder / "train_target.png", Picture(np.zeros((64, 65, 3), np.uint8), IMAGE), force=True)
    with pytest.raises(ValueError, match=r"64 x 64 pixels, train_target.png 65 x 64: the two of a pair"):
        pictured(folder)[0]


# --- learning -------------------------------------------------------------------------------------------------------


def test_p2p_begins_as_its_base_and_learns_a_pair(data: Path, base: Path, tmp_path: Path) -> None:
    model = open_riffusion(str(base))
    fresh = riff_p2p.seeing(model.unet)
    before = fixed(riff_p2p.Editor({"unet": fresh}, model, base, P2P.how, pictured(data), None))
    editor = riff_p2p.train(P2P, run(data, tmp_path / "out", base, steps=30))
    assert fixed(editor) < 0.85 * before  # measured: 0.72
    assert editor.network["unet"].conv_in.weight[:, 4:].abs().max() > 1e-3  # type: ignore[union-attr,index]
    assert not fresh.conv_in.weight[:, 4:].any()


@pytest.mark.parametrize("recipe", [riff_p2p, riff_cnet])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    recipe: Any, data: Path, base: Path, tmp_path: Path
) -> None:
    preset = recipe.PRESETS["tiny"]
    whole = recipe.train(preset, run(data, tmp_path / "whole", base, steps=4))
    assert recipe.train(preset, run(data, tmp_path / "parts", base, steps=4), [Interrupt()]).global_step == 2
    parts = recipe.train(preset, run(data, tmp_path / "parts", base, steps=4, resume=True))
    assert parts.global_step == 4
    for (name, a), b in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_a_run_goes_on_with_its_base(data: Path, base: Path, tmp_path: Path) -> None:
    import shutil

    riff_p2p.train(P2P, run(data, tmp_path / "out", base, steps=1))
    other = tmp_path / "other"
    shutil.copytree(base, other)
    with pytest.raises(ValueError, match="it cannot go on from"):
        riff_p2p.train(P2P, run(data, tmp_path / "out", other, steps=2, resume=True))


def test_held_out_pairs_are_measured(base: Path, tmp_path: Path) -> None:
    data = prepare(tmp_path / "data", ("train", "test"))
    editor = riff_p2p.train(P2P, run(data, tmp_path / "out", base, steps=4))
    assert editor.held_out is not None
    assert 0.1 < float(editor.trainer.callback_metrics["held out/loss"]) < 10.0
    assert all(editor.held_out[k].text == "add a bell" for k in range(60))


# --- the command, and what comes of it ------------------------------------------------------------------------------


def test_p2p_from_pairs_to_a_stem(data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, mine = tmp_path / "out", tmp_path / "mine"
    given = ["--data", str(data), "--base", str(base)]
    assert main(words("riff_p2p", out, *given, "--steps", "2")) == 0
    assert main(words("riff_p2p", out, "--export", str(mine))) == 0
    assert "Writing" not in capsys.readouterr().err
    assert main(words("riff_p2p", out, "--export", str(mine))) == 2
    assert "exists: choose another folder" in capsys.readouterr().err
    model = open_riff_p2p(str(mine))
    trained = torch.load(out / riff_p2p.LAST, weights_only=True)["state_dict"]
    for name, value in model.unet.state_dict().items():
        assert torch.equal(value, trained[f"average.network.unet.{name}"].half().float()), name
    index = json.loads((mine / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionInstructPix2PixPipeline"
    assert index["unet"] == ["diffusers", "UNet2DConditionModel"]
    theirs = part_of("diffusers", index["_class_name"]).from_pretrained(mine, safety_checker=None)
    assert torch.equal(theirs.unet.conv_in.weight, model.unet.conv_in.weight)
    guide = tones([300.0], 20_000)
    method = build("riff_p2p", weights=str(mine), steps=2, bands=64, duration=0.64, iterations=2)
    problem = Problem(np.zeros_like(guide), (Region(0, 20_000),), RATE, guide=guide, text="add a bell")
    mix = method(problem, rng=np.random.default_rng(0))
    assert np.isfinite(mix).all()
    assert np.abs(mix - guide).max() > 1e-5


@pytest.mark.parametrize(
    ("recipe", "more", "complaint"),
    [
        ("riff_p2p", [], "riff_p2p trains other weights further: name them with --base"),
        ("riff_cnet", ["--base", "tiny"], "riff_cnet trains other weights further"),
        ("riff_p2p", ["--base", "nowhere"], "weights='nowhere' is neither a folder nor one of"),
        ("riff_p2p", ["--base", "riffusion/riffusion-model-v1"], "caesura models pull riffusion/riffusion-model-v1"),
    ],
)
def test_mistakes_are_one_line(
    recipe: str, more: list[str], complaint: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(recipe, tmp_path / "out", "--data", str(data), *more)) == 2
    said = capsys.readouterr().err.strip()
    assert complaint in said
    assert len(said.splitlines()) == 1


def test_a_base_that_sees_already_is_refused(data: Path, tmp_path: Path) -> None:
    riffusion(tmp_path / "wide", channels=8)
    with pytest.raises(ValueError, match="is told a picture already"):
        riff_p2p.train(P2P, run(data, tmp_path / "out", tmp_path / "wide", steps=1))


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "last.ckpt")
    with pytest.raises(ValueError, match="is a checkpoint of another recipe"):
        riff_p2p.export(tmp_path / "last.ckpt", tmp_path / "mine", "tiny")
    with pytest.raises(ValueError, match="there is no checkpoint"):
        riff_cnet.export(tmp_path / "none.ckpt", tmp_path / "mine", "tiny")
