"""The command `freezeproof inspect`: what a path holds, printed without running anything."""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

from harness.errors import BrokenModel, RequestError, file_error
from harness.inspection.facts import Inspection
from harness.locate import locate
from harness.options import OPTIONS, is_url, read_op_sources, read_settings, subjects_of
from harness.report.inspection_text import render_inspection
from harness.report.ops_csv import write_ops_csv
from harness.subject import Copy, Request, said
from harness.wheel import require_tensorflow, startup_noise_kept_back

_TAKEN = ("meta_graph", "inputs", "outputs", "signature", "tags", "moving_averages",
          "import", "op_library")  # fmt: skip
_WIDTH = 120
"""Of text that goes to no terminal."""

BROKEN, MISTAKEN = 1, 4
"""The exit codes: pytest's, as of a run over the same model."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add PATH and the options, which are those of a run as far as they say what the model is."""
    parser.add_argument(
        "path", metavar="PATH", help="a checkpoint, SavedModel folder or .pb, or a URL of one"
    )
    for option in OPTIONS:
        if option.name in _TAKEN:
            parser.add_argument(option.flag, dest=option.name, **option.keywords)
    parser.add_argument("--all", action="store_true", help="cut no list short")
    parser.add_argument(
        "--ops-csv",
        metavar="FILE",
        help="write every operation of the whole graph with its outputs: name,type,output",
    )
    parser.add_argument(
        "--write-input-spec",
        metavar="FILE",
        help="write what the inputs accept, as far as the graph says it: to edit, for --input-spec",
    )


def run_inspect(known: argparse.Namespace) -> int:
    """Print what is known of the model and return the exit code."""
    try:
        with tempfile.TemporaryDirectory(prefix="freezeproof-") as folder:
            request, inspection = _inspected(known, Path(folder))
            if known.ops_csv:
                _write_operations(Path(known.ops_csv), inspection)
            if known.write_input_spec:
                _write_input_spec(Path(known.write_input_spec), inspection, request)
    except (RequestError, BrokenModel) as error:
        return _refused(str(error), MISTAKEN if isinstance(error, RequestError) else BROKEN)
    except OSError as error:
        return _refused(file_error(error), MISTAKEN)
    _print(
        render_inspection(
            inspection,
            request,
            width=shutil.get_terminal_size(fallback=(_WIDTH, 24)).columns,
            color=sys.stdout.isatty() and not os.environ.get("NO_COLOR"),
            everything=known.all,
            other_options=[
                *(("--import", module) for module in vars(known)["import"] or ()),
                *(("--op-library", library) for library in known.op_library or ()),
            ],
        )
    )
    if not inspection.fault:
        return 0
    code = MISTAKEN if inspection.fault_is_of_request else BROKEN
    # The text ends in it; whoever keeps the text in a file sees it here.
    return code if sys.stdout.isatty() else _refused(request.said(inspection.fault), code)


def _inspected(known: argparse.Namespace, folder: Path) -> tuple[Request, Inspection]:
    """Return what is known of the model; what URLs name is copied into `folder` first.

    Raises:
        RequestError: the command names something that does not exist.
        BrokenModel: not even a graph can be read.
    """
    if not is_url(known.path):
        locate(known.path)  # before TensorFlow is imported, which takes seconds
    require_tensorflow()
    given = {**vars(known), "checkpoint": [known.path]}
    copies: list[Copy] = []
    with startup_noise_kept_back():
        from harness.inspection.inspecting import inspect
        from harness.models import remote
        from harness.models.registering import register_ops

        try:
            ops = read_op_sources(lambda option: given.get(option.name))
            register_ops(ops.modules, ops.libraries)
            if is_url(known.path):
                copies.append(remote.fetch_model(known.path, folder / "0", option="--checkpoint"))
                given["checkpoint"] = [copies[-1].path]
            if known.meta_graph and is_url(known.meta_graph):
                option = "--meta-graph"
                copies.append(remote.fetch_file(known.meta_graph, folder / "1", option=option))
                given["meta_graph"] = copies[-1].path
            settings = read_settings(lambda option: given.get(option.name))
            (subject,) = subjects_of(settings, copies=tuple(copies))
            request = subject.locate()
            return request, inspect(request, with_operations=bool(known.ops_csv))
        except (RequestError, BrokenModel) as error:
            raise type(error)(said(str(error), copies)) from error
        except OSError as error:
            # A request's error, with which nothing is shown of what TensorFlow wrote meanwhile.
            raise RequestError(said(file_error(error), copies)) from error


def _write_operations(path: Path, inspection: Inspection) -> None:
    if inspection.graph is None:
        tags = "; ".join(",".join(graph.tags) or "(none)" for graph in inspection.graphs)
        raise RequestError(f"--ops-csv {path}: say of which graph with --tags, of {tags}")
    write_ops_csv(path, inspection.graph.operations)


def _write_input_spec(path: Path, inspection: Inspection, request: Request) -> None:
    graph = inspection.graph
    if inspection.fault:
        return  # it is told at the end
    if graph is None or graph.signature is None:
        option = {"tags": "--tags", "signature": "--signature"}.get(
            inspection.question, "--outputs"
        )
        raise RequestError(
            f"--write-input-spec {path}: say of which inputs with {option}; without "
            f"--write-input-spec, the choices are listed"
        )
    if path.exists():
        raise RequestError(
            f"--write-input-spec {path}: there is such a file, and it may have been edited: remove "
            f"it, or name another"
        )
    from harness.inputs.spec import spec_text

    model = request.said(str(inspection.path))
    text = spec_text(inspection.domains, signature=graph.signature, model=model)
    path.write_text(text, encoding="utf-8")


def _print(text: str) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # of names that the terminal's encoding lacks
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Whoever reads has seen enough. Python would flush again at exit, into nothing now.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refused(message: str, code: int) -> int:
    # PATH is no option here, as it is of pytest.
    print(f"freezeproof: {message.removeprefix('--checkpoint ')}", file=sys.stderr)
    return code
