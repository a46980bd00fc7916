"""An hour of 96 kHz stereo with 500 gaps: how long a restore takes and how much memory, in a process of its own.

    python benchmarks/hour.py [--minutes 60] [--gaps 500] [--method auto]

Prints seconds, the ratio to real time, peak memory, and whether the comparison of both files found a change outside.
The recording is synthesised into a temporary folder (2 GB for an hour) and removed afterwards.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np

RATE = 96_000
GAP_MS = 20

CHILD = """
import resource, sys, time
from pathlib import Path
from caesura.labels import Label
from caesura.methods import build
from caesura.region import Region
from caesura.repair import repair_file
source, target, method, gaps, frames = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
length = 96 * {gap}
labels = [Label(Region(k, k + length)) for k in range(frames // (2 * gaps), frames - length, frames // gaps)][:gaps]
start = time.perf_counter()
report = repair_file(Path(source), Path(target), labels, build(method))
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{{report.filled}} filled, {{report.refused}} refused, {{report.changed_outside}} samples changed outside")
print(f"{{seconds:.1f}} s, {{frames / 96000 / seconds:.0f}} x real time, peak memory {{peak:.0f}} MB")
"""


def synthesise(path: Path, minutes: int) -> int:
    """Write drifting partials over noise, 24 bit; returns the number of frames."""
    rng = np.random.default_rng(0)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(3)
        file.setframerate(RATE)
        for minute in range(minutes):
            t = np.arange(60 * RATE) / RATE
            partials = sum(0.1 / h * np.sin(2 * np.pi * h * (110 + minute) * t) for h in range(1, 8))
            x = np.stack([partials, 0.8 * partials]) + 0.003 * rng.standard_normal((2, t.size))
            steps = np.ascontiguousarray((x.T * 2**23).astype("<i4"))
            file.writeframesraw(steps.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    return minutes * 60 * RATE


def main() -> None:
    """Synthesise, restore in a child process, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--gaps", type=int, default=500)
    parser.add_argument("--method", default="auto")
    parser.add_argument("--folder", type=Path, help="where the temporary files go")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        source, target = Path(folder, "hour.wav"), Path(folder, "restored.wav")
        frames = synthesise(source, options.minutes)
        arguments = [str(source), str(target), options.method, str(options.gaps), str(frames)]
        subprocess.run([sys.executable, "-c", CHILD.format(gap=GAP_MS), *arguments], check=True)


if __name__ == "__main__":
    main()
