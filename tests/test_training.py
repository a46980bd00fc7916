"""Training: examples that repeat, an average that follows, a recipe that learns one clip and goes on exactly."""

import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what others deprecate in others

from lightning import Callback, Trainer  # noqa: E402
from lightning.pytorch.callbacks import Timer  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from caesura.audio import Audio, write  # noqa: E402
from caesura.cli import main  # noqa: E402
from caesura.data.music import Corpus  # noqa: E402
from caesura.networks.cqt_lean import CqtLean  # noqa: E402
from caesura.networks.weights import load  # noqa: E402
from caesura.training.average import Average  # noqa: E402
from caesura.training.examples import Endless, Example, Gapped, Gaps  # noqa: E402
from caesura.training.recipes.cqtdiff import LAST, PRESETS, Run, export, train  # noqa: E402
from caesura.training.restorer import Restorer  # noqa: E402

TINY = PRESETS["tiny"]
RATE = TINY.shape.sample_rate


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A corpus of one clip that leaves no choice of where to cut."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    t = np.arange(TINY.shape.samples + 130) / RATE
    x = sum(0.2 / k * np.sin(2 * np.pi * 220.0 * k * t) for k in (1, 2, 3))
    write(folder / "clip.wav", Audio(np.atleast_2d(x), RATE), subtype="PCM_16")
    return folder


def examples(clip: Path, gaps: Gaps = TINY.gaps, seed: int = 0) -> Gapped:
    return Gapped(Corpus((clip / "clip.wav",), RATE), TINY.shape.samples, gaps, seed)


def run(clip: Path, out: Path, **settings: object) -> Run:
    return Run(clip, out, accelerator="cpu", progress=False, **settings)  # type: ignore[arg-type]


def test_an_example_is_a_function_of_its_number(clip: Path) -> None:
    one, other = examples(clip), examples(clip)
    for index in (5, 0, 5):
        for a, b in zip(one[index], other[index], strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(one[0].unknown, one[1].unknown)


def test_the_guess_is_the_music_where_it_is_known(clip: Path) -> None:
    source = examples(clip, Gaps(longest=0.1, apart=0.05, blind=0.0))
    for index in range(5):
        example = source[index]
        assert example.unknown.any()
        assert torch.equal(example.guess[~example.unknown], example.x[~example.unknown])
        error = (example.guess - example.x)[example.unknown].norm()
        # a sum of three sines is easy to predict
        assert 0.0 < error < 0.5 * example.x[example.unknown].norm()


def test_some_examples_are_blind(clip: Path) -> None:
    source = examples(clip, Gaps(longest=0.1, apart=0.05, blind=0.5))
    found = [source[index] for index in range(20)]
    assert 2 < sum(bool(example.blind) for example in found) < 18
    for example in found:
        if example.blind:
            assert torch.equal(example.guess, example.x)  # its envelope is told, nothing else


def test_gaps_keep_apart() -> None:
    gaps, rng = Gaps(shortest=0.02, longest=0.2, apart=0.05, most=4), np.random.default_rng(0)
    counts = []
    for _ in range(200):
        spans = gaps.draw(RATE, RATE, rng)
        counts.append(len(spans))
        edges = [0, *(edge for span in spans for edge in span), RATE]
        assert min(b - a for a, b in zip(edges[::2], edges[1::2], strict=True)) >= 0.05 * RATE
        assert all(0.019 * RATE < b - a < 0.21 * RATE for a, b in spans)
    assert set(counts) == {1, 2, 3, 4}


def test_processes_share_the_examples_out() -> None:
    ranks = [iter(Endless(10, rank, 2)) for rank in (0, 1)]
    drawn = [[next(indices) for _ in range(3)] for indices in ranks]
    assert drawn == [[10, 12, 14], [11, 13, 15]]


def test_the_average_follows_and_is_saved() -> None:
    network = torch.nn.Linear(2, 2)
    average = Average(network, 0.5)
    start = average.network.weight.clone()
    with torch.no_grad():
        network.weight += 1.0
    average.update(network)
    # after one update the share that is kept is 2 / 11
    torch.testing.assert_close(average.network.weight, start + 9.0 / 11.0)
    for _ in range(30):
        average.update(network)
    torch.testing.assert_close(average.network.weight, network.weight)
    again = Average(torch.nn.Linear(2, 2), 0.5)
    again.load_state_dict(average.state_dict())
    assert int(again.updates) == 31
    with pytest.raises(ValueError, match=r"decay=1.0 must lie in \[0, 1\)"):
        Average(network, 1.0)


def test_the_loss_of_a_fresh_network_is_that_of_predicting_nothing(clip: Path) -> None:
    source = examples(clip, Gaps(longest=0.1, apart=0.05, blind=0.0))
    restorer = Restorer(TINY.shape, TINY.how, source, seed=0)
    batch = Example(*(torch.stack(parts) for parts in zip(*(source[k] for k in range(8)), strict=True)))
    with torch.no_grad():
        # the target has unit variance for a signal as loud in every band as its envelope says; tones are peaks
        assert 0.3 < float(restorer.loss(batch, (0,))) < 3.0
        assert float(restorer.loss(batch, (0,))) == float(restorer.loss(batch, (0,)))
        assert float(restorer.loss(batch, (0,))) != float(restorer.loss(batch, (1,)))


def test_it_learns_one_clip(clip: Path, tmp_path: Path) -> None:
    source = examples(clip)
    batch = Example(*(torch.stack(parts) for parts in zip(*(source[k] for k in range(8)), strict=True)))

    def loss(network_of: Restorer) -> float:
        with torch.no_grad():
            return float(np.mean([float(network_of.loss(batch, (99, k))) for k in range(8)]))

    before = loss(Restorer(TINY.shape, TINY.how, source, seed=0))
    after = loss(train(TINY, run(clip, tmp_path / "out", steps=60)))
    assert after < 0.7 * before  # measured: 0.59


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(clip: Path, tmp_path: Path) -> None:
    class Interrupt(Callback):
        def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
            trainer.should_stop = trainer.global_step == 3

    whole = train(TINY, run(clip, tmp_path / "whole", steps=6))
    assert train(TINY, run(clip, tmp_path / "parts", steps=6), [Interrupt()]).global_step == 3
    parts = train(TINY, run(clip, tmp_path / "parts", steps=6, resume=True))
    assert parts.global_step == 6
    for (name, a), b in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


class Rates(Callback):
    """Notes the learning rate of every step, relative to the preset's."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_start(self, trainer: Trainer, *_: object) -> None:
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"] / TINY.how.rate)


def test_the_learning_rate_falls_at_the_end_of_the_steps(clip: Path, tmp_path: Path) -> None:
    rates = Rates()
    train(TINY, run(clip, tmp_path / "out", steps=20), [rates])
    rise, stay, fall = rates.seen[:5], rates.seen[5:14], rates.seen[14:]
    np.testing.assert_allclose(rise, [0.2, 0.4, 0.6, 0.8, 1.0])
    np.testing.assert_allclose(stay, 1.0)
    np.testing.assert_allclose(fall, np.arange(6, 0, -1) / 6.0)


def test_the_learning_rate_falls_at_the_end_of_the_minutes(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elapsed = iter(range(1000))  # a clock that goes on by a second whenever it is looked at
    monkeypatch.setattr(Timer, "time_elapsed", lambda *_: float(next(elapsed)))
    rates = Rates()
    train(TINY, run(clip, tmp_path / "out", minutes=1.0), [rates])
    assert max(rates.seen) == 1.0
    assert all(a >= b for a, b in pairwise(rates.seen[rates.seen.index(1.0) :]))
    assert rates.seen[-1] < 0.3


def test_an_export_is_the_average_and_can_be_loaded(clip: Path, tmp_path: Path) -> None:
    restorer = train(TINY, run(clip, tmp_path / "out", steps=3))
    export(tmp_path / "out" / LAST, tmp_path / "mine.safetensors", "tiny")
    saved = load_file(tmp_path / "mine.safetensors")
    for name, value in restorer.average.network.state_dict().items():
        assert torch.equal(saved[name], value.half())
    network = load(str(tmp_path / "mine.safetensors"))
    assert isinstance(network, CqtLean)
    with pytest.raises(ValueError, match="holds no network of preset cpu"):
        export(tmp_path / "out" / LAST, tmp_path / "other.safetensors", "cpu")
    assert not (tmp_path / "other.safetensors").exists()


def test_it_trains_in_mixed_precision(clip: Path, tmp_path: Path) -> None:
    restorer = train(TINY, run(clip, tmp_path / "out", steps=2, precision="bf16-mixed"))
    assert {parameter.dtype for parameter in restorer.parameters()} == {torch.float32}
    assert float(restorer.trainer.callback_metrics["loss"]) < 3.0


def test_tensorboard_gets_sound_and_pictures(clip: Path, tmp_path: Path) -> None:
    import dataclasses

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # protobuf's
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    train(dataclasses.replace(TINY, listen=2), run(clip, tmp_path / "out", steps=2))
    events = EventAccumulator(str(tmp_path / "out" / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["audio"]) == {"original", "guess", "filled"}
    assert set(events.Tags()["images"]) == {"original", "guess", "filled"}


def test_the_command_trains_resumes_and_exports(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, file = tmp_path / "out", tmp_path / "mine.safetensors"
    words = ["train", "cqtdiff", "--preset", "tiny", "--data", str(clip), "--out", str(out), "--accelerator", "cpu"]
    assert main([*words, "--steps", "1", "--quiet"]) == 0
    assert main([*words, "--steps", "2", "--quiet"]) == 2
    assert "exists: pass --resume to go on with it" in capsys.readouterr().err
    assert main([*words, "--steps", "2", "--quiet", "--resume"]) == 0
    assert main([*words, "--export", str(file)]) == 0
    assert file.is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "cqtdif"], "there is no recipe 'cqtdif': choose from cqtdiff"),
        (["train", "cqtdiff", "--preset", "huge", "--out", "x"], "preset 'huge' is not one of tiny, cpu, gpu"),
        (["train", "cqtdiff", "--out", "x"], "name the folder of the corpus with --data"),
        (["train", "cqtdiff"], "name a folder for the checkpoints with --out"),
        (["train", "cqtdiff", "--out", "x", "--data", "y", "--layout", "odd"], "layout 'odd' is not one of folder"),
        (["train", "cqtdiff", "--out", "x", "--data", "y", "--resume"], "there is no checkpoint 'x/last.ckpt'"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith(f"caesura: {said}")
    assert len(error.splitlines()) == 1
