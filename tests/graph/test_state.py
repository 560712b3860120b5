"""The state that a graph holds: variables, tables, pipelines, and what writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from harness.graph.state import as_variable, input_pipeline, tables, variable_nodes, writes


def graph_of(build: Callable[[], object]) -> GraphDef:
    with tf.Graph().as_default() as graph:
        build()
        return graph.as_graph_def()


def variable(*, resource: bool, dtype: Any = tf.float32) -> Any:
    return tf.compat.v1.get_variable("w", (2, 3), dtype, use_resource=resource)


@pytest.mark.parametrize("resource", [False, True])
def test_a_variable_has_dtype_shape_and_kind(resource: bool) -> None:
    graph_def = graph_of(lambda: variable(resource=resource, dtype=tf.float64))
    (node,) = variable_nodes(graph_def)
    found = as_variable(node, key="saved_as")
    assert (found.name, found.dtype, found.shape) == ("w", "float64", (2, 3))
    assert found.key == "saved_as"
    assert found.is_resource is resource


def test_a_variable_of_a_function_is_found() -> None:
    graph_def = GraphDef()
    graph_def.library.function.add().node_def.add(name="w", op="VarHandleOp")
    assert [node.name for node in variable_nodes(graph_def)] == ["w"]


def lookup() -> None:
    initializer = tf.lookup.KeyValueTensorInitializer(["a"], [1])
    tf.lookup.StaticHashTable(initializer, -1, name="words").lookup(tf.constant(["a"]))


def test_a_lookup_table_is_found_and_is_no_write() -> None:
    graph_def = graph_of(lookup)
    assert {"words", "words_Lookup/LookupTableFindV2"} <= set(tables(graph_def))
    assert not writes(graph_def)


def iterator() -> None:
    tf.compat.v1.data.make_one_shot_iterator(tf.data.Dataset.range(3)).get_next()


def queue() -> None:
    tf.queue.FIFOQueue(3, [tf.float32], shapes=[()]).dequeue()


def oldest_queue() -> None:
    handle = tf.raw_ops.FIFOQueue(component_types=[tf.float32])
    tf.raw_ops.QueueDequeue(handle=handle, component_types=[tf.float32])


def reader() -> None:
    names = tf.queue.FIFOQueue(3, [tf.string], shapes=[()])
    tf.compat.v1.WholeFileReader().read(names)


@pytest.mark.parametrize("build", [iterator, queue, oldest_queue, reader])
def test_an_input_pipeline_is_found_and_is_no_write(build: Callable[[], object]) -> None:
    graph_def = graph_of(build)
    assert input_pipeline(graph_def)
    assert not writes(graph_def)


def oldest_table() -> None:
    handle = tf.raw_ops.HashTable(key_dtype=tf.string, value_dtype=tf.int64)
    tf.raw_ops.LookupTableFind(
        table_handle=handle, keys=["a"], default_value=tf.constant(0, tf.int64)
    )


def test_a_table_of_the_oldest_graphs_is_found_and_is_no_write() -> None:
    graph_def = graph_of(oldest_table)
    assert len(tables(graph_def)) == 2
    assert not writes(graph_def)


def test_a_graph_of_arithmetic_holds_no_state() -> None:
    graph_def = graph_of(lambda: tf.matmul(tf.zeros((2, 2)), tf.zeros((2, 2))))
    assert not tables(graph_def)
    assert not input_pipeline(graph_def)
    assert not writes(graph_def)
    assert not list(variable_nodes(graph_def))


WRITES: dict[str, Callable[[Any], object]] = {
    "Assign": lambda w: tf.compat.v1.assign(w, tf.zeros((2, 3))),
    "AssignAdd": lambda w: tf.compat.v1.assign_add(w, tf.zeros((2, 3))),
    "ScatterUpdate": lambda w: tf.compat.v1.scatter_update(w, [0], [[0.0, 0.0, 0.0]]),
    "ApplyGradientDescent": lambda w: tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(
        tf.reduce_sum(w)
    ),
    "ApplyAdam": lambda w: tf.compat.v1.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(w)),
}


@pytest.mark.parametrize("op", WRITES)
@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
def test_what_changes_a_variable_is_a_write(resource: bool, op: str) -> None:
    def build() -> None:
        before = variable(resource=resource)
        count.append(len(writes(tf.compat.v1.get_default_graph().as_graph_def())))
        WRITES[op](before)

    count: list[int] = []
    assert len(writes(graph_of(build))) > count[0]


def test_reads_are_no_writes() -> None:
    def build() -> None:
        handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=(2, 3), shared_name="w")
        tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)
        tf.raw_ops.ResourceGather(resource=handle, indices=[0], dtype=tf.float32)
        tf.raw_ops.VariableShape(input=handle)
        tf.raw_ops.VarIsInitializedOp(resource=handle)
        reference = tf.raw_ops.VariableV2(shape=(2, 3), dtype=tf.float32)
        tf.raw_ops.IsVariableInitialized(ref=reference)
        tf.raw_ops.RefSwitch(data=reference, pred=True)

    assert not writes(graph_of(build))
