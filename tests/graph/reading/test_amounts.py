"""Inputs that say how much is made are fed small numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow as tf

from harness.domain import Domain, Range

tf1 = tf.compat.v1
Read = Callable[..., dict[str, Domain]]
FEW = Range(low=0, high=9)


def whole(shape: tuple[int | None, ...] = (), dtype: tf.DType = tf.int32) -> tf.Tensor:
    return tf1.placeholder(dtype, shape, name="x")


@pytest.mark.usefixtures("graph")
@pytest.mark.parametrize(
    "make",
    [
        lambda x: tf.ones([x * x]),
        lambda x: tf.zeros(tf.stack([x + 1, 2])),
        lambda x: tf.sequence_mask(x[tf.newaxis]),
        lambda x: tf.random.uniform([x * 2]),
    ],
    ids=["product", "sum", "sequence mask", "random"],
)
def test_what_a_size_is_computed_from_is_small(
    read: Read, make: Callable[[tf.Tensor], tf.Tensor]
) -> None:
    tf.identity(make(whole()), name="out")
    values = read()["x"].values
    assert isinstance(values, Range)
    assert values.high <= 10


@pytest.mark.usefixtures("graph")
def test_the_node_that_makes_it_is_named(read: Read) -> None:
    x = whole()
    tf.fill([x * x], 1.0, name="out")
    assert (read()["x"].values, read()["x"].read_from) == (FEW, "out")


@pytest.mark.usefixtures("graph")
def test_numbers_that_are_only_computed_with_may_be_any(read: Read) -> None:
    tf.identity(whole((None,), tf.int64) // 60 % 24, name="out")
    assert read()["x"].values is None


@pytest.mark.usefixtures("graph")
def test_the_shape_of_what_is_fed_is_no_number_of_it(read: Read) -> None:
    tf.zeros(tf.shape(whole((None,))), name="out")
    assert read()["x"].values is None
