"""Whether an example's output depends on the other examples of its batch.

A row of a batch is fed once with its mates and once with copies of itself in their place: the
output of the row must be the same. Where it is not, the first axis may be none of examples but of
time, or of the nodes of a graph. Examples have no order: exchanged, their outputs are exchanged.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np

from harness.criteria import Array, Close, compare
from harness.domain import BATCH, Axis, Domain, Sparse
from harness.errors import Rejected, TimedOut, listed
from harness.memo import Feeds, Run
from harness.ordinary import Example
from harness.verdict import ModelWarning

TOLERANCE = Close(rtol=1e-3)
"""Rows change their places: what is computed of one may then be rounded otherwise."""

FEWEST_EXAMPLES = 2
"""That must show it."""

_ROWS_TRIED = 2


def batch_warning(
    run: Run, *, domains: Mapping[str, Domain], examples: Sequence[Example], stop_at: float
) -> ModelWarning | None:
    """Return the warning about outputs that depend on batch mates, seen on some of `examples`.

    `domains` are complete: every unknown dimension is an axis. At `stop_at`, on the clock of
    `time.perf_counter`, nothing more is tried.
    """
    names = _in_batches(domains)
    if not names:
        return None
    seen: dict[str, int] = {}
    for example in examples:
        if time.perf_counter() > stop_at:
            break
        for name in _dependent(run, example, names, stop_at):
            seen[name] = seen.get(name, 0) + 1
    found = tuple(name for name, count in seen.items() if count >= FEWEST_EXAMPLES)
    if not found:
        return None
    return ModelWarning(
        code="batch_dependent",
        message=(
            f"{listed(found)} of an example depends on the other examples of its batch, as "
            f"{max(seen.values())} batches showed: export the graph that is built for inference; "
            f"if the first axis is none of examples, give it a name of its own with --input-spec "
            f'FILE (shape = ["time", …])'
        ),
        nodes=found,
    )


def _in_batches(domains: Mapping[str, Domain]) -> list[str]:
    """Return the inputs whose rows are examples; none where that cannot be said of all."""
    names = []
    for name, domain in domains.items():
        shape = domain.shape
        if shape is None or isinstance(domain.values, Sparse):
            return []
        if not shape:
            continue  # a flag, a rate
        if not (isinstance(shape[0], Axis) and shape[0].name == BATCH):
            return []
        if any(isinstance(size, Axis) and size.name == BATCH for size in shape[1:]):
            return []
        names.append(name)
    return names


def _dependent(run: Run, example: Example, names: Sequence[str], stop_at: float) -> list[str]:
    """Return the outputs of an example that change with the batch mates, and not the order."""
    feeds = example.feeds
    sizes = {len(feeds[name]) for name in names}
    if len(sizes) != 1 or max(sizes) < FEWEST_EXAMPLES:
        return []
    (rows,) = sizes
    outputs = {n: v for n, v in example.outputs.items() if v.ndim and len(v) == rows}
    changed: set[str] = set()
    for row in range(rows)[-_ROWS_TRIED:]:
        found = _run(run, _rearranged(feeds, names, np.full(rows, row)), stop_at)
        if found is None:
            return []
        changed.update(
            name for name, value in outputs.items() if _is_other(value, found[name], row)
        )
    if not changed:
        return []
    straight = np.arange(rows)
    # Two rows exchanged and all turned round: a sequence may be one that goes round in a circle.
    for moved in (straight[::-1], np.r_[1, 0, straight[2:]]):
        found = _run(run, _rearranged(feeds, names, moved), stop_at)
        if found is None:
            return []
        changed = {
            name
            for name in changed
            if compare(outputs[name][moved], found[name], criterion=TOLERANCE) is None
        }
    return [name for name in outputs if name in changed]


def _is_other(expected: Array, actual: Array, row: int) -> bool:
    """Say whether a row has other values, held against the magnitude of all rows."""
    if expected.shape != actual.shape:
        return False
    replaced = expected.copy()
    replaced[row] = actual[row]
    return compare(expected, replaced, criterion=TOLERANCE) is not None


def _rearranged(feeds: Feeds, names: Sequence[str], rows: Array) -> Feeds:
    return {name: value[rows] if name in names else value for name, value in feeds.items()}


def _run(run: Run, feeds: Feeds, stop_at: float) -> Mapping[str, Array] | None:
    if time.perf_counter() > stop_at:
        return None
    try:
        return run(feeds)
    except (Rejected, TimedOut):
        return None
