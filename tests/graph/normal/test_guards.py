"""What can reject an example, and is waited for rather than read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.python.framework import function

from fixtures.control_flow import control_flow
from fixtures.small_graphs import frozen
from harness.graph.normal.graph import NormalGraph
from tests.graph.normal.walking import difference, form, form_of, lowered, only, ops, value_of

tf1 = tf.compat.v1
MATRIX = tf.TensorSpec((2, 2), tf.float32, name="x")
NUMBER = tf.TensorSpec((), tf.float32, name="p")


def below(x: Any, limit: float) -> Any:
    return tf.Assert(tf.reduce_all(x < limit), [x], name=f"below_{limit:g}")


def waiting(x: Any, *waited: Any) -> Any:
    with tf.control_dependencies(waited):
        return tf.identity(x)


def without_controls(graph_def: GraphDef, *, of: str) -> GraphDef:
    """A copy in which no node waits for the node `of`."""
    copy = GraphDef()
    copy.CopyFrom(graph_def)
    removed = 0
    nodes = [*copy.node, *(node for f in copy.library.function for node in f.node_def)]
    for node in nodes:
        kept = [read for read in node.input if read != f"^{of}"]
        removed += len(node.input) - len(kept)
        del node.input[:]
        node.input.extend(kept)
    assert removed
    return copy


def guards(graph: NormalGraph) -> Sequence[str]:
    """The checks that the output waits for."""
    ((output, _),) = graph.outputs
    return [graph.nodes[guard].name for guard in graph.nodes[output].guards]


@pytest.fixture(autouse=True)
def control_flow_of_tensorflow_1() -> Any:
    with control_flow(1):
        yield


def test_a_check_that_is_waited_for_guards_the_output() -> None:
    graph = form_of(lambda x: tf.identity(waiting(tf.tanh(x), below(x, 1.0)), name="y"))
    assert only(graph, "Identity").name == "y"
    assert [graph.nodes[g].op for g in only(graph, "Identity").guards] == ["Assert"]


def test_a_check_that_is_dropped_is_told() -> None:
    graph_def = frozen(
        lambda x: tf.identity(waiting(tf.tanh(x), below(x, 1.0)), name="y")
    ).graph_def
    (check,) = (node.name for node in graph_def.node if node.op == "Assert")
    assert difference(form(graph_def), form(without_controls(graph_def, of=check)))


def test_a_check_of_another_value_is_told() -> None:
    one, other = (
        form_of(lambda x, k=k: tf.identity(waiting(tf.tanh(x), below(x, k)), name="y"))
        for k in (1.0, 2.0)
    )
    assert difference(one, other)


PLACES: dict[str, Callable[[Any], Any]] = {
    "by the output": lambda x: waiting(tf.tanh(x + 1.0), below(x, 1.0)),
    "before the output": lambda x: tf.tanh(waiting(x + 1.0, below(x, 1.0))),
    "by a constant": lambda x: tf.tanh(x + waiting(tf.constant(1.0), below(x, 1.0))),
    "through a NoOp": lambda x: waiting(tf.tanh(x + 1.0), tf.group(below(x, 1.0), tf.no_op())),
    "through what reads nothing of it": lambda x: waiting(
        tf.tanh(x + 1.0), tf.negative(waiting(x, below(x, 1.0)))
    ),
    "twice": lambda x: waiting(tf.tanh(waiting(x + 1.0, c := below(x, 1.0))), c),
}


@pytest.mark.parametrize("build", PLACES.values(), ids=PLACES)
def test_where_a_check_is_waited_for_makes_no_difference(build: Callable[[Any], Any]) -> None:
    first = form_of(lambda x: tf.identity(PLACES["by the output"](x), name="y"))
    assert not difference(first, form_of(lambda x: tf.identity(build(x), name="y")))


def test_the_order_of_control_edges_makes_no_difference() -> None:
    def build(x: Any) -> None:
        checks = [below(x, 1.0), below(tf.abs(x), 2.0)]
        tf.identity(waiting(tf.tanh(x), *checks), name="y")

    graph_def = frozen(build).graph_def
    before = form(graph_def)
    (waits,) = (node for node in graph_def.node if len(node.input) == 3 and node.op == "Identity")
    data, first, second = waits.input
    waits.input[:] = [data, second, first]
    after = form(graph_def)
    assert len(guards(before)) == 2
    assert not difference(before, after)


def test_waiting_for_what_cannot_reject_makes_no_difference() -> None:
    plain = form_of(lambda x: tf.tanh(x, name="y"))
    waits = form_of(lambda x: tf.identity(waiting(tf.tanh(x), tf.negative(x)), name="y"))
    assert not difference(plain, waits)


def test_a_check_that_is_read_is_no_guard() -> None:
    def build(x: Any) -> None:
        checked = tf.debugging.check_numerics(x, "bad")
        tf.identity(waiting(tf.tanh(checked), checked), name="y")

    graph = form_of(build)
    assert ops(graph) == ["Input", "CheckNumerics", "Tanh"]


def test_a_check_that_nobody_reads_guards_where_its_value_is_not_read() -> None:
    def build(x: Any) -> None:
        tf.identity(waiting(tf.tanh(x), tf.debugging.check_numerics(x, "bad")), name="y")

    assert "CheckNumerics" in ops(form_of(build))


def test_a_check_behind_another_is_a_guard_of_its_own() -> None:
    def build(x: Any) -> None:
        first = below(x, 1.0)
        with tf.control_dependencies([first]):
            second = below(tf.abs(x), 2.0)
        tf.identity(waiting(tf.tanh(x), second), name="y")

    assert len(guards(form_of(build))) == 2


def test_the_branch_in_which_a_check_stands_is_told() -> None:
    def build(x: Any, turned: bool) -> None:
        checked: list[Callable[[], Any]] = [lambda: waiting(x, below(x, 1.0)), lambda: x * 2.0]
        if turned:
            checked = [lambda: x * 1.0, lambda: waiting(x * 2.0, below(x, 1.0))]
        tf.identity(tf.cond(tf.reduce_sum(x) > 0, *checked), name="y")

    one, other = (form_of(lambda x, t=t: build(x, t)) for t in (False, True))
    sides = [value_of(only(graph, "Assert"), "alive")[0][1] for graph in (one, other)]
    assert sides == [1, 0]
    assert difference(one, other)


def test_a_check_in_a_branch_moved_before_it_is_told() -> None:
    def build(x: Any, before: bool) -> None:
        check = below(x, 1.0) if before else None

        def branch() -> Any:
            return waiting(x * 1.0, check if before else below(x, 1.0))

        tf.identity(tf.cond(tf.reduce_sum(x) > 0, branch, lambda: x * 2.0), name="y")

    one, other = (form_of(lambda x, b=b: build(x, b)) for b in (False, True))
    assert difference(one, other)


def checked(x: Any, p: Any) -> Any:
    tf.debugging.assert_less(p, 3.0)
    return tf.matmul(x, x) * p


def checked_in_a_branch(x: Any, p: Any) -> Any:
    def branch() -> Any:
        tf.debugging.Assert(tf.reduce_all(x < 10.0), [x])
        return tf.matmul(x, x)

    return tf.cond(p > 0.0, branch, lambda: tf.constant([[7.0, 7.0]]) + x)


def checked_in_a_loop(x: Any, p: Any) -> Any:
    def body(i: Any, y: Any) -> Any:
        tf.debugging.assert_greater(p, 0.0)
        return i + 1, tf.matmul(y, x)

    return tf.while_loop(lambda i, _: i < 3, body, [0, x])[1]


def checked_in_a_call(x: Any, p: Any) -> Any:
    inner = tf.function(checked)
    return inner(inner(x, p), p)


CHECKED = [checked, checked_in_a_branch, checked_in_a_loop, checked_in_a_call]


@pytest.mark.parametrize("function", CHECKED, ids=lambda each: each.__name__)
def test_checks_are_lowered_as_tensorflow_lowers_them(function: Callable[..., Any]) -> None:
    with control_flow(2):
        functional, flat = lowered(function, MATRIX, NUMBER)
    assert any(name.endswith("Assert") for name in guards(functional))
    assert not difference(functional, flat)


@pytest.mark.parametrize("function", CHECKED, ids=lambda each: each.__name__)
def test_a_check_that_is_dropped_from_a_function_is_told(function: Callable[..., Any]) -> None:
    with control_flow(2):
        concrete = tf.function(function).get_concrete_function(MATRIX, NUMBER)
    graph_def = concrete.graph.as_graph_def()
    outputs = tuple(tensor.name.removesuffix(":0") for tensor in concrete.outputs)
    dropped = GraphDef()
    dropped.CopyFrom(graph_def)
    count = 0
    for made in dropped.library.function:
        for node in made.node_def:
            if node.op == "Assert":
                # It stays, and is nothing that rejects.
                node.op = "NoOp"
                del node.input[:]
                node.attr.clear()
                count += 1
    assert count or function is checked
    whole = form(graph_def, inputs=("x", "p"), outputs=outputs)
    assert difference(whole, form(dropped, inputs=("x", "p"), outputs=outputs))


def test_a_check_in_a_body_that_nothing_waits_for_guards_all_the_same() -> None:
    """TensorFlow runs it whenever it calls the function."""

    def build(x: Any) -> None:
        def branch() -> Any:
            below(x, 1.0)
            return x * 1.0

        tf.identity(tf.cond(tf.reduce_sum(x) > 0, branch, lambda: x * 2.0), name="y")

    with control_flow(2):
        graph = form_of(build)
    assert [name.rpartition("/")[2] for name in guards(graph)] == ["Assert"]


def test_a_check_in_a_call_that_nothing_waits_for_guards_all_the_same() -> None:
    @function.Defun(tf.float32)
    def body(x: Any) -> Any:
        below(x, 1.0)
        return x * 1.0

    graph = form_of(lambda x: tf.tanh(body(x), name="y"))
    assert [name.rpartition("/")[2] for name in guards(graph)] == ["Assert"]


def test_what_a_function_states_that_it_runs_guards_it() -> None:
    @function.Defun(tf.float32)
    def body(x: Any) -> Any:
        tf.ensure_shape(x, (None, 2), name="sized")
        return x * 1.0

    graph_def = frozen(lambda x: tf.tanh(body(x), name="y")).graph_def
    assert "EnsureShape" not in ops(form(graph_def))
    (made,) = graph_def.library.function
    (sized,) = (node.name for node in made.node_def if node.op == "EnsureShape")
    made.signature.control_output.append("sized")
    made.control_ret["sized"] = sized
    assert "EnsureShape" in ops(form(graph_def))


def test_a_check_in_a_loop_that_nothing_waits_for_guards_all_the_same() -> None:
    def build(x: Any) -> None:
        def body(i: Any, y: Any) -> Any:
            below(y, 1.0)
            return i + 1, y * 2.0

        tf.identity(tf.while_loop(lambda i, _: i < 3, body, [0, x])[1], name="y")

    with control_flow(2):
        graph = form_of(build)
    assert [name.rpartition("/")[2] for name in guards(graph)] == ["Assert"]


@pytest.mark.parametrize("read", [lambda w: w.read_value(), lambda _: tf.random.normal((2,))])
def test_waiting_for_a_variable_or_a_random_number_makes_no_difference(
    read: Callable[[Any], Any],
) -> None:
    def build(x: Any) -> None:
        w = tf1.get_variable("w", (2,), use_resource=True)
        tf.identity(waiting(tf.tanh(x), read(w)), name="y")

    assert ops(form_of(build)) == ["Input", "Tanh"]
