"""How every command speaks: results on standard output, refusals on standard error, exit codes.

Nothing is imported here but the standard library: a command line that makes no sense is answered
before anything else is loaded.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
from collections.abc import Iterator
from typing import TextIO

BROKEN, INTERNAL, MISTAKEN = 1, 3, 4
"""Exit codes, which are pytest's: the model is at fault, this program is, the command is."""
INTERRUPTED, UNREAD = 130, 141
"""Exit codes, which are a shell's: Ctrl-C, and a reader that went away before the result."""

_WIDTH = 120
"""Of text that goes to no terminal."""


def write(text: str) -> None:
    """Write the result to standard output; whoever reads may have seen enough."""
    if sys.stdout is None:  # started without one
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # of names that the terminal's encoding lacks
    try:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        stop_writing()


def stop_writing() -> None:
    """Let the rest of standard output go nowhere: its reader has gone away.

    Python would flush again at exit, and complain.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def refuse(message: str, code: int) -> int:
    """Say on standard error why there is no result, or no good one; return the exit code."""
    with contextlib.suppress(BrokenPipeError):
        print(f"freezeproof: {message}", file=sys.stderr, flush=True)  # noqa: T201
    return code


def is_colored(stream: TextIO) -> bool:
    """Say whether text for `stream` has colours: on a terminal, unless the environment decides."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_terminal(stream)


def is_terminal(stream: TextIO | None) -> bool:
    """Say whether somebody looks at `stream`, on a terminal that can do more than print."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Return how many columns text on standard output has."""
    return shutil.get_terminal_size(fallback=(_WIDTH, 24)).columns


@contextlib.contextmanager
def waiting(for_what: str) -> Iterator[None]:
    """Show on a terminal what takes so long, until it has ended.

    Standard error is held before the block: inside, it may go elsewhere for a while.
    """
    stream = sys.stderr
    if not is_terminal(stream):
        yield
        return
    columns = shutil.get_terminal_size().columns
    stream.write(f"{for_what} …"[: columns - 1])
    stream.flush()
    try:
        yield
    finally:
        stream.write("\r\x1b[K")
        stream.flush()
