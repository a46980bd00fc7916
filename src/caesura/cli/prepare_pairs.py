"""caesura prepare gtzan, musdb18, slakh2100: pairs of pictures that teach to add a part to what is played."""

from __future__ import annotations

__all__ = ["gtzan", "musdb18", "slakh2100"]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from caesura.cli import options
from caesura.cli.terminal import progress_bar, say

if TYPE_CHECKING:
    from caesura.data.datasets import Dataset

OCTAVE = 12  # semitones, beyond which a recording no longer sounds like itself
NAMED = 10  # songs that are named before the rest is only counted

Out = Annotated[Path, typer.Argument(metavar="OUT", help="Where to; a run that was stopped goes on there.")]
Prompts = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help='What to say of a song: lines of {"file": "...", "prompt": "..."}.'),
]
Keys = Annotated[str, typer.Option(metavar="LIST", help="Semitones to transpose by, such as -3:3 or 0,5.")]
Holdout = Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the songs to keep for testing.")]
Overlap = Annotated[float, typer.Option(min=0.0, help="Of one stretch with the next, below 1.")]
Columns = Annotated[int, typer.Option(min=2, help="Of a picture; 512 are 5.11 s.")]
Jpeg = Annotated[bool, typer.Option("--jpeg", help="Write JPEGs, smaller and not exact, instead of PNGs.")]
Songs = Annotated[int | None, typer.Option(min=1, metavar="N", help="Only N of the songs; run again with more.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")]


def gtzan(
    out: Out,
    source: Annotated[Path, typer.Option(metavar="FOLDER", help="With genres/blues/blues.00000.wav and so on.")],
    prompts: Prompts = None,
    listed: Annotated[bool, typer.Option("--listed", help="Only the songs that --prompts speaks of.")] = False,
    stems: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Stems that are there: blues.00000/vocals.wav and accompaniment.wav."),
    ] = None,
    model: Annotated[str, typer.Option(metavar="NAME", help="Of Demucs, which separates them otherwise.")] = "htdemucs",
    checkpoints: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Of Demucs; the cache of the hub by default.")
    ] = None,
    segments: Annotated[int, typer.Option(min=1, help="Stretches of a song, evenly spread.")] = 6,
    keys: Keys = "-5:6",
    ratio: Annotated[float, typer.Option(min=0.0, help="Least level of vocals over that of the rest.")] = 0.1,
    holdout: Holdout = 0.1,
    columns: Columns = 512,
    jpeg: Jpeg = False,
    songs: Songs = None,
    jobs: Jobs = 1,
    seed: options.Seed = 0,
    quiet: options.Quiet = False,
) -> int:
    """GTZAN as pairs of accompaniment and song.

    Pictures and prompts for `caesura train riff_cnet`; a run that was stopped goes on. docs/datasets.md has the steps.
    """
    from caesura.data.gtzan import Gtzan
    from caesura.data.separation import Demucs

    dataset = Gtzan(
        source, prompts, listed, Demucs(model, checkpoints), stems, segments, _keys(keys), ratio,
        holdout=holdout, seed=seed,
    )  # fmt: skip
    return _prepare(dataset, out, columns=columns, jpeg=jpeg, songs=songs, jobs=jobs, quiet=quiet)


def musdb18(
    out: Out,
    source: Annotated[Path, typer.Option(metavar="FOLDER", help="With train/SONG/vocals.wav or train/SONG.stem.mp4.")],
    stem: Annotated[str, typer.Option(help="What is added: vocals, bass, drums or other.")] = "vocals",
    prompts: Prompts = None,
    keys: Keys = "-3:3",
    share: Annotated[float, typer.Option(min=0.0, help="Least power of the stem, in its mean power.")] = 0.4,
    overlap: Overlap = 0.0,
    holdout: Holdout = 0.1,
    columns: Columns = 512,
    jpeg: Jpeg = False,
    songs: Songs = None,
    jobs: Jobs = 1,
    seed: options.Seed = 0,
    quiet: options.Quiet = False,
) -> int:
    """MUSDB18 as pairs without and with a stem.

    Pictures and prompts for `caesura train riff_p2p`; a run that was stopped goes on. docs/datasets.md has the steps.
    """
    from caesura.data.musdb18 import Musdb18

    dataset = Musdb18(source, stem, prompts, _keys(keys), share, overlap, holdout, seed)
    return _prepare(dataset, out, columns=columns, jpeg=jpeg, songs=songs, jobs=jobs, quiet=quiet)


def slakh2100(
    out: Out,
    source: Annotated[Path, typer.Option(metavar="FOLDER", help="With train/Track00001/metadata.yaml and stems.")],
    prompts: Annotated[str, typer.Option(metavar="generate|add", help="Wording: for riff_cnet or for riff_p2p.")] = (
        "generate"
    ),
    mode: Annotated[int, typer.Option(min=0, max=2, help="What is added: 0 all, 1 melodies, 2 fewer of them.")] = 1,
    duets: Annotated[int, typer.Option(min=0, help="Examples of a stretch that add two instruments.")] = 0,
    min_bpm: Annotated[float, typer.Option(help="Lowest tempo.")] = 80.0,
    max_bpm: Annotated[float, typer.Option(help="Highest tempo.")] = 120.0,
    steady: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of a song with such a tempo; 0: any.")] = 0.6,
    share: Annotated[float, typer.Option(min=0.0, help="Least power of an instrument, in its mean power.")] = 0.4,
    overlap: Overlap = 0.0,
    holdout: Holdout = 0.01,
    columns: Columns = 512,
    jpeg: Jpeg = False,
    songs: Songs = None,
    jobs: Jobs = 1,
    seed: options.Seed = 0,
    quiet: options.Quiet = False,
) -> int:
    """Slakh2100 as pairs without and with an instrument.

    Pictures and prompts for `caesura train riff_cnet` or `riff_p2p`, from Slakh2100 or what has its layout; a run that
    was stopped goes on. docs/datasets.md has the steps.
    """
    from caesura.data.slakh2100 import Slakh2100

    dataset = Slakh2100(
        source, prompts, mode, duets, (min_bpm, max_bpm), steady, share, overlap, holdout, seed  # type: ignore[arg-type]
    )  # fmt: skip
    return _prepare(dataset, out, columns=columns, jpeg=jpeg, songs=songs, jobs=jobs, quiet=quiet)


def _keys(text: str) -> tuple[int, ...]:
    """Semitones of a list, or of a range with both its ends, each once."""
    first, colon, last = text.partition(":")
    try:
        keys = tuple(range(int(first), int(last) + 1)) if colon else tuple(map(int, text.split(",")))
    except ValueError:
        raise ValueError(f"--keys '{text}' is no list of semitones: write -3:3 or -2,0,2") from None
    if not keys or max(map(abs, keys)) > OCTAVE:
        raise ValueError(f"--keys '{text}': from -{OCTAVE} to {OCTAVE} semitones, the lower first in a range")
    return tuple(dict.fromkeys(keys))


def _prepare(
    dataset: Dataset, out: Path, *, columns: int, jpeg: bool, songs: int | None, jobs: int, quiet: bool
) -> int:
    from caesura.data.pairing import prepare

    suffix = ".jpg" if jpeg else ".png"
    with progress_bar("prepare", quiet=quiet) as progress:
        done = prepare(dataset, out, columns=columns, suffix=suffix, count=songs, jobs=jobs, progress=progress)
    for what, songs_left in (("cannot be read", done.unreadable), ("left out", {} if quiet else done.rejected)):
        for name, why in list(songs_left.items())[:NAMED]:
            say(f"{name} {what}: {why}")
        if len(songs_left) > NAMED:
            say(f"and {len(songs_left) - NAMED} more that {what if what == 'cannot be read' else 'are left out'}")
    if not quiet:
        left = f", {len(done.rejected)} left out, {len(done.unreadable)} unreadable"
        say(f"{done.pairs} pairs of {done.songs} songs in {out}{left}")
    return 0 if done.pairs and not done.unreadable else 1
