"""The rank of an input that states none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow as tf

from harness.graph.narrow import narrowed
from harness.signature import Shape, TensorSpec

v1 = tf.compat.v1


def product(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """What `tf.matmul` makes of matrices; of an unknown rank it makes a batched product."""
    return tf.raw_ops.MatMul(a=a, b=b)


def shape_of(build: Callable[[tf.Tensor], tf.Tensor], stated: Shape | None = None) -> Shape | None:
    """The shape of `x` after narrowing, where `build` makes what reads it."""
    with tf.Graph().as_default() as graph:
        build(v1.placeholder(tf.float32, stated, name="x"))
        graph_def = graph.as_graph_def()
    (spec,) = narrowed(graph_def, (TensorSpec(name="x", dtype="float32", shape=stated),))
    return spec.shape


@pytest.mark.parametrize(
    ("rank", "build"),
    [
        (2, lambda x: product(x, tf.ones((4, 2)))),
        (4, lambda x: tf.nn.conv2d(x, tf.ones((1, 1, 3, 2)), 1, "SAME")),
        (4, lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME")),
        (3, lambda x: tf.transpose(x, (1, 0, 2))),
        (2, lambda x: product(tf.nn.relu(x / 255.0), tf.ones((4, 2)))),
    ],
    ids=["product", "convolution", "pool", "transposition", "through elementwise ops"],
)
def test_a_rank_is_read_off_what_follows(
    rank: int, build: Callable[[tf.Tensor], tf.Tensor]
) -> None:
    assert shape_of(build) == (None,) * rank


def test_where_every_rank_fits_it_stays_unknown() -> None:
    assert shape_of(lambda x: tf.square(x) + 1.0) is None


def test_where_several_ranks_fit_it_stays_unknown() -> None:
    assert shape_of(lambda x: tf.nn.bias_add(x, tf.ones(4))) is None


def test_a_shape_that_is_stated_is_left() -> None:
    assert shape_of(tf.square, (None, 4)) == (None, 4)


def test_a_contradiction_is_left_to_the_session() -> None:
    """Two readers that want different ranks: no rank fits, and the run will say so."""

    def build(x: tf.Tensor) -> tf.Tensor:
        return product(x, tf.ones((4, 2))) + tf.reduce_sum(tf.transpose(x, (0, 1, 2)))

    with tf.Graph().as_default() as graph:
        build(v1.placeholder(tf.float32, None, name="x"))
        graph_def = graph.as_graph_def()
    spec = TensorSpec(name="x", dtype="float32", shape=None)
    assert narrowed(graph_def, (spec,)) == (spec,)


def test_an_op_that_is_not_known_is_left_to_the_session() -> None:
    with tf.Graph().as_default() as graph:
        product(v1.placeholder(tf.float32, None, name="x"), tf.ones((4, 2)))
        graph_def = graph.as_graph_def()
    graph_def.node[-1].op = "NobodyKnowsThisOp"
    spec = TensorSpec(name="x", dtype="float32", shape=None)
    assert narrowed(graph_def, (spec,)) == (spec,)


def test_each_of_several_inputs_is_narrowed() -> None:
    with tf.Graph().as_default() as graph:
        x, w = (v1.placeholder(tf.float32, None, name=name) for name in ("x", "w"))
        product(x, w)
        graph_def = graph.as_graph_def()
    specs = tuple(TensorSpec(name=name, dtype="float32", shape=None) for name in ("x", "w"))
    assert [spec.shape for spec in narrowed(graph_def, specs)] == [(None, None)] * 2


def test_an_input_that_is_a_cut_past_the_first_output_is_narrowed() -> None:
    from harness.graph.extract import extract

    with tf.Graph().as_default() as graph:
        _, indices = tf.nn.top_k(v1.placeholder(tf.float32, None, name="x"), 2, name="top")
        tf.transpose(indices, (1, 0), name="y")
        whole = graph.as_graph_def()
    spec = TensorSpec(name="top:1", dtype="int32", shape=None)
    part = extract(whole, inputs=(spec,), outputs=["y"])
    (found,) = narrowed(part, (spec,))
    assert found.shape == (None, None)
