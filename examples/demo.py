"""`make demo`: find the damage in examples/damaged.wav, repair it, prove that nothing else changed, and show it.

The three commands are printed as anyone would type them. The table also says how close each fill came to the undamaged
original, which the demo has and a user has not.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
DAMAGED = Path("examples/damaged.wav")
OUT = Path("out")


def caesura(*arguments: str) -> None:
    """Run one command of the package and stop the demo if it fails."""
    Console().print(f"\n[bold]$ caesura {' '.join(arguments)}[/bold]")
    done = subprocess.run(
        [sys.executable, "-m", "caesura", *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode != 0:
        sys.exit(f"demo: the command above ended with exit code {done.returncode}")


def main() -> None:
    """Detect, restore, verify, and print what was done."""
    out = {name: str(OUT / name) for name in ("damage.txt", "repaired.wav", "report.json", "picture.png")}
    (ROOT / OUT).mkdir(exist_ok=True)
    caesura("detect", str(DAMAGED), "-o", out["damage.txt"], "--force")
    caesura(
        *("restore", str(DAMAGED), "-o", out["repaired.wav"], "--gaps", out["damage.txt"]),
        *("--quality", "best", "--max-gap", "0.15"),
        *("--report", out["report.json"], "--picture", out["picture.png"], "--force"),
    )
    caesura("verify", str(DAMAGED), out["repaired.wav"], "--gaps", out["damage.txt"])
    show(json.loads((ROOT / out["report.json"]).read_text()))
    Console().print("\n" + "\n".join(f"  {path}" for path in out.values()))


def show(report: dict) -> None:
    """One row per region, with its distance from the truth before and after."""
    original, damaged, repaired = (
        soundfile.read(ROOT / path, always_2d=True)[0] for path in ("examples/original.flac", DAMAGED, report["target"])
    )
    table = Table(title="\nwhat was done")
    for title in ("at", "length", "channel", "method", "confidence", "seam", "SNR before", "SNR after"):
        table.add_column(title, justify="left" if title == "method" else "right")
    for region in report["regions"]:
        span = slice(region["start"], region["stop"])
        rows = slice(None) if region["channel"] is None else [region["channel"]]
        before, after = (snr(original[span, rows], x[span, rows]) for x in (damaged, repaired))
        where = "both" if region["channel"] is None else "LR"[region["channel"]]
        table.add_row(
            f"{region['start_s']:.3f} s", f"{region['length_ms']:.1f} ms", where, region["method"],
            *(("" if region[key] is None else f"{region[key]:.2f}") for key in ("confidence", "seam")),
            f"{before:.1f} dB", f"{after:.1f} dB",
        )  # fmt: skip
    Console().print(table)
    Console().print(
        f"{report['filled']} regions filled, {report['refused']} refused; "
        f"samples changed outside them: {report['changed_outside']}; metadata kept: {report['metadata_kept']}"
    )


def snr(x: np.ndarray, y: np.ndarray) -> float:
    """Signal-to-noise ratio in dB."""
    return 10.0 * float(np.log10(np.sum(x**2) / max(np.sum((x - y) ** 2), 1e-20)))


if __name__ == "__main__":
    main()
