"""Whether the values of an input matter: they are exchanged for those of other examples."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.domain import Choices, Domain, Lengths, NewShape, Phase, Range, SizeOf, Sparse
from harness.errors import Rejected, TimedOut
from harness.memo import Feeds, Run
from harness.ordinary import Example, has_moved, is_same
from harness.verdict import ModelWarning

FEWEST_EXCHANGES = 4
"""So many times other values are accepted and move nothing, before an input counts as ignored."""

FEWEST_EXAMPLES = 2
"""In so many examples."""

_MOST_PER_EXAMPLE = 4
_MOST = 8


@dataclass(frozen=True, kw_only=True)
class Group:
    """Inputs that are drawn together: one, or indices and values of a sparse tensor.

    `shape` is the input that tells the sparse tensor's shape, "" where none does.
    """

    names: tuple[str, ...]
    shape: str = ""


def groups_of(domains: Mapping[str, Domain], names: Collection[str]) -> list[Group]:
    """Return the inputs of `names` that can have other values, those drawn together in one.

    A size, a length, a flag of training have none.
    """
    members = {
        member: Group(names=(name, domain.values.values), shape=domain.values.dense_shape)
        for name, domain in domains.items()
        if isinstance(domain.values, Sparse)
        for member in (name, *domain.values.members)
    }
    found = (
        members.get(name, Group(names=(name,)))
        for name, domain in domains.items()
        if name in names and not _is_one_value(domain)
    )
    return list(dict.fromkeys(found))


def _is_one_value(domain: Domain) -> bool:
    values = domain.values
    if isinstance(values, Choices):
        return len(values.values) == 1
    if isinstance(values, Range):
        return values.low == values.high
    return isinstance(values, (Phase, Lengths, SizeOf, NewShape))


def is_ignored(run: Run, group: Group, examples: Sequence[Example], *, stop_at: float) -> bool:
    """Say whether other values of a group, enough of them, gave the same outputs.

    At `stop_at`, on the clock of `time.perf_counter`, nothing is known.
    """
    accepted, moved_nothing_in = 0, 0
    for index, base in enumerate(examples):
        tried = 0
        for feeds in _exchanged(base, group, [*examples[index + 1 :], *examples[:index]]):
            if tried == _MOST_PER_EXAMPLE or accepted >= _MOST:
                break
            if time.perf_counter() > stop_at:
                return False
            try:
                outputs = run(feeds)
            except (Rejected, TimedOut):
                continue
            if has_moved(base.outputs, outputs):
                return False
            tried += 1
        accepted += tried
        moved_nothing_in += bool(tried)
    return accepted >= FEWEST_EXCHANGES and moved_nothing_in >= FEWEST_EXAMPLES


def _exchanged(base: Example, group: Group, others: Sequence[Example]) -> Iterator[Feeds]:
    """Yield the feeds of an example with what others feed to a group.

    An input of its own takes the elements of an array of any shape.
    """
    for other in others:
        if len(group.names) > 1:
            if group.shape and not is_same(base.feeds[group.shape], other.feeds[group.shape]):
                continue
            values = {name: other.feeds[name] for name in group.names}
        else:
            (name,) = group.names
            values = {name: np.resize(other.feeds[name], base.feeds[name].shape)}
        if any(not is_same(base.feeds[name], value) for name, value in values.items()):
            yield {**base.feeds, **values}


def ignored_warning(group: Group) -> ModelWarning:
    """Return the warning about a group that was seen to be ignored."""
    return ModelWarning(
        code="ignored_input",
        message=(
            f"no output changed with the values of {', '.join(group.names)}, though the graph "
            f"leads from there to the outputs: look for what multiplies it by zero, or state with "
            f"--input-spec FILE which values matter"
        ),
        nodes=group.names,
    )
