"""The facts of a graph: what is taken of it, what it is fed, what it holds and is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tensorflow.core.framework import graph_pb2

from harness.errors import FreezeproofError
from harness.graph.dtypes import LEGACY_SHAPE_PRODUCER, dtype_name, shape_of
from harness.graph.extract import PLACEHOLDER_OPS, all_nodes, reachable
from harness.graph.forward import forward_part
from harness.graph.infer import RankedOutput
from harness.graph.lint import obstacle, warnings
from harness.graph.randomness import random_ops
from harness.graph.state import Variable
from harness.graph.tensors import described, specs_of
from harness.graph.weights import is_large_constant
from harness.inspection.facts import (
    CandidateOutput,
    FedTensor,
    Freezing,
    Goal,
    GraphFacts,
    HeldVariable,
    OpCount,
    Role,
    Weight,
)
from harness.inspection.operations import operations
from harness.inspection.saved_tensors import NOWHERE, SavedTensors, bytes_of
from harness.inspection.whole_graph import WholeGraph
from harness.locate import Kind
from harness.models.model import Model
from harness.models.variables import variables_of
from harness.signature import TensorSpec
from harness.tensor_names import node_name

_MOST_DESCRIBED = 100
"""Candidate outputs whose shapes are looked for: what leads to them is imported for that."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """The part of a graph that leads to the outputs or, by its `goal`, to all that may be meant."""

    model: Model | None
    goal: Goal

    @property
    def is_settled(self) -> bool:
        """Whether its inputs and outputs are those that a run takes."""
        return self.model is not None and self.goal == "outputs"

    @property
    def nodes(self) -> set[str]:
        """The names of its nodes."""
        if self.model is None:
            return set()
        nodes = {node.name: node for node in self.model.graph_def.node}
        return reachable(nodes, self.model.signature.output_names)

    @property
    def fed(self) -> dict[str, TensorSpec]:
        """Its inputs by name."""
        return {spec.name: spec for spec in self.model.signature.inputs} if self.model else {}


def graph_facts(
    whole: WholeGraph,
    *,
    kind: Kind,
    ranked: Sequence[RankedOutput],
    part: Part,
    with_operations: bool,
) -> GraphFacts:
    """Return the facts of a whole graph, seen from the `part` of it that is taken.

    `ranked` are its candidate outputs, best first.
    """
    graph_def = whole.graph_def
    model = part.model
    forward = forward_part(graph_def, whole.collections)
    placeholders = [node.name for node in graph_def.node if node.op.startswith("Placeholder")]
    variables = tuple(_variables(whole, model))
    return GraphFacts(
        producer=graph_def.versions.producer,
        has_legacy_shapes=graph_def.versions.producer < LEGACY_SHAPE_PRODUCER,
        nodes=len(graph_def.node),
        functions=len(graph_def.library.function),
        signature=model.signature if model and part.is_settled else None,
        inputs_inferred=bool(model and model.inputs_inferred),
        outputs_inferred=bool(model and model.outputs_inferred),
        leads_to=part.goal,
        candidates=tuple(_candidates(graph_def, ranked, part)),
        placeholders=_fed(graph_def, placeholders, forward.labels, part),
        cuts=_fed(graph_def, forward.cuts, forward.labels, part),
        variables=variables,
        saved_tensors=len(whole.saved.shapes),
        saved_bytes=whole.saved.bytes,
        weights=tuple(_weights(model.graph_def)) if model and kind == "frozen" else (),
        ops=_ops(graph_def, part),
        freezing=_freezing(model, variables) if model and part.is_settled else None,
        operations=operations(graph_def) if with_operations else (),
    )


def likely(ranked: Iterable[RankedOutput]) -> list[RankedOutput]:
    """Return the candidate outputs for which there is more to say than against them."""
    return [each for each in ranked if each.score > 0]


def _candidates(
    graph_def: graph_pb2.GraphDef, ranked: Iterable[RankedOutput], part: Part
) -> Iterator[CandidateOutput]:
    listed = likely(ranked)
    names = [name for each in listed[:_MOST_DESCRIBED] for name in each.tensors]
    try:
        specs = described(graph_def, names)
    except FreezeproofError:  # a node is missing, so that no shapes can be found
        specs = {}
    taken = set(part.model.signature.output_names) if part.model and part.is_settled else set()
    for each in listed:
        yield CandidateOutput(
            op=each.op,
            names=each.tensors,
            tensors=tuple(specs[name] for name in each.tensors if name in specs),
            score=each.score,
            reasons=each.reasons,
            is_taken=not taken.isdisjoint(each.tensors),
        )


def _fed(
    graph_def: graph_pb2.GraphDef, names: Sequence[str], labels: Collection[str], part: Part
) -> tuple[FedTensor, ...]:
    """Return what is fed, or might be, those that the part needs first."""
    nodes = {node.name: node for node in graph_def.node}
    unused = part.model.unused_inputs if part.model else ()
    fed = part.fed
    left_on_path = part.nodes - set(map(node_name, fed))

    def role(name: str) -> Role | None:
        if name in fed:
            return Role.INPUT
        if name in unused:
            return Role.UNUSED
        if node_name(name) in left_on_path:
            has_default = nodes[node_name(name)].op == "PlaceholderWithDefault"
            return Role.KEEPS_DEFAULT if has_default else Role.UNFED
        if name in labels:
            return Role.LABEL
        return Role.NOT_NEEDED if part.model else None

    # The model knows more of the shape of what it is fed.
    specs = [fed.get(spec.name, spec) for spec in _existing(graph_def, names)]
    found = [FedTensor(spec=s, op=nodes[node_name(s.name)].op, role=role(s.name)) for s in specs]
    order = [*Role, None]
    return tuple(sorted(found, key=lambda each: order.index(each.role)))


def _existing(graph_def: graph_pb2.GraphDef, names: Sequence[str]) -> tuple[TensorSpec, ...]:
    """Return the named tensors, but for those that a damaged graph reads and does not hold."""
    try:
        return specs_of(graph_def, names, option="--inputs")
    except FreezeproofError:
        if len(names) == 1:
            return ()
    return tuple(spec for name in names for spec in _existing(graph_def, [name]))


def _variables(whole: WholeGraph, model: Model | None) -> list[HeldVariable]:
    """Return the variables, those on the path first."""
    on_path = {variable.name: variable for variable in model.variables} if model else {}
    graph_def = whole.graph_def
    everywhere = variables_of(graph_def, whole=graph_def, entries=whole.entries)
    rest = [variable for variable in everywhere if variable.name not in on_path]
    return [
        *(_held(variable, whole.saved, is_on_path=True) for variable in on_path.values()),
        *(_held(variable, whole.saved, is_on_path=False) for variable in rest),
    ]


def _held(variable: Variable, saved: SavedTensors, *, is_on_path: bool) -> HeldVariable:
    is_saved = variable.key in saved.shapes
    place = saved.place(variable.key, variable.slice_spec) if is_saved else NOWHERE
    size = bytes_of(variable.dtype, variable.shape)
    return HeldVariable(
        name=variable.name,
        dtype=variable.dtype,
        shape=variable.shape,
        bytes=place.bytes if size is None else size,
        key=variable.key,
        part=_part_of(variable.slice_spec),
        file=place.file,
        is_saved=is_saved,
        is_on_path=is_on_path,
    )


def _part_of(slice_spec: str) -> str:
    extents = slice_spec.rpartition(" ")[2].split(":") if slice_spec else ()
    sliced = []
    for extent in extents:
        start, _, length = extent.partition(",")
        sliced.append(f"{start}:{int(start) + int(length)}" if length else ":")
    return f"[{', '.join(sliced)}]" if sliced else ""


def _weights(graph_def: graph_pb2.GraphDef) -> Iterator[Weight]:
    for node in all_nodes(graph_def):
        if not is_large_constant(node):
            continue
        tensor = node.attr["value"].tensor
        shape = shape_of(tensor.tensor_shape)
        dtype = dtype_name(tensor.dtype)
        # Strings have no size but their own.
        size = bytes_of(dtype, shape)
        yield Weight(
            name=node.name,
            dtype=dtype,
            shape=shape,
            bytes=tensor.ByteSize() if size is None else size,
        )


def _ops(graph_def: graph_pb2.GraphDef, part: Part) -> tuple[OpCount, ...]:
    """Return the ops, the most frequent first: on the path, then in the whole graph."""
    # A tensor that is fed is not computed.
    fed = set(map(node_name, part.fed))
    names = part.nodes
    on_path = Counter(
        node.op
        for node in graph_def.node
        if node.name in names and (node.name not in fed or node.op in PLACEHOLDER_OPS)
    )
    if part.model is not None:
        bodies = part.model.graph_def.library.function
        on_path.update(node.op for body in bodies for node in body.node_def)
    in_graph = Counter(node.op for node in all_nodes(graph_def))
    counts = [OpCount(op=op, on_path=on_path[op], in_graph=in_graph[op]) for op in in_graph]
    return tuple(sorted(counts, key=lambda each: (-each.on_path, -each.in_graph, each.op)))


def _freezing(model: Model, variables: Iterable[HeldVariable]) -> Freezing:
    on_path = [variable for variable in variables if variable.is_on_path]
    return Freezing(
        is_frozen=model.kind == "frozen" and not on_path,
        variables=len(on_path),
        weight_bytes=sum(variable.bytes or 0 for variable in on_path),
        graph_bytes=model.graph_def.ByteSize(),
        obstacle=obstacle(model.graph_def),
        warnings=warnings(
            variables=len(model.variables),
            saved_tensors=model.saved_tensors,
            unused_inputs=model.unused_inputs,
            without_average=model.without_average,
            cut_off=model.cut_off,
        ),
        random_ops=tuple(random_ops(model.graph_def)),
    )
