"""The ops of a graph with every function laid open, as they stand before they are normalised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tensorflow.core.framework import node_def_pb2

from harness.errors import BrokenModel

RESULTS = "Results"
"""The op of what stands where a call stood: its output `i` is its input `i`.

Who waits for it without reading it, waits for what it waits for itself.
"""
CALL = "Call"
"""The op of what calls a function by a node whose op is the function's name, and stays one."""
INPUT = "Input"
OUTPUT = "Output"
"""What stands for an output of the graph until it is known whether it waits for anything."""


@dataclass(slots=True, eq=False, repr=False, kw_only=True)
class Operation:
    """A node of the graph, or one that lowering made; `function` is where its node stands.

    It is made when it is first read, and its inputs are filled in when it is opened.
    """

    name: str
    op: str
    node: node_def_pb2.NodeDef
    function: str = ""
    position: int = -1
    inputs: Sequence[Place] = ()
    waits: Sequence[Operation] = field(default=())
    """What it waits for without reading it: its control edges."""


Place = tuple[Operation, int]
"""An output of an operation."""


def behind_call(place: Place) -> Place:
    """Return what a call gives, by what is in its body.

    Raises:
        BrokenModel: its function gives fewer results.
    """
    operation, index = place
    if index >= len(operation.inputs):
        raise BrokenModel(
            f"the graph reads result {index} of {operation.name}, which has "
            f"{len(operation.inputs)} result(s)"
        )
    return operation.inputs[index]


def become_results(
    operation: Operation, results: Sequence[Place], waits: Sequence[Operation]
) -> None:
    """Make of a call what stands in its place."""
    operation.op = RESULTS
    operation.inputs = results
    operation.waits = waits
