"""The sub-graph between inputs and outputs, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef

from harness.errors import BrokenModel, RequestError
from harness.graph.extract import all_nodes, extract
from harness.signature import TensorSpec


def spec(name: str, dtype: str = "float32", shape: tuple[int | None, ...] | None = None) -> Any:
    return TensorSpec(name=name, dtype=dtype, shape=shape)


def chain() -> GraphDef:
    """`x` -> `middle` -> `y`, beside a loss of `y` and `labels`."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (None, 4), name="x")
        y = tf.tanh(tf.square(x, name="middle"), name="y")
        labels = tf.compat.v1.placeholder(tf.float32, (None, 4), name="labels")
        tf.subtract(y, labels, name="loss")
        return graph.as_graph_def()


def split() -> GraphDef:
    """`x` -> `parts`, three of them -> `y`, which needs the second and the third."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (6,), name="x")
        parts = tf.split(x, 3, name="parts")
        tf.add(parts[1], parts[2] * 10.0, name="y")
        return graph.as_graph_def()


def names(graph_def: GraphDef) -> list[str]:
    return [node.name for node in graph_def.node]


def node(graph_def: GraphDef, name: str) -> NodeDef:
    return next(node for node in graph_def.node if node.name == name)


def run(graph_def: GraphDef, output: str, feeds: dict[str, object]) -> Any:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(graph_def, name="")
        return session.run(output, feeds)


def test_what_the_outputs_do_not_need_is_left_out() -> None:
    assert names(extract(chain(), inputs=[spec("x")], outputs=["y"])) == ["x", "middle", "y"]


def test_the_original_graph_stays_as_it_is() -> None:
    graph_def = chain()
    extract(graph_def, inputs=[spec("middle")], outputs=["y"])
    assert graph_def == chain()


def test_a_placeholder_that_is_an_input_stays_as_it_is() -> None:
    graph_def = chain()
    assert node(extract(graph_def, inputs=[spec("x")], outputs=["y"]), "x") == node(graph_def, "x")


def test_an_input_in_the_middle_becomes_a_placeholder_and_what_is_before_it_goes() -> None:
    cut = extract(chain(), inputs=[spec("middle", shape=(None, 4))], outputs=["y"])
    assert names(cut) == ["middle", "y"]
    assert node(cut, "middle").op == "Placeholder"
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(cut, name="")
        assert graph.get_tensor_by_name("middle:0").shape.as_list() == [None, 4]
    assert run(cut, "y:0", {"middle:0": [[0.0, 0, 0, 0]]}).tolist() == [[0, 0, 0, 0]]


def test_an_input_of_unknown_rank_takes_any_shape() -> None:
    cut = extract(chain(), inputs=[spec("middle")], outputs=["y"])
    assert run(cut, "y:0", {"middle:0": np.zeros((2, 3, 4))}).shape == (2, 3, 4)


def test_outputs_past_the_first_can_be_inputs() -> None:
    cut = extract(split(), inputs=[spec("parts:1"), spec("parts:2")], outputs=["y"])
    assert "x" not in names(cut)
    assert run(cut, "y:0", {"parts:1": 1.0, "parts:2": 2.0}) == 21.0


def test_an_input_past_the_first_output_keeps_its_dtype() -> None:
    with tf.Graph().as_default() as graph:
        top = tf.nn.top_k(tf.compat.v1.placeholder(tf.float32, (5,), name="x"), 2, name="top")
        tf.identity(top.indices, name="y")
        graph_def = graph.as_graph_def()
    cut = extract(graph_def, inputs=[spec("top:1", "int32")], outputs=["y"])
    assert run(cut, "y:0", {"top:1": [3, 4]}).dtype == np.int32


def test_another_output_of_a_cut_node_must_be_an_input_too() -> None:
    with pytest.raises(RequestError, match=r"--inputs parts:1: .* need parts:2 .* both"):
        extract(split(), inputs=[spec("parts:1")], outputs=["y"])


@pytest.mark.parametrize("read", ["x:5", "x:five"])
def test_an_output_that_a_fed_node_does_not_have_is_the_graphs_fault(read: str) -> None:
    graph_def = chain()
    node(graph_def, "middle").input[0] = read
    with pytest.raises(BrokenModel) as caught:
        extract(graph_def, inputs=[spec("x")], outputs=["y"])
    assert str(caught.value) == (
        f"the node middle reads {read}, and x (Placeholder) has 1 output(s): the file of the graph "
        f"is damaged"
    )


def test_an_input_cannot_be_an_output() -> None:
    with pytest.raises(RequestError, match="--outputs middle: it is an input too"):
        extract(chain(), inputs=[spec("middle")], outputs=["middle"])


def test_a_read_of_a_node_that_is_not_there_names_both() -> None:
    graph_def = chain()
    del graph_def.node[names(graph_def).index("middle")]
    with pytest.raises(BrokenModel, match="node y reads middle"):
        extract(graph_def, inputs=[spec("x")], outputs=["y"])


def test_control_edges_are_followed() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (), name="x")
        limit = tf.constant(1.0, name="limit")
        check = tf.debugging.Assert(x < limit, [x], name="check")
        with tf.control_dependencies([check]):
            tf.identity(x, name="y")
        graph_def = graph.as_graph_def()
    assert "limit" in names(extract(graph_def, inputs=[spec("x")], outputs=["y"]))


def test_nothing_waits_for_a_node_whose_outputs_are_fed() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (4,), name="x")
        parts = tf.split(x, 2, name="parts")
        with tf.control_dependencies(parts):
            one = tf.constant(1.0)
        tf.add(parts[1], one, name="y")
        graph_def = graph.as_graph_def()
    cut = extract(graph_def, inputs=[spec("parts:1")], outputs=["y"])
    assert run(cut, "y:0", {"parts:1": [1.0, 2.0]}).tolist() == [2.0, 3.0]


def test_what_is_fed_waits_for_nothing() -> None:
    """A session that feeds a placeholder does not run what the placeholder waits for."""
    with tf.Graph().as_default() as graph:
        with tf.control_dependencies([tf.no_op(name="before")]):
            x = tf.compat.v1.placeholder(tf.float32, (), name="x")
        tf.tanh(x, name="y")
        graph_def = graph.as_graph_def()
    cut = extract(graph_def, inputs=[spec("x")], outputs=["y"])
    assert names(cut) == ["x", "y"]
    assert run(cut, "y:0", {"x:0": 0.0}) == 0.0


def functional() -> GraphDef:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (), name="x")

        @tf.function(autograph=False)
        def inner(x: tf.Tensor) -> tf.Tensor:
            return x + 1

        @tf.function(autograph=False)
        def outer(x: tf.Tensor) -> tf.Tensor:
            return inner(x) * 2

        @tf.function(autograph=False)
        def unused(x: tf.Tensor) -> tf.Tensor:
            return x - 1

        tf.identity(outer(x), name="y")
        tf.identity(unused(x), name="loss")
        return graph.as_graph_def()


def library(graph_def: GraphDef) -> set[str]:
    return {f.signature.name.split("_")[3] for f in graph_def.library.function}


def test_library_functions_stay_where_they_are_called_directly_or_not() -> None:
    graph_def = functional()
    assert library(graph_def) == {"inner", "outer", "unused"}
    assert library(extract(graph_def, inputs=[spec("x")], outputs=["y"])) == {"inner", "outer"}


def test_a_graph_without_calls_keeps_no_function() -> None:
    graph_def = chain()
    graph_def.library.CopyFrom(functional().library)
    assert not extract(graph_def, inputs=[spec("x")], outputs=["y"]).library.function


def test_devices_shape_hints_and_colocation_are_dropped_in_functions_too() -> None:
    graph_def = functional()
    for each in all_nodes(graph_def):
        each.device = "/gpu:7"
        each.attr["_class"].list.s.append(b"loc:@gone")
        each.attr["_output_shapes"].list.shape.add().dim.add(size=99)
    for function in graph_def.library.function:
        function.attr["_output_shapes"].list.shape.add()
        function.arg_attr[0].attr["_output_shapes"].list.shape.add()
    extracted = extract(graph_def, inputs=[spec("x")], outputs=["y"])
    assert extracted.library.function
    assert {each.device for each in all_nodes(extracted)} == {""}
    assert not any("_class" in each.attr for each in all_nodes(extracted))
    assert b"_output_shapes" not in extracted.SerializeToString()
    assert run(extracted, "y:0", {"x:0": 1.0}) == 4.0


def test_a_training_op_that_tensorflow_does_not_know_does_no_harm_off_the_path() -> None:
    graph_def = chain()
    graph_def.node.add(name="training", op="NobodyKnowsThisOp", input=["y"])
    extracted = extract(graph_def, inputs=[spec("x")], outputs=["y"])
    assert run(extracted, "y:0", {"x:0": [[0.0] * 4]}).shape == (1, 4)


def test_the_version_of_the_producer_is_kept() -> None:
    graph_def = chain()
    graph_def.versions.producer = 21
    assert extract(graph_def, inputs=[spec("x")], outputs=["y"]).versions.producer == 21


def test_a_graph_that_is_cut_at_a_scalar_states_its_shape() -> None:
    with tf.Graph().as_default() as graph:
        total = tf.reduce_sum(tf.compat.v1.placeholder(tf.float32, (6,), name="x"), name="total")
        tf.square(total, name="y")
        cut = extract(graph.as_graph_def(), inputs=[spec("total", shape=())], outputs=["y"])
    assert node(cut, "total").attr["shape"].HasField("shape")
