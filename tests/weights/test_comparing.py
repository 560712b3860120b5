"""Every variable must have a place, and every place its variable's value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from harness.criteria import Array
from harness.weights.comparing import Place, Unconverted, compare_weights

KERNEL = np.arange(6, dtype=np.float32).reshape(2, 3)
BIAS = np.array([5.0, 7.0, 8.0], np.float32)
RIGHT = {"kernel": KERNEL, "bias": BIAS}


class Counted(Mapping[str, Array]):
    """Values that remember how often each was read."""

    def __init__(self, values: Mapping[str, Array]) -> None:
        self.values_ = values
        self.read: list[str] = []

    def __getitem__(self, name: str) -> Array:
        self.read.append(name)
        return self.values_[name].copy()

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def place(reference: str, candidate: str | None = None, where: str = "") -> Place:
    return Place(reference=reference, candidate=candidate or reference, where=where)


def test_equal_values_pass_and_are_counted() -> None:
    result = compare_weights(
        [place("kernel", "k"), place("bias", "b")],
        reference=RIGHT,
        candidate={"k": KERNEL.copy(), "b": BIAS.copy()},
        expected=["kernel", "bias"],
    )
    assert result.passed
    assert (result.variables, result.places, result.compared_bytes) == (2, 2, 36)
    assert result.measured.max_abs == 0


def test_a_value_off_by_its_last_bit_fails_and_is_measured() -> None:
    given = BIAS.copy()
    given[2] = np.nextafter(given[2], np.float32(0))
    result = compare_weights(
        [place("kernel"), place("bias")],
        reference=RIGHT,
        candidate={"kernel": KERNEL, "bias": given},
        expected=["kernel", "bias"],
    )
    assert not result.passed
    (wrong,) = result.wrong
    assert wrong.place.reference == "bias"
    assert (wrong.difference.index, wrong.difference.mismatched) == ((2,), 1)
    assert result.measured.max_ulp == 1


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (np.zeros((3, 3), np.float64), "dtype"),
        (np.zeros((), np.float32), "shape"),
        (np.zeros((1, 1), np.float32), "shape"),
        (np.zeros(9, np.float32), "shape"),
    ],
)
def test_another_dtype_or_shape_fails_though_it_would_broadcast(given: Array, what: str) -> None:
    result = compare_weights(
        [place("zeros")],
        reference={"zeros": np.zeros((3, 3), np.float32)},
        candidate={"zeros": given},
        expected=["zeros"],
    )
    assert [wrong.difference.what for wrong in result.wrong] == [what]


def test_each_place_of_a_variable_is_compared() -> None:
    result = compare_weights(
        [place("bias", "one"), place("bias", "other", "read by b/Add")],
        reference=RIGHT,
        candidate={"one": BIAS, "other": BIAS + 1},
        expected=["bias"],
    )
    (wrong,) = result.wrong
    assert wrong.place.candidate == "other"
    assert wrong.is_right_elsewhere


def test_a_variable_that_is_wrong_everywhere_is_right_nowhere() -> None:
    result = compare_weights(
        [place("bias", "one"), place("bias", "other")],
        reference=RIGHT,
        candidate={"one": BIAS + 1, "other": BIAS + 2},
        expected=["bias"],
    )
    assert [wrong.is_right_elsewhere for wrong in result.wrong] == [False, False]


def test_one_constant_may_stand_for_several_variables() -> None:
    result = compare_weights(
        [place("one", "shared"), place("other", "shared")],
        reference={"one": BIAS, "other": BIAS + 1},
        candidate={"shared": BIAS},
        expected=["one", "other"],
    )
    assert [wrong.place.reference for wrong in result.wrong] == ["other"]


def test_nothing_is_read_twice() -> None:
    reference, candidate = Counted(RIGHT), Counted(RIGHT)
    places = [place("bias"), place("kernel"), place("bias", where="elsewhere"), place("bias")]
    result = compare_weights(
        places, reference=reference, candidate=candidate, expected=["kernel", "bias"]
    )
    assert result.passed
    assert result.places == 4
    assert sorted(reference.read) == sorted(candidate.read) == ["bias", "kernel"]


def test_the_wrong_are_in_the_order_of_the_places() -> None:
    names = [f"v{number}" for number in (3, 1, 2)]
    result = compare_weights(
        [place(name) for name in names],
        reference=dict.fromkeys(names, BIAS),
        candidate={name: BIAS * (index + 2) for index, name in enumerate(sorted(names))},
        expected=names,
    )
    assert [wrong.place.reference for wrong in result.wrong] == names


def test_a_variable_without_a_place_is_missing() -> None:
    result = compare_weights(
        [place("kernel")],
        reference=RIGHT,
        candidate=RIGHT,
        expected=["kernel", "bias"],
        why_missing={"bias": "BiasAdd missing before prediction"},
    )
    assert not result.passed
    assert result.missing == (
        "bias has no place in the candidate: BiasAdd missing before prediction",
    )


def test_no_place_at_all_is_no_pass() -> None:
    result = compare_weights([], reference=RIGHT, candidate=RIGHT, expected=["kernel", "bias"])
    assert not result.passed
    assert result.missing == (
        "kernel has no place in the candidate",
        "bias has no place in the candidate",
    )


def test_a_place_of_a_variable_that_is_not_expected_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="kernel has a place"):
        compare_weights([place("kernel")], reference=RIGHT, candidate=RIGHT, expected=["bias"])


@pytest.mark.parametrize("side", ["reference", "candidate"])
def test_a_place_without_a_value_is_an_error(side: str) -> None:
    values = {"reference": RIGHT, "candidate": RIGHT, side: {"kernel": KERNEL}}
    with pytest.raises(KeyError, match="bias"):
        compare_weights(
            [place("kernel"), place("bias")],
            reference=values["reference"],
            candidate=values["candidate"],
            expected=["kernel", "bias"],
        )


def test_a_variable_that_was_left_fails() -> None:
    left = Unconverted(name="kernel", op="VariableV2")
    result = compare_weights(
        [place("bias")],
        reference=RIGHT,
        candidate=RIGHT,
        expected=["bias"],
        unconverted=[left],
    )
    assert not result.passed
    assert result.unconverted == (left,)


def test_a_constant_that_stands_for_no_variable_fails() -> None:
    result = compare_weights(
        [place("bias")],
        reference=RIGHT,
        candidate={**RIGHT, "K": np.zeros((3, 3, 8, 8), np.float32), "S": np.array([b""], object)},
        expected=["bias"],
        strays=["K", "S"],
    )
    assert not result.passed
    assert result.strays == (
        "the constant K float32 [3, 3, 8, 8] stands for no variable",
        "the constant S string [1] stands for no variable",
    )


def test_strings_are_compared() -> None:
    given = np.array([b"a", b"b\0"], object)
    result = compare_weights(
        [place("words")],
        reference={"words": np.array([b"a", b"b"], object)},
        candidate={"words": given},
        expected=["words"],
    )
    assert [wrong.difference.index for wrong in result.wrong] == [(1,)]
