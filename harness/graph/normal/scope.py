"""Where a node stands, and what the names mean that it reads there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tensorflow.core.framework import attr_value_pb2, function_pb2, node_def_pb2
from tensorflow.python.framework import op_def_registry

from harness.graph.normal.operations import Operation, Place
from harness.graph.reading.op_arguments import count_of


class Called(NamedTuple):
    """A function, as a node calls it."""

    name: str
    attributes: Mapping[str, attr_value_pb2.AttrValue]


@dataclass(slots=True, kw_only=True)
class Scope:
    """The main graph, or the body of a function as one call sees it."""

    nodes: Mapping[str, node_def_pb2.NodeDef]
    arguments: Mapping[str, Place]
    """The main graph's inputs by tensor, or the arguments of a function by name."""
    prefix: str = ""
    function: str = ""
    above: tuple[str, ...] = ()
    """The functions whose bodies this one stands in, itself included."""
    attributes: Mapping[str, attr_value_pb2.AttrValue] = field(default_factory=dict)
    """What the call gives for the attributes that the function leaves open."""
    entry: Operation | None = None
    """What every op of the body waits for that reads nothing."""
    operations: dict[str, Operation] = field(default_factory=dict)


def output_starts(
    node: node_def_pb2.NodeDef | None, functions: Mapping[str, function_pb2.FunctionDef]
) -> Mapping[str, int]:
    """Return where each output argument of a node of a function begins among its outputs."""
    if node is None:
        return {}
    called = functions.get(node.op)
    definition = called.signature if called is not None else op_def_registry.get(node.op)
    if definition is None or len(definition.output_arg) < 2:
        return {}
    starts = {}
    position = 0
    for argument in definition.output_arg:
        starts[argument.name] = position
        position += count_of(argument, node)
    return starts


def takes_lists(function: function_pb2.FunctionDef) -> bool:
    """Say whether a function has an argument or a result that is several tensors."""
    signature = function.signature
    arguments = (*signature.input_arg, *signature.output_arg)
    return any(argument.number_attr or argument.type_list_attr for argument in arguments)


def with_attributes_of(
    attributes: Mapping[str, attr_value_pb2.AttrValue], node: node_def_pb2.NodeDef
) -> node_def_pb2.NodeDef:
    """Return a node of a body with the attributes of its call, where it leaves its own open."""
    if not attributes:
        return node
    copy = node_def_pb2.NodeDef()
    copy.CopyFrom(node)
    for value in copy.attr.values():
        _fill_in(value, attributes)
    return copy


def _fill_in(
    value: attr_value_pb2.AttrValue, attributes: Mapping[str, attr_value_pb2.AttrValue]
) -> None:
    """Put attributes of a call in the place of their names, in functions that are called too."""
    if value.placeholder in attributes:
        value.CopyFrom(attributes[value.placeholder])
        return
    kind = value.WhichOneof("value")
    functions = [value.func] if kind == "func" else value.list.func if kind == "list" else ()
    for function in functions:
        for inner in function.attr.values():
            _fill_in(inner, attributes)
