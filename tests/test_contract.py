"""One contract for every method that can be found, those of other packages included."""

import ast
import dataclasses
import sys
from typing import Any

import numpy as np
import pytest

from caesura.addition import added
from caesura.generation import generate
from caesura.inpainter import Inpainter, Unsupported
from caesura.methods import build, load, names, settings_of
from caesura.methods._describe import describe
from caesura.problem import Problem, Region
from caesura.restoration import restore

RATE = 16_000
SAMPLES = 24_000


def tones(channels: int = 1, samples: int = SAMPLES, seed: int = 5) -> np.ndarray:
    """Decaying partials over a little noise: something every method can be asked to continue."""
    t = np.arange(samples) / RATE
    rng = np.random.default_rng(seed)
    sound = sum(0.2 / h * np.sin(2 * np.pi * 220 * h * t + h) for h in range(1, 6))
    return np.stack([sound * (1 + 0.1 * c) + 0.005 * rng.standard_normal(samples) for c in range(channels)])


def small(name: str) -> Inpainter:
    """The method with the settings it offers for quick trials, where it offers any."""
    cls = load(name)
    return build(name, getattr(cls, "quick", {}))


@pytest.fixture(params=names())
def method(request: pytest.FixtureRequest) -> Inpainter:
    return small(request.param)


def fill(method: Inpainter, x: np.ndarray, regions: tuple[Region, ...], seed: int = 0, rate: int = RATE) -> np.ndarray:
    """The recording restored; a method that needs a text or a guide gets one that knows nothing of the gaps."""
    guide = np.repeat(tones(1, x.shape[1], seed=9), len(x), axis=0) if method.accepts.guide else None
    text = "a bell" if method.accepts.text else ""
    return restore(Problem(x, regions, rate, guide=guide, text=text), method, seed=seed).samples


def regions_for(method: Inpainter, *spans: tuple[int, int]) -> tuple[Region, ...]:
    if method.accepts.gaps:
        return tuple(Region(a, b) for a, b in spans)
    return tuple(Region(a, max(b, a + 64), 500.0, 2000.0) for a, b in spans)


def outside(x: np.ndarray, regions: tuple[Region, ...]) -> np.ndarray:
    mask = np.ones(x.shape, bool)
    for r in regions:
        mask[slice(None) if r.channel is None else r.channel, r.start : r.stop] = False
    return mask


CASES = {
    "middle": [(12_000, 12_160)],
    "start": [(0, 100)],
    "end": [(SAMPLES - 100, SAMPLES)],
    "one sample": [(9_000, 9_001)],
    "adjacent": [(9_000, 9_050), (9_050, 9_100)],
    "close": [(9_000, 9_060), (9_070, 9_130)],
    "many": [(k, k + 40) for k in range(2_000, 22_000, 4_000)],
    "none": [],
}


@pytest.mark.parametrize("case", CASES)
def test_reliable_samples_come_back_bit_for_bit(method: Inpainter, case: str) -> None:
    x = tones(2)
    regions = regions_for(method, *CASES[case])
    restored = fill(method, x, regions)
    keep = outside(x, regions)
    assert np.array_equal(restored[keep], x[keep])
    assert np.isfinite(restored).all()


def test_what_is_in_the_gap_changes_nothing(method: Inpainter) -> None:
    if not method.accepts.gaps:
        pytest.skip("fills boxes, whose content is taken out by the problem")
    regions = (Region(12_000, 12_160),)
    x, hidden = tones(), tones()
    hidden[:, 12_000:12_160] = np.nan
    assert np.array_equal(fill(method, x, regions), fill(method, hidden, regions))


def test_the_same_seed_gives_the_same_result(method: Inpainter) -> None:
    regions = regions_for(method, (12_000, 12_160))
    assert np.array_equal(fill(method, tones(), regions, seed=4), fill(method, tones(), regions, seed=4))


def test_the_input_is_left_alone(method: Inpainter) -> None:
    x = tones()
    before = x.copy()
    fill(method, x, regions_for(method, (12_000, 12_160)))
    assert np.array_equal(x, before)


def test_identical_channels_stay_identical(method: Inpainter) -> None:
    x = np.repeat(tones(), 2, axis=0)
    restored = fill(method, x, regions_for(method, (12_000, 12_160)))
    assert np.array_equal(restored[0], restored[1])


def test_one_damaged_channel_leaves_the_other_alone(method: Inpainter) -> None:
    x = tones(2)
    regions = tuple(dataclasses.replace(r, channel=1) for r in regions_for(method, (12_000, 12_160)))
    restored = fill(method, x, regions)
    keep = outside(x, regions)
    assert np.array_equal(restored[keep], x[keep])


@pytest.mark.parametrize("sound", ["silence", "constant", "one click"])
def test_degenerate_context_gives_a_finite_fill(method: Inpainter, sound: str) -> None:
    x = {"silence": np.zeros((1, 8000)), "constant": np.full((1, 8000), 0.25), "one click": np.eye(1, 8000, 1000)}[
        sound
    ]
    restored = fill(method, x, regions_for(method, (4_000, 4_100)))
    assert np.isfinite(restored).all()
    assert np.abs(restored).max() < 10.0


@pytest.mark.parametrize("rate", [8_000, 48_000, 96_000])
def test_any_rate(method: Inpainter, rate: int) -> None:
    x = tones()
    regions = regions_for(method, (12_000, 12_160))
    restored = fill(method, x, regions, rate=rate)
    keep = outside(x, regions)
    assert np.array_equal(restored[keep], x[keep])
    assert np.isfinite(restored).all()


def test_a_gap_that_is_the_whole_recording(method: Inpainter) -> None:
    if method.accepts.window is None and method.accepts.gaps:
        assert np.isfinite(fill(method, tones(samples=600), (Region(0, 600),))).all()


def test_it_makes_a_sound_from_nothing_if_it_says_so(method: Inpainter) -> None:
    if method.accepts.generates is None or method.accepts.guide:
        with pytest.raises(Unsupported, match="cannot make a sound where nothing is known"):
            generate(method, 600)
    else:
        one, same = (generate(method, 600, seed=3, text="a bell") for _ in range(2))
        assert np.array_equal(one, same)
        assert np.isfinite(one).all()
        assert one.any()
        assert np.abs(one).max() <= 1.0


def test_it_adds_a_stem_to_a_recording_if_it_says_so(method: Inpainter) -> None:
    x = np.repeat(tones(samples=8_000), 2, axis=0)
    if not method.accepts.adds:
        with pytest.raises(Unsupported, match="cannot add to a recording"):
            added(x, RATE, method)
    else:
        one, same = (added(x, RATE, method, text="a bell", seed=3) for _ in range(2))
        assert np.array_equal(one.stem, same.stem)
        assert np.array_equal(one.mix, x + one.stem)
        assert np.isfinite(one.stem).all()
        assert np.array_equal(one.stem[0], one.stem[1])
        assert np.abs(one.mix).max() <= 1.0


def test_settings_round_trip_through_text(method: Inpainter) -> None:
    name = type(method).__module__.rpartition(".")[2]
    if name not in names():
        pytest.skip("a plug-in may name its file as it likes")
    as_text = {k: _spoken(v) for k, v in settings_of(method).items()}
    assert build(name, as_text) == method


def _spoken(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def test_it_is_frozen_and_documented(method: Inpainter, request: pytest.FixtureRequest) -> None:
    cls = type(method)
    assert dataclasses.is_dataclass(cls)
    assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
    module = sys.modules[cls.__module__]
    assert "References:" in (module.__doc__ or "")
    assert cls.__doc__
    assert "(" not in cls.__doc__.splitlines()[0] or "=" not in cls.__doc__  # written, not generated by dataclass
    told = describe(request.node.callspec.params["method"]).fields  # what a listing reads from the text of the files
    assert [each.name for each in told] == [field.name for field in dataclasses.fields(cls)]
    for each, field in zip(told, dataclasses.fields(cls), strict=True):
        assert each.doc, f"{cls.__name__}.{each.name} has no docstring"
        assert ast.literal_eval(each.default) == field.default
