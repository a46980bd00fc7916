"""The worked example of the documentation, installed as somebody else's package and put through the contract."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parent.parent
METADATA = "Metadata-Version: 2.1\nName: caesura-cubic\nVersion: 0.1\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the plug-in, and nothing else."""
    page = (ROOT / "docs" / "adding-a-method.md").read_text()
    code, toml = (re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("python", "toml"))
    assert code is not None
    assert toml is not None
    name, target = re.search(r'^(\w+) = "(.+)"$', toml[1], re.MULTILINE).groups()  # type: ignore[union-attr]
    folder = tmp_path_factory.mktemp("plugin")
    wheel = folder / "caesura_cubic-0.1-py3-none-any.whl"
    info = "caesura_cubic-0.1.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{target.partition(':')[0]}.py", code[1])
        archive.writestr(f"{info}/METADATA", METADATA)
        archive.writestr(f"{info}/WHEEL", WHEEL)
        archive.writestr(f"{info}/entry_points.txt", f"[caesura.methods]\n{name} = {target}\n")
        archive.writestr(f"{info}/RECORD", "")
    site = folder / "site"
    command = ["install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *command], check=True, capture_output=True)
    return site


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "100", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_it_passes_the_contract(site: Path) -> None:
    done = run(site, "pytest", "-q", "-p", "no:cacheprovider", "tests/test_contract.py", "-k", "cubic")
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 20  # type: ignore[index]


def test_the_command_line_lists_and_cites_it(site: Path) -> None:
    assert "cubic" in run(site, "caesura", "methods").stdout
    described = run(site, "caesura", "methods", "cubic").stdout
    assert "context" in described
    assert "Samples on either side" in described
    assert "de Boor" in run(site, "caesura", "cite", "cubic").stdout


def test_the_command_line_restores_with_it(site: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in.wav", tmp_path / "out.wav"
    x = np.sin(2 * np.pi * 100 * np.arange(8000) / 8000)
    soundfile.write(source, np.where((np.arange(8000) >= 4000) & (np.arange(8000) < 4010), 0, x), 8000, "DOUBLE")
    arguments = ["restore", str(source), "-o", str(target), "--gap", "4000smp-4010smp", "--method", "cubic"]
    done = run(site, "caesura", *arguments, "-s", "context=32")
    assert done.returncode == 0, done.stderr
    assert np.abs(soundfile.read(target)[0] - x).max() < 1e-3


def test_without_the_package_the_method_is_unknown(tmp_path: Path) -> None:
    done = run(tmp_path, "caesura", "methods", "cubic")
    assert done.returncode == 2
    assert "there is no method 'cubic'" in done.stderr
