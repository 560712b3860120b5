"""A candidate read back from disk, and held against what the reference's signature needs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from tensorflow.core.framework import graph_pb2

from harness.collector import collector_paused
from harness.errors import BrokenModel, RequestError, listed, nearest
from harness.graph.dtypes import output_dtypes
from harness.graph.op_registration import check_registered
from harness.graph.state import input_pipeline, tables, variable_nodes
from harness.graph.tensors import imported
from harness.locate import locate_candidate
from harness.models.frozen import frozen_model, read_graph_def
from harness.models.model import Model
from harness.models.proto_file import making_sense_of
from harness.models.saved_model import check_serves, open_saved_model
from harness.signature import Signature
from harness.tensor_names import node_name, output_index


def open_candidate(
    path: Path, *, signature: Signature, names: Mapping[str, str] | None = None
) -> Model:
    """Return the model at `path`, with the inputs and outputs of the reference's `signature`.

    `names` maps the reference's tensor names to the candidate's, where they differ.

    Raises:
        RequestError: there is nothing at `path`, or a checkpoint.
        BrokenModel: it cannot be read, lacks an input or output, or is not frozen.
    """
    location = locate_candidate(path)
    names = names or {}
    inputs = [names.get(name, name) for name in signature.input_names]
    outputs = [names.get(name, name) for name in signature.output_names]
    try:
        with making_sense_of(path), collector_paused():
            if location.kind == "saved_model":
                check_serves(location.path, inputs=inputs, outputs=outputs)
                model = open_saved_model(location.path, inputs=inputs, outputs=outputs)
                check_registered(model.graph_def, holder=path.name)
            else:
                graph_def = read_graph_def(location.path)
                _check_tensors(graph_def, inputs, outputs, path)
                _check_frozen(graph_def, path)
                _check_imports(graph_def, path)
                model = frozen_model(graph_def, location.path, inputs=inputs, outputs=outputs)
    except RequestError as error:
        raise BrokenModel(f"{path.name}: {error}") from error
    _check_input_dtypes(model, signature, path)
    return model


def size_on_disk(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def identity(model: Model) -> str:
    """Return a name that two models share only if they are the same graph with the same weights."""
    if model.variables:
        return str(model.path)
    return hashlib.blake2b(
        model.graph_def.SerializeToString(deterministic=True), digest_size=16
    ).hexdigest()


def _check_tensors(
    graph_def: graph_pb2.GraphDef, inputs: list[str], outputs: list[str], path: Path
) -> None:
    nodes = {node.name: node for node in graph_def.node}
    for role, tensors in (("input", inputs), ("output", outputs)):
        for tensor in tensors:
            name = node_name(tensor)
            if name not in nodes:
                raise BrokenModel(
                    f"{path.name} holds no node {name}, an {role} of the reference"
                    f"{nearest(name, nodes)}"
                )
            dtypes = output_dtypes(nodes[name], graph_def)
            if dtypes is not None and output_index(tensor) >= len(dtypes):
                raise BrokenModel(
                    f"{path.name} holds no tensor {tensor}, an {role} of the reference: "
                    f"{name} ({nodes[name].op}) has {len(dtypes)} output(s)"
                )


def _check_input_dtypes(model: Model, signature: Signature, path: Path) -> None:
    for expected, found in zip(signature.inputs, model.signature.inputs, strict=True):
        if found.dtype != expected.dtype:
            raise BrokenModel(
                f"{path.name} takes {found.name} as {found.dtype}, but the reference takes "
                f"{expected.dtype}"
            )


def _check_frozen(graph_def: graph_pb2.GraphDef, path: Path) -> None:
    left = list(variable_nodes(graph_def))
    if left:
        raise BrokenModel(
            f"{path.name} is not frozen: {listed([node.name for node in left])} left as variable "
            f"({left[0].op}), without a value"
        )
    for what, nodes in (
        ("a lookup table", tables(graph_def)),
        ("an input pipeline", input_pipeline(graph_def)),
    ):
        if nodes:
            raise BrokenModel(f"{path.name} still holds {what}: {listed(nodes)}")


def _check_imports(graph_def: graph_pb2.GraphDef, path: Path) -> None:
    """Import the whole file, as whoever loads it does: what runs here is the part in question."""
    check_registered(graph_def, holder=path.name)
    imported(graph_def, holder=path.name)
