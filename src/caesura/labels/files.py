"""Label files: the format is told from the content when reading and from the suffix when writing."""

from __future__ import annotations

__all__ = ["formatted", "read", "write"]

import codecs
from collections.abc import Callable, Iterable
from pathlib import Path

from caesura.atomic import replacing
from caesura.labels.audacity import parse_text, read_audacity, write_audacity
from caesura.labels.document import read_document, write_document
from caesura.labels.label import Label, Timeline, quoted
from caesura.labels.loss import is_trace, read_trace
from caesura.labels.table import is_table, read_table, write_table

SOUND = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"fLaC", b"OggS", b"ID3")
LARGEST = 64 << 20  # bytes; more than this is no list of regions
WRITERS: dict[str, Callable[[Iterable[Label], Timeline], str]] = {
    ".txt": write_audacity,
    ".csv": write_table,
    ".json": write_document,
}


def read(
    path: Path | str, *, sample_rate: int, samples: int | None = None, packet_ms: float | None = None
) -> list[Label]:
    """Labels from an Audacity label file, a table, a JSON document, a packet-loss trace or the cue regions of a WAV.

    Regions may overlap: a problem merges them. A label shorter than a sample becomes the one sample there.

    Args:
        path: the file.
        sample_rate: of the recording the labels refer to, in hertz.
        samples: its samples per channel; labels that reach past them are refused. None accepts any.
        packet_ms: length of a packet, for packet-loss traces.

    Raises:
        ValueError: the file cannot be read; the message quotes the line and names the fix.
        OSError: the file cannot be opened.
    """
    path = Path(path)
    timeline = Timeline(sample_rate, samples)
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    try:
        if content.startswith(SOUND):
            return _cues(path, timeline)
        if len(content) > LARGEST:
            raise ValueError(f"a label file has at most {LARGEST >> 20} MiB: is this a recording?")
        return _parsed(_decoded(content), timeline, packet_ms)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def write(path: Path | str, labels: Iterable[Label], *, sample_rate: int, force: bool = False) -> None:
    """Write labels as `.txt` (Audacity), `.csv` or `.json`, all of the file or nothing.

    Args:
        path: where to; its suffix is the format.
        labels: what to write.
        sample_rate: of the recording, in hertz.
        force: overwrite an existing file.

    Raises:
        ValueError: the suffix is none of these, or the file exists.
        OSError: the file cannot be written.
    """
    path = Path(path)
    text = formatted(labels, path.suffix, sample_rate=sample_rate)
    with replacing(path, force=force) as partial:
        partial.write_bytes(text.encode("utf-8"))


def formatted(labels: Iterable[Label], suffix: str, *, sample_rate: int) -> str:
    """The text of a label file with this suffix.

    Raises:
        ValueError: no format has it.
    """
    writer = WRITERS.get(suffix.lower())
    if writer is None:
        raise ValueError(f"labels cannot be written as '{suffix}': choose a name that ends in {', '.join(WRITERS)}")
    return writer(labels, Timeline(sample_rate))


def _parsed(text: str, timeline: Timeline, packet_ms: float | None) -> list[Label]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    first = next((line for line in lines if line.strip()), "")
    if first.lstrip().startswith(("{", "[")):
        return read_document(text, timeline)
    if is_table(first):
        return read_table(text, timeline)
    if is_trace(lines):
        return read_trace(lines, timeline, packet_ms)
    return read_audacity(lines, timeline)


def _decoded(content: bytes) -> str:
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(f"line {line} is not UTF-8 text: save the file as UTF-8, or name another file") from None


def _cues(path: Path, timeline: Timeline) -> list[Label]:
    """Cue regions; their text follows the rules of Audacity labels. A marker without a length is no region."""
    from caesura.audio import cue_regions, open_audio

    with open_audio(path) as reader:
        ratio = timeline.sample_rate / reader.info.sample_rate
    cues = [cue for cue in cue_regions(path) if cue[1] > cue[0]]
    if not cues:
        raise ValueError("the recording carries no cue regions: name a label file")
    labels = []
    for number, (start, stop, text) in enumerate(cues, start=1):
        try:
            labels.append(parse_text(text, timeline.region(start * ratio, stop * ratio)))
        except ValueError as error:
            raise ValueError(f"cue {number}: {quoted(text)}: {error}") from None
    return labels
