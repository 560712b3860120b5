"""Run a check on examples of feeds, and shrink the first that fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings

from harness.domain import Domain
from harness.inputs.strategies import describe, from_signature
from harness.memo import Feeds, digest
from harness.signature import Signature
from harness.verify import Disagreement

Progress = Callable[[int], None]

SHRINK_SECONDS = 20.0
"""How long a failing example is shrunk; hypothesis itself stops at 300 seconds."""


def for_all_examples(
    *,
    max_examples: int,
    seed: int,
    progress: Progress | None = None,
) -> Callable[[Signature, Mapping[str, Domain], Callable[[Feeds], None]], None]:
    """Return a function that runs a check on `max_examples` feeds of a signature, in domains.

    The feeds depend on the signature, the domains and the seed, so that every stage and every
    candidate sees the same. (Hypothesis also mixes in constants of the modules of the working
    folder: they stay the same while the same modules are loaded.) The Disagreement that comes out
    is that of the simplest feeds found, and says what they are.
    """

    def for_all(
        signature: Signature, domains: Mapping[str, Domain], check: Callable[[Feeds], None]
    ) -> None:
        shrinking = _Shrinking(check, progress)

        @hypothesis.seed(seed)
        @settings(
            max_examples=max_examples,
            deadline=None,
            # What failed before in this folder must not change what is tried now.
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet,
            print_blob=False,
        )
        @given(feeds=from_signature(signature, domains=domains))
        def examine(feeds: Feeds) -> None:
            shrinking.examine(feeds)

        try:
            examine()
        except Disagreement as found:
            fed = describe(shrinking.simplest)
            message = f"{found}; fed {fed}" if fed else str(found)
            raise type(found)(message, measured=found.measured, feeds=shrinking.simplest) from None

    return for_all


class _Shrinking:
    """A check whose failures are remembered, and that stops looking for simpler ones in time."""

    def __init__(self, check: Callable[[Feeds], None], progress: Progress | None) -> None:
        self._check = check
        self._progress = progress
        self._failures: dict[bytes, Disagreement] = {}
        self._stop_at: float | None = None
        self._done = 0
        self.simplest: Feeds = {}

    def examine(self, feeds: Feeds) -> None:
        known = self._failures.get(digest(feeds)) if self._failures else None
        if known is not None:
            self.simplest = feeds
            raise known
        if self._stop_at is not None and time.perf_counter() > self._stop_at:
            return  # simpler feeds are no longer looked for; those that failed still fail
        try:
            self._check(feeds)
        except Disagreement as found:
            if self._stop_at is None:
                self._stop_at = time.perf_counter() + SHRINK_SECONDS
            self._failures[digest(feeds)] = found
            self.simplest = feeds
            raise
        self._done += 1
        if self._progress is not None and self._stop_at is None:
            self._progress(self._done)
