"""cqtdiff: what comes back through a prior that is known exactly; batches, boxes, edges, warm starts, and errors."""

import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from caesura.audio import Audio, write
from caesura.diffusion import Denoiser
from caesura.inpainter import Note
from caesura.labels import Label
from caesura.methods import _cqtdiff, build, cqtdiff
from caesura.methods.cqtdiff import Cqtdiff
from caesura.networks import cqt_priors
from caesura.networks.cqt_priors import Facts, Prior
from caesura.networks.cqt_unet import CqtUnet, CqtUnetConfig
from caesura.problem import Problem, Region
from caesura.repair import repair_file
from caesura.restoration import restore

torch.set_num_threads(1)

RATE = 8000
LENGTH = 2048
TONES = (440.0, 1250.0)


METHOD = Cqtdiff(context=0.06, level=0.0)


class Exact(Facts):
    """Knows that the signal is a sum of two tones: the exact denoiser is the projection on their span."""

    calls: list[int]

    def prior(self, guess: Tensor, known: Tensor) -> Prior:
        t = torch.arange(guess.shape[1], dtype=torch.float64) / RATE
        waves = torch.stack([f(2 * torch.pi * hz * t) for hz in TONES for f in (torch.sin, torch.cos)])
        basis = torch.linalg.qr(waves.T).Q.float()

        def denoiser(x: Tensor, sigma: Any, **_: Any) -> Tensor:
            self.calls.append(len(x))
            return x @ basis @ basis.T

        exact: Denoiser = denoiser
        return Prior(exact, guess.float(), lambda z: z, lambda x: x)


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> Exact:
    """The method with that prior, and without the classical fill, which would know the tones as well."""
    facts = Exact(
        torch.nn.Identity(),
        RATE,
        LENGTH,
        sigma_data=1.0,
        sigma_min=1e-3,
        sigma_max=10.0,
        rho=7.0,
        steps=12,
        gaps="moments",
        boxes="moments",
        solver="2m",
        halvings=0,
        guess="silence",
    )
    object.__setattr__(facts, "calls", [])
    monkeypatch.setattr(cqtdiff, "open_weights", lambda weights, preset: facts)
    return facts


def tones(rate: int, seconds: float, channels: int = 1) -> np.ndarray:
    t = np.arange(round(rate * seconds)) / rate
    return np.stack([sum(0.2 * (1 + c) * np.sin(2 * np.pi * hz * t + hz + c) for hz in TONES) for c in range(channels)])


def snr(x: np.ndarray, found: np.ndarray, span: slice) -> float:
    error = x[:, span] - found[:, span]
    return float(10.0 * np.log10(np.sum(x[:, span] ** 2) / np.sum(error**2)))


@pytest.mark.parametrize(
    ("start", "stop"), [(8000, 8400), (0, 300), (15_700, 16_000), (100, 300)], ids=["middle", "start", "end", "near"]
)
def test_a_gap_anywhere(exact: Exact, start: int, stop: int) -> None:
    x = tones(RATE, 2.0)
    restored = restore(Problem(x, (Region(start, stop),), RATE), METHOD).samples
    # Single precision, and a dozen levels of a walk that ends at 1e-3 of the signal.
    assert snr(x, restored, slice(start, stop)) > 40.0


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
def test_any_rate(exact: Exact, rate: int) -> None:
    object.__setattr__(exact, "guess", "linear")  # without jumps, which the change of rate would smear
    x = tones(rate, 2.0)
    gap = Region(rate, rate + rate // 20)
    restored = restore(Problem(x, (gap,), rate), METHOD).samples
    # Without a classical fill the network's resampled answer leaves the edges to the filter.
    assert snr(x, restored, slice(gap.start, gap.stop)) > (40.0 if rate == RATE else 20.0)


def test_a_recording_shorter_than_a_piece(exact: Exact) -> None:
    x = tones(RATE, 0.1)
    restored = restore(Problem(x, (Region(300, 400),), RATE), METHOD).samples
    assert snr(x, restored, slice(300, 400)) > 40.0


@pytest.mark.parametrize(
    ("samples", "context", "halvings", "length"),
    [
        (3000, 0.0, 0, 2 * LENGTH),
        (3000, 0.1, 2, 4 * LENGTH),
        (10, 0.1, 2, LENGTH),
        (10, 0.05, 2, LENGTH // 2),
        (10, 0.0, 2, LENGTH // 4),
        (10, 0.0, 0, LENGTH),
        (LENGTH, 0.0, 2, LENGTH),
    ],
)
def test_pieces_are_as_long_as_they_need_to_be(samples: int, context: float, halvings: int, length: int) -> None:
    problem = Problem(np.zeros((1, 9000)), (Region(2000, 2000 + samples),), RATE)
    assert _cqtdiff.length_for(problem, context, RATE, LENGTH, halvings) == length


def test_every_region_is_in_one_piece_and_other_gaps_are_no_context(exact: Exact) -> None:
    regions = tuple(Region(k, k + 200) for k in range(500, 15_000, 900))
    recording = _cqtdiff.Recording(Problem(tones(RATE, 2.0), regions, RATE), RATE, "silence")
    covered = np.zeros(16_000 + 2 * LENGTH, dtype=int)
    reliable = np.ones(16_000, dtype=bool)
    for region in regions:
        reliable[region.start : region.stop] = False
    for piece in _cqtdiff.cut(recording, LENGTH, 0.06):
        covered[LENGTH + piece.start :][:LENGTH] += piece.taken
        first = max(piece.start, 0)
        inside = piece.mask[first - piece.start :][: 16_000 - first]
        assert np.array_equal(inside, reliable[first : first + inside.size])
    assert np.array_equal(covered[LENGTH:-LENGTH], (~reliable).astype(int))


def test_many_gaps_share_batches_and_do_not_influence_each_other(exact: Exact) -> None:
    x = tones(RATE, 40.0)
    regions = tuple(Region(k, k + 160) for k in range(4000, 316_000, 26_000))
    together = restore(Problem(x, regions, RATE), METHOD).samples
    assert max(exact.calls) == cqtdiff.BATCH
    for region in regions:
        alone = restore(Problem(x, (region,), RATE), METHOD).samples
        span = slice(region.start, region.stop)
        # Sums over batches of another size may be taken in another order, in single precision.
        assert np.allclose(together[:, span], alone[:, span], atol=1e-5)
        assert snr(x, together, span) > 40.0


def test_identical_channels_are_done_once(exact: Exact) -> None:
    x = np.repeat(tones(RATE, 2.0), 2, axis=0)
    restored = restore(Problem(x, (Region(8000, 8400),), RATE), METHOD).samples
    assert np.array_equal(restored[0], restored[1])
    assert set(exact.calls) == {1}


def test_channels_that_differ_draw_the_same_noise(exact: Exact) -> None:
    """The second channel is the first at twice the level, so the same noise gives the same fill but for that noise."""
    jobs: list[Any] = []
    run = Cqtdiff._walk
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cqtdiff, "_walk", lambda self, facts, own, part: jobs.extend(own) or run(self, facts, own, part))
        restore(Problem(tones(RATE, 2.0, 2), (Region(8000, 8400),), RATE), METHOD)
    assert len(jobs) == 2
    assert jobs[0].seed == jobs[1].seed


def test_both_channels_at_once_without_restore(exact: Exact) -> None:
    x = tones(RATE, 2.0, 2)
    problem = Problem(x, (Region(8000, 8400), Region(3000, 3100, channel=1)), RATE)
    estimate = problem.paste(METHOD(problem, rng=np.random.default_rng(0)))
    assert snr(x, estimate, slice(8000, 8400)) > 40.0
    assert snr(x[1:], estimate[1:], slice(3000, 3100)) > 40.0


def test_a_box_is_filled_and_nothing_else_changes(exact: Exact) -> None:
    x = tones(RATE, 2.0)
    box = Region(6000, 7600, 1000.0, 1600.0)
    problem = Problem(x, (box,), RATE)
    restored = restore(problem, METHOD).samples
    outside = np.ones(x.shape[1], dtype=bool)
    outside[box.start : box.stop] = False
    assert np.array_equal(restored[:, outside], x[:, outside])
    before, after = snr(x, problem.y, slice(6000, 7600)), snr(x, restored, slice(6000, 7600))
    assert before < 6.0  # the box holds one of two equal tones
    assert after > 30.0


def test_a_box_beside_a_gap(exact: Exact) -> None:
    x = tones(RATE, 2.0)
    regions = (Region(6000, 7600, 1000.0, 1600.0), Region(7000, 7200))
    problem = Problem(x, regions, RATE)
    restored = restore(problem, METHOD).samples
    # Where the two overlap the true signal itself cannot be pasted exactly: that is the bound, and it is reached.
    bound = snr(x, problem.paste(x), slice(6000, 7600))
    assert snr(x, restored, slice(6000, 7600)) == pytest.approx(bound, abs=0.1)


def test_a_box_above_what_the_network_hears_is_refused(exact: Exact) -> None:
    x = tones(44_100, 1.0)
    done = restore(Problem(x, (Region(20_000, 24_000, 9000.0, 12_000.0),), 44_100), METHOD)
    assert not done.fills[0].filled
    assert "above the 4 kHz" in done.fills[0].why
    assert exact.calls == []


@pytest.mark.parametrize("solver", ["heun", "2m", "ancestral"])
@pytest.mark.parametrize("conditioner", ["guidance", "moments", "null_space", "replacement"])
def test_every_conditioner_with_every_solver(exact: Exact, conditioner: Any, solver: Any) -> None:
    x = tones(RATE, 1.0)
    method = Cqtdiff(context=0.06, conditioner=conditioner, solver=solver, strength=1.0)
    restored = restore(Problem(x, (Region(4000, 4080),), RATE), method).samples
    # The context determines the fill; what a conditioner leaves of the noise it started from differs.
    assert snr(x, restored, slice(4000, 4080)) > {"moments": 35.0}.get(conditioner, 15.0)


def test_a_warm_start_changes_the_guess_by_its_noise_at_most(exact: Exact, monkeypatch: pytest.MonkeyPatch) -> None:
    x = tones(RATE, 1.0)

    monkeypatch.setattr(_cqtdiff, "build", lambda name, settings: lambda problem, rng: x)
    method = Cqtdiff(context=0.06, start=0.01, conditioner="prior", level=0.0)
    restored = restore(Problem(x, (Region(4000, 4400),), RATE), method).samples
    assert 0.0 < np.abs(restored - x).max() < 0.05


def test_candidates_are_judged_by_their_edges(exact: Exact) -> None:
    recording = _cqtdiff.Recording(Problem(tones(RATE, 2.0), (Region(8000, 8200),), RATE), RATE, "silence")
    piece = next(iter(_cqtdiff.cut(recording, LENGTH, 0.06)))
    truth = np.roll(tones(RATE, 2.0)[0], -piece.start)[:LENGTH]
    clicking = np.where(piece.taken, -truth, truth)
    assert piece.conspicuous(truth) < piece.conspicuous(clicking)
    exact.calls.clear()
    restore(Problem(tones(RATE, 2.0), (Region(8000, 8200),), RATE), Cqtdiff(candidates=3, context=0.06))
    assert set(exact.calls) == {3}


def test_silence_is_left_to_the_classical_fill(exact: Exact) -> None:
    restored = restore(Problem(np.zeros((1, 8000)), (Region(4000, 4100),), RATE), METHOD).samples
    assert not restored.any()
    assert exact.calls == []


def test_progress_and_notes(exact: Exact) -> None:
    seen: list[float] = []
    notes: list[Note] = []
    problem = Problem(tones(RATE, 2.0), (Region(8000, 8100),), RATE)
    Cqtdiff(steps=4, context=0.06)(problem, rng=np.random.default_rng(0), progress=seen.append, note=notes.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert [note.parameters for note in notes] == [{"weights": "lean", "steps": 4}]

    def cancel(_fraction: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        Cqtdiff(steps=4, context=0.06)(problem, rng=np.random.default_rng(0), progress=cancel)


def test_windows_of_a_long_recording_are_equally_long(exact: Exact, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    run = Cqtdiff.many

    def counted(self: Cqtdiff, problems: Any, **more: Any) -> Any:
        sizes.append(len(problems))
        return run(self, problems, **more)

    monkeypatch.setattr(Cqtdiff, "many", counted)
    x = tones(RATE, 120.0, 2)
    regions = tuple(Region(k, k + 80) for k in range(400, 950_000, 95_000))
    restored = restore(Problem(x, regions, RATE), METHOD).samples
    # Ten windows of two channels, in two batches of `restore`.
    assert sizes == [16, 4]
    assert snr(x, restored, slice(400, 480)) > 40.0


def test_memory_does_not_grow_with_the_recording(exact: Exact, tmp_path: Path) -> None:
    """Three minutes need as much as one: batches are bounded, and windows are read as they come."""
    peaks, batches = [], []
    method = Cqtdiff(context=0.06, level=0.0, conditioner="prior", steps=2)
    for minutes in (1, 1, 3):  # the first pays for imports and tables
        source = tmp_path / f"{len(peaks)}.wav"
        write(source, Audio(tones(RATE, 60.0 * minutes, 2), RATE), subtype="PCM_16")
        starts = range(4 * RATE, (60 * minutes - 3) * RATE, 6 * RATE)
        labels = [Label(Region(k, k + 400)) for k in starts]
        exact.calls.clear()
        tracemalloc.start()
        report = repair_file(source, tmp_path / f"restored {len(peaks)}.wav", labels, method)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert report.filled == len(labels)
        assert report.changed_outside == 0
        batches.append(max(exact.calls))
    assert batches == 3 * [cqtdiff.BATCH]
    assert peaks[2] < 1.25 * peaks[1]  # measured: 1.08


# --- the networks themselves ------------------------------------------------------------------------------------------


def _published() -> Facts:
    config = CqtUnetConfig(4096, 44_100, (8, 16, 24), (1, 2, 3), (False, False, True), bins=16, embedding=32, heads=4)
    network = CqtUnet(config, generator=torch.Generator().manual_seed(0)).eval().requires_grad_(False)
    levels = {"sigma_data": 0.063, "sigma_min": 1e-4, "sigma_max": 1.0, "rho": 13.0, "steps": 4, "halvings": 0}
    return Facts(network, 44_100, 4096, **levels, gaps="guidance", boxes="guidance", solver="heun", guess="lsar")  # type: ignore[arg-type]


def test_what_the_published_network_cannot_hear_comes_from_the_guess() -> None:
    """Its bands begin at 2.8 kHz in this small form; what lies below passes by it."""
    guess = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 4096)))
    known = torch.ones(2, 4096, dtype=torch.bool)
    prior = _published().prior(guess, known)
    assert torch.allclose(prior.back(prior.clean).double(), guess, atol=1e-4)
    assert float(prior.clean.square().mean().sqrt()) == pytest.approx(0.063, rel=0.2)
    low = torch.fft.rfft(prior.denoiser(prior.clean, 0.5))[:, :250].abs().max()
    assert float(low) < 1e-3 * float(torch.fft.rfft(prior.clean).abs().max())


def test_the_published_network_fills_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = _published()
    monkeypatch.setattr(cqtdiff, "open_weights", lambda weights, preset: facts)
    x = tones(44_100, 0.5)
    restored = restore(Problem(x, (Region(9000, 9500),), 44_100), METHOD).samples
    assert np.isfinite(restored).all()
    assert np.abs(restored).max() < 10.0 * np.abs(x).max()


@pytest.mark.parametrize("samples", [8192, 5120])
def test_the_weights_fit_pieces_of_another_length(samples: int) -> None:
    facts = cqt_priors.open_weights("tiny", "musicnet44k_4s")
    guess = torch.from_numpy(np.random.default_rng(0).standard_normal((1, samples)))
    known = torch.ones(1, samples, dtype=torch.bool)
    known[:, 2000:2200] = False
    prior = facts.prior(guess, known)
    assert prior.denoiser(prior.clean, 0.5).shape == (1, samples)


def test_level_does_not_matter() -> None:
    """The network is shown the recording without its level."""
    x = tones(RATE, 1.0) + 0.01 * np.random.default_rng(0).standard_normal((1, 8000))
    method = build("cqtdiff", Cqtdiff.quick)
    loud, quiet = (restore(Problem(x * s, (Region(4000, 4200),), RATE), method).samples / s for s in (1.0, 1e-3))
    assert np.allclose(loud, quiet, atol=1e-3)  # single precision inside


# --- what it refuses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"steps": 1}, "steps=1 is no walk"),
        ({"steps": -2}, "steps=-2 is below 0"),
        ({"strength": -1.0}, "strength=-1.0 is below 0"),
        ({"start": float("nan")}, "start=nan is below 0"),
        ({"candidates": 0}, "candidates=0 is below 1"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Cqtdiff(**settings)


@pytest.mark.parametrize(
    ("weights", "preset", "words"),
    [
        ("file.pt", "piano", "preset='piano' is not one of musicnet44k_4s"),
        ("nowhere.pt", "musicnet44k_4s", "there is no file 'nowhere.pt'"),
        ("nowhere.safetensors", "", "there is no file 'nowhere.safetensors'"),
    ],
)
def test_weights_that_are_not_there(weights: str, preset: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        cqt_priors.open_weights(weights, preset)


def test_without_torch_it_is_listed_and_says_what_is_missing() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from caesura.methods import build, names\n"
        "from caesura.methods._describe import describe\n"
        "assert 'cqtdiff' in names() and describe('cqtdiff').summary\n"
        "try: build('cqtdiff')\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "cqtdiff needs PyTorch: pip install 'caesura[torch]'"
