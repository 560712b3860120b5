"""What a rule is asked of, and what it finds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.domain import Axis, Values
from harness.graph.inlining import CHOOSER
from harness.graph.reading.flat import FlatGraph
from harness.graph.reading.following import Carried, Number, Use
from harness.signature import Shape

Inside = Callable[[str, str, "Shape | None"], "Values | None"]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The input, or the tensor decoded from one, whose values are asked for.

    `inside` asks the same of a tensor of the graph, given its dtype and shape.
    """

    flat: FlatGraph
    tensor: str
    dtype: str
    shape: Shape | None
    inside: Inside

    @property
    def is_scalar(self) -> bool:
        """Whether it is a scalar, or may be one."""
        return self.shape is None or self.shape == ()

    @property
    def is_whole_number(self) -> bool:
        """Whether its dtype is one of whole numbers."""
        return "int" in self.dtype

    @property
    def is_float(self) -> bool:
        """Whether its dtype is one of floating point."""
        return "float" in self.dtype


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds, both inclusive; None where there is none."""

    low: Number | None = None
    high: Number | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one node says of an input; all that several say of it holds at once."""

    node: str
    values: Values | Limits | None = None
    shape: tuple[int | Axis | None, ...] | None = None
    landmarks: tuple[Number, ...] = ()


Rule = Callable[[Subject, Use], Iterator[Finding]]


def found(use: Use, values: Values | Limits, shape: Shape | None = None) -> Finding:
    """Return that the reading node accepts `values`."""
    name = use.node.name.removesuffix(CHOOSER)
    return Finding(node=name, values=values, shape=shape)


def limits(
    subject: Subject, carried: Carried, low: Number | None, high: Number | None
) -> Limits | None:
    """Return what an input is limited to where the tensor that carries it is; None for nothing."""
    if carried.is_limited:
        return None
    bounds = [None if bound is None else carried.back(bound) for bound in (low, high)]
    if carried.scale < 0:
        bounds.reverse()
    least, most = bounds
    if subject.is_whole_number:
        least = None if least is None else math.ceil(least)
        most = None if most is None else math.floor(most)
    return Limits(low=least, high=most)
