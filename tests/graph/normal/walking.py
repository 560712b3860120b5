"""Two normal forms, walked from the outputs up side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.python.framework import convert_to_constants

from fixtures.small_graphs import frozen
from harness.graph.normal.form import normal_form
from harness.graph.normal.graph import Node, NormalGraph
from harness.tensor_names import canonical

_WEIGHTS = frozenset({"Variable", "Const"})


def form(
    graph_def: GraphDef, inputs: tuple[str, ...] = ("x",), outputs: tuple[str, ...] = ("y",)
) -> NormalGraph:
    """The normal form of a graph that computes y from x, unless it is said otherwise."""
    return normal_form(graph_def, inputs=inputs, outputs=outputs)


def form_of(build: Callable[[Any], Any], **options: Any) -> NormalGraph:
    """The normal form of the graph of `build`, which makes y of the placeholder x."""
    made = frozen(build, **options)
    return form(made.graph_def, outputs=tuple(made.outputs))


def lowered(function: Callable[..., Any], *specs: tf.TensorSpec) -> tuple[NormalGraph, NormalGraph]:
    """The normal forms of a function's graph, and of what TensorFlow inlines and lowers it to."""
    concrete = tf.function(function).get_concrete_function(*specs)
    opened = convert_to_constants.convert_variables_to_constants_v2(concrete)
    calls = {"If", "StatelessIf", "While", "StatelessWhile", "Case", "PartitionedCall"}
    calls |= {"StatefulPartitionedCall", "StatelessCase"}
    assert calls & {node.op for node in concrete.graph.as_graph_def().node}
    assert not calls & {node.op for node in opened.graph.as_graph_def().node}
    forms = [
        normal_form(
            each.graph.as_graph_def(),
            inputs=[canonical(tensor.name) for tensor in each.inputs],
            outputs=[canonical(tensor.name) for tensor in each.outputs],
        )
        for each in (concrete, opened)
    ]
    return forms[0], forms[1]


def ops(graph: NormalGraph) -> list[str]:
    """The ops of a normal form."""
    return [node.op for node in graph.nodes]


def only(graph: NormalGraph, op: str) -> Node:
    """The one node of an op."""
    (found,) = (node for node in graph.nodes if node.op == op)
    return found


def value_of(node: Node, name: str) -> Any:
    """An attribute of a node."""
    return dict(node.attributes)[name]


def difference(a: NormalGraph, b: NormalGraph) -> str:
    """Say where two normal forms differ first, the values of weights aside; "" if nowhere."""
    assert a.outputs
    assert len(a.names) == len(a.nodes)
    queue = deque(zip(a.outputs, b.outputs, strict=True))
    seen: dict[int, int] = {}
    while queue:
        (i, output), (j, other_output) = queue.popleft()
        if output != other_output:
            return f"{a.nodes[i].name}:{output} and {b.nodes[j].name}:{other_output}"
        if i in seen:
            if seen[i] != j:
                return f"{a.nodes[i].name} stands in the place of two"
            continue
        seen[i] = j
        one, other = a.nodes[i], b.nodes[j]
        if not _alike(one, other):
            return f"{one} and {other}"
        queue.extend(zip(one.inputs, other.inputs, strict=True))
        queue.extend(((k, 0), (m, 0)) for k, m in zip(one.guards, other.guards, strict=True))
    assert len(seen) == len(a.nodes), "a node that no output needs"
    return "" if len(b.nodes) == len(a.nodes) else "one has more nodes"


def _alike(one: Node, other: Node) -> bool:
    if {one.op, other.op} == _WEIGHTS:
        same = one.attributes[0] == other.attributes[0]  # the dtype
    else:
        same = (one.op, one.attributes, one.position) == (
            other.op,
            other.attributes,
            other.position,
        )
    return same and len(one.inputs) == len(other.inputs) and len(one.guards) == len(other.guards)
