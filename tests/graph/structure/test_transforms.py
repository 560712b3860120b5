"""What TensorFlow's tools for inference do is called a transform, what looks like it an edit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from harness.graph.normal.form import normal_form
from harness.graph.normal.graph import NormalGraph, Tensor
from harness.graph.structure.edits import Matching
from harness.graph.structure.matching import match
from tests.graph.structure.building import Builder, edits, matched, named_leaves

optimize_for_inference_lib = pytest.importorskip(
    "tensorflow.python.tools.optimize_for_inference_lib"
)
tf1 = tf.compat.v1


def optimised(graph_def: GraphDef) -> GraphDef:
    copy = tf1.GraphDef.FromString(graph_def.SerializeToString())
    float32 = tf.float32.as_datatype_enum
    result: GraphDef = optimize_for_inference_lib.optimize_for_inference(
        copy, ["x"], ["out"], float32
    )
    return result


def form(graph_def: GraphDef) -> NormalGraph:
    return normal_form(graph_def, inputs=["x"], outputs=["out"])


def side_by_side(reference: GraphDef, candidate: GraphDef) -> Matching:
    return match(form(reference), form(candidate), same_constant=lambda *_: True)


def graph_of(build: Callable[[Any], Any]) -> GraphDef:
    with tf.Graph().as_default() as graph:
        tf.nn.relu(build(tf1.placeholder(tf.float32, (None, 8, 8, 3), name="x")), name="out")
        return graph.as_graph_def()


def constant(name: str, *shape: int) -> Any:
    return tf.constant(np.random.default_rng(0).random(shape, np.float32) + 0.1, name=name)


def convolution(x: Any, *, strides: int = 2) -> Any:
    return tf.nn.conv2d(x, constant("kernel", 3, 3, 3, 4), strides, "SAME", name="conv")


def depthwise(x: Any) -> Any:
    kernel = constant("kernel", 3, 3, 3, 2)
    return tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "SAME", name="conv")


def biased(x: Any) -> Any:
    return tf.nn.bias_add(convolution(x), constant("bias", 4), name="biased")


def normalised(y: Any) -> Any:
    size = y.shape[-1]
    statistics = [constant(name, size) for name in ("gamma", "beta", "mean", "variance")]
    return tf1.nn.fused_batch_norm(y, *statistics, is_training=False, name="norm")[0]


def decomposed(y: Any, *, has_gamma: bool = True) -> Any:
    scale = tf.math.rsqrt(tf.raw_ops.Add(x=constant("variance", 4), y=tf.constant(1e-3)))
    if has_gamma:
        scale = tf.multiply(scale, constant("gamma", 4))
    offset = tf.subtract(constant("beta", 4), tf.multiply(constant("mean", 4), scale))
    return tf.raw_ops.Add(x=tf.multiply(y, scale), y=offset, name="norm")


fuses = pytest.mark.skipif(
    not hasattr(optimize_for_inference_lib, "fuse_decomposed_batch_norm"),
    reason=f"the tool of TensorFlow {tf.__version__} leaves a batch norm of several ops as it is",
)


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda x: normalised(convolution(x)), id="fused"),
        pytest.param(lambda x: normalised(biased(x)), id="after a bias"),
        pytest.param(lambda x: normalised(depthwise(x)), id="depthwise"),
        pytest.param(lambda x: decomposed(convolution(x)), id="decomposed", marks=fuses),
        pytest.param(lambda x: decomposed(convolution(x), has_gamma=False), id="without gamma",
                     marks=fuses),
        pytest.param(lambda x: decomposed(tf.nn.relu(convolution(x))), id="after a relu",
                     marks=fuses),
    ],
)  # fmt: skip
def test_a_folded_batch_norm_is_a_transform(build: Callable[[Any], Any]) -> None:
    graph_def = graph_of(build)

    found = side_by_side(graph_def, optimised(graph_def))

    assert [transform.kind for transform in found.transforms] == ["batch-norm folding"]
    assert "norm" in found.transforms[0].nodes
    assert not found.edits
    assert not found.unmatched_reference
    assert not found.unmatched_candidate


def test_a_batch_norm_folded_into_another_convolution_is_an_edit() -> None:
    right = graph_of(lambda x: normalised(convolution(x)))
    wrong = graph_of(lambda x: normalised(convolution(x, strides=1)))

    found = side_by_side(right, optimised(wrong))

    assert [edit.text for edit in found.edits] == [
        "conv (Conv2D): strides [1, 2, 2, 1] became [1, 1, 1, 1]"
    ]


def test_above_a_folded_batch_norm_edits_are_told() -> None:
    right = graph_of(lambda x: normalised(convolution(tf.tanh(x, name="act"))))
    wrong = graph_of(lambda x: normalised(convolution(tf.sigmoid(x, name="act"))))

    found = side_by_side(right, optimised(wrong))

    assert [edit.text for edit in found.edits] == ["act (Tanh) became Sigmoid"]
    assert [transform.kind for transform in found.transforms] == ["batch-norm folding"]


def padded(x: Any, mode: str = "REFLECT") -> Any:
    return tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode, name="pad")


def resized(x: Any, *, aligned: bool = False, half_pixels: bool = False) -> Any:
    return tf1.image.resize_bilinear(
        x, (16, 16), align_corners=aligned, half_pixel_centers=half_pixels, name="resize"
    )


@pytest.mark.parametrize(
    ("build", "nodes"),
    [
        (padded, ("pad", "conv")),
        (resized, ("resize", "conv")),
        (lambda x: padded(resized(x, aligned=True), "SYMMETRIC"), ("resize", "pad", "conv")),
    ],
    ids=["padding", "resizing", "both"],
)
def test_padding_that_became_part_of_a_convolution_is_a_transform(
    build: Callable[[Any], Any], nodes: tuple[str, ...]
) -> None:
    graph_def = graph_of(lambda x: convolution(build(x)))

    found = side_by_side(graph_def, optimised(graph_def))

    assert [(t.kind, t.nodes) for t in found.transforms] == [("padding fused", nodes)]
    assert not found.edits
    assert not found.unmatched_reference


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (padded, lambda x: padded(x, "SYMMETRIC")),
        (resized, lambda x: resized(x, aligned=True)),
        # The fused op does not know of half pixels, and the tool does not ask.
        (lambda x: resized(x, half_pixels=True), lambda x: resized(x, half_pixels=True)),
        (lambda x: x, padded),
        (lambda x: x, resized),
    ],
    ids=["mode", "corners", "half pixels", "no padding", "no resizing"],
)
def test_padding_or_resizing_that_differs_is_an_edit(
    right: Callable[[Any], Any], wrong: Callable[[Any], Any]
) -> None:
    reference = graph_of(lambda x: convolution(right(x)))
    candidate = graph_of(lambda x: convolution(wrong(x)))

    assert side_by_side(reference, optimised(candidate)).edits


def test_the_tool_changes_nothing_else() -> None:
    graph_def = graph_of(lambda x: tf.stop_gradient(tf.identity(biased(x))))

    found = side_by_side(graph_def, optimised(graph_def))

    assert not found.edits
    assert not found.transforms


def layer(build: Callable[[Builder, Tensor], Tensor], *, kernel: str = "kernel",
          op: str = "Conv2D", is_frozen: bool = True,
          **attributes: object) -> NormalGraph:  # fmt: skip
    """What `build` makes of a convolution."""
    graph = Builder()
    weight = graph.weight(kernel) if is_frozen else graph.variable(kernel)
    linear = graph.op(op, "conv", graph.input("x"), weight, **attributes)  # type: ignore[arg-type]
    return graph.graph(graph.op("Relu", "out", build(graph, linear)))


def global_norm(graph: Builder, x: Tensor) -> Tensor:
    read = [graph.variable(name) for name in ("mean", "variance", "beta", "gamma")]
    return graph.op("BatchNormWithGlobalNormalization", "norm", x, *read)


def fused_norm(graph: Builder, x: Tensor, *, is_training: bool = False) -> Tensor:
    read = [graph.variable(name) for name in ("gamma", "beta", "mean", "variance")]
    said = {} if is_training else {"is_training": False}
    return graph.op("FusedBatchNorm", "norm", x, *read, **said)


def one_bias(graph: Builder, x: Tensor) -> Tensor:
    return graph.op("BiasAdd", "norm", x, graph.weight("conv_bn_offset"))


def scaled_and_moved(graph: Builder, x: Tensor) -> Tensor:
    scaled = graph.op("Mul", "scale", x, graph.variable("factor"))
    return graph.op("AddV2", "move", scaled, graph.variable("offset"))


def only_moved(graph: Builder, x: Tensor) -> Tensor:
    return graph.op("AddV2", "move", x, graph.weight("offset"))


FOLDED = layer(one_bias, kernel="conv_weights")


def kinds(reference: NormalGraph, candidate: NormalGraph) -> list[str]:
    found = matched(reference, candidate)
    assert bool(found.transforms) is not bool(found.edits)
    return [transform.kind for transform in found.transforms]


def test_a_batch_norm_of_several_ops_may_become_one_where_no_layer_is_before_it() -> None:
    def after_an_activation(norm: Callable[[Builder, Tensor], Tensor], act: str) -> NormalGraph:
        return layer(lambda graph, x: norm(graph, graph.op(act, "act", x)), is_frozen=False)

    reference = after_an_activation(scaled_and_moved, "Tanh")

    assert kinds(reference, after_an_activation(fused_norm, "Tanh")) == ["batch-norm folding"]
    assert kinds(reference, after_an_activation(fused_norm, "Elu")) == []


@pytest.mark.parametrize("norm", [global_norm, fused_norm, scaled_and_moved])
@pytest.mark.parametrize("op", ["Conv2D", "DepthwiseConv2dNative", "MatMul"])
def test_every_way_to_normalise_can_be_folded_into_every_layer(
    norm: Callable[[Builder, Tensor], Tensor], op: str
) -> None:
    reference = layer(norm, op=op, is_frozen=False)
    candidate = layer(one_bias, op=op, kernel="conv_weights")

    found = matched(reference, candidate)

    assert kinds(reference, candidate) == ["batch-norm folding"]
    assert not found.unmatched_reference
    assert not found.unmatched_candidate
    # Values of the kernel are others: to compare them with the variable's would be wrong.
    assert named_leaves(reference, candidate) == []


def test_a_norm_by_the_batch_cannot_be_folded() -> None:
    training = layer(lambda graph, x: fused_norm(graph, x, is_training=True))

    assert kinds(training, FOLDED) == []


def test_a_scaling_that_was_left_out_is_an_edit_while_all_else_has_its_name() -> None:
    found = matched(layer(scaled_and_moved), layer(only_moved))

    assert [edit.text for edit in found.edits] == ["scale (Mul) missing before move"]
    assert not found.transforms


def test_a_bias_that_was_left_out_is_an_edit() -> None:
    assert edits(layer(one_bias), layer(lambda _, x: x)) == ["norm (BiasAdd) missing before out"]


@pytest.mark.parametrize(
    "candidate",
    [
        layer(one_bias, kernel="conv_weights", op="MatMul"),
        layer(lambda _, x: x, kernel="conv_weights"),
        layer(lambda g, x: one_bias(g, g.op("Tanh", "t", x)), kernel="conv_weights"),
        layer(lambda g, x: g.op("BiasAdd", "norm", x, g.op("Mean", "m", x)), kernel="k"),
    ],
    ids=["other op", "no bias", "more between", "bias of the data"],
)
def test_what_is_no_folding_is_an_edit(candidate: NormalGraph) -> None:
    assert kinds(layer(fused_norm), candidate) == []


def test_a_kernel_that_depends_on_the_input_is_no_folding() -> None:
    graph = Builder()
    x = graph.input("x")
    linear = graph.op("Conv2D", "conv", x, graph.op("Mean", "kernel", x))
    candidate = graph.graph(graph.op("Relu", "out", one_bias(graph, linear)))

    assert kinds(layer(fused_norm), candidate) == []


def test_other_outputs_of_a_norm_and_guarded_norms_are_no_folding() -> None:
    def statistics(graph: Builder, x: Tensor) -> Tensor:
        return fused_norm(graph, x)[0], 1

    def guarded(graph: Builder, x: Tensor) -> Tensor:
        guard = graph.op("Assert", "guard", x)
        read = [graph.variable(name) for name in ("gamma", "beta", "mean", "variance")]
        return graph.op("FusedBatchNorm", "norm", x, *read, guards=[guard], is_training=False)

    assert kinds(layer(statistics), FOLDED) == []
    assert kinds(layer(guarded), FOLDED) == []


def product(build: Callable[[Builder], Tensor]) -> NormalGraph:
    graph = Builder()
    return graph.graph(graph.op("MatMul", "out", graph.input("x"), build(graph)))


def computed(graph: Builder) -> Tensor:
    return graph.op("Mul", "product", graph.variable("one"), graph.variable("two"))


def dequantized(graph: Builder) -> Tensor:
    limits = graph.constant("low", -1), graph.constant("high", 1)
    return graph.op("Dequantize", "weights", graph.weight("weights_quantized"), *limits)


@pytest.mark.parametrize(
    ("reference", "candidate", "kind", "node"),
    [
        (computed, lambda graph: graph.weight("product"), "constant folding", "product"),
        (computed, dequantized, "constant folding", "product"),
        (lambda graph: graph.variable("w"), dequantized, "stored otherwise", "w"),
        (lambda graph: graph.weight("w"), dequantized, "stored otherwise", "w"),
    ],
)
def test_what_depends_on_no_input_is_left_to_its_values(
    reference: Callable[[Builder], Tensor],
    candidate: Callable[[Builder], Tensor],
    kind: str,
    node: str,
) -> None:
    graphs = product(reference), product(candidate)

    found = matched(*graphs)

    assert [(t.kind, t.nodes) for t in found.transforms] == [(kind, (node,))]
    (folded,) = found.folded
    assert graphs[0].nodes[folded.reference[0]].name == node
    assert graphs[1].nodes[folded.candidate[0]].op in {"Const", "Dequantize"}
    assert not found.edits
    assert not found.unmatched_reference
    assert not found.unmatched_candidate


def test_what_waits_for_a_guard_of_the_input_is_no_constant() -> None:
    def guarded(graph: Builder) -> Tensor:
        guard = graph.op("Assert", "guard", graph.input("y", 1))
        return graph.op("Exp", "exp", graph.variable("w"), guards=[guard])

    assert edits(product(guarded), product(lambda graph: graph.weight("exp"))) == [
        "exp (Exp) became a constant"
    ]


def test_random_numbers_are_no_constant() -> None:
    drawn = product(lambda g: g.op("RandomUniform", "drawn", g.constant("shape", 2)))

    assert edits(drawn, product(lambda g: g.weight("drawn"))) == [
        "drawn (RandomUniform) became a constant"
    ]


@pytest.mark.parametrize("op", ["CheckNumerics", "Print"])
def test_nodes_that_watch_training_may_be_spliced_out(op: str) -> None:
    def watched(*, is_watched: bool) -> NormalGraph:
        graph = Builder()
        x = graph.op("Exp", "exp", graph.input("x"))
        return graph.graph(graph.op("Relu", "out", graph.op(op, "watch", x) if is_watched else x))

    found = matched(watched(is_watched=True), watched(is_watched=False))

    assert [(t.kind, t.nodes) for t in found.transforms] == [("training nodes removed", ("watch",))]
    assert not found.edits
    assert edits(watched(is_watched=False), watched(is_watched=True)) == [
        f"{op} added between exp and out"
    ]


def test_a_guard_that_watches_training_may_be_left_out() -> None:
    def guarded(*ops: str) -> NormalGraph:
        graph = Builder()
        x = graph.input("x")
        guards = [graph.op(op, op.lower(), x) for op in ops]
        return graph.graph(graph.op("Relu", "out", x, guards=guards))

    found = matched(guarded("CheckNumerics", "Assert"), guarded("Assert"))

    assert [t.nodes for t in found.transforms] == [("checknumerics",)]
    assert not found.edits


def several(op: str, *constants: float, name: str = "constant", before: str = "Exp") -> NormalGraph:
    graph = Builder()
    x = graph.op(before, "before", graph.input("x"))
    for place, value in enumerate(constants):
        x = graph.op(op, f"{op}{place}", x, graph.constant(f"{name}{place}", value))
    return graph.graph(x)


@pytest.mark.parametrize("op", ["Add", "Mul"])
def test_constants_that_became_one_are_folded(op: str) -> None:
    reference = several(op, 1, 2, 3)

    assert kinds(reference, several(op, 6, name="joined")) == ["constant folding"]
    assert edits(reference, several(op, 1, 2)) == [f"{op}2 ({op}) missing before output {op}2"]
    assert edits(several(op, 1, 2), several(op, 1)) == [f"{op}1 ({op}) missing before output {op}1"]
    assert kinds(reference, several("Sub", 6, name="joined")) == []
    assert edits(reference, several(op, 6, name="joined", before="Log")) == [
        "before (Exp) became Log"
    ]


@pytest.mark.parametrize(("factor", "expected"), [(1 / 3, ["constant folding"]), (0.3, [])])
def test_a_division_may_become_a_product(factor: float, expected: list[str]) -> None:
    assert kinds(several("RealDiv", 3), several("Mul", factor)) == expected


def written_out(graph: Builder, x: Tensor) -> Tensor:
    scaled = graph.op("Mul", "scaled", x, graph.weight("norm/Scaled"))
    return graph.op("Add", "norm", scaled, graph.weight("norm/Offset"))


@pytest.mark.parametrize("norm", [global_norm, fused_norm])
def test_a_batch_norm_may_be_written_out(norm: Callable[[Builder, Tensor], Tensor]) -> None:
    reference = layer(norm, is_frozen=False)
    candidate = layer(written_out, strides=2)

    found = matched(reference, layer(written_out))

    assert [t.kind for t in found.transforms] == ["batch-norm folding"]
    assert not found.edits
    assert not found.unmatched_reference
    assert not found.unmatched_candidate
    assert named_leaves(reference, layer(written_out)) == [("kernel", "kernel")]
    assert kinds(reference, candidate) == []


def test_a_norm_by_the_batch_is_not_written_out() -> None:
    training = layer(lambda graph, x: fused_norm(graph, x, is_training=True))

    assert kinds(training, layer(written_out)) == []


def test_above_an_op_that_became_another_weights_keep_their_places() -> None:
    def only_scaled(graph: Builder, x: Tensor) -> Tensor:
        return graph.op("Atan2", "norm", x, graph.weight("norm/Scaled"))

    reference, candidate = layer(fused_norm, is_frozen=False), layer(only_scaled, strides=2)

    assert edits(reference, candidate) == [
        "conv (Conv2D): strides no value became 2",
        "norm (FusedBatchNorm) became norm (Atan2)",
    ]
    assert named_leaves(reference, candidate) == [("kernel", "kernel")]
