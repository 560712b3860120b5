"""What is shown while a long stage runs: a line that is rewritten, or one now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

QUIET_SECONDS = 2.0
"""How long a stage may take before anything is shown."""
LINE_SECONDS = 30.0
"""How often a line is written where lines cannot be rewritten (a CI log)."""


class Progress:
    """Counts examples of one stage and shows them through two functions."""

    def __init__(
        self,
        label: str,
        total: int,
        *,
        rewrite: Callable[[str], None] | None,
        write_line: Callable[[str], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`rewrite` replaces the current line; it is None where the output is no terminal."""
        self._label, self._total = label, total
        self._rewrite, self._write_line, self._clock = rewrite, write_line, clock
        self._start = self._last = clock()
        self._shown = False

    def __call__(self, done: int) -> None:
        """Show that `done` examples are through, where it is time to."""
        now = self._clock()
        interval = LINE_SECONDS if self._rewrite is None else 0.5
        if now - self._start < QUIET_SECONDS or now - self._last < interval:
            return
        self._last, self._shown = now, True
        text = f"{self._label}: {done} of {self._total} examples, {now - self._start:.0f} s"
        if self._rewrite is None:
            self._write_line(text)
        else:
            self._rewrite(text)

    def close(self) -> None:
        """Wipe the line, if one is shown."""
        if self._shown and self._rewrite is not None:
            self._rewrite("")
