"""What goes into a graph and what comes out, found where the user names nothing.

Outputs are ranked by `OUTPUT_RULES` among the nodes of the forward part. Inputs are the
placeholders that the chosen outputs need, or the tensors by which an input pipeline meets the
model: labels, learning rates and placeholders of assignments drop out because no output needs them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from tensorflow.core.framework import graph_pb2, node_def_pb2, types_pb2
from tensorflow.python.framework.tensor_util import MakeNdarray

from harness.errors import RequestError
from harness.graph.dtypes import HANDLES, output_dtypes
from harness.graph.edges import Edges, closure, edges_of
from harness.graph.extract import PLACEHOLDER_OPS, reachable
from harness.graph.forward import ACTIVATIONS, ForwardNode, ForwardPart, forward_part
from harness.graph.pipeline import inside_a_pipeline, meeting_points
from harness.graph.tensors import described
from harness.signature import format_shape
from harness.tensor_names import node_name

_USUAL_NAME = re.compile(
    r"^(the_)?(output|outputs|out|pred|preds|predict|prediction|predictions|predicted|"
    r"probability|probabilities|probs|classes|logits|final_result|scores|embedding|embeddings|"
    r"detections|detection_(boxes|scores|classes|masks)|num_detections|generated)(_\d+)?$",
    re.IGNORECASE,
)
_EXPORTERS_COLLECTION = "inference_op"
"""The collection in which exporters of detection models, and ours, put the outputs."""
_PASSES_ON = frozenset({"Identity", "Reshape", "Squeeze"})
_LOOP_OPS = frozenset({"Switch", "RefSwitch", "Enter", "RefEnter", "NextIteration", "LoopCond"})
_PIVOT = re.compile(r"(^|/)(switch_[tf]|pred_id)$")
_SCRATCH = re.compile(
    r"^((Ref)?Merge|FusedBatchNorm\w*|\w*CrossEntropyWithLogits|LSTMBlock\w*|GRUBlock\w*)$"
)
_LISTED = 6
_CLEAR_LEAD = 2
"""Points by which an output without a usual name must lead: one rule too few may have held."""


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A forward node with what else the rules look at."""

    forward: ForwardNode
    edges: Edges
    outputs_collected: Collection[str]
    """Nodes in a collection that is called as people call outputs."""

    @property
    def name(self) -> str:
        """The node's name."""
        return str(self.forward.node.name)


@dataclass(frozen=True, kw_only=True)
class OutputRule:
    """One reason for or against a node's being the output."""

    points: int
    reason: str
    holds: Callable[[Suspect], bool]


OUTPUT_RULES: tuple[OutputRule, ...] = (
    OutputRule(
        points=10,
        reason="in a collection of outputs",
        holds=lambda s: s.name in s.outputs_collected,
    ),
    OutputRule(
        points=8,
        reason="a name that people give to outputs",
        holds=lambda s: _has_usual_name(s.name, s.edges),
    ),
    OutputRule(
        points=4,
        reason="the last of a scope that is named as outputs are",
        holds=lambda s: (
            bool(_USUAL_NAME.match(_last(_scope(s.name)))) and _is_last_of_scope(s.name, s.edges)
        ),
    ),
    OutputRule(
        points=4,
        reason="read by nobody, or by a loss or metric alone",
        holds=lambda s: s.forward.is_last,
    ),
    OutputRule(
        points=3,
        reason="trained, with no weight applied after it",
        holds=lambda s: s.forward.is_trained_end,
    ),
    OutputRule(points=4, reason="weights contribute to it", holds=lambda s: s.forward.is_weighted),
    OutputRule(
        points=4,
        reason="the activation that ends its scope",
        holds=lambda s: s.forward.node.op in ACTIVATIONS and _is_last_of_scope(s.name, s.edges),
    ),
    OutputRule(points=1, reason="at top level", holds=lambda s: "/" not in s.name),
    OutputRule(
        points=-3,
        reason="left over from a loop or branch, or kept in a variable",
        holds=lambda s: s.forward.is_left_over,
    ),
    OutputRule(
        points=-20, reason="serves training alone", holds=lambda s: s.forward.is_training_only
    ),
    OutputRule(
        points=-10,
        reason="part of a loop or a branch",
        holds=lambda s: s.forward.node.op in _LOOP_OPS or bool(_PIVOT.search(s.name)),
    ),
    OutputRule(
        points=-20, reason="belongs to a loss or a metric", holds=lambda s: s.forward.is_loss
    ),
)


@dataclass(frozen=True, kw_only=True)
class RankedOutput:
    """A node that may be the output: its score, the reasons, and the tensors that it stands for."""

    name: str
    op: str
    score: int
    reasons: tuple[str, ...]
    tensors: tuple[str, ...]
    is_last: bool
    """Nothing of the model reads it."""
    is_end: bool
    """Weights contribute to it, and nothing of the model reads it."""
    is_collected: bool
    """It is in a collection of outputs."""
    is_certain: bool
    """It is in a collection of outputs, or named as they are and nothing of the model reads it."""


def infer_outputs(
    graph_def: graph_pb2.GraphDef, collections: Mapping[str, Collection[str]] | None = None
) -> tuple[str, ...]:
    """Return the output that the rules single out, or several that are all named as outputs are.

    Raises:
        RequestError: no node stands out; the message lists the best as options to copy.
    """
    part = forward_part(graph_def, collections)
    ranked = _ranked(graph_def, part, collections or {})
    winners = _winners(ranked, part)
    if winners:
        return tuple(tensor for each in winners for tensor in each.tensors)
    likely = [
        each
        for each in ranked
        if each.score > 0 and (each.is_end or 2 * each.score >= ranked[0].score)
    ]
    if not likely:
        raise RequestError(
            "no node looks like an output: name the outputs with --outputs NAMES "
            "(freezeproof inspect PATH lists the nodes)"
        )
    likely = likely[:_LISTED]
    specs = described(graph_def, [name for each in likely for name in each.tensors])
    types = {name: f"{spec.dtype} {format_shape(spec.shape)}" for name, spec in specs.items()}
    lines = [
        f"  --outputs={','.join(each.tensors)}   "
        f"{', '.join(types.get(name, f'of the unknown op {each.op}') for name in each.tensors)}"
        for each in likely
    ]
    said = "the output cannot be told from the graph; add the one (or several, joined by commas):"
    raise RequestError("\n".join([said, *lines]))


def _winners(ranked: list[RankedOutput], part: ForwardPart) -> list[RankedOutput]:
    """Return all that are certain where the best is; the best alone where it leads clearly.

    Nobody wins where another end applies weights that no winner depends on: the harness would
    verify a part of the model.
    """
    if not ranked or ranked[0].score <= 0:
        return []
    best, second = ranked[0], ranked[1].score if len(ranked) > 1 else 0
    if best.is_certain:
        winners = [each for each in ranked if each.is_certain and each.score > 0]
    else:
        is_clear = best.is_last and best.score - max(second, 0) >= _CLEAR_LEAD
        winners = [best] if is_clear else []
    if any(each.is_collected for each in winners):
        return winners  # whoever built the graph said so
    sources = part.edges.sources.__getitem__
    covered = closure((each.name for each in winners), sources)
    ends = (each.name for each in ranked if each.is_end and each.score > 0)
    left_out = (closure(ends, sources) & part.applied) - covered
    return [] if left_out else winners


def rank_outputs(
    graph_def: graph_pb2.GraphDef, collections: Mapping[str, Collection[str]] | None = None
) -> list[RankedOutput]:
    """Return the forward nodes that have tensors to fetch, with their scores, best first."""
    return _ranked(graph_def, forward_part(graph_def, collections), collections or {})


def _ranked(
    graph_def: graph_pb2.GraphDef, part: ForwardPart, collections: Mapping[str, Collection[str]]
) -> list[RankedOutput]:
    edges = part.edges
    collected = {
        node_name(name)
        for key, names in collections.items()
        if _USUAL_NAME.match(key) or key == _EXPORTERS_COLLECTION
        for name in names
    }
    ranked = []
    for forward in part.nodes:
        suspect = Suspect(forward=forward, edges=edges, outputs_collected=collected)
        tensors = _tensors(suspect, graph_def)
        if not tensors or forward.is_in_loop:
            continue
        rules = [rule for rule in OUTPUT_RULES if rule.holds(suspect)]
        ranked.append(
            RankedOutput(
                name=suspect.name,
                op=forward.node.op,
                score=sum(rule.points for rule in rules),
                reasons=tuple(rule.reason for rule in rules),
                tensors=tensors,
                is_last=forward.is_last,
                is_end=forward.is_last and forward.is_weighted and not forward.is_left_over,
                is_collected=suspect.name in collected,
                is_certain=suspect.name in collected
                or (forward.is_last and _has_usual_name(suspect.name, edges)),
            )
        )
    return sorted(ranked, key=lambda each: -each.score)


def infer_inputs(graph_def: graph_pb2.GraphDef, outputs: Collection[str]) -> tuple[str, ...]:
    """Return the placeholders that `outputs` need, in graph order, and cuts of an input pipeline.

    A PlaceholderWithDefault counts only where there is nothing else: in the middle of a graph it is
    a switch with a default (a keep probability), not an input. But one whose default is a shape
    with open sizes must be fed: `tf.sparse.placeholder` makes it beside indices and values.
    """
    edges = edges_of(graph_def)
    inside = inside_a_pipeline(edges)
    cuts = [tensor for tensor in meeting_points(edges, inside) if tensor not in outputs]
    path = reachable(dict(edges.nodes), outputs, stop={node_name(tensor) for tensor in cuts})
    fed = [
        name
        for name, node in edges.nodes.items()
        if name in path and (node.op in PLACEHOLDER_OPS or _is_an_open_shape(node, edges))
    ]
    read = {tensor for name in path for tensor in edges.tensors[name]}
    fed += [tensor for tensor in cuts if tensor in read]
    return tuple(fed) or tuple(
        name
        for name, node in edges.nodes.items()
        if name in path and node.op == "PlaceholderWithDefault"
    )


def _is_an_open_shape(node: node_def_pb2.NodeDef, edges: Edges) -> bool:
    if node.op != "PlaceholderWithDefault" or node.attr["dtype"].type != types_pb2.DT_INT64:
        return False
    sources = [edges.nodes[source] for source in edges.sources[node.name]]
    return any(
        source.op == "Const" and (MakeNdarray(source.attr["value"].tensor) < 0).any()
        for source in sources
    )


def _has_usual_name(name: str, edges: Edges) -> bool:
    """Say whether the node, or one whose value it passes on, is named as outputs are."""
    seen: set[str] = set()
    while not _USUAL_NAME.match(_last(name)):
        seen.add(name)
        node = edges.nodes[name]
        if node.op not in _PASSES_ON or not edges.tensors[name]:
            return False
        name = node_name(edges.tensors[name][0])
        if name in seen:  # a damaged graph may go round in circles
            return False
    return True


def _is_last_of_scope(name: str, edges: Edges) -> bool:
    scope = _scope(name)
    return not scope or not any(reader.startswith(f"{scope}/") for reader in edges.readers[name])


def _scope(name: str) -> str:
    return name.rpartition("/")[0]


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _tensors(suspect: Suspect, graph_def: graph_pb2.GraphDef) -> tuple[str, ...]:
    """Return all outputs of a node; the first alone where the others are made for gradients."""
    dtypes = output_dtypes(suspect.forward.node, graph_def)
    if dtypes == () or not HANDLES.isdisjoint(dtypes or ()):
        return ()
    name = suspect.name
    # Of an op that is not known it is not known either how many outputs it has.
    if dtypes is None or _SCRATCH.match(suspect.forward.node.op):
        return (name,)
    return (name, *(f"{name}:{index}" for index in range(1, len(dtypes))))
