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
