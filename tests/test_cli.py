"""The `freezeproof` command: which command is meant, its help, and how it ends."""

from __future__ import annotations

import argparse
import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import __version__, cli
from harness.cli import command_parser, main
from harness.commands import COMMANDS, Command
from harness.errors import BrokenModel, RequestError

MISTAKEN = 4
BY_NAME = {command.name: command for command in COMMANDS}
COMMAND = [sys.executable, "-m", "harness.cli"]
Doing = Callable[[Callable[[argparse.Namespace], int]], None]


def help_of(command: Command) -> str:
    return command_parser(command).format_help()


def examples(help_text: str) -> Iterator[str]:
    """The command lines that a help page shows, each as it would be copied."""
    whole = help_text.replace("\\\n", "")
    yield from re.findall(
        r"^  (freezeproof .*)$", whole.partition("\nexamples:\n")[2], re.MULTILINE
    )


@pytest.fixture
def methods_doing(monkeypatch: pytest.MonkeyPatch) -> Doing:
    """Let the command `methods` do something else."""

    def patch(work: Callable[[argparse.Namespace], int]) -> None:
        monkeypatch.setattr("harness.methods_command.run_methods", work)

    return patch


# ---- help


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"freezeproof {__version__}\n"


def test_alone_it_gives_the_overview_as_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == MISTAKEN
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: freezeproof COMMAND")
    assert main(["--help"]) == 0
    assert capsys.readouterr() == (err, "")


def test_the_overview_has_a_line_for_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    listed = capsys.readouterr().out.partition("commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split(maxsplit=1) for line in listed] == [[c.name, c.summary] for c in COMMANDS]


def test_the_overview_imports_no_command_and_no_tensorflow() -> None:
    program = (
        "import sys; from harness.cli import main; code = main(['--help']); "
        "loaded = [m for m in sys.modules if m == 'tensorflow' or m.endswith('_command')]; "
        "print(code, loaded, file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ended.stderr == "0 []\n"


@pytest.mark.parametrize("name", BY_NAME)
def test_the_help_of_a_command_imports_no_tensorflow(name: str) -> None:
    program = (
        "import sys; from harness.cli import main; code = main([sys.argv[1], '--help']); "
        "print(code, 'tensorflow' in sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, name], capture_output=True, text=True, check=False
    )
    assert ended.stderr == "0 False\n"
    assert ended.stdout.startswith(f"usage: freezeproof {name} {BY_NAME[name].usage}\n")


@pytest.mark.parametrize("name", BY_NAME)
def test_help_is_told_in_eighty_columns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert max(len(line) for line in help_of(BY_NAME[name]).splitlines()) <= 80


@pytest.mark.parametrize("columns", ["60", "80", "200"])
@pytest.mark.parametrize("name", BY_NAME)
def test_examples_in_the_help_can_be_copied(
    name: str, columns: str, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    """They are parsed by the real parser, and what follows PATH of `verify` by pytest's."""
    monkeypatch.setenv("COLUMNS", columns)
    command = BY_NAME[name]
    shown = [shlex.split(line) for line in examples(help_of(command))]
    assert [words[1:] for words in shown] == [shlex.split(e.line) for e in command.examples]
    assert shown
    for words in shown:
        assert words[:2] == ["freezeproof", name]
        known = command_parser(command).parse_args(words[2:])
        if name == "verify":
            pytestconfig._parser.parse([a for a in known.rest if a != "--json"])


def test_first_steps_in_the_overview_are_commands(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    shown = [shlex.split(line) for line in examples(capsys.readouterr().out)]
    assert len(shown) == 3
    for _, name, *arguments in shown:
        command_parser(BY_NAME[name]).parse_args(arguments)


@pytest.mark.parametrize("name", BY_NAME)
def test_every_example_and_every_option_says_what_it_is_for(name: str) -> None:
    assert all(example.purpose for example in BY_NAME[name].examples)
    parser = command_parser(BY_NAME[name])
    assert all(action.help for action in parser._actions)


@pytest.mark.parametrize("name", BY_NAME)
def test_every_command_tells_its_exit_codes(name: str) -> None:
    codes = help_of(BY_NAME[name]).partition("\nexit codes:\n")[2].splitlines()
    assert codes[0].startswith("  0  ")
    assert any(line.startswith(f"  {MISTAKEN}  the command is mistaken") for line in codes)


# ---- command lines that make no sense


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("inspekt a", "inspekt: no such command; nearest: inspect"),
        ("runs/model", "runs/model: no such command; to verify a model: freezeproof verify runs/"),
        ("zzz", "zzz: no such command; there are verify, inspect, "),
        ("--vresion", "--vresion: no such option; nearest: --version"),
        ("inspect", "inspect: the following arguments are required: PATH"),
        ("inspect a b", "inspect: b: one argument too many"),
        ("inspect a --ouputs b", "inspect: --ouputs: no such option; nearest: --outputs"),
        ("inspect --ouputs=b a", "inspect: --ouputs: no such option; nearest: --outputs"),
        ("inspect a --output b", "inspect: --output: no such option; nearest: --outputs"),
        ("inspect a --frozen b", "inspect: --frozen: no such option"),
        ("inspect a --outputs", "inspect: argument --outputs: expected one argument"),
        ("inspect a -x", "inspect: -x: no such option"),
        ("verify", "verify: the following arguments are required: PATH"),
        ("verify -x model", "verify: -x: no such option"),
        ("replay", "replay: the following arguments are required: FOLDER"),
        ("replay a --candidat b", "replay: --candidat: no such option; nearest: --candidate"),
        ("methods a", "methods: a: one argument too many"),
        ("methods --jsn", "methods: --jsn: no such option; nearest: --json"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_told_in_a_line(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) == MISTAKEN
    out, err = capsys.readouterr()
    first, second = err.splitlines()
    assert out == ""
    assert first.startswith(f"freezeproof: {said}")
    assert second.startswith("see: freezeproof")
    assert second.endswith("--help")


def test_where_the_help_stands_can_be_typed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["inspect", "--ouputs"])
    see = capsys.readouterr().err.splitlines()[-1].removeprefix("see: freezeproof ")
    assert main(shlex.split(see)) == 0


# ---- how it ends


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RequestError("no such model"), MISTAKEN, "no such model"),
        (BrokenModel("a file is missing"), 1, "a file is missing"),
        (PermissionError(13, "Permission denied", "a.pb"), MISTAKEN, "a.pb: Permission denied"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_ends_a_command_is_one_line(
    error: BaseException,
    code: int,
    said: str,
    methods_doing: Doing,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def failing(_: argparse.Namespace) -> int:
        raise error

    methods_doing(failing)
    assert main(["methods"]) == code
    assert capsys.readouterr() == ("", f"freezeproof: {said}\n")


def test_a_mistake_of_the_program_is_none_of_the_model(
    methods_doing: Doing, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(_: argparse.Namespace) -> int:
        raise ZeroDivisionError("by zero")

    methods_doing(failing)
    assert main(["methods"]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-2] == "ZeroDivisionError: by zero"
    assert lines[-1].startswith("freezeproof: this is a mistake of freezeproof itself")


@pytest.mark.parametrize("code", [None, 0, 1, "bye"])
def test_a_module_of_the_user_that_ends_the_program_gives_no_result(
    code: int | str | None, methods_doing: Doing, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(_: argparse.Namespace) -> int:
        sys.exit(code)

    methods_doing(failing)
    assert main(["methods"]) == MISTAKEN
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"freezeproof: {__file__}:")
    assert line.endswith(f"ended the program with sys.exit({code!r})")


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["inspect", "--help"], 0),
        (["methods"], 0),
        (["methods", "--json"], 0),
        (["replay", "no_such_folder"], 2),
        (["replay", "no_such_folder", "--json"], 2),
    ],
    ids=str,
)
def test_a_reader_that_has_gone_away_changes_nothing(
    arguments: list[str], code: int, unbuffered: str
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with os.fdopen(writer, "w") as output:
        ended = subprocess.run(
            [*COMMAND, *arguments],
            stdout=output,
            stderr=subprocess.PIPE,
            env=environment,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (code, b"")


def test_a_command_whose_reader_goes_away_before_its_result_has_not_succeeded(
    monkeypatch: pytest.MonkeyPatch, methods_doing: Doing, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(_: argparse.Namespace) -> int:
        raise BrokenPipeError

    stopped: list[bool] = []
    monkeypatch.setattr(cli.console, "stop_writing", lambda: stopped.append(True))
    methods_doing(failing)
    assert main(["methods"]) == 141
    assert capsys.readouterr() == ("", "")
    assert stopped == [True]


# ---- colours


def on_a_terminal(*arguments: str, **variables: str) -> tuple[str, int]:
    """Run the command on a terminal of its own; what that shows, and the exit code."""
    clean = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR"}}
    environment = {**clean, "TERM": "xterm", "COLUMNS": "80", **variables}
    seen, terminal = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *arguments], stdin=terminal, stdout=terminal, stderr=terminal, env=environment
    ) as process:
        os.close(terminal)
        shown = b""
        while True:
            try:
                some = os.read(seen, 65536)
            except OSError:  # the other end is closed
                break
            if not some:
                break
            shown += some
    os.close(seen)
    return shown.decode(), process.returncode


def test_a_terminal_gets_colours_unless_it_wants_none(tmp_path: Path) -> None:
    folder = str(tmp_path / "none")
    shown, code = on_a_terminal("replay", folder)
    assert code == 2
    assert shown.startswith(f"replaying {folder}"[:79])
    assert "\r\x1b[K\x1b[1;33mERROR\x1b[0m\r\n" in shown
    plain, _ = on_a_terminal("replay", folder, NO_COLOR="1")
    assert plain.partition("\r\x1b[K")[2].startswith("ERROR\r\n")


def test_what_goes_to_no_terminal_is_plain_unless_colours_are_asked_for() -> None:
    clean = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR"}}
    command = [*COMMAND, "methods"]
    plain = subprocess.run(command, capture_output=True, text=True, check=True, env=clean)
    assert "\x1b" not in plain.stdout + plain.stderr
    forced = {**clean, "FORCE_COLOR": "1"}
    colored = subprocess.run(command, capture_output=True, text=True, check=True, env=forced)
    assert "\x1b[1m" in colored.stdout


@pytest.mark.parametrize("arguments", [["methods", "--json"], ["replay", "a", "--json"]], ids=str)
def test_json_has_no_colours(arguments: list[str]) -> None:
    forced = {**os.environ, "FORCE_COLOR": "1"}
    forced.pop("NO_COLOR", None)
    ended = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, env=forced, check=False
    )
    assert ended.stdout.startswith("{")
    assert "\x1b" not in ended.stdout
