"""The studio's routes by a client: what comes in, how it looks, what leaves, and who may speak."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image
from starlette.testclient import TestClient

from caesura.cli import main
from caesura.studio.app import create_app
from caesura.studio.catalogue import Catalogue
from caesura.studio.guards import LARGEST_BODY
from caesura.studio.settings import Settings
from studio_cases import GAP, RATE, another, begin, done, followed, recording, restoration, studio, upload

CONTENT = recording()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("folder")
    (folder / "side").mkdir()
    (folder / "side" / "a.wav").write_bytes(CONTENT)
    (folder / "notes.txt").write_text("no sound")
    (folder / "secret.wav").symlink_to("/etc/passwd")
    with studio(
        folder=folder,
        weights={"notono": "tiny", "riffusion": "tiny", "riff_p2p": "tiny"},
        most_bytes=50_000_000,
        most_seconds=60.0,
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
def sound(client: TestClient) -> str:
    return str(upload(client, CONTENT)["id"])


@pytest.fixture(scope="module")
def repaired(client: TestClient, sound: str) -> dict[str, Any]:
    """A box filled in what a gap was filled in."""
    first = done(client, "/api/restorations", restoration(sound, seed=5, candidates=2))["candidates"][1]["sound"]
    box = {"start": 2000, "stop": 6000, "low": 500, "high": 1500}
    body = {"sound": first["id"], "regions": [box], "method": "silence"}
    return dict(done(client, "/api/restorations", body)["candidates"][0]["sound"])


# --- what comes in


def test_an_upload_is_what_its_content_says(client: TestClient) -> None:
    found = upload(client, CONTENT, "C:\\music\\../take\x00.mp3")
    assert found["name"] == "take.mp3"
    assert (found["container"], found["subtype"], found["sample_rate"]) == ("WAV", "PCM_24", RATE)
    assert found["frames"] == RATE


@pytest.mark.parametrize("content", [b"", b"hello", b"RIFF\x00\x00\x00\x00WAVE", b"\x80\x04\x95cos\nsystem\n."])
def test_what_is_no_sound_is_refused_and_leaves_nothing(client: TestClient, content: bytes) -> None:
    before = client.get("/api/session").json()["bytes"]
    answer = client.post("/api/sounds?name=evil.wav", content=content)
    assert answer.status_code == 400
    assert "evil.wav" in answer.json()["detail"]
    assert "/tmp" not in answer.json()["detail"]
    assert client.get("/api/session").json()["bytes"] == before


def test_too_long_and_too_large_are_refused(client: TestClient) -> None:
    long = io.BytesIO()
    soundfile.write(long, np.zeros(8000 * 61), 8000, format="WAV", subtype="PCM_U8")
    answer = client.post("/api/sounds", content=long.getvalue())
    assert (answer.status_code, "at most 1 are taken" in answer.text) == (413, True)
    large = client.post("/api/sounds", content=(bytes(1 << 20) for _ in range(51)))
    assert (large.status_code, "remove sounds" in large.text) == (429, True)


def test_the_folder_shows_sounds_and_no_paths(client: TestClient) -> None:
    listed = client.get("/api/folder").json()
    assert [entry["name"] for entry in listed] == ["side/a.wav"]
    opened = client.post(f"/api/folder/{listed[0]['id']}")
    assert (opened.status_code, opened.json()["origin"], opened.json()["name"]) == (201, "folder", "a.wav")
    assert client.post("/api/folder/..").status_code in (404, 405, 422)
    assert client.post("/api/folder/unknown").status_code == 404
    client.delete(f"/api/sounds/{opened.json()['id']}").raise_for_status()
    assert client.get("/api/folder").json() == listed  # the file is still there


# --- how it looks and sounds


@pytest.mark.parametrize("scale", ["linear", "log", "mel"])
def test_tiles_cover_the_sound(client: TestClient, sound: str, scale: str) -> None:
    tiles = client.get(f"/api/sounds/{sound}/tiles").json()
    for level in range(tiles["levels"]):
        count = -(-RATE // (tiles["width"] * tiles["hop"] << level))
        url = f"/api/sounds/{sound}/tiles/{scale}/{level}/"
        picture = Image.open(io.BytesIO(client.get(f"{url}{count - 1}?height=128").content))
        assert picture.size == (tiles["width"], 128)
        assert client.get(f"{url}{count}").status_code == 404
    assert count == 1


@pytest.mark.parametrize(
    ("query", "status"),
    [("window=3", 422), ("channel=2", 400), ("floor=0&ceiling=-10", 400), ("low=9000", 400), ("floor=nan", 422)],
)
def test_tiles_that_cannot_be_are_refused(client: TestClient, sound: str, query: str, status: int) -> None:
    answer = client.get(f"/api/sounds/{sound}/tiles/log/0/0?{query}")
    assert answer.status_code == status
    assert isinstance(answer.json()["detail"], str)


def test_playback_takes_ranges(client: TestClient, sound: str) -> None:
    url = f"/api/sounds/{sound}/play"
    whole = client.get(url)
    played, rate = soundfile.read(io.BytesIO(whole.content), always_2d=True)
    original = soundfile.read(io.BytesIO(CONTENT), always_2d=True)[0]
    assert rate == RATE
    np.testing.assert_allclose(played, original, atol=2.0**-16)  # half a step of 16 bits
    for asked, (start, stop) in {"0-99": (0, 100), "500-": (500, None), "-7": (-7, None)}.items():
        part = client.get(url, headers={"Range": f"bytes={asked}"})
        assert (part.status_code, part.content) == (206, whole.content[start:stop])
    assert client.get(url, headers={"Range": "bytes=99999999-"}).status_code == 416
    assert client.get(url, headers={"Range": "lines=1-2"}).status_code == 200


def test_inside_and_outside_of_a_selection_add_up(client: TestClient, sound: str) -> None:
    regions = [{"start": 1000, "stop": 5000, "low": 300.0, "high": 900.0}, {"start": 2000, "stop": 6000, "low": 2000.0}]
    parts = []
    for part in ("inside", "outside"):
        answer = client.post(f"/api/sounds/{sound}/audition", json={"regions": regions, "part": part})
        parts.append(soundfile.read(io.BytesIO(answer.content), always_2d=True)[0])
    original = soundfile.read(io.BytesIO(CONTENT), always_2d=True)[0][1000:6000]
    np.testing.assert_allclose(sum(parts), original, atol=3 * 2.0**-24)  # two roundings to 24 bits
    assert np.abs(parts[0]).max() > 0.01


def test_the_outline_and_the_thumbnail(client: TestClient, sound: str) -> None:
    peaks = client.get(f"/api/sounds/{sound}/peaks?pixels=50&start=100&stop=9000").json()
    assert peaks["exact"]
    assert [len(row) for row in peaks["low"]] == [50, 50]
    assert client.get(f"/api/sounds/{sound}/peaks?start=10&stop=10").status_code == 400
    assert Image.open(io.BytesIO(client.get(f"/api/sounds/{sound}/thumbnail").content)).size == (160, 48)


# --- work


def test_damage_is_found_and_comes_with_confidence(client: TestClient, sound: str) -> None:
    (found,) = done(client, "/api/detections", {"sound": sound, "kinds": ["silence"]})["regions"]
    assert (found["start"], found["stop"]) == GAP
    assert 0.5 < found["confidence"] <= 1.0


def test_results_have_parents_and_change_nothing_outside(client: TestClient, sound: str, repaired: Any) -> None:
    line = client.get(f"/api/sounds/{repaired['id']}/history").json()
    assert [each["id"] for each in line][::2] == [sound, repaired["id"]]
    assert line[1]["step"]["seed"] == 6
    old, new = (
        soundfile.read(io.BytesIO(client.get(f"/api/sounds/{each['id']}/file").content), dtype="int32")[0]
        for each in line[:2]
    )
    changed = np.flatnonzero((old != new).any(axis=1))
    assert GAP[0] <= changed.min()
    assert changed.max() < GAP[1]
    assert client.delete(f"/api/sounds/{sound}").status_code == 400


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "nothing"}, "there is no method 'nothing'"),
        ({"method": "../lsar"}, "there is no method"),
        ({"settings": {"depth": 3}}, "lsar has no setting 'depth'"),
        ({"settings": {"order": "many"}}, "lsar: order='many' is not a whole number"),
        ({"settings": {"order": None}}, "lsar: order=null is not a whole number"),
        ({"settings": {"contexts": 1.5}}, "is not a list of whole numbers"),
        ({"method": "cqtdiff", "settings": {"weights": "/etc/passwd"}}, "is not one of lean, tiny"),
        (
            {"method": "riff_cnet", "settings": {"weights": "tiny", "control_weights": "/etc/passwd"}},
            "is not one of zachary-shah/riffusion-cnet-v2, tiny",
        ),
        ({"method": "tango", "settings": {}}, "tango cannot work here"),
        ({"regions": [{"start": 5, "stop": 5}]}, "region 1: it is empty"),
        ({"regions": [{"start": 5, "stop": 10**9}]}, "outside the recording"),
        ({"regions": [{"start": 5, "stop": 9, "channel": 2}]}, "channel 2 does not exist"),
        ({"regions": [{"start": 5, "stop": 9, "low": 9000}]}, "above half the sample rate"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(client: TestClient, sound: str, change: Any, message: str) -> None:
    answer = client.post("/api/restorations", json={**restoration(sound), **change})
    assert answer.status_code == 400
    assert message in answer.json()["detail"]


def test_a_value_that_the_method_refuses_fails_the_job_in_words(client: TestClient, sound: str) -> None:
    job = begin(client, "/api/restorations", restoration(sound, settings={"order": -3}))
    last = followed(client, job["id"])[-1]
    assert (last["state"], last["error"]) == ("failed", "order=-3 is not a positive number of coefficients")


def test_methods_are_forms(client: TestClient) -> None:
    methods = {each["name"]: each for each in client.get("/api/methods").json()}
    fields = {each["name"]: each for each in methods["spain"]["settings"]}
    assert fields["scope"] | {"doc": ""} == {
        "name": "scope", "type": "choice", "optional": True, "default": None, "choices": ["neighbourhood", "window"],
        "minimum": None, "maximum": None, "doc": "",
    }  # fmt: skip
    assert fields["redundancy"]["type"] == "integer"
    assert methods["lsar"]["settings"][0]["default"] == [1024, 2048, 4096]
    assert methods["auto"]["available"]
    assert "not on this machine" in methods["tango"]["reason"]
    assert all(field["doc"] for each in methods.values() for field in each["settings"])


def test_cells_of_the_grid_are_drawn_again(client: TestClient) -> None:
    note = upload(client, recording(1.0, channels=1), "note.wav")
    grid = done(client, "/api/codes", {"sound": note["id"]})["grid"]
    assert np.shape(grid["bottom"]["codes"]) == (2 * len(grid["top"]["codes"]), 2 * len(grid["top"]["codes"][0]))
    asked = ((4, 48), (5, 48), (20, 72))
    cells = [{"layer": "bottom", "row": row, "column": 1, "pitch": pitch} for row, pitch in asked]
    edit = done(client, "/api/note-edits", {"sound": note["id"], "cells": cells})["candidates"][0]["sound"]
    steps = [each["step"] for each in client.get(f"/api/sounds/{edit['id']}/history").json()[1:]]
    assert [step["settings"]["pitch"] for step in steps] == [48, 72]
    edges, starts = grid["bottom"]["edges"], grid["bottom"]["starts"]
    (region,) = steps[0]["regions"]
    assert (region["low"], region["high"]) == (edges[4], edges[6])
    assert (region["start"], region["stop"]) == (starts[1], starts[2])
    outside = {"sound": note["id"], "cells": [cells[0] | {"row": 200}]}
    failed = followed(client, begin(client, "/api/note-edits", outside)["id"])[-1]
    assert (failed["state"], "row 200, column 1 is not in the map" in failed["error"]) == ("failed", True)


@pytest.mark.slow  # an untrained network still draws 640 codes one after the other
def test_a_note_is_made_with_its_pitch(client: TestClient) -> None:
    made = done(client, "/api/notes", {"pitch": 60, "family": "organ", "seconds": 1.0, "settings": {"top_p": 1.0}})
    note = made["candidates"][0]["sound"]
    assert (note["pitch"], note["sample_rate"], note["frames"]) == (60, 16_000, 16_000)
    assert client.post("/api/notes", json={"pitch": 23}).status_code == 422


def test_ways_to_make_sound_say_what_they_need(client: TestClient, sound: str) -> None:
    ways = {each["kind"]: each for each in client.get("/api/ways").json()}
    assert "notono" in ways["generate"]["methods"]
    assert all(way["available"] or way["reason"] for way in ways.values())
    body = {"kind": "continue", "method": "lpc", "settings": {"order": 64}, "seconds": 0.1, "sound": sound}
    longer = done(client, "/api/creations", body)["candidates"][0]["sound"]
    assert (longer["frames"], longer["subtype"], longer["parent"]) == (RATE + RATE // 10, "PCM_24", sound)
    del body["sound"]
    assert client.post("/api/creations", json=body).status_code == 400


def test_what_comes_with_weights_works_without_being_given_any() -> None:
    found = Catalogue({})
    methods = {each.name: each for each in found.methods}
    for name in ("notono", "text_mini", "mini_p2p", "mini_cnet", "cqtdiff"):
        assert methods[name].available, methods[name].reason
    assert not methods["tango"].available
    cnet = next(each for each in Catalogue({"riff_cnet": "tiny"}).methods if each.name == "riff_cnet")
    assert "zachary-shah/riffusion-cnet-v2" in cnet.reason  # its base alone is not enough
    assert found.notes().available
    weights = next(each for each in methods["notono"].settings if each.name == "weights")
    assert weights.default in (weights.choices or [])
    assert found.settings("notono", {"weights": ""}) == {"weights": ""}


def test_a_morph_moves_from_one_end_to_the_other(client: TestClient) -> None:
    assert client.get("/api/ways").json()[3] == {
        "kind": "morph",
        "methods": ["riffusion"],
        "available": True,
        "reason": "",
    }
    body = {"kind": "morph", "method": "riffusion", "settings": {"steps": 2}, "text": "rain", "seconds": 0.5}
    body |= {"seed": 1, "end": {"text": "wind", "seed": 2}, "sample_rate": 44_100}
    made = [done(client, "/api/creations", {**body, "alpha": a})["candidates"][0]["sound"]["id"] for a in (0, 0, 1)]
    first, again, last = (client.get(f"/api/sounds/{each}/file").content for each in made)
    assert first == again != last


def test_a_stem_is_laid_over_a_sound_that_stays_as_it_is(client: TestClient, sound: str) -> None:
    small = {"steps": 2, "bands": 64, "duration": 0.64, "iterations": 2}
    body = {"kind": "add", "method": "riff_p2p", "settings": small, "text": "add bells", "sound": sound}
    mix = done(client, "/api/creations", body)["candidates"][0]["sound"]
    assert mix["parent"] == sound
    x, y, stem = (
        soundfile.read(io.BytesIO(client.get(f"/api/sounds/{each}").content))[0]
        for each in (f"{sound}/file", f"{mix['id']}/file", f"{mix['id']}/stem")
    )
    np.testing.assert_array_equal(y - x, stem)
    assert np.abs(stem).max() > 0.0
    silent = followed(client, begin(client, "/api/creations", {**body, "text": ""})["id"])[-1]
    assert (silent["state"], "say what to add" in silent["error"]) == ("failed", True)
    assert client.post("/api/creations", json={**body, "sound": None}).status_code == 400


# --- what leaves


def test_the_export_is_what_the_command_line_makes(
    client: TestClient, repaired: dict[str, Any], tmp_path: Path
) -> None:
    """Must show 2: byte for byte, in the source's container and in another."""
    (tmp_path / "take.wav").write_bytes(CONTENT)
    (tmp_path / "p.json").write_bytes(client.get(f"/api/sounds/{repaired['id']}/project").content)
    for suffix in ("wav", "flac"):
        out = tmp_path / f"out.{suffix}"
        assert main(["restore", "--project", str(tmp_path / "p.json"), "-o", str(out), "-q"]) == 0
        query = "" if suffix == "wav" else f"?format={suffix}"
        exported = client.get(f"/api/sounds/{repaired['id']}/file{query}")
        assert exported.content == out.read_bytes()
        assert f"take.{suffix}" in exported.headers["content-disposition"]


def test_report_stem_and_labels(client: TestClient, sound: str, repaired: dict[str, Any], tmp_path: Path) -> None:
    steps = client.get(f"/api/sounds/{repaired['id']}/report").json()["steps"]
    assert [(step["method"], step["changed_outside"], step["source"]) for step in steps] == [
        ("lsar", 0, "take.wav"),
        ("silence", 0, "take.wav"),
    ]
    stem, after = (
        soundfile.read(io.BytesIO(client.get(f"/api/sounds/{repaired['id']}/{kind}").content))[0]
        for kind in ("stem", "file")
    )
    np.testing.assert_array_equal(soundfile.read(io.BytesIO(CONTENT))[0] + stem, after)
    assert client.get(f"/api/sounds/{sound}/stem").status_code == 400
    marks = [{"start": 160, "stop": 320, "low": 100.0, "high": 200.0, "text": "cough"}, {"start": 800, "stop": 1600}]
    text = client.post("/api/labels", json={"sound": sound, "regions": marks}).text
    assert "cough" in text
    back = client.post(f"/api/sounds/{sound}/labels", content=text.encode()).json()
    assert [(m["start"], m["stop"], m["low"]) for m in back] == [(160, 320, 100.0), (800, 1600, None)]
    bad = client.post(f"/api/sounds/{sound}/labels", content=b"\xff")
    assert (bad.status_code, "the label file" in bad.json()["detail"]) == (400, True)


# --- who may speak


def test_sessions_see_nothing_of_each_other(client: TestClient, sound: str) -> None:
    other = another(client)
    assert other.get("/api/sounds").json() == []
    for path in ("", "/file", "/play", "/tiles/log/0/0", "/peaks", "/project", "/history"):
        assert other.get(f"/api/sounds/{sound}{path}").status_code == 404
    assert other.post("/api/restorations", json=restoration(sound)).status_code == 404
    job = done(client, "/api/detections", {"sound": sound})["id"]
    assert other.get(f"/api/jobs/{job}").status_code == 404
    assert other.delete(f"/api/jobs/{job}").status_code == 404
    assert other.delete("/api/session").status_code == 204
    assert other.get("/api/sounds").status_code == 401


def test_a_session_goes_by_cookie_or_header(client: TestClient) -> None:
    key = client.get("/api/session").json()["id"]
    assert len(key) >= 43
    bare = TestClient(client.app, base_url="http://127.0.0.1")
    assert bare.get("/api/sounds").status_code == 401
    assert bare.get("/api/sounds", headers={"X-Caesura-Session": key}).status_code == 200
    cookie = client.post("/api/session").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert client.get("/api/session").json()["id"] == key  # a second beginning goes on with the first


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "127.0.0.1:8765", "Origin": "http://127.0.0.1:8765"}, 200),
        ({"Host": "[::1]:8765"}, 200),
        ({"Host": "localhost"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_other_sites_are_turned_away(client: TestClient, headers: dict[str, str], status: int) -> None:
    assert client.get("/api/health", headers=headers).status_code == status


def test_every_answer_carries_the_policy(client: TestClient) -> None:
    for answer in (client.get("/"), client.get("/api/health"), client.get("/api/none"), client.post("/api/notes")):
        assert "default-src 'none'; script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers


def test_bodies_are_bounded(client: TestClient) -> None:
    large = client.post("/api/restorations", content=b" " * (LARGEST_BODY + 1))
    assert large.status_code == 413
    chunked = client.post("/api/restorations", content=(b" " * (1 << 20) for _ in range(10)))
    assert chunked.status_code == 413


def test_a_token_is_asked_for() -> None:
    app = create_app(Settings(host="0.0.0.0", token="a secret"))
    with TestClient(app, base_url="http://studio.example", follow_redirects=False) as client:
        assert client.get("/api/health").status_code == 401
        assert client.get("/?token=wrong").status_code == 401
        assert client.get("/api/health", headers={"Authorization": "Bearer a secret"}).status_code == 200
        opened = client.get("/?token=a%20secret")
        assert (opened.status_code, opened.headers["location"]) == (303, "/")
        assert "a secret" not in opened.headers["location"]
        assert client.get("/api/health").status_code == 200  # by the cookie


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"host": "0.0.0.0"}, "--host 0.0.0.0 lets others in: set a secret with --token"),
        ({"host": "studio.example"}, "lets others in"),
        ({"folder": Path("/nowhere")}, "--folder /nowhere is not a folder"),
        ({"most_queued": 0}, "most_queued=0 must be positive"),
        ({"devices": ()}, "name at least one device"),
    ],
)
def test_a_studio_that_would_be_open_or_empty_does_not_start(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**settings)


def test_weights_of_what_is_no_method_are_refused() -> None:
    with pytest.raises(ValueError, match="there is no method 'nothing'"):
        create_app(Settings(weights={"nothing": "x"}))


def test_the_interface_documents_every_refusal() -> None:
    document = create_app(Settings()).openapi()
    for path, operations in document["paths"].items():
        for name, operation in operations.items():
            assert operation.get("summary"), (path, name)
            assert {"400", "401", "404", "422", "429"} <= set(operation["responses"]), (path, name)
    assert json.dumps(document).count("HTTPValidationError") == 0
