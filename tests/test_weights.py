"""Weights: cards, hashes, downloads that break, and files that are not weights."""

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from caesura.cli.models import models_app  # noqa: E402
from caesura.networks import weights  # noqa: E402
from caesura.networks.cqt_lean import PRESETS, CqtLean  # noqa: E402
from caesura.networks.weights import Card, MissingWeights, card, cards, find, load, pull, remove, tensors  # noqa: E402


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "server"
    folder.mkdir()
    with HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.fixture
def far(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Card:
    """A card of a tiny network that a server offers."""
    served = tmp_path / "server" / "far.safetensors"
    torch.manual_seed(0)
    halves = {n: value.half().contiguous() for n, value in CqtLean(PRESETS["tiny"]).state_dict().items()}
    save_file(halves, served, metadata={"network": "cqt_lean", "preset": "tiny"})
    content = served.read_bytes()
    found = Card(
        "far", "cqt_lean", served.name, hashlib.sha256(content).hexdigest(), len(content), "CC0-1.0", "nothing",
        url=f"{server}/far.safetensors",
    )  # fmt: skip
    monkeypatch.setattr(weights, "cards", lambda: {"far": found})
    monkeypatch.setenv("CAESURA_CACHE", str(tmp_path / "cache"))
    return found


def test_every_card_is_whole() -> None:
    assert sum(found.size for found in cards().values() if found.bundled) < 60e6  # all together
    for name, found in cards().items():
        assert len(found.sha256) == 64, name
        assert found.size > 0
        assert found.licence
        assert found.trained_on
        if found.bundled:
            assert found.size < 16e6  # a file of the repository
            assert find(name).is_file()
            assert sum(value.numel() for value in tensors(name).values()) > 0


def test_pull_fetches_once_and_checks(far: Card, tmp_path: Path) -> None:
    seen: list[float] = []
    path = pull("far", seen.append)
    assert path.read_bytes() == (tmp_path / "server" / "far.safetensors").read_bytes()
    assert seen[-1] == 1.0
    (tmp_path / "server" / "far.safetensors").unlink()
    assert pull("far") == path  # needs no server any more
    assert remove("far")
    assert not remove("far")


def test_load_gives_the_network_in_single_precision(far: Card) -> None:
    pull("far")
    network = load("far")
    assert isinstance(network, CqtLean)
    assert network.shape == PRESETS["tiny"]
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    for name, value in network.state_dict().items():
        assert torch.equal(value, tensors("far")[name])


def test_what_is_not_there_names_the_command_that_fetches_it(far: Card) -> None:
    with pytest.raises(MissingWeights, match="run `caesura models pull far` once"):
        load("far")


def test_a_server_that_has_nothing_is_missing_weights(far: Card, tmp_path: Path) -> None:
    (tmp_path / "server" / "far.safetensors").unlink()
    with pytest.raises(MissingWeights, match="'far' could not be fetched: HTTP Error 404"):
        pull("far")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"short", "has 5 bytes, its card says"), (None, "does not have the SHA-256 of its card")],
)
def test_a_wrong_file_is_refused_and_leaves_nothing(
    far: Card, tmp_path: Path, content: bytes | None, said: str
) -> None:
    served = tmp_path / "server" / "far.safetensors"
    served.write_bytes(bytes(far.size) if content is None else content)
    with pytest.raises(ValueError, match=said):
        pull("far")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_file_that_changed_on_disk_is_refused(far: Card) -> None:
    path = pull("far")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="SHA-256 of its card: run `caesura models rm far`, then pull it again"):
        load("far")


def test_weights_come_over_https(far: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    plain = dataclasses.replace(far, url="file:///etc/passwd")
    monkeypatch.setattr(weights, "cards", lambda: {"far": plain})
    with pytest.raises(ValueError, match="weights come over https, not from 'file:///etc/passwd'"):
        pull("far")


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(ValueError, match="no weights 'leen': did you mean lean"):
        card("leen")


def test_bundled_weights_are_not_deleted() -> None:
    with pytest.raises(ValueError, match="'lean' came with caesura"):
        remove("lean")


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    torch.save({"a": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match="holds no weights that can be read"):
        tensors(str(tmp_path / "evil.pt"))
    assert not (tmp_path / "ran").exists()


def test_torch_files_of_plain_tensors_are_read(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(3, dtype=torch.float16), "n": torch.tensor(2)}, tmp_path / "plain.pt")
    found = tensors(str(tmp_path / "plain.pt"))
    assert found["a"].dtype == torch.float32
    assert found["n"].dtype == torch.int64


@pytest.mark.parametrize("content", [b"", b"not weights at all"])
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a safetensors file"):
        load(str(path))


def test_a_file_that_does_not_say_its_network_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "mute.safetensors")
    with pytest.raises(ValueError, match="does not say of which network it is"):
        load(str(tmp_path / "mute.safetensors"))


def test_listing_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['safetensors'] = None;"
        "from caesura.networks.weights import cards, card; assert 'lean' in cards(); print(card('lean').licence)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == card("lean").licence


def test_the_commands(far: Card) -> None:
    runner = CliRunner()
    listed = runner.invoke(models_app, ["list"])
    assert "far" in listed.output
    assert "caesura models pull far" in listed.output
    assert runner.invoke(models_app, ["pull", "far"]).exit_code == 0
    assert "fetched" in runner.invoke(models_app, ["list"]).output
    shown = runner.invoke(models_app, ["info", "far"]).output
    assert far.sha256 in shown
    assert "CC0-1.0" in shown
    assert "deleted" in runner.invoke(models_app, ["rm", "far"]).output
