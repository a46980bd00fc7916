"""The chain of the paper's figure as the example makes it: each step paints its selection and nothing else."""

import importlib.util
import itertools
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")


from caesura.audio import read  # noqa: E402
from caesura.cli.quantities import box, moments  # noqa: E402
from caesura.methods import build, notono  # noqa: E402

EXAMPLE = Path(__file__).parent.parent / "examples" / "notono_chain.py"


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example, with codes that are drawn without asking a network."""
    spec = importlib.util.spec_from_file_location("notono_chain", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "notono_chain", module)
    spec.loader.exec_module(module)

    def repaint(networks: Any, maps: Any, unknown: Any, labels: Any, draw: Any, uniform: Any, progress: Any) -> Any:
        return tuple(
            torch.where(torch.from_numpy(flags), (32 * chance).long(), codes)
            for codes, flags, chance in zip(maps, unknown, uniform, strict=True)
        )

    monkeypatch.setattr(notono, "repaint", repaint)
    return module


def test_the_chain(
    chain: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["notono_chain.py", "--weights", "tiny", "--out", str(tmp_path)])
    assert chain.main() == 0
    sounds = [read(tmp_path / f"step-{k}.wav").samples for k in range(4)]
    assert all(sound.shape == (1, 65_536) for sound in sounds)
    assert np.array_equal(sounds[2][:, chain.FIRST :], sounds[1][:, chain.FIRST :])
    for before, after in itertools.pairwise(sounds):
        assert not np.array_equal(before, after)
    power = [np.abs(np.fft.rfft(sound[0])) ** 2 for sound in (sounds[0], sounds[1] - sounds[0])]
    hertz = np.fft.rfftfreq(65_536, 1 / 16_000)
    assert power[1][hertz > 250.0].sum() < 0.05 * power[1].sum()
    assert (tmp_path / "chain.png").read_bytes().startswith(b"\x89PNG")
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("caesura restore")]
    for step, line in zip(chain.STEPS, printed, strict=True):
        words = shlex.split(line)
        given = dict(words[k + 1].split("=") for k, word in enumerate(words) if word == "-s")
        assert build("notono", {"weights": "tiny", **given}) == build(
            "notono", weights="tiny", candidates=2, **step.settings
        )
        if "--box" in words:
            assert box(words[words.index("--box") + 1]).high == step.region.high
        else:
            assert [m.value for m in moments(words[words.index("--gap") + 1])] == [step.region.start, step.region.stop]
