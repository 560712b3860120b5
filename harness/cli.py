"""The command `freezeproof`: which command is meant, its help, and how it may end."""

from __future__ import annotations

import argparse
import os
import re
import sys
import textwrap
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from harness import __version__, console
from harness.commands import COMMANDS, Command, Example, ExitCodes
from harness.errors import BrokenModel, FreezeproofError, file_error, nearest

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_PROGRAM = "freezeproof"
_ABOUT = "Prove that a frozen TensorFlow graph computes what its checkpoint computes."
_FIRST_STEPS = (
    Example(purpose="what is this model?", line="inspect runs/model.ckpt-1000"),
    Example(purpose="freeze it in every way, and prove it", line="verify runs/model.ckpt-1000"),
    Example(
        purpose="is a file that somebody froze the same model?",
        line="verify runs/model.ckpt-1000 --frozen shipped.pb",
    ),
)
_WIDEST = 100
_ITS_OWN_MISTAKE = "this is a mistake of freezeproof itself: please report it, with the lines above"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    if sys.stderr is None:  # started without one; what is meant for it must not go elsewhere
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (to the end)
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001
        return _given_up(error)
    return code


def _given_up(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return console.refuse("interrupted", console.INTERRUPTED)
    if isinstance(error, BrokenPipeError):
        console.stop_writing()
        return console.UNREAD
    if isinstance(error, FreezeproofError):
        is_of_model = isinstance(error, BrokenModel)
        return console.refuse(str(error), console.BROKEN if is_of_model else console.MISTAKEN)
    if isinstance(error, OSError):
        return console.refuse(file_error(error), console.MISTAKEN)
    if isinstance(error, SystemExit):  # of a module of the user's: there is no result
        place = traceback.extract_tb(error.__traceback__)[-1]
        said = f"{place.filename}:{place.lineno} ended the program with sys.exit({error.code!r})"
        return console.refuse(said, console.MISTAKEN)
    traceback.print_exception(error)
    return console.refuse(_ITS_OWN_MISTAKE, console.INTERNAL)


def _run(arguments: Sequence[str]) -> int:
    try:
        overview = _overview()
        asked = overview.parse_args(arguments)
        if asked.version:
            console.write(f"{_PROGRAM} {__version__}")
            return 0
        if asked.command is None:
            overview.print_help(sys.stderr)
            return console.MISTAKEN
        command = next((each for each in COMMANDS if each.name == asked.command), None)
        if command is None:
            overview.error(_no_command(asked.command))
        known = command_parser(command).parse_args(asked.rest)
    except SystemExit as end:  # of argparse, which has said all
        return end.code if isinstance(end.code, int) else 0
    return command.run(known)


def command_parser(command: Command) -> argparse.ArgumentParser:
    """Return the parser of one command's arguments, with its help."""
    parser = _Parser(
        prog=f"{_PROGRAM} {command.name}",
        description=_filled(command.description),
        usage=f"{_PROGRAM} {command.name} {command.usage}",
        epilog=f"{_examples(command.examples)}\n\n{_exit_codes(command.exit_codes)}",
    )
    command.add_arguments(parser)
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, name what is nearest, and have pytest's exit code."""

    def __init__(self, *, prog: str, description: str, epilog: str, usage: str) -> None:
        super().__init__(
            prog=prog,
            usage=usage,
            description=description,
            epilog=epilog,
            formatter_class=_Formatter,
            allow_abbrev=False,  # as pytest: an option to come must not change what is meant
        )
        self._positionals.title = "arguments"
        # As newer Pythons do: in `--input-shape -1,28,28,3`, the second is the option's value.
        self._negative_number_matcher = re.compile(r"-\.?\d")

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Parse the arguments; of those that nobody knows, the first is told."""
        known, unknown = self.parse_known_args(args, namespace)
        if unknown:
            # The value of a mistyped option is unknown as well.
            self.error(self._unknown(next((u for u in unknown if u.startswith("-")), unknown[0])))
        return known

    def format_help(self) -> str:
        """Return the help; what is said of a group of options is wrapped, as the rest is."""
        for group in self._action_groups:
            group.description = group.description and _filled(group.description)
        return super().format_help()

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print the help; whoever reads it may have seen enough."""
        if file is None:
            console.write(self.format_help())
        else:
            file.write(self.format_help())

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line, and where it is told what is right."""
        name = self.prog.removeprefix(_PROGRAM).strip()
        code = console.refuse(f"{name}: {message}" if name else message, console.MISTAKEN)
        self.exit(code, f"see: {self.prog} --help\n")

    def _unknown(self, argument: str) -> str:
        if not argument.startswith("-"):
            return f"{argument}: one argument too many"
        flag = argument.partition("=")[0]
        options = [option for option in self._option_string_actions if option.startswith("--")]
        return f"{flag}: no such option{nearest(flag, options)}"


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal, up to what can be read at ease."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=_columns())


def _overview() -> _Parser:
    longest = max(len(command.name) for command in COMMANDS)
    commands = "\n".join(f"  {c.name:{longest}}  {c.summary}" for c in COMMANDS)
    parser = _Parser(
        prog=_PROGRAM,
        usage=f"{_PROGRAM} COMMAND …\n       {_PROGRAM} COMMAND --help",
        description=f"{_filled(_ABOUT)}\n\ncommands:\n{commands}",
        epilog=_examples(_FIRST_STEPS),
    )
    parser.add_argument("--version", action="store_true", help="tell the version and exit")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _no_command(word: str) -> str:
    names = [command.name for command in COMMANDS]
    if Path(word).exists() or "/" in word:
        return f"{word}: no such command; to verify a model: {_PROGRAM} verify {word}"
    hint = nearest(word, names) or f"; there are {', '.join(names)}"
    return f"{word}: no such command{hint}"


def _examples(examples: Iterable[Example]) -> str:
    shown = (f"  # {each.purpose}\n{_typed(each.line)}" for each in examples)
    return "examples:\n" + "\n\n".join(shown)


def _typed(line: str) -> str:
    """Return a command line that can be copied even where it takes more than one line."""
    first, *options = f"{_PROGRAM} {line}".split(" --")
    lines = [f"  {first}"]
    for option in options:
        if len(lines[-1]) + len(f" --{option} \\") > _columns():
            lines[-1] += " \\"
            lines.append(f"      --{option}")
        else:
            lines[-1] += f" --{option}"
    return "\n".join(lines)


def _exit_codes(codes: ExitCodes) -> str:
    return "exit codes:\n" + "\n".join(f"  {code}  {meaning}" for code, meaning in codes)


def _filled(text: str) -> str:
    return textwrap.fill(text, _columns(), break_long_words=False, break_on_hyphens=False)


def _columns() -> int:
    return min(console.width(), _WIDEST) - 2


if __name__ == "__main__":
    sys.exit(main())
