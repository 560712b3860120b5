"""The weights of a frozen graph, each number off by its last bit: see `conditioning`."""

from __future__ import annotations

from tensorflow.core.framework import graph_pb2
from tensorflow.python.framework import tensor_util

from harness.conditioning import moved
from harness.criteria import is_inexact
from harness.graph.extract import all_nodes
from harness.graph.weights import is_large_constant


def move_constants(graph_def: graph_pb2.GraphDef, *, seed: int) -> None:
    """Move the large float constants of `graph_def` (changed in place), in functions too.

    Small ones are shapes, bounds and thresholds, which no optimiser rounds.
    """
    for node in all_nodes(graph_def):
        if not is_large_constant(node):
            continue
        value = tensor_util.MakeNdarray(node.attr["value"].tensor)
        if is_inexact(value.dtype):
            result = moved(value, seed=seed, of=node.name)
            node.attr["value"].tensor.CopyFrom(tensor_util.make_tensor_proto(result))
