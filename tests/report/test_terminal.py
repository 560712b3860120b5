"""The table of candidates by stages, and the sentences under it."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import pytest

from harness.criteria import Measurement
from harness.report.candidate_table import largest_difference, size_text
from harness.report.terminal import render, render_brief, signature_lines
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


def shown(*models: ModelReport, width: int = 120, **rest: Any) -> str:
    return render(models, width=width, color=False, **rest)


def changed(known: CandidateReport, stage: Stage, **rest: Any) -> CandidateReport:
    return replace(known, stages={**known.stages, stage: replace(known.stages[stage], **rest)})


def row(text: str, name: str) -> list[str]:
    """The cells of a candidate's row."""
    (line,) = (line for line in text.splitlines() if line.startswith(f"  {name} "))
    return re.split(r" {2,}", line.strip())


def test_a_model_that_agrees_is_a_heading_and_a_row() -> None:
    text = shown(model(equivalent(nodes=13, bytes=236256, seconds=0.05)))
    assert text.splitlines()[0] == "model is equivalent, proved"
    cells = ["direct", *["ok"] * len(COMPARED), "proved", "0", "0.3", "236 kB", "13"]
    assert row(text, "direct") == cells


def test_a_candidate_that_agrees_and_is_not_proved_is_told_as_equivalent() -> None:
    transformed = changed(equivalent("b.pb"), Stage.STRUCTURE, transforms=("folding",))
    text = shown(model(equivalent(), transformed))
    assert text.splitlines()[0] == "model is equivalent"
    assert "proved" in row(text, "direct")
    assert "equivalent" in row(text, "b.pb")
    assert "proved" not in row(text, "b.pb")


def test_methods_that_cannot_serve_do_not_weaken_what_is_proved() -> None:
    text = shown(model(equivalent(), unsupported("by design", "a")))
    assert text.splitlines()[0] == "model is equivalent, proved"


@pytest.mark.parametrize(
    "models",
    [
        model(equivalent(), different("why")),
        model(equivalent(warnings=(ModelWarning(code="random_op", message="dropout is on"),))),
        model(unsupported("by design", "a")),
        model(),
    ],
)
def test_nothing_else_is_called_proved_in_the_heading(models: ModelReport) -> None:
    assert "proved" not in shown(models).splitlines()[0]


def test_every_stage_of_a_candidate_has_a_column() -> None:
    heading = shown(model(equivalent())).splitlines()[1].split()
    assert heading[1 : len(COMPARED) + 2] == [*map(str, COMPARED), "verdict"]


@pytest.mark.parametrize("stage", COMPARED)
def test_a_stage_is_told_in_its_own_column(stage: Stage) -> None:
    failed = changed(equivalent(), stage, status=Status.FAILED, reason="why")
    cells = row(shown(model(failed)), "direct")
    assert [str(s) for s, cell in zip(COMPARED, cells[1:], strict=False) if cell == "FAILED"] == [
        str(stage)
    ]


def test_what_a_tool_transformed_is_told_with_the_tolerance() -> None:
    folded = ("batch-norm folding (conv1, conv2)", "training nodes removed")
    agreed = changed(equivalent("optimized_graph.pb"), Stage.STRUCTURE, transforms=folded)
    text = shown(model(equivalent(), agreed), width=200, tolerances={"model": "close:0.0001"})
    assert (
        "  transformed: batch-norm folding (conv1, conv2); training nodes removed, so that outputs "
        "are compared within close:0.0001 (optimized_graph.pb)"
    ) in text.splitlines()
    assert "are compared within the tolerance" in shown(model(agreed), width=200)


def test_nothing_is_transformed_where_nothing_was_recognised() -> None:
    assert "transformed" not in shown(model(equivalent()), tolerances={"model": "close:0.0001"})


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


def test_a_long_name_stands_beside_the_rest_where_there_is_room() -> None:
    name = "a" * 90 + ".pb"
    assert "proved" in row(shown(model(equivalent(name)), width=200), name)


@pytest.mark.parametrize("width", [20, 80, 100])
def test_a_name_too_long_for_the_terminal_has_a_line_of_its_own(width: int) -> None:
    name = "a" * 90 + ".pb"
    lines = shown(model(equivalent(name), equivalent("b")), width=width).splitlines()
    at = lines.index(f"  {name}")
    assert lines[at + 1].split() == [*["ok"] * len(COMPARED), "proved"]
    assert lines[at + 2].split() == ["b", *["ok"] * len(COMPARED), "proved"]
    assert lines[at + 1][10:] == lines[at + 2][10:]


LONGEST = "convert_variables_to_constants"
"""The longest name of a method."""


@pytest.mark.parametrize("width", [74, 80, 92, 93, 99, 100, 101, 113, 114, 123, 140])
def test_the_table_is_no_wider_than_the_terminal(width: int) -> None:
    failed = different("why", name=LONGEST[:20], measured=Measurement(max_abs=2.0, max_rel=3.0))
    candidates = [equivalent(LONGEST, bytes=10**8, nodes=10**6), unsupported("why", "a"), failed]
    lines = shown(model(*candidates), width=width).splitlines()
    assert max(map(len, lines)) <= width
    table = "\n".join(lines[1 : 2 * len(candidates) + 2])
    for word in (*map(str, COMPARED), "verdict", "proved", "different", "unsupported"):
        assert word in table.split()


def test_numbers_are_shown_as_far_as_they_fit() -> None:
    agreed = model(equivalent(bytes=10**5, nodes=130))
    found = []
    for width in range(74, 140):
        heading = shown(agreed, width=width).splitlines()[1]
        found.append(tuple(heading.split("verdict")[1].split()))
    assert sorted(set(found), key=len) == list(dict.fromkeys(found))
    assert list(dict.fromkeys(found)) == [
        (),
        ("largest", "diff"),
        ("largest", "diff", "seconds"),
        ("largest", "diff", "seconds", "size"),
        ("largest", "diff", "seconds", "size", "nodes"),
    ]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9949, "9.9 kB"),
        (9950, "10 kB"),
        (76_235, "76 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_600_000_000, "1.6 GB"),
        (5 * 10**12, "5,000 GB"),
    ],
)
def test_a_size_is_told_in_its_unit(size: int, text: str) -> None:
    assert size_text(size) == text


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
        "model: equivalent, proved (1 of 2 candidates compared)",
        "model: different (1 of 1 candidates compared)",
    ]


def test_a_signature_is_told_with_what_was_inferred() -> None:
    x = TensorSpec(name="x", dtype="float32", shape=(None, 4))
    training = TensorSpec(name="training", dtype="bool", shape=())
    assert signature_lines([x, training], [], inferred=(False, True)) == [
        "  inputs: x float32 [?, 4], training bool []",
        "  outputs (inferred): none",
    ]
