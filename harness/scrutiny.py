"""What is checked of the reference itself, while candidates are compared with it.

Agreement means something only if the reference is the user's model, gives the same outputs twice,
and does not depend on random numbers that were pinned for the comparison.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.criteria import Array, Exact, compare
from harness.errors import Rejected, TimedOut
from harness.graph.lint import random_warning
from harness.graph.randomness import OTHER_SEED, random_ops
from harness.memo import Feeds, Memo, Run
from harness.models.model import Model
from harness.original import Original, Unavailable
from harness.runtime import Mode, Runner
from harness.subject import Request
from harness.verdict import ModelWarning
from harness.verify import Disagreement, compare_on

HELD_AGAINST_ORIGINAL = 5
"""On how many accepted examples the reference is held against what TensorFlow restores."""


class Scrutiny:
    """Looks at the reference's own outputs on the examples that were accepted."""

    def __init__(self, model: Model, request: Request) -> None:
        """Look at `model`, which `request` asked for; nothing is opened yet."""
        self._model = model
        self._request = request
        self._draws = bool(random_ops(model.graph_def))
        self._accepted: list[tuple[Feeds, Mapping[str, Array]]] = []
        self._reseeded: Runner | None = None
        self._reseeded_memo: Memo | None = None
        self._is_random = False
        self._fed = ""
        self._fault: str | None = None

    def look(self, feeds: Feeds, outputs: Mapping[str, Array]) -> None:
        """Take note of feeds that were accepted, and of the reference's strict outputs."""
        self.look_for_randomness(feeds, outputs)
        if self._fault is None and len(self._accepted) < HELD_AGAINST_ORIGINAL:
            self._accepted.append((feeds, outputs))

    def look_for_randomness(
        self, feeds: Feeds, outputs: Mapping[str, Array], *, fed: str = ""
    ) -> None:
        """Take note of whether the reference's outputs change with its random numbers.

        `fed` says what it is fed as in training, where it is.
        """
        if self._draws and not self._is_random:
            self._is_random = self._changes_with_the_seed(feeds, outputs)
            self._fed = fed

    def warnings(self) -> tuple[ModelWarning, ...]:
        """Warn of outputs that were seen to change with the numbers of random ops."""
        if not self._is_random:
            return ()
        return (random_warning(self._model.graph_def, fed=self._fed),)

    def fault(self) -> str:
        """Return how the reference differs from the model as TensorFlow restores it; "" if not.

        Reference and candidates share our extraction and our reading of the saver: they would agree
        on a wrong model. Looked at once, on the first examples that were accepted.
        """
        if self._fault is None and self._accepted:
            self._fault = self._held_against_original()
            self._accepted.clear()
        return self._fault or ""

    def close(self) -> None:
        """Close the session that was opened for another seed."""
        if self._reseeded is not None:
            self._reseeded.close()

    def _changes_with_the_seed(self, feeds: Feeds, expected: Mapping[str, Array]) -> bool:
        # A random op on the path need not reach the output: dropout that keeps all does not.
        if self._reseeded_memo is None:
            self._reseeded = Runner(self._model, mode=Mode.STRICT, random_seed=OTHER_SEED)
            self._reseeded_memo = Memo(self._reseeded)
        try:
            outputs = self._reseeded_memo(feeds)
        except Rejected:  # whether the feeds are accepted at all depends on the numbers
            return True
        except TimedOut:
            return False
        return any(
            compare(value, outputs[name], criterion=Exact()) is not None
            for name, value in expected.items()
        )

    def _held_against_original(self) -> str:
        model, request = self._model, self._request
        # TensorFlow's saver restores no averages in the place of variables, and pins no numbers.
        if request.moving_averages or self._draws:
            return ""
        original = Original(
            path=model.path,
            kind=model.kind,
            signature=model.signature,
            meta_graph=request.meta_graph,
            tags=request.tags,
        )
        try:
            for feeds, outputs in self._accepted:
                difference = _difference(original, feeds, outputs)
                if difference:
                    return (
                        f"the harness's own reference is not what TensorFlow restores from "
                        f"{model.path}, so that nothing can be said of the candidate; this is a "
                        f"fault of freezeproof, please report it: {difference}"
                    )
        except Unavailable:
            return ""  # off the path, the graph holds what TensorFlow cannot import or restore
        finally:
            original.close()
        return ""


def instability(reference: Run, feeds: Feeds) -> str:
    """Return that a reference differs from itself on these feeds; "" where it does not."""
    try:
        compare_on(feeds, reference=reference, candidate=reference, criterion=Exact())
    except Disagreement as found:
        return (
            f"the reference does not give the same outputs twice, so that nothing can be said "
            f"of the candidate: {found}"
        )
    return ""


def _difference(original: Original, feeds: Feeds, outputs: Mapping[str, Array]) -> str:
    try:
        expected, again = original(feeds), original(feeds)
    except Rejected as rejection:
        return f"it accepts feeds that TensorFlow's rejects by {rejection}"
    found = []
    for name, value in expected.items():
        if compare(value, again[name], criterion=Exact()) is not None:
            continue  # not the same twice (uninitialised memory, say): it shows nothing
        difference = compare(value, outputs[name], criterion=Exact())
        if difference is not None:
            found.append(difference.describe(name))
    return "; ".join(found)
