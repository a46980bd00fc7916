"""Sample bytes to float64 and back, exactly.

An integer of b bits is s / 2^(b-1) in [-1, 1). Every integer travels left-justified in 32 bits (its *code*), so that
one scale serves all widths:

    code = s 2^(32-b),    x = code / 2^31,    s = clamp(round(x 2^(b-1)), -2^(b-1), 2^(b-1) - 1).

A float64 has 53 bits of mantissa, so x carries any 32-bit integer exactly. Nothing is dithered or normalised; what
exceeds full scale is clamped and counted.
"""

from __future__ import annotations

__all__ = ["Bytes", "Codec", "Floats", "Integers", "codec_for", "dequantise", "quantise"]

import sys
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.signedinteger[Any]]
Bytes = NDArray[np.uint8]

NATIVE = "<" if sys.byteorder == "little" else ">"
CODE_BITS = 32  # the widest integer sample there is


@dataclass(frozen=True)
class Codec:
    """How one uncompressed sample is stored."""

    kind: Literal["signed", "unsigned", "float"]
    """Two's complement, offset binary (8 bit only) or IEEE 754."""
    width: int
    """Bytes per sample."""
    bits: int
    """Significant bits, the upper ones of the container."""
    order: Literal["<", ">"] = "<"
    """Byte order."""

    @property
    def subtype(self) -> str:
        """The name that libsndfile uses, as 'PCM_24'."""
        if self.kind == "float":
            return "FLOAT" if self.width == 4 else "DOUBLE"
        if self.width == 1:
            return "PCM_S8" if self.kind == "signed" else "PCM_U8"
        return f"PCM_{8 * self.width}"

    def codes(self, raw: Bytes, channels: int) -> Integers:
        """Interleaved bytes as integers (channels, frames): left-justified 32-bit samples, or the bits of a float."""
        if self.kind == "float":
            words = raw.view(f"{self.order}i{self.width}").astype(f"=i{self.width}")
        elif self.width in (2, 4):
            words = raw.view(f"{self.order}i{self.width}").astype(np.int32) << (CODE_BITS - 8 * self.width)
        else:
            words = self._widened(raw)
        return words.reshape(-1, channels).T

    def decode(self, raw: Bytes, channels: int) -> Floats:
        """Interleaved bytes as samples (channels, frames)."""
        codes = self.codes(raw, channels)
        if self.kind != "float":
            return dequantise(codes)
        with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
            return np.ascontiguousarray(codes).view(f"=f{self.width}").astype(np.float64)

    def encode(self, x: Floats) -> tuple[Bytes, NDArray[np.bool_]]:
        """Samples (channels, frames) as bytes (frames, channels, width), and True (channels, frames) where clamped."""
        if self.kind == "float":
            with np.errstate(over="ignore", invalid="ignore"):
                words = np.ascontiguousarray(x.T, dtype=f"{self.order}f{self.width}")
            clipped = np.isinf(words.T) & np.isfinite(x)
            return words.view(np.uint8).reshape(*x.T.shape, self.width), clipped
        codes, clipped = quantise(x, self.bits)
        quads = np.ascontiguousarray(codes.T, dtype=f"{self.order}i4").view(np.uint8).reshape(*x.T.shape, 4)
        raw = quads[..., 4 - self.width :] if self.order == "<" else quads[..., : self.width]
        return raw ^ np.uint8(0x80) if self.kind == "unsigned" else raw, clipped

    def _widened(self, raw: Bytes) -> Integers:
        """Samples of 1 or 3 bytes put into the upper bytes of 4."""
        samples = raw.reshape(-1, self.width)
        quads = np.zeros((len(samples), 4), dtype=np.uint8)
        upper = slice(4 - self.width, 4) if self.order == "<" else slice(0, self.width)
        quads[:, upper] = samples ^ np.uint8(0x80) if self.kind == "unsigned" else samples
        words: Integers = quads.view(f"{self.order}i4").astype(np.int32)
        return words


def codec_for(subtype: str, order: Literal["<", ">"] = "<") -> Codec:
    """The codec of a subtype such as 'PCM_24'.

    Raises:
        ValueError: the subtype is not an uncompressed one.
    """
    known = {"FLOAT": ("float", 4), "DOUBLE": ("float", 8), "PCM_U8": ("unsigned", 1), "PCM_S8": ("signed", 1)}
    known |= {f"PCM_{bits}": ("signed", bits // 8) for bits in (16, 24, 32)}
    if subtype not in known:
        raise ValueError(f"'{subtype}' is not an uncompressed sample format; there are {', '.join(known)}")
    kind, width = known[subtype]
    return Codec(kind, width, 8 * width, order)  # type: ignore[arg-type]


def dequantise(codes: Integers) -> Floats:
    """Left-justified 32-bit integers as samples in [-1, 1)."""
    return np.multiply(codes, 2.0**-31, dtype=np.float64)


def quantise(x: Floats, bits: int) -> tuple[Integers, NDArray[np.bool_]]:
    """Round samples to integers of `bits` bits.

    Returns:
        left-justified 32-bit integers, and True where a sample exceeded full scale and was clamped.

    Raises:
        ValueError: a sample is not finite.
    """
    if not np.isfinite(x).all():
        raise ValueError(
            f"{np.count_nonzero(~np.isfinite(x))} samples are NaN or infinite: mark them as damage "
            "or choose a float format"
        )
    scale = 2.0 ** (bits - 1)
    rounded = np.rint(x * scale)
    clipped = (rounded < -scale) | (rounded > scale - 1.0)
    codes = np.clip(rounded, -scale, scale - 1.0).astype(np.int32)
    return codes << (CODE_BITS - bits), clipped
