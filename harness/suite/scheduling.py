"""Under pytest-xdist, keep all items of a model on one worker: it is restored there once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from harness.suite.collection import SUITE_ID


class Scheduling:
    """A plugin that groups the suite's items by model, and all others by file."""

    def __init__(self, names: Iterable[str]) -> None:
        """Know the names of the models that the suite runs on."""
        # Longest first: of "model" and "model-b", "model-b-direct" belongs to the second.
        # pytest writes what is not ASCII in its ids as escapes.
        ids = (name.encode("unicode_escape").decode("ascii") for name in names)
        self._names = sorted(ids, key=len, reverse=True)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Return a scheduler by model, unless the user chose one with --dist."""
        if config.getoption("dist") != "load":
            return None
        from xdist.scheduler import LoadScopeScheduling

        scope_of = self.scope_of

        class ByModel(LoadScopeScheduling):  # type: ignore[misc]
            def _split_scope(self, nodeid: str) -> str:
                return scope_of(nodeid)

        return ByModel(config, log)

    def scope_of(self, nodeid: str) -> str:
        """Return what a node id shares with those that must run on the same worker."""
        head, _, rest = nodeid.partition("::")
        if head != SUITE_ID:
            return head
        parameters = rest.partition("[")[2].removesuffix("]")
        for name in self._names:
            if parameters == name or parameters.startswith(f"{name}-"):
                return f"{SUITE_ID}[{name}]"
        return nodeid
