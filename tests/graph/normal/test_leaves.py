"""Inputs, variables and constants in the normal form."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.python.framework import tensor_util

from fixtures.small_graphs import frozen
from harness.errors import BrokenModel
from harness.graph.freezing import freeze
from harness.graph.normal.leaves import LARGE
from harness.models.model import Model
from tests.graph.normal.walking import difference, form, form_of, only, ops, value_of

tf1 = tf.compat.v1


def scaled(*, use_resource: bool) -> GraphDef:
    """Y = x w, with the variable w."""

    def build(x: Any) -> None:
        w = tf1.get_variable("w", (2, 2), use_resource=use_resource)
        tf.matmul(x, w, name="y")

    return frozen(build).graph_def


def constant(proto: TensorProto) -> GraphDef:
    """Y = (x, c), of a constant whose value is `proto`."""

    def build(_: Any) -> None:
        tf.constant(0, name="c")

    graph_def = frozen(build).graph_def
    (node,) = (node for node in graph_def.node if node.name == "c")
    node.attr["dtype"].type = proto.dtype
    node.attr["value"].tensor.CopyFrom(proto)
    last = graph_def.node.add(name="y", op="Shape", input=["c"])
    last.attr["T"].type = proto.dtype
    return graph_def


def value(proto: TensorProto) -> Any:
    return dict(only(form(constant(proto)), "Const").attributes).get("value")


def test_a_variable_is_one_leaf_by_handle_or_by_reference() -> None:
    by_handle, by_reference = (form(scaled(use_resource=each)) for each in (True, False))
    assert ops(by_handle) == ops(by_reference) == ["Input", "Variable", "MatMul"]
    assert not difference(by_handle, by_reference)
    variable = only(by_handle, "Variable")
    assert variable.variable == "w"
    assert variable.attributes == (("dtype", "float32"), ("shape", (2, 2)))


@pytest.mark.parametrize("use_resource", [True, False])
def test_a_frozen_constant_stands_where_the_variable_stood(use_resource: bool) -> None:
    graph_def = scaled(use_resource=use_resource)
    after = freeze(graph_def, weights={"w": np.ones((2, 2), np.float32)}, outputs=["y"])
    assert not difference(form(graph_def), form(after))
    assert only(form(after), "Const").constant == "w"


def test_a_variable_of_another_dtype_is_told() -> None:
    def build(dtype: tf.DType) -> None:
        tf.identity(tf.cast(tf1.get_variable("w", (2,), dtype), tf.float32), name="y")

    single, double = (form_of(lambda _, d=d: build(d)) for d in (tf.float32, tf.float64))
    assert difference(single, double)


def test_a_value_is_the_same_however_it_is_written() -> None:
    values = np.full(6, 2.5, np.float32)
    content = TensorProto(dtype=tf.float32.as_datatype_enum, tensor_content=values.tobytes())
    listed = TensorProto(dtype=tf.float32.as_datatype_enum, float_val=[2.5] * 6)
    once = TensorProto(dtype=tf.float32.as_datatype_enum, float_val=[2.5])
    for proto in (content, listed, once):
        proto.tensor_shape.dim.add(size=6)
        assert value(proto) == values.tobytes()


@pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "float64", "int8", "uint16", "int64", "bool", "complex64"]
)
def test_a_value_of_any_dtype_is_its_bytes(dtype: str) -> None:
    values = np.array([0, 1, 1], tf.dtypes.as_dtype(dtype).as_numpy_dtype)
    assert value(tensor_util.make_tensor_proto(values)) == values.tobytes()


def test_zeros_of_either_sign_and_nans_of_either_payload_are_told_apart() -> None:
    nans = [np.frombuffer(struct.pack("<I", bits), np.float32) for bits in (0x7FC00000, 0x7FC00001)]
    found = {value(tensor_util.make_tensor_proto(each)) for each in nans}
    zeros = {value(tensor_util.make_tensor_proto(np.float32(each))) for each in (0.0, -0.0)}
    assert len(found) == len(zeros) == 2


def test_strings_are_told_apart_to_the_last_zero_byte() -> None:
    assert value(tensor_util.make_tensor_proto([b"a\0", b"b"])) == (b"a\0", b"b")
    assert value(tensor_util.make_tensor_proto([b"a", b"b"])) == (b"a", b"b")


def test_a_large_value_is_not_looked_at() -> None:
    small = np.zeros(LARGE // 4, np.float32)
    large = np.zeros(LARGE // 4 + 1, np.float32)
    assert value(tensor_util.make_tensor_proto(small)) == small.tobytes()
    left_out = tensor_util.make_tensor_proto(large)
    left_out.ClearField("tensor_content")
    whole = form(constant(tensor_util.make_tensor_proto(large)))
    assert only(whole, "Const").attributes == (("dtype", "float32"), ("shape", large.shape))
    assert not difference(whole, form(constant(left_out)))


def test_strings_are_large_by_what_is_in_them() -> None:
    assert value(tensor_util.make_tensor_proto(b"a" * LARGE)) is None
    assert value(tensor_util.make_tensor_proto(b"a" * (LARGE - 1))) is not None


@pytest.mark.parametrize("changed", [[1.0, 3.0], [[1.0, 2.0]], np.array([1.0, 2.0])])
def test_another_value_shape_or_dtype_of_a_constant_is_told(changed: Any) -> None:
    one = constant(tensor_util.make_tensor_proto([1.0, 2.0]))
    assert difference(form(one), form(constant(tensor_util.make_tensor_proto(changed))))


def test_an_input_has_its_position_dtype_and_shape() -> None:
    def build(x: Any) -> None:
        tf.subtract(x, tf1.placeholder(tf.float32, (None, 2), name="z"), name="y")

    graph_def = frozen(build).graph_def
    graph = form(graph_def, inputs=("z", "x"))
    assert graph.nodes[graph.names["x"]].position == 1
    assert graph.nodes[graph.names["z"]].position == 0
    assert graph.nodes[graph.names["z"]].attributes == (
        ("dtype", "float32"),
        ("shape", (None, 2)),
    )
    assert difference(graph, form(graph_def, inputs=("x", "z")))


def test_in_old_graphs_a_placeholder_without_sizes_is_of_unknown_shape() -> None:
    graph_def = frozen(lambda x: tf.tanh(x, name="y"), shape=()).graph_def
    assert value_of(only(form(graph_def), "Input"), "shape") == ()
    graph_def.versions.producer = 20
    assert value_of(only(form(graph_def), "Input"), "shape") is None


def test_the_second_output_of_a_cut_node_is_an_input(extracted: Any) -> None:
    def build(x: Any) -> None:
        _, second = tf.unique(x)
        tf.negative(second, name="y")

    graph_def = frozen(build, shape=(None,)).graph_def
    model: Model = extracted(graph_def, ("y",), ("Unique:1",))
    graph = form(model.graph_def, inputs=("Unique:1",))
    assert ops(graph) == ["Input", "Neg"]
    assert value_of(only(graph, "Input"), "dtype") == "int32"


def test_a_variable_in_a_function_is_named_with_it() -> None:
    @tf.function
    def scaling(x: Any) -> Any:
        handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=(2,), shared_name="w")
        return x * tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)

    made = frozen(lambda x: tf.identity(scaling(x), name="y"))
    (function,) = made.graph_def.library.function
    graph = form(made.graph_def)
    assert (
        only(graph, "Variable").variable == f"VarHandleOp of the function {function.signature.name}"
    )
    after = freeze(
        made.graph_def,
        weights={only(graph, "Variable").variable: np.ones(2, np.float32)},
        outputs=["y"],
    )
    assert not difference(graph, form(after))
    assert only(form(after), "Const").constant.startswith("VarHandleOp of the function ")


def test_a_node_that_is_missing_is_named() -> None:
    graph_def = GraphDef()
    graph_def.node.add(name="y", op="Neg", input=["gone"])
    with pytest.raises(BrokenModel, match="gone"):
        form(graph_def, inputs=())
    with pytest.raises(BrokenModel, match="x, which is an input"):
        form(graph_def)
