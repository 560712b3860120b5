"""Compare two models on feeds. Models are functions here: no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.conditioning import Conditioning
from harness.criteria import (
    NO_DIFFERENCE,
    Array,
    Criterion,
    Difference,
    Exact,
    Measurement,
    compare,
    measure,
)
from harness.errors import FreezeproofError, Rejected, TimedOut
from harness.memo import Run


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
        fed: str = "",
    ) -> None:
        """Keep how far the outputs lie apart, and on which feeds, beside the sentence.

        `fed` tells the feeds in words.
        """
        super().__init__(message)
        self.measured = measured
        self.feeds = feeds
        self.fed = fed

    def told(self, *diagnosis: str) -> str:
        """Return the sentence, what else is known of the difference, and on which feeds."""
        fed = f"fed {self.fed}" if self.fed else ""
        return " · ".join(part for part in (str(self), *diagnosis, fed) if part)


class OutputsDiffer(Disagreement):
    """Both accept the feeds and give other outputs."""


class AcceptanceDiffers(Disagreement):
    """One accepts the feeds and the other rejects them, or they reject them differently."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What an example showed that is no disagreement.

    `outputs` are the reference's, where they were compared. Where they were not, one of the others
    says why: both sides reject the feeds, one side takes too long, or the outputs differ by what
    rounding explains.
    """

    outputs: Mapping[str, Array] | None = None
    measured: Measurement = NO_DIFFERENCE
    rejection: Rejected | None = None
    timed_out: TimedOut | None = None
    is_of_candidate: bool = False
    """Whether it was the candidate alone that took too long."""
    is_ill_conditioned: bool = False


def compare_on(
    feeds: Mapping[str, Array],
    *,
    reference: Run,
    candidate: Run,
    criterion: Criterion,
    conditioning: Conditioning | None = None,
) -> Agreement:
    """Run both on `feeds` and compare every output under `criterion`.

    `candidate` gives its outputs under the reference's names. With `conditioning`, outputs that
    differ by what rounding explains are no disagreement.

    Raises:
        OutputsDiffer: an output differs, is missing, or is one too many.
        AcceptanceDiffers: one side rejects the feeds; or both, compared strictly, for another class
            of error.
    """
    expected = _run(reference, feeds)
    if isinstance(expected, TimedOut):
        return Agreement(timed_out=expected)  # nothing is waited for that would not be compared
    actual = _run(candidate, feeds)
    if isinstance(actual, TimedOut):
        return Agreement(timed_out=actual, is_of_candidate=True)
    if isinstance(expected, Rejected) or isinstance(actual, Rejected):
        return _compare_rejections(expected, actual, criterion)
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
    if not differences:
        return Agreement(outputs=expected, measured=measured)
    if conditioning is not None and conditioning.explains(
        feeds, expected, actual, names=differences
    ):
        return Agreement(is_ill_conditioned=True)
    for difference in differences.values():
        measured = measured.widened(difference.measured)
    sentence = "; ".join(d.describe(name) for name, d in differences.items())
    raise OutputsDiffer(sentence, measured=measured)


def _run(run: Run, feeds: Mapping[str, Array]) -> Mapping[str, Array] | Rejected | TimedOut:
    try:
        return run(feeds)
    except (Rejected, TimedOut) as error:
        return error.again()  # without the frames, and with them the arrays, of the call


def _compare_rejections(
    expected: Mapping[str, Array] | Rejected,
    actual: Mapping[str, Array] | Rejected,
    criterion: Criterion,
) -> Agreement:
    if not isinstance(expected, Rejected):
        raise AcceptanceDiffers(f"the candidate rejects feeds that the reference accepts: {actual}")
    if not isinstance(actual, Rejected):
        raise AcceptanceDiffers(
            f"the candidate accepts feeds that the reference rejects: {expected}"
        )
    # Of feeds with two faults, a graph that was optimised may meet the other one first.
    if isinstance(criterion, Exact) and expected.kind != actual.kind:
        raise AcceptanceDiffers(f"the reference rejects by {expected}, the candidate by {actual}")
    return Agreement(rejection=expected)
