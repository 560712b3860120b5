"""The indices of a sparse tensor: distinct, sorted, and within its shape."""

from __future__ import annotations

import math

import numpy as np

from harness.criteria import Array
from harness.inputs.specials import EMPTY
from harness.inputs.values import Recipe

MOST_ENTRIES = 256
_LISTED = 4096


def draw_indices(shape: tuple[int, ...], *, recipe: Recipe, count: int | None = None) -> Array:
    """Return indices into a tensor of `shape`, `(entries, rank) int64`, in lexicographic order.

    Of `count` entries, or as the recipe says: one in the first place ("zeros"), one in every place
    ("ones"), none ("empty"), else any number in any places, so that rows may be empty.
    """
    rng = np.random.default_rng(recipe.seed)
    places = math.prod(shape)
    most = min(places, MOST_ENTRIES)
    if count is None:
        if recipe.special == EMPTY:
            count = 0
        elif recipe.distribution in {"zeros", "ones"}:
            count = most if recipe.distribution == "ones" else min(1, places)
        else:
            # Half of them fill less than a quarter of the places.
            count = math.ceil(most * rng.random() ** 2)
    count = min(count, places)
    if recipe.distribution == "zeros":
        return _nth(np.arange(count), shape)
    if places <= _LISTED:
        return _nth(np.sort(rng.permutation(places)[:count]), shape)
    return _of_many_places(shape, count, rng)


def _nth(order: Array, shape: tuple[int, ...]) -> Array:
    """Return the indices of the places at `order`; numpy's own function has a limit on `shape`."""
    indices = np.zeros((order.size, len(shape)), np.int64)
    for axis in reversed(range(len(shape))):
        order, indices[:, axis] = np.divmod(order, max(shape[axis], 1))
    return indices


def _of_many_places(shape: tuple[int, ...], count: int, rng: np.random.Generator) -> Array:
    # By columns: the number of places may exceed 64 bits.
    found = np.zeros((0, len(shape)), np.int64)
    while len(found) < count:
        drawn = np.stack([rng.integers(size, size=count) for size in shape], axis=-1)
        found = np.unique(np.concatenate([found, drawn]), axis=0)
    kept = np.sort(rng.permutation(len(found))[:count])
    return np.asarray(found[kept])
