"""Functions that stay calls, and the large values in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.python.framework import tensor_util

from harness.graph.normal.form import normal_form
from harness.graph.normal.graph import NormalGraph
from harness.models.constants import Constants
from tests.graph.normal.walking import difference

tf1 = tf.compat.v1
LARGE = np.arange(2048, dtype=np.float32)
OTHER = np.where(np.arange(2048) == 5, np.float32(-1), LARGE)
WORDS = np.array([b"a" * 300] * 30, object)


def mapped(body: Callable[[Any], Any], names: str = "") -> GraphDef:
    """Y = map(body, x), where the map stays a call."""
    with tf.Graph().as_default() as graph:
        x = tf1.placeholder(tf.float32, (3, 2048), name="x")
        body.__name__ = f"body{names}"
        made = tf.function(body).get_concrete_function(tf.TensorSpec((2048,), tf.float32))
        y = tf.raw_ops.MapDefun(
            arguments=[x], captured_inputs=[], output_types=[tf.float32],
            output_shapes=[[2048]], f=made,
        )  # fmt: skip
        tf.tanh(y[0], name="y")
    return graph.as_graph_def()


def adding(value: Any, names: str = "") -> GraphDef:
    return mapped(lambda v: v + tf.constant(value, name="k"), names)


def naming(words: Any) -> GraphDef:
    def lengths(v: Any) -> Any:
        return v + tf.cast(tf.strings.length(tf.constant(words, name="k"))[0], tf.float32)

    return mapped(lengths)


def form(graph_def: GraphDef, constants: Mapping[str, Any] | None = None) -> NormalGraph:
    known = Constants(graph_def) if constants is None else constants
    return normal_form(graph_def, inputs=["x"], outputs=["y"], constants=known)


def test_a_large_value_in_a_function_that_stays_a_call_is_told() -> None:
    assert difference(form(adding(LARGE)), form(adding(OTHER)))


def test_the_same_large_value_makes_no_difference() -> None:
    assert not difference(form(adding(LARGE)), form(adding(LARGE, names="_of_the_copy")))


@pytest.mark.parametrize("last", [b"a" * 299 + b"\0", b"a" * 299])
def test_large_strings_are_told(last: bytes) -> None:
    other = WORDS.copy()
    other[-1] = last
    assert not difference(form(naming(WORDS)), form(naming(WORDS)))
    assert difference(form(naming(WORDS)), form(naming(other)))


def test_strings_that_are_split_otherwise_are_told() -> None:
    other = WORDS.copy()
    other[0], other[1] = b"a" * 301, b"a" * 299
    assert difference(form(naming(WORDS)), form(naming(other)))


def test_values_that_are_not_known_equal_nothing() -> None:
    graph_def = adding(LARGE)
    assert difference(form(graph_def, {}), form(graph_def, {}))
    unknown = [normal_form(graph_def, inputs=["x"], outputs=["y"]) for _ in range(2)]
    assert difference(*unknown)


def test_small_values_need_not_be_known() -> None:
    graph_def = mapped(lambda v: v + tf.constant(2.0))
    assert not difference(form(graph_def, {}), form(graph_def, {}))


def with_a_variable(name: str) -> GraphDef:
    graph_def = adding(LARGE)
    (made,) = graph_def.library.function
    (constant,) = (node for node in made.node_def if node.op == "Const")
    made.signature.name = "body"
    (call,) = (node for node in graph_def.node if node.op == "MapDefun")
    call.attr["f"].func.name = "body"
    constant.op, constant.name = "VariableV2", name
    (add,) = (node for node in made.node_def if node.op.startswith("Add"))
    add.input[1] = f"{name}:ref:0"
    del constant.attr["value"]
    constant.attr["shape"].shape.dim.add(size=2048)
    return graph_def


def test_which_variable_such_a_function_reads_is_told() -> None:
    one, same, other = (form(with_a_variable(name), {}) for name in ("w", "w", "u"))
    assert not difference(one, same)
    assert difference(one, other)


def test_the_value_of_such_a_variable_is_told_where_it_is_known() -> None:
    graph_def = with_a_variable("w")
    one, same, other = (
        form(graph_def, {"w of the function body": value}) for value in (LARGE, LARGE, OTHER)
    )
    assert not difference(one, same)
    assert difference(one, other)


def with_a_host_constant(value: Any) -> GraphDef:
    with tf.Graph().as_default() as graph:
        x = tf1.placeholder(tf.float32, (2048,), name="x")
        tf.add(x, tf.constant(0.0, name="k"), name="y")
    graph_def = graph.as_graph_def()
    (node,) = (node for node in graph_def.node if node.name == "k")
    node.op = "HostConst"
    node.attr["value"].tensor.CopyFrom(tensor_util.make_tensor_proto(value))
    return graph_def


def test_a_large_tensor_among_the_attributes_is_told() -> None:
    one, same, other = (form(with_a_host_constant(each)) for each in (LARGE, LARGE, OTHER))
    assert not difference(one, same)
    assert difference(one, other)


def test_whether_a_function_that_stays_a_call_is_compiled_is_told() -> None:
    graph_def = adding(LARGE)
    marked = GraphDef()
    marked.CopyFrom(graph_def)
    marked.library.function[0].attr["_XlaMustCompile"].b = True
    assert not difference(form(marked), form(marked))
    assert difference(form(graph_def), form(marked))
