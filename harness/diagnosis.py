"""What is behind outputs that differ: where it begins, and which weight or node is to blame."""

from __future__ import annotations

from collections.abc import Mapping

from harness.correspondence import Correspondence
from harness.criteria import Array, Criterion
from harness.divergence.common import common_nodes
from harness.divergence.first import first_divergence
from harness.divergence.side_by_side import Side
from harness.errors import FreezeproofError, Rejected, TimedOut
from harness.memo import Feeds, Run
from harness.reproduction.folder import Evidence
from harness.weights.telling import in_short


def diagnosis(
    feeds: Feeds,
    *,
    reference: Side,
    candidate: Side,
    criterion: Criterion,
    correspondence: Correspondence,
) -> tuple[str, ...]:
    """Return parts of a sentence: the first node that differs on `feeds`, and the culprit."""
    try:
        place = first_divergence(
            feeds,
            reference=reference,
            candidate=candidate,
            criterion=criterion,
            pairs=_pairs(reference, candidate, correspondence),
        )
    except FreezeproofError:
        place = None  # the difference itself is told all the same
    is_known = place is not None and (place.node or place.is_cut_short)
    first = place.describe() if place is not None and is_known else ""
    return tuple(part for part in (first, culprit(correspondence)) if part)


def culprit(correspondence: Correspondence) -> str:
    """Return the weight that holds another value, or else how the graph differs."""
    try:
        weight = in_short(correspondence.weights)
    except FreezeproofError:
        weight = ""  # the stage `weights` says why
    return weight or correspondence.difference


def evidence(feeds: Feeds, reference: Run, candidate: Run) -> Evidence:
    """Return the feeds with what both sides make of them."""
    return Evidence(
        feeds=feeds, expected=_answer(reference, feeds), actual=_answer(candidate, feeds)
    )


def _answer(run: Run, feeds: Feeds) -> Mapping[str, Array] | None:
    try:
        return run(feeds)
    except (Rejected, TimedOut):
        return None


def _pairs(reference: Side, candidate: Side, correspondence: Correspondence) -> Mapping[str, str]:
    """Return the nodes of the main graphs that stand in one place."""
    ours = {node.name for node in reference.model.graph_def.node}
    theirs = {node.name for node in candidate.model.graph_def.node}
    matched = {
        name: other
        for name, other in correspondence.same_nodes.items()
        if name in ours and other in theirs
    }
    # Nodes that pass a value on have no place in the normal form.
    return {**common_nodes(reference.graph, candidate.graph), **matched}
