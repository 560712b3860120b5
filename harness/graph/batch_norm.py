"""Batch normalisation by the statistics of the batch that is fed, as it is right in training alone.

Of the fused op its attribute says so. Written out (tf.nn.moments and tf.nn.batch_normalization), it
is a mean over the first axis, the squared differences from it, and a division by the root of their
mean. A graph that chooses between these statistics and moving averages is right: nothing is said
of what a flag chooses. Nor of data as it was fed, whose first axis may be time: speech is
normalised so.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence

import numpy as np
from tensorflow.core.framework import node_def_pb2

from harness.graph.branches import Branches
from harness.graph.edges import closure, edges_of
from harness.graph.reading.flat import FlatGraph
from harness.graph.reading.op_arguments import attribute
from harness.graph.weights import weights_of
from harness.tensor_names import node_name

FUSED = frozenset({"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"})
_MEANS = frozenset({"Mean", "Sum"})
_SAME = frozenset({"Identity", "StopGradient", "PreventGradient", "Squeeze", "Reshape",
                   "ExpandDims", "Cast", "Mul", "RealDiv", "Enter"})  # fmt: skip
_ON_THE_WAY = _SAME | _MEANS | frozenset({"Add", "AddV2", "Sub", "Maximum", "Switch", "Merge"})
_ROOTS = frozenset({"Rsqrt", "Sqrt", "Pow"})
_LONGEST_WAY = 12
_SMALLEST_BATCH = 2


def training_batch_norms(
    flat: FlatGraph, branches: Branches, outputs: Sequence[str]
) -> tuple[str, ...]:
    """Return the nodes that normalise by the batch they are fed, whatever is chosen."""
    names = {node_name(tensor) for tensor in branches.needed(outputs)}
    edges = edges_of(flat.graph_def)
    weighted = closure(weights_of(edges), edges.readers.__getitem__)
    return tuple(
        name
        for name, node in flat.nodes.items()
        if name in names
        and (_is_fused(flat, node) or (name in weighted and _is_written_out(flat, node, names)))
    )


def _is_fused(flat: FlatGraph, node: node_def_pb2.NodeDef) -> bool:
    if node.op not in FUSED or not attribute(node, "is_training").b:
        return False
    return not _is_one_batch_by_a_reshape(flat, node.input[0])


def _is_one_batch_by_a_reshape(flat: FlatGraph, tensor: str) -> bool:
    """Say whether examples were laid side by side as channels of a batch of one.

    So does layer normalisation, by the fused op: each example has statistics of its own then.
    """
    node = flat.origin_node(tensor)
    if node is None or node.op != "Reshape":
        return False
    shape = flat.origin_node(node.input[1])
    if shape is None:
        return False
    if shape.op == "Pack":
        first = flat.stated(shape.input[0])
    else:
        stated = flat.stated(node.input[1])
        first = None if stated is None else stated.reshape(-1)[:1]
    return first is not None and first.size == 1 and int(first.reshape(())) == 1


def _is_written_out(flat: FlatGraph, node: node_def_pb2.NodeDef, needed: set[str]) -> bool:
    """Say whether a node is the mean over the batch that a batch normalisation begins with."""
    if node.op not in _MEANS or not _goes_over_the_batch(flat, node):
        return False
    source = flat.origin(node.input[0])
    for difference in _followers(flat, node.name, needed, over=_SAME):
        is_squared = difference.op == "SquaredDifference"
        if not is_squared and not _is_squared(flat, difference):
            continue
        if not any(flat.origin(read) == source for read in difference.input):
            continue
        if _is_root_taken(flat, difference.name, needed):
            return True
    return False


def _is_squared(flat: FlatGraph, node: node_def_pb2.NodeDef) -> bool:
    return node.op == "Sub" and any(
        reading.node.op == "Square" for reading in flat.readers(node.name)
    )


def _is_root_taken(flat: FlatGraph, difference: str, needed: set[str]) -> bool:
    """Say whether the mean of squared differences, over the batch, goes into a root."""
    for mean in _followers(flat, difference, needed, over=_SAME | {"Square"}):
        if mean.op in _MEANS and _goes_over_the_batch(flat, mean):
            after = _followers(flat, mean.name, needed, over=_ON_THE_WAY)
            if any(node.op in _ROOTS for node in after):
                return True
    return False


def _followers(
    flat: FlatGraph, start: str, needed: set[str], *, over: frozenset[str] | set[str]
) -> list[node_def_pb2.NodeDef]:
    """Return the nodes that follow a node over ops of `over`, those at the end included."""
    found: dict[str, node_def_pb2.NodeDef] = {}
    queue = deque([(start, 0)])
    while queue:
        name, steps = queue.popleft()
        readings = itertools.chain.from_iterable(map(flat.readers, flat.outputs_read(name)))
        for reading in readings:
            node = reading.node
            if node.name in found or node.name not in needed:
                continue
            found[node.name] = node
            if node.op in over and steps < _LONGEST_WAY:
                queue.append((node.name, steps + 1))
    return list(found.values())


def _goes_over_the_batch(flat: FlatGraph, node: node_def_pb2.NodeDef) -> bool:
    axes = flat.stated(node.input[1])
    if axes is None or not (axes <= 0).any():
        return False  # before a shape is asked for, which takes an import
    shape = flat.shape(node.input[0])
    if not shape or not np.isin(axes, (0, -len(shape))).any():
        return False
    first = shape[0]
    batches = {spec.shape[0] for spec in flat.inputs.values() if spec.shape}
    # Where the first axis is of another size, examples have been rearranged.
    return first in batches and (first is None or first >= _SMALLEST_BATCH)
