"""The input-spec file: what inputs accept, stated by the user in TOML.

[axes.time]
range = [1, 64]

[inputs.ids]
shape = [-1, "time"]     # -1: any size
range = [0, 49]          # inclusive

[inputs."encoder/lengths"]
lengths_of = "ids"
axis = 1

[[known_outputs]]
feeds = { ids = "ids.npy", "encoder/lengths" = [3, 5] }
outputs = { prediction = "prediction.npy" }
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.domain import Axis, Domain, KnownOutputs, Range, Values, axes_of
from harness.errors import RequestError, nearest
from harness.inputs.dtypes import DTYPES
from harness.inputs.spec.known import read_known
from harness.inputs.spec.table import (
    NUMBER,
    VALUE,
    Form,
    Misfit,
    Table,
    list_of,
    one_of,
    pair,
    whole_number,
)
from harness.inputs.spec.toml_text import shortened
from harness.inputs.spec.values import KINDS, Surroundings, keys_of, read_shape, read_values
from harness.inputs.values import DISTRIBUTIONS
from harness.tensor_names import canonical

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_TABLES = ("inputs", "axes", "known_outputs")
_KEYS = ("dtype", "shape", *keys_of(KINDS), "distribution", "landmarks", "default")
_MOST_SIZES = 100_000


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """What the file states: `domains` by the names of inputs, and the outputs of some feeds."""

    domains: Mapping[str, Domain] = field(default_factory=dict)
    known: tuple[KnownOutputs, ...] = ()


def read_input_spec(path: Path) -> InputSpec:
    """Return what the file at `path` states; files that it names are seen from its folder.

    Raises:
        RequestError: there is no such file, or it states something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RequestError(f"--input-spec {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"--input-spec {path}: no TOML: it is not in UTF-8") from error
    return parse_input_spec(text, source=str(path), folder=path.parent)


def parse_input_spec(
    text: str, *, source: str = "input spec", folder: Path | None = None
) -> InputSpec:
    """Return what TOML text states; `source` stands at the head of its errors.

    Raises:
        RequestError: the text is no TOML, or states something that no domain has.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"{source}: no TOML: {error}{_unquoted(text)}") from error
    for key in data:
        if key not in _TABLES:
            hint = nearest(key, _TABLES)
            raise RequestError(
                f"{source}: unknown table [{key}]{hint}; tables are [inputs.NAME], [axes.NAME] "
                f"and [[known_outputs]]"
            )
    around = Surroundings(axes=_axes(data, source), folder=folder or Path())
    domains = _domains(data, source, around)
    _check_axes(around.axes, domains, source)
    return InputSpec(domains=domains, known=_known(data, source, around))


_UNQUOTED = re.compile(
    r"""^\s*\[(inputs|axes)\.([^"'\[\]\s]*[^"'\[\]\s\w.-][^"'\[\]\s]*)\]""",
    re.ASCII | re.MULTILINE,
)


def _unquoted(text: str) -> str:
    """Return the remedy where a name stands without the quotes that TOML wants."""
    found = _UNQUOTED.search(text)
    return f'; in quotes it is one name: [{found[1]}."{found[2]}"]' if found else ""


def _root(data: Mapping[str, Any], key: str, source: str) -> dict[str, Table]:
    """Return the tables [KEY.NAME] by name."""
    tables = data.get(key, {})
    if not isinstance(tables, Mapping):
        what = f"{key} = {shortened(tables)}"
        raise RequestError(f"{source}: {what} should be tables [{key}.NAME]")
    return Table(source=source, path=(), data=data).tables(key)


def _axes(data: Mapping[str, Any], source: str) -> dict[str, Axis]:
    return {name: _axis(name, table) for name, table in _root(data, "axes", source).items()}


def _axis(name: str, table: Table) -> Axis:
    table.check_keys(("sizes", "range", "once"))
    if "sizes" in table and "range" in table:
        raise table.fault("sizes and range exclude each other: keep one")
    once = tuple(table.need("once", _AXIS_SIZES)) if "once" in table else ()
    if "sizes" in table:
        sizes = tuple(sorted(set(table.need("sizes", _AXIS_SIZES))))
        return Axis(name=name, sizes=sizes, once=once)
    if "range" in table:
        low, high = table.need("range", _AXIS_RANGE)
        return Axis(name=name, sizes=tuple(range(low, high + 1)), once=once)
    raise table.fault("its sizes are missing: sizes = [8, 16] or range = [1, 16]")


_SIZE = whole_number(low=0)
_AXIS_SIZES = list_of(_SIZE, "a list of sizes")
_AXIS_PAIR = pair(_SIZE, "[low, high], both inclusive")


def _axis_range(value: Any) -> tuple[int, int]:
    low, high = _AXIS_PAIR.read(value)
    if high - low >= _MOST_SIZES:
        raise Misfit(f", no more than {_MOST_SIZES:,} sizes: state some with sizes = [1, 1000]")
    return low, high


_AXIS_RANGE = Form(should=_AXIS_PAIR.should, read=_axis_range)


def _check_axes(axes: Mapping[str, Axis], domains: Mapping[str, Domain], source: str) -> None:
    named = {axis.name for domain in domains.values() for axis in axes_of(domain)}
    for name in axes:
        if name not in named:
            raise RequestError(
                f"{source}: [axes.{name}] is in no shape: an input has it by its name, as "
                f'shape = [-1, "{name}"]{nearest(name, named)}'
            )


def _domains(data: Mapping[str, Any], source: str, around: Surroundings) -> dict[str, Domain]:
    tables = _root(data, "inputs", source)
    names = [canonical(name) for name in tables]
    for name in names:
        if names.count(name) > 1:
            raise RequestError(f"{source}: [inputs.{name}] stands there twice, with and without :0")
    return {canonical(name): _domain(table, around) for name, table in tables.items()}


def _domain(table: Table, around: Surroundings) -> Domain:
    table.check_keys(_KEYS)
    dtype = table.get("dtype", one_of(DTYPES, "a dtype"), "")
    values = read_values(table, around, kinds=KINDS, dtype=dtype)
    return Domain(
        shape=read_shape(table, around) if "shape" in table else None,
        values=values,
        distribution=_distribution(table, values),
        landmarks=table.get("landmarks", _LANDMARKS, ()),
        default=table.get("default", VALUE, None),
        dtype=dtype,
    )


_LANDMARKS = list_of(NUMBER, "a list of numbers")


def _distribution(table: Table, values: Values | None) -> str:
    if "distribution" in table and values is not None and not isinstance(values, Range):
        (other,) = (key for key in KINDS if key in table)
        raise table.fault(f"distribution and {other} exclude each other: keep one")
    return table.get("distribution", one_of(DISTRIBUTIONS, "a distribution"), "")


def _known(data: Mapping[str, Any], source: str, around: Surroundings) -> tuple[KnownOutputs, ...]:
    tables = data.get("known_outputs", [])
    if not isinstance(tables, list) or not all(isinstance(table, Mapping) for table in tables):
        what = f"known_outputs = {shortened(tables)}"
        raise RequestError(f"{source}: {what} should be tables [[known_outputs]]")
    found = Table(source=source, path=(), data={"known_outputs": tables})
    return tuple(read_known(table, around) for table in found.list_of_tables("known_outputs"))
