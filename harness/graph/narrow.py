"""The rank of an input that states none, where only one rank fits what reads it."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from tensorflow.core.framework import graph_pb2

from harness.errors import BrokenModel
from harness.graph.dtypes import LEGACY_SHAPE_PRODUCER
from harness.graph.edges import Edges, edges_of
from harness.graph.extract import PLACEHOLDER_OPS, extract
from harness.graph.tensors import imported
from harness.signature import TensorSpec
from harness.tensor_names import node_name, output_index

_RANKS = range(6)
_LOOKED_AT = 64
"""Nodes that follow the input; what reads it further on is rarely what says its rank."""


def narrowed(
    graph_def: graph_pb2.GraphDef, inputs: tuple[TensorSpec, ...]
) -> tuple[TensorSpec, ...]:
    """Return the inputs of the extracted `graph_def`, each unknown rank narrowed where it can be.

    TensorFlow's own shape functions are asked: the nodes that follow the input are imported with
    each rank up to 5 in turn. No kernel runs.
    """
    if all(spec.shape is not None for spec in inputs):
        return inputs
    edges = edges_of(graph_def)
    return tuple(
        spec if spec.shape is not None else _narrowed(graph_def, edges, inputs, spec)
        for spec in inputs
    )


def _narrowed(
    graph_def: graph_pb2.GraphDef, edges: Edges, inputs: tuple[TensorSpec, ...], spec: TensorSpec
) -> TensorSpec:
    followers = _followers(edges, spec)
    part = extract(graph_def, inputs=inputs, outputs=followers)
    part.versions.producer = max(part.versions.producer, LEGACY_SHAPE_PRODUCER)
    fitting = [rank for rank in _RANKS if _fits(part, spec, rank)]
    return replace(spec, shape=(None,) * fitting[0]) if len(fitting) == 1 else spec


def _followers(edges: Edges, spec: TensorSpec) -> list[str]:
    found: dict[str, None] = {}
    queue = deque([node_name(spec.name)])
    while queue and len(found) < _LOOKED_AT:
        for reader in edges.readers[queue.popleft()]:
            if reader not in found:
                found[reader] = None
                queue.append(reader)
    return list(found)


def _fits(part: graph_pb2.GraphDef, spec: TensorSpec, rank: int) -> bool:
    trial = graph_pb2.GraphDef()
    trial.CopyFrom(part)
    cut = f"{node_name(spec.name)}/cut_{output_index(spec.name)}"
    for node in trial.node:
        if node.op in PLACEHOLDER_OPS and node.name in {spec.name, cut}:
            shape = node.attr["shape"].shape
            shape.Clear()
            for _ in range(rank):
                shape.dim.add(size=-1)
    try:
        imported(trial)
    except BrokenModel:
        return False
    return True
