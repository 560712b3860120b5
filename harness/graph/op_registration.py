"""Ops that a graph names and this TensorFlow does not define: their library was not loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.python.framework import op_def_registry

from harness.errors import BrokenModel, listed
from harness.graph.functions import placed_nodes


def check_registered(graph_def: graph_pb2.GraphDef, *, holder: str) -> None:
    """Make sure that TensorFlow can import every op of a graph, which is that of `holder`.

    Raises:
        BrokenModel: it does not know some op; the message names the ops and the first few nodes.
    """
    unknown = list(_unregistered(graph_def))
    if unknown:
        ops = dict.fromkeys(node.op for node, _ in unknown)
        raise not_registered(ops, [f"{node.name}{place}" for node, place in unknown], holder=holder)


def not_registered(ops: Iterable[str], nodes: Sequence[str], *, holder: str) -> BrokenModel:
    """Return the error that TensorFlow does not know `ops`, of `nodes`, which `holder` needs."""
    return BrokenModel(
        f"this TensorFlow does not know the op {', '.join(ops)}, which {holder} needs (node "
        f"{listed(nodes)}): register it with --import MODULE, where a Python package brings it, or "
        f"with --op-library FILE.so"
    )


def _unregistered(graph_def: graph_pb2.GraphDef) -> Iterator[tuple[node_def_pb2.NodeDef, str]]:
    """Yield each node whose op nobody has defined, and the library function that it stands in."""
    # A node may call a library function by having its name for an op.
    known = {function.signature.name for function in graph_def.library.function}
    unknown: set[str] = set()

    def is_unknown(op: str) -> bool:
        if op not in known and op not in unknown:
            (known if op_def_registry.get(op) is not None else unknown).add(op)
        return op in unknown

    for function, node in placed_nodes(graph_def):
        if is_unknown(node.op):
            yield node, f" in the function {function}" if function else ""
