"""Dtypes and shapes of a node's outputs, read off the NodeDef and its op's definition."""

from __future__ import annotations

from tensorflow.core.framework import (
    graph_pb2,
    node_def_pb2,
    op_def_pb2,
    tensor_shape_pb2,
    types_pb2,
)
from tensorflow.python.framework import dtypes as tf_dtypes
from tensorflow.python.framework import op_def_registry

from harness.signature import Shape

LEGACY_SHAPE_PRODUCER = 24
"""Below this producer version a placeholder's shape `[]` means unknown, not scalar.

See the comment in tensorflow/core/ops/array_ops.cc on the shape function of Placeholder.
"""


HANDLES = frozenset({"resource", "variant"})
"""Dtypes of what means nothing outside the session that made it."""


def dtype_name(enum: int) -> str:
    """Return "float32" for DT_FLOAT, and the like; a reference dtype gives its base dtype."""
    return str(tf_dtypes.as_dtype(enum).base_dtype.name)


def dtype_enum(name: str) -> int:
    """Return the enum of types.proto for a dtype's name."""
    return int(tf_dtypes.as_dtype(name).as_datatype_enum)


def shape_of(proto: tensor_shape_pb2.TensorShapeProto) -> Shape | None:
    """Return the shape that a proto states; None for an unknown rank."""
    if proto.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else int(dim.size) for dim in proto.dim)


def output_dtypes(
    node: node_def_pb2.NodeDef, graph_def: graph_pb2.GraphDef
) -> tuple[str, ...] | None:
    """Return the dtype of each output; None for an op that nobody has defined."""
    definition = op_def_registry.get(node.op)
    if definition is None:
        for function in graph_def.library.function:
            if function.signature.name == node.op:
                definition = function.signature
                break
        else:
            return None
    found: list[str] = []
    for argument in definition.output_arg:
        found.extend(argument_dtypes(argument, node))
    return tuple(found)


def argument_dtypes(
    argument: op_def_pb2.OpDef.ArgDef, node: node_def_pb2.NodeDef
) -> tuple[str, ...]:
    """Return the dtypes of one formal argument of an op, expanded by the node's attributes."""
    if argument.type_list_attr:
        listed = node.attr[argument.type_list_attr].list.type
        return tuple(dtype_name(enum) for enum in listed)
    if argument.type != types_pb2.DT_INVALID:
        dtype = dtype_name(argument.type)
    elif argument.type_attr in node.attr:
        dtype = dtype_name(node.attr[argument.type_attr].type)
    else:
        dtype = _default_dtype(argument.type_attr, node)
    count = node.attr[argument.number_attr].i if argument.number_attr else 1
    return (dtype,) * int(count)


def _default_dtype(attribute: str, node: node_def_pb2.NodeDef) -> str:
    # GraphDefs written with `strip_default_attrs` leave out what equals the op's default.
    definition = op_def_registry.get(node.op)
    for candidate in definition.attr if definition else ():
        if candidate.name == attribute and candidate.HasField("default_value"):
            return dtype_name(candidate.default_value.type)
    return "float32"


def declared_shape(node: node_def_pb2.NodeDef, index: int, *, producer: int) -> Shape | None:
    """Return the shape that a node states for its output `index`, as far as it can be trusted.

    `_output_shapes`, which older exporters wrote, knows more than a legacy placeholder's `[]`.
    """
    stated: Shape | None = None
    if node.op.startswith("Placeholder") and "shape" in node.attr:
        stated = shape_of(node.attr["shape"].shape)
        if stated == () and node.op == "Placeholder" and producer < LEGACY_SHAPE_PRODUCER:
            stated = None
    if stated is None and "_output_shapes" in node.attr:
        shapes = node.attr["_output_shapes"].list.shape
        if index < len(shapes):
            stated = shape_of(shapes[index])
    return stated
