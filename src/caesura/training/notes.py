"""What the networks of notes learn from: images and codes kept on disk, drawn evenly over families, with selections.

    example i = note_i inside selection_i, note'_i around it,   all functions of (seed, i) alone

A family is drawn with the root of its number of notes. Selections are rectangles of all sizes, or everything. Mostly
note' is the note itself. In the other examples it is another one, half of them of the same pitch, and the labels are
those of what is inside: whoever paints a mallet's attack into an organ wants what he says, not what is around it.

References:
    T. Bazin, G. Hadjeres, P. Esling, M. Malt, "Spectrogram inpainting for interactive generation of instrument
        sounds", CSMC + MuMe 2020.
"""

from __future__ import annotations

__all__ = ["Coded", "Codes", "Images", "Selections", "chances", "coded", "digest", "imaged", "labels_of", "selection"]

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from caesura.atomic import replacing
from caesura.codecs.melif import MelIf
from caesura.data.notes import Note, read_note
from caesura.networks.vqvae2 import Vqvae2

EVERYTHING = 0.2  # share of the selections that leave nothing
WHOLE_BAND = 0.3  # share of the rectangles that reach over all frequencies
COUNTS = (1, 1, 2, 3)  # rectangles of a selection
ALIGNED = 0.5  # share of the fine map's selections that hold whole coarse cells, as after drawing those anew
MIXED = 0.4  # share of the selections around which another note stands
SAME_PITCH = 0.5  # share of those whose other note has the same pitch
UNTOLD = 0.1  # share of the labels that are not told
CHUNK = 16  # images that are coded at once


class Codes(NamedTuple):
    """Notes as codes."""

    top: NDArray[np.int16]
    """Coarse maps (notes, rows, columns)."""
    bottom: NDArray[np.int16]
    """Fine maps (notes, 2 rows, 2 columns)."""
    labels: NDArray[np.int16]
    """Pitch, family and velocity of each note (notes, 3); see `caesura.data.notes.Note`."""


class Coded(NamedTuple):
    """One note, or a batch of them with one axis more."""

    codes: Tensor
    """The map to fill (rows, columns)."""
    known: Tensor
    """bool (rows, columns), False in the selection."""
    labels: Tensor
    """(3,), -1 where a label is not told."""
    coarse: Tensor
    """The coarse map."""


class Images(Dataset[Tensor]):
    """Endless images of notes (2, bins, frames).

    Args:
        images: (notes, 2, bins, frames).
        labels: (notes, 3).
        seed: of the order.
    """

    def __init__(self, images: NDArray[np.float16], labels: NDArray[np.int16], seed: int) -> None:
        self.images, self.seed, self.chances = images, seed, chances(labels)

    def __getitem__(self, index: int) -> Tensor:
        note = np.random.default_rng((self.seed, index)).choice(len(self.images), p=self.chances)
        return torch.from_numpy(self.images[note].astype(np.float32))


class Selections(Dataset[Coded]):
    """Endless notes as codes, with selections.

    Args:
        codes: of all notes.
        top: whether the coarse map is filled, otherwise the fine one.
        seed: of everything.
    """

    def __init__(self, codes: Codes, seed: int, *, top: bool) -> None:
        self.codes, self.seed, self.top, self.chances = codes, seed, top, chances(codes.labels)

    def __getitem__(self, index: int) -> Coded:
        rng = np.random.default_rng((self.seed, index))
        note = rng.choice(len(self.chances), p=self.chances)
        coarse, fine = self.codes.top[note], self.codes.bottom[note]
        aligned = self.top or rng.random() < ALIGNED
        unknown = selection(coarse.shape if aligned else fine.shape, rng)
        step = fine.shape[0] // unknown.shape[0]
        if aligned and rng.random() < MIXED:
            other = self._other(note, rng)
            coarse = np.where(unknown, coarse, self.codes.top[other])
            fine = np.where(_finer(unknown, step), fine, self.codes.bottom[other])
        codes = coarse if self.top else fine
        unknown = unknown if self.top else _finer(unknown, step)
        labels = np.where(rng.random(3) < UNTOLD, -1, self.codes.labels[note])
        return Coded(
            torch.from_numpy(codes.astype(np.int64)),
            torch.from_numpy(~unknown),
            torch.from_numpy(labels.astype(np.int64)),
            torch.from_numpy(coarse.astype(np.int64)),
        )

    def _other(self, note: int, rng: np.random.Generator) -> int:
        """Another note, or by chance the same."""
        if rng.random() < SAME_PITCH:
            return int(rng.choice(np.flatnonzero(self.codes.labels[:, 0] == self.codes.labels[note, 0])))
        return int(rng.choice(len(self.chances), p=self.chances))


def selection(shape: Sequence[int], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Cells to fill of a map (rows, columns): rectangles, or everything; at least one."""
    rows, columns = shape
    chosen = np.zeros((rows, columns), dtype=bool)
    if rng.random() < EVERYTHING:
        return ~chosen
    for _ in range(rng.choice(COUNTS)):
        height = rows if rng.random() < WHOLE_BAND else int(rng.integers(1, rows + 1))
        width = int(rng.integers(1, columns + 1))
        row, column = int(rng.integers(rows - height + 1)), int(rng.integers(columns - width + 1))
        chosen[row : row + height, column : column + width] = True
    return chosen


def imaged(
    notes: Sequence[Note], folder: Path, workers: int = 0, progress: Callable[[float], None] = lambda fraction: None
) -> NDArray[np.float16]:
    """Images of notes (notes, 2, bins, frames), kept in a file of `folder` and read from there the next time.

    Args:
        notes: from `caesura.data.notes.read_notes`.
        folder: made if need be.
        workers: processes; 0: this one.
        progress: called with the fraction done.
    """
    path = folder / f"images-{digest(notes)}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        shape = (len(notes), *_image(notes[0]).shape)
        with replacing(path, force=True) as partial:
            store = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float16, shape=shape)
            if workers:
                with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                    for k, image in enumerate(pool.map(_image, notes, chunksize=CHUNK)):
                        store[k] = image
                        progress((k + 1) / len(notes))
            else:
                for k, note in enumerate(notes):
                    store[k] = _image(note)
                    progress((k + 1) / len(notes))
            store.flush()
    found: NDArray[np.float16] = np.load(path, mmap_mode="r")
    return found


def coded(network: Vqvae2, images: NDArray[np.float16], notes: Sequence[Note], folder: Path) -> Codes:
    """Codes of notes, kept in a file of `folder` and read from there while the network and the notes are the same.

    Args:
        network: that codes them.
        images: of the notes.
        notes: from `caesura.data.notes.read_notes`.
        folder: there already.
    """
    path = folder / f"codes-{digest(notes)}-{_coding(network)}.npz"
    if not path.is_file():
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        network = network.eval().to(device)
        tops, bottoms = [], []
        with torch.no_grad():
            for k in range(0, len(images), CHUNK):
                top, bottom = network.encode(torch.from_numpy(images[k : k + CHUNK].astype(np.float32)).to(device))
                tops.append(top.cpu().numpy().astype(np.int16))
                bottoms.append(bottom.cpu().numpy().astype(np.int16))
        with replacing(path, force=True) as partial, partial.open("wb") as file:
            np.savez(file, top=np.concatenate(tops), bottom=np.concatenate(bottoms), labels=labels_of(notes))
    with np.load(path) as stored:
        return Codes(stored["top"], stored["bottom"], stored["labels"])


def labels_of(notes: Sequence[Note]) -> NDArray[np.int16]:
    """Labels (notes, 3)."""
    return np.array([note.labels for note in notes], dtype=np.int16)


def _finer(chosen: NDArray[np.bool_], step: int) -> NDArray[np.bool_]:
    """Each cell `step` times in both directions."""
    return chosen.repeat(step, axis=0).repeat(step, axis=1)


def _image(note: Note) -> NDArray[np.float16]:
    return MelIf().encode(read_note(note)).astype(np.float16)


def digest(notes: Sequence[Note]) -> str:
    """What names files about these notes."""
    listed = "\n".join(f"{note.key} {note.labels} {note.path.name} {note.size}" for note in notes)
    return hashlib.sha256(listed.encode()).hexdigest()[:12]


def _coding(network: Vqvae2) -> str:
    """Digest of the weights that codes depend on: not of those that draw images from them."""
    drawing = ("dec.", "upsample_top_to_bottom.")
    weights = (value for name, value in network.state_dict().items() if not name.startswith(drawing))
    return hashlib.sha256(b"".join(value.cpu().numpy().tobytes() for value in weights)).hexdigest()[:12]


def chances(labels: NDArray[np.int16]) -> NDArray[np.float64]:
    """How likely each note is drawn: that of a family goes with the root of its size."""
    sizes = np.bincount(labels[:, 1])[labels[:, 1]]
    chances = 1.0 / np.sqrt(sizes)
    return np.asarray(chances / chances.sum())
