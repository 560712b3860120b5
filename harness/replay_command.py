"""The command `freezeproof replay`: see a failure again, or that it is mended.

`--json` prints one object: `schema` (1), `folder`, `outcome` ("FIXED", "FAILED" or "ERROR"),
`reason` and `notes` (texts: which candidate was looked at, and what has changed since then).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from harness import console
from harness.errors import RequestError
from harness.replaying import Outcome, Word, replay
from harness.wheel import require_tensorflow, startup_noise_kept_back

SCHEMA = 1
_CODES = {Word.FIXED: 0, Word.FAILED: 1, Word.ERROR: 2}
_COLORS = {Word.FIXED: "32", Word.FAILED: "31", Word.ERROR: "33"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add FOLDER and the option that names another candidate."""
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        type=Path,
        help="what the message of a failure names, in .freezeproof/",
    )
    parser.add_argument(
        "--candidate",
        metavar="PATH",
        type=Path,
        help="look at this .pb or SavedModel, instead of the file or method that failed",
    )
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def run_replay(known: argparse.Namespace) -> int:
    """Print FIXED, FAILED or ERROR, and why; return 0, 1 or 2."""
    try:
        require_tensorflow()
    except RequestError as error:
        outcome = Outcome(word=Word.ERROR, reason=str(error))
    else:
        # Some methods print what they do: the word comes first all the same.
        with (
            console.waiting(f"replaying {known.folder}"),
            startup_noise_kept_back(),
            contextlib.redirect_stdout(sys.stderr),
        ):
            outcome = replay(known.folder, candidate=known.candidate)
    if known.json:
        console.write(json.dumps(_as_json(known.folder, outcome), indent=2))
    else:
        console.write("\n".join(_lines(outcome)))
    return _CODES[outcome.word]


def _lines(outcome: Outcome) -> Iterator[str]:
    word = str(outcome.word)
    is_colored = console.is_colored(sys.stdout)
    yield f"\x1b[1;{_COLORS[outcome.word]}m{word}\x1b[0m" if is_colored else word
    yield outcome.reason
    yield from outcome.notes


def _as_json(folder: Path, outcome: Outcome) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "folder": str(folder),
        "outcome": str(outcome.word),
        "reason": outcome.reason,
        "notes": list(outcome.notes),
    }
