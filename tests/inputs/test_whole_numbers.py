"""Whole numbers between two ends, however far apart."""

from __future__ import annotations

import numpy as np
import pytest

from harness.inputs.distributions import DISTRIBUTIONS
from harness.inputs.whole_numbers import Ends, usual_ends, whole_numbers

ENDS = [
    ("int64", -(2**63), 2**63 - 1),
    ("uint64", 0, 2**64 - 1),
    ("uint64", 2**64 - 1, 2**64 - 1),
    ("int64", 2**62, 2**63 - 1),
    ("int64", -(2**63), -(2**63) + 5),
    ("int32", -(2**31), 2**31 - 1),
    ("int32", 0, 2**24 + 1),
    ("int32", -70_000, -69_990),
    ("int8", -128, 127),
    ("uint8", 0, 255),
    ("int16", -3, 3),
    ("int32", 7, 7),
    ("bool", 0, 1),
]


def drawn(name: str, low: int, high: int, distribution: str, *, size: int = 200) -> list[int]:
    values = whole_numbers(
        Ends(low=low, high=high), (size,), np.dtype(name), distribution, np.random.default_rng(1)
    )
    assert (values.dtype, values.shape) == (np.dtype(name), (size,))
    return [int(value) for value in values]


@pytest.mark.parametrize(("name", "low", "high"), ENDS)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_no_number_lies_past_the_ends(name: str, low: int, high: int, distribution: str) -> None:
    assert all(low <= value <= high for value in drawn(name, low, high, distribution))


@pytest.mark.parametrize(("name", "low", "high"), ENDS)
def test_zeros_are_all_the_lowest_and_ones_all_the_highest(name: str, low: int, high: int) -> None:
    assert {*drawn(name, low, high, "zeros")} == {low}
    assert {*drawn(name, low, high, "ones")} == {high}


@pytest.mark.parametrize(("name", "low", "high"), ENDS)
def test_a_ramp_goes_from_end_to_end(name: str, low: int, high: int) -> None:
    values = drawn(name, low, high, "ramp")
    assert (values[0], values[-1]) == (low, high)
    assert values == sorted(values)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_a_scalar_is_drawn_as_an_array(distribution: str) -> None:
    for high in (9, 2**40, 2**63 - 1):
        values = whole_numbers(
            Ends(low=0, high=high), (), np.dtype(np.int64), distribution, np.random.default_rng(1)
        )
        assert isinstance(values, np.ndarray)
        assert values.shape == ()


@pytest.mark.parametrize("distribution", ["uniform", "normal", "integers"])
def test_every_number_between_near_ends_is_drawn(distribution: str) -> None:
    assert {*drawn("int32", -2, 3, distribution)} == {*range(-2, 4)}


def test_between_ends_far_apart_small_numbers_are_drawn_too() -> None:
    values = drawn("int64", 100, 2**40, "normal", size=1000)
    lengths = {(value - 100).bit_length() for value in values}
    assert lengths >= {*range(1, 40)}
    assert sum(value < 2**20 for value in values) > 200
    assert sum(value > 2**30 for value in values) > 100


def test_small_numbers_are_not_drawn_more_often_where_they_are_no_nearer_to_zero() -> None:
    values = drawn("int64", -(2**40), 2**40, "normal", size=1000)
    assert sum(value < -(2**30) for value in values) > 400
    assert sum(value > 2**30 for value in values) > 400


@pytest.mark.parametrize(
    ("name", "distribution", "ends"),
    [
        ("int32", "uniform", Ends(low=0, high=9)),
        ("int32", "integers", Ends(low=-9, high=9)),
        ("uint32", "integers", Ends(low=0, high=9)),
        ("int64", "normal", Ends(low=-(2**63), high=2**63 - 1)),
        ("int32", "image", Ends(low=0, high=255)),
        ("uint8", "uniform", Ends(low=0, high=255)),
        ("int8", "image", Ends(low=0, high=127)),
        ("int8", "integers", Ends(low=-127, high=127)),
        ("bool", "normal", Ends(low=0, high=1)),
    ],
)
def test_where_nothing_is_known_numbers_are_counts_or_pixels(
    name: str, distribution: str, ends: Ends
) -> None:
    assert usual_ends(np.dtype(name), distribution) == ends
