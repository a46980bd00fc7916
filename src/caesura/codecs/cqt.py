"""Invertible constant-Q transform in torch: octaves of logarithmically spaced bands, each octave at its own frame rate.

    (E x)_o[k, t] = 1/T_o sum_m X[c_k + m] g_k(m) exp(2 pi i m t / T_o)
    D z = irfft(1/S sum_o sum_k T_o g_k Z_o[k]),    Z_o[k] the Fourier transform of z_o[k] over its T_o frames

X is the Fourier transform of the zero-padded signal, c_k the centre of band k and g_k its window, and S the sum of all
T_o g_k^2 at each frequency: D E = id where all bands are there. The tables hold one frequency bin and one window value
per coefficient and nothing else.

References:
    G. Velasco, N. Holighaus, M. Doerfler, T. Grill, "Constructing an invertible constant-Q transform with
        nonstationary Gabor frames", DAFx 2011.
    E. Moliner, V. Valimaki, "Diffusion-based audio inpainting", J. Audio Engineering Society 72, 2024.
"""

from __future__ import annotations

__all__ = ["Cqt"]

from collections.abc import Sequence
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caesura.codecs import Cells
from caesura.codecs._nsgt import Bands, Spacing, Window, lay_out

LEAK = 1e-4  # of an atom's energy may lie outside the span that its cell is given, -40 dB


class Cqt(torch.nn.Module):
    """Constant-Q transform of signals of one length; a list of grids (batch, bins, frames), lowest octave first.

    The transform is periodic: the signal is padded with zeros at its end to an even number of samples ("checkpoint") or
    to a multiple of twice the frames of the highest octave ("exact"), and the padded end meets the beginning.
    Frame t of T frames is centred on sample t n / T of the n padded ones.
    """

    inverse_diagonal: Tensor
    response: Tensor
    published_response: Tensor
    lowest: Tensor
    highest: Tensor

    def __init__(
        self,
        samples: int,
        sample_rate: float,
        *,
        octaves: int = 8,
        bins: int | Sequence[int] = 64,
        window: Window = "hann",
        spacing: Spacing = "checkpoint",
        complete: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Lay out the bands and build the tables.

        Args:
            samples: length of the signals.
            sample_rate: hertz; the lowest centre lies at `sample_rate` / 2^(octaves + 1).
            octaves: number of octaves below the Nyquist frequency.
            bins: bands per octave, or of each octave, lowest first ("exact" only).
            window: "hann" (reconstructs to rounding), or the almost rectangular one of the published networks.
            spacing: centres of the bands, as in the published checkpoints or exactly at f_min 2^(k / bins).
            complete: whether the list begins with the band around 0 Hz and ends with the one around the Nyquist
                frequency, (batch, 1, frames) with zero imaginary parts, so that decoding reconstructs everything.
            dtype: float32 or float64, of the signals and the tables.
        """
        super().__init__()
        per_octave = _validated(samples, sample_rate, octaves, bins, (window, spacing), dtype)
        self.samples, self.sample_rate, self.complete, self.dtype = samples, sample_rate, complete, dtype
        self.bands: Bands = lay_out(samples, sample_rate, per_octave, window, spacing)
        for o in range(octaves):
            index, values = self.bands.slots(o)
            self.register_buffer(f"index_{o}", torch.from_numpy(index), persistent=False)
            self._real(f"window_{o}", values)
        if complete:
            self._real("lowest", self.bands.half_window(0))
            self._real("highest", self.bands.half_window(-1))
            self._real("inverse_diagonal", 1.0 / self.bands.complete_diagonal())
        else:
            diagonal, octaves_diagonal = self.bands.published_diagonal(), self.bands.octaves_diagonal()
            inverse = 1.0 / diagonal[: octaves_diagonal.size]
            self._real("inverse_diagonal", inverse)
            self._real("response", inverse * octaves_diagonal)
            self._real("published_response", self.bands.published_response(diagonal))

    def _real(self, name: str, values: NDArray[np.float64]) -> None:
        self.register_buffer(name, torch.from_numpy(values).to(self.dtype), persistent=False)

    def encode(self, x: Tensor) -> list[Tensor]:
        """Grids of signals.

        Args:
            x: (batch, samples).

        Returns:
            complex (batch, bins, frames) for each octave, lowest first.
        """
        spectrum = self._spectrum(x)
        grids = [self._encode_octave(spectrum, o) for o in range(len(self.bands.bins))]
        if not self.complete:
            return grids
        first, last = self._encode_ends(spectrum)
        return [first, *grids, last]

    def decode(self, z: Sequence[Tensor]) -> Tensor:
        """Signals of grids: the inverse of `encode` if `complete`, without what the octaves do not hold otherwise.

        Args:
            z: complex (batch, bins, frames) for each octave, lowest first, as from `encode`; left as it is.

        Returns:
            (batch, samples).
        """
        shapes = [tuple(grid.shape[1:]) for grid in z]
        if shapes != self.shapes:
            raise ValueError(f"the grids have shapes {shapes} per item, this transform makes {self.shapes}")
        wide = [grid.to(self.dtype.to_complex()) for grid in z]
        spectrum = wide[0].new_zeros((wide[0].shape[0], self.bands.grid // 2 + 1))
        for o, grid in enumerate(wide[1:-1] if self.complete else wide):
            slots = torch.fft.fft(grid) * (self._octave("window", o) * self.bands.frames[o])
            spectrum.index_add_(1, self._octave("index", o).flatten(), slots.flatten(1))
        if self.complete:
            spectrum = spectrum + self._decode_ends(wide[0], wide[-1])
        return self._signal(spectrum * self.inverse_diagonal)

    def keep_bands(self, x: Tensor, *, as_published: bool = False) -> Tensor:
        """What `decode` makes of the grids of `encode`, or the filter that the published programs take for it.

        The two differ near 0 Hz and the Nyquist frequency, by a few bins. If `complete`, nothing changes.

        Args:
            x: (batch, samples).
            as_published: apply the published filter (H_post), of the era that `spacing` names.

        Returns:
            (batch, samples).
        """
        spectrum = self._spectrum(x)
        if self.complete:
            return x
        return self._signal(spectrum * (self.published_response if as_published else self.response))

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Bins and frames of each grid."""
        octaves = list(zip(self.bands.bins, self.bands.frames, strict=True))
        if not self.complete:
            return octaves
        return [(1, int(self.bands.widths[0])), *octaves, (1, int(self.bands.widths[-1]))]

    @property
    def center_frequencies(self) -> list[NDArray[np.float64]]:
        """Centre of each bin of each grid in hertz (bins,)."""
        hertz = self.sample_rate / self.bands.grid
        return [np.asarray(self.bands.centers[part] * hertz, np.float64) for part in self._parts()]

    @property
    def scales(self) -> list[float]:
        """Standard deviation of white noise of unit variance in each grid, of the real and of the imaginary part.

        Root mean square over the bins; the grids around 0 Hz and the Nyquist frequency have a real part only.
        """
        found = []
        for band, (_, frames) in zip(self._parts(), self.shapes, strict=True):
            energy = np.mean([np.sum(self.bands.full_window(k) ** 2) for k in range(band.start, band.stop)])
            parts = 1 if self.complete and band.start in (0, self.bands.centers.size - 1) else 2
            found.append(float(np.sqrt(self.samples * energy / parts) / frames))
        return found

    def cells(self, leak: float = LEAK) -> list[Cells]:
        """What the cells of each grid look at, in samples and hertz.

        A band ends at its edges in frequency but nowhere in time: `leak` is the share of an atom's energy that may lie
        outside the span. As the transform is periodic, a cell near one end of the signal may look past the padding at
        the other end; it is given the whole signal. So is every cell of a window that decays too slowly.

        Args:
            leak: between 0 and 1.
        """
        if not 0.0 < leak < 1.0:
            raise ValueError(f"leak={leak} must lie between 0 and 1")
        bands, hertz = self.bands, self.sample_rate / self.bands.grid
        found = []
        for part, (_, frames) in zip(self._parts(), self.shapes, strict=True):
            start, stop = _spans(frames, bands.reach(part, leak), bands.grid, self.samples)
            low = (bands.centers[part] - bands.widths[part] / 2) * hertz
            high = (bands.centers[part] + bands.widths[part] / 2) * hertz
            found.append(Cells(start, stop, np.maximum(low, 0.0), np.minimum(high, 0.5 * self.sample_rate)))
        return found

    def _parts(self) -> list[slice]:
        """The bands of each grid."""
        octaves = [self.bands.octave(o) for o in range(len(self.bands.bins))]
        last = self.bands.centers.size - 1
        return [slice(0, 1), *octaves, slice(last, last + 1)] if self.complete else octaves

    def _octave(self, name: str, o: int) -> Tensor:
        table: Tensor = getattr(self, f"{name}_{o}")
        return table

    def _spectrum(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape[1] != self.samples:
            raise ValueError(f"the signals have shape {tuple(x.shape)}, this transform takes (batch, {self.samples})")
        spectrum: Tensor = torch.fft.rfft(x.to(self.dtype), self.bands.grid)
        return spectrum

    def _signal(self, spectrum: Tensor) -> Tensor:
        x: Tensor = torch.fft.irfft(spectrum, self.bands.grid)
        return x[:, : self.samples]

    def _encode_octave(self, spectrum: Tensor, o: int) -> Tensor:
        grid: Tensor = torch.fft.ifft(spectrum[:, self._octave("index", o)] * self._octave("window", o))
        return grid

    def _encode_ends(self, spectrum: Tensor) -> list[Tensor]:
        low = self.lowest * spectrum[:, : self.lowest.numel()]
        high = self.highest * spectrum.flip(1)[:, : self.highest.numel()].conj()
        (_, *_, (_, last)), (_, first) = self.shapes, self.shapes[0]
        real = (torch.fft.irfft(half, frames)[:, None] for half, frames in ((low, first), (high, last)))
        return [torch.complex(z, torch.zeros_like(z)) for z in real]

    def _decode_ends(self, low: Tensor, high: Tensor) -> Tensor:
        """What the grids around 0 Hz and the Nyquist frequency (batch, 1, frames) add to the spectrum."""
        half = self.bands.grid // 2 + 1
        below, above = (torch.fft.rfft(z[:, 0].real) * z.shape[-1] for z in (low, high))
        below = below[:, : self.lowest.numel()] * self.lowest
        above = (above[:, : self.highest.numel()].conj() * self.highest).flip(1)
        pad = torch.nn.functional.pad
        return pad(below, (0, half - below.shape[1])) + pad(above, (half - above.shape[1], 0))


def _spans(frames: int, reach: int, grid: int, samples: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First sample, and one past the last, that frames around t grid / frames look at."""
    center = np.arange(frames) * (grid / frames)
    start = np.floor(center).astype(np.int64) - reach
    stop = np.ceil(center).astype(np.int64) + reach + 1
    wraps = (start + grid < samples) | (stop > grid)
    return np.where(wraps, 0, np.clip(start, 0, samples)), np.where(wraps, samples, np.clip(stop, 0, samples))


def _validated(
    samples: int,
    sample_rate: float,
    octaves: int,
    bins: int | Sequence[int],
    names: tuple[str, str],
    dtype: torch.dtype,
) -> tuple[int, ...]:
    """Bins of each octave, after a look at all arguments."""
    window, spacing = names
    per_octave = (bins,) * octaves if isinstance(bins, int) else tuple(bins)
    for name, value, least in (("samples", samples, 1), ("sample_rate", sample_rate, 1), ("octaves", octaves, 1)):
        if value < least:
            raise ValueError(f"{name}={value} must be at least {least}")
    if len(per_octave) != octaves or min(per_octave) < 2:
        raise ValueError(f"bins={bins} must be a number from 2 on, or {octaves} of them, one per octave")
    if spacing == "checkpoint" and len(set(per_octave)) > 1:
        raise ValueError(f"bins={bins} must be the same in every octave when spacing='checkpoint'")
    for name, word, known in (("window", window, get_args(Window)), ("spacing", spacing, get_args(Spacing))):
        if word not in known:
            raise ValueError(f"{name}={word!r} must be one of {', '.join(known)}")
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype={dtype} must be torch.float32 or torch.float64")
    return per_octave
