"""The model with a saver of its own, from which TensorFlow's methods start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from fixtures.training import fresh_session, save_initialised
from harness.exporters.training_graph import (
    restored_session,
    saver_def,
    training_meta_graph,
    write_graph_def,
)
from harness.graph.restoring import CheckpointEntry, checkpoint_entries
from harness.models.model import Model
from harness.models.opening import open_model
from harness.subject import Request

Opened = Callable[[str], Model]
EACH_MODEL = pytest.mark.parametrize(
    "name",
    [
        f"{family}-{kind}"
        for family in ("softmax_regression", "partitioned", "two_shards", "v1_checkpoint")
        for kind in ("ref", "resource")
    ],
)


@EACH_MODEL
def test_the_saver_restores_each_variable_from_where_the_checkpoint_holds_it(
    name: str, opened: Opened
) -> None:
    model = opened(name)
    meta = training_meta_graph(model)
    assert checkpoint_entries(meta.graph_def, restore_op=saver_def().restore_op_name) == {
        v.name: CheckpointEntry(key=v.key, slice_spec=v.slice_spec) for v in model.variables
    }


@EACH_MODEL
def test_a_restored_session_holds_the_values_of_the_checkpoint(name: str, opened: Opened) -> None:
    model = opened(name)
    with restored_session(model) as session:
        for variable in model.variables:
            read = f"freezeproof_save/read/{variable.name}" if variable.is_resource else ""
            value = session.run(f"{read or variable.name}:0")
            np.testing.assert_array_equal(value, model.weights[variable.name])


def test_the_graph_is_that_between_inputs_and_outputs_with_a_saver(opened: Opened) -> None:
    model = opened("softmax_regression-ref")
    meta = training_meta_graph(model)
    added = list(meta.graph_def.node)[len(model.graph_def.node) :]
    assert list(meta.graph_def.node)[: len(model.graph_def.node)] == list(model.graph_def.node)
    assert {node.name.split("/")[0] for node in added} == {"freezeproof_save"}


def test_the_variables_are_in_the_collections_that_tensorflow_looks_into(opened: Opened) -> None:
    with tf.Graph().as_default():
        tf.compat.v1.train.import_meta_graph(training_meta_graph(opened("partitioned-resource")))
        for variables in (tf.compat.v1.global_variables(), tf.compat.v1.trainable_variables()):
            assert {v.op.name for v in variables} == {
                "kernel/part_0",
                "kernel/part_1",
                "kernel/part_2",
                "bias",
            }


@pytest.mark.parametrize("kind", ["ref", "resource"])
def test_the_saver_can_save_what_it_restored(kind: str, opened: Opened, tmp_path: Path) -> None:
    model = opened(f"softmax_regression-{kind}")
    with restored_session(model) as session:
        saver = tf.compat.v1.train.Saver(saver_def=saver_def())
        saver.save(session, str(tmp_path / "again"), write_meta_graph=False)
    again = tf.train.load_checkpoint(str(tmp_path / "again"))
    for variable in model.variables:
        np.testing.assert_array_equal(again.get_tensor(variable.key), model.weights[variable.name])


def test_a_model_without_variables_has_no_saver(opened: Opened) -> None:
    model = replace(opened("softmax_regression-ref"), variables=())
    meta = training_meta_graph(model)
    assert not meta.HasField("saver_def")
    assert meta.graph_def == model.graph_def


def test_a_graph_is_written_the_same_each_time(opened: Opened, tmp_path: Path) -> None:
    graph_def = opened("lstm_control_flow_v2-resource").graph_def
    paths = [write_graph_def(graph_def, tmp_path / name) for name in ("a.pb", "b.pb")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert type(graph_def).FromString(paths[0].read_bytes()) == graph_def


def model_of(folder: Path, build: Callable[[], object]) -> Model:
    with fresh_session() as session:
        build()
        return open_model(Request(path=save_initialised(session, folder), outputs=("y",)))


def read(shared_name: str, name: str) -> tf.Tensor:
    """The value of a variable that has no read of its own."""
    handle = tf.raw_ops.VarHandleOp(
        dtype=tf.float32, shape=(2,), shared_name=shared_name, name=name
    )
    return tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)


def several_nodes() -> None:
    w = tf.compat.v1.get_variable("w", initializer=[1.0, 2.0])
    inside = tf.function(lambda: read("w", "inner"), autograph=False)()
    v = tf.compat.v1.get_variable("v", initializer=[3.0, 4.0])
    twice = tf.function(lambda: read("v", "a") + read("v", "b"), autograph=False)()
    del v
    tf.add_n([w, read("w", "again"), inside, twice], name="y")


def test_every_node_of_the_main_graph_is_restored_and_each_entry_saved_once(
    tmp_path: Path,
) -> None:
    model = model_of(tmp_path, several_nodes)
    meta = training_meta_graph(model)
    entries = checkpoint_entries(meta.graph_def, restore_op=saver_def().restore_op_name)
    assert {name: entry.key for name, entry in entries.items()} == {
        "w": "w",
        "again": "w",
        # What stands in functions alone is restored through one more node.
        "freezeproof_save/variable_0": "v",
    }
    with restored_session(model) as session:
        saver = tf.compat.v1.train.Saver(saver_def=saver_def())
        saver.save(session, str(tmp_path / "again"), write_meta_graph=False)
    saved = tf.train.load_checkpoint(str(tmp_path / "again"))
    assert set(saved.get_variable_to_shape_map()) == {"w", "v"}
    np.testing.assert_array_equal(saved.get_tensor("v"), [3.0, 4.0])


def test_the_read_by_which_a_variable_is_fetched_is_added_where_it_lacks(tmp_path: Path) -> None:
    graph_def = training_meta_graph(model_of(tmp_path, several_nodes)).graph_def
    reads = {node.name: list(node.input) for node in graph_def.node if node.op == "ReadVariableOp"}
    assert reads["again/Read/ReadVariableOp"] == ["again"]
    assert reads["w/Read/ReadVariableOp"] == ["w"]
