"""Sounds that come in: uploads, recordings from a microphone, files of the operator's folder."""

from __future__ import annotations

__all__ = ["router"]

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from caesura.audio import open_audio
from caesura.audio.targets import FORMATS, family
from caesura.studio import schemas
from caesura.studio.convert import sound_out
from caesura.studio.sessions import Full, Session
from caesura.studio.shelf import Entry, clean_name
from caesura.studio.state import Here, SoundId, Studio, Who

router = APIRouter(prefix="/api", tags=["sounds"])
RAW: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file as it is.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post("/sounds", status_code=201, openapi_extra=RAW)
async def upload_sound(
    request: Request,
    studio: Here,
    who: Who,
    name: Annotated[str, Query(min_length=1, max_length=200)] = "upload",
    origin: Literal["upload", "recording"] = "upload",
) -> schemas.Sound:
    """Take in a file: the body is its bytes, of any format that caesura reads; what it is, its content decides."""
    place = who.shelf.place()
    try:
        await _store(request.stream(), place, studio, who)
        entry = await run_in_threadpool(_taken, studio, who, place, clean_name(name), origin)
    except BaseException:
        place.unlink(missing_ok=True)
        raise
    return sound_out(entry)


async def _store(chunks: AsyncIterator[bytes], place: Path, studio: Studio, who: Session) -> None:
    """Write an upload as it comes; no more of it than fits."""
    room = studio.settings.most_bytes - who.shelf.used
    with place.open("wb") as file:
        async for chunk in chunks:
            room -= len(chunk)
            if room < 0:
                raise Full(
                    f"a session may hold {studio.settings.most_bytes / 1e6:.0f} MB: remove sounds you no longer need, "
                    "or upload a shorter file"
                )
            await run_in_threadpool(file.write, chunk)


def _taken(studio: Studio, who: Session, place: Path, name: str, origin: str) -> Entry:
    """The sound of a file that has arrived, under a suffix that says what it is."""
    try:
        with open_audio(place) as reader:
            info = reader.info
    except ValueError as error:
        raise ValueError(str(error).replace(str(place), name)) from None
    _check_length(info.duration, studio)
    suffix = FORMATS.get(family(info.container), (Path(name).suffix.lower()[:8],))[0]
    return who.shelf.add(place.rename(place.with_name(place.name + suffix)), name, origin)


def _check_length(seconds: float, studio: Studio) -> None:
    most = studio.settings.most_seconds
    if seconds > most:
        raise HTTPException(413, f"the recording is {seconds / 60:.1f} minutes long, at most {most / 60:.0f} are taken")


@router.get("/sounds")
def list_sounds(who: Who) -> list[schemas.Sound]:
    """Every sound of the session, the oldest first."""
    return [sound_out(entry) for entry in who.shelf.all()]


@router.get("/sounds/{sound}")
def read_sound(who: Who, sound: SoundId) -> schemas.Sound:
    """One sound."""
    return sound_out(who.shelf.get(sound))


@router.patch("/sounds/{sound}")
def rename_sound(who: Who, sound: SoundId, new: schemas.Rename) -> schemas.Sound:
    """Give a sound another name."""
    entry = who.shelf.get(sound)
    entry.name = clean_name(new.name)
    return sound_out(entry)


@router.delete("/sounds/{sound}", status_code=204)
def remove_sound(who: Who, sound: SoundId) -> Response:
    """Remove a sound that nothing was made from."""
    who.shelf.remove(sound)
    return Response(status_code=204)


@router.get("/sounds/{sound}/history")
def read_history(who: Who, sound: SoundId) -> list[schemas.Sound]:
    """What the sound was made from, the first recording first, itself last."""
    return [sound_out(entry) for entry in who.shelf.line(who.shelf.get(sound))]


@router.get("/folder")
def list_folder(studio: Here, who: Who) -> list[schemas.Entry]:
    """The recordings in the folder that the studio was started with."""
    return [
        schemas.Entry(id=each.id, name=each.name, bytes=each.bytes, modified=each.modified)
        for each in studio.folder.list()
    ]


@router.post("/folder/{entry}", status_code=201)
def open_from_folder(studio: Here, who: Who, entry: SoundId) -> schemas.Sound:
    """Open a recording of the folder; it is read where it lies and never written."""
    found = studio.folder.get(entry)
    if found is None:
        raise HTTPException(404, f"there is no recording '{entry}' in the folder: GET /api/folder lists what there is")
    try:
        with open_audio(found.path) as reader:
            _check_length(reader.info.duration, studio)
        return sound_out(who.shelf.add(found.path, found.name, "folder", owned=False))
    except ValueError as error:
        raise ValueError(str(error).replace(str(found.path), found.name)) from None
