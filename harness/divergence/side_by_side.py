"""Fetch tensors that two models share, a few megabytes at a time, and say which of them differ.

How large a tensor is follows from the shapes of the feeds, mostly. Where it does not, it shows only
when the tensor was fetched: of such, few are fetched together, and more when those were small.

What a branch that is not taken computes has no value, and a node that fails has none either: the
whole fetch fails then, without a word on which tensor it was. The chunk is halved until that is
known, and what needs such a tensor is not asked for again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from harness.criteria import Array, Criterion, Difference, Exact, compare
from harness.errors import Rejected, TimedOut
from harness.graph.fetchable import Fetchable, fetchable
from harness.memo import Feeds
from harness.models.model import Model
from harness.tensor_names import canonical, is_control, node_name

BYTES_AT_A_TIME = 64 * 2**20
"""Of both sides together."""

_BYTES_EXPECTED = BYTES_AT_A_TIME // 4
"""Of one side, which leaves room for tensors larger than expected."""

_MOST = 1024
_MOST_UNKNOWN = 64
_FEWEST_UNKNOWN = 4
_SMALL = 1024
"""Bytes, of a tensor of which nothing is known."""
_NO_VALUE = "does not have value"  # core/common_runtime: a _Retval of what is dead


class Fetch(Protocol):
    """Gives any tensors of a graph for feeds of any tensors: `runtime.Runner` does."""

    def fetch(self, feeds: Mapping[str, Array], tensors: Sequence[str]) -> dict[str, Array]:
        """Return `tensors` by name."""


@dataclass(frozen=True)
class Side:
    """A model, and what runs it."""

    model: Model
    run: Fetch

    @cached_property
    def graph(self) -> Fetchable:
        """What can be fetched of the model."""
        return fetchable(self.model.graph_def, self.model.signature.output_names)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What two tensors in one place are: the same, unless `difference` or `rejected` says how not.

    `rejected` are the errors of reference and candidate, None of a side that has a value. Where
    both fail alike, they are the same.
    """

    tensor: str
    difference: Difference | None = None
    rejected: tuple[Rejected | None, Rejected | None] = (None, None)

    @property
    def fails(self) -> bool:
        """Whether one side has no value, or both have none for different errors."""
        return self.rejected != (None, None)

    @property
    def differs(self) -> bool:
        """Whether the sides do not agree."""
        return self.difference is not None or self.fails


def is_not_taken(rejected: Rejected) -> bool:
    """Say whether a tensor had no value because its branch was not taken."""
    return _NO_VALUE in rejected.message


class Values:
    """The values of one side's tensors for one example."""

    def __init__(self, side: Side, feeds: Feeds, *, stop_at: float) -> None:
        """Fetch from `side`, fed with `feeds`, until the clock says `stop_at`."""
        self._side = side
        self._feeds = feeds
        self._start = time.perf_counter()
        self._stop_at = stop_at
        self._without: dict[str, Rejected] = {}

    def of(
        self, tensors: Sequence[str], *, fed: Mapping[str, Array] | None = None
    ) -> dict[str, Array | Rejected]:
        """Return the values, or why there is none, in the order of `tensors`.

        With `fed`, tensors that are fed in the place of what the graph computes.

        Raises:
            TimedOut: it takes too long.
        """
        found: dict[str, Array | Rejected] = {}
        variables = self._side.graph.variables
        for name in variables.intersection(tensors):
            found[name] = self._side.model.weights[name]
        rest = [name for name in tensors if name not in variables]
        found.update(self._fetched(rest, fed) if fed else self._remembering(rest))
        return {name: found[name] for name in tensors}

    def _fetched(
        self, tensors: Sequence[str], fed: Mapping[str, Array]
    ) -> dict[str, Array | Rejected]:
        try:
            return dict(self._fetch(tensors, fed))
        except Rejected as error:
            return {name: error.again() for name in tensors}

    def _remembering(self, tensors: Sequence[str]) -> dict[str, Array | Rejected]:
        wanted = [name for name in tensors if name not in self._without]
        found: dict[str, Array | Rejected] = {}
        try:
            found.update(self._fetch(wanted, {}))
        except Rejected as error:
            if len(wanted) == 1:
                self._do_without(wanted[0], error.again())
            else:
                middle = len(wanted) // 2
                found.update(self._remembering(wanted[:middle]))
                found.update(self._remembering(wanted[middle:]))
        return {name: self._without.get(name) or found[name] for name in tensors}

    def _fetch(self, tensors: Sequence[str], fed: Mapping[str, Array]) -> dict[str, Array]:
        if not tensors:
            return {}
        if time.perf_counter() > self._stop_at:
            raise TimedOut(self._stop_at - self._start)
        return self._side.run.fetch({**self._feeds, **fed}, tensors)

    def _do_without(self, tensor: str, error: Rejected) -> None:
        """Remember that a tensor has no value, nor anything that needs it."""
        queue = [tensor]
        for name in queue:  # which grows meanwhile
            if name in self._without:
                continue
            self._without[name] = error
            for reader in self._readers.get(name, ()):
                # A Merge is content with another of its inputs.
                if self._side.graph.nodes[reader].op not in ("Merge", "RefMerge"):
                    queue.extend(self._side.graph.tensors[reader])

    @cached_property
    def _readers(self) -> dict[str, list[str]]:
        """The nodes by the tensors that they need; control edges go by the first one."""
        graph = self._side.graph
        readers: dict[str, list[str]] = {}
        for name in graph.order:
            for reference in graph.nodes[name].input:
                needed = node_name(reference) if is_control(reference) else canonical(reference)
                # Both outputs of a Switch count as one for those that wait for it.
                if not (is_control(reference) and graph.nodes[needed].op == "Switch"):
                    readers.setdefault(needed, []).append(name)
        return readers


class SideBySide:
    """Tensors of a reference and of a candidate, in pairs, for one example."""

    def __init__(
        self,
        reference: Values,
        candidate: Values,
        *,
        graph: Fetchable,
        pairs: Mapping[str, str],
        sizes: Mapping[str, int],
        criterion: Criterion,
    ) -> None:
        """Compare by `criterion` what `pairs` says: tensors of the reference, which is `graph`.

        `sizes` are in bytes, of the tensors of which they are known.
        """
        self.reference = reference
        self.candidate = candidate
        self._graph = graph
        self._pairs = pairs
        self._criterion = criterion
        self._bytes = dict(sizes)

    def found(self, tensors: Sequence[str]) -> list[Found]:
        """Return what `tensors` are on both sides, fetched together."""
        expected = self.reference.of(tensors)
        actual = self.candidate.of([self._pairs[name] for name in tensors])
        self._bytes.update((name, _bytes(value)) for name, value in expected.items())
        return [self.compared(name, expected[name], actual[self._pairs[name]]) for name in tensors]

    def compared(self, tensor: str, expected: Array | Rejected, actual: Array | Rejected) -> Found:
        """Return how what one side has for `tensor` differs from what the other has."""
        if isinstance(expected, Rejected) and isinstance(actual, Rejected):
            # Of feeds with two faults, a graph that was optimised may meet the other one first.
            is_alike = expected.kind == actual.kind or not isinstance(self._criterion, Exact)
            return Found(tensor=tensor, rejected=(None, None) if is_alike else (expected, actual))
        if isinstance(expected, Rejected):
            return Found(tensor=tensor, rejected=(expected, None))
        if isinstance(actual, Rejected):
            return Found(tensor=tensor, rejected=(None, actual))
        difference = compare(expected, actual, criterion=self._criterion)
        return Found(tensor=tensor, difference=difference)

    def affordable(self, tensors: Sequence[str]) -> list[str]:
        """Return the last of `tensors`, as many as may be fetched together."""
        total = position = 0
        for position, name in enumerate(reversed(tensors)):
            total += self._bytes.get(name, _SMALL)
            if total > BYTES_AT_A_TIME // 2 or position == _MOST:
                return list(tensors[len(tensors) - position :])
        return list(tensors)

    def in_order(self, tensors: Sequence[str]) -> Iterator[list[Found]]:
        """Yield what `tensors` are, chunk by chunk.

        Raises:
            TimedOut: it takes too long.
        """
        position, most = 0, _FEWEST_UNKNOWN
        while position < len(tensors):
            chunk = self._chunk(tensors, position, most)
            found = self.found(chunk)
            was_too_much = 2 * sum(self._bytes[name] for name in chunk) > BYTES_AT_A_TIME
            most = max(1, most // 4) if was_too_much else min(2 * most, _MOST_UNKNOWN)
            position += len(chunk)
            yield found

    def _chunk(self, tensors: Sequence[str], position: int, most: int) -> list[str]:
        """Return the tensors from `position` on, up to so many bytes, `most` of unknown size.

        What is unknown counts as large as the largest that its node reads.
        """
        expected: dict[str, int] = {}
        total = unknown = 0
        for name in tensors[position : position + _MOST]:
            known = self._bytes.get(name)
            unknown += known is None
            reads = self._graph.reads[node_name(name)]
            size = (
                max(
                    (expected.get(each, self._bytes.get(each, _SMALL)) for each in reads), default=0
                )
                if known is None
                else known
            )
            total += size
            if expected and (total > _BYTES_EXPECTED or unknown > most):
                break
            expected[name] = size
        return list(expected)


def _bytes(value: Array | Rejected) -> int:
    if isinstance(value, Rejected):
        return 0
    if value.dtype.kind == "O":
        return sum(map(len, value.reshape(-1)))
    return value.nbytes
