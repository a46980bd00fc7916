"""Windows: every region once, with its context, in bounded length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.inpainter import Accepts, Unsupported
from caesura.problem import Region
from caesura.windows import LONGEST, plan

RATE = 1000


@st.composite
def recordings(draw: st.DrawFn) -> tuple[list[Region], int]:
    samples = draw(st.integers(1000, 60_000))
    regions = []
    for _ in range(draw(st.integers(0, 12))):
        start = draw(st.integers(0, samples - 2))
        regions.append(Region(start, draw(st.integers(start + 1, min(start + 3000, samples)))))
    return regions, samples


@given(recordings(), st.sampled_from([0.0, 0.1, 1.0, 3.0]))
def test_every_region_is_a_target_once_with_its_context(case: tuple[list[Region], int], context: float) -> None:
    regions, samples = case
    windows = plan(regions, samples, RATE, Accepts(context=context))
    assert sorted((t.start, t.stop) for w in windows for t in w.targets) == sorted((r.start, r.stop) for r in regions)
    for window in windows:
        for target in window.targets:
            assert window.start <= max(target.start - context * RATE, 0)
            assert window.stop >= min(target.stop + context * RATE, samples)
        assert 0 <= window.start < window.stop <= samples


@given(recordings())
def test_windows_are_bounded_unless_regions_overlap(case: tuple[list[Region], int]) -> None:
    regions, samples = case
    apart = [r for k, r in enumerate(sorted(regions, key=Region.order)) if all(r.start >= q.stop for q in regions[:k])]
    longest = max((r.length for r in regions), default=0)
    overlapping = any(a.start < b.stop and b.start < a.stop for a in regions for b in regions if a is not b)
    for window in plan(regions, samples, RATE, Accepts(context=1.0)):
        if not overlapping and apart:
            assert window.stop - window.start <= max(LONGEST * RATE, longest) + 2 * RATE


def test_a_side_of_clicks_is_cut_into_windows() -> None:
    clicks = [Region(k, k + 5) for k in range(100, 1_200_000, 300)]
    windows = plan(clicks, 1_200_100, RATE, Accepts(context=1.0))
    assert max(w.stop - w.start for w in windows) <= (LONGEST + 2) * RATE
    assert len(windows) > 100


def test_fixed_windows_have_equal_length_even_at_the_ends() -> None:
    regions = [Region(0, 100), Region(20_000, 20_500), Region(59_990, 60_000)]
    windows = plan(regions, 60_000, RATE, Accepts(window=4.0))
    assert [w.stop - w.start for w in windows] == [4000] * 3
    assert (windows[0].start, windows[2].stop) == (0, 60_000)


def test_a_method_without_limits_is_shown_everything() -> None:
    (window,) = plan([Region(5, 6), Region(900, 950)], 1000, RATE, Accepts(context=None))
    assert (window.start, window.stop) == (0, 1000)


def test_a_region_longer_than_the_window_is_refused() -> None:
    with pytest.raises(Unsupported, match="the region 10-6000 is longer than the 4 s this method hears"):
        plan([Region(10, 6000)], 60_000, RATE, Accepts(window=4.0))
