"""Inputs, variables and constants: where a graph begins."""

from __future__ import annotations

import math
from collections.abc import Hashable

from tensorflow.core.framework import node_def_pb2, tensor_pb2, types_pb2
from tensorflow.python.framework import dtypes as tf_dtypes
from tensorflow.python.framework import tensor_util

from harness.graph.dtypes import dtype_name, shape_of
from harness.graph.normal.operations import INPUT
from harness.graph.state import VARIABLE_OPS

LARGE = 4096
"""Bytes above which a constant's value is not among its attributes."""

LEAVES = frozenset({"Const", INPUT}) | VARIABLE_OPS

Attributes = list[tuple[str, Hashable]]


def leaf_attributes(op: str, node: node_def_pb2.NodeDef) -> Attributes:
    """Return what is told of an input, a variable or a constant."""
    if op == "Const":
        return constant_attributes(node.attr["value"].tensor)
    found: Attributes = []
    if "dtype" in node.attr:
        found.append(("dtype", dtype_name(node.attr["dtype"].type)))
    if "shape" in node.attr:
        found.append(("shape", shape_of(node.attr["shape"].shape)))
    return found


def constant_attributes(tensor: tensor_pb2.TensorProto) -> Attributes:
    """Return dtype and shape of a tensor, and its value if that is small.

    The value is bytes in C order; of strings, the strings; what numpy has no dtype for is the bytes
    of its proto. A large value is not looked at: it may have been left out.
    """
    shape = tuple(int(dim.size) for dim in tensor.tensor_shape.dim)
    found: Attributes = [("dtype", dtype_name(tensor.dtype)), ("shape", shape)]
    value = _small_value(tensor, math.prod(shape))
    if value is not None:
        found.append(("value", value))
    return found


def _small_value(tensor: tensor_pb2.TensorProto, elements: int) -> Hashable:
    dtype = tf_dtypes.as_dtype(tensor.dtype).base_dtype
    if dtype == tf_dtypes.string:
        size = elements + sum(map(len, tensor.string_val))
    else:
        size = elements * (dtype.size or 1)
    if size > LARGE:
        return None
    if elements and len(tensor.tensor_content) == size and dtype != tf_dtypes.string:
        return bytes(tensor.tensor_content)
    if tensor.dtype in {types_pb2.DT_RESOURCE, types_pb2.DT_VARIANT}:
        return bytes(tensor.SerializeToString(deterministic=True))
    try:
        array = tensor_util.MakeNdarray(tensor)
    except (TypeError, ValueError):
        return bytes(tensor.SerializeToString(deterministic=True))
    if dtype == tf_dtypes.string:
        return tuple(bytes(each) for each in array.ravel())
    return bytes(array.tobytes())


def whole_number(tensor: tensor_pb2.TensorProto) -> int | None:
    """Return the value of a constant that is one whole number; None if it is none."""
    try:
        dtype = tf_dtypes.as_dtype(tensor.dtype)
    except TypeError:
        return None
    if math.prod(dim.size for dim in tensor.tensor_shape.dim) != 1 or not dtype.is_integer:
        return None
    try:
        return int(tensor_util.MakeNdarray(tensor).ravel()[0])
    except ValueError:
        return None
