"""Pictures laid over a recording that say what of it stays: the published grid, regions around the rest, files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as any_array
from PIL import Image

from caesura.codecs.image import SpectrogramImage
from caesura.codecs.image_files import read_mask
from caesura.hold import Hold
from caesura.problem import Problem, Region
from riffusion_cases import entries, signal

FOLD, BAND = 8, (0.0, 10_000.0)
CLIP = 225_351  # samples of 512 columns


def drawn(mask: dict[str, Any]) -> np.ndarray:
    """The picture that an entry describes."""
    if "rgb" in mask:
        return signal(mask["rgb"]).astype(np.uint8)
    height, width = mask["shape"]
    if mask["kind"] == "rectangle":
        picture = np.full((height, width), mask["outside"], np.uint8)
        picture[slice(*mask["rows"]), slice(*mask["columns"])] = mask["inside"]
        return picture
    if mask["kind"] == "vertical_gradient":
        return np.repeat((255 * np.arange(height) // (height - 1))[:, None], width, axis=1).astype(np.uint8)
    return signal(mask).astype(np.uint8)


@pytest.mark.parametrize(
    "case", entries()["mask_to_latent_grid"]["expected"]["cases"], ids=lambda c: str(c["grid"][0][0])
)
def test_a_mask_is_laid_over_the_latents_as_published(case: dict[str, Any], tmp_path: Path) -> None:
    path, (_, _, *shape) = tmp_path / "mask.png", case["latent_shape"]
    picture = drawn(case["mask"])
    Image.fromarray(picture).save(path)
    # The published program rounds its picture down to a multiple of 32 and stretches the mask over that.
    assert [side // 32 * 32 // FOLD for side in picture.shape[:2]] == shape
    found = read_mask(path, CLIP).over(tuple(shape), BAND, (0.0, CLIP))
    np.testing.assert_allclose(found, case["grid"], atol=entries()["mask_to_latent_grid"]["tolerance"]["abs"])


@pytest.mark.parametrize("case", entries()["shipped_mask_files"]["expected"]["cases"], ids=lambda c: c["file"])
def test_masks_like_those_that_came_with_the_program_are_read(case: dict[str, Any], tmp_path: Path) -> None:
    """The files themselves are not here: pictures of the same kind, with a palette, that have the same values."""
    keep = np.tile(np.array(case["keep_column_0_by_row"])[:, None], 64)
    if case["keep_row_8"]:
        keep = np.minimum(keep, case["keep_row_8"])
        keep[8], keep[:, 0] = case["keep_row_8"], case["keep_column_0_by_row"]
    levels = np.round(255.0 - 255.0 * keep).astype(np.uint8).repeat(FOLD, axis=0).repeat(FOLD, axis=1)
    Image.fromarray(levels).convert("P").save(tmp_path / "mask.png")
    found = read_mask(tmp_path / "mask.png", CLIP).over((64, 64), BAND, (0.0, 512 * 441))
    np.testing.assert_allclose(found, keep, atol=1e-5)
    if not case["keep_row_8"]:  # the same in every column, so the whole picture is known
        assert found.sum() == pytest.approx(case["keep_sum"], rel=1e-6)


def test_cells_of_a_picture_are_its_pixels() -> None:
    """A mask of the size of the picture says the same of it, pixel by pixel, wherever it is cut and at any rate."""
    weights = np.random.default_rng(0).random((512, 500))
    image, hold = SpectrogramImage(), Hold(weights, 0.0, 500 * 441.0)
    band = (image.low, image.high)
    np.testing.assert_array_equal(hold.over(weights.shape, band, (0.0, 500 * 441.0)), weights)
    cut = hold.shifted(-100 * 441)
    np.testing.assert_array_equal(cut.over((512, 50), band, (0.0, 50 * 441.0)), weights[:, 100:150])
    slow = cut.scaled(0.5)
    np.testing.assert_array_equal(slow.over((512, 50), band, (0.0, 50 * 220.5)), weights[:, 100:150])
    # The lower half of the picture's height.
    middle = 700 * np.expm1(0.5 * np.log1p(10_000 / 700))
    np.testing.assert_array_equal(hold.over((256, 500), (0.0, middle), (0.0, 500 * 441.0)), weights[256:])


def test_a_problem_takes_it_along() -> None:
    hold = Hold(np.eye(2), 0.0, 1000.0)
    problem = Problem(np.zeros((1, 1000)), (Region(0, 1000),), 8000, guide=np.ones((1, 1000)), hold=hold)
    cut = problem.crop(250, 750).at(16_000)
    assert cut.hold is not None
    assert (cut.hold.start, cut.hold.stop) == (-500.0, 1500.0)
    assert problem.channel(0).hold is hold


# --- regions --------------------------------------------------------------------------------------------------------


@given(
    any_array(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.sampled_from([0.0, 0.5, 1.0]))
)
def test_regions_cover_what_is_free_and_do_not_meet(weights: np.ndarray) -> None:
    hold = Hold(weights, 0.0, 1200.0)
    if (weights == 1.0).all():
        with pytest.raises(ValueError, match="black everywhere"):
            hold.regions(1200)
        return
    regions = hold.regions(1200)
    rows, columns = weights.shape
    edges = 700 * np.expm1(np.linspace(np.log1p(10_000 / 700), 0.0, rows + 1))  # from the top down
    for row, column in np.argwhere(weights < 1.0):
        middle = edges[row : row + 2].mean()
        at = 1200 * (column + 0.5) / columns
        assert sum(r.start <= at < r.stop and r.low <= middle <= r.high for r in regions) == 1
    for k, one in enumerate(regions):
        for other in regions[:k]:
            # Whole samples may share one.
            apart = min(one.stop, other.stop) - max(one.start, other.start) <= 1
            assert apart or min(one.high, other.high) - max(one.low, other.low) <= 1e-6


def test_from_bottom_to_top_is_a_gap_and_less_is_a_box() -> None:
    weights = np.ones((10, 100))
    weights[:, 20:30] = 0.0
    weights[:3, 60:70] = 0.5
    gap, box = Hold(weights, 0.0, 44_100.0).regions(44_100)
    assert gap == Region(8820, 13_230)
    assert (box.start, box.stop, round(box.high)) == (26_460, 30_870, 10_000)
    assert not box.is_gap
    # Three tenths of the height: evenly on the scale of the pictures.
    assert np.log1p(box.low / 700) == pytest.approx(0.7 * np.log1p(10_000 / 700))


def test_it_ends_with_the_recording() -> None:
    assert Hold(np.zeros((1, 3)), -10.0, 110.0).regions(100) == (Region(0, 100),)


@pytest.mark.parametrize(
    ("weights", "place", "complaint"),
    [
        (np.zeros(3), {}, r"got the shape \(3,\)"),
        (np.full((1, 1), 1.5), {}, "between 0 and 1, got 1.5"),
        (np.full((1, 1), np.nan), {}, "between 0 and 1"),
        (np.zeros((1, 1)), {"stop": 0.0}, "got 0 to 0 samples"),
        (np.zeros((1, 1)), {"low": 20_000.0}, "20000 to 10000 Hz"),
    ],
)
def test_what_is_no_hold_is_refused(weights: np.ndarray, place: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Hold(weights, **{"start": 0.0, "stop": 10.0, **place})


def test_dust_is_refused() -> None:
    dust = np.ones((80, 80))
    dust[::2, ::2] = 0.0
    with pytest.raises(ValueError, match="1600 separate spots"):
        Hold(dust, 0.0, 100.0).regions(100)


# --- files ----------------------------------------------------------------------------------------------------------


def test_what_is_transparent_stays(tmp_path: Path) -> None:
    picture = np.full((4, 8, 4), 255, np.uint8)
    picture[:, 4:, 3] = 0
    Image.fromarray(picture).save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png", 800).weights.tolist() == [[0.0] * 4 + [1.0] * 4] * 4


def test_sixteen_bits_are_read(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 65_535]], np.uint16)).save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png", 800).weights.tolist() == [[1.0, 0.0]]


def test_the_band_is_that_of_the_picture_it_was_painted_on(tmp_path: Path) -> None:
    for tags, band in (({11050: 10, 11060: 20_000}, (10.0, 20_000.0)), ({}, (0.0, 10_000.0))):
        exif = Image.Exif()
        exif.update(tags)
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "mask.png", exif=exif)
        hold = read_mask(tmp_path / "mask.png", 800)
        assert (hold.low, hold.high) == band
    exif[11060] = -5
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "mask.png", exif=exif)
    with pytest.raises(ValueError, match="rows go from 0 to -5 Hz"):
        read_mask(tmp_path / "mask.png", 800)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_text("no")
    with pytest.raises(ValueError, match="is not a picture that can be read"):
        read_mask(tmp_path / "mask.png", 800)
