"""What changes state on a graph's path, and which variables hold that state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tensorflow.core.framework import graph_pb2, node_def_pb2

from harness.errors import listed
from harness.graph.functions import placed_nodes
from harness.graph.state import name_in, writes_a_variable
from harness.graph.tracing import Tracer

_TEMPORARY = "TemporaryVariable"


@dataclass(frozen=True, kw_only=True)
class Write:
    """A node that changes state each time it runs."""

    node: str
    """The node in words: its name, op, and the function that it stands in."""
    variables: str
    """The nodes whose state it is, in words."""

    def __str__(self) -> str:
        """Return the sentence on it."""
        return (
            f"the output depends on {self.node}, which writes {self.variables}: a model that "
            f"changes its own state cannot be frozen"
        )


def writes(
    graph_def: graph_pb2.GraphDef,
    changes: Callable[[node_def_pb2.NodeDef], bool] = writes_a_variable,
) -> list[Write]:
    """Return the nodes that change a variable: Assign, AssignAdd, ScatterUpdate, ApplyAdam, …

    What is written to a TemporaryVariable is gone when the run ends: that is no state.
    """
    writing = [(function, node) for function, node in placed_nodes(graph_def) if changes(node)]
    if not writing:
        return []
    tracer = Tracer(graph_def)
    found = []
    for function, node in writing:
        origins = tracer.origins(node.input[0], function=function) if node.input else []
        if origins and all(origin.op == _TEMPORARY for origin in origins):
            continue
        names = [name_in(origin.function, origin.node) for origin in origins]
        what = name_in(function, f"{node.name} ({node.op})")
        found.append(Write(node=what, variables=listed(names)))
    return found
