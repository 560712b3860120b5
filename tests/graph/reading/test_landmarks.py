"""Numbers that an input is compared with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from harness.domain import Domain, Range

tf1 = tf.compat.v1
Read = Callable[..., dict[str, Domain]]

pytestmark = pytest.mark.usefixtures("graph")


def x(dtype: tf.DType = tf.float32) -> tf.Tensor:
    return tf1.placeholder(dtype, (None, 4), name="x")


@pytest.mark.parametrize("op", [tf.less, tf.less_equal, tf.greater, tf.greater_equal, tf.equal,
                                tf.not_equal, tf.minimum, tf.maximum])  # fmt: skip
def test_a_number_that_an_input_is_compared_with_is_one(
    read: Read, op: Callable[..., tf.Tensor]
) -> None:
    op(x(), 2.5, name="out")
    assert read()["x"] == Domain(landmarks=(2.5,), read_from="out")


def test_it_may_stand_on_the_left(read: Read) -> None:
    tf.less(2.5, x(), name="out")
    assert read()["x"].landmarks == (2.5,)


def test_both_ends_of_a_clip_are(read: Read) -> None:
    tf.clip_by_value(x(), -1.5, 3.5, name="out")
    assert set(read()["x"].landmarks) == {-1.5, 3.5}


def test_relu6_has_two(read: Read) -> None:
    tf.nn.relu6(x(), name="out")
    assert read()["x"].landmarks == (0, 6)


def test_boundaries_of_buckets_are(read: Read) -> None:
    tf.raw_ops.Bucketize(input=x(), boundaries=[1.0, 2.5], name="out")
    assert read()["x"].landmarks == (1.0, 2.5)


def test_they_are_in_the_units_of_the_input(read: Read) -> None:
    tf.greater(x() / 4.0 - 1.0, 0.5, name="out")
    assert read()["x"].landmarks == (6.0,)


def test_they_are_followed_through_a_cast(read: Read) -> None:
    tf.equal(tf.cast(x(tf.int32), tf.float32), 3.0, name="out")
    assert read()["x"].landmarks == (3.0,)


def test_what_is_computed_of_the_input_has_none(read: Read) -> None:
    tf.greater(tf.square(x()), 0.5, name="out")
    assert read()["x"] == Domain()


def test_a_vector_of_numbers_is_none(read: Read) -> None:
    tf.greater(x(), [0.5, 1.0, 2.0, 3.0], name="out")
    assert read()["x"] == Domain()


def test_those_that_are_no_ids_are_left_out(read: Read) -> None:
    ids = x(tf.int32)
    known = tf.cast(tf.greater_equal(ids, -1) & tf.not_equal(ids, 2), tf.float32)
    tf.multiply(tf.gather(tf.ones(5), ids), known, name="out")
    assert read()["x"].landmarks == (2,)


def test_an_assert_limits(read: Read) -> None:
    data = x()
    with tf.control_dependencies([
        tf1.assert_less_equal(data, 3.0), tf1.assert_greater_equal(data, -1.0)
    ]):  # fmt: skip
        tf.identity(data, name="out")
    assert read()["x"].values == Range(low=-1.0, high=3.0)


def test_an_assert_of_one_end_leaves_the_other_far(read: Read) -> None:
    data = x(tf.int64)
    with tf.control_dependencies([tf1.assert_greater(data, tf.constant(2, tf.int64))]):
        tf.identity(data, name="out")
    assert read()["x"].values == Range(low=3, high=1003)


def test_an_assert_excludes_what_is_not_less(read: Read) -> None:
    data = x()
    with tf.control_dependencies([tf1.assert_less(data, 1.0)]):
        tf.identity(data, name="out")
    values = read()["x"].values
    assert isinstance(values, Range)
    assert values.high == np.nextafter(np.float32(1), np.float32(0))


def test_an_assert_of_the_least_and_the_largest_limits(read: Read) -> None:
    """What `keras.layers.CategoryEncoding` makes sure of."""
    data = x(tf.int64)
    is_fine = tf.logical_and(
        tf.cast(7, tf.int64) > tf.reduce_max(data), tf.reduce_min(data) >= tf.cast(0, tf.int64)
    )
    with tf.control_dependencies([tf.Assert(is_fine, ["out of range"])]):
        tf.identity(data, name="out")
    assert read()["x"].values == Range(low=0, high=6)


def test_there_is_no_way_back_from_the_smallest_and_the_largest_numbers(read: Read) -> None:
    data = x(tf.float64)
    tiny = tf.nn.relu6(data * 1e-200 * 1e-200)
    tf.add(tiny, tf.nn.relu6(data * 1e200 * 1e200), name="out")
    assert read()["x"] == Domain()
