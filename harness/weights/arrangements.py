"""The right numbers in another order: transposed, reversed, rolled, permuted along an axis."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import numpy.typing as npt

from harness.criteria import Array
from harness.signature import format_shape
from harness.weights.bits import paired_blocks, same
from harness.weights.explanation import Explanation

_MOST_AXES = 6
"""Of a tensor whose transposes are tried: there are 720 of six."""
_ELEMENTS_AT_A_TIME = 2**17
_LONGEST_AXIS = 2**20
_MOST_SORTED = 2**24
_MOST_ROLLS = 16
"""That are tried, where the first of the right slices stands in several places."""


def rearranged(right: Array, given: Array) -> Explanation | None:
    """Return in which order `given` holds the numbers of `right`, if it holds them at all."""
    if right.dtype != given.dtype or right.size != given.size or right.dtype.kind in "OSU":
        return None
    if _summary(right) != _summary(given):
        return None
    if right.shape != given.shape and same(right.reshape(given.shape), given):
        shapes = f"{format_shape(given.shape)}, not {format_shape(right.shape)}"
        return _as(f"in the shape {shapes}", many="in another shape")
    return _transposed(right, given) or _along_an_axis(right, given) or _in_any_order(right, given)


def _transposed(right: Array, given: Array) -> Explanation | None:
    if not 2 <= right.ndim == given.ndim <= _MOST_AXES:
        return None
    for order in _orders(right.ndim):
        if tuple(right.shape[axis] for axis in order) != given.shape:
            continue
        if same(right.transpose(order), given):
            moved = [axis for axis, source in enumerate(order) if axis != source]
            if len(moved) == 2:
                return _as(f"with axes {moved[0]} and {moved[1]} exchanged")
            return _as(f"with its axes in the order {list(order)}")
    return None


def _orders(rank: int) -> Iterator[tuple[int, ...]]:
    """Yield the orders of the axes other than their own, exchanges of two before all others."""
    own = tuple(range(rank))
    others = [order for order in permutations(own) if order != own]
    yield from sorted(others, key=lambda order: sum(map(int.__ne__, order, own)))


def _along_an_axis(right: Array, given: Array) -> Explanation | None:
    if right.shape != given.shape:
        return None
    for axis in reversed(range(right.ndim)):
        size = right.shape[axis]
        if not 2 <= size <= _LONGEST_AXIS:
            continue
        ours, theirs = _hashes(right, axis), _hashes(given, axis)
        if not np.array_equal(np.sort(ours), np.sort(theirs)):
            continue
        # Equal slices stand in the order of the hashes, be it which of them it may.
        order = np.empty(size, np.intp)
        order[np.argsort(theirs, kind="stable")] = np.argsort(ours, kind="stable")
        if same(np.take(right, order, axis=axis), given):
            which, of_many = _which(axis, right.ndim)
            if np.array_equal(ours[::-1], theirs):
                return _as(f"with {which} reversed", many=f"with {of_many} reversed")
            for by in np.flatnonzero(theirs == ours[0])[:_MOST_ROLLS].tolist():
                if np.array_equal(np.roll(ours, by), theirs):
                    how = f"rolled by {by}"
                    return _as(f"with {which} {how}", many=f"with {of_many} {how}")
            how = "in another order"
            return _as(f"with {which} {how}", many=f"with {of_many} {how}")
    return None


def _in_any_order(right: Array, given: Array) -> Explanation | None:
    if right.size > _MOST_SORTED:
        return None
    ours, theirs = np.sort(_bits(right)), np.sort(_bits(given))
    return _as("in another order") if np.array_equal(ours, theirs) else None


def _which(axis: int, rank: int) -> tuple[str, str]:
    """Return what the axis is called of one variable and of several."""
    if axis == rank - 1:
        return ("its last axis" if rank > 1 else "its elements"), "their last axis"
    return f"its axis {axis}", f"axis {axis}"


def _as(how: str, *, many: str = "") -> Explanation:
    short = how.partition(", not ")[0]
    return Explanation(
        kind=f"rearranged {many or short}",
        one=f"holds its value {how}",
        many=f"hold their values {many or short}",
        short=f"holds its value {short}",
    )


def _summary(array: Array) -> tuple[int, int]:
    """Return numbers that are the same for the same elements in any order, and hardly else."""
    total = squares = 0
    for block, _ in paired_blocks(array, array):
        bits = _bits(block)
        total += int(bits.sum(dtype=np.uint64))
        squares += int((bits * (bits ^ np.uint64(0x9E3779B97F4A7C15))).sum(dtype=np.uint64))
    return total % 2**64, squares % 2**64


def _hashes(array: Array, axis: int) -> npt.NDArray[np.uint64]:
    """Return a number for each slice along `axis` that tells it from the others."""
    rows = np.moveaxis(array, axis, 0)
    width = max(1, array.size // rows.shape[0])
    weights = np.random.default_rng(0).integers(1, 2**63, size=width, dtype=np.uint64)
    at_a_time = max(1, _ELEMENTS_AT_A_TIME // width)
    result = np.empty(rows.shape[0], np.uint64)
    for start in range(0, rows.shape[0], at_a_time):
        bits = _bits(rows[start : start + at_a_time]).reshape(-1, width)
        result[start : start + at_a_time] = (bits * weights).sum(axis=1, dtype=np.uint64)
    return result


def _bits(block: Array) -> npt.NDArray[np.uint64]:
    flat = np.ascontiguousarray(block).reshape(-1)
    if flat.itemsize > 8:  # two words each: of a complex number, its parts
        words = flat.view(np.uint64).reshape(-1, flat.itemsize // 8)
        return np.asarray(words[:, 0] * np.uint64(0x9E3779B97F4A7C15) + words[:, 1])
    return flat.view(f"u{flat.itemsize}").astype(np.uint64)
