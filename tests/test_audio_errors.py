"""Whatever bytes a file holds: a sound, or one line that says what is wrong. Never another kind of error."""

import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_files import (
    BEXT,
    IXML,
    Kind,
    adtl,
    aiff,
    chunk,
    comments,
    cue,
    flac,
    info_list,
    random_codes,
    raw_bytes,
    wav,
)
from caesura.audio import AudioError, Patch, chunks, cue_regions, open_audio, read, splice

PCM16 = Kind("WAV", "PCM_16", ".wav")
MAGIC = [b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"fLaC", b"ID3\x03", b"\xff\xfb\x90", b"OggS", b"caff", b".snd"]


def seeds(folder: Path) -> dict[str, bytes]:
    """Small valid files of every kind."""
    raw = raw_bytes(random_codes(PCM16, 2, 64, 0), PCM16)
    extra = chunk(b"bext", BEXT) + chunk(b"iXML", IXML) + info_list() + cue([(1, 5)]) + adtl([(1, "x")], [(1, 9)])
    found = {
        "wav": wav(PCM16, raw, 2, before=extra),
        "extensible": wav(PCM16, raw, 2, extensible=True, after=extra),
        "rf64": wav(Kind("RF64", "PCM_16", ".wav"), raw, 2),
        "aiff": aiff(Kind("AIFF", "PCM_16", ".aiff", ">"), raw, 2, after=chunk(b"MARK", bytes(20), ">")),
        "aifc": aiff(Kind("AIFC", "PCM_16", ".aifc", "<"), raw, 2),
    }
    flac(folder / "f", Kind("FLAC", "PCM_16", ".flac"), random_codes(PCM16, 2, 64, 0), [(4, comments("A=b"))])
    found["flac"] = (folder / "f").read_bytes()
    x = 0.1 * np.random.default_rng(0).standard_normal((600, 1))
    for container, subtype in (("OGG", "VORBIS"), ("MP3", None), ("CAF", "PCM_16"), ("AU", "PCM_16"), ("WAV", "ULAW")):
        soundfile.write(folder / "s", x, 48_000, format=container, subtype=subtype)
        found[container + str(subtype)] = (folder / "s").read_bytes()
    return found


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return seeds(tmp_path_factory.mktemp("seeds"))


def survives(path: Path) -> bool:
    """Do everything that reads a file; True where it is a sound."""
    failures = [fails(use, path) for use in (chunks, cue_regions, use_all)]
    for failure in filter(None, failures):
        assert len(str(failure).splitlines()) == 1, failure
    return failures[2] is None


def fails(use: Callable[[Path], object], path: Path) -> Exception | None:
    try:
        use(path)
    except (ValueError, OSError) as error:
        return error
    return None


def use_all(path: Path) -> None:
    with open_audio(path) as reader:
        info = reader.info
        assert 1 <= info.channels <= 1024
        reader.read(0, min(info.frames, 100))
        reader.codes(max(info.frames - 100, 0), info.frames)
    patch = Patch(0, np.zeros((info.channels, 1)))
    splice(path, path.with_suffix(".wav"), [patch], force=True, output_format="wav")


KINDS = [
    "wav",
    "extensible",
    "rf64",
    "aiff",
    "aifc",
    "flac",
    "OGGVORBIS",
    "MP3None",
    "CAFPCM_16",
    "AUPCM_16",
    "WAVULAW",
]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@given(data=st.data())
def test_mutated_headers_end_in_one_line(kind: str, data: st.DataObject, valid, tmp_path_factory) -> None:
    raw = bytearray(valid[kind])
    reach = min(len(raw), 1300 if kind in ("wav", "extensible") else 200) - 4
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, reach))
        new = data.draw(
            st.sampled_from([b"\0", b"\xff", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff", b"\x80"])
            | st.binary(min_size=1, max_size=4)
        )
        raw[at : at + len(new)] = new
    path = tmp_path_factory.mktemp("fuzz") / "a"
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw)
    survives(path)


@settings(max_examples=300)
@given(
    magic=st.sampled_from([*MAGIC, b""]),
    form=st.sampled_from([b"", b"WAVE", b"AIFF", b"AIFC"]),
    rest=st.binary(max_size=200),
)
def test_random_bytes_end_in_one_line(magic: bytes, form: bytes, rest: bytes, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("random") / "a"
    path.write_bytes(magic + (rest[:4] + form + rest[4:] if form else rest))
    survives(path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seeds_of_the_fuzz_test_are_sounds(kind: str, valid: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(valid[kind])
    assert survives(tmp_path / "a")


@pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "rf64"])
def test_every_truncation_ends_in_one_line(kind: str, valid: dict[str, bytes], tmp_path: Path) -> None:
    raw = valid[kind]
    path = tmp_path / "a"
    for length in range(0, len(raw), 3):
        path.write_bytes(raw[:length])
        survives(path)


def test_sizes_in_a_header_allocate_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    fmt = struct.pack("<HHIIHH", 1, 1024, 48_000, 0, 2048, 16)
    path.write_bytes(b"RIFF\xff\xff\xff\x7fWAVE" + chunk(b"fmt ", fmt) + b"data\xf0\xff\xff\xff" + bytes(4096))
    huge = b"FORM\x7f\xff\xff\xffAIFFCOMM\xff\xff\xff\xf0" + bytes(100)
    (tmp_path / "b.aiff").write_bytes(huge)
    (tmp_path / "c.wav").write_bytes(b"RIFF\0\0\0\0WAVE" + b"LIST\0\0\0\0" * 100_000)
    tracemalloc.start()
    assert read(path).samples.shape == (1024, 2)
    with pytest.raises(AudioError):
        read(tmp_path / "b.aiff")
    with pytest.raises(AudioError, match="more than 10000 chunks"):
        read(tmp_path / "c.wav")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6


@pytest.mark.parametrize(
    ("contents", "match"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"RIFF\0\0", "ends after 6 bytes, inside its header"),
        (b"RIFF\x04\0\0\0WAVE", "has no 'fmt ' chunk"),
        (b"hello, world", r"not a sound file that is known here: it begins with b'hello, w'"),
        (wav(PCM16, b"", 2), r"holds no samples \(0 frames\)"),
        (wav(PCM16, bytes(8), 0), "claims 0 channels"),
        (wav(PCM16, bytes(8), 2, rate=0), "claims a rate of 0 Hz"),
        (b"fLaC\0\0\0\x22" + bytes(9), "cannot be decoded"),
        (b"FORM\0\0\0\x04AIFF", "has no 'COMM' chunk"),
        (b"\x1a\x45\xdf\xa3" + bytes(60), r"caesura\[media\]|cannot be decoded"),
    ],
)
def test_what_is_wrong_is_said(contents: bytes, match: str, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(contents)
    with pytest.raises(ValueError, match=match) as error:
        open_audio(path)
    assert f"'{path}'" in str(error.value)


def test_a_missing_file_and_a_folder_are_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        read(tmp_path / "none.wav")
    with pytest.raises(AudioError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(AudioError, match="is not a regular file"):
        read("/dev/null")
    with pytest.raises(ValueError, match="is no file name"):
        read("a\0b.wav")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF")
    path.chmod(0)
    with pytest.raises(PermissionError):
        read(path)
