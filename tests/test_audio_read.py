"""Reading: exact, at random places, with stated behaviour for what is unusual."""

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audio_files import BEXT, Kind, adtl, chunk, comments, cue, flac, info_list, random_codes, raw_bytes, wav
from caesura.audio import AudioError, Patch, chunks, cue_regions, open_audio, output_suffix, read, resample, splice

PCM16 = Kind("WAV", "PCM_16", ".wav")
RATE = 48_000


def small(folder: Path, *, frames: int = 100, **options: object) -> tuple[Path, np.ndarray]:
    codes = random_codes(PCM16, 2, frames, 0)
    path = folder / "a.wav"
    path.write_bytes(wav(PCM16, raw_bytes(codes, PCM16), 2, **options))  # type: ignore[arg-type]
    return path, codes / 2.0**15


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "PCM_24"), ("AIFF", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"),
     ("W64", "FLOAT"), ("CAF", "PCM_24"), ("AU", "PCM_16"), ("WAV", "ULAW"), ("WAV", "MS_ADPCM")],
)  # fmt: skip
def test_any_span_is_that_of_the_whole_file(container: str, subtype: str, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"  # the name says nothing
    x = 0.3 * np.random.default_rng(0).standard_normal((50_000, 2))
    soundfile.write(path, x, RATE, format=container, subtype=subtype)
    whole, _ = soundfile.read(path, dtype="float64")
    spans = [(int(at), int(at) + 500) for at in np.random.default_rng(1).integers(0, len(whole) - 500, 20)]
    with open_audio(path) as reader:
        assert (reader.info.container, reader.info.subtype) == (container, subtype)
        assert reader.info.lossy == (subtype in ("VORBIS", "MPEG_LAYER_III", "ULAW", "MS_ADPCM"))
        assert reader.info.frames == len(whole)
        for start, stop in ((0, 10), (40_000, 40_500), (7, 7), (len(whole) - 5, len(whole)), *spans):
            assert np.array_equal(reader.read(start, stop), whole[start:stop].T)
        with pytest.raises(AudioError, match=f"do not exist, '.*a.bin' has {len(whole)}"):
            reader.read(0, len(whole) + 1)
    assert np.array_equal(read(path).samples, whole.T)


def test_not_a_number_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    raw = np.array([0.5, np.nan, np.inf, -np.inf], dtype="<f4").view("<u4")
    raw[1] = 0x7F800001  # a signalling NaN
    path.write_bytes(wav(Kind("WAV", "FLOAT", ".wav"), raw.tobytes(), 1))
    x = read(path).samples[0]
    assert x[0] == 0.5
    assert np.isnan(x[1])
    assert x[2:].tolist() == [np.inf, -np.inf]


def test_a_cut_off_file_gives_the_frames_that_are_there(tmp_path: Path) -> None:
    path, x = small(tmp_path)
    path.write_bytes(path.read_bytes()[:-41])
    with open_audio(path) as reader:
        assert reader.info.truncated
        assert "promises 100 frames, the file holds 89: those are used" in reader.info.note
        assert np.array_equal(reader.read(0, 89), x[:, :89])
    before = path.read_bytes()
    after = splice(path, tmp_path / "b.wav", [Patch(0, np.zeros((2, 2)))]).path.read_bytes()
    assert len(after) == len(before)
    assert after[52:] == before[52:]


@pytest.mark.parametrize(("total", "size"), [(0xFFFFFFFF, 0xFFFFFFFF), (0, 0), (36, 0)])
def test_a_file_from_a_pipe_reaches_to_its_end(total: int, size: int, tmp_path: Path) -> None:
    path, x = small(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[4:8], raw[40:44] = struct.pack("<I", total), struct.pack("<I", size)
    path.write_bytes(raw)
    with open_audio(path) as reader:
        assert reader.info.frames == 100
        assert not reader.info.truncated
        assert "written to a pipe" in reader.info.note
        assert np.array_equal(reader.read(0, 100), x)


def test_an_empty_data_chunk_before_other_chunks_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(PCM16, b"", 2, after=info_list()))
    with pytest.raises(AudioError, match=r"holds no samples \(0 frames\)"):
        open_audio(path)


@pytest.mark.parametrize("container", ["FLAC", "MP3"])
def test_a_cut_off_compressed_file_gives_what_decodes(container: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(100_000), RATE, format=container)
    whole = read(path).samples
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with open_audio(path) as reader:
        frames = reader.info.frames
        assert 30_000 < frames < 70_000
        assert reader.info.truncated
        assert np.array_equal(reader.read(0, frames), whole[:, :frames])
        assert np.array_equal(reader.read(20_000, 20_100), whole[:, 20_000:20_100])


def test_flac_without_a_length_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(30_000), RATE)
    whole = read(path).samples
    raw = bytearray(path.read_bytes())
    raw[21] &= 0xF0
    raw[22:26] = bytes(4)
    path.write_bytes(raw)
    with open_audio(path) as reader:
        assert (reader.info.frames, reader.info.truncated) == (30_000, False)
        assert "counted" in reader.info.note
        assert np.array_equal(reader.read(12_345, 20_000), whole[:, 12_345:20_000])


def test_chunks_are_listed_with_their_places(tmp_path: Path) -> None:
    path, _ = small(tmp_path, before=chunk(b"bext", BEXT), after=chunk(b"odd ", b"abc") + b"xy")
    raw = path.read_bytes()
    found = {c.id: raw[c.offset : c.offset + c.size] for c in chunks(path)}
    assert list(found) == ["fmt ", "bext", "data", "odd ", "(trailing bytes)"]
    assert found["bext"] == BEXT
    assert found["odd "] == b"abc"
    assert found["(trailing bytes)"] == b"xy"


def test_flac_blocks_are_listed_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    flac(path, Kind("FLAC", "PCM_16", ".flac"), np.zeros((1, 100), dtype=int), [(4, comments("A=b")), (100, b"xyz")])
    raw = path.read_bytes()
    found = {c.id: raw[c.offset : c.offset + c.size] for c in chunks(path)}
    assert list(found) == ["STREAMINFO", "VORBIS_COMMENT", "TYPE_100"]
    assert found["VORBIS_COMMENT"] == comments("A=b")


def test_cue_regions_have_their_names_and_lengths(tmp_path: Path) -> None:
    labels = adtl([(7, "click"), (1, "gap é")], [(1, 25)])
    path, _ = small(tmp_path, before=cue([(7, 60), (1, 10)]), after=labels)
    assert cue_regions(path) == [(10, 35, "gap é"), (60, 60, "click")]


def test_aiff_markers_are_regions_without_length(tmp_path: Path) -> None:
    path = tmp_path / "a.aiff"
    soundfile.write(path, np.zeros(100), RATE)
    marks = struct.pack(">HHIB", 2, 1, 50, 3) + b"end" + struct.pack(">HIB", 2, 10, 4) + b"beat\0"
    path.write_bytes(path.read_bytes() + chunk(b"MARK", marks, ">"))
    assert cue_regions(path) == [(10, 10, "beat"), (50, 50, "end")]


def test_files_without_cues_have_none(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.zeros(100), RATE)
    assert cue_regions(tmp_path / "a.flac") == []
    assert cue_regions(small(tmp_path)[0]) == []


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".flac"])
def test_the_suffix_of_a_result_is_that_of_its_source(suffix: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / f"a{suffix}", np.zeros(100), RATE)
    assert output_suffix(tmp_path / f"a{suffix}") == suffix
    assert output_suffix(tmp_path / f"a{suffix}", "mp3") == ".mp3"


def test_the_suffix_of_a_lossy_result_is_flac(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.ogg", np.zeros(1000), RATE)
    assert output_suffix(tmp_path / "a.ogg") == ".flac"
    assert output_suffix(tmp_path / "a.ogg", "wav") == ".wav"


def test_a_large_file_is_read_and_spliced_in_little_memory(tmp_path: Path) -> None:
    frames = 2**28 // 2  # 1 GiB of 32-bit stereo at 96 kHz
    path = tmp_path / "a.wav"
    head = wav(Kind("WAV", "FLOAT", ".wav"), b"", 2, rate=96_000)[:-4] + struct.pack("<I", 8 * frames)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + 8 * frames)
    tracemalloc.start()
    with open_audio(path) as reader:
        reader.read(frames // 2, frames // 2 + 1000)
        positions = range(10_000, frames - 1000, frames // 50)
        patches = (Patch(at, reader.read(at, at + 500) + 0.5) for at in positions)
        spliced = splice(path, tmp_path / "b.wav", patches)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert spliced.changed == 2 * 500 * len(positions)
    assert peak < 4e6


@given(st.integers(0, 2000), st.sampled_from([8000, 22_050, 44_100, 48_000]), st.sampled_from([16_000, 44_100, 96_000]))
def test_resampling_gives_the_exact_length(samples: int, old: int, new: int) -> None:
    x = np.random.default_rng(samples).standard_normal((3, samples))
    assert resample(x, old, new).shape == (3, round(samples * new / old))


def test_resampling_there_and_back_keeps_a_tone() -> None:
    t = np.arange(48_000) / 48_000
    x = np.stack([np.sin(2 * np.pi * 1000 * t), np.cos(2 * np.pi * 300 * t)])
    y = resample(resample(x, 48_000, 22_050), 22_050, 48_000)
    error = (x - y)[:, 2000:-2000]
    assert 10 * np.log10(np.mean(error**2) / np.mean(x**2)) < -120  # measured: -130.6
