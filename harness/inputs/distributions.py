"""Floats of the distributions that a recipe may name, filled in bulk by numpy.

`hypothesis.extra.numpy.arrays` draws few elements and fills the rest with one value (a median of 5
distinct values in 24,576); a fault that needs a picture with contrast is never seen that way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from harness.criteria import Array

Shape = tuple[int, ...]
FloatType = np.dtype[Any]
"""float32 or float64: what numpy's generators fill."""

_Fill = Callable[[np.random.Generator, Shape, FloatType], Array]

_SPARSE = 10
"""One of so many elements is not zero."""
_CELLS = 6
_MOST_CHANNELS = 4


def image(rng: np.random.Generator, shape: Shape, dtype: FloatType) -> Array:
    """Return pictures in [0, 1]: light and dark patches with soft edges, and a little noise.

    The sides are the last two axes, or the two before a last axis of at most 4 channels; each
    channel has patches of its own.
    """
    has_channels = len(shape) >= 3 and shape[-1] <= _MOST_CHANNELS
    *planes, height, width = (
        (*shape[:-3], shape[-1], *shape[-3:-1]) if has_channels else (1, 1, *shape)
    )
    patches = rng.random((math.prod(planes), _CELLS, _CELLS), dtype)
    smooth = _between_cells(height, dtype) @ patches @ _between_cells(width, dtype).T
    smooth = smooth.reshape(*planes, height, width)
    if has_channels:
        smooth = np.moveaxis(smooth, -3, -1)
    pixels = np.asarray(rng.random(shape, dtype))
    pixels *= 0.1
    # Twice the contrast, so that some of it is quite dark and some quite light.
    pixels += smooth.reshape(shape) * 2
    pixels -= 0.55
    np.clip(pixels, 0, 1, out=pixels)
    return pixels


def _contrast(rng: np.random.Generator, shape: Shape, dtype: FloatType) -> Array:
    """Return blocks of -1 and 1: one to four elements wide along the sides, as for `image`."""
    if len(shape) < 2:
        return rng.integers(2, size=shape).astype(dtype) * 2 - 1
    block = int(rng.choice((1, 2, 4)))
    has_channels = len(shape) >= 3 and shape[-1] <= _MOST_CHANNELS
    first = len(shape) - (3 if has_channels else 2)
    coarse = tuple(
        -(-size // block) if first <= axis < first + 2 else size for axis, size in enumerate(shape)
    )
    values = rng.integers(2, size=coarse, dtype=np.int8)
    for axis in (first, first + 1):
        values = np.repeat(values, block, axis)
    height, width = shape[first : first + 2]
    within: tuple[slice, ...] = (*[slice(None)] * first, slice(height), slice(width))
    return np.asarray(values[within], dtype) * 2 - 1


def _between_cells(size: int, dtype: FloatType) -> Array:
    """Return the matrix that interpolates `size` points between the cells of a coarse grid."""
    position = np.linspace(0, _CELLS - 1, num=size, dtype=dtype)
    distance = np.abs(position[:, np.newaxis] - np.arange(_CELLS, dtype=dtype))
    return np.asarray(np.maximum(0, 1 - distance))


def _integers(rng: np.random.Generator, shape: Shape, dtype: FloatType) -> Array:
    whole: Array = np.asarray(rng.integers(-4, 5, shape, np.int8))
    return whole.astype(dtype)


def _ramp(_: np.random.Generator, shape: Shape, dtype: FloatType) -> Array:
    return np.linspace(-1, 1, num=math.prod(shape), dtype=dtype).reshape(shape)


def _normal(rng: np.random.Generator, shape: Shape, dtype: FloatType) -> Array:
    return rng.standard_normal(shape, dtype)


def _sparse(rng: np.random.Generator, shape: Shape, dtype: FloatType) -> Array:
    return _scattered(rng.standard_normal, rng, shape, dtype)


def _scattered(
    fill: Callable[[int, FloatType], Any],
    rng: np.random.Generator,
    shape: Shape,
    dtype: FloatType,
) -> Array:
    """Return zeros, of which a few are filled."""
    values = np.zeros(math.prod(shape), dtype)
    places = rng.integers(max(values.size, 1), size=min(values.size, values.size // _SPARSE + 1))
    values[places] = fill(places.size, dtype)
    return values.reshape(shape)


FILLS: dict[str, _Fill] = {
    # Simplest first: a failing example is shrunk towards the front.
    "zeros": lambda _, shape, dtype: np.zeros(shape, dtype),
    "ones": lambda _, shape, dtype: np.ones(shape, dtype),
    "constant": lambda rng, shape, dtype: np.full(shape, rng.standard_normal(), dtype),
    "integers": _integers,
    "ramp": _ramp,
    "uniform": lambda rng, shape, dtype: rng.random(shape, dtype),
    "normal": _normal,
    "sparse": _sparse,
    "image": image,
    "contrast": _contrast,
}

DISTRIBUTIONS = tuple(FILLS)


def floats(name: str, rng: np.random.Generator, shape: Shape, dtype: FloatType) -> Array:
    """Return floats of a distribution, of a size of about 1.

    Small whole numbers ("integers"), -1 to 1 in order ("ramp"), blocks of -1 and 1 ("contrast"),
    uniform and "image" in [0, 1], standard normal, and mostly zeros ("sparse").
    """
    # Of shape () numpy's functions give scalars.
    return np.asarray(FILLS[name](rng, shape, dtype), dtype)


def shares(name: str, rng: np.random.Generator, shape: Shape, dtype: FloatType) -> Array:
    """Return a distribution squeezed into [0, 1]: how far between two bounds a value lies."""
    if name == "constant":
        return np.full(shape, rng.random(), dtype)
    if name == "integers":
        return floats("uniform", rng, shape, dtype)
    if name == "sparse":
        return _scattered(rng.random, rng, shape, dtype)
    values = floats(name, rng, shape, dtype)
    if name in {"ramp", "contrast"}:
        values += 1
        values /= 2
    if name == "normal":
        values /= 4
        values += 0.5
        np.clip(values, 0, 1, out=values)
    return values
