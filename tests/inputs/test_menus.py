"""What is drawn for which input, and how often."""

from __future__ import annotations

from typing import Any

import pytest

from harness.domain import (
    Choices,
    Domain,
    Lengths,
    Phase,
    Pictures,
    Range,
    SizeOf,
    Sparse,
    Values,
)
from harness.inputs.drafts import Input
from harness.inputs.dtypes import numpy_dtype
from harness.inputs.menus import Menu, menu_of
from harness.inputs.specials import EMPTY, ENDS, LANDMARKS, largest_finite, special_names
from harness.signature import Shape

PICTURE = (2, 8, 8, 3)


def menu(dtype: str, values: Values | None = None, *, shape: Shape = (2, 3), **domain: Any) -> Menu:
    each = Input(
        name="x", dtype=numpy_dtype(dtype), domain=Domain(shape=shape, values=values, **domain)
    )
    return menu_of(each)


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool", "string"])
def test_zeros_come_first_and_nothing_special_unscaled(dtype: str) -> None:
    found = menu(dtype)
    assert found.distributions[0] == "zeros"
    assert found.scales[0] == 1
    assert found.specials[0] == ""


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "complex64"])
def test_floats_have_scales_up_to_the_extremes_and_every_special_value(dtype: str) -> None:
    found = menu(dtype)
    part = "float32" if dtype == "complex64" else dtype
    assert {1e-3, 1.0, 1e3} < {*found.scales}
    assert max(found.scales) > largest_finite(numpy_dtype(part)) / 10
    assert {*special_names(numpy_dtype(dtype))} < {*found.specials}


def test_special_values_and_extremes_are_rare() -> None:
    found = menu("float32")
    assert 3 / 4 < found.specials.count("") / len(found.specials) < 1
    extremes = [scale for scale in found.scales if not 1e-3 <= scale <= 1e3]
    assert 0 < len(extremes) / len(found.scales) < 1 / 10


def test_landmarks_are_as_frequent_as_none() -> None:
    found = menu("float32", landmarks=(2.5,))
    assert found.specials.count(LANDMARKS) == found.specials.count("")
    assert "nan" in found.specials
    assert {*menu("int32", landmarks=(2,)).specials} == {"", LANDMARKS}


@pytest.mark.parametrize(
    ("dtype", "values", "landmark"),
    [
        ("float32", Range(low=0, high=1), 2.5),
        ("uint8", None, -7),
        ("bool", None, 1),
        ("float32", None, float("inf")),
    ],
)
def test_landmarks_that_an_input_cannot_hold_are_not_drawn(
    dtype: str, values: Values | None, landmark: float
) -> None:
    assert LANDMARKS not in menu(dtype, values, landmarks=(landmark,)).specials


def test_the_whole_range_of_a_dtype_is_drawn_seldom() -> None:
    whole = menu("int64").distributions
    assert 0 < whole.count("normal") / len(whole) < 1 / 8


@pytest.mark.parametrize(
    ("dtype", "values"), [("float32", None), ("uint8", None), ("float32", Range(low=0, high=255))]
)
def test_images_are_drawn_more_often_of_three_axes_and_more(
    dtype: str, values: Values | None
) -> None:
    flat, picture = (menu(dtype, values, shape=shape).distributions for shape in ((2, 3), PICTURE))
    assert flat.count("image") < picture.count("image")


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_the_ends_of_a_range_are_frequent_and_nothing_else_special(dtype: str) -> None:
    found = menu(dtype, Range(low=0, high=49))
    assert found.specials == ("", ENDS)
    assert found.scales == (1.0,)
    assert found.typical == "uniform"


@pytest.mark.parametrize(
    "values", [Phase(inference=1, training=0), SizeOf(of="y", axis=0), Choices(values=(1,))]
)
def test_where_there_is_one_value_nothing_is_drawn(values: Values) -> None:
    found = menu("int32", values)
    assert found == Menu(distributions=("zeros",), typical="zeros")


@pytest.mark.parametrize(
    ("dtype", "values", "special"),
    [("int32", Lengths(of="y", axis=0), ENDS),
     ("int64", Sparse(values="y", dense_shape="", shape=(2, 3)), EMPTY)],
)  # fmt: skip
def test_lengths_are_at_their_ends_at_times_and_sparse_tensors_empty(
    dtype: str, values: Values, special: str
) -> None:
    found = menu(dtype, values)
    assert 0 < found.specials.count(special) / len(found.specials) <= 1 / 3


def test_pictures_are_the_simplest_at_times() -> None:
    assert {*menu("string", Pictures()).distributions} == {"zeros", "uniform"}


# ---- what a domain states


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8"])
@pytest.mark.parametrize("values", [None, Range(low=0, high=9)])
def test_a_distribution_that_is_stated_is_the_only_one(dtype: str, values: Values | None) -> None:
    found = menu(dtype, values, distribution="normal")
    assert found == Menu(distributions=("normal",), typical="normal")


def test_images_of_floats_have_pixels_up_to_1_or_255() -> None:
    assert menu("float32", distribution="image", shape=PICTURE).scales == (1.0, 255.0)
    assert menu("uint8", distribution="image", shape=PICTURE).scales == (1.0,)
    bounds = Range(low=0, high=1)
    assert menu("float32", bounds, distribution="image", shape=PICTURE).scales == (1.0,)


def test_landmarks_are_drawn_beside_a_distribution() -> None:
    found = menu("float32", distribution="uniform", landmarks=(2.5,))
    assert found.specials == ("", LANDMARKS)


def test_a_default_comes_first_and_is_drawn_now_and_then() -> None:
    found = menu("float32", default=0.5)
    assert found.distributions[0] == "default"
    assert 1 / 8 < found.distributions.count("default") / len(found.distributions) < 1 / 3
    assert found.typical == "normal"


def test_the_default_of_a_phase_is_none_of_its_values() -> None:
    phase = Phase(inference=1.0, training=0.5)
    assert menu("float32", phase, default=0.5).distributions == ("zeros",)


@pytest.mark.parametrize(
    ("dtype", "values", "has"),
    [
        ("float32", None, True),
        ("bfloat16", Range(low=0, high=1), True),
        ("bool", None, True),
        ("string", Choices(values=("a", "b")), True),
        ("string", None, False),
        ("complex64", None, False),
        ("int32", Lengths(of="y", axis=0), False),
    ],
)
def test_elements_are_drawn_where_hypothesis_has_a_strategy_of_them(
    dtype: str, values: Values | None, has: bool
) -> None:
    assert menu(dtype, values).has_elements is has
