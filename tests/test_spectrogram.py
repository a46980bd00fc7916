"""Tiles: levels and places of partials are right at every zoom, pictures are valid, work is bounded."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from caesura.audio import open_audio
from caesura.overview import BLOCK, LONGEST_READ, extremes, summarise
from caesura.spectrogram import PALETTES, SCALES, View, decibels, png

RATE = 16_000


@pytest.fixture(scope="module")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four minutes of a 2 kHz tone at half scale on the left, silence on the right."""
    path = tmp_path_factory.mktemp("tones") / "tone.wav"
    x = np.zeros((RATE * 240, 2))
    x[:, 0] = 0.5 * np.sin(2 * np.pi * 2000.0 * np.arange(len(x)) / RATE)
    soundfile.write(path, x, RATE, subtype="PCM_16")
    return path


def row_of(frequency: float, scale: str, rows: int) -> int:
    """Where a frequency lies, by the scale's own definition."""
    low, high = (27.5 if scale == "log" else 0.0), RATE / 2
    warp = {"linear": lambda f: f, "log": np.log, "mel": lambda f: np.log1p(f / 700.0)}[scale]
    return int(rows * (warp(frequency) - warp(low)) / (warp(high) - warp(low)))


@pytest.mark.parametrize("hop", [16, 256, 2048, 7500])
@pytest.mark.parametrize("scale", SCALES)
def test_a_tone_lies_in_its_row_at_its_level_at_every_zoom(tone: Path, scale: str, hop: int) -> None:
    with open_audio(tone) as reader:
        levels = decibels(reader, View(RATE, hop, 64, 256, scale, channel=0))
    assert levels.shape == (256, 64)
    # 2 kHz is the centre of a bin, so that the Hann window scallops nothing: half scale is -6.02 dB
    np.testing.assert_allclose(levels.max(axis=0), 20 * np.log10(0.5), atol=0.01)
    assert np.abs(levels.argmax(axis=0) - row_of(2000.0, scale, 256)).max() <= 1


def test_a_band_fills_the_rows_it_is_asked_for(tone: Path) -> None:
    with open_audio(tone) as reader:
        levels = decibels(reader, View(RATE, 64, 8, 100, "linear", low=1500.0, high=2500.0, window=8192, channel=0))
    assert abs(int(levels[:, 0].argmax()) - 50) <= 1


def test_channels_are_averaged_in_power(tone: Path) -> None:
    with open_audio(tone) as reader:
        both, left = (decibels(reader, View(RATE, 64, 4, 64, channel=c)).max() for c in (None, 0))
    assert both == pytest.approx(left - 10 * np.log10(2.0), abs=0.01)


def test_outside_the_recording_there_is_silence(tone: Path) -> None:
    with open_audio(tone) as reader:
        levels = decibels(reader, View(reader.info.frames + 4096, 64, 8, 64))
    assert (levels < -140.0).all()


@pytest.mark.parametrize("palette", PALETTES)
def test_pictures_show_high_frequencies_at_the_top(palette: str) -> None:
    levels = np.full((3, 2), -100.0)
    levels[2, 1] = 0.0
    picture = np.asarray(Image.open(io.BytesIO(png(levels, floor=-100.0, ceiling=0.0, palette=palette))).convert("RGB"))
    assert picture.shape == (3, 2, 3)
    assert tuple(picture[0, 1]) == PALETTES[palette][-1]
    assert tuple(picture[2, 0]) == PALETTES[palette][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": "bark"}, "scale 'bark' is not one of linear, log, mel"),
        ({"columns": 0}, "is empty"),
        ({"low": 9000.0}, "half the sample rate is 8000 Hz"),
    ],
)
def test_views_that_show_nothing_are_refused(tone: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message), open_audio(tone) as reader:
        decibels(reader, View(**{"start": 0, "hop": 16, "columns": 4, "rows": 4, **change}))  # type: ignore[arg-type]


@pytest.mark.parametrize(("palette", "floor"), [("sepia", -100.0), ("grey", 0.0)])
def test_pictures_that_cannot_be_are_refused(palette: str, floor: float) -> None:
    with pytest.raises(ValueError, match=r"palette 'sepia'|floor=0 dB"):
        png(np.zeros((2, 2)), floor=floor, ceiling=0.0, palette=palette)


def test_the_outline_is_that_of_the_samples(tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (LONGEST_READ + 5 * BLOCK + 7, 2))
    soundfile.write(tmp_path / "a.wav", x, RATE, subtype="DOUBLE")
    with open_audio(tmp_path / "a.wav") as reader:
        near = extremes(reader, 100, 1100, 10)
        np.testing.assert_allclose(near.low, x[100:1100].reshape(10, 100, 2).min(axis=1).T, atol=1e-7)
        assert near.exact
        few = extremes(reader, 0, 2, 4)
        np.testing.assert_array_equal(few.low, few.high)
        whole = extremes(reader, 0, len(x), 1, summarise(reader))
        np.testing.assert_allclose(whole.high[:, 0], x.max(axis=0), atol=1e-7)
        assert whole.exact
        glimpse = extremes(reader, 0, len(x), 100)
        assert not glimpse.exact
        assert (glimpse.high <= extremes(reader, 0, len(x), 100, summarise(reader)).high + 1e-7).all()


def test_pixels_of_a_summary_hold_every_sample_of_theirs(tmp_path: Path) -> None:
    """A single click must be seen at any zoom, in its pixel or the one before (edges lie on blocks)."""
    x = np.zeros(LONGEST_READ * 2)
    x[777_777] = 0.9
    soundfile.write(tmp_path / "a.wav", x, RATE, subtype="PCM_16")
    with open_audio(tmp_path / "a.wav") as reader:
        summary = summarise(reader)
        for pixels in (1, 3, 100, 997):
            high = extremes(reader, 0, x.size, pixels, summary).high[0]
            assert high.max() == pytest.approx(0.9, abs=1e-4)
            assert int(high.argmax()) - 777_777 * pixels // x.size in (-1, 0, 1)


def test_spans_outside_are_refused(tone: Path) -> None:
    with open_audio(tone) as reader:
        with pytest.raises(ValueError, match="lies outside the recording"):
            extremes(reader, 5, 5, 10)
        with pytest.raises(ValueError, match="pixels=0"):
            extremes(reader, 0, 5, 0)
