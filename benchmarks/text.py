"""Long gaps by models that are told what to play: every way of conditioning beside silence, noise and the copied past.

    python benchmarks/text.py --data DIR --models text_mini tango:weights=FOLDER [--clips 12] [--text "piano"] [--write]

Clips of 10 s at 16 kHz are cut from the middle of the recordings in DIR, with a gap of 1 s and of 2 s in theirs. A
model is a method and settings, name:key=value:key=value. --captions names a CSV of file stem and text, one per line;
--text is said of every other clip. Rows go to --results as they are computed and are not computed again; what is kept
knows nothing of the code, so --forget after changing it. With --write the tables take the place of those in
docs/benchmarks/text.md.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from caesura.audio import read, resample
from caesura.evaluation import metrics
from caesura.evaluation.clips import RATE, Clip, baselines, means, measured, round_trip
from caesura.inpainter import Inpainter, Note
from caesura.methods import build
from caesura.methods._walks import Conditioning
from caesura.region import Region

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks" / "text.md"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
SECONDS = 10.0
SOUND = (".wav", ".flac", ".ogg", ".aiff")
COLUMNS = {
    "gap_log_mel": "log-mel in the gap", "gap_snr": "SNR in the gap", "gap_level": "level in the gap, dB",
    "edges": "edges", "frechet": "Fréchet", "snr": "SNR", "sdr": "SDR", "snr_peak": "SNR, peak 0.5", "psnr": "PSNR",
    "ssim": "SSIM", "evaluations": "evaluations", "seconds": "seconds",
}  # fmt: skip


def clips(folder: Path, count: int, gap: float, texts: Mapping[str, str], text: str) -> Iterator[tuple[str, Clip]]:
    """Clips with a gap in the middle, evenly chosen from the recordings in the order of their names."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SOUND)
    if not found:
        raise SystemExit(f"there are no sound files in {folder}")
    for path in found[:: max(len(found) // count, 1)][:count]:
        audio = read(path)
        x = resample(audio.samples[:1], audio.sample_rate, RATE)
        length = min(round(SECONDS * RATE), x.shape[1])
        x = x[:, (x.shape[1] - length) // 2 :][:, :length]
        middle, half = length // 2, round(0.5 * gap * RATE)
        yield path.stem, Clip(x, Region(middle - half, middle + half), texts.get(path.stem, text))


def model(spec: str, **more: Any) -> Inpainter:
    """A method from its name and settings."""
    name, *settings = spec.split(":")
    return build(name, dict(setting.split("=", 1) for setting in settings), **more)


def estimates(
    clip: Clip, models: Sequence[str], ways: Sequence[str]
) -> Iterator[tuple[str, np.ndarray, dict[str, float]]]:
    """Rows of a clip: name, estimate (1, samples), cost."""
    for name, made in baselines(clip).items():
        yield name, made, {}
    for spec in models:
        through = round_trip(clip, model(spec))
        if through is not None:
            yield f"{spec} round trip", through, {}
        for way in ways:
            notes: list[Note] = []
            method, before = model(spec, conditioning=way), time.perf_counter()
            made = method(clip.problem, rng=np.random.default_rng(0), note=notes.append)
            spent = time.perf_counter() - before
            yield f"{spec} {way}", made, {"seconds": spent, "evaluations": notes[0].parameters.get("evaluations", 0)}


def rows(given: argparse.Namespace, gap: float, texts: Mapping[str, str]) -> dict[str, list[dict[str, float]]]:
    """Measures of every row, and the Fréchet distance of the gaps of all clips."""
    found: dict[str, list[dict[str, float]]] = {}
    frames: dict[str, list[np.ndarray]] = {}
    for stem, clip in clips(given.data, given.clips, gap, texts, given.text):
        mask = clip.problem.mask
        frames.setdefault("original", []).append(metrics.log_mel_frames(clip.x, RATE, mask=mask))
        for name, made, cost in _kept(given.results, stem, clip, given.models, given.ways):
            for pasted in (True, False):
                estimate = clip.problem.paste(made) if pasted else made
                label = name if pasted else f"{name}, not pasted"
                if not pasted and name in ("silence", "noise", "repeat"):
                    continue
                found.setdefault(label, []).append({**measured(clip, estimate), **cost})
                frames.setdefault(label, []).append(metrics.log_mel_frames(estimate, RATE, mask=mask))
        print(f"{stem}, {gap:g} s: done", file=sys.stderr)
    for label, own in found.items():
        distance = metrics.frechet_distance(np.concatenate(frames["original"]), np.concatenate(frames[label]))
        for row in own:
            row["frechet"] = distance
    return found


def _kept(
    folder: Path, stem: str, clip: Clip, models: Sequence[str], ways: Sequence[str]
) -> Iterator[tuple[str, np.ndarray, dict[str, float]]]:
    """The rows of a clip; those of models are kept in files, because they take long."""
    folder.mkdir(parents=True, exist_ok=True)
    yield from estimates(clip, (), ())
    for spec in models:
        said = json.dumps([stem, clip.gap.start, clip.gap.stop, clip.text, spec, list(ways)])
        place = folder / f"{hashlib.sha256(said.encode() + clip.x.tobytes()).hexdigest()[:24]}.npz"
        if not place.is_file():
            made = [row for row in estimates(clip, (spec,), ways) if row[0].startswith(spec)]
            arrays = {f"x{k}": estimate.astype(np.float32) for k, (_, estimate, _) in enumerate(made)}
            np.savez(place, said=json.dumps([(name, cost) for name, _, cost in made]), **arrays)
        with np.load(place) as kept:
            for k, (name, cost) in enumerate(json.loads(str(kept["said"]))):
                yield name, kept[f"x{k}"].astype(np.float64), cost


def table(found: Mapping[str, list[dict[str, float]]]) -> str:
    """Rows as markdown."""
    lines = ["| row | " + " | ".join(COLUMNS.values()) + " |", "|---|" + "--:|" * len(COLUMNS)]
    for label, own in found.items():
        average = means(own)
        cells = [_cell(average.get(name, float("nan"))) for name in COLUMNS]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(value: float) -> str:
    return "" if not np.isfinite(value) else f"{value:.0f}" if abs(value) >= 1000 else f"{value:.2f}"


def main() -> int:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="recordings that no model was trained on")
    parser.add_argument("--models", nargs="*", default=[])
    parser.add_argument("--ways", nargs="*", default=list(get_args(Conditioning)), choices=get_args(Conditioning))
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--gaps", default="1,2", help="seconds")
    parser.add_argument("--text", default="")
    parser.add_argument("--captions", type=Path)
    parser.add_argument("--results", type=Path, default=ROOT / "out" / "text")
    parser.add_argument("--forget", action="store_true", help="compute every row again, as after a change of the code")
    parser.add_argument("--write", action="store_true", help="put the tables into the page")
    given = parser.parse_args()
    if given.forget:
        for place in given.results.glob("*.npz"):
            place.unlink()
    texts = dict(csv.reader(given.captions.open(encoding="utf-8"))) if given.captions else {}
    parts = []
    for gap in (float(part) for part in given.gaps.split(",")):
        found = rows(given, gap, texts)
        parts.append(f"### Gaps of {gap:g} s, {len(found['silence'])} clips\n\n{table(found)}")
    text = "\n\n".join([f"    python benchmarks/text.py {' '.join(sys.argv[1:])}", *parts])
    print(text)
    if given.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
