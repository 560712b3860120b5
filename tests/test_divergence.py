"""Where two models begin to differ: the node that is named for faults of many kinds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from fixtures.catalogue import find
from fixtures.faults import FAULTS
from fixtures.freezing import freeze_fixture, request_for
from fixtures.training import fresh_session, save_initialised
from harness.criteria import Array, Close, Criterion, Exact
from harness.divergence.first import first_divergence
from harness.divergence.result import Divergence, Place
from harness.divergence.side_by_side import BYTES_AT_A_TIME, Side
from harness.errors import TimedOut
from harness.graph.freezing import freeze
from harness.memo import Feeds
from harness.models.frozen import frozen_model
from harness.models.model import Model
from harness.models.opening import open_model
from harness.runtime import Mode, Runner
from harness.subject import Request

Built = Callable[[str], Path]
Change = Callable[[Any], object]
CLOSE = Close(rtol=1e-5)


def numbers(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def pictures(side: int) -> Array:
    """One of noise, and of each of eight colours."""
    plain = np.array(list(np.ndindex(2, 2, 2)), np.uint8) * 255
    noise = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    tiled = np.broadcast_to(plain[:, None, None, :], (8, side, side, 3))
    return np.concatenate([noise, tiled])


FEEDS: Mapping[str, Feeds] = {
    "small_cnn": {"images": pictures(8)},
    "softmax_regression": {"inputs": numbers(3, 4)},
    "recent_steps": {"inputs": numbers(2, 5, 4)},
    "hashed_features": {
        "ids": np.array([3, -7], np.int64), "amounts": np.array([2.5, 0.5], np.float32)
    },
    "embedding": {"ids": np.array([[1, 49], [3, 4]], np.int32)},
    "lstm_while_v1": {"inputs": numbers(2, 4, 3)},
    "lstm_control_flow_v2": {"inputs": numbers(2, 4, 3)},
    "cond_v1": {"flag": np.array(True), "inputs": numbers(2, 4)},
    "cond_control_flow_v2": {"flag": np.array(True), "inputs": numbers(2, 4)},
    "captcha_cnn": {"image_tensor": pictures(28)},
}  # fmt: skip


class Counted:
    """A runner that remembers how much each of its fetches gave."""

    def __init__(self, model: Model, *, mode: Mode = Mode.STRICT) -> None:
        self.runner = Runner(model, mode=mode)
        self.fetched: list[tuple[str, ...]] = []
        self.largest = 0

    def fetch(self, feeds: Mapping[str, Array], tensors: Sequence[str]) -> dict[str, Array]:
        self.fetched.append(tuple(tensors))
        values = self.runner.fetch(feeds, tensors)
        self.largest = max(self.largest, sum(value.nbytes for value in values.values()))
        return values


def side(model: Model, *, mode: Mode = Mode.STRICT) -> Side:
    return Side(model, Runner(model, mode=mode))


def as_model(graph_def: Any, like: Model) -> Model:
    signature = like.signature
    return frozen_model(
        graph_def, Path("x.pb"), inputs=signature.input_names, outputs=signature.output_names
    )


def diverging(
    fixture: str,
    kind: str,
    built: Built,
    *,
    mode: Mode = Mode.STRICT,
    criterion: Criterion | None = None,
    feeds: Feeds | None = None,
) -> Divergence:
    """What is found of a fixture, called without its -ref, whose frozen graph has a fault."""
    found = find(fixture)
    prefix = built(fixture)
    model = open_model(request_for(found, prefix))
    candidate = as_model(FAULTS[kind].apply(freeze_fixture(found, prefix)), model)
    divergence = first_divergence(
        feeds or FEEDS[fixture.rpartition("-")[0]],
        reference=side(model, mode=mode),
        candidate=side(candidate, mode=mode),
        criterion=criterion or Exact(),
    )
    assert divergence is not None
    return divergence


def graph_of(build: Callable[[Any], object], shape: Any = (None, 2)) -> Any:
    with tf.Graph().as_default() as graph:
        build(tf.compat.v1.placeholder(tf.float32, shape, name="x"))
        return graph.as_graph_def()


def model_of(build: Callable[[Any], object], outputs: Sequence[str] = ("y",), **rest: Any) -> Model:
    return frozen_model(graph_of(build, **rest), Path("x.pb"), inputs=["x"], outputs=outputs)


def between(
    reference: Model | Side, candidate: Model | Side, feeds: Feeds | None = None, **rest: Any
) -> Divergence | None:
    return first_divergence(
        feeds or {"x": numbers(3, 2)},
        reference=reference if isinstance(reference, Side) else side(reference),
        candidate=candidate if isinstance(candidate, Side) else side(candidate),
        **{"criterion": Exact(), **rest},
    )


def changed(model: Model, change: Change) -> Model:
    """The same graph with something changed."""
    graph_def = type(model.graph_def)()
    graph_def.CopyFrom(model.graph_def)
    change(graph_def)
    return as_model(graph_def, model)


def node(graph_def: Any, name: str) -> Any:
    return next(n for n in graph_def.node if n.name == name)


WEIGHTS = {
    ("small_cnn-ref", "swapped_variables"): "batch_norm/gamma",
    ("small_cnn-ref", "one_ulp_weight"): "batch_norm/gamma",
    ("small_cnn-resource", "transposed_kernel"): "first/kernel",
    ("small_cnn-ref", "half_precision_weights"): "first/kernel",
    ("small_cnn-resource", "permuted_labels"): "output/kernel",
    ("softmax_regression-ref", "one_ulp_weight"): "layer/kernel",
    ("embedding-resource", "stale_checkpoint"): "table",
    ("embedding-ref", "initial_values"): "table",
    ("recent_steps-ref", "transposed_kernel"): "hidden/kernel",
    ("lstm_while_v1-ref", "stale_checkpoint"): "lstm/kernel",
    ("lstm_while_v1-resource", "half_precision_weights"): "lstm/kernel",
    ("lstm_control_flow_v2-resource", "half_precision_weights"): "lstm/kernel",
    ("cond_v1-ref", "one_ulp_weight"): "bias",
    ("cond_control_flow_v2-ref", "swapped_variables"): "when_true",
}

NODES = {
    ("small_cnn-ref", "dropped_bias"): "BiasAdd",
    ("softmax_regression-resource", "dropped_bias"): "layer/BiasAdd",
    ("small_cnn-ref", "other_stride"): "Conv2D",
    ("small_cnn-resource", "other_padding"): "Conv2D",
    ("small_cnn-ref", "other_epsilon"): "batch_norm/FusedBatchNormV3",
    ("small_cnn-ref", "training_batch_norm"): "batch_norm/FusedBatchNormV3",
    ("recent_steps-ref", "other_activation"): "Tanh",
    ("small_cnn-ref", "relu6"): "Relu",
    ("small_cnn-resource", "missing_relu"): "Relu_1",
    ("hashed_features-ref", "other_comparison"): "Greater",
    ("hashed_features-resource", "truncated_division"): "FloorMod",
    ("small_cnn-ref", "other_resizing"): "resize/ResizeBilinear",
    ("small_cnn-ref", "aligned_corners"): "resize/ResizeBilinear",
    ("cond_v1-ref", "dropped_bias"): "cond/BiasAdd",
    ("embedding-resource", "clipped_ids"): "embedding_lookup",
    ("small_cnn-ref", "early_output"): "prediction",
}

OTHER_INPUTS = {
    ("small_cnn-ref", "left_on_dropout"): ("output/MatMul", "Reshape"),
    ("recent_steps-resource", "left_on_dropout"): ("output/MatMul", "Tanh"),
    ("recent_steps-ref", "other_axis"): ("Mean", "Mean/reduction_indices"),
    ("small_cnn-ref", "other_channel_order"): ("Cast", "images"),
    ("cond_v1-resource", "constant_for_input"): ("cond/pred_id", "flag"),
}


@pytest.mark.parametrize(("place", "weight"), WEIGHTS.items())
def test_a_wrong_weight_is_named(place: tuple[str, str], weight: str, built: Built) -> None:
    found = diverging(*place, built)

    assert (found.place, found.node) == (Place.WEIGHT, weight)
    assert found.difference is not None
    assert found.describe() == f"first at {weight}"


@pytest.mark.parametrize("kind", ["ref", "resource"])
def test_a_weight_is_named_by_what_reads_it_where_nothing_stands_for_it(
    kind: str, built: Built
) -> None:
    fixture, prefix = find(f"recent_steps-{kind}"), built(f"recent_steps-{kind}")
    model = open_model(request_for(fixture, prefix))
    frozen = freeze_fixture(fixture, prefix)
    candidate = as_model(FAULTS["transposed_kernel"].apply(frozen), model)
    variables = {variable.name for variable in model.variables}
    pairs = {n.name: n.name for n in model.graph_def.node if n.name not in variables}

    found = between(model, candidate, FEEDS["recent_steps"], pairs=pairs)

    assert found is not None
    assert (found.place, found.node) == (Place.WEIGHT, "hidden/kernel")


@pytest.mark.parametrize(("place", "name"), NODES.items())
def test_a_node_that_computes_otherwise_is_named_and_confirmed(
    place: tuple[str, str], name: str, built: Built
) -> None:
    found = diverging(*place, built)

    assert (found.place, found.node) == (Place.NODE, name)
    assert found.inputs
    assert all(each.agrees for each in found.inputs)
    assert found.confirmed is True
    assert not found.vanishes_with


@pytest.mark.parametrize(("place", "named"), OTHER_INPUTS.items())
def test_a_node_that_reads_something_else_is_not_to_blame_itself(
    place: tuple[str, str], named: tuple[str, str], built: Built
) -> None:
    found = diverging(*place, built)

    (wrong,) = [each for each in found.inputs if not each.agrees]
    assert (found.node, wrong.name) == named
    assert wrong.instead.startswith(("fault/", "Mean/wrong"))
    assert wrong.difference is not None
    assert wrong.instead in found.added
    assert found.confirmed is False


def test_attributes_are_told_and_those_that_changed(built: Built) -> None:
    found = diverging("small_cnn-ref", "other_stride", built)

    assert found.attributes == ("data_format NHWC", "padding SAME", "strides [1, 2, 2, 1]")
    assert found.changed == ("strides [1, 2, 2, 1] became [1, 1, 1, 1]",)


def test_another_op_in_the_place_is_told(built: Built) -> None:
    found = diverging("small_cnn-ref", "relu6", built)

    assert (found.op, found.candidate_op) == ("Relu", "Relu6")
    assert found.explain().startswith(
        "first at Relu (Relu, in the candidate Relu6): its input batch_norm/FusedBatchNormV3 "
        "agrees, its output ["
    )


def test_what_freezing_makes_of_an_op_is_not_told_as_another(built: Built) -> None:
    found = diverging("embedding-resource", "clipped_ids", built)

    assert (found.op, found.candidate_op) == ("ResourceGather", "GatherV2")
    assert found.explain().startswith("first at embedding_lookup (ResourceGather): its inputs")


def test_the_sentence_names_inputs_and_the_largest_difference(built: Built) -> None:
    found = diverging("small_cnn-ref", "dropped_bias", built)

    assert found.missing == ("second/bias/read", "second/bias")
    assert found.explain().startswith(
        "first at BiasAdd (BiasAdd, in the candidate Identity, data_format NHWC): its input "
        "Conv2D_1 agrees, its output ["
    )
    assert "but should be" in found.explain()
    assert "the candidate lacks second/bias/read, second/bias" in found.explain()
    assert found.explain().endswith("given the same inputs it still differs")


def test_sides_that_agree_diverge_nowhere(built: Built) -> None:
    fixture = find("small_cnn-ref")
    prefix = built("small_cnn-ref")
    model = open_model(request_for(fixture, prefix))
    candidate = as_model(freeze_fixture(fixture, prefix).graph_def, model)

    assert between(model, candidate, FEEDS["small_cnn"]) is None


@pytest.mark.parametrize("kind", ["ref", "resource"])
@pytest.mark.parametrize("fault", ["dropped_bias", "other_activation"])
def test_inside_a_loop_of_tensorflow_1_its_exit_is_named(
    kind: str, fault: str, built: Built
) -> None:
    found = diverging(f"lstm_while_v1-{kind}", fault, built)

    assert (found.place, found.node) == (Place.LOOP, "while/Exit_1")
    assert found.describe() == "first inside the loop that ends at while/Exit_1"
    assert {each.name for each in found.inputs} >= {"zeros", "unstack:1"}
    assert all(each.agrees for each in found.inputs)


def test_of_a_loop_what_enters_it_is_named_where_that_differs(built: Built) -> None:
    found = diverging("lstm_while_v1-ref", "permuted_labels", built)

    assert (found.place, found.node) == (Place.WEIGHT, "lstm/kernel")


@pytest.mark.parametrize(
    ("fixture", "call", "feeds"),
    [
        ("lstm_control_flow_v2-ref", "while", FEEDS["lstm_control_flow_v2"]),
        (
            "cond_control_flow_v2-resource",
            "cond",
            FEEDS["cond_control_flow_v2"] | {"flag": np.array(False)},
        ),
    ],
)
def test_inside_a_function_the_call_is_named(
    fixture: str, call: str, feeds: Feeds, built: Built
) -> None:
    catalogued, prefix = find(fixture), built(fixture)
    model = open_model(request_for(catalogued, prefix))

    def change(graph_def: Any) -> None:
        for function in graph_def.library.function:
            for each in function.node_def:
                each.op = {"Tanh": "Sigmoid"}.get(each.op, each.op)

    candidate = changed(as_model(freeze_fixture(catalogued, prefix).graph_def, model), change)

    found = between(model, candidate, feeds)

    assert found is not None
    assert (found.place, found.node) == (Place.CALL, call)
    assert found.describe() == f"first in the call {call}"
    assert found.confirmed is not False


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize(("name", "when"), [("cond/BiasAdd", True), ("cond/BiasAdd_1", False)])
def test_branches_that_are_not_taken_are_passed_over(
    name: str, when: bool, flag: bool, built: Built
) -> None:
    fixture, prefix = find("cond_v1-ref"), built("cond_v1-ref")
    model = open_model(request_for(fixture, prefix))

    def change(graph_def: Any) -> None:
        node(graph_def, name).op = "Sub"
        del node(graph_def, name).attr["data_format"]

    candidate = changed(as_model(freeze_fixture(fixture, prefix).graph_def, model), change)

    found = between(model, candidate, {"flag": np.array(flag), "inputs": numbers(2, 4)})

    if when is not flag:
        assert found is None
        return
    assert found is not None
    assert (found.node, found.confirmed) == (name, True)


def test_a_branch_that_one_side_takes_alone_is_told() -> None:
    def build(threshold: float) -> Callable[[Any], object]:
        def graph(x: Any) -> object:
            is_large = tf.greater(tf.reduce_sum(x), threshold, name=f"above{threshold:g}")
            off, on = tf.raw_ops.Switch(data=x, pred=is_large, name="switch")
            merged, _ = tf.raw_ops.Merge(
                inputs=[tf.negative(off, name="off"), tf.abs(on, name="on")], name="merge"
            )
            return tf.identity(merged, name="y")

        return graph

    found = between(model_of(build(0)), model_of(build(9)), {"x": np.ones((1, 2), np.float32)})

    assert found is not None
    assert found.difference is None
    assert found.failure == (
        "in the reference it has no value, since its branch is not taken, in the candidate not"
    )
    assert found.node in ("off", "switch")
    assert found.missing or found.inputs


def test_of_a_long_branch_that_is_not_taken_few_tensors_are_asked_for() -> None:
    def build(offset: float) -> Callable[[Any], object]:
        def graph(x: Any) -> object:
            off, on = tf.raw_ops.Switch(data=x, pred=tf.reduce_all(x > -99), name="switch")
            for _ in range(60):
                off = tf.raw_ops.Abs(x=off)
            merged, _ = tf.raw_ops.Merge(inputs=[off, on], name="merge")
            return tf.add(merged, tf.constant(offset, tf.float32, name="offset"), name="y")

        return graph

    reference, candidate = model_of(build(0)), model_of(build(1))
    counted = Counted(reference)

    found = between(Side(reference, counted), candidate)

    assert found is not None
    assert found.node == "offset"
    assert len(counted.fetched) < 30


def test_a_difference_that_is_made_good_again_is_passed_over() -> None:
    """As where a batch norm is folded into the kernel before it."""

    def build(factor: float, offset: float) -> Callable[[Any], object]:
        def graph(x: Any) -> object:
            scaled = tf.multiply(x, tf.constant(factor, tf.float32, name="factor"), name="scaled")
            again = tf.abs(scaled, name="again")
            normal = tf.divide(again, tf.constant(factor, tf.float32, name="norm"), name="normal")
            return tf.add(normal, tf.constant(offset, tf.float32, name="offset"), name="y")

        return graph

    found = between(model_of(build(1, 1)), model_of(build(4, 2)))

    assert found is not None
    assert (found.place, found.node) == (Place.CONSTANT, "offset")


def test_of_several_outputs_those_that_agree_have_no_say() -> None:
    def build(factor: float) -> Callable[[Any], object]:
        def graph(x: Any) -> object:
            hidden = tf.multiply(x, tf.constant(factor, tf.float32, name="factor"), name="hidden")
            tf.sign(hidden, name="sign")
            other = tf.constant(factor + 1, tf.float32, name="other")
            return tf.multiply(x, other, name="y")

        return graph

    found = between(model_of(build(1), ("sign", "y")), model_of(build(2), ("sign", "y")))

    assert found is not None
    assert found.node == "other"


def test_which_output_of_a_node_differs_is_told() -> None:
    def graph(x: Any) -> object:
        parts = tf.split(x, [1, 1], axis=1, name="split")
        return tf.abs(parts[1], name="y")

    def change(graph_def: Any) -> None:
        split = node(graph_def, "split")
        split.op = "Unpack"
        split.attr["num"].i, split.attr["axis"].i = 2, 1
        del split.attr["num_split"], split.attr["Tlen"], split.input[1:]

    reference = model_of(graph)

    found = between(reference, changed(reference, change))

    assert found is not None
    assert (found.node, found.output) == ("split", 1)
    assert "its output 1: shape is [3], but should be [3, 1]" in found.explain()


def test_a_node_that_the_candidate_lacks_is_told_at_the_next() -> None:
    def build(*, offset: bool) -> Callable[[Any], object]:
        def graph(x: Any) -> object:
            hidden = tf.multiply(x, 2.0, name="hidden")
            return tf.abs(tf.add(hidden, 1.0, name="added") if offset else hidden, name="y")

        return graph

    found = between(model_of(build(offset=True)), model_of(build(offset=False)))

    assert found is not None
    assert found.node == "y"
    assert found.missing == ("added", "added/y")
    (wrong,) = found.inputs
    assert (wrong.name, wrong.instead, wrong.agrees) == ("added", "hidden", False)
    assert found.confirmed is False
    assert "it reads hidden in the place of added: it[" in found.explain()
    assert found.explain().endswith("given the right inputs it agrees")


def test_inputs_of_another_op_are_not_held_against_each_other_by_position() -> None:
    """A product with a scaled kernel stands where a scaled product did."""

    def build(*, is_folded: bool) -> Callable[[Any], object]:
        def graph(x: Any) -> object:
            kernel = tf.constant(numbers(2, 2), name="kernel")
            if is_folded:
                scaled = tf.matmul(x, tf.constant(numbers(2, 2) * 4, name="folded"), name="scaled")
            else:
                scaled = tf.multiply(tf.matmul(x, kernel, name="product"), 3.0, name="scaled")
            return tf.abs(scaled, name="y")

        return graph

    found = between(model_of(build(is_folded=False)), model_of(build(is_folded=True)))

    assert found is not None
    assert (found.node, found.op, found.candidate_op) == ("scaled", "Mul", "MatMul")
    assert [(each.name, each.instead, each.agrees) for each in found.inputs] == [("x", "", True)]
    assert (found.missing, found.added) == (("product", "scaled/y", "kernel"), ("folded",))
    assert found.confirmed is True


def test_pairs_that_are_given_take_the_place_of_names() -> None:
    def build(prefix: str, factor: float) -> Callable[[Any], object]:
        def graph(x: Any) -> object:
            hidden = tf.multiply(x, 2.0, name=f"{prefix}hidden")
            scale = tf.constant(factor, tf.float32, name=f"{prefix}scale")
            return tf.multiply(tf.abs(hidden, name=f"{prefix}abs"), scale, name="y")

        return graph

    reference, candidate = model_of(build("", 1)), model_of(build("their/", 2))
    pairs = {name: f"their/{name}" for name in ("hidden", "abs", "scale")} | {"y": "y"}

    by_name, by_pairs = between(reference, candidate), between(reference, candidate, pairs=pairs)

    assert by_name is not None
    assert by_pairs is not None
    assert (by_name.node, by_pairs.node) == ("y", "scale")


def test_outputs_of_other_names_are_compared_by_their_place_in_the_signature() -> None:
    reference = model_of(lambda x: tf.abs(x, name="y"))
    candidate = model_of(lambda x: tf.negative(x, name="their_y"), ("their_y",))

    found = between(reference, candidate)

    assert found is not None
    assert found.node == "y"


def test_inputs_of_other_names_are_fed_by_their_place_in_the_signature() -> None:
    reference = model_of(lambda x: tf.abs(x, name="y"))
    with tf.Graph().as_default() as graph:
        tf.negative(tf.compat.v1.placeholder(tf.float32, (None, 2), name="z"), name="y")
    candidate = frozen_model(graph.as_graph_def(), Path("x.pb"), inputs=["z"], outputs=["y"])

    found = between(reference, candidate)

    assert found is not None
    assert [each.name for each in found.inputs if each.agrees] == ["x"]


def test_nan_equals_nan() -> None:
    def build(offset: float) -> Callable[[Any], object]:
        def graph(x: Any) -> object:
            missing = tf.divide(tf.zeros_like(x), tf.zeros_like(x), name="nan")
            chosen = tf.where(tf.math.is_nan(missing), x, missing, name="chosen")
            return tf.add(chosen, tf.constant(offset, tf.float32, name="offset"), name="y")

        return graph

    found = between(model_of(build(0)), model_of(build(1)))

    assert found is not None
    assert found.node == "offset"


def test_feeds_that_the_candidate_refuses_are_its_inputs_fault(built: Built) -> None:
    found = diverging("softmax_regression-ref", "baked_batch", built)

    assert (found.place, found.node) == (Place.INPUT, "inputs")
    assert "in the candidate it fails (ValueError: Cannot feed value of shape" in found.explain()


def test_feeds_are_looked_at_before_what_the_graph_holds() -> None:
    reference = model_of(lambda x: tf.divide(tf.constant([[1.0, 2.0]], name="first"), x, name="y"))

    def bake(graph_def: Any) -> None:
        node(graph_def, "x").attr["shape"].shape.dim[0].size = 1

    found = between(reference, changed(reference, bake))

    assert found is not None
    assert (found.place, found.node) == (Place.INPUT, "x")


def test_a_node_at_which_the_candidate_alone_fails_is_named(built: Built) -> None:
    found = diverging("small_cnn-ref", "baked_reshape", built)

    assert found.node == "Reshape"
    assert found.difference is None
    assert "in the candidate it fails (InvalidArgumentError" in found.failure
    assert [each.instead for each in found.inputs if not each.agrees] == ["Reshape/wrong"]


def test_a_node_at_which_the_reference_alone_fails_is_named(built: Built) -> None:
    feeds = {"ids": np.array([[60, 1]], np.int32)}

    found = diverging("embedding-resource", "clipped_ids", built, feeds=feeds)

    assert found.node == "embedding_lookup"
    assert found.failure.startswith("in the reference it fails (InvalidArgumentError")


def test_an_assertion_that_gives_no_tensor_is_named() -> None:
    def graph(x: Any) -> object:
        reasonable = tf.reduce_all(tf.greater(x, -99.0, name="compared"), name="all")
        check = tf.raw_ops.Assert(condition=reasonable, data=[x], name="check")
        with tf.control_dependencies([check]):
            return tf.identity(x, name="y")

    def change(graph_def: Any) -> None:
        node(graph_def, "check").input[0] = graph_def.node.add(
            name="never", op="LogicalNot", input=["all"]
        ).name

    reference = model_of(graph)

    found = between(reference, changed(reference, change))

    assert found is not None
    assert (found.node, found.op) == ("check", "Assert")
    assert found.failure.startswith("in the candidate it fails (InvalidArgumentError")


def test_sides_that_fail_alike_diverge_nowhere() -> None:
    def graph(x: Any) -> object:
        return tf.abs(tf.debugging.check_numerics(x, "bad", name="checked"), name="y")

    feeds = {"x": np.full((2, 2), np.nan, np.float32)}

    assert between(model_of(graph), model_of(graph), feeds) is None


def test_sides_that_fail_by_other_errors_differ() -> None:
    def graph(x: Any) -> object:
        read = tf.raw_ops.ReadFile(filename="/nowhere/at all", name="read")
        return tf.strings.join([read, tf.strings.as_string(x)], name="y")

    def change(graph_def: Any) -> None:
        node(graph_def, "read").op = "DecodeBase64"

    reference = model_of(graph)

    found = between(reference, changed(reference, change))
    loosely = between(reference, changed(reference, change), criterion=CLOSE)

    assert found is not None
    assert found.node == "read"
    assert found.failure.startswith("in the candidate it fails (InvalidArgumentError")
    assert "in the reference it fails (NotFoundError" in found.failure
    assert loosely is None


def test_a_check_that_the_candidate_alone_makes_is_named() -> None:
    def build(*, is_checked: bool) -> Callable[[Any], object]:
        def graph(x: Any) -> object:
            if is_checked:
                x = tf.debugging.check_numerics(x, "bad", name="checked")
            return tf.abs(x, name="y")

        return graph

    feeds = {"x": np.full((2, 2), np.nan, np.float32)}
    found = between(model_of(build(is_checked=False)), model_of(build(is_checked=True)), feeds)

    assert found is not None
    assert found.node == "checked"
    assert found.failure.startswith("in the candidate it fails (InvalidArgumentError")


def test_random_ops_draw_the_same_numbers_on_both_sides() -> None:
    def build(offset: float) -> Callable[[Any], object]:
        def graph(x: Any) -> object:
            noise = tf.random.uniform(tf.shape(x), name="noise")
            return tf.add(x + noise, tf.constant(offset, tf.float32, name="offset"), name="y")

        return graph

    found = between(model_of(build(0)), model_of(build(1)))

    assert found is not None
    assert found.node == "offset"


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("dropped_bias", "output/BiasAdd"),
        ("other_stride", "conv1/MaxPool2d"),
        ("swapped_variables", "conv1/batch_norm/gamma"),
        ("missing_relu", "conv3/Relu"),
    ],
)
def test_as_deployed_a_fault_is_named_too(fault: str, name: str, built: Built) -> None:
    found = diverging("captcha_cnn-ref", fault, built, mode=Mode.DEPLOYED, criterion=CLOSE)

    assert found.node == name
    assert found.confirmed in (True, None)


def test_a_difference_that_an_optimiser_makes_is_told(tmp_path: Path) -> None:
    """A factor is folded into the kernel on the frozen side, where both are constants."""
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (None, 8, 8, 3), name="x")
        kernel = tf.compat.v1.get_variable("kernel", initializer=numbers(3, 3, 3, 4))
        factor = tf.compat.v1.get_variable("factor", initializer=numbers(4) / 3)
        convolved = tf.nn.conv2d(x, kernel, 1, "SAME", name="convolved")
        tf.tanh(tf.multiply(convolved, factor, name="scaled"), name="y")
        model = open_model(Request(path=save_initialised(session, tmp_path), outputs=("y",)))
    candidate = as_model(freeze(model.graph_def, weights=model.weights, outputs=["y"]), model)

    found = between(
        side(model, mode=Mode.DEPLOYED),
        side(candidate, mode=Mode.DEPLOYED),
        {"x": numbers(2, 8, 8, 3)},
    )

    assert found is not None
    assert found.vanishes_with == ("convolved",)
    assert found.confirmed is False
    assert "makes the difference vanish: the runtime's optimiser makes it" in found.explain()


def test_what_takes_too_long_is_cut_short() -> None:
    def build(offset: float) -> Callable[[Any], object]:
        def graph(x: Any) -> object:
            return tf.add(
                tf.abs(x, name="abs"), tf.constant(offset, tf.float32, name="offset"), name="y"
            )

        return graph

    start = time.perf_counter()
    found = between(model_of(build(0)), model_of(build(1)), seconds=0.0)

    assert found is not None
    assert (found.place, found.is_cut_short) == (Place.AFTER, True)
    assert time.perf_counter() - start < 5


def test_a_fetch_that_runs_too_long_ends_the_search_at_what_is_known() -> None:
    def build(offset: float) -> Callable[[Any], object]:
        def graph(x: Any) -> object:
            x = tf.boolean_mask(x, x > -9)  # of a size that nobody knows
            for number in range(100):
                x = tf.abs(x, name=f"abs_{number}")
            return tf.add(x, tf.constant(offset, tf.float32, name="offset"), name="y")

        return graph

    class Slow(Counted):
        def fetch(self, feeds: Mapping[str, Array], tensors: Sequence[str]) -> dict[str, Array]:
            if "abs_40" in tensors:
                raise TimedOut(1.0)
            return super().fetch(feeds, tensors)

    reference, candidate = model_of(build(0)), model_of(build(1))

    found = between(reference, Side(candidate, Slow(candidate)))

    assert found is not None
    assert found.place is Place.AFTER
    assert found.describe().startswith("after abs_")
    assert found.explain().endswith("looking for the place took too long")


@pytest.mark.parametrize("is_known", [True, False], ids=["known sizes", "unknown sizes"])
def test_few_megabytes_are_fetched_at_a_time(is_known: bool) -> None:
    def build(offset: float) -> Callable[[Any], object]:
        def graph(x: Any) -> object:
            size = 1000 if is_known else tf.cast(tf.reduce_sum(x), tf.int32)
            x = tf.tile(x, tf.stack([size, size]), name="large")  # 4 MB
            for number in range(60):
                x = tf.abs(x, name=f"abs_{number}")
            return tf.add(x[0, 0], tf.constant(offset, tf.float32, name="offset"), name="y")

        return graph

    reference, candidate = model_of(build(0), shape=(1, 1)), model_of(build(1), shape=(1, 1))
    counted = Counted(reference), Counted(candidate)

    found = between(
        Side(reference, counted[0]),
        Side(candidate, counted[1]),
        {"x": np.full((1, 1), 1000, np.float32)},
    )

    assert found is not None
    assert found.node == "offset"
    assert all(0 < each.largest <= BYTES_AT_A_TIME // 2 for each in counted)
    if is_known:
        assert len(counted[0].fetched) < 30


def test_ten_thousand_nodes_are_walked_in_seconds() -> None:
    def build(last: float) -> Callable[[Any], object]:
        def graph(x: Any) -> object:
            factor = tf.constant(last, tf.float32, name="factor")
            with tf.name_scope("deep"):
                for _ in range(3000):
                    x = tf.raw_ops.Abs(x=x)
            return tf.multiply(x, factor, name="y")

        return graph

    reference, candidate = model_of(build(1)), model_of(build(2))
    start = time.perf_counter()

    found = between(reference, candidate)

    assert found is not None
    assert found.node == "factor"
    assert time.perf_counter() - start < 20
