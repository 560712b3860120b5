"""The normal form of a graph: opened, lowered, and rid of all that says nothing of its outputs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tensorflow.core.framework import graph_pb2, node_def_pb2

from harness.collector import collector_paused
from harness.criteria import Array
from harness.errors import BrokenModel, first_line
from harness.graph.extract import needed_functions
from harness.graph.normal.attributes import marks_of
from harness.graph.normal.graph import Node, NormalGraph
from harness.graph.normal.nodes import Reads, node_of, reads_of
from harness.graph.normal.opening import Opening
from harness.graph.normal.operations import OUTPUT, Operation, Place
from harness.graph.normal.ordering import ordered
from harness.graph.normal.passing import Passing
from harness.graph.normal.values import Values
from harness.graph.normal.waiting import Waiting

_NONE = node_def_pb2.NodeDef()

MOST_OF_A_FUNCTION = 10_000
"""Of the operations that a function is told by, before the calls in it are told by theirs."""


def normal_form(
    graph_def: graph_pb2.GraphDef,
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    constants: Mapping[str, Array] | None = None,
) -> NormalGraph:
    """Return what `outputs` compute from `inputs`, in a form that freezing does not change.

    `constants` are the values by `Node.constant`, and may be those by `Node.variable` too. Read are
    only large ones in functions that stay calls, which no node of the normal form stands for.
    Where such a value is missing, the call is like no other.

    Raises:
        BrokenModel: a node reads one that the graph does not hold, or a call does not fit.
    """
    with collector_paused():  # objects by the million, nearly all of them kept
        opening = Opening(graph_def)
        scope = opening.main(graph_def, inputs)
        shown = [opening.shown(scope, name) for name in outputs]
        library = _Library(graph_def=graph_def, values=Values(constants))
        return _normal(opening, shown, _Digests(library))


@dataclass(frozen=True, kw_only=True)
class _Library:
    """The library functions, and what was found of them."""

    graph_def: graph_pb2.GraphDef
    values: Values
    digests: dict[tuple[str, ...], str] = field(default_factory=dict)
    """By the function's name and those above it."""
    called: dict[str, frozenset[str]] = field(default_factory=dict)

    def called_from(self, name: str) -> frozenset[str]:
        """Return the functions that a function calls, directly or not, and itself."""
        if name not in self.called:
            call = node_def_pb2.NodeDef(op=name)
            found = needed_functions(self.graph_def, [call])
            self.called[name] = frozenset(each.signature.name for each in found)
        return self.called[name]


class _Digests:
    """What library functions compute, as texts."""

    def __init__(self, library: _Library, above: tuple[str, ...] = ()) -> None:
        self._library = library
        self._above = above

    def __call__(self, name: str) -> str:
        """Return the digest of a function's normal form; its name where the library lacks it.

        A function that stands above is told by how far, so that recursion ends.
        """
        called = self._library.called_from(name)
        above = tuple(each for each in self._above if each in called)
        if name in above:
            return f"the function {len(above) - above.index(name)} above"
        key = (name, *above)
        digests = self._library.digests
        if key not in digests:
            digests[key] = self._digest(name, above)
        return digests[key]

    def _digest(self, name: str, above: tuple[str, ...]) -> str:
        opening = Opening(self._library.graph_def, most_operations=MOST_OF_A_FUNCTION)
        if name not in opening.functions:
            return name
        scope, results = opening.function_alone(name, above)
        effects = opening.effects(scope)
        shown = [
            opening.made(f"output_{index}", OUTPUT, [result], effects)
            for index, result in enumerate(results)
        ]
        if not shown:
            shown = [opening.made("done", OUTPUT, (), effects)]
        form = _normal(opening, shown, _Digests(self._library, (*above, name)))
        marks = marks_of(_NONE, opening.functions[name])
        told_first = (form.outputs, sorted(marks.attr))
        digest = hashlib.blake2b(repr(told_first).encode(), digest_size=16)
        for node in form.nodes:
            value = self._library.values.told(node)
            told = (node.op, node.attributes, node.inputs, node.guards, node.position, value)
            digest.update(repr(told).encode())
        return digest.hexdigest()


def _normal(opening: Opening, shown: Sequence[Operation], digests: _Digests) -> NormalGraph:
    opening.open_all()
    passing = Passing()
    order = ordered(shown, passing)
    waiting = Waiting(order, passing)
    reads = _needed(shown, {}, passing, waiting)
    outputs = [_unless_it_waits(each, reads) for each in shown]
    kept = _needed([place[0] for place in outputs], reads, passing, waiting)
    places: dict[Operation, int] = {}
    for operation in order:
        if operation in kept:
            places[operation] = len(places)
    nodes = [_node(each, kept[each], places, digests) for each in places]
    nodes = _with_sorted_guards(nodes)
    return NormalGraph(
        nodes=nodes,
        outputs=tuple((places[operation], index) for operation, index in outputs),
        names={node.name: index for index, node in enumerate(nodes)},
    )


def _node(
    operation: Operation, reads: Reads, places: Mapping[Operation, int], digests: _Digests
) -> Node:
    try:
        return node_of(operation, reads, places, digests)
    except TypeError as error:  # TensorFlow has no dtype of that number
        raise BrokenModel(
            f"{operation.name} ({operation.op}) cannot be read: {first_line(error)}"
        ) from error


def _needed(
    wanted: Sequence[Operation],
    known: Mapping[Operation, Reads],
    passing: Passing,
    waiting: Waiting,
) -> dict[Operation, Reads]:
    """Return what each operation reads that one of `wanted` needs."""
    found: dict[Operation, Reads] = {}
    queue = list(wanted)
    while queue:
        operation = queue.pop()
        if operation in found:
            continue
        reads = known.get(operation) or reads_of(operation, passing, waiting)
        found[operation] = reads
        queue.extend(place[0] for place in reads.inputs)
        queue.extend(reads.guards)
    return found


def _unless_it_waits(output: Operation, reads: Mapping[Operation, Reads]) -> Place:
    """Return an output itself where it waits for more than it reads, else what it reads."""
    of_output = reads[output]
    waits = of_output.guards or of_output.told or not of_output.inputs
    return (output, 0) if waits else of_output.inputs[0]


def _with_sorted_guards(nodes: list[Node]) -> list[Node]:
    """Return the nodes, their guards in an order that is the same in a frozen copy of the graph."""
    if all(len(node.guards) < 2 for node in nodes):
        return nodes
    cones: list[bytes] = []
    for node in nodes:
        cones.append(_cone(node, cones))
    return [
        replace(node, guards=tuple(sorted(node.guards, key=cones.__getitem__))) for node in nodes
    ]


def _cone(node: Node, cones: Sequence[bytes]) -> bytes:
    """Return a hash of what a node computes, whatever its variables and constants are."""
    told: tuple[object, ...] = (node.op, node.attributes, node.position)
    if node.op == "Variable" or (node.op == "Const" and node.attributes[0][1] != "string"):
        told = node.attributes[:1]
    inputs = [(cones[at], index) for at, index in node.inputs if at < len(cones)]
    return hashlib.blake2b(repr((told, inputs)).encode(), digest_size=16).digest()
