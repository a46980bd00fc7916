"""How long a person waits: first sound and first spectrogram of a three-minute file, an hour's file, an edit of a note.

    python benchmarks/studio.py --write docs/benchmarks/studio.md

A real server is started as `caesura studio` does it and spoken to over HTTP; times are medians of several rounds and
start when the request is sent. Where Playwright, Chromium and the built page are there, a browser is timed as well:
"in the browser" is what a person waits for, drawing included.
"""

import argparse
import contextlib
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile

RATE = 44_100
ROUNDS = 5


def recording(path: Path, minutes: float) -> Path:
    """Partials that come and go, in noise; stereo, 16 bits, written block by block."""
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
        for second in range(round(60 * minutes)):
            t = second + np.arange(RATE) / RATE
            x = sum(np.sin(2 * np.pi * k * (110 + second % 24 * 10) * t) / k for k in range(1, 6)) * 0.15
            file.write(np.stack([x, 0.7 * x], axis=1) + 1e-3 * rng.standard_normal((RATE, 2)))
    return path


@contextlib.contextmanager
def server(*options: str) -> Iterator[httpx.Client]:
    """A studio and a client with a session."""
    command = [sys.executable, "-m", "caesura", "studio", "--no-browser", "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        match = re.search(r"open (\S+)", process.stderr.readline())
        assert match
        with httpx.Client(base_url=match[1], timeout=600.0) as client:
            client.post("/api/session").raise_for_status()
            yield client
        process.terminate()


def seconds(work: Callable[[], Any]) -> float:
    """How long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def upload(client: httpx.Client, path: Path) -> str:
    """Send a file; return its id."""
    with path.open("rb") as file:
        answer = client.post("/api/sounds", params={"name": path.name}, content=file)
    return str(answer.raise_for_status().json()["id"])


def first_sound(client: httpx.Client, sound: str) -> None:
    """A second of sound, which is when a browser begins to play."""
    client.get(f"/api/sounds/{sound}/play", headers={"Range": f"bytes=0-{4 * RATE}"}).raise_for_status()


def first_picture(client: httpx.Client, sound: str, scale: str = "log") -> None:
    """The whole sound: outline and the one tile of the highest level."""
    level = client.get(f"/api/sounds/{sound}/tiles").json()["levels"] - 1
    client.get(f"/api/sounds/{sound}/tiles/{scale}/{level}/0").raise_for_status()
    client.get(f"/api/sounds/{sound}/peaks").raise_for_status()


def finished(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ask for work and follow it to its end."""
    job = client.post(path, json=body).raise_for_status().json()
    with client.stream("GET", f"/api/jobs/{job['id']}/events") as events:
        for line in events.iter_lines():
            if line.startswith("data: "):
                job = json.loads(line[6:])
    if job["state"] != "done":
        raise SystemExit(f"{path}: {job['error']}")
    return dict(job)


def views(client: httpx.Client, path: Path, name: str, rounds: int) -> tuple[dict[str, list[float]], str]:
    """Times until a recording is heard and seen, and its id."""
    found: dict[str, list[float]] = {}

    def timed(what: str, work: Callable[[], Any]) -> None:
        found.setdefault(f"{name}: {what}", []).append(seconds(work))

    sound = ""
    for _ in range(rounds):
        timed("upload", lambda: upload(client, path))
        sound = client.get("/api/sounds").json()[-1]["id"]
        timed("first sound after it", lambda: first_sound(client, sound))  # noqa: B023
        timed("first spectrogram and outline after it", lambda: first_picture(client, sound))  # noqa: B023
    for k in range(10):
        timed("a tile while scrolling", lambda: client.get(f"/api/sounds/{sound}/tiles/mel/5/{k}"))  # noqa: B023
    return found, sound


def in_browser(address: str, path: Path, rounds: int) -> dict[str, list[float]]:
    """Times of a person with a browser: the page, then a recording seen and heard; none without Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return {}
    from playwright.sync_api import sync_playwright

    found: dict[str, list[float]] = {}
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--mute-audio"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        for _ in range(rounds):
            page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
            start = time.perf_counter()

            def passed(what: str, since: float = start) -> None:
                found.setdefault(f"in the browser: {what}", []).append(time.perf_counter() - since)

            page.goto(address)
            page.wait_for_selector("#method option", state="attached")
            passed("page ready")
            with page.expect_response(lambda answer: "/tiles/mel/" in answer.url) as tile:
                page.set_input_files("#file", path)
            tile.value.finished()
            passed("spectrogram of a 3-minute file, from opening the page")
            page.focus("#plane")
            page.keyboard.press(" ")
            heard = page.locator(".time").text_content()
            while page.locator(".time").text_content() == heard:
                time.sleep(0.005)
            passed("first sound of it, from opening the page")
            page.context.close()
        browser.close()
    return found


def measure(folder: Path, weights: str) -> dict[str, list[float]]:
    """Every time, by what was waited for."""
    with server("--weights", f"notono={weights}") as client:
        song = recording(folder / "song.wav", 3.0)
        found, _ = views(client, song, "3 minutes", ROUNDS)
        found |= in_browser(str(client.base_url), song, ROUNDS)
        long, hour = views(client, recording(folder / "hour.wav", 60.0), "60 minutes", 1)
        note = upload(client, recording(folder / "note.wav", 4.0 / 60.0))
        finished(client, "/api/codes", {"sound": note})  # loads the networks
        edit = {"sound": note, "cells": [{"layer": "bottom", "row": row, "column": 2} for row in range(8)]}
        gap = {"sound": hour, "regions": [{"start": 10 * RATE, "stop": 10 * RATE + 882}], "method": "lsar"}
        work = {"note: 8 cells of the fine map": ("/api/note-edits", edit)}
        work["60 minutes: a gap of 20 ms by lsar"] = ("/api/restorations", gap)
        for what, (path, body) in work.items():
            found[what] = [seconds(lambda: finished(client, path, body)) for _ in range(ROUNDS)]  # noqa: B023
    return found | long


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="tiny", help="folder of notono's weights")
    parser.add_argument("--write", type=Path, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), options.weights)
    lines = [
        f"| {what} | {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f}) |"
        for what, values in rows.items()
    ]
    table = "\n".join(["| what | seconds, median (least to most) |", "|---|---|", *lines])
    print(table)
    if options.write:
        command = f"python benchmarks/studio.py --weights {options.weights}"
        # what was written by hand below the table stays
        before = options.write.read_text("utf-8") if options.write.is_file() else ""
        _, found, below = before.partition("\n## ")
        page = f"# How long the studio makes one wait\n\n`{command}`\n\n{table}\n{found}{below}"
        options.write.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
