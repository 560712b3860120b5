"""Many examples: what they show together, and when they show nothing."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from harness.criteria import Array, Measurement
from harness.errors import Rejected, TimedOut
from harness.tally import Rejections, Tally
from harness.verify import Agreement

FEEDS = {"x": np.array([1.0, 2.0], np.float32)}


def tally_of(*examples: Agreement) -> Tally:
    tally = Tally()
    for number, agreement in enumerate(examples):
        tally.add(agreement, feeds=FEEDS, key=b"%d" % number)
    return tally


def accepted(*values: Any) -> list[Agreement]:
    """One example for each value of the output y."""
    return [Agreement(outputs={"y": np.asarray(value)}) for value in values]


def rejection(*nodes: str, message: str = "no such shape") -> Agreement:
    return Agreement(rejection=Rejected("InvalidArgumentError", message, nodes=nodes))


REJECTED = rejection()
TIMED_OUT = Agreement(timed_out=TimedOut(3))
ILL_CONDITIONED = Agreement(is_ill_conditioned=True)
NOT_COMPARED = pytest.mark.parametrize(
    "agreement", [REJECTED, TIMED_OUT, ILL_CONDITIONED], ids=["rejected", "timed out", "ill"]
)


def test_examples_are_counted_by_what_came_of_them() -> None:
    tally = tally_of(*accepted(1.0, 2.0), REJECTED, *[TIMED_OUT] * 2, *[ILL_CONDITIONED] * 3)
    counts = (tally.rejected, tally.timed_out, tally.ill_conditioned, tally.compared)
    assert counts == (1, 2, 3, 2)
    assert tally.examples == 8


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


@NOT_COMPARED
def test_half_of_the_examples_need_not_be_compared(agreement: Agreement) -> None:
    assert tally_of(*accepted(1.0, 2.0), agreement, agreement).objection() == ""


@NOT_COMPARED
def test_examples_most_of_which_were_not_compared_prove_nothing(agreement: Agreement) -> None:
    objection = tally_of(*accepted(1.0), agreement, agreement).objection()
    assert "2 of 3" in objection
    assert "so that too little was compared" in objection
    assert "--input-spec FILE" in objection


def test_whatever_kept_examples_from_being_compared_counts_together() -> None:
    objection = tally_of(*accepted(1.0, 2.0), REJECTED, TIMED_OUT, ILL_CONDITIONED).objection()
    assert objection.startswith(
        "both sides rejected 1 of 5 examples, 1 of 5 ran longer than 3 s (--example-timeout), "
        "1 of 5 differ by no more than rounding explains, so that"
    )


def test_without_a_blame_the_last_rejection_is_told() -> None:
    objection = tally_of(*accepted(1.0), REJECTED, REJECTED).objection()
    assert objection.endswith("the last rejection: InvalidArgumentError: no such shape")
    assert "ran longer" not in objection


def test_rejections_are_blamed_on_an_input() -> None:
    seen: list[Rejections] = []

    def blame(rejections: Rejections) -> str:
        seen.append(rejections)
        return "2 by x: no such shape"

    tally = tally_of(*accepted(1.0), REJECTED, REJECTED)
    assert tally.objection(blame).endswith("so that too little was compared; 2 by x: no such shape")
    assert seen == [tally.rejections]


def test_a_blame_that_finds_nothing_leaves_the_last_rejection() -> None:
    objection = tally_of(*accepted(1.0), REJECTED, REJECTED).objection(lambda _: "")
    assert "the last rejection" in objection


@pytest.mark.parametrize(
    "agreements",
    [accepted(1.0, 2.0), [REJECTED, *accepted(1.0)], [REJECTED, TIMED_OUT, TIMED_OUT]],
    ids=["accepted", "half rejected", "most took too long"],
)
def test_nothing_is_blamed_where_rejections_are_few(agreements: list[Agreement]) -> None:
    def blame(_: Rejections) -> str:
        raise AssertionError("there is nothing to blame")

    tally_of(*agreements).objection(blame)


def test_after_ten_examples_that_took_too_long_no_other_is_worth_the_time() -> None:
    assert not tally_of(*[TIMED_OUT] * 9).has_given_up
    tally = tally_of(*accepted(1.0), *[TIMED_OUT] * 10)
    assert tally.has_given_up
    assert (
        "10 of 11 ran longer than 3 s (--example-timeout), and no other was tried"
        in tally.objection()
    )


def test_others_are_tried_while_most_are_in_time() -> None:
    tally = tally_of(*accepted(*range(10)), *[TIMED_OUT] * 10)
    assert not tally.has_given_up


def test_rejections_are_kept_by_where_they_arose_the_most_common_first() -> None:
    here, there = rejection("here"), rejection("there")
    causes = tally_of(here, there, there, here, there).rejections.most_common()
    assert [cause.count for cause in causes] == [3, 2]
    assert [cause.examples[0][1].nodes for cause in causes] == [("there",), ("here",)]


def test_few_of_many_feeds_are_kept() -> None:
    tally = tally_of(*accepted(*range(50)), *[rejection(f"node{n % 20}") for n in range(60)])
    rejections = tally.rejections
    kept = [feeds for cause in rejections.most_common() for feeds, _ in cause.examples]
    assert len(rejections.accepted) <= 5
    assert len(kept) <= 16
    assert sum(cause.count for cause in rejections.most_common()) < tally.rejected == 60


def test_ill_conditioned_outputs_are_accepted_and_prove_nothing() -> None:
    tally = tally_of(*[ILL_CONDITIONED] * 3)
    assert len(tally.rejections.accepted) == 3
    assert tally.warnings() == ()


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


@pytest.mark.parametrize("number", [math.nan, math.inf, 3e38])
def test_an_output_that_varies_with_feeds_beyond_arithmetic_alone_is_warned_of(
    number: float,
) -> None:
    tally = tally_of(*accepted(*[1.0] * 10))
    feeds = {"x": np.array([1.0, number], np.float32)}
    tally.add(Agreement(outputs={"y": np.array(math.nan)}), feeds=feeds, key=b"beyond")
    (warning,) = tally.warnings()
    assert warning.code == "constant_output"
    assert "in all 10 examples" in warning.message


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
        agreement = Agreement(outputs={"y": np.array([number, 0.5])})
        tally.add(agreement, feeds=FEEDS, key=b"the same")
    (warning,) = tally.warnings()
    assert warning.code == "few_examples"
    assert "only 1 of 20 examples were distinct" in warning.message
