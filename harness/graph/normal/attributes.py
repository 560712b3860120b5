"""The attributes of a node that decide what it computes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tensorflow.core.framework import (
    attr_value_pb2,
    function_pb2,
    node_def_pb2,
    op_def_pb2,
    tensor_pb2,
)
from tensorflow.python.framework import op_def_registry

from harness.graph.dtypes import dtype_name, shape_of
from harness.graph.normal.leaves import Attributes, constant_attributes

_MEAN_NOTHING = frozenset({
    "container", "shared_name",  # what a session knows a resource by
    "parallel_iterations", "swap_memory", "use_inter_op_parallelism", "use_locking",
    "use_cudnn_on_gpu", "validate_shape", "config", "config_proto", "_output_shapes",
})  # fmt: skip
_MEAN_NOTHING_TO = {
    "Assert": {"summarize"},
    "Print": {"message", "first_n", "summarize"},
    "PrintV2": {"output_stream", "end"},
    "CheckNumerics": {"message"},
    "CheckNumericsV2": {"message"},
    "Enter": {"frame_name"},
    "Gather": {"validate_indices"},
    # Of calls that stay calls: what they take and give follows from the function.
    "If": {"output_shapes", "Tout"},
    "StatelessIf": {"output_shapes", "Tout"},
    "Case": {"output_shapes", "Tout"},
    "StatelessCase": {"output_shapes", "Tout"},
    "While": {"output_shapes"},
    "StatelessWhile": {"output_shapes"},
    "PartitionedCall": {"Tout"},
    "StatefulPartitionedCall": {"Tout"},
    "Placeholder": {"shape"},
    "TensorArrayV3": {"tensor_array_name"},
    "TensorArrayV2": {"tensor_array_name"},
    "StackV2": {"stack_name"},
    "_SwitchN": {"num_outs"},
}

_COMPILED = ("_XlaMustCompile", "_XlaCompile")
"""Of a function or its call: whether XLA compiles it, which rounds otherwise."""

Digest = Callable[[str], str]
"""What a library function computes, as a text that is the same for the same computation."""


@dataclass(frozen=True, kw_only=True)
class _Definition:
    """What is known of an op: its attributes with their defaults, less those that mean nothing."""

    defaults: Mapping[str, Hashable]
    """None where an attribute has none."""
    implied: frozenset[str]
    """Those that follow from the inputs."""
    calls: bool
    """Whether it calls a function."""


def node_attributes(op: str, node: node_def_pb2.NodeDef, digest: Digest) -> Attributes:
    """Return the attributes of a node, which became an `op`, that decide what it computes.

    Left out are those at their default, those that follow from the inputs (the dtype of a MatMul),
    and those that name, place or hurry a node, or word its messages. Of an op that this
    TensorFlow does not know, all but those for TensorFlow's own use are kept.
    """
    definition = _definition(op)
    found: Attributes = []
    for name in sorted(node.attr):
        if name.startswith("_"):
            if (definition is None or definition.calls) and _is_compiled(name, node.attr):
                found.append((name, True))
            continue
        if definition is None:
            found.append((name, plain(node.attr[name], digest)))
        elif name in definition.defaults and not (name in definition.implied and node.input):
            value = plain(node.attr[name], digest)
            if value != definition.defaults[name] or value is None:
                found.append((name, value))
    return found


def marks_of(
    call: node_def_pb2.NodeDef, function: function_pb2.FunctionDef
) -> node_def_pb2.NodeDef:
    """Return a node of what decides how a function is run, without attributes where nothing does.

    Where the body of a function is laid open, such a node stands behind each of its results.
    """
    found = node_def_pb2.NodeDef(op="RunBy")
    for name in _COMPILED:
        if _is_compiled(name, call.attr) or _is_compiled(name, function.attr):
            found.attr[name.strip("_")].b = True
    if "executor_type" in call.attr and call.attr["executor_type"].s:
        found.attr["executor_type"].CopyFrom(call.attr["executor_type"])
    return found


def _is_compiled(name: str, attributes: Mapping[str, attr_value_pb2.AttrValue]) -> bool:
    return name in _COMPILED and name in attributes and attributes[name].b


def plain(value: attr_value_pb2.AttrValue, digest: Digest) -> Hashable:
    """Return the value of an attribute as something that can be compared and told."""
    kind = value.WhichOneof("value")
    if kind == "list":
        return tuple(
            _plain(name.name, each, digest)
            for name, elements in value.list.ListFields()
            for each in elements
        )
    return _plain(kind, getattr(value, kind), digest) if kind is not None else None


def _plain(kind: str, value: Any, digest: Digest) -> Hashable:
    found: Hashable = value
    if kind == "type":
        found = dtype_name(value)
    elif kind == "shape":
        found = ("shape", shape_of(value))
    elif kind == "tensor":
        found = _tensor(value)
    elif kind == "func":
        found = _function(value, digest)
    elif kind == "placeholder":
        found = ("placeholder", str(value))
    elif kind == "f":
        found = _number(float(value))
    return found


def _tensor(tensor: tensor_pb2.TensorProto) -> Hashable:
    """Return a tensor that is no node's constant; a hash stands for a large one."""
    found = constant_attributes(tensor)
    if all(name != "value" for name, _ in found):
        serialised = tensor.SerializeToString(deterministic=True)
        found.append(("hash", hashlib.blake2b(serialised, digest_size=16).hexdigest()))
    return tuple(found)


def _function(function: attr_value_pb2.NameAttrList, digest: Digest) -> Hashable:
    attributes = tuple(
        (name, plain(function.attr[name], digest))
        for name in sorted(function.attr)
        if not name.startswith("_")
    )
    return (digest(function.name), *attributes)


def _number(value: float) -> Hashable:
    """Return a number, and as text one that Python takes for another, or not for itself."""
    is_negative_zero = value == 0 and math.copysign(1, value) < 0
    return repr(value) if is_negative_zero or math.isnan(value) else value


@cache
def _definition(op: str) -> _Definition | None:
    definition = op_def_registry.get(op)
    if definition is None:
        return None
    dropped = _MEAN_NOTHING | _MEAN_NOTHING_TO.get(op, set())
    return _Definition(
        defaults={
            attribute.name: plain(attribute.default_value, str)
            for attribute in definition.attr
            if attribute.name not in dropped
        },
        implied=_implied(definition),
        calls=any(each.type in {"func", "list(func)"} for each in definition.attr),
    )


def _implied(definition: op_def_pb2.OpDef) -> frozenset[str]:
    arguments = definition.input_arg
    found = {argument.type_attr for argument in arguments if not argument.number_attr}
    lists = [argument for argument in arguments if argument.number_attr or argument.type_list_attr]
    if len(lists) == 1:  # of two lists, inputs do not say where the second begins
        (only,) = lists
        found |= {only.type_attr, only.number_attr, only.type_list_attr}
    return frozenset(found - {""})
