"""Records and reports as JSON text, there and back; the schema is in ARCHITECTURE.md.

JSON has no infinity: the text "inf" stands for it in the fields named `max_…`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from harness.criteria import Measurement
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
)

SCHEMA = 1


def write_record(record: StageRecord) -> str:
    """Return a record as one line of JSON, which pytest-xdist and JUnit can carry."""
    return json.dumps(_finite(asdict(record)), separators=(",", ":"))


def read_record(text: str) -> StageRecord:
    """Return the record that `write_record` wrote."""
    data = _unfinite(json.loads(text))
    result, facts = data.pop("result"), data.pop("facts")
    return StageRecord(result=_result(result), facts=_facts(facts) if facts else None, **data)


def write_report(report: Report) -> str:
    """Return a report as indented JSON text."""
    data = {
        "schema": SCHEMA,
        "freezeproof": report.freezeproof,
        "tensorflow": report.tensorflow,
        "python": report.python,
        "models": [_model_as_json(model) for model in report.models],
    }
    return json.dumps(_finite(data), indent=2) + "\n"


def read_report(text: str) -> Report:
    """Return the report that `write_report` wrote.

    Raises:
        ValueError: the text is of another schema.
    """
    data = _unfinite(json.loads(text))
    if data.get("schema") != SCHEMA:
        raise ValueError(f"report of schema {data.get('schema')!r}; this reads {SCHEMA}")
    return Report(
        freezeproof=data["freezeproof"],
        tensorflow=data["tensorflow"],
        python=data["python"],
        models=tuple(_model_from_json(model) for model in data["models"]),
    )


def _model_as_json(model: ModelReport) -> dict[str, Any]:
    facts = model.facts
    return {
        "name": model.name,
        "reference": facts.reference,
        "kind": facts.kind,
        "inputs": [asdict(spec) for spec in facts.inputs],
        "outputs": [asdict(spec) for spec in facts.outputs],
        "inferred": {"inputs": facts.inputs_inferred, "outputs": facts.outputs_inferred},
        "drawn": [asdict(drawn) for drawn in facts.drawn],
        "verdict": model.verdict.value,
        "stage": model.stage.value if model.stage else None,
        "message": model.message,
        "warnings": [asdict(warning) for warning in model.warnings],
        "stages": {str(s): _stage_as_json(result) for s, result in model.stages.items()},
        "candidates": [_candidate_as_json(candidate) for candidate in model.candidates],
    }


def _candidate_as_json(candidate: CandidateReport) -> dict[str, Any]:
    compared = candidate.stages.get(Stage.OUTPUTS)
    return {
        "name": candidate.name,
        "method": candidate.method,
        "verdict": candidate.verdict.value,
        "proved": candidate.is_proved,
        "stage": candidate.failed.stage.value if candidate.failed else None,
        "message": candidate.message,
        "stages": {str(s): _stage_as_json(result) for s, result in candidate.stages.items()},
        "examples": compared.examples if compared else 0,
        "rejected": compared.rejected if compared else 0,
        "max_ulp": candidate.measured.max_ulp,
        "max_abs": candidate.measured.max_abs,
        "max_rel": candidate.measured.max_rel,
        "nodes": candidate.known("nodes"),
        "bytes": candidate.known("bytes"),
        "seconds": candidate.seconds,
    }


def _stage_as_json(result: StageResult) -> dict[str, Any]:
    measured = asdict(result.measured)
    rest = {key: value for key, value in asdict(result).items() if key not in {"stage", "measured"}}
    return {**rest, **measured}


def _model_from_json(data: Mapping[str, Any]) -> ModelReport:
    facts = {key: data[key] for key in ("reference", "kind", "inputs", "outputs", "drawn")}
    inferred = data["inferred"]
    return ModelReport(
        name=data["name"],
        facts=_facts(
            facts,
            inputs_inferred=inferred["inputs"],
            outputs_inferred=inferred["outputs"],
        ),
        stages=_stages_from_json(data["stages"]),
        candidates=tuple(
            CandidateReport(
                name=candidate["name"],
                method=candidate["method"],
                stages=_stages_from_json(candidate["stages"]),
            )
            for candidate in data["candidates"]
        ),
    )


def _stages_from_json(data: Mapping[str, Any]) -> dict[Stage, StageResult]:
    return {Stage(name): _flat_result(Stage(name), result) for name, result in data.items()}


def _flat_result(stage: Stage, data: Mapping[str, Any]) -> StageResult:
    numbers = ("max_ulp", "max_abs", "max_rel")
    rest = {key: value for key, value in data.items() if key not in numbers}
    return _result({**rest, "stage": stage, "measured": {key: data[key] for key in numbers}})


def _result(data: Mapping[str, Any]) -> StageResult:
    made = {"stage", "status", "measured", "warnings", "transforms"}
    rest = {key: value for key, value in data.items() if key not in made}
    return StageResult(
        stage=Stage(data["stage"]),
        status=Status(data["status"]),
        measured=Measurement(**data["measured"]),
        warnings=tuple(
            ModelWarning(code=w["code"], message=w["message"], nodes=tuple(w["nodes"]))
            for w in data["warnings"]
        ),
        transforms=tuple(data["transforms"]),
        **rest,
    )


def _facts(data: Mapping[str, Any], **more: Any) -> ModelFacts:
    rest = {k: v for k, v in data.items() if k not in {"inputs", "outputs", "drawn"}}
    return ModelFacts(
        inputs=tuple(_spec(spec) for spec in data["inputs"]),
        outputs=tuple(_spec(spec) for spec in data["outputs"]),
        drawn=tuple(DrawnInput(**{**d, "axes": tuple(d["axes"])}) for d in data["drawn"]),
        **rest,
        **more,
    )


def _spec(data: Mapping[str, Any]) -> TensorSpec:
    shape = data["shape"]
    return TensorSpec(
        name=data["name"],
        dtype=data["dtype"],
        shape=None if shape is None else tuple(shape),
    )


def _finite(value: Any) -> Any:
    """Replace infinities by the text "inf": JSON has no number for them."""
    if isinstance(value, float) and math.isinf(value):
        return "inf"
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def _unfinite(value: Any) -> Any:
    """Undo `_finite` on the numbers, which are the fields named `max_…`."""
    if isinstance(value, dict):
        return {
            key: math.inf if item == "inf" and key.startswith("max_") else _unfinite(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_unfinite(item) for item in value]
    return value
