"""Frozen graphs, binary and text."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework.graph_pb2 import GraphDef

from harness.errors import BrokenModel, RequestError
from harness.models.frozen import open_frozen, read_graph_def


def graph() -> GraphDef:
    """`x` -> `y`."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (None, 3), name="x")
        tf.matmul(x, tf.ones((3, 2)), name="y")
        return graph.as_graph_def()


def write(folder: Path, *, text: bool = False) -> Path:
    path = folder / ("frozen.pbtxt" if text else "frozen.pb")
    if text:
        path.write_text(text_format.MessageToString(graph()), encoding="utf-8")
    else:
        path.write_bytes(graph().SerializeToString())
    return path


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
def test_a_graph_is_read_as_it_was_written(tmp_path: Path, text: bool) -> None:
    assert read_graph_def(write(tmp_path, text=text)) == graph()


def test_a_frozen_graph_has_no_variables_and_no_checkpoint(tmp_path: Path) -> None:
    model = open_frozen(write(tmp_path))
    assert model.kind == "frozen"
    assert not model.variables
    assert model.checkpoint_prefix is None
    assert not model.saved_tensors


def test_inputs_and_outputs_are_inferred_unless_they_are_named(tmp_path: Path) -> None:
    inferred, named = open_frozen(write(tmp_path)), open_frozen(write(tmp_path), outputs=["y"])
    assert inferred.signature == named.signature
    assert (inferred.outputs_inferred, named.outputs_inferred) == (True, False)


def test_the_shape_of_an_output_is_found_by_tensorflow(tmp_path: Path) -> None:
    assert open_frozen(write(tmp_path)).signature.outputs[0].shape == (None, 2)


def test_text_is_read_under_the_name_that_tensorflow_writes_it_under(tmp_path: Path) -> None:
    """`tf.io.write_graph` writes text unless it is told otherwise."""
    tf.io.write_graph(graph(), str(tmp_path), "frozen.pb")
    assert read_graph_def(tmp_path / "frozen.pb") == graph()


def test_binary_is_read_under_the_name_of_text(tmp_path: Path) -> None:
    path = write(tmp_path).rename(tmp_path / "frozen.pbtxt")
    assert read_graph_def(path) == graph()


def test_a_file_that_is_no_graph_is_called_damaged(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BrokenModel, match=r"frozen\.pb holds no GraphDef .* is damaged"):
        open_frozen(path)


def test_a_dtype_that_there_is_none_of_is_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "frozen.pb"
    path.write_bytes(without_dtype(graph()).SerializeToString())
    words = (
        r"frozen\.pb holds a graph that no sense can be made of \(TypeError: .*it is damaged, copy"
    )
    with pytest.raises(BrokenModel, match=words):
        open_frozen(path, outputs=["y"])


def without_dtype(graph_def: GraphDef) -> GraphDef:
    (x,) = (node for node in graph_def.node if node.op == "Placeholder")
    x.attr["dtype"].type = 0
    return graph_def


def test_a_name_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "frozen.pb"
    with tf.Graph().as_default() as other:
        tf.tanh(tf.compat.v1.placeholder(tf.float32, name="inputs"), name="prediction")
        path.write_bytes(other.as_graph_def().SerializeToString())
    with pytest.raises(RequestError, match=r"--inputs input: .* nearest: inputs"):
        open_frozen(path, inputs=["input"], outputs=["prediction"])
    with pytest.raises(RequestError, match=r"--outputs predictions: .* nearest: prediction"):
        open_frozen(path, outputs=["predictions"])


def test_a_graph_that_lost_a_node_names_it(tmp_path: Path) -> None:
    graph_def = graph()
    del graph_def.node[1]
    path = tmp_path / "frozen.pb"
    path.write_bytes(graph_def.SerializeToString())
    with pytest.raises(BrokenModel, match="node y reads "):
        open_frozen(path, outputs=["y"])
