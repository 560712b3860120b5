"""What a graph computes with beside its data: variables or, where it is frozen, large constants."""

from __future__ import annotations

import math

from tensorflow.core.framework import node_def_pb2

from harness.graph.edges import Edges
from harness.graph.state import VARIABLE_OPS

FEWEST_ELEMENTS = 17
"""Of a constant that is a weight: smaller ones are shapes, axes and the like."""


def weights_of(edges: Edges) -> set[str]:
    """Return the variables; in a graph without any, a frozen one, its large constants."""
    nodes = edges.nodes.items()
    variables = {name for name, node in nodes if node.op in VARIABLE_OPS}
    return variables or {name for name, node in nodes if is_large_constant(node)}


def is_large_constant(node: node_def_pb2.NodeDef) -> bool:
    """Say whether the node is a constant that is large enough to be a weight."""
    if node.op != "Const":
        return False
    sizes = [dim.size for dim in node.attr["value"].tensor.tensor_shape.dim]
    elements: int = math.prod(sizes)
    return elements >= FEWEST_ELEMENTS
