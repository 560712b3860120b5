"""Open whatever a path turned out to be; the one entry to this package."""

from __future__ import annotations

from dataclasses import replace

from tensorflow.core.framework import graph_pb2

from harness.collector import collector_paused
from harness.errors import RequestError
from harness.graph.extract import reachable
from harness.locate import Location, locate
from harness.models.checkpoint import open_checkpoint_model
from harness.models.frozen import open_frozen
from harness.models.model import Model
from harness.models.saved_model import open_saved_model
from harness.subject import Request
from harness.tensor_names import node_name

_KINDS = {"checkpoint": "checkpoint", "saved_model": "SavedModel", "frozen": "frozen graph"}


def open_model(request: Request) -> Model:
    """Read the graph of a model and settle its signature; weights are read later.

    Raises:
        RequestError: the path, a name or a key does not exist.
        BrokenModel: the files cannot be used.
    """
    location = locate(request.path)
    check_options(request, location)
    with collector_paused():
        return _with_needed_inputs(_open(location, request), named=bool(request.inputs))


def check_options(request: Request, location: Location) -> None:
    """Refuse what the kind of model has no use for: ignored, it would look as if it were done."""
    for option, is_given, kind in (
        ("--meta-graph", request.meta_graph is not None, "checkpoint"),
        ("--moving-averages", request.moving_averages, "checkpoint"),
        ("--signature", request.signature_key is not None, "saved_model"),
        ("--tags", bool(request.tags), "saved_model"),
    ):
        if is_given and location.kind != kind:
            raise RequestError(
                f"{option} goes with a {_KINDS[kind]}, and {request.path} is a "
                f"{_KINDS[location.kind]}"
            )


def _open(location: Location, request: Request) -> Model:
    if location.kind == "saved_model":
        return open_saved_model(
            location.path,
            inputs=request.inputs,
            outputs=request.outputs,
            signature_key=request.signature_key,
            tags=request.tags,
        )
    if location.kind == "frozen":
        return open_frozen(location.path, inputs=request.inputs, outputs=request.outputs)
    return open_checkpoint_model(
        location.path,
        meta_graph=request.meta_graph,
        inputs=request.inputs,
        outputs=request.outputs,
        moving_averages=request.moving_averages,
    )


def _with_needed_inputs(model: Model, *, named: bool) -> Model:
    """Return the model without inputs that its outputs do not depend on.

    No method exports such an input, and a signature may have one; a user who names one is mistaken.
    """
    nodes = {node.name: node for node in model.graph_def.node}
    needed = reachable(nodes, model.signature.output_names)
    inputs = tuple(s for s in model.signature.inputs if node_name(s.name) in needed)
    unused = tuple(s.name for s in model.signature.inputs if s not in inputs)
    if not unused:
        return model
    if named:
        known = ", ".join(spec.name for spec in inputs) or "no input"
        raise RequestError(
            f"--inputs {unused[0]}: the outputs do not depend on it; they depend on {known}"
        )
    graph_def = graph_pb2.GraphDef()
    graph_def.CopyFrom(model.graph_def)
    del graph_def.node[:]
    dropped = {node_name(name) for name in unused}
    graph_def.node.extend(node for node in model.graph_def.node if node.name not in dropped)
    return replace(
        model,
        graph_def=graph_def,
        signature=replace(model.signature, inputs=inputs),
        unused_inputs=unused,
    )
