"""Noise out of recordings: what it is estimated to be, what is left of it, and that nothing else suffers."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from caesura.cli import main
from caesura.denoising import NoiseSpectrum, Spectral, noise_spectrum
from caesura.denoising.noise import frames_of
from caesura.denoising.spectral import _joined
from caesura.evaluation import metrics
from caesura.problem import Problem

RATE = 16_000
FRAME = 736  # 46 ms


def white(samples: int, seed: int = 0, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((channels, samples))


def melody(samples: int) -> np.ndarray:
    """Notes of half a second with partials and decay (1, samples)."""
    t = np.arange(samples) / RATE
    x = np.zeros(samples)
    for k, pitch in enumerate([220.0, 330.0, 262.0, 392.0, 294.0, 247.0] * math.ceil(t[-1] / 3.0)):
        own = t - 0.5 * k
        note = sum(0.2 / h * np.sin(2 * np.pi * pitch * h * own) for h in range(1, 7))
        x += np.where((own > 0) & (own < 0.6), note * np.exp(-4.0 * np.clip(own, 0.0, None)), 0.0)
    return x[None]


def cleaned(y: np.ndarray, sigma: float, **settings: float) -> np.ndarray:
    return Spectral(**settings)(Problem(y, (), RATE, noise=sigma), rng=np.random.default_rng(0))


@pytest.mark.parametrize("samples", [100, 736, 5_000, 12_345])
@pytest.mark.parametrize("frame", [64, 736])
def test_frames_and_back_is_the_signal(samples: int, frame: int) -> None:
    x = white(samples)
    np.testing.assert_allclose(_joined(frames_of(x, frame)[0], frame, samples), x[0], atol=1e-12)


@pytest.mark.parametrize("sigma", [1e-4, 0.03])
@pytest.mark.parametrize("seconds", [0.5, 6.0])
def test_the_level_of_noise_alone_is_found(sigma: float, seconds: float) -> None:
    found = noise_spectrum([sigma * white(round(seconds * RATE), seed=7, channels=2)], RATE, FRAME)
    # Half a second has one minimum per bin, and of fewer frames than the calibration: 2 dB.
    assert found.sigma == pytest.approx(sigma, rel=0.05 if seconds > 1.0 else 0.26)


def test_the_colour_of_noise_is_found() -> None:
    spectrum = np.fft.rfft(white(8 * RATE)[0])
    slope = 1.0 / (1.0 + np.arange(spectrum.size) / spectrum.size * 15.0)
    noise = np.fft.irfft(spectrum * slope)
    power = noise_spectrum([noise[None]], RATE, FRAME).power[0]
    expected = NoiseSpectrum.white(1.0, 1, FRAME).power[0] * np.interp(
        np.linspace(0, 1, FRAME // 2 + 1), np.linspace(0, 1, slope.size), slope**2
    )
    assert np.abs(10 * np.log10(power / expected))[5:-5].max() < 2.0


@pytest.mark.parametrize("snr", [20.0, 5.0])
def test_music_is_not_taken_for_noise(snr: float) -> None:
    x = melody(6 * RATE)
    sigma = float(np.sqrt(np.mean(x**2))) * 10 ** (-snr / 20)
    found = noise_spectrum([x + sigma * white(x.size, seed=3)], RATE, FRAME).sigma
    assert abs(20 * math.log10(found / sigma)) < 1.5


def test_digital_silence_is_no_noise_to_go_by() -> None:
    y = 0.01 * white(6 * RATE)
    y[:, 2 * RATE : 4 * RATE] = 0.0
    assert noise_spectrum([y], RATE, FRAME).sigma == pytest.approx(0.01, rel=0.1)
    with pytest.raises(ValueError, match="the recording is silent: say how loud it is with --noise"):
        noise_spectrum([np.zeros((1, RATE))], RATE, FRAME)


@pytest.mark.parametrize(("snr", "gain"), [(20.0, 5.0), (10.0, 7.0), (0.0, 9.0)])
def test_a_melody_comes_out_of_the_noise(snr: float, gain: float) -> None:
    x = melody(4 * RATE)
    sigma = float(np.sqrt(np.mean(x**2))) * 10 ** (-snr / 20)
    y = x + sigma * white(x.size, seed=1)
    clean = cleaned(y, sigma)
    assert metrics.snr(x, clean) > snr + gain
    assert metrics.snr(x, clean) > 0.0  # of silence
    for other in (y, np.zeros_like(x)):
        assert metrics.log_mel_distance(x, clean, RATE) < metrics.log_mel_distance(x, other, RATE)


def test_noise_alone_goes_down_to_the_floor_and_silence_stays() -> None:
    y = 0.1 * white(2 * RATE)
    left = 10 * math.log10(float(np.mean(cleaned(y, 0.1, floor=-30.0) ** 2) / np.mean(y**2)))
    assert left < -20.0
    assert not cleaned(np.zeros((1, RATE)), 0.1).any()


def test_without_noise_nothing_is_taken() -> None:
    x = melody(2 * RATE)
    np.testing.assert_allclose(cleaned(x, 1e-9), x, atol=1e-6)


def test_the_cleaner_is_linear_in_level() -> None:
    y = melody(RATE) + 0.05 * white(RATE)
    np.testing.assert_allclose(cleaned(10.0 * y, 0.5), 10.0 * cleaned(y, 0.05), atol=1e-9)


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"inertia": 1.0}, "inertia=1.0 must be from 0 to 0.999"), ({"milliseconds": 0.0}, "must be from 2 to 500"),
     ({"floor": 3.0}, "floor=3.0 must be from -80 to 0")],
)  # fmt: skip
def test_settings_out_of_range_are_refused(settings: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Spectral(**settings)


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def noisy(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A noisy melody in stereo with 24 bits, and the melody."""
    x = np.repeat(0.5 * melody(4 * RATE), 2, axis=0)
    y = x + 0.01 * white(x.shape[1], seed=4, channels=2)
    soundfile.write(tmp_path / "in.wav", y.T, RATE, subtype="PCM_24")
    return tmp_path / "in.wav", x


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str]:
        return main([str(each) for each in arguments]), capsys.readouterr().err

    return call


def test_a_file_comes_out_clean_in_its_own_format(noisy: tuple[Path, np.ndarray], run: Run) -> None:
    source, x = noisy
    out, report = source.with_name("out.wav"), source.with_name("out.json")
    code, said = run("denoise", source, "-o", out, "--report", report)
    assert code == 0
    assert "taken out by spectral" in said
    assert soundfile.info(out).subtype == "PCM_24"
    before, after = (soundfile.read(path)[0].T for path in (source, out))
    assert metrics.snr(x, after) > metrics.snr(x, before) + 6.0
    told = json.loads(report.read_text())
    assert told["noise"] == pytest.approx(0.01, rel=0.1)
    assert told["noise_was_estimated"]
    assert told["taken_out_db"] < 0.0


@pytest.mark.parametrize("stated", [("--noise", 0.01), ("--noise-db", -40)])
def test_a_stated_level_is_taken(noisy: tuple[Path, np.ndarray], run: Run, stated: tuple[str, float]) -> None:
    source, x = noisy
    out = source.with_name("out.wav")
    code, said = run("denoise", source, "-o", out, *stated)
    assert code == 0
    assert "noise at -40.0 dBFS (as stated)" in said
    assert metrics.snr(x, soundfile.read(out)[0].T) > metrics.snr(x, soundfile.read(source)[0].T) + 6.0


def test_long_files_are_cleaned_in_stretches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    y = 0.3 * melody(6 * RATE)[0] + 0.01 * white(6 * RATE)[0]
    soundfile.write(tmp_path / "in.wav", y, RATE, subtype="FLOAT")
    run("denoise", tmp_path / "in.wav", "-o", tmp_path / "whole.wav", "--noise", 0.01)
    monkeypatch.setattr("caesura.denoising.files.STRETCH", 2.0)
    run("denoise", tmp_path / "in.wav", "-o", tmp_path / "parts.wav", "--noise", 0.01)
    whole, parts = (soundfile.read(tmp_path / name)[0] for name in ("whole.wav", "parts.wav"))
    # A second of what comes before and after decides nearly all of a gain: 40 dB under the noise that was taken out.
    assert np.sqrt(np.mean((whole - parts) ** 2)) < 1e-4


def test_what_holds_no_noise_stays_as_it_is(tmp_path: Path, run: Run) -> None:
    y = 0.01 * white(4 * RATE)[0].astype(np.float32)
    y[20_000:24_000], y[30_000:30_400], y[40_000:40_010] = 0.0, 0.25, np.nan
    soundfile.write(tmp_path / "in.wav", y, RATE, subtype="FLOAT")
    assert run("denoise", tmp_path / "in.wav", "-o", tmp_path / "out.wav")[0] == 0
    after = soundfile.read(tmp_path / "out.wav", dtype="float32")[0]
    for span in (slice(20_000, 24_000), slice(30_000, 30_400), slice(40_000, 40_010)):
        np.testing.assert_array_equal(after[span], y[span])
    assert np.isfinite(after).sum() == y.size - 10
    assert np.nanstd(after[:15_000]) < 0.2 * np.nanstd(y[:15_000])


def test_a_network_takes_part_where_it_can(tmp_path: Path, run: Run) -> None:
    pytest.importorskip("torch")
    y = 0.3 * melody(2 * RATE)[0] + 0.02 * white(2 * RATE)[0]
    soundfile.write(tmp_path / "in.wav", y, RATE, subtype="FLOAT")
    out = [tmp_path / name for name in ("a.wav", "b.wav")]
    for path in out:
        command = ("denoise", tmp_path / "in.wav", "-o", path, "--method", "cqtdiff", "-s", "weights=tiny")
        code, said = run(*command, "-s", "steps=3", "--noise", 0.02, "--seed", 5)
        assert code == 0, said
        assert "taken out by cqtdiff" in said
    assert out[0].read_bytes() == out[1].read_bytes()
    assert np.isfinite(soundfile.read(out[0])[0]).all()
    assert not np.allclose(soundfile.read(out[0])[0], y, atol=1e-3)


def test_the_networks_pieces_fade_into_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from caesura.methods import _denoising
    from caesura.networks.cqt_priors import open_weights

    torch.set_num_threads(1)
    facts = open_weights("tiny", "")
    monkeypatch.setattr(_denoising, "_walked", lambda facts, network, y, *_: y.double().numpy())
    for samples in (100, facts.samples, 3 * facts.samples + 77):
        y = white(samples)[0]
        args = (facts, facts.network, y, y, 0.1, 0, 2, lambda fraction: None)
        np.testing.assert_allclose(_denoising._drawn(*args), y, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--noise", 0.1, "--noise-db", -20), "--noise and --noise-db say the same"),
        (("--noise", -1), "--noise -1 is no level of noise"),
        (("--noise-db", 3), "--noise-db 3 is no level of noise"),
        (("--method", "lsar"), "lsar fills gaps and takes out no noise"),
        (("--method", "spectra"), "spectra"),
        (("-s", "inertia"), "-s inertia is not KEY=VALUE"),
        (("-s", "inertia=soft"), "inertia='soft' is not a number"),
        (("-s", "softness=1"), "spectral has no setting 'softness'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    noisy: tuple[Path, np.ndarray], run: Run, arguments: tuple[object, ...], said: str
) -> None:
    out = noisy[0].with_name("out.wav")
    code, told = run("denoise", noisy[0], "-o", out, *arguments)
    assert code == 2
    assert said in told
    assert told.count("\n") == 1
    assert not out.exists()


def test_denoise_find_and_fill_in_one_command(tmp_path: Path, run: Run) -> None:
    x = 0.5 * melody(4 * RATE)[0]
    y = x + 0.005 * white(x.size, seed=8)[0]
    y[30_000:30_320] = 0.0  # 20 ms
    soundfile.write(tmp_path / "in.wav", y, RATE, subtype="PCM_16")
    out, report = tmp_path / "out.wav", tmp_path / "out.json"
    code, said = run("restore", tmp_path / "in.wav", "-o", out, "--auto", "--denoise", "--report", report)
    assert code == 0, said
    assert "taken out" in said
    told = json.loads(report.read_text())
    assert told["source"] == str(tmp_path / "in.wav")
    assert told["denoised"]["noise"] == pytest.approx(0.005, rel=0.15)
    assert told["changed_outside"] == 0
    assert any(r["filled"] and abs(r["start"] - 30_000) < 64 and abs(r["stop"] - 30_320) < 64 for r in told["regions"])
    after = soundfile.read(out)[0]
    assert metrics.snr(x[None], after[None]) > metrics.snr(x[None], y[None]) + 6.0
    gap = slice(30_000, 30_320)
    assert metrics.snr(x[None, gap], after[None, gap]) > 10.0
