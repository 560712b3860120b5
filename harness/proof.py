"""The stages, in order, for one reference and its candidates.

Each stage is a method that returns its `StageResult` and remembers it. A stage asks for those it
needs, so that it can be run alone; where one of them did not pass, it is skipped and names it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from harness.candidates import Candidates
from harness.comparison import MOVED, Comparison, ForAll
from harness.criteria import NO_DIFFERENCE, Array, Criterion, Exact
from harness.diagnosis import diagnosis
from harness.domain import Domain, merged
from harness.drawn import drawn_inputs
from harness.errors import (
    BrokenModel,
    FreezeproofError,
    Unsupported,
    file_error,
    first_line,
)
from harness.exporters.method import Export
from harness.exporters.registry import load_method
from harness.graph.domains import domains_of
from harness.graph.lint import obstacle, static_warnings, warnings
from harness.graph.op_registration import check_registered
from harness.inputs.completing import completed
from harness.known import check_known
from harness.memo import Feeds, Run
from harness.models.candidate import size_on_disk
from harness.models.model import Model
from harness.models.opening import open_model
from harness.models.restorable import check_restorable
from harness.reproduction.folder import Evidence
from harness.runners import REFERENCE, Runners
from harness.runtime import Mode, Runner
from harness.subject import DEFAULT_EXAMPLE_SECONDS, DEFAULT_TOLERANCE, Candidate, Request
from harness.verdict import DrawnInput, ModelFacts, ModelWarning, Stage, StageResult, Status
from harness.verify import Disagreement
from harness.weights.folded import folded_reason
from harness.weights.telling import reason


class Proof:
    """One reference, opened once, and what was found about its candidates."""

    def __init__(
        self, request: Request, *, folder: Path, example_seconds: float = DEFAULT_EXAMPLE_SECONDS
    ) -> None:
        """Keep the request; `folder` is where exports are written.

        An example that runs longer than `example_seconds` is not compared.
        """
        self._request = request
        self._folder = folder
        self._model: Model | None = None
        self._domains: dict[str, Domain] | None = None
        self._runners = Runners(example_seconds=example_seconds)
        self._candidates = Candidates(lambda: self.model, self._runners)
        self._known_comparison: Comparison | None = None
        self._evidence: dict[tuple[Stage, str], Evidence] = {}
        self._results: dict[tuple[Stage, str | None], StageResult] = {}

    @property
    def model(self) -> Model:
        """The reference.

        Raises:
            RequestError: the request names something that does not exist.
            BrokenModel: the files cannot be used.
        """
        if self._model is None:
            self._model = open_model(self._request)
        return self._model

    @property
    def domains(self) -> Mapping[str, Domain]:
        """What the inputs accept: as the graph says, and in its place the user.

        Raises:
            RequestError, BrokenModel: as `model`.
        """
        if self._domains is None:
            model = self.model
            read = domains_of(model.graph_def, model.signature, defaults=model.defaults)
            self._domains = merged(read, self._request.domains)
        return self._domains

    def facts(self) -> ModelFacts:
        """Return what is known of the reference, as much as could be read."""
        try:
            model = self.model
        except FreezeproofError:
            return ModelFacts(reference=self._request.said(str(self._request.path)), kind="unknown")
        return ModelFacts.of(
            reference=self._request.said(str(model.path)),
            kind=model.kind,
            signature=model.signature,
            inputs_inferred=model.inputs_inferred,
            outputs_inferred=model.outputs_inferred,
            drawn=self._drawn(),
        )

    def _drawn(self) -> tuple[DrawnInput, ...]:
        try:
            signature = self.model.signature
            return drawn_inputs(signature, completed(signature, self.domains))
        except FreezeproofError:
            return ()  # a stage says why

    def restore(self) -> StageResult:
        """Bring graph and weights of the reference together in a session."""

        def action() -> StageResult:
            model = self.model
            check_registered(model.graph_def, holder="the path to the outputs")
            check_restorable(model)
            runner = self._runners.runner(REFERENCE, model, Mode.STRICT)
            runner.open()
            self._check_known(runner)
            return _passed(
                Stage.RESTORE,
                nodes=len(model.graph_def.node),
                warnings=(
                    *warnings(
                        variables=len(model.variables),
                        saved_tensors=model.saved_tensors,
                        unused_inputs=model.unused_inputs,
                        without_average=model.without_average,
                        cut_off=model.cut_off,
                    ),
                    *static_warnings(
                        model.graph_def, model.signature, unread_averages=model.unread_averages
                    ),
                ),
            )

        return self._stage(Stage.RESTORE, None, action)

    def _check_known(self, run: Runner) -> None:
        """Hold the reference against the outputs that the user knows."""
        for known in self._request.known:
            fault = check_known(run, known, self.model.signature)
            if fault:
                raise BrokenModel(
                    f"the reference does not give the outputs that are known: {fault}"
                )

    def freezable(self) -> StageResult:
        """Say whether the reference can be frozen at all, whatever the method."""

        def action() -> StageResult:
            reason = obstacle(self.model.graph_def)
            if reason:
                raise BrokenModel(reason)
            return _passed(Stage.EXPORT)

        return self._stage(Stage.EXPORT, None, action, needs=self.restore)

    def export(self, candidate: Candidate) -> StageResult:
        """Produce the candidate; a file is one already."""

        def action() -> StageResult:
            if candidate.path is not None:
                export = Export(path=candidate.path, names=candidate.names)
                self._candidates.add(candidate, export)
                return _passed(Stage.EXPORT)
            folder = self._folder / candidate.name
            folder.mkdir(parents=True)
            try:
                export = load_method(candidate.method).export(self.model, folder)
            except FreezeproofError:
                raise
            except Exception as error:  # whatever a converter raises is its failure to export
                raise BrokenModel(f"{type(error).__name__}: {first_line(error)}") from error
            self._candidates.add(candidate, export)
            return _passed(Stage.EXPORT, bytes=size_on_disk(export.path))

        return self._stage(Stage.EXPORT, candidate.name, action, needs=self.freezable)

    def reload(self, candidate: Candidate) -> StageResult:
        """Read the candidate back: does it parse, import and hold inputs and outputs?"""

        def action() -> StageResult:
            model = self._candidates.reloaded(candidate)
            return _passed(
                Stage.RELOAD,
                nodes=len(model.graph_def.node),
                bytes=self._bytes_of(candidate),
            )

        return self._stage(
            Stage.RELOAD, candidate.name, action, needs=lambda: self.export(candidate)
        )

    def _bytes_of(self, candidate: Candidate) -> int | None:
        export = self._candidates.exported(candidate)
        return size_on_disk(export.path) if export is not None else None

    def weights(self, candidate: Candidate) -> StageResult:
        """Hold every weight of the candidate against the reference's value, bit for bit."""

        def action() -> StageResult:
            found = self._candidates.correspondence(candidate)
            weights, folded = found.weights, found.folded
            return StageResult(
                stage=Stage.WEIGHTS,
                status=Status.PASSED if weights.passed and folded.passed else Status.FAILED,
                reason=" · ".join(filter(None, (reason(weights), folded_reason(folded)))),
                measured=weights.measured.widened(folded.measured),
            )

        return self._stage(
            Stage.WEIGHTS, candidate.name, action, needs=lambda: self._outlined(candidate)
        )

    def structure(self, candidate: Candidate) -> StageResult:
        """Match the candidate's graph with the reference's: are they one, up to freezing?"""

        def action() -> StageResult:
            found = self._candidates.correspondence(candidate)
            return StageResult(
                stage=Stage.STRUCTURE,
                status=Status.FAILED if found.difference else Status.PASSED,
                reason=found.difference,
                transforms=found.transforms,
            )

        return self._stage(
            Stage.STRUCTURE, candidate.name, action, needs=lambda: self._outlined(candidate)
        )

    def _outlined(self, candidate: Candidate) -> StageResult:
        """Reload, as far as it takes no session: for weights and structure that is enough."""
        exported = self.export(candidate)
        if (Stage.RELOAD, candidate.name) in self._results or exported.status is not Status.PASSED:
            return self._results.get((Stage.RELOAD, candidate.name), exported)
        try:
            self._candidates.outline(candidate)
        except (FreezeproofError, OSError):
            return self.reload(candidate)  # it says why
        return exported

    def outputs(
        self,
        candidate: Candidate,
        for_all: ForAll,
        *,
        tolerance: Criterion = DEFAULT_TOLERANCE,
    ) -> StageResult:
        """Compare strictly: same bits, and the same feeds accepted and rejected.

        Within `tolerance` where a tool is known to have transformed the graph: its arithmetic is
        another, and rounds otherwise.
        """
        is_transformed = bool(self.structure(candidate).transforms)
        criterion = tolerance if is_transformed else Exact()
        return self._compare(Stage.OUTPUTS, candidate, Mode.STRICT, criterion, for_all)

    def deployed(
        self, candidate: Candidate, for_all: ForAll, *, tolerance: Criterion
    ) -> StageResult:
        """Compare as shipped, within a tolerance."""
        return self._compare(Stage.DEPLOYED, candidate, Mode.DEPLOYED, tolerance, for_all)

    def has_compared(self) -> bool:
        """Say whether the outputs of any candidate were compared so far."""
        return any(
            stage is Stage.OUTPUTS
            # Of the example that shows a difference, nothing else is counted.
            and (result.compared > 0 or result.measured != NO_DIFFERENCE)
            for (stage, _), result in self._results.items()
        )

    def warnings(self) -> tuple[ModelWarning, ...]:
        """Return what the stages that were run warn of, each warning once."""
        self.restore()
        found = (w for result in self._results.values() for w in result.warnings)
        return tuple(dict.fromkeys(found))

    def close(self) -> None:
        """Close every session."""
        if self._known_comparison is not None:
            self._known_comparison.close()
        self._runners.close_all()

    def _compare(
        self,
        stage: Stage,
        candidate: Candidate,
        mode: Mode,
        criterion: Criterion,
        for_all: ForAll,
    ) -> StageResult:
        def action() -> StageResult:
            try:
                return self._comparison.compare(
                    stage,
                    self._candidates.run(candidate, mode),
                    for_all,
                    mode=mode,
                    criterion=criterion,
                    diagnose=lambda found: self._diagnosis(
                        stage, candidate, mode, criterion, found
                    ),
                )
            finally:
                self._candidates.close(candidate)
                self._runners.close(*MOVED)

        return self._stage(stage, candidate.name, action, needs=lambda: self._runnable(candidate))

    def _runnable(self, candidate: Candidate) -> StageResult:
        """Reload, and see that every variable has a value."""
        reloaded = self.reload(candidate)
        if self._candidates.is_left_with_variables(candidate):
            return self.weights(candidate)
        return reloaded

    def _diagnosis(
        self,
        stage: Stage,
        candidate: Candidate,
        mode: Mode,
        criterion: Criterion,
        found: Disagreement,
    ) -> tuple[str, ...]:
        """Say what is behind outputs that differ, and keep them."""
        if found.feeds is None:
            return ()
        self._evidence[stage, candidate.name] = self._candidates.evidence(
            candidate, mode, found.feeds
        )
        reference, other = self._candidates.sides(candidate, mode)
        try:
            correspondence = self._candidates.correspondence(candidate)
        except (FreezeproofError, OSError):
            return ()  # the stage `structure` says why
        return diagnosis(
            found.feeds,
            reference=reference,
            candidate=other,
            criterion=criterion,
            correspondence=correspondence,
        )

    def evidence(self, stage: Stage, candidate: Candidate) -> Evidence | None:
        """Return the feeds that showed a difference, with the outputs; None where none did."""
        return self._evidence.get((stage, candidate.name))

    def exported(self, candidate: Candidate) -> Export | None:
        """Return the candidate on disk; None where there is none."""
        return self._candidates.exported(candidate)

    def outputs_of(self, run: Run, for_all: ForAll, *, tolerance: Criterion) -> StageResult:
        """Compare a function with the reference: it gives outputs by the reference's names."""

        def keyed(feeds: Feeds, *, key: bytes) -> Mapping[str, Array]:
            del key
            return run(feeds)

        def action() -> StageResult:
            return self._comparison.compare(
                Stage.OUTPUTS, keyed, for_all, mode=Mode.STRICT, criterion=tolerance
            )

        return self._run_stage(Stage.OUTPUTS, action, self.restore)

    @property
    def _comparison(self) -> Comparison:
        if self._known_comparison is None:
            self._known_comparison = Comparison(
                self.model, self._request, domains=self.domains, runners=self._runners
            )
        return self._known_comparison

    def _stage(
        self,
        stage: Stage,
        candidate: str | None,
        action: Callable[[], StageResult],
        *,
        needs: Callable[[], StageResult] | None = None,
    ) -> StageResult:
        key = (stage, candidate)
        if key not in self._results:
            self._results[key] = self._run_stage(stage, action, needs)
        return self._results[key]

    def _run_stage(
        self,
        stage: Stage,
        action: Callable[[], StageResult],
        needs: Callable[[], StageResult] | None,
    ) -> StageResult:
        needed = needs() if needs else None
        if needed is not None and needed.status is not Status.PASSED:
            return _blocked(stage, needed)
        start = time.perf_counter()
        try:
            result = action()
        except Unsupported as error:
            result = StageResult(stage=stage, status=Status.UNSUPPORTED, reason=str(error))
        except FreezeproofError as error:
            result = StageResult(stage=stage, status=Status.FAILED, reason=str(error))
        except OSError as error:
            result = StageResult(stage=stage, status=Status.FAILED, reason=file_error(error))
        reason = self._request.said(result.reason)
        return replace(result, reason=reason, seconds=time.perf_counter() - start)


def _passed(stage: Stage, **rest: object) -> StageResult:
    return replace(StageResult(stage=stage, status=Status.PASSED), **rest)  # type: ignore[arg-type]


def _blocked(stage: Stage, needed: StageResult) -> StageResult:
    if needed.status is Status.UNSUPPORTED:
        return StageResult(stage=stage, status=Status.UNSUPPORTED, reason=needed.reason)
    reason = needed.reason if needed.status is Status.SKIPPED else f"{needed.stage} failed"
    return StageResult(stage=stage, status=Status.SKIPPED, reason=reason)
