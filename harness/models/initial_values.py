"""What a training graph gives its variables before anything is trained or restored.

Whoever initialises where he means to restore gets these values. A random initialiser with a seed
gives the same numbers first in every session; without one, nobody knows what it gave.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy.typing as npt
from google.protobuf.message import DecodeError
from tensorflow.core.framework import graph_pb2, node_def_pb2, variable_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow.python.framework import op_def_registry

from harness.collector import collector_paused
from harness.errors import FreezeproofError
from harness.graph.extract import PLACEHOLDER_OPS, all_nodes, extract
from harness.graph.randomness import is_random
from harness.graph.state import VARIABLE_OPS, Resource, Variable, resource_of
from harness.models.checkpoint import read_meta_graph
from harness.models.running import run_once
from harness.tensor_names import node_name

_ASSIGNS = frozenset({"Assign", "AssignVariableOp"})
_HARMLESS = VARIABLE_OPS | {"ReadVariableOp", "VarIsInitializedOp", "If"}
"""Stateful ops that an initialiser may need: a value made of another variable's asks for it."""
_COLLECTIONS = ("variables", "trainable_variables", "model_variables", "local_variables")


class InitialValues:
    """The initial values of the variables of the graph in a .meta, each computed when asked for."""

    def __init__(self, meta_path: Path) -> None:
        """Remember the file; it is read at the first look-up."""
        self._meta_path = meta_path

    def value(self, variable: Variable) -> npt.NDArray[Any] | None:
        """Return the initial value of a variable; None where the graph does not determine it.

        In a fresh session, so that each seeded op gives the numbers that it gives first.
        """
        assign = self._assigns.get(variable.resource) if variable.resource else None
        if assign is None:
            return None
        try:
            part = extract(self._meta.graph_def, inputs=(), outputs=[assign.input[1]])
            return run_once(part, [assign.input[1]])[0] if _is_determined(part) else None
        except FreezeproofError:
            return None

    @cached_property
    def _meta(self) -> meta_graph_pb2.MetaGraphDef:
        try:
            with collector_paused():
                return read_meta_graph(self._meta_path)
        except FreezeproofError:
            return meta_graph_pb2.MetaGraphDef()

    @cached_property
    def _assigns(self) -> dict[Resource, node_def_pb2.NodeDef]:
        """The ops that initialise, by what they initialise."""
        nodes = {node.name: node for node in self._meta.graph_def.node}
        found: dict[Resource, node_def_pb2.NodeDef] = {}
        for variable, initializer in self._named_initializers(nodes):
            holder, assign = nodes.get(variable), nodes.get(initializer)
            if holder is None or assign is None or assign.op not in _ASSIGNS:
                continue
            resource = resource_of(holder)
            if resource is not None:
                found.setdefault(resource, assign)
        return found

    def _named_initializers(
        self, nodes: dict[str, node_def_pb2.NodeDef]
    ) -> Iterator[tuple[str, str]]:
        """Yield variables with what the collections, or else the names, say initialises them."""
        for collection in _COLLECTIONS:
            if collection not in self._meta.collection_def:
                continue
            for value in self._meta.collection_def[collection].bytes_list.value:
                with contextlib.suppress(DecodeError):  # a collection may hold anything
                    definition = variable_pb2.VariableDef.FromString(value)
                    yield node_name(definition.variable_name), definition.initializer_name
        for name, node in nodes.items():
            if node.op in VARIABLE_OPS:
                yield name, f"{name}/Assign"


def _is_determined(graph_def: graph_pb2.GraphDef) -> bool:
    """Say whether the graph gives the same values in every fresh session, and does nothing else."""
    return not any(
        node.op in PLACEHOLDER_OPS or _is_unseeded(node) or _has_effects(node)
        for node in all_nodes(graph_def)
    )


def _is_unseeded(node: node_def_pb2.NodeDef) -> bool:
    # To look up what is not there would put it there, without a value.
    seeds = [node.attr[name].i for name in ("seed", "seed2") if name in node.attr]
    return is_random(node) and not any(seeds)


def _has_effects(node: node_def_pb2.NodeDef) -> bool:
    definition = op_def_registry.get(node.op)
    is_stateful = definition is not None and definition.is_stateful
    return is_stateful and node.op not in _HARMLESS and not is_random(node)
