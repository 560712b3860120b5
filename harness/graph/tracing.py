"""Where a handle or a reference comes from: followed back, out of functions, to the node behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tensorflow.core.framework import function_pb2, graph_pb2, node_def_pb2
from tensorflow.python.framework import op_def_registry

from harness.graph.extract import function_names
from harness.graph.functions import placed_nodes
from harness.tensor_names import is_control, node_name

_FORWARD_THE_FIRST = frozenset({"Identity", "Enter", "Exit", "NextIteration", "Switch"})
_FORWARD_ANY = frozenset({"Merge", "RefMerge", "IdentityN"})
_FIRST_ARGUMENT = {"If": 1, "StatelessIf": 1, "Case": 1, "StatelessCase": 1, "For": 3}
"""How many inputs of a call are no arguments of the function: a condition, an index, bounds."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A node, by the function that it stands in ("" for the main graph) and its name.

    `op` is "" for an argument of a function that no node calls.
    """

    function: str
    node: str
    op: str


class Tracer:
    """A graph whose handles and references can be followed back."""

    def __init__(self, graph_def: graph_pb2.GraphDef) -> None:
        """Index the nodes of the graph and of its functions, and who calls which."""
        self._nodes: dict[tuple[str, str], node_def_pb2.NodeDef] = {}
        self._callers: dict[str, list[tuple[str, str]]] = {}
        self._functions: dict[str, function_pb2.FunctionDef] = {
            function.signature.name: function for function in graph_def.library.function
        }
        for function, node in placed_nodes(graph_def):
            self._nodes[function, node.name] = node
            for called in function_names(node):
                if called in self._functions:
                    self._callers.setdefault(called, []).append((function, node.name))

    def origins(self, reference: str, *, function: str = "") -> list[Origin]:
        """Return the nodes that `reference`, as a node of `function` reads it, comes from."""
        queue = [(function, node_name(reference))]
        found = []
        for place in queue:  # which grows meanwhile
            node = self._nodes.get(place)
            before = list(self._before(place, node))
            if not before:
                function, name = place
                found.append(Origin(function=function, node=name, op=node.op if node else ""))
            queue.extend(each for each in dict.fromkeys(before) if each not in queue)
        return found

    def _before(
        self, place: tuple[str, str], node: node_def_pb2.NodeDef | None
    ) -> Iterator[tuple[str, str]]:
        function, name = place
        if node is None:
            yield from self._actuals(function, name)
        elif node.op in _FORWARD_ANY:
            yield from ((function, node_name(r)) for r in node.input if not is_control(r))
        elif node.input and (node.op in _FORWARD_THE_FIRST or _gives_its_reference_on(node.op)):
            yield function, node_name(node.input[0])

    def _actuals(self, function: str, argument: str) -> Iterator[tuple[str, str]]:
        if function not in self._functions:
            return
        formals = [formal.name for formal in self._functions[function].signature.input_arg]
        if argument not in formals:
            return
        for caller in self._callers.get(function, ()):
            node = self._nodes[caller]
            inputs = [reference for reference in node.input if not is_control(reference)]
            index = formals.index(argument) + _FIRST_ARGUMENT.get(node.op, 0)
            if index < len(inputs):
                yield caller[0], node_name(inputs[index])


def _gives_its_reference_on(op: str) -> bool:
    # Assign, ScatterUpdate, RefSwitch and the like: out comes the reference that went in first.
    definition = op_def_registry.get(op)
    return (
        definition is not None
        and any(argument.is_ref for argument in definition.output_arg)
        and bool(definition.input_arg)
        and definition.input_arg[0].is_ref
    )
