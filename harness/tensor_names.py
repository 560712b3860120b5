"""Names of nodes and tensors as they stand in a GraphDef.

A node's input is written "node" (its first output), "node:1", "^node" (a control edge), and inside
a function body "node:output_arg:0". Here a tensor is named "node" for its first output and
"node:1" past it, everywhere but on the way into a session.
"""

from __future__ import annotations


def node_name(reference: str) -> str:
    """Return the node that a node input or a tensor name refers to."""
    return reference.removeprefix("^").partition(":")[0]


def output_index(reference: str) -> int:
    """Return which output of its node a tensor name refers to."""
    _, _, index = reference.partition(":")
    return int(index) if index else 0


def is_control(reference: str) -> bool:
    """Say whether a node input is a control edge."""
    return reference.startswith("^")


def canonical(name: str) -> str:
    """Return "node" for "node:0", anything else as it is."""
    return name.removesuffix(":0")


def session_name(name: str) -> str:
    """Return the name by which a session knows the tensor: always with its index."""
    return name if ":" in name else f"{name}:0"
