"""What the README says works: its Python lines and its commands, run as they stand there."""

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from caesura.audio import chunks, read
from caesura.methods import names

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder that looks like the checkout, with a damaged `take.wav`."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "take.wav").write_bytes((ROOT / "examples" / "damaged.wav").read_bytes())
    return tmp_path


def test_the_python_lines_run(here: Path) -> None:
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code is not None
    # The default quality does the same in a fraction of the time.
    quick = code[1].replace(', quality="best"', "")
    assert quick != code[1]
    subprocess.run([sys.executable, "-c", quick], cwd=here, check=True)
    damaged, fixed = ROOT / "examples" / "damaged.wav", here / "fixed.wav"
    assert (read(damaged).samples != read(fixed).samples).any()
    assert [c.id for c in chunks(damaged)] == [c.id for c in chunks(fixed)]


def test_the_commands_run(here: Path) -> None:
    lines = [line.split("#")[0].strip() for line in README.splitlines() if line.startswith("    caesura ")]
    assert len(lines) >= 4
    for line in lines:
        arguments = shlex.split(line)[1:]
        if "-o" in arguments:
            arguments.append("--force")
        done = subprocess.run(
            [sys.executable, "-m", "caesura", *arguments], cwd=here, capture_output=True, text=True, check=False
        )
        refused = arguments[0] == "restore" and done.returncode == 1  # what no method can fill well is reported
        assert done.returncode == 0 or refused, f"{line}: {done.stderr}"


def test_every_method_stands_in_the_table() -> None:
    table = re.search(r"## Methods\n(.*?)\n## ", README, re.DOTALL)
    assert table is not None
    own = {path.stem for path in (ROOT / "src" / "caesura" / "methods").glob("*.py") if not path.stem.startswith("_")}
    firsts = re.findall(r"^\| (`.+?) \|", table[1], re.MULTILINE)
    listed = set(re.findall(r"`(\w+)`", " ".join(firsts)))
    assert listed == own
    assert own <= set(names())


@pytest.mark.parametrize("page", sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_generated_page_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert (ROOT / "docs" / "methods.md").read_text() == generate.page(), "run `make docs`"
