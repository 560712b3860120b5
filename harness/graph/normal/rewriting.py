"""Ops that read a variable through its handle, made those that read its value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tensorflow.core.framework import node_def_pb2, types_pb2
from tensorflow.python.framework import tensor_util

from harness.graph.normal.operations import Operation
from harness.graph.reading.op_arguments import attribute

_SAME = {
    "RefSwitch": "Switch",
    "RefMerge": "Merge",
    "RefEnter": "Enter",
    "RefExit": "Exit",
    "RefNextIteration": "NextIteration",
    "RefIdentity": "Identity",
    "ReadVariableOp": "Identity",
    "ResourceGatherNd": "GatherNd",
    "VariableShape": "Shape",
    "PlaceholderV2": "Placeholder",
}
"""Ops that do with a reference or a handle what others do with a value."""

_ARE_INITIALIZED = frozenset({"VarIsInitializedOp", "IsVariableInitialized"})

Make = Callable[..., Operation]


def rewrite(operation: Operation, make: Make) -> None:
    """Make of an operation on a handle or reference what it is on a value."""
    if operation.op == "ResourceGather":
        axis = np.array(attribute(operation.node, "batch_dims").i, np.int32)
        constant = make(f"{operation.name}/axis", "Const", (), node=_constant(axis))
        operation.op = "GatherV2"
        operation.inputs = [*operation.inputs, (constant, 0)]
    elif operation.op in _ARE_INITIALIZED:
        operation.op, operation.inputs = "Const", ()
        operation.node = _constant(np.array(True))
        operation.function = ""
    else:
        operation.op = _SAME.get(operation.op, operation.op)


def _constant(value: np.ndarray) -> node_def_pb2.NodeDef:
    node = node_def_pb2.NodeDef(op="Const")
    proto = tensor_util.make_tensor_proto(value)
    node.attr["dtype"].type = proto.dtype or types_pb2.DT_INVALID
    node.attr["value"].tensor.CopyFrom(proto)
    return node
