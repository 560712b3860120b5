"""Compare a candidate with the reference on examples, and judge what the examples showed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Protocol

from harness.blame import blame
from harness.conditioning import Conditioning
from harness.criteria import Array, Criterion, Exact
from harness.domain import Domain
from harness.errors import Rejected, TimedOut
from harness.graph.lint import narrow_warnings, training_warning
from harness.graph.upstream import inputs_above
from harness.influence import Influence
from harness.inputs.phases import fed_in_training, in_training
from harness.known import feeds_of
from harness.memo import Feeds, digest
from harness.models.model import Model
from harness.runners import REFERENCE, Runners
from harness.runtime import Mode
from harness.scrutiny import Scrutiny, instability
from harness.signature import Signature
from harness.subject import Request
from harness.tally import Rejections, Tally
from harness.verdict import ModelWarning, Stage, StageResult
from harness.verify import AcceptanceDiffers, Disagreement, compare_on


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

MOVED = ("moved", "moved otherwise")
"""The reference with its weights moved, twice: runners that are opened where outputs differ."""

Diagnose = Callable[[Disagreement], tuple[str, ...]]
"""Say what is behind a disagreement: parts of a sentence."""

Keyed = Callable[..., Mapping[str, Array]]
"""What computes the outputs from feeds and their digest, `key`."""


def _check_on(feeds: Feeds, check: Callable[[Feeds], None]) -> None:
    try:
        check(feeds)
    except Disagreement as found:
        found.feeds = feeds
        raise


class Comparison:
    """A reference that candidates are compared with, each on the same examples."""

    def __init__(
        self, model: Model, request: Request, *, domains: Mapping[str, Domain], runners: Runners
    ) -> None:
        """Compare with `model`, which `request` asked for and `runners` run."""
        self._model = model
        self._known = request.known
        self._domains = domains
        self._runners = runners
        self._scrutiny = Scrutiny(model, request)
        self._influence = Influence(model, domains, runners)
        self._blamed: dict[Mode, str] = {}

    def compare(
        self,
        stage: Stage,
        candidate: Keyed,
        for_all: ForAll,
        *,
        mode: Mode,
        criterion: Criterion,
        diagnose: Diagnose | None = None,
    ) -> StageResult:
        """Return what the examples showed of `candidate`, which names outputs as the reference.

        `diagnose` is asked once, for the simplest feeds on which they differ.
        """
        is_strict = mode is Mode.STRICT
        tally = Tally()
        scrutiny = self._scrutiny
        reference = self._runners.memo(REFERENCE, self._model, mode)
        # Where every bit counts, rounding is no excuse.
        conditioning = None if isinstance(criterion, Exact) else self._conditioning()

        def check(feeds: Feeds) -> None:
            if tally.has_given_up:
                return
            key = digest(feeds)  # computed once: large feeds take a millisecond
            agreement = compare_on(
                feeds,
                reference=partial(reference, key=key),
                candidate=partial(candidate, key=key),
                criterion=criterion,
                conditioning=conditioning,
            )
            if agreement.is_of_candidate and agreement.timed_out is not None:
                self._confirm_that_it_hangs(agreement.timed_out, candidate, feeds, key)
            tally.add(agreement, feeds=feeds, key=key)
            if is_strict and agreement.outputs is not None:
                scrutiny.look(feeds, agreement.outputs)
                self._influence.look(feeds, agreement.outputs)

        try:
            for feeds in self._known_feeds:
                _check_on(feeds, check)
            for_all(self._model.signature, self._domains, check)
            training = self._in_training(candidate, for_all, criterion) if is_strict else ()
        except Disagreement as found:
            diagnosis = diagnose(found) if diagnose is not None else ()
            reason = self._fault_behind(found, mode) or found.told(*diagnosis)
            measured = tally.measured.widened(found.measured)
            return replace(tally.result(stage, reason), measured=measured)
        fault = scrutiny.fault()
        objection = fault or tally.objection(partial(self._blame, mode))
        return replace(
            tally.result(stage, objection),
            is_inconclusive=bool(objection) and not fault,
            warnings=(
                *tally.warnings(),
                *training,
                *scrutiny.warnings(),
                *(self._influence.warnings() if is_strict else ()),
                *narrow_warnings(self._domains),
            ),
        )

    @cached_property
    def _known_feeds(self) -> list[Feeds]:
        """The feeds whose outputs are known, read once for all candidates."""
        return [feeds_of(known, self._model.signature) for known in self._known]

    def _confirm_that_it_hangs(
        self, error: TimedOut, candidate: Keyed, feeds: Feeds, key: bytes
    ) -> None:
        """Run a candidate again that took too long where the reference did not.

        Raises:
            AcceptanceDiffers: it takes too long again. Once alone may be the machine's fault.
        """
        try:
            candidate(feeds, key=key + b"again")
        except TimedOut:
            raise AcceptanceDiffers(
                f"the candidate ran longer than {error.seconds:g} s, twice, on feeds that the "
                f"reference answers in time"
            ) from None
        except Rejected:
            pass

    def _in_training(
        self, candidate: Keyed, for_all: ForAll, criterion: Criterion
    ) -> tuple[ModelWarning, ...]:
        """Return what a few examples show that are fed as in training: nothing to fail for."""
        domains = in_training(self._domains)
        if domains is None:
            return ()
        fed = fed_in_training(self._domains)
        scrutiny = self._scrutiny
        reference = self._runners.memo(REFERENCE, self._model, Mode.STRICT)

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
            for_all(self._model.signature, domains, check, at_most=TRAINING_EXAMPLES)
        except Disagreement as found:
            return (training_warning(fed, found.told()),)
        return ()

    def _fault_behind(self, found: Disagreement, mode: Mode) -> str:
        """Return what is wrong with the reference, where that and no candidate is to blame."""
        unstable = ""
        if found.feeds is not None:
            unstable = instability(self._runners.runner(REFERENCE, self._model, mode), found.feeds)
        return unstable or self._scrutiny.fault()

    def _blame(self, mode: Mode, rejections: Rejections) -> str:
        """Return which inputs are to blame for rejections: the same ones for every candidate."""
        if mode not in self._blamed:
            model = self._model
            self._blamed[mode] = blame(
                rejections,
                run=self._runners.runner(REFERENCE, model, mode),
                signature=model.signature,
                upstream=partial(inputs_above, model.graph_def, model.signature),
            )
        return self._blamed[mode]

    def _conditioning(self) -> Conditioning:
        def moved(feeds: Feeds, *, by: int) -> Mapping[str, Array]:
            return self._runners.runner(MOVED[by], self._model, Mode.STRICT, moved_by=by)(feeds)

        return Conditioning(
            self._runners.runner(REFERENCE, self._model, Mode.STRICT),
            moved=[partial(moved, by=seed) for seed in range(len(MOVED))],
        )

    def close(self) -> None:
        """Close the session that the reference was held against."""
        self._scrutiny.close()
