"""The nodes of the normal form, made of operations."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from harness.graph.normal.attributes import node_attributes
from harness.graph.normal.effects import has_effect
from harness.graph.normal.graph import Node
from harness.graph.normal.leaves import LEAVES, leaf_attributes, whole_number
from harness.graph.normal.operations import CALL, INPUT, OUTPUT, Operation, Place
from harness.graph.normal.passing import Passing
from harness.graph.normal.waiting import Sides, Waiting
from harness.graph.state import VARIABLE_OPS, name_in

ALIVE = "alive"
"""The attribute that says on which sides of which Switches a node lies, or an input of a Merge.

A side is a pair: which of the node's inputs the Switch switches by, and which of its outputs it is.
"""

_OF_LOOPS = frozenset({"LoopCond", "NextIteration"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """What an operation reads, past all that only passes a value on."""

    inputs: Sequence[Place] = ()
    guards: Sequence[Operation] = ()
    told: Sequence[tuple[str, Hashable]] = ()
    """Attributes that the node itself does not state."""


def reads_of(operation: Operation, passing: Passing, waiting: Waiting) -> Reads:
    """Return what an operation reads in the normal form."""
    if operation.op in LEAVES:
        return Reads()
    inputs = [passing.source(place) for place in operation.inputs]
    told: list[tuple[str, Hashable]]
    if operation.op == "Merge":
        chosen = _Chosen(len(inputs))
        alive = tuple(chosen.by(sides) for sides in waiting.alternatives(operation))
        told = [(ALIVE, alive)] if any(alive) else []
        return Reads(inputs=[*inputs, *chosen.inputs], told=told)
    is_of_loop = operation.op in _OF_LOOPS
    is_told = operation.op == OUTPUT or has_effect(operation.op) or waiting.is_guard(operation)
    if is_of_loop or is_told:
        chosen = _Chosen(len(inputs))
        found = waiting.sides_within(operation) if is_of_loop else waiting.sides(operation)
        sides = chosen.by(found)
        guards = waiting.guards(operation) if operation.op == OUTPUT else ()
        told = [(ALIVE, sides)] if sides else []
        return Reads(inputs=[*inputs, *chosen.inputs], guards=guards, told=told)
    if operation.op == "Enter" and passing.is_constant(operation):
        return Reads(inputs=inputs, told=[("is_constant", True)])
    if operation.op == "GatherV2" and len(inputs) > 2 and inputs[2][0].op == "Const":
        # Converters give the axis that they add whichever integer dtype they like.
        axis = whole_number(inputs[2][0].node.attr["value"].tensor)
        if axis is not None:
            return Reads(inputs=inputs[:2], told=[("axis", axis)])
    return Reads(inputs=inputs)


class _Chosen:
    """What the Switches before a node switch by, which become inputs of it."""

    def __init__(self, first: int) -> None:
        self._first = first
        self.inputs: list[Place] = []

    def by(self, sides: Sides) -> tuple[tuple[int, int], ...]:
        """Return the sides as they are told: by the positions of inputs."""
        told = []
        for place, side in sides:
            if place not in self.inputs:
                self.inputs.append(place)
            told.append((self._first + self.inputs.index(place), side))
        return tuple(told)


def node_of(
    operation: Operation,
    reads: Reads,
    places: Mapping[Operation, int],
    digest: Callable[[str], str],
) -> Node:
    """Return the node of an operation; `places` are the nodes' places in the normal form."""
    op, source = operation.op, operation.node
    if op in LEAVES:
        return _leaf(operation)
    attributes = dict(node_attributes(op, source, digest))
    attributes.update(reads.told)
    if op == CALL:
        op, attributes["f"] = "PartitionedCall", digest(source.op)
    return Node(
        name=operation.name,
        op="Identity" if op == OUTPUT else op,
        attributes=tuple(sorted(attributes.items())),
        inputs=tuple((places[each], index) for each, index in reads.inputs),
        guards=tuple(places[each] for each in reads.guards),
    )


def _leaf(operation: Operation) -> Node:
    op, source = operation.op, operation.node
    is_variable = op in VARIABLE_OPS
    name = name_in(operation.function, source.name) if source.name else ""
    return Node(
        name=operation.name,
        op="Variable" if is_variable else op,
        attributes=tuple(leaf_attributes(op, source)),
        variable=name if is_variable else "",
        constant=name if op == "Const" else "",
        position=operation.position if op == INPUT else -1,
    )
