"""The published constant-Q network: names, shapes and numbers of its checkpoints, alone and inside the sampler."""

from __future__ import annotations

import json
import math
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from caesura.diffusion import Karras, Masked, ReconstructionGuidance, heun, karras, sample
from caesura.networks._blocks import Downsample, Upsample
from caesura.networks.cqt_unet import PRESETS, CqtUnet, CqtUnetConfig, load_published

torch.set_num_threads(1)

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "cqtdiff_golden.json").read_text())
TINY = CqtUnetConfig(
    samples=4096,
    sample_rate=44_100,
    channels=(8, 16, 24),
    layers=(1, 2, 3),
    attention=(False, False, True),
    bins=16,
    embedding=32,
    heads=4,
)
GOLDEN_RATIO = 0.6180339887498949
SIGMA_DATA = 0.063


def congruential(samples: int, seed: int = 1) -> Tensor:
    """The test signal of the published vectors."""
    state, values = seed, []
    for _ in range(samples):
        state = (1103515245 * state + 12345) % 2**31
        values.append(state / 2**30 - 1.0)
    return torch.tensor([values])


def with_golden_weights(network: CqtUnet) -> CqtUnet:
    """The weights of the published vectors: a formula of each tensor's number and each element's."""
    for number, (name, tensor) in enumerate(network.state_dict().items()):
        v = torch.arange(1, tensor.numel() + 1, dtype=torch.float64) * GOLDEN_RATIO + 0.37 * number
        u = (2.0 * (v - v.floor()) - 1.0).reshape(tensor.shape)
        if name.endswith("gamma"):
            tensor.copy_(1.0 + 0.1 * u)
        elif name.endswith("RFF_freq"):
            tensor.copy_(2.0 * u)
        elif name.endswith("bias"):
            tensor.copy_(0.1 * u)
        elif not name.endswith("kernel"):
            tensor.copy_(u * math.sqrt(3.0 / math.prod(tensor.shape[1:])))
    return network


@pytest.fixture(scope="module")
def tiny() -> CqtUnet:
    return with_golden_weights(CqtUnet(TINY))


def prior(network: CqtUnet) -> Any:
    """The published denoiser: preconditioned, without what the bands do not hold."""
    denoiser = Karras(network, SIGMA_DATA)
    return lambda x, sigma: network.cqt.keep_bands(denoiser(x, sigma), as_published=True)


def listen(network: CqtUnet, names: Any) -> dict[str, Tensor]:
    """The last answer of each module, filled in as the network runs."""
    answers: dict[str, Tensor] = {}

    def remember(name: str) -> Any:
        return lambda _module, _arguments, answer: answers.__setitem__(name, answer)

    for name in names:
        network.get_submodule(name).register_forward_hook(remember(name))
    return answers


def at(x: Tensor, golden: dict[str, float]) -> tuple[list[float], list[float]]:
    return [float(x[0, int(place)]) for place in golden], list(golden.values())


@pytest.mark.parametrize(
    ("name", "config"), [("state_dict_tiny", TINY), ("state_dict_musicnet44k_4s", PRESETS["musicnet44k_4s"])]
)
def test_tensors_have_the_published_names_shapes_and_order(name: str, config: CqtUnetConfig) -> None:
    with torch.device("meta"):
        network = CqtUnet(config)
    found = [(key, list(tensor.shape)) for key, tensor in network.state_dict().items()]
    assert found == list(GOLDEN[name].items())


@pytest.mark.parametrize(
    ("preset", "parameters", "tensors", "sizes"),
    [
        ("musicnet44k_4s", 242_249_120, 795, (8, 16, 2048)),
        ("musicnet44k_8s", 242_249_120, 795, (8, 32, 4096)),
        ("maestro22k_8s", 186_279_648, 662, (7, 32, 2048)),
        ("maestro22k_131072", 186_279_648, 662, (7, 32, 2048)),
        ("librispeech16k_8s", 186_279_648, 662, (7, 32, 2048)),
    ],
)
def test_presets_are_the_published_networks(preset: str, parameters: int, tensors: int, sizes: tuple[int, ...]) -> None:
    with torch.device("meta"):
        network = CqtUnet(PRESETS[preset])
    frames = [frames for _, frames in network.cqt.shapes]
    assert (len(frames), frames[0], frames[-1]) == sizes
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert len(network.state_dict()) == tensors
    assert [name for name, p in network.named_parameters() if not p.requires_grad] == ["embedding.RFF_freq"]


def test_the_tiny_network_answers_as_published(tiny: CqtUnet) -> None:
    golden = GOLDEN["net_tiny"]
    with torch.no_grad():
        answer = tiny(congruential(4096), torch.tensor([[0.25 * math.log(0.5)]]))
    found, wanted = at(answer, golden["out_samples"])
    assert found == pytest.approx(wanted, abs=1e-6)
    assert float(answer.double().norm()) == pytest.approx(golden["out_l2"], rel=1e-6)


def test_a_guided_step_with_the_tiny_network(tiny: CqtUnet) -> None:
    golden, sigma = GOLDEN["guidance_tiny"], 0.5
    clean = 0.1 * congruential(4096, seed=7)
    x = clean + sigma * congruential(4096, seed=3)
    estimate = ReconstructionGuidance(0.25).denoise(prior(tiny), x, sigma, observed(clean), None)
    with torch.no_grad():
        denoised = Karras(tiny, SIGMA_DATA)(x, sigma)
    assert float(denoised.double().norm()) == pytest.approx(golden["denoised_l2"], rel=1e-6)
    for signal, key in ((denoised, "denoised_samples"), (estimate.x0, "xhat_after_guidance_and_dc_samples")):
        found, wanted = at(signal, golden[key])
        assert found == pytest.approx(wanted, abs=1e-6)
    score = (estimate.x0 - x).double() / sigma**2
    assert float(score.norm()) == pytest.approx(golden["score_l2"], rel=1e-6)


def test_the_sampler_and_all_modules_of_the_tiny_network(tiny: CqtUnet) -> None:
    """The published statistics of the modules are those of the sampler's last evaluation, at sigma = 1e-4."""
    golden, modules = GOLDEN["sampler_tiny_T5_Schurn0"], GOLDEN["net_tiny"]["modules"]
    sigmas = karras(5, 1e-4, 1.0, 13.0)
    assert sigmas.tolist() == pytest.approx(golden["t"], rel=1e-6)
    answers = listen(tiny, modules)
    x = sample(
        prior(tiny),
        ReconstructionGuidance(0.25),
        observed(0.1 * congruential(4096, seed=7)),
        sigmas,
        heun,
        start=sigmas[0].float() * congruential(4096, seed=11),
        noise=torch.zeros_like,  # heun asks for none
    )
    found, wanted = at(x, golden["out_samples"])
    assert found == pytest.approx(wanted, abs=1e-6)
    assert float(x.double().norm()) == pytest.approx(golden["out_l2"], rel=1e-6)
    for name, statistics in modules.items():
        answer = answers[name].detach().double()
        assert list(answer.shape) == statistics["shape"]
        # single precision: measured are 2e-8 on the means, 1.3e-6 on the deviations, 7e-7 on values up to 3
        assert answer.mean().item() == pytest.approx(statistics["mean"], abs=1e-6), name
        assert answer.std().item() == pytest.approx(statistics["std"], rel=3e-6), name
        assert answer.flatten()[:3].tolist() == pytest.approx(statistics["first"], abs=2e-6), name


def observed(clean: Tensor) -> Masked:
    mask = torch.ones(1, 4096, dtype=torch.bool)
    mask[:, 1800:2300] = False
    return Masked(clean, mask, fade=50)


@pytest.mark.slow
def test_the_full_network_answers_as_published() -> None:
    golden = GOLDEN["net_musicnet44k_4s_full"]
    network = with_golden_weights(CqtUnet(PRESETS["musicnet44k_4s"]))
    network.load_state_dict(dict(network.state_dict()), strict=True)
    answers = listen(network, golden["modules"])
    with torch.no_grad():
        answer = network(congruential(184_184), torch.tensor([[0.25 * math.log(0.5)]]))
    found, wanted = at(answer, golden["out_samples"])
    assert found == pytest.approx(wanted, abs=1e-6)
    assert answer.double().norm().item() == pytest.approx(golden["out_l2"], rel=1e-6)
    for name, statistics in golden["modules"].items():
        assert list(answers[name].shape) == statistics["shape"]
        assert answers[name].double().norm().item() == pytest.approx(statistics["l2"], rel=2e-6), name
        assert answers[name].flatten()[:3].tolist() == pytest.approx(statistics["first"], abs=1e-5), name


def test_items_of_a_batch_are_alone_and_the_level_may_have_one_axis(tiny: CqtUnet) -> None:
    x = torch.cat([congruential(4096, seed=seed) for seed in (2, 5)])
    levels = torch.tensor([-1.0, 0.2])
    with torch.no_grad():
        both = tiny(x, levels)
        torch.testing.assert_close(tiny(x, levels[:, None]), both, rtol=0.0, atol=0.0)
        for k in range(2):
            torch.testing.assert_close(tiny(x[k : k + 1], levels[k : k + 1])[0], both[k], rtol=0.0, atol=1e-6)


def test_resampling_keeps_and_halves_a_constant() -> None:
    x = torch.ones(2, 3, 5, 16)
    torch.testing.assert_close(Downsample()(x), torch.ones(2, 3, 5, 8))
    torch.testing.assert_close(Upsample()(x), torch.full((2, 3, 5, 32), 0.5))


def test_weights_are_drawn_from_the_generator_and_the_gates_are_shut() -> None:
    first, second = (CqtUnet(TINY, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    for (name, a), b in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
        assert bool(a.isfinite().all())
        if ".gate" in name:
            assert a.abs().max() < 1e-6
    # with the gates shut the network is linear in the signal, whatever the level
    x, y = (congruential(4096, seed=seed) for seed in (2, 5))
    level = torch.zeros(1)
    with torch.no_grad():
        torch.testing.assert_close(first(x, level) + first(y, level), first(x + y, level), rtol=0.0, atol=1e-4)


def test_every_trained_weight_moves_the_answer(tiny: CqtUnet) -> None:
    tiny.zero_grad()
    tiny(congruential(4096), torch.zeros(1)).square().sum().backward()
    still = [name for name, p in tiny.named_parameters() if p.requires_grad and not bool(p.grad.any())]  # type: ignore[union-attr]
    tiny.zero_grad()
    assert not still


def test_a_length_whose_octaves_do_not_double_is_refused() -> None:
    with pytest.raises(ValueError, match="samples=100 make octaves of"):
        CqtUnet(CqtUnetConfig(100, 44_100, TINY.channels, TINY.layers, TINY.attention, bins=16))


class Settings:
    """Stands for the pickled configuration that the published files carry."""

    def __init__(self) -> None:
        self.learning_rate = 2e-4


def published_file(path: Path, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint whose configuration is of a class that the reader does not have."""
    module = types.ModuleType("omegaconf_of_the_authors")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(Settings, "__module__", module.__name__)
    monkeypatch.setattr(module, "Settings", Settings, raising=False)
    torch.save({"it": 560_000, "args": Settings(), **content}, path)
    monkeypatch.undo()
    return path


def test_the_averaged_weights_of_a_published_file_are_read(
    tiny: CqtUnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = CqtUnet(TINY, generator=torch.Generator().manual_seed(0)).state_dict()
    content = {"network": other, "optimizer": {"state": {}}, "ema": tiny.state_dict()}
    path = published_file(tmp_path / "musicnet.pt", content, monkeypatch)
    read = load_published(path, TINY)
    assert all(torch.equal(a, b) for a, b in zip(read.state_dict().values(), tiny.state_dict().values(), strict=True))


class Malicious:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("this must not be printed",)


def test_nothing_in_a_file_is_run(tiny: CqtUnet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.pt"
    torch.save({"ema": tiny.state_dict(), "args": Malicious()}, path)
    load_published(path, TINY)
    torch.save({"ema": {**tiny.state_dict(), "embedding.RFF_freq": Malicious()}}, path)
    with pytest.raises(ValueError, match="expected a dict whose entry 'ema'"):
        load_published(path, TINY)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"it": 1, "network": {}}, r"holds \['it', 'network'\]; expected a dict whose entry 'ema'"),
        ([1, 2], "holds list; expected a dict whose entry 'ema'"),
        ({"ema": {"embedding.RFF_freq": torch.zeros(1, 32)}}, "191 of 192 tensors differ, the first is"),
        ({"ema": {"surplus": torch.zeros(1)}}, "193 of 192 tensors differ, the first is 'downs.0.0.H.0.weight'"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(content: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.pt"
    torch.save(content, path)
    with pytest.raises(ValueError, match=message) as caught:
        load_published(path, TINY)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.pt"
    path.write_text("not a checkpoint")
    with pytest.raises(ValueError, match=r"notes\.pt is no checkpoint that torch can read safely") as caught:
        load_published(path, TINY)
    assert "\n" not in str(caught.value)
