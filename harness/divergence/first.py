"""Find where two models that give other outputs for an example begin to differ.

Both are run on the example, and the tensors that they share are compared in the order of the
reference, each after all that it reads. A difference that its readers make good again, as a batch
norm that was folded into the kernel before it does, leads to no output: what counts is the first
from which differing tensors follow one another up to an output. Then the node is given the same on
both sides: if it still differs, it is the node itself that computes otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

from harness.criteria import Criterion
from harness.divergence.common import Above, above, common_nodes, common_tensors
from harness.divergence.result import Divergence, Input, Place, is_frozen_as
from harness.divergence.side_by_side import Found, Side, SideBySide, Values, is_not_taken
from harness.errors import Rejected, TimedOut
from harness.graph.attribute_text import attributes_of, changed_attributes
from harness.graph.tensor_bytes import tensor_bytes
from harness.graph.weights import is_large_constant
from harness.memo import Feeds
from harness.tensor_names import canonical, node_name, output_index

SECONDS = 20.0
"""How long the place is looked for."""

_READS = frozenset({"Identity", "ReadVariableOp"})
_EXITS = frozenset({"Exit", "RefExit"})


def first_divergence(
    feeds: Feeds,
    *,
    reference: Side,
    candidate: Side,
    criterion: Criterion,
    pairs: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
) -> Divergence | None:
    """Return where the sides begin to differ on `feeds`, which name the reference's inputs.

    `pairs` are the nodes of the reference that have a place in the candidate, with what stands
    there; by default those of one name. None is returned where no output differs.
    """
    if pairs is None:
        pairs = common_nodes(reference.graph, candidate.graph)
    return _Search(
        feeds,
        reference=reference,
        candidate=candidate,
        criterion=criterion,
        pairs=pairs,
        stop_at=time.perf_counter() + seconds,
    ).divergence()


class _Search:
    """The search on one example."""

    def __init__(
        self,
        feeds: Feeds,
        *,
        reference: Side,
        candidate: Side,
        criterion: Criterion,
        pairs: Mapping[str, str],
        stop_at: float,
    ) -> None:
        self._graph, self._other = reference.graph, candidate.graph
        self._nodes = pairs
        expected, actual = reference.model.signature, candidate.model.signature
        inputs = dict(zip(expected.input_names, actual.input_names, strict=True))
        outputs = dict(zip(expected.output_names, actual.output_names, strict=True))
        self._outputs = [canonical(name) for name in outputs]
        self._pairs = {
            **{canonical(name): canonical(other) for name, other in inputs.items()},
            **common_tensors(self._graph, self._other, pairs),
            **{canonical(name): canonical(other) for name, other in outputs.items()},
        }
        self._position = {name: index for index, name in enumerate(self._pairs)}
        theirs = {inputs[name]: value for name, value in feeds.items()}
        self._both = SideBySide(
            Values(reference, feeds, stop_at=stop_at),
            Values(candidate, theirs, stop_at=stop_at),
            graph=self._graph,
            pairs=self._pairs,
            sizes=tensor_bytes(
                reference.model.graph_def, {name: value.shape for name, value in feeds.items()}
            ),
            criterion=criterion,
        )
        self._found: dict[str, Found] = {}
        """What differs."""
        self._origins: dict[str, str] = {}
        """Of what differs, the first from which it follows."""
        self._last_that_agrees = ""

    def divergence(self) -> Divergence | None:
        """Return the place; None where no output differs."""
        differing: list[str] = []
        try:
            differing += [
                found.tensor for found in self._both.found(self._outputs) if found.differs
            ]
            if not differing:
                return None
            self._walk(differing)
            origins = {self._origins[name] for name in differing if name in self._origins}
            if not origins:
                return self._made_by_optimiser(differing[0]) or Divergence(
                    node="", place=Place.NOWHERE
                )
        except TimedOut:
            if not self._found:
                return Divergence(
                    node=node_name(self._last_that_agrees), place=Place.AFTER, is_cut_short=True
                )
            origins = {self._first(self._found)}
        return self._examined(self._found[self._first(origins)])

    def _first(self, tensors: Iterable[str]) -> str:
        return min(tensors, key=self._position.__getitem__)

    def _walk(self, differing: list[str]) -> None:
        """Compare in order, to the end or until one difference is seen to be behind all others."""
        for chunk in self._both.in_order(list(self._pairs)):
            for found in chunk:
                name = found.tensor
                if not found.differs:
                    self._last_that_agrees = name
                    continue
                is_first = not self._found
                self._found[name] = found
                before = [self._origins[t] for t in self._above(name).tensors if t in self._origins]
                self._origins[name] = self._first(before) if before else name
                if is_first and (found.fails or self._is_behind(name, differing)):
                    self._origins.update(dict.fromkeys(differing, name))
                    return

    def _above(self, tensor: str) -> Above:
        return self._above_node(node_name(tensor))

    def _above_node(self, name: str) -> Above:
        return above(self._graph, name, self._pairs.__contains__)

    def _is_behind(self, tensor: str, differing: list[str]) -> bool:
        """Say whether the candidate gives the right outputs once it is given the right `tensor`."""
        if tensor in differing:
            return len(differing) == 1
        (value,) = self._both.reference.of([tensor]).values()
        if isinstance(value, Rejected):
            return False
        right = self._both.reference.of(differing)
        outputs = self._both.candidate.of(
            [self._pairs[name] for name in differing], fed={self._pairs[tensor]: value}
        )
        return not any(
            self._both.compared(name, right[name], outputs[self._pairs[name]]).differs
            for name in differing
        )

    def _examined(self, found: Found) -> Divergence:
        """Return what is told of the first difference, once it was looked at more closely."""
        told = self._told(found)
        if told.place in (Place.WEIGHT, Place.CONSTANT, Place.INPUT):
            return told
        try:
            if told.node == node_name(found.tensor):
                told = replace(told, inputs=self._inputs(found.tensor))
            if found.fails:
                return told
            told = replace(told, confirmed=self._still_differs(found.tensor))
            if told.confirmed:
                return told
            return self._made_by_optimiser(found.tensor) or told
        except TimedOut:
            return replace(told, is_cut_short=True)

    def _positions(self, tensor: str) -> list[tuple[str, str]]:
        """Return what the nodes read on both sides, place by place; [] where that says nothing."""
        name, other = node_name(tensor), node_name(self._pairs[tensor])
        reads, theirs = self._graph.reads[name], self._other.reads[other]
        if len(reads) != len(theirs):
            return []
        positions = list(zip(reads, theirs, strict=True))
        is_one_op = is_frozen_as(self._graph.nodes[name].op, self._other.nodes[other].op)
        # Of two ops, the second input may be a kernel here and a factor there.
        if is_one_op or all(self._pairs.get(mine) == its for mine, its in positions):
            return positions
        return []

    def _inputs(self, tensor: str) -> tuple[Input, ...]:
        """Return what the node reads, and whether it agrees."""
        inputs: dict[str, Input] = {}
        positions = self._positions(tensor)
        for mine, its in positions:
            if self._pairs.get(mine) == its or not self._can_be_fed(mine, its):
                continue
            (expected,) = self._both.reference.of([mine]).values()
            (actual,) = self._both.candidate.of([its]).values()
            found = self._both.compared(mine, expected, actual)
            inputs[mine] = Input(
                name=mine, instead=its, agrees=not found.differs, difference=found.difference
            )
        others = above(
            self._graph, node_name(tensor), lambda t: t in self._pairs or t in inputs
        ).tensors
        for name in others:
            inputs.setdefault(name, Input(name=name, agrees=name not in self._found))
        return tuple(inputs.values())

    def _can_be_fed(self, mine: str, its: str) -> bool:
        return mine in self._graph.tensors[node_name(mine)] and (
            its in self._other.tensors[node_name(its)]
        )

    def _still_differs(self, tensor: str) -> bool | None:
        """Say whether a node that is given the same on both sides computes otherwise.

        None where it cannot be given the same.
        """
        given = {
            mine: its for mine, its in self._positions(tensor) if self._can_be_fed(mine, its)
        } or {
            # In a loop nothing can be fed: what goes into it is, or what lies before that.
            mine: self._pairs[mine]
            for mine in self._above(tensor).tensors
            if mine not in self._graph.variables
        }
        values = self._both.reference.of(list(given))
        fed = {mine: value for mine, value in values.items() if not isinstance(value, Rejected)}
        if not fed:
            return None
        paired = self._pairs[tensor]
        (expected,) = self._both.reference.of([tensor], fed=fed).values()
        (actual,) = self._both.candidate.of(
            [paired], fed={given[mine]: value for mine, value in fed.items()}
        ).values()
        if isinstance(expected, Rejected) or isinstance(actual, Rejected):
            return None
        return self._both.compared(tensor, expected, actual).differs

    def _made_by_optimiser(self, tensor: str) -> Divergence | None:
        """Return what to fetch beside `tensor` for the difference to vanish; None if it stays."""
        (found,) = self._both.found([tensor])
        before = sorted(self._all_above(tensor), key=self._position.__getitem__)
        beside = self._both.affordable(before)

        def vanishes(tensors: list[str]) -> bool:
            return not self._both.found([*tensors, tensor])[-1].differs

        if not found.differs or not beside or not vanishes(beside):
            return None
        while len(beside) > 1:
            middle = len(beside) // 2
            half = next((h for h in (beside[middle:], beside[:middle]) if vanishes(h)), None)
            if half is None:
                break
            beside = half
        return replace(self._told(found), confirmed=False, vanishes_with=tuple(beside))

    def _all_above(self, tensor: str) -> set[str]:
        seen: set[str] = set()
        queue = [tensor]
        for name in queue:  # which grows meanwhile
            new = set(self._above(name).tensors) - seen
            seen |= new
            queue += new
        return seen - {tensor}

    def _told(self, found: Found) -> Divergence:
        name = self._culprit(found)
        node = self._graph.nodes.get(name) or self._other.nodes[name]
        other = self._other.nodes.get(self._nodes.get(name, ""))
        before = Above(tensors=(), between=())
        if name in self._graph.reads:
            before = self._above_node(name)
        place = self._place_of(name)
        return Divergence(
            node=name,
            op=node.op,
            place=place,
            candidate_op=other.op if other is not None else "",
            attributes=attributes_of(node),
            changed=changed_attributes(node, other) if other is not None else (),
            inputs=tuple(Input(name=t, agrees=t not in self._found) for t in before.tensors),
            missing=tuple(n for n in before.between if n not in self._nodes),
            added=self._added(found.tensor) if place is Place.NODE else (),
            output=output_index(found.tensor),
            difference=found.difference,
            failure=_failure(found) if found.fails else "",
        )

    def _culprit(self, found: Found) -> str:
        """Return the node that is named: the one that an error names, or the variable that is read.

        An error may name an Assert, which gives no tensor and is waited for.
        """
        name = node_name(found.tensor)
        if found.fails:
            expected, actual = found.rejected
            failed = expected or actual
            graph = self._graph if expected else self._other
            return next((n for n in (failed.nodes if failed else ()) if n in graph.nodes), name)
        node, reads = self._graph.nodes[name], self._graph.reads[name]
        if node.op in _READS and reads and node_name(reads[0]) in self._graph.variables:
            return node_name(reads[0])
        return name

    def _place_of(self, name: str) -> Place:
        if name in self._graph.variables:
            return Place.WEIGHT
        node = self._graph.nodes.get(name)
        if name in map(node_name, self._pairs) and node is not None and not node.input:
            if node.op != "Const":
                return Place.INPUT
            is_weight = is_large_constant(node) and not self._graph.variables
            return Place.WEIGHT if is_weight else Place.CONSTANT
        if node is not None and node.op in _EXITS:
            return Place.LOOP
        return Place.CALL if name in self._graph.calls else Place.NODE

    def _added(self, tensor: str) -> tuple[str, ...]:
        """Return the nodes of the candidate before the place of `tensor` that stand in no place."""
        theirs, known = set(self._pairs.values()), set(self._nodes.values())
        other = node_name(self._pairs[tensor])
        between = above(self._other, other, theirs.__contains__).between
        return tuple(name for name in between if name not in known)


def _failure(found: Found) -> str:
    expected, actual = found.rejected
    if actual is None:
        return f"in the reference it {_fails(expected)}, in the candidate not"
    if expected is None:
        return f"in the candidate it {_fails(actual)}, in the reference not"
    return f"in the candidate it {_fails(actual)}, in the reference it {_fails(expected)}"


def _fails(error: Rejected | None) -> str:
    if error is not None and is_not_taken(error):
        return "has no value, since its branch is not taken"
    return f"fails ({error})"
