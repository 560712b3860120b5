"""Which recipes an input can have, simplest first, and how often each is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from harness.domain import Choices, Lengths, Phase, Range, SizeOf, Sparse
from harness.inputs.drafts import Input
from harness.inputs.specials import (
    EMPTY,
    ENDS,
    LANDMARKS,
    landmark_values,
    largest_finite,
    part_type,
    smallest_normal,
    special_names,
    within,
)

T = TypeVar("T")

PICTURE_RANK = 3

_FLOATS = {
    "zeros": 1,
    "ones": 1,
    "constant": 2,
    "integers": 3,
    "ramp": 1,
    "uniform": 3,
    "normal": 6,
    "sparse": 2,
    "image": 1,
    "contrast": 1,
}
# "normal" whole numbers are any of the dtype: models that take ids refuse most of them.
_WHOLE = {**_FLOATS, "uniform": 8, "normal": 2}
_RANGE = {**_FLOATS, "uniform": 8, "normal": 4}
_CHOICE = {"zeros": 1, "ones": 1, "constant": 2, "uniform": 6}
_WHATEVER = {"zeros": 1, "uniform": 8}

_SCALES = {1.0: 14, 0.1: 5, 10.0: 5, 1e-2: 4, 100.0: 4, 1e-3: 3, 1e3: 3}

_PLAIN = 5
"""So much more often than with special values, those of landmarks aside, arrays have none."""
_FILLED = 15


@dataclass(frozen=True, kw_only=True)
class Menu:
    """What is drawn for an input; what stands there several times is drawn more often.

    `typical` is the distribution that tells most. With `has_elements`, the elements of a small
    array are drawn one by one at times.
    """

    distributions: tuple[str, ...]
    typical: str
    scales: tuple[float, ...] = (1.0,)
    specials: tuple[str, ...] = ("",)
    has_elements: bool = False


def menu_of(each: Input) -> Menu:
    """Return what is drawn for an input."""
    values = each.domain.values
    has_distribution = each.dtype.kind != "O" and isinstance(values, (Range, type(None)))
    menu = _menu_of_numbers(each) if has_distribution else _menu_of_kind(each)
    if each.domain.default is None or isinstance(values, Phase):
        return menu
    often = max(1, len(menu.distributions) // 4)
    return replace(menu, distributions=("default",) * often + menu.distributions)


def _menu_of_kind(each: Input) -> Menu:
    """Return what is drawn for values that no distribution of numbers says."""
    values = each.domain.values
    is_one = isinstance(values, Choices) and len(values.values) == 1
    if is_one or isinstance(values, (Phase, SizeOf)):
        return Menu(distributions=("zeros",), typical="zeros")
    menu = Menu(distributions=_often(_CHOICE), typical="uniform")
    if isinstance(values, Choices):
        return replace(menu, has_elements=True)
    if isinstance(values, Lengths):
        return replace(menu, specials=("", "", ENDS))
    if isinstance(values, Sparse):
        return replace(menu, specials=("",) * _FILLED + (EMPTY,))
    if values is None:
        return menu
    return replace(menu, distributions=_often(_WHATEVER))


def _menu_of_numbers(each: Input) -> Menu:
    values, stated = each.domain.values, each.domain.distribution
    is_float = each.dtype.kind not in "biu" and values is None
    if stated:
        return Menu(
            distributions=(stated,),
            typical=stated,
            scales=(1.0, 255.0) if stated == "image" and is_float else (1.0,),
            specials=_specials(each, ()),
        )
    ends = (ENDS,) if isinstance(values, Range) and values.low != values.high else ()
    weights = _FLOATS if is_float else _WHOLE if values is None else _RANGE
    if each.rank is not None and each.rank >= PICTURE_RANK:
        weights = {**weights, "image": 5, "contrast": 4}
    menu = Menu(
        distributions=_often(weights),
        typical="normal" if is_float else "uniform",
        specials=_specials(each, ends),
        has_elements=each.dtype.kind != "c",
    )
    if not is_float:
        return menu
    part = part_type(each.dtype)
    extremes = (largest_finite(part) / 4, smallest_normal(part))
    return replace(
        menu,
        scales=(*_often(_SCALES), *extremes),
        specials=_specials(each, special_names(each.dtype)),
    )


def _often(weights: Mapping[T, int]) -> tuple[T, ...]:
    return tuple(item for item, count in weights.items() for _ in range(count))


def _specials(each: Input, own: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of an input: mostly none, and as often landmarks, where there are any."""
    # The ends of a range are ordinary values.
    plain = ("",) * (1 if own == (ENDS,) else max(1, _PLAIN * len(own)))
    return (*plain, *[LANDMARKS] * (len(plain) if _has_landmarks(each) else 0), *own)


def _has_landmarks(each: Input) -> bool:
    if each.dtype.kind == "b":
        return False
    found = landmark_values(each.domain.landmarks, each.dtype)
    if isinstance(each.domain.values, Range):
        found = within(found, each.domain.values.low, each.domain.values.high)
    return found.size > 0
