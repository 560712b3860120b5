"""Sizes that are worth one example: a large batch, and pictures that need no resizing.

A fault that moves one number in a thousand is seen in many rows; a fault that only strong contrast
shows is hidden where resizing has blurred the picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.python.framework import tensor_util

from harness.domain import BATCH, Axis, Domain
from harness.graph.reading.flat import FlatGraph
from harness.signature import Signature
from harness.tensor_names import node_name

LARGEST = 512
_MOST_ELEMENTS = 2**20
"""Of an input in the large batch."""
_MOST_COMPUTED = 2**22
"""Of any tensor."""
_OPEN = 32
"""What other unknown dimensions are taken for."""
_MOST_NODES = 20_000
_USUAL_BATCHES = {tuple(range(9)), tuple(range(1, 9))}
_RESIZE = frozenset({"ResizeArea", "ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor"})
_SIDES = ("height", "width")


def with_sizes_tried_once(
    domains: Mapping[str, Domain], graph_def: graph_pb2.GraphDef, signature: Signature
) -> dict[str, Domain]:
    """Return the domains, in which axes have such sizes `once`."""
    batch = _large_batch(domains)
    if batch > 1:
        batch = min(batch, _MOST_COMPUTED // _computed_of_a_row(graph_def, signature))
    sides = dict(zip(_SIDES, _resized_to(graph_def), strict=False))

    def with_once(size: int | Axis | None) -> int | Axis | None:
        if not isinstance(size, Axis) or len(size.sizes) < 2:
            return size
        if size.name == BATCH and size.sizes in _USUAL_BATCHES and batch > size.sizes[-1]:
            return replace(size, once=(batch,))
        if size.name in sides and size.sizes[0] < sides[size.name] and not size.refused_by:
            return replace(size, once=(sides[size.name],))
        return size

    return {
        name: domain
        if domain.shape is None
        else replace(domain, shape=tuple(map(with_once, domain.shape)))
        for name, domain in domains.items()
    }


def _large_batch(domains: Mapping[str, Domain]) -> int:
    """Return how many rows are no more than enough elements; 0 where no input has a batch."""
    rows = [
        math.prod(_largest(size) for size in domain.shape or () if not _is_batch(size))
        for domain in domains.values()
        if any(map(_is_batch, domain.shape or ()))
    ]
    return min(LARGEST, _MOST_ELEMENTS // max(1, *rows)) if rows else 0


def _computed_of_a_row(graph_def: graph_pb2.GraphDef, signature: Signature) -> int:
    """Return how many elements the largest tensor has for each row, as far as it can be told.

    What strings hold is not told; nor is anything of a graph that takes long to import.
    """
    unknown = _MOST_COMPUTED + 1
    if len(graph_def.node) > _MOST_NODES or any(s.dtype == "string" for s in signature.inputs):
        return unknown
    shapes = FlatGraph(graph_def, signature).shapes()
    rows = (shape[1:] for shape in shapes if shape and shape[0] is None)
    sizes = (math.prod(_OPEN if size is None else size for size in row) for row in rows)
    return max(sizes, default=unknown) or 1


def _is_batch(size: int | Axis | None) -> bool:
    return isinstance(size, Axis) and size.name == BATCH


def _largest(size: int | Axis | None) -> int:
    return size.sizes[-1] if isinstance(size, Axis) else size or 1


def _resized_to(graph_def: graph_pb2.GraphDef) -> tuple[int, ...]:
    """Return the height and width that the graph first resizes pictures to."""
    constants = {node.name: node for node in graph_def.node if node.op == "Const"}
    for node in graph_def.node:
        if node.op in _RESIZE:
            size = constants.get(node_name(node.input[1]))
            if size is not None:
                return _pair(size)
    return ()


def _pair(constant: node_def_pb2.NodeDef) -> tuple[int, ...]:
    sizes = tensor_util.MakeNdarray(constant.attr["value"].tensor).reshape(-1).tolist()
    return tuple(sizes) if len(sizes) == 2 and min(sizes) > 0 else ()
