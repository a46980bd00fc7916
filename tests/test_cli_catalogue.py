"""Help, versions, methods, citations and the doctor: quick, and read from what is there."""

import dataclasses
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

import caesura
from caesura.cli import app, main, options
from caesura.methods import load, names
from caesura.methods._describe import describe

BUDGET = 0.3  # seconds of processor time for --help; the best of three, because other processes share the machine


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return call


Run = Callable[..., tuple[int, str, str]]


def test_help_answers_at_once() -> None:
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "caesura", "--help"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime - before.ru_utime)
    assert min(spent) < BUDGET


def test_help_imports_nothing_heavy() -> None:
    code = """
import json, sys
from caesura.cli import main
main(["restore", "--help"])
heavy = ("numpy", "scipy", "soundfile", "soxr", "torch", "matplotlib", "rich")
print(json.dumps([name for name in heavy if name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.parametrize(
    "command", ["restore", "detect", "labels", "verify", "punch", "methods", "cite", "evaluate", "doctor"]
)
def test_every_command_is_listed_and_has_help(run: Run, command: str) -> None:
    assert f"\n  {command} " in run("--help")[1]
    code, out, err = run(command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: caesura {command}")


def test_the_version_is_printed(run: Run) -> None:
    assert run("--version") == (0, f"caesura {caesura.__version__}\n", "")


def test_no_command_is_bad_usage_and_shows_the_help(run: Run) -> None:
    code, out, err = run()
    assert (code, out) == (2, "")
    assert "restore" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("frobnicate",), "No such command 'frobnicate'"),
        (("restore",), "name the recording to restore, or a --project"),
        (("restore", "--fade", "x", "a.wav"), "Invalid value for '--fade'"),
        (("verify", "only-one.wav"), "Missing argument"),
        (("labels",), "say what to do with labels: caesura labels convert IN OUT"),
        (("methods", "jansen"), "there is no method 'jansen': did you mean janssen?"),
        (("cite", "qqq"), "there is no method 'qqq': choose from audioldm, auto,"),
    ],
)
def test_a_usage_error_is_one_line_with_exit_code_2(run: Run, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("caesura: ")
    assert message in err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (KeyboardInterrupt(), 130, "caesura: interrupted\n"),
        (ValueError("first\nsecond"), 2, "caesura: first second\n"),
        (OSError(28, "No space left on device", "o.wav"), 2, "caesura: o.wav: No space left on device\n"),
        (OSError("plain"), 2, "caesura: plain\n"),
        (MemoryError(), 2, "caesura: MemoryError\n"),
    ],
)
def test_no_traceback_whatever_goes_wrong(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("caesura.methods.names", fail)
    assert run("methods") == (code, "", line)


def test_an_error_of_the_program_itself_is_not_hidden(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise TypeError("a defect")

    monkeypatch.setattr("caesura.methods.names", fail)
    with pytest.raises(TypeError, match="a defect"):
        run("methods")


def test_the_list_of_methods_is_the_folder(run: Run) -> None:
    code, out, _ = run("methods")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == list(names())


@pytest.mark.parametrize("name", names())
def test_a_description_agrees_with_the_class(run: Run, name: str) -> None:
    cls, found = load(name), describe(name)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    assert [each.name for each in found.fields] == [each.name for each in fields]
    assert [each.type for each in found.fields] == [str(each.type).replace('"', "'") for each in fields]
    assert all(each.doc for each in found.fields)
    for key, value in found.accepts.items():
        assert getattr(cls.accepts, key) == value or isinstance(value, str)
    assert found.summary.endswith(".")
    code, out, _ = run("methods", name)
    assert code == 0
    assert all(f"-s {each.name}=" in out for each in fields)


def test_describing_imports_no_method() -> None:
    code = (
        "import sys\nfrom caesura.cli import main\nmain(['methods'])\nmain(['methods', 'lsar'])\n"
        "assert not [m for m in sys.modules if m.startswith('caesura.methods.') and not m.endswith('_describe')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_method_is_cited_with_its_references(run: Run) -> None:
    code, out, _ = run("cite", "lsar")
    assert code == 0
    assert "Janssen" in out
    assert f"version {caesura.__version__}" in out
    assert run("cite")[1].strip().startswith("The caesura authors")


def test_the_doctor_names_what_is_there_and_how_to_get_the_rest(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    present = metadata.version

    def without_matplotlib(name: str) -> str:
        if name == "matplotlib":
            raise metadata.PackageNotFoundError(name)
        return present(name)

    monkeypatch.setattr("importlib.metadata.version", without_matplotlib)
    code, out, _ = run("doctor")
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert code == 0
    assert caesura.__version__ in rows["caesura"]
    assert present("numpy") in rows["numpy"]
    assert "missing matplotlib: pip install 'caesura[picture]'" in rows["[picture]"]
    assert "FLAC" in rows["libsndfile"]
    assert str(os.cpu_count()) in rows["processors"]
    assert "writable" in rows["cache"]


def test_the_shell_completes_methods_and_kinds() -> None:
    assert options.complete_method("lin") == ["linear"]
    assert options.complete_kinds("cl") == ["click", "clipping"]
    assert options.complete_kinds("click,cl") == ["click,clipping"]


def test_the_shell_asks_the_program(tmp_path: Path) -> None:
    asked = {"_CAESURA_COMPLETE": "complete_bash", "COMP_WORDS": "caesura restore --method lin", "COMP_CWORD": "3"}
    done = subprocess.run(
        [sys.executable, "-m", "caesura"], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["linear"]


def test_every_option_is_explained() -> None:
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        for parameter in getattr(command, "params", []):
            assert getattr(parameter, "help", None), f"{name} {parameter.name} has no help"
