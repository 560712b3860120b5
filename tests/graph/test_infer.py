"""Inputs and outputs where the user names none, and what is said of names that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

from harness.errors import RequestError
from harness.graph.infer import infer_inputs, infer_outputs, rank_outputs, specs_of


def placeholder(name: str, shape: tuple[int | None, ...] | None = (None, 4)) -> tf.Tensor:
    return tf.compat.v1.placeholder(tf.float32, shape, name=name)


def trained(output: str = "prediction") -> GraphDef:
    """`inputs` -> `output`, with a loss, its gradients, Adam, a saver and a summary."""
    with tf.Graph().as_default() as graph:
        w = tf.compat.v1.get_variable("layer/w", (4, 4), use_resource=False)
        logits = tf.matmul(placeholder("inputs"), w, name="layer/product")
        y = tf.nn.softmax(logits, name=output)
        loss = tf.reduce_mean(tf.square(y - placeholder("labels")), name="loss")
        rate = tf.compat.v1.placeholder_with_default(0.1, (), name="rate")
        tf.compat.v1.train.AdamOptimizer(rate).minimize(loss)
        tf.compat.v1.summary.histogram("scores", y)
        tf.compat.v1.train.Saver()
        return graph.as_graph_def()


@pytest.mark.parametrize("name", ["prediction", "the_outputs", "deep/in/scopes/Softmax", "logits"])
def test_a_usual_name_is_the_output(name: str) -> None:
    assert infer_outputs(trained(name)) == (name,)


def test_without_a_usual_name_the_last_tensor_before_the_loss_is_the_output() -> None:
    with tf.Graph().as_default() as graph:
        y = tf.square(tf.tanh(placeholder("x"), name="a"), name="b")
        tf.subtract(y, placeholder("labels"), name="loss/difference")
        graph_def = graph.as_graph_def()
    assert infer_outputs(graph_def) == ("b",)


def test_what_belongs_to_training_is_no_output() -> None:
    ranked = [node.name for node, _ in rank_outputs(trained())]
    assert ranked[0] == "prediction"
    assert not any(name.startswith(("gradients", "Adam", "save", "beta")) for name in ranked)


def test_a_tie_lists_the_choices_as_options_to_copy() -> None:
    with tf.Graph().as_default() as graph:
        x = placeholder("x")
        tf.tanh(x, name="one")
        tf.square(x, name="other")
        graph_def = graph.as_graph_def()
    with pytest.raises(RequestError, match=r"--outputs one \(Tanh, float32") as caught:
        infer_outputs(graph_def)
    assert "--outputs other (Square, float32" in str(caught.value)


def test_a_graph_without_placeholders_has_no_output_to_find() -> None:
    with tf.Graph().as_default() as graph:
        tf.constant(1.0, name="prediction")
        graph_def = graph.as_graph_def()
    with pytest.raises(RequestError, match="--outputs NAMES"):
        infer_outputs(graph_def)


def test_inputs_are_the_placeholders_that_the_outputs_need() -> None:
    assert infer_inputs(trained(), ["prediction"]) == ("inputs",)
    assert infer_inputs(trained(), ["loss"]) == ("inputs", "labels")


def switch() -> GraphDef:
    """`x`, or `keep` with its default, -> `y`."""
    with tf.Graph().as_default() as graph:
        keep = tf.compat.v1.placeholder_with_default(1.0, (), name="keep")
        alone = tf.multiply(keep, 2.0, name="alone")
        tf.multiply(placeholder("x"), alone, name="y")
        return graph.as_graph_def()


def test_a_placeholder_with_a_default_is_no_input_beside_a_plain_one() -> None:
    assert infer_inputs(switch(), ["y"]) == ("x",)


def test_a_placeholder_with_a_default_is_the_input_where_there_is_no_other() -> None:
    assert infer_inputs(switch(), ["alone"]) == ("keep",)


def test_placeholders_of_old_graphs_are_inputs() -> None:
    graph_def = switch()
    for node in graph_def.node:
        if node.name == "x":
            node.op = "PlaceholderV2"
    assert infer_inputs(graph_def, ["y"]) == ("x",)


@pytest.mark.parametrize(
    ("fixture", "output"),
    [
        ("softmax_regression-ref", "prediction"),
        ("sequence_network-resource", "the_outputs"),
        ("cond_control_flow_v2-resource", "outputs"),
    ],
)
def test_a_trained_fixture_needs_no_names(
    fixture: str, output: str, built: Callable[[str], Path]
) -> None:
    meta = MetaGraphDef.FromString(Path(f"{built(fixture)}.meta").read_bytes())
    assert infer_outputs(meta.graph_def) == (output,)


def test_a_tensor_is_described_by_dtype_and_shape() -> None:
    (spec,) = specs_of(switch(), ["x:0"], option="--inputs")
    assert (spec.name, spec.dtype, spec.shape) == ("x", "float32", (None, 4))


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
    graph_def = switch()
    graph_def.node.add(name="z", op="NobodyKnowsThisOp")
    with pytest.raises(RequestError, match="NobodyKnowsThisOp is not known"):
        specs_of(graph_def, ["z"], option="--outputs")
