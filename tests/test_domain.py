"""Domains of the graph and of the user become one; sizes are told briefly."""

from __future__ import annotations

import pytest

from harness.domain import (
    Axis,
    Choices,
    Domain,
    Lengths,
    Pictures,
    Range,
    Sparse,
    axes_of,
    format_sizes,
    merged,
)

BATCH = Axis(name="batch", sizes=tuple(range(9)))
TIME = Axis(name="time", sizes=(8, 16, 24))
READ = Domain(
    shape=(BATCH, TIME), values=Range(low=0, high=9), landmarks=(3,), default=1, read_from="lookup"
)


def test_what_the_user_says_of_the_values_takes_the_place_of_what_was_read() -> None:
    domain = merged({"x": READ}, {"x": Domain(values=Choices(values=(1, 2)))})["x"]
    assert domain == Domain(shape=(BATCH, TIME), values=Choices(values=(1, 2)))


def test_what_the_user_leaves_open_stays_as_it_was_read() -> None:
    domain = merged({"x": READ}, {"x": Domain(shape=(4, None))})["x"]
    assert domain.shape == (4, TIME)
    assert (domain.values, domain.read_from) == (READ.values, "lookup")


def test_a_shape_of_another_rank_takes_the_place_of_the_whole_shape() -> None:
    assert merged({"x": READ}, {"x": Domain(shape=(None,))})["x"].shape == (None,)


def test_a_distribution_and_a_dtype_are_kept() -> None:
    domain = merged({"x": READ}, {"x": Domain(distribution="image", dtype="int32")})["x"]
    assert (domain.distribution, domain.dtype) == ("image", "int32")


def test_landmarks_and_a_default_can_be_stated_with_the_values() -> None:
    stated = Domain(values=Range(low=0, high=1), landmarks=(0.5,), default=0.25)
    domain = merged({"x": READ}, {"x": stated})["x"]
    assert (domain.landmarks, domain.default) == ((0.5,), 0.25)


def test_landmarks_and_a_default_stay_where_no_values_are_stated() -> None:
    domain = merged({"x": READ}, {"x": Domain(shape=(4, None))})["x"]
    assert (domain.landmarks, domain.default) == ((3,), 1)


def test_an_axis_that_is_stated_is_the_axis_of_that_name_in_every_input() -> None:
    time = Axis(name="time", sizes=(100,))
    sparse = Domain(values=Sparse(values="v", dense_shape="", shape=(BATCH, TIME)))
    domains = merged({"x": READ, "y": sparse}, {"x": Domain(shape=(None, time))})
    assert domains["x"].shape == (BATCH, time)
    assert domains["y"].values == Sparse(values="v", dense_shape="", shape=(BATCH, time))


def test_an_axis_may_be_stated_of_an_input_of_which_the_graph_says_nothing() -> None:
    time = Axis(name="time", sizes=(100,))
    domains = merged({"x": READ, "y": Domain()}, {"y": Domain(shape=(time,))})
    assert domains["x"].shape == (BATCH, time)


def test_a_size_in_the_place_of_an_axis_is_its_size_in_every_input() -> None:
    domains = merged({"x": READ, "y": Domain(shape=(TIME, 3))}, {"x": Domain(shape=(None, 16))})
    assert domains["x"].shape == (BATCH, 16)
    assert domains["y"].shape == (16, 3)


def test_an_axis_in_the_place_of_another_is_so_in_every_input() -> None:
    mine = Axis(name="mine", sizes=(5, 6))
    domains = merged({"x": READ, "y": Domain(shape=(TIME, 3))}, {"x": Domain(shape=(None, mine))})
    assert domains["y"].shape == (mine, 3)


def test_what_is_stated_of_two_inputs_of_one_axis_holds_for_each() -> None:
    domains = merged(
        {"x": READ, "y": Domain(shape=(TIME,))},
        {"x": Domain(shape=(None, 16)), "y": Domain(shape=(8,))},
    )
    assert domains["x"].shape == (BATCH, 16)
    assert domains["y"].shape == (8,)


def test_inputs_that_only_one_side_knows_are_kept() -> None:
    assert merged({"x": READ}, {"y": Domain(dtype="int32")}) == {
        "x": READ,
        "y": Domain(dtype="int32"),
    }


@pytest.mark.parametrize(
    ("sizes", "text"),
    [((0, 1, 2, 3), "0..3"), ((5,), "5"), ((1, 2), "1, 2"), ((8, 16, 24), "8, 16, 24")],
)
def test_sizes_are_told_briefly(sizes: tuple[int, ...], text: str) -> None:
    assert format_sizes(sizes) == text


def test_axes_are_those_of_the_shape_and_of_the_sparse_tensor_each_once() -> None:
    sparse = Sparse(values="v", dense_shape="s", shape=(TIME, BATCH, 3))
    assert axes_of(Domain(shape=(BATCH, 2), values=sparse)) == (BATCH, TIME)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (Range(low=0, high=49), "0 to 49"),
        (Choices(values=(False,)), "always False"),
        (Choices(values=("a", "b")), "one of 'a', 'b'"),
        (Lengths(of="x", axis=1), "lengths: 1 to the size of axis 1 of x"),
        (Lengths(of="x", axis=1, divisor=4), "lengths: 1 to the size of axis 1 of x over 4"),
        (
            Pictures(formats=("png",), heights=(8,), widths=(8,)),
            "pictures in png, height 8, width 8",
        ),
    ],
)
def test_values_are_told_in_a_phrase(values: object, text: str) -> None:
    assert str(values) == text
