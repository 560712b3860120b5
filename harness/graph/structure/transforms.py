"""What TensorFlow's tools for inference do to a graph, and what rounding alone may tell from it.

Sources: tensorflow/python/tools/optimize_for_inference_lib.py (fold_batch_norms,
fuse_decomposed_batch_norm, fuse_resize_and_conv), tensorflow/python/framework/graph_util_impl.py
(remove_training_nodes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.graph.normal.graph import Node, Tensor
from harness.graph.structure.describing import other_attributes
from harness.graph.structure.kinds import ADDITIONS, TRAINING, attribute
from harness.graph.structure.repairs import Place
from harness.graph.structure.similarity import Graphs, are_same
from harness.graph.structure.values import small_value

BATCH_NORM_FOLDING = "batch-norm folding"
CONSTANT_FOLDING = "constant folding"
STORED_OTHERWISE = "stored otherwise"
TRAINING_NODES = "training nodes removed"
PADDING_FUSED = "padding fused"

_LINEAR = frozenset({"Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMul", "BatchMatMulV2"})
_BATCH_NORMS = frozenset({"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"})
_GLOBAL_NORM = "BatchNormWithGlobalNormalization"
_SCALINGS = frozenset({"Mul", "RealDiv", "Div"})
_PAD_AND_CONV = "FusedPadConv2D"
_RESIZE_PAD_AND_CONV = "FusedResizeAndPadConv2D"
AFFINE = ADDITIONS | _SCALINGS | _BATCH_NORMS | {_GLOBAL_NORM, "Sub"}
_LONGEST_CHAIN = 12


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """A transform found in a place, and the places above it where matching goes on.

    `reference` and `candidate` are tensors without inputs above them that went into it. `edit` is
    what else was done there, "" for nothing.
    """

    kind: str
    nodes: tuple[str, ...]
    places: tuple[Place, ...]
    edit: str = ""
    reference: tuple[Tensor, ...] = ()
    candidate: tuple[Tensor, ...] = ()


def recognise(graphs: Graphs, reference: Tensor, candidate: Tensor) -> Recognised | None:
    """Return the transform that makes the candidate's tensor of the reference's, if any."""
    return (
        training_node_removed(graphs, reference, candidate)
        or affine_ops_folded(graphs, reference, candidate)
        or division_by_constant(graphs, reference, candidate)
        or padding_fused(graphs, reference, candidate)
    )


def training_node_removed(
    graphs: Graphs, reference: Tensor, candidate: Tensor
) -> Recognised | None:
    """Recognise that a node which hands a tensor on, and watches it, was spliced out."""
    node, other = graphs.nodes(reference, candidate)
    if node.op not in TRAINING or other.op == node.op:
        return None
    return Recognised(
        kind=TRAINING_NODES, nodes=(node.name,), places=((node.inputs[0], candidate),)
    )


@dataclass(frozen=True, kw_only=True)
class _Chain:
    """Nodes that scale and move a tensor by what depends on no input, the last one first."""

    nodes: tuple[Node, ...]
    constants: tuple[Tensor, ...]
    base: Tensor

    def names(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.nodes)


def affine_ops_folded(graphs: Graphs, reference: Tensor, candidate: Tensor) -> Recognised | None:
    """Recognise that several ops which scale and move a tensor became fewer.

    Those after a convolution may have gone into its kernel and one bias; else they became one
    FusedBatchNorm, or one op whose constant is what theirs make together.
    """
    before = _chain(graphs.reference.nodes, graphs.reference_is_dynamic, reference)
    after = _chain(graphs.candidate.nodes, graphs.candidate_is_dynamic, candidate)
    if _normalises(before):
        return _batch_norm_folded(graphs, before, after)
    return _constants_joined(graphs, before, after)


def _constants_joined(graphs: Graphs, before: _Chain, after: _Chain) -> Recognised | None:
    """Recognise that (x + a) + b became x + c, and the same of products."""
    for ops in (ADDITIONS, {"Mul"}):
        if (
            len(before.nodes) > len(after.nodes) == 1
            and all(node.op in ops for node in (*before.nodes, *after.nodes))
            and graphs.are_alike(before.base, after.base)
            # Where its constant is called as one of the reference's, the others were left out.
            and not _are_called_as_before(graphs, before, after)
        ):
            return Recognised(
                kind=CONSTANT_FOLDING,
                nodes=before.names(),
                places=((before.base, after.base),),
                reference=before.constants,
                candidate=after.constants,
            )
    return None


def division_by_constant(graphs: Graphs, reference: Tensor, candidate: Tensor) -> Recognised | None:
    """Recognise that x / a became x * (1 / a)."""
    quotient, product = graphs.nodes(reference, candidate)
    if quotient.op != "RealDiv" or product.op != "Mul":
        return None
    one, other = graphs.nodes(quotient.inputs[1], product.inputs[1])
    divisor, factor = small_value(one), small_value(other)
    if divisor is None or factor is None or divisor.dtype != factor.dtype:
        return None
    with np.errstate(divide="ignore"):
        if not np.array_equal(np.reciprocal(divisor), factor):
            return None
    return Recognised(
        kind=CONSTANT_FOLDING,
        nodes=(quotient.name,),
        places=((quotient.inputs[0], product.inputs[0]),),
        reference=(quotient.inputs[1],),
        candidate=(product.inputs[1],),
    )


def _batch_norm_folded(graphs: Graphs, before: _Chain, after: _Chain) -> Recognised | None:
    linear, its = graphs.nodes(before.base, after.base)
    if _is_one_addition(after) and _are_one_layer(graphs, linear, its):
        if _is_scaling_left_out(graphs, before, after, linear, its):
            return None
        return Recognised(
            kind=BATCH_NORM_FOLDING,
            nodes=before.names(),
            places=((linear.inputs[0], its.inputs[0]),),
            edit="" if are_same(linear, its) else other_attributes(linear, its),
            reference=(*before.constants, linear.inputs[1]),
            candidate=(*after.constants, its.inputs[1]),
        )
    is_fused = len(after.nodes) == 1 and after.nodes[0].op in _BATCH_NORMS
    if is_fused and len(before.nodes) > 1 and graphs.are_alike(before.base, after.base):
        return Recognised(
            kind=BATCH_NORM_FOLDING,
            nodes=before.names(),
            places=((before.base, after.base),),
            reference=before.constants,
            candidate=after.constants,
        )
    return None


def _chain(nodes: Sequence[Node], is_dynamic: Sequence[bool], tensor: Tensor) -> _Chain:
    """Follow a tensor up past nodes that scale and move it."""
    found: list[Node] = []
    constants: list[Tensor] = []
    while len(found) < _LONGEST_CHAIN:
        node = nodes[tensor[0]]
        position = _data_position(node, is_dynamic)
        if position is None or tensor[1] or node.guards:
            break
        found.append(node)
        constants += [*node.inputs[:position], *node.inputs[position + 1 :]]
        tensor = node.inputs[position]
    return _Chain(nodes=tuple(found), constants=tuple(constants), base=tensor)


def _data_position(node: Node, is_dynamic: Sequence[bool]) -> int | None:
    """Return which input an op scales and moves; None where it does something else."""
    if node.op not in AFFINE:
        return None
    dynamic = [place for place, (source, _) in enumerate(node.inputs) if is_dynamic[source]]
    if len(dynamic) != 1:
        return None
    if node.op in _BATCH_NORMS:
        # Training is the default, under which the batch itself gives mean and variance.
        return (
            0 if dynamic == [0] and attribute(node, "is_training", default=True) is False else None
        )
    if node.op in (_GLOBAL_NORM, "RealDiv", "Div", "BiasAdd", "BiasAddV1"):
        return 0 if dynamic == [0] else None
    return dynamic[0]


def _normalises(chain: _Chain) -> bool:
    ops = {node.op for node in chain.nodes}
    moves = ops & (ADDITIONS | {"Sub"})
    return bool(ops & (_BATCH_NORMS | {_GLOBAL_NORM}) or (moves and ops & _SCALINGS))


def _is_one_addition(chain: _Chain) -> bool:
    return len(chain.nodes) == 1 and chain.nodes[0].op in ADDITIONS


def _are_one_layer(graphs: Graphs, one: Node, other: Node) -> bool:
    return (
        one.op in _LINEAR
        and one.op == other.op
        and not one.guards
        and not other.guards
        and not graphs.reference_is_dynamic[one.inputs[1][0]]
        and not graphs.candidate_is_dynamic[other.inputs[1][0]]
    )


def _is_scaling_left_out(
    graphs: Graphs, before: _Chain, after: _Chain, linear: Node, its: Node
) -> bool:
    """Say whether kernel and bias are still called as in the reference: nothing was folded."""
    one, other = graphs.nodes(linear.inputs[1], its.inputs[1])
    return one.name == other.name and _are_called_as_before(graphs, before, after)


def _are_called_as_before(graphs: Graphs, before: _Chain, after: _Chain) -> bool:
    names = {graphs.reference.nodes[index].name for index, _ in before.constants}
    return all(graphs.candidate.nodes[index].name in names for index, _ in after.constants)


def padding_fused(graphs: Graphs, reference: Tensor, candidate: Tensor) -> Recognised | None:
    """Recognise that resizing and padding became a part of the convolution that reads them."""
    conv, fused = graphs.nodes(reference, candidate)
    if conv.op != "Conv2D" or fused.op not in (_PAD_AND_CONV, _RESIZE_PAD_AND_CONV):
        return None
    # What a fused op has no attribute for, it does not do: it must be as the op's default is.
    expected = dict(conv.attributes) | {"mode": b"REFLECT"}
    source, parts = conv.inputs[0], [conv]
    *its, paddings, kernel = fused.inputs
    places = [(conv.inputs[1], kernel)]
    pad = graphs.reference.nodes[source[0]]
    if pad.op == "MirrorPad":
        expected["mode"] = attribute(pad, "mode")
        places.append((pad.inputs[1], paddings))
        source, parts = pad.inputs[0], [pad, *parts]
    elif not _is_zero(graphs.candidate.nodes[paddings[0]]):
        return None
    if fused.op == _RESIZE_PAD_AND_CONV:
        resize = graphs.reference.nodes[source[0]]
        if resize.op != "ResizeBilinear":
            return None
        expected |= {f"resize_{name}": value for name, value in resize.attributes}
        places.append((resize.inputs[1], its[1]))
        source, parts = resize.inputs[0], [resize, *parts]
    if expected != dict(fused.attributes):
        return None
    places.append((source, its[0]))
    names = tuple(node.name for node in parts)
    return Recognised(kind=PADDING_FUSED, nodes=names, places=tuple(places))


def _is_zero(node: Node) -> bool:
    value = small_value(node)
    return value is not None and not value.any()
