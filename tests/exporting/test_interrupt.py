"""Ctrl-C is told late rather than never."""

from __future__ import annotations

import signal
import threading

import pytest

from harness.exporting.interrupt import interrupt_kept


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_is_an_exception_at_once() -> None:
    with interrupt_kept(), pytest.raises(KeyboardInterrupt):
        press()


def test_while_it_is_held_it_waits() -> None:
    with interrupt_kept() as interrupt:
        interrupt.hold()
        press()
        with pytest.raises(KeyboardInterrupt):
            interrupt.let_go()


def test_one_that_was_forgotten_is_told_again() -> None:
    with interrupt_kept() as interrupt:
        with pytest.raises(KeyboardInterrupt):
            press()
        interrupt.hold()
        with pytest.raises(KeyboardInterrupt):
            interrupt.let_go()


def test_what_it_became_is_told_as_what_it_was() -> None:
    def cancelled() -> None:
        with interrupt_kept():
            try:
                press()
            except KeyboardInterrupt:
                raise RuntimeError("cancelled") from None

    with pytest.raises(KeyboardInterrupt):
        cancelled()


def test_where_nobody_pressed_nothing_is_told() -> None:
    with interrupt_kept() as interrupt:
        interrupt.hold()
        interrupt.let_go()


def test_afterwards_all_is_as_before() -> None:
    with pytest.raises(ValueError, match="x"), interrupt_kept():
        raise ValueError("x")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_programs_own_stays() -> None:
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        with interrupt_kept() as interrupt:
            press()
            interrupt.let_go()
    finally:
        signal.signal(signal.SIGINT, before)
    assert pressed == [True]


def test_other_threads_set_no_handler() -> None:
    seen = []

    def enter() -> None:
        with interrupt_kept():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
