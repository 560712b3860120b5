"""How large the tensors of a graph are for inputs of certain shapes, as TensorFlow infers it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2

from harness.errors import BrokenModel
from harness.graph.extract import PLACEHOLDER_OPS
from harness.graph.tensors import imported
from harness.tensor_names import canonical

_MOST_ELEMENTS = 4096
"""Of a constant whose value may matter to a shape function."""
_A_STRING = 16


def tensor_bytes(
    graph_def: graph_pb2.GraphDef, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, int]:
    """Return the sizes, by name, of the tensors whose shape follows from `shapes` of placeholders.

    {} where TensorFlow does not take the graph so. No kernel runs, and weights are not copied.
    """
    sized = graph_pb2.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        _add(sized.node.add(), node, shapes)
    try:
        graph = imported(sized)
    except BrokenModel:
        return {}
    return {
        canonical(tensor.name): math.prod(tensor.shape) * (tensor.dtype.size or _A_STRING)
        for operation in graph.get_operations()
        for tensor in operation.outputs
        if tensor.shape.is_fully_defined() and tensor.dtype not in (tf.resource, tf.variant)
    }


def _add(
    copy: node_def_pb2.NodeDef,
    node: node_def_pb2.NodeDef,
    shapes: Mapping[str, tuple[int, ...]],
) -> None:
    if node.op == "Const":
        tensor = node.attr["value"].tensor
        if math.prod(dim.size for dim in tensor.tensor_shape.dim) > _MOST_ELEMENTS:
            copy.name, copy.op = node.name, node.op
            copy.input.extend(node.input)
            copy.attr["dtype"].CopyFrom(node.attr["dtype"])
            # Without values, a tensor of this shape is all zeros, or empty strings.
            empty = type(tensor)(dtype=tensor.dtype, tensor_shape=tensor.tensor_shape)
            copy.attr["value"].tensor.CopyFrom(empty)
            return
    copy.CopyFrom(node)
    if node.op in PLACEHOLDER_OPS and node.name in shapes:
        shape = copy.attr["shape"].shape
        shape.Clear()
        shape.SetInParent()  # the shape of a scalar has nothing in it that would
        for size in shapes[node.name]:
            shape.dim.add(size=size)
