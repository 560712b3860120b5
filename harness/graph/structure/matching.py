"""Whether two graphs in normal form are one; where not, the edits that lead between them.

Hopcroft and Karp's algorithm, from the outputs up: what stands in one place is put into one class,
and each step makes two classes one, so that it takes near-linear time, loops and shared parts
included. Where two nodes in one place differ, `repairs` says what was done there, and matching goes
on above it, so that one change is told once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from harness.graph.normal.graph import Node, NormalGraph, Tensor
from harness.graph.structure.chains import AFFINE
from harness.graph.structure.describing import (
    called,
    listed,
    missing,
    other_constant,
    output_called,
)
from harness.graph.structure.edits import Edit, Folded, Matching, Pair, Transform
from harness.graph.structure.findings import Findings
from harness.graph.structure.inputs import (
    exchanged,
    in_another_order,
    other_input,
    paired_guards,
)
from harness.graph.structure.kinds import (
    CONSTANT,
    INPUT,
    LEAVES,
    TRAINING,
    VARIABLE,
    has_state,
    is_commutative,
    is_large,
)
from harness.graph.structure.recognised import (
    CONSTANT_FOLDING,
    STORED_OTHERWISE,
    TRAINING_NODES,
    Recognised,
)
from harness.graph.structure.repairs import (
    Place,
    Reader,
    Repair,
    find_repair,
    half_constant,
    plain_repair,
    staying,
)
from harness.graph.structure.similarity import Graphs, SameValue, are_same, differ_in_guards
from harness.graph.structure.simplifying import node_without_effect
from harness.graph.structure.transforms import affine_ops_folded, recognise
from harness.graph.structure.union import DisjointSets
from harness.graph.structure.values import are_equal

__all__ = ["Edit", "Folded", "Matching", "Pair", "Transform", "match"]

SameConstant = Callable[[Node, Node], bool]
_MOST_SEARCHES = 500
"""After so many, two graphs are not one with edits but two."""


def match(
    reference: NormalGraph,
    candidate: NormalGraph,
    *,
    same_constant: SameConstant,
    outputs: Sequence[str] = (),
    same_value: SameValue | None = None,
) -> Matching:
    """Lay two graphs side by side, their outputs pairwise.

    `same_constant` compares two constants of one dtype and shape that are too large to have their
    value in the normal form. `same_value` says whether a leaf of the reference and one of the
    candidate, of whatever dtype and shape, hold the same value; it is asked only where all else
    leaves open which operand of a commutative op is which, or which constants were joined.
    `outputs` are what the outputs are called in sentences; by default as the nodes of the reference
    that they come from.

    Raises:
        ValueError: the graphs have no outputs, or not equally many.
    """
    if not reference.outputs or len(reference.outputs) != len(candidate.outputs):
        raise ValueError(
            f"the reference has {len(reference.outputs)} outputs and the candidate "
            f"{len(candidate.outputs)}: they must be as many, and one at least"
        )
    names = outputs or [reference.nodes[index].name for index, _ in reference.outputs]
    graphs = Graphs.of(reference, candidate, same_value=same_value)
    return _Matcher(graphs, same_constant).matched(names)


class _Matcher:
    """The classes as they grow, and the places that are still to be visited."""

    def __init__(self, graphs: Graphs, same_constant: SameConstant) -> None:
        reference, candidate = graphs.reference, graphs.candidate
        self._graphs = graphs
        self._found = Findings(self._graphs)
        self._reference = reference.nodes
        self._candidate = candidate.nodes
        self._same_constant = same_constant
        # Then the large constants of a reference are its weights, whose values are not structure.
        self._is_frozen = all(node.op != VARIABLE for node in reference.nodes)
        self._classes = DisjointSets(len(reference.nodes) + len(candidate.nodes))
        self._waiting: list[tuple[Tensor, Tensor, Reader | int]] = []
        self._repaired: set[Place] = set()
        self._searches = 0
        self._with_state: list[tuple[int, int]] = []

    def matched(self, names: Sequence[str]) -> Matching:
        """Visit all places, from the outputs up."""
        self._begin(names)
        while self._waiting:
            self._visit(*self._waiting.pop())
        self._tell_shared_state()
        return self._found.matching()

    def _begin(self, names: Sequence[str]) -> None:
        """Put the outputs side by side, those that were exchanged with their likes."""
        before, after = self._graphs.reference.outputs, list(self._graphs.candidate.outputs)
        for one in range(len(before)):
            for other in range(one + 1, len(before)):
                if self._are_exchanged(before[one], before[other], after[one], after[other]):
                    after[one], after[other] = after[other], after[one]
                    self._found.tell(f"outputs {names[one]} and {names[other]} exchanged")
        for reference, candidate, name in zip(before, after, names, strict=True):
            self._waiting.append(
                (reference, candidate, Reader(name=output_called(name), is_output=True))
            )

    def _are_exchanged(self, one: Tensor, other: Tensor, its: Tensor, others: Tensor) -> bool:
        alike = self._graphs.are_alike
        return alike(one, others) and alike(other, its) and not alike(one, its)

    def _visit(self, reference: Tensor, candidate: Tensor, reader: Reader | int) -> None:
        """Put two tensors into one place."""
        (mine, output), (its, its_output) = reference, candidate
        one, other = self._reference[mine], self._candidate[its]
        if one.op in LEAVES and other.op in LEAVES:
            # Before the classes are asked: to be of one class says nothing of the values.
            self._pair_leaves(mine, its, reader)
            return
        if output == its_output and one.op == other.op:
            if self._are_one_class(mine, its):
                return
            if are_same(one, other):
                if not self._is_misplaced(reference, candidate, reader):
                    self._unite(mine, its)
                    self._go_on(mine, its)
                return
        self._differ(reference, candidate, reader)

    def _are_one_class(self, mine: int, its: int) -> bool:
        return self._classes.find(mine) == self._classes.find(len(self._reference) + its)

    def _unite(self, mine: int, its: int) -> None:
        self._classes.unite(mine, len(self._reference) + its)
        self._found.pair(mine, its)
        if has_state(self._reference[mine].op):
            self._with_state.append((mine, its))

    def _go_on(self, mine: int, its: int) -> None:
        """Visit what two nodes in the same place read and wait for."""
        graphs = self._graphs
        one, other = self._reference[mine], self._candidate[its]
        read: Sequence[Tensor] = other.inputs
        is_other = graphs.reference_cones[mine] != graphs.candidate_cones[its]
        if is_other or is_commutative(one):
            order = exchanged(graphs, one, other)
            if order is not None:
                if not is_commutative(one):
                    text = in_another_order(graphs, one, order=order, instead=read)
                    self._found.tell(text, reference=mine, candidate=its)
                read = order
        elif one.op == INPUT:
            text = other_input(one, other)
            if text:
                self._found.tell(text, reference=mine, candidate=its)
        for tensor, its_tensor in zip(one.inputs, read, strict=True):
            self._waiting.append((tensor, its_tensor, mine))
        if one.guards:
            pairs, _, _ = paired_guards(graphs, one, other)
            for guard, its_guard in pairs:
                self._waiting.append(((guard, 0), (its_guard, 0), mine))

    def _is_misplaced(self, reference: Tensor, candidate: Tensor, reader: Reader | int) -> bool:
        """Mend two nodes that are the same and yet belong to different places."""
        graphs = self._graphs
        if graphs.reference_cones[reference[0]] == graphs.candidate_cones[candidate[0]]:
            return False
        place = reference, candidate
        if place in self._repaired:
            return True
        one, other = graphs.nodes(*place)
        folded = affine_ops_folded(graphs, *place) if one.op in AFFINE else None
        if folded is None:
            spliced = node_without_effect(graphs, *place)
            folded = spliced if spliced and graphs.are_alike(*spliced.places[0]) else None
        if folded is not None:
            self._transform(folded, reference, candidate, reader)
        elif graphs.have_other_names(one, other) and self._searches < _MOST_SEARCHES:
            repair = self._searched(reference, candidate, reader)
            if repair.cost >= staying(graphs, reference, candidate):
                return False
            self._repair(repair, reference, candidate, reader)
        else:
            return False
        self._repaired.add(place)
        return True

    def _differ(self, reference: Tensor, candidate: Tensor, reader: Reader | int) -> None:
        """Tell what was done where two tensors are made otherwise, and go on above it."""
        graphs, place = self._graphs, (reference, candidate)
        if place in self._repaired:
            return
        self._repaired.add(place)
        one, other = graphs.nodes(*place)
        is_dynamic = graphs.reference_is_dynamic[reference[0]]
        if is_dynamic is not graphs.candidate_is_dynamic[candidate[0]]:
            repair = half_constant(graphs, reference, candidate, self._reader(reader))
            self._repair(repair, reference, candidate, reader)
        elif not is_dynamic:
            kind = STORED_OTHERWISE if one.op in LEAVES else CONSTANT_FOLDING
            self._found.fold(kind, reference, candidate)
        elif reference[1] == candidate[1] and differ_in_guards(one, other):
            self._other_guards(reference[0], candidate[0])
        elif _only_waits(one) is not _only_waits(other):
            self._guarded_on_one_side(reference, candidate, reader)
        elif (found := recognise(graphs, reference, candidate)) is not None:
            self._transform(found, reference, candidate, reader)
        else:
            repair = self._searched(reference, candidate, reader)
            self._repair(repair, reference, candidate, reader)

    def _searched(self, reference: Tensor, candidate: Tensor, reader: Reader | int) -> Repair:
        self._searches += 1
        find = find_repair if self._searches <= _MOST_SEARCHES else plain_repair
        return find(self._graphs, reference, candidate, self._reader(reader))

    def _repair(
        self, repair: Repair, reference: Tensor, candidate: Tensor, reader: Reader | int
    ) -> None:
        mine, its = reference[0], candidate[0]
        self._found.tell(repair.text, reference=mine, candidate=its)
        if repair.is_in_place:
            self._found.pair(mine, its)
        for place in repair.places:
            self._waiting.append((*place, mine if repair.is_in_place else reader))

    def _transform(
        self, found: Recognised, reference: Tensor, candidate: Tensor, reader: Reader | int
    ) -> None:
        self._found.transform(
            found.kind, found.nodes, reference=found.reference, candidate=found.candidate
        )
        if found.edit:
            self._found.tell(found.edit, reference=reference[0], candidate=candidate[0])
        self._found.pair(reference[0], candidate[0])
        for place in found.places:
            is_spliced = place[1] == candidate
            self._waiting.append((*place, reader if is_spliced else reference[0]))

    def _other_guards(self, mine: int, its: int) -> None:
        """Tell which guards of a node were left out or added, and go on with the others."""
        one, other = self._reference[mine], self._candidate[its]
        _, left_out, new = paired_guards(self._graphs, one, other)
        self._tell_guards(left_out, new, one.name, mine)
        self._unite(mine, its)
        self._go_on(mine, its)

    def _guarded_on_one_side(
        self, reference: Tensor, candidate: Tensor, reader: Reader | int
    ) -> None:
        """Tell the guards that all were left out or added, and go on with what waited for them."""
        one, other = self._graphs.nodes(reference, candidate)
        name = self._reader(reader).name
        if _only_waits(one):
            self._tell_guards(one.guards, (), name, reference[0])
            self._waiting.append((one.inputs[0], candidate, reader))
        else:
            self._tell_guards((), other.guards, name, reference[0])
            self._waiting.append((reference, other.inputs[0], reader))

    def _tell_guards(
        self, left_out: Iterable[int], new: Iterable[int], name: str, mine: int
    ) -> None:
        for guard in left_out:
            node = self._reference[guard]
            if node.op in TRAINING:
                self._found.transform(TRAINING_NODES, [node.name])
            else:
                self._found.tell(missing([node], name), reference=guard)
        for guard in new:
            text = f"{called(self._candidate[guard])} added before {name}"
            self._found.tell(text, reference=mine, candidate=guard)

    def _pair_leaves(self, mine: int, its: int, reader: Reader | int) -> None:
        one, other = self._reference[mine], self._candidate[its]
        is_new = self._found.pair_leaves(mine, its)
        is_weight = one.op != CONSTANT or (self._is_frozen and is_large(one))
        if is_new and not is_weight and other.op == CONSTANT and not self._are_equal(one, other):
            text = other_constant(one, other, self._reader(reader).name)
            self._found.tell(text, reference=mine, candidate=its)

    def _are_equal(self, one: Node, other: Node) -> bool:
        found = are_equal(one, other)
        return self._same_constant(one, other) if found is None else found

    def _tell_shared_state(self) -> None:
        """Tell where one node stands for several with a state each, as random numbers have."""
        found: dict[int, tuple[set[int], set[int]]] = defaultdict(lambda: (set(), set()))
        for mine, its in self._with_state:
            stateful = found[self._classes.find(mine)]
            stateful[0].add(mine)
            stateful[1].add(its)
        for group, others in found.values():
            if len(group) != 1 or len(others) != 1:
                before = listed(called(self._reference[index]) for index in sorted(group))
                after = listed(called(self._candidate[index]) for index in sorted(others))
                self._found.tell(
                    f"{before} became {after}: {len(group)} and {len(others)} of their own state",
                    reference=min(group),
                    candidate=min(others),
                )

    def _reader(self, reader: Reader | int) -> Reader:
        return Reader(name=self._reference[reader].name) if isinstance(reader, int) else reader


def _only_waits(node: Node) -> bool:
    """Say whether a node stands for an output that waits for guards; see `graph.normal.form`."""
    return node.op == "Identity" and bool(node.guards) and len(node.inputs) == 1
