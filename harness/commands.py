"""The commands: what each is for, in words that its help prints, and where it is written.

A command NAME is the module `NAME_command`, with `add_arguments(parser)` and `run_NAME(known)`. It
is imported when it is asked for, so that `freezeproof --help` imports none.
"""

from __future__ import annotations

import argparse
import importlib
from dataclasses import dataclass

ExitCodes = tuple[tuple[int, str], ...]

_MISTAKEN = (4, "the command is mistaken: it names what is not there")


@dataclass(frozen=True, kw_only=True)
class Example:
    """A command line, without the word `freezeproof`, and what it is for."""

    purpose: str
    line: str


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command: `summary` is its line in the overview, `description` begins its own help.

    `usage` is what follows the name on the command line, the arguments that have to be there first.
    """

    name: str
    usage: str
    summary: str
    description: str
    examples: tuple[Example, ...]
    exit_codes: ExitCodes

    @property
    def module(self) -> str:
        """The name of the module that it is written in."""
        return f"harness.{self.name}_command"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments."""
        importlib.import_module(self.module).add_arguments(parser)

    def run(self, known: argparse.Namespace) -> int:
        """Do the work and return the exit code."""
        code: int = getattr(importlib.import_module(self.module), f"run_{self.name}")(known)
        return code


COMMANDS = (
    Command(
        name="verify",
        usage="PATH [options, and pytest's]",
        summary="freeze a model in every way, and prove each result the same",
        description=(
            "Freeze a model by every export method, and prove of each result, and of each file "
            "given with --frozen, that it computes what the model computes. This is pytest with "
            "--checkpoint=PATH: every option of pytest and of its plugins may follow PATH."
        ),
        examples=(
            Example(
                purpose="can this checkpoint be frozen, and which export methods get it right?",
                line="verify runs/model.ckpt-1000",
            ),
            Example(
                purpose="is a file that somebody froze the same model?",
                line="verify runs/model.ckpt-1000 --frozen shipped.pb --export-methods none",
            ),
            Example(
                purpose="where the outputs cannot be told from the graph (inspect lists them)",
                line="verify runs/ --outputs classes,probabilities",
            ),
            Example(
                purpose="longer, in two processes, until something fails",
                line="verify runs/ --max-examples 1000 -n 2 -x",
            ),
            Example(
                purpose="the verdict for a program; what pytest prints goes to standard error",
                line="verify --json runs/",
            ),
        ),
        exit_codes=(
            (0, "everything agrees"),
            (1, "something differs, or the model cannot be used"),
            (2, "pytest was interrupted"),
            (3, "pytest itself failed"),
            _MISTAKEN,
            (5, "no test was chosen"),
        ),
    ),
    Command(
        name="inspect",
        usage="PATH [options]",
        summary="tell what a model on disk is, without running it",
        description=(
            "Tell what a model on disk is, what would be taken as its inputs and outputs, and "
            "what would be frozen. Nothing is run."
        ),
        examples=(
            Example(purpose="what is in this folder?", line="inspect downloads/model"),
            Example(
                purpose="what leads to these outputs, every list in full?",
                line="inspect runs/model.ckpt-1000 --outputs classes --all",
            ),
            Example(
                purpose="write what the inputs accept: to edit, and to give to verify",
                line="inspect runs/model.ckpt-1000 --write-input-spec inputs.toml",
            ),
            Example(
                purpose="every operation, for a spreadsheet",
                line="inspect model.pb --ops-csv operations.csv",
            ),
            Example(
                purpose="the same facts for a program, as in: … | jq .signature",
                line="inspect --json runs/model.ckpt-1000",
            ),
        ),
        exit_codes=(
            (0, "the model can be used, or you have to choose what of it"),
            (1, "the model is at fault: it cannot be used, or not be frozen"),
            _MISTAKEN,
        ),
    ),
    Command(
        name="export",
        usage="--checkpoint PATH --output-dir DIR [options]",
        summary="make an inference graph of a training checkpoint",
        description=(
            "Make an inference graph of a training checkpoint: a frozen graph, a SavedModel and a "
            "checkpoint of their own, each verified. The graph is built anew by a model's "
            "functions, or is the checkpoint's own."
        ),
        examples=(
            Example(
                purpose="the checkpoint's own graph, frozen and verified",
                line="export --checkpoint runs/model.ckpt-1000 --output-dir exported",
            ),
            Example(
                purpose="the graph that a model's functions build for inference",
                line="export --model package.module:factory --checkpoint runs/model.ckpt-1000 "
                "--output-dir exported",
            ),
            Example(
                purpose="fed with PNG or JPEG files, from the moving averages of the variables",
                line="export --model package.module:factory --checkpoint runs/model.ckpt-1000 "
                "--output-dir exported --input-type encoded_image_string_tensor "
                "--moving-averages",
            ),
            Example(
                purpose="the manifest for a program, as in: … | jq .signature",
                line="export --checkpoint runs/model.ckpt-1000 --output-dir exported --json",
            ),
        ),
        exit_codes=(
            (0, "exported"),
            (1, "the model is at fault, or the export differs: none is put in place"),
            (4, "the command is mistaken, or the code of --model fails"),
        ),
    ),
    Command(
        name="evaluate",
        usage="--frozen-graph PATH --data DATA [options]",
        summary="count how many labelled pictures a frozen graph gets right",
        description=(
            "Count how many labelled pictures a frozen graph gets right: accuracy, and what is "
            "taken for what. With --checkpoint the reference is evaluated beside it, and the "
            "predictions of both are compared, picture by picture."
        ),
        examples=(
            Example(
                purpose="pictures in a folder for each class",
                line="evaluate --frozen-graph frozen.pb --data pictures/",
            ),
            Example(
                purpose="500 captchas made on the spot: does it see what its checkpoint sees?",
                line="evaluate --frozen-graph frozen.pb --data captcha:500 "
                "--checkpoint runs/model.ckpt-1000",
            ),
            Example(
                purpose="which pictures does it get wrong? a line for each",
                line="evaluate --frozen-graph frozen.pb --data pictures/ --predictions",
            ),
            Example(
                purpose="in a build: fail below 95 %, and keep the numbers",
                line="evaluate --frozen-graph frozen.pb --data pictures/ --min-accuracy 0.95 "
                "--json",
            ),
        ),
        exit_codes=(
            (0, "evaluated, and where there are two models, they agree"),
            (1, "the two disagree, fall short of --min-accuracy, or cannot be used"),
            _MISTAKEN,
        ),
    ),
    Command(
        name="replay",
        usage="FOLDER [options]",
        summary="see a failure again, or that it is mended",
        description=(
            "Run a stage that failed once more, on the example that showed it. The first line is "
            "FIXED, FAILED or ERROR (it could not be told); why stands below."
        ),
        examples=(
            Example(
                purpose="is it mended? the message of the failure names the folder",
                line="replay .freezeproof/model.ckpt-1000-shipped.pb-outputs",
            ),
            Example(
                purpose="does another file have the same fault?",
                line="replay .freezeproof/model.ckpt-1000-shipped.pb-outputs --candidate new.pb",
            ),
            Example(
                purpose="the answer for a program, as in: … | jq -r .outcome",
                line="replay --json .freezeproof/model.ckpt-1000-shipped.pb-outputs",
            ),
        ),
        exit_codes=((0, "FIXED"), (1, "FAILED"), (2, "ERROR"), _MISTAKEN),
    ),
    Command(
        name="methods",
        usage="[options]",
        summary="list the export methods",
        description="List the export methods, which verify takes with --export-methods.",
        examples=(
            Example(purpose="what is there?", line="methods"),
            Example(
                purpose="the names for a program, as in: … | jq -r '.methods[].name'",
                line="methods --json",
            ),
        ),
        exit_codes=((0, "listed"), _MISTAKEN),
    ),
)
