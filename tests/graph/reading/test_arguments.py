"""Inputs that are axes, shapes, counts or limits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow as tf

from harness.domain import Choices, Domain, NewShape, Range, SizeOf

tf1 = tf.compat.v1
Read = Callable[..., dict[str, Domain]]

pytestmark = pytest.mark.usefixtures("graph")


def x(shape: tuple[int | None, ...] | None = (None, 4, 5)) -> tf.Tensor:
    return tf1.placeholder(tf.float32, shape, name="x")


def n(shape: tuple[int | None, ...] | None = ()) -> tf.Tensor:
    return tf1.placeholder(tf.int32, shape, name="n")


@pytest.mark.parametrize(
    "op",
    [tf.reduce_sum, tf.reduce_mean, tf.reduce_max, tf.argmax, tf.cumsum],
    ids=lambda op: op.__name__,
)
def test_an_axis_is_one_of_those_that_are_there(read: Read, op: Callable[..., tf.Tensor]) -> None:
    op(x(), axis=n(), name="out")
    assert read()["n"] == Domain(values=Range(low=-3, high=2), read_from="out")


def test_a_new_axis_may_be_the_last(read: Read) -> None:
    tf.expand_dims(x(), n(), name="out")
    assert read()["n"].values == Range(low=-4, high=3)


def test_of_an_unknown_rank_the_first_and_the_last_axis_are_taken(read: Read) -> None:
    tf.reduce_sum(x(None) + tf1.placeholder(tf.float32, name="y"), n(), name="out")
    assert read()["n"].values == Range(low=-1, high=0)


def test_a_vector_of_axes_holds_one(read: Read) -> None:
    tf.reduce_sum(x(), n((None,)), name="out")
    domain = read()["n"]
    assert (domain.values, domain.shape) == (Range(low=-3, high=2), (1,))


def test_of_several_axes_nothing_is_said(read: Read) -> None:
    """They must be distinct."""
    tf.reduce_sum(x(), n((2,)), name="out")
    assert read()["n"] == Domain()


def test_a_shape_is_a_new_one(read: Read) -> None:
    tf.reshape(x(), n((2,)), name="out")
    assert read()["n"] == Domain(values=NewShape(), read_from="out")


def test_multiples_of_a_tile_are_small(read: Read) -> None:
    tf.tile(x(), n((3,)), name="out")
    assert read()["n"].values == Range(low=1, high=3)


@pytest.mark.parametrize(
    "op",
    [lambda shape, name: tf.fill(shape, 1.0, name=name), tf.random.stateless_uniform],
    ids=["fill", "random"],
)
def test_a_shape_that_is_filled_is_small(read: Read, op: Callable[..., tf.Tensor]) -> None:
    if op is tf.random.stateless_uniform:
        tf.identity(op(n((2,)), (1, 2)), name="out")
    else:
        op(n((2,)), name="out")
    assert read()["n"].values == Range(low=1, high=4)


def test_a_size_of_the_batch_is_that_of_the_data(read: Read) -> None:
    """`batch_size`, of which the first state of a recurrent network is made."""
    state = tf.zeros(tf.stack([n(), 5]))
    tf.add(x((None, 5)), state, name="out")
    domain = read()["n"]
    assert domain.values == SizeOf(of="x", axis=0)
    assert "zeros" in domain.read_from


def test_a_batch_that_is_baked_in_is_the_batch_size(read: Read) -> None:
    tf.add(x((7, 5)), tf.zeros(tf.stack([n(), 5])), name="out")
    assert read()["n"].values == Choices(values=(7,))


def test_a_time_in_a_shape_is_that_of_the_data(read: Read) -> None:
    tf.reshape(x((None, None, 4)), tf.stack([-1, n(), 4]), name="out")
    assert read()["n"].values == SizeOf(of="x", axis=1)


def test_a_size_that_the_data_does_not_have_is_small(read: Read) -> None:
    tf.multiply(tf.zeros(tf.stack([2, n()])), tf.reduce_sum(x((3, 4))), name="out")
    assert read()["n"].values == Range(low=1, high=4)


def test_of_the_largest_there_are_so_many(read: Read) -> None:
    tf.identity(tf.nn.top_k(x(), n())[0], name="out")
    assert read()["n"].values == Range(low=1, high=5)


def test_of_the_largest_of_an_open_axis_there_is_one(read: Read) -> None:
    tf.identity(tf.nn.top_k(x((None, None)), n())[0], name="out")
    assert read()["n"].values == Range(low=1, high=1)


def test_an_index_into_an_axis_is_there(read: Read) -> None:
    tf.identity(x()[:, n()], name="out")
    assert read()["n"].values == Range(low=0, high=3)


def test_the_end_of_a_slice_is_small(read: Read) -> None:
    tf.identity(x()[: n()], name="out")
    assert read()["n"].values == Range(low=1, high=10)


def test_a_range_is_short(read: Read) -> None:
    tf.range(n(), name="out")
    assert read()["n"].values == Range(low=0, high=10)


@pytest.mark.parametrize("v2", [False, True], ids=["V1", "V2"])
def test_a_loop_makes_few_rounds(read: Read, v2: bool) -> None:
    (tf1.enable_control_flow_v2 if v2 else tf1.disable_control_flow_v2)()
    try:
        limit = n()
        rounds = tf.while_loop(lambda i, _: i < limit, lambda i, y: (i + 1, y * 2.0), (0, x()))
    finally:
        tf1.enable_control_flow_v2()
    tf.identity(rounds[1], name="out")
    assert read()["n"].values == Range(low=0, high=10)


def test_a_slice_begins_at_the_first_and_is_whole(read: Read) -> None:
    size = tf1.placeholder(tf.int32, (3,), name="size")
    tf.slice(x(), n((3,)), size, name="out")
    assert read()["n"].values == Choices(values=(0,))
    assert read()["size"].values == Choices(values=(-1,))


def test_a_part_of_a_slice_is_no_longer_than_the_axis(read: Read) -> None:
    begin, size = tf.stack([0, 0, 0]), tf.stack([-1, n(), 2])
    tf.slice(x(), begin, size, name="out")
    assert read()["n"].values == Range(low=1, high=4)


def test_a_picture_is_resized_to_a_small_one(read: Read) -> None:
    tf1.image.resize_bilinear(x((None, 4, 4, 3)), n((2,)), name="out")
    assert read()["n"].values == Range(low=1, high=32)


def test_counts_of_numbers_are_of_those_below_the_size(read: Read) -> None:
    tf.raw_ops.Bincount(arr=n((None,)), size=6, weights=tf.constant([], tf.float32), name="out")
    assert read()["n"].values == Range(low=0, high=5)


def test_a_threshold_of_overlap_is_a_fraction(read: Read) -> None:
    threshold = tf1.placeholder(tf.float32, (), name="t")
    boxes = tf1.placeholder(tf.float32, (None, 4), name="boxes")
    scores = tf1.placeholder(tf.float32, (None,), name="scores")
    tf.image.non_max_suppression(boxes, scores, n(), threshold, name="out")
    name = tf1.get_default_graph().get_operations()[-1].name
    domains = read(name)
    assert domains["t"].values == Range(low=0.0, high=1.0)
    assert domains["n"].values == Range(low=1, high=10)


def test_a_number_that_is_added_is_any(read: Read) -> None:
    tf.add(tf.cast(x(), tf.int32), n(), name="out")
    assert read()["n"] == Domain()


def test_numbers_that_are_counted_are_small_where_it_is_not_said_how_many(read: Read) -> None:
    numbers = n((None, 3))
    tf.math.bincount(numbers, axis=-1, name="out")
    counts = [op.name for op in tf1.get_default_graph().get_operations() if "Bincount" in op.type]
    assert read(*counts)["n"].values == Range(low=0, high=15)


def test_the_data_is_what_has_most_axes(read: Read) -> None:
    weights = tf1.placeholder(tf.float32, (None,), name="a_weight_of_each_row")
    rows = x((None, 5)) * weights[:, tf.newaxis]
    tf.add(rows, tf.zeros(tf.stack([n(), 5])), name="out")
    assert read()["n"].values == SizeOf(of="x", axis=0)


def test_a_number_that_data_is_compared_with_limits_no_loop(read: Read) -> None:
    tf.less(tf.cast(x(), tf.int32), n(), name="out")
    assert read()["n"] == Domain()
