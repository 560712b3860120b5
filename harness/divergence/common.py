"""What two graphs have in common: nodes in the same place, and the tensors that are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.graph.fetchable import Fetchable
from harness.tensor_names import canonical, node_name, output_index


def common_nodes(reference: Fetchable, candidate: Fetchable) -> dict[str, str]:
    """Return the nodes that both graphs hold, by name: another op may stand in a node's place."""
    return {name: name for name in reference.order if name in candidate.tensors}


def common_tensors(
    reference: Fetchable, candidate: Fetchable, nodes: Mapping[str, str]
) -> dict[str, str]:
    """Return the tensors of `nodes` that can be fetched on both sides, in the reference's order.

    Those that nothing reads are left out: they may never have been written.
    """
    pairs: dict[str, str] = {}
    for name in reference.order:
        other = nodes.get(name, "")
        theirs = candidate.tensors.get(other, ())
        # A variable is a reference or a handle: its value is the checkpoint's.
        tensors = (name,) if name in reference.variables else reference.tensors[name]
        for tensor in tensors:
            paired = canonical(f"{other}:{output_index(tensor)}")
            if tensor in reference.in_use and paired in theirs:
                pairs[tensor] = paired
    return pairs


@dataclass(frozen=True, kw_only=True)
class Above:
    """What a node is made of: the nearest tensors that are compared, and the nodes between."""

    tensors: tuple[str, ...]
    between: tuple[str, ...]


def above(graph: Fetchable, node: str, is_compared: Callable[[str], bool]) -> Above:
    """Return what `node` is made of, followed back to tensors that are compared."""
    tensors: dict[str, None] = {}
    between: dict[str, None] = {}
    queue = [node]
    for name in queue:  # which grows meanwhile
        for tensor in graph.reads[name]:
            if is_compared(tensor):
                tensors[tensor] = None
            elif node_name(tensor) not in between:
                between[node_name(tensor)] = None
                queue.append(node_name(tensor))
    between.pop(node, None)  # which stands in a loop
    return Above(tensors=tuple(tensors), between=tuple(between))
