"""Where a node stands, and what the names mean that it reads there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tensorflow.core.framework import attr_value_pb2, node_def_pb2

from harness.graph.normal.operations import Operation, Place


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
