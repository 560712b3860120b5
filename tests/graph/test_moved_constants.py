"""The weights of a frozen graph go to neighbouring values."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import tensor_util

from harness.graph.moved_constants import move_constants


def constants(graph_def: Any) -> dict[str, Any]:
    nodes = [*graph_def.node, *(n for f in graph_def.library.function for n in f.node_def)]
    return {
        node.name: tensor_util.MakeNdarray(node.attr["value"].tensor)
        for node in nodes
        if node.op == "Const"
    }


def test_large_float_constants_are_moved_by_their_last_bit_and_nothing_else_is() -> None:
    weights = np.linspace(1, 2, 64, dtype=np.float32)

    def inside(x: Any) -> Any:
        return x * tf.constant(weights, name="inside")

    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (64,))
        tf.constant(weights, name="weights")
        tf.constant(weights[:16], name="bounds")
        tf.constant(np.arange(64), name="indices")
        tf.function(inside, autograph=False)(x)
    graph_def = graph.as_graph_def()
    before = constants(graph_def)
    move_constants(graph_def, seed=0)
    after = constants(graph_def)

    assert {name for name in before if (before[name] != after[name]).any()} == {"weights", "inside"}
    for name in ("weights", "inside"):
        np.testing.assert_array_max_ulp(before[name], after[name], maxulp=1)
    assert (after["weights"] != after["inside"]).any()
    assert graph_def.node[1].attr["dtype"].type == tf.float32.as_datatype_enum
