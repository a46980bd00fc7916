"""The autoregressive methods: what they reach on synthesised sound, and what they do at the edges of sense."""

import numpy as np
import pytest

from caesura.inpainter import Note
from caesura.methods import build
from caesura.problem import Problem, Region

RATE = 16000
METHODS = ["lpc", "lsar", "janssen", "auto"]


def chord(samples: int = 16000, seed: int = 0) -> np.ndarray:
    """Decaying partials over a little noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / RATE
    partials = sum(
        np.exp(-t) * np.cos(2 * np.pi * f * t + f) / (1 + k) for k, f in enumerate([220, 277.2, 329.6, 440, 554])
    )
    return partials + 1e-3 * rng.standard_normal(samples)


def glissando(samples: int = 16000) -> np.ndarray:
    """A voice-like tone whose pitch rises by its own height in a second."""
    t = np.arange(samples) / RATE - 0.5
    phase = 2 * np.pi * 140.0 * (t + 0.5 * t**2)
    return sum(np.cos(k * phase + k) / k for k in range(1, 20)) + 0.01 * np.random.default_rng(0).standard_normal(
        samples
    )


def fill(name: str, x: np.ndarray, *regions: Region, **settings: object) -> tuple[np.ndarray, list[Note]]:
    notes: list[Note] = []
    problem = Problem(x, regions, RATE)
    return build(name, settings)(problem, rng=np.random.default_rng(0), note=notes.append), notes


def snr(x: np.ndarray, estimate: np.ndarray, *regions: Region) -> float:
    at = np.concatenate([np.arange(r.start, r.stop) for r in regions])
    return 10.0 * np.log10(np.sum(x[at] ** 2) / np.sum((x - estimate)[at] ** 2))


@pytest.mark.parametrize(
    ("name", "settings", "at_least"),
    [
        ("lpc", {}, 30.0),
        ("lsar", {}, 35.0),
        ("janssen", {}, 30.0),
        ("auto", {}, 35.0),
        ("auto", {"quality": "best"}, 35.0),
    ],
)
def test_a_chord_is_restored(name, settings, at_least):
    x, gap = chord(), Region(8000, 8320)
    assert snr(x, fill(name, x, gap, **settings)[0][0], gap) > at_least


def test_a_gliding_pitch_is_followed():
    x, gap = glissando(), Region(7840, 8160)
    still = snr(x, fill("auto", x, gap)[0][0], gap)
    estimate, notes = fill("auto", x, gap, quality="best")
    assert snr(x, estimate[0], gap) > still + 6.0
    assert notes[0].parameters["glide"] == pytest.approx((1.0, 1.0), abs=0.15)


def test_lsar_beats_extrapolation_on_noise_with_resonances():
    x, gap = (
        chord(seed=1) + 0.2 * np.convolve(np.random.default_rng(2).standard_normal(16100), np.hanning(101), "valid"),
        Region(8000, 8100),
    )
    assert snr(x, fill("lsar", x, gap)[0][0], gap) > snr(x, fill("lpc", x, gap)[0][0], gap)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("sound", ["zero", "constant", "sine", "impulse", "tiny"])
@pytest.mark.parametrize("span", [(0, 40), (960, 1000), (300, 420), (1, 999), (0, 1000), (500, 501)])
def test_degenerate_contexts_give_finite_fills(name, sound, span):
    t = np.arange(1000)
    x = {
        "zero": np.zeros(1000),
        "constant": np.full(1000, 0.3),
        "sine": np.sin(0.2 * t),
        "impulse": (t == 200) * 1.0,
        "tiny": 1e-30 * np.sin(0.2 * t),
    }[sound]
    estimate, notes = fill(name, x, Region(*span))
    assert np.isfinite(estimate).all()
    assert np.abs(estimate).max() <= 1.5 * max(np.abs(x).max(), 1e-300)
    assert all(note.confidence is None or 0.0 <= note.confidence <= 1.0 for note in notes)


@pytest.mark.parametrize("name", METHODS)
def test_silence_stays_silent_and_a_constant_constant(name):
    gap = Region(300, 420)
    np.testing.assert_array_equal(fill(name, np.zeros(1000), gap)[0], np.zeros((1, 1000)))
    np.testing.assert_allclose(fill(name, np.full(1000, 0.3), gap)[0][0, 300:420], 0.3, atol=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_channels_are_filled_each_from_itself(name):
    x = np.stack([chord(8000), chord(8000, seed=3)[::-1]])
    both, _ = fill(name, x, Region(4000, 4100))
    for c in range(2):
        np.testing.assert_allclose(both[c], fill(name, x[c], Region(4000, 4100))[0][0], rtol=1e-9, atol=1e-12)
    twin, _ = fill(name, np.stack([x[0], x[0]]), Region(4000, 4100))
    np.testing.assert_array_equal(twin[0], twin[1])


@pytest.mark.parametrize("name", METHODS)
def test_one_damaged_channel(name):
    x = np.stack([chord(8000), chord(8000, seed=3)])
    estimate, notes = fill(name, x, Region(4000, 4100, channel=1))
    np.testing.assert_array_equal(estimate[0], x[0])
    assert {note.region.channel for note in notes} <= {1}
    assert snr(x[1], estimate[1], Region(4000, 4100)) > 20.0


def test_adjacent_gaps_are_solved_together():
    x, gaps = chord(), [Region(8000, 8060), Region(8070, 8130), Region(8140, 8200)]
    for name in ("lsar", "auto", "janssen"):
        assert snr(x, fill(name, x, *gaps)[0][0], *gaps) > 25.0


def test_a_chain_of_clicks():
    rng = np.random.default_rng(5)
    x = chord(32000)
    gaps = [Region(int(s), int(s) + 8) for s in np.arange(500, 31000, 160) + rng.integers(0, 60, 191)]
    estimate, notes = fill("auto", x, *gaps)
    assert snr(x, estimate[0], *gaps) > 25.0
    assert len(notes) == len(gaps)


def test_a_gap_longer_than_its_context():
    estimate, _ = fill("lsar", chord(22000), Region(2000, 20000))
    assert np.isfinite(estimate).all()
    # Two continuations of steady partials: faded into each other they are never louder than either.
    assert np.abs(estimate[0, 2000:20000]).max() <= 1.1 * np.abs(chord(22000)).max()


def test_orders_and_contexts_scale_with_the_rate():
    x, gap = chord(), Region(8000, 8100)
    notes: list[Note] = []
    build("lsar")(Problem(x, (gap,), 8000), rng=np.random.default_rng(0), note=notes.append)
    assert notes[0].parameters["orders"] == [93, 186, 371]


def test_confidence_falls_with_the_length_of_the_gap():
    x = chord() + 0.05 * np.random.default_rng(1).standard_normal(16000)
    told = [fill("lsar", x, Region(8000, 8000 + n))[1][0].confidence for n in (20, 200, 1600)]
    assert told[0] > told[2]


class TestAuto:
    def test_refuses_what_is_too_long(self):
        estimate, notes = fill("auto", chord(), Region(6000, 8000), max_gap=0.1)
        assert notes[0].refused
        assert "0.125 s" in notes[0].why
        assert "--max-gap" in notes[0].why
        np.testing.assert_array_equal(estimate[0, 6000:8000], 0.0)

    def test_fills_it_all_the_same_when_told(self):
        _, notes = fill("auto", chord(), Region(6000, 8000), max_gap=0.1, policy="fill")
        assert not notes[0].refused
        assert notes[0].method == "spain"

    @pytest.mark.parametrize(("length", "models"), [(20, 1), (300, 2), (600, 5)])
    def test_more_contexts_for_longer_gaps(self, length, models):
        _, notes = fill("auto", chord(40000), Region(20000, 20000 + length))
        assert len(notes[0].parameters["orders"]) == models
        assert "ms" in notes[0].why

    def test_no_gaps(self):
        np.testing.assert_array_equal(fill("auto", chord(400))[0][0], chord(400))


@pytest.mark.parametrize(
    ("name", "settings", "match"),
    [
        ("lsar", {"contexts": ()}, "contexts"),
        ("lsar", {"order": 0}, "order=0"),
        ("lpc", {"order": 9000}, "order=9000"),
        ("janssen", {"iterations": 0}, "iterations=0"),
        ("janssen", {"order": 0}, "order=0"),
        ("auto", {"max_gap": 0.0}, "max_gap=0"),
        ("auto", {"quality": "superb"}, "quality"),
    ],
)
def test_bad_settings_are_named(name, settings, match):
    with pytest.raises(ValueError, match=match):
        build(name, settings)


def test_auto_fills_long_gaps_sparsely_when_told_to():
    x = chord(32000)
    near, long = Region(4000, 4100), Region(12000, 14400)
    estimate, notes = fill("auto", x, near, long, policy="fill")
    assert [note.method for note in notes] == ["lsar", "spain"]
    assert estimate[0, 12000:14400].std() > 0.3 * x[12000:14400].std()
    assert np.array_equal(estimate[0, 4000:4100], fill("auto", x, near, long)[0][0, 4000:4100])
