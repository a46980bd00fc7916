"""Measure the networks of `notono` on notes of instruments that nobody trained on: the table that the paper left out.

    python benchmarks/notono.py --data NOTES [--weights FOLDER] [--notes 220] [--write]

NOTES is what the networks were trained on; the notes that `held_out` sets aside are measured. With --write the tables
become docs/benchmarks/notono.md. What judges pitch and family is the network `note_classifier`, which learns from the
same instruments and never from a made-up note; its own accuracy on the held-out notes is the first row it appears in.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
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
from notono_cases import Case, attacks, cases, learnt_counts, likelihoods, repainted

Array = NDArray[np.float64]

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks" / "notono.md"
RATE = 16000
SEEDS = (0, 1)


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


def main() -> int:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="notes, as for `caesura train`")
    parser.add_argument("--weights", default="", help="folder of weights; those that come with the package by default")
    parser.add_argument("--classifier", default="note-classifier", help="card or file of its weights")
    parser.add_argument("--notes", type=int, default=220, help="how many are measured")
    parser.add_argument("--write", action="store_true", help="write the page")
    given = parser.parse_args()
    torch.set_num_threads(1)
    begin = time.process_time()
    learnt, measured = held_out(read_notes(given.data))
    chosen = spread(measured, given.notes)
    labels = np.array([note.labels for note in chosen], dtype=np.int16)
    sounds = np.stack([read_note(note) for note in chosen])
    networks = open_networks(given.weights)
    maps = networks.codec.encode(sounds)
    coded = networks.codec.decode(*maps, sounds.shape[1])
    forms = (MelIf("published"), MelIf("weighted"))
    trips = {f"Mel-IF, {form.form}": np.stack([form.decode(form.encode(x), x.size) for x in sounds]) for form in forms}
    codec = rebuilt(sounds, {**trips, "codes": coded})
    nats = likelihoods(networks, maps, labels, learnt_counts(networks, spread(learnt, 2 * given.notes)))
    known = spread(learnt, given.notes)
    heard = listen(np.stack([read_note(note) for note in known]), given.classifier)
    reference = listen(np.stack([read_note(note) for note in measured]), given.classifier)
    own = accuracies(reference, np.array([note.labels for note in measured]))
    real = {"the recordings": [Case(sounds)], "the recordings as codes": [Case(coded)]}
    whole, attack = (cases(networks, sounds, maps, labels, SEEDS, part) for part in ("whole", "second"))
    scratch = judged({**real, **whole}, labels, reference.embedding, given.classifier)
    pitch, family = accuracies(heard, np.array([note.labels for note in known]))
    scratch["recordings of learnt instruments"] = {
        "pitch right, %": 100.0 * pitch,
        "family right, %": 100.0 * family,
        "Frechet distance": frechet_distance(reference.embedding, heard.embedding),
    }
    inside = judged({**real, **attack, **repainted(given.weights, sounds, labels)}, labels, reference.embedding,
                    given.classifier)  # fmt: skip
    organ = attacks(given.weights, [note for note in measured if note.family == "organ"],
                    [note for note in measured if note.family == "mallet"], given.classifier)  # fmt: skip
    text = page(chosen, measured, own, codec, nats, scratch, inside, organ, time.process_time() - begin)
    print(text)
    if given.write:
        PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
