"""Where in the checkpoint each variable's value stands, by the graph's own saver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from harness.graph.restoring import CheckpointEntry, checkpoint_entries

EITHER_KIND = pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])


def two_variables(*, resource: bool) -> None:
    for name, shape in (("layer/w", (4, 2)), ("layer/b", (2,))):
        tf.compat.v1.get_variable(name, shape, use_resource=resource)


def whole(key: str) -> CheckpointEntry:
    return CheckpointEntry(key=key)


def entries_of_saver(**options: Any) -> dict[str, CheckpointEntry]:
    """The entries that a Saver of the default graph restores."""
    saver = tf.compat.v1.train.Saver(**options)
    graph_def = tf.compat.v1.get_default_graph().as_graph_def()
    return checkpoint_entries(graph_def, restore_op=saver.as_saver_def().restore_op_name)


@pytest.mark.parametrize(
    "version", [tf.compat.v1.train.SaverDef.V1, tf.compat.v1.train.SaverDef.V2]
)
@EITHER_KIND
def test_each_variable_is_restored_from_its_name(resource: bool, version: int) -> None:
    with tf.Graph().as_default():
        two_variables(resource=resource)
        entries = entries_of_saver(write_version=version)
    assert entries == {"layer/w": whole("layer/w"), "layer/b": whole("layer/b")}


@EITHER_KIND
def test_a_saver_may_use_other_names(resource: bool) -> None:
    with tf.Graph().as_default():
        two_variables(resource=resource)
        variables = tf.compat.v1.global_variables()
        names = {f"{v.op.name}/ExponentialMovingAverage": v for v in variables}
        entries = entries_of_saver(var_list=names)
    assert entries["layer/w"] == whole("layer/w/ExponentialMovingAverage")
    assert entries["layer/b"] == whole("layer/b/ExponentialMovingAverage")


@pytest.mark.parametrize(
    "version", [tf.compat.v1.train.SaverDef.V1, tf.compat.v1.train.SaverDef.V2]
)
@EITHER_KIND
def test_the_parts_of_a_partitioned_variable_are_slices_of_one_tensor(
    resource: bool, version: int
) -> None:
    with tf.Graph().as_default():
        partitioner = tf.compat.v1.fixed_size_partitioner(2)
        tf.compat.v1.get_variable("w", (5, 4), partitioner=partitioner, use_resource=resource)
        entries = entries_of_saver(write_version=version)
    assert entries == {
        "w/part_0": CheckpointEntry(key="w", slice_spec="5 4 0,3:0,4"),
        "w/part_1": CheckpointEntry(key="w", slice_spec="5 4 3,2:0,4"),
    }


@EITHER_KIND
def test_a_sharded_saver_restores_each_device_by_an_op_of_its_own(resource: bool) -> None:
    with tf.Graph().as_default() as graph:
        for index in range(2):
            with tf.device(f"/cpu:{index}"):
                tf.compat.v1.get_variable(f"w{index}", (2,), use_resource=resource)
        entries = entries_of_saver(sharded=True)
        restores = [node for node in graph.as_graph_def().node if node.op == "RestoreV2"]
    assert len(restores) == 2
    assert entries == {"w0": whole("w0"), "w1": whole("w1")}


def test_a_saver_may_reshape_what_it_restores() -> None:
    with tf.Graph().as_default():
        two_variables(resource=False)
        entries = entries_of_saver(reshape=True)
    assert entries["layer/w"] == whole("layer/w")


def test_of_two_savers_only_the_one_asked_for_counts() -> None:
    with tf.Graph().as_default():
        two_variables(resource=True)
        variables = tf.compat.v1.global_variables()
        entries_of_saver(var_list={f"old/{v.op.name}": v for v in variables})
        entries = entries_of_saver()
    assert entries["layer/w"] == whole("layer/w")


class Module(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.ones((3, 2)), name="weights")
        self.inner = tf.Module()
        self.inner.bias = tf.Variable(tf.zeros((2,)), name="weights")

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, name="x")])
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.matmul(x, self.kernel) + self.inner.bias


def test_a_saved_model_of_tensorflow_2_is_restored_from_object_keys(tmp_path: Path) -> None:
    tf.saved_model.save(Module(), str(tmp_path))
    (meta,) = SavedModel.FromString((tmp_path / "saved_model.pb").read_bytes()).meta_graphs
    entries = checkpoint_entries(meta.graph_def, restore_op=meta.saver_def.restore_op_name)
    handles = {node.name for node in meta.graph_def.node if node.op == "VarHandleOp"}
    assert {entry.key for entry in entries.values()} >= {
        "kernel/.ATTRIBUTES/VARIABLE_VALUE",
        "inner/bias/.ATTRIBUTES/VARIABLE_VALUE",
    }
    # Both are called "weights", and each is restored from its own key.
    assert set(entries) <= handles
    reader = tf.train.load_checkpoint(str(tmp_path / "variables" / "variables"))
    shapes = {node.name: len(node.attr["shape"].shape.dim) for node in meta.graph_def.node}
    for name, entry in entries.items():
        assert reader.get_tensor(entry.key).ndim == shapes[name]


@pytest.mark.parametrize("restore_op", ["", "save/restore_all", "y"])
def test_a_graph_without_a_saver_has_no_entries(restore_op: str) -> None:
    graph_def = GraphDef()
    graph_def.node.add(name="y", op="NoOp")
    assert checkpoint_entries(graph_def, restore_op=restore_op) == {}


def test_an_assign_of_something_else_than_a_restored_value_is_no_entry() -> None:
    with tf.Graph().as_default() as graph:
        two_variables(resource=False)
        initialise = tf.compat.v1.global_variables_initializer()
        graph_def = graph.as_graph_def()
    assert checkpoint_entries(graph_def, restore_op=initialise.name) == {}


def in_a_circle(*, of_values: bool) -> GraphDef:
    """A damaged graph: what is assigned, or what it is assigned to, are two nodes in a circle."""
    with tf.Graph().as_default() as graph:
        two_variables(resource=False)
        saver = tf.compat.v1.train.Saver().as_saver_def()
        graph_def = graph.as_graph_def()
    for one, other in (("one", "other"), ("other", "one")):
        graph_def.node.add(name=one, op="Identity", input=[other])
    for node in graph_def.node:
        if node.op == "Assign" and node.input[0] == "layer/w":
            node.input[1 if of_values else 0] = "one"
    graph_def.node.add(name="restore", op="NoOp", input=[f"^{saver.restore_op_name}"])
    return graph_def


@pytest.mark.parametrize("of_values", [True, False], ids=["values", "references"])
def test_what_leads_in_a_circle_is_no_entry(of_values: bool) -> None:
    entries = checkpoint_entries(in_a_circle(of_values=of_values), restore_op="restore")
    assert entries.keys() & {"layer/w", "layer/b"} == {"layer/b"}
