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
from harness.graph.extract import all_nodes
from harness.tensor_names import node_name

LARGEST = 512
_MOST_ELEMENTS = 2**20
"""Of an input in the large batch."""
_USUAL_BATCHES = {tuple(range(9)), tuple(range(1, 9))}
_SIDES = ("height", "width")


def with_sizes_tried_once(
    domains: Mapping[str, Domain], graph_def: graph_pb2.GraphDef
) -> dict[str, Domain]:
    """Return the domains, in which axes have such sizes `once`."""
    batch = _large_batch(domains)
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


def _is_batch(size: int | Axis | None) -> bool:
    return isinstance(size, Axis) and size.name == BATCH


def _largest(size: int | Axis | None) -> int:
    return size.sizes[-1] if isinstance(size, Axis) else size or 1


def _resized_to(graph_def: graph_pb2.GraphDef) -> tuple[int, ...]:
    """Return the height and width that the graph first resizes pictures to."""
    constants = {node.name: node for node in all_nodes(graph_def) if node.op == "Const"}
    for node in all_nodes(graph_def):
        if node.op.startswith("Resize") and len(node.input) > 1:
            size = constants.get(node_name(node.input[1]))
            if size is not None:
                return _pair(size)
    return ()


def _pair(constant: node_def_pb2.NodeDef) -> tuple[int, ...]:
    sizes = tensor_util.MakeNdarray(constant.attr["value"].tensor).reshape(-1).tolist()
    return tuple(sizes) if len(sizes) == 2 and min(sizes) > 0 else ()
