from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.data.damage import add_clicks, clip, dropouts, packet_loss, punch_gaps, sounding

RATE = 16_000


def music(seconds: float = 2.0, channels: int = 1) -> np.ndarray:
    t = np.arange(int(seconds * RATE)) / RATE
    rng = np.random.default_rng(3)
    x = 0.2 * np.sin(2 * np.pi * 220 * t) + 0.1 * np.sin(2 * np.pi * 747 * t + 1) + 0.01 * rng.standard_normal(t.size)
    return np.stack([x * (1 + 0.1 * c) for c in range(channels)])


def outside(labels: list, samples: int) -> np.ndarray:
    flags = np.ones(samples, dtype=bool)
    for label in labels:
        flags[label.region.start : label.region.stop] = False
    return flags


@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_gaps_have_the_lengths_the_edges_and_nothing_else(seed: int, hold: bool, channels: int) -> None:
    x = music(channels=channels)
    y, labels = punch_gaps(x, RATE, count=5, length=(16, 320), rng=np.random.default_rng(seed), hold=hold)
    assert len(labels) == 5
    keep = outside(labels, x.shape[1])
    assert np.array_equal(x[:, keep], y[:, keep])
    for label in labels:
        start, stop = label.region.start, label.region.stop
        assert 16 <= stop - start <= 320
        expected = x[:, start - 1, None] if hold else 0.0
        assert np.array_equal(y[:, start:stop], np.broadcast_to(expected, (channels, stop - start)))


def test_gaps_keep_their_margin() -> None:
    _, labels = punch_gaps(music(), RATE, count=8, length=100, rng=np.random.default_rng(0), margin=900)
    edges = [0, *(e for label in labels for e in (label.region.start, label.region.stop)), 2 * RATE]
    assert min(b - a for a, b in zip(edges[::2], edges[1::2], strict=True)) >= 900


def test_gaps_lie_where_there_is_sound() -> None:
    x = music()
    x[:, RATE // 2 : RATE] = 0.0
    _, labels = punch_gaps(x, RATE, count=10, length=200, rng=np.random.default_rng(1), margin=200)
    assert all(label.region.stop <= RATE // 2 or label.region.start >= RATE for label in labels)


def test_too_many_gaps_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit where there is sound"):
        punch_gaps(music(), RATE, count=100, length=800, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="do not fit where there is sound"):
        punch_gaps(np.zeros((1, RATE)), RATE, count=1, length=80, rng=np.random.default_rng(0))


@pytest.mark.parametrize("bad", [{"count": 0, "length": 5}, {"count": 1, "length": 0}, {"count": 1, "length": (9, 3)}])
def test_impossible_lengths_are_refused(bad: dict) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        punch_gaps(music(), RATE, rng=np.random.default_rng(0), **bad)


@pytest.mark.parametrize("level", [0.0, 10.0])
def test_a_click_has_the_level_asked_for(level: float) -> None:
    x = music()
    y, labels = add_clicks(x, RATE, count=10, length=(5, 60), level=level, rng=np.random.default_rng(2))
    keep = outside(labels, x.shape[1])
    assert np.array_equal(x[:, keep], y[:, keep])
    for label in labels:
        start, stop = label.region.start, label.region.stop
        middle = (start + stop) // 2
        local = np.sqrt(np.mean(x[0, middle - 160 : middle + 160] ** 2))
        click = np.sqrt(np.mean((y - x)[0, start:stop] ** 2))
        assert 20 * np.log10(click / local) == pytest.approx(level, abs=0.1)


@pytest.mark.parametrize("depth", [12.0, 30.0])
def test_a_dropout_falls_to_its_depth_and_comes_back(depth: float) -> None:
    x = np.full((1, 2 * RATE), 0.5)
    y, labels = dropouts(x, RATE, count=3, length=800, depth=depth, edge=48, rng=np.random.default_rng(4))
    assert len(labels) == 3
    keep = outside(labels, x.shape[1])
    assert np.array_equal(x[:, keep], y[:, keep])
    for label in labels:
        gain = 20 * np.log10(y[0, label.region.start : label.region.stop] / 0.5)
        assert gain[48:-48] == pytest.approx(-depth)
        assert (np.diff(gain[:48]) < 0).all()
        assert gain[:48] == pytest.approx(gain[::-1][:48])
        assert gain[0] < 0.0


@pytest.mark.parametrize("bad", [{"depth": 0.0, "edge": 8}, {"depth": 20.0, "edge": 0}, {"depth": 20.0, "edge": 60}])
def test_impossible_dropouts_are_refused(bad: dict) -> None:
    with pytest.raises(ValueError, match="half the length"):
        dropouts(music(), RATE, count=1, length=100, rng=np.random.default_rng(0), **bad)


@pytest.mark.parametrize("conceal", ["zero", "hold", "repeat"])
def test_packets_are_lost_whole_and_concealed(conceal: str) -> None:
    x = music(4.0, channels=2)
    y, labels = packet_loss(x, RATE, rng=np.random.default_rng(5), loss=0.2, packet=20.0, conceal=conceal)
    assert labels
    keep = outside(labels, x.shape[1])
    assert np.array_equal(x[:, keep], y[:, keep])
    for label in labels:
        start, stop = label.region.start, label.region.stop
        assert start % 320 == 0
        assert stop % 320 == 0
        assert start > 0
        expected = {"zero": np.zeros((2, 320)), "hold": np.repeat(x[:, start - 1, None], 320, axis=1)}
        assert np.array_equal(y[:, start : start + 320], expected.get(conceal, x[:, start - 320 : start]))


def test_losses_come_as_often_as_the_chain_says() -> None:
    _, labels = packet_loss(music(120.0), RATE, rng=np.random.default_rng(6), loss=0.1, recovery=0.5, packet=5.0)
    lost = sum(label.region.length for label in labels) / (120 * RATE)
    assert lost == pytest.approx(0.1 / (0.1 + 0.5), abs=0.01)
    assert np.mean([label.region.length / 80 for label in labels]) == pytest.approx(2.0, abs=0.1)


def test_an_unknown_concealment_is_refused() -> None:
    with pytest.raises(ValueError, match="choose zero, hold or repeat"):
        packet_loss(music(), RATE, rng=np.random.default_rng(0), loss=1.0, conceal="noise")  # type: ignore[arg-type]


def test_clipping_labels_what_is_cut() -> None:
    x = music(0.5, channels=2)
    y, labels = clip(x, level=0.2)
    assert np.abs(y).max() == 0.2
    cut = np.zeros(x.shape, dtype=bool)
    for label in labels:
        cut[label.region.channel, label.region.start : label.region.stop] = True
    assert np.array_equal(cut, np.abs(x) > 0.2)
    with pytest.raises(ValueError, match="positive"):
        clip(x, level=0.0)


def test_sound_is_found_by_its_level() -> None:
    x = music()
    x[:, RATE:] *= 10.0 ** (-50.0 / 20.0)
    found = sounding(x, RATE)
    assert found[400 : RATE - 400].all()
    assert not found[RATE + 400 :].any()
    assert not sounding(np.zeros((1, 1000)), RATE).any()


def test_the_argument_stays_as_it_was() -> None:
    x = music()
    kept = x.copy()
    rng = np.random.default_rng(7)
    punch_gaps(x, RATE, count=2, length=50, rng=rng)
    add_clicks(x, RATE, count=2, length=5, level=10.0, rng=rng)
    dropouts(x, RATE, count=2, length=500, depth=20.0, edge=50, rng=rng)
    packet_loss(x, RATE, rng=rng)
    clip(x, level=0.1)
    assert np.array_equal(x, kept)
