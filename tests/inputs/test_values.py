"""Arrays of random values that stay in their domain."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from harness.domain import (
    Choices,
    Domain,
    Examples,
    Feature,
    NewShape,
    NumberTexts,
    Phase,
    Pictures,
    Range,
    Recorded,
    Sounds,
    Value,
    Values,
)
from harness.inputs.dtypes import numpy_dtype
from harness.inputs.specials import ENDS, LANDMARKS, largest_finite, special_names
from harness.inputs.values import DISTRIBUTIONS, Recipe, fill

FLOATS = ("float16", "float32", "float64", "bfloat16", "float8_e5m2", "float8_e4m3fn")
WHOLE = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
EVERY = (*FLOATS, *WHOLE, "bool", "complex64", "complex128", "string")
NUMBERS = (*FLOATS, *WHOLE)

recipes = st.builds(
    Recipe,
    distribution=st.sampled_from(DISTRIBUTIONS),
    scale=st.sampled_from([1.0, 1e-3, 1e3, 1e37]),
    seed=st.integers(0, 2**32 - 1),
)
shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
names = st.sampled_from(EVERY)


def filled_with(
    name: str,
    values: Values | None,
    *,
    size: int = 100,
    domain: Domain | None = None,
    **recipe: Any,
) -> Any:
    """Return the elements of an array of a dtype and of a kind of values."""
    return fill(
        (size,),
        numpy_dtype(name),
        recipe=Recipe(**recipe),
        domain=domain or Domain(values=values),
    )


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


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_a_recipe_that_is_not_random_gives_one_array_whatever_the_seed(
    name: str, distribution: str
) -> None:
    recipe = Recipe(distribution=distribution)
    one, other = (
        fill((50,), numpy_dtype(name), recipe=recipe.seeded(seed), domain=Domain())
        for seed in (1, 2)
    )
    if not recipe.is_random:
        assert recipe.seeded(1) == recipe
    elif name not in {"bool", "string"} or distribution != "constant":  # few values: maybe the same
        assert one.tolist() != other.tolist()


@pytest.mark.parametrize("name", EVERY)
def test_some_recipe_gives_values_that_vary(name: str) -> None:
    assert len({*filled_with(name, None, distribution="normal", seed=1).tolist()}) > 1


# ---- floats


@given(name=st.sampled_from(FLOATS), recipe=recipes)
def test_floats_are_finite_whatever_the_scale(name: str, recipe: Recipe) -> None:
    filled = fill((20,), numpy_dtype(name), recipe=recipe, domain=Domain())
    assert np.isfinite(filled.astype(np.float64)).all()


@pytest.mark.parametrize("name", FLOATS)
def test_the_scale_may_be_as_large_as_the_dtype(name: str) -> None:
    largest = largest_finite(numpy_dtype(name))
    filled = filled_with(name, None, distribution="normal", scale=largest / 4).astype(np.float64)
    assert np.isfinite(filled).all()
    assert np.abs(filled).max() > largest / 8


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_the_scale_is_a_factor(distribution: str) -> None:
    one, ten = (
        filled_with("float64", None, distribution=distribution, seed=5, scale=scale)
        for scale in (1.0, 10.0)
    )
    np.testing.assert_array_equal(one * 10, ten)


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_large_arrays_are_filled_with_distinct_values(distribution: str) -> None:
    filled = filled_with("float32", None, size=24 * 1024, distribution=distribution, seed=1)
    assert len(np.unique(filled)) > 20_000


def test_both_parts_of_complex_numbers_are_drawn() -> None:
    filled = filled_with("complex64", None, distribution="normal", seed=1)
    assert len(np.unique(filled.real)) == len(np.unique(filled.imag)) == 100
    assert not np.array_equal(filled.real, filled.imag)


@pytest.mark.parametrize("name", [*FLOATS, "complex64"])
def test_special_values_are_in_a_few_places_of_the_others(name: str) -> None:
    for special in special_names(numpy_dtype(name)):
        usual, changed = (
            filled_with(name, None, distribution="normal", special=which, seed=1)
            for which in ("", special)
        )
        assert np.count_nonzero(usual.view("u1") != changed.view("u1"))
        assert np.count_nonzero(usual != changed) <= 8


@pytest.mark.parametrize("distribution", ["zeros", "ones"])
def test_a_special_value_among_zeros_or_ones_is_one(distribution: str) -> None:
    for seed in range(10):
        filled = filled_with("float32", None, distribution=distribution, special="nan", seed=seed)
        assert np.isnan(filled).sum() == 1


# ---- whole numbers and strings


@pytest.mark.parametrize("name", [*WHOLE, "bool"])
def test_of_whole_numbers_zeros_are_0_and_ones_1(name: str) -> None:
    assert {*filled_with(name, None, distribution="zeros").tolist()} == {0}
    assert {*filled_with(name, None, distribution="ones").tolist()} == {1}


@pytest.mark.parametrize("name", WHOLE)
def test_normal_whole_numbers_span_the_dtype(name: str) -> None:
    filled = filled_with(name, None, size=500, distribution="normal", seed=1)
    limits = np.iinfo(name)
    assert float(filled.max()) > limits.max * 0.9
    assert float(filled.min()) < limits.min + (limits.max - limits.min) * 0.1


@pytest.mark.parametrize("distribution", [d for d in DISTRIBUTIONS if d not in {"normal", "image"}])
def test_other_whole_numbers_are_small(distribution: str) -> None:
    assert np.abs(filled_with("int64", None, distribution=distribution)).max() <= 9


def test_strings_are_bytes_of_several_kinds() -> None:
    filled = filled_with("string", None, distribution="uniform", seed=1)
    assert all(type(item) is bytes for item in filled)
    assert len(set(filled)) > 5


# ---- domains: ranges


@given(
    name=st.sampled_from((*NUMBERS, "bool")),
    bounds=st.tuples(st.integers(0, 100), st.integers(0, 100)).map(sorted),
    shape=shapes,
    recipe=recipes,
    special=st.sampled_from(["", ENDS, "negative zero", "largest", "nan"]),
)
def test_values_stay_within_their_bounds(
    name: str, bounds: list[int], shape: tuple[int, ...], recipe: Recipe, special: str
) -> None:
    low, high = (0, 1) if name == "bool" else bounds
    dtype = numpy_dtype(name)
    if name in FLOATS:
        recipe = Recipe(distribution=recipe.distribution, seed=recipe.seed, special=special)
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
    domain = Domain(values=Range(low=bounds[0], high=bounds[1]))
    filled = fill((20,), dtype, recipe=recipe, domain=domain)
    low, high = np.array(bounds).astype(dtype)
    assert ((filled >= low) & (filled <= high)).all()


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_floats_between_the_largest_of_either_sign_are_finite(distribution: str) -> None:
    largest = float(np.finfo(np.float64).max)
    filled = filled_with("float64", Range(low=-largest, high=largest), distribution=distribution)
    assert np.isfinite(filled).all()


@given(recipe=recipes)
def test_whole_numbers_stay_within_bounds_that_are_none(recipe: Recipe) -> None:
    domain = Domain(values=Range(low=0.5, high=3.2))
    filled = fill((20,), np.dtype(np.int32), recipe=recipe, domain=domain)
    assert set(filled.tolist()) <= {1, 2, 3}


@pytest.mark.parametrize("name", ["int32", "float32", "bfloat16"])
def test_of_a_range_zeros_are_all_low_and_ones_all_high(name: str) -> None:
    bounds = Range(low=2, high=7)
    assert {*map(float, filled_with(name, bounds, distribution="zeros"))} == {2}
    assert {*map(float, filled_with(name, bounds, distribution="ones"))} == {7}


def test_numbers_on_both_sides_of_the_ends_of_a_range_are_drawn() -> None:
    ids = filled_with("int64", Range(low=0, high=10**6), distribution="uniform", special=ENDS)
    near = {0, 1, 10**6 - 1, 10**6}
    assert near & {*ids.tolist()}
    seen = {
        value
        for seed in range(50)
        for value in filled_with(
            "int64", Range(low=0, high=10**6), distribution="uniform", special=ENDS, seed=seed
        ).tolist()
    }
    assert near <= seen


def test_both_truth_values_are_drawn_from_bounds() -> None:
    filled = filled_with("bool", Range(low=0, high=1), distribution="uniform", seed=3)
    assert 20 < filled.sum() < 80


# ---- domains: choices, phases, defaults


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
    filled = fill(shape, dtype, recipe=recipe, domain=Domain(values=Choices(values=choices)))
    assert (filled.dtype, filled.shape) == (dtype, shape)
    assert set(filled.astype(np.complex128).reshape(-1).tolist()) <= {*map(complex, choices)}


def test_of_choices_zeros_are_the_first_and_ones_the_last() -> None:
    choices = Choices(values=(5, 3, 8))
    assert {*filled_with("int32", choices, distribution="zeros").tolist()} == {5}
    assert {*filled_with("int32", choices, distribution="ones").tolist()} == {8}
    assert {*filled_with("int32", choices, distribution="uniform").tolist()} == {5, 3, 8}
    assert len({*filled_with("int32", choices, distribution="constant").tolist()}) == 1


@given(shape=shapes, recipe=recipes)
def test_choices_of_strings_are_fed_as_bytes(shape: tuple[int, ...], recipe: Recipe) -> None:
    domain = Domain(values=Choices(values=("ja", "naïve", b"\xff\x00")))
    filled = fill(shape, np.dtype(object), recipe=recipe, domain=domain)
    assert filled.shape == shape
    assert {*filled.reshape(-1)} <= {b"ja", "naïve".encode(), b"\xff\x00"}


@pytest.mark.parametrize(
    ("name", "constant"),
    [
        ("bool", False),
        ("float32", 0.5),
        ("int64", 7),
        ("uint8", 255),
        ("uint64", 2**64 - 1),
        ("string", b"a\x00"),
    ],
)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("kind", ["choices", "phase", "default"])
def test_a_constant_is_every_element(
    name: str, constant: Value, distribution: str, kind: str
) -> None:
    domains = {
        "choices": Domain(values=Choices(values=(constant,))),
        "phase": Domain(values=Phase(inference=constant, training=1)),  # type: ignore[arg-type]
        "default": Domain(default=constant),
    }
    for shape in ((), (3,)):
        recipe = Recipe(distribution="default" if kind == "default" else distribution)
        filled = fill(shape, numpy_dtype(name), recipe=recipe, domain=domains[kind])
        assert filled.shape == shape
        assert {*filled.reshape(-1).tolist()} == {constant}


def test_a_phase_is_as_for_inference() -> None:
    phase = Phase(inference=1.0, training=0.5)
    assert {*filled_with("float32", phase, distribution="normal").tolist()} == {1.0}


# ---- domains: landmarks


@pytest.mark.parametrize("name", ["float32", "int32", "bfloat16"])
def test_landmarks_are_among_the_values(name: str) -> None:
    domain = Domain(landmarks=(1000,))
    filled = filled_with(name, None, domain=domain, distribution="uniform", special=LANDMARKS)
    found = {value for value in map(float, filled) if value > 900}
    assert 1000.0 in found
    assert len(found) == 3


def test_landmarks_are_in_a_quarter_of_the_elements_or_so() -> None:
    domain = Domain(landmarks=(1000,))
    counts = [
        np.count_nonzero(
            filled_with("float32", None, domain=domain, special=LANDMARKS, seed=seed,
                        distribution="normal") > 900
        )
        for seed in range(40)
    ]  # fmt: skip
    assert min(counts) < 10
    assert 15 < np.mean(counts) < 35
    assert max(counts) > 40


def test_landmarks_outside_a_range_are_left_out() -> None:
    domain = Domain(values=Range(low=0, high=1), landmarks=(0.5, 2.0))
    filled = filled_with("float32", None, domain=domain, special=LANDMARKS, distribution="zeros")
    assert filled.max() == pytest.approx(0.5)


# ---- elements, shapes, files and what is encoded


@pytest.mark.parametrize(
    ("name", "elements"),
    [
        ("float32", (0.1, -0.0, math.inf)),
        ("bfloat16", (1.0, 2.0, 3.0)),
        ("int64", (2**63 - 1, 0, -1)),
        ("bool", (True, False, True)),
        ("string", (b"a", b"\x00", b"")),
    ],
)
def test_elements_are_taken_as_they_are(name: str, elements: tuple[Value, ...]) -> None:
    filled = filled_with(name, None, size=3, elements=elements)
    assert filled.dtype == numpy_dtype(name)
    assert filled.tolist() == np.array(elements, numpy_dtype(name)).tolist()


def test_elements_are_repeated_or_cut_to_the_shape() -> None:
    assert filled_with("int32", None, size=5, elements=(1, 2)).tolist() == [1, 2, 1, 2, 1]
    assert filled_with("int32", None, size=1, elements=(1, 2)).tolist() == [1]


def test_a_new_shape_is_one_unknown_size_and_ones() -> None:
    simplest = filled_with("int32", NewShape(), size=3, distribution="zeros")
    assert simplest.tolist() == [-1, 1, 1]
    drawn = {
        tuple(filled_with("int32", NewShape(), size=3, distribution="uniform", seed=seed).tolist())
        for seed in range(30)
    }
    assert drawn == {(-1, 1, 1), (1, -1, 1), (1, 1, -1)}
    assert not filled_with("int32", NewShape(), size=0).size


@pytest.mark.parametrize(
    "values",
    [
        Pictures(formats=("png",)),
        Sounds(),
        NumberTexts(),
        Examples(features={"age": Feature(dtype="float32", shape=(2,))}),
    ],
    ids=lambda values: type(values).__name__,
)
def test_what_is_encoded_is_the_simplest_for_zeros_and_ones(values: Values) -> None:
    simplest = [
        filled_with("string", values, size=3, distribution=distribution, seed=seed).tolist()
        for distribution in ("zeros", "ones")
        for seed in (1, 2)
    ]
    assert all(strings == simplest[0] for strings in simplest)
    drawn = [
        filled_with("string", values, size=3, distribution="uniform", seed=s) for s in range(9)
    ]
    assert len({item for strings in drawn for item in strings.tolist()}) > 3


def test_an_array_of_a_file_is_taken_by_rows(tmp_path: Path) -> None:
    rows = io.BytesIO()
    np.save(rows, np.arange(20, dtype=np.float32).reshape(10, 2))
    (tmp_path / "rows.npy").write_bytes(rows.getvalue())
    filled = fill(
        (3, 2),
        np.dtype(np.float32),
        recipe=Recipe(distribution="uniform", seed=4),
        domain=Domain(values=Recorded(path=tmp_path / "rows.npy")),
    )
    assert (np.diff(filled[:, 0]) % 20 == 2).all()
    assert (filled[:, 1] == filled[:, 0] + 1).all()


def test_zeros_come_first_so_that_examples_shrink_to_them() -> None:
    assert DISTRIBUTIONS[:2] == ("zeros", "ones")
