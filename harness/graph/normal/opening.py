"""A graph read from its outputs up, with the bodies of the functions that it calls laid open.

What stands where a call stood is an operation `RESULTS`. The ops of a body are called CALL/NODE, as
TensorFlow calls them. As with TensorFlow's own inlining, whatever a body begins with waits for what
the call waits for, and who waits for the call waits for every effect in the body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tensorflow.core.framework import function_pb2, graph_pb2, node_def_pb2

from harness.errors import BrokenModel
from harness.graph.dtypes import LEGACY_SHAPE_PRODUCER
from harness.graph.functions import output_starts, takes_lists
from harness.graph.normal import lowering
from harness.graph.normal.attributes import marks_of
from harness.graph.normal.effects import runs_unread
from harness.graph.normal.operations import CALL, INPUT, OUTPUT, Operation, Place, become_results
from harness.graph.normal.passing import passes_on
from harness.graph.normal.rewriting import rewrite
from harness.graph.normal.scope import (
    Called,
    Scope,
    with_attributes_of,
)
from harness.graph.reading.op_arguments import attribute
from harness.tensor_names import canonical, is_control, node_name, output_index

MOST_OPERATIONS = 1_000_000
"""Functions that call others twice, and these others twice, grow without limit."""

_NONE = node_def_pb2.NodeDef()
"""The node of what no node stands for."""

CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})


class Opening:
    """The operations, as they are found."""

    def __init__(
        self, graph_def: graph_pb2.GraphDef, *, most_operations: int | None = None
    ) -> None:
        """Index the library; past `most_operations`, calls stay calls."""
        self._most_operations = most_operations or MOST_OPERATIONS
        self.functions: Mapping[str, function_pb2.FunctionDef] = {
            function.signature.name: function for function in graph_def.library.function
        }
        self._producer = graph_def.versions.producer
        self._bodies: dict[str, Mapping[str, node_def_pb2.NodeDef]] = {}
        self._starts: dict[str, dict[str, Mapping[str, int]]] = {}
        self._taken: dict[str, int] = {}
        self._unopened: list[tuple[Operation, Scope]] = []
        self._count = 0

    def main(self, graph_def: graph_pb2.GraphDef, inputs: Sequence[str]) -> Scope:
        """Return the scope of the main graph, cut at its inputs."""
        nodes = {node.name: node for node in graph_def.node}
        arguments: dict[str, Place] = {}
        for position, name in enumerate(inputs):
            node = _fed(nodes, name)
            arguments[canonical(name)] = (self._input(name, node, position), 0)
        self._taken.update(dict.fromkeys(nodes, 0))
        return Scope(nodes=nodes, arguments=arguments)

    def function_alone(self, name: str, above: tuple[str, ...]) -> tuple[Scope, Sequence[Place]]:
        """Return the scope of a function that nobody calls, and what it gives."""
        function = self.functions[name]
        arguments = [
            (self._input(formal.name, node_def_pb2.NodeDef(), position), 0)
            for position, formal in enumerate(function.signature.input_arg)
        ]
        called = Called(name, {})
        return self.body(called, prefix="", arguments=arguments, above=above)

    def _input(self, name: str, node: node_def_pb2.NodeDef, position: int) -> Operation:
        if self._producer < LEGACY_SHAPE_PRODUCER and not attribute(node, "shape").shape.dim:
            copy = node_def_pb2.NodeDef()
            copy.CopyFrom(node)
            copy.attr["shape"].shape.unknown_rank = True
            node = copy
        return Operation(name=name, op=INPUT, node=node, position=position)

    def open_all(self) -> None:
        """Fill in the inputs of all operations that were read so far, and of those they read."""
        while self._unopened:
            operation, scope = self._unopened.pop()
            self._open(operation, scope)

    def read(self, scope: Scope, reference: str) -> Place:
        """Return the operation behind a tensor, as a node of `scope` names it.

        Raises:
            BrokenModel: there is no such node.
        """
        if not scope.function:
            tensor = canonical(reference)
            if tensor in scope.arguments:
                return scope.arguments[tensor]
            name, _, index = tensor.partition(":")
            return self.operation(scope, name), _number(index, tensor, scope)
        name, _, rest = reference.partition(":")
        if name not in scope.nodes and name in scope.arguments:
            return scope.arguments[name]
        argument, _, index = rest.partition(":")
        if argument.isdecimal():  # an output by its number, as in a main graph
            argument, index = "", argument
        start = self._starts_of(scope, name).get(argument, 0)
        return self.operation(scope, name), start + _number(index, reference, scope)

    def operation(self, scope: Scope, name: str) -> Operation:
        """Return the operation of a node, made when it is first read.

        Raises:
            BrokenModel: there is no such node.
        """
        found = scope.operations.get(name)
        if found is not None:
            return found
        if name not in scope.nodes:
            if name in scope.arguments:
                return scope.arguments[name][0]
            raise BrokenModel(f"{_where(scope)} reads {name}, which it does not hold")
        node = with_attributes_of(scope.attributes, scope.nodes[name])
        full_name = self.free(f"{scope.prefix}{name}") if scope.prefix else name
        operation = Operation(name=full_name, op=node.op, node=node, function=scope.function)
        scope.operations[name] = operation
        self._unopened.append((operation, scope))
        self._count += 1
        return operation

    def shown(self, scope: Scope, name: str) -> Operation:
        """Return what stands for an output of the graph; it has the output's name."""
        place = self.read(scope, name)
        node = place[0].node
        own_name = canonical(name)
        is_free = place[0].op != INPUT and (passes_on(node.op) or self.called(node))
        return Operation(
            name=own_name if is_free else self.free(own_name), op=OUTPUT, node=_NONE, inputs=[place]
        )

    def made(
        self,
        name: str,
        op: str,
        inputs: Sequence[Place],
        waits: Sequence[Operation] = (),
        node: node_def_pb2.NodeDef | None = None,
    ) -> Operation:
        """Return an operation that no node of the graph stands for."""
        self._count += 1
        return Operation(
            name=self.free(name),
            op=op,
            node=node or _NONE,
            inputs=inputs,
            waits=waits,
        )

    def free(self, name: str) -> str:
        """Return `name`, with a number if it is taken."""
        candidate = name
        while candidate in self._taken:
            self._taken[name] += 1
            candidate = f"{name}_{self._taken[name]}"
        self._taken[candidate] = 0
        return candidate

    def body(
        self,
        called: Called,
        *,
        prefix: str,
        arguments: Sequence[Place],
        above: tuple[str, ...],
        entry: Operation | None = None,
    ) -> tuple[Scope, Sequence[Place]]:
        """Return the scope of a function that is called with `arguments`, and what it gives.

        Raises:
            BrokenModel: the call has fewer arguments than the function, or more, or a result of
                the function is nothing.
        """
        name = called.name
        function = self.functions[name]
        formals = [formal.name for formal in function.signature.input_arg]
        if len(formals) != len(arguments):
            raise BrokenModel(
                f"{prefix.rstrip('/')} calls {name} with {len(arguments)} argument(s), and it "
                f"takes {len(formals)}"
            )
        if entry is not None:
            arguments = [
                (self.made(f"{prefix}{formal}", "Identity", [argument], [entry]), 0)
                for formal, argument in zip(formals, arguments, strict=True)
            ]
        if name not in self._bodies:
            self._bodies[name] = {node.name: node for node in function.node_def}
        scope = Scope(
            nodes=self._bodies[name],
            arguments=dict(zip(formals, arguments, strict=True)),
            prefix=prefix,
            function=name,
            above=(*above, name),
            attributes=called.attributes,
            entry=entry,
        )
        results = []
        for result in function.signature.output_arg:
            if result.name not in function.ret:
                raise BrokenModel(f"the function {name} does not say what its {result.name} is")
            results.append(self.read(scope, function.ret[result.name]))
        return scope, results

    def effects(self, scope: Scope) -> list[Operation]:
        """Return what runs whenever the function of `scope` is called, be it read or not."""
        function = self.functions[scope.function]
        names = dict.fromkeys(function.control_ret.values())
        names.update(
            (node.name, None)
            for node in function.node_def
            if runs_unread(node.op) or self._is_stateful(node.op)
        )
        return [self.operation(scope, name) for name in names]

    def called(self, node: node_def_pb2.NodeDef) -> list[Called]:
        """Return the functions that a node calls; [] where it calls none, or lacks one."""
        if node.op in self.functions:
            return [Called(node.op, node.attr)]
        names: tuple[str, ...]
        if node.op in CALLS:
            names = ("f",)
        elif node.op in lowering.LOOPS:
            names = lowering.PARTS
        elif node.op in lowering.CHOICES:
            names = lowering.CHOICES[node.op]
        else:
            return []
        values = [attribute(node, name) for name in names]
        functions = [v.func for v in values if v.func.name or node.op not in lowering.CHOICES]
        functions += [function for v in values for function in v.list.func]
        found = [Called(function.name, function.attr) for function in functions]
        return found if all(each.name in self.functions for each in found) else []

    def _is_stateful(self, op: str) -> bool:
        function = self.functions.get(op)
        return function is not None and function.signature.is_stateful

    def _open(self, operation: Operation, scope: Scope) -> None:
        node = operation.node
        data = [reference for reference in node.input if not is_control(reference)]
        waits = [self.operation(scope, node_name(r)) for r in node.input if is_control(r)]
        inputs = [self.read(scope, reference) for reference in data]
        if not inputs and not waits and scope.entry is not None:
            waits = [scope.entry]
        if not self._can_open(node, scope):
            operation.inputs, operation.waits = inputs, waits
            if node.op in self.functions:
                operation.op = CALL
            rewrite(operation, self.made)
        elif node.op in lowering.LOOPS:
            lowering.lower_loop(self, operation, scope, inputs, waits)
        elif node.op in lowering.CHOICES:
            lowering.lower_choice(self, operation, scope, inputs, waits)
        else:
            self._open_call(operation, scope, inputs, waits)

    def _can_open(self, node: node_def_pb2.NodeDef, scope: Scope) -> bool:
        called = self.called(node)
        return (
            bool(called)
            and self._count < self._most_operations
            and not any(f in scope.above or takes_lists(self.functions[f]) for f, _ in called)
        )

    def _open_call(
        self,
        operation: Operation,
        scope: Scope,
        inputs: Sequence[Place],
        waits: Sequence[Operation],
    ) -> None:
        (called,) = self.called(operation.node)
        prefix = f"{operation.name}/"
        entry = self.made(f"{prefix}entry", "NoOp", (), waits) if waits else None
        body, results = self.body(
            called,
            prefix=prefix,
            arguments=inputs,
            above=scope.above,
            entry=entry,
        )
        marks = marks_of(operation.node, self.functions[called.name])
        if marks.attr:
            results = [
                (self.made(f"{prefix}result_{index}", marks.op, [result], node=marks), 0)
                for index, result in enumerate(results)
            ]
        become_results(operation, results, [*waits, *self.effects(body)])

    def _starts_of(self, scope: Scope, name: str) -> Mapping[str, int]:
        known = self._starts.setdefault(scope.function, {})
        if name not in known:
            known[name] = output_starts(scope.nodes.get(name), self.functions)
        return known[name]


def _where(scope: Scope) -> str:
    return f"the function {scope.function}" if scope.function else "the graph"


def _number(index: str, reference: str, scope: Scope) -> int:
    """Return which output of a node, or of an argument of its op, `reference` ends in."""
    if index and not index.isdecimal():
        raise BrokenModel(f"{_where(scope)} reads {reference}, which names no output of a node")
    return int(index or 0)


def _fed(nodes: Mapping[str, node_def_pb2.NodeDef], name: str) -> node_def_pb2.NodeDef:
    """Return the node that an input is read from: of an IdentityN, the placeholder behind."""
    node = nodes.get(node_name(name))
    if node is None:
        raise BrokenModel(f"the graph holds no node {node_name(name)}, which is an input")
    if node.op == "IdentityN" and output_index(name) < len(node.input):
        return nodes.get(node_name(node.input[output_index(name)]), node)
    return node
