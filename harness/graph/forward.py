"""The forward part of a training graph, and what of it belongs to the loss.

A training graph holds the model, its loss and metrics, their gradients, the optimiser, savers and
summaries. The forward part is what depends on data: on a placeholder, or on a tensor by which an
input pipeline meets the model. Two structures tell the model from its loss. Gradients are computed
from the loss, so that it is the node that has a gradient and that no other node with a gradient
depends on. And a label is data to which no weight is applied on its way to the loss.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow.python.framework import tensor_util

from harness.graph.edges import Edges, closure, edges_of
from harness.graph.pipeline import inside_a_pipeline, meeting_points
from harness.graph.state import VARIABLE_OPS
from harness.graph.weights import weights_of
from harness.tensor_names import canonical, node_name

LOSS_COLLECTION = "losses"

_GRADIENT = re.compile(r"(?:^|/)gradients(?:_\d+)?/(?P<forward>.+?)_grad(?:_\d+)?/")
_TRAINING = re.compile(
    r"(^|/)(gradients(_\d+)?|save(_\d+)?|report_uninitialized_variables|Initializer|"
    r"(Gradient|Momentum|Adam|RMSProp|Adagrad|Adadelta|Ftrl|SGD)\w*|"
    r"ExponentialMovingAverage|AssignMovingAvg(_\d+)?)(/|$)"
)
_ASIDE = re.compile(r"(^|/)(init(_\d+)?|summar(y|ies)|metrics)(/|$)")
"""Scopes of what is not computed for the model, but where weights are applied: a layer's name."""
_KEEPS_IT = re.compile(r"(^|/)AssignMovingAvg(_\d+)?/|:(Ref)?Assign\w*$")
"""What is put into a variable is a moving average, or the state of the next call."""
_TRAINING_ONLY_SCOPE = re.compile(r"(^|/)(train(ing)?(_\w+)?|aux\w*)/", re.IGNORECASE)
_LOSS_NAME = re.compile(
    r"(^|/)((\w+_)?(loss(es)?|cost)(_\w+)?|\w*(Loss|Cost)|correct\w*|\w*entropy\w*|"
    r"(\w+_)?(error|accuracy|precision|recall|auc|perplexity|psnr|ssim|m?iou|r?mse|mae|nll))"
    r"(_\d+)?(/|$)",
    re.IGNORECASE,
)
_NO_FORWARD_OP = re.compile(
    r"^(NoOp|Const|Placeholder.*|Assert|Print.*|.*Summary.*|Save.*|Restore.*|Apply.*|"
    r"ResourceApply.*|Assign.*|Scatter(Nd)?(Update|Add|Sub|Mul|Div|Min|Max)|ResourceScatter.*|"
    r"ReadVariableOp|VarIsInitializedOp|IsVariableInitialized|ShardedFilename|"
    r"MergeV2Checkpoints|Shape|ShapeN|Rank|Size|TensorListReserve|TensorArrayV3|TensorListLength|"
    r".*Enqueue.*)$"
)
_REDUCTIONS = frozenset({"L2Loss", "Sum", "Mean", "Max", "Min", "Prod", "EuclideanNorm"})
_ENTERS = frozenset({"Enter", "RefEnter"})
_EXITS = frozenset({"Exit", "RefExit"})
_FUNCTIONAL_CONTROL_FLOW = frozenset({"If", "StatelessIf", "While", "StatelessWhile", "Case",
                                      "StatelessCase"})  # fmt: skip
ACTIVATIONS = frozenset({"Softmax", "LogSoftmax", "Sigmoid", "Tanh", "ArgMax"})
"""Ops that last layers end in."""
_SWITCHES = frozenset({"Switch", "RefSwitch"})
_SUMS_UP = frozenset({"Mean", "Sum", "Neg", "AddN"})
_COMPARES = re.compile(r"^(Sub|SquaredDifference|\w*CrossEntropy\w*|CTCLoss\w*)$")
_MADE_FOR_A_LOSS = frozenset({"ArgMax", "ArgMin", "Round", "Rint", "Greater", "GreaterEqual",
                              "Less", "LessEqual", "Equal", "NotEqual", "InTopK", "InTopKV2",
                              "Log"})  # fmt: skip
_KEEPS_FROM_ZERO = frozenset({"Maximum", "Minimum", "Add", "AddV2", "ClipByValue"})


@dataclass(frozen=True, kw_only=True)
class ForwardNode:
    """A node of the forward part, with what can be told of it from its place in the graph."""

    node: node_def_pb2.NodeDef
    is_last: bool
    """Nothing of the model reads it: nobody at all, or only a loss or a metric."""
    is_weighted: bool
    """A variable contributes to it."""
    is_trained_end: bool
    """The loss depends on it, and no weight is applied after it."""
    is_loss: bool
    """It needs a label, or is the loss, or follows it."""
    is_in_loop: bool
    """It is computed anew in each round of a while loop, and cannot be fetched."""
    is_left_over: bool
    """A loop or branch gives it and nobody takes it up, or it is kept in a variable."""
    is_training_only: bool
    """It stands in a scope that people give to what serves training alone."""


@dataclass(frozen=True, kw_only=True)
class ForwardPart:
    """The forward nodes in graph order, and the data that they depend on."""

    nodes: tuple[ForwardNode, ...]
    edges: Edges
    applied: frozenset[str]
    """The nodes that apply a weight to data."""
    labels: tuple[str, ...]
    """Data that only the loss needs."""
    cuts: tuple[str, ...]
    """Tensors by which an input pipeline meets the model."""


def is_loss_name(name: str) -> bool:
    """Say whether people give such a name to a loss or a metric."""
    return bool(_LOSS_NAME.search(name))


def forward_part(
    graph_def: graph_pb2.GraphDef, collections: Mapping[str, Collection[str]] | None = None
) -> ForwardPart:
    """Return the forward part of a graph; `collections` are those of its MetaGraphDef."""
    edges = edges_of(graph_def)
    inside = inside_a_pipeline(edges)
    cuts = meeting_points(edges, inside)
    data = [name for name, node in edges.nodes.items() if node.op.startswith("Placeholder")]
    data += cuts
    forward = _forward(edges, data, inside)
    weights = _weights(edges, forward)
    applied = {name for name in forward - weights if not weights.isdisjoint(edges.sources[name])}
    weighted = closure(applied, edges.readers.__getitem__, within=forward)
    # A layer may be called as losses are; behind a loss no weight is applied.
    layers = closure(
        (source for name in applied for source in edges.sources[name]),
        edges.sources.__getitem__,
        within=forward,
    )
    minimised = _minimised(edges, forward)
    losses = minimised | {name for name in forward - layers if is_loss_name(name)}
    losses |= {node_name(name) for name in (collections or {}).get(LOSS_COLLECTION, ())} & forward
    depends = _data_of(edges, forward, data)
    labels = _labels(depends, data, applied=applied, weighted=weighted, losses=losses)
    before_loss = closure(losses, edges.sources.__getitem__, within=forward)
    before_weight = closure(
        (source for name in applied & before_loss for source in edges.sources[name]),
        edges.sources.__getitem__,
        within=forward,
    )
    trained_end = (before_loss & weighted) - before_weight
    given = forward - weighted | set(data)
    compare = {name for name in trained_end if _compares(edges, name, weighted, given)}
    needs_label = {name for name in forward if depends[name] & labels}
    loss_side = _loss_side(edges, forward, losses | compare, needs_label, minimised)
    in_loop = _in_loops(edges)
    training_only = {name for name in forward if _TRAINING_ONLY_SCOPE.search(name)}

    def reads_on(reader: str, name: str) -> bool:
        return (
            reader in forward
            and reader not in loss_side
            and (reader not in training_only or name in training_only)
        )

    def is_last(name: str) -> bool:
        return not any(reads_on(reader, name) for reader in edges.readers[name])

    def is_kept(name: str) -> bool:
        return any(
            _KEEPS_IT.search(f"{reader}:{edges.nodes[reader].op}")
            for reader in edges.readers[name]
            if reader not in forward
        )

    return ForwardPart(
        nodes=tuple(
            ForwardNode(
                node=node,
                is_last=is_last(name),
                is_weighted=name in weighted,
                is_trained_end=name in trained_end and name not in loss_side,
                is_loss=name in loss_side,
                is_in_loop=name in in_loop,
                is_left_over=is_kept(name) or _is_left_over(edges, name),
                is_training_only=name in training_only,
            )
            for name, node in edges.nodes.items()
            if name in forward
        ),
        edges=edges,
        applied=frozenset(applied),
        labels=tuple(name for bit, name in enumerate(data) if labels >> bit & 1),
        cuts=tuple(cuts),
    )


def _forward(edges: Edges, data: Iterable[str], inside: Collection[str]) -> set[str]:
    """Return the nodes that depend on data and belong to no part that only training needs."""
    fed = set(data)
    start = [
        name
        for source in {node_name(tensor) for tensor in fed}
        for name in edges.readers[source]
        if not fed.isdisjoint(edges.tensors[name])
    ]
    nodes = edges.nodes
    allowed = {name for name, node in nodes.items() if name not in inside and _is_forward(node)}
    aside = {name for name in allowed if _ASIDE.search(name)}
    weights = _weights(edges, closure(start, edges.readers.__getitem__))
    layers = closure(
        (name for name in aside if not weights.isdisjoint(edges.sources[name])),
        edges.readers.__getitem__,
        within=aside,
    )
    return closure(start, edges.readers.__getitem__, within=allowed - (aside - layers))


def _is_forward(node: node_def_pb2.NodeDef) -> bool:
    return not (
        _TRAINING.search(node.name) or _NO_FORWARD_OP.match(node.op) or node.op in VARIABLE_OPS
    )


def _weights(edges: Edges, forward: Collection[str]) -> set[str]:
    """Return what is computed from weights alone, but for sums over them: those regularise."""
    nodes = edges.nodes
    allowed = {
        name
        for name, node in nodes.items()
        if name not in forward and node.op not in _REDUCTIONS and not _TRAINING.search(name)
    }

    def step(name: str) -> Iterable[str]:
        for reader in edges.readers[name]:
            # A branch takes its weights through a Switch, which data may decide.
            is_taken = nodes[reader].op in _SWITCHES and node_name(edges.tensors[reader][0]) == name
            if reader in allowed or is_taken:
                yield reader

    return closure(weights_of(edges), step)


def _minimised(edges: Edges, forward: Collection[str]) -> set[str]:
    """Return the nodes that gradients are computed from."""
    trained = {found["forward"] for name in edges.nodes if (found := _GRADIENT.search(name))} & set(
        forward
    )
    below = closure(
        (source for name in trained for source in edges.sources[name]),
        edges.sources.__getitem__,
        within=forward,
    )
    return trained - below


def _data_of(edges: Edges, forward: Collection[str], data: list[str]) -> dict[str, int]:
    """Return which data each forward node depends on, as bits in the order of `data`."""
    bits = {tensor: 1 << index for index, tensor in enumerate(data)}
    found = dict.fromkeys(forward, 0)
    # In the order of the graph most nodes come after what they read, and are visited once.
    queue = deque(name for name in edges.nodes if name in found)
    waiting = set(queue)
    while queue:
        name = queue.popleft()
        waiting.discard(name)
        depends = 0
        for tensor in edges.tensors[name]:
            depends |= bits.get(tensor, 0) | found.get(node_name(tensor), 0)
        if depends != found[name]:
            found[name] = depends
            for reader in edges.readers[name]:
                if reader in found and reader not in waiting:
                    waiting.add(reader)
                    queue.append(reader)
    return found


def _labels(
    depends: Mapping[str, int],
    data: Collection[str],
    *,
    applied: Collection[str],
    weighted: Collection[str],
    losses: Collection[str],
) -> int:
    """Return, as bits, the data that reaches a loss and to which no weight is applied."""

    def any_of(names: Iterable[str]) -> int:
        found = 0
        for name in names:
            found |= depends[name]
        return found

    everything = (1 << len(data)) - 1
    return any_of(losses) & any_of(weighted) & (everything ^ any_of(applied))


def _compares(edges: Edges, name: str, weighted: Collection[str], given: Collection[str]) -> bool:
    """Say whether a node holds what the model computed against data as it was given."""
    read = edges.tensors[name]
    return (
        bool(_COMPARES.match(edges.nodes[name].op))
        and any(node_name(tensor) in weighted for tensor in read)
        and any(tensor in given or node_name(tensor) in given for tensor in read)
    )


def _loss_side(
    edges: Edges,
    forward: set[str],
    losses: set[str],
    needs_label: set[str],
    minimised: set[str],
) -> set[str]:
    """Return the forward nodes that belong to a loss or a metric.

    Those that need a label or follow a loss, and what is computed for them alone: a sum that is
    `minimised`, a sum over all examples, a decision, a probability kept from zero before its
    logarithm is taken.
    """
    nodes = edges.nodes
    # An activation that nobody reads, and no loss, is served: what it needs beside is a mask.
    served = {
        name
        for name in needs_label - losses
        if nodes[name].op in ACTIVATIONS and not forward.intersection(edges.readers[name])
    }
    side = closure((losses | needs_label) - served, edges.readers.__getitem__, within=forward)
    side -= served
    sums = set(minimised)
    queue = deque(side)
    while queue:
        for name in edges.sources[queue.popleft()]:
            if name in side or name not in forward:
                continue
            readers = [reader for reader in edges.readers[name] if reader in forward]
            op = nodes[name].op
            made_for_it = (
                op in _MADE_FOR_A_LOSS
                or (
                    op in _SUMS_UP
                    and (sums.issuperset(readers) or _sums_over_examples(edges, name))
                )
                or (
                    op in _KEEPS_FROM_ZERO
                    and all(nodes[reader].op in _KEEPS_FROM_ZERO | {"Log"} for reader in readers)
                )
            )
            if made_for_it and side.issuperset(readers):
                side.add(name)
                queue.append(name)
                if op in _SUMS_UP:
                    sums.add(name)
    return side


def _sums_over_examples(edges: Edges, name: str) -> bool:
    """Say whether a reduction goes over the first axis, which a model keeps."""
    axes = edges.nodes.get(node_name(edges.tensors[name][-1]))
    if axes is None or axes.op != "Const":
        return False
    return bool((tensor_util.MakeNdarray(axes.attr["value"].tensor) == 0).any())


def _in_loops(edges: Edges) -> set[str]:
    """Return the nodes between the Enter and Exit nodes of while loops (control flow version 1)."""
    nodes = edges.nodes

    def step(name: str) -> Iterable[str]:
        return () if nodes[name].op in _EXITS else edges.readers[name]

    entered = closure((n for n, node in nodes.items() if node.op in _ENTERS), step)
    return {name for name in entered if nodes[name].op not in _EXITS}


def _is_left_over(edges: Edges, name: str) -> bool:
    if edges.readers[name]:
        return False
    node = edges.nodes[name]
    given_by = [edges.nodes[source].op for source in edges.sources[name]]
    return node.op in _EXITS or (
        node.op == "Identity" and not _FUNCTIONAL_CONTROL_FLOW.isdisjoint(given_by)
    )


def collections_of(meta_graph: meta_graph_pb2.MetaGraphDef) -> dict[str, tuple[str, ...]]:
    """Return the collections of a MetaGraphDef that list nodes or tensors, by key."""
    return {
        key: tuple(canonical(name) for name in collection.node_list.value)
        for key, collection in meta_graph.collection_def.items()
        if collection.node_list.value
    }
