"""A studio for tests: short recordings, a client on this machine, and jobs followed to their end."""

import contextlib
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import soundfile
from starlette.testclient import TestClient

from caesura.studio.app import create_app
from caesura.studio.settings import Settings

RATE = 16_000
GAP = (8000, 8200)
QUICK = {"method": "lsar", "settings": {"order": 64, "contexts": [256]}}


def recording(seconds: float = 1.0, *, seed: int = 0, channels: int = 2, subtype: str = "PCM_24") -> bytes:
    """A WAV: partials with a little noise, and a gap."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    pitch = 220.0 * 2.0 ** rng.uniform(0.0, 1.0)
    x = sum(np.sin(2 * np.pi * k * pitch * t) / k for k in range(1, 5)) * 0.2
    y = np.stack([x * (0.5 + 0.5 * c) + 1e-3 * rng.standard_normal(t.size) for c in range(channels)], axis=1)
    y[GAP[0] : GAP[1]] = 0.0
    file = io.BytesIO()
    soundfile.write(file, y, RATE, format="WAV", subtype=subtype)
    return file.getvalue()


@contextlib.contextmanager
def studio(**settings: Any) -> Iterator[TestClient]:
    """A client of a studio that runs as long as the block, with a session begun."""
    with TestClient(create_app(Settings(**settings)), base_url="http://127.0.0.1") as client:
        client.post("/api/session").raise_for_status()
        yield client


def another(client: TestClient) -> TestClient:
    """A second client of the same studio, with a session of its own."""
    other = TestClient(client.app, base_url="http://127.0.0.1")
    other.post("/api/session").raise_for_status()
    return other


def upload(client: TestClient, content: bytes, name: str = "take.wav") -> dict[str, Any]:
    answer = client.post("/api/sounds", params={"name": name}, content=content)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def begin(client: TestClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def followed(client: TestClient, key: str) -> list[dict[str, Any]]:
    """Every state of a job that its events told."""
    with client.stream("GET", f"/api/jobs/{key}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]


def done(client: TestClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """A job that must succeed."""
    last = followed(client, begin(client, path, body)["id"])[-1]
    assert last["state"] == "done", last["error"]
    return last


def wait(client: TestClient, key: str, state: str, seconds: float = 20.0) -> dict[str, Any]:
    """Ask for a job until it is in a state."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        job = dict(client.get(f"/api/jobs/{key}").json())
        if job["state"] == state:
            return job
        time.sleep(0.02)
    raise AssertionError(f"the job is {job['state']} ({job['error']}), not {state}, after {seconds} s")


def restoration(sound: str, **more: Any) -> dict[str, Any]:
    return {"sound": sound, "regions": [{"start": GAP[0], "stop": GAP[1]}], **QUICK, **more}
