"""Numbers at which computations change: not finite, tiny, huge, -0, and those a graph compares."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np

from harness.criteria import Array
from harness.domain import Number

LANDMARKS = "landmarks"
ENDS = "ends"
EMPTY = "empty"
"""Of a sparse tensor: it has no entries."""

_LISTED = 10_000
"""Of more elements than this, it does not matter if one is taken twice."""


def largest_finite(dtype: np.dtype[Any]) -> float:
    """Return the largest finite value of a float dtype."""
    return float(ml_dtypes.finfo(dtype).max)  # type: ignore[no-untyped-call]


def smallest_normal(dtype: np.dtype[Any]) -> float:
    """Return the smallest positive value of a float dtype that has all its bits."""
    return float(ml_dtypes.finfo(dtype).tiny)  # type: ignore[no-untyped-call]


def part_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of the parts of a complex dtype, and a float dtype itself."""
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype


def _subnormals(dtype: np.dtype[Any]) -> Array:
    # By their bits: numpy warns of its own figure where the processor flushes them to zero.
    bits = np.dtype(f"u{dtype.itemsize}")
    normal = np.array(smallest_normal(dtype)).astype(dtype).view(bits)
    positive = np.array([1, normal - 1]).astype(bits).view(dtype)
    return np.concatenate([positive, -positive])


def _numbers(*values: float) -> Callable[[np.dtype[Any]], Array]:
    return lambda dtype: _as(dtype, values)


def _as(dtype: np.dtype[Any], values: Sequence[float]) -> Array:
    with np.errstate(all="ignore"):
        return np.array(values, np.float64).astype(dtype)


_SPECIAL: dict[str, Callable[[np.dtype[Any]], Array]] = {
    "negative zero": _numbers(-0.0),
    "subnormal": _subnormals,
    "smallest": lambda dtype: _as(dtype, (smallest_normal(dtype), -smallest_normal(dtype))),
    "largest": lambda dtype: _as(dtype, (largest_finite(dtype), -largest_finite(dtype))),
    "infinity": _numbers(math.inf),
    "negative infinity": _numbers(-math.inf),
    "nan": _numbers(math.nan),
}


def special_names(dtype: np.dtype[Any]) -> tuple[str, ...]:
    """Return the special values that a float dtype has; float8_e4m3fn has no infinities."""
    part = part_type(dtype)
    infinite = np.isinf(_as(part, (math.inf,)).astype(np.float64)).all()
    return tuple(name for name in _SPECIAL if infinite or "infinity" not in name)


def special_values(name: str, dtype: np.dtype[Any]) -> Array:
    """Return the values of a float dtype, or of the parts of a complex one, by that name."""
    return _SPECIAL[name](part_type(dtype))


def landmark_values(landmarks: Sequence[Number], dtype: np.dtype[Any]) -> Array:
    """Return numbers and their neighbours in `dtype`, those that it holds."""
    finite = [number for number in landmarks if math.isfinite(number)]
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        near = {
            whole
            for number in finite
            for whole in range(math.floor(number) - 1, math.ceil(number) + 2)
        }
        return np.array(sorted(n for n in near if limits.min <= n <= limits.max), dtype)
    part = part_type(dtype)
    most = largest_finite(part)
    values = _as(part, [float(number) for number in finite if abs(number) <= most])
    low, high = _as(part, (-most, most))
    return np.concatenate([values, np.nextafter(values, high), np.nextafter(values, low)])


def within(candidates: Array, low: Number, high: Number) -> Array:
    """Return those from `low` to `high`; a NaN is none."""
    return np.array([c for c in candidates if low <= c.item() <= high], candidates.dtype)


def scatter(values: Array, candidates: Array, rng: np.random.Generator, *, most: int) -> None:
    """Put candidates in some elements of `values`, in `most` at most; each of them, where it can.

    Of complex values, the real part is replaced.
    """
    flat = values.reshape(-1)
    if not flat.size or not candidates.size:
        return
    # First, so that the same ones stand first in arrays of every size: they shrink well.
    order = rng.permutation(candidates)
    most = min(most, flat.size)
    count = int(rng.integers(min(candidates.size, most), most, endpoint=True))
    if flat.size <= _LISTED:
        places = rng.permutation(flat.size)[:count]
    else:
        places = rng.integers(flat.size, size=count)
    target = flat.real if flat.dtype.kind == "c" else flat
    target[places] = np.resize(order, count)
