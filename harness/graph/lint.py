"""What can be said of a graph by looking at it: why it cannot be frozen, what is suspicious."""

from __future__ import annotations

from tensorflow.core.framework import graph_pb2

from harness.graph.extract import all_nodes
from harness.graph.randomness import RANDOM_OPS, random_nodes
from harness.graph.state import input_pipeline, tables, what_writes, writes
from harness.verdict import ModelWarning


def obstacle(graph_def: graph_pb2.GraphDef) -> str:
    """Return why no method can freeze the graph; "" where nothing stands in the way."""
    written = writes(graph_def)
    if written:
        return what_writes(written[0])
    held = tables(graph_def)
    if held:
        return (
            f"lookup tables ({', '.join(held[:3])}) cannot be frozen into a GraphDef: their "
            f"initialisers must still be run"
        )
    fed_by = input_pipeline(graph_def)
    if fed_by:
        return (
            f"the output is fed by an input pipeline ({', '.join(fed_by[:3])}), which a frozen "
            f"graph cannot hold: name the tensor where it meets the model with --inputs NAME"
        )
    return ""


def warnings(
    graph_def: graph_pb2.GraphDef, *, variables: int, saved_tensors: int
) -> tuple[ModelWarning, ...]:
    """Return what is suspicious about a model that may agree with its frozen graph all the same."""
    found = []
    if saved_tensors and not variables:
        found.append(
            ModelWarning(
                code="no_weight",
                message=(
                    "no variable of the checkpoint reaches the output: the frozen graph holds "
                    "no weight"
                ),
            )
        )
    drawn = random_nodes(graph_def)
    if drawn:
        ops = {node.op for node in all_nodes(graph_def) if node.op in RANDOM_OPS}
        found.append(
            ModelWarning(
                code="random_op",
                message=(
                    f"{', '.join(sorted(ops))} lies on the path to the output: the "
                    f"model is random as it stands (dropout left in?); it was compared with "
                    f"its random numbers pinned"
                ),
                nodes=tuple(drawn),
            )
        )
    return tuple(found)
