"""From which inputs and variables a change must come through to the outputs, as far as ops tell.

A way from a source to an output proves little: a comparison gives the same for most numbers, a
branch that is not taken nothing, and Shape does not look at values. Here only those ways count on
which every op gives something else for other numbers: then a source that moves nothing is dead.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import tensorflow as tf
from tensorflow.core.framework import node_def_pb2

from harness.graph.batch_norm import FUSED
from harness.graph.branches import SWITCHES, Branches
from harness.graph.edges import closure, edges_of
from harness.graph.randomness import is_random
from harness.graph.reading.flat import FlatGraph
from harness.graph.reading.op_arguments import attribute
from harness.graph.state import VARIABLE_OPS, Variable, resource_of
from harness.graph.weights import weights_of
from harness.tensor_names import node_name

_HIDES = re.compile(
    r"^(Shape|ShapeN|Size|Rank|ZerosLike|OnesLike|VariableShape|VarIsInitializedOp|"
    r"IsVariableInitialized|Greater|GreaterEqual|Less|LessEqual|Equal|NotEqual|ApproximateEqual|"
    r"Logical\w+|All|Any|ArgMax|ArgMin|Sign|Floor|Ceil|Round|Rint|FloorDiv|TruncateDiv|FloorMod|"
    r"Mod|TruncateMod|IsNan|IsInf|IsFinite|Where|NonMaxSuppression\w*|CombinedNonMax\w*|Unique\w*|"
    r"Bucketize|InTopK\w*|SearchSorted|UpperBound|LowerBound|DynamicPartition|ListDiff|"
    r"Select(V2)?|Quantize\w*|FakeQuant\w*|CTC\w*Decoder|Multinomial|Assert|Range|BroadcastGradientArgs)$"
)
_LIMITS = frozenset({"Minimum", "Maximum", "ClipByValue"})
_PRODUCTS = frozenset({"Mul", "MulNoNan", "MatMul", "BatchMatMul", "BatchMatMulV2",
                       "BatchMatMulV3", "Einsum", "Conv1D", "Conv2D", "Conv3D",
                       "DepthwiseConv2dNative"})  # fmt: skip
_STATISTICS = 3
"""From here on a batch normalisation reads moving averages, which are ignored in training."""
_SECOND_OUTPUT_HIDES = frozenset({"TopKV2", "TopK", "MaxPoolWithArgmax"})
_SIZES = {
    **dict.fromkeys(("Reshape", "Tile", "BroadcastTo", "ExpandDims", "Transpose", "Pad", "PadV2",
                     "Mean", "Sum", "Max", "Min", "Prod", "ResizeBilinear",
                     "ResizeNearestNeighbor", "ResizeBicubic"), frozenset({1})),
    "Fill": frozenset({0}),
    "Slice": frozenset({1, 2}),
    "StridedSlice": frozenset({1, 2, 3}),
}  # fmt: skip
"""Positions at which an op reads sizes, axes or places, and no numbers to compute with."""


@dataclass(frozen=True, kw_only=True)
class Connections:
    """What must show in at least one output: names of inputs, and of `Model.variables`."""

    inputs: frozenset[str]
    variables: frozenset[str]


def connections(
    flat: FlatGraph,
    branches: Branches,
    outputs: Sequence[str],
    *,
    variables: Iterable[Variable],
    phases: Collection[str] = (),
) -> Connections:
    """Return the sources whose change must show in `outputs`.

    `phases` are flags of training: what one is multiplied with counts for nothing in inference.
    """
    edges = edges_of(flat.graph_def)
    weighted = closure(weights_of(edges), edges.readers.__getitem__)
    nodes = edges.nodes

    def computes_with(name: str) -> list[str]:
        return [reader for reader in edges.readers[name] if nodes[reader].op not in SWITCHES]

    flagged = closure(map(node_name, phases), computes_with)
    fed = closure(
        (node_name(name) for name in flat.inputs if name not in phases),
        edges.readers.__getitem__,
    )

    def is_flag(tensor: str) -> bool:
        name = node_name(tensor)
        return name in flagged and name not in fed

    def lets_through(node: node_def_pb2.NodeDef, index: int, position: int) -> bool:
        if _HIDES.match(node.op) or is_random(node) or position in _SIZES.get(node.op, ()):
            return False
        if index and node.op in _SECOND_OUTPUT_HIDES:
            return False
        if node.op in _LIMITS and node.name not in weighted:
            return False  # a range that the feeds may lie outside of
        if node.op in FUSED and position >= _STATISTICS and attribute(node, "is_training").b:
            return False
        if node.op in _PRODUCTS:
            others = [*node.input[:position], *node.input[position + 1 :]]
            return not any(is_flag(other) or _is_zero(flat, other) for other in others)
        return not (node.op == "Cast" and _is_narrowing(node))

    needed = branches.needed(outputs, lets_through)
    held = {
        resource_of(node)
        for node in map(flat.producer, needed)
        if node is not None and node.op in VARIABLE_OPS
    }
    # Of several handles of one resource, the last, as a runner knows it.
    names = {v.resource: v.name for v in variables if v.resource is not None}
    return Connections(
        inputs=frozenset(name for name in flat.inputs if name in needed and name not in phases),
        variables=frozenset(name for resource, name in names.items() if resource in held),
    )


def _is_narrowing(node: node_def_pb2.NodeDef) -> bool:
    """Say whether a Cast makes one number of many."""
    source, target = (tf.dtypes.as_dtype(attribute(node, a).type) for a in ("SrcT", "DstT"))
    return bool(target.is_bool or (target.is_integer and not source.is_integer))


def _is_zero(flat: FlatGraph, tensor: str) -> bool:
    """Say whether the graph itself says that a tensor is zero: what it multiplies is meant so.

    The state of a loop that begins with zeros counts: there may be one round alone.
    """
    node = flat.origin_node(tensor)
    if node is None:
        return False
    if node.op == "Merge":
        # The first comes from before the loop, or from a branch.
        tensor = node.input[0]
        node = flat.origin_node(tensor)
    if node is None or node.op == "ZerosLike":
        return node is not None
    value = flat.stated(node.input[1] if node.op == "Fill" else tensor)
    return value is not None and value.dtype.kind in "fciub" and not value.any()
