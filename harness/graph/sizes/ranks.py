"""The rank of an input that states none, where not every rank can be given sizes that fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tensorflow.core.framework import graph_pb2

from harness.domain import Domain, Sparse
from harness.graph.sizes.groups import Group, settled
from harness.graph.sizes.trials import Trials
from harness.signature import Signature

_RANKS = (2, 1, 3, 4, 0)
"""Those that inputs have, the likely first."""


def with_ranks(
    graph_def: graph_pb2.GraphDef,
    signature: Signature,
    domains: Mapping[str, Domain],
    *,
    budget: int,
) -> dict[str, Domain]:
    """Return the domains with a shape for inputs of unknown rank, of unknown dimensions all.

    Preferred are ranks with a batch of any size, and of these one with the fewest dimensions that
    only some sizes fit. Where every rank will do with any sizes, or none, it is left.
    """
    result = dict(domains)
    members = {
        name
        for indices, domain in domains.items()
        if isinstance(domain.values, Sparse)
        for name in (indices, domain.values.values, domain.values.dense_shape)
    }
    for spec in signature.inputs:
        known = result.get(spec.name, Domain())
        if spec.shape is not None or known.shape is not None or spec.name in members:
            continue
        unlike: dict[int, tuple[bool, int]] = {}
        for rank in _RANKS:
            attempt = {**result, spec.name: replace(known, shape=(None,) * rank)}
            trials = Trials(graph_def, signature, attempt, budget=budget // len(_RANKS))
            groups = settled(trials, {})
            if trials.can_be_tried and all(group.size is not None for group in groups):
                own = [g for g in groups if any(slot.input == spec.name for slot in g.slots)]
                unlike[rank] = not _has_batch(own), sum(group.is_found for group in own)
        is_free = len(unlike) == len(_RANKS) and not any(found for _, found in unlike.values())
        if unlike and not is_free:
            rank = min(unlike, key=lambda each: (unlike[each], _RANKS.index(each)))
            result[spec.name] = replace(known, shape=(None,) * rank)
    return result


def _has_batch(groups: Sequence[Group]) -> bool:
    return any(group.is_leading and not group.is_found for group in groups)
