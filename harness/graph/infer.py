"""What goes into a graph and what comes out, found where the user names nothing.

Inputs are the placeholders that the chosen outputs need: labels, learning rates and placeholders of
assignments drop out because they do not reach an output. Outputs are ranked by `OUTPUT_RULES` among
the nodes of the forward part: what exists besides gradients, savers, summaries and initialisers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from tensorflow.core.framework import graph_pb2, node_def_pb2

from harness.errors import RequestError, nearest
from harness.graph.dtypes import declared_shape, output_dtypes
from harness.graph.extract import reachable
from harness.graph.state import VARIABLE_OPS
from harness.signature import TensorSpec, format_shape
from harness.tensor_names import canonical, is_control, node_name

_TRAINING_SCOPE = re.compile(
    r"(^|/)(gradients(_\d+)?|save(_\d+)?|report_uninitialized_variables|init(_\d+)?|"
    r"(Gradient|Momentum|Adam|RMSProp|Adagrad|Adadelta|Ftrl)\w*|summar(y|ies)|"
    r"ExponentialMovingAverage|Initializer|metrics)(/|$)"
)
_NO_FORWARD_OP = re.compile(
    r"^(NoOp|Const|Placeholder.*|Assert|Print|.*Summary.*|Save.*|Restore.*|Apply.*|"
    r"ResourceApply.*|Assign.*|Scatter.*|ReadVariableOp|VarIsInitializedOp|"
    r"IsVariableInitialized|ShardedFilename|MergeV2Checkpoints)$"
)
_USUAL_NAME = re.compile(
    r"^(the_)?(output|outputs|out|pred|preds|prediction|predictions|predicted|probabilities|"
    r"probs|classes|logits|softmax|final_result|scores|embeddings)(_\d+)?$",
    re.IGNORECASE,
)
_LOSS_NAME = re.compile(
    r"(^|/)(\w*loss\w*|\w*cost\w*|accuracy|correct\w*|\w*entropy\w*|error)(_\d+)?(/|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class ForwardNode:
    """A node of the forward part, with what the rules look at."""

    node: node_def_pb2.NodeDef
    is_sink: bool
    """No other forward node reads it."""
    feeds_loss_only: bool
    """Every forward node that reads it belongs to a loss or a metric."""


@dataclass(frozen=True, kw_only=True)
class OutputRule:
    """One reason for or against a node's being the output."""

    points: int
    reason: str
    holds: Callable[[ForwardNode], bool]


OUTPUT_RULES: tuple[OutputRule, ...] = (
    OutputRule(
        points=8,
        reason="has a name that people give to outputs",
        holds=lambda f: bool(_USUAL_NAME.match(f.node.name.rsplit("/", 1)[-1])),
    ),
    OutputRule(points=4, reason="no forward node reads it", holds=lambda f: f.is_sink),
    OutputRule(
        points=3, reason="only a loss or a metric reads it", holds=lambda f: f.feeds_loss_only
    ),
    OutputRule(points=1, reason="is at top level", holds=lambda f: "/" not in f.node.name),
    OutputRule(
        points=-20,
        reason="has a name that people give to losses and metrics",
        holds=lambda f: bool(_LOSS_NAME.search(f.node.name)),
    ),
)


def infer_outputs(graph_def: graph_pb2.GraphDef) -> tuple[str, ...]:
    """Return the output that the rules single out.

    Raises:
        RequestError: no node stands out; the message lists the best as an option to copy.
    """
    ranked = rank_outputs(graph_def)
    if not ranked:
        raise RequestError("no node looks like an output: name the outputs with --outputs NAMES")
    best = [node for node, score in ranked if score == ranked[0][1]]
    if len(best) == 1 and ranked[0][1] > 0:
        return (best[0].name,)
    listed = ", ".join(
        f"--outputs {node.name} ({node.op}, {_described(node, graph_def)})"
        for node, _ in ranked[:4]
    )
    raise RequestError(f"the output cannot be told from the graph; it may be one of: {listed}")


def rank_outputs(graph_def: graph_pb2.GraphDef) -> list[tuple[node_def_pb2.NodeDef, int]]:
    """Return the forward nodes with their scores, best first."""
    scored = [
        (forward.node, sum(rule.points for rule in OUTPUT_RULES if rule.holds(forward)))
        for forward in forward_nodes(graph_def)
    ]
    return sorted(scored, key=lambda pair: -pair[1])


def forward_nodes(graph_def: graph_pb2.GraphDef) -> list[ForwardNode]:
    """Return the nodes that depend on a placeholder and on nothing of the training part."""
    forward: dict[str, node_def_pb2.NodeDef] = {}
    placeholders = {node.name for node in graph_def.node if node.op.startswith("Placeholder")}
    readers: dict[str, list[node_def_pb2.NodeDef]] = {}
    for node in graph_def.node:
        for reference in node.input:
            if not is_control(reference):
                readers.setdefault(node_name(reference), []).append(node)
    queue = list(placeholders)
    while queue:
        for node in readers.get(queue.pop(), ()):
            if node.name not in forward and _is_forward(node):
                forward[node.name] = node
                queue.append(node.name)
    found = []
    for node in graph_def.node:
        if node.name not in forward:
            continue
        after = [reader.name for reader in readers.get(node.name, ()) if reader.name in forward]
        found.append(
            ForwardNode(
                node=node,
                is_sink=not after,
                feeds_loss_only=bool(after) and all(map(_LOSS_NAME.search, after)),
            )
        )
    return found


def _is_forward(node: node_def_pb2.NodeDef) -> bool:
    return not (
        _TRAINING_SCOPE.search(node.name)
        or _NO_FORWARD_OP.match(node.op)
        or node.op in VARIABLE_OPS
    )


def infer_inputs(graph_def: graph_pb2.GraphDef, outputs: Collection[str]) -> tuple[str, ...]:
    """Return the placeholders that `outputs` need, in graph order.

    A PlaceholderWithDefault counts only where there is no plain placeholder: in the middle of a
    graph it is a switch with a default (a keep probability), not an input.
    """
    nodes = {node.name: node for node in graph_def.node}
    path = reachable(nodes, outputs)
    plain = [n.name for n in graph_def.node if n.name in path and n.op == "Placeholder"]
    plain += [n.name for n in graph_def.node if n.name in path and n.op == "PlaceholderV2"]
    if plain:
        return tuple(plain)
    return tuple(
        n.name for n in graph_def.node if n.name in path and n.op == "PlaceholderWithDefault"
    )


def specs_of(
    graph_def: graph_pb2.GraphDef, names: Sequence[str], *, option: str
) -> tuple[TensorSpec, ...]:
    """Return the named tensors with dtype and declared shape.

    Raises:
        RequestError: a name is no tensor of the graph; the message gives the nearest.
    """
    nodes = {node.name: node for node in graph_def.node}
    return tuple(_spec(canonical(name), nodes, graph_def, option=option) for name in names)


def _spec(
    name: str,
    nodes: dict[str, node_def_pb2.NodeDef],
    graph_def: graph_pb2.GraphDef,
    *,
    option: str,
) -> TensorSpec:
    node = nodes.get(name.partition(":")[0])
    if node is None:
        raise RequestError(f"{option} {name}: the graph has no such node{nearest(name, nodes)}")
    dtypes = output_dtypes(node, graph_def)
    if dtypes is None:
        raise RequestError(f"{option} {name}: its op {node.op} is not known to this TensorFlow")
    stated = name.partition(":")[2] or "0"
    index = int(stated) if stated.isdecimal() else len(dtypes)
    if index >= len(dtypes):
        what = f"{len(dtypes)} output(s)" if dtypes else "no output: it is run, not read"
        raise RequestError(f"{option} {name}: the node {node.name} ({node.op}) has {what}")
    shape = declared_shape(node, index, producer=graph_def.versions.producer)
    return TensorSpec(name=name, dtype=dtypes[index], shape=shape)


def _described(node: node_def_pb2.NodeDef, graph_def: graph_pb2.GraphDef) -> str:
    dtypes = output_dtypes(node, graph_def) or ("?",)
    shape = declared_shape(node, 0, producer=graph_def.versions.producer)
    return f"{dtypes[0]} {format_shape(shape)}" if shape is not None else dtypes[0]
