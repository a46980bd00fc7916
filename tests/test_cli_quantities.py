"""Times and frequencies: what is written in any unit is read as the same value."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.cli.quantities import Box, Moment, band, box, moment, moments

MILLISECONDS = st.integers(0, 100 * 3600 * 1000)


@given(ms=MILLISECONDS)
def test_every_way_to_write_a_time_means_the_same(ms: int) -> None:
    minutes, rest = divmod(ms, 60_000)
    hours, part = divmod(minutes, 60)
    for text in (
        f"{ms}ms",
        f"{ms / 1000:.3f}",
        f"{ms / 1000:.3f}s",
        f"{ms / 1000:.3f} s",
        f"{hours}:{part:02d}:{rest / 1000:06.3f}",
    ):
        assert moment(text).value == pytest.approx(ms / 1000, abs=1e-9)


@given(ms=st.integers(0, 100 * 60_000 - 1))
def test_minutes_may_stand_alone(ms: int) -> None:
    minutes, rest = divmod(ms, 60_000)
    assert moment(f"{minutes}:{rest / 1000:06.3f}").value == pytest.approx(ms / 1000, abs=1e-9)


@given(sample=st.integers(0, 10**10), rate=st.sampled_from([8_000, 44_100, 192_000]))
def test_samples_are_exact_at_any_rate(sample: int, rate: int) -> None:
    assert moment(f"{sample}smp").samples(rate) == sample
    assert round(moment(f"{sample / rate:.6f}").samples(rate)) == sample


@given(first=st.integers(0, 10**6), length=st.integers(1, 10**6))
def test_ranges_are_two_times(first: int, length: int) -> None:
    last = first + length
    assert moments(f"{first}smp-{last}smp") == (Moment(first, "smp"), Moment(last, "smp"))
    assert moments(f"{first}ms – {last}ms") == (Moment(first / 1000), Moment(last / 1000))


@given(low=st.integers(0, 20_000), width=st.integers(1, 20_000))
def test_bands_are_two_frequencies(low: int, width: int) -> None:
    high = low + width
    assert band(f"{low}-{high}") == (low, high)
    assert band(f"{low}Hz-{high}hz") == (low, high)
    assert band(f"{low / 1000:.3f}kHz-{high / 1000:.3f}kHz") == pytest.approx((low, high))


def test_the_examples_of_the_help() -> None:
    assert moments("1.20-1.35") == (Moment(1.2), Moment(1.35))
    assert moments("1:02.2-1:02.4") == (Moment(62.2), Moment(62.4))
    assert box("12.3-12.9,300Hz-2kHz") == Box(Moment(12.3), Moment(12.9), 300.0, 2000.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.2", "'1.2' is not a range: write 1.20-1.35"),
        ("1.2-", "is not a range"),
        ("-1-2", "is not a range"),
        ("2-1", "'2-1' stops before it starts"),
        ("1-1", "stops before it starts"),
        ("350-400ms", "'350-400ms' has a unit at one end only: give both ends one, as in 350ms-400ms"),
        ("1:60-1:61", "'1:60' is not a time: write 12.5, 350ms, 1:02.250 or 5512smp"),
        ("1,5-2", "'1,5' is not a time"),
        ("nan-inf", "'nan' is not a time"),
        ("１-２", "is not a time"),
    ],
)
def test_what_is_not_a_range_of_time(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        moments(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("12.3-12.9", "'12.3-12.9' is not a box: write 12.3-12.9,800-3200"),
        ("1-2,3200-800", "'3200-800' is an empty band"),
        ("1-2,800", "'800' is not a range: write 800-3200 or 300Hz-2kHz"),
        ("1-2,low-high", "'low-high' is not a band"),
        ("1-2,800-3.2kHz", "has a unit at one end only: give both ends one, as in 300Hz-2kHz"),
    ],
)
def test_what_is_not_a_box(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        box(text)


@given(
    text=st.text(st.characters(max_codepoint=0x2100), max_size=12)
    | st.from_regex(r"[0-9:.smhzk,-]{1,12}", fullmatch=True)
)
def test_nothing_but_a_value_error_comes_of_odd_text(text: str) -> None:
    for parse in (moment, moments, band, box):
        with contextlib.suppress(ValueError):
            parse(text)
