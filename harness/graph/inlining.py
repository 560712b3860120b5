"""A graph with its function calls laid open, to be looked at and imported, never to be run.

A TF2 SavedModel holds its computation in functions; whoever asks what reads an input, or what
shape a tensor has, wants one flat graph. The nodes of a body are called CALL/NODE. Control edges,
which carry no values, are left out, and large constants keep dtype and shape alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tensorflow.core.framework import (
    attr_value_pb2,
    function_pb2,
    graph_pb2,
    node_def_pb2,
    types_pb2,
)
from tensorflow.python.framework import tensor_util

from harness.graph.dtypes import argument_dtypes, dtype_enum
from harness.graph.extract import needed_functions
from harness.graph.functions import output_starts, takes_lists
from harness.tensor_names import canonical, is_control, node_name

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_CHOICES = {
    "If": ("then_branch", "else_branch"),
    "StatelessIf": ("then_branch", "else_branch"),
    "Case": ("branches",),
    "StatelessCase": ("branches",),
}
CHOOSER = "/chosen_by"
"""How the name of a node ends that stands for an If or a Case, where it chooses a branch."""
_LOOPS = frozenset({"While", "StatelessWhile"})
_MOST_NODES = 1_000_000
"""Functions that call others twice, and these others twice, grow without limit."""
_MOST_ELEMENTS = 4096
"""Of a constant whose value may matter: a shape, an axis, a table of boundaries."""
_DROPPED_ATTRIBUTES = ("_class", "_output_shapes")


def inlined(graph_def: graph_pb2.GraphDef, *, branches: bool = False) -> graph_pb2.GraphDef:
    """Return a copy of the graph in which the bodies of called functions stand.

    Tensors of the main graph keep their names: a call becomes an IdentityN over its results. If,
    While and Case keep their functions unless `branches`: then each becomes what V1 would have
    made of it, as far as data goes: a Merge of what its branches give, or of what a loop begins
    with and what its rounds give; an If is a Switch, and a Case a Gather, of what it chooses by
    (`CHOOSER`). Functions that call themselves stay as they are.
    """
    inlining = _Inlining(graph_def, branches=branches)
    for node in graph_def.node:
        inlining.add(
            node,
            name=node.name,
            inputs=[canonical(read) for read in node.input if not is_control(read)],
            above=(),
        )
    result = inlining.result
    result.library.function.extend(needed_functions(graph_def, result.node))
    return result


class _Inlining:
    """The flat graph as it grows."""

    def __init__(self, graph_def: graph_pb2.GraphDef, *, branches: bool) -> None:
        self.result = graph_pb2.GraphDef(versions=graph_def.versions)
        self._branches = branches
        self._functions = {f.signature.name: f for f in graph_def.library.function}
        self._taken = {node.name for node in graph_def.node}

    def add(
        self,
        node: node_def_pb2.NodeDef,
        *,
        name: str,
        inputs: Sequence[str],
        above: tuple[str, ...],
    ) -> None:
        """Add a node as `name`, which reads the tensors `inputs`, or what it stands for."""
        if node.op in _LOOPS and self._branches and self._can_open(node, above):
            self._add_loop(node, name, inputs, above)
        elif node.op in _CHOICES and self._branches and inputs and self._can_open(node, above):
            self._add_choice(node, name, inputs, above)
        elif (node.op in _CALLS or node.op in self._functions) and self._can_open(node, above):
            (function,) = self._called(node)
            results = self._add_body(node, function, f"{name}/", inputs, above)
            self._add_results(name, results, _result_types(node, function))
        else:
            copy = self.result.node.add(name=name, op=node.op, input=inputs)
            _copy_attributes(node, copy)

    def _can_open(self, node: node_def_pb2.NodeDef, above: tuple[str, ...]) -> bool:
        called = self._called(node)
        return (
            bool(called)
            and len(self.result.node) < _MOST_NODES
            and not any(f.signature.name in above or takes_lists(f) for f in called)
        )

    def _called(self, node: node_def_pb2.NodeDef) -> list[function_pb2.FunctionDef]:
        """Return the functions that a node calls; [] where the library lacks one."""
        if node.op in self._functions:
            names = [node.op]
        elif node.op in _CALLS:
            names = [node.attr["f"].func.name]
        elif node.op in _LOOPS:
            names = [node.attr["cond"].func.name, node.attr["body"].func.name]
        else:
            values = [node.attr[attribute] for attribute in _CHOICES[node.op]]
            names = [v.func.name for v in values if v.func.name]
            names += [f.name for v in values for f in v.list.func]
        found = [self._functions[name] for name in names if name in self._functions]
        return found if len(found) == len(names) else []

    def _add_loop(
        self,
        node: node_def_pb2.NodeDef,
        name: str,
        inputs: Sequence[str],
        above: tuple[str, ...],
    ) -> None:
        types = list(node.attr["T"].list.type)
        merges = [self._free(f"{name}/merge_{index}") for index in range(len(inputs))]
        condition, body = self._called(node)
        self._add_body(node, condition, f"{name}/cond/", merges, above)
        results = self._add_body(node, body, f"{name}/body/", merges, above)
        unchanged = _unchanged(body)
        for index, (merge, dtype, first, result) in enumerate(
            zip(merges, types, inputs, results, strict=False)
        ):
            if index in unchanged:
                same = self.result.node.add(name=merge, op="Identity", input=[first])
                same.attr["T"].type = dtype
                continue
            # A graph may go round in a circle through a NextIteration alone.
            again = self._free(f"{merge}/next")
            onward = self.result.node.add(name=again, op="NextIteration", input=[result])
            onward.attr["T"].type = dtype
            self._add_merge(merge, [first, again], dtype)
        self._add_results(name, merges, types)

    def _add_choice(
        self,
        node: node_def_pb2.NodeDef,
        name: str,
        inputs: Sequence[str],
        above: tuple[str, ...],
    ) -> None:
        self._add_chooser(node, self._free(f"{name}{CHOOSER}"), inputs[0])
        found = [
            self._add_body(node, function, f"{name}/branch_{index}/", inputs[1:], above)
            for index, function in enumerate(self._called(node))
        ]
        types = list(node.attr["Tout"].list.type)
        merges = []
        for index, (dtype, results) in enumerate(
            zip(types, zip(*found, strict=True), strict=False)
        ):
            merges.append(self._free(f"{name}/merge_{index}"))
            self._add_merge(merges[-1], list(results), dtype)
        self._add_results(name, merges, types)

    def _add_chooser(self, node: node_def_pb2.NodeDef, name: str, chosen_by: str) -> None:
        """Add a node that reads what a branch is chosen by, as nobody else would."""
        if "Case" in node.op:
            branches = self.result.node.add(name=f"{name}/branches", op="Const")
            count = len(self._called(node))
            branches.attr["dtype"].type = types_pb2.DT_INT32
            branches.attr["value"].tensor.CopyFrom(
                tensor_util.make_tensor_proto(list(range(count)))
            )
            chooser = self.result.node.add(name=name, op="Gather", input=[branches.name, chosen_by])
            chooser.attr["Tparams"].type = chooser.attr["Tindices"].type = types_pb2.DT_INT32
        elif node.attr["Tcond"].type == types_pb2.DT_BOOL:
            chooser = self.result.node.add(name=name, op="Switch", input=[chosen_by, chosen_by])
            chooser.attr["T"].type = types_pb2.DT_BOOL

    def _add_merge(self, name: str, inputs: Sequence[str], dtype: int) -> None:
        merge = self.result.node.add(name=name, op="Merge", input=inputs)
        merge.attr["T"].type = dtype
        merge.attr["N"].i = len(inputs)

    def _add_results(self, name: str, results: Sequence[str], types: Sequence[int]) -> None:
        """Add the node that stands where a call stood."""
        node = self.result.node.add(name=name, op="IdentityN" if results else "NoOp", input=results)
        if results:
            node.attr["T"].list.type.extend(types)

    def _add_body(
        self,
        call: node_def_pb2.NodeDef,
        function: function_pb2.FunctionDef,
        prefix: str,
        arguments: Sequence[str],
        above: tuple[str, ...],
    ) -> list[str]:
        """Add the nodes of a function that is called with `arguments`; return its results."""
        formals: list[str] = [argument.name for argument in function.signature.input_arg]
        known = dict(zip(formals, arguments, strict=False))
        names: dict[str, str] = {
            node.name: self._free(f"{prefix}{node.name}") for node in function.node_def
        }
        outputs = {node.name: output_starts(node, self._functions) for node in function.node_def}

        def tensor(reference: str) -> str:
            node, rest = node_name(reference), reference.partition(":")[2]
            if node not in names:
                return known.get(node, node)
            argument, _, index = rest.partition(":")
            if argument.isdecimal():  # an output by its number, as in a main graph
                argument, index = "", argument
            number = outputs[node].get(argument, 0) + int(index or 0)
            return f"{names[node]}:{number}" if number else names[node]

        for node in function.node_def:
            self.add(
                _with_attributes_of(call, node),
                name=names[node.name],
                inputs=[tensor(read) for read in node.input if not is_control(read)],
                above=(*above, function.signature.name),
            )
        return [tensor(function.ret[result.name]) for result in function.signature.output_arg]

    def _free(self, name: str) -> str:
        candidate, number = name, 0
        while candidate in self._taken:
            number += 1
            candidate = f"{name}_{number}"
        self._taken.add(candidate)
        return candidate


def _unchanged(body: function_pb2.FunctionDef) -> set[int]:
    """Return which variables of a loop its rounds leave as they are; their shapes stay known."""
    nodes = {node.name: node for node in body.node_def}
    found = set()
    arguments = zip(body.signature.input_arg, body.signature.output_arg, strict=False)
    for index, (argument, result) in enumerate(arguments):
        reference = body.ret[result.name]
        for _ in nodes:
            node = nodes.get(node_name(reference))
            if node is None or node.op != "Identity" or not node.input:
                break
            reference = node.input[0]
        if reference == argument.name:
            found.add(index)
    return found


def _result_types(call: node_def_pb2.NodeDef, function: function_pb2.FunctionDef) -> list[int]:
    if call.op in _CALLS:
        return list(call.attr["Tout"].list.type)
    found: list[int] = []
    for argument in function.signature.output_arg:
        found.extend(map(dtype_enum, argument_dtypes(argument, call)))
    return found


def _with_attributes_of(
    call: node_def_pb2.NodeDef, node: node_def_pb2.NodeDef
) -> node_def_pb2.NodeDef:
    """Return a node of a body whose attributes are those of the call, where it leaves them open."""
    if not any(value.placeholder for value in node.attr.values()):
        return node
    copy = node_def_pb2.NodeDef()
    copy.CopyFrom(node)
    for name, value in node.attr.items():
        if value.placeholder and value.placeholder in call.attr:
            copy.attr[name].CopyFrom(call.attr[value.placeholder])
    return copy


def _copy_attributes(node: node_def_pb2.NodeDef, copy: node_def_pb2.NodeDef) -> None:
    for name, value in node.attr.items():
        if name in _DROPPED_ATTRIBUTES:
            continue
        if name == "value" and node.op == "Const" and is_large_value(value):
            # Without values, a tensor of this shape is all zeros, or empty strings.
            copy.attr[name].tensor.dtype = value.tensor.dtype
            copy.attr[name].tensor.tensor_shape.CopyFrom(value.tensor.tensor_shape)
        else:
            copy.attr[name].CopyFrom(value)


def is_large_value(value: attr_value_pb2.AttrValue) -> bool:
    """Say whether the value of a constant is so large that only its shape is kept."""
    elements: int = math.prod(dim.size for dim in value.tensor.tensor_shape.dim)
    return elements > _MOST_ELEMENTS
