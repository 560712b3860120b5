"""What is shown while a long stage runs."""

from __future__ import annotations

from harness.report.progress import LINE_SECONDS, QUIET_SECONDS, Progress


class Screen:
    """A terminal with a clock that is set by hand."""

    def __init__(self, *, is_terminal: bool) -> None:
        self.now = 100.0
        self.rewritten: list[str] = []
        self.lines: list[str] = []
        self.progress = Progress(
            "model-direct",
            100,
            rewrite=self.rewritten.append if is_terminal else None,
            write_line=self.lines.append,
            clock=lambda: self.now,
        )

    def after(self, seconds: float, *, done: int) -> None:
        """Report `done` examples when `seconds` have passed since the last report."""
        self.now += seconds
        self.progress(done)


def test_a_quick_stage_shows_nothing() -> None:
    screen = Screen(is_terminal=True)
    screen.after(QUIET_SECONDS - 0.1, done=99)
    screen.progress.close()
    assert (screen.rewritten, screen.lines) == ([], [])


def test_a_terminal_shows_a_line_that_is_rewritten_and_wiped() -> None:
    screen = Screen(is_terminal=True)
    screen.after(QUIET_SECONDS, done=10)
    screen.after(1, done=20)
    screen.progress.close()
    assert screen.rewritten == [
        "model-direct: 10 of 100 examples, 2 s",
        "model-direct: 20 of 100 examples, 3 s",
        "",
    ]
    assert screen.lines == []


def test_a_terminal_is_not_rewritten_for_every_example() -> None:
    screen = Screen(is_terminal=True)
    screen.after(QUIET_SECONDS, done=1)
    for done in range(2, 20):
        screen.after(0.02, done=done)
    assert len(screen.rewritten) == 1


def test_a_log_gets_a_line_now_and_then() -> None:
    screen = Screen(is_terminal=False)
    for done in range(1, 71):
        screen.after(1, done=done)
    screen.progress.close()
    assert screen.lines == [
        f"model-direct: {int(LINE_SECONDS)} of 100 examples, {LINE_SECONDS:.0f} s",
        f"model-direct: {int(2 * LINE_SECONDS)} of 100 examples, {2 * LINE_SECONDS:.0f} s",
    ]
    assert screen.rewritten == []
