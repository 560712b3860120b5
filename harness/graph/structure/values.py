"""The values of small constants, as far as matching and its sentences need them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorflow.python.framework import dtypes as tf_dtypes

from harness.graph.normal.graph import Node
from harness.graph.structure.kinds import attribute, shape_of
from harness.signature import format_shape

Array = npt.NDArray[Any]

_MOST_SHOWN = 8


def small_value(node: Node) -> Array | None:
    """Return the value of a small constant of numbers; None for what has none."""
    value, shape = attribute(node, "value"), shape_of(node)
    if not isinstance(value, bytes) or shape is None or None in shape:
        return None
    try:
        dtype = tf_dtypes.as_dtype(attribute(node, "dtype")).as_numpy_dtype
        return np.frombuffer(value, dtype=dtype).reshape(shape)
    except (KeyError, TypeError, ValueError):  # numpy has no such dtype: these are a proto's bytes
        return None


def are_equal(one: Node, other: Node) -> bool | None:
    """Say whether two constants are the same bits; None where their values are not at hand.

    Of numbers that are none (NaN) there are many, and one is as good as another.
    """
    before, after = attribute(one, "value"), attribute(other, "value")
    if one.attributes == other.attributes:
        return None if before is None else True
    if before is None or after is None:
        return None if _kind(one) == _kind(other) else False
    if _kind(one) != _kind(other):
        return False
    value, its = small_value(one), small_value(other)
    if value is None or its is None or value.dtype.kind not in "fc":
        return False
    are_none = np.isnan(value)
    same_place = np.array_equal(are_none, np.isnan(its))
    return same_place and value[~are_none].tobytes() == its[~are_none].tobytes()


def _kind(node: Node) -> tuple[Hashable, Hashable]:
    return attribute(node, "dtype"), attribute(node, "shape")


def value_text(node: Node) -> str:
    """Return the value of a constant as a sentence shows it: all of it, or its dtype and shape."""
    strings = attribute(node, "value")
    if isinstance(strings, tuple) and len(strings) <= _MOST_SHOWN:
        return str(list(strings) if shape_of(node) else strings[0])
    value = small_value(node)
    if value is not None and value.size <= _MOST_SHOWN:
        return _text(value)
    return f"{attribute(node, 'dtype', 'a constant')} {format_shape(shape_of(node))}"


def _text(value: Array) -> str:
    # By numpy's numbers, which show 0.1 of float32 as 0.1.
    return f"[{', '.join(map(_text, value))}]" if np.ndim(value) else str(value[()])
