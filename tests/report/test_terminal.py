"""The table of candidates by stages, and the sentences under it."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import pytest

from harness.criteria import Measurement
from harness.report.terminal import largest_difference, render, render_brief, signature_lines
from harness.signature import TensorSpec
from harness.verdict import (
    CandidateReport,
    DrawnInput,
    ModelFacts,
    ModelReport,
    ModelWarning,
    Stage,
    StageResult,
    Status,
)

COMPARED = [stage for stage in Stage if stage is not Stage.RESTORE]


def result(stage: Stage, status: Status = Status.PASSED, **rest: Any) -> StageResult:
    return StageResult(stage=stage, status=status, **rest)


def candidate(*results: StageResult, name: str = "direct") -> CandidateReport:
    return CandidateReport(name=name, method=name, stages={r.stage: r for r in results})


def equivalent(name: str = "direct", **rest: Any) -> CandidateReport:
    return candidate(*(result(stage, **rest) for stage in COMPARED), name=name)


def different(reason: str, name: str = "old.pb", **rest: Any) -> CandidateReport:
    return candidate(result(Stage.OUTPUTS, Status.FAILED, reason=reason, **rest), name=name)


def unsupported(reason: str, name: str) -> CandidateReport:
    return candidate(result(Stage.EXPORT, Status.UNSUPPORTED, reason=reason), name=name)


def model(*candidates: CandidateReport, restored: StageResult | None = None) -> ModelReport:
    return ModelReport(
        name="model",
        facts=ModelFacts(reference="runs/model", kind="checkpoint"),
        stages={Stage.RESTORE: restored} if restored else {},
        candidates=candidates,
    )


def shown(*models: ModelReport, width: int = 120) -> str:
    return render(models, width=width, color=False)


def row(text: str, name: str) -> list[str]:
    """The cells of a candidate's row."""
    (line,) = (line for line in text.splitlines() if line.startswith(f"  {name} "))
    return re.split(r" {2,}", line.strip())


def test_a_model_that_agrees_is_a_heading_and_a_row() -> None:
    text = shown(model(equivalent(nodes=13, bytes=236256, seconds=0.05)))
    assert text.splitlines()[0] == "model is equivalent"
    cells = ["direct", *["ok"] * len(COMPARED), "equivalent", "13", "236,256", "0", "0.2"]
    assert row(text, "direct") == cells


def test_a_model_that_differs_is_told_with_the_stage_and_the_reason() -> None:
    text = shown(model(equivalent(), different("y[0] = 1.0, but should be 0.0")))
    assert text.splitlines()[0] == "model is different at outputs"
    assert row(text, "old.pb")[:3] == ["old.pb", "FAILED", "different"]
    assert "different: y[0] = 1.0, but should be 0.0 (old.pb)" in text


def test_lines_to_copy_have_nothing_after_them() -> None:
    text = shown(model(different("state it:\n  [inputs.ids]\n  range = [0, 3]", name="old.pb")))
    assert "  different (old.pb): state it:\n" in text
    assert "range = [0, 3]\n" in f"{text}\n"


def test_a_broken_model_is_told_once() -> None:
    failed = result(Stage.RESTORE, Status.FAILED, reason="no value for the variable w")
    skipped = candidate(result(Stage.EXPORT, Status.SKIPPED, reason="restore failed"))
    text = shown(model(skipped, restored=failed))
    assert text.splitlines()[0] == "model is broken at restore"
    assert text.count("no value for the variable w") == 1
    assert "restore failed" not in text


def test_a_reason_that_holds_for_several_is_told_once_with_their_names() -> None:
    text = shown(model(equivalent(), unsupported("by design", "a"), unsupported("by design", "b")))
    assert text.count("by design") == 1
    assert "unsupported: by design (a, b)" in text


def test_a_model_without_candidates_has_no_table() -> None:
    assert shown(model()).split() == ["model", "is", "unverified"]


def test_warnings_are_told() -> None:
    warning = ModelWarning(code="random_op", message="dropout is on")
    text = shown(model(equivalent(warnings=(warning,))))
    assert text.splitlines()[0] == "model is suspicious"
    assert text.count("warning: dropout is on") == 1


def test_what_feeds_were_drawn_from_is_told_beneath_the_table() -> None:
    drawn = (
        DrawnInput(
            name="ids", shape="[batch]", axes=("batch 0..8",), values="0 to 49", read_from="lookup"
        ),
        DrawnInput(name="x", shape="[3]"),
    )
    agreed = model(equivalent())
    text = shown(replace(agreed, facts=replace(agreed.facts, drawn=drawn)))
    assert "drawn: ids [batch]: batch 0..8; 0 to 49 (read from lookup)\n" in text
    assert text.splitlines()[-1] == "  drawn: x [3]"


def test_examples_that_were_not_compared_are_told_once_with_whom_they_concern() -> None:
    text = shown(
        model(
            equivalent("a", examples=100, rejected=1, timed_out=2, ill_conditioned=3),
            equivalent("b", examples=100),
        ),
        width=200,
    )
    assert (
        "  outputs: of 100 examples, not compared: 1 refused by both sides, 2 that ran too long, "
        "3 that differ by no more than rounding explains (a)\n"
    ) in text
    assert "(a, b)" not in text
    assert "(b)" not in text


def test_of_many_inputs_some_are_told_and_the_others_counted() -> None:
    drawn = tuple(DrawnInput(name=f"x{number}", shape="[]") for number in range(40))
    agreed = model(equivalent())
    text = shown(replace(agreed, facts=replace(agreed.facts, drawn=drawn)))
    assert text.count("drawn: x") == 12
    assert text.splitlines()[-1] == "  drawn: 28 more inputs, told by --report-json"


@pytest.mark.parametrize("name", ["model[v2].pb", "[red]", ":smile:.pb", "a\\[b].pb"])
def test_a_name_is_shown_as_it_is(name: str) -> None:
    assert row(shown(model(equivalent(name))), name)[0] == name


def test_a_reason_is_shown_as_it_is() -> None:
    reason = "y[red] = [bold]1[/bold], but should be :smile:"
    assert reason in shown(model(different(reason)))


def test_a_reason_longer_than_the_terminal_is_shown_whole() -> None:
    reason = " ".join(f"word{number}" for number in range(100))
    text = shown(model(different(reason)), width=80)
    assert reason in " ".join(text.split())


@pytest.mark.parametrize("width", [20, 80, 200])
def test_a_long_name_hides_neither_itself_nor_the_verdict(width: int) -> None:
    name = "a" * 90 + ".pb"
    cells = row(shown(model(equivalent(name)), width=width), name)
    assert "equivalent" in cells


def test_no_line_ends_in_blanks() -> None:
    assert all(line == line.rstrip() for line in shown(model(equivalent())).splitlines())


def test_colour_is_for_terminals_alone() -> None:
    assert "\x1b[" not in shown(model(equivalent(), different("why")))
    assert "\x1b[" in render([model(equivalent())], width=120, color=True)


def test_every_model_is_shown() -> None:
    text = shown(model(equivalent()), model(different("why")))
    assert text.index("model is equivalent") < text.index("model is different")


def test_no_model_shows_nothing() -> None:
    assert shown() == ""


def test_the_largest_difference_is_shown_where_outputs_were_compared() -> None:
    measured = Measurement(max_ulp=3, max_abs=1e-6, max_rel=2e-7)
    assert "2.0e-07 rel" in row(shown(model(equivalent(measured=measured))), "direct")
    assert "2.0e-07 rel" in row(shown(model(different("why", measured=measured))), "old.pb")


def test_a_difference_that_is_no_number_is_not_shown_as_zero() -> None:
    assert "0" not in row(shown(model(different("y: shape is [1], but should be [2]"))), "old.pb")


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        (Measurement(), "0"),
        (Measurement(max_ulp=1), "0.0e+00 rel"),
        (Measurement(max_ulp=9, max_abs=0.5, max_rel=0.25), "2.5e-01 rel"),
        (Measurement(max_abs=math.inf, max_rel=math.inf), "inf rel"),
    ],
)
def test_nothing_but_identity_is_shown_as_zero(measured: Measurement, text: str) -> None:
    assert largest_difference(measured) == text


def test_many_models_are_a_line_each() -> None:
    lines = render_brief([model(equivalent(), unsupported("why", "a")), model(different("why"))])
    assert lines == [
        "model: equivalent (1 of 2 candidates compared)",
        "model: different (1 of 1 candidates compared)",
    ]


def test_a_signature_is_told_with_what_was_inferred() -> None:
    x = TensorSpec(name="x", dtype="float32", shape=(None, 4))
    training = TensorSpec(name="training", dtype="bool", shape=())
    assert signature_lines([x, training], [], inferred=(False, True)) == [
        "  inputs: x float32 [?, 4], training bool []",
        "  outputs (inferred): none",
    ]
