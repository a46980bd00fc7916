"""`caesura studio`: what it refuses, and a real server from its first line to Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from caesura.cli import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "set a secret with --token"),
        (["--folder", "/nowhere"], "--folder /nowhere is not a folder"),
        (["--weights", "notono"], "--weights notono is not METHOD=WEIGHTS"),
        (["--weights", "nothing=x"], "there is no method 'nothing'"),
        (["--host", "192.0.2.1", "--token", "x"], "cannot be used"),
    ],
)
def test_what_cannot_start_says_why(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["studio", "--no-browser", "--port", "0", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_server_answers_and_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "caesura", "studio", "--no-browser", "--port", "0", "--work", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ}) as server:
        killer = threading.Timer(100.0, server.kill)  # a failure must not wait for ever
        killer.start()
        assert server.stderr is not None
        said = server.stderr.readline()
        match = re.search(r"open (http://127\.0\.0\.1:\d+/)", said)
        assert match, said
        with urllib.request.urlopen(f"{match[1]}api/health", timeout=30) as answer:
            assert json.load(answer)["status"] == "ok"
        assert len(list(tmp_path.iterdir())) == 1
        server.send_signal(signal.SIGINT)
        assert server.wait(100) == 0
        killer.cancel()
    assert list(tmp_path.iterdir()) == []
