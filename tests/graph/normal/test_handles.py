"""What reads a variable through its handle is what reads its value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from fixtures.small_graphs import frozen
from harness.graph.freezing import freeze
from tests.graph.normal.walking import difference, form, only, ops, value_of

tf1 = tf.compat.v1
WEIGHTS = np.arange(24, dtype=np.float32).reshape(4, 3, 2)

READERS: dict[str, Callable[[Any, Any], Any]] = {
    "ResourceGather": lambda w, x: tf.gather(w, tf.cast(x[0], tf.int64)),
    "ResourceGather in batches": lambda w, _: tf.raw_ops.ResourceGather(
        resource=w.handle, indices=tf.zeros((4, 2), tf.int32), dtype=tf.float32, batch_dims=1
    ),
    "ResourceGatherNd": lambda w, x: tf.gather_nd(w, tf.cast(x[:1], tf.int32)),
    "VariableShape": lambda w, _: tf.raw_ops.VariableShape(input=w.handle),
    "VariableShape of 64 bits": lambda w, _: tf.raw_ops.VariableShape(
        input=w.handle, out_type=tf.int64
    ),
    "VarIsInitializedOp": lambda w, _: tf.raw_ops.VarIsInitializedOp(resource=w.handle),
    "ReadVariableOp": lambda w, _: w.read_value(),
}


def variable(*, use_resource: bool = True) -> Any:
    return tf1.get_variable("w", WEIGHTS.shape, use_resource=use_resource)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_graph_and_its_frozen_copy_have_one_form(read: Callable[[Any, Any], Any]) -> None:
    graph_def = frozen(
        lambda x: tf.add(tf.cast(read(variable(), x), tf.float32), tf.reduce_sum(x), name="y")
    ).graph_def
    after = freeze(graph_def, weights={"w": WEIGHTS}, outputs=["y"])
    assert not difference(form(graph_def), form(after))


def test_the_axis_of_a_gather_is_told_be_it_of_32_bits_or_64() -> None:
    def gathered(axis: Any) -> Any:
        graph_def = frozen(lambda x: tf.gather(x, [0], axis=axis, name="y"), shape=(2, 2)).graph_def
        return form(graph_def)

    assert not difference(gathered(np.int32(1)), gathered(np.int64(1)))
    assert difference(gathered(1), gathered(0))
    assert value_of(only(gathered(1), "GatherV2"), "axis") == 1


def test_another_number_of_batch_dimensions_is_told() -> None:
    def gathered(batch_dims: int) -> Any:
        return form(
            frozen(
                lambda _: tf.raw_ops.ResourceGather(
                    resource=variable().handle,
                    indices=tf.zeros((4, 3), tf.int32),
                    dtype=tf.float32,
                    batch_dims=batch_dims,
                    name="y",
                )
            ).graph_def
        )

    assert difference(gathered(0), gathered(1))


def test_a_reference_through_control_flow_is_a_value_through_it() -> None:
    def build(x: Any) -> None:
        reference = variable(use_resource=False)._ref()
        sides = tf.raw_ops.RefSwitch(data=reference, pred=tf.reduce_sum(x) > 0)
        merged, _ = tf.raw_ops.RefMerge(inputs=[*sides])
        entered = tf.raw_ops.RefEnter(data=merged, frame_name="loop", is_constant=True)
        left = tf.raw_ops.RefExit(data=tf.raw_ops.RefIdentity(input=entered))
        tf.add(tf.reduce_sum(x), tf.raw_ops.RefNextIteration(data=left), name="y")

    graph_def = frozen(build).graph_def
    after = freeze(graph_def, weights={"w": WEIGHTS}, outputs=["y"])
    assert not difference(form(graph_def), form(after))
    assert not [op for op in ops(form(graph_def)) if op.startswith("Ref")]


def test_a_reference_variable_is_initialized() -> None:
    def build(x: Any) -> None:
        w = variable(use_resource=False)
        tf.logical_and(tf.reduce_any(x > 0), tf1.is_variable_initialized(w), name="y")

    graph_def = frozen(build).graph_def
    graph = form(graph_def)
    assert not {"IsVariableInitialized", "Variable"} & set(ops(graph))
    last = only(graph, "LogicalAnd")
    assert value_of(graph.nodes[last.inputs[1][0]], "value") == b"\1"
    assert not difference(graph, form(freeze(graph_def, weights={"w": WEIGHTS}, outputs=["y"])))
