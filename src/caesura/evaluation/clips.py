"""Long gaps in clips, measured as the published work did and as it should be done.

    published   peak 0.5 each, mean removed, whole clip:  SNR, SDR of 512 taps, PSNR and SSIM of a power mel spectrogram
                with the range of its own loudest cell
    here        in the gap alone and at true level:  SNR, log-mel distance, level, edges

The published measures see nine tenths of a clip that nobody touched, and none of them prefers a plausible fill to
silence: an uncorrelated fill of the right level scores 3 dB below leaving zeros. So silence is always a row.

References:
    D. Ghosal et al., "Text-to-audio generation using instruction-tuned LLM and latent diffusion model", 2023 (levels).
"""

from __future__ import annotations

__all__ = [
    "LATENT_NOISE",
    "Clip",
    "MelDefinition",
    "baselines",
    "means",
    "measured",
    "normalised",
    "pictures",
    "round_trip",
    "with_latent_noise",
]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from caesura.evaluation import metrics
from caesura.inpainter import Inpainter
from caesura.methods import build
from caesura.methods._levelling import matched
from caesura.problem import Problem, Region
from caesura.seam import seam_score

Array = NDArray[np.float64]

RATE = 16_000  # hertz of the published evaluation
PEAK = 0.5
FLOOR = 1e-5  # of magnitude mel spectrograms
LATENT_NOISE = {100.0: 0.0, 30.0: 0.05, 25.0: 0.08, 20.0: 0.13, 17.5: 0.175, 15.0: 0.22, 10.0: 0.36, 5.0: 0.6, 1.0: 0.9}
"""Level in the published experiment with noisy speech -> deviation of the noise, of latents between 0 and 1."""
MelDefinition = Literal["power_mel_2048_512_128", "power_mel_1024_160_64", "log_mel_audioldm", "audioldm_eval_mel"]
"""Which spectrogram a picture measure looks at: two of power, one of log magnitude, one of decibels between 0 and 1."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A recording with a gap in it."""

    x: Array
    """The original (1, samples) at 16 kHz."""
    gap: Region
    text: str = ""
    """What a listener would call it."""

    @property
    def problem(self) -> Problem:
        """What a method is given."""
        return Problem(self.x, (self.gap,), RATE, text=self.text)


def measured(clip: Clip, estimate: Array) -> dict[str, float]:
    """Every measure of an estimate (1, samples), by name; where it says "gap" it is of the gap alone.

    Nothing is pasted here: pass `clip.problem.paste(estimate)` to measure what a listener gets.
    """
    x, mask = clip.x, clip.problem.mask
    level_x, level_y = normalised(x), normalised(estimate)
    psnr, ssim = pictures(x, estimate, "power_mel_1024_160_64")
    seam = seam_score(estimate, clip.gap, mask)
    return {
        "snr": metrics.snr(x, estimate),
        "sdr": metrics.sdr(x, estimate),
        "snr_peak": metrics.snr(level_x, level_y),
        "psnr": psnr,
        "ssim": 100.0 * ssim,
        "gap_snr": metrics.gap_snr(x, estimate, mask),
        "gap_log_mel": metrics.log_mel_distance(x, estimate, RATE, mask=mask),
        "gap_level": metrics.energy_loss(x, estimate, mask),
        "edges": float("nan") if seam is None else seam,
    }


def normalised(x: Array) -> Array:
    """A signal (1, samples) without its mean, its peak at 0.5: what the published evaluation compares."""
    centred = x - x.mean()
    first = PEAK * centred / (np.max(np.abs(centred)) + 1e-8)
    peak = float(np.max(np.abs(first)))
    return np.asarray(PEAK * first / peak if peak else first)


def pictures(x: Array, y: Array, definition: MelDefinition) -> tuple[float, float]:
    """PSNR in decibels and SSIM of the spectrograms of an original and an estimate (1, samples) at 16 kHz.

    The range of the data is the loudest cell of the original for power spectrograms, the distance from its quietest to
    its loudest cell for the logarithmic one, and for audioldm_eval's 1 (PSNR) and what both span together (SSIM).
    """
    a, b = (_picture(signal, definition) for signal in (x, y))
    if definition == "audioldm_eval_mel":
        span = max(a.max(), b.max()) - min(a.min(), b.min())
        return metrics.psnr(a, b, 1.0), metrics.ssim(a, b, float(span))
    span = a.max() - a.min() if definition == "log_mel_audioldm" else a.max()
    return metrics.psnr(a, b, float(span)), metrics.ssim(a, b, float(span))


def _picture(x: Array, definition: MelDefinition) -> Array:
    if definition == "audioldm_eval_mel":
        return _eval_mel(x)
    if definition == "log_mel_audioldm":
        mel = metrics.mel_spectrogram(x, RATE, n_fft=1024, hop_length=160, n_mels=64, power=1.0, padding="reflect")[0]
        return np.asarray(np.log(np.maximum(mel, FLOOR)))
    n_fft, hop, bands = (int(part) for part in definition.rsplit("_", 3)[1:])
    return np.asarray(metrics.mel_spectrogram(x, RATE, n_fft=n_fft, hop_length=hop, n_mels=bands)[0])


def _eval_mel(x: Array) -> Array:
    """The decibel mel spectrogram (64, frames) of audioldm_eval, from 50 Hz, scaled to between 0 and 1."""
    mel = metrics.mel_spectrogram(
        x, RATE, n_fft=512, hop_length=160, n_mels=64, fmin=50.0, fmax=8000.0, power=1.0, padding="reflect"
    )[0]
    return np.asarray(np.clip((20.0 * np.log10(np.maximum(mel, FLOOR)) - 20.0 + 100.0) / 100.0, 0.0, 1.0))


def baselines(clip: Clip, seed: int = 0) -> dict[str, Array]:
    """Estimates (1, samples) that need no model: silence, noise at the level of the surroundings, the past copied."""
    known = clip.x[clip.problem.mask]
    noise = np.sqrt(np.mean(known**2)) * np.random.default_rng(seed).standard_normal(clip.x.shape)[0]
    rng = np.random.default_rng(seed)
    return {
        "silence": build("silence")(clip.problem, rng=rng),
        "noise": matched(noise, clip.problem.y[0], clip.problem.mask[0], [clip.gap])[None],
        "repeat": build("repeat")(clip.problem, rng=rng),
    }


def round_trip(clip: Clip, method: Inpainter) -> Array | None:
    """The original through the method's autoencoder and vocoder (1, samples): the best that its decoder could do.

    None where the method has no such parts.
    """
    draw = getattr(method, "draw", None)
    if draw is None:
        return None
    from caesura.codecs.mel import Level
    from caesura.methods._latent import heard, latents_of

    made: Any = draw()
    level, parts = Level.of(clip.x[0]), heard(made, clip.problem)
    rows = parts.latents.shape[2] * made.model.codec.row
    wave = made.model.codec.decode(latents_of(made.model, level.apply(clip.x[0]), rows), rows)
    signal = wave[0, : clip.x.shape[1]].double().cpu().numpy()
    return matched(level.undo(signal), clip.problem.y[0], clip.problem.mask[0], [clip.gap])[None]


def with_latent_noise(latents: Array, noise: Array, key: float) -> tuple[Array, float]:
    """Latents disturbed as in the published experiment with noisy speech, whose noise is not in the recordings.

    Args:
        latents: of all clips.
        noise: standard normal, of the same shape.
        key: what the experiment calls its PSNR, one of `LATENT_NOISE`.

    Returns:
        the noisy latents, and the standard deviation of what was added.
    """
    if key not in LATENT_NOISE:
        raise ValueError(f"key={key:g} is not one of {', '.join(f'{known:g}' for known in LATENT_NOISE)}")
    level = LATENT_NOISE[key] * float(latents.max() - latents.min())
    return latents + level * noise, level


def means(rows: list[Mapping[str, float]]) -> dict[str, float]:
    """Means over clips of every measure; what is not finite is left out."""
    found: dict[str, float] = {}
    for name in rows[0]:
        values = [row[name] for row in rows if np.isfinite(row[name])]
        found[name] = float(np.mean(values)) if values else float("nan")
    return found
