"""Nodes that do nothing, and nodes that compute the same as another op: tools rewrite both.

Sources: tensorflow/core/grappler/optimizers/constant_folding.cc (SimplifyNode),
arithmetic_optimizer.cc (ConvertPowStage).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.graph.normal.graph import Node, Tensor
from harness.graph.structure.kinds import ADDITIONS, LEAVES, attribute, shape_of
from harness.graph.structure.recognised import CONSTANT_FOLDING, Recognised
from harness.graph.structure.similarity import Graphs
from harness.graph.structure.values import Array, small_value

Nodes = Sequence[Node]

_REDUCTIONS = frozenset({"Sum", "Mean", "Prod", "Max", "Min", "All", "Any"})
_ELEMENTWISE = frozenset({
    "Relu", "Relu6", "Elu", "Selu", "LeakyRelu", "Tanh", "Sigmoid", "Softplus", "Softsign", "Exp",
    "Log", "Neg", "Abs", "Sqrt", "Rsqrt", "Square", "Softmax", "LogSoftmax", "Identity", "BiasAdd",
    "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3",
})  # fmt: skip
"""Ops whose first output has the shape of their first input."""
_POWERS = {"Square": 2.0, "Sqrt": 0.5, "Rsqrt": -0.5, "Inv": -1.0, "Reciprocal": -1.0}
_COMPARISONS = frozenset({"Less", "LessEqual", "Greater", "GreaterEqual", "Equal", "NotEqual"})
_CALCULATIONS = frozenset({"Add", "AddV2", "Sub", "Mul", "RealDiv", "Pow"})
_DATA_AND_CONSTANT = 2
_OF_A_SLICE = 3
_MOST_ABOVE = 64


def node_without_effect(graphs: Graphs, reference: Tensor, candidate: Tensor) -> Recognised | None:
    """Recognise that a node which does nothing was left out."""
    source = passed_on(graphs.reference.nodes, reference)
    if source is None:
        return None
    node = graphs.reference.nodes[reference[0]]
    return Recognised(
        kind=CONSTANT_FOLDING,
        nodes=(node.name,),
        places=((source, candidate),),
        reference=tuple(tensor for tensor in node.inputs if tensor != source),
    )


def same_by_another_op(graphs: Graphs, reference: Tensor, candidate: Tensor) -> Recognised | None:
    """Recognise that a node became another op, which gives the same."""
    one, other = graphs.nodes(reference, candidate)
    if one.guards or other.guards or reference[1] or candidate[1]:
        return None
    if not _is_same_power(graphs, one, other) and not _is_packed_alone(graphs, one, other):
        return None
    return Recognised(
        kind=CONSTANT_FOLDING,
        nodes=(one.name,),
        places=((one.inputs[0], other.inputs[0]),),
        reference=one.inputs[1:],
        candidate=other.inputs[1:],
    )


def _is_same_power(graphs: Graphs, one: Node, other: Node) -> bool:
    if one.op != "Pow":
        return False
    exponent = _number(_value(graphs.reference.nodes, one.inputs[1]))
    return exponent is not None and _POWERS.get(other.op) == exponent


def _is_packed_alone(graphs: Graphs, one: Node, other: Node) -> bool:
    if one.op != "Pack" or len(one.inputs) != 1 or other.op != "ExpandDims":
        return False
    axis = _value(graphs.candidate.nodes, other.inputs[1])
    return axis is not None and axis.ravel().tolist() == [attribute(one, "axis", 0)]


def passed_on(nodes: Nodes, tensor: Tensor) -> Tensor | None:
    """Return the input that a node hands on as it is, by what its constants say; None if none."""
    node = nodes[tensor[0]]
    if tensor[1] or node.guards or not node.inputs:
        return None
    position = _position_passed_on(nodes, node)
    return None if position is None else node.inputs[position]


def _position_passed_on(nodes: Nodes, node: Node) -> int | None:
    values = [_value(nodes, each) for each in node.inputs]
    if node.op in {"Select", "SelectV2"}:
        return _chosen(values[0])
    if node.op in {"Split", "SplitV"}:
        return {"Split": 1, "SplitV": 0}[node.op] if _has_one_part(node, values) else None
    if node.op in {"Add", "AddV2", "Mul"} and _leaves_as_it_is(node.op, values[0]):
        return 1
    return 0 if _does_nothing(nodes, node, values) else None


def _does_nothing(nodes: Nodes, node: Node, values: Sequence[Array | None]) -> bool:
    """Say whether a node hands its first input on."""
    op = node.op
    if op in _REDUCTIONS and _dims(nodes, node.inputs[0]) == ():
        return True
    if len(values) < _DATA_AND_CONSTANT or values[1] is None:
        return False
    value = values[1]
    if op in _CALCULATIONS:
        return _leaves_as_it_is(op, value)
    is_nothing = {
        "BiasAdd": not value.any(),  # a bias never makes the data larger
        "BiasAddV1": not value.any(),
        "Transpose": value.tolist() == list(range(value.size)),
        "Tile": bool((value == 1).all()),
        "Slice": len(values) == _OF_A_SLICE and _takes_all(nodes, node, value, values[2]),
        "Reshape": _keeps_shape(_dims(nodes, node.inputs[0]), value),
    }
    return bool(is_nothing.get(op, op in _REDUCTIONS and value.size == 0))


def _leaves_as_it_is(op: str, value: Array | None) -> bool:
    """Say whether a number that is added, multiplied by and so on changes nothing."""
    return _number(value) == (0.0 if op in ADDITIONS | {"Sub"} else 1.0)


def _chosen(condition: Array | None) -> int | None:
    # One that is no scalar may choose among rows, or make the data larger.
    if condition is None or condition.shape or condition.dtype != bool:
        return None
    return 1 if condition.all() else 2


def _has_one_part(node: Node, values: Sequence[Array | None]) -> bool:
    if node.op == "Split":
        return attribute(node, "num_split") == 1
    return values[1] is not None and values[1].size == 1


def _takes_all(nodes: Nodes, node: Node, begin: Array, size: Array | None) -> bool:
    if size is None or begin.any():
        return False
    dims = _dims(nodes, node.inputs[0])
    known = dims if dims is not None and len(dims) == size.size else [None] * size.size
    return all(taken in (-1, whole) for taken, whole in zip(size.tolist(), known, strict=True))


def _keeps_shape(dims: Dims | None, shape: Array) -> bool:
    """Say whether a shape can only be the one that there is: one size at most is open."""
    asked = shape.ravel().tolist()
    if dims is None or len(dims) != len(asked) or 0 in dims:
        return False
    pairs = zip(dims, asked, strict=True)
    others = [size for known, size in pairs if known is None or known != size]
    # All other sizes are as they were, so that the last one follows from how many elements are.
    return others in ([], [-1])


Dims = Sequence[int | None]


def _dims(nodes: Nodes, tensor: Tensor) -> Dims | None:
    """Return the sizes of a tensor as far as they are plain to see; None for an unknown rank."""
    for _ in range(_MOST_ABOVE):
        node = nodes[tensor[0]]
        if tensor[1] or node.op not in _ELEMENTWISE:
            break
        tensor = node.inputs[0]
    dims: Dims | None = None
    if node.op in LEAVES or node.op == "Input":
        dims = shape_of(node)
    elif node.op == "MatMul":
        dims = _dims_of_product(nodes, node)
    elif node.op == "Reshape":
        value = _value(nodes, node.inputs[1])
        dims = None if value is None else [None if s < 0 else s for s in value.ravel().tolist()]
    elif node.op in _COMPARISONS:
        both = [_dims(nodes, each) for each in node.inputs]
        dims = () if all(each is not None and not len(each) for each in both) else None
    return dims


def _dims_of_product(nodes: Nodes, node: Node) -> Dims:
    kernel = nodes[node.inputs[1][0]]
    dims = shape_of(kernel) if kernel.op in LEAVES else None
    place = 0 if attribute(node, "transpose_b") is True else 1
    return [None, dims[place] if dims is not None else None]


def _value(nodes: Nodes, tensor: Tensor) -> Array | None:
    """Return the value of a small constant, or of a range of such."""
    node = nodes[tensor[0]]
    if node.op != "Range":
        return small_value(node)
    start, limit, step = (_number(small_value(nodes[index])) for index, _ in node.inputs)
    if start is None or limit is None or not step or abs(limit - start) > _MOST_ABOVE:
        return None
    return np.arange(start, limit, step)


def _number(value: Array | None) -> float | None:
    """Return the number that a scalar is; None for all else."""
    if value is None or value.shape or value.dtype.kind in "cb":
        return None
    return float(value)
