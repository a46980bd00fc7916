"""Long gaps filled from the recording itself: what repeats is found, what does not is refused."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.codecs.features import features
from caesura.codecs.paths import Path
from caesura.codecs.similarity import similarity
from caesura.codecs.splice import splice
from caesura.inpainter import Note
from caesura.methods.graph import Graph
from caesura.problem import Problem, Region
from caesura.restoration import Fill, restore
from caesura.seam import seam_score

RATE = 8_000
NOTE = RATE // 4


def melody(seed: int, seconds: float, channels: int = 1) -> np.ndarray:
    """Plucked notes of random pitch, four a second."""
    rng = np.random.default_rng(seed)
    t = np.arange(NOTE) / RATE
    notes = []
    for _ in range(round(seconds * 4)):
        f = 110.0 * 2.0 ** (rng.integers(0, 36) / 12)
        tone = sum(np.sin(2 * np.pi * f * h * t) / h for h in range(1, 5)) * np.exp(-6.0 * t) * np.minimum(t * 200, 1.0)
        notes.append([0.2 * tone * (1 + 0.3 * c) for c in range(channels)])
    return np.concatenate(notes, axis=1)


def noise(x: np.ndarray, level: float, seed: int = 9) -> np.ndarray:
    return x + level * np.random.default_rng(seed).standard_normal(x.shape)


def with_repeat(channels: int = 1) -> np.ndarray:
    """Seconds 4-10 come back, sample for sample, in seconds 14-20."""
    theme = melody(1, 6, channels)
    return np.concatenate(
        [melody(2, 4, channels), theme, melody(3, 4, channels), theme, melody(4, 3, channels)], axis=1
    )


def fill(x: np.ndarray, *regions: Region, **options: float) -> tuple[np.ndarray, tuple[Fill, ...]]:
    restored = restore(Problem(x, regions, RATE), Graph(**options))
    return restored.samples, restored.fills


GAP = Region(16 * RATE + 123, 17 * RATE + 301)


@pytest.mark.parametrize("channels", [1, 2])
def test_an_exact_repetition_is_copied_to_the_sample(channels: int) -> None:
    x = with_repeat(channels)
    restored, (found,) = fill(x, GAP)
    assert found.filled
    assert found.parameters["shift_s"] == [-10.0]
    assert f"copied from {GAP.start / RATE - 10.0:.3f}-{GAP.stop / RATE - 10.0:.3f} s" in found.why
    assert np.array_equal(restored, x)


@settings(max_examples=10, deadline=None)
@given(start=st.integers(15 * RATE, 17 * RATE), seconds=st.floats(0.2, 2.0))
def test_the_repetition_is_found_wherever_the_gap_lies(start: int, seconds: float) -> None:
    x = noise(with_repeat(), 1e-4)
    _, (found,) = fill(x, Region(start, start + round(seconds * RATE)))
    assert found.parameters["shift_s"] == [-10.0]


@settings(max_examples=10, deadline=None)
@given(start=st.integers(5 * RATE, 9 * RATE), length=st.integers(1, RATE))
def test_no_source_reaches_into_another_gap(start: int, length: int) -> None:
    other = Region(start, start + length)
    x = with_repeat()
    notes: list[Note] = []
    Graph(threshold=100.0)(Problem(x, (GAP, other), RATE), rng=np.random.default_rng(0), note=notes.append)
    assert [n.region for n in notes] == [other, GAP]
    for n in notes:
        shifts = [round(s * RATE) for s in n.parameters["shift_s"]]
        joins = [] if n.parameters["join_s"] is None else [n.region.start + round(n.parameters["join_s"] * RATE)]
        for (a, b), shift in zip(itertools.pairwise([n.region.start, *joins, n.region.stop]), shifts, strict=True):
            for gap in (GAP, other):
                assert b + shift <= gap.start or a + shift >= gap.stop


def test_what_does_not_repeat_is_refused_and_left_alone() -> None:
    x = melody(5, 20)
    restored, (found,) = fill(x, Region(10 * RATE, 11 * RATE))
    assert not found.filled
    assert "nothing is similar enough" in found.why
    assert not restored[:, 10 * RATE : 11 * RATE].any()


def test_a_gap_that_is_too_long_is_refused() -> None:
    _, (found,) = fill(with_repeat(), GAP, longest=1.0)
    assert not found.filled
    assert "1.02 s is longer than longest = 1 s" in found.why


def test_a_gap_without_a_long_enough_source_is_refused() -> None:
    _, (found,) = fill(with_repeat()[:, : 3 * RATE], Region(RATE // 2, 2 * RATE + RATE // 2))
    assert "no 2 s of the surroundings are known from end to end" in found.why


def test_channels_with_overlapping_gaps_share_a_source() -> None:
    x = noise(with_repeat(2), 1e-4)
    one, two = Region(16 * RATE, 17 * RATE, channel=0), Region(16 * RATE + 500, 18 * RATE, channel=1)
    notes: list[Note] = []
    problem = Problem(x, (one, two), RATE)
    estimate = Graph()(problem, rng=np.random.default_rng(0), note=notes.append)
    assert [n.parameters["shift_s"] for n in notes] == [[-10.0], [-10.0]]
    assert np.array_equal(estimate[problem.mask], x[problem.mask])


def test_a_channel_that_goes_on_decides_between_two_sources() -> None:
    """Both candidates have the same surroundings; only the intact channel says which one sounds in the gap."""
    a, b = melody(1, 3, 2), melody(2, 3, 2)
    wrong, right = melody(3, 1, 2), melody(4, 1, 2)
    x = noise(np.concatenate([a, wrong, b, a, right, b, a, right, b, a, wrong, b], axis=1), 1e-4)
    for round_, shifts in ((2, {-7.0}), (3, {-21.0})):
        start = (7 * round_ + 3) * RATE
        _, (found,) = fill(x, Region(start, start + RATE, channel=0))
        assert set(found.parameters["shift_s"]) == shifts


def test_two_sources_are_joined_where_no_single_one_fits_both_sides() -> None:
    before, middle, after = melody(1, 3), melody(2, 4), melody(3, 3)
    x = np.concatenate([before, middle, melody(4, 4), middle, after, melody(5, 2), before, middle, after], axis=1)
    start = before.shape[1] * 2 + middle.shape[1] * 2 + 9 * RATE
    gap = Region(start + RATE // 2, start + 7 * RATE // 2)
    restored, (found,) = fill(x, gap)
    shifts = found.parameters["shift_s"]
    assert shifts == [-(start - 3 * RATE) / RATE, -(start - 11 * RATE) / RATE]
    assert 0.0 < found.parameters["join_s"] < gap.length / RATE
    assert np.allclose(restored, x, atol=1e-12)


def test_a_softer_source_is_brought_to_the_level_of_the_gap() -> None:
    x = with_repeat()
    x[:, 3 * RATE : 11 * RATE] *= 10.0 ** (-1.5 / 20.0)
    restored, (found,) = fill(x, GAP)
    assert found.parameters["gain_db"] == pytest.approx([1.5, 1.5], abs=1e-9)
    assert np.allclose(restored, x, atol=1e-9)


@pytest.mark.parametrize("place", ["start", "end"])
def test_a_gap_at_an_end_is_filled_from_one_side(place: str) -> None:
    theme = melody(1, 6)
    x = noise(np.concatenate([melody(2, 1), theme, melody(3, 4), theme, melody(4, 1)], axis=1), 1e-4)
    x = x[:, 2 * RATE :] if place == "start" else x[:, : -2 * RATE]
    region = Region(0, RATE) if place == "start" else Region(x.shape[1] - RATE, x.shape[1])
    restored, (found,) = fill(x, region)
    assert found.parameters["shift_s"] == [10.0 if place == "start" else -10.0]
    error = restored - x
    assert np.std(error[:, region.start : region.stop]) < 0.01 * np.std(x)


def test_the_edges_cannot_be_heard() -> None:
    """A source in the wrong phase: copied as it is it clicks, spliced in it does not."""
    t = np.arange(12 * RATE) / RATE
    x = noise(0.3 * np.sin(2 * np.pi * 220.3 * t)[None], 1e-3)
    gap = Region(6 * RATE, 7 * RATE)
    problem = Problem(x, (gap,), RATE)
    shift = -2 * RATE - 17
    rows, _ = splice(problem, (gap.start, gap.stop), Path(shift, shift, None, 0.0, 0.0))
    spliced, copied = x.copy(), x.copy()
    spliced[:, gap.start : gap.stop] = rows
    copied[:, gap.start : gap.stop] = x[:, gap.start + shift : gap.stop + shift]
    plain, smooth = (seam_score(y, gap, problem.mask) for y in (copied, spliced))
    assert plain is not None
    assert smooth is not None
    assert smooth < 4.0 < plain


def test_levels_follow_the_gain_and_pitch_does_not() -> None:
    x = noise(melody(1, 2), 1e-2)
    mask = np.ones(x.shape, bool)
    one, two = features(x, mask, RATE), features(2.0 * x, mask, RATE)
    sounding = one.level > -80.0  # nearer to the floor of -120 dB it counts
    assert np.allclose((two.level - one.level)[sounding], 20.0 * np.log10(2.0), atol=0.01)
    assert np.allclose(two.pitch[sounding], one.pitch[sounding], atol=0.1)
    assert np.median(np.abs(two.pitch - one.pitch)[sounding]) < 1e-3


@pytest.mark.parametrize("frequency", [431.0, 440.0, 450.0])
def test_pitch_is_that_of_the_tone(frequency: float) -> None:
    t = np.arange(2 * RATE) / RATE
    x = np.sin(2 * np.pi * frequency * t)[None]
    found = features(x, np.ones(x.shape, bool), RATE)
    band = int(found.level[0, 5].argmax())
    higher = features(np.sin(2 * np.pi * (frequency + 1.0) * t)[None], np.ones(x.shape, bool), RATE)
    assert higher.pitch[0, 5, band] > found.pitch[0, 5, band]
    assert found.pitch[0, :, band].std() < 1e-3


def test_a_frame_hears_only_its_own_samples() -> None:
    x = noise(melody(1, 3), 1e-3)
    mask = np.ones(x.shape, bool)
    one = features(x, mask, RATE)
    y, hole = x.copy(), mask.copy()
    y[:, 9_000:9_100], hole[:, 9_000:9_100] = 0.0, False
    two = features(y, hole, RATE)
    same = two.known[0]
    begin = np.arange(one.frames) * one.hop
    assert np.array_equal(same, (begin + one.window <= 9_000) | (begin >= 9_100))
    assert np.array_equal(one.level[0, same], two.level[0, same])


def test_a_repetition_costs_nothing_and_what_is_not_known_cannot_be_compared() -> None:
    x = np.concatenate([with_repeat()[:, : 10 * RATE]] * 2, axis=1)[:, : 19 * RATE]
    x = x[:, : x.shape[1] // 256 * 256]
    problem = Problem(x, (Region(16 * RATE, 17 * RATE),), RATE)
    heard = features(problem.y, problem.mask, RATE)
    near = similarity(heard, 16 * RATE, 17 * RATE, reach=RATE, decay=RATE / 2)
    assert near is not None
    first = int(np.flatnonzero(near.weights.any(axis=0))[0])
    frames = np.arange(first, np.flatnonzero(near.weights.any(axis=0))[-1] + 1)
    cut = slice(frames[0] * heard.hop - 10 * RATE, frames[-1] * heard.hop + heard.window - 10 * RATE)
    source = near.of(features(x[:, cut], np.ones((1, cut.stop - cut.start), bool), RATE))
    before, after, inside = near.costs(first, source)
    assert before == pytest.approx(0.0, abs=1e-3)
    assert after == pytest.approx(0.0, abs=1e-3)
    assert inside == np.inf
    assert near.between(near.at(np.array([-1])), near.at(np.array([0])))[0] == np.inf
    assert similarity(features(problem.y, problem.mask & False, RATE), 0, RATE, reach=RATE, decay=RATE) is None


@pytest.mark.parametrize("setting", ["threshold", "longest", "reach", "decay"])
def test_a_setting_that_is_not_positive_is_an_error(setting: str) -> None:
    with pytest.raises(ValueError, match=f"{setting}=0.0 is not a positive number"):
        Graph(**{setting: 0.0})
