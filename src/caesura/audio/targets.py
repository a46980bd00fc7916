"""Which container and sample format a result gets, and why.

An uncompressed file keeps its own, FLAC stays FLAC. A lossy file cannot keep its own, because encoding it again would
change every sample: it becomes FLAC with 24 bits unless another format is asked for.
"""

from __future__ import annotations

__all__ = ["FORMATS", "Target", "Written", "choose", "choose_for", "family", "output_suffix", "sample_format"]

from dataclasses import dataclass
from pathlib import Path

from caesura.audio.layout import AudioError, Info
from caesura.audio.opening import open_audio

FAMILIES = {"WAV": ("WAV", "RF64", "BW64", "RIFX"), "AIFF": ("AIFF", "AIFC")}
FORMATS = {  # what can be written, and the suffixes that agree with it
    "WAV": (".wav", ".wave", ".bwf", ".rf64", ".bw64"),
    "AIFF": (".aiff", ".aif", ".aifc"),
    "FLAC": (".flac",),
    "OGG": (".ogg", ".oga"),
    "OPUS": (".opus",),
    "MP3": (".mp3",),
}
UNCOMPRESSED = ("PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")
LOSSY = {"OGG": "VORBIS", "OPUS": "OPUS", "MP3": "MPEG_LAYER_III"}
EQUAL = {  # sample formats that hold the same values under another name
    "WAV": {"PCM_S8": "PCM_U8", "ALAC_16": "PCM_16", "ALAC_20": "PCM_24", "ALAC_24": "PCM_24", "ALAC_32": "PCM_32"},
    "AIFF": {"PCM_U8": "PCM_S8", "ALAC_16": "PCM_16", "ALAC_20": "PCM_24", "ALAC_24": "PCM_24", "ALAC_32": "PCM_32"},
    "FLAC": {"PCM_U8": "PCM_S8", "PCM_S8": "PCM_S8", "PCM_16": "PCM_16", "ALAC_16": "PCM_16"},
}
FITS_FLAC = ("PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "ALAC_16", "ALAC_20", "ALAC_24")


@dataclass(frozen=True)
class Written:
    """A file that was written."""

    path: Path
    container: str
    subtype: str
    """Sample format, as 'PCM_24'."""
    clipped: int
    """Samples that were asked for beyond full scale and were held there; always 0 for floats within their range."""
    note: str
    """What one should know about it, or nothing."""


@dataclass(frozen=True)
class Target:
    """What will be written."""

    container: str
    subtype: str
    in_place: bool
    """Whether the source is copied and only samples are overwritten."""
    note: str = ""


def choose(info: Info, output_format: str | None = None) -> Target:
    """Decide what a changed file becomes.

    Raises:
        AudioError: there is no such output format.
    """
    own = family(info.container)
    wanted = own if output_format is None else output_format.upper().lstrip(".")
    if output_format is not None and wanted not in FORMATS:
        raise AudioError(f"'{output_format}' is not an output format: choose {', '.join(FORMATS).lower()}")
    if wanted == own in FAMILIES and info.subtype in UNCOMPRESSED:
        return Target(info.container, info.subtype, True)
    if wanted == own == "FLAC":
        return Target("FLAC", info.subtype, False)
    if output_format is None:
        wanted = "FLAC" if info.lossy or info.subtype in FITS_FLAC else "WAV"
    subtype = sample_format(wanted, info)
    return Target(wanted, subtype, False, _why(info, wanted, subtype, asked=output_format is not None))


def choose_for(path: Path, info: Info, output_format: str | None = None) -> Target:
    """`choose`, except that a name of a lossless container asks for that container.

    A lossy name asks for nothing: encoding again changes every sample, which has to be said in so many words.

    Raises:
        AudioError: there is no such output format, or the suffix of `path` does not agree with what would be written.
    """
    target = choose(info, output_format)
    if _agrees(path, info, target):
        return target
    named = next((name for name in FORMATS if name not in LOSSY and path.suffix.lower() in FORMATS[name]), None)
    if output_format is None and named is not None:
        return choose(info, named)
    reason = f" ({target.note})" if target.note else ""
    fitting = path.with_suffix(FORMATS[family(target.container)][0]).name
    raise AudioError(
        f"'{path}' would hold {target.container}: name it '{fitting}' or choose another output format{reason}"
    )


def sample_format(container: str, info: Info) -> str:
    """The sample format in `container` that loses nothing of the source, as far as there is one."""
    if container in LOSSY:
        return LOSSY[container]
    if container == "FLAC":
        return EQUAL["FLAC"].get(info.subtype, "PCM_24")
    subtype = EQUAL[container].get(info.subtype, info.subtype)
    return subtype if subtype in UNCOMPRESSED else "FLOAT"


def family(container: str) -> str:
    """'WAV' for RF64 and its like, 'AIFF' for AIFC, others as they are."""
    return next((name for name, members in FAMILIES.items() if container in members), container)


def output_suffix(source: Path | str, output_format: str | None = None) -> str:
    """The suffix that the result of changing a file must have, its own wherever that agrees.

    Raises:
        AudioError: the file cannot be read, or there is no such output format.
    """
    with open_audio(source) as reader:
        target = choose(reader.info, output_format)
    own = Path(source).suffix
    suffixes = FORMATS[family(target.container)]
    return own if target.in_place or own.lower() in suffixes else suffixes[0]


def _agrees(path: Path, source: Info, target: Target) -> bool:
    keeps_name = family(source.container) == family(target.container) and path.suffix == source.path.suffix
    return keeps_name or path.suffix.lower() in FORMATS[family(target.container)]


def _why(info: Info, container: str, subtype: str, *, asked: bool) -> str:
    name = info.container if info.container == info.subtype else f"{info.container} ({info.subtype})"
    bits = f" with {subtype.removeprefix('PCM_')} bits" if subtype in ("PCM_16", "PCM_24", "PCM_32") else ""
    if asked:
        reason = f"{name} becomes {container}{bits} as asked"
    elif info.lossy:
        reason = f"{name} is lossy, encoding it again would change every sample: the result is {container}{bits}"
    else:
        reason = f"samples cannot be replaced inside {name}: the result is {container}{bits}"
    if container in LOSSY:
        reason += f"; {container} is lossy, every sample changes"
    if container == "FLAC" and not info.lossy and info.subtype not in FITS_FLAC:
        reason += "; samples are rounded to 24 bits"
    return reason + "; of the metadata only title, artist and the like are carried over"
