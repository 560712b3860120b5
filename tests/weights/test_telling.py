"""What is said of wrong weights: of one, of many, of what is missing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from harness.criteria import Array, Exact, compare
from harness.weights.comparing import Place, Unconverted, WeightsResult, WrongValue
from harness.weights.explanation import Explanation
from harness.weights.telling import in_short, reason
from tests.weights.conftest import STEP, Trained, nudged


def wrong(
    name: str, explanation: Explanation | None = None, *, is_right_elsewhere: bool = False
) -> WrongValue:
    difference = compare(np.zeros(4), np.array([0, 0.5, 0, 0]), criterion=Exact())
    assert difference is not None
    return WrongValue(
        place=Place(reference=name, candidate=f"{name}_1", where="read by Add"),
        difference=difference,
        nbytes=32,
        is_right_elsewhere=is_right_elsewhere,
        explanation=explanation,
    )


def result(*found: WrongValue, variables: int = 9, **rest: tuple[str, ...]) -> WeightsResult:
    return WeightsResult(
        variables=variables, places=variables, compared_bytes=0, wrong=found, **rest
    )


def old(step: int = 1) -> Explanation:
    return Explanation(
        kind=f"step {step}",
        one=f"holds step {step}'s value, not step 9's",
        many=f"hold step {step}'s values, not step 9's",
        short=f"holds step {step}'s value",
        many_short=f"hold step {step}'s values",
        concludes=f"this .pb is of step {step}",
    )


def test_nothing_is_said_of_right_weights() -> None:
    assert (reason(result()), in_short(result())) == ("", "")


def test_one_variable_is_told_with_its_explanation() -> None:
    found = result(wrong("bias", old()))
    assert reason(found) == (
        "bias holds step 1's value, not step 9's (1 of 4 elements differ, largest 5.0e-01)"
    )
    assert in_short(found) == "bias holds step 1's value"


def test_one_variable_without_explanation_is_told_by_its_difference() -> None:
    found = result(wrong("bias"))
    assert reason(found).startswith("bias[1] = 0.5, but should be 0.0 (1 of 4 elements differ, ")
    assert in_short(found) == "bias differs in 1 of 4 elements"


def test_the_place_is_told_where_the_variable_is_right_in_others() -> None:
    found = result(wrong("bias", old(), is_right_elsewhere=True))
    assert reason(found).endswith("largest 5.0e-01) in bias_1, read by Add")


def test_a_variable_that_is_wrong_in_several_places_is_told_once() -> None:
    found = result(wrong("bias", old()), wrong("bias", old()))
    assert reason(found).startswith("bias holds step 1's value")
    assert "more" not in reason(found)


def test_a_dtype_is_told_without_a_count_of_elements() -> None:
    difference = compare(np.zeros(4), np.zeros(4, np.float32), criterion=Exact())
    assert difference is not None
    place = Place(reference="bias", candidate="bias")
    found = result(WrongValue(place=place, difference=difference, nbytes=32))
    assert reason(found) == "bias: dtype is float32, but should be float64"
    assert in_short(found) == "bias is float32, not float64"


def test_all_of_one_kind_are_told_together_with_what_follows() -> None:
    found = result(*(wrong(name, old()) for name in "abc"), variables=3)
    assert reason(found) == (
        "all 3 variables hold step 1's values, not step 9's: this .pb is of step 1 (first a[1] = "
        "0.5, but should be 0.0; 1 of 4 elements differ, largest 5.0e-01)"
    )
    assert in_short(found) == "all 3 variables hold step 1's values"


def test_both_of_two_are_told_together() -> None:
    found = result(wrong("a", old()), wrong("b", old()), variables=2)
    assert reason(found).startswith("both variables hold step 1's values, not step 9's: this .pb")


def test_of_a_minority_nothing_follows() -> None:
    found = result(wrong("a", old()), wrong("b", old()), variables=5)
    assert reason(found).startswith(
        "2 of 5 variables hold step 1's values, not step 9's (first a[1] ="
    )


def test_most_are_told_before_the_rest() -> None:
    found = result(wrong("x"), *(wrong(name, old()) for name in "abc"), wrong("y"), variables=5)
    said = reason(found)
    assert said.startswith("3 of 5 variables hold step 1's values, not step 9's: this .pb is of")
    assert " · x[1] = 0.5, but should be 0.0 (" in said
    assert said.endswith(", and 1 more differs")


def test_without_a_common_kind_the_first_is_told_and_the_rest_counted() -> None:
    found = result(
        wrong("x"), wrong("a", old(1)), wrong("b", old(2)), wrong("c", old(2)), wrong("d"),
        wrong("e"), wrong("f"),
    )  # fmt: skip
    assert reason(found).startswith("x[1] = 0.5, but should be 0.0 (")
    assert reason(found).endswith(
        "), and 6 more variables differ: 2 hold step 2's values, not step 9's"
    )
    assert in_short(found) == "x differs in 1 of 4 elements, and 6 more variables differ"


def test_values_with_parentheses_are_not_taken_apart() -> None:
    difference = compare(np.array([1 + 2j]), np.array([3 + 4j]), criterion=Exact())
    assert difference is not None
    places = [Place(reference=name, candidate=name) for name in "ab"]
    found = result(
        *(WrongValue(place=p, difference=difference, nbytes=16, explanation=old()) for p in places),
        variables=2,
    )
    assert "(first a[0] = (3+4j), but should be (1+2j); 1 of 1 elements differ" in reason(found)


def test_what_is_missing_or_left_is_told_with_the_values() -> None:
    found = WeightsResult(
        variables=9,
        places=1,
        compared_bytes=0,
        wrong=(wrong("bias", old()),),
        missing=("m1 has no place", "m2", "m3", "m4", "m5"),
        unconverted=tuple(Unconverted(name=n, op="Variable") for n in ("Variable", "Variable_1")),
        strays=("the constant K stands for no variable",),
    )
    assert reason(found) == (
        "Variable, Variable_1 (Variable) left unconverted: the .pb holds no value for them and "
        "cannot run · bias holds step 1's value, not step 9's (1 of 4 elements differ, largest "
        "5.0e-01) · m1 has no place · m2 · m3 · and 2 more like it · the constant K stands for no "
        "variable"
    )


def test_one_variable_left_is_told_in_the_singular() -> None:
    found = WeightsResult(
        variables=1,
        places=0,
        compared_bytes=0,
        unconverted=(Unconverted(name="v", op="VarHandleOp"),),
    )
    assert reason(found).endswith("the .pb holds no value for it and cannot run")


@pytest.mark.parametrize("step", [100, 103, 150, 200])
def test_an_old_candidate_is_said_to_be_of_its_step(reference: Trained, step: int) -> None:
    given: Mapping[str, Array] = {n: reference.saved[step][n] for n in reference.right}
    found = reference.compared(given)
    # One of the five variables is the same in every step.
    other, own = f"model.ckpt-{step}", f"model.ckpt-{STEP}"
    assert reason(found).startswith(
        f"4 of 5 variables hold {other}'s values, not {own}'s: this .pb is of {other}, not {own} "
        f"(first fc1/weights["
    )
    assert in_short(found) == f"4 of 5 variables hold {other}'s values"


def test_exchanged_variables_are_told_in_one_sentence(reference: Trained) -> None:
    right = reference.right
    found = reference.compared(
        {"fc1/weights": right["fc2/weights"], "fc2/weights": right["fc1/weights"]}
    )
    text = "fc1/weights holds fc2/weights' value, and fc2/weights fc1/weights'"
    assert reason(found).startswith(f"{text} (64 of 64 elements differ, largest ")
    assert in_short(found) == text


def test_an_element_off_by_one_bit_is_told_as_it_is(reference: Trained) -> None:
    found = reference.compared({"fc1/weights": nudged(reference.right["fc1/weights"])})
    assert reason(found).startswith("fc1/weights[0, 0] = ")
    assert reason(found).endswith("1 ULP)")
