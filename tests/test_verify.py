"""Two models on the same feeds. Models are functions here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from harness.conditioning import Conditioning
from harness.criteria import Array, Close, Exact, Measurement
from harness.errors import BrokenModel, Rejected, TimedOut
from harness.memo import Run
from harness.verify import (
    AcceptanceDiffers,
    Agreement,
    Disagreement,
    OutputsDiffer,
    compare_on,
)

FEEDS = {"x": np.array([1.0, 2.0], np.float32)}


def gives(**outputs: Any) -> Run:
    """A model whose outputs are always these."""
    return lambda _: {name: np.asarray(value) for name, value in outputs.items()}


def rejects(kind: str = "InvalidArgumentError", message: str = "no such shape") -> Run:
    """A model that refuses all feeds."""

    def run(_: Mapping[str, Array]) -> Mapping[str, Array]:
        raise Rejected(kind, message)

    return run


def takes_too_long(_: Mapping[str, Array]) -> Mapping[str, Array]:
    raise TimedOut(3)


def never(_: Mapping[str, Array]) -> Mapping[str, Array]:
    raise AssertionError("this model should not be run")


def compared(
    reference: Run,
    candidate: Run,
    criterion: Exact | Close | None = None,
    *,
    conditioning: Conditioning | None = None,
) -> Agreement:
    return compare_on(
        FEEDS,
        reference=reference,
        candidate=candidate,
        criterion=criterion or Exact(),
        conditioning=conditioning,
    )


def test_models_that_give_the_same_bits_agree() -> None:
    agreement = compared(gives(y=[1.0]), gives(y=[1.0]))
    assert agreement.outputs is not None
    np.testing.assert_array_equal(agreement.outputs["y"], [1.0])
    assert agreement.measured == Measurement()


def test_both_models_are_fed_the_same() -> None:
    seen: list[Mapping[str, Array]] = []

    def run(feeds: Mapping[str, Array]) -> Mapping[str, Array]:
        seen.append(feeds)
        return {"y": feeds["x"]}

    compared(run, run)
    assert [feeds["x"] is FEEDS["x"] for feeds in seen] == [True, True]


def test_outputs_are_matched_by_name_and_not_by_order() -> None:
    compared(gives(a=1.0, b=2.0), gives(b=2.0, a=1.0))
    with pytest.raises(OutputsDiffer):
        compared(gives(a=1.0, b=2.0), gives(a=2.0, b=1.0))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_output_is_compared(number: int) -> None:
    expected = {"a": 1.0, "b": 1.0, "c": 1.0}
    name = "abc"[number]
    with pytest.raises(OutputsDiffer, match=f"^{name} = 2.0, but should be 1.0"):
        compared(gives(**expected), gives(**{**expected, name: 2.0}))


def test_all_outputs_that_differ_are_told() -> None:
    with pytest.raises(OutputsDiffer, match=r"^a = 2\.0.*; c = 3\.0") as caught:
        compared(gives(a=1.0, b=1.0, c=1.0), gives(a=2.0, b=1.0, c=3.0))
    assert caught.value.measured.max_abs == 2.0


def test_a_missing_output_differs() -> None:
    with pytest.raises(OutputsDiffer, match="the outputs are a, but should be a, b"):
        compared(gives(a=1.0, b=1.0), gives(a=1.0))


def test_an_output_too_many_differs() -> None:
    with pytest.raises(OutputsDiffer, match="the outputs are a, b, but should be a"):
        compared(gives(a=1.0), gives(a=1.0, b=1.0))


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (np.zeros(2), -np.zeros(2)),
        (np.ones(2, np.float32), np.ones(2, np.float64)),
        (np.ones(2), np.ones((2, 1))),
        (np.ones(()), np.ones(1)),
        (np.array([1.0, math.nan]), np.array([1.0, 1.0])),
        (np.array([b"a"], object), np.array([b"b"], object)),
        (np.int64(3), np.int64(4)),
    ],
    ids=["minus zero", "dtype", "shape", "rank", "nan", "string", "scalar"],
)
def test_outputs_that_assert_array_equal_might_pass_differ(expected: Array, actual: Array) -> None:
    with pytest.raises(OutputsDiffer):
        compared(gives(y=expected), gives(y=actual))


def test_what_is_within_tolerance_agrees_and_is_measured() -> None:
    agreement = compared(gives(y=[8.0, 1.0]), gives(y=[8.0, 1.5]), Close(rtol=0.1))
    assert agreement.measured.max_rel == 0.5 / 8


def test_the_outputs_of_an_agreement_are_the_references() -> None:
    agreement = compared(gives(y=[8.0]), gives(y=[8.5]), Close(rtol=0.1))
    assert agreement.outputs is not None
    assert agreement.outputs["y"].tolist() == [8.0]


def test_feeds_that_both_reject_are_agreed_on() -> None:
    agreement = compared(rejects(), rejects(message="in other words"))
    assert agreement.outputs is None
    assert str(agreement.rejection) == "InvalidArgumentError: no such shape"


def test_feeds_that_the_candidate_alone_rejects_are_a_disagreement() -> None:
    with pytest.raises(AcceptanceDiffers, match=r"candidate rejects .* accepts: .*no such shape"):
        compared(gives(y=1.0), rejects())


def test_feeds_that_the_reference_alone_rejects_are_a_disagreement() -> None:
    with pytest.raises(AcceptanceDiffers, match=r"candidate accepts .* rejects: .*no such shape"):
        compared(rejects(), gives(y=1.0))


def test_rejections_by_another_class_of_error_are_a_disagreement() -> None:
    with pytest.raises(AcceptanceDiffers, match=r"reference rejects by Invalid.*candidate by Out"):
        compared(rejects(), rejects("OutOfRangeError"))


def test_a_graph_that_was_optimised_may_meet_another_error_first() -> None:
    agreement = compared(rejects(), rejects("OutOfRangeError"), Close(rtol=1e-4))
    assert agreement.rejection is not None
    assert agreement.rejection.kind == "InvalidArgumentError"


@pytest.mark.parametrize("criterion", [Exact(), Close(rtol=1e-4)], ids=str)
def test_feeds_that_one_side_rejects_are_a_disagreement_within_a_tolerance_too(
    criterion: Exact | Close,
) -> None:
    with pytest.raises(AcceptanceDiffers):
        compared(gives(y=1.0), rejects(), criterion)


@pytest.mark.parametrize(
    "sides",
    [
        (takes_too_long, never),
        (gives(y=1.0), takes_too_long),
        (rejects(), takes_too_long),
    ],
    ids=["reference", "candidate", "candidate, where the reference rejects"],
)
def test_what_takes_too_long_is_not_compared(sides: tuple[Run, Run]) -> None:
    agreement = compared(*sides)
    assert agreement.timed_out is not None
    assert agreement.timed_out.seconds == 3
    assert (agreement.outputs, agreement.rejection) == (None, None)


def moved_by(amount: float) -> Conditioning:
    """The conditioning of a model whose output moves by `amount` when its weights do."""
    return Conditioning(gives(y=[1.0]), moved=[gives(y=[1.0 + amount])])


def test_a_difference_that_rounding_explains_is_none() -> None:
    agreement = compared(
        gives(y=[1.0]), gives(y=[1.1]), Close(rtol=1e-4), conditioning=moved_by(0.1)
    )
    assert agreement.is_ill_conditioned
    assert (agreement.outputs, agreement.measured) == (None, Measurement())


def test_a_difference_that_rounding_does_not_explain_is_one() -> None:
    with pytest.raises(OutputsDiffer, match=r"y\[0\] = 1.1"):
        compared(gives(y=[1.0]), gives(y=[1.1]), Close(rtol=1e-4), conditioning=moved_by(1e-6))


def test_the_reference_is_moved_only_where_outputs_differ() -> None:
    untouched = Conditioning(never, moved=[never])
    agreement = compared(
        gives(y=[1.0]), gives(y=[1.00001]), Close(rtol=1e-4), conditioning=untouched
    )
    assert agreement.outputs is not None


@pytest.mark.parametrize("side", ["reference", "candidate"])
def test_an_error_that_is_no_rejection_comes_out(side: str) -> None:
    def broken(_: Mapping[str, Array]) -> Mapping[str, Array]:
        raise BrokenModel("no such variable")

    runs = {"reference": gives(y=1.0), "candidate": gives(y=1.0), side: broken}
    with pytest.raises(BrokenModel):
        compared(runs["reference"], runs["candidate"])


def test_the_kinds_of_disagreement_can_be_told_apart() -> None:
    assert issubclass(OutputsDiffer, Disagreement)
    assert issubclass(AcceptanceDiffers, Disagreement)
    assert not issubclass(OutputsDiffer, AcceptanceDiffers)
