"""What every command does with its output: encodings, colours, what is shown meanwhile."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable

import pytest

from harness import console

VARIABLES = ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS")
Environment = Callable[..., None]


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Set these variables of the environment, and none else that matters here."""

    def hold(**variables: str) -> None:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return hold


@pytest.mark.parametrize(
    ("variables", "on_a_terminal", "in_a_file"),
    [
        ({}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
    ids=str,
)
def test_colours_are_for_terminals_unless_the_environment_decides(
    variables: dict[str, str], on_a_terminal: bool, in_a_file: bool, environment: Environment
) -> None:
    environment(**variables)
    assert console.is_colored(Terminal()) == on_a_terminal
    assert console.is_colored(io.StringIO()) == in_a_file


def test_a_result_ends_in_one_line_end(capsys: pytest.CaptureFixture[str]) -> None:
    console.write("first")
    console.write("second\n")
    assert capsys.readouterr().out == "first\nsecond\n"


def test_what_the_encoding_lacks_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    console.write("größe")
    assert written.getvalue() == b"gr??e\n"


def test_without_a_standard_output_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    console.write("text")


def test_a_refusal_is_a_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert console.refuse("no such file", console.MISTAKEN) == 4
    assert capsys.readouterr() == ("", "freezeproof: no such file\n")


def test_what_takes_long_is_shown_on_a_terminal_and_wiped(
    monkeypatch: pytest.MonkeyPatch, environment: Environment
) -> None:
    environment(COLUMNS="12")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with contextlib.suppress(ValueError), console.waiting("reading a long name"):
        assert terminal.getvalue() == "reading a l"  # one line, so that all of it can be wiped
        raise ValueError
    assert terminal.getvalue() == "reading a l\r\x1b[K"


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with console.waiting("reading"):
        pass
    assert capsys.readouterr() == ("", "")
