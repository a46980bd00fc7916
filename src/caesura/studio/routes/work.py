"""What the models are asked to do: detect, restore, create, read codes, repaint cells. Each answers with a job."""

from __future__ import annotations

__all__ = ["router"]

import dataclasses
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from caesura.audio import output_suffix
from caesura.project import Step
from caesura.studio import schemas
from caesura.studio.catalogue import NOTE
from caesura.studio.convert import labels_in, mark_out, sound_out
from caesura.studio.sessions import Session
from caesura.studio.shelf import Entry
from caesura.studio.state import Here, Studio, Who
from caesura.studio.tasks import Codes, Detect, Edit, Fill, Make

router = APIRouter(prefix="/api", tags=["work"])
NOTE_RATE = 16_000  # hertz of a note that is made from nothing: that of the networks


@router.post("/detections", status_code=202)
def detect(studio: Here, who: Who, wanted: schemas.Detection) -> schemas.Job:
    """Look for damage; the job's `regions` are what was found."""
    entry = who.shelf.get(wanted.sound)
    kinds = None if wanted.kinds is None else frozenset(wanted.kinds)

    def deliver(labels: Any) -> dict[str, Any]:
        return {"regions": [mark_out(label) for label in labels]}

    task = Detect(entry.path, kinds, wanted.sensitivity)
    return studio.submit(who, "detection", task, deliver, _folder(who), entry.id)


@router.post("/restorations", status_code=202)
def restore(studio: Here, who: Who, wanted: schemas.Restoration) -> schemas.Job:
    """Fill regions; the job's `candidates` are new sounds, the old one stays as it is."""
    entry = who.shelf.get(wanted.sound)
    guide = None if wanted.guide is None else who.shelf.get(wanted.guide)
    settings = studio.catalogue.settings(wanted.method, wanted.settings)
    step = Step(
        wanted.method, settings, labels_in(wanted.regions, entry), wanted.seed, wanted.fade_ms, wanted.text,
        None if guide is None else guide.named(),
    )  # fmt: skip
    studio.room(who, entry.bytes * wanted.candidates)
    folder = _folder(who)
    suffix = output_suffix(entry.path)
    targets = tuple((folder / f"{number}{suffix}",) for number in range(wanted.candidates))
    task = Fill(entry.path, (step,), targets, None if guide is None else guide.path)
    deliver = _results(who, entry, (step,), targets, "restoration")
    return studio.submit(who, "restoration", task, deliver, folder, entry.id)


@router.post("/creations", status_code=202)
def create(studio: Here, who: Who, wanted: schemas.Creation) -> schemas.Job:
    """Make sound; see GET /api/ways for what can be made with what."""
    entry = None if wanted.sound is None else who.shelf.get(wanted.sound)
    if entry is None and wanted.kind in ("continue", "vary", "add"):
        raise ValueError(f"to {wanted.kind} there has to be a sound: name one")
    settings = studio.catalogue.settings(wanted.method, wanted.settings)
    rate = entry.info.sample_rate if entry and wanted.kind != "generate" else wanted.sample_rate
    studio.room(who, (entry.bytes if entry else 0) + wanted.candidates * int(wanted.seconds * rate * 3))
    folder = _folder(who)
    suffix = ".wav" if entry is None or wanted.kind == "generate" else output_suffix(entry.path)
    targets = tuple(folder / f"{number}{suffix}" for number in range(wanted.candidates))
    task = Make(
        wanted.kind, wanted.method, settings, targets, wanted.seconds, rate, wanted.seed, wanted.text,
        None if entry is None else entry.path, (wanted.end.text, wanted.end.seed) if wanted.end else None, wanted.alpha,
    )  # fmt: skip
    name = f"{Path(entry.name).stem} ({wanted.kind})" if entry else wanted.text or f"{wanted.kind} {wanted.method}"
    deliver = _made(who, task, name, "clip", entry.id if entry and wanted.kind != "generate" else None)
    return studio.submit(who, "creation", task, deliver, folder, entry.id if entry else None)


@router.post("/notes", status_code=202)
def make_note(studio: Here, who: Who, wanted: schemas.NewNote) -> schemas.Job:
    """Make a note."""
    settings = studio.catalogue.settings(NOTE, {**wanted.settings, **_asked(wanted)})
    studio.room(who, wanted.candidates * int(wanted.seconds * NOTE_RATE * 3))
    folder = _folder(who)
    targets = tuple(folder / f"{number}.wav" for number in range(wanted.candidates))
    task = Make("generate", NOTE, settings, targets, wanted.seconds, NOTE_RATE, wanted.seed)
    name = " ".join(filter(None, (wanted.family or "note", "" if wanted.pitch is None else str(wanted.pitch))))
    return studio.submit(who, "note", task, _made(who, task, name, "note", None, wanted.pitch), folder)


@router.post("/codes", status_code=202)
def read_codes(studio: Here, who: Who, wanted: schemas.CodesRequest) -> schemas.Job:
    """Read the two maps of codes of a sound; the job's `grid` has them."""
    entry = who.shelf.get(wanted.sound)
    _check_note(entry)
    task = Codes(entry.path, studio.catalogue.settings(NOTE, wanted.settings))
    return studio.submit(
        who, "codes", task, lambda found: {"grid": schemas.Grid.model_validate(found)}, _folder(who), entry.id
    )


@router.post("/note-edits", status_code=202)
def edit_note(studio: Here, who: Who, wanted: schemas.NoteEdit) -> schemas.Job:
    """Draw cells of a note again, each with what it is asked to be; only what the cells cover changes."""
    entry = who.shelf.get(wanted.sound)
    _check_note(entry)
    groups: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
    for cell in wanted.cells:
        groups.setdefault((cell.layer, *_asked(cell).items()), []).append((cell.row, cell.column))
    parts = tuple(
        (layer, _cell_settings(studio, wanted.settings, layer, dict(asked)), tuple(cells))
        for (layer, *asked), cells in groups.items()
    )
    studio.room(who, entry.bytes * wanted.candidates * len(parts))
    folder, suffix = _folder(who), output_suffix(entry.path)
    targets = tuple(
        tuple(folder / f"{number}-{k}{suffix}" for k in range(len(parts))) for number in range(wanted.candidates)
    )
    task = Edit(entry.path, parts, targets, wanted.seed)

    def deliver(found: Any) -> dict[str, Any]:
        steps, reports = found
        return _results(who, entry, steps, targets, "edit")(reports)

    return studio.submit(who, "edit", task, deliver, folder, entry.id)


def _cell_settings(studio: Studio, given: Mapping[str, Any], layer: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    return studio.catalogue.settings(NOTE, {**given, **asked, "layer": "both" if layer == "top" else "bottom"})


def _asked(condition: schemas.Condition) -> dict[str, Any]:
    """Settings of notono that say what is asked for."""
    asked = {"pitch": condition.pitch, "family": condition.family, "velocity": condition.velocity}
    return {name: value for name, value in asked.items() if value is not None}


LONGEST_NOTE = 60.0  # seconds; the grid of more would not fit a screen, nor its codes a reply


def _check_note(entry: Entry) -> None:
    if entry.info.duration > LONGEST_NOTE:
        raise ValueError(
            f"'{entry.name}' is {entry.info.duration:.1f} s long: the grid of codes takes up to {LONGEST_NOTE:g} s, "
            "cut a part of it out first"
        )


def _folder(who: Session) -> Path:
    """Where a job writes."""
    folder = who.shelf.folder / f"job-{secrets.token_hex(8)}"
    folder.mkdir()
    return folder


def _results(
    who: Session, source: Entry, steps: tuple[Step, ...], targets: tuple[tuple[Path, ...], ...], origin: str
) -> Callable[[Any], dict[str, Any]]:
    """Takes the files of a repair in, one sound per candidate and step, each made from the one before it."""

    def deliver(reports: Any) -> dict[str, Any]:
        candidates = []
        for number, (places, own) in enumerate(zip(targets, reports, strict=True)):
            parent = source
            for step, place, report in zip(steps, places, own, strict=True):
                drawn = dataclasses.replace(step, seed=step.seed + number)
                shown = {**report, "source": source.name, "target": source.name}
                name = Path(source.name).with_suffix(place.suffix).name
                parent = who.shelf.add(
                    place, name, origin, parent=parent.id, step=drawn, report=shown, pitch=source.pitch
                )
            candidates.append(
                schemas.Candidate(sound=sound_out(parent), seed=steps[-1].seed + number, report=dict(parent.report))
            )
        return {"candidates": candidates}

    return deliver


def _made(
    who: Session, task: Make, name: str, origin: str, parent: str | None, pitch: int | None = None
) -> Callable[[Any], dict[str, Any]]:
    """Takes made sounds in."""

    def deliver(_nothing: Any) -> dict[str, Any]:
        candidates = []
        for number, place in enumerate(task.targets):
            entry = who.shelf.add(place, f"{name[:150]}{place.suffix}", origin, parent=parent, pitch=pitch)
            candidates.append(schemas.Candidate(sound=sound_out(entry), seed=task.seed + number, report={}))
        return {"candidates": candidates}

    return deliver
