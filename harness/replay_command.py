"""The command `freezeproof replay`: see a failure again, or that it is mended."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from pathlib import Path

from harness.errors import RequestError
from harness.replaying import Outcome, Word, replay
from harness.wheel import require_tensorflow, startup_noise_kept_back

_CODES = {Word.FIXED: 0, Word.FAILED: 1, Word.ERROR: 2}


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


def run_replay(known: argparse.Namespace) -> int:
    """Print FIXED, FAILED or ERROR, and why; return 0, 1 or 2."""
    try:
        require_tensorflow()
    except RequestError as error:
        outcome = Outcome(word=Word.ERROR, reason=str(error))
    else:
        # Some methods print what they do: the word comes first all the same.
        with startup_noise_kept_back(), contextlib.redirect_stdout(sys.stderr):
            outcome = replay(known.folder, candidate=known.candidate)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # of names that the terminal's encoding lacks
    sys.stdout.write("\n".join([str(outcome.word), outcome.reason, *outcome.notes, ""]))
    return _CODES[outcome.word]
