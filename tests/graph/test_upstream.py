"""Which inputs a node depends on, by the names that errors of TensorFlow give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from fixtures.control_flow import control_flow
from harness.graph.upstream import inputs_above
from harness.signature import Signature, TensorSpec

Build = Callable[[Any, Any], Any]
SIGNATURE = Signature(
    inputs=(
        TensorSpec(name="ids", dtype="int32", shape=(None,)),
        TensorSpec(name="scale", dtype="float32", shape=()),
    ),
    outputs=(TensorSpec(name="y", dtype="float32", shape=None),),
)


def above(build: Build, *nodes: str, version: int = 2) -> tuple[str, ...]:
    with tf.Graph().as_default() as graph, control_flow(version):
        ids = tf.compat.v1.placeholder(tf.int32, (None,), name="ids")
        scale = tf.compat.v1.placeholder(tf.float32, (), name="scale")
        tf.identity(build(ids, scale), name="y")
    return inputs_above(graph.as_graph_def(), SIGNATURE, nodes)


def looked_up(ids: Any, _: Any = None) -> Any:
    return tf.gather(tf.ones((9,)), ids, name="lookup")


def scaled(ids: Any, scale: Any) -> Any:
    return tf.multiply(looked_up(ids), scale, name="scaled")


@pytest.mark.parametrize(
    ("node", "inputs"),
    [("lookup", ("ids",)), ("scaled", ("ids", "scale")), ("scale", ("scale",)), ("nowhere", ())],
)
def test_inputs_are_found_upstream_of_a_node(node: str, inputs: tuple[str, ...]) -> None:
    assert above(scaled, node) == inputs


def test_a_node_in_a_function_depends_on_what_the_function_is_called_with() -> None:
    function = tf.function(looked_up, autograph=False)
    assert above(lambda ids, scale: function(ids) * scale, "lookup", "PartitionedCall") == ("ids",)


@pytest.mark.parametrize("version", [1, 2])
def test_a_node_in_a_branch_depends_on_what_is_computed_there(version: int) -> None:
    def build(ids: Any, scale: Any) -> Any:
        return tf.cond(scale > 0, lambda: looked_up(ids)[0], lambda: scale)

    assert "ids" in above(build, "cond/lookup" if version == 1 else "lookup", version=version)


def test_where_the_first_node_is_not_known_the_next_is_asked() -> None:
    assert above(scaled, "made/by/an/optimiser", "lookup") == ("ids",)


def test_part_of_a_name_is_no_name() -> None:
    assert above(scaled, "ookup") == ()
