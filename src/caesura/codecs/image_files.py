"""Spectrogram images as files: PNG and JPEG, with what is needed to hear them again in private EXIF tags.

    tag     11000  11005   11010  11020   11030   11040  11050  11060  11070  11080    11085
    value   rate   stereo  step   window  padded  bands  low    high   power  loudest  samples

The loudest band value counts in the steps of 16-bit samples. A picture without tags, or of another size than they say,
is read with what there is: every row is a band, every column a step. The last tag is our own, others pass over it.

References:
    S. Forsgren, H. Martiros, "Riffusion: stable diffusion for real-time music generation", 2022.
"""

from __future__ import annotations

__all__ = ["Picture", "read_mask", "read_picture", "write_picture"]

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from caesura.atomic import replacing
from caesura.codecs.image import WHITE, Pixels, SpectrogramImage
from caesura.problem import Hold

if TYPE_CHECKING:
    from PIL.Image import Image

TAGS = {
    "sample_rate": 11000,
    "step_ms": 11010,
    "window_ms": 11020,
    "padded_ms": 11030,
    "bands": 11040,
    "low": 11050,
    "high": 11060,
    "power": 11070,
}
STEREO, LOUDEST, SAMPLES = 11005, 11080, 11085
FULL_SCALE = 32768  # the published program does not scale 16-bit samples
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
QUALITY = 95  # of a JPEG
RED_SHARE = 0.25  # of the brighter of two channels, up to which red counts as empty
MOST_PIXELS = 200_000_000  # an hour has 184 million; more is no picture of sound


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture and what it says of itself."""

    pixels: Pixels
    """(bands, frames, 3)."""
    codec: SpectrogramImage
    """How it was made."""
    stereo: bool = False
    """Whether green and blue are two channels."""
    loudest: float | None = None
    """Band value of black in full scales; None: unknown."""
    samples: int | None = None
    """Length of the sound; None: unknown."""
    note: str = ""
    """What had to be guessed."""


def read_picture(path: Path) -> Picture:
    """Read a PNG or JPEG, whoever made it.

    Raises:
        ValueError: it is no picture, its tags make no sense, or Pillow is not installed.
    """
    with _opened(path) as image:
        tags, pixels = dict(image.getexif()), _pixels(image)
    return _described(path, pixels, tags)


def read_mask(path: Path, samples: int) -> Hold:
    """Read a picture that says what of a recording may change: white all of it, black nothing.

    What is transparent is as good as black. The picture is laid over the whole recording; its rows are the band that
    its tags name, such as those of a picture that was painted over, or up to 10 kHz.

    Args:
        path: a PNG or JPEG of any size.
        samples: length of the recording.

    Raises:
        ValueError: it is no picture, its tags make no sense, or Pillow is not installed.
    """
    with _opened(path) as image:
        tags = dict(image.getexif())
        grey = _pixels(image)[..., 0] if image.mode.startswith("I") else np.asarray(image.convert("L"))
        if image.has_transparency_data:
            grey = grey * (np.asarray(image.convert("RGBA"))[..., 3] / WHITE)
    codec = SpectrogramImage()
    low, high = (float(tags.get(TAGS[edge], getattr(codec, edge))) for edge in ("low", "high"))
    if not 0.0 <= low < high:
        raise ValueError(f"the tags of {path} make no sense: its rows go from {low:g} to {high:g} Hz")
    return Hold(1.0 - grey / WHITE, 0.0, float(samples), low, high)


def write_picture(path: Path, picture: Picture, *, force: bool = False) -> None:
    """Write a picture with its tags.

    Args:
        path: the file; .png or .jpg.
        picture: what to write.
        force: overwrite an existing file.

    Raises:
        ValueError: the suffix is another, the file exists, or Pillow is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"'{path}' is no picture: name a file that ends in {', '.join(FORMATS)}")
    module = _pillow()
    exif = module.Exif()
    for name, tag in TAGS.items():
        exif[tag] = getattr(picture.codec, name)
    exif[STEREO] = int(picture.stereo)
    if picture.loudest is not None:
        exif[LOUDEST] = FULL_SCALE * picture.loudest
    if picture.samples is not None:
        exif[SAMPLES] = picture.samples
    with replacing(path, force=force) as partial:
        image = module.fromarray(picture.pixels)
        image.save(partial, format=FORMATS[path.suffix.lower()], exif=exif, quality=QUALITY)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image]:
    module = _pillow()
    try:
        with module.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"{path} has {image.width} x {image.height} pixels, at most {MOST_PIXELS} are read")
            yield image
    except (OSError, SyntaxError, module.DecompressionBombError) as error:
        raise ValueError(f"{path} is not a picture that can be read: {' '.join(str(error).split())[:120]}") from None


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise ValueError("pictures need Pillow: pip install 'caesura[picture]'") from None
    return Image


def _pixels(image: Image) -> Pixels:
    """(rows, columns, 3), whatever the mode; 16-bit grey levels lose their lower half."""
    if image.mode.startswith("I"):
        grey = np.clip(np.asarray(image) // 256, 0, 255).astype(np.uint8)
        return np.stack([grey] * 3, axis=-1)
    return np.asarray(image.convert("RGB"))


def _described(path: Path, pixels: Pixels, tags: dict[int, Any]) -> Picture:
    rows = pixels.shape[0]
    notes = []
    known = {name: tags[tag] for name, tag in TAGS.items() if tag in tags}
    try:
        whole = {name: float(v) if name == "power" else int(v) for name, v in known.items()}
        codec = SpectrogramImage(**whole)  # type: ignore[arg-type]
        loudest = float(tags[LOUDEST]) / FULL_SCALE if LOUDEST in tags else None
        samples = int(tags[SAMPLES]) if SAMPLES in tags else None
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ValueError(f"the tags of {path} make no sense: {error}") from None
    if len(known) < len(TAGS):
        notes.append("it does not say how it was made: read as one of Riffusion's")
    if codec.bands != rows:
        notes.append(f"it has {rows} rows for {codec.bands} bands: every row is taken for a band")
        codec = dataclasses.replace(codec, bands=rows)
    if samples is not None and not 0 <= samples - codec.samples(pixels.shape[1]) < codec.hop_length:
        samples = None  # the picture was cut or stretched
    if loudest is not None and not 0.0 <= loudest < np.inf:
        raise ValueError(f"the tags of {path} make no sense: the loudest band value is {loudest}")
    stereo = bool(tags[STEREO]) if STEREO in tags else _two_channels(pixels)
    return Picture(pixels, codec, stereo, loudest, samples, "; ".join(notes))


def _two_channels(pixels: Pixels) -> bool:
    """Whether red is next to empty, which a JPEG does not leave it wholly."""
    red, *others = pixels.mean(axis=(0, 1))
    return bool(red < RED_SHARE * max(others))
