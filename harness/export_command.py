"""The command `freezeproof export`: a checkpoint becomes a folder that can be served, verified."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from harness import __version__, console
from harness.errors import BrokenModel, FreezeproofError, RequestError, Unsupported, nearest
from harness.export_verification import (
    VerificationFailed,
    check_verification_place,
    remove_report,
    verify,
)
from harness.exporters.registry import method_names
from harness.exporting.folder import check_place
from harness.exporting.interrupt import interrupt_kept
from harness.exporting.layout import DEFAULT_METHOD, IMAGE_TENSOR, INPUT_TYPES, check_input
from harness.exporting.manifest import Manifest, as_json
from harness.exporting.model_protocol import ModelRaised, load_model
from harness.exporting.steps import Show, Step
from harness.locate import locate
from harness.options import OPTIONS, is_url, parse_names, read_settings
from harness.report.export_text import render_export
from harness.requesting import add_options, request_of
from harness.wheel import require_tensorflow, startup_noise_kept_back

if TYPE_CHECKING:
    from harness.exporting.exporting import Verify

_OF_OWN_GRAPH = ("meta_graph", "inputs", "outputs", "signature", "tags")
_OF_REBUILDING = ("input_type", "input_shape", "extra_outputs")
_OF_VERIFYING = ("max_examples", "example_timeout", "tolerance", "input_spec", "fail_on")
_PASSED_ON = (*_OF_VERIFYING, "import", "op_library")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options, of which those on model and run are the plugin's."""
    parser.add_argument(
        "--checkpoint",
        metavar="PATH",
        required=True,
        help="what was trained: a checkpoint prefix, any file of one, or a folder with one",
    )
    parser.add_argument(
        "--output-dir",
        metavar="DIR",
        required=True,
        type=Path,
        help="where to; an earlier export there is replaced when the new one is right",
    )
    built = parser.add_argument_group("a graph that is built anew")
    built.add_argument(
        "--model",
        metavar="PACKAGE.MODULE:FACTORY",
        help="a function without arguments that returns an object with preprocess, predict and "
        "postprocess; without --model the checkpoint's own graph is exported",
    )
    built.add_argument(
        "--input-type",
        metavar="TYPE",
        help=f"{', '.join(INPUT_TYPES)} (default {IMAGE_TENSOR})",
    )
    built.add_argument(
        "--input-shape",
        metavar="SIZES",
        help=f"of {IMAGE_TENSOR}: batch,height,width,channels, -1 for any, as -1,28,28,3 "
        f"(default -1,-1,-1,3)",
    )
    built.add_argument(
        "--extra-outputs",
        metavar="NAMES",
        help="comma-separated tensors to be served beside what postprocess returns",
    )
    own = parser.add_argument_group("the checkpoint's own graph")
    add_options(own, _OF_OWN_GRAPH)
    add_options(parser, ("moving_averages", "import", "op_library"))
    parser.add_argument(
        "--method",
        metavar="NAME",
        default=DEFAULT_METHOD,
        help=f"the export method that freezes (freezeproof methods lists them; default "
        f"{DEFAULT_METHOD})",
    )
    verifying = parser.add_argument_group("verification")
    verifying.add_argument(
        "--no-verify", action="store_true", help="do not hold what was written against its source"
    )
    add_options(verifying, _OF_VERIFYING)
    parser.add_argument(
        "--json", action="store_true", help="print the manifest, and nothing else, as JSON"
    )


def run_export(known: argparse.Namespace) -> int:
    """Export, verify, and say what is there now; return the exit code."""
    try:
        place = _checked(known)
        require_tensorflow()
        with tempfile.TemporaryDirectory(prefix="freezeproof-") as folder:
            manifest = _exported(known, place, Path(folder))
        remove_report(place)  # of an earlier export, that failed
    except ModelRaised as error:
        sys.stderr.write(error.traceback())
        return console.refuse(str(error), console.MISTAKEN)
    except (BrokenModel, Unsupported, VerificationFailed) as error:
        return console.refuse(str(error), console.BROKEN)
    except SystemExit as end:  # on SIGTERM; what a model itself ends is told as the model's
        return console.refuse("terminated", int(end.code or 0))
    if known.json:
        console.write(json.dumps(as_json(manifest, freezeproof=__version__), indent=2))
    else:
        console.write(render_export(manifest, known.output_dir))
    return 0


def _checked(known: argparse.Namespace) -> Path:
    """Return where the export goes, wherever the model's code changes to.

    What makes no sense is refused before TensorFlow is imported, which takes seconds.
    """
    for names, is_out, why in (
        (_OF_OWN_GRAPH, known.model, "goes with the checkpoint's own graph; --model builds one"),
        (_OF_REBUILDING, not known.model, "goes with --model"),
        (_OF_VERIFYING, known.no_verify, "is about verifying, and --no-verify leaves that out"),
    ):
        given = [name for name in names if getattr(known, name)]
        if is_out and given:
            raise RequestError(f"--{given[0].replace('_', '-')} {why}")
    if known.method not in method_names():
        hint = nearest(known.method, method_names())
        raise RequestError(f"--method {known.method}: no such method{hint}")
    check_input(known.input_type or IMAGE_TENSOR, _sizes(known.input_shape))
    stated = {**vars(known), "checkpoint": None, "meta_graph": None}
    read_settings(lambda option: stated.get(option.name))
    if not is_url(known.checkpoint):
        locate(known.checkpoint)
    place = check_place(known.output_dir)
    check_verification_place(known.output_dir)
    return place


def _exported(known: argparse.Namespace, place: Path, scratch: Path) -> Manifest:
    with _shown() as show:
        show(Step.READ)
        from harness.exporting.building import Rebuilding
        from harness.exporting.exporting import How, export_own_graph, export_rebuilt

        request = request_of(known, known.checkpoint, scratch)
        how = How(method=known.method, show=show, verify=_verifying(known, place))
        try:
            if not known.model:
                return export_own_graph(request, place, how=how)
            what = Rebuilding(
                input_type=known.input_type or IMAGE_TENSOR,
                model=load_model(known.model),
                input_shape=_sizes(known.input_shape),
                additional_outputs=parse_names(known.extra_outputs),
            )
            return export_rebuilt(what, request, place, how=how)
        except ModelRaised:
            raise
        except FreezeproofError as error:
            raise type(error)(request.said(str(error))) from error


def _verifying(known: argparse.Namespace, place: Path) -> Verify | None:
    if known.no_verify:
        return None
    options = [
        f"{option.flag}={value}"
        for option in OPTIONS
        if option.name in _PASSED_ON
        for value in _values(getattr(known, option.name))
    ]
    stdout = 2 if known.json else None
    return partial(verify, output=place, said=known.output_dir, options=options, stdout=stdout)


def _values(given: object) -> list[str]:
    if isinstance(given, list):
        return [str(value) for value in given]
    return [str(given)] if given else []


def _sizes(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(size) for size in text.split(","))
    except ValueError:
        raise RequestError(
            f"--input-shape {text}: it should be four numbers, as -1,28,28,3"
        ) from None


@contextlib.contextmanager
def _shown() -> Iterator[Show]:
    """Give what shows a step on a terminal, and keeps back what TensorFlow writes meanwhile.

    What a model's own code prints is no result, and goes to standard error. While the export is
    verified, pytest shows what it does.
    """
    with contextlib.ExitStack() as stack:
        interrupt = stack.enter_context(interrupt_kept())
        stream = stack.enter_context(_standard_error())
        stack.enter_context(contextlib.redirect_stdout(stream))
        is_looked_at = console.is_terminal(stream)
        quiet = stack.enter_context(contextlib.ExitStack())
        stack.callback(interrupt.hold)

        def show(step: Step) -> None:
            interrupt.hold()
            quiet.close()
            if step is not Step.VERIFY:
                quiet.enter_context(startup_noise_kept_back())
                if is_looked_at:
                    quiet.callback(_write, stream, "\r\x1b[K")
                    _write(stream, f"{step.value} …")
            interrupt.let_go()

        yield show


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


def _standard_error() -> TextIO:
    """Return a further way to standard error, which stays open while that is kept back."""
    try:
        return os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")
    except OSError:  # started without one
        return Path(os.devnull).open("w", encoding="utf-8")
