"""Notes as files of codes: both maps of `notono`, what is known of the note, and all it takes to hear it again.

    x -> (top, bottom), level g, length;    x_hat = g D(top, bottom)

A file is JSON, or NumPy's npz with the same fields. Codes mean nothing without the network that made them, so a file
names it by a fingerprint, and everything in a file is checked before it is used.
"""

from __future__ import annotations

__all__ = ["RATE", "Codes", "decode", "encode", "grids", "read_codes", "write_codes"]

import dataclasses
import hashlib
import json
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from caesura.atomic import replacing
from caesura.audio import Audio, resample
from caesura.data.notes import FAMILIES, LOWEST, PITCHES, level_of

if TYPE_CHECKING:
    from caesura.codecs import Cells
    from caesura.methods._notono import Networks

Map = NDArray[np.int64]

KIND, SCHEMA = "notono codes", 1
RATE = 16000  # hertz of the networks
COLUMN = 16384  # samples of a coarse column at that rate
ROWS = 32  # of the coarse map
RATES = (1, 1_000_000)  # hertz


@dataclass(frozen=True, eq=False)
class Codes:
    """A note as codes."""

    top: Map
    """Coarse codes (channels, 32, columns), the lowest row first; a column is 1.024 s."""
    bottom: Map
    """Fine codes (channels, 64, 2 columns)."""
    codes: int
    """Of each codebook; codes lie below it."""
    network: str
    """Fingerprint of the network that made them."""
    sample_rate: int
    """Hertz of the sound."""
    samples: int
    """Length of the sound at that rate."""
    level: float = 1.0
    """What the decoded sound is multiplied by."""
    pitch: int | None = None
    """MIDI number, 24 to 84."""
    family: str | None = None
    """One of `caesura.data.notes.FAMILIES`."""
    velocity: int | None = None
    """1 to 127."""

    def __post_init__(self) -> None:
        _check_numbers(self)
        _check_maps(self)


def encode(audio: Audio, weights: str = "", **labels: Any) -> Codes:
    """The codes of a sound.

    Args:
        audio: any sound; what lies above 8 kHz is lost.
        weights: as for the method `notono`.
        labels: pitch, family and velocity, where they are known.

    Raises:
        MissingWeights: there are none.
    """
    networks = _open(weights)
    x = resample(audio.samples, audio.sample_rate, RATE)
    x = np.pad(x, ((0, 0), (0, max(1 - x.shape[1], 0))))
    level = level_of(x)
    top, bottom = (codes.cpu().numpy() for codes in networks.codec.encode(x / level))
    mark = _fingerprint(networks)
    return Codes(
        top, bottom, networks.top.shape.codes, mark, audio.sample_rate, audio.samples.shape[1], level, **labels
    )


def decode(codes: Codes, weights: str = "") -> Audio:
    """The sound of codes, at the rate that the original had.

    Raises:
        MissingWeights: there are no weights.
        ValueError: the codes are those of another network.
    """
    from caesura.methods._notono import decoded

    networks = _open(weights)
    if codes.network != _fingerprint(networks):
        raise ValueError(
            f"these are codes of the network {codes.network}, not of {_fingerprint(networks)}: pass its weights"
        )
    low = decoded(networks, codes.top, codes.bottom, _samples(codes))
    y = resample(low * codes.level, RATE, codes.sample_rate)
    y = np.pad(y[:, : codes.samples], ((0, 0), (0, max(codes.samples - y.shape[1], 0))))
    return Audio(y, codes.sample_rate)


def grids(codes: Codes, weights: str = "") -> tuple[Cells, Cells]:
    """Where the cells of the coarse and of the fine map lie, in samples at `RATE` and in hertz.

    Raises:
        MissingWeights: there are no weights.
    """
    codec = _open(weights).codec
    return codec.cells(_samples(codes), top=True), codec.cells(_samples(codes), top=False)


def write_codes(path: Path, codes: Codes, *, force: bool = False) -> None:
    """Write a file whose suffix is .json or .npz, all of it or nothing.

    Raises:
        ValueError: it has another suffix, or exists and `force` is not set.
    """
    maps = {"top": codes.top, "bottom": codes.bottom}
    facts: dict[str, Any] = {"kind": KIND, "schema": SCHEMA}
    facts |= {f.name: getattr(codes, f.name) for f in dataclasses.fields(codes) if f.name not in maps}
    suffix = _suffix(path)
    with replacing(path, force=force) as partial:
        if suffix == ".json":
            plain = facts | {name: each.tolist() for name, each in maps.items()}
            partial.write_text(json.dumps(plain) + "\n", encoding="utf-8")
        else:
            with partial.open("wb") as file:
                top, bottom = (each.astype(np.uint16) for each in maps.values())
                np.savez_compressed(file, facts=np.array(json.dumps(facts)), top=top, bottom=bottom)


def read_codes(path: Path) -> Codes:
    """Read and check a file of codes.

    Raises:
        ValueError: it is none, or something in it cannot be.
    """
    try:
        facts = _json(path) if _suffix(path) == ".json" else _npz(path)
        if facts.pop("kind") != KIND or facts.pop("schema") != SCHEMA:
            raise ValueError(f"it is not of the kind '{KIND}', schema {SCHEMA}")
        facts |= {name: _integers(name, facts[name]) for name in ("top", "bottom")}
        return Codes(**facts)
    except KeyError as error:
        raise ValueError(f"'{path}' holds no codes: {error.args[0]} is missing") from None
    except (TypeError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"'{path}' holds no codes: {' '.join(str(error).split())[:160]}") from None


def _suffix(path: Path) -> str:
    if path.suffix not in (".json", ".npz"):
        raise ValueError(f"codes are kept as .json or .npz, not as '{path.name}'")
    return path.suffix


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _npz(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as stored:
        return {**json.loads(str(stored["facts"])), "top": stored["top"], "bottom": stored["bottom"]}


def _integers(name: str, values: Any) -> Map:
    found = np.asarray(values)
    if found.dtype.kind not in "iu":
        raise ValueError(f"{name} holds {found.dtype}, not whole numbers")
    return found.astype(np.int64)


def _check_numbers(codes: Codes) -> None:
    ranges: dict[str, tuple[float, float]] = {
        "codes": (1, 2**16), "sample_rate": RATES, "samples": (1, 2**40),
        "pitch": (LOWEST, LOWEST + PITCHES - 1), "velocity": (1, 127),
    }  # fmt: skip
    for name, (least, most) in ranges.items():
        value = getattr(codes, name)
        if value is None and name in ("pitch", "velocity"):
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"{name}={value!r} must be a whole number from {least} to {most}")
    if not (isinstance(codes.level, (int, float)) and 0.0 < codes.level < math.inf):
        raise ValueError(f"level={codes.level!r} must be a number above 0")
    if codes.family is not None and codes.family not in FAMILIES:
        raise ValueError(f"family={codes.family!r} must be one of {', '.join(FAMILIES)}")
    if not isinstance(codes.network, str):
        raise ValueError(f"network={codes.network!r} must be a fingerprint")


def _check_maps(codes: Codes) -> None:
    columns = -(-_samples(codes) // COLUMN)
    channels = len(codes.top)
    for name, step in (("top", 1), ("bottom", 2)):
        each = getattr(codes, name)
        wanted = (channels, step * ROWS, step * columns)
        if each.shape != wanted or not channels:
            raise ValueError(f"{name} has shape {each.shape}, {codes.samples} samples have {wanted}")
        if each.min() < 0 or each.max() >= codes.codes:
            raise ValueError(f"{name} holds codes from {each.min()} to {each.max()}, there are 0 to {codes.codes - 1}")


def _samples(codes: Codes) -> int:
    """Length at the networks' rate."""
    return max(round(codes.samples * RATE / codes.sample_rate), 1)


def _open(weights: str) -> Networks:
    from caesura.methods._notono import open_networks
    from caesura.methods.notono import Notono

    return open_networks(Notono(weights).weights)


def _fingerprint(networks: Networks) -> str:
    """Twelve digits of a hash of all the numbers of the network that makes the codes."""
    total = hashlib.sha256()
    for name, tensor in sorted(networks.codec.network.state_dict().items()):  # type: ignore[attr-defined]
        total.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:12]
