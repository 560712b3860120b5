"""From stage results to verdicts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.criteria import Measurement
from harness.signature import Signature, TensorSpec
from harness.verdict import (
    CandidateReport,
    ModelFacts,
    ModelReport,
    ModelWarning,
    Report,
    Stage,
    StageRecord,
    StageResult,
    Status,
    Verdict,
    gather,
)

DROPOUT = ModelWarning(code="random_op", message="dropout is on", nodes=("dropout/mul",))
X = TensorSpec(name="x", dtype="float32", shape=(None, 4))
Y = TensorSpec(name="y", dtype="int64", shape=None)
FACTS = ModelFacts(
    reference="runs/model.ckpt-1000",
    kind="checkpoint",
    inputs=(X,),
    outputs=(Y,),
    outputs_inferred=True,
)


def result(stage: Stage, status: Status = Status.PASSED, **rest: Any) -> StageResult:
    return StageResult(stage=stage, status=status, **rest)


def candidate(*results: StageResult, name: str = "direct") -> CandidateReport:
    return CandidateReport(name=name, method=name, stages={r.stage: r for r in results})


def model(*candidates: CandidateReport, stages: tuple[StageResult, ...] = ()) -> ModelReport:
    return ModelReport(
        name="model", facts=FACTS, stages={r.stage: r for r in stages}, candidates=candidates
    )


def report(*models: ModelReport) -> Report:
    return Report(freezeproof="0.1.0", tensorflow="2.21.0", python="3.11.0", models=models)


EQUIVALENT = candidate(*(result(stage) for stage in Stage if stage is not Stage.RESTORE))
DIFFERENT = candidate(
    result(Stage.OUTPUTS, Status.FAILED, reason="y[0] = 1.0, but should be 0.0"), name="old.pb"
)
UNSUPPORTED = candidate(
    result(Stage.EXPORT, Status.UNSUPPORTED, reason="no SavedModel"), name="saved_model"
)
NOT_COMPARED = candidate(result(Stage.EXPORT), result(Stage.RELOAD), name="freeze_graph")
SUSPICIOUS = candidate(result(Stage.OUTPUTS, warnings=(DROPOUT,)), name="suspicious")
NOT_RESTORED = result(Stage.RESTORE, Status.FAILED, reason="no value for the variable w")


# ---- the verdict of a candidate


@pytest.mark.parametrize(
    ("report_of", "verdict"),
    [
        (EQUIVALENT, Verdict.EQUIVALENT),
        (DIFFERENT, Verdict.DIFFERENT),
        (UNSUPPORTED, Verdict.UNSUPPORTED),
        (NOT_COMPARED, Verdict.UNVERIFIED),
        (candidate(), Verdict.UNVERIFIED),
        (candidate(result(Stage.OUTPUTS, Status.SKIPPED)), Verdict.UNVERIFIED),
        (candidate(result(Stage.DEPLOYED)), Verdict.UNVERIFIED),
    ],
)
def test_a_candidate_is_equivalent_where_its_outputs_were_compared_and_nothing_failed(
    report_of: CandidateReport, verdict: Verdict
) -> None:
    assert report_of.verdict is verdict


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.OUTPUTS])
def test_a_candidate_that_fails_any_stage_is_different(stage: Stage) -> None:
    failing = candidate(result(Stage.OUTPUTS), result(stage, Status.FAILED, reason="why"))
    assert failing.verdict is Verdict.DIFFERENT
    assert failing.message == "why"


def test_the_first_stage_that_failed_is_told_whatever_came_first() -> None:
    failing = candidate(
        result(Stage.DEPLOYED, Status.FAILED, reason="late"),
        result(Stage.OUTPUTS, Status.FAILED, reason="early"),
    )
    assert failing.failed is not None
    assert (failing.failed.stage, failing.message) == (Stage.OUTPUTS, "early")


def test_a_failure_weighs_more_than_a_stage_that_is_unsupported() -> None:
    failing = candidate(
        result(Stage.EXPORT, Status.UNSUPPORTED), result(Stage.OUTPUTS, Status.FAILED)
    )
    assert failing.verdict is Verdict.DIFFERENT


def test_weights_that_differ_are_no_difference_between_outputs() -> None:
    measured = Measurement(max_abs=9.0)
    summed = candidate(
        result(Stage.WEIGHTS, Status.FAILED, measured=measured), result(Stage.OUTPUTS)
    )
    assert summed.measured == Measurement()


def test_the_reason_of_what_was_not_run_is_told() -> None:
    assert UNSUPPORTED.message == "no SavedModel"
    assert EQUIVALENT.message == ""


def test_a_candidate_sums_up_its_stages() -> None:
    summed = candidate(
        result(Stage.EXPORT, bytes=100, seconds=0.5),
        result(Stage.RELOAD, bytes=200, nodes=13, seconds=0.25),
        result(Stage.OUTPUTS, measured=Measurement(max_ulp=2)),
        result(Stage.DEPLOYED, measured=Measurement(max_ulp=1, max_abs=0.5)),
    )
    assert summed.seconds == 0.75
    assert summed.measured == Measurement(max_ulp=2, max_abs=0.5)
    assert (summed.known("bytes"), summed.known("nodes")) == (100, 13)
    assert NOT_COMPARED.known("nodes") is None


# ---- what is proved


def test_a_candidate_of_the_same_weights_and_structure_is_proved() -> None:
    assert EQUIVALENT.is_proved


@pytest.mark.parametrize("stage", [Stage.WEIGHTS, Stage.STRUCTURE])
@pytest.mark.parametrize("status", [*(s for s in Status if s is not Status.PASSED), None], ids=str)
def test_nothing_is_proved_without_weights_and_structure(
    stage: Stage, status: Status | None
) -> None:
    stages = {s: r for s, r in EQUIVALENT.stages.items() if s is not stage}
    rest = [result(stage, status)] if status else []
    assert not candidate(*stages.values(), *rest).is_proved


def test_a_graph_that_a_tool_transformed_is_not_proved() -> None:
    folded = result(Stage.STRUCTURE, transforms=("batch-norm folding",))
    transformed = candidate(*EQUIVALENT.stages.values(), folded)
    assert transformed.verdict is Verdict.EQUIVALENT
    assert not transformed.is_proved


@pytest.mark.parametrize("stage", [Stage.OUTPUTS, Stage.DEPLOYED])
def test_what_differs_is_not_proved(stage: Stage) -> None:
    failed = result(stage, Status.FAILED, reason="why")
    assert not candidate(*EQUIVALENT.stages.values(), failed).is_proved


def test_nothing_is_proved_where_outputs_were_not_compared() -> None:
    stages = [r for s, r in EQUIVALENT.stages.items() if s is not Stage.OUTPUTS]
    assert not candidate(*stages).is_proved


# ---- the verdict of a model


@pytest.mark.parametrize(
    ("candidates", "verdict"),
    [
        ((EQUIVALENT,), Verdict.EQUIVALENT),
        ((EQUIVALENT, UNSUPPORTED), Verdict.EQUIVALENT),
        ((EQUIVALENT, SUSPICIOUS), Verdict.SUSPICIOUS),
        ((EQUIVALENT, SUSPICIOUS, DIFFERENT), Verdict.DIFFERENT),
        ((EQUIVALENT, NOT_COMPARED), Verdict.UNVERIFIED),
        ((SUSPICIOUS, NOT_COMPARED), Verdict.UNVERIFIED),
        ((NOT_COMPARED, DIFFERENT), Verdict.DIFFERENT),
        ((UNSUPPORTED,), Verdict.UNVERIFIED),
        ((), Verdict.UNVERIFIED),
    ],
)
def test_different_goes_before_unverified_before_suspicious_before_equivalent(
    candidates: tuple[CandidateReport, ...], verdict: Verdict
) -> None:
    assert model(*candidates).verdict is verdict
    assert model(*reversed(candidates)).verdict is verdict


@pytest.mark.parametrize("candidates", [(), (EQUIVALENT,), (DIFFERENT,), (SUSPICIOUS,)])
def test_a_reference_that_cannot_be_used_is_broken_whatever_the_candidates(
    candidates: tuple[CandidateReport, ...],
) -> None:
    broken = model(*candidates, stages=(NOT_RESTORED,))
    assert broken.verdict is Verdict.BROKEN
    assert broken.stage is Stage.RESTORE
    assert broken.message == "no value for the variable w"


def test_a_warning_of_the_references_own_makes_it_suspicious() -> None:
    restored = result(Stage.RESTORE, warnings=(DROPOUT,))
    suspicious = model(EQUIVALENT, stages=(restored,))
    assert suspicious.verdict is Verdict.SUSPICIOUS
    assert suspicious.message == "dropout is on"


def test_each_warning_is_told_once() -> None:
    other = replace(DROPOUT, nodes=("other",))
    warned = model(
        candidate(result(Stage.OUTPUTS, warnings=(DROPOUT,)), name="a"),
        candidate(result(Stage.OUTPUTS, warnings=(DROPOUT, other)), name="b"),
    )
    assert warned.warnings == (DROPOUT, other)


def test_the_earliest_stage_that_failed_in_any_candidate_is_told() -> None:
    early = candidate(result(Stage.RELOAD, Status.FAILED, reason="a variable is left"), name="b")
    failing = model(DIFFERENT, early)
    assert failing.stage is Stage.RELOAD
    assert failing.message == "b: a variable is left"


def test_a_model_that_agrees_has_nothing_to_tell() -> None:
    assert (model(EQUIVALENT).stage, model(EQUIVALENT).message) == (None, "")


def test_a_model_that_was_not_compared_says_so() -> None:
    assert model(UNSUPPORTED).message == "no candidate was compared with the reference"


# ---- gathering


def record(
    found: StageResult, name: str | None = None, model: str = "m", **rest: Any
) -> StageRecord:
    return StageRecord(model=model, result=found, candidate=name, method=name, **rest)


def test_records_are_gathered_by_model_and_candidate() -> None:
    (one, two) = gather(
        [
            record(result(Stage.RESTORE), facts=FACTS),
            record(result(Stage.EXPORT), "direct"),
            record(result(Stage.EXPORT), "freeze_graph"),
            record(result(Stage.OUTPUTS), "direct"),
            record(result(Stage.EXPORT), "direct", model="other"),
        ]
    )
    assert (one.name, two.name) == ("m", "other")
    assert one.facts == FACTS
    assert list(one.stages) == [Stage.RESTORE]
    assert [c.name for c in one.candidates] == ["direct", "freeze_graph"]
    assert [c.verdict for c in one.candidates] == [Verdict.EQUIVALENT, Verdict.UNVERIFIED]


def test_stages_stand_in_their_order_whatever_order_the_records_came_in() -> None:
    (gathered,) = gather([record(result(stage), "direct") for stage in reversed(Stage)])
    assert list(gathered.candidates[0].stages) == list(Stage)


def test_facts_are_kept_where_a_later_record_has_none() -> None:
    (gathered,) = gather([record(result(Stage.RESTORE), facts=FACTS), record(result(Stage.EXPORT))])
    assert gathered.facts == FACTS


def test_a_model_of_which_no_facts_came_goes_by_its_name() -> None:
    (gathered,) = gather([record(result(Stage.EXPORT), "direct")])
    assert gathered.facts == ModelFacts(reference="m", kind="unknown")


def test_no_record_makes_no_model() -> None:
    assert gather([]) == ()


def test_facts_of_a_signature_list_its_tensors() -> None:
    signature = Signature(inputs=(X,), outputs=(Y,))
    facts = ModelFacts.of(
        reference="a.pb", kind="frozen", signature=signature, inputs_inferred=True
    )
    assert facts == ModelFacts(
        reference="a.pb", kind="frozen", inputs=(X,), outputs=(Y,), inputs_inferred=True
    )


# ---- JSON


@pytest.mark.parametrize("kind", [Stage, Status, Verdict])
def test_names_are_told_as_they_are_written(kind: Any) -> None:
    assert [str(member) for member in kind] == [member.value for member in kind]


def test_a_stage_that_showed_too_little_makes_a_candidate_unverified() -> None:
    open_one = result(Stage.OUTPUTS, Status.FAILED, is_inconclusive=True)
    assert candidate(open_one).verdict is Verdict.UNVERIFIED
    assert model(candidate(open_one)).verdict is Verdict.UNVERIFIED
    assert model(candidate(open_one)).stage is Stage.OUTPUTS


def test_a_difference_counts_beside_a_stage_that_showed_too_little() -> None:
    open_one = result(Stage.OUTPUTS, Status.FAILED, is_inconclusive=True)
    assert candidate(result(Stage.WEIGHTS, Status.FAILED), open_one).verdict is Verdict.DIFFERENT
