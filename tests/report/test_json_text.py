"""Records and reports as JSON text, there and back."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

import hypothesis.strategies as st
import pytest
from hypothesis import given

from harness.criteria import Measurement
from harness.report.json_text import (
    SCHEMA,
    read_record,
    read_report,
    write_record,
    write_report,
)
from harness.signature import TensorSpec
from harness.verdict import (
    CandidateReport,
    DrawnInput,
    ModelFacts,
    ModelReport,
    ModelWarning,
    Report,
    Stage,
    StageRecord,
    StageResult,
    Status,
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
    drawn=(
        DrawnInput(
            name="x", shape="[batch, 4]", axes=("batch 0..8",), values="0 to 1", read_from="n"
        ),
    ),
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


def strict_json(text: str) -> Any:
    """Parse what any JSON parser takes: no NaN, no Infinity."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


DIFFERENT = candidate(
    result(Stage.OUTPUTS, Status.FAILED, reason="y[0] = 1.0, but should be 0.0"), name="old.pb"
)
SUSPICIOUS = candidate(result(Stage.OUTPUTS, warnings=(DROPOUT,)), name="suspicious")


def record(
    found: StageResult, name: str | None = None, model: str = "m", **rest: Any
) -> StageRecord:
    return StageRecord(model=model, result=found, candidate=name, method=name, **rest)


texts = st.text(max_size=5) | st.sampled_from(["inf", "max_abs", 'a"\n'])
counts = st.integers(0, 2**70)
magnitudes = st.floats(min_value=0, allow_nan=False)
warnings = st.builds(
    ModelWarning, code=texts, message=texts, nodes=st.lists(texts, max_size=2).map(tuple)
)
measurements = st.builds(Measurement, max_ulp=counts, max_abs=magnitudes, max_rel=magnitudes)
results = st.builds(
    StageResult,
    stage=st.sampled_from(Stage),
    status=st.sampled_from(Status),
    reason=texts,
    seconds=st.floats(0, 1e6),
    examples=counts,
    rejected=counts,
    measured=measurements,
    nodes=st.none() | counts,
    bytes=st.none() | counts,
    warnings=st.lists(warnings, max_size=2).map(tuple),
    transforms=st.lists(texts, max_size=2).map(tuple),
)
specs = st.builds(
    TensorSpec,
    name=texts,
    dtype=texts,
    shape=st.none() | st.lists(st.none() | st.integers(0, 9), max_size=3).map(tuple),
)
facts = st.builds(
    ModelFacts,
    reference=texts,
    kind=texts,
    inputs=st.lists(specs, max_size=2).map(tuple),
    outputs=st.lists(specs, max_size=2).map(tuple),
    inputs_inferred=st.booleans(),
    outputs_inferred=st.booleans(),
)
records = st.builds(
    StageRecord,
    model=texts,
    result=results,
    candidate=st.none() | texts,
    method=st.none() | texts,
    facts=st.none() | facts,
)


@given(written=records)
def test_a_record_is_read_as_it_was_written(written: StageRecord) -> None:
    strict_json(write_record(written))
    assert read_record(write_record(written)) == written


@given(written=st.lists(records, max_size=6))
def test_a_report_is_read_as_it_was_written(written: list[StageRecord]) -> None:
    whole = report(*gather(written))
    strict_json(write_report(whole))
    assert read_report(write_report(whole)) == whole


def test_a_record_is_one_line() -> None:
    text = write_record(record(result(Stage.EXPORT, reason="two\nlines")))
    assert len(text.splitlines()) == 1


def test_the_keys_of_the_schema_are_there() -> None:
    data = strict_json(write_report(report(model(DIFFERENT))))
    assert data.keys() >= {"schema", "freezeproof", "tensorflow", "python", "models"}
    assert data["schema"] == SCHEMA == 1
    (told,) = data["models"]
    assert told.keys() >= {
        "reference",
        "kind",
        "inputs",
        "outputs",
        "inferred",
        "verdict",
        "stage",
        "message",
        "warnings",
        "candidates",
    }
    assert told["inputs"] == [{"name": "x", "dtype": "float32", "shape": [None, 4]}]
    assert told["outputs"] == [{"name": "y", "dtype": "int64", "shape": None}]
    assert told["inferred"] == {"inputs": False, "outputs": True}
    assert (told["verdict"], told["stage"]) == ("different", "outputs")
    (compared,) = told["candidates"]
    assert compared.keys() >= {
        "name",
        "method",
        "verdict",
        "proved",
        "stage",
        "message",
        "stages",
        "examples",
        "rejected",
        "max_ulp",
        "max_abs",
        "max_rel",
        "nodes",
        "bytes",
        "seconds",
    }
    assert compared["stage"] == "outputs"
    assert compared["stages"]["outputs"].keys() >= {"status", "reason", "seconds"}
    assert compared["stages"]["outputs"]["status"] == "failed"


def test_the_warnings_of_a_model_are_told() -> None:
    (told,) = strict_json(write_report(report(model(SUSPICIOUS))))["models"]
    assert told["verdict"] == "suspicious"
    assert told["warnings"] == [
        {"code": "random_op", "message": "dropout is on", "nodes": ["dropout/mul"]}
    ]


def test_examples_are_those_of_the_strict_comparison() -> None:
    counted = candidate(
        result(Stage.OUTPUTS, examples=100, rejected=3), result(Stage.DEPLOYED, examples=50)
    )
    (told,) = strict_json(write_report(report(model(counted))))["models"]
    (compared,) = told["candidates"]
    assert (compared["examples"], compared["rejected"]) == (100, 3)


def test_a_candidate_is_told_to_be_proved_where_it_is() -> None:
    matched = candidate(*(result(stage) for stage in (Stage.WEIGHTS, Stage.STRUCTURE)))
    agreed = candidate(*matched.stages.values(), result(Stage.OUTPUTS), name="agreed")
    folded = result(Stage.STRUCTURE, transforms=("batch-norm folding (conv1)",))
    transformed = candidate(*agreed.stages.values(), folded, name="transformed")
    whole = report(model(matched, agreed, transformed, DIFFERENT))
    (told,) = strict_json(write_report(whole))["models"]
    assert [each["proved"] for each in told["candidates"]] == [False, True, False, False]
    (read,) = read_report(write_report(whole)).models
    assert [each.is_proved for each in read.candidates] == [False, True, False, False]


def test_transforms_are_told_with_the_stage_that_recognised_them() -> None:
    folded = result(Stage.STRUCTURE, transforms=("batch-norm folding (conv1)", "constant folding"))
    whole = report(model(candidate(folded)))
    (told,) = strict_json(write_report(whole))["models"]
    assert told["candidates"][0]["stages"]["structure"]["transforms"] == [*folded.transforms]
    (read,) = read_report(write_report(whole)).models
    assert read.candidates[0].stages[Stage.STRUCTURE].transforms == folded.transforms


def test_an_infinity_is_written_as_text_and_read_as_a_number() -> None:
    infinite = Measurement(max_abs=math.inf, max_rel=math.inf)
    whole = report(model(candidate(result(Stage.OUTPUTS, measured=infinite))))
    (told,) = strict_json(write_report(whole))["models"]
    assert told["candidates"][0]["max_abs"] == "inf"
    (read,) = read_report(write_report(whole)).models
    assert read.candidates[0].measured == infinite


@pytest.mark.parametrize("schema", ["0", "2", "null", '"1"'])
def test_a_report_of_another_schema_is_refused(schema: str) -> None:
    with pytest.raises(ValueError, match="this reads 1"):
        read_report(f'{{"schema": {schema}}}')
