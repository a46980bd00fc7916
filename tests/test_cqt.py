"""Laws of the constant-Q transform, and what the two published eras of it compute."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from caesura.codecs.cqt import Cqt

torch.set_num_threads(1)

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "cqtdiff_golden.json").read_text())
LEAK = 1e-3
SMALL = {"octaves": 4, "bins": 12, "dtype": torch.float64}
FORMS = [
    {"window": window, "spacing": spacing, "complete": complete}
    for window in ("hann", "published")
    for spacing in ("checkpoint", "exact")
    for complete in (False, True)
]
COMPLETE = [form for form in FORMS if form["complete"]]


def noise(batch: int, samples: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(batch, samples, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def congruential(samples: int) -> Tensor:
    """The test signal of the published vectors."""
    state, values = 1, []
    for _ in range(samples):
        state = (1103515245 * state + 12345) % 2**31
        values.append(state / 2**30 - 1.0)
    return torch.tensor([values], dtype=torch.float64)


def grids_like(cqt: Cqt, batch: int, seed: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, *shape, generator=generator, dtype=cqt.dtype.to_complex()) for shape in cqt.shapes]


def decibels(error: Tensor, reference: Tensor) -> float:
    return 20.0 * math.log10(float(error.norm() / reference.norm()))


# Lengths: one sample, odd, prime, a power of two, and more than one period of the lowest band.
@given(st.sampled_from(COMPLETE), st.sampled_from([1, 2, 3, 97, 256, 1009, 3001]), st.integers(0, 2**32 - 1))
def test_the_complete_transform_reconstructs_any_length(form: dict[str, Any], samples: int, seed: int) -> None:
    x = noise(2, samples, seed)
    cqt = Cqt(samples, 8000, **SMALL, **form)
    grids = cqt.encode(x)
    assert [tuple(grid.shape) for grid in grids] == [(2, *shape) for shape in cqt.shapes]
    torch.testing.assert_close(cqt.decode(grids), x, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("spacing", ["checkpoint", "exact"])
@pytest.mark.parametrize("window", ["hann", "published"])
@pytest.mark.parametrize(("dtype", "floor"), [(torch.float32, -105.0), (torch.float64, -275.0)])
def test_reconstruction_of_four_seconds(dtype: torch.dtype, floor: float, window: Any, spacing: Any) -> None:
    """Measured: -111 to -132 dB in single and -282 to -306 dB in double precision."""
    x = noise(1, 184_184, dtype=dtype)
    cqt = Cqt(184_184, 44_100, window=window, spacing=spacing, complete=True, dtype=dtype)
    assert decibels(cqt.decode(cqt.encode(x)) - x, x) < floor


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("samples", [1009, 1024])
def test_both_directions_have_adjoints(form: dict[str, Any], samples: int) -> None:
    """<E x, z> = <x, E* z> and <D z, x> = <z, D* x> in the real inner product, with the adjoints of autograd."""
    cqt = Cqt(samples, 8000, **SMALL, **form)
    x, z = noise(2, samples).requires_grad_(), grids_like(cqt, 2)
    forward = inner(cqt.encode(x), z)
    (back,) = torch.autograd.grad(forward, x)
    assert forward.item() == pytest.approx((x * back).sum().item(), rel=1e-10)
    for grid in z:
        grid.requires_grad_()
    inverse = (cqt.decode(z) * x.detach()).sum()
    assert inverse.item() == pytest.approx(inner(torch.autograd.grad(inverse, z), z).item(), rel=1e-10)


@pytest.mark.parametrize("form", [form for form in FORMS if not form["complete"]])
def test_decode_is_the_adjoint_divided_by_the_frame_operator(form: dict[str, Any]) -> None:
    """D z = S^-1 E* (T^2 z) up to the factor 2 of what a real signal holds twice; no padding at this length."""
    cqt = Cqt(1024, 8000, **SMALL, **form)
    x, z = torch.zeros(1, 1024, dtype=torch.float64, requires_grad=True), grids_like(cqt, 1)
    weighted = [grid * grid.shape[-1] ** 2 for grid in z]
    (adjoint,) = torch.autograd.grad(inner(cqt.encode(x), weighted), x)
    spectrum = torch.fft.rfft(adjoint) * cqt.inverse_diagonal * (2.0 / 1024)
    spectrum[:, [0, -1]] /= 2.0
    torch.testing.assert_close(torch.fft.irfft(spectrum, 1024), cqt.decode(z), rtol=0.0, atol=1e-9)


def inner(a: Any, b: Any) -> Tensor:
    return torch.stack([(u * v.conj()).real.sum() for u, v in zip(a, b, strict=True)]).sum()


@pytest.mark.parametrize("form", FORMS)
def test_items_of_a_batch_are_alone_and_arguments_stay_as_they_were(form: dict[str, Any]) -> None:
    cqt = Cqt(1009, 8000, **SMALL, **form)
    x = noise(3, 1009)
    grids = cqt.encode(x)
    kept = [grid.clone() for grid in grids]
    signals = cqt.decode(grids)
    for k in range(3):
        for grid, one in zip(grids, cqt.encode(x[k : k + 1]), strict=True):
            torch.testing.assert_close(grid[k : k + 1], one, rtol=0.0, atol=1e-13)
        torch.testing.assert_close(cqt.decode([grid[k : k + 1] for grid in grids])[0], signals[k], rtol=0.0, atol=1e-13)
    assert all(torch.equal(a, b) for a, b in zip(grids, kept, strict=True))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("samples", [1009, 4096])
def test_keep_bands_is_what_a_round_trip_keeps(form: dict[str, Any], samples: int) -> None:
    """Of signals that fill the grid; padding is not kept apart by a round trip."""
    grid = Cqt(samples, 8000, **SMALL, **form).bands.grid
    cqt = Cqt(grid, 8000, **SMALL, **form)
    x = noise(2, grid)
    torch.testing.assert_close(cqt.keep_bands(x), cqt.decode(cqt.encode(x)), rtol=0.0, atol=1e-12)
    difference = cqt.keep_bands(x, as_published=True) - cqt.keep_bands(x)
    # Measured at these sizes: the two filters differ by -31 to -58 dB, in a few bins at both ends.
    assert decibels(difference + 1e-12, x) < -29.0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("samples", [1200, 1201])
def test_an_atom_keeps_to_the_span_of_its_cell(form: dict[str, Any], samples: int) -> None:
    """A sample moves a cell by the atom's value there: no more than the share `leak` of its energy lies outside."""
    cqt = Cqt(samples, 8000, **SMALL, **form)
    confined = []
    for cell, grid in zip(cqt.cells(LEAK), cqt.encode(torch.eye(samples, dtype=torch.float64)), strict=True):
        energy = (grid.real**2 + grid.imag**2).numpy()  # (samples, bins, frames)
        whole = energy.sum(axis=0).max(axis=1)
        n = np.arange(samples)[:, None]
        outside = (n < cell.start) | (n >= cell.stop)
        assert (np.einsum("nkt,nt->kt", energy, outside) <= LEAK * whole[:, None]).all()
        confined.append(np.mean(cell.stop - cell.start < samples))
    assert form["window"] == "published" or max(confined) > 0.7  # all but the cells at both ends


@pytest.mark.parametrize("complete", [False, True])
def test_a_tone_moves_no_cell_whose_band_it_is_not_in(complete: bool) -> None:
    """To rounding, as bands end where they say: a tone on the grid, from below the lowest octave to the Nyquist one."""
    cqt = Cqt(4096, 8000, **SMALL, complete=complete)
    for b in (3, 150, 900, 2040):
        tone = torch.cos(2.0 * torch.pi * b * torch.arange(4096, dtype=torch.float64) / 4096)[None]
        for cell, grid in zip(cqt.cells(), cqt.encode(tone), strict=True):
            hertz = b * 8000 / 4096
            hears = (cell.low < hertz) & (hertz < cell.high)
            assert float(grid[0, ~hears].abs().sum()) < 1e-9
            assert not hears.any() or float(grid[0, hears].abs().max()) > 1e-3


@pytest.mark.parametrize("form", FORMS)
def test_scales_are_those_of_white_noise(form: dict[str, Any]) -> None:
    cqt = Cqt(8000, 8000, **SMALL, **form)
    for scale, grid in zip(cqt.scales, cqt.encode(noise(64, 8000)), strict=True):
        parts = torch.view_as_real(grid) if grid.imag.any() else grid.real
        assert float(parts.pow(2).mean().sqrt()) == pytest.approx(scale, rel=0.05)  # 64 draws of at least 100 numbers


def test_a_tone_is_loudest_at_its_centre_frequency() -> None:
    cqt = Cqt(8192, 8000, **SMALL, spacing="exact")
    t = torch.arange(8192, dtype=torch.float64) / 8000
    for octave, centers in enumerate(cqt.center_frequencies):
        for k in (2, 7, 11):
            grid = cqt.encode(torch.cos(2.0 * torch.pi * float(centers[k]) * t)[None])[octave]
            assert int(grid.abs().sum(dim=-1).argmax()) == k
            steps = centers[1:] / centers[:-1]
    np.testing.assert_allclose(steps, 2 ** (1 / 12), rtol=0.02)  # centres are rounded to the bins of the grid


def test_octaves_may_differ_in_bins() -> None:
    cqt = Cqt(5000, 8000, octaves=3, bins=(4, 8, 16), spacing="exact", complete=True, dtype=torch.float64)
    x = noise(1, 5000)
    assert [bins for bins, _ in cqt.shapes] == [1, 4, 8, 16, 1]
    torch.testing.assert_close(cqt.decode(cqt.encode(x)), x, rtol=0.0, atol=1e-12)


def test_tables_are_compact_and_no_part_of_a_state_dict() -> None:
    """One index of eight bytes and one window value per coefficient, and three responses."""
    cqt = Cqt(184_184, 44_100)
    coefficients = sum(bins * frames for bins, frames in cqt.shapes)
    tables = sum(table.numel() * table.element_size() for table in cqt.buffers())
    assert tables == 12 * coefficients + 3 * 4 * (184_184 // 2 + 1)
    assert not cqt.state_dict()


def test_autocast_changes_nothing() -> None:
    cqt = Cqt(1024, 8000, octaves=4, bins=12, complete=True)
    x = noise(1, 1024, dtype=torch.float32)
    plain = cqt.decode(cqt.encode(x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(cqt.decode(cqt.encode(x)), plain)
    assert cqt.decode(cqt.encode(x.bfloat16())).dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("cqt_checkpoint_era_tiny_3oct_16bins_4096", {"samples": 4096, "octaves": 3, "bins": 16}),
        ("cqt_checkpoint_era_44k_184184", {"samples": 184_184}),
        ("cqt_HEAD_44k_184184", {"samples": 184_184, "spacing": "exact"}),
    ],
)
def test_both_published_eras(name: str, arguments: dict[str, Any]) -> None:
    golden = GOLDEN[name]
    cqt = Cqt(sample_rate=44_100, window="published", dtype=torch.float64, **arguments)
    x = congruential(cqt.samples)
    grids = cqt.encode(x)
    assert cqt.bands.grid == golden["nn"]
    assert [frames for _, frames in cqt.shapes] == golden["frames"]
    assert [float(grid.norm()) for grid in grids] == pytest.approx(golden["octave_l2"], rel=1e-12)
    for place, value in golden["samples"].items():
        octave, band, frame = map(int, place.split(","))
        assert complex(grids[octave][0, band, frame]) == pytest.approx(complex(*value), abs=1e-11)
    for key, found in (("bwd", cqt.decode(grids)), ("hpf", cqt.keep_bands(x, as_published=True))):
        assert float(found.norm()) == pytest.approx(golden[f"{key}_l2"], rel=1e-12)
        for place, value in golden[f"{key}_samples"].items():
            assert float(found[0, int(place)]) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 0}, "samples=0 must be at least 1"),
        ({"sample_rate": 0}, "sample_rate=0 must be at least 1"),
        ({"octaves": 0}, "octaves=0 must be at least 1"),
        ({"bins": 1}, "bins=1 must be a number from 2 on, or 8 of them"),
        ({"bins": (4, 8), "spacing": "exact"}, r"bins=\(4, 8\) must be a number from 2 on, or 8 of them"),
        ({"bins": (4, 8), "octaves": 2}, r"bins=\(4, 8\) must be the same in every octave"),
        ({"window": "kaiser"}, "window='kaiser' must be one of hann, published"),
        ({"spacing": "mel"}, "spacing='mel' must be one of checkpoint, exact"),
        ({"dtype": torch.float16}, "dtype=torch.float16 must be torch.float32 or torch.float64"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Cqt(**{"samples": 1000, "sample_rate": 8000, **arguments})


def test_bad_shapes_are_named() -> None:
    cqt = Cqt(1000, 8000, octaves=2, bins=4)
    with pytest.raises(ValueError, match=r"shape \(1, 999\), this transform takes \(batch, 1000\)"):
        cqt.encode(torch.zeros(1, 999))
    with pytest.raises(ValueError, match="this transform makes"):
        cqt.decode(cqt.encode(torch.zeros(1, 1000))[:1])
    with pytest.raises(ValueError, match="leak=0 must lie between 0 and 1"):
        cqt.cells(0)
