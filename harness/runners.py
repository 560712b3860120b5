"""The open sessions of one proof, and what they have computed."""

from __future__ import annotations

from harness.memo import Memo, Memory
from harness.models.model import Model
from harness.runtime import Mode, Runner

REFERENCE = ""
"""The key of the reference; a candidate's is its identity."""


class Runners:
    """Models in sessions by key and mode, each opened when it is asked for."""

    def __init__(self, *, example_seconds: float) -> None:
        """Open nothing yet; an example that runs longer than `example_seconds` is given up."""
        self._example_seconds = example_seconds
        self._runners: dict[tuple[str, Mode], Runner] = {}
        self._memos: dict[tuple[str, Mode], Memo] = {}
        self._shared_memory = Memory()

    def runner(self, key: str, model: Model, mode: Mode, *, moved_by: int | None = None) -> Runner:
        """Return what runs `model`; with `moved_by`, with weights that are moved a little."""
        if (key, mode) not in self._runners:
            self._runners[key, mode] = Runner(
                model, mode=mode, seconds=self._example_seconds, moved_by=moved_by
            )
        return self._runners[key, mode]

    def memo(self, key: str, model: Model, mode: Mode) -> Memo:
        """Return what runs `model` and remembers what it gave."""
        if (key, mode) not in self._memos:
            # The reference is asked again for every candidate, a candidate where another is the
            # same graph: however many there are, all of them share what one may hold.
            memory = Memory() if key == REFERENCE else self._shared_memory
            self._memos[key, mode] = Memo(self.runner(key, model, mode), memory=memory)
        return self._memos[key, mode]

    def close(self, *keys: str) -> None:
        """Close the sessions of `keys`; what they computed is remembered."""
        for (key, _), runner in self._runners.items():
            if key in keys:
                runner.close()

    def close_all(self) -> None:
        """Close every session, and forget what was computed."""
        self.close(*(key for key, _ in self._runners))
        self._runners.clear()
        self._memos.clear()
        self._shared_memory = Memory()
