"""What a file says of itself in words goes along when its container changes, and what cannot is named."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from caesura.audio import Patch, splice
from caesura.audio.riff import chunk
from caesura.audio.tagging import tags_of

TAGS = {"title": "Wiegenlied", "artist": "Brähms", "date": "1868", "album": "Op. 49"}
SILENCE = np.zeros(4410)


def tagged(path: Path, **options: str) -> Path:
    with soundfile.SoundFile(str(path), "w", 44_100, 1, **options) as file:
        for name, text in TAGS.items():
            setattr(file, name, text)
        file.write(0.1 * np.sin(0.1 * np.arange(4410)))
    return path


SOURCES = {"wav": {"subtype": "PCM_16"}, "flac": {}, "ogg": {}, "mp3": {}}


@pytest.mark.parametrize("kind", ["wav", "flac", "aiff", "ogg", "mp3"])
@pytest.mark.parametrize("source", SOURCES)
def test_tags_go_along(tmp_path: Path, source: str, kind: str) -> None:
    path = tagged(tmp_path / f"in.{source}", **SOURCES[source])
    done = splice(path, tmp_path / f"out.{kind}", (Patch(100, np.zeros((1, 50))),), output_format=kind)
    told = tags_of(done.path)
    assert {name: told.get(name) for name in ("title", "artist")} == {"title": "Wiegenlied", "artist": "Brähms"}
    if kind in ("wav", "flac", "ogg"):  # the others have fewer names
        assert all(told.get(name) == text for name, text in tags_of(path).items() if name != "software")
    assert "left behind" not in done.note
    assert soundfile.info(str(done.path)).frames == 4410 or kind == "mp3"


def test_nothing_is_made_up(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", SILENCE, 44_100)
    flac = splice(tmp_path / "in.wav", tmp_path / "out.flac", ()).path
    back = splice(flac, tmp_path / "back.wav", (), output_format="wav").path
    assert b"LIST" not in back.read_bytes()
    assert tags_of(flac) == tags_of(back) == {}


def test_what_has_no_place_is_named(tmp_path: Path) -> None:
    path = tagged(tmp_path / "in.wav", subtype="PCM_16")
    whole = path.read_bytes() + chunk("bext", b"\0" * 602) + chunk("iXML", b"<a/>") + chunk("LIST", b"adtl")
    path.write_bytes(whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:])
    done = splice(path, tmp_path / "out.flac", ())
    assert done.note.endswith("left behind, because another container has no place for them: bext, iXML, LIST")
    assert tags_of(done.path)["title"] == "Wiegenlied"
