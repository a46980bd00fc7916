"""Measure the networks of `notono` on notes of instruments that nobody trained on: the table that the paper left out.

    python benchmarks/notono.py --data NOTES [--weights FOLDER] [--notes 220] [--write]

NOTES is what the networks were trained on; the notes that `held_out` sets aside are measured. With --write the tables
become docs/benchmarks/notono.md. What judges pitch and family is the network `note_classifier`, which learns from the
same instruments and never from a made-up note; its own accuracy on the held-out notes is the first row it appears in.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from notono_pages import page
from numpy.typing import NDArray

from caesura.codecs.melif import MelIf
from caesura.data.notes import FAMILIES, Note, held_out, read_note, read_notes
from caesura.evaluation.metrics import frechet_distance, lsd, multi_resolution_stft, snr
from caesura.evaluation.notes import accuracies, diversity, listen, onset
from caesura.methods._notono import open_networks
from caesura.networks.note_classifier import Heard
from notono_cases import Case, attacks, cases, learnt_counts, likelihoods, repainted

Array = NDArray[np.float64]

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks" / "notono.md"
RATE = 16000
SEEDS = (0, 1)
SPAN = range(48, 85)  # pitches of organ notes whose attacks are repainted
MANY = 220  # notes whose hidden cells are predicted


def spread(notes: Sequence[Note], count: int) -> list[Note]:
    """Up to `count` notes, as many of each family as there are, evenly over pitches and instruments."""
    chosen: list[Note] = []
    for family in FAMILIES:
        own = sorted((note for note in notes if note.family == family), key=lambda note: (note.pitch, note.key))
        wanted = min(max(count // len(FAMILIES), 1), len(own))
        chosen += [own[k] for k in np.linspace(0, len(own) - 1, wanted).round().astype(int)]
    return chosen


def rebuilt(sounds: Array, systems: dict[str, Array]) -> dict[str, dict[str, float]]:
    """How far each system's sounds (notes, samples) are from the originals."""
    rows = {}
    for name, found in systems.items():
        pairs = list(zip(sounds[:, None], found[:, None], strict=True))
        onsets = [abs(onset(x[0], RATE) - onset(y[0], RATE)) for x, y in pairs]
        rows[name] = {
            "LSD, dB": float(np.mean([lsd(x, y, padding="reflect") for x, y in pairs])),
            "multi-resolution STFT": float(np.mean([multi_resolution_stft(x, y) for x, y in pairs])),
            "onset error, mean, ms": 1e3 * float(np.mean(onsets)),
            "onset error, 90th percentile, ms": 1e3 * float(np.quantile(onsets, 0.9)),
            "SNR, dB": float(np.mean([snr(x, y) for x, y in pairs])),
        }
    return rows


def judged(
    sets: dict[str, list[Case]], labels: NDArray[np.int16], reference: Array, classifier: str
) -> dict[str, dict[str, float | None]]:
    """What is heard of each set of answers to the same questions, one answer per note and seed."""
    rows: dict[str, dict[str, float | None]] = {}
    for name, answers in sets.items():
        heard = [listen(answer.sounds, classifier) for answer in answers]
        scores = np.mean([accuracies(one, labels) for one in heard], axis=0)
        embeddings = np.stack([one.embedding for one in heard])
        seams = [seam for answer in answers for seam in answer.seams]
        rows[name] = {
            "pitch right, %": 100.0 * float(scores[0]),
            "family right, %": 100.0 * float(scores[1]),
            "Frechet distance": float(np.mean([frechet_distance(reference, one.embedding) for one in heard])),
            "diversity": diversity(list(embeddings.swapaxes(0, 1))) if len(answers) > 1 else None,
            "seam": float(np.median(seams)) if seams else None,
        }
    return rows


@dataclass(frozen=True)
class Asked:
    """What every part is given."""

    weights: str
    classifier: str
    learnt: Sequence[Note]
    """Some notes that the networks know."""
    measured: Sequence[Note]
    """All notes that they do not know."""
    chosen: Sequence[Note]
    """Those that are measured."""

    @cached_property
    def sounds(self) -> Array:
        """Of the chosen notes."""
        return sounds_of(self.chosen)

    @cached_property
    def labels(self) -> NDArray[np.int16]:
        """Of the chosen notes."""
        return labels_of(self.chosen)


def sounds_of(notes: Sequence[Note]) -> Array:
    """(notes, samples)."""
    return np.stack([read_note(note) for note in notes])


def labels_of(notes: Sequence[Note]) -> NDArray[np.int16]:
    """(notes, 3)."""
    return np.array([note.labels for note in notes], dtype=np.int16)


def listened(asked: Asked) -> Heard:
    """What the classifier hears of all notes that were held out."""
    torch.set_num_threads(1)
    return listen(sounds_of(asked.measured), asked.classifier)


def codec(asked: Asked) -> dict[str, dict[str, float]]:
    """Reconstruction."""
    torch.set_num_threads(1)
    forms = (MelIf("published"), MelIf("weighted"))
    trips = {
        f"Mel-IF, {form.form}": np.stack([form.decode(form.encode(x), x.size) for x in asked.sounds]) for form in forms
    }
    return rebuilt(asked.sounds, {**trips, "codes": coded(asked)})


def coded(asked: Asked) -> Array:
    """The chosen notes through the codes."""
    network = open_networks(asked.weights).codec
    return np.concatenate([network.decode(*network.encode(x[None]), x.size) for x in asked.sounds])


def nats(asked: Asked) -> dict[str, dict[str, float]]:
    """Likelihood of hidden cells."""
    torch.set_num_threads(1)
    networks = open_networks(asked.weights)
    many = spread(asked.measured, MANY)
    maps = networks.codec.encode(sounds_of(many))
    return likelihoods(networks, maps, labels_of(many), learnt_counts(networks, asked.learnt))


def made(asked: Asked, reference: Array, part: str) -> dict[str, dict[str, float | None]]:
    """Notes that are drawn in whole, or one second of them, beside real ones."""
    torch.set_num_threads(1)
    networks = open_networks(asked.weights)
    maps = networks.codec.encode(asked.sounds)
    real = {"the recordings": [Case(asked.sounds)], "the recordings as codes": [Case(coded(asked))]}
    drawn = cases(networks, asked.sounds, maps, asked.labels, SEEDS, part)
    rows = judged({**real, **drawn}, asked.labels, reference, asked.classifier)
    if part == "whole":
        known = {"recordings of learnt instruments": [Case(sounds_of(asked.learnt))]}
        rows |= judged(known, labels_of(asked.learnt), reference, asked.classifier)
    return rows


def used(asked: Asked) -> dict[str, dict[str, float | None]]:
    """Seams of the method as it is used."""
    torch.set_num_threads(1)
    answers = repainted(asked.weights, asked.sounds, asked.labels)
    return {name: {"seam": float(np.median(answer.seams))} for name, (answer,) in answers.items()}


def organ(asked: Asked) -> dict[str, dict[str, float]]:
    """Organ attacks as mallet."""
    torch.set_num_threads(1)
    measured, known = (
        {name: [note for note in notes if note.family == name and note.pitch in SPAN] for name in ("organ", "mallet")}
        for notes in (asked.measured, asked.learnt)
    )
    mallets = {"mallet, held out": measured["mallet"], "mallet, learnt": known["mallet"]}
    return attacks(asked.weights, measured["organ"], mallets, asked.classifier)


def main() -> int:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="notes, as for `caesura train`")
    parser.add_argument("--weights", default="", help="folder of weights; those that come with the package by default")
    parser.add_argument("--classifier", default="note-classifier", help="card or file of its weights")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--notes", type=int, default=220, help="how many are measured")
    parser.add_argument("--write", action="store_true", help="write the page")
    given = parser.parse_args()
    learnt, measured = held_out(read_notes(given.data))
    asked = Asked(given.weights, given.classifier, spread(learnt, MANY), tuple(measured),
                  spread(measured, given.notes))  # fmt: skip
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        heard = pool.submit(listened, asked).result()
        parts = [pool.submit(part, asked, *arguments) for part, *arguments in (
            (codec,), (nats,), (made, heard.embedding, "whole"), (made, heard.embedding, "second"),
            (used,), (organ,),
        )]  # fmt: skip
        codec_rows, nats_rows, scratch, inside, joined, organ_rows = (part.result() for part in parts)
    own = accuracies(heard, labels_of(asked.measured))
    text = page(asked.chosen, measured, own, codec_rows, nats_rows, scratch, {**inside, **joined}, organ_rows)
    print(text)
    if given.write:
        PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
