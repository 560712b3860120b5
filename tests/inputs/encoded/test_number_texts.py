"""Decimal numbers that TensorFlow reads."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given

from harness.domain import NumberTexts
from harness.inputs.encoded import encode
from harness.inputs.encoded.number_texts import in_decimal

seeds = st.integers(0, 2**32 - 1)
DTYPES = ("float32", "float64", "int32", "int64")


@pytest.mark.parametrize("dtype", DTYPES)
@given(seed=seeds)
def test_every_number_is_read(dtype: str, seed: int) -> None:
    texts = encode(NumberTexts(dtype=dtype), (20,), np.random.default_rng(seed))
    assert np.isfinite(tf.strings.to_number(texts, dtype).numpy()).all()


@pytest.mark.parametrize(
    ("dtype", "numbers"),
    [
        (np.float32, st.floats(width=32, allow_nan=False, allow_subnormal=False)),
        (np.float64, st.floats(allow_nan=False, allow_subnormal=False)),
        (np.int32, st.integers(-(2**31), 2**31 - 1)),
        (np.int64, st.integers(-(2**63), 2**63 - 1)),
    ],
)
@given(data=st.data(), seed=seeds)
def test_the_text_of_a_number_gives_it_back(
    dtype: type[np.generic], numbers: st.SearchStrategy[float], data: st.DataObject, seed: int
) -> None:
    written = np.array(data.draw(st.lists(numbers, min_size=1, max_size=20)), dtype)
    texts = in_decimal(written, np.random.default_rng(seed))
    read = tf.strings.to_number(texts, dtype).numpy()
    np.testing.assert_array_equal(read, written)


def test_floats_have_whole_numbers_fractions_and_exponents_among_them() -> None:
    rng = np.random.default_rng(0)
    texts = [text for _ in range(20) for text in encode(NumberTexts(), (20,), rng)]
    assert any(text.isdigit() for text in texts)
    assert any(text.startswith(b"-") and b"." in text for text in texts)
    # Not only where the number is so large or so small that all write it with one.
    assert any(b"e" in text and 0.01 < abs(float(text)) < 100 for text in texts)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_simplest_is_zero(dtype: str) -> None:
    rng = np.random.default_rng(0)
    assert set(encode(NumberTexts(dtype=dtype), (9,), rng, simplest=True)) == {b"0"}
