"""Training of a ControlNet: it begins as its base, learns a pair, leaves the base as it was, and is exported."""

import dataclasses
import warnings
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what others deprecate in others
    import lightning  # noqa: F401

from caesura.cli import main  # noqa: E402
from caesura.codecs.edges import Control, control_of  # noqa: E402
from caesura.codecs.image_files import read_picture  # noqa: E402
from caesura.data.pairs import pairs  # noqa: E402
from caesura.methods import build  # noqa: E402
from caesura.networks.checkpoints import read  # noqa: E402
from caesura.networks.controlnet import open_controlled  # noqa: E402
from caesura.networks.riffusion import open_riffusion  # noqa: E402
from caesura.problem import Problem, Region  # noqa: E402
from caesura.training.recipes import riff_cnet  # noqa: E402
from picture_cases import RATE, fixed, pictured, prepare, run, smallest, tones, words  # noqa: E402

CNET = riff_cnet.PRESETS["tiny"]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return smallest(tmp_path_factory.mktemp("base") / "model")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("pairs") / "data")


def zero_convolutions(network: Any) -> list[torch.Tensor]:
    return [p for name, p in network.named_parameters() if name.startswith(("controlnet_down", "controlnet_mid"))]


def test_a_controlnet_begins_as_its_base_and_learns_a_pair(data: Path, base: Path, tmp_path: Path) -> None:
    model = open_riffusion(str(base))
    kept = {name: value.clone() for name, value in model.unet.state_dict().items()}
    control = riff_cnet._control(model, CNET)
    assert not any(p.any() for p in zero_convolutions(control))
    leader = riff_cnet.Leader({"controlnet": control}, model, base, CNET.how, pictured(data, riff_cnet.dropped), None)
    batch = leader._alone(leader.examples[0])
    words = torch.zeros(1, 77, 16)
    with torch.no_grad():
        said = leader.predicted(leader.network, batch.noise, words, batch)
        torch.testing.assert_close(said, model.unet(batch.noise, batch.level, words).sample)
    trained = riff_cnet.train(CNET, run(data, tmp_path / "out", base, steps=30))
    assert fixed(trained) < 0.9 * fixed(leader)  # measured: 0.82
    assert all(p.any() for p in zero_convolutions(trained.network["controlnet"]))
    for name, value in trained.base.unet.state_dict().items():
        assert torch.equal(value, kept[name]), name
    assert not any(p.requires_grad for p in trained.base.unet.parameters())


def test_an_unlocked_decoder_learns_and_the_encoder_does_not(data: Path, base: Path, tmp_path: Path) -> None:
    kept = open_riffusion(str(base)).unet.state_dict()
    unlocked = dataclasses.replace(CNET, unlocked=True)
    trained = riff_cnet.train(unlocked, run(data, tmp_path / "out", base, steps=2))
    for name, value in trained.network["unet"].state_dict().items():
        learns = name.startswith(riff_cnet.DECODER)
        assert torch.equal(value, kept[name]) != learns, name
    riff_cnet.export(tmp_path / "out" / riff_cnet.LAST, tmp_path / "mine", "tiny")
    saved = read(tmp_path / "mine" / "unet")
    assert torch.equal(saved["conv_out.bias"], trained.network["unet"].conv_out.bias.half().float())  # type: ignore[union-attr,operator]
    both = open_controlled(str(tmp_path / "mine"), str(tmp_path / "mine" / "controlnet"))
    assert both.base.scale == open_riffusion(str(base)).scale


def test_the_control_picture_is_made_from_the_source(data: Path) -> None:
    pixels = read_picture(pairs(data)[0].source).pixels
    for kind in get_args(Control):
        example = pictured(data, riff_cnet.dropped, show=partial(riff_cnet.shown, control=kind))[0]
        torch.testing.assert_close(example.source, torch.from_numpy(control_of(pixels, kind)).permute(2, 0, 1) / 255.0)
        assert 0.0 <= float(example.source.min()) < float(example.source.max()) <= 1.0
    texts = [pictured(data, riff_cnet.dropped)[k].text for k in range(300)]
    # Of 300 draws a share of 0.1 has a standard error of 0.017: three of them.
    assert texts.count("") / 300 == pytest.approx(0.1, abs=0.052)


def test_the_preset_can_be_changed_from_the_command_line(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--data", str(data), "--base", str(base), "--steps", "1"]
    changed = ["-s", "control=sobel", "-s", "unlocked=yes", "-s", "how.batch=1"]
    assert main(words("riff_cnet", tmp_path / "out", *given, *changed)) == 0
    saved = torch.load(tmp_path / "out" / riff_cnet.LAST, weights_only=True)["state_dict"]
    assert any(name.startswith("network.unet.") for name in saved)
    for wrong, complaint in (
        ("control=dog", "control='dog' does not fit: one of canny, sobel"),
        ("how=1", "the preset has no 'how': choose from how.batch, how.rate"),
        ("how.batch=some", "how.batch='some' does not fit: it takes int"),
        ("how.batch", "-s how.batch is not KEY=VALUE"),
    ):
        assert main(words("riff_cnet", tmp_path / "other", *given, "-s", wrong)) == 2
        assert complaint in capsys.readouterr().err


def test_a_controlnet_is_exported_as_diffusers_has_them_and_leads_the_method(
    data: Path, base: Path, tmp_path: Path
) -> None:
    out, mine = tmp_path / "out", tmp_path / "mine"
    assert main(words("riff_cnet", out, "--data", str(data), "--base", str(base), "--steps", "1")) == 0
    assert main(words("riff_cnet", out, "--export", str(mine))) == 0
    network = open_controlled(str(base), str(mine)).network
    trained = torch.load(out / riff_cnet.LAST, weights_only=True)["state_dict"]
    for name, value in network.state_dict().items():
        assert torch.equal(value, trained[f"network.controlnet.{name}"].half().float()), name
    guide = tones([300.0], 20_000)
    method = build(
        "riff_cnet", weights=str(base), control_weights=str(mine), steps=2, bands=64, duration=0.63, iterations=2
    )
    problem = Problem(np.zeros_like(guide), (Region(0, 20_000),), RATE, guide=guide, text="a bell")
    mix = method(problem, rng=np.random.default_rng(0))
    assert np.isfinite(mix).all()
    assert np.abs(mix - guide).max() > 1e-5
