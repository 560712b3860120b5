"""How the suite becomes items: one a stage and candidate, under short ids, in a sparing order."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.subject import Subject
from harness.suite.run import RUN

SUITE = Path(__file__).parent / "test_model.py"
SUITE_ID = "freezeproof"
"""Node ids of the suite begin with this, in whichever folder the package is installed."""

_ON_REQUEST = "test_nothing_is_suspicious"


class SuiteModule(pytest.Module):
    """The suite's module, whatever functions the user's ini lets pytest collect elsewhere."""

    def funcnamefilter(self, name: str) -> bool:
        """Accept the suite's own names, but for a test that has to be asked for."""
        asked = self.config.stash[RUN].settings.fail_on_suspicious
        return name.startswith("test_") and (asked or name != _ON_REQUEST)


def file_argument(argument: str) -> str:
    """Return a command-line argument with the suite's short id replaced by its file."""
    head, separator, rest = argument.partition("::")
    is_ours = head == SUITE_ID and not Path(head).exists()
    return f"{SUITE}{separator}{rest}" if is_ours else argument


def parametrize(metafunc: pytest.Metafunc, subjects: tuple[Subject, ...]) -> None:
    """Make one item a subject, and where the test takes one, a candidate."""
    if "candidate" in metafunc.fixturenames:
        pairs = [(subject, candidate) for subject in subjects for candidate in subject.candidates]
        ids = [f"{subject.name}-{candidate.name}" for subject, candidate in pairs]
        metafunc.parametrize(("subject", "candidate"), pairs, ids=ids)
    else:
        metafunc.parametrize("subject", subjects, ids=[subject.name for subject in subjects])


def in_order(items: list[pytest.Item], subjects: tuple[Subject, ...]) -> list[pytest.Item]:
    """Return the items with the suite's last, subject by subject and candidate by candidate.

    Few sessions are open at a time that way, and the stages of a candidate are read together.
    """
    rank = {subject.name: index for index, subject in enumerate(subjects)}
    suite = [item for item in items if isinstance(item.parent, SuiteModule)]
    others = [item for item in items if not isinstance(item.parent, SuiteModule)]
    # Sorting is stable: the tests of one candidate keep the file's order, which is the stages'.
    return others + sorted(suite, key=lambda item: _position(item, rank))


def _position(item: pytest.Item, rank: dict[str, int]) -> tuple[int, int, int]:
    params = item.callspec.params  # type: ignore[attr-defined]
    subject = params["subject"]
    if "candidate" in params:
        return rank[subject.name], 1, subject.candidates.index(params["candidate"])
    is_first = item.name.startswith("test_reference")
    return rank[subject.name], 0 if is_first else 2, 0
