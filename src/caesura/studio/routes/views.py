"""How a sound looks and how it sounds in a browser: outline, spectrogram tiles, playback, audition of a selection."""

from __future__ import annotations

__all__ = ["router"]

import math
import re
import threading
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Header, HTTPException, Query, Response
from starlette.responses import StreamingResponse

from caesura.audio import Audio, write
from caesura.audio.streaming import PIECE, WavStream
from caesura.overview import extremes
from caesura.problem import Problem
from caesura.region import clipped
from caesura.spectrogram import LOWEST, View, decibels, png
from caesura.studio import schemas
from caesura.studio.convert import labels_in
from caesura.studio.shelf import Entry, Shelf
from caesura.studio.state import Here, SoundId, Who

router = APIRouter(prefix="/api/sounds/{sound}", tags=["views"])

WIDTH, HOP = 512, 16  # columns of a tile, and samples per column at level 0
HEIGHTS, WINDOWS = (128, 256, 512, 1024), (256, 512, 1024, 2048, 4096, 8192)
THUMBNAIL = (160, 48)
MOST_PIXELS = 8192
LONGEST_AUDITION = 60.0  # seconds
FLOOR, CEILING = -100.0, -10.0  # decibels shown unless asked for others
DRAWING = threading.Semaphore(2)  # tiles at a time, so that a burst of requests does not hold every core

IMAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}, "description": "A picture."}}
WAV: dict[int | str, dict[str, Any]] = {200: {"content": {"audio/wav": {}}, "description": "A sound."}}
RANGED = {**WAV, 206: {"content": {"audio/wav": {}}, "description": "A part of it."}}
Channel = Annotated[int | None, Query(ge=0, lt=64, description="None: all channels.")]
Decibels = Annotated[float, Query(ge=-200, le=100, allow_inf_nan=False)]


def levels_of(entry: Entry) -> int:
    """Levels of a sound's tiles."""
    return max(math.ceil(math.log2(entry.info.frames / (WIDTH * HOP))), 0) + 1


@router.get("/peaks")
def read_peaks(
    who: Who,
    sound: SoundId,
    start: Annotated[int, Query(ge=0, lt=2**53)] = 0,
    stop: Annotated[int | None, Query(ge=1, lt=2**53)] = None,
    pixels: Annotated[int, Query(ge=1, le=MOST_PIXELS)] = 1024,
) -> schemas.Peaks:
    """The outline of the waveform between two samples."""
    entry = who.shelf.get(sound)
    stop = entry.info.frames if stop is None else stop
    with who.shelf.reading(entry) as reader:
        found = extremes(reader, start, stop, pixels, entry.summary)
    low, high = (np.round(x.astype(np.float64), 5).tolist() for x in (found.low, found.high))
    return schemas.Peaks(start=start, stop=stop, pixels=pixels, low=low, high=high, exact=found.exact)


@router.get("/tiles")
def describe_tiles(who: Who, sound: SoundId) -> schemas.Tiles:
    """How the spectrogram is cut into tiles."""
    entry = who.shelf.get(sound)
    return schemas.Tiles(
        width=WIDTH,
        heights=list(HEIGHTS),
        hop=HOP,
        levels=levels_of(entry),
        scales=["linear", "log", "mel"],
        palettes=["magma", "grey", "ink"],
        windows=list(WINDOWS),
        lowest=LOWEST,
        highest=entry.info.sample_rate / 2,
    )


@router.get("/tiles/{scale}/{level}/{index}", response_class=Response, responses=IMAGE)
def draw_tile(
    who: Who,
    sound: SoundId,
    scale: Literal["linear", "log", "mel"],
    level: int,
    index: int,
    channel: Channel = None,
    height: Literal["128", "256", "512", "1024"] = "256",
    window: Literal["256", "512", "1024", "2048", "4096", "8192"] = "2048",
    palette: Literal["magma", "grey", "ink"] = "magma",
    low: Annotated[float, Query(ge=0, lt=1e7, allow_inf_nan=False)] = 0.0,
    high: Annotated[float, Query(ge=0, lt=1e7, allow_inf_nan=False, description="0: half the sample rate.")] = 0.0,
    floor: Decibels = FLOOR,
    ceiling: Decibels = CEILING,
) -> Response:
    """A tile of the spectrogram, the lowest frequency at the bottom, as PNG."""
    entry = who.shelf.get(sound)
    if not 0 <= level < levels_of(entry):
        raise HTTPException(404, f"there is no level {level}: this sound has 0 to {levels_of(entry) - 1}")
    hop = HOP << level
    last = -(-entry.info.frames // (WIDTH * hop)) - 1
    if not 0 <= index <= last:
        raise HTTPException(404, f"there is no tile {index} at level {level}: there are 0 to {last}")
    view = View(index * WIDTH * hop, hop, WIDTH, int(height), scale, low, high, int(window), channel)
    return _picture(who.shelf, entry, view, floor, ceiling, palette)


@router.get("/thumbnail", response_class=Response, responses=IMAGE)
def draw_thumbnail(
    who: Who, sound: SoundId, palette: Literal["magma", "grey", "ink"] = "magma", scale: Literal["log", "mel"] = "mel"
) -> Response:
    """The whole sound in a small picture."""
    entry = who.shelf.get(sound)
    columns, rows = THUMBNAIL
    return _picture(
        who.shelf, entry, View(0, entry.info.frames / columns, columns, rows, scale), FLOOR, CEILING, palette
    )


def _picture(shelf: Shelf, entry: Entry, view: View, floor: float, ceiling: float, palette: str) -> Response:
    if view.channel is not None and view.channel >= entry.info.channels:
        raise ValueError(f"channel {view.channel} does not exist: the sound has {entry.info.channels}, from 0")

    def drawn() -> bytes:
        with DRAWING, shelf.reading(entry) as reader:
            return png(decibels(reader, view), floor=floor, ceiling=ceiling, palette=palette)

    content = shelf.picture((entry.id, view, floor, ceiling, palette), drawn)
    return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=86400, immutable"})


@router.get("/play", response_class=Response, responses=RANGED)
def play_sound(who: Who, sound: SoundId, range_: Annotated[str, Header(alias="Range")] = "") -> Response:
    """The sound as WAV with 16 bits at its own rate, for playing and seeking in a browser; takes byte ranges."""
    shelf, entry = who.shelf, who.shelf.get(sound)
    with shelf.reading(entry) as reader:
        size = WavStream(reader).size
    start, stop, partial = _span(range_, size)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(stop - start), "Cache-Control": "private, max-age=86400"}
    if partial:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    content = _pieces(shelf, entry, start, stop)
    return StreamingResponse(content, 206 if partial else 200, headers, media_type="audio/wav")


def _pieces(shelf: Shelf, entry: Entry, start: int, stop: int) -> Iterator[bytes]:
    """Bytes of a sound's WAV; the reader is held for a piece at a time, so that a slow listener blocks nobody."""
    for at in range(start, stop, PIECE):
        with shelf.reading(entry) as reader:
            piece = b"".join(WavStream(reader).bytes(at, min(at + PIECE, stop)))
        yield piece


def _span(asked: str, size: int) -> tuple[int, int, bool]:
    """First byte, one past the last, and whether a part was asked for; what cannot be read means everything."""
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", asked.strip())
    if match is None or match.groups() == ("", ""):
        return 0, size, False
    first, last = match.groups()
    start = int(first) if first else max(size - int(last), 0)
    stop = min(int(last) + 1, size) if first and last else size
    if start >= stop:
        raise HTTPException(
            416, f"bytes {first}-{last} do not exist: there are {size}", {"Content-Range": f"bytes */{size}"}
        )
    return start, stop, True


@router.post("/audition", response_class=Response, responses=WAV)
def audition(studio: Here, who: Who, sound: SoundId, wanted: schemas.Audition) -> Response:
    """What lies inside regions alone, or all but that, as WAV."""
    entry = who.shelf.get(sound)
    info = entry.info
    regions = [label.region for label in labels_in(wanted.regions, entry)]
    around = round(wanted.around_ms / 1000.0 * info.sample_rate)
    start = max(min(region.start for region in regions) - around, 0)
    stop = min(max(region.stop for region in regions) + around, info.frames)
    if stop - start > LONGEST_AUDITION * info.sample_rate:
        raise ValueError(f"the selection is longer than {LONGEST_AUDITION:g} s: listen to a part of it")
    with who.shelf.reading(entry) as reader:
        x = np.nan_to_num(reader.read(start, stop))
    outside = Problem(x, clipped(regions, start, stop), info.sample_rate).y
    heard = outside if wanted.part == "outside" else x - outside
    place = who.shelf.place(".wav")
    try:
        write(place, Audio(heard, info.sample_rate), subtype="PCM_24")
        return Response(place.read_bytes(), media_type="audio/wav")
    finally:
        place.unlink(missing_ok=True)
