"""Inputs whose values are exchanged for those of other examples. A model is a function here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from harness.domain import Choices, Domain, Lengths, NewShape, Phase, Range, SizeOf, Sparse
from harness.errors import Rejected, TimedOut
from harness.exchanging import Group, groups_of, ignored_warning, is_ignored
from harness.memo import Feeds
from harness.ordinary import Example

NEVER = math.inf
X = Group(names=("x",))
Model = Callable[[Feeds], Mapping[str, Any]]


def examples(model: Model, *sizes: int, **inputs: Any) -> list[Example]:
    """What a model gives for normal numbers in `x` and `z`, and `inputs`, one example a size."""
    found = []
    for size in sizes:
        rng = np.random.default_rng(size)
        feeds = {"x": rng.normal(size=size), "z": rng.normal(size=2), **inputs}
        found.append(Example(feeds=feeds, outputs=model(feeds)))
    return found


def deaf(feeds: Feeds) -> Mapping[str, Any]:
    return {"y": feeds["z"] * 2}


def hears(feeds: Feeds) -> Mapping[str, Any]:
    return {"y": feeds["z"] * 2 + feeds["x"][0]}


def test_an_input_that_moves_nothing_is_ignored() -> None:
    assert is_ignored(deaf, X, examples(deaf, 3, 4, 5), stop_at=NEVER)


def test_one_that_moves_an_output_is_not() -> None:
    assert not is_ignored(hears, X, examples(hears, 3, 4, 5), stop_at=NEVER)


def test_one_that_moves_something_once_is_not() -> None:
    def rarely(feeds: Feeds) -> Mapping[str, Any]:
        return {"y": feeds["z"] + (feeds["x"][0] if len(feeds["x"]) == 5 else 0)}

    assert not is_ignored(rarely, X, examples(rarely, 3, 4, 5), stop_at=NEVER)


def test_one_example_is_not_enough() -> None:
    assert not is_ignored(deaf, X, examples(deaf, 3), stop_at=NEVER)


def test_few_exchanges_are_not_enough() -> None:
    assert not is_ignored(deaf, X, examples(deaf, 3, 4), stop_at=NEVER)


def test_exchanges_in_one_example_are_not_enough() -> None:
    known = examples(deaf, 3, 4, 5, 6, 7)

    def picky(feeds: Feeds) -> Mapping[str, Any]:
        if len(feeds["x"]) != 3:
            raise Rejected("InvalidArgumentError", "no")
        return deaf(feeds)

    assert not is_ignored(picky, X, known, stop_at=NEVER)


def test_the_same_values_are_no_exchange() -> None:
    found = examples(deaf, 3, 3, 3, 3, 3)
    assert not is_ignored(deaf, X, found, stop_at=NEVER)


@pytest.mark.parametrize("error", [Rejected("InvalidArgumentError", "no"), TimedOut(1.0)], ids=str)
def test_a_rejection_is_no_evidence(error: Exception) -> None:
    known = examples(deaf, 3, 4, 5)

    def refuses(_: Feeds) -> Mapping[str, Any]:
        raise error

    assert not is_ignored(refuses, X, known, stop_at=NEVER)


def test_after_the_time_nothing_is_known() -> None:
    assert not is_ignored(deaf, X, examples(deaf, 3, 4, 5), stop_at=-NEVER)


def sparse(model: Model, shapes: Sequence[int]) -> list[Example]:
    found = []
    for number, shape in enumerate(shapes, start=1):
        feeds = {
            "indices": np.arange(number)[:, np.newaxis],
            "values": np.full(number, float(number)),
            "shape": np.array([shape]),
        }
        found.append(Example(feeds=feeds, outputs=model(feeds)))
    return found


TRIPLE = Group(names=("indices", "values"), shape="shape")


def test_a_sparse_tensor_is_exchanged_as_one() -> None:
    seen = []

    def model(feeds: Feeds) -> Mapping[str, Any]:
        seen.append((len(feeds["indices"]), len(feeds["values"])))
        return {"y": np.float32([1.0, 2.0])}

    assert is_ignored(model, TRIPLE, sparse(model, [9, 9, 9]), stop_at=NEVER)
    assert all(indices == values for indices, values in seen)


def test_a_sparse_tensor_of_another_shape_is_left() -> None:
    def model(_: Feeds) -> Mapping[str, Any]:
        return {"y": np.float32([1.0, 2.0])}

    assert not is_ignored(model, TRIPLE, sparse(model, [7, 8, 9]), stop_at=NEVER)


@pytest.mark.parametrize(
    "values",
    [
        Choices(values=(1.0,)),
        Range(low=3, high=3),
        Phase(inference=False, training=True),
        Lengths(of="z", axis=0),
        SizeOf(of="z", axis=0),
        NewShape(),
    ],
    ids=str,
)
def test_an_input_of_one_value_is_left(values: Any) -> None:
    assert groups_of({"x": Domain(values=values)}, {"x"}) == []


@pytest.mark.parametrize("values", [None, Choices(values=(1, 2)), Range(low=0, high=3)], ids=str)
def test_an_input_of_several_is_a_group(values: Any) -> None:
    assert groups_of({"x": Domain(values=values), "z": Domain()}, {"x"}) == [X]


def test_the_parts_of_a_sparse_tensor_are_one_group() -> None:
    domains = {
        "indices": Domain(values=Sparse(values="values", dense_shape="shape", shape=(3,))),
        "values": Domain(),
        "shape": Domain(),
    }
    assert groups_of(domains, {"values"}) == [TRIPLE]
    assert groups_of(domains, {*domains}) == [TRIPLE]


def test_the_warning_names_the_inputs_and_the_remedy() -> None:
    warning = ignored_warning(TRIPLE)
    assert (warning.code, warning.nodes) == ("ignored_input", ("indices", "values"))
    assert "the values of indices, values" in warning.message
    assert "--input-spec FILE" in warning.message
