"""Feeds in a line, as messages tell them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.criteria import Array
from harness.signature import format_shape

_LONGEST = 40


def describe(feeds: Mapping[str, Array], *, most: int = 8) -> str:
    """Return feeds in a line: small arrays whole, large ones by dtype, shape and range."""
    return "; ".join(_described(name, value, most) for name, value in feeds.items())


def _described(name: str, value: Array, most: int) -> str:
    kind = f"{'string' if value.dtype == object else value.dtype} {format_shape(value.shape)}"
    if value.dtype == object and value.size <= most:
        items = ", ".join(_shortened(item) for item in value.reshape(-1))
        return f"{name} = [{items}] ({kind})"
    if value.size <= most:
        listed = np.array2string(value, separator=", ").replace("\n", "")
        return f"{name} = {listed} ({kind})"
    if value.dtype == object or value.dtype.kind == "c":
        return f"{name}: {kind}"
    return f"{name}: {kind}, {', '.join(_ranges(value))}"


def _ranges(value: Array) -> list[str]:
    """Return ["0.0 to 1.0", "3 nan"]: of finite values their range, of others how many."""
    if value.dtype.kind in "biu":
        return [_range(value)]
    finite = value[np.isfinite(value)]
    others = [
        f"{count} {word}"
        for word, found in (
            ("nan", np.isnan(value)),
            ("inf", value == np.inf),
            ("-inf", value == -np.inf),
        )
        if (count := int(np.count_nonzero(found)))
    ]
    return [*([_range(finite)] if finite.size else []), *others]


def _range(value: Array) -> str:
    low, high = value.min(), value.max()
    if value.dtype.kind == "V":  # bfloat16 and the like print in other ways by version
        low, high = float(low), float(high)
    # `str`: a format would show more digits than a float32 has.
    return f"all {low!s}" if low == high else f"{low!s} to {high!s}"


def _shortened(item: bytes) -> str:
    # A string may be an encoded picture.
    return repr(item) if len(item) <= _LONGEST else f"{item[:_LONGEST]!r}… ({len(item):,} bytes)"
