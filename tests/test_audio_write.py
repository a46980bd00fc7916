"""Writing: the source's format and metadata stay, nothing is scaled, and what is clamped is counted."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audio_files import (
    AIFFS,
    BEXT,
    IXML,
    WAVS,
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
from caesura.audio import Audio, chunks, open_audio, read, write
from caesura.audio.riff import header

PCM24 = Kind("WAV", "PCM_24", ".wav")
EXTRA = chunk(b"bext", BEXT) + chunk(b"iXML", IXML)
RATE = 48_000
CUESHEET = bytes(395) + b"\1" + bytes(8) + b"\xff" + bytes(27)  # a lead-out track and nothing else


def tagged(folder: Path) -> Path:
    path = folder / "a.wav"
    raw = raw_bytes(random_codes(PCM24, 2, 101, 0), PCM24)
    late = info_list() + cue([(1, 5)]) + adtl([(1, "x")], [(1, 9)]) + chunk(b"odd ", b"abc")
    path.write_bytes(wav(PCM24, raw, 2, before=EXTRA, after=late))
    return path


@pytest.mark.parametrize("kind", WAVS + AIFFS, ids=str)
def test_what_was_read_is_written_back_byte_for_byte(kind: Kind, tmp_path: Path) -> None:
    order = "<" if kind in WAVS and kind.order == "<" else ">"
    raw = raw_bytes(random_codes(kind, 3, 101, 0), kind)
    path, copy = tmp_path / f"a{kind.suffix}", tmp_path / f"b{kind.suffix}"
    build = wav if kind in WAVS else aiff
    path.write_bytes(build(kind, raw, 3, before=chunk(b"odd ", b"abc", order), after=chunk(b"xyz ", b"12", order)))
    written = write(copy, read(path))
    assert copy.read_bytes() == path.read_bytes()
    assert (written.container, written.subtype, written.clipped) == (kind.container, kind.subtype, 0)


def test_a_new_length_keeps_what_does_not_speak_of_positions(tmp_path: Path) -> None:
    audio = read(tagged(tmp_path))
    target = tmp_path / "b.wav"
    written = write(target, Audio(audio.samples[:, :50], RATE, audio.source))
    raw = target.read_bytes()
    found = {c.id: raw[c.offset : c.offset + c.size] for c in chunks(target)}
    assert list(found) == ["fmt ", "bext", "iXML", "data", "LIST"]
    assert (found["bext"], found["iXML"]) == (BEXT, IXML)
    assert found["LIST"].startswith(b"INFO")
    assert written.subtype == "PCM_24"
    assert written.note == "left behind, because their positions would be wrong: cue, LIST, odd"
    x, _ = soundfile.read(target)
    assert np.array_equal(x.T, audio.samples[:, :50])


def test_a_new_rate_leaves_the_time_reference_behind(tmp_path: Path) -> None:
    audio = read(tagged(tmp_path))
    written = write(tmp_path / "b.wav", Audio(audio.samples, 44_100, audio.source))
    assert "bext" in written.note
    assert "iXML" in [c.id for c in chunks(written.path)]


def test_another_sample_format_keeps_every_chunk(tmp_path: Path) -> None:
    audio = read(tagged(tmp_path))
    written = write(tmp_path / "b.wav", audio, subtype="PCM_16")
    assert written.note == ""
    names = [c.id for c in chunks(written.path)]
    assert names == ["fmt ", "bext", "iXML", "data", "LIST", "cue ", "LIST", "odd "]
    assert soundfile.info(written.path).subtype == "PCM_16"


def test_flac_blocks_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    codes = random_codes(PCM24, 2, 5000, 0)
    flac(path, Kind("FLAC", "PCM_24", ".flac"), codes, [(4, comments("A=b")), (5, CUESHEET)])
    audio = read(path)
    same = write(tmp_path / "same.flac", audio)
    assert [c.id for c in chunks(same.path)] == ["STREAMINFO", "VORBIS_COMMENT", "CUESHEET"]
    assert np.array_equal(read(same.path).samples, audio.samples)
    short = write(tmp_path / "short.flac", Audio(audio.samples[:, :999], RATE, path))
    assert [c.id for c in chunks(short.path)] == ["STREAMINFO", "VORBIS_COMMENT"]
    assert np.array_equal(read(short.path).samples, audio.samples[:, :999])


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".flac", ".ogg", ".opus", ".mp3"])
@pytest.mark.parametrize("channels", [1, 2])
def test_files_without_a_source(suffix: str, channels: int, tmp_path: Path) -> None:
    x = 0.1 * np.random.default_rng(0).standard_normal((channels, 5000))
    written = write(tmp_path / f"a{suffix}", Audio(x, RATE))
    found, rate = soundfile.read(written.path, always_2d=True)
    assert rate == RATE
    assert found.shape[1] == channels
    if suffix in (".wav", ".aiff", ".flac"):
        assert np.abs(found.T - x).max() < 2.0**-23


@given(
    channels=st.integers(1, 9),
    frames=st.integers(1, 40),
    suffix=st.sampled_from([".wav", ".aiff"]),
    pick=st.integers(0, 5),
)
def test_new_files_read_the_same_with_another_reader(
    channels: int, frames: int, suffix: str, pick: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    subtypes = ("PCM_U8" if suffix == ".wav" else "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")
    subtype = subtypes[pick]
    x = np.random.default_rng(frames).uniform(-1, 0.99, (channels, frames))
    path = tmp_path_factory.mktemp("new") / f"a{suffix}"
    written = write(path, Audio(x, 96_000), subtype=subtype)
    found, rate = soundfile.read(path, always_2d=True)
    assert (rate, found.shape, written.clipped) == (96_000, (frames, channels), 0)
    assert soundfile.info(path).subtype == subtype
    assert np.array_equal(found.T, read(path).samples)
    bits = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "FLOAT": 24, "PCM_32": 32}.get(subtype, 53)
    assert np.abs(found.T - x).max() <= 2.0**-bits


def test_values_are_neither_scaled_nor_clipped_in_floats(tmp_path: Path) -> None:
    x = np.array([[3.0, -2.5, 0.25]])
    assert write(tmp_path / "a.wav", Audio(x, RATE)).clipped == 0
    assert read(tmp_path / "a.wav").samples.tolist() == x.tolist()
    written = write(tmp_path / "b.wav", Audio(x, RATE), subtype="PCM_16")
    assert written.clipped == 2
    assert read(tmp_path / "b.wav").samples.tolist() == [[1.0 - 2.0**-15, -1.0, 0.25]]


def test_the_header_grows_into_rf64_where_the_sizes_need_it(tmp_path: Path) -> None:
    with open_audio(write(tmp_path / "a.wav", Audio(np.zeros((1, 3)), RATE), subtype="PCM_24").path) as reader:
        assert reader.info.container == "WAV"
        codec = reader.codec  # type: ignore[attr-defined]
    frames = 2**32 // 6 + 1
    path = tmp_path / "large.wav"
    with path.open("wb") as file:
        file.write(header(codec, 96_000, 2, frames))
        file.truncate(file.tell() + 6 * frames)
    with open_audio(path) as reader:
        assert (reader.info.container, reader.info.frames, reader.info.truncated) == ("RF64", frames, False)
    assert soundfile.info(path).frames == frames


@pytest.mark.parametrize(
    ("name", "subtype", "samples", "match"),
    [
        ("a.xyz", None, np.zeros((1, 9)), "names no container that can be written: use one of .wav"),
        ("a.wav", "PCM_12", np.zeros((1, 9)), "'PCM_12' is not a sample format of WAV: choose PCM_U8"),
        ("a.wav", None, np.zeros((2, 0)), r"shape \(channels, frames\), got \(2, 0\)"),
        ("a.wav", None, np.zeros((2000, 2)), r"shape \(channels, frames\), got \(2000, 2\)"),
        ("a.wav", "PCM_16", np.full((1, 9), np.nan), "NaN or infinite"),
        ("a.mp3", None, np.full((1, 9), np.nan), "NaN or infinite"),
        ("a.flac", None, np.zeros((9, 9)), "9 channels at 48000 Hz could not be written as FLAC"),
    ],
)
def test_what_cannot_be_written_is_said(
    name: str, subtype: str | None, samples: np.ndarray, match: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=match) as error:
        write(tmp_path / name, Audio(samples, RATE), subtype=subtype)
    assert len(str(error.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_existing_files_are_kept(tmp_path: Path) -> None:
    path = tagged(tmp_path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="exists"):
        write(path, read(path))
    write(path, read(path), force=True)
    assert path.read_bytes() == before
