"""What only passes a value on: Identity and the like, calls, and loops around what does not change.

A variable of a loop that every round leaves as it is, is the value that the loop began with: its
Merge and Switches stand for its Enter, and its Exit for what went in. So it makes no difference
whether a loop carries a handle, which TensorFlow's lowering treats so, or the constant behind it.
"""

from __future__ import annotations

from harness.errors import BrokenModel
from harness.graph.normal.operations import RESULTS, Operation, Place, behind_call

_PASS_ON = frozenset({"Identity", "IdentityN", "StopGradient", "PreventGradient", "Snapshot",
                      "PlaceholderWithDefault", "DebugGradientIdentity",
                      "DebugGradientRefIdentity"})  # fmt: skip
"""Output `i` is input `i`."""


class Passing:
    """Where each value comes from."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._known: dict[Place, Place] = {}
        self._decided: dict[Operation, Operation | None] = {}
        self._constant: set[Operation] = set()
        self._undecided = 0

    def source(self, place: Place) -> Place:
        """Return the output that a value is made by.

        Raises:
            BrokenModel: it is made of itself, or in more loops within each other than can be read.
        """
        try:
            return self._source(place)
        except RecursionError:
            raise _too_deep(place[0]) from None

    def _source(self, place: Place) -> Place:
        path: dict[Place, None] = {}
        current = place
        while current not in path:  # a circle of nodes that make nothing is its own source
            known = self._known.get(current)
            if known is not None:
                current = known
                break
            before = self._before(current)
            if before is None:
                break
            path[current] = None
            current = before
        if not self._undecided:
            self._known.update((each, current) for each in path)
        return current

    def is_constant(self, enter: Operation) -> bool:
        """Say whether every round of the loop sees the value that an Enter brings in."""
        attributes = enter.node.attr
        stated = "is_constant" in attributes and attributes["is_constant"].b
        return stated or enter in self._constant

    def merge_of_exit(self, exit_: Operation) -> Operation | None:
        """Return the Merge of the loop's variable whose last value an Exit gives.

        Raises:
            BrokenModel: as for `source`.
        """
        if not exit_.inputs:
            return None
        try:
            return self._merge_behind(self._source(exit_.inputs[0]), side=0)
        except RecursionError:
            raise _too_deep(exit_) from None

    def _before(self, place: Place) -> Place | None:
        operation, index = place
        if operation.op == RESULTS:
            return behind_call(place)
        if operation.op in _PASS_ON:
            return operation.inputs[index] if index < len(operation.inputs) else None
        if operation.op == "Merge" and index == 0:
            enter = self._enter_of(operation)
            return (enter, 0) if enter is not None else None
        if operation.op == "Switch" and len(operation.inputs) > 1:
            source = self._source(operation.inputs[0])
            of_loop = source[0] in self._constant
            return source if of_loop and self._is_loop_condition(operation.inputs[1]) else None
        if operation.op == "Exit" and operation.inputs:
            enter = self._source(operation.inputs[0])[0]
            return enter.inputs[0] if enter in self._constant else None
        return None

    def _enter_of(self, merge: Operation) -> Operation | None:
        """Return the Enter of a loop's variable that no round changes, by its Merge."""
        if merge not in self._decided:
            self._decided[merge] = None
            self._undecided += 1
            enter = self._unchanged(merge)
            self._undecided -= 1
            self._decided[merge] = enter
            if enter is not None:
                self._constant.add(enter)
        return self._decided[merge]

    def _unchanged(self, merge: Operation) -> Operation | None:
        onward = next_iteration(merge)
        if onward is None or len(merge.inputs) != 2 or not onward.inputs:
            return None
        others = [self._source(p)[0] for p in merge.inputs if p[0] is not onward]
        if len(others) != 1:
            return None
        (entered,) = others
        if entered.op != "Enter" or not entered.inputs:
            return None
        again = self._source(onward.inputs[0])
        return entered if self._merge_behind(again, side=1) is merge else None

    def _merge_behind(self, place: Place, *, side: int) -> Operation | None:
        """Return the Merge whose value a Switch of a loop gives on to its `side`."""
        switch, index = place
        if switch.op != "Switch" or index != side or len(switch.inputs) < 2:
            return None
        merge, output = self._source(switch.inputs[0])
        is_first = merge.op == "Merge" and output == 0
        return merge if is_first and self._is_loop_condition(switch.inputs[1]) else None

    def _is_loop_condition(self, place: Place) -> bool:
        return self._source(place)[0].op == "LoopCond"


def _too_deep(operation: Operation) -> BrokenModel:
    return BrokenModel(
        f"{operation.name} reads itself, or stands in more loops within each other than can be read"
    )


def next_iteration(merge: Operation) -> Operation | None:
    """Return what brings a Merge the value of the last round; None where it is not of a loop."""
    for operation, _ in merge.inputs:
        if operation.op == "NextIteration":
            return operation
    return None


def passes_on(op: str) -> bool:
    """Say whether a node of a graph only passes on what it reads."""
    return op in _PASS_ON or op == "ReadVariableOp"
