"""What is known of a model on disk, as one JSON object: for a program that decides what to do next.

Every list is whole. What is not known, or not to be told of this model, is null, and so is a size
of a dimension, or a whole shape, that is unknown. Tensors are `name`, `dtype` and `shape`.

- `schema` (1), `freezeproof` (the version that wrote it)
- `path`, `kind` (`checkpoint`, `saved_model` or `frozen`), `bytes_on_disk`, and `files`, each with
  its `path` and `bytes`
- `graphs`: of a SavedModel, each with its `tags`, whether it is `taken`, and `signatures` (`key`,
  `taken`, `inputs`, `outputs`)
- `question`: what the user has to choose (`tags`, `signature` or `outputs`)
- `fault`: why the model cannot be used: a `message`, and whether the fault `is_of_request`
- `graph`: the graph's `producer` version, whether it `has_legacy_shapes`, how many `nodes` and
  `functions` it has
- `signature`: the `inputs` and `outputs` that are taken; `inferred` says of either whether it was
- `drawn`: what each input would be fed, as text: `name`, `shape`, `axes`, `values`, `read_from`
- `input_spec`: the same in the words of a file for `--input-spec`: `axes` and `inputs`
- `leads_to`: what roles and paths below are about: the `outputs`, or where these are not settled
  the best `candidates` or all `signatures`
- `candidates` for outputs, best first: `op`, `names`, `tensors`, `score`, `reasons`, `taken`
- `placeholders`, and `cuts`, where an input pipeline meets the model: `name`, `dtype`, `shape`,
  `op`, and the `role` (`input`, `label`, `keeps_default`, `unused`, `unfed`, `not_needed`)
- `variables`: `name`, `dtype`, `shape`, `bytes`, `saved`, the `key`, `part` and `file` that it is
  saved as, and whether it is `on_path`
- `saved`: how many `tensors` the checkpoint holds, and their `bytes`
- `weights`: constants on the path that are large enough to be weights: `name`, `dtype`, `shape`,
  `bytes`
- `ops`: how often each `op` stands `on_path` and `in_graph`
- `freezing`: whether the model `is_frozen` already; its `variables`, `weight_bytes`, `graph_bytes`,
  the `bytes` of the .pb and whether it `is_too_large` to be written; the `obstacle` to freezing;
  `warnings` (`code`, `message`, `nodes`) and `random_ops`
- `next`: the command to go on with, as a list of arguments: to verify the model or, with a word in
  capitals that stands for the choice, to make it
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import __version__
from harness.drawn import drawn_inputs
from harness.inputs.spec import spec_text
from harness.inspection.facts import (
    LARGEST_GRAPH,
    CandidateOutput,
    FedTensor,
    Freezing,
    GraphFacts,
    HeldVariable,
    Inspection,
    OpCount,
    TaggedGraph,
)
from harness.signature import TensorSpec
from harness.subject import Request

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SCHEMA = 1
_CHOICES = {
    "tags": "--tags=TAGS",
    "signature": "--signature=KEY",
    "outputs": "--outputs=NAMES",
}

Json = dict[str, Any]


def write_inspection(
    inspection: Inspection,
    request: Request,
    *,
    files: Sequence[Path] = (),
    other_options: Sequence[tuple[str, str]] = (),
) -> str:
    """Return the object as indented JSON text; `files` are those that the model is made of.

    The command to go on with has the options of the request, and `other_options` that it does not
    keep.
    """
    graph = inspection.graph
    data: Json = {
        "schema": SCHEMA,
        "freezeproof": __version__,
        "path": str(inspection.path),
        "kind": inspection.kind,
        "bytes_on_disk": inspection.bytes_on_disk,
        "files": [{"path": str(file), "bytes": file.stat().st_size} for file in files],
        "graphs": [_tagged(each) for each in inspection.graphs],
        "question": inspection.question or None,
        "fault": _fault(inspection),
        **(_nothing_of_a_graph() if graph is None else _of_graph(graph)),
        "drawn": _drawn(inspection),
        "input_spec": _input_spec(inspection),
        "next": _next(inspection, request, other_options),
    }
    return json.dumps(_plain(data, request), indent=2, allow_nan=False)


def _fault(inspection: Inspection) -> Json | None:
    if not inspection.fault:
        return None
    return {"message": inspection.fault, "is_of_request": inspection.fault_is_of_request}


def _tagged(graph: TaggedGraph) -> Json:
    return {
        "tags": graph.tags,
        "taken": graph.is_taken,
        "signatures": [
            {
                "key": signature.key,
                "taken": signature.is_taken,
                "inputs": _tensors(signature.inputs),
                "outputs": _tensors(signature.outputs),
            }
            for signature in graph.signatures
        ],
    }


def _of_graph(graph: GraphFacts) -> Json:
    signature = graph.signature
    return {
        "graph": {
            "producer": graph.producer,
            "has_legacy_shapes": graph.has_legacy_shapes,
            "nodes": graph.nodes,
            "functions": graph.functions,
        },
        "signature": signature
        and {"inputs": _tensors(signature.inputs), "outputs": _tensors(signature.outputs)},
        "inferred": signature
        and {"inputs": graph.inputs_inferred, "outputs": graph.outputs_inferred},
        "leads_to": graph.leads_to or None,
        "candidates": [_candidate(each) for each in graph.candidates],
        "placeholders": [_fed(each) for each in graph.placeholders],
        "cuts": [_fed(each) for each in graph.cuts],
        "variables": [_variable(each) for each in graph.variables],
        "saved": {"tensors": graph.saved_tensors, "bytes": graph.saved_bytes},
        "weights": [asdict(each) for each in graph.weights],
        "ops": [_op(each, graph) for each in graph.ops],
        "freezing": graph.freezing and _freezing(graph.freezing),
    }


def _nothing_of_a_graph() -> Json:
    """Return the keys of a graph where one of several has to be chosen first."""
    lists = ("candidates", "placeholders", "cuts", "variables", "weights", "ops")
    keys = ("graph", "signature", "inferred", "leads_to", "saved", "freezing")
    return {**dict.fromkeys(keys), **{key: [] for key in lists}}


def _tensors(specs: Sequence[TensorSpec]) -> list[Json]:
    return [asdict(spec) for spec in specs]


def _candidate(candidate: CandidateOutput) -> Json:
    return {
        "op": candidate.op,
        "names": candidate.names,
        "tensors": _tensors(candidate.tensors),
        "score": candidate.score,
        "reasons": candidate.reasons,
        "taken": candidate.is_taken,
    }


def _fed(tensor: FedTensor) -> Json:
    role = tensor.role.name.lower() if tensor.role else None
    return {**asdict(tensor.spec), "op": tensor.op, "role": role}


def _variable(variable: HeldVariable) -> Json:
    return {
        "name": variable.name,
        "dtype": variable.dtype,
        "shape": variable.shape,
        "bytes": variable.bytes,
        "saved": variable.is_saved,
        "key": variable.key or None,
        "part": variable.part or None,
        "file": variable.file or None,
        "on_path": variable.is_on_path,
    }


def _op(count: OpCount, graph: GraphFacts) -> Json:
    on_path = count.on_path if graph.leads_to else None
    return {"op": count.op, "on_path": on_path, "in_graph": count.in_graph}


def _freezing(freezing: Freezing) -> Json:
    return {
        "is_frozen": freezing.is_frozen,
        "variables": freezing.variables,
        "weight_bytes": freezing.weight_bytes,
        "graph_bytes": freezing.graph_bytes,
        "bytes": freezing.bytes,
        "is_too_large": _is_too_large(freezing),
        "obstacle": freezing.obstacle or None,
        "warnings": [asdict(warning) for warning in freezing.warnings],
        "random_ops": freezing.random_ops,
    }


def _is_too_large(freezing: Freezing) -> bool:
    return not freezing.is_frozen and freezing.bytes > LARGEST_GRAPH


def _drawn(inspection: Inspection) -> list[Json] | None:
    signature = inspection.graph.signature if inspection.graph else None
    if signature is None or inspection.fault:
        return None
    return [asdict(drawn) for drawn in drawn_inputs(signature, inspection.domains)]


def _input_spec(inspection: Inspection) -> Json | None:
    if _drawn(inspection) is None:
        return None
    return {"axes": {}, "inputs": {}, **tomllib.loads(spec_text(inspection.domains))}


def _next(
    inspection: Inspection, request: Request, other_options: Sequence[tuple[str, str]]
) -> list[str] | None:
    freezing = inspection.graph.freezing if inspection.graph else None
    options = [f"{flag}={value}" for flag, value in (*_options(request), *other_options) if value]
    if request.moving_averages:
        options.append("--moving-averages")
    path = str(request.path)
    if inspection.question and not inspection.fault:
        return ["freezeproof", "inspect", path, *options, _CHOICES[inspection.question]]
    if inspection.fault or freezing is None or freezing.obstacle:
        return None
    return ["pytest", f"--checkpoint={path}", *options]


def _options(request: Request) -> Iterator[tuple[str, str]]:
    yield "--meta-graph", str(request.meta_graph or "")
    yield "--inputs", ",".join(request.inputs)
    yield "--outputs", ",".join(request.outputs)
    yield "--signature", request.signature_key or ""
    yield "--tags", ",".join(request.tags)


def _plain(value: Any, request: Request) -> Any:
    """Return what JSON can state: URLs in the place of copies, "inf" and "nan" as texts."""
    if isinstance(value, str):
        return request.said(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(item, request) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, request) for item in value]
    return value
