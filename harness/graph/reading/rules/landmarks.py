"""Constants that an input is compared with: values at and beside them are worth drawing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.graph.reading.following import Number, Use
from harness.graph.reading.rules.finding import Finding, Rule, Subject, limits

_MOST_STEPS = 30
"""Between a comparison and the Assert that it is made for."""
_HOLDS_FOR_ALL = frozenset({"All", "Identity", "Switch", "Reshape", "Merge"})


def _compared(subject: Subject, use: Use) -> Iterator[Finding]:
    if len(use.node.input) == 2:
        number = subject.flat.scalar(use.node.input[1 - use.position])
        yield from _at(use, () if number is None else (number,))


def _clipped(subject: Subject, use: Use) -> Iterator[Finding]:
    if use.position == 0:
        bounds = [subject.flat.scalar(bound) for bound in use.node.input[1:3]]
        yield from _at(use, tuple(bound for bound in bounds if bound is not None))


def _between_0_and_6(_: Subject, use: Use) -> Iterator[Finding]:
    yield from _at(use, (0, 6))


def _in_buckets(_: Subject, use: Use) -> Iterator[Finding]:
    yield from _at(use, tuple(use.node.attr["boundaries"].list.f))


def _at(use: Use, numbers: tuple[Number, ...]) -> Iterator[Finding]:
    if numbers:
        landmarks = tuple(use.carried.back(number) for number in numbers)
        yield Finding(node=use.node.name, landmarks=landmarks)


def _asserted(subject: Subject, use: Use) -> Iterator[Finding]:
    """What an Assert makes sure of is accepted alone."""
    if len(use.node.input) != 2:
        return
    number = subject.flat.scalar(use.node.input[1 - use.position])
    if number is None or not _is_asserted(subject, use.node.name):
        return
    is_below = use.node.op.startswith("Less") == (use.position == 0)
    if not use.node.op.endswith("Equal"):
        number = _next(number, below=is_below, whole=subject.is_whole_number)
    accepted = limits(subject, use.carried, *((None, number) if is_below else (number, None)))
    if accepted is not None:
        yield Finding(node=use.node.name, values=accepted)


def _next(number: Number, *, below: bool, whole: bool) -> Number:
    if whole:
        return number - 1 if below else number + 1
    return float(np.nextafter(np.float32(number), np.float32(-np.inf if below else np.inf)))


def _is_asserted(subject: Subject, tensor: str) -> bool:
    queue = [tensor]
    for read in queue:
        for reading in subject.flat.readers(read):
            if reading.node.op == "Assert":
                return reading.position == 0
            is_and = reading.node.op == "LogicalAnd"
            if is_and or (reading.node.op in _HOLDS_FOR_ALL and reading.position == 0):
                queue.extend(subject.flat.outputs_read(reading.node.name))
        if len(queue) > _MOST_STEPS:
            break
    return False


_ORDERS = ("Less", "LessEqual", "Greater", "GreaterEqual")

RULES: tuple[tuple[str, Rule], ...] = (
    *((op, _compared) for op in (*_ORDERS, "Equal", "NotEqual", "Minimum", "Maximum")),
    *((op, _asserted) for op in _ORDERS),
    ("ClipByValue", _clipped),
    ("Relu6", _between_0_and_6),
    ("Bucketize", _in_buckets),
)
