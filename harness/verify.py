"""Compare two models on feeds; sum up what was seen. Models are functions here: no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from harness.criteria import (
    NO_DIFFERENCE,
    Array,
    Close,
    Criterion,
    Difference,
    Measurement,
    compare,
    measure,
)
from harness.errors import FreezeproofError, Rejected
from harness.memo import Run
from harness.verdict import ModelWarning

MOST_REJECTED = 0.5
"""A stage whose feeds were rejected more often than this has shown nothing."""

_FEWEST_FOR_CONSTANT = 3
_FEWEST_DISTINCT = 3


class Disagreement(FreezeproofError):
    """Reference and candidate do not agree on some feeds; the message is the whole sentence.

    Of two kinds, so that hypothesis does not shrink one into the other.
    """

    def __init__(
        self,
        message: str,
        *,
        measured: Measurement = NO_DIFFERENCE,
        feeds: Mapping[str, Array] | None = None,
    ) -> None:
        """Keep how far the outputs lie apart, and on which feeds, beside the sentence."""
        super().__init__(message)
        self.measured = measured
        self.feeds = feeds


class OutputsDiffer(Disagreement):
    """Both accept the feeds and give other outputs."""


class AcceptanceDiffers(Disagreement):
    """One accepts the feeds and the other rejects them, or they reject them differently."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What an example showed that both sides agree on."""

    outputs: Mapping[str, Array] | None
    """The reference's outputs; None where both reject the feeds."""
    rejection: Rejected | None = None
    measured: Measurement = NO_DIFFERENCE


def compare_on(
    feeds: Mapping[str, Array], *, reference: Run, candidate: Run, criterion: Criterion
) -> Agreement:
    """Run both on `feeds` and compare every output under `criterion`.

    `candidate` gives its outputs under the reference's names.

    Raises:
        OutputsDiffer: an output differs, is missing, or is one too many.
        AcceptanceDiffers: one side rejects the feeds, or both for another class of error.
    """
    expected, actual = _run(reference, feeds), _run(candidate, feeds)
    if isinstance(expected, Rejected) or isinstance(actual, Rejected):
        return _compare_rejections(expected, actual)
    if expected.keys() != actual.keys():
        raise OutputsDiffer(
            f"the outputs are {', '.join(actual)}, but should be {', '.join(expected)}"
        )
    differences: dict[str, Difference] = {}
    measured = NO_DIFFERENCE
    for name, value in expected.items():
        difference = compare(value, actual[name], criterion=criterion)
        if difference is not None:
            differences[name] = difference
        else:
            measured = measured.widened(measure(value, actual[name]))
    if differences:
        for difference in differences.values():
            measured = measured.widened(difference.measured)
        sentence = "; ".join(d.describe(name) for name, d in differences.items())
        raise OutputsDiffer(sentence, measured=measured)
    return Agreement(outputs=expected, measured=measured)


def _run(run: Run, feeds: Mapping[str, Array]) -> Mapping[str, Array] | Rejected:
    try:
        return run(feeds)
    except Rejected as rejection:
        return rejection


def _compare_rejections(
    expected: Mapping[str, Array] | Rejected, actual: Mapping[str, Array] | Rejected
) -> Agreement:
    if not isinstance(expected, Rejected):
        raise AcceptanceDiffers(f"the candidate rejects feeds that the reference accepts: {actual}")
    if not isinstance(actual, Rejected):
        raise AcceptanceDiffers(
            f"the candidate accepts feeds that the reference rejects: {expected}"
        )
    if expected.kind != actual.kind:
        raise AcceptanceDiffers(f"the reference rejects by {expected}, the candidate by {actual}")
    return Agreement(outputs=None, rejection=expected)


@dataclass(kw_only=True)
class Tally:
    """The examples of one stage, counted as they come."""

    examples: int = 0
    rejected: int = 0
    measured: Measurement = NO_DIFFERENCE
    last_rejection: Rejected | None = None
    _first: dict[str, Array] = field(default_factory=dict)
    _varied: set[str] = field(default_factory=set)
    _seen: set[bytes] = field(default_factory=set)

    def add(self, agreement: Agreement, *, key: bytes) -> None:
        """Count one example; `key` tells whether the same feeds were there before."""
        self.examples += 1
        if agreement.outputs is not None:
            self._seen.add(key)
        self.measured = self.measured.widened(agreement.measured)
        if agreement.outputs is None:
            self.rejected += 1
            self.last_rejection = agreement.rejection
            return
        for name, value in agreement.outputs.items():
            if name not in self._varied and self._has_varied(name, value):
                self._varied.add(name)

    def objection(self) -> str:
        """Return why these examples prove nothing; "" where they do."""
        if not self.examples:
            return "no example was run"
        if self.rejected > MOST_REJECTED * self.examples:
            return (
                f"both sides rejected {self.rejected} of {self.examples} examples, so that too "
                f"little was compared; state what the inputs accept with --input-spec FILE; "
                f"the last rejection: {self.last_rejection}"
            )
        return ""

    def warnings(self) -> tuple[ModelWarning, ...]:
        """Warn of examples that are all alike, in what was fed or in what came out."""
        found = []
        accepted = self.examples - self.rejected
        if 0 < len(self._seen) < min(_FEWEST_DISTINCT, accepted):
            found.append(
                ModelWarning(
                    code="few_examples",
                    message=(
                        f"only {len(self._seen)} of {accepted} examples were distinct: "
                        f"agreement proves little"
                    ),
                )
            )
        if not self._varied and self._first and accepted >= _FEWEST_FOR_CONSTANT:
            filled = tuple(name for name, first in self._first.items() if first.size)
            names = filled or tuple(self._first)
            had = "one and the same value" if filled else "no element"
            found.append(
                ModelWarning(
                    code="constant_output",
                    message=(
                        f"{', '.join(names)} had {had} in all {accepted} examples: "
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
