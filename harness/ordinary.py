"""Examples that tell something of a model: ordinary numbers, and outputs that can be compared.

On zeros, or on numbers that overflow, nothing may move however sound a model is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.conditioning import is_extreme
from harness.criteria import Array, Exact, compare, is_inexact, numbers_of
from harness.memo import Feeds

LARGEST = 1e3
"""Above it activations are saturated that are not so in use."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """Feeds that a model accepted, and what it gave for them."""

    feeds: Feeds
    outputs: Mapping[str, Array]


def is_ordinary(example: Example) -> bool:
    """Say whether every input holds numbers that could be met in use, and not one alone.

    And whether every output has elements, all of them finite.
    """
    feeds, outputs = example.feeds.values(), example.outputs.values()
    several = [value for value in feeds if value.size > 1]
    return (
        not is_extreme(example.feeds)
        and all(value.size and not _is_zero_or_large(value) for value in feeds)
        and (not several or any(map(_varies, several)))
        and all(value.size and _is_finite(value) for value in outputs)
    )


def has_moved(before: Mapping[str, Array], after: Mapping[str, Array]) -> bool:
    """Say whether a bit of an output is another one."""
    return any(not is_same(value, after[name]) for name, value in before.items())


def is_same(one: Array, other: Array) -> bool:
    """Say whether two arrays have the same bits."""
    return compare(one, other, criterion=Exact()) is None


def size_of(example: Example) -> int:
    """Return how many bytes feeds and outputs of an example take."""
    return sum(array.nbytes for array in (*example.feeds.values(), *example.outputs.values()))


def _is_zero_or_large(value: Array) -> bool:
    if not is_inexact(value.dtype):
        return False
    magnitude = np.abs(numbers_of(value).astype(np.float64)).max()
    return bool(magnitude > LARGEST or (magnitude == 0 and value.size > 1))


def _varies(value: Array) -> bool:
    elements = value.reshape(-1)
    return bool((elements[1:] != elements[0]).any())


def _is_finite(value: Array) -> bool:
    if not is_inexact(value.dtype):
        return True
    return bool(np.isfinite(numbers_of(value).astype(np.float64)).all())
