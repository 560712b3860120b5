"""A candidate read back from disk, and held against what the reference's signature needs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from tensorflow.core.framework import graph_pb2

from harness.collector import collector_paused
from harness.errors import BrokenModel, RequestError, listed, nearest
from harness.graph.dtypes import output_dtypes
from harness.graph.extract import extract
from harness.graph.functions import check_calls_end
from harness.graph.op_registration import check_registered
from harness.graph.reading.values import defaults_of
from harness.graph.state import Variable, input_pipeline, name_in, placed_variables, tables
from harness.graph.tensors import imported, specs_of
from harness.locate import locate_candidate
from harness.models.frozen import frozen_model, read_graph_def
from harness.models.model import Model
from harness.models.proto_file import making_sense_of
from harness.models.saved_model import check_serves, open_saved_model
from harness.models.skeleton import read_skeleton
from harness.models.variables import variables_of
from harness.signature import Signature
from harness.tensor_names import node_name, output_index


def open_candidate(
    path: Path, *, signature: Signature, names: Mapping[str, str] | None = None
) -> Model:
    """Return the model at `path`, with the inputs and outputs of the reference's `signature`.

    `names` maps the reference's tensor names to the candidate's, where they differ. Variables that
    a .pb still has are in the model, without values: whoever asks for one is told so.

    Raises:
        RequestError: there is nothing at `path`, or a checkpoint.
        BrokenModel: it cannot be read, lacks an input or output, or holds what no .pb can carry.
    """
    return _opened(path, signature, names or {}, _whole)


def open_outline(
    path: Path, *, signature: Signature, names: Mapping[str, str] | None = None
) -> Model:
    """Return the candidate at `path` to be looked at, not to be run.

    Of a .pb large constants stay in the file, and nothing is imported: what its ops make of each
    other, its shapes say, is not known. A SavedModel is what `open_candidate` returns.

    Raises:
        RequestError, BrokenModel: as `open_candidate`.
    """
    return _opened(path, signature, names or {}, _outline)


_Opener = Callable[[Path, list[str], list[str]], Model]


def _opened(
    path: Path, signature: Signature, names: Mapping[str, str], open_graph: _Opener
) -> Model:
    location = locate_candidate(path)
    inputs = [names.get(name, name) for name in signature.input_names]
    outputs = [names.get(name, name) for name in signature.output_names]
    try:
        with making_sense_of(path), collector_paused():
            if location.kind == "saved_model":
                check_serves(location.path, inputs=inputs, outputs=outputs)
                model = open_saved_model(location.path, inputs=inputs, outputs=outputs)
                check_registered(model.graph_def, holder=path.name)
            else:
                model = open_graph(location.path, inputs, outputs)
    except RequestError as error:
        raise BrokenModel(f"{path.name}: {error}") from error
    _check_input_dtypes(model, signature, path)
    return model


def _whole(path: Path, inputs: list[str], outputs: list[str]) -> Model:
    graph_def = read_graph_def(path)
    _check_graph(graph_def, inputs, outputs, path)
    # The whole file, as whoever loads it does: what runs here is the part in question.
    imported(graph_def, holder=path.name)
    model = frozen_model(graph_def, path, inputs=inputs, outputs=outputs)
    return replace(model, variables_off_path=_off_path(graph_def, model.variables))


def _outline(path: Path, inputs: list[str], outputs: list[str]) -> Model:
    skeleton = read_skeleton(path)
    graph_def = skeleton.graph_def
    _check_graph(graph_def, inputs, outputs, path)
    found = Signature(
        inputs=specs_of(graph_def, inputs, option="--inputs"),
        outputs=specs_of(graph_def, outputs, option="--outputs"),
    )
    part = extract(graph_def, inputs=found.inputs, outputs=found.output_names)
    variables = variables_of(part, whole=graph_def, entries={})
    return Model(
        path=path,
        kind="frozen",
        graph_def=part,
        signature=found,
        inputs_inferred=False,
        outputs_inferred=False,
        variables=variables,
        variables_off_path=_off_path(graph_def, variables),
        defaults=defaults_of(graph_def, found.input_names),
        left_out=skeleton.left_out,
    )


def _off_path(graph_def: graph_pb2.GraphDef, on_path: Iterable[Variable]) -> tuple[str, ...]:
    known = {variable.name for variable in on_path}
    placed = (name_in(function, node.name) for function, node in placed_variables(graph_def))
    return tuple(name for name in placed if name not in known)


def size_on_disk(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def identity(model: Model) -> str:
    """Return a name that two models share only if they are the same graph with the same weights."""
    if model.variables or model.left_out:
        return str(model.path)
    return hashlib.blake2b(
        model.graph_def.SerializeToString(deterministic=True), digest_size=16
    ).hexdigest()


def _check_graph(
    graph_def: graph_pb2.GraphDef, inputs: list[str], outputs: list[str], path: Path
) -> None:
    _check_tensors(graph_def, inputs, outputs, path)
    for what, nodes in (
        ("a lookup table", tables(graph_def)),
        ("an input pipeline", input_pipeline(graph_def)),
    ):
        if nodes:
            raise BrokenModel(f"{path.name} still holds {what}: {listed(nodes)}")
    check_registered(graph_def, holder=path.name)
    check_calls_end(graph_def)


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
