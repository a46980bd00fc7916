"""The small text model and its parts: laws of codec, voice and words, and recipes that learn and resume."""

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
    from lightning import Callback, Trainer

    from caesura.training.recipes import phrase_classifier as classifier_recipe
    from caesura.training.recipes import text_mini as recipe

from caesura.audio import Audio, write  # noqa: E402
from caesura.codecs import reliable  # noqa: E402
from caesura.codecs.mel import Mel  # noqa: E402
from caesura.codecs.patches import CHANNELS, FLOOR, Patches, _cosines  # noqa: E402
from caesura.codecs.voicing import Voice  # noqa: E402
from caesura.data.captions import CAPTIONS  # noqa: E402
from caesura.methods import build  # noqa: E402
from caesura.networks.mini_model import MiniModel, open_mini  # noqa: E402
from caesura.networks.phrase_classifier import QUESTIONS, PhraseClassifier, judged  # noqa: E402
from caesura.networks.text_mini import PIECES, PRESETS, WORDS, TextMini, pieces  # noqa: E402
from caesura.networks.weights import load  # noqa: E402
from caesura.problem import Problem, Region  # noqa: E402
from caesura.restoration import restore  # noqa: E402
from caesura.training.captioned import Captioned, mels, taught  # noqa: E402
from caesura.training.run import LAST, Run  # noqa: E402

RATE, ROW = 16_000, 640


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def tone(samples: int = 16 * ROW, pitch: float = 440.0) -> np.ndarray:
    t = np.arange(samples) / RATE
    return 0.4 * sum(np.sin(2 * np.pi * pitch * h * t) / h for h in (1, 2, 3)) * np.exp(-2 * (t % 0.25))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six phrases of a second, two of each split."""
    home = tmp_path_factory.mktemp("captions")
    rows = []
    for k, (split, family, pitch) in enumerate(
        [("train", "piano", 220), ("train", "flute", 880), ("valid", "piano", 247), ("valid", "flute", 784),
         ("test", "piano", 233), ("test", "flute", 830)]
    ):  # fmt: skip
        write(home / f"{k}.wav", Audio(tone(25 * ROW, pitch)[None], RATE), subtype="PCM_16")
        phrase = {
            "family": family, "program": 0, "register": "low" if pitch < 400 else "high", "tempo": "fast",
            "mood": "major", "figure": "repeated", "effect": "dry", "root": 60, "seed": k,
        }  # fmt: skip
        rows.append(json.dumps({"file": f"{k}.wav", "split": split, "caption": "", "phrase": phrase}))
    (home / CAPTIONS).write_text("\n".join(rows) + "\n")
    return home


def test_cosines_are_orthonormal() -> None:
    flat = _cosines().reshape(CHANNELS, -1)
    assert (flat @ flat.T - torch.eye(CHANNELS)).abs().max() < 1e-12


def test_patches_are_a_projection_at_unit_power() -> None:
    mel = torch.from_numpy(Mel().encode(tone())).float()[None]
    codec = Patches.fitted(mel)
    z, log_variance = codec.moments(mel[:, None])
    assert z.shape == (1, CHANNELS, 16, 16)
    assert bool(torch.isneginf(log_variance).all())
    assert z.square().mean() == pytest.approx(1.0, abs=1e-4)
    once = codec.decoded(z)
    again = codec.decoded(codec.moments(once)[0])
    kept = once > FLOOR + 0.5  # what lies at the floor is cut off once more
    assert (once - again)[kept].abs().max() < 0.3
    assert (once[:, 0] - mel.clamp(min=FLOOR)).abs().mean() < 0.25
    assert once.min() >= FLOOR


@pytest.mark.parametrize("region", [Region(4000, 6000), Region(4000, 6000, 500.0, 1500.0)])
def test_reliable_latents_see_nothing_that_is_missing(region: Region) -> None:
    codec = open_mini("tiny").codec
    x = np.random.default_rng(0).standard_normal(16 * ROW)
    change = np.zeros_like(x)
    t = np.arange(region.length) / RATE
    # the box is a steady sound in its middle, faded so that none of it is outside the box's band
    change[region.start : region.stop] = np.sin(2 * np.pi * 1000.0 * t) * np.hanning(region.length)
    before, after = (codec.encode(torch.from_numpy(y)[None]) for y in (x, x + 3 * change))
    kept = torch.from_numpy(reliable(codec.cells(x.size, "frames"), [region]))
    moved = (before - after)[0].abs().amax(dim=0)
    assert moved[kept].max() < (1e-9 if region.is_gap else 0.05) < 0.3 < moved[~kept].max()
    rows = (~kept).any(dim=1).sum()
    assert rows == 6  # 2000 samples are 3 rows or a little more; a window reaches half a row further on each side


def test_a_voice_fits_the_spectrogram_and_keeps_what_is_known() -> None:
    x = tone()
    mel = Mel().encode(x)
    y = Voice()(mel, x.size)
    off = np.abs(np.maximum(Mel().encode(y), -7) - np.maximum(mel, -7))[4:-4]
    assert off.mean() < 0.25  # two decibels
    mask = np.ones(x.size, dtype=bool)
    mask[4000:7000] = False
    filled = Voice()(mel, x.size, (np.where(mask, x, 0.0), mask))
    assert np.array_equal(filled[mask], x.astype(np.float32).astype(np.float64)[mask])
    gap = ~mask
    assert 0.5 < np.std(filled[gap]) / np.std(x[gap]) < 2.0


def test_magnitudes_have_the_spectrogram_that_was_asked_for() -> None:
    mel = Mel().encode(tone())
    off = np.abs(np.log(Voice(fits=100).magnitude(mel) @ Mel().filters.T + 1e-12) - mel)
    assert off[mel > -2].max() < 0.05
    assert off[mel > -8].mean() < 0.15  # beside a loud bin a quiet one converges slowly


def test_words_are_spelt_in_pieces() -> None:
    one = pieces("Slow, low piano-arpeggio!")
    assert one.shape == (1, WORDS, PIECES)
    assert torch.equal(one, pieces("slow low piano arpeggio"))
    assert int((one.sum(dim=2) > 0).sum()) == 4
    assert not pieces("").any()
    assert not pieces("...").any()
    singular, plural, other = (set(pieces(word)[0, 0].tolist()) - {0} for word in ("arpeggio", "arpeggios", "violin"))
    assert len(singular & plural) >= 6 > 1 >= len(singular & other)
    assert int((pieces(" ".join(["word"] * 99)).sum(dim=2) > 0).sum()) == WORDS


def test_the_network_follows_words_and_works_at_any_length() -> None:
    network = open_mini("tiny").network
    t = torch.tensor([300])
    for rows in (2, 16, 64):
        z = torch.randn(1, CHANNELS, rows, 16, generator=torch.Generator().manual_seed(0))
        silent, told = (network(z, t, *network.read(pieces(text))) for text in ("", "fast piano"))
        assert silent.shape == z.shape
        assert (silent - told).abs().max() > 1e-4
    alone = network(z, t, *network.read(pieces("fast piano")))
    twice = network(
        torch.cat([z, 0 * z]), t.expand(2), *network.read(torch.cat([pieces("fast piano"), pieces("slow")]))
    )
    assert (twice[:1] - alone).abs().max() < 1e-4  # items of a batch do not meet


def test_a_fill_joins_its_context() -> None:
    """Across the edges, spectra are nearer to those wanted than where a sound made without the context is pasted."""
    x, region = tone(), Region(4000, 5000)
    mel = torch.from_numpy(Mel().encode(x)).float()[None]
    codec, network = Patches.fitted(mel), TextMini(PRESETS["tiny"])
    network.mean.copy_(codec.mean)
    network.spread.copy_(codec.spread)
    model = MiniModel(network)
    z, _ = codec.moments(mel[:, None])
    mask = np.ones(x.size, dtype=bool)
    mask[region.start : region.stop] = False
    joined, alone = (model.decode(z, x.size, [(np.where(m, x, 0.0), m)])[0] for m in (mask, np.zeros_like(mask)))
    assert np.abs(joined - x)[mask].max() < 1e-6
    edges = [*range(22, 29), *range(28, 35)]  # frames that see both sides of an edge
    wanted, *found = (np.maximum(Mel().encode(np.where(mask, x, y)), -4)[edges] for y in (x, joined, alone))
    off = [np.abs(each - wanted).mean() for each in found]
    assert off[0] < 0.8 * off[1]


@pytest.mark.parametrize("way", ["plain", "repaint", "repaint+", "ddnm", "ddnm+", "guidance"])
def test_every_way_of_conditioning_runs(way: str) -> None:
    x = tone(24 * ROW)[None]
    method = build("text_mini", {"weights": "tiny", "steps": 3, "duration": 0.32, "conditioning": way})
    y = restore(Problem(x, (Region(6000, 9000),), RATE, text="a slow piano"), method).samples
    assert np.isfinite(y).all()
    assert np.array_equal(y[:, :6000], x[:, :6000])
    assert np.std(y[:, 6000:9000]) > 1e-3


def test_it_makes_sounds_from_nothing() -> None:
    method = build("text_mini", {"weights": "tiny", "steps": 2, "duration": 0.32})
    nothing = Problem(np.zeros((1, 8000)), (Region(0, 8000),), RATE, text="piano")
    one, same, other = (restore(nothing, method, seed=seed).samples for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert np.std(one) > 1e-3


class Interrupt(Callback):
    """Stops after two steps of however many."""

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        trainer.should_stop = trainer.global_step >= 2


def train(module: Any, data: Path, out: Path, steps: int, *callbacks: Callback, resume: bool = False) -> Any:
    run = Run(data, out, steps=steps, accelerator="cpu", resume=resume, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return module.train(module.PRESETS["tiny"], run, callbacks)


@pytest.mark.parametrize("module", [recipe, classifier_recipe], ids=["text_mini", "phrase_classifier"])
def test_recipes_learn_resume_and_export(module: Any, corpus: Path, tmp_path: Path) -> None:
    whole = train(module, corpus, tmp_path / "whole", 4)
    train(module, corpus, tmp_path / "parts", 4, Interrupt())
    parts = train(module, corpus, tmp_path / "parts", 4, resume=True)
    assert parts.trainer.global_step == 4
    if module is recipe:  # the classifier drops features at random, and draws anew when it is resumed
        for a, b in zip(whole.network.parameters(), parts.network.parameters(), strict=True):
            assert torch.equal(a, b)
    module.export(tmp_path / "parts" / LAST, tmp_path / "own.safetensors", "tiny")
    found = load(str(tmp_path / "own.safetensors"))
    assert isinstance(found, TextMini if module is recipe else PhraseClassifier)
    if module is recipe:
        made = build("text_mini", {"weights": str(tmp_path / "own.safetensors"), "steps": 2, "duration": 0.32})
        fill = restore(Problem(tone()[None], (Region(4000, 5000),), RATE), made).samples
        assert np.isfinite(fill).all()
    else:
        with pytest.raises(ValueError, match="another network than text_mini"):
            open_mini(str(tmp_path / "own.safetensors"))


def test_an_example_is_a_function_of_its_number(corpus: Path) -> None:
    examples = Captioned(*mels(corpus, "train"), 64, 0)
    for a, b in zip(examples[5], examples[5], strict=True):
        assert torch.equal(a, b)
    many = [examples[k] for k in range(200)]
    silent = sum(bool((one.mel[-1] < -11.5).all()) for one in many)
    untold = sum(not one.words.any() for one in many)
    assert 5 < silent < 60
    assert 5 < untold < 50
    levels = np.array([int(one.level) for one in many])
    assert levels.min() < 200
    assert levels.max() > 800


def test_a_batch_can_be_learnt(corpus: Path) -> None:
    teller = train(recipe, corpus, corpus / "once", 1)
    batch = recipe.Captioned(*mels(corpus, "train"), 64, 0)
    some = [torch.stack(parts) for parts in zip(*(batch[k] for k in range(4)), strict=True)]
    optimizer = torch.optim.Adam(teller.network.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        loss = teller.loss(teller.network, type(batch[0])(*some))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_a_reader_learns_what_captions_are_about(corpus: Path) -> None:
    phrases = [clip.phrase for clip in mels(corpus, "train")[0]]
    reader = TextMini(PRESETS["tiny"]).reader
    first = taught(reader, phrases, 1, 0, batch=16)
    last = taught(reader, phrases, 25, 0, batch=8)
    assert last < 0.7 * first


def test_the_classifier_answers_every_question() -> None:
    network = PhraseClassifier(classifier_recipe.PRESETS["tiny"].shape).eval()
    said = judged(network, torch.from_numpy(tone(40 * ROW)))
    assert {name: len(p) for name, p in said.items()} == {name: len(values) for name, values in QUESTIONS.items()}
    louder = judged(network, 0.1 * torch.from_numpy(tone(40 * ROW)))
    assert (said["family"] - louder["family"]).abs().max() < 0.05  # but for the floor of the logarithm
    with pytest.raises(ValueError, match="too short"):
        judged(network, torch.zeros(9000))
