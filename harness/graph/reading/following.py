"""Where the values of an input go: through ops that only rearrange them, to those that do more.

A tensor carries the input's values where each of its elements is one of them, or `scale` times one
plus `offset`. What else is mixed in does not matter: what a reader says of the tensor holds for the
input's values in it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from tensorflow.core.framework import node_def_pb2

from harness.graph.reading.flat import FlatGraph
from harness.graph.reading.op_arguments import output

_MOST_TENSORS = 20_000
"""That carry one input; of the rest nothing is said."""

Number = int | float


@dataclass(frozen=True, kw_only=True)
class Carried:
    """A tensor that carries an input's values, and how they stand in it."""

    tensor: str
    scale: Number = 1
    offset: Number = 0
    is_whole: bool = True
    """Each value stands where it stands in the input."""
    is_limited: bool = False
    """They went through a Minimum or a Maximum: what follows accepts more than it seems to."""

    def back(self, number: Number) -> Number:
        """Return the input's value that stands as `number` in the tensor."""
        value = (number - self.offset) / self.scale
        is_whole = isinstance(number, int) and value == int(value)
        return int(value) if is_whole else value


@dataclass(frozen=True, kw_only=True)
class Use:
    """A node that reads, at a position among its inputs, what carries the input."""

    node: node_def_pb2.NodeDef
    position: int
    carried: Carried


_Outputs = Callable[[FlatGraph, node_def_pb2.NodeDef, int], list[str]]


@dataclass(frozen=True, kw_only=True)
class _Pass:
    """How an op passes values on: `route` says to which tensors, given the position read."""

    route: _Outputs
    is_whole: bool = False


def _first(*positions: int) -> _Outputs:
    """Pass what is read at these positions, at any where there are none, to the first output."""
    return lambda _, node, at: [node.name] if not positions or at in positions else []


def _all(position: int) -> _Outputs:
    return lambda flat, node, at: list(flat.outputs_read(node.name)) if at == position else []


def _routes(outputs: Mapping[int, int]) -> _Outputs:
    return lambda _, node, at: [output(node, outputs[at])] if at in outputs else []


def _same(_: FlatGraph, node: node_def_pb2.NodeDef, at: int) -> list[str]:
    return [output(node, at)]


def _but_last(_: FlatGraph, node: node_def_pb2.NodeDef, at: int) -> list[str]:
    return [node.name] if at < len(node.input) - 1 else []


def _later_half(_: FlatGraph, node: node_def_pb2.NodeDef, at: int) -> list[str]:
    return [node.name] if at >= len(node.input) // 2 else []


def _array(position: int) -> _Outputs:
    def route(flat: FlatGraph, node: node_def_pb2.NodeDef, at: int) -> list[str]:
        if at != position:
            return []
        return [read.name for read in flat.array_reads(node.input[0])]

    return route


_PASSES: dict[str, _Pass] = {
    **dict.fromkeys(
        ("Identity", "StopGradient", "PreventGradient", "Snapshot", "CheckNumerics", "EnsureShape",
         "Print", "PrintV2", "Cast", "Enter", "RefEnter", "Exit", "RefExit", "NextIteration",
         "RefNextIteration", "PlaceholderWithDefault"),
        _Pass(route=_first(0), is_whole=True),
    ),
    **dict.fromkeys(("Switch", "RefSwitch"), _Pass(route=_all(0), is_whole=True)),
    **dict.fromkeys(("Merge", "RefMerge"), _Pass(route=_first(), is_whole=True)),
    "IdentityN": _Pass(route=_same, is_whole=True),
    **dict.fromkeys(
        ("Reshape", "ExpandDims", "Squeeze", "Transpose", "ConjugateTranspose", "StridedSlice",
         "Slice", "Gather", "GatherV2", "GatherNd", "SplitV", "Tile", "Pad", "PadV2", "MirrorPad",
         "Unique", "UniqueV2", "UniqueWithCounts", "Reverse", "ReverseV2", "ReverseSequence",
         "BroadcastTo", "BatchToSpace", "BatchToSpaceND", "SpaceToBatch", "SpaceToBatchND",
         "SpaceToDepth", "DepthToSpace", "Roll", "TopK", "TopKV2", "Max", "Min", "MaxPool",
         "RandomShuffle", "MatrixDiagPart", "DiagPart", "ResizeNearestNeighbor",
         "ExtractImagePatches", "StringStrip", "StringLower", "StringUpper", "TensorListSplit",
         "TensorListFromTensor", "TensorListGetItem", "TensorListStack", "TensorListGather",
         "TensorListConcat", "TensorListConcatV2", "TensorListResize", "TensorListScatter",
         "TensorListScatterV2"),
        _Pass(route=_first(0)),
    ),
    **dict.fromkeys(("SplitV", "Unpack", "DynamicPartition", "TensorListPopBack"),
                    _Pass(route=_all(0))),
    "Split": _Pass(route=_all(1)),
    "Pack": _Pass(route=_first()),
    "ConcatV2": _Pass(route=_but_last),
    "Concat": _Pass(route=lambda _, node, at: [node.name] if at else []),
    "DynamicStitch": _Pass(route=_later_half),
    "ParallelDynamicStitch": _Pass(route=_later_half),
    **dict.fromkeys(("Select", "SelectV2"), _Pass(route=_first(1, 2))),
    **dict.fromkeys(("TensorListSetItem", "TensorScatterUpdate"), _Pass(route=_first(0, 2))),
    "TensorListScatterIntoExistingList": _Pass(route=_first(0, 1)),
    "TensorListPushBack": _Pass(route=_first(0, 1)),
    "ScatterNd": _Pass(route=_first(1)),
    "Fill": _Pass(route=_first(1)),
    "SparseToDense": _Pass(route=_first(2, 3)),
    "RaggedTensorToTensor": _Pass(route=_first(1, 2)),
    "RaggedGather": _Pass(route=_all(1)),
    "SparseReorder": _Pass(route=_routes({0: 0, 1: 1})),
    "SparseFillEmptyRows": _Pass(route=_routes({0: 0, 1: 1})),
    "SparseSlice": _Pass(route=_routes({1: 1})),
    **dict.fromkeys(("StringSplit", "StringSplitV2"), _Pass(route=_routes({0: 1}))),
    **dict.fromkeys(
        ("TensorArrayWrite", "TensorArrayWriteV2", "TensorArrayWriteV3", "TensorArrayScatter",
         "TensorArrayScatterV2", "TensorArrayScatterV3"),
        _Pass(route=_array(2)),
    ),
    **dict.fromkeys(
        ("TensorArraySplit", "TensorArraySplitV2", "TensorArraySplitV3", "TensorArrayUnpack"),
        _Pass(route=_array(1)),
    ),
}  # fmt: skip

_LIMITS = frozenset({"Minimum", "Maximum", "ClipByValue", "Relu6", "Relu"})
_SUMS = frozenset({"Add", "AddV2", "Sub"})
_PRODUCTS = frozenset({"Mul", "RealDiv"})


def uses(flat: FlatGraph, tensor: str) -> Iterator[Use]:
    """Yield everything that reads the values of `tensor`, itself or where they are passed on."""
    queue = deque([Carried(tensor=tensor)])
    seen = {tensor}
    while queue and len(seen) < _MOST_TENSORS:
        carried = queue.popleft()
        for reading in flat.readers(carried.tensor):
            use = Use(node=reading.node, position=reading.position, carried=carried)
            yield use
            for onward in _passed_on(flat, use):
                if onward.tensor not in seen:
                    seen.add(onward.tensor)
                    queue.append(onward)


def _passed_on(flat: FlatGraph, use: Use) -> Iterator[Carried]:
    op, carried = use.node.op, use.carried
    known = _PASSES.get(op)
    if known is not None:
        for tensor in known.route(flat, use.node, use.position):
            yield replace(carried, tensor=tensor, is_whole=carried.is_whole and known.is_whole)
    elif op in _LIMITS:
        if use.position == 0 or op in {"Minimum", "Maximum"}:
            yield replace(carried, tensor=use.node.name, is_limited=True)
    elif op == "Neg":
        yield replace(carried, tensor=use.node.name, scale=-carried.scale, offset=-carried.offset)
    elif op in _SUMS | _PRODUCTS:
        yield from _computed(flat, use)


def _computed(flat: FlatGraph, use: Use) -> Iterator[Carried]:
    """Yield what a sum or a product with a constant makes of the values."""
    node, carried = use.node, use.carried
    if len(node.input) < 2:
        return
    number = flat.scalar(node.input[1 - use.position])
    if number is None:
        return
    is_first = use.position == 0
    if node.op in _SUMS:
        sign = -1 if node.op == "Sub" and not is_first else 1
        added = -number if node.op == "Sub" and is_first else number
        scale, offset = sign * carried.scale, sign * carried.offset + added
    elif node.op == "Mul" and number:
        scale, offset = carried.scale * number, carried.offset * number
    elif node.op == "RealDiv" and is_first and number:
        scale, offset = carried.scale / number, carried.offset / number
    else:
        return
    # Of the smallest and the largest numbers there is no way back.
    if scale and math.isfinite(scale) and math.isfinite(offset):
        yield replace(carried, tensor=node.name, scale=scale, offset=offset)
