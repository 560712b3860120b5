"""Which inputs a node depends on: where an error arose is known by its node."""

from __future__ import annotations

from collections.abc import Sequence

from tensorflow.core.framework import graph_pb2

from harness.graph.edges import closure, edges_of
from harness.graph.inlining import inlined
from harness.signature import Signature
from harness.tensor_names import node_name


def inputs_above(
    graph_def: graph_pb2.GraphDef, signature: Signature, nodes: Sequence[str]
) -> tuple[str, ...]:
    """Return the inputs of `signature` that the first known one of `nodes` depends on.

    A node of a function is named as it stands there: in all calls of the function it is meant.
    """
    edges = edges_of(inlined(graph_def, branches=True))
    for name in nodes:
        meant = [each for each in edges.nodes if each == name or each.endswith(f"/{name}")]
        above = closure(meant, edges.sources.__getitem__)
        found = tuple(each for each in signature.input_names if node_name(each) in above)
        if found:
            return found
    return ()
