"""The examples that are tried first, the same each time: few of them already show something.

In the order of what they show: with 3 examples a model has seen zeros, ordinary numbers and ones,
with 15 also its largest and smallest shapes and every special value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from harness.domain import BATCH, Axis, Domain
from harness.inputs.drafts import Draft, Feeds, Plan, feeds_of, planned, shape_of
from harness.inputs.menus import PICTURE_RANK, Menu, menu_of
from harness.inputs.specials import ENDS, LANDMARKS
from harness.inputs.strategies import recipe_seed
from harness.inputs.values import Recipe
from harness.signature import Signature

_UNKNOWN_RANKS = (1, 2, 3, 2, 0)
_SMALLEST = (1, 1, 1)
_MIDDLE = (3, 4, 5)


def first_examples(
    signature: Signature, domains: Mapping[str, Domain] | None = None
) -> Iterator[Feeds]:
    """Yield the feeds to try first, for every input of `signature`.

    Raises:
        RequestError: as `from_signature`.
    """
    plan = planned(signature, domains)
    return (feeds_of(plan, draft) for draft in first_drafts(plan))


def first_drafts(plan: Plan) -> Iterator[Draft]:
    """Yield the drafts of the first examples: some may give the same feeds."""
    drafts = _Drafts(plan)
    smallest = {axis.name: _nonzero(axis)[0] for axis in plan.axes}
    batches = [axis for axis in plan.axes if axis.name == BATCH] or plan.axes
    large = {axis.name: (axis.once or axis.sizes)[-1] for axis in batches[:1]}
    sides = {axis.name: (axis.once or axis.sizes)[-1] for axis in plan.axes if axis.name != BATCH}
    empty = [smallest | {axis.name: 0} for axis in plan.axes if axis.sizes[0] == 0]
    yield drafts.of(_simplest, smallest, shape=_SMALLEST)
    yield drafts.of(_typical)
    yield drafts.of(_ones, smallest, shape=_SMALLEST)
    yield drafts.of(_typical, large)
    if drafts.has_pictures:
        yield drafts.of(_contrast, sides)
    for special in (LANDMARKS, ENDS, "nan"):
        yield from drafts.with_special(special)
    for sizes in empty[:1]:
        yield drafts.of(_simplest, sizes)
    for special in ("infinity", "negative infinity", "largest", "negative zero", "subnormal"):
        yield from drafts.with_special(special)
    for sizes in empty[1:3]:
        yield drafts.of(_simplest, sizes)


def _nonzero(axis: Axis) -> list[int]:
    return [size for size in axis.sizes if size] or [0]


def _middle(axis: Axis, step: int) -> int:
    """Return one of the larger sizes of an axis, each at another step."""
    sizes = _nonzero(axis)
    half = len(sizes) // 2
    return sizes[half + step % (len(sizes) - half)]


def _simplest(menu: Menu) -> str:
    return menu.distributions[0]


def _typical(menu: Menu) -> str:
    return menu.typical


def _contrast(menu: Menu) -> str:
    return "contrast" if "contrast" in menu.distributions else menu.typical


def _ones(menu: Menu) -> str:
    return "ones" if "ones" in menu.distributions else menu.typical


class _Drafts:
    """Makes drafts of a plan; each has numbers of its own, and a rank where it is unknown."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._menus = {each.name: menu_of(each) for each in plan.inputs}
        self._count = 0

    @property
    def has_pictures(self) -> bool:
        """Whether an input has the axes of a picture."""
        return any((each.rank or 0) >= PICTURE_RANK for each in self._plan.inputs)

    def of(
        self,
        choose: Callable[[Menu], str],
        stated: Mapping[str, int] | None = None,
        *,
        shape: tuple[int, ...] = _MIDDLE,
    ) -> Draft:
        """Return a draft whose inputs have the distribution that is chosen of their menus.

        Sizes that are not stated are middling.
        """
        sizes = {
            # Sides of a picture that are equal would hide that they were exchanged.
            axis.name: _middle(axis, self._count + place)
            for place, axis in enumerate(self._plan.axes)
        }
        rank = _UNKNOWN_RANKS[self._count % len(_UNKNOWN_RANKS)]
        recipes = {
            name: Recipe(distribution=choose(menu)).seeded(recipe_seed(self._count, index))
            for index, (name, menu) in enumerate(self._menus.items())
        }
        self._count += 1
        return Draft(
            sizes=sizes | dict(stated or {}),
            recipes=recipes,
            shapes={each.name: shape[:rank] for each in self._plan.inputs if each.rank is None},
        )

    def with_special(self, special: str) -> Iterator[Draft]:
        """Yield an ordinary draft with special values in it, if any input can hold them."""
        able = [each for each in self._plan.inputs if special in self._menus[each.name].specials]
        if not able:
            return
        draft = self.of(_typical)
        if special not in {LANDMARKS, ENDS}:
            # In one input, or those of the others would hide behind them.
            able = [
                max(able, key=lambda each: math.prod(shape_of(each, draft.sizes, draft.shapes)))
            ]
        put = {each.name: replace(draft.recipes[each.name], special=special) for each in able}
        yield replace(draft, recipes={**draft.recipes, **put})
