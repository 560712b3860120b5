"""Which operand of a commutative node stands for which, where both orders give the same bits."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from harness.graph.normal.graph import Node, Tensor
from harness.graph.structure.kinds import LEAVES, is_commutative
from harness.graph.structure.similarity import Graphs, misfits

_MOST_LOOKED_AT = 32
"""Pairs of nodes above two operands among which leaves are looked for."""

Pairs = Sequence[tuple[Tensor, Tensor]]


def are_crosswise(graphs: Graphs, reference: Node, candidate: Node) -> bool:
    """Say whether the operands of two nodes that are commutative stand crosswise.

    They do where they are alike in that order only, or more so. Where both orders are alike, only
    the leaves can tell; the names of ops say in which order a graph was built, and no more.
    """
    straight = list(zip(reference.inputs, candidate.inputs, strict=True))
    crossed = list(zip(reference.inputs, candidate.inputs[::-1], strict=True))
    if len(straight) != 2 or straight == crossed:
        return False
    alike = [pair for pair in straight if graphs.are_alike(*pair)]
    alike_crosswise = [pair for pair in crossed if graphs.are_alike(*pair)]
    if len(alike) != len(alike_crosswise):
        return len(alike) < len(alike_crosswise)
    if not alike:
        return misfits(graphs, *crossed) < misfits(graphs, *straight)
    return _leaves_stand_crosswise(graphs, alike, alike_crosswise)


def _leaves_stand_crosswise(graphs: Graphs, straight: Pairs, crossed: Pairs) -> bool:
    """Say so by the leaves' names and values: the order as it stands is right unless they tell.

    Names that speak for it are believed whatever the values: these may have been exchanged.
    """
    leaves = _leaves(graphs, straight)
    names = _called_alike(leaves)
    if names == len(leaves):
        return False
    leaves_crosswise = _leaves(graphs, crossed)
    names_crosswise = _called_alike(leaves_crosswise)
    if names > names_crosswise:
        return False
    are_same = _hold_same_values(graphs, leaves)
    if are_same:
        return False
    if names < names_crosswise:
        return True
    return are_same is False and _hold_same_values(graphs, leaves_crosswise) is True


def _leaves(graphs: Graphs, pairs: Pairs) -> list[tuple[Node, Node]]:
    """Return the leaves above tensors that are alike, pairwise."""
    found = []
    seen = set(pairs)
    waiting = deque(pairs)
    for _ in range(_MOST_LOOKED_AT):
        if not waiting:
            break
        one, other = graphs.nodes(*waiting.popleft())
        if one.op in LEAVES and other.op in LEAVES:
            found.append((one, other))
        above = list(zip(one.inputs, other.inputs, strict=False))
        if is_commutative(one) and not all(graphs.are_alike(*pair) for pair in above):
            above = list(zip(one.inputs, other.inputs[::-1], strict=False))
        for pair in above:
            if pair not in seen:
                seen.add(pair)
                waiting.append(pair)
    return found


def _called_alike(leaves: Sequence[tuple[Node, Node]]) -> int:
    return sum(called_as_leaf(one) == called_as_leaf(other) for one, other in leaves)


def called_as_leaf(node: Node) -> str:
    """Return the name of a variable, or of a constant that freezing may have made of it."""
    return node.name.removesuffix("/read").removesuffix("/ReadVariableOp")


def _hold_same_values(graphs: Graphs, leaves: Sequence[tuple[Node, Node]]) -> bool | None:
    """Say whether leaves hold the same values pairwise; None where not all values are known."""
    known: bool | None = True
    for one, other in leaves:
        are_same = graphs.hold_same_value(one, other)
        if are_same is False:
            return False
        known = known and are_same
    return known
