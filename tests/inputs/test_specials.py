"""Special values of a dtype, and numbers with their neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from harness.inputs.dtypes import numpy_dtype
from harness.inputs.specials import (
    landmark_values,
    largest_finite,
    scatter,
    smallest_normal,
    special_names,
    special_values,
    within,
)

FLOATS = ("float16", "float32", "float64", "bfloat16", "float8_e5m2", "float8_e4m3fn")


def as_floats(values: Any) -> list[float]:
    return values.astype(np.float64).tolist()


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize(
    ("special", "is_so"),
    [
        ("negative zero", lambda v, _: v == 0 and math.copysign(1, v) == -1),
        ("subnormal", lambda v, dtype: 0 < abs(v) < smallest_normal(dtype)),
        ("smallest", lambda v, dtype: abs(v) == smallest_normal(dtype)),
        ("largest", lambda v, dtype: abs(v) == largest_finite(dtype)),
        ("nan", lambda v, _: math.isnan(v)),
        ("infinity", lambda v, _: v == math.inf),
        ("negative infinity", lambda v, _: v == -math.inf),
    ],
)
def test_a_special_value_is_what_its_name_says(
    name: str, special: str, is_so: Callable[[float, Any], bool]
) -> None:
    dtype = numpy_dtype(name)
    if special not in special_names(dtype):
        assert (name, special) in {
            ("float8_e4m3fn", "infinity"),
            ("float8_e4m3fn", "negative infinity"),
        }
        return
    values = special_values(special, dtype)
    assert values.dtype == dtype
    assert values.size
    assert all(is_so(value, dtype) for value in as_floats(values))


def test_subnormals_are_the_tiniest_and_the_largest_of_them() -> None:
    tiny = float(np.finfo(np.float64).tiny)
    step = math.ulp(0.0)
    assert {*as_floats(special_values("subnormal", np.dtype(np.float64)))} == {
        step, tiny - step, -step, step - tiny,
    }  # fmt: skip


def test_the_specials_of_a_complex_dtype_are_those_of_its_parts() -> None:
    assert special_names(np.dtype(np.complex64)) == special_names(np.dtype(np.float32))
    assert special_values("nan", np.dtype(np.complex64)).dtype == np.float32


@pytest.mark.parametrize("name", FLOATS)
def test_a_landmark_comes_with_its_two_neighbours(name: str) -> None:
    dtype = numpy_dtype(name)
    low, high = sorted({*as_floats(landmark_values([1.5], dtype))} - {1.5})
    assert low < 1.5 < high
    for neighbour in (low, high):
        between = np.array((neighbour + 1.5) / 2).astype(dtype).astype(np.float64)
        assert float(between) in {neighbour, 1.5}


def test_the_largest_finite_value_has_no_neighbour_above() -> None:
    dtype = np.dtype(ml_dtypes.float8_e4m3fn)
    assert {*as_floats(landmark_values([448], dtype))} == {448.0, 416.0}


@pytest.mark.parametrize(
    ("name", "landmark", "near"),
    [
        ("int32", 5, {4, 5, 6}),
        ("int32", 2.5, {1, 2, 3, 4}),
        ("int8", 127, {126, 127}),
        ("uint8", 0, {0, 1}),
        ("uint8", -7, set()),
        ("uint64", 2**64 - 1, {2**64 - 2, 2**64 - 1}),
        ("int32", math.inf, set()),
    ],
)
def test_landmarks_of_whole_numbers_are_those_that_the_dtype_holds(
    name: str, landmark: float, near: set[int]
) -> None:
    values = landmark_values([landmark], np.dtype(name))
    assert values.dtype == np.dtype(name)
    assert {*values.tolist()} == near


@pytest.mark.parametrize("landmark", [1e6, math.inf, math.nan])
def test_landmarks_that_a_float_dtype_lacks_are_left_out(landmark: float) -> None:
    assert not landmark_values([landmark], np.dtype(np.float16)).size


def test_only_those_within_bounds_are_left_and_no_nan() -> None:
    candidates = np.array([-1.0, 0.0, 0.5, 2.0, math.nan])
    assert within(candidates, 0, 1).tolist() == [0.0, 0.5]


def scattered(shape: tuple[int, ...], candidates: list[float], *, most: int, seed: int) -> Any:
    values = np.zeros(shape)
    scatter(values, np.array(candidates), np.random.default_rng(seed), most=most)
    return values


def test_no_more_candidates_are_put_than_asked_for() -> None:
    counts = {np.count_nonzero(scattered((10, 10), [7.0], most=5, seed=s)) for s in range(50)}
    assert counts == {*range(1, 6)}


@pytest.mark.parametrize(("shape", "most"), [((10, 10), 5), ((3,), 50), ((200, 100), 5)])
def test_every_candidate_is_put_somewhere(shape: tuple[int, ...], most: int) -> None:
    for seed in range(20):
        assert {*scattered(shape, [7.0, 8.0, 9.0], most=most, seed=seed).ravel()} >= {7, 8, 9}


def test_where_there_is_no_place_for_all_any_of_them_is_put() -> None:
    assert {scattered((), [7.0, 8.0], most=9, seed=seed).item() for seed in range(20)} == {7, 8}


def test_of_complex_values_the_real_part_is_replaced() -> None:
    values = np.full(1, 1 + 2j)
    scatter(values, np.array([math.nan]), np.random.default_rng(0), most=1)
    assert np.isnan(values.real[0])
    assert values.imag[0] == 2


def test_an_array_without_elements_stays_as_it_is() -> None:
    scatter(np.zeros((0, 3)), np.array([1.0]), np.random.default_rng(0), most=3)
