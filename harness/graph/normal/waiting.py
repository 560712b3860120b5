"""What control edges decide: which effects an operation waits for, and when it runs at all.

An operation waits for an effect (an Assert, say) that it does not read; whatever lies in between
(NoOp, Identity, a call) does not matter. Where it waits does not matter either, only which effects
are over once an output is there: TensorFlow's converters take the control edges from the reads of
variables. So the guards of an output are all effects behind it, less those that are read on the
way: by the output, or by another guard.

An operation behind one side of a Switch runs only when the Switch is on that side, be it behind it
by data or by a control edge alone, as constants in a branch are. A Merge gives what its one input
that ran has given, so that this decides which value it gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.graph.normal.effects import has_effect, writes
from harness.graph.normal.operations import OUTPUT, RESULTS, Operation, Place, behind_call
from harness.graph.normal.passing import Passing, next_iteration

Side = tuple[Place, int]
"""What a Switch switches by, and on which of its sides an operation lies."""
Sides = tuple[Side, ...]

_SWITCHES = frozenset({"Switch", "_SwitchN"})


class Waiting:
    """What operations wait for, in the order in which each comes after those it waits for."""

    def __init__(self, order: Sequence[Operation], passing: Passing) -> None:
        """Go through all operations once."""
        self._passing = passing
        self._awaited = {each for each in _awaited(order) if has_effect(each.op) or writes(each.op)}
        self._effects: list[Operation] = []
        self._done: dict[Operation, int] = {}
        """For each operation, as bits, the effects that are over once it is."""
        self._read: dict[Operation, int] = {}
        """Those among them that lead to it by data."""
        self._sides: dict[Operation, Sides] = {}
        self._begun: dict[Operation, list[Operation]] = {}
        """For each LoopCond, what begins the rounds of its loop."""
        self._loops: dict[Operation, Operation] = {}
        """For each NextIteration, the LoopCond of its loop."""
        has_switches = any(operation.op in _SWITCHES for operation in order)
        for operation in order:
            if self._awaited:
                self._add_effects(operation)
            if has_switches:
                self._add_sides(operation)
        self._guards = {each: self._found_guards(each) for each in order if each.op == OUTPUT}
        self._all_guards = {guard for guards in self._guards.values() for guard in guards}

    def guards(self, output: Operation) -> list[Operation]:
        """Return the effects that an output waits for and that nothing on its way reads."""
        return self._guards.get(output, [])

    def is_guard(self, operation: Operation) -> bool:
        """Say whether an output waits for an effect that nothing on its way reads."""
        return operation in self._all_guards

    def _found_guards(self, output: Operation) -> list[Operation]:
        left = self._done.get(output, 0) & ~self._read.get(output, 0)
        found = []
        while left:
            last = left.bit_length() - 1
            effect = self._effects[last]
            found.append(effect)
            left &= ~(self._read[effect] | 1 << last)
        return found

    def sides(self, operation: Operation) -> Sides:
        """Return the sides of Switches on which an operation lies."""
        return self._sides.get(operation, ())

    def alternatives(self, merge: Operation) -> list[Sides]:
        """Return, for each input of a Merge that is not of a loop, the sides that it comes from."""
        if next_iteration(merge) is not None:
            return []
        common = self.sides(merge)
        return [
            tuple(side for side in self._sides_of(place) if side not in common)
            for place in merge.inputs
        ]

    def sides_within(self, operation: Operation) -> Sides:
        """Return the sides on which a LoopCond or NextIteration lies, though its loop does not.

        There the loop ends without a value.
        """
        condition = self._loops.get(operation, operation)
        known = [self.sides(each) for each in self._begun.get(condition, ())]
        return tuple(
            side
            for side in self.sides(operation)
            if side[0][0].op != "LoopCond" and not any(side in sides for sides in known)
        )

    def _add_effects(self, operation: Operation) -> None:
        read = 0
        done = 0
        for waited in operation.waits:
            done |= self._done.get(waited, 0)
        if operation.op != RESULTS:
            for place in operation.inputs:
                done |= self._done_by(place)
                read |= self._read.get(_behind_calls(place)[0], 0)
        if operation.op == "Exit":
            # Its loop is over, every round of it.
            merge = self._passing.merge_of_exit(operation)
            onward = next_iteration(merge) if merge is not None else None
            if onward is not None:
                done |= self._done.get(onward, 0)
                read |= self._read.get(onward, 0)
        if operation in self._awaited:
            done |= 1 << len(self._effects)
            read |= 1 << len(self._effects)
            self._effects.append(operation)
        self._done[operation] = done
        self._read[operation] = read

    def _add_sides(self, operation: Operation) -> None:
        sides = self._found_sides(operation)
        if sides:
            self._sides[operation] = sides
        if operation.op == "Switch" and len(operation.inputs) > 1:
            condition = self._passing.source(operation.inputs[1])[0]
            if condition.op == "LoopCond":
                self._add_to_loop(condition, self._passing.source(operation.inputs[0])[0])

    def _add_to_loop(self, condition: Operation, begun: Operation) -> None:
        self._begun.setdefault(condition, []).append(begun)
        onward = next_iteration(begun) if begun.op == "Merge" else None
        if onward is not None:
            self._loops[onward] = condition

    def _done_by(self, place: Place) -> int:
        done = 0
        while place[0].op == RESULTS:
            done |= self._done.get(place[0], 0)
            place = behind_call(place)
        return done | self._done.get(place[0], 0)

    def _found_sides(self, operation: Operation) -> Sides:
        if operation.op == "Merge":
            onward = next_iteration(operation)
            before = [self._sides_of(p) for p in operation.inputs if p[0] is not onward]
            first, *others = before or [()]
            return tuple(side for side in first if all(side in other for other in others))
        if operation.op == "Exit":
            return self._sides_of_loop(operation)
        return _union(self._before(operation))

    def _sides_of_loop(self, exit_: Operation) -> Sides:
        """Return the sides on which the loop of an Exit lies, in which its rounds are none."""
        merge = self._passing.merge_of_exit(exit_)
        if merge is not None:
            return self.sides(merge)
        enter = self._passing.source(exit_.inputs[0])[0] if exit_.inputs else exit_
        return self.sides(enter) if enter.op == "Enter" else _union(self._before(exit_))

    def _before(self, operation: Operation) -> Iterator[Sides]:
        if operation.op != RESULTS:
            for place in operation.inputs:
                yield self._sides_of(place)
        for waited in operation.waits:
            yield self._sides.get(waited, ())

    def _sides_of(self, place: Place) -> Sides:
        operation, index = _behind_calls(place)
        sides = self._sides.get(operation, ())
        if operation.op not in _SWITCHES or len(operation.inputs) < 2:
            return sides
        side = (self._passing.source(operation.inputs[1]), index)
        return sides if side in sides else (*sides, side)


def _awaited(order: Sequence[Operation]) -> set[Operation]:
    """Return all operations that some other waits for without reading it, directly or not."""
    queue = [waited for operation in order for waited in operation.waits]
    found = set(queue)
    while queue:
        operation = queue.pop()
        for before in (*(place[0] for place in operation.inputs), *operation.waits):
            if before not in found:
                found.add(before)
                queue.append(before)
    return found


def _behind_calls(place: Place) -> Place:
    """Return what a call gives, by what is in its body."""
    while place[0].op == RESULTS:
        place = behind_call(place)
    return place


def _union(found: Iterator[Sides]) -> Sides:
    union: Sides = ()
    for sides in found:
        if not union:
            union = sides
        elif sides is not union:
            union = (*union, *(side for side in sides if side not in union))
    return union
