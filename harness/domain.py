"""The values that an input accepts."""

from __future__ import annotations

from dataclasses import dataclass

from harness.signature import Shape

Number = int | float | bool
Value = Number | str


@dataclass(frozen=True, kw_only=True)
class Domain:
    """What the user states of an input; None leaves it to the dtype.

    `shape` narrows the signature's shape; `bounds` are inclusive; `choices` are the only values;
    `constant` is the value of every element.
    """

    shape: Shape | None = None
    bounds: tuple[Number, Number] | None = None
    choices: tuple[Value, ...] = ()
    constant: Value | None = None
