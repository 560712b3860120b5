"""The `freezeproof` command: thin, in front of pytest."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

from harness import __version__, inspect_command, replay_command
from harness.exporters.registry import method_names


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="freezeproof",
        description="Prove that a frozen TensorFlow graph computes what its checkpoint computes.",
    )
    parser.add_argument("--version", action="version", version=f"freezeproof {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    verify = commands.add_parser(
        "verify",
        help="verify a model: the same as pytest --checkpoint PATH",
        description="Verify a model. Every option of the pytest plugin may follow PATH.",
        epilog="example: freezeproof verify runs/model.ckpt-1000 --frozen shipped.pb",
    )
    verify.add_argument(
        "path", metavar="PATH", help="a checkpoint, SavedModel folder or .pb, or a URL of one"
    )
    verify.add_argument("options", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    inspect = commands.add_parser(
        "inspect",
        help="print what a model on disk is, and what would be its inputs and outputs",
        description="Print what a model on disk is, what would be taken as its inputs and outputs, "
        "and what would be frozen. Nothing is run.",
        epilog="example: freezeproof inspect runs/model.ckpt-1000 --outputs=classes",
    )
    inspect_command.add_arguments(inspect)
    replay = commands.add_parser(
        "replay",
        help="run a stage that failed again, on the example that showed it",
        description="Run a stage that failed again, on the example that showed it. Prints FIXED, "
        "FAILED or ERROR first; the exit code is 0, 1 or 2.",
        epilog="example: freezeproof replay .freezeproof/model.ckpt-1000-shipped.pb-outputs",
    )
    replay_command.add_arguments(replay)
    commands.add_parser("methods", help="list the export methods")
    known = parser.parse_args(arguments)
    if known.command == "methods":
        print("\n".join(method_names()))
        return 0
    if known.command == "inspect":
        return inspect_command.run_inspect(known)
    if known.command == "replay":
        return replay_command.run_replay(known)
    # A process of its own: pytest rewrites the assertions of plugins that were not imported yet,
    # and warns of this one, which was.
    command = [sys.executable, "-m", "pytest", f"--checkpoint={known.path}", *known.options]
    return subprocess.run(command, check=False).returncode  # noqa: S603 (the user's own command)


if __name__ == "__main__":
    sys.exit(main())
