"""Riffusion as a method: text, guides, morphs, steps, stereo, any length, and what stays as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from caesura.audio import Audio, read, write
from caesura.cli import main
from caesura.diffusion import Replacement, Weighted, ddpm
from caesura.diffusion.schedules import sigmas_of
from caesura.methods import build, load
from caesura.methods._picture_method import STEPS
from caesura.methods.riffusion import PLAIN, first_level
from caesura.morphing import Morph, can_morph, moved, sequence
from caesura.networks.latent_models import scaled_linear
from caesura.networks.riffusion import BETAS, open_riffusion
from caesura.problem import Problem, Region
from caesura.restoration import restore
from riffusion_cases import close, entries, numbers, signal
from riffusion_layout import riffusion

torch.set_num_threads(1)

RATE = 44_100
LEVELS = scaled_linear(*BETAS)
GAP = Region(20_000, 28_000)


def take(samples: int = 48_000, channels: int = 1) -> np.ndarray:
    """Partials over a little noise, (channels, samples)."""
    t = np.arange(samples) / RATE
    rows = [sum(0.1 / h * np.sin(2 * np.pi * 220 * (c + 1) * h * t + h) for h in range(1, 6)) for c in range(channels)]
    return np.stack(rows) + 0.003 * np.random.default_rng(5).standard_normal((channels, samples))


def tiny(**more: Any) -> Any:
    return build("riffusion", {**load("riffusion").quick, **more})  # type: ignore[attr-defined]


def fill(method: Any, x: np.ndarray, region: Region = GAP, seed: int = 0, **more: Any) -> np.ndarray:
    return restore(Problem(x, (region,), RATE, **more), method, seed=seed).samples


def inside(x: np.ndarray, region: Region = GAP) -> np.ndarray:
    return x[:, region.start : region.stop]


@contextmanager
def counted() -> Iterator[list[float]]:
    """Lists the time steps that the U-Net is asked for."""
    asked: list[float] = []
    hook = open_riffusion("tiny").unet.register_forward_pre_hook(lambda _, given: asked.extend(given[1].tolist()))
    try:
        yield asked
    finally:
        hook.remove()


# --- the published arithmetic ---------------------------------------------------------------------------------------


def test_the_published_walk_is_the_published_one() -> None:
    walk = PLAIN["published"]
    found = walk.sigmas(LEVELS, offset=1)
    wanted = sigmas_of(LEVELS)[entries()["sampling_constants"]["expected"]["ddim"]]
    torch.testing.assert_close(found[:-1], wanted)
    assert found[-1] == 0.0
    # PNDM, which the published program takes by default, goes through the same levels and the second one twice.
    pndm = entries()["sampling_constants"]["expected"]["pndm"]
    torch.testing.assert_close(found[:-1], sigmas_of(LEVELS)[list(dict.fromkeys(pndm))])


def test_variations_begin_at_the_published_level_and_not_one_later() -> None:
    for case in entries()["img2img_step_arithmetic"]["expected"]["cases"]:
        sigmas = ddpm(LEVELS, case["steps"], offset=1)
        begin = first_level(sigmas, case["strength"])
        wanted = sigmas_of(LEVELS)[case["DDIM"]["noise_level_timestep"]]
        assert float(sigmas[begin]) == pytest.approx(float(wanted))
        # As executed by the reference, the loop misses the first of these steps.
        assert len(sigmas) - 1 - begin == case["DDIM"]["loop_steps"] + 1 == case["init_timestep"]


def test_what_is_kept_is_noised_for_the_level_that_follows() -> None:
    entry = entries()["masked_update"]
    given, expected = entry["input"], entry["expected"]
    z0, noise, x = (
        torch.from_numpy(numbers(given[k]["seed"], [1, 4, 3, 5], given[k]["amplitude"]))
        for k in ("z0", "noise", "x_after_step")
    )
    keep = 1.0 - torch.from_numpy(signal(given["mask_L_0_255"]).reshape(3, 5)) / 255.0
    observed = Weighted(z0, keep)
    for level, name in ((expected["next_timestep"], "corrected_to_next_timestep"),
                        (None, "corrected_last_step_clean")):  # fmt: skip
        abar = 1.0 if level is None else float(LEVELS[level])
        sigma = ((1.0 - abar) / abar) ** 0.5
        found = Replacement(fixed=noise).restate(x / abar**0.5, sigma, observed, lambda v: v) * abar**0.5
        np.testing.assert_allclose(found.numpy(), np.array(expected[name]), rtol=1e-6, atol=1e-6)
    rows = entry["expected"]["alpha_bar"]
    close(LEVELS.numpy(), rows, atol=1e-6)


# --- text and steps -------------------------------------------------------------------------------------------------


def test_the_text_its_weights_and_what_is_unwanted_make_a_difference() -> None:
    x = np.zeros((1, 24_000))
    whole = Region(0, 24_000)
    sounds = [
        fill(tiny(**more), x, whole, text=text)
        for text, more in (
            ("", {}), ("rain", {}), ("(rain:1.5) falls", {}), ("rain falls", {}), ("rain", {"negative": "wind"}),
        )
    ]  # fmt: skip
    for k, one in enumerate(sounds):
        assert np.isfinite(one).all()
        assert one.std() > 1e-4
        for other in sounds[:k]:
            assert not np.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize(("text", "scale", "calls"), [("", 7.0, 3), ("rain", 7.0, 6), ("rain", 1.0, 3)])
def test_the_network_is_asked_twice_only_where_a_text_guides(text: str, scale: float, calls: int) -> None:
    with counted() as asked:
        fill(tiny(scale=scale, steps=3), np.zeros((1, 8_000)), Region(0, 8_000), text=text)
    assert len(asked) == calls


@pytest.mark.parametrize("step", STEPS)
def test_every_step_of_the_engine_works(step: str) -> None:
    assert np.isfinite(fill(tiny(step=step, conditioning="plain"), take())).all()


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_a_guide_is_varied_by_as_much_as_asked(strength: float) -> None:
    with counted() as asked:
        made = fill(tiny(strength=strength, steps=10), np.zeros((1, 20_000)), Region(0, 20_000), guide=take(20_000))
    assert len(asked) == min(int(10 * strength) + 1, 10)
    assert made.std() > 1e-4


# --- what stays -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("region", [GAP, Region(10_000, 30_000, 1_000.0, 4_000.0)])
@pytest.mark.parametrize("stereo", ["grey", "colour"])
def test_what_lies_outside_is_kept(region: Region, stereo: str) -> None:
    x = take(channels=2)
    made = fill(tiny(stereo=stereo, known="frames"), x, region)
    assert np.array_equal(np.delete(made, np.s_[region.start : region.stop], axis=1),
                          np.delete(x, np.s_[region.start : region.stop], axis=1))  # fmt: skip
    assert not np.allclose(inside(made, region), inside(x, region), atol=1e-4)
    if not region.is_gap:
        hertz = np.fft.rfftfreq(region.length, 1 / RATE)
        change = np.abs(np.fft.rfft(inside(made - x, region) * np.hanning(region.length))) ** 2
        beside = (hertz < 900) | (hertz > 4_400)
        assert change[:, beside].sum() < 1e-3 * change.sum()


def test_known_latents_are_those_of_what_surrounds_a_gap() -> None:
    """With one column known and one unknown the sampler holds the known ones: the picture there is the recording's."""
    from caesura.codecs.image import SpectrogramImage
    from caesura.methods._pictures import shown

    codec = open_riffusion("tiny").codec(SpectrogramImage())
    problem = Problem(take(), (GAP,), RATE)
    kept = {
        sees: shown(problem, codec, least=64, sees=sees, colours="grey", place=torch.device("cpu")).kept
        for sees in ("encoder", "frames", "tile")
    }
    shares = [float(kept[sees].float().mean()) for sees in ("encoder", "frames", "tile")]
    assert shares[0] < shares[1] < shares[2] < 1.0
    columns = kept["tile"][0, 0].all(dim=0)
    first, last = GAP.start / (8 * 441), GAP.stop / (8 * 441)
    assert not columns[int(first) : int(np.ceil(last))].any()
    assert columns[: int(first)].all()
    assert not columns[int(np.ceil(48_000 / (8 * 441))) :].any()  # past the end nothing is known


def test_equal_channels_stay_equal_unless_they_are_to_differ() -> None:
    x = np.repeat(take(24_000), 2, axis=0)
    whole = Region(0, 24_000)
    same, wide = (fill(tiny(width=w), x, whole) for w in (0.0, 0.5))
    assert np.array_equal(same[0], same[1])
    assert not np.allclose(wide[0], wide[1], atol=1e-4)


def test_a_box_above_the_pictures_is_refused() -> None:
    restored = restore(Problem(take(), (Region(10_000, 20_000, 11_000.0, 15_000.0),), RATE), tiny())
    assert not restored.fills[0].filled
    assert restored.fills[0].why == "the box lies above the 10 kHz that the pictures show"


def test_the_least_conspicuous_candidate_is_taken() -> None:
    found = restore(Problem(take(), (GAP,), RATE), tiny(candidates=2))
    alone = restore(Problem(take(), (GAP,), RATE), tiny())
    assert found.fills[0].seam is not None
    assert alone.fills[0].seam is not None
    assert found.fills[0].seam <= alone.fills[0].seam + 1e-6


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ({"steps": 1}, "steps=1 is no walk"),
        ({"steps": -1}, "steps=-1 must lie between 0 and inf"),
        ({"share": 1.5}, "share=1.5 must lie between 0 and 1"),
        ({"strength": 0.0}, "strength=0.0 must be above 0 and at most 1"),
        ({"power": 0.0}, "power=0.0 must be above 0"),
        ({"step": "dpm"}, "step='dpm' is not one of auto, 2m"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        build("riffusion", setting)


# --- morphs ---------------------------------------------------------------------------------------------------------


def morph(**more: Any) -> Morph:
    given = {"texts": ("rain", "wind"), "seeds": (1, 2), "samples": 16_000, "sample_rate": RATE, **more}
    return Morph(**given)


@contextmanager
def listened() -> Iterator[list[tuple[torch.Tensor, torch.Tensor]]]:
    """Lists the states that the U-Net is given and the texts that it is told."""
    heard: list[tuple[torch.Tensor, torch.Tensor]] = []
    hook = open_riffusion("tiny").unet.register_forward_pre_hook(
        lambda _, given, named: heard.append((given[0], named["encoder_hidden_states"][0])), with_kwargs=True
    )
    try:
        yield heard
    finally:
        hook.remove()


def test_the_ends_of_a_sequence_are_those_of_its_texts_and_seeds() -> None:
    method = tiny(scale=1.0, iterations=0)
    with listened() as steps:
        first, _, last = sequence(morph(), method, 3)
    assert not np.allclose(first, last, atol=1e-3)
    for k, text, seed in ((0, "rain", 1), (4, "wind", 2)):
        with listened() as alone:
            list(sequence(morph(texts=(text, text), seeds=(seed, seed)), method, 1))
        for found, wanted in zip(steps[k], alone[0], strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    a, b = (steps[k][0] for k in (0, 4))
    middle = steps[2][0]
    # Half-way between two noises lies their sum over the root of two, but for the little they have in common.
    torch.testing.assert_close(middle, (a + b) / 2**0.5, rtol=0.1, atol=0.1)


def test_one_sound_moves_from_window_to_window() -> None:
    model = open_riffusion("tiny")
    long = 12 * RATE  # 1201 columns are drawn as 1216, which are 152 cells: windows begin at 0, 32, 64 and 88
    with listened() as heard:
        sound = moved(morph(samples=long, seeds=(1, 1)), tiny(scale=1.0, iterations=0))
    a, b = (model.tell(text)["encoder_hidden_states"][0] for text in ("rain", "wind"))
    for k, share in enumerate((0.0, 1 / 3, 2 / 3, 1.0)):
        torch.testing.assert_close(heard[k][1], torch.lerp(a, b, share), rtol=1e-5, atol=1e-5)
    assert sound.shape == (1, long)


def test_only_what_can_morph_does() -> None:
    assert can_morph() == ("riffusion",)
    with pytest.raises(ValueError, match="janssen cannot morph: choose from riffusion"):
        moved(morph(), build("janssen"))


# --- the commands, on a checkpoint in the published layout ----------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("published") / "model"
    folder.mkdir()
    riffusion(folder)
    settings = {"weights": folder, "steps": 2, "duration": 0.63, "iterations": 0, "scale": 1.0}
    return [part for key, value in settings.items() for part in ("-s", f"{key}={value}")]


def made(target: Path, seconds: float, channels: int) -> np.ndarray:
    audio = read(target)
    assert audio.samples.shape == (channels, round(seconds * RATE))
    assert np.isfinite(audio.samples).all()
    assert np.abs(audio.samples).max() <= 1.0
    return audio.samples


@pytest.mark.parametrize(("seconds", "channels", "bands"), [(5.0, 1, 128), (5.0, 2, 64), (30.0, 2, 64)])
def test_sounds_from_nothing_end_to_end(
    seconds: float, channels: int, bands: int, checkpoint: list[str], tmp_path: Path
) -> None:
    first, on, morph = (tmp_path / f"{name}.wav" for name in ("first", "on", "morph"))
    method = ["--method", "riffusion", *checkpoint, "-s", f"bands={bands}"]
    shape = ["--duration", str(seconds), "--channels", str(channels)]
    assert main(["generate", "-o", str(first), "--text", "funky (synth:1.2) solo", *shape, *method]) == 0
    x = made(first, seconds, channels)
    assert x.std() > 1e-4
    assert main(["continue", str(first), "-o", str(on), "--duration", str(seconds), *method]) == 0
    longer = made(on, 2 * seconds, channels)
    np.testing.assert_array_equal(longer[:, : x.shape[1]], x)
    ends = ["--from", "rain", "--to", "wind", "--to-seed", "7"]
    assert main(["morph", "-o", str(morph), *ends, *shape, *method]) == 0
    assert made(morph, seconds, channels).std() > 1e-4


@pytest.mark.parametrize(("seconds", "channels", "bands"), [(5.0, 1, 64), (5.0, 2, 64), (30.0, 1, 64)])
def test_recordings_are_changed_end_to_end(
    seconds: float, channels: int, bands: int, checkpoint: list[str], tmp_path: Path
) -> None:
    source, varied, filled = (tmp_path / f"{name}.wav" for name in ("take", "varied", "filled"))
    write(source, Audio(take(round(seconds * RATE), channels), RATE))
    x = read(source).samples
    method = ["--method", "riffusion", *checkpoint, "-s", f"bands={bands}"]
    assert main(["vary", str(source), "-o", str(varied), "--strength", "0.5", "--text", "piano", *method]) == 0
    assert not np.allclose(made(varied, seconds, channels), x, atol=1e-3)
    gap, box = f"{seconds / 2}-{seconds / 2 + 1}", "0.5-1.5,1000-4000"
    assert main(["restore", str(source), "-o", str(filled), "--gap", gap, "--box", box, *method]) == 0
    kept, after = made(filled, seconds, channels), round((seconds / 2 + 1) * RATE)
    np.testing.assert_array_equal(kept[:, after:], x[:, after:])


def test_a_sequence_is_written_file_by_file(
    checkpoint: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "loop.wav"
    write(source, Audio(take(20_000, 2), RATE))
    command = ["morph", "-o", str(tmp_path / "m.wav"), "--from", "a", "--to", "b", "--steps", "3", "--duration", "1",
               "--guide", str(source), "--power", "2", *checkpoint]  # fmt: skip
    assert main(command) == 0
    assert "3 x 1 s" in capsys.readouterr().err
    sounds = [made(tmp_path / f"m-{k:03d}.wav", 1.0, 1) for k in (1, 2, 3)]
    assert not np.allclose(sounds[0], sounds[2], atol=1e-4)
    assert main(command) == 2
    assert "m-001.wav exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--from", "a"], "say where the result goes"),
        (["-o", "x.wav", "--method", "janssen"], "janssen cannot make a sound where nothing is known"),
        (["-o", "x.wav", "--method", "silence"], "cannot"),
        (["-o", "x.wav", "--duration", "-3"], "'-3' is not a time"),
        (["-o", "x.wav", "--guide", "none.wav"], "there is no file 'none.wav'"),
        (["-o", "x.wav", "--power", "0"], "power=0"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["morph", *arguments]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1
