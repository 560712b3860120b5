"""What was found: stages, verdicts and the report that every rendering is made from.

A test writes one `StageRecord`; the controller of the test run gathers the records into one
`Report`. Both travel as JSON text, so that pytest-xdist can carry the records from its workers.
"""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from harness.criteria import NO_DIFFERENCE, Measurement
from harness.signature import Signature, TensorSpec

SCHEMA = 1


class Stage(str, enum.Enum):
    """One step of the proof, in the order in which they are taken."""

    RESTORE = "restore"
    EXPORT = "export"
    RELOAD = "reload"
    OUTPUTS = "outputs"
    DEPLOYED = "deployed"

    def __str__(self) -> str:
        return self.value


class Status(str, enum.Enum):
    """How a stage ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNSUPPORTED = "unsupported"

    def __str__(self) -> str:
        return self.value


class Verdict(str, enum.Enum):
    """What is said of a candidate or of a model.

    `UNVERIFIED` says that nothing was compared: every method is unsupported, or the tests that
    compare were deselected. It is not a kind of success.
    """

    EQUIVALENT = "equivalent"
    DIFFERENT = "different"
    BROKEN = "broken"
    SUSPICIOUS = "suspicious"
    UNSUPPORTED = "unsupported"
    UNVERIFIED = "unverified"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, kw_only=True)
class ModelWarning:
    """A model that agrees and yet may be wrong: a stable code, a sentence, the nodes meant."""

    code: str
    message: str
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What is known of a reference once its graph has been read."""

    reference: str
    kind: str
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    inputs_inferred: bool = False
    outputs_inferred: bool = False

    @classmethod
    def of(cls, *, reference: str, kind: str, signature: Signature, **rest: Any) -> ModelFacts:
        """Return the facts of a model whose signature is `signature`."""
        return cls(
            reference=reference,
            kind=kind,
            inputs=signature.inputs,
            outputs=signature.outputs,
            **rest,
        )


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """The end of one stage, with what was measured on the way."""

    stage: Stage
    status: Status
    reason: str = ""
    seconds: float = 0.0
    examples: int = 0
    rejected: int = 0
    measured: Measurement = NO_DIFFERENCE
    nodes: int | None = None
    bytes: int | None = None
    warnings: tuple[ModelWarning, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """A stage result and whose it is: the channel between a test and the report.

    `candidate` is None for a stage of the reference's own: `restore`, and `export` where the
    question is whether the model can be frozen at all.
    """

    model: str
    result: StageResult
    candidate: str | None = None
    method: str | None = None
    facts: ModelFacts | None = None

    def to_json(self) -> str:
        """Return this record as one line of JSON."""
        return json.dumps(_finite(asdict(self)), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> StageRecord:
        """Return the record that `to_json` wrote."""
        data = _unfinite(json.loads(text))
        result, facts = data.pop("result"), data.pop("facts")
        return cls(result=_result(result), facts=_facts(facts) if facts else None, **data)


def _first_failed(stages: Mapping[Stage, StageResult]) -> StageResult | None:
    ordered = (stages.get(stage) for stage in Stage)
    return next((r for r in ordered if r and r.status is Status.FAILED), None)


@dataclass(frozen=True, kw_only=True)
class CandidateReport:
    """The stages of one candidate and what follows from them."""

    name: str
    method: str
    stages: Mapping[Stage, StageResult] = field(default_factory=dict)

    @property
    def failed(self) -> StageResult | None:
        """The first stage that failed."""
        return _first_failed(self.stages)

    @property
    def verdict(self) -> Verdict:
        """`different` where a stage failed, `equivalent` where outputs were compared and agreed."""
        if self.failed:
            return Verdict.DIFFERENT
        if any(result.status is Status.UNSUPPORTED for result in self.stages.values()):
            return Verdict.UNSUPPORTED
        compared = self.stages.get(Stage.OUTPUTS)
        if compared and compared.status is Status.PASSED:
            return Verdict.EQUIVALENT
        return Verdict.UNVERIFIED

    @property
    def message(self) -> str:
        """Why the verdict is not `equivalent`."""
        if self.failed:
            return self.failed.reason
        reasons = (r.reason for r in self.stages.values() if r.status is not Status.PASSED)
        return next(reasons, "")

    @property
    def measured(self) -> Measurement:
        """The largest difference of any stage."""
        total = NO_DIFFERENCE
        for result in self.stages.values():
            total = total.widened(result.measured)
        return total

    @property
    def seconds(self) -> float:
        """Time spent on this candidate, all stages."""
        return sum(result.seconds for result in self.stages.values())

    def known(self, attribute: str) -> int | None:
        """Return `nodes` or `bytes` from the first stage that knows it."""
        values = (getattr(result, attribute) for result in self.stages.values())
        return next((value for value in values if value is not None), None)


@dataclass(frozen=True, kw_only=True)
class ModelReport:
    """One reference with its candidates."""

    name: str
    facts: ModelFacts
    stages: Mapping[Stage, StageResult] = field(default_factory=dict)
    """The reference's own stages."""
    candidates: tuple[CandidateReport, ...] = ()

    @property
    def failed(self) -> StageResult | None:
        """The first stage of the reference's own that failed."""
        return _first_failed(self.stages)

    @property
    def warnings(self) -> tuple[ModelWarning, ...]:
        """What any stage warned of, each warning once."""
        results = [*self.stages.values()]
        for candidate in self.candidates:
            results.extend(candidate.stages.values())
        by_code = {(w.code, w.nodes): w for result in results for w in result.warnings}
        return tuple(by_code.values())

    @property
    def verdict(self) -> Verdict:
        """`broken` before `different` before `suspicious` before `equivalent`."""
        if self.failed:
            return Verdict.BROKEN
        verdicts = {candidate.verdict for candidate in self.candidates}
        if Verdict.DIFFERENT in verdicts:
            return Verdict.DIFFERENT
        if Verdict.EQUIVALENT not in verdicts or Verdict.UNVERIFIED in verdicts:
            return Verdict.UNVERIFIED
        return Verdict.SUSPICIOUS if self.warnings else Verdict.EQUIVALENT

    @property
    def stage(self) -> Stage | None:
        """The first stage that failed, over all candidates."""
        if self.failed:
            return self.failed.stage
        failed = {c.failed.stage for c in self.candidates if c.failed}
        return next((stage for stage in Stage if stage in failed), None)

    @property
    def message(self) -> str:
        """The sentence that explains the verdict; "" for `equivalent`."""
        if self.failed:
            return self.failed.reason
        for candidate in self.candidates:
            if candidate.failed and candidate.failed.stage is self.stage:
                return f"{candidate.name}: {candidate.message}"
        if self.verdict is Verdict.SUSPICIOUS:
            return self.warnings[0].message
        if self.verdict is Verdict.UNVERIFIED:
            return "no candidate was compared with the reference"
        return ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that a run found."""

    freezeproof: str
    tensorflow: str
    python: str
    models: tuple[ModelReport, ...] = ()

    def to_json(self) -> str:
        """Return the report as JSON text; the schema is in ARCHITECTURE.md."""
        data = {
            "schema": SCHEMA,
            "freezeproof": self.freezeproof,
            "tensorflow": self.tensorflow,
            "python": self.python,
            "models": [_model_as_json(model) for model in self.models],
        }
        return json.dumps(_finite(data), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Return the report that `to_json` wrote.

        Raises:
            ValueError: the text is of another schema.
        """
        data = _unfinite(json.loads(text))
        if data.get("schema") != SCHEMA:
            raise ValueError(f"report of schema {data.get('schema')!r}; this reads {SCHEMA}")
        return cls(
            freezeproof=data["freezeproof"],
            tensorflow=data["tensorflow"],
            python=data["python"],
            models=tuple(_model_from_json(model) for model in data["models"]),
        )


def gather(records: Iterable[StageRecord]) -> tuple[ModelReport, ...]:
    """Return one `ModelReport` per model, candidates in the order of their first record."""
    models: dict[str, ModelReport] = {}
    for record in records:
        model = models.get(record.model)
        if model is None:
            model = ModelReport(
                name=record.model, facts=ModelFacts(reference=record.model, kind="unknown")
            )
        if record.facts is not None:
            model = replace(model, facts=record.facts)
        if record.candidate is None:
            model = replace(model, stages={**model.stages, record.result.stage: record.result})
        else:
            model = replace(model, candidates=_with_stage(model.candidates, record))
        models[record.model] = model
    return tuple(models.values())


def _with_stage(
    candidates: tuple[CandidateReport, ...], record: StageRecord
) -> tuple[CandidateReport, ...]:
    by_name = {candidate.name: candidate for candidate in candidates}
    assert record.candidate is not None
    known = by_name.get(record.candidate)
    if known is None:
        known = CandidateReport(name=record.candidate, method=record.method or "file")
    stages = {**known.stages, record.result.stage: record.result}
    by_name[known.name] = replace(
        known, stages={stage: stages[stage] for stage in Stage if stage in stages}
    )
    return tuple(by_name.values())


def _model_as_json(model: ModelReport) -> dict[str, Any]:
    facts = model.facts
    return {
        "name": model.name,
        "reference": facts.reference,
        "kind": facts.kind,
        "inputs": [asdict(spec) for spec in facts.inputs],
        "outputs": [asdict(spec) for spec in facts.outputs],
        "inferred": {"inputs": facts.inputs_inferred, "outputs": facts.outputs_inferred},
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
    facts = {key: data[key] for key in ("reference", "kind", "inputs", "outputs")}
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
    rest = {k: v for k, v in data.items() if k not in {"stage", "status", "measured", "warnings"}}
    return StageResult(
        stage=Stage(data["stage"]),
        status=Status(data["status"]),
        measured=Measurement(**data["measured"]),
        warnings=tuple(
            ModelWarning(code=w["code"], message=w["message"], nodes=tuple(w["nodes"]))
            for w in data["warnings"]
        ),
        **rest,
    )


def _facts(data: Mapping[str, Any], **more: Any) -> ModelFacts:
    rest = {k: v for k, v in data.items() if k not in {"inputs", "outputs"}}
    return ModelFacts(
        inputs=tuple(_spec(spec) for spec in data["inputs"]),
        outputs=tuple(_spec(spec) for spec in data["outputs"]),
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
