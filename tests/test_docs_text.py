"""The worked examples of docs/text.md run, on untrained networks."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from caesura.cli import main

pytest.importorskip("diffusers")
torch.set_num_threads(1)

PAGE = Path(__file__).parent.parent / "docs" / "text.md"
RATE = 16_000
COMMANDS = [line.strip() for line in PAGE.read_text().splitlines() if line.startswith("    caesura restore ")]


def example(kind: str) -> list[str]:
    found = next(command for command in COMMANDS if kind in command)
    return shlex.split(found)[1:]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    t = np.arange(RATE) / RATE
    x = 0.2 * np.sin(2 * np.pi * 440 * t) + 0.01 * np.random.default_rng(0).standard_normal(RATE)
    for name in ("in.wav", "dull.wav"):
        soundfile.write(tmp_path / name, x, RATE, subtype="FLOAT")
    return tmp_path


@pytest.mark.parametrize(("kind", "out"), [("--gap 4.5", "out.wav"), ("--box", "bright.wav"), ("--guide", "out.wav")])
def test_an_example_runs(kind: str, out: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # A second of sound instead of ten: the times are divided by ten.
    tenth = [re.sub(r"^([\d.]+)-([\d.]+)", _tenth, word) for word in example(kind)]
    quick = ["-s", "weights=tiny", "-s", "steps=2", "-s", "duration=0.32"]
    assert main([*tenth, *quick]) == 0, capsys.readouterr().err
    before, after = (soundfile.read(folder / name)[0] for name in ("in.wav", out))
    assert np.isfinite(after).all()
    assert not np.array_equal(before, after)
    spectra = [np.abs(np.fft.rfft((x * np.hanning(RATE))[: round(0.95 * RATE)])) for x in (before, after)]
    if kind == "--box":
        # A window's length below the edge nothing changes; above it nearly everything does.
        low, high = slice(0, 3_000), slice(4_500, 7_000)
        np.testing.assert_allclose(spectra[1][low], spectra[0][low], atol=0.02 * spectra[0].max())
        assert np.abs(spectra[1][high] - spectra[0][high]).mean() > 0.3 * spectra[0][high].mean()


def _tenth(found: re.Match[str]) -> str:
    return f"{float(found[1]) / 10:g}-{float(found[2]) / 10:g}"
