"""Large arrays held against each other bit for bit, a block at a time.

What `criteria` says of two arrays, without temporaries of their size: a checkpoint may hold
gigabytes, and most of what is compared is equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import ml_dtypes
import numpy as np

from harness.criteria import (
    Array,
    Difference,
    Exact,
    Measurement,
    compare,
    is_inexact,
    unequal_bits,
)

_BLOCK_BYTES = 2**16
"""Temporaries of such a size stay in the processor's cache, and are not asked of the system."""
_QUICK = (np.dtype(np.float32), np.dtype(np.float16))
_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def plain(array: Array) -> Array:
    """Return the array in a dtype that there is arithmetic for, bits unchanged.

    TensorFlow up to 2.12 has a bfloat16 of its own, and names its quantised integers ("quint8") as
    the one field of a record.
    """
    dtype = array.dtype
    if dtype.names and len(dtype.names) == 1:
        return array[dtype.names[0]]
    if dtype.kind == "V" and dtype.name == _BFLOAT16.name and dtype != _BFLOAT16:
        return array.view(_BFLOAT16)
    return array


def difference(expected: Array, actual: Array) -> Difference | None:
    """Return how `actual` differs from `expected` in dtype, shape or any bit; None if it does not.

    As `criteria.compare` under `Exact`, but for the memory that it takes.
    """
    if expected.dtype.names == actual.dtype.names:
        expected, actual = plain(expected), plain(actual)
    if expected.dtype != actual.dtype or expected.shape != actual.shape or not expected.nbytes:
        return compare(expected, actual, criterion=Exact())
    expected_row, actual_row = expected.reshape(-1), actual.reshape(-1)
    found: Difference | None = None
    for block in _blocks(expected_row):
        one = expected_row[block], actual_row[block]
        if _differs(*one):
            here = _of_floats(*one) or compare(*one, criterion=Exact())
            assert here is not None
            found = _joined(found, _moved(here, by=block.start))
    return None if found is None else _of_whole(found, expected_row, shape=expected.shape)


def same(expected: Array, actual: Array) -> bool:
    """Say whether two arrays are equal in dtype, shape and bits; it stops at the first that is not.

    Either may be a view with other strides, such as a transpose.
    """
    if expected.dtype.names == actual.dtype.names:
        expected, actual = plain(expected), plain(actual)
    return (
        expected.dtype == actual.dtype
        and expected.shape == actual.shape
        and all(not _differs(a, b) for a, b in paired_blocks(expected, actual))
    )


def same_under(change: Callable[[Array], Array], original: Array, actual: Array) -> bool:
    """Say whether `change`, which works element by element, makes `actual` of `original`."""
    return original.shape == actual.shape and all(
        (changed := change(a)).dtype == b.dtype and not _differs(changed, b)
        for a, b in paired_blocks(original, actual)
    )


def paired_blocks(one: Array, other: Array) -> Iterator[tuple[Array, Array]]:
    """Yield small parts of two arrays of one shape, each beside its counterpart."""
    if one.nbytes <= _BLOCK_BYTES or one.size <= 1:
        yield one, other
        return
    if one.flags.c_contiguous and other.flags.c_contiguous:
        one, other = one.reshape(-1), other.reshape(-1)
        for block in _blocks(one):
            yield one[block], other[block]
        return
    axis = next(axis for axis, size in enumerate(one.shape) if size > 1)
    middle = one.shape[axis] // 2
    for half in (slice(None, middle), slice(middle, None)):
        index = (*[slice(None)] * axis, half)
        yield from paired_blocks(one[index], other[index])


def _differs(expected: Array, actual: Array) -> bool:
    """Say whether two small arrays of one dtype and shape differ in a bit that counts."""
    if expected.dtype.kind in "OSU":
        return bool(unequal_bits(expected, actual).any())
    if np.array_equal(_words(expected), _words(actual)):
        return False
    return not is_inexact(expected.dtype) or bool(unequal_bits(expected, actual).any())


def _words(array: Array) -> Array:
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return flat if flat.size % 8 else flat.view(np.uint64)


def _blocks(row: Array) -> Iterator[slice]:
    step = max(1, _BLOCK_BYTES // row.itemsize)
    for start in range(0, row.size, step):
        yield slice(start, min(row.size, start + step))


def _of_floats(expected: Array, actual: Array) -> Difference | None:
    """Return what `compare` returns for two rows of small finite floats, sooner.

    None where it is not as simple: another dtype, an infinity, NaN, or zeros of other signs alone.
    """
    if expected.dtype not in _QUICK:
        return None
    with np.errstate(invalid="ignore"):
        distance = np.subtract(actual, expected, dtype=np.float64)
    np.abs(distance, out=distance)
    position = int(distance.argmax())  # that of a NaN, if there is one
    largest = float(distance[position])
    if not 0 < largest < np.inf:
        return None
    there = slice(position, position + 1)
    shown = compare(expected[there], actual[there], criterion=Exact())
    assert shown is not None
    words = f"u{expected.itemsize}"
    mismatched = int(np.count_nonzero(expected.view(words) != actual.view(words)))
    apart = np.subtract(_ordered(actual), _ordered(expected), dtype=np.int64)
    measured = Measurement(max_ulp=int(np.abs(apart, out=apart).max()), max_abs=largest)
    return replace(shown, index=(position,), mismatched=mismatched, measured=measured)


def _ordered(row: Array) -> Array:
    """Return integers that lie as far apart as the floats."""
    integers = row.view(f"i{row.itemsize}")
    # Of a negative number all bits but the sign are turned: it counts down from there.
    signs = integers >> (8 * row.itemsize - 1)  # 0, or -1 for a negative
    return np.asarray(integers ^ (signs & np.iinfo(integers.dtype).max))


def _moved(part: Difference, *, by: int) -> Difference:
    assert part.index is not None
    return replace(part, index=(part.index[0] + by,))


def _joined(one: Difference | None, other: Difference) -> Difference:
    """Return the difference that shows more, counted and measured over both."""
    if one is None:
        return other
    larger = other if other.measured.max_abs > one.measured.max_abs else one
    return replace(
        larger,
        mismatched=one.mismatched + other.mismatched,
        measured=one.measured.widened(other.measured),
    )


def _of_whole(found: Difference, row: Array, *, shape: tuple[int, ...]) -> Difference:
    """Return a difference between rows as one between arrays of `shape`."""
    assert found.index is not None
    measured = found.measured
    if row.dtype.kind not in "OSU":
        scale = max(_largest(row[block]) for block in _blocks(row))
        relative = measured.max_abs / scale if scale else (math.inf if measured.max_abs else 0.0)
        measured = replace(measured, max_rel=relative)
    index = tuple(int(i) for i in np.unravel_index(found.index[0], shape))
    return replace(found, index=index, total=row.size, measured=measured)


def _largest(block: Array) -> float:
    """Return the largest finite magnitude, 0 where there is none."""
    if block.dtype.kind in "biu":
        return float(max(abs(int(block.min())), abs(int(block.max()))))
    if block.dtype.kind == "f":
        largest = max(abs(float(block.min())), abs(float(block.max())))
        if math.isfinite(largest):
            return largest
    magnitude = np.abs(block.astype(np.complex128 if block.dtype.kind == "c" else np.float64))
    magnitude = magnitude[np.isfinite(magnitude)]
    return float(magnitude.max()) if magnitude.size else 0.0
