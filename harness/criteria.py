"""When two arrays count as the same: bit for bit, or within a tolerance.

Identity is dtype, then shape, then bits; a NaN equals a NaN of any payload, and +0 differs from
-0. A complex number is two floats: a NaN in one part hides nothing in the other.
`numpy.testing.assert_array_equal` is no substitute: it passes +0 against -0 and float32 against
float64.

Closeness is relative to the largest finite magnitude of the expected tensor:

    |actual[i] - expected[i]| <= max(rtol, eps) * max_j |expected[j]|

where eps is the gap between 1 and the next value of the dtype (of a complex dtype: of its parts).
Two computations that both round rightly may land on neighbouring values, which lie that far apart:
a float16 or a float8 has no values that would meet a finer tolerance but the very same ones.
An absolute bound misleads (logits of size 8 differ by more than probabilities do), and a bound
relative to each element fails on elements that cancel to nearly nothing. Integers, booleans and
strings have no rounding: for them closeness is identity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_FLOAT_KINDS = "fc"
_LONGEST = 40
_MOST_ULP = 999


@dataclass(frozen=True, kw_only=True)
class Exact:
    """Same dtype, same shape, same bits."""

    def __str__(self) -> str:
        return "exact"


@dataclass(frozen=True, kw_only=True)
class Close:
    """Same dtype, same shape, values within `rtol` of the output's largest magnitude.

    Where `rtol` is finer than the dtype resolves, the resolution takes its place.
    """

    rtol: float

    def __post_init__(self) -> None:
        # With 1 and more the bound can overflow, and then a NaN would be close to a number.
        if not 0 <= self.rtol < 1:
            raise ValueError(f"rtol is {self.rtol}, and should be from 0 to below 1")

    def __str__(self) -> str:
        return f"close:{self.rtol:g}"


Criterion = Exact | Close


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """How far two arrays of one dtype and shape lie apart.

    `max_abs` is the largest absolute difference, `max_rel` the same over the largest finite
    magnitude expected, `max_ulp` the largest number of representable values between the two.
    Infinite where one side is NaN or infinite and the other is not the same.
    """

    max_ulp: int = 0
    max_abs: float = 0.0
    max_rel: float = 0.0

    def widened(self, other: Measurement) -> Measurement:
        """Return the larger of both, number by number."""
        return Measurement(
            max_ulp=max(self.max_ulp, other.max_ulp),
            max_abs=max(self.max_abs, other.max_abs),
            max_rel=max(self.max_rel, other.max_rel),
        )


NO_DIFFERENCE = Measurement()


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two arrays are not the same under a criterion, and where it shows most."""

    what: str
    """"dtype", "shape" or "values"."""
    expected: str
    actual: str
    index: tuple[int, ...] | None = None
    """Where the largest difference lies; None where dtype or shape differ."""
    mismatched: int = 0
    total: int = 0
    measured: Measurement = NO_DIFFERENCE

    def describe(self, name: str) -> str:
        """Return one sentence: `prediction[3, 0] = 0.71, but should be 0.12 (2 of 8 differ, …)`."""
        if self.index is None:
            return f"{name}: {self.what} is {self.actual}, but should be {self.expected}"
        where = f"{name}[{', '.join(map(str, self.index))}]" if self.index else name
        share = f"{self.mismatched:,} of {self.total:,} elements differ"
        largest = f", largest {self.measured.max_abs:.1e}" if self.measured.max_abs else ""
        # Of many, the number of representable values between two tells nobody anything.
        is_near = 0 < self.measured.max_ulp <= _MOST_ULP
        ulp = f", {self.measured.max_ulp} ULP" if is_near else ""
        return f"{where} = {self.actual}, but should be {self.expected} ({share}{largest}{ulp})"


def compare(expected: Array, actual: Array, *, criterion: Criterion) -> Difference | None:
    """Return how `actual` differs from `expected` under `criterion`, or None."""
    if expected.dtype != actual.dtype:
        return Difference(what="dtype", expected=str(expected.dtype), actual=str(actual.dtype))
    if expected.shape != actual.shape:
        return Difference(
            what="shape", expected=str(list(expected.shape)), actual=str(list(actual.shape))
        )
    unequal = unequal_bits(expected, actual)
    if not unequal.any():
        return None
    if isinstance(criterion, Close) and is_inexact(expected.dtype):
        unequal &= ~_within(expected, actual, rtol=criterion.rtol)
        if not unequal.any():
            return None
    return _difference(expected, actual, unequal)


def measure(expected: Array, actual: Array) -> Measurement:
    """Return how far `actual` lies from `expected`; both have one dtype and one shape."""
    if not unequal_bits(expected, actual).any():
        return NO_DIFFERENCE
    distance = distances(expected, actual)
    if distance is None:
        return Measurement(max_abs=math.inf, max_rel=math.inf)
    largest = float(distance.max())
    scale = _scale(expected)
    return Measurement(
        max_ulp=_max_ulp(expected, actual),
        max_abs=largest,
        max_rel=largest / scale if scale else (math.inf if largest else 0.0),
    )


def is_inexact(dtype: np.dtype[Any]) -> bool:
    """Say whether numbers of this dtype are rounded: floats and complex numbers."""
    # bfloat16 and the float8 family report kind "V": numpy does not know that they are floats.
    return dtype.kind in _FLOAT_KINDS or _is_extension_float(dtype)


def _is_extension_float(dtype: np.dtype[Any]) -> bool:
    if dtype.kind != "V" or dtype.names:
        return False
    try:
        ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]
    except (ValueError, KeyError, TypeError):
        return False
    return True


def numbers_of(array: Array) -> Array:
    """Return the numbers of `array` in one row; of complex ones, real and imaginary parts."""
    # `.view` to another width refuses arrays of rank 0 and arrays that are not contiguous.
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


def _bits(array: Array) -> Array:
    parts = numbers_of(array)
    return parts.view(f"u{parts.dtype.itemsize}")


def _is_nan(array: Array) -> npt.NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN like any other
        result: npt.NDArray[np.bool_] = np.asarray(np.not_equal(array, array))
    return result


def unequal_bits(expected: Array, actual: Array) -> npt.NDArray[np.bool_]:
    """Return which elements are not the same; both arrays have one dtype and one shape."""
    if expected.dtype.kind in "OSU":
        return np.asarray(expected != actual, dtype=bool).reshape(expected.shape)
    unequal = _unequal_parts(expected, actual)
    if expected.dtype.kind == "c":
        unequal = np.logical_or(unequal[0::2], unequal[1::2])
    return unequal.reshape(expected.shape)


def _unequal_parts(expected: Array, actual: Array) -> npt.NDArray[np.bool_]:
    unequal: npt.NDArray[np.bool_] = np.not_equal(_bits(expected), _bits(actual))
    if is_inexact(expected.dtype) and unequal.any():
        unequal &= ~(_is_nan(numbers_of(expected)) & _is_nan(numbers_of(actual)))
    return unequal


def _widened(array: Array) -> Array:
    """Return `array` in a dtype in which differences neither wrap nor round."""
    if array.dtype.kind == "c":
        return array.astype(np.complex128)
    if array.dtype.kind in "biu":
        # Differences of 64-bit integers do not fit 64 bits.
        return array.astype(object) if array.dtype.itemsize == 8 else array.astype(np.int64)
    with np.errstate(invalid="ignore"):
        return array.astype(np.float64)


def _scale(expected: Array) -> float:
    # Of rank 0, arithmetic on objects gives Python's integers and no arrays.
    magnitude = np.asarray(np.abs(_widened(expected)))
    if magnitude.dtype != object:
        magnitude = magnitude[np.isfinite(magnitude)]
    return float(magnitude.max()) if magnitude.size else 0.0


def distances(expected: Array, actual: Array) -> npt.NDArray[np.float64] | None:
    """Return |actual - expected| (float64, same shape), or None where there is no arithmetic."""
    if expected.dtype.kind in "OSU":
        return None
    with np.errstate(all="ignore"):
        wide_expected, wide_actual = _widened(numbers_of(expected)), _widened(numbers_of(actual))
        distance = abs(wide_actual - wide_expected).astype(np.float64)
        distance = np.where(np.isnan(distance), math.inf, distance)
        distance = np.where(_unequal_parts(expected, actual), distance, 0.0)
        if expected.dtype.kind == "c":
            distance = np.hypot(distance[0::2], distance[1::2])
    return distance.reshape(expected.shape)


def _within(expected: Array, actual: Array, *, rtol: float) -> npt.NDArray[np.bool_]:
    distance = distances(expected, actual)
    assert distance is not None  # only called for floats
    return distance <= max(rtol, _eps(expected)) * _scale(expected)


def _eps(array: Array) -> float:
    return float(ml_dtypes.finfo(numbers_of(array).dtype).eps)  # type: ignore[no-untyped-call]


def _max_ulp(expected: Array, actual: Array) -> int:
    """Return the largest distance on the total order of the floats of this dtype.

    Bits are mapped so that integer order is numeric order and +0 and -0 are neighbours; the
    subtraction is done on unsigned 64-bit integers, larger minus smaller, and cannot wrap.
    """
    if not is_inexact(expected.dtype):
        return 0
    left, right = _ordered(expected), _ordered(actual)
    apart = np.where(left > right, left - right, right - left)
    return int(np.where(_unequal_parts(expected, actual), apart, np.uint64(0)).max())


def _ordered(array: Array) -> npt.NDArray[np.uint64]:
    bits = _bits(array)
    sign = bits.dtype.type(1 << (8 * bits.dtype.itemsize - 1))
    return np.where(bits & sign, ~bits, bits | sign).astype(np.uint64)


def _difference(expected: Array, actual: Array, unequal: npt.NDArray[np.bool_]) -> Difference:
    distance = distances(expected, actual)
    if distance is None:
        position = int(np.argmax(unequal))
    else:
        # -1 keeps elements that the criterion accepts from winning over those it does not.
        position = int(np.argmax(np.where(unequal, distance, -1.0)))
    index = tuple(int(i) for i in np.unravel_index(position, expected.shape))
    return Difference(
        what="values",
        expected=_show(expected[index]),
        actual=_show(actual[index]),
        index=index,
        mismatched=int(unequal.sum()),
        total=expected.size,
        measured=measure(expected, actual),
    )


def _show(value: object) -> str:
    if isinstance(value, (bytes, str)):
        # A string may be an encoded picture.
        size = len(value)
        return repr(value) if size <= _LONGEST else f"{value[:_LONGEST]!r}… ({size:,} bytes)"
    # repr of a numpy 2 scalar carries its type ("np.float32(0.5)"), and str round trips as well.
    return str(value)
