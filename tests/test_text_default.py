"""A text without a method: the model that comes with the package is asked."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")

from caesura.cli import main
from caesura.networks import mini_model

RATE = 16_000
FEW = ["-s", "weights=tiny", "-s", "steps=2", "-s", "duration=0.32"]


@pytest.fixture
def take(tmp_path: Path) -> Path:
    t = np.arange(12_000) / RATE
    soundfile.write(tmp_path / "in.wav", 0.3 * np.sin(2 * np.pi * 330 * t), RATE, subtype="FLOAT")
    return tmp_path / "in.wav"


def test_restore_with_a_text_asks_the_small_model(take: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    assert main(["restore", str(take), "-o", str(out), "--gap", "0.2-0.4", "--text", "piano", *FEW]) == 0
    before, after = (soundfile.read(path, dtype="float32")[0] for path in (take, out))
    changed = np.flatnonzero(before != after)
    assert (changed[0], changed[-1] + 1) == (3_200, 6_400)


def test_a_setting_of_auto_keeps_auto(take: Path, tmp_path: Path) -> None:
    """max_gap is auto's: with it the text does not change the method, and so long a gap is refused."""
    out = tmp_path / "out.wav"
    assert main(["restore", str(take), "-o", str(out), "--gap", "0.2-0.4", "--text", "piano", "--max-gap", "0.1"]) == 1


def test_generate_with_a_text_asks_the_small_model(tmp_path: Path) -> None:
    out = tmp_path / "s.wav"
    assert main(["generate", "--text", "slow low strings", "-o", str(out), "--duration", "0.5", *FEW]) == 0
    x, rate = soundfile.read(out)
    assert (x.size, rate) == (8_000, RATE)
    assert np.std(x) > 1e-3


def test_what_goes_on_or_is_varied_asks_it_too(take: Path, tmp_path: Path) -> None:
    longer, other = tmp_path / "longer.wav", tmp_path / "other.wav"
    assert main(["continue", str(take), "-o", str(longer), "--text", "piano", "--duration", "0.25", *FEW]) == 0
    before, after = (soundfile.read(path, dtype="float32")[0] for path in (take, longer))
    assert np.array_equal(after[: before.size], before)
    assert after.size == before.size + RATE // 4
    assert np.std(after[before.size :]) > 1e-4
    assert main(["vary", str(take), "-o", str(other), *FEW]) == 0  # varies without a text as well
    assert np.abs(soundfile.read(other)[0] - before).max() > 1e-3


def test_the_weights_that_ship_are_of_the_network_and_hear_the_text() -> None:
    model = mini_model.open_mini("")
    assert sum(p.numel() for p in model.network.parameters()) == 5_376_448
    strings, flute = (model.tell(text)["words"][0, 0] for text in ("slow low strings", "fast high flute"))
    assert float((strings - flute).norm()) > 0.3
