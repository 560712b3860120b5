"""The right numbers in another order."""

from __future__ import annotations

import numpy as np
import pytest

from harness.criteria import Array
from harness.weights.arrangements import rearranged

RIGHT = np.random.default_rng(1).normal(size=(3, 4, 4, 6)).astype(np.float32)


def told(right: Array, given: Array) -> str:
    found = rearranged(right, np.ascontiguousarray(given))
    return "" if found is None else found.one


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (RIGHT.transpose(0, 2, 1, 3), "with axes 1 and 2 exchanged"),
        (RIGHT.transpose(3, 2, 0, 1), "with its axes in the order [3, 2, 0, 1]"),
        (RIGHT.transpose(3, 1, 2, 0), "with axes 0 and 3 exchanged"),
        (RIGHT[..., ::-1], "with its last axis reversed"),
        (RIGHT[:, ::-1], "with its axis 1 reversed"),
        (np.roll(RIGHT, 2, axis=-1), "with its last axis rolled by 2"),
        (np.roll(RIGHT, 1, axis=0), "with its axis 0 rolled by 1"),
        (RIGHT[..., [1, 0, 2, 3, 5, 4]], "with its last axis in another order"),
        (RIGHT[:, :, [1, 0, 2, 3]], "with its axis 2 in another order"),
        (RIGHT.reshape(-1)[::-1].reshape(RIGHT.shape), "in another order"),
        (RIGHT.reshape(12, 24), "in the shape [12, 24], not [3, 4, 4, 6]"),
        (RIGHT[:, :, :, :, None], "in the shape [3, 4, 4, 6, 1], not [3, 4, 4, 6]"),
    ],
)
def test_the_order_is_named(given: Array, text: str) -> None:
    assert told(RIGHT, given) == f"holds its value {text}"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (np.roll(RIGHT[0, 0, 0], 1), "with its elements rolled by 1"),
        (RIGHT[0, 0, 0, ::-1], "with its elements reversed"),
        (RIGHT[0, 0, 0, [1, 0, 2, 3, 5, 4]], "with its elements in another order"),
    ],
)
def test_the_order_of_a_vector_is_that_of_its_elements(given: Array, text: str) -> None:
    assert told(RIGHT[0, 0, 0].copy(), given) == f"holds its value {text}"


def test_other_numbers_are_in_no_order() -> None:
    given = RIGHT.transpose(0, 2, 1, 3).copy()
    given[2, 3, 3, 5] = np.nextafter(given[2, 3, 3, 5], np.float32(9))
    assert told(RIGHT, given) == ""


def test_numbers_that_occur_otherwise_often_are_others() -> None:
    right = np.array([1, 1, 2, 3], np.float32)
    assert told(right, np.array([1, 2, 2, 3], np.float32)) == ""


@pytest.mark.parametrize("dtype", ["float64", "complex128", "complex64", "int64", "uint8", "bool"])
def test_orders_are_found_in_any_dtype(dtype: str) -> None:
    right = (np.arange(24).reshape(4, 6) % 7).astype(dtype)
    if dtype == "bool":
        right = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0]], bool)
    assert told(right, np.roll(right, 1, axis=0)) == "holds its value with its axis 0 rolled by 1"


def test_equal_slices_do_not_hide_an_order() -> None:
    right = np.array([[1, 1, 2, 3], [1, 1, 5, 6]], np.float32)
    given = right[:, [2, 0, 3, 1]]
    assert told(right, given) == "holds its value with its last axis in another order"


def test_texts_and_other_dtypes_are_in_no_order() -> None:
    texts = np.array([b"a", b"b"], object)
    assert told(texts, texts[::-1]) == ""
    assert told(RIGHT, RIGHT[::-1].astype(np.float64)) == ""


def test_several_variables_are_told_of_their_last_axis_together() -> None:
    kernel = rearranged(RIGHT, np.roll(RIGHT, 1, axis=-1))
    bias = rearranged(RIGHT[0, 0, 0], np.roll(RIGHT[0, 0, 0], 1))
    assert kernel is not None
    assert bias is not None
    assert kernel.kind == bias.kind
    assert kernel.many == "hold their values with their last axis rolled by 1"
