"""What lies above a tensor: its input cone, and which cones are alike."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence

from harness.graph.normal.graph import Node, NormalGraph, Tensor
from harness.graph.structure.kinds import (
    BACK,
    INPUT,
    LEAVES,
    attribute,
    has_state,
    is_commutative,
)

_UNKNOWN = -1


class Numbering:
    """Numbers for input cones: alike cones, of whatever graph, have the same number.

    Cones are alike where they are equal but for the leaves, a variable being like any constant,
    and but for what lies beyond the end of a loop's round. So much is a hint and no proof.
    """

    def __init__(self, *, with_values: bool = False) -> None:
        """Begin with no cone known; small constants are told apart by their values if you like."""
        self._with_values = with_values
        self._numbers: dict[Hashable, int] = {}

    def of(self, graph: NormalGraph) -> list[int]:
        """Return the number of each node's cone."""
        numbers = self._numbers
        found = [_UNKNOWN] * len(graph.nodes)
        for index, node in enumerate(graph.nodes):
            key: Hashable
            if node.op == BACK:
                continue  # in whichever order a loop stands, it is cut here
            if node.op in LEAVES:
                key = ("leaf", attribute(node, "value") if self._with_values else None)
            elif node.op == INPUT:
                key = (INPUT, node.position)
            else:
                # The number beside it tells an output from another, and no loop from a loop.
                inputs = [(found[source], output) for source, output in node.inputs]
                if is_commutative(node):
                    inputs.sort()
                guards = tuple(sorted([found[guard] for guard in node.guards]))
                key = (node.op, node.attributes, tuple(inputs), guards)
            found[index] = numbers.setdefault(key, len(numbers))
        return found


def dynamic_nodes(graph: NormalGraph) -> list[bool]:
    """Say of each node whether its value may differ from one run to the next.

    It does where it depends on an input, or on an op with state. A guard counts by what it reads.
    """
    readers: list[list[int]] = [[] for _ in graph.nodes]
    waiting = []
    found = [False] * len(graph.nodes)
    for index, node in enumerate(graph.nodes):
        for source, _ in node.inputs:
            readers[source].append(index)
        for guard in node.guards:
            readers[guard].append(index)
        if node.op == INPUT or (node.op not in LEAVES and has_state(node.op)):
            found[index] = True
            waiting.append(index)
    while waiting:
        for reader in readers[waiting.pop()]:
            if not found[reader]:
                found[reader] = True
                waiting.append(reader)
    return found


def upstream(
    nodes: Sequence[Node], start: Tensor, *, most: int, enters: Callable[[int], bool]
) -> Iterator[tuple[Tensor, tuple[int, ...]]]:
    """Yield the tensors above one, the nearest first, each with the nodes that lie below it.

    `most` bounds their number. Of the nodes only those are passed that `enters` accepts; no loop
    is followed into the round before.
    """
    seen = {start}
    queue: deque[tuple[Tensor, tuple[int, ...]]] = deque([(start, ())])
    while queue:
        (index, _), below = queue.popleft()
        if nodes[index].op == BACK:
            continue
        for tensor in nodes[index].inputs:
            if tensor in seen or not enters(tensor[0]):
                continue
            seen.add(tensor)
            found = (tensor, (*below, index))
            yield found
            queue.append(found)
            if len(seen) > most:
                return
