"""What writes a value that another reads who waits for it, and does not read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from fixtures.control_flow import control_flow
from harness.graph.normal.graph import NormalGraph
from tests.graph.normal.walking import difference, form_of, ops

tf1 = tf.compat.v1
raw = tf.raw_ops


def after(waited: Any, read: Callable[[], Any]) -> Any:
    with tf.control_dependencies(waited):
        return read()


def accumulated(x: Any, *summands: Any) -> Any:
    sums = raw.TemporaryVariable(shape=[2], dtype=tf.float32, var_name="sums")
    begun = raw.Assign(ref=sums, value=tf.zeros([2]))
    added = [raw.AssignAdd(ref=begun, value=each) for each in (x, *summands)]
    return after(added, lambda: raw.DestroyTemporaryVariable(ref=begun, var_name="sums"))


def pushed(x: Any) -> Any:
    stack = raw.StackV2(max_size=5, elem_type=tf.float32)
    push = raw.StackPushV2(handle=stack, elem=x)
    return after([push], lambda: raw.StackPopV2(handle=stack, elem_type=tf.float32))


def put(write: Callable[[Any, Any], Any]) -> Any:
    array, flow = raw.TensorArrayV3(size=1, dtype=tf.float32, clear_after_read=False)
    return after(
        [write(array, flow)],
        lambda: raw.TensorArrayReadV3(handle=array, index=0, flow_in=flow, dtype=tf.float32),
    )


def written(x: Any) -> Any:
    return put(lambda a, f: raw.TensorArrayWriteV3(handle=a, index=0, value=x, flow_in=f))


def scattered(x: Any) -> Any:
    return put(
        lambda a, f: raw.TensorArrayScatterV3(handle=a, indices=[0], value=x[None], flow_in=f)
    )


def split(x: Any) -> Any:
    return put(lambda a, f: raw.TensorArraySplitV3(handle=a, lengths=[2], value=x, flow_in=f))


def assigned(x: Any) -> Any:
    variable = tf1.get_variable("v", (2,), use_resource=False)
    return after([variable.assign_add(x, read_value=False)], lambda: variable * 1.0)


def updated(x: Any) -> Any:
    variable = tf1.get_variable("v", (3, 2), use_resource=False)
    return after([tf1.scatter_update(variable, [0], x[None]).op], lambda: variable[0] * 1.0)


WRITERS = [accumulated, pushed, written, scattered, split, assigned, updated]


def form(build: Callable[[Any], Any]) -> NormalGraph:
    """The normal form of tanh(build(x)), x being two numbers."""
    return form_of(lambda x: tf.tanh(build(tf.reshape(x, [-1])[:2]), name="y"))


@pytest.fixture(autouse=True)
def control_flow_of_tensorflow_1() -> Any:
    with control_flow(1):
        yield


@pytest.mark.parametrize("write", WRITERS, ids=lambda each: each.__name__)
def test_what_is_written_is_told(write: Callable[[Any], Any]) -> None:
    one, same, other = (form(lambda x, k=k: write(x * k)) for k in (1.0, 1.0, 2.0))
    assert not difference(one, same)
    assert difference(one, other)


def test_a_summand_that_is_dropped_is_told() -> None:
    assert difference(form(lambda x: accumulated(x, tf.exp(x))), form(accumulated))


def test_the_side_on_which_something_is_written_is_told() -> None:
    def branch(x: Any, side: int) -> Any:
        sides = raw.Switch(data=x, pred=tf.reduce_sum(x) > 0)
        array, flow = raw.TensorArrayV3(size=1, dtype=tf.float32, clear_after_read=False)
        with tf.control_dependencies([tf.identity(sides[side])]):
            value = tf.constant([1.0, 2.0])
        write = raw.TensorArrayWriteV3(handle=array, index=0, value=value, flow_in=flow)
        ends = [tf.identity(each) for each in sides]
        ends[side] = after([write], lambda: tf.identity(sides[side]))
        return raw.Merge(inputs=ends)[0]

    assert difference(form(lambda x: branch(x, 0)), form(lambda x: branch(x, 1)))


def test_an_array_that_a_loop_writes_and_that_is_read_guards_nothing() -> None:
    def build(x: Any) -> Any:
        array = tf.TensorArray(tf.float32, 3)
        loop = tf1.while_loop(
            lambda i, _: i < 3,
            lambda i, a: (i + 1, a.write(i, x * tf.cast(i, tf.float32))),
            [0, array],
        )
        with tf.control_dependencies([loop[0]]):
            return loop[1].stack()

    graph = form(build)
    assert "TensorArrayWriteV3" in ops(graph)
    assert not any(node.guards for node in graph.nodes)
