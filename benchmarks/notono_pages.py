"""The page that `notono.py` writes."""

from __future__ import annotations

__all__ = ["page"]

from collections import Counter
from collections.abc import Mapping, Sequence

from caesura.data.notes import FAMILIES, Note

Rows = Mapping[str, Mapping[str, float | None]]


def page(
    chosen: Sequence[Note], measured: Sequence[Note], own: tuple[float, float], codec: Rows, nats: Rows, scratch: Rows,
    inside: Rows, organ: Rows,
) -> str:  # fmt: skip
    """All tables as markdown."""
    families = Counter(note.family for note in chosen)
    counted = ", ".join(f"{family} {families[family]}" for family in FAMILIES)
    instruments = len({note.instrument for note in measured})
    fine, coarse = nats["fine map"], nats["coarse map"]
    return f"""# Notes repainted: what the networks of `notono` can do

`python benchmarks/notono.py --data NOTES --write` writes this page.

{len(chosen)} notes ({counted})
out of {len(measured)} of {instruments} instruments that were held out: neither the autoencoder nor the transformers nor
the classifier learnt from any note of them. 16 kHz, four seconds, drawn with
temperature 1, top-p 0.8 and, where nothing else is said, guidance 2, two seeds.

## Reconstruction

Of the representation alone, there and back, and of the codes, 128 coarse and 512 fine ones for four seconds.

{_table(codec)}

The published inverse and the better one are the two forms of `caesura.codecs.melif`; LSD and multi-resolution STFT as
in `caesura.evaluation.metrics`, SNR of the waveform. No codec can do better than its representation.

## Hidden cells

Nats per hidden cell, of 220 held-out notes. Hidden is one column over the whole band, with something on either side:
about a second of the coarse map, half a second of the fine one. "Right context hidden" hides all that comes after it
too; the cells that are counted, the labels and the left context are the same. The fine map is filled under the whole
coarse map, which says something of the right side too, in both cases.

{_table({name: {k: v for k, v in row.items() if k not in EXTRA} for name, row in nats.items()}, 3)}

With the right context a fine cell costs {fine["gain"]:.4f} ± {fine["half interval"]:.4f} nats less (95 % interval over
notes), a coarse one {coarse["gain"]:.4f} ± {coarse["half interval"]:.4f}; {fine["better, % of notes"]:.0f} and
{coarse["better, % of notes"]:.0f} % of the notes gain. It is little: what comes before and, for the fine map, the
coarse map say most of it.

## From scratch

Each held-out note asked for by its labels alone. Pitch and family are judged by the network `note_classifier`, which
learnt from the same instruments as the others, never from a made-up note: on all held-out notes it hears
{100 * own[0]:.1f} % of the pitches and {100 * own[1]:.1f} % of the families, and no row can be trusted further than
that. The Frechet distance is taken over its embeddings to all held-out notes; diversity is the mean distance there
between two answers to one question.

{_table(scratch)}

## A second repainted

The second coarse column, about one second, of both maps over the whole band; the rest of the note is the recording.
The seam is `caesura.seam`'s, in robust standard deviations, median over the edges.

{_table(inside)}

## An organ's attack as mallet

Organ notes (MIDI 48 to 84) of the instrument that was held out; their first second is repainted by `notono` with
`family=mallet` and their own pitch. The classifier hears the first second alone, of real mallet notes too
(of the instrument that was held out, a marimba, and of those that were learnt). Medians, but for what is heard. It
knows whole notes only: cut after a second, no organ is an organ to it.

{_table(organ)}
"""


EXTRA = ("gain", "half interval", "better, % of notes")


def _table(rows: Rows, digits: int = 2) -> str:
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    lines = [f"| | {' | '.join(columns)} |", "|---|" + "--:|" * len(columns)]
    for name, row in rows.items():
        cells = ["–" if (value := row.get(column)) is None else f"{value:.{digits}f}" for column in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
