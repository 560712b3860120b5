"""From a whole GraphDef to a `Model`: settle the signature, extract, list the variables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tensorflow.core.framework import graph_pb2

from harness.errors import RequestError
from harness.graph.dtypes import dtype_name
from harness.graph.extract import PLACEHOLDER_OPS, extract, reachable
from harness.graph.functions import check_calls_end
from harness.graph.infer import infer_inputs, infer_outputs
from harness.graph.narrow import narrowed
from harness.graph.reading.values import defaults_of
from harness.graph.restoring import CheckpointEntry
from harness.graph.state import VARIABLE_OPS
from harness.graph.tensors import specs_of, with_static_shapes
from harness.locate import Kind
from harness.models.handles import check_fed_values, check_values
from harness.models.model import Model
from harness.models.variables import variables_of
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
    local_variables: Collection[str] = (),
) -> Model:
    """Return the model between the named (or inferred) inputs and outputs of `graph_def`.

    Raises:
        RequestError: a name is no tensor of the graph, or a handle; the outputs cannot be told, or
            need a placeholder that is not among the inputs.
        BrokenModel: the graph lacks a node that another reads, or a function calls itself without
            end.
    """
    output_names = tuple(named.outputs) or infer_outputs(graph_def, collections)
    outputs = specs_of(graph_def, output_names, option="--outputs")
    input_names = tuple(named.inputs) or infer_inputs(graph_def, [spec.name for spec in outputs])
    # "x" and "x:0" are one tensor, and a session lets it be fed once.
    inputs = tuple(dict.fromkeys(specs_of(graph_def, input_names, option="--inputs")))
    check_values(graph_def, inputs=inputs, outputs=outputs)
    cuts = _cuts(inputs, graph_def)
    inputs = _with_shapes_of_cuts(inputs, cuts, graph_def)
    if named.stated is not None:
        inputs = tuple(_stated(spec, named.stated) for spec in inputs)
    sub_graph = _extract_with_reads(graph_def, inputs, [spec.name for spec in outputs])
    _check_fed(graph_def, inputs, [spec.name for spec in outputs])
    check_calls_end(sub_graph)
    inputs = narrowed(sub_graph, inputs)
    signature = Signature(inputs=inputs, outputs=with_static_shapes(outputs, sub_graph))
    return Model(
        path=path,
        kind=kind,
        graph_def=sub_graph,
        signature=signature,
        inputs_inferred=not named.inputs,
        outputs_inferred=not named.outputs,
        variables=variables_of(
            sub_graph, whole=graph_def, entries=entries, local_variables=local_variables
        ),
        checkpoint_prefix=checkpoint_prefix,
        saved_tensors=saved_tensors,
        cuts=cuts,
        defaults=defaults_of(graph_def, signature.input_names),
        cut_off=() if named.inputs else _variables_before(cuts, graph_def),
    )


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
    graph_def: graph_pb2.GraphDef, inputs: tuple[TensorSpec, ...], outputs: list[str]
) -> None:
    fed = {node_name(spec.name) for spec in inputs}
    nodes = {node.name: node for node in graph_def.node}
    needed = reachable(nodes, outputs, stop=fed) - fed
    unfed = sorted(name for name in needed if nodes[name].op in PLACEHOLDER_OPS)
    for name in unfed:
        node = nodes[name]
        check_fed_values(name, dtype_name(node.attr["dtype"].type), op=node.op)
    if unfed:
        raise RequestError(
            f"--inputs {','.join(spec.name for spec in inputs)}: the outputs also need "
            f"{', '.join(unfed)}, a placeholder that nothing feeds"
        )


def _stated(spec: TensorSpec, stated: Mapping[str, TensorSpec]) -> TensorSpec:
    known = stated.get(spec.name)
    return replace(spec, shape=known.shape) if known and spec.shape is None else spec


def _cuts(inputs: Iterable[TensorSpec], graph_def: graph_pb2.GraphDef) -> tuple[str, ...]:
    nodes = {node.name: node for node in graph_def.node}
    return tuple(
        spec.name for spec in inputs if not nodes[node_name(spec.name)].op.startswith("Placeholder")
    )


def _variables_before(cuts: tuple[str, ...], graph_def: graph_pb2.GraphDef) -> tuple[str, ...]:
    """Return the variables that the cut tensors themselves depend on."""
    nodes = {node.name: node for node in graph_def.node}
    needed = reachable(nodes, cuts) if cuts else set()
    return tuple(n for n, node in nodes.items() if n in needed and node.op in VARIABLE_OPS)


def _with_shapes_of_cuts(
    inputs: tuple[TensorSpec, ...], cuts: tuple[str, ...], graph_def: graph_pb2.GraphDef
) -> tuple[TensorSpec, ...]:
    """Return the inputs, those with the shape that they have in mid-graph that are no placeholders.

    A placeholder states its shape itself; of a tensor where the graph is cut, what lies before it
    does.
    """
    unknown = [spec for spec in inputs if spec.name in cuts and spec.shape is None]
    if not unknown:
        return inputs
    before = extract(graph_def, inputs=(), outputs=[spec.name for spec in unknown])
    found = {spec.name: spec for spec in with_static_shapes(unknown, before)}
    return tuple(found.get(spec.name, spec) for spec in inputs)
