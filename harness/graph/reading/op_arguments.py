"""What a node reads and writes, by the names that its op gives to arguments and results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tensorflow.core.framework import attr_value_pb2, node_def_pb2, op_def_pb2
from tensorflow.python.framework import op_def_registry

from harness.graph.dtypes import argument_dtypes


def attribute(node: node_def_pb2.NodeDef, name: str) -> attr_value_pb2.AttrValue:
    """Return an attribute of a node, the op's default where the node leaves it out.

    To look up what is not there would put it there, without a value, and no such node is imported.
    """
    if name in node.attr:
        return node.attr[name]
    definition = op_def_registry.get(node.op)
    for candidate in definition.attr if definition is not None else ():
        if candidate.name == name:
            return candidate.default_value
    return attr_value_pb2.AttrValue()


def has_its_inputs(node: node_def_pb2.NodeDef) -> bool:
    """Say whether a node reads as many tensors as its op takes; an unknown op takes any."""
    definition = op_def_registry.get(node.op)
    if definition is None:
        return True
    count = sum(count_of(argument, node) for argument in definition.input_arg)
    return count == len(node.input)


def count_of(argument: op_def_pb2.OpDef.ArgDef, node: node_def_pb2.NodeDef) -> int:
    """Return how many tensors an argument or a result of a node is."""
    if argument.type_list_attr:
        return len(attribute(node, argument.type_list_attr).list.type)
    return int(attribute(node, argument.number_attr).i) if argument.number_attr else 1


def read_by_argument(node: node_def_pb2.NodeDef) -> dict[str, list[str]]:
    """Return the tensors that a node of a main graph reads, by argument; {} for an unknown op."""
    definition = op_def_registry.get(node.op)
    if definition is None:
        return {}
    tensors = iter(node.input)
    return {
        name: [tensor for _, tensor in zip(dtypes, tensors, strict=False)]
        for name, dtypes in _typed(definition.input_arg, node)
    }


def written_by_argument(node: node_def_pb2.NodeDef) -> dict[str, list[tuple[str, str]]]:
    """Return the tensors that a node gives, each with its dtype, by result."""
    definition = op_def_registry.get(node.op)
    found: dict[str, list[tuple[str, str]]] = {}
    index = 0
    for name, dtypes in _typed(definition.output_arg, node) if definition is not None else ():
        found[name] = [(output(node, index + at), dtype) for at, dtype in enumerate(dtypes)]
        index += len(dtypes)
    return found


def output(node: node_def_pb2.NodeDef, index: int) -> str:
    """Return the tensor that is output `index` of a node."""
    return f"{node.name}:{index}" if index else str(node.name)


def _typed(
    arguments: Iterable[op_def_pb2.OpDef.ArgDef], node: node_def_pb2.NodeDef
) -> Iterator[tuple[str, tuple[str, ...]]]:
    complete = node_def_pb2.NodeDef(op=node.op)
    for argument in arguments:
        for name in (argument.type_attr, argument.number_attr, argument.type_list_attr):
            if name and name not in complete.attr:
                complete.attr[name].CopyFrom(attribute(node, name))
        yield argument.name, argument_dtypes(argument, complete)
