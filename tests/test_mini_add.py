"""The small models that add an instrument: they begin as what they are built on, learn, and leave the rest alone."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what others deprecate in others
    from lightning import Callback, Trainer

    from caesura.training.recipes import mini_cnet as locked_recipe
    from caesura.training.recipes import mini_p2p as recipe

from caesura.addition import added  # noqa: E402
from caesura.cli import main  # noqa: E402
from caesura.codecs.patches import CHANNELS, Patches  # noqa: E402
from caesura.data import stems  # noqa: E402
from caesura.data.phrases import Part  # noqa: E402
from caesura.methods import build  # noqa: E402
from caesura.networks.mini_cnet import MiniCnet, controlled  # noqa: E402
from caesura.networks.mini_model import open_mini  # noqa: E402
from caesura.networks.mini_p2p import MiniP2p, widened  # noqa: E402
from caesura.networks.text_mini import PRESETS, TextMini, pieces  # noqa: E402
from caesura.networks.weights import load  # noqa: E402
from caesura.problem import Problem, Region  # noqa: E402
from caesura.training.accompanied import DROPPED, Accompanied, Accompanist, Added, sounds  # noqa: E402
from caesura.training.recipes.mini_p2p import base_of  # noqa: E402
from caesura.training.run import LAST, Run  # noqa: E402

RATE = 16_000
FRAMES = 64


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def tones(parts: Sequence[Part], font: Path, rate: int) -> list[np.ndarray]:
    """Instead of a synthesiser: every note a sine."""
    found = []
    for part in parts:
        x = np.zeros(8 * rate)
        for note in part.notes:
            first, t = round(note.begin * rate), np.arange(round(min(note.length, 0.5) * rate)) / rate
            wave = np.sin(2 * np.pi * 440 * 2 ** ((note.pitch - 69) / 12) * t) * np.exp(-4 * t)
            x[first : first + t.size] += wave[: max(x.size - first, 0)]
        found.append(x)
    return found


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pieces: three to learn from, one to measure on."""
    home = tmp_path_factory.mktemp("stems")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stems, "find_fluidsynth", lambda: "")
        patch.setattr(stems, "find_soundfonts", lambda given: (Path("font.sf2"),))
        patch.setattr(stems, "render_parts", tones)
        stems.prepare(home, count=6)
    return home


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a tiny text_mini."""
    from safetensors.torch import save_file

    path = tmp_path_factory.mktemp("base") / "base.safetensors"
    save_file(dict(based().state_dict()), path, metadata={"network": "text_mini", "preset": "tiny"})
    return path


def based() -> TextMini:
    torch.manual_seed(1)
    network = TextMini(PRESETS["tiny"])
    torch.nn.init.normal_(network.exit.weight, std=0.02)
    return network


@pytest.mark.parametrize("made", [widened, controlled])
def test_it_begins_as_the_network_it_is_built_on(made: Callable[[TextMini], TextMini]) -> None:
    base = based()
    network = made(base)
    z, guide = torch.randn(2, 3, CHANNELS, 16, 16, generator=torch.Generator().manual_seed(0)).unbind()
    t = torch.tensor([10, 500, 990])
    with torch.no_grad():
        words = base.read(pieces("add a slow flute").expand(3, -1, -1))
        wanted = base(z, t, *words)
    for beside in (None, guide, torch.zeros(1, 1, 1, 1)):
        assert (network(z, t, *words, beside) - wanted).abs().max() < 1e-5
    # from there it can learn to hear the backing track, in a step or two
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        network(z, t, *words, guide).square().mean().backward()
        optimizer.step()
    assert (network(z, t, *words, guide) - network(z, t, *words, 0 * guide)).abs().max() > 1e-6


def test_a_locked_network_stays_as_it_is() -> None:
    base = based()
    network = controlled(base)
    assert {id(p) for p in network.parameters() if p.requires_grad} == {id(p) for p in network.learning()}
    with torch.no_grad():
        for parameter in network.learning():
            parameter.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    z = torch.randn(1, CHANNELS, 16, 16, generator=torch.Generator().manual_seed(0))
    t, words = torch.tensor([300]), base.read(pieces("piano"))
    assert torch.equal(network(z, t, *words), base(z, t, *words))
    assert (network(z, t, *words, z) - base(z, t, *words)).abs().max() > 1e-2


@pytest.mark.parametrize("kind", ["mini_p2p", "mini_cnet"])
def test_a_learnt_network_hears_its_backing_track_item_by_item(kind: str) -> None:
    network = open_mini("tiny", kind).network
    z, guide = torch.randn(2, 2, CHANNELS, 16, 16, generator=torch.Generator().manual_seed(0)).unbind()
    t, words = torch.tensor([300, 300]), network.read(pieces("piano").expand(2, -1, -1))
    both = network(z, t, *words, guide)
    swapped = network(z, t, *words, guide.flip(0))
    assert (both - swapped).abs().max() > 1e-3
    alone = network(z[:1], t[:1], *(part[:1] for part in words), guide[:1])
    assert (both[:1] - alone).abs().max() < 1e-4


def test_an_example_is_a_stem_and_what_else_sounds(corpus: Path) -> None:
    found = sounds(corpus, "train")
    examples = Accompanied(found, FRAMES, 0)
    for a, b in zip(examples[5], examples[5], strict=True):
        assert torch.equal(a, b)
    many = [examples[k] for k in range(200)]
    untold = np.array([not one.words.any() for one in many])
    unseen = np.array([float(one.seen) == 0.0 for one in many])
    for part in (untold & ~unseen, untold & unseen, unseen & ~untold):
        assert 0.0 < part.mean() < 3 * DROPPED
    loud = [one for one in many if one.guide.max() > -5 and one.mel.max() > -5]
    assert len(loud) > 50
    alike = [np.corrcoef(one.mel.flatten(), one.guide.flatten())[0, 1] for one in loud]
    assert np.mean(np.array(alike) > 0.95) < 0.2  # the stem is not in its backing track
    assert sum(len(piece.stems) for piece in found.pieces) == len(found.waves) == len(found.mels)
    with pytest.raises(ValueError, match="caesura prepare stems"):
        sounds(corpus / "nowhere", "train")


def test_silent_stems_are_never_asked_for(corpus: Path) -> None:
    found = sounds(corpus, "train")
    waves = np.array(found.waves)
    waves[found.first[0] : found.first[1]] = 0
    examples = Accompanied(found._replace(waves=waves), FRAMES, 0)
    assert {examples._chosen(np.random.default_rng(k))[0] for k in range(60)} == {1, 2}


class Interrupt(Callback):
    """Stops after two steps of however many."""

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        trainer.should_stop = trainer.global_step >= 2


def train(module: Any, data: Path, out: Path, steps: int, *callbacks: Callback, **more: Any) -> Accompanist:
    run = Run(data, out, steps=steps, accelerator="cpu", progress=False, **more)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trained: Accompanist = module.train(module.PRESETS["tiny"], run, callbacks)
    return trained


@pytest.mark.parametrize("module", [recipe, locked_recipe], ids=["mini_p2p", "mini_cnet"])
def test_recipes_learn_resume_and_export(module: Any, corpus: Path, base: Path, tmp_path: Path) -> None:
    name = module.__name__.rpartition(".")[2]
    whole = train(module, corpus, tmp_path / "whole", 4, base=str(base))
    train(module, corpus, tmp_path / "parts", 4, Interrupt(), base=str(base))
    parts = train(module, corpus, tmp_path / "parts", 4, resume=True)
    assert parts.trainer.global_step == 4
    for a, b in zip(whole.network.parameters(), parts.network.parameters(), strict=True):
        assert torch.equal(a, b)
    module.export(tmp_path / "parts" / LAST, tmp_path / "own.safetensors", "tiny")
    own = str(tmp_path / "own.safetensors")
    assert isinstance(load(own), MiniP2p if module is recipe else MiniCnet)
    x = 0.1 * np.sin(np.arange(12_000) / 5)[None]
    made = added(x, RATE, build(name, {"weights": own, "steps": 2}), text="piano")
    assert np.array_equal(made.mix, x + made.stem)
    assert np.std(made.stem) > 1e-3
    with pytest.raises(ValueError, match=f"another network than {name}"):
        open_mini(str(base), name)
    with pytest.raises(ValueError, match="another network than text_mini"):
        open_mini(own)


def test_it_is_built_on_a_network_of_its_size(corpus: Path, base: Path) -> None:
    with pytest.raises(ValueError, match="--base"):
        base_of(PRESETS["tiny"], Run(corpus, corpus))
    with pytest.raises(ValueError, match="no text_mini of this preset's size"):
        base_of(PRESETS["cpu"], Run(corpus, corpus, base=str(base)))


def test_a_batch_can_be_learnt(corpus: Path) -> None:
    found = sounds(corpus, "train")
    examples = Accompanied(found, FRAMES, 0)
    batch = Added(*(torch.stack(parts) for parts in zip(*(examples[k] for k in range(4)), strict=True)))
    codec = Patches.fitted(torch.from_numpy(found.mels.astype(np.float32)))
    network = widened(based())
    network.mean.copy_(codec.mean)
    network.spread.copy_(codec.spread)
    teller = Accompanist(network, recipe.PRESETS["tiny"].how, examples, examples)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(20):
        loss = teller.loss(network, batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


def quick(**settings: Any) -> Any:
    return build("mini_p2p", {"weights": "tiny", "steps": 2, **settings})


def asked(guide: np.ndarray, text: str = "piano") -> Problem:
    return Problem(np.zeros_like(guide), (Region(0, guide.shape[1]),), RATE, guide=guide, text=text)


@pytest.mark.parametrize("seconds", [0.03, 1.0, 12.0])
def test_a_song_of_any_length_gets_a_stem_as_loud_as_asked_for(seconds: float) -> None:
    t = np.arange(round(seconds * RATE)) / RATE
    guide = 0.1 * np.stack([np.sin(2 * np.pi * 330 * t), np.sin(2 * np.pi * 495 * t)])
    stem = quick(loudness=-6.0)(asked(guide), rng=np.random.default_rng(0)) - guide
    assert stem.shape == guide.shape
    assert np.abs(stem[0] - stem[1]).max() < 1e-12  # the same in both channels
    assert 20 * np.log10(np.std(stem) / np.std(guide)) == pytest.approx(-6.0, abs=0.2)


def test_text_backing_track_and_seed_make_a_difference() -> None:
    t = np.arange(RATE) / RATE
    low, high = (0.1 * np.sin(2 * np.pi * hertz * t)[None] for hertz in (220, 880))

    def made(guide: np.ndarray, text: str, seed: int = 0, **settings: Any) -> np.ndarray:
        return np.asarray(quick(**settings)(asked(guide, text), rng=np.random.default_rng(seed)) - guide)

    first = made(low, "piano")
    assert np.array_equal(first, made(low, "piano"))
    for other in (made(low, "fast flute"), made(high, "piano"), made(low, "piano", seed=1)):
        assert np.abs(first - other).max() > 1e-3
    # a backing track at no scale is not heard
    deaf = [made(guide, "piano", guide_scale=0.0, scale=0.0) for guide in (low, high)]
    assert np.abs(deaf[0] - deaf[1]).max() < 1e-6


def test_silence_is_no_backing_track() -> None:
    nothing = np.zeros((1, RATE))
    stem = quick()(asked(nothing), rng=np.random.default_rng(0))
    assert np.std(stem) > 1e-3
    assert np.isfinite(stem).all()


@pytest.mark.parametrize(
    ("setting", "why"),
    [({"steps": 1}, "steps=1"), ({"scale": -1.0}, "scale=-1"), ({"guide_scale": -0.5}, "guide_scale=-0.5"),
     ({"loudness": 30.0}, "between -60 and 24")],
)  # fmt: skip
def test_bad_settings_are_named(setting: dict[str, float], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        quick(**setting)


def test_the_weights_that_ship_are_of_the_network_and_hear_the_backing_track() -> None:
    network = open_mini("", "mini_p2p").network
    assert sum(p.numel() for p in network.parameters()) == 5_458_368
    z, guide = torch.randn(2, 1, CHANNELS, 32, 16, generator=torch.Generator().manual_seed(0)).unbind()
    t, words = torch.tensor([600]), network.read(pieces("slow low strings"))
    alone, beside = (network(z, t, *words, each) for each in (torch.zeros(1, 1, 1, 1), guide))
    assert (alone - beside).square().mean() > 1e-3 * alone.square().mean()


def test_the_branch_that_ships_hears_the_backing_track_beside_text_mini() -> None:
    base, network = open_mini("").network, open_mini("", "mini_cnet").network
    z, guide = torch.randn(2, 1, CHANNELS, 32, 16, generator=torch.Generator().manual_seed(0)).unbind()
    t, words = torch.tensor([600]), network.read(pieces("slow low strings"))
    assert torch.equal(network(z, t, *words), base(z, t, *words))
    beside = network(z, t, *words, guide)
    assert (beside - network(z, t, *words)).square().mean() > 1e-3 * beside.square().mean()


def test_add_without_a_method_asks_the_small_model(tmp_path: Path) -> None:
    source, mix, stem = (tmp_path / f"{name}.wav" for name in ("song", "mix", "stem"))
    t = np.arange(22_050) / 44_100
    soundfile.write(source, 0.2 * np.stack([np.sin(2 * np.pi * 330 * t), np.sin(2 * np.pi * 495 * t)], 1), 44_100)
    few = ["-s", "weights=tiny", "-s", "steps=2"]
    assert main(["add", str(source), "--text", "slow low strings", "-o", str(mix), "--stem", str(stem), *few]) == 0
    song, mixed, added_to_it = (soundfile.read(path)[0] for path in (source, mix, stem))
    assert np.array_equal(mixed, song + added_to_it)
    assert 20 * np.log10(np.std(added_to_it) / np.std(song)) == pytest.approx(-6.0, abs=0.5)
