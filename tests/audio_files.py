"""Sound files with metadata, put together by hand so that no test reads with the code that wrote."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
BEXT = struct.pack(
    "<256s32s32s10s8sQH64s190s", b"a tape", b"studio", b"ref", b"1986-01-02", b"03:04:05", 7, 1, b"", b""
)
BEXT += b"A=PCM,F=48000\r\n"
IXML = b"<?xml version='1.0'?><BWFXML><PROJECT>caesura</PROJECT></BWFXML>"


@dataclass(frozen=True)
class Kind:
    """A way to store samples."""

    container: str
    subtype: str
    suffix: str
    order: str = "<"

    def __str__(self) -> str:
        return f"{self.container}-{self.subtype}{'-swapped' if self.swapped else ''}"

    @property
    def swapped(self) -> bool:
        return self.container == "AIFC" and self.order == "<"

    @property
    def width(self) -> int:
        return BITS[self.subtype] // 8 if self.subtype in BITS else {"FLOAT": 4, "DOUBLE": 8}[self.subtype]


WAVS = [Kind("WAV", s, ".wav") for s in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")]
WAVS += [Kind("RF64", "PCM_24", ".wav"), Kind("BW64", "PCM_16", ".wav"), Kind("RF64", "FLOAT", ".rf64")]
WAVS += [Kind("RIFX", "PCM_24", ".wav", ">"), Kind("RIFX", "PCM_16", ".wav", ">")]
AIFFS = [Kind("AIFF", s, ".aiff", ">") for s in ("PCM_S8", "PCM_16", "PCM_24", "PCM_32")]
AIFFS += [Kind("AIFC", s, ".aifc", ">") for s in ("FLOAT", "DOUBLE")] + [Kind("AIFC", "PCM_16", ".aif")]
FLACS = [Kind("FLAC", s, ".flac") for s in ("PCM_16", "PCM_24")]


def chunk(name: bytes, contents: bytes, order: str = "<") -> bytes:
    return name + struct.pack(order + "I", len(contents)) + contents + b"\0" * (len(contents) % 2)


def cue(points: list[tuple[int, int]]) -> bytes:
    entries = b"".join(struct.pack("<II4sIII", i, at, b"data", 0, 0, at) for i, at in points)
    return chunk(b"cue ", struct.pack("<I", len(points)) + entries)


def adtl(labels: list[tuple[int, str]], lengths: list[tuple[int, int]]) -> bytes:
    names = b"".join(chunk(b"labl", struct.pack("<I", i) + text.encode() + b"\0") for i, text in labels)
    spans = b"".join(chunk(b"ltxt", struct.pack("<II4sHHHH", i, n, b"rgn ", 0, 0, 0, 0)) for i, n in lengths)
    return chunk(b"LIST", b"adtl" + names + spans)


def info_list() -> bytes:
    return chunk(b"LIST", b"INFO" + chunk(b"ICMT", b"from a reel\0") + chunk(b"IART", b"N.N.\0"))


def raw_bytes(codes: np.ndarray, kind: Kind) -> bytes:
    """Samples (channels, frames), integers or floats, interleaved; one by one, so that nothing is shared."""
    out = bytearray()
    for value in codes.T.reshape(-1).tolist():
        if kind.subtype not in BITS:
            out += struct.pack(kind.order + ("f" if kind.width == 4 else "d"), value)
        elif kind.subtype == "PCM_U8":
            out.append(value + 128)
        else:
            out += value.to_bytes(kind.width, "little" if kind.order == "<" else "big", signed=True)
    return bytes(out)


def wav(
    kind: Kind, raw: bytes, channels: int, *, rate: int = 48_000, before: bytes = b"", after: bytes = b"",
    extensible: bool = False, valid: int = 0,
) -> bytes:  # fmt: skip
    order, bits, align = kind.order, 8 * kind.width, channels * kind.width
    tag = 1 if kind.subtype in BITS else 3
    fmt = struct.pack(order + "HHIIHH", 0xFFFE if extensible else tag, channels, rate, rate * align, align, bits)
    if extensible:
        tail = bytes.fromhex("000000001000800000aa00389b71")
        fmt += struct.pack(order + "HHIH", 22, valid or bits, 0, tag) + tail
    big = kind.container in ("RF64", "BW64")
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, len(raw), len(raw) // align, 0)) if big else b""
    size = 0xFFFFFFFF if big else len(raw)
    data = b"data" + struct.pack(order + "I", size) + raw + b"\0" * (len(raw) % 2)
    body = b"WAVE" + ds64 + chunk(b"fmt ", fmt, order) + before + data + after
    name = b"RIFF" if kind.container == "WAV" else kind.container.encode()
    return name + struct.pack(order + "I", 0xFFFFFFFF if big else len(body)) + body


def aiff(
    kind: Kind, raw: bytes, channels: int, *, rate: int = 48_000, before: bytes = b"", after: bytes = b""
) -> bytes:
    shift = 64 - rate.bit_length()
    frames = len(raw) // (channels * kind.width)
    common = struct.pack(">HIHHQ", channels, frames, 8 * kind.width, 16383 + 63 - shift, rate << shift)
    head = b""
    if kind.container == "AIFC":
        name = b"sowt" if kind.swapped else {"FLOAT": b"fl32", "DOUBLE": b"fl64"}[kind.subtype]
        common += name + b"\0\0"
        head = chunk(b"FVER", struct.pack(">I", 0xA2805140), ">")
    ssnd = chunk(b"SSND", struct.pack(">II", 0, 0) + raw, ">")
    body = kind.container.encode() + head + chunk(b"COMM", common, ">") + before + ssnd + after
    return b"FORM" + struct.pack(">I", len(body)) + body


def flac(path: Path, kind: Kind, codes: np.ndarray, blocks: list[tuple[int, bytes]], rate: int = 48_000) -> None:
    """A FLAC file from libsndfile with metadata blocks put in behind its STREAMINFO."""
    left = np.ascontiguousarray((codes.astype(np.int64) << (32 - BITS[kind.subtype])).astype(np.int32).T)
    soundfile.write(path, left, rate, format="FLAC", subtype=kind.subtype)
    data = path.read_bytes()
    position, last = 4, False
    while not last:
        last, size = bool(data[position] & 0x80), int.from_bytes(data[position + 1 : position + 4], "big")
        position += 4 + size
    mine = bytes([0x80 * (not blocks)]) + data[5:42]
    for i, (number, contents) in enumerate(blocks):
        mine += bytes([number | 0x80 * (i == len(blocks) - 1)]) + len(contents).to_bytes(3, "big") + contents
    path.write_bytes(b"fLaC" + mine + data[position:])


def comments(*entries: str) -> bytes:
    parts = [struct.pack("<I", len(e.encode())) + e.encode() for e in entries]
    return struct.pack("<I", 4) + b"test" + struct.pack("<I", len(parts)) + b"".join(parts)


def random_codes(kind: Kind, channels: int, frames: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if kind.subtype not in BITS:
        return rng.standard_normal((channels, frames)).astype(np.float32).astype(np.float64)
    top = 2 ** (BITS[kind.subtype] - 1)
    return rng.integers(-top, top, (channels, frames))
