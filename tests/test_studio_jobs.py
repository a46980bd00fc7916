"""Jobs: places in the queue, progress, cancelling, a worker that dies, and twenty clients at once."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import soundfile
from starlette.testclient import TestClient

from caesura.studio.process import Crashed, Process
from studio_cases import RATE, another, begin, done, followed, recording, restoration, studio, upload, wait

ENDLESS = {"method": "janssen", "settings": {"order": 400, "context": 4000, "iterations": 1_000_000}}


@pytest.fixture(scope="module")
def client() -> Any:
    with studio(grace_seconds=2.0, most_own=5, most_queued=8) as opened:
        yield opened


@pytest.fixture(scope="module")
def sound(client: TestClient) -> str:
    return str(upload(client, recording())["id"])


def process(client: TestClient) -> Process:
    return client.app.state.studio.jobs.processes[0]  # type: ignore[attr-defined,no-any-return]


def files(client: TestClient) -> int:
    """Files of all sessions on disk."""
    root = client.app.state.studio.sessions._root  # type: ignore[attr-defined]
    return sum(path.is_file() for path in Path(root).rglob("*"))


def test_events_tell_the_way_from_the_queue_to_the_result(client: TestClient, sound: str) -> None:
    busy = begin(client, "/api/restorations", restoration(sound, **ENDLESS))
    wait(client, busy["id"], "running")
    job = begin(client, "/api/restorations", restoration(sound))
    assert (job["state"], job["position"]) == ("queued", 1)
    threading.Timer(0.5, lambda: client.delete(f"/api/jobs/{busy['id']}")).start()
    told = followed(client, job["id"])
    assert told[0]["state"] == "queued"
    assert told[-1]["state"] == "done"
    progress = [each["progress"] for each in told]
    assert progress == sorted(progress)
    assert progress[-1] == 1.0
    assert told[-1]["candidates"][0]["report"]["changed_outside"] == 0


def test_a_job_is_cancelled_while_it_runs_and_while_it_waits(client: TestClient, sound: str) -> None:
    before = files(client)
    running = begin(client, "/api/restorations", restoration(sound, **ENDLESS))
    waiting = begin(client, "/api/restorations", restoration(sound))
    wait(client, running["id"], "running")
    restarts = process(client).restarts
    assert client.delete(f"/api/jobs/{waiting['id']}").json()["state"] == "cancelled"
    client.delete(f"/api/jobs/{running['id']}").raise_for_status()
    told = followed(client, running["id"])[-1]
    assert (told["state"], told["candidates"]) == ("cancelled", None)
    assert process(client).restarts == restarts  # the method listened, the worker lives
    assert files(client) == before
    assert client.delete(f"/api/jobs/{running['id']}").json()["state"] == "cancelled"


def test_a_worker_that_does_not_listen_is_ended(client: TestClient, sound: str) -> None:
    job = begin(client, "/api/restorations", restoration(sound, **ENDLESS))
    wait(client, job["id"], "running")
    worker = process(client)
    os.kill(worker.pid or 0, signal.SIGSTOP)  # deaf, as inside a library that never returns
    restarts = worker.restarts
    client.delete(f"/api/jobs/{job['id']}").raise_for_status()
    wait(client, job["id"], "cancelled")
    assert worker.restarts == restarts + 1
    assert done(client, "/api/restorations", restoration(sound))["candidates"]


def test_a_worker_that_dies_is_started_again_and_its_job_says_so(client: TestClient, sound: str) -> None:
    before, restarts = files(client), client.get("/api/health").json()["workers"][0]["restarts"]
    job = begin(client, "/api/restorations", restoration(sound, **ENDLESS))
    wait(client, job["id"], "running")
    os.kill(process(client).pid or 0, signal.SIGKILL)
    told = wait(client, job["id"], "failed")
    assert "ended in the middle of this (signal SIGKILL); it has been started again: try once more" in told["error"]
    assert files(client) == before
    assert done(client, "/api/restorations", restoration(sound))["candidates"]
    assert client.get("/api/health").json()["workers"][0]["restarts"] == restarts + 1


def test_a_worker_that_dies_between_jobs_is_no_matter(client: TestClient, sound: str) -> None:
    os.kill(process(client).pid or 0, signal.SIGKILL)
    time.sleep(0.1)
    told = followed(client, begin(client, "/api/restorations", restoration(sound))["id"])[-1]
    assert told["state"] == "done" or "started again" in told["error"]
    assert done(client, "/api/restorations", restoration(sound))["candidates"]


def test_a_worker_that_dies_while_it_starts_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    spawn, lives = Process._spawn, iter((False, False, True))

    def mortal(self: Process) -> None:
        spawn(self)
        if not next(lives, False):
            os.kill(self.pid or 0, signal.SIGKILL)

    monkeypatch.setattr(Process, "_spawn", mortal)
    worker = Process("cpu", 1.0)
    worker.start()
    assert (worker.state, worker.restarts) == ("idle", 2)
    worker.stop()
    with pytest.raises(Crashed, match=r"does not start \(signal SIGKILL\)"):
        worker.start()
    assert worker.pid is None


def test_a_full_queue_says_so(client: TestClient, sound: str) -> None:
    other = another(client)
    theirs = upload(other, recording())["id"]
    jobs = [begin(client, "/api/restorations", restoration(sound, **ENDLESS)) for _ in range(5)]
    wait(client, jobs[0]["id"], "running")
    refused = client.post("/api/restorations", json=restoration(sound))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
    assert "5 jobs of this session wait or run already" in refused.json()["detail"]
    more = [begin(other, "/api/restorations", restoration(theirs)) for _ in range(4)]
    full = other.post("/api/restorations", json=restoration(theirs))
    assert (full.status_code, "8 jobs wait already" in full.json()["detail"]) == (429, True)
    for job in jobs[::-1]:
        client.delete(f"/api/jobs/{job['id']}").raise_for_status()
    assert [wait(other, job["id"], "done")["position"] for job in more] == [0] * 4
    other.delete("/api/session").raise_for_status()


def test_ending_a_session_ends_its_jobs_and_removes_its_files(client: TestClient) -> None:
    before = files(client)
    other = another(client)
    theirs = upload(other, recording())["id"]
    job = begin(other, "/api/restorations", restoration(theirs, **ENDLESS))
    wait(other, job["id"], "running")
    other.delete("/api/session").raise_for_status()
    until = time.monotonic() + 10.0
    while process(client).state == "busy" and time.monotonic() < until:
        time.sleep(0.02)
    assert process(client).state == "idle"
    assert files(client) == before


def test_the_end_of_the_studio_leaves_nothing() -> None:
    with studio() as client:
        sound = upload(client, recording())["id"]
        job = begin(client, "/api/restorations", restoration(sound, **ENDLESS))
        wait(client, job["id"], "running")
        root, worker = client.app.state.studio.sessions._root, process(client)  # type: ignore[attr-defined]
        assert root.exists()
    assert not root.exists()
    assert worker.pid is None


def memory() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_twenty_clients_at_once_get_their_own_and_memory_is_bounded(tmp_path: Path) -> None:
    """Must show 3. Every client's recording differs; each result must be that of its own recording."""
    results: dict[int, str] = {}

    def work(client: TestClient, number: int) -> None:
        content = recording(seed=number)
        sound = upload(client, content, f"{number}.wav")
        for index in range(4):
            client.get(f"/api/sounds/{sound['id']}/tiles/log/0/{index % 2}").raise_for_status()
        client.get(f"/api/sounds/{sound['id']}/play").raise_for_status()
        found = done(client, "/api/restorations", restoration(sound["id"], seed=number))["candidates"][0]
        exported = client.get(f"/api/sounds/{found['sound']['id']}/file").content
        before, after = tmp_path / f"{number}.wav", tmp_path / f"{number}-out.wav"
        before.write_bytes(content)
        after.write_bytes(exported)
        old, new = (soundfile.read(path, dtype="int32")[0] for path in (before, after))
        changed = (old != new).any(axis=1).nonzero()[0]
        own = found["seed"] == number and found["sound"]["name"] == f"{number}.wav" and len(new) == RATE
        results[number] = "ok" if own and changed.min() > 7990 and changed.max() < 8210 else "crossed"
        assert {each["name"] for each in client.get("/api/sounds").json()} == {f"{number}.wav"}

    with studio() as first:
        clients = [first, *(another(first) for _ in range(19))]
        taken = []
        for _ in range(3):  # the first round loads what there is to load, and every thread gets its heap
            results.clear()
            threads = [threading.Thread(target=work, args=(c, n)) for n, c in enumerate(clients)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(120.0)
            assert results == dict.fromkeys(range(20), "ok")
            taken.append(memory())
    # server and clients are one process here; what a round of twenty leaves behind is far less than what it takes
    assert taken[2] - taken[1] < 100e6, [f"{each / 1e6:.0f} MB" for each in taken]
