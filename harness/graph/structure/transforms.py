"""What TensorFlow's tools for inference do to a graph, and what rounding alone may tell from it.

Sources: tensorflow/python/tools/optimize_for_inference_lib.py (fold_batch_norms,
fuse_decomposed_batch_norm, fuse_resize_and_conv), tensorflow/python/framework/graph_util_impl.py
(remove_training_nodes).
"""

from __future__ import annotations

from harness.graph.normal.graph import Node, Tensor
from harness.graph.structure.chains import (
    BATCH_NORMS,
    GLOBAL_NORM,
    SCALINGS,
    Chain,
    are_as_before,
    chain,
    constants_joined,
)
from harness.graph.structure.describing import other_attributes
from harness.graph.structure.kinds import ADDITIONS, TRAINING, attribute
from harness.graph.structure.recognised import (
    BATCH_NORM_FOLDING,
    PADDING_FUSED,
    TRAINING_NODES,
    Recognised,
)
from harness.graph.structure.similarity import Graphs, are_same
from harness.graph.structure.simplifying import node_without_effect, same_by_another_op
from harness.graph.structure.values import small_value

_LINEAR = frozenset({"Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMul", "BatchMatMulV2"})
_PAD_AND_CONV = "FusedPadConv2D"
_RESIZE_PAD_AND_CONV = "FusedResizeAndPadConv2D"


def recognise(graphs: Graphs, reference: Tensor, candidate: Tensor) -> Recognised | None:
    """Return the transform that makes the candidate's tensor of the reference's, if any."""
    return (
        training_node_removed(graphs, reference, candidate)
        or affine_ops_folded(graphs, reference, candidate)
        or node_without_effect(graphs, reference, candidate)
        or same_by_another_op(graphs, reference, candidate)
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


def affine_ops_folded(graphs: Graphs, reference: Tensor, candidate: Tensor) -> Recognised | None:
    """Recognise that several ops which scale and move a tensor became fewer.

    Those after a convolution may have gone into its kernel and one bias; else they became one
    FusedBatchNorm, or one op whose constant is what theirs make together.
    """
    joined = constants_joined(graphs, reference, candidate)
    if joined is not None:
        return joined
    before = chain(graphs.reference.nodes, graphs.reference_is_dynamic, reference)
    after = chain(graphs.candidate.nodes, graphs.candidate_is_dynamic, candidate)
    return _batch_norm_folded(graphs, before, after) if _normalises(before) else None


def _batch_norm_folded(graphs: Graphs, before: Chain, after: Chain) -> Recognised | None:
    linear, its = graphs.nodes(before.base, after.base)
    if _is_one_addition(after) and _are_one_layer(graphs, linear, its):
        if _is_scaling_left_out(graphs, before, after, linear, its):
            return None
        return Recognised(
            kind=BATCH_NORM_FOLDING,
            nodes=before.names,
            places=((linear.inputs[0], its.inputs[0]),),
            edit="" if are_same(linear, its) else other_attributes(linear, its),
            reference=(*before.constants, linear.inputs[1]),
            candidate=(*after.constants, its.inputs[1]),
        )
    is_fused = len(after.nodes) == 1 and after.nodes[0].op in BATCH_NORMS
    is_joined = is_fused and len(before.nodes) > 1 and graphs.are_alike(before.base, after.base)
    if is_joined or _is_norm_written_out(graphs, before, after):
        return Recognised(
            kind=BATCH_NORM_FOLDING,
            nodes=before.names,
            places=((before.base, after.base),),
            reference=before.constants,
            candidate=after.constants,
        )
    return None


def _normalises(chain: Chain) -> bool:
    ops = {node.op for node in chain.nodes}
    moves = ops & (ADDITIONS | {"Sub"})
    return bool(ops & (BATCH_NORMS | {GLOBAL_NORM}) or (moves and ops & SCALINGS))


def _is_norm_written_out(graphs: Graphs, before: Chain, after: Chain) -> bool:
    """Say whether one op that normalises became a product and a sum; above it they may differ."""
    if len(after.nodes) != 2 or after.ops[0] not in ADDITIONS or after.ops[1] != "Mul":
        return False
    linear, its = graphs.nodes(before.base, after.base)
    is_one_place = graphs.are_alike(before.base, after.base) or are_same(linear, its)
    return is_one_place and bool({*before.ops} & (BATCH_NORMS | {GLOBAL_NORM}))


def _is_one_addition(chain: Chain) -> bool:
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
    graphs: Graphs, before: Chain, after: Chain, linear: Node, its: Node
) -> bool:
    """Say whether kernel and bias are still called as in the reference: nothing was folded."""
    one, other = graphs.nodes(linear.inputs[1], its.inputs[1])
    return one.name == other.name and are_as_before(graphs, before, after)


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
