"""Noise out of recordings: how loud it is, a classical way to take it out, and files.

- `noise`: the spectrum of the noise, from the moments in which nothing else is heard
- `spectral`: a gain for every bin
- `files`: one noisy file in, one clean file and a report out
"""

from __future__ import annotations

__all__ = ["NoiseSpectrum", "Spectral", "noise_spectrum"]

from caesura.denoising.noise import NoiseSpectrum, noise_spectrum
from caesura.denoising.spectral import Spectral
