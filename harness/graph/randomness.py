"""Random ops, made to give the same numbers on both sides and in every run.

Setting seeds alone is not enough: a seeded random op still draws the next number of its stream each
time it runs, so a reference that has run more often than the candidate would differ. Each random
op is therefore replaced by its stateless counterpart with one fixed seed: same distribution, same
shape and dtype, and the numbers depend on nothing else. What has no counterpart keeps its op with a
fixed seed, and its session must be opened anew for every run (`has_random_streams`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tensorflow.core.framework import graph_pb2, node_def_pb2, types_pb2
from tensorflow.python.framework import tensor_util

from harness.graph.extract import all_nodes
from harness.tensor_names import node_name

SEED = (20_170_203, 7)
OTHER_SEED = (19_991_231, 11)
"""Numbers that have nothing to do with those of `SEED`: to see whether outputs depend on them."""


@dataclass(frozen=True, kw_only=True)
class _Stateless:
    """The stateless counterpart of an op: where its seed goes and which attributes stay."""

    op: str
    seed_position: int
    attributes: tuple[tuple[str, str], ...]


_COUNTERPARTS = {
    "RandomUniform": _Stateless(
        op="StatelessRandomUniform", seed_position=1, attributes=(("dtype", "dtype"), ("T", "T"))
    ),
    "RandomStandardNormal": _Stateless(
        op="StatelessRandomNormal", seed_position=1, attributes=(("dtype", "dtype"), ("T", "T"))
    ),
    "TruncatedNormal": _Stateless(
        op="StatelessTruncatedNormal", seed_position=1, attributes=(("dtype", "dtype"), ("T", "T"))
    ),
    "RandomUniformInt": _Stateless(
        op="StatelessRandomUniformInt", seed_position=1, attributes=(("Tout", "dtype"), ("T", "T"))
    ),
    "Multinomial": _Stateless(
        op="StatelessMultinomial",
        seed_position=2,
        attributes=(("T", "T"), ("output_dtype", "output_dtype")),
    ),
}

_STREAMS = frozenset({"RandomShuffle", "RandomGamma", "RandomPoisson", "RandomPoissonV2",
                      "ParameterizedTruncatedNormal", "RandomCrop",
                      "FixedUnigramCandidateSampler", "LearnedUnigramCandidateSampler",
                      "LogUniformCandidateSampler", "UniformCandidateSampler",
                      "ThreadUnsafeUnigramCandidateSampler", "AllCandidateSampler",
                      "SampleDistortedBoundingBox", "SampleDistortedBoundingBoxV2"})  # fmt: skip

# Their `parallel_iterations` may be left out of the GraphDef, and is 10 then.
_LOOPS = frozenset({"Enter", "RefEnter", "While", "StatelessWhile"})

RANDOM_OPS = frozenset(_COUNTERPARTS) | _STREAMS


def random_nodes(graph_def: graph_pb2.GraphDef) -> list[str]:
    """Return the names of the random ops of the graph and its functions."""
    return [node.name for node in all_nodes(graph_def) if node.op in RANDOM_OPS]


def has_random_streams(graph_def: graph_pb2.GraphDef) -> bool:
    """Say whether a random op is left whose numbers depend on how often it has run."""
    return any(node.op in _STREAMS for node in all_nodes(graph_def))


def random_ops(graph_def: graph_pb2.GraphDef) -> list[str]:
    """Return the random ops of the graph and its functions by type, each once."""
    return sorted({node.op for node in all_nodes(graph_def) if node.op in RANDOM_OPS})


def pin_randomness(graph_def: graph_pb2.GraphDef, *, seed: tuple[int, int] = SEED) -> None:
    """Make every random op of `graph_def` (changed in place) give the same numbers in every run."""
    if has_random_streams(graph_def):
        for node in all_nodes(graph_def):
            # Iterations of a loop that overlap would draw from the stream in any order.
            if node.op in _LOOPS:
                node.attr["parallel_iterations"].i = 1
    for node in list(graph_def.node):
        # Inside a V1 while loop a constant must belong to the frame of the loop: tie it to the
        # op's own shape. A function body has no such frames, and its arguments no control edges.
        frame = f"^{node_name(node.input[0])}" if node.input else ""
        _pin(node, seed, add=graph_def.node.add, seed_output="", frame=frame)
    for function in graph_def.library.function:
        for node in list(function.node_def):
            _pin(node, seed, add=function.node_def.add, seed_output=":output:0", frame="")


def _pin(
    node: node_def_pb2.NodeDef,
    seed: tuple[int, int],
    *,
    add: Callable[[], node_def_pb2.NodeDef],
    seed_output: str,
    frame: str,
) -> None:
    if node.op in _STREAMS:
        node.attr["seed"].i, node.attr["seed2"].i = seed
    counterpart = _COUNTERPARTS.get(node.op)
    if counterpart is None:
        return
    constant = add()
    constant.name, constant.op = f"{node.name}/pinned_seed", "Const"
    constant.attr["dtype"].type = types_pb2.DT_INT64
    value = tensor_util.make_tensor_proto(np.array(seed, dtype=np.int64))
    constant.attr["value"].tensor.CopyFrom(value)
    if frame:
        constant.input.append(frame)
    _replace(node, counterpart, f"{constant.name}{seed_output}")


def _replace(node: node_def_pb2.NodeDef, counterpart: _Stateless, seed: str) -> None:
    inputs = list(node.input)
    inputs.insert(counterpart.seed_position, seed)
    kept = {
        new: node.attr[old].SerializeToString()
        for old, new in counterpart.attributes
        if old in node.attr
    }
    node.op = counterpart.op
    node.attr.clear()
    for name, value in kept.items():
        node.attr[name].ParseFromString(value)
    node.attr["Tseed"].type = types_pb2.DT_INT64
    del node.input[:]
    node.input.extend(inputs)
