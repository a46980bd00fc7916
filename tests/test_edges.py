"""Controls of spectrogram pictures against the published program's, and what they are for any picture."""

import hashlib
import io
import time

import numpy as np
import pytest

from caesura.codecs.edges import canny, control_of, denoised, sobel
from caesura.codecs.image import SpectrogramImage
from riffusion_cases import arrays, at, entries, heard, signal

ENTRY = entries()["edge_controls"]
RULE, EXPECTED = ENTRY["input"], ENTRY["expected"]


def picture() -> np.ndarray:
    """The picture of the entry, from its rule."""
    rows, columns = RULE["shape"]
    y, x = np.mgrid[:rows, :columns]
    dark = np.zeros((rows, columns), np.int64)
    for c0, a, p, d, s in RULE["ridges_c0_A_P_d_s"]:
        m = x % (2 * p)
        centre = c0 + a * np.where(m < p, m, 2 * p - m) // p
        dark = np.maximum(dark, d - s * np.abs(y - centre))
    dark += 50 * ((x % RULE["onset_step"] < 4) & (y >= RULE["onset_from_row"]))
    made = np.clip(255 - dark - signal(RULE["noise"]), 0, 255).astype(np.uint8)
    assert hashlib.sha256(made.tobytes()).hexdigest() == RULE["image_sha256"]
    return made


GREY = picture()


@pytest.mark.parametrize("low", [150, 100])
def test_cannys_edges_are_the_published_ones(low: int) -> None:
    wanted, found = EXPECTED[f"canny_{low}_200"], canny(GREY, low, 200)
    assert int((found == 255).sum()) == wanted["edge_pixels"]
    assert np.array_equal(np.packbits(found > 0, axis=1), arrays()[f"canny_{low}_200_bits"])
    for name, value in (("edge", 255), ("non_edge", 0)):
        rows, columns = np.array(wanted[f"{name}_samples_row_column"]).T
        assert (found[rows, columns] == value).all()
    bands = [int((part > 0).sum()) for part in np.split(found, 8, axis=0)]
    assert bands == wanted["edges_per_64_row_band"]


def test_steepness_is_the_published_one() -> None:
    wanted, found = EXPECTED["sobel"], sobel(GREY).astype(int)
    assert np.abs(np.subtract(*at(found, wanted["samples_row_column_value"]))).max() <= 1
    assert np.abs(found[::4, ::4] - arrays()["sobel_decimated"].astype(int)).max() <= 1
    assert found.max() == wanted["maximum"]
    assert abs(found.sum() - wanted["sum"]) <= 1e-4 * wanted["sum"]


def test_denoising_is_the_published_one() -> None:
    wanted = EXPECTED["denoise_then_sobel_on_crop"]
    crop = GREY[slice(*wanted["crop_rows"]), slice(*wanted["crop_columns"])]
    found = denoised(crop)
    assert np.abs(np.subtract(*at(found.astype(int), wanted["denoised_samples_row_column_value"]))).max() <= 3
    assert found.sum() == pytest.approx(wanted["denoised_sum"], rel=0.01)
    steep = control_of(np.repeat(crop[..., None], 3, axis=-1), "sobel_denoised")[..., 0]
    assert np.abs(np.subtract(*at(steep.astype(int), wanted["sobel_samples_row_column_value"]))).max() <= 3
    assert steep.sum() == pytest.approx(wanted["sobel_sum"], rel=0.01)


def test_edges_of_a_sound() -> None:
    wanted = entries()["edge_controls_of_audio"]["expected"]
    image = SpectrogramImage()
    pixels = image.pixels(image.mel(heard("audio_to_image_mono")))
    assert pixels.shape[1] == wanted["width"]
    for low in (150, 100):
        found = control_of(pixels, "canny", low=low)
        assert int((found[..., 0] > 0).sum()) == pytest.approx(wanted[f"canny_{low}_200_edge_pixels"], rel=0.02, abs=20)
        assert (found == found[..., :1]).all()
    rows = [int((part > 0).sum()) for part in np.split(canny(pixels[..., 0], 150), 8)]
    np.testing.assert_allclose(rows, wanted["edges_per_64_row_band_150_200"], rtol=0.02, atol=20)
    assert int(control_of(pixels, "sobel")[..., 0].sum()) == pytest.approx(wanted["sobel_sum"], rel=0.01)
    assert np.array_equal(control_of(pixels, "spectrogram"), pixels)


def test_what_was_stored_as_jpeg_has_other_edges() -> None:
    """The published weights were trained on edges of compressed pictures, half of which are others."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.repeat(GREY[..., None], 3, axis=-1)).save(file, "jpeg", quality=75)
    wanted = EXPECTED["canny_100_200_after_jpeg_q75"]
    stored, direct = (canny(x) > 0 for x in (np.asarray(Image.open(file))[..., 0], GREY))
    assert stored.sum() == pytest.approx(wanted["edge_pixels"], rel=0.05)
    share = (stored & direct).sum() / (stored | direct).sum()
    assert share == pytest.approx(wanted["intersection_over_union_with_direct"], abs=0.05)


def test_edges_turn_with_the_picture() -> None:
    """Whole gradients of a step: in all four directions, one pixel wide, and none where nothing changes."""
    step = np.where(np.arange(40) < 20, 40, 220).astype(np.uint8)[None].repeat(30, axis=0)
    for turned in (step, step.T, step[:, ::-1], step.T[::-1]):
        found = canny(np.ascontiguousarray(turned)) > 0
        assert found.any(axis=0).sum() == 1 or found.any(axis=1).sum() == 1
    flat = np.full((20, 20), 128, np.uint8)
    assert not canny(flat).any()
    assert not sobel(flat).any()
    assert np.array_equal(denoised(flat), flat)


def test_faint_edges_go_on_from_strong_ones_only() -> None:
    x = np.zeros((30, 60), np.uint8)
    x[15:, :30] = 60  # a gradient of 240
    x[15:, 30:] = 40  # of 160
    assert (canny(x, 100, 200).any(axis=0)).all()
    assert not canny(x[:, 40:], 100, 200).any()
    assert not canny(x, 170, 200)[:, 40:].any()


def test_half_a_minute_takes_little_time() -> None:
    wide = np.tile(GREY, (1, 6))
    begin = time.process_time()
    canny(wide)
    sobel(wide)
    assert time.process_time() - begin < 3.0
