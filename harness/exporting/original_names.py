"""Give a frozen graph the names of its source, where the method that froze it made up others."""

from __future__ import annotations

from collections.abc import Mapping

from tensorflow.core.framework import graph_pb2, node_def_pb2

from harness.errors import Unsupported
from harness.tensor_names import canonical, is_control, node_name

_COLOCATED = "_class"
_LOCATION = b"loc:@"


def with_original_names(
    graph_def: graph_pb2.GraphDef, names: Mapping[str, str]
) -> graph_pb2.GraphDef:
    """Return the graph with nodes renamed so that each tensor has its source's name.

    `names` maps the source's tensor names to the graph's. A tensor that only passes on the one of
    the wanted name is left as it is. A node that has such a name already, and is another, gets a
    new one.

    Raises:
        Unsupported: the graph has no such tensor, or one that a name of the source cannot be given.
    """
    nodes = {node.name: node for node in graph_def.node}
    renamed: dict[str, str] = {}
    for old, new in names.items():
        where = f"the method calls the tensor {old} {new}"
        if node_name(new) not in nodes:
            raise Unsupported(f"{where}, and its graph has no such node")
        if _passes_on(old, new, nodes):
            continue
        if ":" in old or ":" in new or renamed.get(new, old) != old:
            raise Unsupported(f"{where}, and it cannot be renamed")
        renamed[new] = old
    taken = nodes.keys() | set(renamed.values())
    for name in sorted(nodes.keys() & set(renamed.values()) - renamed.keys()):
        renamed[name] = _free(name, taken)
    result = graph_pb2.GraphDef()
    result.CopyFrom(graph_def)
    for node in result.node:
        node.name = renamed.get(node.name, node.name)
        node.input[:] = [_renamed(reference, renamed) for reference in node.input]
        if _COLOCATED in node.attr:
            group = node.attr[_COLOCATED].list
            group.s[:] = [_placed(place, renamed) for place in group.s]
    return result


def _passes_on(old: str, new: str, nodes: Mapping[str, node_def_pb2.NodeDef]) -> bool:
    """Say whether the tensor `new` is `old`, or what Identity nodes make of it."""
    seen = set()
    while new != old:
        node = nodes.get(new)
        if node is None or node.op != "Identity" or new in seen:
            return False
        seen.add(new)
        new = canonical(node.input[0])
    return True


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


def _placed(place: bytes, renamed: Mapping[str, str]) -> bytes:
    """Return "loc:@NODE", which puts a node where another is, with the other's new name."""
    name = place.removeprefix(_LOCATION).decode()
    return _LOCATION + renamed[name].encode() if name in renamed else place
