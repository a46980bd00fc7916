"""Stems added to backing tracks, measured as in Riff-CNET's report, and against the true stem where it is known.

    published   d(w, w_hat):  the background that a separator leaves of the true mix, and of the mix that was made
    here        SNR, log-mel distance and level of the stem itself:  what the mix holds besides the background

A system that gives no stem of its own has what `methods._stems` isolates from its mix. Nothing (silence) and the
background alone are systems too: whoever adds nothing keeps the background perfectly, so no distance of backgrounds
says that anything was added. Everything is at 44.1 kHz, one channel, full scale 1, because the distances depend on it.

References:
    Riff-CNET, https://github.com/zachary-shah/riff-cnet, 2023 (rows and measures).
"""

from __future__ import annotations

__all__ = ["RATE", "SYSTEMS", "Made", "Song", "System", "made_by", "measured", "silent_rows", "slakh_songs"]

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from caesura.addition import added
from caesura.data.instruments import Instrument, instrument, spoken
from caesura.data.slakh2100 import METADATA, read_stems
from caesura.evaluation import metrics
from caesura.generation import varied
from caesura.methods import build
from caesura.methods._stems import isolated
from caesura.problem import Problem, Region

if TYPE_CHECKING:
    from caesura.data.separation import Separator
    from caesura.methods.riffusion import Riffusion

Array = NDArray[np.float64]

RATE = 44_100
SECONDS = 5.11  # a picture of the published systems
STEP = 0.25  # seconds between the stretches of a song that are looked at
SEPARATED = {"Drums": "drums", "Bass": "bass", "Guitar": "guitar", "Piano": "piano", "Vocals": "vocals"}
NOTHING = -60.0  # dB beside the true stem: whoever adds less adds nothing
REST = "other"  # of a separator's stems: what is none of those that it has a name for
SEEDED = {"preset": "published", "scale": "7.0", "strength": "0.75"}  # of plain Riffusion in the report


@dataclass(frozen=True, eq=False)
class Song:
    """A background and a stem that belongs to it."""

    name: str
    background: Array
    """(1, samples)."""
    stem: Array
    """(1, samples)."""
    instrument: Instrument
    caption: str = ""
    """What the stem plays, where the song says so; empty: what the instrument is called."""

    @property
    def target(self) -> Array:
        """The true mix."""
        return self.background + self.stem


@dataclass(frozen=True, eq=False)
class Made:
    """What a system made of a background."""

    mix: Array
    """(1, samples)."""
    stem: Array | None = None
    """What it added, where it says so."""
    seconds: float = 0.0
    """That it took."""


@dataclass(frozen=True)
class System:
    """A row of the table that a method makes."""

    method: str
    way: Literal["adds", "edges", "target"]
    """adds: a stem over the background; edges, target: plain img2img from the background's edges or the true mix."""
    says: str
    """What it is told; {a} stands for the instrument with its article, {caption} for what it plays."""
    settings: Mapping[str, str]

    def build(self, settings: Mapping[str, Any]) -> Any:
        """The method, with further settings.

        Raises:
            ValueError: it is not here, or needs what is not installed.
        """
        return build(self.method, {**self.settings, **settings})


SYSTEMS: dict[str, System] = {
    "Riff-CNET, edges": System("riff_cnet", "adds", "Generate {a}.", {}),
    "Riffusion, seeded with edges": System("riffusion", "edges", "Generate {a}.", SEEDED),
    "Riffusion, seeded with the target": System("riffusion", "target", "Generate {a}.", SEEDED),
    "Riff-P2P": System("riff_p2p", "adds", "add {a}.", {}),
    "mini_cnet": System("mini_cnet", "adds", "{caption}", {}),
    "mini_p2p": System("mini_p2p", "adds", "{caption}", {}),
}
"""Those of the report, and ours."""


def slakh_songs(
    folder: Path, count: int, *, seconds: float = SECONDS, split: str = "", seed: int = 0
) -> Iterator[Song]:
    """Songs in Slakh2100's layout, of each of which one instrument is taken out.

    It is drawn from those that play melodies, and the stretch in which it is loudest is taken.

    Args:
        folder: `TrackNNNNN` folders, directly or in `test`.
        count: how many, evenly chosen from their names in order.
        seconds: length of the stretch.
        split: only songs that say they belong to it; empty: all but those that say they were trained on.
        seed: of what is drawn.

    Raises:
        ValueError: there are none.
    """
    place = folder / "test" if (folder / "test").is_dir() else folder
    found = {path.parent: _facts(path) for path in sorted(place.glob(f"*/{METADATA}"))}
    wanted = [path for path, facts in found.items() if (facts.get("split") == split if split else _unheard(facts))]
    if not wanted:
        raise ValueError(
            f"no song in '{place}' is in Slakh2100's layout and {f'in {split}' if split else 'not trained on'}"
        )
    length = round(seconds * RATE)
    for number, path in enumerate(wanted[:: max(len(wanted) // count, 1)][:count]):
        stems = read_stems(path, RATE)
        melodies = [one for one in stems if not one.behind]
        if not melodies or len(stems) < 2:
            continue
        chosen = melodies[int(np.random.default_rng((seed, number)).integers(len(melodies)))]
        others = np.stack([x for one, x in stems.items() if one is not chosen]).sum(axis=0, dtype=np.float64)[None]
        stem = np.asarray(stems[chosen], np.float64)[None]
        stretch = _loudest(stem, length)
        said = [facts.get("caption") for facts in found[path]["stems"].values() if instrument(facts) == chosen]
        yield Song(path.name, others[:, stretch], stem[:, stretch], chosen, str(said[0] or ""))


def silent_rows(song: Song) -> dict[str, Made]:
    """The two rows that need no system: nothing at all, and the background as it is."""
    return {"silence": Made(np.zeros_like(song.target)), "untouched background": Made(song.background)}


def made_by(system: System, method: Any, song: Song, seed: int = 0) -> Made:
    """What a system makes of a song's background.

    Args:
        system: which.
        method: from its `build`.
        song: the background; only the row that is seeded with the target is given more of it.
        seed: the same seed gives the same mix.

    Raises:
        ValueError: the weights are not here; the message says how to get them.
    """
    name = [song.instrument.name]
    text = system.says.format(a=spoken(name, article=True), caption=song.caption or spoken(name))
    began = time.perf_counter()
    if system.way == "adds":
        done = added(song.background, RATE, method, text=text, seed=seed)
        return Made(done.mix, done.stem, time.perf_counter() - began)
    if system.way == "target":
        mix = varied(song.target, [Region(0, song.target.shape[1])], RATE, method, text=text, seed=seed).samples
    else:
        mix = _after_edges(method, song.background, text, seed)
    return Made(mix, None, time.perf_counter() - began)


def measured(song: Song, made: Made, separator: Separator | None = None, *, cdpam: bool = False) -> dict[str, float]:
    """Every measure of a mix, by name.

    Args:
        song: what is true.
        made: what was made.
        separator: takes both mixes apart; None: the background of the true one is known, and that of the other is what
            is left when its stem is taken away.
        cdpam: measure its distance too, which takes a minute.
    """
    stem = isolated(made.mix, song.background, RATE) if made.stem is None else made.stem
    if separator is None:
        true, kept = song.background, made.mix - stem
    else:
        true, kept = (_without(song.instrument, separator, x) for x in (song.target, made.mix))
    found = {
        "spectral": metrics.multi_scale_spectral(true, kept),
        "envelope": metrics.envelope_distance(true, kept),
        "stem_snr": metrics.snr(song.stem, stem),
        "stem_log_mel": metrics.log_mel_distance(song.stem, stem, RATE),
        "stem_level": max(_level(stem) - _level(song.stem), NOTHING),
        "seconds": made.seconds,
    }
    if cdpam:
        from caesura.evaluation.perceptual import cdpam as distance

        found["cdpam"] = distance(true, kept, RATE)
    return found


def _after_edges(method: Riffusion, x: Array, text: str, seed: int) -> Array:
    from caesura.codecs.edges import control_of

    edges = control_of(method.image.pixels(method.image.mel(x)), "canny")
    problem = Problem(x, (Region(0, x.shape[1]),), RATE, guide=x, text=text)
    return method.after(problem, edges, rng=np.random.default_rng(seed))


def _without(instrument: Instrument, separator: Separator, x: Array) -> Array:
    """What a separator leaves of a mix beside the stem that an instrument belongs to."""
    stems = separator(x, RATE)
    own = SEPARATED.get(instrument.family, REST)
    own = own if own in stems else REST
    if own not in stems or len(stems) < 2:
        raise ValueError(f"the separator finds {', '.join(stems) or 'nothing'}: it must find {own} and something else")
    return np.asarray(np.sum([part for name, part in stems.items() if name != own], axis=0))


def _facts(path: Path) -> dict[str, Any]:
    import yaml

    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def _unheard(facts: Mapping[str, Any]) -> bool:
    return facts.get("split") != "train"


def _loudest(x: Array, length: int) -> slice:
    """The stretch of a signal (1, samples) with the most energy."""
    samples = x.shape[1]
    starts = range(0, max(samples - length, 0) + 1, round(STEP * RATE))
    total = np.concatenate(([0.0], np.cumsum(x[0] ** 2)))
    best = max(starts, key=lambda start: float(total[min(start + length, samples)] - total[start]))
    return slice(best, best + length)


def _level(x: Array) -> float:
    """Root mean square in decibels."""
    power = float(np.mean(x**2))
    return 10.0 * math.log10(power) if power else -math.inf
