"""The command `freezeproof inspect`: what a path holds, printed without running anything.

The object that `--json` prints is described in `report.inspection_json`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from harness import console
from harness.errors import BrokenModel, RequestError, file_error
from harness.inspection.facts import Inspection
from harness.locate import checkpoint_files, locate, meta_file
from harness.options import is_url
from harness.report.inspection_json import write_inspection
from harness.report.inspection_text import render_inspection
from harness.report.ops_csv import write_ops_csv
from harness.requesting import add_options, request_of
from harness.subject import Request
from harness.wheel import require_tensorflow, startup_noise_kept_back

_TAKEN = ("meta_graph", "inputs", "outputs", "signature", "tags", "moving_averages",
          "import", "op_library")  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add PATH and the options, which are those of a run as far as they say what the model is."""
    parser.add_argument(
        "path", metavar="PATH", help="a checkpoint, SavedModel folder or .pb, or a URL of one"
    )
    add_options(parser, _TAKEN)
    parser.add_argument("--all", action="store_true", help="cut no list short")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print all of it as one JSON object; nothing is printed where there is no graph",
    )
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
            with console.waiting(f"reading {known.path}"):
                request, inspection = _inspected(known, Path(folder))
            if known.ops_csv:
                _write_operations(Path(known.ops_csv), inspection)
            if known.write_input_spec:
                _write_input_spec(Path(known.write_input_spec), inspection, request)
            text = _rendered(known, request, inspection)
    except (RequestError, BrokenModel) as error:
        is_of_request = isinstance(error, RequestError)
        return _refused(str(error), console.MISTAKEN if is_of_request else console.BROKEN)
    except OSError as error:
        return _refused(file_error(error), console.MISTAKEN)
    console.write(text)
    if not inspection.fault:
        return 0
    code = console.MISTAKEN if inspection.fault_is_of_request else console.BROKEN
    # The text ends in it; whoever keeps the text in a file sees it here.
    is_seen = console.is_terminal(sys.stdout) and not known.json
    return code if is_seen else _refused(request.said(inspection.fault), code)


def _rendered(known: argparse.Namespace, request: Request, inspection: Inspection) -> str:
    other_options = [
        *(("--import", module) for module in vars(known)["import"] or ()),
        *(("--op-library", library) for library in known.op_library or ()),
    ]
    if known.json:
        files = _files(inspection, request)
        return write_inspection(inspection, request, files=files, other_options=other_options)
    return render_inspection(
        inspection,
        request,
        width=console.width(),
        color=console.is_colored(sys.stdout),
        everything=known.all,
        other_options=other_options,
    )


def _files(inspection: Inspection, request: Request) -> list[Path]:
    """Return the files of which the model is made, those that are there."""
    path = inspection.path
    if inspection.kind == "checkpoint":
        files = [*checkpoint_files(path), request.meta_graph or meta_file(path)]
    elif path.is_dir():
        files = sorted(path.rglob("*"))
    else:
        files = [path]
    return [file for file in files if file.is_file()]


def _inspected(known: argparse.Namespace, folder: Path) -> tuple[Request, Inspection]:
    """Return what is known of the model; what URLs name is copied into `folder` first.

    Raises:
        RequestError: the command names something that does not exist.
        BrokenModel: not even a graph can be read.
    """
    if not is_url(known.path):
        locate(known.path)  # before TensorFlow is imported, which takes seconds
    require_tensorflow()
    with startup_noise_kept_back():
        from harness.inspection.inspecting import inspect

        request = request_of(known, known.path, folder)
        try:
            return request, inspect(request, with_operations=bool(known.ops_csv))
        except (RequestError, BrokenModel) as error:
            raise type(error)(request.said(str(error))) from error
        except OSError as error:
            # A request's error, with which nothing is shown of what TensorFlow wrote meanwhile.
            raise RequestError(request.said(file_error(error))) from error


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


def _refused(message: str, code: int) -> int:
    # PATH is no option here, as it is of pytest.
    return console.refuse(message.removeprefix("--checkpoint "), code)
