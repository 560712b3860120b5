"""Dtypes and shapes as a NodeDef and its op's definition state them."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef

from harness.graph.dtypes import declared_shape, dtype_enum, dtype_name, output_dtypes, shape_of

LEGACY, NEW = 23, 24


def graph_of_one(build: Any) -> tuple[NodeDef, GraphDef]:
    """The node that `build` makes, and its graph."""
    with tf.Graph().as_default() as graph:
        node = build().op.node_def
        return node, graph.as_graph_def()


def placeholder(shape: Any, *, op: str = "Placeholder") -> NodeDef:
    node = NodeDef(name="x", op=op)
    node.attr["shape"].shape.CopyFrom(tf.TensorShape(shape).as_proto())
    return node


@pytest.mark.parametrize("name", ["float32", "bfloat16", "string", "resource", "qint8"])
def test_a_dtype_is_named_and_found_by_its_name(name: str) -> None:
    assert dtype_name(dtype_enum(name)) == name


def test_a_reference_dtype_is_named_as_its_base() -> None:
    with tf.Graph().as_default():
        reference = tf.compat.v1.get_variable("w", (2,), use_resource=False)._ref()
    assert dtype_name(reference.dtype.as_datatype_enum) == "float32"


def test_every_output_has_its_dtype() -> None:
    node, graph_def = graph_of_one(lambda: tf.nn.top_k(tf.zeros((4,), tf.float64), 2).values)
    assert output_dtypes(node, graph_def) == ("float64", "int32")


def test_an_op_may_have_as_many_outputs_as_an_attribute_says() -> None:
    node, graph_def = graph_of_one(lambda: tf.split(tf.zeros((6,), tf.int8), 3)[0])
    assert output_dtypes(node, graph_def) == ("int8", "int8", "int8")


def test_an_attribute_may_list_the_dtypes() -> None:
    node, graph_def = graph_of_one(
        lambda: tf.raw_ops.IdentityN(input=[tf.zeros(()), tf.constant("a")])[0]
    )
    assert output_dtypes(node, graph_def) == ("float32", "string")


def test_a_default_attribute_that_was_stripped_counts() -> None:
    node = NodeDef(name="indices", op="ArgMax", input=["x", "axis"])
    assert output_dtypes(node, GraphDef()) == ("int64",)


def test_a_node_without_outputs_has_no_dtype() -> None:
    assert output_dtypes(NodeDef(name="nothing", op="NoOp"), GraphDef()) == ()


def test_an_op_that_nobody_defines_has_unknown_outputs() -> None:
    assert output_dtypes(NodeDef(name="a", op="NobodyKnowsThisOp"), GraphDef()) is None


def test_an_op_may_be_a_library_function() -> None:
    graph_def = GraphDef()
    signature = graph_def.library.function.add().signature
    signature.name = "my_function"
    signature.output_arg.add(name="one", type=tf.int32.as_datatype_enum)
    signature.output_arg.add(name="two", type=tf.bool.as_datatype_enum)
    assert output_dtypes(NodeDef(name="call", op="my_function"), graph_def) == ("int32", "bool")


def test_asking_for_dtypes_leaves_the_node_as_it_is() -> None:
    node = NodeDef(name="indices", op="ArgMax", input=["x", "axis"])
    output_dtypes(node, GraphDef())
    assert not node.attr


@pytest.mark.parametrize("shape", [None, (), (None, 3), (2, 3)])
def test_a_shape_may_be_unknown_in_part_or_in_rank(shape: Any) -> None:
    assert shape_of(tf.TensorShape(shape).as_proto()) == shape


def test_a_placeholder_states_its_shape() -> None:
    assert declared_shape(placeholder((None, 4)), 0, producer=NEW) == (None, 4)


def test_an_empty_shape_is_a_scalar_since_producer_24_and_unknown_before() -> None:
    assert declared_shape(placeholder(()), 0, producer=NEW) == ()
    assert declared_shape(placeholder(()), 0, producer=LEGACY) is None


def test_a_legacy_placeholder_may_state_its_shape_in_its_shape_hints() -> None:
    node = placeholder(())
    node.attr["_output_shapes"].list.shape.add().CopyFrom(tf.TensorShape((None, 4)).as_proto())
    assert declared_shape(node, 0, producer=LEGACY) == (None, 4)


def test_a_legacy_placeholder_with_a_default_may_be_a_scalar() -> None:
    node = placeholder((), op="PlaceholderWithDefault")
    assert declared_shape(node, 0, producer=LEGACY) == ()


def test_shape_hints_go_by_output() -> None:
    node = NodeDef(name="parts", op="Split")
    for size in (1, 2):
        node.attr["_output_shapes"].list.shape.add().dim.add(size=size)
    shapes = [declared_shape(node, index, producer=NEW) for index in range(3)]
    assert shapes == [(1,), (2,), None]
