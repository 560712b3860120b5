"""What changes a variable is found and named, and so is the variable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.python.framework.function import Defun

from fixtures.control_flow import control_flow
from harness.graph.writing import writes

EITHER_KIND = pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])


def graph_of(build: Callable[[], object]) -> GraphDef:
    with tf.Graph().as_default() as graph:
        build()
        return graph.as_graph_def()


def variable(*, resource: bool, name: str = "w") -> Any:
    return tf.compat.v1.get_variable(name, (2, 3), use_resource=resource)


def sentences(build: Callable[[], object]) -> list[str]:
    """What is said of the writes that `build` adds to the initialisation of its variables."""
    found = [str(write) for write in writes(graph_of(build))]
    return [text for text in found if "/Assign (" not in text]


WRITES: dict[str, Callable[[Any], object]] = {
    "Assign": lambda w: tf.compat.v1.assign(w, tf.zeros((2, 3))),
    "AssignAdd": lambda w: tf.compat.v1.assign_add(w, tf.zeros((2, 3))),
    "ScatterUpdate": lambda w: tf.compat.v1.scatter_update(w, [0], [[0.0, 0.0, 0.0]]),
    "ApplyGradientDescent": lambda w: tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(
        tf.reduce_sum(w)
    ),
    "SparseApplyAdagrad": lambda w: tf.compat.v1.train.AdagradOptimizer(0.1).minimize(
        tf.reduce_sum(tf.gather(w, [0]))
    ),
}


@pytest.mark.parametrize("op", WRITES)
@EITHER_KIND
def test_what_changes_a_variable_is_a_write(resource: bool, op: str) -> None:
    said = sentences(lambda: WRITES[op](variable(resource=resource)))
    assert said
    assert all("which writes w: a model that changes its own state" in text for text in said)


def test_a_counter_is_written_by_what_counts_it_up() -> None:
    def build() -> None:
        steps = tf.compat.v1.get_variable("steps", initializer=0, use_resource=True)
        tf.raw_ops.ResourceCountUpTo(resource=steps.handle, limit=9, T=tf.int32, name="count")
        reference = tf.compat.v1.get_variable("old_steps", initializer=0, use_resource=False)
        tf.raw_ops.CountUpTo(ref=reference._ref(), limit=9, name="old_count")

    first, second = sentences(build)
    assert first.startswith("the output depends on count (ResourceCountUpTo), which writes steps:")
    assert second.startswith("the output depends on old_count (CountUpTo), which writes old_steps:")


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


def in_a_function(w: Any) -> None:
    @tf.function(autograph=False)
    def inner() -> Any:
        tf.raw_ops.AssignAddVariableOp(resource=w.handle, value=tf.ones((2, 3)), name="add")
        return tf.ones(())

    tf.function(inner, autograph=False)()


def in_a_function_of_tensorflow_1(w: Any) -> None:
    @Defun()  # type: ignore[untyped-decorator]
    def function() -> Any:
        tf.raw_ops.AssignAddVariableOp(resource=w.handle, value=tf.ones((2, 3)), name="add")
        return tf.ones(())

    function()


def in_a_loop(w: Any) -> None:
    def body(i: Any) -> Any:
        tf.raw_ops.AssignAddVariableOp(resource=w.handle, value=tf.ones((2, 3)), name="add")
        return i + 1

    with control_flow(2):
        tf.while_loop(lambda i: i < 2, body, [0])


@pytest.mark.parametrize("build", [in_a_function, in_a_function_of_tensorflow_1, in_a_loop])
def test_in_a_function_the_callers_variable_is_named_and_no_argument(
    build: Callable[[Any], None],
) -> None:
    (said,) = sentences(lambda: build(variable(resource=True)))
    assert "add (AssignAddVariableOp) of the function " in said
    assert ", which writes w: " in said


def test_a_reference_variable_that_a_function_holds_and_writes_is_named_with_it() -> None:
    def build() -> None:
        @tf.function(autograph=False)
        def function() -> Any:
            w = tf.raw_ops.VariableV2(shape=(), dtype=tf.float32, shared_name="s", name="inner")
            return tf.identity(tf.raw_ops.Assign(ref=w, value=1.0))

        function()

    (write,) = writes(graph_of(build))
    assert write.variables.startswith("inner of the function __inference_function_")


@pytest.mark.parametrize("version", [1, 2])
def test_a_write_in_a_branch_is_named_with_the_variable_outside(version: int) -> None:
    def build() -> None:
        w = variable(resource=True)

        def chosen() -> Any:
            with tf.control_dependencies([tf.compat.v1.assign_add(w, tf.ones((2, 3)))]):
                return tf.ones(())

        with control_flow(version):
            tf.cond(tf.compat.v1.placeholder(tf.bool, ()), chosen, lambda: tf.zeros(()))

    (said,) = sentences(build)
    assert ", which writes w: " in said


def test_what_is_written_for_the_time_of_a_run_is_no_state() -> None:
    """As in the sums of `tf.accumulate_n` of TensorFlow 1."""

    def build() -> None:
        total = tf.raw_ops.TemporaryVariable(shape=(2,), dtype=tf.float32, var_name="total")
        first = tf.raw_ops.Assign(ref=total, value=tf.zeros((2,)))
        added = tf.raw_ops.AssignAdd(ref=first, value=tf.ones((2,)))
        tf.raw_ops.DestroyTemporaryVariable(ref=added, var_name="total")

    assert not writes(graph_of(build))
