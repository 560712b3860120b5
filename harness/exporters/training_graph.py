"""The model with a saver of its own: what TensorFlow's methods start from.

The methods are given the graph between inputs and outputs, so that ops off that path which this
TensorFlow does not know do no harm, and a saver that restores each variable from where the
checkpoint holds it: slices of partitioned variables, moving averages and object-based keys alike.
A variable that only functions hold is restored through a node of the saver's own, which shares its
resource.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
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
        within_reach = _within_reach(model.variables)
        meta.graph_def.node.extend(_holder(v) for v in within_reach if v.function)
        meta.graph_def.node.extend(_saver_nodes(within_reach))
        meta.graph_def.node.extend(_own_reads(model))
        meta.saver_def.CopyFrom(saver_def())
        trained = [variable for variable in within_reach if variable.is_trainable]
        for key, variables in (("variables", within_reach), ("trainable_variables", trained)):
            if variables:  # a collection that holds nothing is of no type
                meta.collection_def[key].bytes_list.value.extend(
                    _variable_def(variable).SerializeToString() for variable in variables
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


def _within_reach(variables: tuple[Variable, ...]) -> tuple[Variable, ...]:
    """Return the variables by nodes of the main graph, which alone a saver can assign to."""
    outside = [variable for variable in variables if not variable.function]
    held = {variable.resource for variable in outside}
    inside = {v.resource: v for v in variables if v.function and v.resource not in held}
    return (
        *outside,
        *(
            replace(variable, name=f"{_SCOPE}/variable_{index}")
            for index, variable in enumerate(inside.values())
        ),
    )


def _holder(variable: Variable) -> node_def_pb2.NodeDef:
    assert variable.resource is not None  # else there is no way to restore it
    node = node_def_pb2.NodeDef(name=variable.name, op=variable.op)
    node.attr["dtype"].type = dtype_enum(variable.dtype)
    node.attr["shape"].shape.CopyFrom(tf.TensorShape(variable.shape).as_proto())
    node.attr["container"].s = variable.resource.container.encode()
    node.attr["shared_name"].s = variable.resource.name.encode()
    return node


def _own_reads(model: Model) -> list[node_def_pb2.NodeDef]:
    """Return the reads by whose names TensorFlow's converter fetches variables, where they lack."""
    there = {node.name for node in model.graph_def.node}
    reads = []
    for variable in model.variables:
        name = f"{variable.name}/Read/ReadVariableOp"
        if variable.is_resource and not variable.function and name not in there:
            read = node_def_pb2.NodeDef(name=name, op="ReadVariableOp", input=[variable.name])
            read.attr["dtype"].type = dtype_enum(variable.dtype)
            reads.append(read)
    return reads


def _saver_nodes(variables: tuple[Variable, ...]) -> list[node_def_pb2.NodeDef]:
    # Of the variables with one entry each has its value; a checkpoint takes it once.
    by_entry = {(variable.key, variable.slice_spec): variable for variable in variables}
    indices = {entry: index for index, entry in enumerate(by_entry)}
    saved = list(by_entry.values())
    dtypes = [dtype_enum(variable.dtype) for variable in saved]
    names = _strings(f"{_SCOPE}/tensor_names", [variable.key for variable in saved])
    slices = _strings(f"{_SCOPE}/shape_and_slices", [v.slice_spec for v in saved])
    filename = _strings(f"{_SCOPE}/Const", "model")
    restore = node_def_pb2.NodeDef(
        name=f"{_SCOPE}/RestoreV2", op="RestoreV2", input=[filename.name, names.name, slices.name]
    )
    restore.attr["dtypes"].list.type.extend(dtypes)
    assigns = [
        _assign(variable, index, restored=indices[variable.key, variable.slice_spec])
        for index, variable in enumerate(variables)
    ]
    all_restored = node_def_pb2.NodeDef(
        name=f"{_SCOPE}/restore_all", op="NoOp", input=[f"^{node.name}" for node in assigns]
    )
    reads = [read for variable in variables if (read := _read(variable)) is not None]
    save = node_def_pb2.NodeDef(
        name=f"{_SCOPE}/SaveV2",
        op="SaveV2",
        input=[filename.name, names.name, slices.name, *map(_value_of, saved)],
    )
    save.attr["dtypes"].list.type.extend(dtypes)
    written = node_def_pb2.NodeDef(
        name=f"{_SCOPE}/control_dependency",
        op="Identity",
        input=[filename.name, f"^{save.name}"],
    )
    written.attr["T"].type = dtype_enum("string")
    return [filename, names, slices, restore, *assigns, all_restored, *reads, save, written]


def _assign(variable: Variable, index: int, *, restored: int) -> node_def_pb2.NodeDef:
    node = node_def_pb2.NodeDef(
        name=f"{_SCOPE}/Assign_{index}",
        op="AssignVariableOp" if variable.is_resource else "Assign",
        input=[variable.name, f"{_SCOPE}/RestoreV2:{restored}"],
    )
    node.attr["dtype" if variable.is_resource else "T"].type = dtype_enum(variable.dtype)
    return node


def _read(variable: Variable) -> node_def_pb2.NodeDef | None:
    if not variable.is_resource:
        return None
    node = node_def_pb2.NodeDef(
        name=_value_of(variable), op="ReadVariableOp", input=[variable.name]
    )
    node.attr["dtype"].type = dtype_enum(variable.dtype)
    return node


def _value_of(variable: Variable) -> str:
    """Return the node whose output is the variable's value."""
    return f"{_SCOPE}/read/{variable.name}" if variable.is_resource else variable.name


def _variable_def(variable: Variable) -> variable_pb2.VariableDef:
    return variable_pb2.VariableDef(
        variable_name=f"{variable.name}:0",
        initializer_name=f"{_SCOPE}/restore_all",
        snapshot_name=f"{_value_of(variable)}:0",
        is_resource=variable.is_resource,
        trainable=variable.is_trainable,
    )


def _strings(name: str, value: str | list[str]) -> node_def_pb2.NodeDef:
    node = node_def_pb2.NodeDef(name=name, op="Const")
    node.attr["dtype"].type = dtype_enum("string")
    tensor = tensor_util.make_tensor_proto(np.array(value, dtype=object), dtype=tf.string)
    node.attr["value"].tensor.CopyFrom(tensor)
    return node
