"""AAC and the sound of videos, where PyAV is installed, and one line where it is not."""

import sys
from pathlib import Path

import numpy as np
import pytest

from caesura.audio import AudioError, Patch, open_audio, read, splice
from caesura.verify import verify

RATE = 48_000
TONE = 0.2 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)


def encode(path: Path, codec: str, samples: np.ndarray) -> None:
    """A file with one audio stream from float samples (channels, frames)."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as media:
        stream = media.add_stream(codec, rate=RATE, layout="stereo" if len(samples) == 2 else "mono")
        frame = av.AudioFrame.from_ndarray(samples.astype(np.float32), format="fltp", layout=stream.layout.name)
        frame.sample_rate = RATE
        resampler = av.AudioResampler(format=stream.format, layout=stream.layout, rate=RATE, frame_size=1024)
        for block in [*resampler.resample(frame), *resampler.resample(None)]:
            media.mux(stream.encode(block))
        media.mux(stream.encode(None))


@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "aac"), ("a.mkv", "aac"), ("a.aac", "aac"), ("a.mp4", "alac")])
@pytest.mark.parametrize("channels", [1, 2])
def test_media_is_read_at_random_and_becomes_flac(name: str, codec: str, channels: int, tmp_path: Path) -> None:
    path = tmp_path / name
    encode(path, codec, np.tile(TONE, (channels, 1)) * np.arange(1, channels + 1)[:, None])
    whole = read(path).samples
    with open_audio(path) as reader:
        assert (reader.info.sample_rate, reader.info.channels) == (RATE, channels)
        assert reader.info.subtype == codec.upper()
        assert reader.info.lossy == (codec == "aac")
        assert abs(reader.info.frames - RATE) <= 3 * 1024
        assert np.array_equal(reader.read(20_000, 20_100), whole[:, 20_000:20_100])
    for channel in range(channels):
        level = np.sqrt(2 * np.mean(whole[channel, 5000:40_000] ** 2))
        assert level == pytest.approx(0.2 * (channel + 1), rel=0.1)
    target = tmp_path / "b.flac"
    spliced = splice(path, target, [Patch(100, np.zeros((channels, 50)))], output_format="flac")
    assert spliced.container == "FLAC"
    after = read(target).samples
    assert np.abs(after - whole)[:, 200:].max() <= 2.0**-24
    assert not after[:, 100:150].any()
    if codec == "aac":
        from caesura.region import Region

        assert verify(path, target, [Region(100, 150)]).ok


def test_without_pyav_one_line_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    path = tmp_path / "a.m4a"
    path.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    with pytest.raises(AudioError, match=r"a.m4a' needs FFmpeg's decoders: pip install 'caesura\[media\]'"):
        open_audio(path)


@pytest.mark.parametrize("head", [b"\0\0\0\x20ftypM4A ", b"\x1a\x45\xdf\xa3", b"\xff\xf1\x50\x80", b"RIFF\0\0\0\0AVI "])
def test_broken_media_ends_in_one_line(head: bytes, tmp_path: Path) -> None:
    pytest.importorskip("av")
    path = tmp_path / "a.m4a"
    path.write_bytes(head + bytes(range(200)))
    with pytest.raises((ValueError, OSError)) as error:
        open_audio(path)
    assert len(str(error.value).splitlines()) == 1
    assert "a.m4a" in str(error.value)
