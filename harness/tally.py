"""What many examples show together, and why they may show nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from harness.conditioning import is_extreme
from harness.criteria import NO_DIFFERENCE, Array, Close, Measurement, compare
from harness.errors import Rejected, TimedOut
from harness.memo import Feeds
from harness.verdict import ModelWarning, Stage, StageResult, Status
from harness.verify import Agreement

MOST_NOT_COMPARED = 0.5
"""A stage whose examples were not compared more often than this has shown nothing."""

MOST_TIMED_OUT = 10
"""After so many examples that took too long, if they are most, no other is tried."""

_FEWEST_FOR_CONSTANT = 3
_FEWEST_DISTINCT = 3
_MOST_ACCEPTED = 5
_MOST_CAUSES = 8
_EXAMPLES_PER_CAUSE = 2


@dataclass(kw_only=True)
class Cause:
    """Rejections that name one node: how many there were, and the feeds of a few."""

    count: int = 0
    examples: list[tuple[Feeds, Rejected]] = field(default_factory=list)


@dataclass(kw_only=True)
class Rejections:
    """The rejections of one stage by where they arose, and a few feeds that were accepted."""

    accepted: list[Feeds] = field(default_factory=list)
    causes: dict[tuple[str, ...], Cause] = field(default_factory=dict)

    def accept(self, feeds: Feeds) -> None:
        """Keep feeds that were accepted, while they are few."""
        if len(self.accepted) < _MOST_ACCEPTED:
            self.accepted.append(feeds)

    def reject(self, feeds: Feeds, rejection: Rejected) -> None:
        """Count a rejection, and keep its feeds while they are few."""
        where = (rejection.kind, *rejection.nodes)
        if where not in self.causes and len(self.causes) >= _MOST_CAUSES:
            return
        cause = self.causes.setdefault(where, Cause())
        cause.count += 1
        if len(cause.examples) < _EXAMPLES_PER_CAUSE:
            cause.examples.append((feeds, rejection))

    def most_common(self) -> list[Cause]:
        """Return the causes, the most common first."""
        return sorted(self.causes.values(), key=lambda cause: -cause.count)


Blame = Callable[[Rejections], str]
"""Say which input was to blame for most rejections, and what would help; "" where nobody knows."""


@dataclass(kw_only=True)
class Tally:
    """The examples of one stage, counted as they come."""

    examples: int = 0
    rejected: int = 0
    timed_out: int = 0
    ill_conditioned: int = 0
    measured: Measurement = NO_DIFFERENCE
    rejections: Rejections = field(default_factory=Rejections)
    _last_rejection: Rejected | None = None
    _last_timed_out: TimedOut | None = None
    _first: dict[str, Array] = field(default_factory=dict)
    _varied: set[str] = field(default_factory=set)
    _looked_at: int = 0
    _seen: set[bytes] = field(default_factory=set)

    @property
    def compared(self) -> int:
        """The number of examples whose outputs were compared."""
        return self.examples - self.rejected - self.timed_out - self.ill_conditioned

    @property
    def has_given_up(self) -> bool:
        """Whether so many examples took too long that trying others would only take longer."""
        return (
            self.timed_out >= MOST_TIMED_OUT and self.timed_out > MOST_NOT_COMPARED * self.examples
        )

    def add(self, agreement: Agreement, *, feeds: Feeds, key: bytes) -> None:
        """Count one example; `key` tells whether the same feeds were there before."""
        self.examples += 1
        if agreement.timed_out is not None:
            self.timed_out += 1
            self._last_timed_out = agreement.timed_out
        elif agreement.rejection is not None:
            self.rejected += 1
            self._last_rejection = agreement.rejection
            self.rejections.reject(feeds, agreement.rejection)
        else:
            self.rejections.accept(feeds)
            if agreement.is_ill_conditioned:
                self.ill_conditioned += 1
            else:
                self._add_compared(agreement, feeds, key)

    def _add_compared(self, agreement: Agreement, feeds: Feeds, key: bytes) -> None:
        self._seen.add(key)
        self.measured = self.measured.widened(agreement.measured)
        outputs = agreement.outputs or {}
        # A NaN that is made of a NaN shows nothing of the model.
        if outputs.keys() <= self._varied or is_extreme(feeds):
            return
        self._looked_at += 1
        for name, value in outputs.items():
            if name not in self._varied and self._has_varied(name, value):
                self._varied.add(name)

    def objection(self, blame: Blame | None = None) -> str:
        """Return why these examples prove nothing; "" where they do.

        `blame` is asked only where most were rejected.
        """
        if not self.examples:
            return "no example was run"
        if self.examples - self.compared <= MOST_NOT_COMPARED * self.examples:
            return ""
        total, found = self.examples, []
        if self.rejected:
            found.append(f"both sides rejected {self.rejected} of {total} examples")
        if self._last_timed_out is not None:
            found.append(
                f"{self.timed_out} of {total} ran longer than {self._last_timed_out.seconds:g} s "
                f"(--example-timeout)"
            )
        if self.ill_conditioned:
            found.append(
                f"{self.ill_conditioned} of {total} differ by no more than rounding explains"
            )
        if self.has_given_up:
            found.append("and no other was tried")
        said = f"{', '.join(found)}, so that too little was compared"
        blamed = blame(self.rejections) if blame is not None and self._is_mostly_rejected else ""
        if blamed:
            return f"{said}; {blamed}"
        said += "; state what the inputs accept with --input-spec FILE"
        if self._last_rejection is not None:
            said += f"; the last rejection: {self._last_rejection}"
        return said

    def result(self, stage: Stage, reason: str) -> StageResult:
        """Return the counts as the result of a stage, failed where there is a reason."""
        return StageResult(
            stage=stage,
            status=Status.FAILED if reason else Status.PASSED,
            reason=reason,
            examples=self.examples,
            rejected=self.rejected,
            timed_out=self.timed_out,
            ill_conditioned=self.ill_conditioned,
            measured=self.measured,
        )

    @property
    def _is_mostly_rejected(self) -> bool:
        return self.rejected >= self.timed_out + self.ill_conditioned

    def warnings(self) -> tuple[ModelWarning, ...]:
        """Warn of examples that are all alike, in what was fed or in what came out."""
        found = []
        compared = self.compared
        if 0 < len(self._seen) < min(_FEWEST_DISTINCT, compared):
            found.append(
                ModelWarning(
                    code="few_examples",
                    message=(
                        f"only {len(self._seen)} of {compared} examples were distinct: "
                        f"agreement proves little"
                    ),
                )
            )
        if not self._varied and self._first and self._looked_at >= _FEWEST_FOR_CONSTANT:
            filled = tuple(name for name, first in self._first.items() if first.size)
            names = filled or tuple(self._first)
            had = "one and the same value" if filled else "no element"
            found.append(
                ModelWarning(
                    code="constant_output",
                    message=(
                        f"{', '.join(names)} had {had} in all {self._looked_at} examples: "
                        f"agreement proves nothing"
                    ),
                    nodes=names,
                )
            )
        return tuple(found)

    def _has_varied(self, name: str, value: Array) -> bool:
        elements = np.ravel(value)
        first = self._first.setdefault(name, elements[:1].copy())
        if not first.size:
            first = self._first[name] = elements[:1].copy()
        if not elements.size:
            return False
        # No tolerance, but +0 and -0 are one value, and any two NaNs.
        same = Close(rtol=0.0)
        return compare(np.broadcast_to(first, elements.shape), elements, criterion=same) is not None
