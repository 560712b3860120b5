"""What an output ends in: the last op that computes, and what it hides of what comes before.

An ArgMax gives the same for most weights that are wrong, and so does a sigmoid of numbers that are
far too large. The tensor before shows them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tensorflow.core.framework import graph_pb2, node_def_pb2

from harness.graph.branches import above
from harness.graph.edges import edges_of
from harness.graph.reading.flat import FlatGraph
from harness.graph.weights import weights_of
from harness.signature import Signature
from harness.tensor_names import node_name, output_index

_LOOKS_UP = frozenset({"Gather", "GatherV2"})
_SELECTS = frozenset({"Select", "SelectV2"})
_PASSES_ON = {
    **dict.fromkeys(("Identity", "StopGradient", "PreventGradient", "Snapshot", "CheckNumerics",
                     "EnsureShape", "Cast", "Squeeze", "Reshape", "ExpandDims", "Transpose",
                     "Tile", "StridedSlice", "Slice", "LogicalNot", "AsString", "OneHot", "Unpack",
                     "PlaceholderWithDefault", "BroadcastTo", "SplitV"), 0),
    **dict.fromkeys(("Fill", "Split", *_LOOKS_UP), 1),
    **dict.fromkeys(_SELECTS, 0),
}  # fmt: skip
"""Ops past which the last one is looked for, and where they read what they give."""
_LISTS = frozenset({"Pack", "ConcatV2"})
_THRESHOLDS = frozenset({"Greater", "GreaterEqual", "Less", "LessEqual"})
_ROUNDS = frozenset({"Round", "Rint"})
_DECISIONS = frozenset({("ArgMax", 0), ("ArgMin", 0), ("TopKV2", 1), ("TopK", 1),
                        ("NthElement", 1)})  # fmt: skip
_BOUNDED = frozenset({"Softmax", "Sigmoid"})
_LEVELS = {"Softmax": (0.0, 1.0), "Sigmoid": (0.0, 1.0), "Tanh": (-1.0, 1.0), "Relu6": (0.0, 6.0)}
_LONGEST_WAY = 50


@dataclass(frozen=True, kw_only=True)
class LastOp:
    """The op that an output ends in; `before` is the tensor that it computes with.

    `levels` are the numbers at which it is saturated, where it can be.
    """

    output: str
    node: str
    op: str
    before: str
    levels: tuple[float, ...] = ()


def decisions(flat: FlatGraph, outputs: Sequence[str]) -> list[LastOp]:
    """Return the outputs that are decisions, by weights that no other kind of output shows."""
    found = {name: ends for name in outputs if (ends := _decided(flat, name))}
    if not found:
        return []
    weights = weights_of(edges_of(flat.graph_def))
    shown = _nodes_above(flat, [name for name in outputs if name not in found])
    hidden = weights - shown
    hiding = (
        next((end for end in ends if hidden & _nodes_above(flat, [end.before])), None)
        for ends in found.values()
    )
    return [end for end in hiding if end is not None]


def saturable(flat: FlatGraph, name: str) -> LastOp | None:
    """Return what an output ends in where that has smallest and largest numbers."""
    ends = [_saturating(flat, name, tensor) for tensor in _ends(flat, name)]
    known = [end for end in ends if end is not None]
    if not known or len(known) < len(ends) or len({end.levels for end in known}) > 1:
        return None
    return known[0]


def remedy(end: LastOp, graph_def: graph_pb2.GraphDef, signature: Signature) -> str:
    """Return what shows the errors that the last op hides: the tensor before it, as an output."""
    if any(node.name == node_name(end.before) for node in graph_def.node):
        return f"verify --outputs={','.join((*signature.output_names, end.before))}"
    return "let the model give what comes before it too"


def _decided(flat: FlatGraph, name: str) -> list[LastOp]:
    ends = [_decision(flat, name, tensor) for tensor in _ends(flat, name)]
    known = [end for end in ends if end is not None]
    return known if len(known) == len(ends) else []


def _decision(flat: FlatGraph, name: str, tensor: str) -> LastOp | None:
    node = flat.producer(tensor)
    if node is None or tensor in flat.inputs:
        return None
    before = ""
    if (node.op, output_index(tensor)) in _DECISIONS:
        before = node.input[0]
    elif node.op in _THRESHOLDS:
        fixed = [flat.stated(read) is not None for read in node.input]
        before = node.input[1] if fixed[0] else node.input[0]
    elif node.op in _ROUNDS and _rounds_a_probability(flat, node):
        before = node.input[0]
    return LastOp(output=name, node=node.name, op=node.op, before=before) if before else None


def _rounds_a_probability(flat: FlatGraph, node: node_def_pb2.NodeDef) -> bool:
    # A picture is rounded too, to 256 numbers that hide little.
    source = flat.origin_node(node.input[0])
    return source is not None and source.op in _BOUNDED


def _ends(flat: FlatGraph, name: str) -> list[str]:
    """Return the tensors that an output is made of by ops that compute nothing."""
    found: dict[str, None] = {}
    queue, seen = deque([name]), {name}
    while queue:
        tensor = queue.popleft()
        reads = _passed_on(flat, tensor)
        if not reads or len(seen) > _LONGEST_WAY:
            found[tensor] = None
        for read in reads:
            if read not in seen:
                seen.add(read)
                queue.append(read)
    return list(found)


def _passed_on(flat: FlatGraph, tensor: str) -> list[str]:
    """Return the tensors whose values a tensor holds; none where its op computes."""
    node = flat.producer(tensor)
    if node is None or tensor in flat.inputs or not node.input:
        return []
    if node.op == "IdentityN":
        return [node.input[output_index(tensor)]]
    if node.op in _LISTS:
        return list(node.input[:-1] if node.op == "ConcatV2" else node.input)
    # The names of classes are looked up, or one of two numbers is chosen.
    if node.op in _LOOKS_UP and flat.stated(node.input[0]) is None:
        return []
    if node.op in _SELECTS and any(flat.stated(read) is None for read in node.input[1:]):
        return []
    position = _PASSES_ON.get(node.op)
    return [] if position is None else [node.input[position]]


def _nodes_above(flat: FlatGraph, tensors: Sequence[str]) -> set[str]:
    """Return the nodes that tensors are computed from, but for what a decision hides."""

    def is_decision(tensor: str) -> bool:
        node = flat.producer(tensor)
        return node is not None and (
            (node.op, output_index(tensor)) in _DECISIONS or node.op in _THRESHOLDS
        )

    return set(map(node_name, above(flat, tensors, is_end=is_decision)))


def _saturating(flat: FlatGraph, name: str, tensor: str) -> LastOp | None:
    node = flat.producer(tensor)
    if node is None or tensor in flat.inputs:
        return None
    levels: tuple[float, ...] = _LEVELS.get(node.op, ())
    before = ""
    if levels:
        before = node.input[0]
    elif node.op == "ClipByValue":
        levels, before = tuple(_numbers(flat, node.input[1:])), node.input[0]
    elif node.op in {"Minimum", "Maximum"}:
        levels, before = _clipped(flat, node)
    if len(levels) < 2:
        return None
    return LastOp(output=name, node=node.name, op=node.op, before=before, levels=levels)


def _clipped(flat: FlatGraph, node: node_def_pb2.NodeDef) -> tuple[tuple[float, ...], str]:
    """Return the bounds of a Minimum of a Maximum, or the other way, and what is clipped."""
    other = "Maximum" if node.op == "Minimum" else "Minimum"
    outer, inner_tensor = _bound(flat, node)
    inner = flat.origin_node(inner_tensor)
    if outer is None or inner is None or inner.op != other:
        return (), ""
    bound, before = _bound(flat, inner)
    return ((), "") if bound is None else ((bound, outer), before)


def _bound(flat: FlatGraph, node: node_def_pb2.NodeDef) -> tuple[float | None, str]:
    for position in (1, 0):
        for number in _numbers(flat, [node.input[position]]):
            return number, node.input[1 - position]
    return None, ""


def _numbers(flat: FlatGraph, tensors: Sequence[str]) -> Iterator[float]:
    for tensor in tensors:
        value = flat.stated(tensor)
        if value is not None and value.size == 1 and value.dtype.kind in "fiu":
            yield float(np.asarray(value, np.float64).reshape(()))
