"""What leaves the studio: audio, the stem of what changed, labels, the report, and the project for the command line."""

from __future__ import annotations

__all__ = ["router"]

import json
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from caesura.audio import output_suffix
from caesura.labels import formatted, read
from caesura.project import Project, deliver, plain
from caesura.stem import write_stem
from caesura.studio import schemas
from caesura.studio.convert import labels_in, mark_out
from caesura.studio.sessions import Session
from caesura.studio.shelf import Entry
from caesura.studio.state import Here, SoundId, Who

router = APIRouter(prefix="/api", tags=["exports"])

BINARY = {"schema": {"type": "string", "format": "binary"}}
SOUND: dict[int | str, dict[str, Any]] = {200: {"content": {"audio/*": BINARY}, "description": "The file."}}
JSON: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {}}, "description": "The file."}}
TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}, "description": "The file."}}
RAW: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A label file: Audacity, CSV, JSON, a report, or a packet-loss trace.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}


@router.get("/sounds/{sound}/file", response_class=Response, responses=SOUND)
def export_sound(
    studio: Here,
    who: Who,
    sound: SoundId,
    format_: Annotated[Literal["wav", "flac", "aiff"] | None, Query(alias="format")] = None,
) -> Response:
    """The sound at its own rate, depth and container with all of its metadata, or in another container."""
    entry = who.shelf.get(sound)
    if format_ is None:
        return FileResponse(entry.path, headers=_attachment(entry.name))
    place = who.shelf.place(output_suffix(entry.path, format_))
    studio.room(who, entry.bytes)
    try:
        deliver(entry.path, place, output_format=format_)
    except BaseException:
        place.unlink(missing_ok=True)
        raise
    return _sent(place, Path(entry.name).with_suffix(place.suffix).name)


@router.get("/sounds/{sound}/stem", response_class=Response, responses=SOUND)
def export_stem(
    studio: Here, who: Who, sound: SoundId, against: Annotated[str | None, Query(max_length=64)] = None
) -> Response:
    """What was added or taken away: the sound minus the recording it was made from, or minus another sound."""
    entry = who.shelf.get(sound)
    before = who.shelf.get(against) if against is not None else who.shelf.line(entry)[0]
    if before is entry:
        raise ValueError(f"'{entry.name}' was made from no other sound: name one to compare it with")
    studio.room(who, entry.info.frames * entry.info.channels * 4)
    place = who.shelf.place(".wav")
    try:
        write_stem(before.path, entry.path, place)
    except BaseException:
        place.unlink(missing_ok=True)
        raise
    return _sent(place, f"{Path(entry.name).stem}-stem.wav")


@router.get("/sounds/{sound}/report", response_class=Response, responses=JSON)
def export_report(who: Who, sound: SoundId) -> Response:
    """What was done to each region, step by step, as the command line's --report says it."""
    entry = who.shelf.get(sound)
    steps = [each.report for each in who.shelf.line(entry) if each.step is not None]
    return _document({"schema": 1, "steps": steps}, f"{Path(entry.name).stem}-report.json")


@router.get("/sounds/{sound}/project", response_class=Response, responses=JSON)
def export_project(who: Who, sound: SoundId) -> Response:
    """The project: `caesura restore --project FILE` makes the same bytes from the same recording."""
    entry = who.shelf.get(sound)
    line = who.shelf.line(entry)
    # Sounds that were made, not repaired, have no step: the project begins with the last of them.
    first = max(number for number, each in enumerate(line) if each.step is None)
    source = line[first]
    steps = tuple(each.step for each in line[first + 1 :] if each.step is not None)
    project = Project(source.named(), source.info.sample_rate, steps)
    return _document(plain(project), f"{Path(entry.name).stem}-project.json")


@router.post("/labels", response_class=Response, responses=TEXT)
def export_labels(who: Who, wanted: schemas.LabelFile) -> Response:
    """Regions as a label file that Audacity, spreadsheets or the command line read."""
    entry = who.shelf.get(wanted.sound)
    labels = labels_in(wanted.regions, entry)
    text = formatted(labels, f".{wanted.format}", sample_rate=entry.info.sample_rate)
    name = f"{Path(entry.name).stem}-labels.{wanted.format}"
    return Response(text.encode("utf-8"), media_type="text/plain; charset=utf-8", headers=_attachment(name))


@router.post("/sounds/{sound}/labels", openapi_extra=RAW)
async def import_labels(request: Request, who: Who, sound: SoundId) -> list[schemas.Mark]:
    """The regions of a label file."""
    entry = who.shelf.get(sound)
    content = await request.body()
    return await run_in_threadpool(_imported, who, entry, content)


def _imported(who: Session, entry: Entry, content: bytes) -> list[schemas.Mark]:
    place = who.shelf.place(".labels")
    place.write_bytes(content)
    try:
        labels = read(place, sample_rate=entry.info.sample_rate, samples=entry.info.frames)
    except ValueError as error:
        raise ValueError(str(error).replace(str(place), "the label file")) from None
    finally:
        place.unlink(missing_ok=True)
    return [mark_out(label) for label in labels]


def _sent(place: Path, name: str) -> Response:
    """A temporary file that goes once it is sent."""
    return FileResponse(place, headers=_attachment(name), background=BackgroundTask(place.unlink, missing_ok=True))


def _document(content: dict[str, Any], name: str) -> Response:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return Response(text.encode("utf-8"), media_type="application/json", headers=_attachment(name))


def _attachment(name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
