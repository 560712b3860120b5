"""Whole numbers that say how much is made: of large ones, the machine's memory is full."""

from __future__ import annotations

from collections import deque

from tensorflow.core.framework import node_def_pb2

from harness.domain import Domain, Range
from harness.graph.reading.flat import FlatGraph
from harness.graph.reading.op_arguments import read_by_argument, written_by_argument

_ARGUMENTS = frozenset({"dims", "shape", "size", "sizes", "multiples", "limit", "limits",
                        "paddings", "num", "num_elements", "num_segments", "maxlen", "depth",
                        "repeats", "output_shape", "dense_shape", "row_splits", "start", "delta",
                        "row_partition_tensors"})  # fmt: skip
_MAKE_NOTHING = frozenset({"Reshape", "Slice", "StridedSlice", "TopKV2", "Split", "SplitV",
                           "EnsureShape", "GatherV2", "Gather"})  # fmt: skip
_WHOLE = ("int32", "int64")
_FEW = Range(low=0, high=9)
_MOST_TENSORS = 2000


def few_where_they_are_amounts(flat: FlatGraph, name: str, domain: Domain) -> Domain:
    """Return the domain of an input: small numbers, where all that is known is that it counts."""
    spec = flat.inputs[name]
    if domain.values is not None or spec.dtype not in _WHOLE:
        return domain
    node = _maker(flat, name)
    if node is None:
        return domain
    return Domain(shape=domain.shape, values=_FEW, default=domain.default, read_from=node.name)


def _maker(flat: FlatGraph, tensor: str) -> node_def_pb2.NodeDef | None:
    """Return the first node that makes as much as what is computed from `tensor` says."""
    queue, seen = deque([tensor]), {tensor}
    while queue and len(seen) < _MOST_TENSORS:
        read = queue.popleft()
        for reading in flat.readers(read):
            node = reading.node
            if node.op not in _MAKE_NOTHING and any(
                read in tensors and argument in _ARGUMENTS
                for argument, tensors in read_by_argument(node).items()
            ):
                return node
            if node.op in {"Shape", "ShapeN", "Size", "Rank"}:
                continue
            for written in written_by_argument(node).values():
                for onward, dtype in written:
                    if dtype in _WHOLE and onward not in seen:
                        seen.add(onward)
                        queue.append(onward)
    return None
