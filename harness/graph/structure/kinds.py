"""What kinds of node there are, as far as matching goes, and what their attributes say."""

from __future__ import annotations

import math
from collections.abc import Hashable
from functools import cache

from tensorflow.python.framework import op_def_registry

from harness.graph.normal.graph import Node
from harness.graph.weights import FEWEST_ELEMENTS
from harness.signature import Shape

CONSTANT = "Const"
VARIABLE = "Variable"
INPUT = "Input"
LEAVES = frozenset({CONSTANT, VARIABLE})
BACK = "NextIteration"
"""The op through which a loop is closed."""
FLOW = frozenset({"Switch", "_SwitchN", "Merge", "Enter", "Exit", BACK, "LoopCond"})
"""Ops of loops and branches. They are numbered as they are made: their names tell nothing."""
ADDITIONS = frozenset({"Add", "AddV2", "BiasAdd", "BiasAddV1"})
TRAINING = frozenset({"CheckNumerics", "CheckNumericsV2", "Print"})
"""What hands its first input on, and watches it."""
_GUARDS = frozenset({"Assert", "Print", "PrintV2", "CheckNumerics", "CheckNumericsV2"})
_COMMUTATIVE = frozenset({"AddV2", "Mul", "LogicalAnd", "LogicalOr", "Equal", "NotEqual"})
"""Without Add, which joins strings too."""


def attribute(node: Node, name: str, default: Hashable = None) -> Hashable:
    """Return an attribute of a node, `default` where it is not stated."""
    return next((value for key, value in node.attributes if key == name), default)


def shape_of(node: Node) -> Shape | None:
    """Return the shape that a leaf or an input states; None where its rank is open."""
    shape = attribute(node, "shape")
    return shape if isinstance(shape, tuple) else None


def is_large(node: Node) -> bool:
    """Say whether a leaf may be a weight: it is a variable, or a constant of some size."""
    if node.op == VARIABLE:
        return True
    shape = shape_of(node)
    return shape is not None and math.prod(size or 0 for size in shape) >= FEWEST_ELEMENTS


@cache
def has_state(op: str) -> bool:
    """Say whether an op gives other values each time, or each one of its nodes others."""
    definition = op_def_registry.get(op)
    return definition is not None and definition.is_stateful and op not in _GUARDS


def is_commutative(node: Node) -> bool:
    """Say whether a node gives the same bits when its two inputs are exchanged."""
    return node.op in _COMMUTATIVE
