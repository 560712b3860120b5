"""Give a frozen graph the names of its source, where the method that froze it made up others."""

from __future__ import annotations

from collections.abc import Mapping

from tensorflow.core.framework import graph_pb2

from harness.errors import Unsupported
from harness.tensor_names import canonical, is_control, node_name


def with_original_names(
    graph_def: graph_pb2.GraphDef, names: Mapping[str, str]
) -> graph_pb2.GraphDef:
    """Return the graph with nodes renamed so that each tensor has its source's name.

    `names` maps the source's tensor names to the graph's. A node that has such a name already,
    and is another, gets a new one.

    Raises:
        Unsupported: two tensors of one node were given nodes of their own.
    """
    renamed: dict[str, str] = {}
    for old, new in names.items():
        if ":" in old or ":" in new or renamed.get(new, old) != old:
            raise Unsupported(f"the method calls the tensor {old} {new}, and it cannot be renamed")
        renamed[new] = old
    taken = {node.name for node in graph_def.node} | set(renamed.values())
    for node in graph_def.node:
        if node.name in renamed.values() and node.name not in renamed:
            renamed[node.name] = _free(node.name, taken)
    result = graph_pb2.GraphDef()
    result.CopyFrom(graph_def)
    for node in result.node:
        node.name = renamed.get(node.name, node.name)
        node.input[:] = [_renamed(reference, renamed) for reference in node.input]
    return result


def _free(name: str, taken: set[str]) -> str:
    number = 1
    while f"{name}_{number}" in taken:
        number += 1
    taken.add(f"{name}_{number}")
    return f"{name}_{number}"


def _renamed(reference: str, renamed: Mapping[str, str]) -> str:
    name = node_name(reference)
    if name not in renamed:
        return reference
    if is_control(reference):
        return f"^{renamed[name]}"
    return canonical(renamed[name] + reference[len(name) :])
