"""Nodes that scale and move a tensor, one after the other, and what they do together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.graph.normal.graph import Node, Tensor
from harness.graph.structure.kinds import ADDITIONS, attribute
from harness.graph.structure.orders import called_as_leaf
from harness.graph.structure.recognised import CONSTANT_FOLDING, Recognised
from harness.graph.structure.similarity import Graphs, are_same
from harness.graph.structure.values import Array, small_value

BATCH_NORMS = frozenset({"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"})
GLOBAL_NORM = "BatchNormWithGlobalNormalization"
SCALINGS = frozenset({"Mul", "RealDiv", "Div"})
AFFINE = ADDITIONS | SCALINGS | BATCH_NORMS | {GLOBAL_NORM, "Sub"}
_PRODUCTS = frozenset({"Mul", "RealDiv"})
_SUMS = ADDITIONS | {"Sub"}
_LONGEST = 12
_PRECISION = {"bfloat16": 2.0**-7, "float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}
_FEWEST_INPUTS = 2
_ROUNDINGS = 4
"""By so many, for each constant, what several make together may be off."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Nodes that scale and move a tensor by what depends on no input, the last one first."""

    nodes: tuple[Node, ...]
    constants: tuple[Tensor, ...]
    base: Tensor
    sides: tuple[int, ...]
    """Which of its inputs each node scales and moves."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the nodes are called."""
        return tuple(node.name for node in self.nodes)

    @property
    def ops(self) -> list[str]:
        """The ops, as they stand."""
        return [node.op for node in self.nodes]


def chain(
    nodes: Sequence[Node],
    is_dynamic: Sequence[bool],
    tensor: Tensor,
    ops: frozenset[str] = AFFINE,
) -> Chain:
    """Follow a tensor up past nodes that scale and move it, as far as they are of `ops`."""
    found: list[Node] = []
    constants: list[Tensor] = []
    sides: list[int] = []
    while len(found) < _LONGEST:
        node = nodes[tensor[0]]
        position = _data_position(node, is_dynamic) if node.op in ops else None
        if position is None or tensor[1] or node.guards:
            break
        found.append(node)
        sides.append(position)
        constants += [*node.inputs[:position], *node.inputs[position + 1 :]]
        tensor = node.inputs[position]
    return Chain(nodes=tuple(found), constants=tuple(constants), base=tensor, sides=tuple(sides))


def _data_position(node: Node, is_dynamic: Sequence[bool]) -> int | None:
    """Return which input an op scales and moves; None where it does something else."""
    dynamic = [place for place, (source, _) in enumerate(node.inputs) if is_dynamic[source]]
    if len(dynamic) != 1 or len(node.inputs) < _FEWEST_INPUTS:
        return None
    if node.op in BATCH_NORMS:
        # Training is the default, under which the batch itself gives mean and variance.
        return (
            0 if dynamic == [0] and attribute(node, "is_training", default=True) is False else None
        )
    if node.op in (GLOBAL_NORM, "RealDiv", "Div", "BiasAdd", "BiasAddV1"):
        return 0 if dynamic == [0] else None
    return dynamic[0]


def constants_joined(graphs: Graphs, reference: Tensor, candidate: Tensor) -> Recognised | None:
    """Recognise that (x + a) - b became x + c, and the same of products and quotients.

    Only of floating-point numbers: whole numbers overflow, and strings are joined in their order.
    Where the constants are at hand, they must make the same together, up to rounding. Where they
    are not, the outputs must decide: then only fewer constants are believed to be the others'.
    """
    for ops in (_SUMS, _PRODUCTS):
        before = chain(graphs.reference.nodes, graphs.reference_is_dynamic, reference, ops)
        after = chain(graphs.candidate.nodes, graphs.candidate_is_dynamic, candidate, ops)
        if before.nodes and before.ops != after.ops and _make_the_same(graphs, before, after):
            return Recognised(
                kind=CONSTANT_FOLDING,
                nodes=before.names,
                places=((before.base, after.base),),
                reference=before.constants,
                candidate=after.constants,
            )
    return None


def _make_the_same(graphs: Graphs, before: Chain, after: Chain) -> bool:
    if _turns(before) is not _turns(after) or not _can_be_joined(graphs, before, after):
        return False
    one = _total(graphs.reference.nodes, before)
    other = _total(graphs.candidate.nodes, after)
    if one is not None and other is not None:
        return one.agrees_with(other)
    return (
        len(before.nodes) > len(after.nodes) > 0
        and _are_in_one_place(graphs, before.base, after.base)
        # Where its constants are some of the reference's, the others were left out.
        and not are_as_before(graphs, before, after)
    )


def _can_be_joined(graphs: Graphs, before: Chain, after: Chain) -> bool:
    """Say whether constants are numbers, as far as is known, that are not moved to other places."""
    constants = [graphs.reference.nodes[index] for index, _ in before.constants]
    constants += [graphs.candidate.nodes[index] for index, _ in after.constants]
    nodes = (*before.nodes, *after.nodes)
    return all(attribute(node, "dtype") in (None, *_PRECISION) for node in constants) and not (
        # Its bias is laid along another axis.
        any(attribute(node, "data_format") == b"NCHW" for node in nodes)
    )


def _are_in_one_place(graphs: Graphs, reference: Tensor, candidate: Tensor) -> bool:
    """Say whether what two chains stand on may be the same; above it they may differ."""
    if graphs.are_alike(reference, candidate):
        return True
    one, other = graphs.nodes(reference, candidate)
    return reference[1] == candidate[1] and (
        are_same(one, other) or {one.op, other.op} <= _PRODUCTS
    )


def are_as_before(graphs: Graphs, before: Chain, after: Chain) -> bool:
    """Say whether each constant of the candidate is one of the reference's, by name or value."""
    mine = [graphs.reference.nodes[index] for index, _ in before.constants]
    names = {called_as_leaf(node) for node in mine}
    its = [graphs.candidate.nodes[index] for index, _ in after.constants]
    return all(
        called_as_leaf(other) in names
        or any(graphs.hold_same_value(one, other) is True for one in mine)
        for other in its
    )


@dataclass(frozen=True, kw_only=True)
class _Total:
    """What constants make together; `off` is how much of it may be rounding."""

    value: Array
    off: Array

    def agrees_with(self, other: _Total) -> bool:
        """Say whether both are the same number for each element, up to rounding."""
        if self.value.shape != other.value.shape or self.value.dtype != other.value.dtype:
            return False
        with np.errstate(invalid="ignore"):
            near = np.abs(self.value - other.value) <= np.maximum(self.off, other.off)
        return bool((near | (self.value == other.value)).all())


def _turns(chain: Chain) -> bool:
    """Say whether the data's sign is turned: a - x."""
    turned = [
        node.op == "Sub" and side == 1 for node, side in zip(chain.nodes, chain.sides, strict=True)
    ]
    return sum(turned) % 2 == 1


def _total(nodes: Sequence[Node], chain: Chain) -> _Total | None:
    """Return what a chain adds, or multiplies by; None where that is not at hand."""
    total: npt.NDArray[np.float64] | None = None
    terms = np.zeros((), np.float64)
    precision = 0.0
    is_sum = bool(chain.ops) and chain.ops[0] in _SUMS
    sign = 1.0
    for node, side, (index, _) in zip(chain.nodes, chain.sides, chain.constants, strict=True):
        value = small_value(nodes[index])
        dtype = attribute(nodes[index], "dtype")
        if value is None:
            return None
        precision = max(precision, _PRECISION[str(dtype)])
        number = value.astype(np.float64)
        with np.errstate(all="ignore"):
            if is_sum:
                # From the last on: what stands before it is turned by an a - x.
                number = sign * (-number if node.op == "Sub" and side == 0 else number)
                sign = -sign if node.op == "Sub" and side == 1 else sign
                terms = terms + np.abs(number)
                total = number if total is None else total + number
            else:
                number = 1 / number if node.op == "RealDiv" else number
                total = number if total is None else total * number
    if total is None:
        return None
    size = terms if is_sum else np.abs(total)
    return _Total(
        value=np.asarray(total), off=np.asarray(_ROUNDINGS * len(chain.nodes) * precision * size)
    )
