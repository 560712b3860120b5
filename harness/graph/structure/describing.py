"""Edits as sentences."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from tensorflow.core.framework import attr_value_pb2
from tensorflow.python.framework import op_def_registry

from harness.graph.dtypes import dtype_name, shape_of
from harness.graph.normal.graph import Node
from harness.graph.structure.kinds import has_state
from harness.graph.structure.values import value_text
from harness.signature import format_shape

_MOST_NAMED = 4
"""Of the nodes that one sentence names."""
ABSENT = "no value"


def called(node: Node) -> str:
    """Return a node's name and op: "conv1/BiasAdd (BiasAdd)", or "BiasAdd" where that says it."""
    return node.op if node.name == node.op else f"{node.name} ({node.op})"


def output_called(name: str) -> str:
    """Return what an output of the signature is called as one that reads a tensor."""
    return f"output {name}"


def listed(names: Iterable[str]) -> str:
    """Return "a", "a and b", "a, b and c", or the first few and how many there are beside."""
    found = list(names)
    if len(found) > _MOST_NAMED:
        hidden = len(found) - _MOST_NAMED + 1
        return f"{', '.join(found[: _MOST_NAMED - 1])} and {hidden} more"
    return " and ".join([", ".join(found[:-1]), found[-1]]) if len(found) > 1 else found[0]


def ops_of(nodes: Sequence[Node], beside: Iterable[Node] = ()) -> str:
    """Return the ops of nodes, and before them the random ones among what stands beside."""
    random = (node.op for node in beside if has_state(node.op))
    return listed(dict.fromkeys((*random, *(node.op for node in nodes))))


def missing(nodes: Sequence[Node], reader: str) -> str:
    """Tell that nodes of the reference, in the order of the data, are left out."""
    return f"{listed(map(called, nodes))} missing before {reader}"


def added(ops: str, source: str, reader: str) -> str:
    """Tell that the candidate has ops between two nodes."""
    if reader == output_called(source):
        return f"{ops} added after {source}"
    return f"{ops} added between {source} and {reader}"


def replaced(nodes: Sequence[Node], ops: str) -> str:
    """Tell that ops stand where the reference has other nodes."""
    return f"{listed(map(called, nodes))} became {ops}"


def other_attributes(reference: Node, candidate: Node) -> str:
    """Tell which attributes of a node were changed."""
    one, other = dict(reference.attributes), dict(candidate.attributes)
    changes = [
        f"{name} {_stated(reference.op, name, one)} became {_stated(candidate.op, name, other)}"
        for name in sorted({*one, *other})
        if one.get(name) != other.get(name)
    ]
    return f"{called(reference)}: {', '.join(changes)}"


def other_constant(reference: Node, candidate: Node, reader: str) -> str:
    """Tell that a constant has another value, dtype or shape."""
    before, after = value_text(reference), value_text(candidate)
    if before == after:
        before, after = "its value", "another"
    # "conv/axis" says by itself where it is read; a constant of another scope does not.
    scope = reader.rpartition("/")[0] or reader
    where = "" if reference.name.startswith((scope, reader)) else f", read by {reader}"
    return f"{called(reference)}: {before} became {after}{where}"


def attribute_text(value: Hashable) -> str:
    """Return the value of an attribute: "[1, 2, 2, 1]", "SAME", "True"."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, tuple):
        return f"[{', '.join(map(attribute_text, value))}]"
    if isinstance(value, float):
        return str(np.float32(value))  # as attributes are kept
    return str(value)


def _stated(op: str, name: str, attributes: dict[str, Hashable]) -> str:
    if name in attributes:
        return attribute_text(attributes[name])
    definition = op_def_registry.get(op)
    for argument in definition.attr if definition is not None else ():
        if argument.name == name and argument.HasField("default_value"):
            return _default_text(argument.default_value)
    return ABSENT


def _default_text(value: attr_value_pb2.AttrValue) -> str:
    kind = value.WhichOneof("value")
    if kind == "type":
        return dtype_name(value.type)
    if kind == "shape":
        return format_shape(shape_of(value.shape))
    if kind == "list":
        return attribute_text(tuple(value.list.i or value.list.f or value.list.b or value.list.s))
    return attribute_text(getattr(value, kind)) if kind else ABSENT
