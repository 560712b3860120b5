"""Arrays of random values that stay in their domain."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given

from harness.domain import Choices, Domain, Range
from harness.inputs.dtypes import numpy_dtype
from harness.inputs.values import DISTRIBUTIONS, SCALES, Recipe, fill

FLOATS = ("float16", "float32", "float64", "bfloat16", "float8_e5m2", "float8_e4m3fn")
WHOLE = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
EVERY = (*FLOATS, *WHOLE, "bool", "complex64", "complex128", "string")
NUMBERS = (*FLOATS, *WHOLE)

recipes = st.builds(
    Recipe,
    distribution=st.sampled_from(DISTRIBUTIONS),
    scale=st.sampled_from(SCALES),
    seed=st.integers(0, 2**32 - 1),
)
shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
names = st.sampled_from(EVERY)


@given(name=names, shape=shapes, recipe=recipes)
def test_an_array_has_the_dtype_and_shape_asked_for(
    name: str, shape: tuple[int, ...], recipe: Recipe
) -> None:
    filled = fill(shape, numpy_dtype(name), recipe=recipe, domain=Domain())
    assert isinstance(filled, np.ndarray)
    assert (filled.dtype, filled.shape) == (numpy_dtype(name), shape)


@given(name=names, shape=shapes, recipe=recipes)
def test_the_same_recipe_gives_the_same_bits(
    name: str, shape: tuple[int, ...], recipe: Recipe
) -> None:
    one, other = (fill(shape, numpy_dtype(name), recipe=recipe, domain=Domain()) for _ in range(2))
    assert one.tolist() == other.tolist()
    assert name == "string" or one.tobytes() == other.tobytes()


@given(name=st.sampled_from(FLOATS), recipe=recipes)
def test_floats_are_finite_whatever_the_scale(name: str, recipe: Recipe) -> None:
    filled = fill((20,), numpy_dtype(name), recipe=recipe, domain=Domain())
    assert np.isfinite(filled.astype(np.float64)).all()


@given(
    name=st.sampled_from((*NUMBERS, "bool")),
    bounds=st.tuples(st.integers(0, 100), st.integers(0, 100)).map(sorted),
    shape=shapes,
    recipe=recipes,
)
def test_values_stay_within_their_bounds(
    name: str, bounds: list[int], shape: tuple[int, ...], recipe: Recipe
) -> None:
    low, high = (0, 1) if name == "bool" else bounds
    dtype = numpy_dtype(name)
    filled = fill(shape, dtype, recipe=recipe, domain=Domain(values=Range(low=low, high=high)))
    assert (filled.dtype, filled.shape) == (dtype, shape)
    rounded_low, rounded_high = np.array([low, high]).astype(dtype)
    assert ((filled >= rounded_low) & (filled <= rounded_high)).all()


@given(
    name=st.sampled_from(FLOATS),
    bounds=st.tuples(st.floats(-400, 400), st.floats(-400, 400)).map(sorted),
    recipe=recipes,
)
def test_floats_stay_within_bounds_that_are_no_whole_numbers(
    name: str, bounds: list[float], recipe: Recipe
) -> None:
    dtype = numpy_dtype(name)
    filled = fill(
        (20,), dtype, recipe=recipe, domain=Domain(values=Range(low=bounds[0], high=bounds[1]))
    )
    low, high = np.array(bounds).astype(dtype)
    assert ((filled >= low) & (filled <= high)).all()


@given(recipe=recipes)
def test_whole_numbers_stay_within_bounds_that_are_none(recipe: Recipe) -> None:
    filled = fill(
        (20,), np.dtype(np.int32), recipe=recipe, domain=Domain(values=Range(low=0.5, high=3.2))
    )
    assert set(filled.tolist()) <= {1, 2, 3}


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("int64", (-(2**63), 2**63 - 1)),
        ("uint64", (0, 2**64 - 1)),
        ("int8", (-128, 127)),
        ("uint64", (2**64 - 1, 2**64 - 1)),
    ],
)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_the_whole_range_of_an_integer_may_be_asked_for(
    name: str, bounds: tuple[int, int], distribution: str
) -> None:
    recipe = Recipe(distribution=distribution, seed=1)
    filled = fill((50,), np.dtype(name), recipe=recipe, domain=Domain(bounds=bounds))
    assert all(bounds[0] <= value <= bounds[1] for value in filled.tolist())


def test_both_ends_of_the_bounds_are_drawn() -> None:
    recipe = Recipe(distribution="uniform", seed=3)
    filled = fill(
        (100,), np.dtype(np.int32), recipe=recipe, domain=Domain(values=Range(low=0, high=3))
    )
    assert set(filled.tolist()) == {0, 1, 2, 3}


def test_both_truth_values_are_drawn_from_bounds() -> None:
    recipe = Recipe(distribution="uniform", seed=3)
    filled = fill((100,), np.dtype(bool), recipe=recipe, domain=Domain(values=Range(low=0, high=1)))
    assert 20 < filled.sum() < 80


@given(
    name=names.filter(lambda name: name not in {"bool", "string"}),
    choices=st.lists(st.integers(0, 8), min_size=1, max_size=4).map(tuple),
    shape=shapes,
    recipe=recipes,
)
def test_choices_are_the_only_values(
    name: str, choices: tuple[int, ...], shape: tuple[int, ...], recipe: Recipe
) -> None:
    dtype = numpy_dtype(name)
    filled = fill(shape, dtype, recipe=recipe, domain=Domain(choices=choices))
    assert (filled.dtype, filled.shape) == (dtype, shape)
    assert set(filled.astype(np.complex128).reshape(-1).tolist()) <= {*map(complex, choices)}


@given(shape=shapes, recipe=recipes)
def test_choices_of_strings_are_fed_as_bytes(shape: tuple[int, ...], recipe: Recipe) -> None:
    domain = Domain(values=Choices(values=("ja", "naïve")))
    filled = fill(shape, np.dtype(object), recipe=recipe, domain=domain)
    assert filled.shape == shape
    assert {*filled.reshape(-1)} <= {b"ja", "naïve".encode()}


@pytest.mark.parametrize(
    ("name", "constant"), [("bool", False), ("float32", 0.5), ("int64", 7), ("uint8", 255)]
)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_a_constant_is_every_element(name: str, constant: float, distribution: str) -> None:
    recipe = Recipe(distribution=distribution)
    filled = fill(
        (2, 2), np.dtype(name), recipe=recipe, domain=Domain(values=Choices(values=(constant,)))
    )
    assert filled.tolist() == [[constant] * 2] * 2


def test_a_constant_string_is_every_element() -> None:
    filled = fill(
        (2,), np.dtype(object), recipe=Recipe(), domain=Domain(values=Choices(values=("a",)))
    )
    assert filled.tolist() == [b"a", b"a"]


def test_strings_are_bytes_of_several_kinds() -> None:
    filled = fill((100,), np.dtype(object), recipe=Recipe(seed=1), domain=Domain())
    assert all(type(item) is bytes for item in filled)
    assert len(set(filled)) > 5


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_large_arrays_are_filled_with_distinct_values(distribution: str) -> None:
    recipe = Recipe(distribution=distribution, seed=1)
    filled = fill((24, 1024), np.dtype(np.float32), recipe=recipe, domain=Domain())
    assert len(np.unique(filled)) > 20_000


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_the_scale_is_a_factor(distribution: str) -> None:
    one, ten = (
        fill(
            (20,),
            np.dtype(np.float64),
            recipe=Recipe(distribution=distribution, seed=5, scale=scale),
            domain=Domain(),
        )
        for scale in (1.0, 10.0)
    )
    np.testing.assert_array_equal(one * 10, ten)


@pytest.mark.parametrize("name", EVERY)
def test_some_recipe_gives_values_that_vary(name: str) -> None:
    recipe = Recipe(distribution="normal", seed=1)
    filled = fill((50,), numpy_dtype(name), recipe=recipe, domain=Domain())
    assert len({*filled.tolist()}) > 1


@pytest.mark.parametrize("name", WHOLE)
def test_normal_whole_numbers_span_the_dtype(name: str) -> None:
    recipe = Recipe(distribution="normal", seed=1)
    filled = fill((500,), np.dtype(name), recipe=recipe, domain=Domain())
    limits = np.iinfo(name)
    assert float(filled.max()) > limits.max * 0.9
    assert float(filled.min()) < limits.min + (limits.max - limits.min) * 0.1


def test_zeros_come_first_so_that_examples_shrink_to_them() -> None:
    assert DISTRIBUTIONS[0] == "zeros"
    assert SCALES[0] == 1.0
    largest: Any = ml_dtypes.finfo("float16").max  # type: ignore[no-untyped-call]
    assert max(SCALES) < largest
