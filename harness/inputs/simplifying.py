"""From a draft whose feeds fail to the simplest one that fails too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from harness.domain import Axis
from harness.inputs.drafts import Draft, Input, Plan
from harness.inputs.menus import menu_of
from harness.inputs.strategies import recipe_seed
from harness.inputs.values import Recipe

T = TypeVar("T")

_NONEMPTY = 3
_PLAIN_SCALES = (1.0, 10.0, 100.0, 1000.0)


def simplest(plan: Plan, draft: Draft, fails: Callable[[Draft], bool]) -> Draft:
    """Return the draft that is reached from `draft` by steps to simpler ones that fail.

    `fails` is asked once of each, and may answer no to come to an end.
    """
    tried: list[Draft] = [draft]

    def is_next(step: Draft) -> bool:
        if step in tried:
            return False
        tried.append(step)
        return fails(step)

    while (step := next(filter(is_next, _simpler(plan, draft)), None)) is not None:
        draft = step
    return draft


def _simpler(plan: Plan, draft: Draft) -> Iterator[Draft]:
    """Yield drafts that are simpler in one way, or in many at once; the boldest first."""
    smallest = {axis.name: _simplest_size(axis) for axis in plan.axes}
    plain = {each.name: Recipe(distribution=menu_of(each).distributions[0]) for each in plan.inputs}
    ones = {name: (1,) * len(shape) for name, shape in draft.shapes.items()}
    yield replace(draft, sizes=smallest, shapes=ones)
    yield replace(draft, recipes=plain)
    for axis in plan.axes:
        for size in _simpler_sizes(axis, draft.sizes[axis.name]):
            yield replace(draft, sizes=_with(draft.sizes, axis.name, size))
    for name, shape in draft.shapes.items():
        for simpler in _simpler_shapes(shape):
            yield replace(draft, shapes=_with(draft.shapes, name, simpler))
    for index, each in enumerate(plan.inputs):
        for recipe in _simpler_recipes(each, index, draft.recipes[each.name]):
            yield replace(draft, recipes=_with(draft.recipes, each.name, recipe))


def _with(items: Mapping[str, T], name: str, item: T) -> dict[str, T]:
    return {**items, name: item}


def _simplest_size(axis: Axis) -> int:
    return next(filter(None, axis.sizes), 0)


def _simpler_sizes(axis: Axis, size: int) -> list[int]:
    """Return smaller sizes; no elements at all are the least simple: they show little."""
    sizes = [each for each in axis.sizes if each]
    if size == 0:
        return sizes[:_NONEMPTY]
    if size not in sizes:
        sizes = sorted({*sizes, size})  # one that is tried once
    place = sizes.index(size)
    steps = [place >> halvings for halvings in range(place.bit_length())]
    return [sizes[place - step] for step in steps]


def _simpler_shapes(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    if shape:
        yield shape[:-1]
    for axis, size in enumerate(shape):
        if size > 1:
            yield (*shape[:axis], size // 2, *shape[axis + 1 :])


def _simpler_recipes(each: Input, index: int, recipe: Recipe) -> Iterator[Recipe]:
    menu = menu_of(each)
    plain = [Recipe(distribution=menu.distributions[0])]
    if "ones" in menu.distributions:
        scales = (scale for scale in _PLAIN_SCALES if scale in menu.scales)
        plain += [Recipe(distribution="ones", scale=scale) for scale in scales]
    yield from plain[: plain.index(recipe) if recipe in plain else None]
    if recipe in plain or recipe.elements is not None:
        return
    if recipe.special:
        yield replace(recipe, special="")
    distributions = list(dict.fromkeys(menu.distributions))
    for distribution in distributions[: distributions.index(recipe.distribution)]:
        yield replace(recipe, distribution=distribution)
    if recipe.scale != 1:
        yield replace(recipe, scale=1.0)
    first = recipe.seeded(recipe_seed(0, index))
    if first != recipe:
        yield first
