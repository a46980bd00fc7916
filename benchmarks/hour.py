"""An hour of 96 kHz stereo with 500 gaps: how long a restore takes and how much memory, in a process of its own.

    python benchmarks/hour.py [--minutes 60] [--gaps 500] [--method auto] [--rate 96000] [--length 20] [-s key=value]

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

CHILD = """
import resource, sys, time
from pathlib import Path
from caesura.labels import Label
from caesura.methods import build
from caesura.region import Region
from caesura.repair import repair_file
source, target, method = sys.argv[1:4]
gaps, frames, rate, length = map(int, sys.argv[4:8])
settings = dict(setting.split("=", 1) for setting in sys.argv[8:])
inpainter = build(method, settings)
libraries = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
labels = [Label(Region(k, k + length)) for k in range(frames // (2 * gaps), frames - length, frames // gaps)][:gaps]
start = time.perf_counter()
report = repair_file(Path(source), Path(target), labels, inpainter)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{report.filled} filled, {report.refused} refused, {report.changed_outside} samples changed outside")
print(f"{seconds:.1f} s ({time.process_time():.1f} s of processor), {frames / rate / seconds:.1f} x real time")
print(f"peak memory {peak:.0f} MB, of which {libraries:.0f} MB before the file was opened")
"""


def synthesise(path: Path, minutes: int, rate: int) -> int:
    """Write drifting partials over noise, 24 bit; returns the number of frames."""
    rng = np.random.default_rng(0)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(3)
        file.setframerate(rate)
        for minute in range(minutes):
            t = np.arange(60 * rate) / rate
            partials = sum(0.1 / h * np.sin(2 * np.pi * h * (110 + minute) * t) for h in range(1, 8))
            x = np.stack([partials, 0.8 * partials]) + 0.003 * rng.standard_normal((2, t.size))
            steps = np.ascontiguousarray((x.T * 2**23).astype("<i4"))
            file.writeframesraw(steps.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    return minutes * 60 * rate


def main() -> None:
    """Synthesise, restore in a child process, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--gaps", type=int, default=500)
    parser.add_argument("--method", default="auto")
    parser.add_argument("--rate", type=int, default=96_000, help="hertz")
    parser.add_argument("--length", type=int, default=20, help="of a gap, milliseconds")
    parser.add_argument("-s", "--set", action="append", default=[], metavar="KEY=VALUE", help="of the method")
    parser.add_argument("--folder", type=Path, help="where the temporary files go")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        source, target = Path(folder, "hour.wav"), Path(folder, "restored.wav")
        frames = synthesise(source, options.minutes, options.rate)
        numbers = [options.gaps, frames, options.rate, options.rate * options.length // 1000]
        arguments = [str(source), str(target), options.method, *map(str, numbers), *options.set]
        subprocess.run([sys.executable, "-c", CHILD, *arguments], check=True)


if __name__ == "__main__":
    main()
