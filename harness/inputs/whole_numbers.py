"""Arrays of whole numbers, between two ends of any size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.criteria import Array
from harness.inputs.distributions import Shape, shares

LARGEST_COUNT = 9
"""Most integers that models take are small: ids, counts, labels."""
LARGEST_PIXEL = 255
HUGE_SPAN = 1000
"""Between ends further apart than this, small numbers are drawn as often as large ones."""

_UNEVEN = frozenset({"zeros", "ones", "constant", "ramp", "sparse", "image", "contrast"})
_EXACT = 2**53
_EXACT_IN_FLOAT32 = 2**16
"""Together with a low end of the same size; what lies further apart is drawn in 64 bits."""


@dataclass(frozen=True, kw_only=True)
class Ends:
    """The lowest and the highest of some whole numbers."""

    low: int
    high: int


def usual_ends(dtype: np.dtype[Any], distribution: str) -> Ends:
    """Return between which ends numbers are drawn of which nothing is known.

    All of the dtype for "normal", pixels for "image" and for bytes, else counts, of either sign for
    "integers".
    """
    if dtype.kind == "b":
        return Ends(low=0, high=1)
    limits = np.iinfo(dtype)
    if distribution == "normal":
        return Ends(low=int(limits.min), high=int(limits.max))
    is_pixel = dtype.itemsize == 1 or distribution == "image"
    high = min(int(limits.max), LARGEST_PIXEL if is_pixel else LARGEST_COUNT)
    low = max(int(limits.min), -high) if distribution == "integers" else 0
    return Ends(low=low, high=high)


def whole_numbers(
    ends: Ends, shape: Shape, dtype: np.dtype[Any], distribution: str, rng: np.random.Generator
) -> Array:
    """Return whole numbers between `ends`: all the lowest ("zeros"), all the highest ("ones"), …

    Evenly drawn, or for "normal", from 0 on or more up to an end far off, as many of each number
    of digits.
    """
    span = ends.high - ends.low
    if distribution in _UNEVEN and max(span, abs(ends.low)) <= _EXACT_IN_FLOAT32:
        part = shares(distribution, rng, shape, np.dtype(np.float32))
        part *= span
        np.rint(part, out=part)
        part += ends.low
        return part.astype(dtype)
    if distribution in _UNEVEN:
        steps = _steps(shares(distribution, rng, shape, np.dtype(np.float64)), span)
    elif distribution == "normal" and span > HUGE_SPAN and ends.low >= 0:
        steps = np.asarray(rng.integers(0, span, shape, np.uint64, endpoint=True))
        steps = np.asarray(steps >> rng.integers(0, span.bit_length(), shape, np.uint64))
    else:
        return np.asarray(rng.integers(ends.low, ends.high, shape, dtype, endpoint=True))
    # Modulo 2**64, where a negative end wraps around and back; numpy warns of it in scalars.
    moved: Array = steps.reshape(-1) + np.uint64(ends.low % 2**64)
    return moved.astype(dtype).reshape(shape)


def _steps(part: Array, span: int) -> Array:
    """Return which part of a whole number of steps each is."""
    # Floats are not exact at the far end of the largest spans, and rounded may lie past it.
    steps: Array = np.asarray(np.rint(part * min(span, _EXACT)), np.uint64)
    if span <= _EXACT:
        return steps
    return np.asarray(np.where(part == 1, np.uint64(span), steps * np.uint64(span // _EXACT)))
