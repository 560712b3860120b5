"""A handle or a reference is followed back to the node that it comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.python.framework.function import Defun

from fixtures.control_flow import control_flow
from harness.graph.functions import placed_nodes
from harness.graph.tracing import Origin, Tracer

Build = Callable[[Any], object]


def variable(name: str = "w", *, resource: bool = True) -> Any:
    return tf.compat.v1.get_variable(name, (2, 3), use_resource=resource)


def read(handle: Any) -> Any:
    return tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32, name="the_read")


def origins_of_the_read(build: Callable[[], object]) -> set[str]:
    """Where the handle that the node `the_read` reads comes from, by name."""
    with tf.Graph().as_default() as graph:
        build()
        graph_def = graph.as_graph_def()
    found = {
        origin.node
        for function, node in placed_nodes(graph_def)
        if "the_read" in node.name
        for origin in Tracer(graph_def).origins(node.input[0], function=function)
    }
    assert found
    return found


def test_a_variable_that_is_read_where_it_stands_is_its_own_origin() -> None:
    with tf.Graph().as_default() as graph:
        read(variable().handle)
        tracer = Tracer(graph.as_graph_def())
    assert tracer.origins("w:0") == [Origin(function="", node="w", op="VarHandleOp")]


def through_identity_and_switch() -> None:
    handle = tf.raw_ops.Switch(data=tf.identity(variable().handle), pred=True).output_true
    read(handle)


def through_a_loop_of_tensorflow_1() -> None:
    w = variable()
    with control_flow(1):
        tf.while_loop(lambda i: i < 3, lambda i: i + tf.size(read(w.handle)), [0])


def through_a_loop_of_tensorflow_2() -> None:
    w = variable()
    with control_flow(2):
        tf.while_loop(lambda i: i < 3, lambda i: i + tf.size(read(w.handle)), [0])


def through_a_branch() -> None:
    """A branch's first argument is the second input of its node."""
    w, flag = variable(), tf.compat.v1.placeholder(tf.bool, ())
    with control_flow(2):
        tf.cond(flag, lambda: read(w.handle), lambda: tf.zeros((2, 3)))


def through_two_functions() -> None:
    w = variable()

    @tf.function(autograph=False)
    def inner() -> Any:
        return read(w.handle)

    tf.function(lambda: inner() + 1.0, autograph=False)()


def through_functions_of_tensorflow_1() -> None:
    w = variable()

    @Defun()  # type: ignore[untyped-decorator]
    def inner() -> Any:
        return read(w.handle)

    @Defun()  # type: ignore[untyped-decorator]
    def outer() -> Any:
        return inner()

    outer()


@pytest.mark.parametrize(
    "build",
    [
        through_identity_and_switch,
        through_a_loop_of_tensorflow_1,
        through_a_loop_of_tensorflow_2,
        through_a_branch,
        through_two_functions,
        through_functions_of_tensorflow_1,
    ],
    ids=lambda build: build.__name__,
)
def test_a_handle_is_followed(build: Callable[[], None]) -> None:
    assert origins_of_the_read(build) == {"w"}


def test_a_function_that_is_called_with_two_variables_has_two_origins() -> None:
    def build() -> None:
        function = tf.function(read, autograph=False)
        for name in ("w", "v"):
            function(variable(name).handle)

    assert origins_of_the_read(build) == {"w", "v"}


def test_where_two_branches_merge_either_may_be_the_origin() -> None:
    def build() -> None:
        handles = [variable(name).handle for name in ("w", "v")]
        read(tf.raw_ops.Merge(inputs=handles).output)

    assert origins_of_the_read(build) == {"w", "v"}


def test_what_an_assignment_gives_on_is_its_variable() -> None:
    with tf.Graph().as_default() as graph:
        assigned = tf.raw_ops.Assign(ref=variable(resource=False)._ref(), value=tf.zeros((2, 3)))
        switched = tf.raw_ops.RefSwitch(data=assigned, pred=True).output_true
        tracer = Tracer(graph.as_graph_def())
    assert tracer.origins(switched.name) == [Origin(function="", node="w", op="VariableV2")]


def test_a_variable_of_a_function_is_told_with_its_function() -> None:
    graph_def = GraphDef()
    function = graph_def.library.function.add()
    function.signature.name = "f"
    function.node_def.add(name="w", op="VarHandleOp")
    origins = Tracer(graph_def).origins("w:resource:0", function="f")
    assert origins == [Origin(function="f", node="w", op="VarHandleOp")]


def test_an_argument_of_a_function_that_nothing_calls_is_as_far_as_it_goes() -> None:
    graph_def = GraphDef()
    function = graph_def.library.function.add()
    function.signature.name = "f"
    function.signature.input_arg.add(name="handle")
    origins = Tracer(graph_def).origins("handle", function="f")
    assert origins == [Origin(function="f", node="handle", op="")]


def test_a_name_that_is_no_node_is_as_far_as_it_goes() -> None:
    assert Tracer(GraphDef()).origins("gone") == [Origin(function="", node="gone", op="")]


def test_a_graph_that_runs_in_a_circle_ends() -> None:
    graph_def = GraphDef()
    graph_def.node.add(name="a", op="Identity", input=["b"])
    graph_def.node.add(name="b", op="Identity", input=["a"])
    assert Tracer(graph_def).origins("a") == []
