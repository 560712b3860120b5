"""The tables [[known_outputs]] of the input-spec file: feeds, and what they are known to give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.domain import KnownOutputs, Nested, Recorded
from harness.inputs.spec.table import TEXT, VALUE, Form, Misfit, Table
from harness.inputs.spec.toml_text import value_text
from harness.inputs.spec.values import Surroundings, recorded
from harness.tensor_names import canonical


def read_known(table: Table, around: Surroundings) -> KnownOutputs:
    """Return what one of the tables states.

    Raises:
        RequestError: it states no feeds, or something that is no array.
    """
    table.check_keys(("feeds", "outputs", "rtol"))
    if "feeds" not in table:
        raise table.fault('feeds is missing: a table, as { x = "x.npy", keep_prob = 1.0 }')
    if "rtol" in table and "outputs" not in table:
        raise table.fault("rtol goes with outputs, which is not there")
    default = KnownOutputs(feeds={})
    return KnownOutputs(
        feeds=_arrays(table.table("feeds"), around),
        outputs=_arrays(table.table("outputs"), around) if "outputs" in table else {},
        rtol=table.get("rtol", _RTOL, default.rtol),
        where=table.where,
    )


def _arrays(table: Table, around: Surroundings) -> dict[str, Recorded | Nested]:
    found: dict[str, Recorded | Nested] = {}
    for key in table.data:
        name = canonical(key)
        if name in found:
            raise table.fault(f"{name} stands there twice, with and without :0")
        found[name] = _array(table, key, around)
    return found


def _array(table: Table, key: str, around: Surroundings) -> Recorded | Nested:
    """Return a text as the file that it names, a table as the file or the value in it."""
    if isinstance(table.data[key], str):
        name = table.need(key, TEXT)
        hint = f"; a string itself is stated as {value_text({'value': name})}"
        return recorded(name, "", table, around, hint=hint)
    if not isinstance(table.data[key], Mapping):
        return table.need(key, _ARRAY)
    inner = table.table(key)
    inner.check_keys(("file", "key", "value"))
    if "value" in inner:
        for other in ("file", "key"):
            if other in inner:
                raise inner.fault(f"value and {other} exclude each other: keep one")
        return inner.need("value", VALUE)
    return recorded(inner.need("file", TEXT), inner.get("key", TEXT, ""), inner, around)


def _nested(value: Any) -> Nested:
    if not isinstance(value, list):
        return VALUE.read(value)
    rows = tuple(map(_nested, value))
    if len(set(map(_form, rows))) > 1:
        raise Misfit(", and no row longer than another")
    return rows


def _form(value: Nested) -> tuple[object, ...]:
    """Return the sizes of an array, and whether it holds strings."""
    if isinstance(value, tuple):
        return (len(value), *(_form(value[0]) if value else ()))
    return (isinstance(value, (str, bytes)),)


_ARRAY = Form(
    should="a file's name, a value, or a list of values or of rows, all numbers or all strings",
    read=_nested,
)


def _rtol(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise Misfit
    return float(value)


_RTOL = Form(should="a number from 0 to below 1, as 1e-4", read=_rtol)
