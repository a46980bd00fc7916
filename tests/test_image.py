"""Spectrogram images: the published numbers, what comes back, files of others, and the command."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caesura.audio import Audio, read, write
from caesura.cli import main
from caesura.codecs import reliable
from caesura.codecs._bands import Bands
from caesura.codecs.image import SpectrogramImage
from caesura.codecs.image_files import FULL_SCALE, Picture, read_picture, write_picture
from caesura.codecs.phase import Stft, griffin_lim
from caesura.problem import Problem, Region
from riffusion_cases import arrays, at, close, entries, heard, numbers, signal

CODEC = SpectrogramImage()
RATE = 44_100
SMALL = SpectrogramImage(sample_rate=16_000, high=6_000)


def chord(samples: int, rate: int = RATE, channels: int = 1) -> np.ndarray:
    """Two notes that begin one after the other and a little noise, (channels, samples)."""
    t = np.arange(samples) / rate
    later = np.maximum(t - 0.4, 0.0)
    rows = []
    for c in range(channels):
        first = sum(np.sin(2 * np.pi * 220 * (1 + c) * h * t + h) / h for h in range(1, 6)) * np.exp(-2 * t)
        then = sum(np.sin(2 * np.pi * 330 * h * later) / h for h in range(1, 6)) * np.exp(-3 * later) * (t > 0.4)
        rows.append(0.1 * (first + then) + 1e-4 * np.random.default_rng(c).standard_normal(samples))
    return np.stack(rows)


def convergence(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


# --- the published numbers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["repository_pair_mono", "repository_pair_stereo"])
def test_a_picture_of_the_published_program_is_understood(name: str, tmp_path: Path) -> None:
    """Its files are not here: a picture of the same size with the tags that theirs have."""
    entry = entries()[name]
    tags, wav, png = entry["expected"]["stored_exif"], entry["input"]["wav"], entry["input"]["png"]
    stereo, samples = bool(tags["11005"]), wav["samples"]
    assert SpectrogramImage(sample_rate=wav["rate"]).frames(samples) == png["width"] == entry["parameters"]["columns"]
    exif = Image.Exif()
    exif.update({int(tag): value for tag, value in tags.items()})
    pixels = np.random.default_rng(0).integers(0, 256, (png["height"], png["width"], 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "theirs.png", exif=exif)
    picture = read_picture(tmp_path / "theirs.png")
    assert picture.codec == SpectrogramImage()
    assert picture.note == ""
    assert picture.stereo == stereo
    assert 32_768 * picture.loudest == pytest.approx(tags["11080"])
    # And ours says the same of itself.
    write_picture(tmp_path / "ours.png", picture)
    with Image.open(tmp_path / "ours.png") as image:
        assert {str(tag): value for tag, value in image.getexif().items()} == {
            tag: pytest.approx(value) for tag, value in tags.items()
        }


@pytest.mark.parametrize(("low", "high"), [(0, 10_000), (10, 20_000)])
def test_the_bands_are_the_published_ones(low: int, high: int) -> None:
    entry = entries()[f"mel_matrix_512x8821_{low}_{high}"]["expected"]
    bands = Bands(512, low, high, 8821, 2.5)
    matrix = bands.matrix.toarray()
    assert matrix.shape == (512, 8821)
    np.testing.assert_allclose(*at(bands.edges, entry["edge_hz"]), rtol=1e-9, atol=1e-9)
    close(matrix, entry["B_samples_band_bin_value"], rtol=1e-7, atol=1e-7)
    assert [int(row.argmax()) for row in matrix[[k for k, _ in entry["peak_bin_of_band"]]]] == [
        k for _, k in entry["peak_bin_of_band"]
    ]
    assert not (matrix.sum(axis=1) == 0.0).any()
    stored = f"mel_512x8821_{low}_{high}"
    np.testing.assert_allclose(matrix.sum(axis=1), arrays()[f"{stored}_row_sums"], rtol=1e-7)
    np.testing.assert_allclose(matrix.sum(axis=0)[::16], arrays()[f"{stored}_col_sums"], rtol=1e-7, atol=1e-7)
    assert int((matrix > 1e-3).sum()) == entry["entries_above_1e_3"]


def test_lengths_are_the_published_ones() -> None:
    entry = entries()["frame_counts"]["expected"]
    for rate, n_fft, window, hop in entry["sizes"]:
        codec = SpectrogramImage(sample_rate=rate)
        assert (codec.n_fft, codec.win_length, codec.hop_length) == (n_fft, window, hop)
    for samples, columns in entry["samples_to_columns"]:
        assert CODEC.frames(samples) == columns
    for columns, samples in entry["columns_to_griffin_lim_samples"]:
        assert CODEC.samples(columns) == samples


@pytest.mark.parametrize("name", ["audio_to_image_mono", "audio_to_image_stereo"])
def test_pictures_are_the_published_ones(name: str, tmp_path: Path) -> None:
    expected = entries()[name]["expected"]
    mel = CODEC.mel(heard(name))
    close(mel, expected["mel_samples_channel_band_frame"], rtol=2e-5)
    assert mel.max() == pytest.approx(expected["maximum"], rel=1e-5)
    pixels = CODEC.pixels(mel)
    found, wanted = at(np.moveaxis(pixels, -1, 0), expected["pixel_samples_channel_row_column"])
    assert np.array_equal(found, wanted)
    np.testing.assert_allclose(pixels.sum(axis=(0, 1)), expected["image"]["sum_per_channel"], rtol=1e-3)
    stored = arrays()[expected["image"]["every_4th_row_and_column_npz"]]
    shown = np.moveaxis(pixels[::4, ::4, :1] if len(mel) == 1 else pixels[::4, ::4, 1:], -1, 0)
    off = np.abs(shown.astype(int) - stored.astype(int))
    assert off.max() <= 1
    assert np.mean(off == 0) > 0.99
    for suffix in ("png", "jpg"):
        path = tmp_path / f"picture.{suffix}"
        write_picture(path, Picture(pixels, CODEC, len(mel) == 2, float(mel.max()) / FULL_SCALE))
        with Image.open(path) as image:
            tags = dict(image.getexif())
        for tag, value in expected["exif_after_png_save"].items():
            assert tags[int(tag)] == pytest.approx(value, rel=1e-5)


def test_levels_are_the_published_ones() -> None:
    entry = entries()["image_to_mel"]
    pixels = signal(entry["input"]["image_rgb"]).reshape(16, 20, 3).astype(np.uint8)
    expected = entry["expected"]
    mono, stereo = CODEC.from_pixels(pixels, 30e6), CODEC.from_pixels(pixels, 30e6, stereo=True)
    assert [list(mono.shape), list(stereo.shape)] == [expected["mono_shape"], expected["stereo_shape"]]
    close(mono, expected["mono_samples_c_band_frame"], rtol=2e-6, atol=1e-3)
    close(stereo, expected["stereo_samples_c_band_frame"], rtol=2e-6, atol=1e-3)
    other = dataclasses.replace(CODEC, power=0.5).from_pixels(pixels, 30e6)
    close(other, expected["mono_power_0p5_samples"], rtol=2e-6, atol=1e-3)
    for level, value in expected["level_table_level_value"]:
        grey = np.full((1, 1, 3), level, np.uint8)
        assert CODEC.from_pixels(grey, 30e6)[0, 0, 0] == pytest.approx(value, rel=2e-6, abs=1e-3)
        assert abs(int(CODEC.pixels(CODEC.from_pixels(grey, 30e6), 30e6)[0, 0, 0]) - level) <= 1


def test_quantisation_is_the_published_one() -> None:
    entry = entries()["mel_to_image_small"]
    mel = numbers(518, [1, 10, 14], 0.5, 0.5) ** 3 * 1e7
    found = CODEC.pixels(mel)[..., 0].astype(int)
    wanted, sure = (np.array(entry["expected"][key]) for key in ("pixels_row_major", "reliable_row_major"))
    assert np.array_equal(found[sure == 1], wanted[sure == 1])
    assert np.abs(found - wanted).max() <= 1


def test_one_round_is_the_published_inverse_and_more_are_exact() -> None:
    expected = entries()["mel_to_linear_least_squares"]["expected"]
    bands = Bands(512, 0, 10_000, 8821, 2.5)
    spectra = numbers(521, [8821, 4], 0.5, 0.5)
    mel = bands.apply(spectra)
    for case, given in (("case_a", mel), ("case_b", numbers(522, [512, 4], 0.5, 0.5))):
        found = bands.spectra(given, rounds=1)
        close(found, expected[case]["linear_samples_bin_frame"], rtol=1e-6, atol=1e-6)
        assert not found[expected["zero_above_bin"] + 1 :].any()
    rounds = [convergence(bands.apply(bands.spectra(mel, n)), mel) for n in (1, 8, 64)]
    assert rounds[0] == pytest.approx(expected["case_a"]["mel_relative_error_after_clipping"], abs=1e-5)
    assert rounds[2] < rounds[1] / 2 < rounds[0] / 4


def test_griffin_lim_is_the_published_one() -> None:
    entry = entries()["griffin_lim"]
    x = signal(entry["input"]["signal"])
    stft = Stft(17_640, 441, 4410, mirrored=True)
    magnitude = np.abs(stft.encode(x))
    assert magnitude.sum() == pytest.approx(entry["expected"]["magnitude"]["sum"], rel=1e-8)
    drawn = (numbers(531, [8821, 24, 2]) + 1.0) / 2.0
    starts = {"lcg": (drawn[..., 0] + 1j * drawn[..., 1]).T, "ones": np.ones_like(magnitude)}
    for result in entry["expected"]["results"]:
        start = magnitude * starts[result["initial_phase"]]
        found = griffin_lim(magnitude, stft, result["length"], start=start, iterations=result["iterations"])
        close(found, result["samples"], rtol=1e-6, atol=1e-6)


# --- laws -----------------------------------------------------------------------------------------------------------


def test_no_bass_is_lost_however_long_the_sound_is() -> None:
    bands = Bands(512, 0, 10_000, 8821, 2.5)
    for samples in (4_410, 88_200):
        mel = CODEC.mel(chord(samples))[0]
        back = bands.apply(bands.spectra(mel))
        # The published inverse loses 2.4 dB below 80 Hz in 512 frames and 11 dB in 2048.
        assert abs(20 * np.log10(np.linalg.norm(back[:20]) / np.linalg.norm(mel[:20]))) < 0.01
        # A few rounds leave about a thousandth; a step of grey near black is 4 / 255, or sixteen times that.
        assert convergence(back, mel) < 4 / 255 / 8


def test_silence_is_white_and_stays_silent() -> None:
    mel = SMALL.mel(np.zeros((1, 4000)))
    assert (SMALL.pixels(mel) == 255).all()
    assert not SMALL.decode(mel, 4000, np.random.default_rng(0)).any()


@pytest.mark.parametrize("channels", [1, 2])
def test_level_and_spectrum_come_back_from_a_picture(channels: int, tmp_path: Path) -> None:
    for gain in (1.0, 0.01):
        x = gain * chord(16_123, 16_000, channels)
        mel = SMALL.mel(x)
        path = tmp_path / "s.png"
        picture = Picture(SMALL.pixels(mel), SMALL, channels == 2, float(mel.max()), x.shape[1])
        write_picture(path, picture, force=True)
        found = read_picture(path)
        assert found.codec == SMALL
        assert (found.stereo, found.samples, found.note) == (channels == 2, x.shape[1], "")
        assert found.loudest is not None
        back = SMALL.from_pixels(found.pixels, found.loudest, stereo=found.stereo)
        y = SMALL.decode(back, x.shape[1], np.random.default_rng(0))
        assert y.shape == x.shape
        assert convergence(SMALL.mel(y), mel) < 0.12
        # What Griffin-Lim leaves inconsistent cancels, so a little is lost.
        np.testing.assert_allclose(np.std(y, axis=1), np.std(x, axis=1), rtol=0.08)


def test_the_same_seed_gives_the_same_sound_and_equal_channels_stay_equal() -> None:
    mel = SMALL.mel(np.repeat(chord(8_000, 16_000), 2, axis=0))
    one, two = (SMALL.decode(mel, 8_000, np.random.default_rng(3), iterations=4) for _ in range(2))
    assert np.array_equal(one, two)
    assert np.array_equal(one[0], one[1])


def test_equal_channels_are_made_once_unless_something_else_is_known_of_them() -> None:
    x = chord(8_000, 16_000)
    mel, rng = SMALL.mel(x), np.random.default_rng
    assert np.array_equal(SMALL.mel(np.repeat(x, 2, axis=0)), np.repeat(mel, 2, axis=0))
    alone, gap = SMALL.decode(mel, 8_000, rng(0), iterations=2), (Region(3_000, 5_000),)
    both = SMALL.decode(np.repeat(mel, 2, axis=0), 8_000, rng(0), iterations=2)
    assert np.array_equal(both, np.repeat(alone, 2, axis=0))
    for y, same in ((np.repeat(x, 2, axis=0), True), (np.concatenate([x, -x]), False)):
        made = SMALL.decode(np.repeat(mel, 2, axis=0), 8_000, rng(0), known=Problem(y, gap, 16_000), iterations=2)
        assert np.array_equal(made[0], made[1]) == same
        one = SMALL.decode(mel, 8_000, rng(0), known=Problem(y[1:], gap, 16_000), iterations=2)
        assert np.array_equal(made[1:], one)


def test_cells_say_what_a_column_looks_at() -> None:
    x = 0.1 * np.random.default_rng(0).standard_normal((1, 8_000))
    region = Region(3_000, 3_400)
    other = x.copy()
    other[:, 3_000:3_400] += 0.1
    moved = (np.abs(SMALL.mel(x) - SMALL.mel(other)) > 1e-9)[0].any(axis=0)
    kept = reliable(SMALL.cells(8_000), [region])
    assert np.array_equal(~moved, kept.any(axis=1))
    low = reliable(SMALL.cells(8_000), [Region(0, 8_000, 0.0, 1_000.0)])
    assert (low == low[:1]).all()
    assert low[0].argmax() == np.searchsorted(SMALL._bands.edges[:-2], 1_000.0)


def test_known_surroundings_give_the_phase_of_a_gap() -> None:
    x = chord(24_000, 16_000)
    gap = Region(12_000, 16_000)
    mel = SMALL.mel(x)
    errors = []
    for known in (None, Problem(x, (gap,), 16_000)):
        y = SMALL.decode(mel, x.shape[1], np.random.default_rng(1), known=known)
        errors.append(float(np.linalg.norm((y - x)[:, 12_000:16_000]) / np.linalg.norm(x[:, 12_000:16_000])))
    # Without them the polarity of every partial is open, with them the waveform itself comes back.
    assert errors[1] < 0.05 < 1.0 < errors[0]


def test_a_sound_made_in_parts_has_no_joints(monkeypatch: pytest.MonkeyPatch) -> None:
    x = chord(32_000, 16_000)
    mel = SMALL.mel(x)
    made = []
    for part, shared in ((10_000, 100), (90, 30)):  # the shorter ones begin at columns 60 and 120
        monkeypatch.setattr("caesura.codecs._decoder.PART", part)
        monkeypatch.setattr("caesura.codecs._decoder.SHARED", shared)
        made.append(SMALL.decode(mel, x.shape[1], np.random.default_rng(0)))
    for columns in (slice(60, 91), slice(120, 151), slice(None)):
        one, parts = (convergence(SMALL.mel(y)[..., columns], mel[..., columns]) for y in made)
        assert parts < 1.2 * one


def test_what_is_known_is_held_in_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caesura.codecs._decoder.PART", 90)
    monkeypatch.setattr("caesura.codecs._decoder.SHARED", 30)
    x = chord(32_000, 16_000)
    gaps = tuple(Region(k, k + 3_000) for k in (10_500, 20_000))  # one across a joint
    y = SMALL.decode(SMALL.mel(x), x.shape[1], np.random.default_rng(1), known=Problem(x, gaps, 16_000))
    for gap in gaps:
        inner = np.s_[:, gap.start : gap.stop]
        assert np.linalg.norm((y - x)[inner]) < 0.1 * np.linalg.norm(x[inner])


def test_what_lies_beside_a_box_is_held() -> None:
    x = chord(16_000, 16_000)
    box = Region(6_000, 10_000, 1_500.0, 3_000.0)
    problem = Problem(x, (box,), 16_000)
    y = SMALL.decode(SMALL.mel(x), 16_000, np.random.default_rng(0), known=problem, iterations=20)
    restored = problem.paste(y)
    assert np.array_equal(restored[:, :6_000], x[:, :6_000])
    # In the box the spectrum is back, to a third; an empty box would be wholly off.
    part = [Problem(z, (box,), 16_000).y - z for z in (restored, x)]
    shown = [np.abs(SMALL.mel(p))[0] for p in part]
    assert convergence(*shown) < 0.35


# --- files of others ------------------------------------------------------------------------------------------------


def drawn(rows: int = 64, columns: int = 80) -> np.ndarray:
    return np.clip(255 - numbers(7, [rows, columns], 100.0, 100.0), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1", "I;16"])
def test_any_mode_is_read(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "other.png"
    grey = Image.fromarray(drawn())
    image = Image.fromarray(drawn().astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    image.save(path)
    found = read_picture(path)
    assert found.pixels.shape == (64, 80, 3)
    assert found.codec.bands == 64
    assert not found.stereo
    assert "64 rows for 512 bands" in found.note
    if mode not in ("1", "P"):
        assert np.array_equal(found.pixels[..., 0], drawn())


def test_two_channels_are_seen_in_the_colours(tmp_path: Path) -> None:
    colours = np.stack([np.zeros_like(drawn()), drawn(), drawn()[::-1]], axis=-1)
    Image.fromarray(colours).save(tmp_path / "two.jpg", quality=90)
    assert read_picture(tmp_path / "two.jpg").stereo


@pytest.mark.parametrize(
    ("content", "complaint"), [(b"", "not a picture"), (b"RIFF", "not a picture"), (b"\x89PNG\r\n", "not a picture")]
)
def test_what_is_no_picture_is_refused(content: bytes, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=complaint):
        read_picture(path)


def test_tags_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[11010] = 0
    Image.fromarray(drawn()).save(tmp_path / "x.png", exif=exif)
    with pytest.raises(ValueError, match="make no sense: step_ms=0"):
        read_picture(tmp_path / "x.png")


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2])
def test_there_and_back(channels: int, tmp_path: Path) -> None:
    x = chord(16_123, 16_000, channels)
    write(tmp_path / "in.wav", Audio(x, 16_000))
    stereo = ["--stereo"] * (channels - 1)
    picture = ["image", "to", str(tmp_path / "in.wav"), "-o", str(tmp_path / "s.png"), "--rows", "128", *stereo]
    assert main(picture) == 0
    assert main(["image", "info", str(tmp_path / "s.png")]) == 0
    assert main(["image", "from", str(tmp_path / "s.png"), "-o", str(tmp_path / "out.wav"), "--iterations", "16"]) == 0
    back = read(tmp_path / "out.wav")
    assert (back.samples.shape, back.sample_rate) == (x.shape, 16_000)
    np.testing.assert_allclose(np.std(back.samples, axis=1), np.std(x, axis=1), rtol=0.1)
    assert main(picture) == 2  # the picture exists


def test_a_picture_without_tags_is_heard_at_full_level(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(drawn(64, 40)).save(tmp_path / "other.jpg")
    assert main(["image", "from", str(tmp_path / "other.jpg"), "-o", str(tmp_path / "o.wav"), "--iterations", "2"]) == 0
    assert "does not say how it was made" in capsys.readouterr().err
    found = read(tmp_path / "o.wav")
    assert found.samples.shape == (1, 441 * 39)
    assert np.abs(found.samples).max() == pytest.approx(10 ** (-0.1 / 20), rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["to", "none.wav", "-o", "x.png"], "there is no file 'none.wav'"),
        (["from", "none.png", "-o", "x.wav"], "there is no file 'none.png'"),
        (["to", "in.wav", "-o", "x.gif"], "'x.gif' is no picture"),
        (["to", "in.wav", "-o", "x.png", "--band", "5000-200"], "is an empty band"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "in.wav", Audio(chord(4_000, 16_000), 16_000))
    assert main(["image", *arguments]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1
