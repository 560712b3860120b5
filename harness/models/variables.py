"""The variables of a model, and where in the checkpoint the value of each stands.

The graph's saver names nodes, and a session knows a variable by its resource: a second handle of
it, or one inside a library function, has the value that the saver gives to the first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import replace

from google.protobuf.message import DecodeError
from tensorflow.core.framework import graph_pb2, variable_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from harness.graph.restoring import CheckpointEntry
from harness.graph.state import (
    VARIABLE_OPS,
    Resource,
    Variable,
    as_variable,
    placed_variables,
    resource_of,
)
from harness.tensor_names import node_name

_LOCAL = "local_variables"
_TRAINABLE = "trainable_variables"


def variables_of(
    sub_graph: graph_pb2.GraphDef,
    *,
    whole: graph_pb2.GraphDef,
    entries: Mapping[str, CheckpointEntry],
    local_variables: Collection[str] = (),
) -> tuple[Variable, ...]:
    """Return the variables of `sub_graph`, which was cut out of the graph `whole`.

    `entries` are what the saver restores, and `local_variables` what it is not meant to, by node.
    """
    nodes = _resources(whole)
    restored = {nodes[name]: entry for name, entry in entries.items() if name in nodes}
    local = {nodes[name] for name in local_variables if name in nodes}
    restored_into = {entry.key: name for name, entry in entries.items() if name in nodes}
    found = []
    for function, node in placed_variables(sub_graph):
        resource = resource_of(node, function=function)
        entry = None if function else entries.get(node.name)
        if entry is None and resource is not None:
            entry = restored.get(resource)
        kept = entry or CheckpointEntry(key=_key(node.name, function, resource, nodes))
        variable = as_variable(node, key=kept.key, slice_spec=kept.slice_spec, function=function)
        is_left_out = bool(entries) and entry is None
        found.append(
            replace(
                variable,
                is_local=resource in local,
                is_left_out=is_left_out,
                restored_into=restored_into.get(kept.key, "") if is_left_out else "",
            )
        )
    return tuple(found)


def _resources(graph_def: graph_pb2.GraphDef) -> dict[str, Resource]:
    """Return what each variable node of the main graph is a node of, as far as that is known."""
    return {
        node.name: resource
        for node in graph_def.node
        if node.op in VARIABLE_OPS and (resource := resource_of(node)) is not None
    }


def _key(node: str, function: str, resource: Resource | None, nodes: Mapping[str, Resource]) -> str:
    """Return the name that a saver gives to a variable, where the graph's own does not tell.

    That is the node's. Several nodes of one resource are one variable, and where one of them is
    called like the resource, it is the variable's own, and the others are further handles of it.
    """
    if resource is None or not resource.name:
        return node
    return resource.name if function or nodes.get(resource.name) == resource else node


def local_variables_of(meta: meta_graph_pb2.MetaGraphDef) -> frozenset[str]:
    """Return the nodes of the variables that TensorFlow keeps in the collection of unsaved ones."""
    return _collected(meta, _LOCAL)


def trainable_variables_of(meta: meta_graph_pb2.MetaGraphDef) -> frozenset[Resource] | None:
    """Return the variables that the graph says are trained; None where it does not say."""
    nodes = _resources(meta.graph_def)
    return frozenset(nodes[n] for n in _collected(meta, _TRAINABLE) if n in nodes) or None


def _collected(meta: meta_graph_pb2.MetaGraphDef, collection: str) -> frozenset[str]:
    """Return the nodes of the variables in a collection."""
    if collection not in meta.collection_def:
        return frozenset()
    found = set()
    for value in meta.collection_def[collection].bytes_list.value:
        with contextlib.suppress(DecodeError):  # a collection may hold anything
            definition = variable_pb2.VariableDef.FromString(value)
            found.add(node_name(definition.variable_name))
    return frozenset(found)
