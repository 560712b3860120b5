"""Conditions and loops, as functions or as Switch and Merge, are one form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from fixtures.control_flow import control_flow
from fixtures.small_graphs import frozen
from harness.graph.freezing import freeze
from harness.graph.normal.graph import NormalGraph
from tests.graph.normal.walking import difference, form, form_of, lowered, only, ops, value_of

tf1 = tf.compat.v1
MATRIX = tf.TensorSpec((2, 2), tf.float32, name="x")
NUMBER = tf.TensorSpec((), tf.float32, name="p")


def chosen(x: Any, p: Any) -> Any:
    return tf.cond(p > 0.0, lambda: x + p, lambda: tf.constant(2.0) * x)


def chosen_constants(x: Any, p: Any) -> Any:
    return x * tf.cond(p > 0.0, lambda: tf.constant(1.0), lambda: tf.constant(2.0))


def chosen_in_choice(x: Any, p: Any) -> Any:
    def inner() -> Any:
        return tf.cond(p > 1.0, lambda: tf.constant(1.0), lambda: tf.constant(3.0) + p)

    return x * tf.cond(p > 0.0, inner, lambda: tf.constant(2.0))


def one_of_three(x: Any, p: Any) -> Any:
    branches = [lambda: x, lambda: tf.constant([[1.0, 2.0]]) + x, lambda: x * p]
    return tf.switch_case(tf.cast(p, tf.int32), branches)


def looped(x: Any, p: Any) -> Any:
    def body(i: Any, y: Any, unchanged: Any) -> Any:
        return i + 1, tf.matmul(y, unchanged) * p, unchanged

    return tf.while_loop(lambda i, *_: i < 3, body, [0, x, x + 1.0])[1]


def loop_in_loop(x: Any, p: Any) -> Any:
    def inner(i: Any, y: Any) -> Any:
        return tf.while_loop(lambda j, _: j < i, lambda j, z: (j + 1, tf.matmul(z, x)), [0, y])[1]

    return tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, inner(i, y) + p), [0, x])[1]


def choice_in_loop(x: Any, p: Any) -> Any:
    def body(i: Any, y: Any) -> Any:
        return i + 1, tf.cond(p > tf.cast(i, tf.float32), lambda: y + x, lambda: tf.ones((2, 2)))

    return tf.while_loop(lambda i, _: i < 3, body, [0, x])[1]


def mapped(x: Any, p: Any) -> Any:
    return tf.map_fn(lambda row: tf.reduce_sum(row) + p, x)


CASES = [chosen, chosen_constants, chosen_in_choice, one_of_three, looped, loop_in_loop,
         choice_in_loop, mapped]  # fmt: skip


@pytest.mark.parametrize("function", CASES, ids=lambda each: each.__name__)
def test_what_tensorflow_lowers_is_lowered_likewise(function: Callable[..., Any]) -> None:
    functional, flat = lowered(function, MATRIX, NUMBER)
    assert not difference(functional, flat)
    assert {"Merge", "Switch", "_SwitchN"} & set(ops(functional))


def functional(build: Callable[[Any], Any]) -> GraphDef:
    """The graph of `build`, with the control flow of TensorFlow 2."""
    with control_flow(2):
        graph_def = frozen(build, shape=(2, 2)).graph_def
    assert {"StatelessIf", "If", "While", "StatelessWhile"} & {n.op for n in graph_def.node}
    return graph_def


def of_tensorflow_1(build: Callable[[Any], Any]) -> NormalGraph:
    """The normal form of the graph of `build`, with the control flow of TensorFlow 1."""
    with control_flow(1):
        graph_def = frozen(build, shape=(2, 2)).graph_def
    assert "Merge" in {node.op for node in graph_def.node}
    return form(graph_def)


@pytest.mark.parametrize("made", [lambda b: form(functional(b)), of_tensorflow_1], ids=["2", "1"])
def test_branches_of_constants_alone_that_are_swapped_are_told(
    made: Callable[[Callable[[Any], Any]], NormalGraph],
) -> None:
    def choosing(first: float, second: float) -> Callable[[Any], Any]:
        def build(x: Any) -> None:
            flag = tf.reduce_sum(x) > 0
            chosen = tf.cond(flag, lambda: tf.constant(first), lambda: tf.constant(second))
            tf.identity(chosen, name="y")

        return build

    one = made(choosing(1.0, 2.0))
    assert not difference(one, made(choosing(1.0, 2.0)))
    assert difference(one, made(choosing(2.0, 1.0)))
    # Which constant is given hangs on control edges alone.
    assert sorted(side for ((_, side),) in value_of(only(one, "Merge"), "alive")) == [0, 1]


def test_control_edges_that_are_swapped_are_told() -> None:
    def build(x: Any) -> None:
        flag = tf.reduce_sum(x) > 0
        tf.identity(tf.cond(flag, lambda: tf.constant(1.0), lambda: tf.constant(2.0)), name="y")

    with control_flow(1):
        graph_def = frozen(build).graph_def
    before = form(graph_def)
    pivots = {"^cond/switch_t": "^cond/switch_f", "^cond/switch_f": "^cond/switch_t"}
    swapped = 0
    for node in graph_def.node:
        if node.op == "Const" and node.input and node.input[0] in pivots:
            node.input[0] = pivots[node.input[0]]
            swapped += 1
    assert swapped == 2
    assert difference(before, form(graph_def))


def test_the_conditions_of_each_input_of_a_merge_are_told() -> None:
    def build(x: Any, second: int) -> None:
        flags = [tf.reduce_sum(x) > 0, tf.reduce_max(x) > 1]
        switches = [tf1.raw_ops.Switch(data=flag, pred=flag) for flag in flags]
        with tf.control_dependencies([tf.identity(each.output_true) for each in switches]):
            one = tf.constant(1.0)
        with tf.control_dependencies([tf.identity(switches[second].output_false)]):
            other = tf.constant(2.0)
        tf.raw_ops.Merge(inputs=[one, other], name="y")

    by_first, by_second = (form_of(lambda x, k=k: build(x, k)) for k in (0, 1))
    assert value_of(only(by_second, "Merge"), "alive") == (((2, 1), (3, 1)), ((3, 0),))
    assert difference(by_first, by_second)


def test_a_switch_by_another_condition_is_told() -> None:
    def build(x: Any, turned: bool) -> None:
        one, other = tf.reduce_sum(x) > 0, tf.reduce_max(x) > 1
        if turned:
            one, other = other, one
        tf.identity(tf.cond(one, lambda: tf.constant(1.0), lambda: tf.constant(2.0)), name="y")

    with control_flow(1):
        forms = [form_of(lambda x, t=t: build(x, t)) for t in (False, True)]
    assert difference(*forms)


@pytest.mark.parametrize("made", [lambda b: form(functional(b)), of_tensorflow_1], ids=["2", "1"])
def test_variables_of_a_loop_that_are_swapped_are_told(
    made: Callable[[Callable[[Any], Any]], NormalGraph],
) -> None:
    def looping(swapped: bool) -> Callable[[Any], Any]:
        def body(i: Any, a: Any, b: Any) -> Any:
            return (i + 1, b + 1.0, a * 2.0) if swapped else (i + 1, a * 2.0, b + 1.0)

        def build(x: Any) -> None:
            a, b = tf.while_loop(lambda i, *_: i < 3, body, [0, x, x])[1:]
            tf.subtract(a, b, name="y")

        return build

    assert not difference(made(looping(False)), made(looping(False)))
    assert difference(made(looping(False)), made(looping(True)))


@pytest.mark.parametrize("made", [lambda b: form(functional(b)), of_tensorflow_1], ids=["2", "1"])
def test_variables_of_a_loop_that_take_turns_are_not_unchanged(
    made: Callable[[Callable[[Any], Any]], NormalGraph],
) -> None:
    def looping(turns: bool) -> Callable[[Any], Any]:
        def body(i: Any, a: Any, b: Any) -> Any:
            return (i + 1, b, a) if turns else (i + 1, a, b)

        def build(x: Any) -> None:
            a = tf.while_loop(lambda i, *_: i < 3, body, [0, x, x + 1.0])[1]
            tf.identity(a * 2.0, name="y")

        return build

    assert "Merge" not in ops(made(looping(turns=False)))
    assert ops(made(looping(turns=True))).count("Merge") == 3


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("use_resource", [True, False])
def test_a_variable_in_a_loop_is_where_its_constant_is(version: int, use_resource: bool) -> None:
    def build(x: Any) -> None:
        w = tf1.get_variable("w", (2, 2), use_resource=use_resource)

        def body(i: Any, y: Any) -> Any:
            return i + 1, tf.cond(i > 1, lambda: tf.matmul(y, w), lambda: y + tf.gather(w, i))

        tf.identity(tf.while_loop(lambda i, _: i < 3, body, [0, x])[1], name="y")

    with control_flow(version):
        graph_def = frozen(build, shape=(2, 2)).graph_def
    after = freeze(graph_def, weights={"w": np.ones((2, 2), np.float32)}, outputs=["y"])
    assert not difference(form(graph_def), form(after))
    assert "Variable" in ops(form(graph_def))


def test_what_no_round_of_a_loop_changes_comes_in_once() -> None:
    def build(x: Any) -> None:
        def body(i: Any, y: Any, same: Any) -> Any:
            return i + 1, tf.matmul(y, same), tf.identity(same)

        tf.identity(tf.while_loop(lambda i, *_: i < 3, body, [0, x, x])[1], name="y")

    graph = form(functional(build))
    constant = [n for n in graph.nodes if n.op == "Enter" and dict(n.attributes).get("is_constant")]
    assert len(constant) == 1
    assert ops(graph).count("Merge") == 2  # of the counter and of y


def test_what_a_loop_gives_unchanged_is_what_it_was_given() -> None:
    def build(x: Any) -> None:
        def body(i: Any, same: Any) -> Any:
            return i + 1, same

        tf.tanh(tf.while_loop(lambda i, _: i < 3, body, [0, x])[1], name="y")

    graph_def = functional(build)
    assert not difference(form(graph_def), form_of(lambda x: tf.tanh(x, name="y"), shape=(2, 2)))


def test_a_loop_in_a_branch_lies_on_its_side() -> None:
    def build(x: Any) -> None:
        def branch() -> Any:
            return tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, y + x), [0, x])[1]

        tf.identity(tf.cond(tf.reduce_sum(x) > 0, branch, lambda: tf.ones((2, 2))), name="y")

    graph = form(functional(build))
    (choice,) = (node for node in graph.nodes if "alive" in dict(node.attributes))
    assert value_of(choice, "alive") == (((2, 1),), ((2, 0),))


def test_a_condition_that_is_a_number_is_made_a_flag() -> None:
    def build(x: Any) -> None:
        tf.identity(tf.cond(tf.reduce_sum(x) > 0, lambda: x + 1, lambda: x), name="y")

    graph_def = functional(build)
    (choice,) = (node for node in graph_def.node if node.op in {"If", "StatelessIf"})
    choice.attr["Tcond"].type = tf.float32.as_datatype_enum
    choice.input[0] = "Sum"
    assert "ToBool" in ops(form(graph_def))
    assert "ToBool" not in ops(form(functional(build)))


def on_one_side(x: Any) -> Any:
    """What is there only where the sum of x is positive."""
    return tf.identity(tf.raw_ops.Switch(data=x, pred=tf.reduce_sum(x) > 0)[1])


def after(waited: Any, value: Any) -> Any:
    with tf.control_dependencies([waited] if waited is not None else []):
        return tf.identity(value) if isinstance(value, tf.Tensor) else tf.constant(value)


def test_a_value_of_a_round_that_is_there_only_on_one_side_is_told() -> None:
    def build(x: Any, waits: bool) -> None:
        def body(i: Any, v: Any) -> Any:
            side = on_one_side(v)
            chosen = tf.raw_ops.Merge(inputs=[tf.raw_ops.Switch(data=v, pred=i > 1)[0], side])[0]
            return i + 1, after(side if waits else None, chosen)

        tf.tanh(tf1.while_loop(lambda i, _: i < 3, body, [0, x])[1], name="y")

    with control_flow(1):
        one, same, other = (form_of(lambda x, w=w: build(x, w)) for w in (False, False, True))
    assert not difference(one, same)
    assert difference(one, other)


def test_a_loop_whose_condition_is_there_only_on_one_side_is_told() -> None:
    def build(x: Any, waits: bool) -> None:
        limit = after(on_one_side(x) if waits else None, 3)
        y = tf1.while_loop(lambda i, _: i < limit, lambda i, v: (i + 1, v * 1.5), [0, x])[1]
        tf.tanh(y, name="y")

    with control_flow(1):
        one, same, other = (form_of(lambda x, w=w: build(x, w)) for w in (False, False, True))
    assert not difference(one, same)
    assert difference(one, other)


def test_a_loop_that_stands_on_one_side_says_no_more_than_that() -> None:
    def build(x: Any) -> None:
        def branch() -> Any:
            limit = tf.constant(3)
            return tf1.while_loop(
                lambda i, _: i < limit,
                lambda i, v: (i + 1, tf.cond(i > 1, lambda: v * 1.5, lambda: tf.ones((1, 2)))),
                [0, x],
                shape_invariants=[tf.TensorShape(()), tf.TensorShape(None)],
            )[1]

        tf.tanh(tf.cond(tf.reduce_sum(x) > 0, branch, lambda: x), name="y")

    with control_flow(1):
        graph = form_of(build)
    told = [n for n in graph.nodes if n.op in {"NextIteration", "LoopCond"}]
    assert len(told) == 3
    assert all(not node.attributes and len(node.inputs) == 1 for node in told)
