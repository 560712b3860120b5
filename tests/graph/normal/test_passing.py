"""What only passes a value on is not there in the normal form; nor are names and devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from fixtures.small_graphs import frozen
from tests.graph.normal.walking import difference, form, form_of, only, ops

tf1 = tf.compat.v1
Between = Callable[[Any], Any]

PASSING: dict[str, Between] = {
    "Identity": tf.identity,
    "StopGradient": tf.stop_gradient,
    "PreventGradient": lambda t: tf.raw_ops.PreventGradient(input=t),
    "Snapshot": lambda t: tf.raw_ops.Snapshot(input=t),
    "IdentityN": lambda t: tf.identity_n([tf.zeros(2), t])[1],
    "PlaceholderWithDefault": lambda t: tf1.placeholder_with_default(t, (None, 2)),
}
SEEN: dict[str, Between] = {
    "CheckNumerics": lambda t: tf.debugging.check_numerics(t, "bad"),
    "Print": lambda t: tf.raw_ops.Print(input=t, data=[t]),
    "EnsureShape": lambda t: tf.ensure_shape(t, (3, 2)),
    "Negative": tf.negative,
}


def graph_of(between: Between = lambda t: t, *, scope: str = "") -> GraphDef:
    """Y = tanh(x + 1), with something in between."""
    with tf.name_scope(scope):
        return frozen(lambda x: tf.tanh(between(x + 1.0), name="y")).graph_def


@pytest.mark.parametrize("between", PASSING.values(), ids=PASSING)
def test_what_passes_a_value_on_is_left_out(between: Between) -> None:
    graph_def = graph_of(between)
    assert len(graph_def.node) > len(graph_of().node)
    assert not difference(form(graph_of()), form(graph_def))


@pytest.mark.parametrize("between", SEEN.values(), ids=SEEN)
def test_what_may_reject_show_or_change_a_value_stays(between: Between) -> None:
    assert difference(form(graph_of()), form(graph_of(between)))


def test_names_and_devices_make_no_difference() -> None:
    def build(x: Any) -> Any:
        with tf.name_scope("elsewhere"), tf.device("/gpu:1"):
            between = tf.add(x, 1.0, name="other")
        return tf.tanh(between, name="y")

    assert not difference(form(graph_of()), form(frozen(build).graph_def))


def test_names_tell_where_a_node_stands() -> None:
    graph = form(graph_of())
    assert set(graph.names) == {"x", "add/y", "add", "y"}
    assert graph.nodes[graph.names["add"]].op == "AddV2"
    assert graph.outputs == ((graph.names["y"], 0),)


def test_a_node_that_no_output_needs_is_left_out() -> None:
    def build(x: Any) -> None:
        tf.negative(x)
        tf.tanh(x, name="y")

    assert sorted(ops(form_of(build))) == ["Input", "Tanh"]


def test_an_output_that_passes_a_value_on_is_what_it_passes_on() -> None:
    plain = form_of(lambda x: tf.tanh(x, name="y"))
    through = form_of(lambda x: tf.identity(tf.tanh(x), name="y"))
    assert not difference(plain, through)
    assert only(through, "Tanh").name == "Tanh"


def test_a_chain_of_twenty_thousand_identities_is_followed() -> None:
    graph_def = GraphDef()
    x = graph_def.node.add(name="x", op="Placeholder")
    x.attr["dtype"].type = tf.float32.as_datatype_enum
    for index in range(20_000):
        before = f"i{index - 1}" if index else "x"
        node = graph_def.node.add(name=f"i{index}", op="Identity", input=[before])
        node.attr["T"].type = tf.float32.as_datatype_enum
    last = graph_def.node.add(name="y", op="Tanh", input=["i19999"])
    last.attr["T"].type = tf.float32.as_datatype_enum
    assert not difference(form_of(lambda x: tf.tanh(x, name="y"), shape=None), form(graph_def))


def test_a_circle_of_nodes_that_make_nothing_comes_to_an_end() -> None:
    graph_def = GraphDef()
    graph_def.node.add(name="x", op="Placeholder")
    graph_def.node.add(name="a", op="Identity", input=["b"])
    graph_def.node.add(name="b", op="Identity", input=["a"])
    graph_def.node.add(name="y", op="Add", input=["x", "a"])
    assert "Add" in ops(form(graph_def))


def test_the_graph_is_left_as_it_was() -> None:
    graph_def = frozen(
        lambda x: tf.tanh(tf.gather(x, tf.constant([0]), axis=1) + 1.0, name="y")
    ).graph_def
    before = graph_def.SerializeToString(deterministic=True)
    form(graph_def)
    assert graph_def.SerializeToString(deterministic=True) == before


def test_outputs_that_are_exchanged_are_told_apart() -> None:
    def build(x: Any) -> None:
        tf.tanh(x, name="a")
        tf.negative(x, name="b")

    graph_def = frozen(build).graph_def
    ab, ba = (form(graph_def, outputs=names) for names in (("a", "b"), ("b", "a")))
    assert difference(ab, ba)


def test_an_input_that_reads_another_tensor_is_told() -> None:
    def build(x: Any, *, swapped: bool) -> None:
        a, b = tf.split(x, 2, axis=1)
        tf.subtract(*((b, a) if swapped else (a, b)), name="y")

    assert difference(*(form_of(lambda x, s=s: build(x, swapped=s)) for s in (False, True)))
