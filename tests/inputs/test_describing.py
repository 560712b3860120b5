"""What is told of feeds."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from harness.inputs.describing import describe

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.array([0.5, 1.0], np.float32), "x = [0.5, 1. ] (float32 [2])"),
        (np.array([[1, 2], [3, 4]]), "x = [[1, 2], [3, 4]] (int64 [2, 2])"),
        (np.array(True), "x = True (bool [])"),
        (np.array([b"a"], object), "x = [b'a'] (string [1])"),
        (np.zeros((0, 3), np.float32), "x = [] (float32 [0, 3])"),
        (np.array(0.5, ml_dtypes.bfloat16), "x = 0.5 (bfloat16 [])"),
        (np.arange(20), "x: int64 [20], 0 to 19"),
        (np.arange(20) > 3, "x: bool [20], False to True"),
        (np.zeros((4, 5), np.float32), "x: float32 [4, 5], all 0.0"),
        (np.linspace(0, 0.1, 20, dtype=np.float32), "x: float32 [20], 0.0 to 0.1"),
        (np.zeros(20, ml_dtypes.bfloat16), "x: bfloat16 [20], all 0.0"),
        (np.full(20, b"a", object), "x: string [20]"),
        (np.zeros(20, np.complex64), "x: complex64 [20]"),
    ],
)
def test_small_feeds_are_told_whole_and_large_ones_by_range(value: Any, text: str) -> None:
    assert " ".join(describe({"x": value}).split()) == text


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([NAN, NAN, INF, 1, -2, *[0] * 9], "-2.0 to 1.0, 2 nan, 1 inf"),
        ([-INF, *[3] * 9], "all 3.0, 1 -inf"),
        ([NAN] * 9, "9 nan"),
    ],
)
def test_what_is_not_finite_is_counted(dtype: Any, values: list[float], text: str) -> None:
    assert describe({"x": np.array(values, dtype)}).partition("], ")[2] == text


def test_all_feeds_are_told() -> None:
    assert describe({"x": np.array(1), "y": np.array(2)}) == "x = 1 (int64 []); y = 2 (int64 [])"


def test_no_feeds_are_told_by_nothing() -> None:
    assert describe({}) == ""


def test_a_long_string_is_cut_and_its_size_told() -> None:
    said = describe({"x": np.array([b"\x89" * 5000], object)})

    assert len(said) < 400
    assert "(5,000 bytes)" in said
