"""The values of weights in functions that are told by a digest, as hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import count

import numpy as np

from harness.criteria import Array
from harness.graph.normal.graph import Node

_UNKNOWN = count()


class Values:
    """What is told of large constants, whose values are not among a node's attributes."""

    def __init__(self, values: Mapping[str, Array] | None) -> None:
        """Read nothing yet; `values` are by `Node.constant`, and may be by `Node.variable` too."""
        self._values = {} if values is None else values
        self._told: dict[str, str] = {}

    def told(self, node: Node) -> str:
        """Return what a weight holds; of one whose value is unknown, what equals nothing else.

        A variable whose value is unknown is told by its name.
        """
        if node.op == "Variable":
            return self._hash(node.variable) or f"the variable {node.variable}"
        if node.op != "Const" or any(name == "value" for name, _ in node.attributes):
            return ""
        return self._hash(node.constant) or f"an unknown value, {next(_UNKNOWN)}"

    def _hash(self, name: str) -> str:
        """Return the hash of a value, "" where there is none; no value is kept."""
        if name not in self._told:
            try:
                value = self._values[name]
            except KeyError:
                self._told[name] = ""
            else:
                self._told[name] = _hash(value)
        return self._told[name]


def _hash(value: Array) -> str:
    digest = hashlib.blake2b(digest_size=16)
    if value.dtype == object:
        for element in value.ravel():
            text = element if isinstance(element, bytes) else str(element).encode()
            digest.update(len(text).to_bytes(8, "little"))
            digest.update(text)
    else:
        digest.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
