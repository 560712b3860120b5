"""Open whatever a path turned out to be; the one entry to this package."""

from __future__ import annotations

from harness.errors import RequestError
from harness.models.checkpoint import open_checkpoint_model
from harness.models.frozen import open_frozen
from harness.models.locate import locate
from harness.models.model import Model
from harness.models.saved_model import open_saved_model
from harness.subject import Request


def open_model(request: Request) -> Model:
    """Read the graph of a model and settle its signature; weights are read later.

    Raises:
        RequestError: the path, a name or a key does not exist.
        BrokenModel: the files cannot be used.
    """
    location = locate(request.path)
    if request.meta_graph is not None and location.kind != "checkpoint":
        raise RequestError(
            f"--meta-graph goes with a checkpoint, and {request.path} is a "
            f"{location.kind.replace('_', ' ')}"
        )
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
