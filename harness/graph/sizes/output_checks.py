"""Nodes whose shape functions object to outputs: to their number of rows, and to empty ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from tensorflow.core.framework import node_def_pb2, types_pb2
from tensorflow.python.framework import tensor_util

from harness.graph.dtypes import dtype_enum
from harness.signature import TensorSpec
from harness.tensor_names import node_name

_PREFIX = "trial_output_"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What outputs must be like, as far as it can be told: of so many rows, and not empty."""

    rows: int | None = None
    filled: bool = False


def checks_of(outputs: Iterable[TensorSpec], wanted: Wanted) -> Iterator[node_def_pb2.NodeDef]:
    """Yield nodes that read the outputs and want that of them."""
    for index, spec in enumerate(outputs):
        name = f"{_PREFIX}{index}"
        if wanted.rows is not None and spec.shape is not None and spec.shape[:1] == (None,):
            yield _of_rows(f"{name}_rows", spec, wanted.rows, len(spec.shape))
        if wanted.filled and spec.shape:
            yield from _filled(f"{name}_filled", spec, len(spec.shape))


def checked_output(node: str, outputs: tuple[TensorSpec, ...]) -> str | None:
    """Return the node of the output that such a node checks, None for any other node."""
    if not node.startswith(_PREFIX):
        return None
    return node_name(outputs[int(node.removeprefix(_PREFIX).partition("_")[0])].name)


def _of_rows(name: str, spec: TensorSpec, rows: int, rank: int) -> node_def_pb2.NodeDef:
    node = node_def_pb2.NodeDef(name=name, op="EnsureShape", input=[spec.name])
    node.attr["T"].type = dtype_enum(spec.dtype)
    for size in (rows, *(-1,) * (rank - 1)):
        node.attr["shape"].shape.dim.add(size=size)
    return node


def _filled(name: str, spec: TensorSpec, rank: int) -> Iterator[node_def_pb2.NodeDef]:
    """Yield nodes that take the first element."""
    arguments = {"begin": 0, "end": 1, "strides": 1}
    for argument, value in arguments.items():
        constant = node_def_pb2.NodeDef(name=f"{name}_{argument}", op="Const")
        constant.attr["dtype"].type = types_pb2.DT_INT32
        proto = tensor_util.make_tensor_proto(np.full(rank, value, np.int32))
        constant.attr["value"].tensor.CopyFrom(proto)
        yield constant
    inputs = [spec.name, *(f"{name}_{argument}" for argument in arguments)]
    node = node_def_pb2.NodeDef(name=name, op="StridedSlice", input=inputs)
    node.attr["T"].type = dtype_enum(spec.dtype)
    node.attr["Index"].type = types_pb2.DT_INT32
    node.attr["shrink_axis_mask"].i = 2**rank - 1
    yield node
