"""Arrays of random values: a distribution and a scale are drawn, numpy fills in bulk.

`hypothesis.extra.numpy.arrays` draws few elements and fills the rest with one value (a median of 5
distinct values in 24,576); a fault that needs a picture with contrast is never seen that way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from harness.criteria import Array
from harness.domain import Choices, Domain, Range

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to fill an array: small, printable, and the same array each time."""

    distribution: str = "zeros"
    scale: float = 1.0
    seed: int = 0


_STANDARD: dict[str, Callable[[np.random.Generator, Shape], Array]] = {
    # Simplest first: a failing example is shrunk towards the front.
    "zeros": lambda _, shape: np.zeros(shape),
    "ones": lambda _, shape: np.ones(shape),
    "integers": lambda rng, shape: rng.integers(-4, 5, shape).astype(np.float64),
    "ramp": lambda _, shape: np.linspace(-1.0, 1.0, num=_size(shape)).reshape(shape),
    "uniform": lambda rng, shape: rng.random(shape),
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "sparse": lambda rng, shape: rng.standard_normal(shape) * (rng.random(shape) < 0.1),
}

DISTRIBUTIONS = tuple(_STANDARD)
SCALES = (1.0, 1e-3, 1e-2, 0.1, 10.0, 100.0)
"""Up to the size of raw pixels. At 1e3 large terms cancel inside real networks, and a right export
was seen to differ by 1.6e-4 as deployed: rounding, which says nothing about the export.
"""

_WORDS = (b"", b"a", b"0", b"1.5", b"-7", b"freeze", b"two words", "naïve".encode(), b"\x00\xff")


def fill(shape: Shape, dtype: np.dtype[Any], *, recipe: Recipe, domain: Domain) -> Array:
    """Return an array of `shape` and `dtype` by `recipe`, with every value in `domain`."""
    # Of shape () numpy's functions give scalars.
    return np.asarray(_filled(shape, dtype, recipe, domain), dtype=dtype)


def _filled(shape: Shape, dtype: np.dtype[Any], recipe: Recipe, domain: Domain) -> Array:
    rng = np.random.default_rng(recipe.seed)
    choices: tuple[Any, ...] = domain.values.values if isinstance(domain.values, Choices) else ()
    if not choices and dtype.kind == "O":
        choices = _WORDS
    if choices:
        return _of_choices(choices, shape, dtype, rng)
    if isinstance(domain.values, Range):
        return _between((domain.values.low, domain.values.high), shape, dtype, recipe, rng)
    if dtype.kind in "biu":
        return _whole_numbers(shape, dtype, recipe, rng)
    if dtype.kind == "c":
        real, imaginary = (_floats(shape, recipe, rng) for _ in range(2))
        return (real + 1j * imaginary).astype(dtype)
    largest = float(ml_dtypes.finfo(dtype).max)  # type: ignore[no-untyped-call]
    return np.clip(_floats(shape, recipe, rng), -largest, largest).astype(dtype)


def _floats(shape: Shape, recipe: Recipe, rng: np.random.Generator) -> Array:
    return np.asarray(_STANDARD[recipe.distribution](rng, shape) * recipe.scale)


def _whole_numbers(
    shape: Shape, dtype: np.dtype[Any], recipe: Recipe, rng: np.random.Generator
) -> Array:
    if recipe.distribution in {"zeros", "ones"}:
        return np.full(shape, recipe.distribution == "ones", dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    limits = np.iinfo(dtype)
    if recipe.distribution == "normal":
        return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    # Most integers that models take are small: ids, counts, pixels.
    high = min(limits.max, 255 if dtype.itemsize == 1 else 9)
    low = max(limits.min, -high if recipe.distribution == "integers" else 0)
    return rng.integers(low, high, shape, dtype=dtype, endpoint=True)


def _between(
    bounds: tuple[float, float],
    shape: Shape,
    dtype: np.dtype[Any],
    recipe: Recipe,
    rng: np.random.Generator,
) -> Array:
    low, high = bounds
    if dtype.kind in "biu":
        low, high = math.ceil(low), math.floor(high)
    if recipe.distribution == "zeros":
        return np.full(shape, low).astype(dtype)
    if recipe.distribution == "ones":
        return np.full(shape, high).astype(dtype)
    if dtype.kind in "biu":
        return np.asarray(rng.integers(int(low), int(high), shape, dtype=dtype, endpoint=True))
    return np.clip(rng.uniform(low, high, shape), low, high).astype(dtype)


def _of_choices(
    choices: tuple[Any, ...], shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator
) -> Array:
    picked = rng.integers(len(choices), size=shape)
    if dtype.kind == "O":
        encoded = [c.encode() if isinstance(c, str) else c for c in choices]
        values = np.empty(len(encoded), dtype=object)
        values[:] = encoded
    else:
        values = np.array(choices).astype(dtype)
    return np.asarray(values[picked], dtype=dtype).reshape(shape)


def _size(shape: Shape) -> int:
    return int(np.prod(shape, dtype=np.int64))
