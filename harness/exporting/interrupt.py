"""Ctrl-C, which is told late rather than never, and not in the midst of what must be whole."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Interrupt:
    """Whether Ctrl-C was pressed, and whether it may be told now."""

    def __init__(self) -> None:
        """Nothing was pressed yet."""
        self.is_pressed = self._is_held = False

    def press(self, number: int, frame: FrameType | None) -> None:
        """Tell it as an exception, or later where it is held."""
        self.is_pressed = True
        if not self._is_held:
            signal.default_int_handler(number, frame)

    def hold(self) -> None:
        """Let no exception arise from now on."""
        self._is_held = True

    def let_go(self) -> None:
        """Let exceptions arise again, and raise the one that was held, or forgotten."""
        self._is_held = False
        if self.is_pressed:
            raise KeyboardInterrupt


@contextlib.contextmanager
def interrupt_kept() -> Iterator[Interrupt]:
    """Keep Ctrl-C for as long as the block runs.

    TensorFlow calls Python where an exception is written to standard error and forgotten, or turns
    into another. A program that handles or ignores the signal itself goes on doing so.
    """
    interrupt = Interrupt()
    is_ours = (
        threading.current_thread() is threading.main_thread()  # which alone may set handlers
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if is_ours:
        signal.signal(signal.SIGINT, interrupt.press)
    try:
        yield interrupt
    except Exception as error:
        if interrupt.is_pressed:
            raise KeyboardInterrupt from error  # what TensorFlow made of it
        raise
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
