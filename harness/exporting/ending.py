"""An orderly end where the system, or a terminal that is closed, asks for one."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import NoReturn

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextlib.contextmanager
def ended_in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block, and the program, by an exception, as Ctrl-C does.

    Without it Python is gone at once, and what is half written stays. A program that handles or
    ignores one of these signals itself goes on doing so.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone may set handlers
        yield
        return
    ours = [each for each in _SIGNALS if signal.getsignal(each) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)  # a shell's exit code
