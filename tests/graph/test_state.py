"""The state that a graph holds: variables, tables, pipelines, and what writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef

from harness.graph.state import (
    Resource,
    as_variable,
    input_pipeline,
    nameless,
    placed_variables,
    resource_of,
    tables,
    variable_nodes,
)
from harness.graph.writing import writes


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


def test_a_variable_of_a_function_is_called_after_both() -> None:
    graph_def = GraphDef()
    function = graph_def.library.function.add()
    function.signature.name = "f"
    function.node_def.add(name="w", op="VarHandleOp").attr["dtype"].type = 1
    ((where, node),) = placed_variables(graph_def)
    found = as_variable(node, key="w", function=where)
    assert (found.name, found.function) == ("w of the function f", "f")


def resource(op: str, *, function: str = "", **names: str) -> Resource | None:
    node = NodeDef(name="node", op=op)
    for attribute, value in names.items():
        node.attr[attribute].s = value.encode()
    return resource_of(node, function=function)


@pytest.mark.parametrize("op", ["VarHandleOp", "VariableV2", "Variable"])
@pytest.mark.parametrize("function", ["", "f"])
def test_nodes_of_one_shared_name_and_container_are_one_resource(op: str, function: str) -> None:
    found = resource(op, shared_name="s", function=function)
    assert found == resource(op, shared_name="s", container="localhost")
    assert found != resource(op, shared_name="t")
    assert found != resource(op, shared_name="s", container="c")


def test_reference_and_resource_variables_of_one_name_are_kept_apart() -> None:
    assert resource("VarHandleOp", shared_name="s") != resource("VariableV2", shared_name="s")


def test_without_a_shared_name_a_reference_is_named_after_its_node_and_a_handle_is_not() -> None:
    assert resource("VariableV2") == resource("VariableV2", shared_name="node")
    handle = resource("VarHandleOp", function="f")
    assert handle == resource("VarHandleOp")
    assert handle is not None
    assert handle.name == ""


def test_a_reference_in_a_function_is_nameless_without_a_shared_name() -> None:
    assert resource("VariableV2", function="f") is None
    node = NodeDef(name="w", op="VariableV2")
    node.attr["dtype"].type = 1
    assert nameless(as_variable(node, key="w", function="f")).startswith(
        "variable w of the function f (VariableV2) has no shared_name: "
    )


def test_a_node_without_the_attributes_stays_as_it_is() -> None:
    """So it is written where defaults are stripped."""
    node = NodeDef(name="w", op="VariableV2")
    assert resource_of(node) == Resource(container="localhost", name="w", is_reference=True)
    assert not node.attr


def test_resources_are_what_tensorflow_itself_takes_for_one_variable() -> None:
    """Each variable is given another value, and then all are read by the nodes of the graph."""
    ops = {"VarHandleOp": tf.raw_ops.VarHandleOp, "VariableV2": tf.raw_ops.VariableV2}
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        for op, make in ops.items():
            for name in ("", "a", "b"):
                for container in ("", "localhost", "c"):
                    for node in ("a", "d"):
                        make(dtype=tf.float32, shape=(), container=container, shared_name=name,
                             name=f"{op}/{node}")  # fmt: skip
        nodes = list(variable_nodes(graph.as_graph_def()))
        values = {}
        for index, node in enumerate(nodes):
            values[resource_of(node)] = float(index)
            holder = graph.get_operation_by_name(node.name).outputs[0]
            assign = (
                tf.raw_ops.AssignVariableOp(resource=holder, value=float(index))
                if node.op == "VarHandleOp"
                else tf.raw_ops.Assign(ref=holder, value=float(index)).op
            )
            session.run(assign)
        for node in nodes:
            read = graph.get_operation_by_name(node.name).outputs[0]
            if node.op == "VarHandleOp":
                read = tf.raw_ops.ReadVariableOp(resource=read, dtype=tf.float32)
            assert session.run(read) == values[resource_of(node)]


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


def staging_area() -> None:
    tf.raw_ops.Unstage(dtypes=[tf.float32])


def barrier() -> None:
    handle = tf.raw_ops.Barrier(component_types=[tf.float32])
    tf.raw_ops.BarrierTakeMany(handle=handle, num_elements=1, component_types=[tf.float32])


@pytest.mark.parametrize("build", [iterator, queue, oldest_queue, reader, staging_area, barrier])
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
