"""Which tensors of a graph can be fetched, in which order, and how large they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from fixtures.catalogue import FIXTURES, find
from fixtures.freezing import request_for
from harness.graph.attribute_text import attributes_of, changed_attributes
from harness.graph.fetchable import Fetchable, fetchable
from harness.graph.tensor_bytes import tensor_bytes
from harness.models.opening import open_model
from harness.runtime import Mode, Runner
from harness.tensor_names import is_control, node_name

Built = Callable[[str], Path]
SMALL = ("small_cnn-ref", "lstm_while_v1-ref", "lstm_while_v1-resource", "lstm_control_flow_v2-ref",
         "cond_v1-resource", "cond_control_flow_v2-ref", "embedding-resource")  # fmt: skip


def graph_of(build: Callable[[Any], object]) -> Any:
    with tf.Graph().as_default() as graph:
        build(tf.compat.v1.placeholder(tf.float32, (None, 2), name="x"))
        return graph.as_graph_def()


def of_fixture(name: str, built: Built) -> tuple[Any, Fetchable]:
    model = open_model(request_for(find(name), built(name)))
    return model, fetchable(model.graph_def, model.signature.output_names)


def node(graph_def: Any, name: str) -> Any:
    return next(n for n in graph_def.node if n.name == name)


def test_the_catalogue_holds_what_is_tried() -> None:
    assert set(SMALL) <= {fixture.name for fixture in FIXTURES}


@pytest.mark.parametrize("name", SMALL)
def test_every_node_comes_after_what_it_needs(name: str, built: Built) -> None:
    _, found = of_fixture(name, built)
    position = {each: index for index, each in enumerate(found.order)}

    assert len(position) == len(found.order) > 10
    for each in set(found.order) - found.in_loops:
        needed = [node_name(reference) for reference in found.nodes[each].input]
        assert all(position[other] < position[each] for other in needed)


@pytest.mark.parametrize("kind", ["ref", "resource"])
def test_what_leaves_a_loop_comes_after_all_that_enters_it(kind: str, built: Built) -> None:
    _, found = of_fixture(f"lstm_while_v1-{kind}", built)
    entering = [
        node_name(reference)
        for each in found.in_loops
        for reference in found.nodes[each].input
        if node_name(reference) not in found.in_loops and not is_control(reference)
    ]

    exit_position = found.order.index("while/Exit_1")

    assert any(each.startswith("lstm/kernel") for each in entering)
    assert all(found.order.index(each) < exit_position for each in entering)


def test_nothing_in_the_frame_of_a_loop_can_be_fetched(built: Built) -> None:
    _, found = of_fixture("lstm_while_v1-ref", built)
    inside = {n for n in found.order if n.startswith("while/") and n != "while/Exit_1"}

    assert found.in_loops == inside
    assert not any(found.tensors[each] for each in inside)
    assert found.tensors["while/Exit_1"] == ("while/Exit_1",)


def test_an_inner_loop_leaves_into_the_outer_one() -> None:
    def build(x: Any) -> object:
        def outer(i: Any, y: Any) -> Any:
            _, inner = tf.while_loop(lambda j, _: j < 2, lambda j, z: (j + 1, z + 1), (0, y))
            return i + 1, inner

        return tf.identity(tf.while_loop(lambda i, _: i < 2, outer, (0, x))[1], name="y")

    enabled = tf.compat.v1.control_flow_v2_enabled()
    tf.compat.v1.disable_control_flow_v2()
    try:
        graph_def = graph_of(build)
    finally:
        if enabled:
            tf.compat.v1.enable_control_flow_v2()

    found = fetchable(graph_def, ["y"])

    exits = {n for n in found.order if found.nodes[n].op == "Exit"}
    assert len(exits - found.in_loops) == 1
    assert exits & found.in_loops
    assert "y" not in found.in_loops


@pytest.mark.parametrize("name", SMALL)
def test_what_can_be_fetched_is_fetched(name: str, built: Built) -> None:
    model, found = of_fixture(name, built)
    feeds = {
        "small_cnn": {"images": np.zeros((1, 4, 4, 3), np.uint8)},
        "lstm_while_v1": {"inputs": np.ones((2, 4, 3), np.float32)},
        "lstm_control_flow_v2": {"inputs": np.ones((2, 4, 3), np.float32)},
        "cond_v1": {"flag": np.array(True), "inputs": np.ones((2, 4), np.float32)},
        "cond_control_flow_v2": {"flag": np.array(True), "inputs": np.ones((2, 4), np.float32)},
        "embedding": {"ids": np.array([[1]], np.int32)},
    }[name.rpartition("-")[0]]
    tensors = [t for n in found.order for t in found.tensors[n] if t in found.in_use]
    if name.startswith("cond_v1"):
        tensors = [t for t in tensors if "_1" not in t and "Switch" not in t and "Tanh" not in t]

    values = Runner(model, mode=Mode.STRICT).fetch(feeds, tensors)

    assert len(values) == len(tensors) > 5


def test_handles_and_references_cannot_be_fetched(built: Built) -> None:
    _, references = of_fixture("small_cnn-ref", built)
    _, handles = of_fixture("embedding-resource", built)
    _, arrays = of_fixture("lstm_while_v1-resource", built)

    assert references.variables >= {"first/kernel"}
    assert references.tensors["first/kernel"] == ()
    assert references.tensors["first/kernel/read"] == ("first/kernel/read",)
    assert handles.tensors["table"] == ()
    assert arrays.tensors["TensorArray"] == ("TensorArray:1",)


def test_tensors_that_nothing_reads_are_not_in_use(built: Built) -> None:
    _, found = of_fixture("small_cnn-ref", built)
    batch_norm = "batch_norm/FusedBatchNormV3"

    assert len(found.tensors[batch_norm]) == 6
    assert found.in_use.intersection(found.tensors[batch_norm]) == {batch_norm}
    assert "prediction" in found.in_use


def test_nodes_that_call_functions_are_told(built: Built) -> None:
    _, loop = of_fixture("lstm_control_flow_v2-ref", built)
    _, flat = of_fixture("lstm_while_v1-ref", built)

    assert (loop.calls, flat.calls) == ({"while"}, frozenset())


def test_nodes_that_no_output_needs_are_left_out() -> None:
    graph_def = graph_of(lambda x: (tf.abs(x, name="y"), tf.negative(x, name="z")))

    assert fetchable(graph_def, ["y"]).order == ("x", "y")


def test_a_deep_graph_is_walked_without_recursion() -> None:
    def build(x: Any) -> object:
        for _ in range(3000):
            x = tf.raw_ops.Abs(x=x)
        return tf.identity(x, name="y")

    assert len(fetchable(graph_of(build), ["y"]).order) == 3002


def test_sizes_follow_from_the_shapes_of_the_inputs() -> None:
    def build(x: Any) -> object:
        large = tf.constant(np.ones((2, 5000), np.float32), name="large")
        return tf.cast(tf.matmul(x, large, name="product"), tf.float16, name="y")

    found = tensor_bytes(graph_of(build), {"x": (3, 2)})

    assert found == {"x": 24, "large": 40_000, "product": 60_000, "y": 30_000}


def test_a_size_that_depends_on_values_is_not_told() -> None:
    found = tensor_bytes(graph_of(lambda x: tf.where(x > 0, name="y")), {"x": (3, 2)})

    assert "x" in found
    assert "y" not in found


def test_of_a_graph_that_takes_no_such_shapes_no_size_is_told() -> None:
    graph_def = graph_of(lambda x: tf.matmul(x, tf.ones((2, 1)), name="y"))

    assert tensor_bytes(graph_def, {"x": (3, 7)}) == {}


def test_attributes_that_matter_are_told() -> None:
    def build(x: Any) -> object:
        image = tf.reshape(x, (1, 2, 1, 1))
        tf.nn.bias_add(image, [1.0], name="bias")
        tf.nn.leaky_relu(image, 0.3, name="leaky")
        return tf.nn.max_pool2d(image, 2, 1, "SAME", name="y")

    graph_def = graph_of(build)

    assert attributes_of(node(graph_def, "bias")) == ("data_format NHWC",)
    assert attributes_of(node(graph_def, "leaky")) == ("alpha 0.3",)
    assert attributes_of(node(graph_def, "y")) == (
        "data_format NHWC", "ksize [1, 2, 2, 1]", "padding SAME", "strides [1, 1, 1, 1]",
    )  # fmt: skip
    assert attributes_of(node(graph_def, "x")) == ()


def test_attributes_that_changed_are_told_be_it_from_the_default() -> None:
    one = node(graph_of(lambda x: tf.matmul(x, x, transpose_b=True, name="y")), "y")
    other = type(one)()
    other.CopyFrom(one)
    other.attr["transpose_a"].b = True
    other.attr["_grappler"].b = True
    del other.attr["transpose_b"]

    assert changed_attributes(one, other) == (
        "transpose_a False became True", "transpose_b True became False",
    )  # fmt: skip
    assert changed_attributes(one, one) == ()


def test_attributes_of_another_op_are_not_held_against_each_other() -> None:
    graph_def = graph_of(lambda x: (tf.abs(x, name="y"), tf.nn.leaky_relu(x, 0.3, name="z")))

    assert changed_attributes(node(graph_def, "y"), node(graph_def, "z")) == ()
