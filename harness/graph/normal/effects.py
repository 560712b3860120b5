"""Ops that can reject what they see, or show it: a node may wait for them without reading them."""

from __future__ import annotations

from functools import cache

from tensorflow.python.framework import op_def_registry

from harness.graph.randomness import RANDOM_OPS
from harness.graph.state import VARIABLE_OPS

_CHECKS = frozenset({"Abort", "CheckNumerics", "CheckNumericsV2", "EnsureShape"})
_QUIET = frozenset({"ReadVariableOp", "VarIsInitializedOp", "IsVariableInitialized",
                    "VariableShape", "ResourceGather", "ResourceGatherNd", "DisableCopyOnRead",
                    "Empty", "TemporaryVariable"})  # fmt: skip
_QUIET_PREFIXES = ("TensorArray", "TensorList", "Stack", "Random", "Placeholder", "Stateless",
                   "HashTable", "MutableHashTable", "MutableDenseHashTable", "LookupTable",
                   "Iterator", "Anonymous", "Queue")  # fmt: skip
_WRITES = frozenset({"StackPush", "StackPushV2", "StackPop", "StackPopV2"})
_WRITES_PREFIXES = ("TensorArrayWrite", "TensorArrayScatter", "TensorArraySplit",
                    "TensorArrayUnpack")  # fmt: skip
_WRITE_NOTHING = frozenset({"DestroyTemporaryVariable", "IsVariableInitialized", "RefSelect",
                            "RefSwitch", "RefMerge", "RefEnter", "RefExit", "RefIdentity",
                            "RefNextIteration", "DebugGradientRefIdentity"})  # fmt: skip
"""Though they take references."""


@cache
def has_effect(op: str) -> bool:
    """Say whether an op can reject its input or show something, beside what it gives."""
    return op in _CHECKS or runs_unread(op)


@cache
def runs_unread(op: str) -> bool:
    """Say whether an op has an effect for which TensorFlow runs it though nothing reads it."""
    definition = op_def_registry.get(op)
    return (
        definition is not None
        and definition.is_stateful
        and op not in VARIABLE_OPS | RANDOM_OPS | _QUIET
        and not op.startswith(_QUIET_PREFIXES)
    )


@cache
def writes(op: str) -> bool:
    """Say whether an op writes what another may read that waits for it, and does not read it.

    A reference of a variable, a stack, or an array that is read by an older flow. TensorFlow runs
    none of them unless something asks for it.
    """
    definition = op_def_registry.get(op)
    if definition is None or op in _WRITE_NOTHING:
        return False
    return (
        op in _WRITES
        or op.startswith(_WRITES_PREFIXES)
        or any(each.is_ref and each.type_attr for each in definition.input_arg)
    )
