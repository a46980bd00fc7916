"""Checkpoints on the hub: terms before the download, every file checked, whole or not at all, plain words offline."""

import hashlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from caesura.cli import main
from caesura.networks import hub
from caesura.networks.hub import Published, fetch, fetched, folder, known, published, remote
from caesura.networks.weights import MissingWeights

COMMIT = "c" * 40
FREE, BOUND = "free/model", "bound/model"
FILES = {
    FREE: {"config.json": b"{}", "part/model.safetensors": b"safe" * 1000, "part/pytorch_model.bin": b"unsafe"},
    BOUND: {"config.json": b'{"a": 1}', "model.bin": b"weights" * 500, "README.md": b"read me"},
    "other/words": {"spiece.model": b"pieces", "model.safetensors": b"large"},
}
LARGE = (".safetensors", ".bin", ".model")


class Hub(SimpleHTTPRequestHandler):
    """Answers as the hub does, from a folder."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        path = self.path.partition("?")[0].replace(f"/resolve/{COMMIT}/", "/")
        self.path = path.replace("/api/models/", "/listing/").replace("/revision/main", ".json")
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


def sibling(name: str, content: bytes) -> dict[str, Any]:
    git = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
    found: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": git}
    if name.endswith(LARGE):
        found["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return found


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A hub of three repositories; its folder, whose files a test may change."""
    home = tmp_path / "hub"
    for repository, files in FILES.items():
        for name, content in files.items():
            (home / repository / name).parent.mkdir(parents=True, exist_ok=True)
            (home / repository / name).write_bytes(content)
        listing = home / "listing" / f"{repository}.json"
        listing.parent.mkdir(parents=True, exist_ok=True)
        found = [sibling(name, content) for name, content in files.items()]
        listing.write_text(json.dumps({"sha": COMMIT, "siblings": found}))
    table = {
        FREE: Published(FREE, "Apache-2.0", "clap"),
        BOUND: Published(
            BOUND, "CC-BY-NC-SA-4.0", "tango", commercial=False, files=("*.json", "*.bin"),
            beside=("other/words: tokenizer: spiece.model",),
        ),
    }  # fmt: skip
    Hub.asked = []
    monkeypatch.setattr(hub, "known", lambda: table)
    monkeypatch.setenv("CAESURA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with HTTPServer(("127.0.0.1", 0), partial(Hub, directory=str(home))) as http:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{http.server_port}")
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield home
        http.shutdown()
        thread.join()


def kept(repository: str) -> dict[str, bytes]:
    home = folder(repository)
    return {p.relative_to(home).as_posix(): p.read_bytes() for p in home.rglob("*") if p.is_file()}


def test_every_repository_has_a_reader_and_terms() -> None:
    for repository, found in known().items():
        assert found.hub == repository
        assert (Path(hub.__file__).parent / f"{found.network}.py").is_file()
        assert found.bytes > 1e8
        assert ("NC" in found.licence) == (not found.commercial)
    assert {each.hub for each in published("tango")} >= {"declare-lab/tango", "declare-lab/tango2-full"}


def test_a_licence_that_binds_is_said_before_anything_is_asked(
    served: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "pull", BOUND]) == 2
    said = capsys.readouterr().err
    assert "licence CC-BY-NC-SA-4.0, non-commercial use only: pass --accept" in said
    assert said.count("\n") == 1
    assert Hub.asked == []


def test_what_is_needed_comes_and_is_checked(served: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", BOUND, "--accept"]) == 0
    said = capsys.readouterr().err
    assert said.index("licence CC-BY-NC-SA-4.0") < said.index("is at")
    own = FILES[BOUND]
    assert kept(BOUND) == {
        "config.json": own["config.json"],
        "model.bin": own["model.bin"],
        "tokenizer/spiece.model": b"pieces",
    }
    asked = len(Hub.asked)
    assert main(["models", "pull", BOUND, "--accept"]) == 0
    assert len(Hub.asked) == asked  # it is here


def test_of_two_formats_the_safe_one_comes(served: Path) -> None:
    assert main(["models", "pull", FREE]) == 0
    assert set(kept(FREE)) == {"config.json", "part/model.safetensors"}


def test_the_list_the_facts_and_deleting(served: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    assert f"caesura models pull {BOUND} --accept" in capsys.readouterr().out
    main(["models", "pull", BOUND, "--accept"])
    main(["models", "list"])
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(BOUND))
    assert row.endswith("fetched")
    assert main(["models", "info", BOUND]) == 0
    facts = capsys.readouterr().out
    assert "not allowed" in facts
    assert "other/words" in facts
    assert main(["models", "rm", BOUND]) == 0
    assert not fetched(BOUND)
    main(["models", "rm", BOUND])
    assert capsys.readouterr().err.endswith("was not there\n")


@pytest.mark.parametrize("name", ["config.json", "model.bin"])
def test_a_file_with_another_hash_is_refused(served: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = served / BOUND / name
    path.write_bytes(bytes(len(path.read_bytes())))
    assert main(["models", "pull", BOUND, "--accept"]) == 2
    assert f"what came as '{name}' does not have the hash that the hub says" in capsys.readouterr().err
    assert not fetched(BOUND)


def test_a_broken_download_goes_on_where_it_was(served: Path) -> None:
    (served / BOUND / "model.bin").unlink()
    files = remote(hub.known()[BOUND])
    with pytest.raises(MissingWeights, match=r"'model.bin' could not be fetched .*pull again to go on"):
        fetch(hub.known()[BOUND], files)
    assert not fetched(BOUND)
    (served / BOUND / "model.bin").write_bytes(FILES[BOUND]["model.bin"])
    Hub.asked.clear()
    fractions: list[float] = []
    fetch(hub.known()[BOUND], files, fractions.append)
    assert not any("config.json" in path for path in Hub.asked)
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert fetched(BOUND)


def test_a_name_outside_the_folder_is_refused(served: Path) -> None:
    listing = served / "listing" / f"{FREE}.json"
    listing.write_text(json.dumps({"sha": COMMIT, "siblings": [sibling("../../evil", b"evil")]}))
    with pytest.raises(ValueError, match="names a file outside its folder"):
        fetch(hub.known()[FREE], remote(hub.known()[FREE]))
    assert not list(served.parent.rglob("evil"))


@pytest.mark.parametrize("state", ["offline", "unreachable", "another"])
def test_without_the_hub_one_line_says_what_to_do(
    served: Path, state: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if state == "offline":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    elif state == "unreachable":
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    else:
        (served / "listing" / f"{FREE}.json").write_text("<html>")
    assert main(["models", "pull", FREE]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert FREE in said
    assert ("did not answer as the hub" if state == "another" else "name a folder that holds it") in said


def test_unknown_repositories_and_addresses_are_refused(
    served: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "pull", "free/mode"]) == 2
    assert "there are no weights 'free/mode': did you mean free/model?" in capsys.readouterr().err
    monkeypatch.setenv("HF_ENDPOINT", "ftp://example.org")
    assert main(["models", "pull", FREE]) == 2
    assert "weights come over https" in capsys.readouterr().err
