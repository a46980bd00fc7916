"""Figure 3 of the NOTONO paper step by step: an organ note becomes something else, one selection after the other.

    python examples/notono_chain.py [--weights FOLDER] [--seed 0] [--out out/notono]

Writes a sound after every step and one picture of them all. Every step is a `caesura restore` of the step before, as
printed; the first one is a `caesura generate`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura import Audio, Problem, Region, build, generate, restore, write
from caesura.codecs.melif import MelIf

RATE = 16_000
COLUMN = 16_384  # samples of a coarse column
SAMPLES = 4 * COLUMN
FIRST = COLUMN - 256  # up to here the first coarse column reaches
LOW = 177.0  # hertz up to which the five lowest coarse rows reach

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Step:
    """One selection, and what is asked for in it."""

    name: str
    region: Region
    settings: dict[str, Any]

    @property
    def shaped(self) -> bool:
        """Whether the coarse codes stay."""
        return self.settings.get("layer") == "bottom"

    @property
    def command(self) -> str:
        """What does the same on the command line, but for the files."""
        asked = " ".join(f"-s {key}={value}" for key, value in self.settings.items())
        times = f"{self.region.start}smp-{self.region.stop}smp"
        box = f"--gap {times}" if self.region.is_gap else f"--box {times},{self.region.low:g}-{self.region.high:g}"
        kept = " --guide THE_SAME" if self.shaped else ""
        return f"caesura restore --method notono {box}{kept} {asked}"


STEPS = (
    Step("bass below 177 Hz", Region(0, SAMPLES, 0.0, LOW), {"family": "bass", "pitch": 24}),
    Step("mallet in the first second", Region(0, FIRST), {"family": "mallet", "pitch": 48}),
    Step("texture of a lead", Region(0, SAMPLES), {"family": "synth_lead", "pitch": 72, "layer": "bottom"}),
)


def chain(weights: str, seed: int) -> list[tuple[str, Region | None, Array]]:
    """What each step is called, where it painted, and its sound (1, samples)."""
    common = {"weights": weights, "candidates": 2}
    x = generate(build("notono", weights=weights, family="organ", pitch=60), SAMPLES, seed=seed)
    done: list[tuple[str, Region | None, Array]] = [("organ, pitch 60, from nothing", None, x)]
    print(f"caesura generate --method notono --duration {SAMPLES}smp --family organ --pitch 60 --seed {seed}")
    for k, step in enumerate(STEPS, 1):
        method = build("notono", **common, **step.settings)
        problem = Problem(x, (step.region,), RATE, guide=x if step.shaped else None)
        x = restore(problem, method, seed=seed + k).samples
        done.append((f"{step.name}, pitch {step.settings['pitch']}", step.region, x))
        print(f"{step.command} -s candidates=2 --seed {seed + k}")
    return done


def draw(done: list[tuple[str, Region | None, Array]], path: Path) -> None:
    """Log mel power of every step, with a frame around what was painted."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.patches import Rectangle

    codec = MelIf()
    hertz = codec.cells(SAMPLES)
    centres = 0.5 * (hertz.low + hertz.high)
    figure, axes = pyplot.subplots(1, len(done), figsize=(3.6 * len(done), 4.2), sharey=True, layout="constrained")
    for axis, (name, region, x) in zip(axes, done, strict=True):
        level = 10.0 / np.log(10.0) * codec.encode(x[0])[0, :, : SAMPLES // codec.hop_length]  # without what fills up
        axis.imshow(level, origin="lower", aspect="auto", cmap="magma", vmin=level.max() - 80, vmax=level.max(),
                    extent=(0.0, SAMPLES / RATE, 0, len(level)))  # fmt: skip
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("seconds")
        if region is not None:
            top = int(np.searchsorted(centres, region.high))
            size = ((region.stop - region.start) / RATE, top)
            axis.add_patch(
                Rectangle((region.start / RATE, 0), *size, fill=False, edgecolor="cyan", linewidth=2, clip_on=False)
            )
    ticks = [100, 250, 500, 1000, 2000, 4000, 8000]
    axes[0].set_yticks([int(np.searchsorted(centres, tick)) for tick in ticks], [str(tick) for tick in ticks])
    axes[0].set_ylabel("hertz, mel scale with a break at 240")
    figure.savefig(path, dpi=110)


def main() -> int:
    """Make, write and draw the chain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="", help="folder of weights, or tiny; the package's own by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/notono"))
    parser.add_argument("--picture", type=Path, help="where the picture goes; in the folder by default")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    done = chain(given.weights, given.seed)
    for k, (_, _, x) in enumerate(done):
        write(given.out / f"step-{k}.wav", Audio(x, RATE), subtype="PCM_16", force=True)
    draw(done, given.picture or given.out / "chain.png")
    print(f"wrote {len(done)} sounds and a picture to {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
