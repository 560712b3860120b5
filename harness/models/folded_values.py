"""Tensors of a model that depend on none of its inputs, computed: is a folded constant right?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy.typing as npt
from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.python.framework import tensor_util

from harness.errors import BrokenModel
from harness.graph.extract import PLACEHOLDER_OPS, extract, function_names
from harness.graph.freezing import freeze
from harness.graph.functions import placed_nodes
from harness.graph.inlining import inlined
from harness.graph.randomness import random_nodes
from harness.graph.state import VARIABLE_OPS, name_in
from harness.models.model import Model
from harness.models.running import run_once
from harness.tensor_names import canonical, node_name

_CONTENT = ("tensor_content", "half_val", "float_val", "double_val", "int_val", "string_val",
            "scomplex_val", "int64_val", "bool_val", "dcomplex_val", "uint32_val", "uint64_val",
            "float8_val")  # fmt: skip


def value_of(model: Model, tensors: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Return the values of tensors of `model` that need no input.

    A tensor is named as in the main graph, or, inside a function that is called, CALL/NODE.
    Variables take their values from the checkpoint, constants theirs from the file.

    Raises:
        BrokenModel: a tensor is none of the graph, depends on an input or on random numbers, or
            cannot be computed: one inside the frame of a V1 loop, or in a branch, say.
    """
    names = [canonical(name) for name in tensors]
    whole = model.graph_def
    if not _holds(whole, names):
        whole = inlined(whole)
    if not _holds(whole, names):
        lacking = next(name for name in names if not _holds(whole, [name]))
        raise BrokenModel(f"{lacking} stands in a branch or loop, from which no value is fetched")
    part = extract(whole, inputs=(), outputs=names)
    _check_free(part, model)
    own_names = _OwnNames(model.graph_def)
    _fill_constants(part, model, own_names)
    if any(node.op in VARIABLE_OPS for _, node in placed_nodes(part)):
        part = freeze(part, weights=_Renamed(model.weights, own_names), outputs=names)
    values = run_once(part, names)
    return dict(zip(tensors, values, strict=True))


def _holds(graph_def: graph_pb2.GraphDef, tensors: Sequence[str]) -> bool:
    nodes = {node.name for node in graph_def.node}
    return all(node_name(tensor) in nodes for tensor in tensors)


def _check_free(part: graph_pb2.GraphDef, model: Model) -> None:
    inputs = {node_name(name) for name in model.signature.input_names}
    fed = [n.name for n in part.node if n.op in PLACEHOLDER_OPS or n.name in inputs]
    if fed:
        raise BrokenModel(f"it depends on {fed[0]}, which is fed")
    random = random_nodes(part)
    if random:
        raise BrokenModel(f"it depends on the random numbers of {random[0]}")


def _fill_constants(part: graph_pb2.GraphDef, model: Model, own_names: _OwnNames) -> None:
    """Give constants whose values were left out their values."""
    for function, node in placed_nodes(part):
        if node.op != "Const":
            continue
        tensor = node.attr["value"].tensor
        known = {field.name for field, _ in tensor.ListFields()}
        if known.isdisjoint(_CONTENT) and all(dim.size for dim in tensor.tensor_shape.dim):
            name = name_in(function, node.name) if function else own_names[node.name]
            value = model.constants[name]
            tensor.CopyFrom(tensor_util.make_tensor_proto(value, dtype=tensor.dtype))


class _OwnNames:
    """What a node of a graph with its calls laid open is called in the model: see `name_in`."""

    def __init__(self, graph_def: graph_pb2.GraphDef) -> None:
        self._library = {f.signature.name: f for f in graph_def.library.function}
        self._nodes = {node.name: node for node in graph_def.node}

    def __getitem__(self, name: str) -> str:
        function, nodes, rest = "", self._nodes, name
        while rest not in nodes:
            parts = rest.split("/")
            starts = ("/".join(parts[:count]) for count in range(1, len(parts)))
            call = next((start for start in starts if self._called(nodes.get(start))), None)
            if call is None:
                return name  # it is called so already
            function = self._called(nodes[call])
            nodes = {node.name: node for node in self._library[function].node_def}
            rest = rest[len(call) + 1 :]
        return name_in(function, rest)

    def _called(self, node: node_def_pb2.NodeDef | None) -> str:
        names = function_names(node) if node is not None else ()
        return next((name for name in names if name in self._library), "")


class _Renamed(Mapping[str, npt.NDArray[Any]]):
    """The weights of a model by the names that variables have where calls are laid open."""

    def __init__(self, weights: Mapping[str, npt.NDArray[Any]], own_names: _OwnNames) -> None:
        self._weights = weights
        self._own_names = own_names

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self._weights[name if name in self._weights else self._own_names[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)
