"""The shape of an input that states none, not even a rank."""

from __future__ import annotations

from collections.abc import Iterator

from harness.graph.reading.flat import FlatGraph
from harness.graph.reading.following import Use
from harness.graph.reading.loops import axes_that_give
from harness.graph.reading.rules.finding import Finding, Rule, Subject
from harness.signature import Shape

_RANKS = range(5)


def _reshaped(subject: Subject, use: Use) -> Iterator[Finding]:
    """What a Reshape makes of the input before anything else reads it, but for its rows.

    Other shapes of as many elements would do as well, and none is as likely.
    """
    if subject.shape is None and use.position == 0 and use.carried.is_whole:
        shape = _target(subject.flat, use.node.input[1])
        if shape:
            yield Finding(node=use.node.name, shape=shape)


def _target(flat: FlatGraph, tensor: str) -> Shape | None:
    """Return the shape that a vector states, its first size perhaps open; None for no such."""
    stated = flat.stated(tensor)
    if stated is not None and stated.ndim == 1:
        sizes = [int(size) for size in stated]
    else:
        node = flat.origin_node(tensor)
        if node is None or node.op != "Pack" or not node.input:
            return None
        numbers = [flat.scalar(size) for size in node.input]
        if numbers[0] is None and not any(True for _ in axes_that_give(flat, node.input[0])):
            return None
        sizes = [-1 if number is None else int(number) for number in numbers]
    if not sizes or any(size < 1 for size in sizes[1:]):
        return None
    return (None if sizes[0] < 0 else sizes[0], *sizes[1:])


def of_least_rank(subject: Subject) -> Iterator[Finding]:
    """The least rank that shape functions accept, where they refuse others."""
    readers = subject.flat.readers(subject.tensor)
    if subject.shape is not None or not readers:
        return
    fitting = [rank for rank in _RANKS if subject.flat.accepts_rank(subject.tensor, rank)]
    if fitting and len(fitting) < len(_RANKS):
        yield Finding(node=readers[0].node.name, shape=(None,) * fitting[0])


RULES: tuple[tuple[str, Rule], ...] = (("Reshape", _reshaped),)
