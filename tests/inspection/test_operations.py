"""Every operation of a graph, with what can be told of its outputs."""

from __future__ import annotations

import tensorflow as tf

from harness.inspection.facts import Operation
from harness.inspection.operations import operations
from harness.signature import TensorSpec


def graph() -> tf.compat.v1.GraphDef:
    with tf.Graph().as_default() as built:
        x = tf.compat.v1.placeholder(tf.float32, (None, 6), name="x")
        tf.split(x, 2, axis=1, name="parts")
        tf.shape(x, name="size")
        tf.reduce_sum(x, name="total")
        tf.group(x, name="run")
    return built.as_graph_def()


def found() -> dict[str, Operation]:
    return {each.name: each for each in operations(graph())}


def test_operations_stand_in_the_order_of_the_graph() -> None:
    assert [(each.name, each.op) for each in operations(graph())] == [
        (node.name, node.op) for node in graph().node
    ]


def test_each_output_has_the_shape_that_tensorflow_finds() -> None:
    assert found()["parts"].outputs == (
        TensorSpec(name="parts", dtype="float32", shape=(None, 3)),
        TensorSpec(name="parts:1", dtype="float32", shape=(None, 3)),
    )
    assert found()["size"].outputs == (TensorSpec(name="size", dtype="int32", shape=(2,)),)
    assert found()["total"].outputs == (TensorSpec(name="total", dtype="float32", shape=()),)


def test_what_is_run_and_not_read_has_no_outputs() -> None:
    assert found()["run"].outputs == ()


def test_where_an_op_is_unknown_the_others_are_told_by_what_they_state() -> None:
    graph_def = graph()
    graph_def.node.add(name="odd", op="NobodyDefinesThis", input=["x"])
    rows = {each.name: each for each in operations(graph_def)}
    assert rows["odd"].outputs is None
    assert rows["x"].outputs == (TensorSpec(name="x", dtype="float32", shape=(None, 6)),)
    assert rows["size"].outputs == (TensorSpec(name="size", dtype="int32", shape=None),)


def test_a_graph_that_lacks_a_node_is_told_all_the_same() -> None:
    graph_def = graph()
    graph_def.node.add(name="reader", op="NoOp", input=["^nowhere"])
    assert [each.name for each in operations(graph_def)][-1] == "reader"
