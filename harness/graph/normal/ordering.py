"""The order in which operations follow from each other, loops aside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.graph.normal.operations import Operation
from harness.graph.normal.passing import Passing, next_iteration


def ordered(roots: Sequence[Operation], passing: Passing) -> list[Operation]:
    """Return all operations that the roots read or wait for, each after those that it needs.

    A Merge comes before the NextIteration that it reads, and the Exit of a loop after it.
    """
    order: list[Operation] = []
    seen: set[Operation] = set()
    later = list(reversed(roots))
    while later:
        root = later.pop()
        if root in seen:
            continue
        seen.add(root)
        stack = [(root, _before(root, passing, later))]
        while stack:
            operation, before = stack[-1]
            for each in before:
                if each not in seen:
                    seen.add(each)
                    stack.append((each, _before(each, passing, later)))
                    break
            else:
                stack.pop()
                order.append(operation)
    return order


def _before(operation: Operation, passing: Passing, later: list[Operation]) -> Iterator[Operation]:
    onward = next_iteration(operation) if operation.op == "Merge" else None
    if onward is not None:
        later.append(onward)
    for place in operation.inputs:
        if place[0] is not onward:
            yield place[0]
    yield from operation.waits
    if operation.op == "Exit":
        merge = passing.merge_of_exit(operation)
        last = next_iteration(merge) if merge is not None else None
        if last is not None:
            yield last
