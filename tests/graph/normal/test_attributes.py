"""Attributes that decide what is computed are there, and no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.attr_value_pb2 import AttrValue
from tensorflow.core.framework.graph_pb2 import GraphDef

from fixtures.small_graphs import frozen
from harness.graph.normal.attributes import plain
from tests.graph.normal.walking import difference, form, form_of, only

tf1 = tf.compat.v1
KERNEL = np.ones((3, 3, 2, 4), np.float32)


def convolved(x: Any, **options: Any) -> Any:
    settings = {"strides": [1, 1, 1, 1], "padding": "SAME", **options}
    return tf.raw_ops.Conv2D(input=x, filter=KERNEL, name="y", **settings)


PAIRS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "strides": (convolved, lambda x: convolved(x, strides=[1, 2, 2, 1])),
    "padding": (convolved, lambda x: convolved(x, padding="VALID")),
    "dilations": (convolved, lambda x: convolved(x, dilations=[1, 2, 2, 1])),
    "transposition": (
        lambda x: tf.matmul(x, x, transpose_a=True, name="y"),
        lambda x: tf.matmul(x, x, transpose_b=True, name="y"),
    ),
    "axis": (
        lambda x: tf.reduce_sum(x, axis=1, name="y"),
        lambda x: tf.reduce_sum(x, axis=2, name="y"),
    ),
    "kept dimensions": (
        lambda x: tf.reduce_sum(x, axis=1, name="y"),
        lambda x: tf.reduce_sum(x, axis=1, keepdims=True, name="y"),
    ),
    "dtype": (
        lambda x: tf.cast(x, tf.int32, name="y"),
        lambda x: tf.cast(x, tf.int64, name="y"),
    ),
    "seed": (
        lambda _: tf.raw_ops.RandomUniform(shape=[2], dtype=tf.float32, seed2=1, name="y"),
        lambda _: tf.raw_ops.RandomUniform(shape=[2], dtype=tf.float32, seed2=2, name="y"),
    ),
    "number": (
        lambda x: tf.raw_ops.LeakyRelu(features=x, alpha=0.2, name="y"),
        lambda x: tf.raw_ops.LeakyRelu(features=x, alpha=0.25, name="y"),
    ),
    "op": (lambda x: tf.tanh(x, name="y"), lambda x: tf.sigmoid(x, name="y")),
}


def with_attribute(node: str, name: str, **value: Any) -> GraphDef:
    """The graph of the convolution, one attribute changed."""
    graph_def = frozen(convolved, shape=(1, 5, 5, 2)).graph_def
    (found,) = (each for each in graph_def.node if each.name == node)
    found.attr[name].CopyFrom(AttrValue(**value))
    return graph_def


@pytest.mark.parametrize(("one", "other"), PAIRS.values(), ids=PAIRS)
def test_what_decides_the_value_is_told(
    one: Callable[[Any], Any], other: Callable[[Any], Any]
) -> None:
    shape = (1, 5, 5, 2)
    assert not difference(form_of(one, shape=shape), form_of(one, shape=shape))
    assert difference(form_of(one, shape=shape), form_of(other, shape=shape))


def test_a_default_that_is_left_out_is_the_default() -> None:
    graph_def = frozen(convolved, shape=(1, 5, 5, 2)).graph_def
    stripped = GraphDef()
    stripped.CopyFrom(graph_def)
    for node in stripped.node:
        for name in ("data_format", "dilations", "explicit_paddings"):
            node.attr.pop(name, None)
    assert stripped != graph_def
    assert not difference(form(graph_def), form(stripped))


def test_what_is_for_tensorflow_alone_makes_no_difference() -> None:
    plain_form = form(with_attribute("y", "_class", s=b"loc:@x"))
    assert not difference(plain_form, form(with_attribute("y", "use_cudnn_on_gpu", b=False)))
    assert not difference(plain_form, form(with_attribute("x", "_output_shapes", s=b"")))


def test_what_the_inputs_imply_is_not_told_twice() -> None:
    graph = form_of(convolved, shape=(1, 5, 5, 2))
    assert only(graph, "Conv2D").attributes == (
        ("padding", b"SAME"),
        ("strides", (1, 1, 1, 1)),
    )


def test_the_messages_of_a_check_make_no_difference() -> None:
    one, other = (form_of(lambda x, m=m: tf.debugging.check_numerics(x, m, name="y")) for m in "ab")
    assert not difference(one, other)


def test_of_an_op_that_nobody_knows_all_attributes_are_told() -> None:
    def unknown(value: float, hidden: bytes = b"") -> GraphDef:
        graph_def = GraphDef()
        graph_def.node.add(name="x", op="Placeholder")
        node = graph_def.node.add(name="y", op="TheirOwn", input=["x"])
        node.attr["T"].type = tf.float32.as_datatype_enum
        node.attr["alpha"].f = value
        node.attr["_hidden"].s = hidden
        return graph_def

    assert only(form(unknown(0.5)), "TheirOwn").attributes == (("T", "float32"), ("alpha", 0.5))
    assert not difference(form(unknown(0.5)), form(unknown(0.5, b"else")))
    assert difference(form(unknown(0.5)), form(unknown(1.5)))


def test_where_a_list_ends_is_told_when_another_follows() -> None:
    def parsed(sparse: int) -> GraphDef:
        return frozen(
            lambda x: tf.raw_ops.ParseExample(
                serialized=x,
                names=tf.constant([], tf.string),
                sparse_keys=[tf.constant("a")] * sparse,
                dense_keys=[tf.constant("a")] * (2 - sparse),
                dense_defaults=[tf.constant([], tf.string)] * (2 - sparse),
                sparse_types=[tf.string] * sparse,
                dense_shapes=[[1]] * (2 - sparse),
                name="y",
            ),
            dtype=tf.string,
            shape=(None,),
        ).graph_def

    assert difference(form(parsed(0)), form(parsed(2)))


def test_numbers_that_python_takes_for_each_other_are_told_apart() -> None:
    found = [plain(AttrValue(f=value), str) for value in (0.0, -0.0)]
    assert found == [0.0, "-0.0"]
    assert plain(AttrValue(f=float("nan")), str) == plain(AttrValue(f=float("nan")), str)


def test_names_of_resources_and_frames_make_no_difference() -> None:
    def looped(name: str) -> GraphDef:
        def build(_: Any) -> None:
            array, flow = tf.raw_ops.TensorArrayV3(size=1, dtype=tf.float32, tensor_array_name=name)
            size = tf.raw_ops.TensorArraySizeV3(handle=array, flow_in=flow)
            entered = tf.raw_ops.Enter(data=size, frame_name=name)
            tf.raw_ops.Exit(data=entered, name="y")

        return frozen(build).graph_def

    assert looped("a") != looped("b")
    assert not difference(form(looped("a")), form(looped("b")))
