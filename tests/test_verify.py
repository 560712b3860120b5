"""Two models on the same feeds. Models are functions here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from harness.criteria import Array, Close, Exact, Measurement
from harness.errors import BrokenModel, Rejected
from harness.memo import Run
from harness.verify import (
    AcceptanceDiffers,
    Agreement,
    Disagreement,
    OutputsDiffer,
    Tally,
    compare_on,
)

FEEDS = {"x": np.array([1.0, 2.0], np.float32)}
REJECTION = Rejected("InvalidArgumentError", "no such shape")


def gives(**outputs: Any) -> Run:
    """A model whose outputs are always these."""
    return lambda _: {name: np.asarray(value) for name, value in outputs.items()}


def rejects(kind: str = "InvalidArgumentError", message: str = "no such shape") -> Run:
    """A model that refuses all feeds."""

    def run(_: Mapping[str, Array]) -> Mapping[str, Array]:
        raise Rejected(kind, message)

    return run


def compared(reference: Run, candidate: Run, criterion: Exact | Close | None = None) -> Agreement:
    return compare_on(
        FEEDS, reference=reference, candidate=candidate, criterion=criterion or Exact()
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


@pytest.mark.parametrize("side", ["reference", "candidate"])
def test_an_error_that_is_no_rejection_comes_out(side: str) -> None:
    def broken(_: Mapping[str, Array]) -> Mapping[str, Array]:
        raise BrokenModel("no such variable")

    runs = {"reference": gives(y=1.0), "candidate": gives(y=1.0), side: broken}
    with pytest.raises(BrokenModel):
        compare_on(FEEDS, criterion=Exact(), **runs)


def test_the_kinds_of_disagreement_can_be_told_apart() -> None:
    assert issubclass(OutputsDiffer, Disagreement)
    assert issubclass(AcceptanceDiffers, Disagreement)
    assert not issubclass(OutputsDiffer, AcceptanceDiffers)


# ---- the tally


def tally_of(*examples: Agreement) -> Tally:
    tally = Tally()
    for number, agreement in enumerate(examples):
        tally.add(agreement, key=b"%d" % number)
    return tally


def accepted(*values: Any) -> list[Agreement]:
    """One example for each value of the output y."""
    return [Agreement(outputs={"y": np.asarray(value)}) for value in values]


REJECTED = Agreement(outputs=None, rejection=REJECTION)


def test_examples_and_rejections_are_counted() -> None:
    tally = tally_of(*accepted(1.0, 2.0), REJECTED)
    assert (tally.examples, tally.rejected) == (3, 1)


def test_the_largest_difference_of_any_example_is_kept() -> None:
    outputs = {"y": np.ones(1)}
    tally = tally_of(
        Agreement(outputs=outputs, measured=Measurement(max_ulp=3, max_abs=0.1)),
        Agreement(outputs=outputs, measured=Measurement(max_ulp=1, max_abs=0.2)),
    )
    assert tally.measured == Measurement(max_ulp=3, max_abs=0.2)


def test_no_example_proves_nothing() -> None:
    assert tally_of().objection() == "no example was run"


def test_examples_that_were_accepted_prove_something() -> None:
    assert tally_of(*accepted(1.0)).objection() == ""


def test_half_of_the_examples_may_be_rejected() -> None:
    assert tally_of(*accepted(1.0, 2.0), REJECTED, REJECTED).objection() == ""


def test_mostly_rejected_examples_prove_nothing() -> None:
    objection = tally_of(*accepted(1.0), REJECTED, REJECTED).objection()
    assert "rejected 2 of 3 examples" in objection
    assert "--input-spec FILE" in objection
    assert objection.endswith("the last rejection: InvalidArgumentError: no such shape")


@pytest.mark.parametrize(
    "value",
    [
        np.full((2, 3), 7.0),
        np.full(3, math.nan),
        np.array([0.0, -0.0]),
        np.int64(3),
        np.array([True, True]),
        np.array([b"same", b"same"], object),
        np.array(b"same", object),
        np.ones(2, ml_dtypes.bfloat16),
        np.full(2, 1 + 1j, np.complex64),
        np.array([(1,), (1,)], [("qint8", "i1")]),
    ],
    ids=str,
)
def test_an_output_that_is_always_one_value_is_warned_of(value: Array) -> None:
    (warning,) = tally_of(*accepted(*[value] * 10)).warnings()
    assert (warning.code, warning.nodes) == ("constant_output", ("y",))
    assert "y had one and the same value in all 10 examples" in warning.message


def test_a_constant_of_another_shape_each_time_is_warned_of() -> None:
    assert tally_of(*accepted(*[np.ones(n) for n in range(10)])).warnings()


def test_an_output_without_elements_throughout_is_warned_of() -> None:
    (warning,) = tally_of(*accepted(*[np.ones((n, 0)) for n in range(10)])).warnings()
    assert "y had no element in all 10 examples" in warning.message


def test_too_few_examples_are_not_warned_of() -> None:
    assert tally_of(*accepted(*[1.0] * 2), REJECTED).warnings() == ()


@pytest.mark.parametrize("position", [0, 5, 10])
def test_an_output_that_varies_between_examples_is_not_warned_of(position: int) -> None:
    values = [1.0] * 11
    values[position] = 2.0
    assert tally_of(*accepted(*values)).warnings() == ()


def test_an_output_that_varies_within_an_example_is_not_warned_of() -> None:
    assert tally_of(*accepted(*[np.array([1.0, 2.0])] * 10)).warnings() == ()


def test_a_string_that_varies_is_not_warned_of() -> None:
    texts = [np.array([text], object) for text in [b"a", b"b"] * 5]
    assert tally_of(*accepted(*texts)).warnings() == ()


def test_one_output_that_varies_is_enough() -> None:
    examples = [Agreement(outputs={"a": np.ones(1), "b": np.array(n)}) for n in range(10)]
    assert tally_of(*examples).warnings() == ()


def test_every_constant_output_is_named() -> None:
    examples = [Agreement(outputs={"a": np.ones(1), "b": np.zeros(1)})] * 10
    (warning,) = tally_of(*examples).warnings()
    assert warning.nodes == ("a", "b")
    assert warning.message.startswith("a, b had")


def test_rejections_alone_are_not_warned_of_but_objected_to() -> None:
    tally = tally_of(*[REJECTED] * 20)
    assert tally.warnings() == ()
    assert tally.objection()


def test_the_same_feeds_again_and_again_are_warned_of() -> None:
    tally = Tally()
    for number in range(20):
        tally.add(Agreement(outputs={"y": np.array([number, 0.5])}), key=b"the same")
    (warning,) = tally.warnings()
    assert warning.code == "few_examples"
    assert "only 1 of 20 examples were distinct" in warning.message
