"""The one door from the studio to what makes sound: notes, clips, what goes on, variations, stems, and codes."""

from __future__ import annotations

__all__ = ["KINDS", "codes", "cut", "make", "reason"]

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from caesura.inpainter import Inpainter, Progress
from caesura.region import Region, merge

if TYPE_CHECKING:
    from caesura.making import Wish
    from caesura.studio.tasks import Make

KINDS = ("generate", "continue", "vary", "morph", "add")
LONGEST_HEARD = 120.0  # seconds at the end of a recording that a method without a limit hears


def reason(kind: str) -> str:
    """Why sound cannot be made in this way here; empty where it can."""
    return "" if kind in _WAYS else f"there is no way '{kind}': choose from {', '.join(KINDS)}"


def make(task: Make, target: Path, seed: int, progress: Progress) -> None:
    """Make a sound and write it.

    Raises:
        ValueError: it cannot be made; the message says why.
    """
    if task.kind not in _WAYS:
        raise ValueError(reason(task.kind))
    _WAYS[task.kind](task, target, seed, progress)


def _generate(task: Make, target: Path, seed: int, progress: Progress) -> None:
    from caesura.making import generate_file

    samples = round(task.seconds * task.sample_rate)
    generate_file(_wish(task, seed), target, samples, task.sample_rate, subtype="PCM_24", progress=progress)


def _continue(task: Make, target: Path, seed: int, progress: Progress) -> None:
    from caesura.audio import open_audio
    from caesura.making import continue_file

    source = _needed(task)
    with open_audio(source) as reader:
        samples = round(task.seconds * reader.info.sample_rate)
    continue_file(_wish(task, seed), source, target, samples, longest=LONGEST_HEARD, progress=progress)


def _vary(task: Make, target: Path, seed: int, progress: Progress) -> None:
    from caesura.making import vary_file

    vary_file(_wish(task, seed), _needed(task), target, progress=progress)


def _morph(task: Make, target: Path, seed: int, progress: Progress) -> None:
    from caesura.audio import Audio, read, resample, write
    from caesura.morphing import Morph, between

    guide = None
    if task.source is not None:
        known = read(task.source)
        guide = resample(np.nan_to_num(known.samples), known.sample_rate, task.sample_rate)
    text, other = task.end or (task.text, task.seed)
    morph = Morph(
        (task.text, text), (seed, other), round(task.seconds * task.sample_rate), task.sample_rate,
        channels=1 if guide is None else guide.shape[0], guide=guide,
    )  # fmt: skip
    x = between(morph, _method(task), task.alpha, progress=progress)
    write(target, Audio(x, task.sample_rate), subtype="PCM_24")


def _add(task: Make, target: Path, seed: int, progress: Progress) -> None:
    from caesura.making import add_file

    if not task.text:
        raise ValueError("say what to add in a few words")
    add_file(_wish(task, seed), _needed(task), target, progress=progress)


_WAYS: Mapping[str, Callable[[Any, Path, int, Progress], None]] = {
    "generate": _generate,
    "continue": _continue,
    "vary": _vary,
    "morph": _morph,
    "add": _add,
}


def codes(source: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The two maps of codes of a sound, as the wire has them."""
    from caesura.audio import Audio, read
    from caesura.codes import RATE, encode, grids

    weights, audio = str(settings.get("weights", "")), read(source)
    found = encode(Audio(np.nan_to_num(audio.samples).mean(axis=0, keepdims=True), audio.sample_rate), weights)
    layers = {}
    for name, layer, cells in zip(("top", "bottom"), (found.top, found.bottom), grids(found, weights), strict=True):
        times = np.append(cells.start, cells.stop[-1:]) * (audio.sample_rate / RATE)
        starts = [*np.ceil(times[:-1]).astype(int).tolist(), found.samples]
        edges = [*cells.low.tolist(), float(cells.high[-1])]
        layers[name] = {"codes": layer[0].tolist(), "starts": starts, "edges": edges}
    return layers


def cut(layer: Mapping[str, Any], cells: Iterable[tuple[int, int]], sample_rate: int) -> list[Region]:
    """The regions that cells (row, column) of a map cover, as few as there can be.

    Raises:
        ValueError: a cell is not in the map.
    """
    starts, edges = layer["starts"], layer["edges"]
    rows, columns = len(edges) - 1, len(starts) - 1
    chosen: dict[int, set[int]] = {}
    for row, column in cells:
        if row >= rows or column >= columns:
            raise ValueError(f"the cell in row {row}, column {column} is not in the map of {rows} by {columns} cells")
        chosen.setdefault(column, set()).add(row)
    return list(_boxes(chosen, starts, edges, sample_rate))


def _boxes(
    chosen: Mapping[int, set[int]], starts: Sequence[int], edges: Sequence[float], sample_rate: int
) -> Iterator[Region]:
    by_rows: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for column, rows in chosen.items():
        for first, last in merge((row, row + 1) for row in rows):
            by_rows.setdefault((first, last), []).append((column, column + 1))
    for (first, last), spans in by_rows.items():
        # A whole column is a gap where the grid knows all that the recording can hold.
        whole = first == 0 and last == len(edges) - 1 and edges[-1] >= sample_rate / 2
        band = () if whole else (edges[first], edges[last])
        for left, right in merge(spans):
            yield Region(starts[left], starts[right], *band)


def _wish(task: Make, seed: int) -> Wish:
    from caesura.making import Wish

    return Wish(_method(task), task.text, seed)


def _method(task: Make) -> Inpainter:
    from caesura.project import Step

    return Step(task.method, task.settings, ()).inpainter()


def _needed(task: Make) -> Path:
    if task.source is None:
        raise ValueError(f"to {task.kind} there has to be a sound: name one")
    return task.source
