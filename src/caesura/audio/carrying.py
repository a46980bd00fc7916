"""Metadata that can move into a file with other samples, and what must stay behind.

A chunk is carried over where it says nothing about positions in the sound. What speaks of positions (cue points,
sampler loops, peak positions) or is unknown would be wrong or might be, so it is left and named.
"""

from __future__ import annotations

__all__ = ["carried_chunks"]

from caesura.audio import aiff, riff
from caesura.audio.encoding import Shape
from caesura.audio.layout import TRAILING, Chunk, Info
from caesura.audio.opening import layout_of

PORTABLE = ("bext", "iXML", "axml", "id3 ", "ID3 ", "_PMX", "cart", "NAME", "AUTH", "(c) ", "ANNO", "APPL", "AESD")
PLACED = ("cue ", "LIST", "plst", "smpl", "inst", "ltxt", "MARK", "INST", "COMT")  # speak of positions, and of no more
RATED = ("bext",)  # holds a time in samples
REBUILT = ("fmt ", "fact", "data", "ds64", "COMM", "SSND", "FVER", "JUNK", "junk", "PAD ", "FLLR", TRAILING)


def carried_chunks(
    source: Info, container: str, shape: Shape, *, appended: bool = False
) -> tuple[list[bytes], list[bytes], str]:
    """Chunks of a file for a new file of the same kind with another length, rate or sample format.

    Args:
        source: a WAV or AIFF file.
        container: 'WAV' or 'AIFF'.
        shape: the new file's.
        appended: whether the new file begins with the samples of the old one, so that positions stay what they were.

    Returns:
        whole chunks for before the samples, for after them, and a note that names what was left behind.
    """
    layout = layout_of(source.path)
    if layout is None:
        return [], [], ""
    sides: tuple[list[bytes], list[bytes]] = ([], [])
    left = []
    moved = (source.frames, source.sample_rate) != (shape.frames, shape.sample_rate)
    build = riff.chunk if container == "WAV" else aiff.chunk
    with source.path.open("rb") as file:
        for i, chunk in enumerate(layout.chunks):
            if chunk.id in REBUILT:
                continue
            file.seek(chunk.offset)
            contents = file.read(chunk.size)
            if layout.container == "RIFX" or (
                moved and not (appended and chunk.id in PLACED) and not _portable(chunk, contents, source, shape)
            ):
                left.append(chunk.id.strip())
            else:
                sides[i > layout.data].append(build(chunk.id, contents))
    note = f"left behind, because their positions would be wrong: {', '.join(left)}" if left else ""
    return *sides, note


def _portable(chunk: Chunk, contents: bytes, source: Info, shape: Shape) -> bool:
    if chunk.id in RATED and source.sample_rate != shape.sample_rate:
        return False
    return chunk.id in PORTABLE or (chunk.id == "LIST" and contents.startswith(b"INFO"))
