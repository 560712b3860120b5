"""From a whole GraphDef to a `Model`: settle the signature, extract, list the variables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tensorflow.core.framework import graph_pb2

from harness.errors import RequestError
from harness.graph.extract import PLACEHOLDER_OPS, extract, reachable
from harness.graph.infer import infer_inputs, infer_outputs
from harness.graph.narrow import narrowed
from harness.graph.restoring import CheckpointEntry
from harness.graph.state import Variable, as_variable, variable_nodes
from harness.graph.tensors import specs_of, static_shapes
from harness.locate import Kind
from harness.models.model import Model
from harness.signature import Signature, TensorSpec
from harness.tensor_names import node_name

_READ_SUFFIX = "/Read/ReadVariableOp"


@dataclass(frozen=True, kw_only=True)
class Named:
    """The tensors that the user or a SavedModel's signature names; empty where nobody does."""

    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()
    stated: Mapping[str, TensorSpec] | None = None
    """What a SavedModel's signature says of a tensor; it may know more than the node."""


def assemble(
    graph_def: graph_pb2.GraphDef,
    *,
    path: Path,
    kind: Kind,
    named: Named,
    entries: Mapping[str, CheckpointEntry],
    checkpoint_prefix: str | None = None,
    saved_tensors: int = 0,
    collections: Mapping[str, Collection[str]] | None = None,
) -> Model:
    """Return the model between the named (or inferred) inputs and outputs of `graph_def`.

    Raises:
        RequestError: a name is no tensor of the graph, the outputs cannot be told, or need a
            placeholder that is not among the inputs.
        BrokenModel: the graph lacks a node that another reads.
    """
    output_names = tuple(named.outputs) or infer_outputs(graph_def, collections)
    outputs = specs_of(graph_def, output_names, option="--outputs")
    input_names = tuple(named.inputs) or infer_inputs(graph_def, [spec.name for spec in outputs])
    # "x" and "x:0" are one tensor, and a session lets it be fed once.
    inputs = tuple(dict.fromkeys(specs_of(graph_def, input_names, option="--inputs")))
    if named.stated is not None:
        inputs = tuple(_stated(spec, named.stated) for spec in inputs)
    sub_graph = _extract_with_reads(graph_def, inputs, [spec.name for spec in outputs])
    _check_fed(sub_graph, graph_def, inputs)
    inputs = narrowed(sub_graph, inputs)
    signature = Signature(inputs=inputs, outputs=_with_static_shapes(outputs, sub_graph))
    return Model(
        path=path,
        kind=kind,
        graph_def=sub_graph,
        signature=signature,
        inputs_inferred=not named.inputs,
        outputs_inferred=not named.outputs,
        variables=tuple(_variables(sub_graph, entries)),
        checkpoint_prefix=checkpoint_prefix,
        saved_tensors=saved_tensors,
    )


def _variables(
    graph_def: graph_pb2.GraphDef, entries: Mapping[str, CheckpointEntry]
) -> list[Variable]:
    found = []
    for node in variable_nodes(graph_def):
        entry = entries.get(node.name, CheckpointEntry(key=node.name))
        found.append(as_variable(node, key=entry.key, slice_spec=entry.slice_spec))
    return found


def _extract_with_reads(
    graph_def: graph_pb2.GraphDef, inputs: tuple[TensorSpec, ...], outputs: list[str]
) -> graph_pb2.GraphDef:
    """Extract the sub-graph, and with each resource variable its own `…/Read/ReadVariableOp`.

    Nothing on the path may use that node, and yet TensorFlow's converter fetches every resource
    variable by its name.
    """
    nodes = {node.name: node for node in graph_def.node}
    path = reachable(nodes, outputs, stop={node_name(spec.name) for spec in inputs})
    reads = [
        name + _READ_SUFFIX
        for name in path
        if nodes[name].op == "VarHandleOp" and name + _READ_SUFFIX in nodes
    ]
    return extract(graph_def, inputs=inputs, outputs=[*outputs, *reads])


def _check_fed(
    sub_graph: graph_pb2.GraphDef, graph_def: graph_pb2.GraphDef, inputs: tuple[TensorSpec, ...]
) -> None:
    placeholders = {node.name for node in graph_def.node if node.op in PLACEHOLDER_OPS}
    unfed = placeholders.intersection(node.name for node in sub_graph.node)
    unfed -= {node_name(spec.name) for spec in inputs}
    if unfed:
        raise RequestError(
            f"--inputs {','.join(spec.name for spec in inputs)}: the outputs also need "
            f"{', '.join(sorted(unfed))}, a placeholder that nothing feeds"
        )


def _stated(spec: TensorSpec, stated: Mapping[str, TensorSpec]) -> TensorSpec:
    known = stated.get(spec.name)
    return replace(spec, shape=known.shape) if known and spec.shape is None else spec


def _with_static_shapes(
    outputs: tuple[TensorSpec, ...], graph_def: graph_pb2.GraphDef
) -> tuple[TensorSpec, ...]:
    """Return the outputs with the shapes that TensorFlow's shape functions find.

    A graph that cannot be imported keeps unknown shapes here: the stage `restore` says why.
    """
    shapes = static_shapes(graph_def, [spec.name for spec in outputs])
    return tuple(replace(spec, shape=shapes.get(spec.name, spec.shape)) for spec in outputs)
