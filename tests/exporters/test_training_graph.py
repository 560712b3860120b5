"""The model with a saver of its own, from which TensorFlow's methods start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from harness.exporters.training_graph import (
    restored_session,
    saver_def,
    training_meta_graph,
    write_graph_def,
)
from harness.graph.restoring import CheckpointEntry, checkpoint_entries
from harness.models.model import Model

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
