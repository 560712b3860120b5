"""Arrays of random values: what a recipe says, within a domain."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.criteria import Array
from harness.domain import (
    Choices,
    Domain,
    Examples,
    NewShape,
    NumberTexts,
    Phase,
    Pictures,
    Range,
    Recorded,
    Records,
    Sounds,
    Value,
)
from harness.inputs import recorded
from harness.inputs.distributions import DISTRIBUTIONS, Shape, floats, shares
from harness.inputs.encoded import Encoded, encode
from harness.inputs.specials import (
    ENDS,
    LANDMARKS,
    landmark_values,
    largest_finite,
    part_type,
    scatter,
    special_values,
    within,
)
from harness.inputs.whole_numbers import Ends, usual_ends, whole_numbers

__all__ = ["DISTRIBUTIONS", "Recipe", "fill", "whole_ends"]

_WORDS = (b"", b"a", b"0", b"1.5", b"-7", b"freeze", b"two words", "naïve".encode(), b"\x00\xff")

_FEW = 8
_FIXED = frozenset({"default", "zeros", "ones", "ramp"})
_SIMPLEST = frozenset({"zeros", "ones"})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to fill an array: small, printable, and the same array each time.

    `distribution` is one of DISTRIBUTIONS, or "default" for the domain's. `special` names what a
    few elements are instead ("nan"). `elements`, where there are any, are all the values, over
    again where they are too few.
    """

    distribution: str = "zeros"
    scale: float = 1.0
    seed: int = 0
    special: str = ""
    elements: tuple[Value, ...] | None = None

    @property
    def is_random(self) -> bool:
        """Whether another seed gives another array."""
        is_fixed = self.distribution in _FIXED and not self.special
        return self.elements is None and not is_fixed

    def seeded(self, seed: int) -> Recipe:
        """Return the recipe with a seed, where that changes the array."""
        return replace(self, seed=seed) if self.is_random else self


@dataclass(frozen=True, kw_only=True)
class _Array:
    """An array that is to be filled."""

    shape: Shape
    dtype: np.dtype[Any]
    recipe: Recipe
    rng: np.random.Generator


def fill(shape: Shape, dtype: np.dtype[Any], *, recipe: Recipe, domain: Domain) -> Array:
    """Return an array of `shape` and `dtype` by `recipe`, with every value in `domain`.

    Raises:
        RequestError: what the domain names cannot be read or written.
    """
    if recipe.elements is not None:
        return np.resize(_values(recipe.elements, dtype), shape)
    if recipe.distribution == "default" and domain.default is not None:
        return _picked(_values((domain.default,), dtype), shape, 0)
    rng = np.random.default_rng(recipe.seed)
    array = _Array(shape=shape, dtype=dtype, recipe=recipe, rng=rng)
    # Of shape () numpy's functions give scalars.
    values = np.asarray(_FILLS.get(type(domain.values), _numbers)(array, domain.values), dtype)
    if recipe.special:
        candidates = _candidates(recipe.special, dtype, domain)
        is_landmark = recipe.special == LANDMARKS
        most = max(candidates.size, values.size // 2) if is_landmark else _FEW
        scatter(values, candidates, rng, most=1 if recipe.distribution in _SIMPLEST else most)
    return values


def whole_ends(bounds: Range) -> Ends:
    """Return the lowest and the highest whole number of a range."""
    return Ends(low=math.ceil(bounds.low), high=math.floor(bounds.high))


def _numbers(array: _Array, _: None) -> Array:
    """Fill with numbers, or words, of which nothing is known."""
    if array.dtype.kind == "O":
        return _of_choices(array, Choices(values=_WORDS))
    if array.dtype.kind in "biu":
        distribution = array.recipe.distribution
        if distribution in _SIMPLEST:
            return np.full(array.shape, distribution == "ones", array.dtype)
        ends = usual_ends(array.dtype, distribution)
        evenly = "uniform" if distribution == "normal" else distribution
        return whole_numbers(ends, array.shape, array.dtype, evenly, array.rng)
    return _floats(array)


def _floats(array: _Array) -> Array:
    part, filled_as = part_type(array.dtype), _filled_as(array.dtype)
    parts = [
        floats(array.recipe.distribution, array.rng, array.shape, filled_as)
        for _ in range(2 if array.dtype.kind == "c" else 1)
    ]
    largest, scale = largest_finite(part), array.recipe.scale
    for values in parts:
        if scale != 1:
            with np.errstate(over="ignore"):
                np.multiply(values, filled_as.type(scale), out=values)
        if part != filled_as or scale * 100 > largest:
            np.clip(values, -largest, largest, out=values)
    if array.dtype.kind == "c":
        joined = np.empty(array.shape, array.dtype)
        joined.real, joined.imag = parts
        return joined
    return parts[0].astype(array.dtype, copy=False)


def _filled_as(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype that numpy fills for a float dtype, or for the parts of a complex one."""
    return np.dtype(np.float64 if part_type(dtype) == np.float64 else np.float32)


def _between(array: _Array, bounds: Range) -> Array:
    distribution, shape, rng = array.recipe.distribution, array.shape, array.rng
    if array.dtype.kind in "biu":
        return whole_numbers(whole_ends(bounds), shape, array.dtype, distribution, rng)
    part = shares(distribution, rng, shape, _filled_as(array.dtype))
    low, high = float(bounds.low), float(bounds.high)
    # Not low + (high - low) * part: the difference may be infinite.
    drawn = np.asarray(low * (1 - part) + high * part)
    if distribution == "integers":
        np.rint(drawn, out=drawn)
    return np.clip(drawn, low, high, out=drawn).astype(array.dtype)


def _of_choices(array: _Array, choices: Choices) -> Array:
    values = _values(choices.values, array.dtype)
    distribution, last = array.recipe.distribution, len(values) - 1
    if distribution in _SIMPLEST:
        return _picked(values, array.shape, 0 if distribution == "zeros" else last)
    if distribution == "constant":
        return _picked(values, array.shape, int(array.rng.integers(last, endpoint=True)))
    return values[np.asarray(array.rng.integers(last, size=array.shape, endpoint=True))]


def _picked(values: Array, shape: Shape, place: int) -> Array:
    # numpy.full would cut the zeros off the ends of strings.
    return np.asarray(values[np.full(shape, place)], values.dtype)


def _of_phase(array: _Array, phase: Phase) -> Array:
    return _picked(_values((phase.inference,), array.dtype), array.shape, 0)


def _new_shape(array: _Array, _: NewShape) -> Array:
    values = np.ones(math.prod(array.shape), array.dtype)
    if values.size:
        is_first = array.recipe.distribution == "zeros"
        values[0 if is_first else array.rng.integers(values.size)] = -1
    return values.reshape(array.shape)


def _encoded(array: _Array, values: Encoded) -> Array:
    is_simplest = array.recipe.distribution in _SIMPLEST
    return encode(values, array.shape, array.rng, simplest=is_simplest)


def _recorded(array: _Array, values: Recorded) -> Array:
    return recorded.draw(values, array.dtype, array.shape, array.rng)


_FILLS: dict[type, Callable[[_Array, Any], Array]] = {
    Range: _between,
    Choices: _of_choices,
    Phase: _of_phase,
    NewShape: _new_shape,
    Recorded: _recorded,
    **dict.fromkeys((Pictures, Sounds, NumberTexts, Records, Examples), _encoded),
}


def _candidates(special: str, dtype: np.dtype[Any], domain: Domain) -> Array:
    """Return the special values that an input can hold."""
    bounds = domain.values if isinstance(domain.values, Range) else None
    if special == ENDS and bounds is not None:
        if dtype.kind in "biu":
            ends = whole_ends(bounds)
            inner = (min(ends.low + 1, ends.high), max(ends.high - 1, ends.low))
            return _values((ends.low, *inner, ends.high), dtype)
        return _values((bounds.low, bounds.high), part_type(dtype))
    if special == LANDMARKS:
        found = landmark_values(domain.landmarks, dtype)
    else:
        found = special_values(special, dtype)
    return found if bounds is None else within(found, bounds.low, bounds.high)


def _values(items: tuple[Value, ...], dtype: np.dtype[Any]) -> Array:
    """Return values that `dtype` holds as an array of it."""
    if dtype.kind == "O":
        strings = np.empty(len(items), dtype=object)
        strings[:] = [item.encode() if isinstance(item, str) else item for item in items]
        return strings
    if dtype.kind in "biu":
        return np.array([int(item) for item in items], dtype)
    with np.errstate(all="ignore"):
        return np.array([float(item) for item in items], np.float64).astype(dtype)
