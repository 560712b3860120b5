"""Whose value a variable was given instead of its own, told for one and for many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.criteria import Array


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What the value of a weight is, if not the right one.

    Variables whose explanations have the same `kind` were given wrong values in the same way.
    """

    kind: str
    one: str
    """Of one variable: "holds model.ckpt-200's value, not model.ckpt-220's"."""
    many: str
    """Of several: "hold model.ckpt-200's values, not model.ckpt-220's"."""
    short: str
    """Of one, beside another message: "holds model.ckpt-200's value"."""
    many_short: str = ""
    """Likewise of several; "" for `many`."""
    concludes: str = ""
    """What follows where most variables are of this kind, a remedy say; "" for nothing."""
    partner: str = ""
    """The other variable whose value it is."""


class Source(Protocol):
    """Values that a variable may have been given by mistake."""

    def explanations(self, name: str, expected: Array, actual: Array) -> Sequence[Explanation]:
        """Return what explains that the variable `name` has the value `actual`; mostly nothing."""


def possessive(name: str) -> str:
    """Return "kernel's" and "weights'"."""
    return f"{name}'" if name.endswith("s") else f"{name}'s"
