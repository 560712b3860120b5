"""Who reads what in a graph: its data edges, both ways."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from tensorflow.core.framework import graph_pb2, node_def_pb2

from harness.tensor_names import canonical, is_control, node_name

Step = Callable[[str], Iterable[str]]


@dataclass(frozen=True, kw_only=True)
class Edges:
    """The data edges of a graph; control edges carry no values and are left out."""

    nodes: Mapping[str, node_def_pb2.NodeDef]
    tensors: Mapping[str, tuple[str, ...]]
    """The tensors that a node reads, in order."""
    sources: Mapping[str, tuple[str, ...]]
    """The nodes that a node reads."""
    readers: Mapping[str, tuple[str, ...]]
    """The nodes that read a node."""


def edges_of(graph_def: graph_pb2.GraphDef) -> Edges:
    """Return the edges of a graph; one that leads to no node is left out."""
    nodes = {node.name: node for node in graph_def.node}
    tensors: dict[str, tuple[str, ...]] = {}
    sources: dict[str, tuple[str, ...]] = {}
    readers: dict[str, list[str]] = {name: [] for name in nodes}
    for name, node in nodes.items():
        read = [canonical(reference) for reference in node.input if not is_control(reference)]
        read = [tensor for tensor in read if node_name(tensor) in nodes]
        tensors[name] = tuple(read)
        sources[name] = tuple(dict.fromkeys(map(node_name, read)))
        for source in sources[name]:
            readers[source].append(name)
    return Edges(
        nodes=nodes,
        tensors=tensors,
        sources=sources,
        readers={name: tuple(found) for name, found in readers.items()},
    )


def closure(start: Iterable[str], step: Step, *, within: Collection[str] | None = None) -> set[str]:
    """Return what can be reached from `start`, itself included, by repeating `step`."""
    seen = set(start) if within is None else {name for name in start if name in within}
    queue = deque(seen)
    while queue:
        for name in step(queue.popleft()):
            if name not in seen and (within is None or name in within):
                seen.add(name)
                queue.append(name)
    return seen
