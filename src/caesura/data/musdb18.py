"""MUSDB18 as pairs of everything but one stem and the whole song.

    source = sum of the other three stems,   target = source + stem,   kept where the stem's power > 0.4 of its mean

Stems are WAV files, one folder per song, or the five streams of a `.stem.mp4`.

References:
    Z. Rafii, A. Liutkus, F.-R. Stöter, S. I. Mimilakis, R. Bittner, "The MUSDB18 corpus for music separation", 2017.
    Z. Shah and co-authors, Riff-CNET and Riff-P2P (zachary-shah/riff-cnet, zachary-shah/riff-pix2pix), 2023.
"""

from __future__ import annotations

__all__ = ["STEMS", "Musdb18"]

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.audio import resample
from caesura.data.datasets import Example, Rejected, Song, draw, read_mono, split_folders, split_songs
from caesura.data.instructions import Prompts
from caesura.data.pairs import Split
from caesura.data.segments import consecutive, excerpt, sounding

Array = NDArray[np.float64]

STEMS = {  # in the order of the streams of a .stem.mp4, after the mixture; what each is called where nothing is written
    "drums": "a drum part", "bass": "a bass line", "other": "further instruments", "vocals": "a vocal melody",
}  # fmt: skip
MEDIA = ".stem.mp4"
SPLITS: dict[str, Split] = {"train": "train", "test": "test"}
KEYS = tuple(range(-3, 4))


@dataclass(frozen=True)
class Musdb18:
    """A hundred and fifty songs in four stems."""

    source: Path
    """The folder that holds `train` and `test`, or the songs themselves."""
    stem: str = "vocals"
    """What is added: vocals, bass, drums or other."""
    prompts: Path | None = None
    """What was written about the songs; see `Prompts`."""
    keys: tuple[int, ...] = KEYS
    """Semitones that each stretch is transposed by."""
    share: float = 0.4
    """Least power of the stem in a stretch, in its mean power where it is not silent."""
    overlap: float = 0.0
    """Of one stretch with the next."""
    holdout: float = 0.1
    """Share of the songs that are not trained on, where they lie in no folder `train` or `test`."""
    seed: int = 0
    """Of what is drawn."""

    def __post_init__(self) -> None:
        if self.stem not in STEMS:
            raise ValueError(f"stem '{self.stem}' is not one of {', '.join(STEMS)}")
        if not 0.0 <= self.overlap < 1.0 or not 0.0 <= self.share < np.inf:
            raise ValueError(f"overlap={self.overlap}, share={self.share}: from 0 to below 1, and 0 or more")

    def songs(self) -> tuple[Song, ...]:
        """See `Dataset`."""
        found = {
            path.relative_to(self.source).as_posix().removesuffix(MEDIA): path
            for folder in (self.source, *(self.source / name for name in SPLITS))
            for path in sorted(folder.glob("*"))
            if (path.name.endswith(MEDIA) and path.name[0] != ".") or (path / f"{self.stem}.wav").is_file()
        }
        if not found:
            raise ValueError(f"there is no train/SONG/{self.stem}.wav or train/SONG{MEDIA} in '{self.source}'")
        if importlib.util.find_spec("av") is None and any(path.is_file() for path in found.values()):
            raise ValueError(f"{MEDIA} files need FFmpeg's decoders: pip install 'caesura[media]', or give WAV files")
        return split_songs(found, split_folders(found, SPLITS), self.holdout, self.seed)

    def examples(self, song: Song, sample_rate: int, length: int) -> Iterator[Example]:
        """See `Dataset`."""
        stems = _stems(song.path, sample_rate)
        others = tuple(name for name in STEMS if name != self.stem)
        rows = np.stack((np.sum([stems[name] for name in others], axis=0), stems[self.stem]))
        starts = consecutive(rows.shape[1], length, self.overlap)
        if not starts:
            raise Rejected(f"it is shorter than a picture's {length / sample_rate:.2f} s")
        for frame in np.flatnonzero(sounding(rows[1], starts, length, self.share)):
            for key in self.keys:
                source, part = excerpt(rows, starts[frame], length, key, sample_rate)
                rng = draw(song.name, self.seed, int(frame), key)
                words = self._prompts.choose(song.name, f"add {STEMS[self.stem]}", rng)
                yield Example(int(frame), key, 0, source, part, words, (self.stem,), others)

    def settings(self) -> dict[str, Any]:
        """See `Dataset`."""
        return {
            "dataset": "musdb18", "stem": self.stem, "prompts": self._prompts.digest, "keys": list(self.keys),
            "share": self.share, "overlap": self.overlap, "holdout": self.holdout, "seed": self.seed,
        }  # fmt: skip

    @cached_property
    def _prompts(self) -> Prompts:
        return Prompts.read(self.prompts)


def _stems(path: Path, sample_rate: int) -> dict[str, Array]:
    """Stems by name, (samples,) each, as long as the shortest."""
    if path.is_file():
        stems = {name: _stream(path, number, sample_rate) for number, name in enumerate(STEMS, 1)}
    else:
        stems = {name: read_mono(path / f"{name}.wav", sample_rate) for name in STEMS}
    samples = min(x.size for x in stems.values())
    return {name: x[:samples] for name, x in stems.items()}


def _stream(path: Path, number: int, sample_rate: int) -> Array:
    """One stream of a file, the mean of its channels (samples,)."""
    import av

    try:
        with av.open(str(path)) as media:
            if len(media.streams.audio) != len(STEMS) + 1:
                raise ValueError(f"'{path}' has {len(media.streams.audio)} streams of sound, not {len(STEMS) + 1}")
            stream = media.streams.audio[number]
            planes = av.AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)
            parts = [block.to_ndarray() for frame in media.decode(stream) for block in planes.resample(frame)]
            parts += [block.to_ndarray() for block in planes.resample(None)]
            rate = stream.rate
    except av.FFmpegError as error:
        raise ValueError(f"'{path}' cannot be decoded: {error.strerror or error}") from error
    x = np.concatenate(parts, axis=1).astype(np.float64).mean(axis=0, keepdims=True)
    return np.asarray(resample(x, rate, sample_rate)[0])
