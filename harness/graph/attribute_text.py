"""The attributes of a node that matter for what it computes, as text, and how those of two differ.

Dtypes follow from the inputs, names and hints are for TensorFlow itself, and what has the op's
default value is told of the layout alone.
"""

from __future__ import annotations

from typing import Any

from tensorflow.core.framework import node_def_pb2
from tensorflow.python.framework import op_def_registry

_LONGEST = 60
_ALWAYS_TOLD = frozenset({"data_format"})
_FOR_TENSORFLOW = frozenset({"config", "config_proto", "container", "executor_type", "frame_name",
                             "is_constant", "message", "output_shapes", "parallel_iterations",
                             "seed", "seed2", "shape", "shared_name", "swap_memory",
                             "use_cudnn_on_gpu", "use_locking", "validate_indices"})  # fmt: skip


def attributes_of(node: node_def_pb2.NodeDef) -> tuple[str, ...]:
    """Return "data_format NHWC" and the like, sorted by name."""
    usual = _defaults(node.op)
    return tuple(
        f"{name} {text}"
        for name, text in sorted(_stated(node).items())
        if name in _ALWAYS_TOLD or usual.get(name) != text
    )


def changed_attributes(
    expected: node_def_pb2.NodeDef, actual: node_def_pb2.NodeDef
) -> tuple[str, ...]:
    """Return "strides [1, 2, 2, 1] became [1, 1, 1, 1]" and the like, of nodes of one op."""
    if expected.op != actual.op:
        return ()
    usual = _defaults(expected.op)
    before, after = usual | _stated(expected), usual | _stated(actual)
    return tuple(
        f"{name} {before.get(name, 'absent')} became {after.get(name, 'absent')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def _stated(node: node_def_pb2.NodeDef) -> dict[str, str]:
    return _texts((name, value) for name, value in node.attr.items())


def _defaults(op: str) -> dict[str, str]:
    definition = op_def_registry.get(op)
    attributes = definition.attr if definition is not None else ()
    return _texts((a.name, a.default_value) for a in attributes if a.HasField("default_value"))


def _texts(attributes: Any) -> dict[str, str]:
    told = (
        (name, _text(value))
        for name, value in attributes
        if not name.startswith("_") and name not in _FOR_TENSORFLOW
    )
    return {name: text for name, text in told if text is not None}


def _text(value: Any) -> str | None:
    """Return the value of an attribute; None for dtypes, shapes, tensors and functions."""
    kind = value.WhichOneof("value")
    if kind == "list":
        items = [*map(_bytes_text, value.list.s), *value.list.i, *map(_float_text, value.list.f)]
        items += [bool(item) for item in value.list.b]
        is_of_others = value.list.type or value.list.shape or value.list.tensor or value.list.func
        return None if is_of_others else _shortened(f"[{', '.join(map(str, items))}]")
    if kind == "s":
        return _shortened(_bytes_text(value.s))
    if kind == "f":
        return _float_text(value.f)
    return str(getattr(value, kind)) if kind in ("i", "b") else None


def _bytes_text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")


def _float_text(value: float) -> str:
    return f"{value:.7g}"  # as many digits as a float of an attribute has


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
