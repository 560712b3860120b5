"""The command `freezeproof evaluate`: how many labelled pictures a frozen graph gets right.

The object that `--json` prints is described in `report.evaluation_json`.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness import console
from harness.errors import RequestError
from harness.locate import locate
from harness.wheel import require_tensorflow, startup_noise_kept_back

_MOST_DIGITS = 9

if TYPE_CHECKING:
    from harness.evaluation.result import Evaluation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    graph = parser.add_argument_group("the frozen graph")
    graph.add_argument(
        "--frozen-graph", metavar="PATH", required=True, help="a .pb, or a SavedModel folder"
    )
    graph.add_argument("--input", metavar="NAME", help="the input (default: inferred)")
    graph.add_argument(
        "--output",
        metavar="NAME",
        help="classes as numbers or names [batch], or scores [batch, classes] (default: inferred)",
    )
    data = parser.add_argument_group(
        "the pictures",
        "Folders that are all called by numbers are these classes; others are numbered from 0 in\n"
        "sorted order, unless the output is their names.",
    )
    data.add_argument(
        "--data",
        metavar="FOLDER|captcha:N",
        required=True,
        help="a folder with a sub-folder a class, or N generated pictures of one digit",
    )
    data.add_argument("--seed", metavar="N", help="of generated pictures (default 2)")
    data.add_argument(
        "--pixels",
        metavar="RANGE",
        help="what an input of floats is fed: 0..255 (default), 0..1 or -1..1",
    )
    data.add_argument(
        "--batch-size", metavar="N", help="pictures that are fed together (default 100)"
    )
    reference = parser.add_argument_group("the checkpoint to compare with")
    reference.add_argument(
        "--checkpoint", metavar="PATH", help="a checkpoint prefix, or a folder with one"
    )
    reference.add_argument(
        "--meta-graph", metavar="FILE", help="the .meta, where it is not beside the checkpoint"
    )
    reference.add_argument(
        "--moving-averages",
        action="store_true",
        help="take each variable's moving average where the checkpoint has one",
    )
    told = parser.add_argument_group("what is told")
    told.add_argument("--predictions", action="store_true", help="a line a picture, too")
    told.add_argument(
        "--json", action="store_true", help="one JSON object on the standard output, and no text"
    )
    told.add_argument("--min-accuracy", metavar="SHARE", help="fail below it, as 0.9")


def run_evaluate(known: argparse.Namespace) -> int:
    """Print the evaluation and return the exit code."""
    for name, value in vars(known).items():
        if value == "":  # as of a variable of the shell that is not set
            raise RequestError(f"--{name.replace('_', '-')}: it is empty")
    least = _share(known.min_accuracy)
    evaluation = _evaluated(known)
    from harness.evaluation.result import failures

    console.write(_rendered(known, evaluation, least))
    failed = failures(evaluation, least=least)
    if not failed:
        return 0
    # The text ends in it; whoever keeps that in a file sees it here.
    is_seen = console.is_terminal(sys.stdout) and not known.json
    return console.BROKEN if is_seen else console.refuse("; ".join(failed), console.BROKEN)


def _evaluated(known: argparse.Namespace) -> Evaluation:
    """Return the evaluation that the command asks for.

    Raises:
        RequestError: the command names something that does not exist, or that does not go together.
        BrokenModel: a model's files cannot be used.
        OSError: a file cannot be read.
    """
    for option, is_given in (
        ("--meta-graph", known.meta_graph),
        ("--moving-averages", known.moving_averages),
    ):
        if is_given and not known.checkpoint:
            raise RequestError(f"{option} goes with --checkpoint PATH")
    seed = None if known.seed is None else _number("--seed", known.seed, least=0)
    batch_size = known.batch_size and _number("--batch-size", known.batch_size, least=1)
    # What can be refused is refused before TensorFlow is imported, which takes seconds.
    _check_models(known)
    from harness.evaluation.data import read_data

    data = read_data(known.data, seed=seed)
    require_tensorflow()
    with (
        console.waiting(f"reading {known.frozen_graph}"),
        startup_noise_kept_back(),
    ):
        from harness.evaluation.evaluating import DEFAULT_BATCH_SIZE, evaluate
        from harness.evaluation.opening import open_interface, open_reference

        interface = open_interface(
            Path(known.frozen_graph), input_name=known.input or "", output_name=known.output or ""
        )
        reference = None
        told: tuple[str, ...] = ()
        if known.checkpoint:
            reference, told = open_reference(
                Path(known.checkpoint),
                interface,
                meta_graph=Path(known.meta_graph) if known.meta_graph else None,
                moving_averages=known.moving_averages,
            )
    with _progress(len(data.pictures)) as on_progress:
        return evaluate(
            data,
            interface,
            reference,
            batch_size=batch_size or DEFAULT_BATCH_SIZE,
            pixels=known.pixels,
            told=told,
            on_progress=on_progress,
        )


def _check_models(known: argparse.Namespace) -> None:
    location = locate(known.frozen_graph, option="--frozen-graph")
    if location.kind == "checkpoint":
        raise RequestError(
            f"--frozen-graph {known.frozen_graph}: this is a checkpoint, which goes with "
            f"--checkpoint; give the .pb or SavedModel folder that was made of it"
        )
    if known.checkpoint and locate(known.checkpoint).path.resolve() == location.path.resolve():
        raise RequestError(
            f"--checkpoint {known.checkpoint}: this is the frozen graph itself, and would be "
            f"compared with itself"
        )


def _number(option: str, text: str, *, least: int) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    if not is_number or int(text) < least:
        raise RequestError(f"{option} {text[:40]}: it should be a number from {least}")
    return int(text)


def _share(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise RequestError(f"--min-accuracy {text}: it should be from 0 to 1, as 0.9")
    return share


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show how many pictures are through, on a terminal alone."""
    if not console.is_terminal(sys.stderr):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("pictures", total=total)
        yield lambda done: progress.update(task, completed=done)


def _rendered(known: argparse.Namespace, evaluation: Evaluation, least: float | None) -> str:
    if known.json:
        from harness.report.evaluation_json import evaluation_json

        return evaluation_json(evaluation, least=least)
    from harness.report.evaluation_text import render_evaluation

    return render_evaluation(
        evaluation,
        width=console.width(),
        color=console.is_colored(sys.stdout),
        with_predictions=known.predictions,
        least=least,
    )
