"""Miniature datasets in their real layouts, and what a picture of a pair shows."""

from pathlib import Path
from typing import Any

import numpy as np

from caesura.audio import Audio, write
from caesura.codecs.image import SpectrogramImage
from caesura.codecs.image_files import read_picture
from caesura.data.pairing import Summary, prepare
from caesura.data.pairs import manifest_rows

RATE = 44_100
COLUMNS = 64
LENGTH = SpectrogramImage().samples(COLUMNS)  # 0.63 s


def tone(frequency: float, seconds: float = 1.5, level: float = 0.2, rate: int = RATE) -> np.ndarray:
    """A tone that fades in and out, (samples,)."""
    t = np.arange(round(seconds * rate)) / rate
    fade = np.minimum(1.0, np.minimum(t, seconds - t) / 0.02)
    return np.asarray(level * fade * np.sin(2.0 * np.pi * frequency * t))


def put(path: Path, x: np.ndarray, rate: int = RATE, channels: int = 2) -> Path:
    """Write a 16-bit file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, Audio(np.tile(x, (channels, 1)), rate), subtype="PCM_16", force=True)
    return path


def made(dataset: Any, out: Path, **options: Any) -> tuple[Summary, list[dict[str, Any]]]:
    """A folder of small pictures, and the lines of its manifest."""
    done = prepare(dataset, out, columns=COLUMNS, **options)
    return done, manifest_rows(out)


def bands(out: Path, row: dict[str, Any], side: str) -> np.ndarray:
    """What a picture of a pair says of every band, in full scales (bands, frames)."""
    picture = read_picture(out / row[side])
    assert picture.loudest is not None
    return picture.codec.from_pixels(picture.pixels, picture.loudest)[0]


def strongest(out: Path, row: dict[str, Any], side: str) -> float:
    """Frequency of the band that is loudest in the middle of a picture."""
    middle = bands(out, row, side)[:, COLUMNS // 4 : -COLUMNS // 4].mean(axis=1)
    return float(SpectrogramImage().edges[1:-1][np.argmax(middle)])


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
