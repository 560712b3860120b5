"""Which examples tell something of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.ordinary import Example, has_moved, is_ordinary, size_of


def example(feeds: dict[str, Any], **outputs: Any) -> Example:
    given = outputs or {"y": [1.0]}
    return Example(
        feeds={name: np.asarray(value) for name, value in feeds.items()},
        outputs={name: np.asarray(value, np.float32) for name, value in given.items()},
    )


@pytest.mark.parametrize(
    "feeds",
    [
        {"x": [0.5, -2.0]},
        {"x": 0.5},
        {"x": [0.0, 2.0], "flag": False},
        {"x": [1.0, 2.0], "constant": [3, 3]},
        {"x": [1.0, 2.0], "rate": 0.0},
        {"x": np.array([b"a", b"b"], object)},
        {},
    ],
    ids=str,
)
def test_ordinary_feeds(feeds: dict[str, Any]) -> None:
    assert is_ordinary(example(feeds))


@pytest.mark.parametrize(
    "feeds",
    [
        {"x": [0.0, 0.0]},
        {"x": [1.0, 1.0]},
        {"x": [0.5, np.nan]},
        {"x": [0.5, 1e30]},
        {"x": [0.5, 2e3]},
        {"x": np.zeros((0, 3))},
        {"x": [1.0, 2.0], "mask": [0.0, 0.0]},
        {"x": [1.0, 2.0], "other": np.zeros((0,))},
    ],
    ids=str,
)
def test_feeds_that_are_not(feeds: dict[str, Any]) -> None:
    assert not is_ordinary(example(feeds))


@pytest.mark.parametrize("output", [[], [np.nan], [np.inf]], ids=str)
def test_outputs_that_show_nothing(output: list[float]) -> None:
    assert not is_ordinary(example({"x": [1.0, 2.0]}, y=output))
    assert not is_ordinary(example({"x": [1.0, 2.0]}, y=[1.0], z=output))


def test_a_bit_is_a_movement() -> None:
    one = {"y": np.float32([1.0]), "z": np.int32([1])}
    assert not has_moved(one, {"y": np.float32([1.0]), "z": np.int32([1])})
    assert has_moved(one, {**one, "y": np.nextafter(one["y"], 2)})
    assert has_moved(one, {**one, "z": np.int32([2])})
    assert has_moved(one, {**one, "z": np.int32([1, 1])})


def test_the_size_is_of_feeds_and_outputs() -> None:
    assert size_of(example({"x": np.zeros(3, np.int64)}, y=[1.0, 2.0])) == 3 * 8 + 2 * 4
