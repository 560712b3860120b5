"""Run a check on examples of feeds, and look for the simplest that fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings

from harness.domain import Domain
from harness.inputs.describing import describe
from harness.inputs.drafts import Draft, Plan, feeds_of, planned
from harness.inputs.first_examples import first_drafts
from harness.inputs.simplifying import simplest
from harness.inputs.strategies import drafts_of
from harness.memo import Feeds, digest
from harness.signature import Signature
from harness.verify import Disagreement

if TYPE_CHECKING:
    # Importing it imports TensorFlow.
    from harness.comparison import ForAll

Progress = Callable[[int], None]

SHRINK_SECONDS = 20.0
"""How long a failing example is shrunk; hypothesis itself stops at 300 seconds."""


def for_all_examples(
    *,
    max_examples: int,
    seed: int,
    progress: Progress | None = None,
) -> ForAll:
    """Return a function that runs a check on `max_examples` feeds of a signature, in domains.

    First come those of `first_examples`, then hypothesis draws. The feeds depend on the signature,
    the domains and the seed, so that every stage and every candidate sees the same. (Hypothesis
    also mixes in constants of the modules of the working folder: they stay the same while the same
    modules are loaded.) The Disagreement that comes out is that of the simplest feeds found, and
    says what they are.
    """

    def for_all(
        signature: Signature,
        domains: Mapping[str, Domain],
        check: Callable[[Feeds], None],
        *,
        at_most: int | None = None,
    ) -> None:
        most = max_examples if at_most is None else min(max_examples, at_most)
        plan = planned(signature, domains)
        trial = _Trial(plan, check, progress)
        try:
            _try_first(plan, trial, most)
            if plan.inputs and trial.done < most:
                _try_drawn(plan, trial, most, seed)
        except Disagreement:
            simplest(plan, trial.failing, trial.fails_too)
            found, feeds = trial.found()
            raise type(found)(
                str(found), measured=found.measured, feeds=feeds, fed=describe(feeds)
            ) from None

    return for_all


def _try_first(plan: Plan, trial: _Trial, most: int) -> None:
    drafts = first_drafts(plan)
    if most == 1:
        next(drafts)  # the simplest example alone would show little
    for draft in drafts:
        if not trial.has_seen(draft):
            trial.examine(draft)
        if trial.done >= most:
            return


def _try_drawn(plan: Plan, trial: _Trial, most: int, seed: int) -> None:
    begun = False

    # One more than needed: hypothesis begins with the simplest, which was the first of all.
    @hypothesis.seed(seed)
    @settings(
        max_examples=most - trial.done + 1,
        deadline=None,
        # What failed before in this folder must not change what is tried now.
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        print_blob=False,
    )
    @given(draft=drafts_of(plan))
    def examine(draft: Draft) -> None:
        nonlocal begun
        was_begun, begun = begun, True
        if (was_begun or not trial.has_seen(draft)) and trial.done < most:
            trial.examine(draft)

    examine()


class _Trial:
    """A check whose failures are remembered, and that stops looking for simpler ones in time."""

    def __init__(
        self, plan: Plan, check: Callable[[Feeds], None], progress: Progress | None
    ) -> None:
        self._plan = plan
        self._check = check
        self._progress = progress
        self._seen: dict[bytes, Disagreement | None] = {}
        self._stop_at: float | None = None
        self._failing: tuple[Draft, Disagreement] | None = None
        self.done = 0

    @property
    def failing(self) -> Draft:
        """The last draft whose feeds failed: as far as is known, the simplest."""
        assert self._failing is not None
        return self._failing[0]

    def found(self) -> tuple[Disagreement, Feeds]:
        """Return the Disagreement on the simplest feeds that failed, and those."""
        assert self._failing is not None
        return self._failing[1], feeds_of(self._plan, self._failing[0])

    def has_seen(self, draft: Draft) -> bool:
        """Say whether these feeds were there before; from now on they were."""
        key = digest(feeds_of(self._plan, draft))
        is_known = key in self._seen
        self._seen.setdefault(key, None)
        return is_known

    def examine(self, draft: Draft) -> None:
        """Run the check, and let the Disagreement out; while shrinking, once on the same feeds."""
        feeds = feeds_of(self._plan, draft)
        known = self._seen.get(digest(feeds)) if self._stop_at is not None else None
        if known is not None:
            self._failing = draft, known
            raise known
        if self._stop_at is not None and time.perf_counter() > self._stop_at:
            return  # simpler feeds are no longer looked for; those that failed still fail
        try:
            self._check(feeds)
        except Disagreement as found:
            if self._stop_at is None:
                self._stop_at = time.perf_counter() + SHRINK_SECONDS
            self._seen[digest(feeds)] = found
            self._failing = draft, found
            raise
        if self._stop_at is None:
            self.done += 1
            if self._progress is not None:
                self._progress(self.done)

    def fails_too(self, draft: Draft) -> bool:
        """Say whether feeds that were not there before fail, and as the simplest so far does."""
        before = self._failing
        assert before is not None
        if self.has_seen(draft):
            return False
        try:
            self.examine(draft)
        except Disagreement as found:
            if type(found) is type(before[1]):
                return True
            self._failing = before
        return False
