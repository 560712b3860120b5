"""From a signature to a hypothesis strategy of feeds.

Hypothesis draws what is small and worth shrinking, a `Draft`: sizes of axes, and for each input a
distribution, a scale and special values; then one seed. numpy fills in bulk. The elements of small
arrays are drawn one by one at times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

import hypothesis.strategies as st
import numpy as np

from harness.domain import Choices, Domain, Range, Value
from harness.inputs.completing import LARGEST_BATCH
from harness.inputs.drafts import Draft, Feeds, Input, Plan, feeds_of, planned, shape_of
from harness.inputs.menus import menu_of
from harness.inputs.specials import landmark_values, within
from harness.inputs.values import Recipe, whole_ends
from harness.inputs.whole_numbers import usual_ends
from harness.signature import Signature

LARGEST_RANK = 3
MOST_ELEMENTS = 16
"""Arrays of no more than so many elements are drawn one by one at times."""

SEEDS = 2**16
"""Few, so that hypothesis soon has tried the simpler ones."""

T = TypeVar("T")

_BY_ELEMENT = "elements"
_LARGEST_PLAIN_FLOAT = 1000


def from_signature(
    signature: Signature, *, domains: Mapping[str, Domain] | None = None
) -> st.SearchStrategy[Feeds]:
    """Return a strategy of feeds by tensor name, for every input of `signature`.

    Raises:
        RequestError: a domain names no input or contradicts its shape or dtype; a dtype cannot
            be fed.
    """
    plan = planned(signature, domains)
    return drafts_of(plan).map(partial(feeds_of, plan))


def recipe_seed(seed: int, index: int) -> int:
    """Return the seed of the input at `index`: no two inputs hold the same numbers."""
    return seed + SEEDS * index


@dataclass(frozen=True, kw_only=True)
class _Choices:
    """What hypothesis draws for an input; None where there is but one choice."""

    distribution: st.SearchStrategy[str] | None
    small: st.SearchStrategy[str] | None
    only: str
    scale: st.SearchStrategy[float] | None
    special: st.SearchStrategy[str] | None
    element: st.SearchStrategy[Value] | None


def drafts_of(plan: Plan) -> st.SearchStrategy[Draft]:
    """Return a strategy of drafts of a plan; `feeds_of` makes feeds of them."""
    drawn_sizes = {
        axis.name: _one_of([size for size in axis.sizes if size] or [0]) for axis in plan.axes
    }
    choices = {each.name: _choices_of(each, plan) for each in plan.inputs}
    seeds = st.integers(0, SEEDS - 1)
    ranks = st.integers(0, LARGEST_RANK)
    small_sizes = st.integers(1, LARGEST_BATCH)

    @st.composite
    def drafts(draw: st.DrawFn) -> Draft:
        sizes = {name: draw(drawn) for name, drawn in drawn_sizes.items()}
        shapes = {
            each.name: tuple(draw(small_sizes) for _ in range(draw(ranks)))
            for each in plan.inputs
            if each.rank is None
        }
        recipes = {
            each.name: _draw_recipe(
                draw, choices[each.name], math.prod(shape_of(each, sizes, shapes))
            )
            for each in plan.inputs
        }
        # Also where it changes nothing: hypothesis ends when it knows of nothing else to draw.
        seed = draw(seeds)
        return Draft(
            sizes=sizes,
            shapes=shapes,
            recipes={
                name: recipe.seeded(recipe_seed(seed, index))
                for index, (name, recipe) in enumerate(recipes.items())
            },
        )

    return drafts()


def _draw_recipe(draw: st.DrawFn, choices: _Choices, size: int) -> Recipe:
    # First, and of zeros the scale too: plain numbers are to be simpler than special ones.
    special = "" if choices.special is None else draw(choices.special)
    is_small = choices.element is not None and 0 < size <= MOST_ELEMENTS
    drawn = choices.small if is_small else choices.distribution
    distribution = choices.only if drawn is None else draw(drawn)
    if distribution == _BY_ELEMENT and choices.element is not None:
        return Recipe(elements=tuple(draw(choices.element) for _ in range(size)))
    scale = 1.0 if choices.scale is None else draw(choices.scale)
    return Recipe(distribution=distribution, scale=scale, special=special)


def _choices_of(each: Input, plan: Plan) -> _Choices:
    menu = menu_of(each)
    has_elements = menu.has_elements and each.name not in plan.members
    by_element = [_BY_ELEMENT] * max(1, len(menu.distributions) // 5)
    return _Choices(
        distribution=_unless_one(menu.distributions),
        small=_unless_one((*menu.distributions, *by_element)),
        only=menu.distributions[0],
        scale=_unless_one(menu.scales),
        special=_unless_one(menu.specials),
        element=_element(each) if has_elements else None,
    )


def _element(each: Input) -> st.SearchStrategy[Value]:
    """Return a strategy of single values, simplest where hypothesis begins."""
    values, dtype = each.domain.values, each.dtype
    if isinstance(values, Choices):
        return st.sampled_from(values.values)
    if dtype.kind in "biu":
        plain: list[st.SearchStrategy[Value]] = [_whole_numbers(values, dtype)]
    elif isinstance(values, Range):
        plain = [_floats_between(float(values.low), float(values.high))]
    else:
        plain = [_floats(dtype, most=_LARGEST_PLAIN_FLOAT), _floats(dtype)]
    found = () if dtype.kind == "b" else landmark_values(each.domain.landmarks, dtype)
    if isinstance(values, Range):
        found = within(np.asarray(found), values.low, values.high)
    landmarks = [candidate.item() for candidate in found]
    return st.one_of([*plain, *([st.sampled_from(landmarks)] if landmarks else [])])


def _whole_numbers(values: object, dtype: np.dtype[Any]) -> st.SearchStrategy[Value]:
    ends = whole_ends(values) if isinstance(values, Range) else usual_ends(dtype, "integers")
    return st.integers(ends.low, ends.high)


def _floats(dtype: np.dtype[Any], *, most: float | None = None) -> st.SearchStrategy[Value]:
    width: Literal[16, 32, 64] = 64 if dtype.itemsize == 8 else 32 if dtype.itemsize == 4 else 16
    least = None if most is None else -most
    # Not the tiniest: hypothesis refuses to draw them where the processor flushes them to zero.
    return st.floats(least, most, width=width, allow_subnormal=False)


def _floats_between(low: float, high: float) -> st.SearchStrategy[Value]:
    tiniest = np.finfo(np.float64).tiny
    has_tiny_end = any(0 < abs(end) < tiniest for end in (low, high))
    return st.floats(low, high, allow_subnormal=None if has_tiny_end else False)


def _one_of(items: Sequence[T]) -> st.SearchStrategy[T]:
    return st.sampled_from(items) if len(items) > 1 else st.just(items[0])


def _unless_one(items: Sequence[T]) -> st.SearchStrategy[T] | None:
    return st.sampled_from(items) if len(items) > 1 else None
