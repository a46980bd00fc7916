"""Sounds from nothing, past the end and after a model: how long gaps are cut, and how pieces meet."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from caesura.generation import can_generate, can_vary, continued, generate, pieces, varied, without_limit
from caesura.inpainter import Accepts, Listener, Note, Progress, Unsupported, ignore, silent
from caesura.joints import joined
from caesura.methods import build
from caesura.problem import Problem, Region
from caesura.restoration import restore
from caesura.seam import seam_score

RATE = 8000


def tone(samples: int, channels: int = 1, level: float = 0.2) -> NDArray[np.float64]:
    t = np.arange(samples) / RATE
    noise = 0.01 * np.random.default_rng(1).standard_normal((channels, samples))
    return level * (np.sin(2 * np.pi * 330 * t) + 0.5 * np.sin(2 * np.pi * 660 * t) + noise)


@dataclass(frozen=True)
class Stranger:
    """Puts noise of a level into gaps and takes no notice of what surrounds them: the worst that can be joined."""

    level: float = 0.2
    """Root mean square."""
    strength: float = 0.5
    """Share of noise in what is made of a guide."""

    accepts: ClassVar[Accepts] = Accepts(window=2.0, generates=RATE, varies=True)
    heard: ClassVar[list[Problem]] = []

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> NDArray[np.float64]:
        """Noise, or the guide with noise."""
        self.heard.append(problem)
        progress(0.5)
        noise = self.level * rng.standard_normal(problem.y.shape)
        return noise if problem.guide is None else problem.guide + self.strength * noise


@dataclass(frozen=True)
class Stubborn(Stranger):
    """Refuses."""

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> NDArray[np.float64]:
        """Nothing."""
        note(Note(problem.gaps[0], why="it is too late", refused=True))
        return np.array(problem.y)


@pytest.fixture(autouse=True)
def _forget() -> None:
    Stranger.heard.clear()


def loudness(x: NDArray[np.float64]) -> float:
    return float(10 * np.log10(np.mean(x**2)))


# --- pieces -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [100, 1000, 16_000])
@pytest.mark.parametrize(
    ("start", "stop", "samples"),
    [(0, 16_000, 16_000), (0, 1, 1), (5000, 45_001, 45_001), (5000, 45_000, 90_000), (0, 7000, 90_000), (30, 40, 50)],
)
def test_pieces_cover_a_gap_and_fit(start: int, stop: int, samples: int, limit: int) -> None:
    found = pieces(Region(start, stop), samples, limit)
    assert found[0][0].start == start
    assert found[-1][0].stop == stop
    for (piece, (first, last)), after in zip(found, [*found[1:], None], strict=True):
        assert 0 <= first <= piece.start < piece.stop <= last <= samples
        assert last - first <= limit
        assert after is None or after[0].start == piece.stop
        assert first == 0 or piece.start - first >= limit // 4  # it hears what it continues
    lengths = {piece.length for piece, _ in found}
    assert max(lengths) - min(lengths) <= 1
    behind = found[-1][1][1] - stop
    assert behind >= min(limit // 4, samples - stop) or samples <= limit


def test_a_gap_without_a_limit_is_one_piece() -> None:
    assert pieces(Region(5, 9), 20, None) == [(Region(5, 9), (0, 20))]


def test_each_piece_hears_the_one_before() -> None:
    made = generate(Stranger(), 5 * RATE, seed=3)
    assert len(Stranger.heard) == 4
    for piece, problem in enumerate(Stranger.heard[1:], 1):
        assert problem.mask.any()
        known = problem.mask[0]
        assert np.array_equal(problem.y[0, known], made[0, problem.start : problem.start + known.size][known]), piece
    # and none repeats the noise of another
    firsts = [tuple(np.round(made[0, p.start + p.gaps[0].start + 400 :][:50], 6)) for p in Stranger.heard]
    assert len(set(firsts)) == 4


# --- edges ------------------------------------------------------------------------------------------------------------


def test_joints_neither_click_nor_jump() -> None:
    """A fill 20 dB too loud, and one 18 dB too quiet, that know nothing of what they continue."""
    x = tone(3 * RATE)
    for level in (2.0, 0.025):
        longer = continued(x, 5 * RATE, RATE, Stranger(level))
        assert np.array_equal(longer[:, : x.shape[1]], x)
        edges = [gap.start for gap, _ in pieces(Region(3 * RATE, 8 * RATE), 8 * RATE, 2 * RATE)]
        assert len(edges) == 4
        for edge in edges:
            before, after = longer[:, edge - RATE // 4 : edge], longer[:, edge + RATE // 20 : edge + RATE // 4]
            # levels are those of the loudest frames, which in noise lie up to 2 dB above the mean
            assert abs(loudness(after) - loudness(before)) < 3.0
        known = np.ones(longer.shape, bool)
        score = seam_score(longer, Region(edges[2], longer.shape[1]), known)
        assert score is not None
        assert score < 3.0


def test_the_first_sample_of_a_fill_goes_on() -> None:
    x = tone(2 * RATE)
    gap = Region(RATE, RATE + 4000)
    raw = restore(Problem(x, (gap,), RATE), Stranger()).samples
    mask = np.ones(x.shape, bool)
    mask[:, gap.start : gap.stop] = False
    y = joined(raw, gap, mask, RATE)
    assert np.array_equal(y[mask], x[mask])
    for edge in (slice(gap.start, gap.start + 4), slice(gap.stop - 4, gap.stop)):
        assert np.abs(y - x)[:, edge].max() < 0.1 * np.abs(x).max()
        assert np.abs(raw - x)[:, edge].max() > 0.5 * np.abs(x).max()
    middle = slice(gap.start + 200, gap.stop - 200)
    assert np.array_equal(y[:, middle], raw[:, middle])


def test_levels_that_sounds_have_by_themselves_are_left_alone() -> None:
    x = tone(2 * RATE)
    longer = continued(x, RATE, RATE, Stranger(0.3))
    assert loudness(longer[:, 2 * RATE + 200 :]) == pytest.approx(20 * np.log10(0.3), abs=0.2)


def test_silence_has_no_level() -> None:
    x = np.zeros((1, RATE))
    assert loudness(continued(x, RATE, RATE, Stranger(0.3))[:, RATE + 200 :]) == pytest.approx(-10.5, abs=0.3)


def test_a_perfect_prediction_is_left_alone() -> None:
    t = np.arange(2 * RATE) / RATE
    x = 0.3 * np.sin(2 * np.pi * 330 * t)[None]
    longer = continued(x[:, :RATE], 800, RATE, build("lpc"))
    alone = restore(Problem(x[:, : RATE + 800], (Region(RATE, RATE + 800),), RATE), build("lpc")).samples
    assert np.abs(longer - alone).max() < 1e-3
    assert np.abs(longer - x[:, : RATE + 800]).max() < 0.05


# --- the three of them ------------------------------------------------------------------------------------------------


def test_generating() -> None:
    made = generate(Stranger(), 4000, channels=2, sample_rate=16_000)
    assert made.shape == (2, 4000)
    assert Stranger.heard[0].sample_rate == 16_000
    assert np.array_equal(generate(Stranger(), 4000, seed=1), generate(Stranger(), 4000, seed=1))
    assert not np.array_equal(generate(Stranger(), 4000, seed=1), generate(Stranger(), 4000, seed=2))
    assert np.abs(generate(Stranger(3.0), 4000)).max() == pytest.approx(0.891)


def test_a_short_sound_is_what_restore_makes() -> None:
    alone = restore(Problem(np.zeros((1, 4000)), (Region(0, 4000),), RATE), Stranger(0.1), seed=7).samples
    assert np.array_equal(generate(Stranger(0.1), 4000, seed=7), alone)


def test_varying_gives_the_method_the_recording_itself_or_a_guide() -> None:
    x, other = tone(6 * RATE, 2), np.full((2, 3 * RATE), 0.1)
    gap = Region(RATE, 5 * RATE)
    for guide in (None, other):
        done = varied(x, [gap], RATE, Stranger(strength=0.0), guide=guide)
        outside = np.r_[0 : gap.start, gap.stop : x.shape[1]]
        assert np.array_equal(done.samples[:, outside], x[:, outside])
        inside = slice(gap.start + 200, gap.start + 1000)
        expected = (x if guide is None else other)[:, inside]
        ratio = done.samples[:, inside] / np.where(np.abs(expected) > 1e-3, expected, np.nan)
        assert np.nanstd(ratio) < 0.01  # up to a gain
        assert len(done.fills) > 1
        assert all(fill.seam is not None for fill in done.fills)


def test_gaps_of_one_channel_and_boxes() -> None:
    x = tone(6 * RATE, 2)

    @dataclass(frozen=True)
    class Banded(Stranger):
        accepts: ClassVar[Accepts] = Accepts(window=2.0, bands=True)

    regions = (Region(RATE, 4 * RATE, channel=1), Region(5 * RATE, 5 * RATE + 2000, 500.0, 900.0))
    seen: list[float] = []
    done = without_limit(Problem(x, regions, RATE), Banded(), progress=seen.append)
    assert np.array_equal(done.samples[0, : 5 * RATE], x[0, : 5 * RATE])
    assert np.array_equal(done.samples[1, :RATE], x[1, :RATE])
    assert not np.array_equal(done.samples[1, 2 * RATE : 3 * RATE], x[1, 2 * RATE : 3 * RATE])
    assert {fill.region for fill in done.fills} >= {regions[1]}
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)


def test_what_cannot() -> None:
    assert {"audioldm", "notono", "tango"} <= set(can_generate())
    assert {"audioldm", "tango"} <= set(can_vary())
    assert not {"lpc", "auto", "nmf", "cqtdiff"} & {*can_generate(), *can_vary()}
    with pytest.raises(
        Unsupported, match=r"lpc cannot make a sound where nothing is known: choose from audioldm, .*no"
    ):
        generate(build("lpc"), 100)
    with pytest.raises(Unsupported, match="lpc cannot vary a guide: choose from audioldm, "):
        varied(tone(100), [Region(0, 10)], RATE, build("lpc"))
    with pytest.raises(Unsupported, match="refused: it is too late"):
        continued(tone(100), 100, RATE, Stubborn())
    with pytest.raises(ValueError, match="samples=0 is no sound"):
        generate(Stranger(), 0)
    with pytest.raises(ValueError, match="samples=0 is no continuation"):
        continued(tone(100), 0, RATE, Stranger())
