"""What rounding does to outputs, and what it explains. Models are functions here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from harness.conditioning import MOVES, Conditioning, is_extreme, moved
from harness.criteria import Array
from harness.errors import Rejected, TimedOut
from harness.memo import Run

FLOATS = pytest.mark.parametrize(
    "dtype",
    [np.float16, np.float32, np.float64, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, np.complex64],
    ids=lambda dtype: np.dtype(dtype).name,
)


def f32(*values: float) -> Array:
    return np.array(values, np.float32)


def normal(*shape: int, dtype: Any = np.float32) -> Array:
    return np.asarray(np.random.default_rng(0).normal(size=shape)).astype(dtype)


# ---- to move


@FLOATS
def test_each_number_is_moved_to_a_neighbour_or_not_at_all(dtype: Any) -> None:
    value = normal(50, 4, dtype=dtype)
    result = moved(value, seed=0, of="x")
    assert (result.dtype, result.shape) == (value.dtype, value.shape)
    part = value.real.dtype
    bits = f"i{part.itemsize}"
    steps = result.view(bits).astype(np.int64) - value.view(bits).astype(np.int64)
    assert set(np.unique(steps)) == {-1, 0, 1}


def test_what_has_no_neighbour_stays() -> None:
    largest = np.finfo(np.float32).max
    value = np.repeat(f32(0.0, -0.0, math.inf, -math.inf, math.nan, largest), 50)
    result = moved(value, seed=0, of="x")
    assert result.tobytes()[: 250 * 4] == value.tobytes()[: 250 * 4]
    assert np.isfinite(result[250:]).all()


@pytest.mark.parametrize(
    "value",
    [np.arange(9), np.array([True]), np.array([b"a"], object), np.zeros((0, 3), np.float32)],
    ids=["int", "bool", "string", "empty"],
)
def test_what_is_not_rounded_stays(value: Array) -> None:
    assert moved(value, seed=0, of="x") is value


def test_a_number_alone_is_moved() -> None:
    results = {float(moved(np.asarray(np.float32(1)), seed=seed, of="x")) for seed in range(20)}
    assert results == {1.0, 1.0 + 2**-23, 1.0 - 2**-24}


def test_a_seed_moves_alike_each_time_and_each_tensor_in_its_own_way() -> None:
    value = normal(100)
    first, again = (moved(value, seed=0, of="x") for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first != moved(value, seed=1, of="x")).any()
    assert (first != moved(value, seed=0, of="y")).any()


# ---- feeds beyond arithmetic


@pytest.mark.parametrize(
    "value",
    [
        f32(1, math.nan),
        f32(1, -math.inf),
        f32(1, 3e38),
        np.array([1, -1e40]),
        np.array([300], np.float16),
        np.array([1, 2**62]),
        np.array([1 + math.inf * 1j], np.complex64),
        np.array([1e30], ml_dtypes.bfloat16),
    ],
    ids=str,
)
def test_feeds_that_few_factors_let_overflow_are_extreme(value: Array) -> None:
    assert is_extreme({"y": np.ones(2), "x": value})


@pytest.mark.parametrize(
    "value",
    [
        f32(1e6, -1e9, 1e-45, -0.0),
        np.array([1e9]),
        np.array([-8], np.float16),
        np.array([2**31 - 1, -(2**31)], np.int32),
        np.array([255], np.uint8),
        np.array([True]),
        np.array([b"1e300"], object),
        np.zeros(0, np.float32),
    ],
    ids=str,
)
def test_ordinary_feeds_are_not(value: Array) -> None:
    assert not is_extreme({"x": value})


# ---- to explain


def summed(x: Array) -> Array:
    """A sum in order, as one kernel computes it."""
    total: Array = np.cumsum(x, dtype=x.dtype)
    return total[-1:]


def giving(function: Callable[[Array], Any]) -> Run:
    return lambda feeds: {"y": np.asarray(function(feeds["x"]))}


def explained(
    reference: Callable[[Array], Any],
    actual: Callable[[Array], Any],
    x: Array,
    *,
    weights_moved: Callable[[Array], Any] | None = None,
) -> bool:
    """Say whether `actual` is what rounding makes of the reference, deployed as it is strictly."""
    conditioning = Conditioning(
        giving(reference), moved=[giving(weights_moved)] if weights_moved else []
    )
    expected = {"y": np.asarray(reference(x))}
    return conditioning.explains({"x": x}, expected, {"y": np.asarray(actual(x))}, names=["y"])


CANCELLING = np.concatenate([normal(50) * 1e4, -normal(50) * 1e4])


def test_another_order_of_a_sum_that_cancels_is_explained() -> None:
    expected, actual = summed(CANCELLING), summed(CANCELLING[::-1])
    assert abs(actual - expected) > 1e-4 * abs(expected)
    assert explained(summed, lambda x: summed(x[::-1]), CANCELLING)


@pytest.mark.parametrize("fault", [1e-3, 1e-4])
def test_a_wrong_factor_is_not_explained(fault: float) -> None:
    x = normal(100)
    assert not explained(summed, lambda x: summed(x * np.float32(1 + fault)), x)


def test_a_wrong_term_is_not_explained_where_others_cancel() -> None:
    assert not explained(summed, lambda x: summed(x[::-1]) + np.float32(10), CANCELLING)


def test_feeds_that_do_not_move_leave_it_to_the_weights() -> None:
    x = np.zeros(4, np.float32)

    def result(x: Array) -> Any:
        return np.add(x, np.float32(1))

    def off_by(amount: float) -> Callable[[Array], Array]:
        return lambda x: np.asarray(result(x) + np.float32(amount))

    assert not explained(result, off_by(1e-3), x)
    assert explained(result, off_by(1e-3), x, weights_moved=off_by(1e-4))
    assert not explained(result, off_by(1e-3), x, weights_moved=off_by(1e-6))


def test_of_several_outputs_each_must_be_explained() -> None:
    base = {"a": f32(1.0), "b": f32(1.0)}
    loose = {"a": f32(1.1), "b": f32(1.0)}
    conditioning = Conditioning(lambda _: base, moved=[lambda _: loose])
    actual = {"a": f32(1.1), "b": f32(1.1)}
    feeds = {"x": np.zeros(1)}
    assert conditioning.explains(feeds, base, actual, names=["a"])
    assert not conditioning.explains(feeds, base, actual, names=["a", "b"])


def test_a_class_that_changes_by_rounding_is_explained_and_no_other() -> None:
    close = f32(0.5, 1.0, 1.0 + 2**-23)
    assert explained(np.argmax, lambda _: np.int64(1), close)
    assert not explained(np.argmax, lambda _: np.int64(0), f32(0.5, 1.0, 2.0))
    # Element by element: the first may change, the second may not.
    rows = np.stack([close, f32(0.5, 1.0, 2.0)])
    assert explained(lambda x: x.argmax(axis=1), lambda _: np.array([1, 2]), rows)
    assert not explained(lambda x: x.argmax(axis=1), lambda _: np.array([1, 1]), rows)


def test_an_infinity_is_explained_only_where_rounding_makes_one() -> None:
    def inverted(x: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(np.float32(1) / (x - np.float32(1)))

    infinite = lambda _: f32(math.inf)  # noqa: E731
    assert explained(inverted, infinite, f32(1 + 2**-23))
    assert not explained(inverted, infinite, f32(2))
    assert not explained(inverted, lambda _: f32(math.nan), f32(2))


def test_a_complex_number_is_finite_where_both_its_parts_are() -> None:
    base, other = ({"y": np.array([number], np.complex64)} for number in (1 + 1j, 1 + 9j))
    for number in (complex(math.inf, 1), complex(1, math.inf)):
        infinite = {"y": np.array([number], np.complex64)}
        for motion, actual, is_explained in (
            (infinite, infinite, True),
            (infinite, other, False),
            (other, infinite, False),
        ):
            conditioning = Conditioning(lambda _: base, moved=[lambda _, m=motion: m])
            said = conditioning.explains({"x": np.zeros(1)}, base, actual, names=["y"])
            assert said is is_explained


def test_another_dtype_is_never_explained() -> None:
    for x in (CANCELLING, f32(math.nan)):
        assert not explained(summed, lambda x: summed(x).astype(np.float64), x)


def test_another_shape_is_explained_only_where_rounding_changes_it() -> None:
    def above(x: Array) -> Array:
        return x[x > 1]

    none = lambda x: x[:0]  # noqa: E731
    assert explained(above, none, f32(1 + 2**-23))
    assert not explained(above, none, f32(2))


def test_what_extreme_feeds_give_is_not_held_against_anyone() -> None:
    assert explained(np.tanh, lambda _: f32(0.5), f32(3e38))


def test_the_reference_must_accept_the_feeds_to_be_a_measure() -> None:
    def reject(_: Mapping[str, Array]) -> Mapping[str, Array]:
        raise Rejected("InvalidArgumentError", "no such shape")

    outputs = {"y": f32(1.0)}
    conditioning = Conditioning(reject, moved=[lambda _: {"y": f32(9.0)}])
    assert not conditioning.explains({"x": np.ones(1)}, outputs, {"y": f32(2.0)}, names=["y"])


@pytest.mark.parametrize("error", [Rejected("InvalidArgumentError", "too large"), TimedOut(3)])
def test_moves_that_come_to_nothing_are_passed_over(error: Exception) -> None:
    calls: list[Array] = []

    def run(feeds: Mapping[str, Array]) -> Mapping[str, Array]:
        calls.append(feeds["x"])
        if len(calls) == 2:
            raise error
        return {"y": summed(feeds["x"])}

    expected, actual = ({"y": summed(x)} for x in (CANCELLING, CANCELLING[::-1]))
    assert Conditioning(run, moved=[]).explains({"x": CANCELLING}, expected, actual, names=["y"])
    assert len(calls) > 2


def test_the_weights_are_moved_only_where_feeds_explain_nothing() -> None:
    runs: list[str] = []

    def named(name: str) -> Run:
        def run(feeds: Mapping[str, Array]) -> Mapping[str, Array]:
            runs.append(name)
            return {"y": summed(feeds["x"])}

        return run

    conditioning = Conditioning(named("reference"), moved=[named("one"), named("other")])
    expected, actual = ({"y": summed(x)} for x in (CANCELLING, CANCELLING[::-1]))
    assert conditioning.explains({"x": CANCELLING}, expected, actual, names=["y"])
    assert set(runs) == {"reference"}

    runs.clear()
    wrong = {"y": expected["y"] + 100}
    assert not conditioning.explains({"x": CANCELLING}, expected, wrong, names=["y"])
    assert [runs.count(name) for name in ("reference", "one", "other")] == [1 + MOVES, MOVES, MOVES]
