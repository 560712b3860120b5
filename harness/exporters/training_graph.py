"""The model with a saver of its own: what TensorFlow's methods start from.

The methods are given the graph between inputs and outputs, so that ops off that path which this
TensorFlow does not know do no harm, and a saver that restores each variable from where the
checkpoint holds it: slices of partitioned variables, moving averages and object-based keys alike.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2, variable_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saver_pb2
from tensorflow.python.framework import tensor_util

from harness.graph.dtypes import dtype_enum
from harness.graph.state import Variable
from harness.models.model import Model

_SCOPE = "freezeproof_save"


def training_meta_graph(model: Model) -> meta_graph_pb2.MetaGraphDef:
    """Return a MetaGraphDef with the model's graph, a saver and its variables' collection."""
    meta = meta_graph_pb2.MetaGraphDef()
    meta.meta_info_def.tensorflow_version = tf.__version__
    meta.graph_def.CopyFrom(model.graph_def)
    if model.variables:
        meta.graph_def.node.extend(_saver_nodes(model.variables))
        meta.saver_def.CopyFrom(saver_def())
        variables = [_variable_def(variable) for variable in model.variables]
        for key in ("variables", "trainable_variables"):
            meta.collection_def[key].bytes_list.value.extend(
                variable.SerializeToString() for variable in variables
            )
    return meta


def saver_def() -> saver_pb2.SaverDef:
    """Return the SaverDef of the saver that `training_meta_graph` adds."""
    return saver_pb2.SaverDef(
        filename_tensor_name=f"{_SCOPE}/Const:0",
        save_tensor_name=f"{_SCOPE}/control_dependency:0",
        restore_op_name=f"{_SCOPE}/restore_all",
        version=saver_pb2.SaverDef.V2,
    )


@contextlib.contextmanager
def restored_session(model: Model) -> Iterator[Any]:
    """Open a session on the model in a graph of its own, restored by TensorFlow's Saver."""
    with tf.Graph().as_default(), cpu_session() as session:
        saver = tf.compat.v1.train.import_meta_graph(training_meta_graph(model))
        if model.variables:
            saver.restore(session, model.checkpoint_prefix)
        yield session


def cpu_session() -> Any:
    """Return a session on the default graph that leaves GPUs alone."""
    return tf.compat.v1.Session(config=tf.compat.v1.ConfigProto(device_count={"GPU": 0}))


def write_graph_def(graph_def: graph_pb2.GraphDef, path: Path) -> Path:
    """Write a GraphDef as a binary .pb; return the path."""
    path.write_bytes(graph_def.SerializeToString(deterministic=True))
    return path


def _saver_nodes(variables: tuple[Variable, ...]) -> list[node_def_pb2.NodeDef]:
    dtypes = [dtype_enum(variable.dtype) for variable in variables]
    names = _strings(f"{_SCOPE}/tensor_names", [variable.key for variable in variables])
    slices = _strings(f"{_SCOPE}/shape_and_slices", [v.slice_spec for v in variables])
    filename = _strings(f"{_SCOPE}/Const", "model")
    restore = node_def_pb2.NodeDef(
        name=f"{_SCOPE}/RestoreV2", op="RestoreV2", input=[filename.name, names.name, slices.name]
    )
    restore.attr["dtypes"].list.type.extend(dtypes)
    assigns = [_assign(variable, index) for index, variable in enumerate(variables)]
    all_restored = node_def_pb2.NodeDef(
        name=f"{_SCOPE}/restore_all", op="NoOp", input=[f"^{node.name}" for node in assigns]
    )
    reads = [_read(variable) for variable in variables]
    values = [read.name if read else v.name for read, v in zip(reads, variables, strict=True)]
    save = node_def_pb2.NodeDef(
        name=f"{_SCOPE}/SaveV2",
        op="SaveV2",
        input=[filename.name, names.name, slices.name, *values],
    )
    save.attr["dtypes"].list.type.extend(dtypes)
    saved = node_def_pb2.NodeDef(
        name=f"{_SCOPE}/control_dependency",
        op="Identity",
        input=[filename.name, f"^{save.name}"],
    )
    saved.attr["T"].type = dtype_enum("string")
    kept_reads = [read for read in reads if read is not None]
    return [filename, names, slices, restore, *assigns, all_restored, *kept_reads, save, saved]


def _assign(variable: Variable, index: int) -> node_def_pb2.NodeDef:
    node = node_def_pb2.NodeDef(
        name=f"{_SCOPE}/Assign_{index}",
        op="AssignVariableOp" if variable.is_resource else "Assign",
        input=[variable.name, f"{_SCOPE}/RestoreV2:{index}"],
    )
    node.attr["dtype" if variable.is_resource else "T"].type = dtype_enum(variable.dtype)
    return node


def _read(variable: Variable) -> node_def_pb2.NodeDef | None:
    if not variable.is_resource:
        return None
    node = node_def_pb2.NodeDef(
        name=f"{_SCOPE}/read/{variable.name}", op="ReadVariableOp", input=[variable.name]
    )
    node.attr["dtype"].type = dtype_enum(variable.dtype)
    return node


def _variable_def(variable: Variable) -> variable_pb2.VariableDef:
    read = f"{_SCOPE}/read/{variable.name}" if variable.is_resource else variable.name
    return variable_pb2.VariableDef(
        variable_name=f"{variable.name}:0",
        initializer_name=f"{_SCOPE}/restore_all",
        snapshot_name=f"{read}:0",
        is_resource=variable.is_resource,
        trainable=True,
    )


def _strings(name: str, value: str | list[str]) -> node_def_pb2.NodeDef:
    node = node_def_pb2.NodeDef(name=name, op="Const")
    node.attr["dtype"].type = dtype_enum("string")
    tensor = tensor_util.make_tensor_proto(np.array(value, dtype=object), dtype=tf.string)
    node.attr["value"].tensor.CopyFrom(tensor)
    return node
