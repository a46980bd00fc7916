"""The proof notices one bit of one sample and one byte of metadata, and says where."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audio_files import BEXT, BITS, WAVS, Kind, chunk, comments, cue, flac, info_list, random_codes, raw_bytes, wav
from caesura.audio import Patch, chunks, read, splice
from caesura.region import Region
from caesura.verify import verify

PCM24 = Kind("WAV", "PCM_24", ".wav")
RATE = 48_000
EXTRA = chunk(b"bext", BEXT) + info_list() + cue([(1, 5)])


def write_wav(path: Path, codes: np.ndarray, kind: Kind = PCM24, *, after: bytes = EXTRA) -> Path:
    path.write_bytes(wav(kind, raw_bytes(codes, kind), len(codes), after=after))
    return path


@given(
    kind=st.sampled_from(WAVS),
    channel=st.integers(0, 2),
    at=st.integers(0, 199),
    start=st.integers(0, 198),
    length=st.integers(1, 50),
    only=st.sampled_from([None, 0, 1, 2]),
)
def test_one_bit_of_one_sample_is_noticed(
    kind: Kind, channel: int, at: int, start: int, length: int, only: int | None, tmp_path_factory
) -> None:
    folder = tmp_path_factory.mktemp("verify")
    codes = random_codes(kind, 3, 200, 1)
    before = write_wav(folder / "a.wav", codes, kind, after=b"")
    other = codes.copy()
    if kind.subtype in BITS:
        other[channel, at] ^= 1
    else:
        other[channel, at] = np.nextafter(np.float32(other[channel, at]), np.float32(9))
    after = write_wav(folder / "b.wav", other, kind, after=b"")
    region = Region(start, min(start + length, 200), channel=only)
    verdict = verify(before, after, [region])
    inside = region.start <= at < region.stop and only in (None, channel)
    assert (verdict.changed_inside, verdict.changed_outside) == (int(inside), int(not inside))
    assert verdict.ok == inside
    assert verdict.metadata_kept
    assert verdict.first == (None if inside else (channel, at, at / RATE))


def test_a_repaired_file_passes(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "a.wav", random_codes(PCM24, 2, 5000, 0))
    splice(source, tmp_path / "b.wav", [Patch(100, np.zeros((2, 50))), Patch(2000, np.zeros((1, 9)), 1)])
    verdict = verify(source, tmp_path / "b.wav", [Region(100, 150), Region(2000, 2009, channel=1)])
    assert verdict.ok
    assert verdict.changed_inside == 109
    assert verdict.lines() == [
        "no sample outside the regions differs",
        "109 samples inside the regions differ",
        "every metadata chunk is the same",
    ]


def test_the_first_difference_is_named(tmp_path: Path) -> None:
    codes = random_codes(PCM24, 2, 300_000, 0)
    first = tmp_path / "a.wav"
    left = np.ascontiguousarray(codes.astype(np.int32).T) << 8
    soundfile.write(first, left, RATE, subtype="PCM_24")
    left[240_000, 1] ^= 256
    left[250_000] ^= 256
    soundfile.write(tmp_path / "b.wav", left, RATE, subtype="PCM_24")
    verdict = verify(first, tmp_path / "b.wav", [Region(10, 20)])
    assert verdict.changed_outside == 3
    assert verdict.first == (1, 240_000, 5.0)
    assert (
        "3 samples outside the regions differ, the first one at 5.000000 s (sample 240000, channel 1)"
        in verdict.lines()
    )


@pytest.mark.parametrize("name", [c.strip() for c in ("bext", "LIST", "cue ")])
def test_one_byte_of_metadata_is_noticed(name: str, tmp_path: Path) -> None:
    source = write_wav(tmp_path / "a.wav", random_codes(PCM24, 2, 100, 0))
    raw = bytearray(source.read_bytes())
    where = next(c for c in chunks(source) if c.id.strip() == name)
    raw[where.offset + where.size - 1] ^= 1
    (tmp_path / "b.wav").write_bytes(raw)
    verdict = verify(source, tmp_path / "b.wav", [])
    assert not verdict.ok
    assert verdict.metadata_kept is False
    assert verdict.metadata == (f"the metadata chunk '{where.id}' changed",)


def test_missing_and_added_chunks_are_named(tmp_path: Path) -> None:
    codes = random_codes(PCM24, 1, 100, 0)
    one = write_wav(tmp_path / "a.wav", codes, after=chunk(b"bext", BEXT) + chunk(b"odd ", b"a"))
    two = write_wav(tmp_path / "b.wav", codes, after=chunk(b"odd ", b"a") + chunk(b"odd ", b"b"))
    assert verify(one, two, []).metadata == (
        "the metadata chunk 'bext' is missing",
        "the metadata chunk 'odd ' #2 was added",
    )


def test_soundfile_does_not_pass(tmp_path: Path) -> None:
    """The common way, read everything and write everything, loses what this package keeps."""
    source = write_wav(tmp_path / "a.wav", random_codes(PCM24, 2, 100, 0))
    soundfile.write(tmp_path / "b.wav", *soundfile.read(source))
    verdict = verify(source, tmp_path / "b.wav", [])
    assert "the sample format changed from PCM_24 to PCM_16" in verdict.lines()
    assert "the metadata chunk 'bext' is missing" in verdict.lines()
    assert verdict.changed_outside > 0


def test_not_a_number_equals_itself(tmp_path: Path) -> None:
    kind = Kind("WAV", "FLOAT", ".wav")
    codes = np.array([[0.5, np.nan, np.inf, 0.25]])
    one, two = write_wav(tmp_path / "a.wav", codes, kind), write_wav(tmp_path / "b.wav", codes, kind)
    assert verify(one, two, []).ok
    codes[0, 1] = 0.0
    assert verify(one, write_wav(tmp_path / "c.wav", codes, kind), []).changed_outside == 1


def test_other_rates_channels_and_lengths_are_named(tmp_path: Path) -> None:
    x = np.zeros((100, 2))
    soundfile.write(tmp_path / "a.wav", x, RATE)
    for name, samples, rate, sentence in (
        ("rate", x, 44_100, "the sample rate changed from 48000 Hz to 44100 Hz"),
        ("mono", x[:, :1], RATE, "the number of channels changed from 2 to 1"),
        ("short", x[:90], RATE, "the length changed from 100 samples to 90 samples"),
    ):
        soundfile.write(tmp_path / f"{name}.wav", samples, rate)
        verdict = verify(tmp_path / "a.wav", tmp_path / f"{name}.wav", [])
        assert not verdict.ok
        assert sentence in verdict.lines()


def test_flac_is_compared_without_its_frames(tmp_path: Path) -> None:
    kind = Kind("FLAC", "PCM_24", ".flac")
    codes = random_codes(kind, 2, 5000, 0)
    flac(tmp_path / "a.flac", kind, codes, [(4, comments("A=b")), (3, bytes(18))])
    splice(tmp_path / "a.flac", tmp_path / "b.flac", [Patch(100, np.zeros((2, 50)))])
    assert verify(tmp_path / "a.flac", tmp_path / "b.flac", [Region(100, 150)]).ok
    flac(tmp_path / "c.flac", kind, codes, [(4, comments("A=c"))])
    verdict = verify(tmp_path / "a.flac", tmp_path / "c.flac", [])
    assert verdict.metadata == ("the metadata chunk 'VORBIS_COMMENT' changed",)
    assert verdict.changed_outside == 0


@pytest.mark.parametrize("suffix", [".flac", ".wav"])
@pytest.mark.parametrize("container", ["OGG", "MP3"])
def test_a_lossy_file_is_compared_within_the_precision_of_the_result(
    container: str, suffix: str, tmp_path: Path
) -> None:
    source = tmp_path / "a"
    soundfile.write(source, 0.5 * np.random.default_rng(0).standard_normal((20_000, 2)), RATE, format=container)
    assert np.abs(read(source).samples).max() > 1.0
    target = tmp_path / f"b{suffix}"
    splice(source, target, [Patch(1000, np.zeros((2, 10)))], output_format=suffix)
    verdict = verify(source, target, [Region(1000, 1010)])
    assert verdict.ok
    assert verdict.metadata_kept is None
    assert any("is lossy" in line for line in verdict.lines())
    assert any("metadata cannot be compared" in line for line in verdict.lines())
    assert verify(source, target, [Region(1000, 1009)]).changed_outside == 2


def test_a_region_with_a_band_covers_its_whole_time_span(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "a.wav", random_codes(PCM24, 2, 100, 0))
    splice(source, tmp_path / "b.wav", [Patch(10, np.zeros((2, 20)))])
    assert verify(source, tmp_path / "b.wav", [Region(10, 30, 1000.0, 2000.0)]).ok


def test_regions_that_do_not_exist_are_named(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "a.wav", random_codes(PCM24, 2, 100, 0))
    with pytest.raises(ValueError, match=r"the region 90-101 lies outside '.*a.wav', which has 100 samples"):
        verify(source, source, [Region(90, 101)])
    with pytest.raises(ValueError, match="channel 2 does not exist"):
        verify(source, source, [Region(9, 10, channel=2)])
