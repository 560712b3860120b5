"""How far two tensors of two graphs are from standing in the same place."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.graph.normal.graph import Node, NormalGraph, Tensor
from harness.graph.structure.cones import Numbering, dynamic_nodes
from harness.graph.structure.kinds import CONSTANT, FLOW, INPUT, LEAVES, attribute
from harness.graph.structure.values import are_equal

SameValue = Callable[[Node, Node], bool]

_MOST_COMPARED = 40
"""Pairs of nodes that are looked at to estimate what differs above two tensors."""
_MOST = 2.0
_OTHER_KIND = 2.5
_AN_EDIT = 1.0
_OTHER_CONSTANT = 0.5
_OTHER_NAME = 0.3


@dataclass(frozen=True, kw_only=True)
class Graphs:
    """The two graphs that are matched, and hints on which of their tensors belong together."""

    reference: NormalGraph
    candidate: NormalGraph
    reference_cones: Sequence[int]
    candidate_cones: Sequence[int]
    same_value: SameValue | None = None

    @classmethod
    def of(
        cls,
        reference: NormalGraph,
        candidate: NormalGraph,
        *,
        same_value: SameValue | None = None,
    ) -> Graphs:
        """Number the cones of both graphs."""
        numbering = Numbering()
        return cls(
            reference=reference,
            candidate=candidate,
            reference_cones=numbering.of(reference),
            candidate_cones=numbering.of(candidate),
            same_value=same_value,
        )

    def nodes(self, reference: Tensor, candidate: Tensor) -> tuple[Node, Node]:
        """Return the nodes that two tensors come from."""
        return self.reference.nodes[reference[0]], self.candidate.nodes[candidate[0]]

    def are_alike(self, reference: Tensor, candidate: Tensor) -> bool:
        """Say whether the cones above two tensors are alike."""
        return (
            self.reference_cones[reference[0]] == self.candidate_cones[candidate[0]]
            and reference[1] == candidate[1]
        )

    @cached_property
    def reference_is_dynamic(self) -> Sequence[bool]:
        """Whether the nodes of the reference depend on its inputs."""
        return dynamic_nodes(self.reference)

    @cached_property
    def candidate_is_dynamic(self) -> Sequence[bool]:
        """Whether the nodes of the candidate depend on its inputs."""
        return dynamic_nodes(self.candidate)

    @cached_property
    def by_cone(self) -> Mapping[int, Sequence[int]]:
        """The nodes of the reference by the number of their cone, leaves left out."""
        found: dict[int, list[int]] = defaultdict(list)
        for index, node in enumerate(self.reference.nodes):
            if node.op not in LEAVES:
                found[self.reference_cones[index]].append(index)
        return found

    @cached_property
    def _cones_with_values(self) -> tuple[Sequence[int], Sequence[int]]:
        numbering = Numbering(with_values=True)
        return numbering.of(self.reference), numbering.of(self.candidate)

    @property
    def reference_cones_with_values(self) -> Sequence[int]:
        """The numbers of cones that small constants of other values make others."""
        return self._cones_with_values[0]

    @property
    def candidate_cones_with_values(self) -> Sequence[int]:
        """The same of the candidate."""
        return self._cones_with_values[1]

    def hold_same_value(self, reference: Node, candidate: Node) -> bool | None:
        """Say whether two leaves hold the same value; None where that is not known."""
        if reference.op == candidate.op == CONSTANT:
            found = are_equal(reference, candidate)
            if found is not None:
                return found
        return self.same_value(reference, candidate) if self.same_value is not None else None

    def have_other_names(self, reference: Node, candidate: Node) -> bool:
        """Say whether names speak against two nodes: one is called as another node is.

        Names of which the other graph knows nothing say nothing.
        """
        if reference.op in FLOW or candidate.op in FLOW:
            return False
        return reference.name != candidate.name and (
            candidate.name in self.reference.names or reference.name in self.candidate.names
        )


def are_same(reference: Node, candidate: Node) -> bool:
    """Say whether two nodes are the same, apart from what they read."""
    return (
        reference.op == candidate.op
        and (reference.attributes == candidate.attributes or reference.op == INPUT)
        and len(reference.inputs) == len(candidate.inputs)
        and len(reference.guards) == len(candidate.guards)
        and reference.position == candidate.position
    )


def differ_in_guards(reference: Node, candidate: Node) -> bool:
    """Say whether two nodes are the same but for the number of guards that they wait for."""
    return (
        reference.op == candidate.op
        and reference.attributes == candidate.attributes
        and len(reference.inputs) == len(candidate.inputs)
        and len(reference.guards) != len(candidate.guards)
        and reference.position == candidate.position
    )


def misfits(graphs: Graphs, *places: tuple[Tensor, Tensor]) -> float:
    """Estimate how much differs above tensors that would stand in the same places.

    However much that is, it is less than to have a tensor of another kind in one of the places: so
    a graph in which much was changed is not taken for one in which all was left out.
    """
    cost = 0.0
    for reference, candidate in dict.fromkeys(places):
        if are_of_other_kinds(graphs, reference, candidate):
            return _OTHER_KIND
        cost += _misfits_above(graphs, reference, candidate)
    return min(cost, _MOST)


def _misfits_above(graphs: Graphs, reference: Tensor, candidate: Tensor) -> float:
    cost = 0.0
    seen = {(reference, candidate)}
    waiting = deque(seen)
    for _ in range(_MOST_COMPARED):
        if not waiting:
            break
        one, other = waiting.popleft()
        node, its = graphs.nodes(one, other)
        if graphs.have_other_names(node, its):
            cost += _OTHER_NAME
        if graphs.are_alike(one, other):
            cost += _OTHER_CONSTANT if _have_other_values(node, its) else 0
            continue
        if are_of_other_kinds(graphs, one, other):
            cost += _AN_EDIT
            continue
        cost += 0 if are_same(node, its) or node.op in LEAVES or its.op in LEAVES else _AN_EDIT
        for pair in zip(node.inputs, its.inputs, strict=False):
            if pair not in seen:
                seen.add(pair)
                waiting.append(pair)
    return cost


def are_of_other_kinds(graphs: Graphs, reference: Tensor, candidate: Tensor) -> bool:
    """Say whether one of two tensors can hardly have become the other in its place."""
    if graphs.are_alike(reference, candidate):
        return False
    one, other = graphs.nodes(reference, candidate)
    dynamic = graphs.reference_is_dynamic[reference[0]], graphs.candidate_is_dynamic[candidate[0]]
    if True not in dynamic:
        return False  # both are constants, made as they may be
    is_called_so = one.op == other.op or one.name == other.name
    is_there = is_called_so and len(one.inputs) == len(other.inputs)
    return False in dynamic or not is_there or reference[1] != candidate[1]


def _have_other_values(one: Node, other: Node) -> bool:
    values = attribute(one, "value"), attribute(other, "value")
    return one.op == other.op and None not in values and not are_equal(one, other)
