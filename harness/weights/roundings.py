"""Values that are the right ones but for their precision, their scale, or any content at all."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np

from harness.criteria import Array, is_inexact
from harness.weights.bits import paired_blocks, same_under
from harness.weights.explanation import Explanation

_PRECISIONS = ("float16", "bfloat16", "float32", "float8_e4m3fn", "float8_e5m2")
_LEVELS = 256
_GRIDS = (255, 254, 256)
"""Into how many steps the range of a value may be divided: by 0 to 255, by -127 to 127."""
_OFF_GRID = 0.01
_MOST_OFF_GRID = 0.2
_FEWEST_LEVELS = 4
_FEWEST_SCALED = 3
_SCALE_TOLERANCE = 1e-6
_NEARLY_ONE = 1e-3
_LOOKED_AT = 4096


def rounded(right: Array, given: Array) -> Explanation | None:
    """Return whether `given` is `right` in another precision or scale, or nothing but one number.

    The first that fits, bit for bit; levels and a scale within their own rounding.
    """
    if right.shape != given.shape or right.dtype.kind in "OSU" or given.dtype.kind in "OSU":
        return None
    if right.dtype != given.dtype:
        return _converted(right, given)
    constant = _constant(given)
    if constant is not None or not is_inexact(right.dtype):
        return constant
    return _less_precise(right, given) or _in_levels(right, given) or _scaled(right, given)


def _converted(right: Array, given: Array) -> Explanation | None:
    if not same_under(_cast(given.dtype), right, given):
        return None
    text = f"as {given.dtype}, not {right.dtype}"
    return Explanation(
        kind=f"converted {given.dtype}",
        one=f"holds its value {text}",
        many=f"hold their values {text}",
        short=f"holds its value as {given.dtype}",
    )


def _constant(given: Array) -> Explanation | None:
    row = given.reshape(-1)
    if row.size < 2 or not same_under(lambda block: np.full_like(block, row[0]), given, given):
        return None
    return Explanation(
        kind="one number",
        one=f"is {row[0]} throughout",
        many="are one number throughout",
        short=f"is {row[0]} throughout",
    )


def _less_precise(right: Array, given: Array) -> Explanation | None:
    for name in _PRECISIONS:
        dtype = np.dtype(getattr(ml_dtypes, name, None) or name)
        if dtype.itemsize >= right.dtype.itemsize or right.dtype.kind == "c":
            continue
        if same_under(_through(dtype), right, given):
            return _rounded_to(name)
    return None


def _rounded_to(what: str) -> Explanation:
    return Explanation(
        kind=f"rounded to {what}",
        one=f"holds its value rounded to {what}",
        many=f"hold their values rounded to {what}",
        short=f"holds its value rounded to {what}",
    )


def _in_levels(right: Array, given: Array) -> Explanation | None:
    """Look for at most 256 levels at equal distances, each value moved to one that is near."""
    if right.dtype.kind == "c" or right.size < _FEWEST_LEVELS:
        return None
    if in_levels(right, given):
        return _rounded_to("8 bits")
    return _in_levels_by_channel(right, given)


def in_levels(right: Array, given: Array) -> bool:
    """Say whether `given` has at most 256 values, equally spaced, each within a step of `right`.

    Most of them have to differ: of few values that are a grid by nature one may just be wrong.
    """
    levels = _levels(given)
    if levels is None or levels.size < _FEWEST_LEVELS or not np.isfinite(levels).all():
        return False
    lowest, highest = _range(right)
    spans = {levels[-1] - levels[0], highest - lowest, 2 * max(abs(lowest), abs(highest))}
    spans |= {max(highest, 0.0) - min(lowest, 0.0)}  # many schemes want 0 among the levels
    resolution = float(ml_dtypes.finfo(right.dtype).eps) * float(np.abs(levels).max())  # type: ignore[no-untyped-call]
    return any(
        _is_grid(levels, step, resolution) and _are_moved(right, given, most=step)
        for span in sorted(spans)
        if 0 < span < np.inf
        for step in (span / parts for parts in _GRIDS)
    )


def _levels(given: Array) -> Array | None:
    """Return the values of `given` in ascending order, None where there are more than 256."""
    found = np.empty(0, np.float64)
    for block, _ in paired_blocks(given, given):
        row = block.reshape(-1).astype(np.float64)
        for part in (row[:_LOOKED_AT], row[_LOOKED_AT:]):  # most are told by the first few
            found = np.union1d(found, part)
            if found.size > _LEVELS:
                return None
    return found


def _range(array: Array) -> tuple[float, float]:
    lowest, highest = np.inf, -np.inf
    for block, _ in paired_blocks(array, array):
        row = block.astype(np.float64)
        lowest, highest = min(lowest, float(row.min())), max(highest, float(row.max()))
    return lowest, highest


def _in_levels_by_channel(right: Array, given: Array) -> Explanation | None:
    channels = right.shape[-1] if right.ndim > 1 else 0
    if not channels or right.size // channels < 2 * _FEWEST_LEVELS:
        return None
    if all(in_levels(right[..., i], given[..., i]) for i in range(channels)):
        return _rounded_to("8 bits, each channel for itself")
    return None


def _is_grid(levels: Array, step: float, resolution: float) -> bool:
    places = (levels - levels[0]) / step
    off = min(_OFF_GRID + resolution / step, _MOST_OFF_GRID)
    return places[-1] <= _LEVELS and bool((np.abs(places - np.rint(places)) < off).all())


def _are_moved(right: Array, given: Array, *, most: float) -> bool:
    moved = 0
    for a, b in paired_blocks(right, given):
        distance = np.abs(a.astype(np.float64) - b.astype(np.float64))
        if not (distance <= most * (1 + _OFF_GRID)).all():
            return False
        moved += int(np.count_nonzero(distance))
    return moved * 2 >= right.size


def _scaled(right: Array, given: Array) -> Explanation | None:
    factor = _factor(right, given)
    if factor is None:
        return None
    exact = same_under(lambda block: block * right.dtype.type(factor), right, given)
    if not exact and abs(factor - 1) < _NEARLY_ONE:
        return None
    if not exact and not all(_is_multiple(a, b, factor) for a, b in paired_blocks(right, given)):
        return None
    text = "the negative of" if factor == -1 else f"{factor:.6g} times"
    return Explanation(
        kind=f"scaled {text}",
        one=f"holds {text} its value",
        many=f"hold {text} their values",
        short=f"holds {text} its value",
    )


def _factor(right: Array, given: Array) -> float | None:
    """Return by what the largest of the first elements was multiplied."""
    if right.dtype.kind == "c":
        return None
    first = right.reshape(-1)[:_LOOKED_AT].astype(np.float64)
    usable = np.isfinite(first) & (first != 0)
    if int(usable.sum()) < _FEWEST_SCALED:
        return None
    largest = int(np.argmax(np.where(usable, np.abs(first), 0.0)))
    factor = float(given.reshape(-1)[largest]) / float(first[largest])
    return factor if np.isfinite(factor) and factor != 0 else None


def _is_multiple(right: Array, given: Array, factor: float) -> bool:
    made, found = right.astype(np.float64) * factor, given.astype(np.float64)
    return bool((np.abs(made - found) <= _SCALE_TOLERANCE * np.abs(made)).all())


def _cast(dtype: np.dtype[np.generic]) -> Callable[[Array], Array]:
    def cast(block: Array) -> Array:
        with np.errstate(all="ignore"):
            return block.astype(dtype)

    return cast


def _through(dtype: np.dtype[np.generic]) -> Callable[[Array], Array]:
    def change(block: Array) -> Array:
        with np.errstate(all="ignore"):
            return block.astype(dtype).astype(block.dtype)

    return change
