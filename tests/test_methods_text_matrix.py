"""AudioLDM and Tango, every way of conditioning, on checkpoints in the published layouts through the command line."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import soundfile
import torch

import published_layouts as layouts
from caesura.cli import main
from caesura.methods._walks import Conditioning

torch.set_num_threads(1)

RATE = 16_000
METHODS = ("audioldm", "tango")
WAYS = get_args(Conditioning)


def take(samples: int) -> np.ndarray:
    """Partials over a little noise (samples,)."""
    t = np.arange(samples) / RATE
    sound = sum(0.2 / h * np.sin(2 * np.pi * 220 * h * t + h) for h in range(1, 6))
    return sound + 0.01 * np.random.default_rng(5).standard_normal(samples)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("weights")
    layouts.audioldm(home / "audioldm")
    layouts.tango(home / "tango")
    return {name: home / name for name in METHODS}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", METHODS)
def test_the_matrix_runs_on_published_layouts_through_the_command_line(
    name: str, way: str, published: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = take(9_600)
    soundfile.write(tmp_path / "in.wav", x, RATE, subtype="FLOAT")
    settings = {"weights": published[name], "conditioning": way, "steps": 2, "duration": 0.32}
    chosen = [part for key, value in settings.items() for part in ("-s", f"{key}={value}")]
    command = ["restore", str(tmp_path / "in.wav"), "-o", str(tmp_path / "out.wav"), "--gap", "0.25-0.35"]
    assert main([*command, "--method", name, "--text", "a dog barks", *chosen]) == 0, capsys.readouterr().err
    before, after = (soundfile.read(tmp_path / f"{which}.wav", dtype="float32")[0] for which in ("in", "out"))
    changed = np.flatnonzero(before != after)
    assert (changed[0], changed[-1] + 1) == (4_000, 5_600)
    assert np.isfinite(after).all()
    # The level is that of the surroundings, whatever the networks say: within the 20 dB that it may be moved.
    assert 0.1 < np.std(after[4_000:5_600]) / np.std(before) < 10.0
