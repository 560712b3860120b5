"""Numbers of rows, classes and segments: what is looked up must be there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from tensorflow.core.framework import node_def_pb2

from harness.domain import Choices
from harness.graph.reading.flat import FlatGraph
from harness.graph.reading.following import Use, uses
from harness.graph.reading.op_arguments import attribute
from harness.graph.reading.rules.finding import Finding, Rule, Subject, found, limits

_Count = Callable[[FlatGraph, node_def_pb2.NodeDef], "int | None"]

_COUNTED = 16
_LONGEST_STEP = 30
"""Nodes between ids and the DynamicPartition that sends them to the shards of a table."""


def _below(position: int, count: _Count) -> Rule:
    """Whole numbers from 0, below what `count` gives; read at `position`.

    Of as many as nobody knows, as of the rows of another input, there is the first. What is
    counted may be any that is not too large to be counted.
    """

    def rule(subject: Subject, use: Use) -> Iterator[Finding]:
        if use.position != position:
            return
        size = count(subject.flat, use.node)
        if size is None and use.node.op in _TAKES_ANY:
            return
        least = _COUNTED if use.node.op.endswith("Bincount") else 1
        accepted = limits(subject, use.carried, 0, (size or least) - 1)
        if accepted is not None:
            yield found(use, accepted)

    return rule


def _axis_size(
    params: int, axis: Callable[[FlatGraph, node_def_pb2.NodeDef], int | None]
) -> _Count:
    def count(flat: FlatGraph, node: node_def_pb2.NodeDef) -> int | None:
        along = axis(flat, node)
        return None if along is None else flat.size(node.input[params], along)

    return count


def _value(position: int) -> _Count:
    """Return how an input of the node, a constant, counts."""

    def count(flat: FlatGraph, node: node_def_pb2.NodeDef) -> int | None:
        value = flat.constant(node.input[position])
        return int(value.reshape(-1)[0]) if value is not None and value.size == 1 else None

    return count


def _attribute(name: str) -> _Count:
    return lambda _, node: int(attribute(node, name).i)


def _gather_axis(flat: FlatGraph, node: node_def_pb2.NodeDef) -> int | None:
    # An axis that is not known says nothing, be it the usual 0.
    return _value(2)(flat, node)


def _batch_dims(_: FlatGraph, node: node_def_pb2.NodeDef) -> int:
    return int(attribute(node, "batch_dims").i)


def _smallest_size(tensor: int, indices: int) -> _Count:
    """Return the smallest size of the axes that index vectors select from.

    The vectors have a number for each axis, and what is said of an input holds for all of its
    elements.
    """

    def count(flat: FlatGraph, node: node_def_pb2.NodeDef) -> int | None:
        return _smallest(flat.shape(node.input[tensor]), flat.size(node.input[indices], -1))

    return count


def _smallest_of_shape(shape: int, indices: int) -> _Count:
    """Return the like where an input of the node states the shape."""

    def count(flat: FlatGraph, node: node_def_pb2.NodeDef) -> int | None:
        sizes = flat.constant(node.input[shape])
        if sizes is None or sizes.ndim != 1:
            return None
        return _smallest([int(size) for size in sizes], flat.size(node.input[indices], -1))

    return count


def _smallest(sizes: Iterable[int | None] | None, length: int | None) -> int | None:
    indexed = list(sizes or ())[:length]
    known = [size for size in indexed if size is not None]
    return min(known) if known and len(known) == len(indexed) else None


def _zeros(position: int) -> Rule:
    """Zeros alone: the numbers must be sorted, or the batch that they select from is not known."""

    def rule(_: Subject, use: Use) -> Iterator[Finding]:
        if use.position == position and not use.carried.offset:
            yield found(use, Choices(values=(0,)))

    return rule


def _sharded(subject: Subject, use: Use) -> Iterator[Finding]:
    """Ids of a table in shards: `tf.nn.embedding_lookup` computes shard and row of each.

    By the strategy "mod" the shard is `id % shards`; by "div", `max(id // (n + 1), (id - m) // n)`.
    The rows of all shards are the table's.
    """
    if use.position or use.carried.is_limited:
        return
    flat = subject.flat
    for partition in _partitions_chosen_by(flat, use.node):
        rows = [_rows_looked_up(flat, part) for part in _parts(flat, partition)]
        accepted = limits(subject, use.carried, 0, sum(filter(None, rows)) - 1)
        if rows and all(rows) and accepted is not None:
            yield Finding(node=partition.name, values=accepted)


def _partitions_chosen_by(
    flat: FlatGraph, node: node_def_pb2.NodeDef
) -> Iterator[node_def_pb2.NodeDef]:
    onward = {"Cast", "Identity", "Reshape"} | ({"Maximum"} if node.op == "FloorDiv" else set())
    queue = deque([node.name])
    for _ in range(_LONGEST_STEP):
        if not queue:
            return
        for reading in flat.readers(queue.popleft()):
            if reading.node.op == "DynamicPartition" and reading.position == 1:
                yield reading.node
            elif reading.node.op in onward:
                queue.append(reading.node.name)


def _parts(flat: FlatGraph, partition: node_def_pb2.NodeDef) -> list[str]:
    read = flat.outputs_read(partition.name)
    return list(read) if len(read) == attribute(partition, "num_partitions").i else []


def _rows_looked_up(flat: FlatGraph, part: str) -> int | None:
    for use in uses(flat, part):
        for position, count in _LOOKUPS.get(use.node.op, ()):
            if use.position == position:
                return count(flat, use.node)
    return None


_LOOKUPS: dict[str, tuple[tuple[int, _Count], ...]] = {
    # op -> positions of what is looked up, and below what
    "Gather": ((1, _axis_size(0, lambda *_: 0)),),
    "GatherV2": ((1, _axis_size(0, _gather_axis)),),
    "ResourceGather": ((1, _axis_size(0, _batch_dims)),),
    **dict.fromkeys(("GatherNd", "ResourceGatherNd"), ((1, _smallest_size(0, 1)),)),
    **dict.fromkeys(
        ("SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN",
         "SparseSegmentSumWithNumSegments", "SparseSegmentMeanWithNumSegments",
         "SparseSegmentSqrtNWithNumSegments"),
        ((1, _axis_size(0, lambda *_: 0)),),
    ),
    "OneHot": ((0, _value(1)),),
    **dict.fromkeys(
        ("UnsortedSegmentSum", "UnsortedSegmentMax", "UnsortedSegmentMin", "UnsortedSegmentProd"),
        ((1, _value(2)),),
    ),
    **dict.fromkeys(
        ("InTopK", "InTopKV2", "SparseSoftmaxCrossEntropyWithLogits"),
        ((1, _axis_size(0, lambda *_: -1)),),
    ),
    "DynamicPartition": ((1, _attribute("num_partitions")),),
    "ScatterNd": ((0, _smallest_of_shape(2, 0)),),
    "SparseToDense": ((0, _smallest_of_shape(1, 0)),),
    **dict.fromkeys(
        ("TensorScatterUpdate", "TensorScatterAdd", "TensorScatterSub", "TensorScatterMax",
         "TensorScatterMin"),
        ((1, _smallest_size(0, 1)),),
    ),
    **dict.fromkeys(("Bincount", "DenseBincount"), ((0, _value(1)),)),
    "SparseBincount": ((1, _value(3)),),
}  # fmt: skip

_TAKES_ANY = frozenset({"OneHot", "SparseToDense", "ScatterNd"})
"""Ops that ignore what is out of range, or whose range is what another input says."""

_SEGMENTS = {
    # Segments must be numbered in ascending order from 0.
    **dict.fromkeys(
        ("SegmentSum", "SegmentMean", "SegmentMax", "SegmentMin", "SegmentProd"), 1
    ),
    **dict.fromkeys(
        ("SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN",
         "SparseSegmentSumWithNumSegments", "SparseSegmentMeanWithNumSegments",
         "SparseSegmentSqrtNWithNumSegments"),
        2,
    ),
    "CropAndResize": 2,  # the number of a picture in the batch
}  # fmt: skip

RULES: tuple[tuple[str, Rule], ...] = (
    *((op, _below(at, count)) for op, lookups in _LOOKUPS.items() for at, count in lookups),
    *((op, _zeros(position)) for op, position in _SEGMENTS.items()),
    ("FloorMod", _sharded),
    ("FloorDiv", _sharded),
)
