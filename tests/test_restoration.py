"""restore(): what no method repeats, tested with methods that record what they were given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from caesura.inpainter import Accepts, Listener, Note, Progress, Unsupported, ignore, silent
from caesura.problem import Problem, Region
from caesura.restoration import restore

RATE = 8000


def noise(channels: int, samples: int, seed: int = 77) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((channels, samples))


def fake(**accepts: Any) -> Any:
    """A method that fills with its own noise and remembers what it was shown."""

    @dataclass(frozen=True)
    class Fake:
        seen: ClassVar[list[Problem]] = []
        accepts: ClassVar[Accepts]

        def __call__(
            self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
        ) -> np.ndarray:
            self.seen.append(problem)
            progress(0.5)
            for gap in problem.gaps:
                note(Note(gap, why="fake", confidence=0.5))
            return rng.standard_normal(problem.y.shape)

    Fake.accepts = Accepts(**accepts)
    return Fake()


def test_nothing_to_fill_returns_the_observation() -> None:
    x = noise(2, 500)
    result = restore(Problem(x, (), RATE), fake())
    assert np.array_equal(result.samples, x)
    assert result.fills == ()


def test_only_the_regions_change_and_every_one_is_reported() -> None:
    x = noise(2, 40_000)
    regions = (Region(100, 200), Region(20_000, 20_100, channel=1), Region(39_900, 40_000))
    result = restore(Problem(x, regions, RATE), fake(context=0.1))
    changed = result.samples != x
    for region in regions:
        changed[slice(None) if region.channel is None else region.channel, region.start : region.stop] ^= True
    assert not changed.any()
    assert [f.region for f in result.fills] == list(regions)
    assert all(f.filled and f.confidence == 0.5 and f.why == "fake" for f in result.fills)
    assert all(f.seam is not None for f in result.fills)


def test_a_fill_does_not_depend_on_what_else_is_damaged() -> None:
    x = noise(1, 60_000)
    one = restore(Problem(x, (Region(30_000, 30_100),), RATE), fake(context=0.5), seed=3)
    two = restore(Problem(x, (Region(100, 200), Region(30_000, 30_100)), RATE), fake(context=0.5), seed=3)
    assert np.array_equal(one.samples[:, 30_000:30_100], two.samples[:, 30_000:30_100])


def test_seeds_decide() -> None:
    problem = Problem(noise(1, 4000), (Region(2000, 2100),), RATE)
    a, b, c = (restore(problem, fake(), seed=s).samples for s in (1, 1, 2))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_mono_methods_get_each_damaged_channel_with_the_same_noise() -> None:
    method = fake(channels=1)
    x = np.repeat(noise(1, 4000), 3, axis=0)
    regions = (Region(1000, 1100, channel=0), Region(1000, 1100, channel=2))
    result = restore(Problem(x, regions, RATE), method)
    assert [p.channels for p in method.seen] == [1, 1]
    assert np.array_equal(result.samples[0], result.samples[2])
    assert np.array_equal(result.samples[1], x[1])
    assert [f.region.channel for f in result.fills] == [0, 2]
    assert all(f.why == "fake" for f in result.fills)


def test_a_method_is_called_at_its_own_rate() -> None:
    method = fake(sample_rate=4000)
    t = np.arange(4 * RATE) / RATE
    result = restore(Problem(np.sin(440 * t)[None], (Region(16_000, 17_000),), RATE), method)
    assert {p.sample_rate for p in method.seen} == {4000}
    assert result.fills[0].why == "fake"
    power = np.abs(np.fft.rfft(result.samples[0, 16_000:17_000] * np.hanning(1000))) ** 2
    assert power[270:].sum() < 1e-4 * power.sum()  # white noise made at 4 kHz has nothing above 2 kHz


def test_batches_hold_equal_windows_and_agree_with_single_calls() -> None:
    sizes: list[int] = []

    @dataclass(frozen=True)
    class Many:
        accepts: ClassVar[Accepts] = Accepts(window=0.5, channels=1)

        def __call__(
            self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
        ) -> np.ndarray:
            return rng.standard_normal(problem.y.shape)

        def many(
            self,
            problems: Sequence[Problem],
            *,
            rngs: Sequence[np.random.Generator],
            progress: Progress = silent,
            notes: Sequence[Listener] = (),
        ) -> list[np.ndarray]:
            sizes.append(len(problems))
            return [self(p, rng=r) for p, r in zip(problems, rngs, strict=True)]

    @dataclass(frozen=True)
    class One:
        accepts: ClassVar[Accepts] = Accepts(window=0.5, channels=1)
        __call__ = Many.__call__

    problem = Problem(noise(2, 90_000), tuple(Region(k, k + 50) for k in range(4000, 88_000, 8000)), RATE)
    batched, single = restore(problem, Many()), restore(problem, One())
    assert np.array_equal(batched.samples, single.samples)
    assert sizes == [16, 6]  # eight windows of two channels, then the three that are left


def test_a_refusal_leaves_the_region_alone() -> None:
    @dataclass(frozen=True)
    class Refuses:
        accepts: ClassVar[Accepts] = Accepts()

        def __call__(self, problem: Problem, **kwargs: Any) -> np.ndarray:
            kwargs["note"](Note(problem.gaps[0], refused=True, why="too long"))
            return np.ones_like(problem.y)

    result = restore(Problem(noise(1, 4000), (Region(1000, 2000), Region(3000, 3100)), RATE), Refuses())
    assert [f.filled for f in result.fills] == [False, True]
    assert result.fills[0].why == "too long"
    assert (result.samples[0, 1000:2000] == 0.0).all()
    assert (result.samples[0, 3000:3100] == 1.0).all()


def test_a_result_that_is_not_finite_is_refused() -> None:
    @dataclass(frozen=True)
    class Breaks:
        accepts: ClassVar[Accepts] = Accepts()

        def __call__(self, problem: Problem, **kwargs: Any) -> np.ndarray:
            return np.full_like(problem.y, np.nan)

    x = noise(2, 4000)
    result = restore(Problem(x, (Region(1000, 2000, channel=1),), RATE), Breaks())
    assert [(f.filled, f.why) for f in result.fills] == [(False, "the method's result was not finite")]
    assert np.array_equal(result.samples[0], x[0])


def test_cancelling_is_raising() -> None:
    class Cancelled(Exception):
        pass

    def stop(_fraction: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        restore(Problem(noise(1, 4000), (Region(1000, 2000),), RATE), fake(), progress=stop)


def test_progress_rises_to_one() -> None:
    heard: list[float] = []
    problem = Problem(noise(2, 60_000), (Region(100, 200), Region(50_000, 50_100)), RATE)
    restore(problem, fake(channels=1, context=0.1), progress=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


@pytest.mark.parametrize(
    ("accepts", "region", "message"),
    [
        ({}, Region(100, 900, 100.0, 900.0), "fills the full band only, not 100-900 Hz"),
        ({"bands": True, "gaps": False}, Region(100, 900), "fills boxes only"),
        ({"text": True}, Region(100, 900), "needs a text"),
        ({"guide": True}, Region(100, 900), "needs a guide"),
        ({"channels": 2}, Region(100, 900), "takes 2 channels, the recording has 1"),
    ],
)
def test_what_a_method_cannot_do_is_said_with_what_would(accepts: dict[str, Any], region: Region, message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        restore(Problem(noise(1, 4000), (region,), RATE), fake(**accepts))
