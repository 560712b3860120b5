"""The normal form of a large graph is had in a time that grows as the graph does."""

from __future__ import annotations

import time

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.python.framework import tensor_util

from harness.graph.normal.graph import NormalGraph
from tests.graph.normal.walking import form

FLOAT = tf.float32.as_datatype_enum
VALUE = tensor_util.make_tensor_proto(np.ones(2, np.float32))


def chain(rounds: int, *, checked: bool = False, branched: bool = False) -> GraphDef:
    """A chain of additions, each followed by a check or by a condition where it is asked for."""
    graph_def = GraphDef()
    x = graph_def.node.add(name="x", op="Placeholder")
    x.attr["dtype"].type = FLOAT
    last = "x"
    for index in range(rounds):
        constant = graph_def.node.add(name=f"c{index}", op="Const")
        constant.attr["value"].tensor.CopyFrom(VALUE)
        graph_def.node.add(name=f"a{index}", op="AddV2", input=[last, constant.name])
        last = f"i{index}"
        node = graph_def.node.add(name=last, op="Identity", input=[f"a{index}"])
        if checked:
            graph_def.node.add(name=f"n{index}", op="CheckNumerics", input=[f"a{index}"])
            node.input.append(f"^n{index}")
        if branched:
            graph_def.node.add(name=f"s{index}", op="Switch", input=[last, "flag"])
            last = f"m{index}"
            sides = [f"s{index}", f"s{index}:1"]
            graph_def.node.add(name=last, op="Merge", input=sides)
    flag = graph_def.node.add(name="flag", op="Placeholder")
    flag.attr["dtype"].type = tf.bool.as_datatype_enum
    graph_def.node.add(name="y", op="Tanh", input=[last])
    return graph_def


def seconds(graph_def: GraphDef) -> tuple[float, NormalGraph]:
    """The least time of three, which is the one that the machine disturbed least."""
    found = []
    for _ in range(3):
        start = time.process_time()
        graph = form(graph_def, inputs=("x", "flag"))
        found.append(time.process_time() - start)
    return min(found), graph


@pytest.mark.parametrize(("checked", "branched"), [(False, False), (True, False), (False, True)])
def test_four_times_the_nodes_take_about_four_times_as_long(checked: bool, branched: bool) -> None:
    few, small = seconds(chain(1_500, checked=checked, branched=branched))
    many, large = seconds(chain(6_000, checked=checked, branched=branched))
    assert len(large.nodes) > 3.9 * len(small.nodes)
    assert many < 8 * few
