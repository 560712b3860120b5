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
from typing import Protocol

from harness.blame import blame
from harness.conditioning import Conditioning
from harness.criteria import Array, Criterion, Exact
from harness.domain import Domain, merged
from harness.drawn import drawn_inputs
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
from harness.graph.lint import obstacle, training_warning, warnings
from harness.graph.op_registration import check_registered
from harness.graph.upstream import inputs_above
from harness.inputs.completing import completed
from harness.inputs.phases import fed_in_training, in_training
from harness.known import check_known, feeds_of
from harness.memo import Feeds, Memo, Memory, Run, digest
from harness.models.candidate import identity, open_candidate, size_on_disk
from harness.models.model import Model
from harness.models.opening import open_model
from harness.models.restorable import check_restorable
from harness.runtime import Mode, Runner
from harness.scrutiny import Scrutiny, instability
from harness.signature import Signature
from harness.subject import DEFAULT_EXAMPLE_SECONDS, Candidate, Request
from harness.tally import Rejections, Tally
from harness.verdict import DrawnInput, ModelFacts, ModelWarning, Stage, StageResult, Status
from harness.verify import Disagreement, compare_on


class ForAll(Protocol):
    """Runs a check on examples of feeds; the simplest failing one's Disagreement is let out."""

    def __call__(
        self,
        signature: Signature,
        domains: Mapping[str, Domain],
        check: Callable[[Feeds], None],
        *,
        at_most: int | None = None,
    ) -> None:
        """Run `check` on feeds of `signature` in their domains, on `at_most` so many if stated."""


TRAINING_EXAMPLES = 10
"""How many examples are fed as in training, where an input says so."""

_MOVED = ("moved", "moved otherwise")
"""The reference with its weights moved, twice: runners that are opened where outputs differ."""


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
        self._example_seconds = example_seconds
        self._model: Model | None = None
        self._domains: dict[str, Domain] | None = None
        self._exports: dict[str, Export] = {}
        self._candidates: dict[str, Model] = {}
        self._identities: dict[str, str] = {}
        self._runners: dict[tuple[str, Mode], Runner] = {}
        self._memos: dict[tuple[str, Mode], Memo] = {}
        self._shared_memory = Memory()
        self._results: dict[tuple[Stage, str | None], StageResult] = {}
        self._scrutiny: Scrutiny | None = None
        self._blamed: dict[Mode, str] = {}

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
            runner = self._runner("", model, Mode.STRICT)
            runner.open()
            self._check_known(runner)
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
            stage is Stage.OUTPUTS and result.compared > 0
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
        self._shared_memory = Memory()

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
                run = self._candidate_run(candidate, mode)
                return self._compared(stage, run, for_all, mode=mode, criterion=criterion)
            finally:
                self._close_runners(self._identities[candidate.name], *_MOVED)

        return self._stage(stage, candidate.name, action, needs=lambda: self.reload(candidate))

    def outputs_of(self, run: Run, for_all: ForAll, *, tolerance: Criterion) -> StageResult:
        """Compare a function with the reference: it gives outputs by the reference's names."""

        def keyed(feeds: Feeds, *, key: bytes) -> Mapping[str, Array]:
            del key
            return run(feeds)

        def action() -> StageResult:
            return self._compared(
                Stage.OUTPUTS, keyed, for_all, mode=Mode.STRICT, criterion=tolerance
            )

        return self._run_stage(Stage.OUTPUTS, action, self.restore)

    def _compared(
        self,
        stage: Stage,
        run: Callable[..., Mapping[str, Array]],
        for_all: ForAll,
        *,
        mode: Mode,
        criterion: Criterion,
    ) -> StageResult:
        tally = Tally()
        scrutiny = self._scrutiny_of(self.model)
        reference = self._memo("", self.model, mode)
        # Where every bit counts, rounding is no excuse.
        conditioning = None if isinstance(criterion, Exact) else self._conditioning()

        def check(feeds: Feeds) -> None:
            if tally.has_given_up:
                return
            key = digest(feeds)  # computed once: large feeds take a millisecond
            agreement = compare_on(
                feeds,
                reference=partial(reference, key=key),
                candidate=partial(run, key=key),
                criterion=criterion,
                conditioning=conditioning,
            )
            tally.add(agreement, feeds=feeds, key=key)
            if mode is Mode.STRICT and agreement.outputs is not None:
                scrutiny.look(feeds, agreement.outputs)

        try:
            for known in self._request.known:
                check(feeds_of(known, self.model.signature))
            for_all(self.model.signature, self.domains, check)
            training = self._in_training(run, for_all, criterion) if mode is Mode.STRICT else ()
        except Disagreement as found:
            return StageResult(
                stage=stage,
                status=Status.FAILED,
                reason=self._fault_behind(found, mode) or str(found),
                examples=tally.examples,
                rejected=tally.rejected,
                timed_out=tally.timed_out,
                ill_conditioned=tally.ill_conditioned,
                measured=tally.measured.widened(found.measured),
            )
        objection = scrutiny.fault() or tally.objection(partial(self._blame, mode))
        return StageResult(
            stage=stage,
            status=Status.FAILED if objection else Status.PASSED,
            reason=objection,
            examples=tally.examples,
            rejected=tally.rejected,
            timed_out=tally.timed_out,
            ill_conditioned=tally.ill_conditioned,
            measured=tally.measured,
            warnings=(*tally.warnings(), *training, *scrutiny.warnings()),
        )

    def _in_training(
        self,
        candidate: Callable[..., Mapping[str, Array]],
        for_all: ForAll,
        criterion: Criterion,
    ) -> tuple[ModelWarning, ...]:
        """Return what a few examples show that are fed as in training: nothing to fail for."""
        domains = in_training(self.domains)
        if domains is None:
            return ()
        fed = fed_in_training(self.domains)
        scrutiny = self._scrutiny_of(self.model)
        reference = self._memo("", self.model, Mode.STRICT)

        def check(feeds: Feeds) -> None:
            key = digest(feeds)
            agreement = compare_on(
                feeds,
                reference=partial(reference, key=key),
                candidate=partial(candidate, key=key),
                criterion=criterion,
            )
            if agreement.outputs is not None:
                scrutiny.look_for_randomness(feeds, agreement.outputs, fed=fed)

        try:
            for_all(self.model.signature, domains, check, at_most=TRAINING_EXAMPLES)
        except Disagreement as found:
            return (training_warning(fed, str(found)),)
        return ()

    def _fault_behind(self, found: Disagreement, mode: Mode) -> str:
        """Return what is wrong with the reference, where that and no candidate is to blame."""
        unstable = ""
        if found.feeds is not None:
            unstable = instability(self._runner("", self.model, mode), found.feeds)
        return unstable or self._scrutiny_of(self.model).fault()

    def _blame(self, mode: Mode, rejections: Rejections) -> str:
        """Return which inputs are to blame for rejections: the same ones for every candidate."""
        if mode not in self._blamed:
            model = self.model
            self._blamed[mode] = blame(
                rejections,
                run=self._runner("", model, mode),
                signature=model.signature,
                upstream=partial(inputs_above, model.graph_def, model.signature),
            )
        return self._blamed[mode]

    def _conditioning(self) -> Conditioning:
        def moved(feeds: Feeds, *, by: int) -> Mapping[str, Array]:
            return self._runner(_MOVED[by], self.model, Mode.STRICT, moved_by=by)(feeds)

        return Conditioning(
            self._runner("", self.model, Mode.STRICT),
            moved=[partial(moved, by=seed) for seed in range(len(_MOVED))],
        )

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

    def _close_runners(self, *keys: str) -> None:
        # What a candidate computed stays in memory: another may be the same graph.
        for (key, _), runner in self._runners.items():
            if key in keys:
                runner.close()

    def _runner(self, key: str, model: Model, mode: Mode, *, moved_by: int | None = None) -> Runner:
        if (key, mode) not in self._runners:
            self._runners[key, mode] = Runner(
                model, mode=mode, seconds=self._example_seconds, moved_by=moved_by
            )
        return self._runners[key, mode]

    def _memo(self, key: str, model: Model, mode: Mode) -> Memo:
        if (key, mode) not in self._memos:
            # The reference is asked again for every candidate, a candidate where another is the
            # same graph: however many there are, all of them share what one may hold.
            memory = Memory() if key == "" else self._shared_memory
            self._memos[key, mode] = Memo(self._runner(key, model, mode), memory=memory)
        return self._memos[key, mode]

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
