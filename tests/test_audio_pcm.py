"""Integers survive float64, all of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.audio.pcm import Codec, codec_for, dequantise, quantise


@pytest.mark.parametrize("order", ["<", ">"])
def test_every_24_bit_integer_survives_float64(order: str) -> None:
    codec = codec_for("PCM_24", order)  # type: ignore[arg-type]
    for first in range(-(2**23), 2**23, 2**20):  # in sixteen parts, to keep memory small
        integers = np.arange(first, first + 2**20, dtype=np.int32)
        native = integers.astype(f"{order}i4").view(np.uint8).reshape(-1, 4)
        raw = np.ascontiguousarray(native[:, :3] if order == "<" else native[:, 1:]).reshape(-1)
        x = codec.decode(raw, 1)
        assert np.array_equal(x[0] * 2.0**23, integers)
        back, clipped = codec.encode(x)
        assert np.array_equal(back.reshape(-1), raw)
        assert not clipped.any()


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_S8", "PCM_16"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_8_and_16_bit_integer_survives_float64(subtype: str, order: str) -> None:
    codec = codec_for(subtype, order)  # type: ignore[arg-type]
    words = np.arange(2**codec.bits, dtype=np.uint32)
    raw = words.astype(f"{order}u{codec.width}").view(np.uint8)
    back, clipped = codec.encode(codec.decode(raw, 1))
    assert np.array_equal(back.reshape(-1), raw)
    assert not clipped.any()


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1), st.sampled_from("<>"))
def test_32_bit_integers_survive_float64(values: list[int], order: str) -> None:
    codec = codec_for("PCM_32", order)  # type: ignore[arg-type]
    raw = np.array(values, dtype=f"{order}i4").view(np.uint8)
    assert np.array_equal(codec.encode(codec.decode(raw, 1))[0].reshape(-1), raw)


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1), st.sampled_from("<>"))
def test_floats_keep_their_bits(values: list[float], order: str) -> None:
    for width in (4, 8):
        codec = Codec("float", width, 8 * width, order)  # type: ignore[arg-type]
        raw = np.array(values, dtype=f"{order}f{width}").view(np.uint8)
        assert np.array_equal(codec.encode(codec.decode(raw, 1))[0].reshape(-1), raw)


def test_full_scale_is_half_open_and_what_exceeds_it_is_counted() -> None:
    codes, clipped = quantise(np.array([[-1.0, 1.0, -1.01, 1.01, 1.0 - 2.0**-15, 0.0]]), 16)
    assert (codes >> 16).tolist() == [[-32768, 32767, -32768, 32767, 32767, 0]]
    assert clipped.tolist() == [[False, True, True, True, False, False]]


def test_fewer_bits_than_the_container_holds_leave_the_lowest_bits_zero() -> None:
    raw, _ = Codec("signed", 3, 20, "<").encode(np.array([[1 / 3]]))
    value = int.from_bytes(raw.tobytes(), "little", signed=True)
    assert value == round(2**19 / 3) << 4


def test_integers_refuse_what_is_not_finite() -> None:
    with pytest.raises(ValueError, match="1 samples are NaN or infinite"):
        quantise(np.array([[0.0, np.nan]]), 24)


def test_floats_beyond_the_range_of_32_bits_are_counted() -> None:
    raw, clipped = codec_for("FLOAT").encode(np.array([[1e300, 2.0, np.inf]]))
    assert clipped.tolist() == [[True, False, False]]
    assert raw.view("<f4").reshape(-1)[1] == 2.0


def test_codes_are_left_justified_whatever_the_width() -> None:
    for subtype in ("PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32"):
        raw, _ = codec_for(subtype).encode(np.array([[0.5, -0.25]]))
        codes = codec_for(subtype).codes(np.ascontiguousarray(raw).reshape(-1), 1)
        assert codes.tolist() == [[2**30, -(2**29)]]
        assert dequantise(codes).tolist() == [[0.5, -0.25]]


def test_an_unknown_sample_format_is_named() -> None:
    with pytest.raises(ValueError, match="'PCM_12' is not an uncompressed sample format"):
        codec_for("PCM_12")
