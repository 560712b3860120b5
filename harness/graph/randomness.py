"""Random ops, made to give the same numbers on both sides and in every run.

Setting seeds alone is not enough: a seeded random op still draws the next number of its stream each
time it runs, so a reference that has run more often than the candidate would differ. Each random
op is therefore replaced by its stateless counterpart with a fixed seed: same distribution, same
shape and dtype, and the numbers depend on nothing else. What has no counterpart keeps its op with a
fixed seed, and its session must be opened anew for every run (`has_random_streams`).

Each op has a seed of its own, or two ops of one shape would draw the same numbers, and what lies
behind `u1 > u2` would never run. The seed follows from the op's name as it stands once all calls
are inlined, since freezing may inline them: the names of the calls that lead to it, then its own. A
function that is called twice is copied for that, so that each call has its own seeds here as it has
in the inlined graph. What all these names begin with is left out: a graph that was imported under a
prefix, or taken out of the function that wrapped it, draws the same numbers.

Memory that nothing has written (the op `Empty`) is random too, and gets random numbers that can be
had again.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from tensorflow.core.framework import function_pb2, graph_pb2, node_def_pb2, types_pb2
from tensorflow.python.framework import tensor_util

from harness.graph.extract import all_nodes, function_names, reachable
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

UNWRITTEN_OP = "Empty"
"""Hands out memory as it is, unless its attribute `init` asks for zeros."""

_UNWRITTEN = {
    **dict.fromkeys(
        (types_pb2.DT_HALF, types_pb2.DT_BFLOAT16, types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE),
        "StatelessRandomUniform",
    ),
    **dict.fromkeys(
        (types_pb2.DT_INT32, types_pb2.DT_INT64, types_pb2.DT_UINT32, types_pb2.DT_UINT64),
        "StatelessRandomUniformFullInt",
    ),
}


def is_random(node: node_def_pb2.NodeDef) -> bool:
    """Say whether a node gives other values each time, whatever it is fed."""
    return node.op in RANDOM_OPS or _is_unwritten(node)


def _is_unwritten(node: node_def_pb2.NodeDef) -> bool:
    # Of a dtype that no random op gives, the memory is left as it is.
    return (
        node.op == UNWRITTEN_OP
        and not ("init" in node.attr and node.attr["init"].b)
        and node.attr["dtype"].type in _UNWRITTEN
    )


def random_nodes(graph_def: graph_pb2.GraphDef) -> list[str]:
    """Return the names of the random ops of the graph and its functions."""
    return [node.name for node in all_nodes(graph_def) if is_random(node)]


def has_random_streams(graph_def: graph_pb2.GraphDef) -> bool:
    """Say whether a random op is left whose numbers depend on how often it has run."""
    return any(node.op in _STREAMS for node in all_nodes(graph_def))


def random_ops(graph_def: graph_pb2.GraphDef) -> list[str]:
    """Return the random ops of the graph and its functions by type, each once."""
    return sorted({node.op for node in all_nodes(graph_def) if is_random(node)})


def pin_randomness(graph_def: graph_pb2.GraphDef, *, seed: tuple[int, int] = SEED) -> None:
    """Make every random op of `graph_def` (changed in place) give the same numbers in every run."""
    if not any(is_random(node) for node in all_nodes(graph_def)):
        return
    if has_random_streams(graph_def):
        for node in all_nodes(graph_def):
            # Iterations of a loop that overlap would draw from the stream in any order.
            if node.op in _LOOPS:
                node.attr["parallel_iterations"].i = 1
    draws = list(_Calls(graph_def).draws())
    levels = zip(*(draw.path[:-1] for draw in draws), strict=False)
    shared = len(list(itertools.takewhile(lambda level: len(set(level)) == 1, levels)))
    for draw in draws:
        _pin(draw, _seed_of("/".join(draw.path[shared:]), seed))


@dataclass(frozen=True, kw_only=True)
class _Draw:
    """A random op, and how its name reads once all calls are inlined, split at "/"."""

    node: node_def_pb2.NodeDef
    path: tuple[str, ...]
    add: Callable[[], node_def_pb2.NodeDef]
    in_function: bool


class _Calls:
    """The calls of a graph down to its random ops, each with a function of its own."""

    def __init__(self, graph_def: graph_pb2.GraphDef) -> None:
        self._graph_def = graph_def
        self._numbers = itertools.count(1)
        self._functions = {f.signature.name: f for f in graph_def.library.function}
        self._taken: set[str] = set()
        # As they were, for further calls: those in the library change on the way.
        self._originals: dict[str, function_pb2.FunctionDef] = {}
        for name in _drawing(self._functions):
            self._originals[name] = function_pb2.FunctionDef()
            self._originals[name].CopyFrom(self._functions[name])

    def draws(self) -> Iterator[_Draw]:
        """Yield every random op once for each chain of calls that leads to it."""
        add = self._graph_def.node.add
        for node in list(self._graph_def.node):
            if is_random(node):
                yield _Draw(node=node, path=_path(node.name), add=add, in_function=False)
            yield from self._called(node, _path(node.name), ())

    def _called(
        self, node: node_def_pb2.NodeDef, path: tuple[str, ...], above: tuple[str, ...]
    ) -> Iterator[_Draw]:
        if node.op in self._originals and node.op not in above:
            name = node.op
            node.op = self._own(name)
            yield from self._inside(node.op, path, (*above, name))
        for attribute in sorted(node.attr):
            value = node.attr[attribute]
            mentions = [(value.func, attribute)] if value.HasField("func") else []
            mentions += [(f, f"branch{index}") for index, f in enumerate(value.list.func)]
            for mention, role in mentions:
                name = mention.name
                # A function that calls itself cannot be inlined, nor copied for every call.
                if name in self._originals and name not in above:
                    mention.name = self._own(name)
                    within = (*path, *_ROLES.get(role, (role,)))
                    yield from self._inside(mention.name, within, (*above, name))

    def _inside(self, name: str, path: tuple[str, ...], above: tuple[str, ...]) -> Iterator[_Draw]:
        function = self._functions[name]
        for node in _used(function):
            inner = (*path, *_path(node.name))
            if is_random(node):
                yield _Draw(node=node, path=inner, add=function.node_def.add, in_function=True)
            yield from self._called(node, inner, above)

    def _own(self, name: str) -> str:
        """Return a function like `name` that no other call uses: itself for the first one."""
        if name not in self._taken:
            self._taken.add(name)
            return name
        names = (f"{name}_call_{number}" for number in self._numbers)
        own = next(n for n in names if n not in self._functions)
        copy = self._functions[own] = self._graph_def.library.function.add()
        copy.CopyFrom(self._originals[name])
        copy.signature.name = own
        return own


# What TensorFlow's inlining puts between the name of a call and a name inside the function. The
# branches of a Case are "branch0", "branch1", …; all of these are followed by a running number.
_ROLES = {"f": (), "then_branch": ("then",), "else_branch": ("else",)}
_RUNNING_NUMBER = re.compile(r"(?<=/)(then|else|body|cond|branch\d+)/_\d+(?=/)")


def _path(name: str) -> tuple[str, ...]:
    return tuple(_RUNNING_NUMBER.sub(r"\1", name).split("/"))


def _drawing(functions: dict[str, function_pb2.FunctionDef]) -> set[str]:
    """Return the names of the functions that draw random numbers, or call one that does."""
    mentions = {
        name: set(itertools.chain.from_iterable(map(function_names, function.node_def)))
        for name, function in functions.items()
    }
    drawing = {
        name for name, function in functions.items() if any(map(is_random, function.node_def))
    }
    while more := {n for n in mentions.keys() - drawing if mentions[n] & drawing}:
        drawing |= more
    return drawing


def _used(function: function_pb2.FunctionDef) -> list[node_def_pb2.NodeDef]:
    """Return the nodes of a function that are run; freezing leaves out the others."""
    nodes = {node.name: node for node in function.node_def}
    arguments = {a.name: node_def_pb2.NodeDef() for a in function.signature.input_arg}
    wanted: Iterable[str] = (*function.ret.values(), *function.control_ret.values())
    used = reachable(arguments | nodes, wanted)
    return [node for name, node in nodes.items() if name in used]


def _seed_of(name: str, seed: tuple[int, int]) -> tuple[int, int]:
    # Python's own hash differs from process to process.
    digest = hashlib.blake2b(f"{seed[0]} {seed[1]} {name}".encode(), digest_size=16).digest()
    first, second = (int.from_bytes(half, "little") >> 1 for half in (digest[:8], digest[8:]))
    return first, second


def _pin(draw: _Draw, seed: tuple[int, int]) -> None:
    node = draw.node
    if node.op in _STREAMS:
        node.attr["seed"].i, node.attr["seed2"].i = seed
    counterpart = _counterpart(node)
    if counterpart is None:
        return
    constant = draw.add()
    constant.name, constant.op = f"{node.name}/pinned_seed", "Const"
    constant.attr["dtype"].type = types_pb2.DT_INT64
    value = tensor_util.make_tensor_proto(np.array(seed, dtype=np.int64))
    constant.attr["value"].tensor.CopyFrom(value)
    if node.input and not draw.in_function:
        # Inside a V1 while loop a constant must belong to the frame of the loop: tie it to the
        # op's own shape. A function body has no such frames, and its arguments no control edges.
        constant.input.append(f"^{node_name(node.input[0])}")
    output = ":output:0" if draw.in_function else ""
    _replace(node, counterpart, f"{constant.name}{output}")


def _counterpart(node: node_def_pb2.NodeDef) -> _Stateless | None:
    if _is_unwritten(node):
        op = _UNWRITTEN[node.attr["dtype"].type]
        return _Stateless(op=op, seed_position=1, attributes=(("dtype", "dtype"),))
    return _COUNTERPARTS.get(node.op)


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
