"""What is known of a tensor by its name, and what is said of names that are wrong."""

from __future__ import annotations

import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from harness.errors import BrokenModel, RequestError
from harness.graph.tensors import described, imported, specs_of, static_shapes


def placeholder(name: str, shape: tuple[int | None, ...] | None = (None, 4)) -> tf.Tensor:
    return tf.compat.v1.placeholder(tf.float32, shape, name=name)


def trained() -> GraphDef:
    """`inputs` -> `prediction`, with a saver."""
    with tf.Graph().as_default() as graph:
        w = tf.compat.v1.get_variable("layer/w", (4, 3), use_resource=False)
        tf.nn.softmax(tf.matmul(placeholder("inputs"), w, name="layer/product"), name="prediction")
        tf.compat.v1.train.Saver()
        return graph.as_graph_def()


def test_a_tensor_is_described_by_dtype_and_shape() -> None:
    (spec,) = specs_of(trained(), ["inputs:0"], option="--inputs")
    assert (spec.name, spec.dtype, spec.shape) == ("inputs", "float32", (None, 4))


def test_an_output_past_the_first_is_described() -> None:
    with tf.Graph().as_default() as graph:
        tf.nn.top_k(placeholder("x"), 2, name="top")
        graph_def = graph.as_graph_def()
    (spec,) = specs_of(graph_def, ["top:1"], option="--outputs")
    assert (spec.name, spec.dtype) == ("top:1", "int32")


def test_a_name_that_no_node_has_is_answered_with_the_nearest() -> None:
    with pytest.raises(RequestError, match=r"--outputs predictoin: .* nearest: prediction"):
        specs_of(trained(), ["predictoin"], option="--outputs")


def test_a_name_without_its_scope_is_answered_with_the_whole_name() -> None:
    with pytest.raises(RequestError, match="nearest: layer/product"):
        specs_of(trained(), ["product"], option="--outputs")


@pytest.mark.parametrize("name", ["prediction:1", "prediction:-1", "prediction:first"])
def test_an_output_that_the_node_lacks_is_refused(name: str) -> None:
    with pytest.raises(RequestError, match=rf"--outputs {name}: .* \(Softmax\) has 1 output"):
        specs_of(trained(), [name], option="--outputs")


def test_a_control_edge_is_no_tensor() -> None:
    with pytest.raises(RequestError, match="no such node; nearest: prediction"):
        specs_of(trained(), ["^prediction"], option="--outputs")


def test_a_node_without_outputs_cannot_be_read() -> None:
    with pytest.raises(RequestError, match=r"save/restore_all \(NoOp\) has no output"):
        specs_of(trained(), ["save/restore_all"], option="--outputs")


def test_an_op_that_is_not_known_is_named() -> None:
    graph_def = trained()
    graph_def.node.add(name="z", op="NobodyKnowsThisOp")
    with pytest.raises(BrokenModel, match="the op NobodyKnowsThisOp, which --outputs z needs"):
        specs_of(graph_def, ["z"], option="--outputs")


def test_a_shape_that_no_node_states_is_found_by_shape_functions() -> None:
    assert static_shapes(trained(), ["prediction", "inputs"]) == {
        "prediction": (None, 3),
        "inputs": (None, 4),
    }


def test_a_graph_that_cannot_be_imported_has_no_static_shapes() -> None:
    graph_def = trained()
    graph_def.node.add(name="z", op="NobodyKnowsThisOp")
    assert static_shapes(graph_def, ["prediction"]) == {}


def test_a_graph_that_cannot_be_imported_is_broken_and_says_why() -> None:
    graph_def = trained()
    graph_def.node.add(name="prediction", op="NoOp")
    with pytest.raises(BrokenModel, match=r"^the graph cannot be imported: .*'prediction'"):
        imported(graph_def)


def test_a_tensor_is_described_whatever_else_is_in_the_graph() -> None:
    graph_def = trained()
    graph_def.node.add(name="z", op="NobodyKnowsThisOp")
    found = described(graph_def, ["prediction", "z"])
    assert [str(spec) for spec in found.values()] == ["prediction float32 [?, 3]"]
