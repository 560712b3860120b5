"""Our own method: no session, and no limits of TensorFlow's converter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from harness.exporters.direct import METHOD
from harness.graph.extract import all_nodes
from harness.graph.state import VARIABLE_OPS
from harness.models.candidate import open_candidate
from harness.models.model import Model
from harness.models.opening import open_model
from harness.runtime import Mode, Runner
from harness.subject import Request

Opened = Callable[[str], Model]
X = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)


def run(model: Model, feeds: dict[str, object]) -> list[bytes]:
    runner = Runner(model, mode=Mode.STRICT)
    values = runner({name: np.asarray(value) for name, value in feeds.items()})
    runner.close()
    return [value.tobytes() for value in values.values()]


@pytest.mark.parametrize("kind", ["ref", "resource"])
@pytest.mark.parametrize("family", ["cond_v1", "cond_control_flow_v2"])
def test_variables_inside_a_condition_are_frozen_whatever_their_kind(
    family: str, kind: str, opened: Opened, tmp_path: Path
) -> None:
    model = opened(f"{family}-{kind}")
    candidate = open_candidate(METHOD.export(model, tmp_path).path, signature=model.signature)
    for flag in (True, False):
        feeds = {"flag": flag, "inputs": X}
        assert run(candidate, feeds) == run(model, feeds)


def test_no_session_is_opened(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a session was opened")

    model = opened("softmax_regression-resource")
    monkeypatch.setattr(tf.compat.v1.Session, "__init__", refuse)
    export = METHOD.export(model, tmp_path)
    assert export.path.is_file()
    assert not export.names


def test_the_ops_of_the_oldest_graphs_are_frozen(opened: Opened, tmp_path: Path) -> None:
    """TensorFlow's converter passes over the op `Variable` and reports success."""
    model = opened("softmax_regression-ref")
    for node in model.graph_def.node:
        if node.op == "VariableV2":
            node.op = "Variable"
    graph_def = GraphDef.FromString(METHOD.export(model, tmp_path).path.read_bytes())
    assert not {node.op for node in graph_def.node} & VARIABLE_OPS
    assert sum(node.op == "Const" for node in graph_def.node) == 2


def test_the_export_is_the_same_each_time(opened: Opened, tmp_path: Path) -> None:
    written = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        export = METHOD.export(opened("lstm_control_flow_v2-resource"), tmp_path / name)
        written.append(export.path.read_bytes())
    assert written[0] == written[1]


def test_a_saved_model_of_tensorflow_2_is_frozen(tmp_path: Path) -> None:
    module = tf.Module()
    module.w = tf.Variable(X, name="w")
    module.table = tf.Variable(X * 2, name="table")

    @tf.function(input_signature=[tf.TensorSpec((None, 4)), tf.TensorSpec((None,), tf.int32)])
    def serve(x: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        return tf.matmul(x, module.w) + tf.gather(module.table, ids)

    module.serve = serve
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=serve)
    model = open_model(Request(path=tmp_path / "saved"))
    candidate = open_candidate(METHOD.export(model, tmp_path).path, signature=model.signature)
    assert not {node.op for node in all_nodes(candidate.graph_def)} & VARIABLE_OPS
    feeds: dict[str, object] = {
        "serving_default_x": X,
        "serving_default_ids": np.array([3, 0, 1, 1], np.int32),
    }
    assert run(candidate, feeds) == run(model, feeds)
