"""Feeds before they are made: sizes of axes and a recipe for each input, small and printable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.domain import (
    Axis,
    Choices,
    Domain,
    Lengths,
    Range,
    SizeOf,
    Sparse,
    Values,
    axes_of,
)
from harness.inputs.completing import completed
from harness.inputs.dtypes import numpy_dtype
from harness.inputs.sparse import draw_indices
from harness.inputs.values import Recipe, fill
from harness.signature import Signature

Feeds = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Input:
    """An input, and what is drawn of it; every dimension of its domain is known or an axis."""

    name: str
    dtype: np.dtype[Any]
    domain: Domain

    @property
    def rank(self) -> int | None:
        """The number of axes, None where it is drawn."""
        return None if self.domain.shape is None else len(self.domain.shape)


@dataclass(frozen=True)
class Plan:
    """The inputs of a model, and the axes that they share."""

    inputs: tuple[Input, ...]

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """The axes, each once."""
        return tuple(dict.fromkeys(a for each in self.inputs for a in axes_of(each.domain)))

    @cached_property
    def members(self) -> dict[str, str]:
        """Which input is drawn together with the indices of which sparse tensor."""
        found = {}
        for each in self.inputs:
            if isinstance(each.domain.values, Sparse):
                found.update(dict.fromkeys(each.domain.values.members, each.name))
        return found


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Feeds of a plan: `sizes` by axis, `recipes` by input, `shapes` of inputs of unknown rank."""

    sizes: Mapping[str, int]
    recipes: Mapping[str, Recipe]
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def planned(signature: Signature, domains: Mapping[str, Domain] | None) -> Plan:
    """Return what is drawn for `signature`.

    Raises:
        RequestError: as `completed`.
    """
    known = completed(signature, domains or {})
    return Plan(
        tuple(
            Input(name=spec.name, dtype=numpy_dtype(spec.dtype), domain=known[spec.name])
            for spec in signature.inputs
        )
    )


def shape_of(
    each: Input, sizes: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[int, ...]:
    """Return the shape of an input; of a sparse tensor's parts, as if it had no entries."""
    if each.domain.shape is None:
        return shapes[each.name]
    return _sized(each.domain.shape, sizes)


def feeds_of(plan: Plan, draft: Draft) -> Feeds:
    """Make the feeds of a draft, the same each time.

    Raises:
        RequestError: what a domain names cannot be read or written.
    """
    shapes = {each.name: shape_of(each, draft.sizes, draft.shapes) for each in plan.inputs}
    made: Feeds = {}
    for each in plan.inputs:
        if isinstance(each.domain.values, Sparse):
            _make_sparse(plan, each, draft, shapes, made)
    for each in plan.inputs:
        if each.name not in made:
            domain = _resolved(each, shapes)
            made[each.name] = fill(
                shapes[each.name], each.dtype, recipe=draft.recipes[each.name], domain=domain
            )
    return {each.name: made[each.name] for each in plan.inputs}


def _make_sparse(
    plan: Plan, indices: Input, draft: Draft, shapes: dict[str, tuple[int, ...]], made: Feeds
) -> None:
    """Make the indices and the shape of a sparse tensor, and tell the shape of its values."""
    sparse = indices.domain.values
    assert isinstance(sparse, Sparse)
    dense = _sized(sparse.shape, draft.sizes)
    by_name = {each.name: each for each in plan.inputs}
    values = by_name[sparse.values]
    baked = [
        size
        for shape in (indices.domain.shape, values.domain.shape)
        for size in (shape or ())[:1]
        if isinstance(size, int)
    ]
    found = draw_indices(
        dense, recipe=draft.recipes[indices.name], count=baked[0] if baked else None
    )
    made[indices.name] = found
    shapes[indices.name] = found.shape
    shapes[values.name] = (len(found), *shapes[values.name][1:])
    if sparse.dense_shape:
        made[sparse.dense_shape] = np.array(dense, by_name[sparse.dense_shape].dtype)


def _sized(shape: tuple[int | Axis | None, ...], sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(
        sizes[size.name] if isinstance(size, Axis) else 0 if size is None else size
        for size in shape
    )


def _resolved(each: Input, shapes: Mapping[str, tuple[int, ...]]) -> Domain:
    """Return the domain of an input with the sizes of others put in."""
    values: Values | None = each.domain.values
    if not isinstance(values, (Lengths, SizeOf)):
        return each.domain
    shape = shapes[values.of]
    # Of an unknown rank there may be fewer axes.
    size = shape[values.axis] if values.axis < len(shape) else 1
    if isinstance(values, Lengths):
        most = min(size // values.divisor, np.iinfo(each.dtype).max)
        values = Range(low=min(1, most), high=most)
    else:
        values = Choices(values=(min(size, np.iinfo(each.dtype).max),))
    return replace(each.domain, values=values)
