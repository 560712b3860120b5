"""Large arrays compared block by block say what `criteria.compare` says of them whole."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from harness.criteria import Array, Exact, compare
from harness.weights import bits
from harness.weights.bits import difference, plain, same, same_under

DTYPES = ("float32", "float64", "float16", ml_dtypes.bfloat16, "complex64", "bool", "int8",
          "int64", "uint64", object)  # fmt: skip


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a few elements, so that small arrays have several."""
    monkeypatch.setattr(bits, "_BLOCK_BYTES", 24)


def numbers(shape: tuple[int, ...], dtype: object, *, seed: int) -> Array:
    drawn = np.random.default_rng(seed).normal(scale=50, size=shape)
    if dtype is object:
        return np.array([str(n).encode() for n in drawn.reshape(-1)], object).reshape(shape)
    if dtype == "complex64":
        return (drawn + 1j * drawn[..., ::-1]).astype(dtype)
    return drawn.astype("int64" if dtype == "uint64" else np.float64).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("changed", [[0], [13], [19], [3, 11, 12], range(20), []], ids=str)
def test_the_difference_is_that_of_the_whole_arrays(dtype: object, changed: list[int]) -> None:
    expected = numbers((4, 5), dtype, seed=1)
    actual, other = expected.copy(), numbers((4, 5), dtype, seed=2)
    for index in changed:
        actual.reshape(-1)[index] = other.reshape(-1)[index]
    assert difference(expected, actual) == compare(expected, actual, criterion=Exact())


@given(
    st.lists(st.floats(width=32), min_size=1, max_size=30),
    st.lists(st.integers(0, 29), max_size=3),
    st.floats(width=32),
)
def test_special_numbers_are_told_as_of_the_whole(
    numbers: list[float], places: list[int], other: float
) -> None:
    expected = np.array(numbers, np.float32)
    actual = expected.copy()
    actual[[place % actual.size for place in places]] = other
    assert difference(expected, actual) == compare(expected, actual, criterion=Exact())
    assert same(expected, actual) == (difference(expected, actual) is None)


def test_nan_of_another_payload_is_the_same() -> None:
    expected = np.full(20, np.nan, np.float32)
    actual = expected.copy()
    actual.view(np.uint32)[17] ^= 1
    assert difference(expected, actual) is None
    assert same(expected, actual)


def test_the_signs_of_zeros_are_told_apart() -> None:
    expected, actual = np.zeros(20, np.float32), np.zeros(20, np.float32)
    actual[19] = -0.0
    found = difference(expected, actual)
    assert found is not None
    assert found.index == (19,)
    assert not same(expected, actual)


@pytest.mark.parametrize("shape", [(), (1,), (5, 1), (1, 5)])
def test_a_number_is_not_broadcast(shape: tuple[int, ...]) -> None:
    found = difference(np.zeros((5, 5), np.float32), np.zeros(shape, np.float32))
    assert found is not None
    assert found.what == "shape"
    assert not same(np.zeros((5, 5), np.float32), np.zeros(shape, np.float32))


def test_dtypes_of_the_same_bits_differ() -> None:
    found = difference(np.zeros(9, np.int32), np.zeros(9, np.float32))
    assert found is not None
    assert found.what == "dtype"


def test_arrays_without_elements_differ_by_their_shapes() -> None:
    assert difference(np.zeros((0, 3)), np.zeros((0, 3))) is None
    assert same(np.zeros((0, 3)), np.zeros((0, 3)))
    found = difference(np.zeros((0, 3)), np.zeros((3, 0)))
    assert found is not None
    assert found.what == "shape"


def test_quantised_integers_are_compared_as_integers_of_their_own_kind() -> None:
    quint8, uint8 = tf.quint8.as_numpy_dtype, np.dtype("uint8")
    value = np.arange(40, dtype=uint8)
    changed = value.copy()
    changed[33] = 0
    found = difference(value.astype(quint8), changed.astype(quint8))
    assert found is not None
    assert (found.expected, found.actual, found.index) == ("33", "0", (33,))
    assert same(value.astype(quint8), value.astype(quint8))
    told = difference(value, value.astype(quint8))
    assert told is not None
    assert told.what == "dtype"


def test_every_bfloat16_is_one_dtype() -> None:
    value = np.arange(3).astype(tf.bfloat16.as_numpy_dtype)
    assert plain(value).dtype == ml_dtypes.bfloat16


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (0, 2, 1)])
def test_views_are_compared_element_by_element(order: tuple[int, ...]) -> None:
    value = numbers((4, 3, 5), "float32", seed=3)
    view = value.transpose(order)
    moved = np.ascontiguousarray(view)
    assert same(view, moved)
    for place in ((0, 0, 0), tuple(size - 1 for size in moved.shape)):
        wrong = moved.copy()
        wrong[place] += 1
        assert not same(view, wrong)


def test_a_change_is_followed_in_every_block() -> None:
    value = numbers((40,), "float32", seed=4)
    doubled = value * 2
    assert same_under(lambda block: block * np.float32(2), value, doubled)
    doubled[-1] += 1
    assert not same_under(lambda block: block * np.float32(2), value, doubled)
    assert not same_under(lambda block: block * 2.0, value, value[:5] * 2)


def test_a_change_of_the_dtype_is_none_that_makes_the_value() -> None:
    value = np.arange(9, dtype=np.float32)
    assert not same_under(lambda block: block.astype(np.int32), value, value)
