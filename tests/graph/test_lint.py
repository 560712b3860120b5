"""What is said of a graph by looking at it: obstacles and warnings."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from harness.domain import Domain, Range
from harness.graph.extract import extract
from harness.graph.lint import (
    narrow_warnings,
    obstacle,
    random_warning,
    static_warnings,
    warnings,
)
from harness.models.assemble import Named, assemble
from harness.verdict import ModelWarning


def graph_of(build: Callable[[], object]) -> GraphDef:
    with tf.Graph().as_default() as graph:
        build()
        return graph.as_graph_def()


def counter(*, resource: bool) -> None:
    w = tf.compat.v1.get_variable("steps", initializer=0.0, use_resource=resource)
    tf.compat.v1.assign_add(w, 1.0)


@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
def test_a_write_on_the_path_is_an_obstacle_named_with_its_variable(resource: bool) -> None:
    reason = obstacle(graph_of(lambda: counter(resource=resource)))
    assert "writes steps" in reason
    assert "(Assign" in reason


def test_a_lookup_table_is_an_obstacle() -> None:
    def build() -> None:
        initializer = tf.lookup.KeyValueTensorInitializer(["a"], [1])
        tf.lookup.StaticHashTable(initializer, -1, name="words")

    assert "words" in obstacle(graph_of(build))


def looked_up_in_a_function() -> None:
    initializer = tf.lookup.KeyValueTensorInitializer(["a"], [1])
    table = tf.lookup.StaticHashTable(initializer, -1, name="words")
    inner = tf.function(table.lookup, autograph=False)
    tf.function(inner, autograph=False)(tf.constant(["a"]))


def held_by_a_function() -> None:
    def function() -> tf.Tensor:
        table = tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, name="words")
        return tf.raw_ops.LookupTableSizeV2(table_handle=table)

    tf.function(function, autograph=False)()


def mutable_table() -> None:
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1, name="words")
    table.lookup(tf.constant(["a"]))


def table_of_the_oldest_graphs() -> None:
    handle = tf.raw_ops.HashTable(key_dtype=tf.string, value_dtype=tf.int64, name="words")
    tf.raw_ops.LookupTableSize(table_handle=handle)


@pytest.mark.parametrize(
    "build",
    [looked_up_in_a_function, held_by_a_function, mutable_table, table_of_the_oldest_graphs],
    ids=lambda build: build.__name__,
)
def test_a_lookup_table_of_any_kind_is_an_obstacle(build: Callable[[], None]) -> None:
    reason = obstacle(graph_of(build))
    assert reason.startswith("lookup tables (words, ")
    assert "initialisers must still be run" in reason


def oldest_queue() -> None:
    handle = tf.raw_ops.FIFOQueue(component_types=[tf.float32])
    tf.raw_ops.QueueDequeue(handle=handle, component_types=[tf.float32], name="batch")


def queue() -> None:
    tf.queue.FIFOQueue(3, [tf.float32]).dequeue(name="batch")


@pytest.mark.parametrize("build", [queue, oldest_queue])
def test_an_input_pipeline_is_an_obstacle_with_a_remedy(build: Callable[[], object]) -> None:
    reason = obstacle(graph_of(build))
    assert "batch" in reason
    assert "--inputs NAME" in reason


def python_function() -> None:
    tf.numpy_function(np.tanh, [1.0], tf.float32, name="squash")


def stateless_python_function() -> None:
    tf.numpy_function(np.tanh, [1.0], tf.float32, stateful=False, name="squash")


def eager_python_function() -> None:
    tf.py_function(lambda x: x, [1.0], tf.float32, name="squash")


@pytest.mark.parametrize(
    ("build", "op"),
    [
        (python_function, "PyFunc"),
        (stateless_python_function, "PyFuncStateless"),
        (eager_python_function, "EagerPyFunc"),
    ],
)
def test_a_python_function_is_an_obstacle(build: Callable[[], None], op: str) -> None:
    assert obstacle(graph_of(build)) == (
        f"squash ({op}) calls a Python function, which lives in the process that built the graph "
        f"and not in the file: a model that needs it cannot be frozen"
    )


def test_a_python_function_inside_a_function_is_an_obstacle() -> None:
    assert "squash (PyFunc)" in obstacle(graph_of(tf.function(python_function, autograph=False)))


def of_ops(*ops: str) -> GraphDef:
    graph_def = GraphDef()
    for op in ops:
        graph_def.node.add(name=f"my_{op}", op=op, input=["generator/state"])
    return graph_def


@pytest.mark.parametrize(
    "op",
    [
        "RngReadAndSkip",
        "RngSkip",
        "StatefulRandomBinomial",
        "StatefulStandardNormal",
        "StatefulStandardNormalV2",
        "StatefulTruncatedNormal",
        "StatefulUniform",
        "StatefulUniformFullInt",
        "StatefulUniformInt",
    ],
)
def test_a_generator_whose_state_is_a_variable_is_an_obstacle(op: str) -> None:
    assert obstacle(of_ops(op)) == (
        f"the output depends on my_{op} ({op}), which changes the state that generator/state holds "
        f"each time it runs: a model that draws from tf.random.Generator cannot be frozen"
    )


def test_a_generator_that_a_function_draws_from_is_named_by_its_variable() -> None:
    def build() -> None:
        generator = tf.random.Generator.from_seed(1)
        tf.identity(tf.function(lambda: generator.normal([3]), autograph=False)(), name="y")

    reason = obstacle(extract(graph_of(build), inputs=(), outputs=["y"]))
    assert "(RngReadAndSkip) of the function " in reason
    assert "the state that random_generator/StateVar holds" in reason


def test_what_tensorflow_s_own_generator_puts_into_a_graph_is_an_obstacle() -> None:
    def build() -> None:
        handle = tf.raw_ops.VarHandleOp(dtype=tf.int64, shape=[3], name="state")
        state = tf.raw_ops.RngReadAndSkip(resource=handle, alg=1, delta=1, name="skip")
        tf.identity(state)

    reason = obstacle(graph_of(build))
    assert "skip (RngReadAndSkip)" in reason
    assert "the state that state holds" in reason


@pytest.mark.parametrize("op", ["StatefulPartitionedCall", "StatelessRandomUniform"])
def test_other_stateful_and_random_ops_are_no_obstacle(op: str) -> None:
    assert not obstacle(of_ops(op))


def test_an_input_pipeline_that_calls_python_is_told_with_its_remedy() -> None:
    assert "--inputs NAME" in obstacle(of_ops("PyFunc", "RngSkip", "IteratorGetNext"))


def test_nothing_stands_in_the_way_of_variables_that_are_only_read() -> None:
    graph_def = GraphDef()
    graph_def.node.add(name="w", op="VarHandleOp")
    graph_def.node.add(name="y", op="ReadVariableOp", input=["w"])
    assert not obstacle(graph_def)


def test_a_checkpoint_of_which_no_weight_reaches_the_output_is_suspicious() -> None:
    (warning,) = warnings(variables=0, saved_tensors=5)
    assert warning.code == "no_weight"
    assert "no variable of the checkpoint reaches the output" in warning.message


def test_a_graph_with_weights_or_without_a_checkpoint_is_not() -> None:
    assert not warnings(variables=1, saved_tensors=5)
    assert not warnings(variables=0, saved_tensors=0)


def test_an_input_that_no_output_depends_on_is_suspicious() -> None:
    (warning,) = warnings(variables=1, saved_tensors=5, unused_inputs=("rate", "keep"))
    assert warning.code == "unused_input"
    assert "rate, keep" in warning.message
    assert warning.nodes == ("rate", "keep")


def test_a_random_op_is_named_by_op_and_node() -> None:
    warning = random_warning(graph_of(lambda: tf.nn.dropout(tf.ones((4,)), rate=0.5, name="drop")))
    assert warning.code == "random_op"
    assert "RandomUniform" in warning.message
    assert "dropout" in warning.message
    assert warning.nodes[0].startswith("drop")


def test_a_random_op_in_a_function_is_named_too() -> None:
    def build() -> None:
        @tf.function(autograph=False)
        def function() -> tf.Tensor:
            return tf.random.normal((), name="noise")

        # A node outside the function, of the same name as the random one inside.
        tf.add(function(), 1.0, name="noise/RandomStandardNormal")

    warning = random_warning(graph_of(build))
    assert "RandomStandardNormal" in warning.message
    assert "Add" not in warning.message
    assert warning.nodes == ("noise/RandomStandardNormal",)


def test_weights_before_a_cut_are_warned_of() -> None:
    (warning,) = warnings(variables=1, saved_tensors=5, cut_off=("body/w",))
    assert warning.code == "cut_off"
    assert "body/w lie before the input pipeline" in warning.message


def test_an_input_of_which_one_value_was_read_is_warned_of() -> None:
    domains = {
        "ids": Domain(values=Range(low=0, high=0), read_from="lookup"),
        "stated": Domain(values=Range(low=0, high=0)),
        "wide": Domain(values=Range(low=0, high=1), read_from="lookup"),
    }
    (warning,) = narrow_warnings(domains)
    assert (warning.code, warning.nodes) == ("narrow_input", ("ids",))
    assert "fed 0 alone" in warning.message
    assert "lookup" in warning.message


def static(
    build: Callable[[], object], *outputs: str, inputs: tuple[str, ...] = (), **options: Any
) -> list[ModelWarning]:
    """What is suspicious about the graph that computes `outputs` from its placeholders."""
    named = Named(inputs=inputs, outputs=outputs)
    model = assemble(graph_of(build), path=Path("a_test"), kind="frozen", named=named, entries={})
    return list(static_warnings(model.graph_def, model.signature, **options))


def layer() -> tf.Tensor:
    x = tf.compat.v1.placeholder(tf.float32, (None, 4, 4, 3), name="x")
    return tf.nn.conv2d(x, tf.ones((1, 1, 3, 8)), 1, "SAME", name="conv")


def test_a_sound_graph_is_not_suspicious() -> None:
    assert static(lambda: tf.nn.softmax(layer(), name="y"), "y") == []


def test_batch_normalisation_as_in_training_is_named_with_the_remedy() -> None:
    def build() -> None:
        ones = tf.ones(8)
        normal, _, _ = tf.compat.v1.nn.fused_batch_norm(layer(), ones, ones, name="norm")
        tf.nn.relu(normal, name="y")

    (warning,) = static(build, "y")
    assert (warning.code, warning.nodes) == ("training_batch_norm", ("norm",))
    assert re.search(r"^norm normalises by .* as in training.*training=False", warning.message)


def test_averages_that_nothing_reads_are_named_with_the_option() -> None:
    (warning,) = static(lambda: tf.nn.softmax(layer(), name="y"), "y", unread_averages=("w", "b"))
    assert (warning.code, warning.nodes) == ("unread_average", ("w", "b"))
    assert re.search(r"averages of w, b, .* give --moving-averages", warning.message)


def test_an_op_that_reads_a_file_is_named_with_the_remedy() -> None:
    def build() -> None:
        scale = tf.io.decode_raw(tf.io.read_file("scale.bin", name="scale"), tf.float32)
        tf.multiply(layer(), scale, name="y")

    (warning,) = static(build, "y", inputs=("x",))
    assert (warning.code, warning.nodes) == ("file_op", ("scale",))
    assert re.search(r"scale \(ReadFile\) reaches files.* --inputs NAME", warning.message)


def test_a_decision_is_named_with_the_tensor_to_verify() -> None:
    (warning,) = static(lambda: tf.argmax(layer(), 3, name="y"), "y")
    assert (warning.code, warning.nodes) == ("argmax_output", ("y",))
    assert re.search(r"^y is decided by ArgMax .* --outputs=y,conv$", warning.message)


def test_an_output_that_no_input_reaches_is_named() -> None:
    def build() -> None:
        tf.nn.softmax(layer(), name="y")
        tf.multiply(tf.constant([1.0, 2.0]), 2.0, name="fixed")

    (warning,) = static(build, "y", "fixed")
    assert (warning.code, warning.nodes) == ("ignored_input", ("fixed",))
    assert re.search(r"^fixed depends on no input", warning.message)


def test_one_that_a_function_gives_beside_others_is_named() -> None:
    def build() -> None:
        both = tf.function(lambda t: (t * 2.0, tf.constant(1.0) * 3.0), autograph=False)
        both(layer())

    (warning,) = static(build, "PartitionedCall", "PartitionedCall:1")
    assert warning.nodes == ("PartitionedCall:1",)


@pytest.mark.parametrize(
    "other",
    [
        lambda: tf.identity(tf.constant(["cat", "dog"]), name="other"),
        lambda: tf.random.normal((2,), name="other"),
        lambda: tf.shape(layer(), name="other"),
    ],
    ids=["names of classes", "random numbers", "a shape"],
)
def test_other_outputs_are_right(other: Callable[[], object]) -> None:
    def build() -> None:
        tf.compat.v1.placeholder(tf.float32, (None,), name="data")
        tf.nn.relu(tf.compat.v1.get_default_graph().get_tensor_by_name("data:0"), name="y")
        other()

    assert static(build, "y", "other") == []


def test_a_model_of_which_no_output_is_reached_is_left_to_its_examples() -> None:
    assert static(lambda: tf.multiply(tf.constant([1.0, 2.0]), 2.0, name="y"), "y") == []
