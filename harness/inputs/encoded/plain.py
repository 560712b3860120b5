"""Numbers and words as they stand in CSV, in decimal text and in a tf.train.Example."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

from harness.criteria import Array
from harness.domain import Choices, Phase, Range, Value, Values
from harness.errors import RequestError
from harness.inputs.dtypes import numpy_dtype

RARELY = 1 / 16
"""How often something is drawn that many models refuse."""

WORDS = (b"a", b"0", b"1.5", b"-7", b"freeze", b"two words", "naïve".encode(), b"\x00\xff")


def plain_values(
    dtype_name: str,
    values: Values | None,
    count: int,
    rng: np.random.Generator,
    *,
    simplest: bool = False,
) -> Array:
    """Return `count` values of a TensorFlow dtype in an array of one dimension.

    Raises:
        RequestError: `values` are none of that dtype, or of a kind that is an input's alone.
    """
    dtype = numpy_dtype(dtype_name)
    if dtype.kind == "c":
        raise RequestError(f"a field cannot hold {dtype_name}")
    if isinstance(values, Range) and dtype.kind != "O":
        low, high = _ends(values, dtype)
        return np.full(count, low, dtype) if simplest else _between(low, high, dtype, count, rng)
    if isinstance(values, Choices):
        choices = _as_array(values.values, dtype)
        return choices[np.zeros(count, int) if simplest else rng.integers(len(choices), size=count)]
    if isinstance(values, Phase):
        return np.repeat(_as_array((values.inference,), dtype), count)
    if values is not None:
        raise RequestError(f"a field of {dtype_name} cannot hold: {values}")
    if dtype.kind == "O":
        choices = _as_array((b"",) if simplest else (b"", *WORDS), dtype)
        return choices[rng.integers(len(choices), size=count)]
    if simplest:
        return np.zeros(count, dtype)
    return (_whole_numbers if dtype.kind in "biu" else _floats)(dtype, count, rng)


def _as_array(values: tuple[Value, ...], dtype: np.dtype[Any]) -> Array:
    for value in values:
        if isinstance(value, (str, bytes)) != (dtype.kind == "O"):
            raise RequestError(f"a field of {_name(dtype)} cannot hold {value!r}")
    if dtype.kind != "O":
        return np.array(values).astype(dtype)
    strings = np.empty(len(values), dtype=object)
    strings[:] = [value.encode() if isinstance(value, str) else value for value in values]
    return strings


def _ends(bounds: Range, dtype: np.dtype[Any]) -> tuple[float, float]:
    lowest, highest = _limits(dtype)
    low, high = max(bounds.low, lowest), min(bounds.high, highest)
    if dtype.kind in "biu":
        low, high = math.ceil(low), math.floor(high)
    if low > high:
        raise RequestError(f"a field of {_name(dtype)} cannot hold {bounds}")
    return low, high


def _between(
    low: float, high: float, dtype: np.dtype[Any], count: int, rng: np.random.Generator
) -> Array:
    if dtype.kind in "biu":
        widest = np.dtype("uint64" if dtype.kind == "u" else "int64")
        return np.asarray(rng.integers(int(low), int(high), count, widest, endpoint=True)).astype(
            dtype
        )
    part = rng.random(count)
    # Not low + (high - low) * part: the difference may be infinite.
    drawn = np.clip(low * (1 - part) + high * part, low, high)
    # Nothing else draws the ends themselves.
    return np.where(part < RARELY, np.where(part < RARELY / 2, low, high), drawn).astype(dtype)


def _whole_numbers(dtype: np.dtype[Any], count: int, rng: np.random.Generator) -> Array:
    low, high = _limits(dtype)
    kind = rng.random()
    if kind >= RARELY:
        # Most integers that models take are small: ids, counts, classes.
        low, high = (0 if kind < 0.75 else max(low, -9)), min(high, 9)
    return _between(low, high, dtype, count, rng)


def _floats(dtype: np.dtype[Any], count: int, rng: np.random.Generator) -> Array:
    drawn = rng.standard_normal(count) * 10.0 ** rng.integers(-3, 4)
    if rng.random() < 0.25:
        drawn = np.round(drawn)
    return np.clip(drawn, *_limits(dtype)).astype(dtype)


def _limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    if dtype.kind == "b":
        return 0, 1
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return limits.min, limits.max
    largest = float(ml_dtypes.finfo(dtype).max)  # type: ignore[no-untyped-call]
    return -largest, largest


def _name(dtype: np.dtype[Any]) -> str:
    return "string" if dtype.kind == "O" else dtype.name
