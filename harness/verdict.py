"""What was found: stages, verdicts and the report that every rendering is made from.

A test writes one `StageRecord`; the controller of the test run gathers the records into one
`Report`. Both travel as JSON text: see `report.json_text`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.criteria import NO_DIFFERENCE, Measurement
from harness.signature import Signature, TensorSpec


class Stage(str, enum.Enum):
    """One step of the proof, in the order in which they are taken."""

    RESTORE = "restore"
    EXPORT = "export"
    RELOAD = "reload"
    WEIGHTS = "weights"
    STRUCTURE = "structure"
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
class DrawnInput:
    """What the feeds of an input are drawn from, as text.

    `shape` is "[batch, 28, 28, 3]"; `axes` tells the sizes of those with a name; `values` is ""
    where every value of the dtype may be drawn; `read_from` is the node that says so, "" where it
    is the user.
    """

    name: str
    shape: str
    axes: tuple[str, ...] = ()
    values: str = ""
    read_from: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What is known of a reference once its graph has been read."""

    reference: str
    kind: str
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    inputs_inferred: bool = False
    outputs_inferred: bool = False
    drawn: tuple[DrawnInput, ...] = ()

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
    """The end of one stage, with what was measured on the way.

    `rejected`, `timed_out` and `ill_conditioned` are those of the `examples` that were not
    compared: both sides rejected them, one side took too long, or rounding explains what they
    differ by. `transforms` are what an optimiser is known to do to a graph ("batch-norm folding"),
    as far as `structure` recognised it: then bits cannot be equal, and nothing is proved. A stage
    that failed since its examples showed too little `is_inconclusive`: nothing was seen to differ.
    """

    stage: Stage
    status: Status
    reason: str = ""
    seconds: float = 0.0
    examples: int = 0
    rejected: int = 0
    timed_out: int = 0
    ill_conditioned: int = 0
    measured: Measurement = NO_DIFFERENCE
    nodes: int | None = None
    bytes: int | None = None
    warnings: tuple[ModelWarning, ...] = ()
    transforms: tuple[str, ...] = ()
    is_inconclusive: bool = False

    @property
    def compared(self) -> int:
        """The number of examples whose outputs were compared."""
        return self.examples - self.rejected - self.timed_out - self.ill_conditioned


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
        """`different` where a stage failed, `equivalent` where outputs were compared and agreed.

        `unverified` where a stage failed, and none saw a difference.
        """
        if self.failed:
            failed = (r for r in self.stages.values() if r.status is Status.FAILED)
            is_open = all(result.is_inconclusive for result in failed)
            return Verdict.UNVERIFIED if is_open else Verdict.DIFFERENT
        if any(result.status is Status.UNSUPPORTED for result in self.stages.values()):
            return Verdict.UNSUPPORTED
        compared = self.stages.get(Stage.OUTPUTS)
        if compared and compared.status is Status.PASSED:
            return Verdict.EQUIVALENT
        return Verdict.UNVERIFIED

    @property
    def is_proved(self) -> bool:
        """Whether the graph is the reference's and every weight its own, bit for bit.

        What outputs show is corroboration then.
        """
        proof = [self.stages.get(stage) for stage in (Stage.WEIGHTS, Stage.STRUCTURE)]
        return self.verdict is Verdict.EQUIVALENT and all(
            result is not None and result.status is Status.PASSED and not result.transforms
            for result in proof
        )

    @property
    def message(self) -> str:
        """Why the verdict is not `equivalent`."""
        if self.failed:
            return self.failed.reason
        reasons = (r.reason for r in self.stages.values() if r.status is not Status.PASSED)
        return next(reasons, "")

    @property
    def measured(self) -> Measurement:
        """The largest difference between outputs, of any stage."""
        total = NO_DIFFERENCE
        for stage in (Stage.OUTPUTS, Stage.DEPLOYED):
            if stage in self.stages:
                total = total.widened(self.stages[stage].measured)
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
