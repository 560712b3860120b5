"""Flags and rates by which a model is told whether it is trained: is_training, keep_prob, rate.

A flag is one by its name, or because what is computed in one of its branches is computed in
training alone: random numbers, the statistics of a batch. Any other flag chooses between two ways
of inference, and both are drawn.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from tensorflow.core.framework import node_def_pb2

from harness.domain import Phase
from harness.graph.inlining import CHOOSER
from harness.graph.randomness import RANDOM_OPS
from harness.graph.reading.flat import FlatGraph
from harness.graph.reading.following import Use, uses
from harness.graph.reading.op_arguments import attribute
from harness.graph.reading.rules.finding import Finding, Rule, Subject, found
from harness.tensor_names import node_name

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_TRAINED = frozenset({"train", "training", "trainable"})
_NOT_TRAINED = frozenset({"inference", "infer", "inferring", "eval", "evaluation", "evaluate",
                          "deterministic"})  # fmt: skip
# These mean it alone, or with a word that says no more: phase, is_test, keras_learning_phase.
_WEAKLY_TRAINED = frozenset({"learning", "phase", "dropout", "augment"})
_WEAKLY_NOT_TRAINED = frozenset({"test", "testing", "predict", "prediction", "predicting"})
_PLAIN = frozenset(
    {"is", "in", "on", "use", "do", "with", "mode", "flag", "keras", "placeholder", "input"}
)
_LOOKED_AT = 200
"""Nodes of a branch; what it does differently in training stands near its beginning."""
_NEAR = 12
"""Nodes before a sum in which the random numbers of a dropout are made."""
_STATISTICS = frozenset({"SquaredDifference", "AssignMovingAvg", "AssignSubVariableOp"})
_HALF = 0.5


def _flag(subject: Subject, use: Use) -> Iterator[Finding]:
    """A scalar that a branch is chosen by."""
    is_pred = use.position == 1 if use.node.op in {"Switch", "RefSwitch"} else use.position == 0
    if subject.dtype != "bool" or not subject.is_scalar or not is_pred:
        return
    in_training = _said_by_name(subject.tensor)
    if in_training is None:
        in_training = _said_by_branches(subject.flat, use)
    if in_training is not None:
        phase = Phase(inference=not in_training, training=in_training)
        yield found(use, phase, shape=())


def _named_flag(subject: Subject, use: Use) -> Iterator[Finding]:
    """A scalar that is negated, or combined with others, and called as such flags are."""
    in_training = _said_by_name(subject.tensor)
    if subject.dtype == "bool" and subject.is_scalar and in_training is not None:
        yield found(use, Phase(inference=not in_training, training=in_training), shape=())


def _said_by_name(name: str) -> bool | None:
    """Return the value in training of a flag of that name, None where the name says nothing."""
    # A scope says where a flag was made and not what it is, unless its own name says nothing.
    for part in reversed(node_name(name).split("/")):
        words = {word.lower() for word in _WORDS.findall(part)}
        if told := words - _PLAIN:
            break
    if words & _TRAINED:
        return True
    if words & _NOT_TRAINED:
        return False
    if told and told <= _WEAKLY_TRAINED:
        return True
    return False if told and told <= _WEAKLY_NOT_TRAINED else None


def _said_by_branches(flat: FlatGraph, use: Use) -> bool | None:
    """Return for which value of the flag the graph does what is done in training alone."""
    name = str(use.node.name)
    if name.endswith(CHOOSER):
        call = name.removesuffix(CHOOSER)
        branches = [_inside(flat, f"{call}/branch_{index}/") for index in (1, 0)]
    elif use.node.op in {"Select", "SelectV2"}:
        branches = [flat.before([use.node.input[index]]) for index in (2, 1)]
    else:
        branches = [_chosen(flat, tensor) for tensor in (name, f"{name}:1")]
    trained = [_is_for_training(itertools.islice(nodes, _LOOKED_AT)) for nodes in branches]
    return trained[1] if trained[0] is not trained[1] else None


def _inside(flat: FlatGraph, prefix: str) -> Iterator[node_def_pb2.NodeDef]:
    return (node for name, node in flat.nodes.items() if name.startswith(prefix))


def _chosen(flat: FlatGraph, tensor: str) -> Iterator[node_def_pb2.NodeDef]:
    """Yield the nodes behind one side of a Switch, up to the Merge, and what they read."""
    queue = [tensor]
    seen: set[str] = set()
    for read in queue:
        for reading in flat.readers(read):
            node = reading.node
            if node.op in {"Merge", "Switch"} or node.name in seen:
                continue
            seen.add(node.name)
            yield node
            yield from itertools.islice(flat.before(node.input), _NEAR)
            queue.extend(flat.outputs_read(node.name))


def _is_for_training(nodes: Iterable[node_def_pb2.NodeDef]) -> bool:
    return any(
        node.op in RANDOM_OPS
        or node.op in _STATISTICS
        or (node.op.startswith("FusedBatchNorm") and attribute(node, "is_training").b)
        for node in nodes
    )


def _kept(subject: Subject, use: Use) -> Iterator[Finding]:
    """The probability to keep an element: the mask is `floor(random + keep_prob)`."""
    is_floored = any(r.node.op == "Floor" for r in subject.flat.readers(use.node.name))
    if is_floored and _meets_random_numbers(subject, use):
        yield from _rate(use, nothing_dropped=1)


def _compared_with_random_numbers(subject: Subject, use: Use) -> Iterator[Finding]:
    """A rate, where the mask is `random >= rate`; or a probability, where `random < keep_prob`."""
    if _meets_random_numbers(subject, use):
        keeps_what_is_above = use.node.op.startswith("Greater") == (use.position == 1)
        yield from _rate(use, nothing_dropped=0 if keeps_what_is_above else 1)


def _rate(use: Use, *, nothing_dropped: int) -> Iterator[Finding]:
    carried = use.carried
    if not carried.is_limited:
        phase = Phase(inference=float(carried.back(nothing_dropped)), training=carried.back(_HALF))
        yield found(use, phase, shape=())


def _meets_random_numbers(subject: Subject, use: Use) -> bool:
    if not (subject.is_float and subject.is_scalar and len(use.node.input) == 2):
        return False
    if subject.shape is None and not _is_divided_by(subject):
        return False  # it may be data that noise is added to
    other = subject.flat.origin(use.node.input[1 - use.position])
    for _ in range(_NEAR):
        node = subject.flat.producer(other)
        if node is None:
            return False
        if "RandomUniform" in node.op:
            return True
        # A RandomUniform is scaled and moved, by constants, to where it is wanted.
        made_of = [tensor for tensor in node.input if subject.flat.stated(tensor) is None]
        if node.op not in {"Mul", "Add", "AddV2", "Sub"} or not made_of:
            return False
        other = subject.flat.origin(made_of[0])
    return False


def _is_divided_by(subject: Subject) -> bool:
    """Say whether something is divided by the subject: what a dropout keeps is made larger."""
    return any(
        use.node.op == "RealDiv" and use.position == 1 for use in uses(subject.flat, subject.tensor)
    )


_COMPARISONS = ("Less", "LessEqual", "Greater", "GreaterEqual")
_LOGIC = ("LogicalAnd", "LogicalOr", "LogicalNot", "Cast", "Merge", "Equal", "NotEqual")

RULES: tuple[tuple[str, Rule], ...] = (
    *((op, _flag) for op in ("Switch", "RefSwitch", "Select", "SelectV2")),
    *((op, _named_flag) for op in _LOGIC),
    *((op, _kept) for op in ("Add", "AddV2")),
    *((op, _compared_with_random_numbers) for op in _COMPARISONS),
)
