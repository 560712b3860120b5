"""Variables that are given other values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from harness.errors import Rejected
from harness.memo import Feeds
from harness.ordinary import Example, is_same
from harness.perturbing import dead_variables, dead_warning, perturbed

NEVER = math.inf


@pytest.mark.parametrize(
    "dtype",
    ["float16", "float32", "float64", ml_dtypes.bfloat16, "complex64", "int8", "uint64", "int32"],
    ids=str,
)
@pytest.mark.parametrize("shape", [(), (1,), (3, 4)], ids=str)
def test_other_values_have_the_same_dtype_and_shape(dtype: Any, shape: tuple[int, ...]) -> None:
    value = np.ones(shape).astype(dtype)
    found = list(perturbed(value, of="w"))
    assert found
    assert {(other.dtype, other.shape) for other in found} == {(value.dtype, shape)}
    assert any((other != value).all() for other in found)


def test_texts_are_other_texts() -> None:
    value = np.array([b"one", b"", b"\xff\x00"], object)
    for other in perturbed(value, of="w"):
        assert all(text != known for text, known in zip(other, value, strict=True))


def test_flags_are_turned() -> None:
    (other,) = perturbed(np.array([True, False]), of="w")
    assert other.tolist() == [False, True]


def test_zeros_are_moved_too() -> None:
    assert all(other.any() for other in perturbed(np.zeros(4, np.float32), of="w"))


@pytest.mark.parametrize("sign", [-1, 1])
def test_values_are_all_of_one_sign_once(sign: int) -> None:
    for number in range(20):
        found = perturbed(np.float32([-3.0, 2.0, -1.0]), of=f"w{number}")
        assert any((sign * other > 0).all() for other in found)


def test_values_are_small_once() -> None:
    for number in range(20):
        found = perturbed(np.float32([-500.0, 500.0]), of=f"w{number}")
        assert any((np.abs(other) < 10).all() for other in found)


def test_of_values_that_are_not_finite_the_others_count() -> None:
    value = np.float32([np.inf, np.nan, 1.0])
    assert all(np.isfinite(other[2]) for other in perturbed(value, of="w"))


class Runner:
    """A model of two inputs and three variables, of which `dead` has no say."""

    def __init__(self, weights: Mapping[str, Any], *, rejects: str = "") -> None:
        self.weights = {name: np.asarray(value) for name, value in weights.items()}
        self.own = dict(self.weights)
        self._rejects = rejects
        self.assigned: list[str] = []

    def __call__(self, feeds: Feeds) -> dict[str, Any]:
        if self._rejects and not is_same(self.own[self._rejects], self.weights[self._rejects]):
            raise Rejected("InvalidArgumentError", "no")
        # A relu that lets nothing through of values like that of `shy`.
        hidden = np.maximum(self.weights["shy"] * feeds["x"], 0)
        return {"y": hidden + self.weights["alive"]}

    def assign(self, name: str, value: Any) -> None:
        self.assigned.append(name)
        self.weights[name] = value


WEIGHTS = {"alive": np.float32([1.0]), "dead": np.float32([2.0]), "shy": np.float32([-3.0])}


def examples(*numbers: float) -> list[Example]:
    return [Example(feeds={"x": np.float32([number])}, outputs={}) for number in numbers]


def find(runner: Any, names: set[str], **options: Any) -> list[str]:
    chosen = {"stop_at": NEVER, **options}
    return dead_variables(runner, dict(runner.own), names, examples(0.5, 2.0), **chosen)


def test_a_variable_without_a_say_is_dead() -> None:
    assert find(Runner(WEIGHTS), {*WEIGHTS}) == ["dead"]


def test_only_variables_that_are_named_are_tried() -> None:
    assert find(Runner(WEIGHTS), {"alive", "shy"}) == []


def test_each_has_its_own_value_again() -> None:
    runner = Runner(WEIGHTS)
    find(runner, {*WEIGHTS})
    assert all(is_same(runner.weights[name], value) for name, value in WEIGHTS.items())


def test_a_rejection_is_a_movement() -> None:
    runner = Runner(WEIGHTS, rejects="dead")
    assert find(runner, {"dead"}) == []
    assert is_same(runner.weights["dead"], WEIGHTS["dead"])


def test_what_is_not_decided_in_time_is_left_out() -> None:
    runner = Runner(WEIGHTS)
    assert find(runner, {"dead"}, stop_at=-NEVER) == []
    assert runner.assigned == []


def test_time_that_runs_out_on_the_way_leaves_it_undecided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter(range(100))
    monkeypatch.setattr("harness.perturbing.time.perf_counter", lambda: next(clock))
    runner = Runner({"dead": WEIGHTS["dead"], "alive": WEIGHTS["alive"], "shy": WEIGHTS["shy"]})
    assert find(runner, {"dead"}, stop_at=3.5) == []
    assert is_same(runner.weights["dead"], WEIGHTS["dead"])


def test_a_value_that_cannot_be_another_proves_nothing() -> None:
    """Of an empty variable, or one of a dtype that nobody knows how to change."""
    for dtype in (np.int32, np.float32):
        runner = Runner({**WEIGHTS, "dead": np.zeros(0, dtype)})
        assert find(runner, {"dead"}) == []


def test_the_warning_names_the_variables() -> None:
    warning = dead_warning(["conv/bias", "w"])
    assert (warning.code, warning.nodes) == ("dead_variable", ("conv/bias", "w"))
    assert "when conv/bias, w took other values" in warning.message
