"""The command `freezeproof verify`: pytest, with a model in the place of test files."""

from __future__ import annotations

import argparse
import difflib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness import console
from harness.options import HANDING_OVER, OPTIONS, REPORT_COPY

_JSON = "--json"
_OPTIONS = tuple(option for option in OPTIONS if option.name != "checkpoint")
_ALIKE = 0.85
"""How much of a mistyped option is right. pytest's own options are less like those of here."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add PATH, after which everything is pytest's, and the options of this plugin."""
    parser.add_argument(
        "path", metavar="PATH", help="a checkpoint, SavedModel folder or .pb, or a URL of one"
    )
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.add_argument(
        _JSON,
        action="store_true",
        help="print the report as JSON, and what pytest prints on standard error",
    )
    for option in _OPTIONS:
        parser.add_argument(option.flag, dest=option.name, **option.keywords)


def run_verify(known: argparse.Namespace) -> int:
    """Run pytest and return its exit code, or that of Ctrl-C."""
    rest, is_json = _without_json(known.rest)
    arguments = [f"--checkpoint={known.path}", *_given_before(known), *rest]
    code = _with_report(arguments) if known.json or is_json else _run_pytest(arguments)
    if code == console.MISTAKEN:
        for flag, meant in _mistyped(rest):
            console.refuse(f"{flag}: is {meant} meant?", code)
    return code


def _without_json(rest: Sequence[str]) -> tuple[list[str], bool]:
    """Return what is pytest's of the arguments after PATH, and whether JSON is asked for there."""
    kept = [argument for argument in rest if argument != _JSON]
    return kept, len(kept) < len(rest)


def _given_before(known: argparse.Namespace) -> Iterator[str]:
    """Give the options again that stood before PATH, as pytest reads them."""
    for option in _OPTIONS:
        value = getattr(known, option.name)
        if value is True:
            yield option.flag
        elif isinstance(value, list):
            yield from (f"{option.flag}={each}" for each in value)
        elif value not in {None, False}:
            yield f"{option.flag}={value}"


def _with_report(arguments: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="freezeproof-") as folder:
        report = Path(folder) / "report.json"
        # Before the user's own: after a `--`, options are no options any more.
        handing_over = ["-p", HANDING_OVER, f"{REPORT_COPY}={report}"]
        code = _run_pytest([*handing_over, *arguments], is_output_kept_apart=True)
        if report.is_file():
            console.write(report.read_text(encoding="utf-8"))
    return code


def _run_pytest(arguments: Sequence[str], *, is_output_kept_apart: bool = False) -> int:
    # A process of its own: pytest rewrites the assertions of plugins that were not imported yet,
    # and warns of this one, which was.
    command = [sys.executable, "-m", "pytest", *arguments]
    is_interrupted = False
    with subprocess.Popen(  # noqa: S603 (the user's own command)
        command, stdout=2 if is_output_kept_apart else None
    ) as process:
        while True:
            try:
                code = process.wait()
                break
            except KeyboardInterrupt:
                is_interrupted = True  # pytest gets it as well, and tells what it has so far
    if is_interrupted:
        return console.INTERRUPTED
    return code if code >= 0 else 128 - code  # ended by a signal: as a shell tells it


def _mistyped(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Give what looks like an option of here and is none, with the option that it looks like."""
    flags = [option.flag for option in OPTIONS]
    for argument in arguments:
        flag = argument.partition("=")[0]
        if flag.startswith("--") and flag not in flags:
            for meant in difflib.get_close_matches(flag, flags, n=1, cutoff=_ALIKE):
                yield flag, meant
