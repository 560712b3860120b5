"""The stages, in order, for one reference and its candidates.

Each stage is a method that returns its `StageResult` and remembers it. A stage asks for those it
needs, so that it can be run alone; where one of them did not pass, it is skipped and names it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from harness.criteria import Array, Criterion, Exact
from harness.domain import Domain, merged
from harness.errors import (
    BrokenModel,
    FreezeproofError,
    RequestError,
    Unsupported,
    file_error,
    first_line,
)
from harness.exporters.method import Export
from harness.exporters.registry import load_method
from harness.graph.domains import domains_of
from harness.graph.lint import obstacle, warnings
from harness.graph.op_registration import check_registered
from harness.memo import Feeds, Memo, digest
from harness.models.candidate import identity, open_candidate, size_on_disk
from harness.models.model import Model
from harness.models.opening import open_model
from harness.models.restorable import check_restorable
from harness.runtime import Mode, Runner
from harness.scrutiny import Scrutiny, instability
from harness.signature import Signature
from harness.subject import Candidate, Request
from harness.verdict import ModelFacts, ModelWarning, Stage, StageResult, Status
from harness.verify import Disagreement, Tally, compare_on

ForAll = Callable[[Signature, Mapping[str, Domain], Callable[[Feeds], None]], None]
"""Run a check on examples of feeds in their domains; the simplest failing one's Disagreement is let
out.
"""


class Proof:
    """One reference, opened once, and what was found about its candidates."""

    def __init__(self, request: Request, *, folder: Path) -> None:
        """Keep the request; `folder` is where exports are written."""
        self._request = request
        self._folder = folder
        self._model: Model | None = None
        self._domains: dict[str, Domain] | None = None
        self._exports: dict[str, Export] = {}
        self._candidates: dict[str, Model] = {}
        self._identities: dict[str, str] = {}
        self._runners: dict[tuple[str, Mode], Runner] = {}
        self._memos: dict[tuple[str, Mode], Memo] = {}
        self._results: dict[tuple[Stage, str | None], StageResult] = {}
        self._scrutiny: Scrutiny | None = None

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
            read = domains_of(self.model.graph_def, self.model.signature)
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
        )

    def restore(self) -> StageResult:
        """Bring graph and weights of the reference together in a session."""

        def action() -> StageResult:
            model = self.model
            check_registered(model.graph_def, holder="the path to the outputs")
            check_restorable(model)
            self._runner("", model, Mode.STRICT).open()
            return _passed(
                Stage.RESTORE,
                nodes=len(model.graph_def.node),
                warnings=warnings(
                    variables=len(model.variables),
                    saved_tensors=model.saved_tensors,
                    unused_inputs=model.unused_inputs,
                    without_average=model.without_average,
                    cut_off=model.cut_off,
                ),
            )

        return self._stage(Stage.RESTORE, None, action)

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
                self._exports[candidate.name] = Export(path=candidate.path)
                return _passed(Stage.EXPORT)
            folder = self._folder / candidate.name
            folder.mkdir(parents=True)
            try:
                export = load_method(candidate.method).export(self.model, folder)
            except FreezeproofError:
                raise
            except Exception as error:  # whatever a converter raises is its failure to export
                raise BrokenModel(f"{type(error).__name__}: {first_line(error)}") from error
            self._exports[candidate.name] = export
            return _passed(Stage.EXPORT, bytes=size_on_disk(export.path))

        return self._stage(Stage.EXPORT, candidate.name, action, needs=self.freezable)

    def reload(self, candidate: Candidate) -> StageResult:
        """Read the candidate back: does it parse, import and hold inputs and outputs?"""

        def action() -> StageResult:
            export = self._exports[candidate.name]
            try:
                model = open_candidate(
                    export.path, signature=self.model.signature, names=export.names
                )
            except RequestError as error:
                raise BrokenModel(str(error)) from error
            self._candidates[candidate.name] = model
            self._identities[candidate.name] = identity(model)
            runner = self._runner(self._identities[candidate.name], model, Mode.STRICT)
            if not runner.was_opened:
                runner.open()
            return _passed(
                Stage.RELOAD,
                nodes=len(model.graph_def.node),
                bytes=size_on_disk(export.path),
            )

        return self._stage(
            Stage.RELOAD, candidate.name, action, needs=lambda: self.export(candidate)
        )

    def outputs(self, candidate: Candidate, for_all: ForAll) -> StageResult:
        """Compare strictly: same bits, and the same feeds accepted and rejected."""
        return self._compare(Stage.OUTPUTS, candidate, Mode.STRICT, Exact(), for_all)

    def deployed(
        self, candidate: Candidate, for_all: ForAll, *, tolerance: Criterion
    ) -> StageResult:
        """Compare as shipped, within a tolerance."""
        return self._compare(Stage.DEPLOYED, candidate, Mode.DEPLOYED, tolerance, for_all)

    def has_compared(self) -> bool:
        """Say whether the outputs of any candidate were compared so far."""
        return any(
            stage is Stage.OUTPUTS and result.examples > result.rejected
            for (stage, _), result in self._results.items()
        )

    def warnings(self) -> tuple[ModelWarning, ...]:
        """Return what the stages that were run warn of, each warning once."""
        self.restore()
        found = (w for result in self._results.values() for w in result.warnings)
        return tuple(dict.fromkeys(found))

    def close(self) -> None:
        """Close every session."""
        for runner in self._runners.values():
            runner.close()
        if self._scrutiny is not None:
            self._scrutiny.close()
        self._runners.clear()
        self._memos.clear()

    def _compare(
        self,
        stage: Stage,
        candidate: Candidate,
        mode: Mode,
        criterion: Criterion,
        for_all: ForAll,
    ) -> StageResult:
        def action() -> StageResult:
            tally = Tally()
            scrutiny = self._scrutiny_of(self.model)
            reference = self._memo("", self.model, mode)
            run = self._candidate_run(candidate, mode)

            def check(feeds: Feeds) -> None:
                key = digest(feeds)  # computed once: large feeds take a millisecond
                agreement = compare_on(
                    feeds,
                    reference=partial(reference, key=key),
                    candidate=partial(run, key=key),
                    criterion=criterion,
                )
                tally.add(agreement, key=key)
                if mode is Mode.STRICT and agreement.outputs is not None:
                    scrutiny.look(feeds, agreement.outputs)

            try:
                for_all(self.model.signature, self.domains, check)
            except Disagreement as found:
                return StageResult(
                    stage=stage,
                    status=Status.FAILED,
                    reason=self._fault_behind(found, mode) or str(found),
                    examples=tally.examples,
                    rejected=tally.rejected,
                    measured=tally.measured.widened(found.measured),
                )
            finally:
                self._close_candidate(candidate, mode)
            objection = scrutiny.fault() or tally.objection()
            return StageResult(
                stage=stage,
                status=Status.FAILED if objection else Status.PASSED,
                reason=objection,
                examples=tally.examples,
                rejected=tally.rejected,
                measured=tally.measured,
                warnings=(*tally.warnings(), *scrutiny.warnings()),
            )

        return self._stage(stage, candidate.name, action, needs=lambda: self.reload(candidate))

    def _fault_behind(self, found: Disagreement, mode: Mode) -> str:
        """Return what is wrong with the reference, where that and no candidate is to blame."""
        unstable = ""
        if found.feeds is not None:
            unstable = instability(self._runner("", self.model, mode), found.feeds)
        return unstable or self._scrutiny_of(self.model).fault()

    def _scrutiny_of(self, model: Model) -> Scrutiny:
        if self._scrutiny is None:
            self._scrutiny = Scrutiny(model, self._request)
        return self._scrutiny

    def _candidate_run(
        self, candidate: Candidate, mode: Mode
    ) -> Callable[..., Mapping[str, Array]]:
        model = self._candidates[candidate.name]
        memo = self._memo(self._identities[candidate.name], model, mode)
        signature = self.model.signature
        inputs = dict(zip(signature.input_names, model.signature.input_names, strict=True))
        outputs = dict(zip(model.signature.output_names, signature.output_names, strict=True))

        # Candidates that are one graph share what it computed, but not if they name it otherwise.
        naming = repr(inputs).encode()

        def run(feeds: Feeds, *, key: bytes) -> Mapping[str, Array]:
            renamed = memo({inputs[name]: value for name, value in feeds.items()}, key=key + naming)
            return {outputs[name]: value for name, value in renamed.items()}

        return run

    def _close_candidate(self, candidate: Candidate, mode: Mode) -> None:
        # What it computed stays in memory: another candidate may be the same graph.
        runner = self._runners.get((self._identities[candidate.name], mode))
        if runner is not None:
            runner.close()

    def _runner(self, key: str, model: Model, mode: Mode) -> Runner:
        if (key, mode) not in self._runners:
            self._runners[key, mode] = Runner(model, mode=mode)
        return self._runners[key, mode]

    def _memo(self, key: str, model: Model, mode: Mode) -> Memo:
        return self._memos.setdefault((key, mode), Memo(self._runner(key, model, mode)))

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
