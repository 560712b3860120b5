"""Library functions under other names."""

from __future__ import annotations

import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from fixtures.control_flow import control_flow
from harness.graph.functions import rename_functions


def graph() -> GraphDef:
    """`x` -> `y`, by a function that calls another in one branch of a condition."""
    with control_flow(2), tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (), name="x")

        @tf.function(autograph=False)
        def inner(x: tf.Tensor) -> tf.Tensor:
            return x * 3

        @tf.function(autograph=False)
        def outer(x: tf.Tensor) -> tf.Tensor:
            branches = [lambda: inner(x), lambda: x + 1]
            return tf.cond(x > 0, *branches) + tf.switch_case(tf.cast(x, tf.int32) - 2, branches)

        tf.identity(outer(x), name="y")
        return graph.as_graph_def()


def test_functions_are_renamed_and_still_called() -> None:
    graph_def = graph()
    before = {function.signature.name for function in graph_def.library.function}
    rename_functions(graph_def, suffix="_again")
    after = {function.signature.name for function in graph_def.library.function}
    assert after == {f"{name}_again" for name in before}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(graph_def, name="")
        assert session.run("y:0", {"x:0": 2.0}) == 12.0


def test_a_function_may_be_called_by_its_own_op_and_have_a_gradient() -> None:
    graph_def = GraphDef()
    graph_def.node.add(name="call", op="my_function")
    for name in ("my_function", "my_gradient"):
        graph_def.library.function.add().signature.name = name
    graph_def.library.gradient.add(function_name="my_function", gradient_func="my_gradient")
    rename_functions(graph_def, suffix="_2")
    assert graph_def.node[0].op == "my_function_2"
    gradient = graph_def.library.gradient[0]
    assert (gradient.function_name, gradient.gradient_func) == ("my_function_2", "my_gradient_2")


def test_the_names_of_other_ops_stay() -> None:
    graph_def = GraphDef()
    graph_def.node.add(name="x", op="Placeholder")
    rename_functions(graph_def, suffix="_2")
    assert graph_def.node[0].op == "Placeholder"
