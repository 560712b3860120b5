"""Which tensors of a graph can be fetched, and an order in which each comes after what it reads.

Nothing between Enter and Exit, in the frame of a V1 loop, can be fetched, nor what stands in a
library function, nor a handle, which means nothing outside its session. A reference is not fetched
either: what reads it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.python.framework import op_def_registry

from harness.graph.dtypes import HANDLES, argument_dtypes, output_dtypes
from harness.graph.edges import edges_of
from harness.graph.extract import function_names
from harness.graph.state import VARIABLE_OPS
from harness.tensor_names import canonical, node_name

_ENTER_OPS = frozenset({"Enter", "RefEnter"})
_EXIT_OPS = frozenset({"Exit", "RefExit"})
_NEXT_OPS = frozenset({"NextIteration", "RefNextIteration"})


@dataclass(frozen=True, kw_only=True)
class Fetchable:
    """What can be fetched of a graph that computes some outputs."""

    nodes: Mapping[str, node_def_pb2.NodeDef]
    order: tuple[str, ...]
    """The nodes that the outputs need, each after all that it reads; those in loops anywhere."""
    reads: Mapping[str, tuple[str, ...]]
    """The tensors that a node reads, control edges left out."""
    tensors: Mapping[str, tuple[str, ...]]
    """The tensors of a node that can be fetched, by node; () where there is none."""
    in_use: frozenset[str]
    """The tensors that a node reads, or that are outputs: another may never have been written."""
    in_loops: frozenset[str]
    """The nodes in the frame of a V1 loop."""
    variables: frozenset[str]
    calls: frozenset[str]
    """The nodes that call a library function."""


def fetchable(graph_def: graph_pb2.GraphDef, outputs: Collection[str]) -> Fetchable:
    """Return what can be fetched of the part of `graph_def` that `outputs` need."""
    edges = edges_of(graph_def)
    nodes = edges.nodes

    def sources(name: str) -> list[str]:
        return [node_name(r) for r in nodes[name].input if node_name(r) in nodes]

    order = tuple(_each_after(map(node_name, outputs), sources))
    in_loops = _in_loops(order, nodes, sources)
    library = {function.signature.name for function in graph_def.library.function}
    return Fetchable(
        nodes=nodes,
        order=order,
        reads=edges.tensors,
        tensors={
            name: () if name in in_loops else tuple(_tensors(nodes[name], graph_def))
            for name in order
        },
        in_use=frozenset(map(canonical, outputs)).union(*(edges.tensors[name] for name in order)),
        in_loops=in_loops,
        variables=frozenset(name for name in order if nodes[name].op in VARIABLE_OPS),
        calls=frozenset(n for n in order if not library.isdisjoint(function_names(nodes[n]))),
    )


def _each_after(start: Iterable[str], before: Callable[[str], Iterable[str]]) -> Iterator[str]:
    """Yield what can be reached from `start` by `before`, each after all that lies before it.

    Of what lies on a cycle some comes too early; all else does not, since the cycle is seen through
    to its end before whatever reads it.
    """
    seen: set[str] = set()
    for root in start:
        if root in seen:
            continue
        seen.add(root)
        stack = [(root, iter(before(root)))]
        while stack:
            name, rest = stack[-1]
            following = next((each for each in rest if each not in seen), None)
            if following is None:
                stack.pop()
                yield name
            else:
                seen.add(following)
                stack.append((following, iter(before(following))))


def _in_loops(
    order: Iterable[str],
    nodes: Mapping[str, node_def_pb2.NodeDef],
    sources: Callable[[str], list[str]],
) -> frozenset[str]:
    """Return the nodes in the frame of a V1 loop: a frame is entered, and is left by an Exit."""

    def sources_but_back(name: str) -> list[str]:
        return [each for each in sources(name) if nodes[each].op not in _NEXT_OPS]

    depth: dict[str, int] = {}
    for name in _each_after(order, sources_but_back):
        around = max((depth[source] for source in sources_but_back(name)), default=0)
        op = nodes[name].op
        depth[name] = around + (op in _ENTER_OPS) - (op in _EXIT_OPS)
    return frozenset(name for name, frames in depth.items() if frames > 0)


def _tensors(node: node_def_pb2.NodeDef, graph_def: graph_pb2.GraphDef) -> Iterator[str]:
    definition = op_def_registry.get(node.op)
    if definition is None:
        found = [(dtype, False) for dtype in output_dtypes(node, graph_def) or ()]
    else:
        found = [
            (dtype, argument.is_ref)
            for argument in definition.output_arg
            for dtype in argument_dtypes(argument, node)
        ]
    for index, (dtype, is_reference) in enumerate(found):
        if dtype not in HANDLES and not is_reference:
            yield canonical(f"{node.name}:{index}")
