"""The inputs that people choose, and what hypothesis and the harness choose in their place."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.input_policies import (
    ARRAYS,
    BY_HAND,
    LARGEST_DIMENSION,
    MOST_EXAMPLES,
    OURS,
    POLICIES,
    Policy,
)
from harness.domain import Domain, Range
from harness.inputs.dtypes import numpy_dtype
from harness.memo import Feeds, digest
from harness.signature import Shape, Signature, TensorSpec

DTYPES = ("float16", "float32", "bfloat16", "uint8", "int64", "bool", "complex64", "string")
ONE, FIVE, ONES, FROM_ONE = BY_HAND


def signature(*inputs: tuple[str, str, Shape | None]) -> Signature:
    specs = (TensorSpec(name=name, dtype=dtype, shape=shape) for name, dtype, shape in inputs)
    return Signature(inputs=tuple(specs), outputs=())


def feeds_of(policy: Policy, *inputs: tuple[str, str, Shape | None]) -> list[Feeds]:
    return list(policy.draw(signature(*inputs), {}))


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_a_policy_feeds_every_input_in_its_dtype_and_shape(policy: Policy) -> None:
    for feeds in feeds_of(policy, *((dtype, dtype, (None, 3)) for dtype in DTYPES)):
        assert list(feeds) == list(DTYPES)
        for dtype, value in feeds.items():
            assert value.dtype == numpy_dtype(dtype)
            assert len(value.shape) == 2
            assert value.shape[1] == 3


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_a_policy_feeds_the_same_each_time(policy: Policy) -> None:
    once, again = (
        [digest(feeds) for feeds in feeds_of(policy, ("x", "float32", (None, 2)))] for _ in range(2)
    )
    assert once == again


@pytest.mark.parametrize(
    ("policy", "examples"),
    [(ONE, 1), (FIVE, 5), (ONES, 1), (FROM_ONE, 1), (ARRAYS, MOST_EXAMPLES), (OURS, MOST_EXAMPLES)],
    ids=lambda value: value.name if isinstance(value, Policy) else "",
)
def test_a_policy_has_as_many_examples_as_it_is_named_after(policy: Policy, examples: int) -> None:
    assert len(feeds_of(policy, ("x", "float32", (None, 2)))) == examples


@pytest.mark.parametrize("policy", BY_HAND, ids=lambda policy: policy.name)
def test_by_hand_every_unknown_dimension_is_one(policy: Policy) -> None:
    inputs = (("x", "float32", (None, 4, None)), ("any", "float32", None))
    for feeds in feeds_of(policy, *inputs):
        assert feeds["x"].shape == (1, 4, 1)
        assert feeds["any"].shape == ()


@pytest.mark.parametrize(
    ("policy", "low", "high"), [(ONE, 0, 1), (FIVE, 0, 1), (ONES, 1, 1.01), (FROM_ONE, 1, 2)]
)
def test_numbers_by_hand_lie_where_the_name_says(policy: Policy, low: float, high: float) -> None:
    for feeds in feeds_of(policy, ("x", "float64", (1000,))):
        assert low <= feeds["x"].min()
        assert feeds["x"].max() < high


def test_five_examples_are_five_different_ones() -> None:
    found = {digest(feeds) for feeds in feeds_of(FIVE, ("x", "float32", (3,)))}
    assert len(found) == 5


def test_uniform_numbers_cast_to_integers_are_zeros() -> None:
    assert not feeds_of(ONE, ("x", "uint8", (100,)))[0]["x"].any()


def test_strings_by_hand_are_empty() -> None:
    assert feeds_of(ONES, ("x", "string", (2,)))[0]["x"].tolist() == [b"", b""]


def test_arrays_of_hypothesis_share_their_batch_and_stay_small() -> None:
    inputs = (("x", "float32", (None, None)), ("y", "int32", (None,)))
    shapes = [(feeds["x"].shape, feeds["y"].shape) for feeds in feeds_of(ARRAYS, *inputs)]

    assert all(x[0] == y[0] for x, y in shapes)
    assert {size for x, y in shapes for size in (*x, *y)} == {*range(1, LARGEST_DIMENSION + 1)}


def test_only_ours_is_told_of_domains() -> None:
    ids = signature(("ids", "int32", (None,)))
    domains = {"ids": Domain(values=Range(low=3, high=4))}

    ours = {int(value) for feeds in OURS.draw(ids, domains) for value in feeds["ids"]}
    theirs = {int(value) for feeds in ARRAYS.draw(ids, domains) for value in feeds["ids"]}

    assert ours == {3, 4}
    assert min(theirs) < 3


def test_values_beyond_a_dtype_become_infinite() -> None:
    found = np.concatenate(
        [feeds["x"].astype(np.float64) for feeds in feeds_of(ARRAYS, ("x", "bfloat16", (8,)))]
    )
    assert np.isinf(found).any()
