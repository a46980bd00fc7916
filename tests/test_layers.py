"""Arrows never point up: which part of the package may import which, read from the code itself."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import caesura

ROOT = Path(caesura.__file__).parent

# From the ground up. A module imports from its own row or from rows above it in this list.
LAYERS = (
    ("atomic", "audio", "box", "region", "hold", "autoregression"),
    ("problem",),
    ("inpainter", "progression", "labels", "windows", "seam", "joints", "data", "codecs", "detection", "diffusion"),
    ("restoration", "networks"),
    ("methods", "training", "denoising"),
    (
        "evaluation",
        "codes",
        "addition",
        "generation",
        "morphing",
        "report",
        "verify",
        "picture",
        "overview",
        "spectrogram",
        "stem",
        "repair",
        "project",
        "making",
        "batch",
    ),
    ("cli", "studio", "__main__"),
)
TORCH_FREE = ("torch", "torchaudio", "torchvision", "torchcodec", "librosa")


def layer(part: str) -> int:
    for height, row in enumerate(LAYERS):
        if part in row:
            return height
    pytest.fail(f"caesura.{part} stands in no layer: add it to LAYERS")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for name in imports(path):
        if name.startswith("caesura."):
            part = name.split(".")[1]
            assert layer(part) <= layer(own), f"{path.relative_to(ROOT)} imports {name}, which stands above it"


# The only places that may import torch: everything else works in the base install.
WITH_TORCH = (
    "diffusion/",
    "networks/",
    "training/",
    "codecs/cqt.py",
    "codecs/image_latents.py",
    "codecs/patches.py",
    "codecs/vae.py",
    "codecs/vqvae.py",
    "data/separation.py",
    "methods/_accompaniment.py",
    "methods/_denoising.py",
    "methods/_latent.py",
    "methods/_walks.py",
    "methods/audioldm.py",
    "methods/cqtdiff.py",
    "methods/_notono.py",
    "methods/notono.py",
    "methods/mini_cnet.py",
    "methods/mini_p2p.py",
    "methods/_backing.py",
    "methods/_picture_method.py",
    "methods/_pictures.py",
    "methods/riff_cnet.py",
    "methods/riff_p2p.py",
    "methods/riffusion.py",
    "methods/tango.py",
    "methods/text_mini.py",
)
WITHOUT = [path for path in FILES if not str(path.relative_to(ROOT)).startswith(WITH_TORCH)]


@pytest.mark.parametrize("path", WITHOUT, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_base_install_has_no_torch(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & set(TORCH_FREE)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_what_it_is_and_exports(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{path} has no docstring"
    assert len(path.read_text().splitlines()) <= 300, f"{path} is longer than 300 lines"


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import caesura, sys; print([m for m in ('numpy', 'scipy', 'soundfile', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
