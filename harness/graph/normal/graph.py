"""A graph in normal form: what freezing and writing do not change.

Two graphs that compute the same from the same inputs, and differ only by how they were frozen or
written, have the same normal form node by node; where one has a variable, the other has a constant.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

Tensor = tuple[int, int]
"""The index of a node in `NormalGraph.nodes`, and the index of its output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An op and what it reads."""

    name: str
    """Where it stands: "conv/Conv2D", or in a function "CALL/NODE"; for people."""
    op: str
    attributes: tuple[tuple[str, Hashable], ...] = ()
    """Those that decide what is computed, sorted by name."""
    inputs: tuple[Tensor, ...] = ()
    """The data that it reads, past every node that only passes a value on."""
    guards: tuple[int, ...] = ()
    """Of an Identity that stands for an output: the nodes that it waits for and does not read, and
    that can reject or show something: Assert and the like."""
    variable: str = ""
    """Of a Variable: its name in `Model.variables`."""
    constant: str = ""
    """Of a Const: its key in `Model.constants`."""
    position: int = -1
    """Of an Input: its position in the signature."""


@dataclass(frozen=True, kw_only=True)
class NormalGraph:
    """The nodes that the outputs need."""

    nodes: Sequence[Node]
    """In a topological order, loops aside."""
    outputs: tuple[Tensor, ...]
    """As in the signature."""
    names: Mapping[str, int]
    """The index of each node by `Node.name`."""
