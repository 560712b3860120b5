"""The input-spec file: what inputs accept, stated by the user in TOML.

[inputs.ids]
range = [0, 49]          # inclusive
[inputs."image_tensor"]
shape = [-1, 28, 28, 3]  # -1: any size
[inputs.phase]
constant = false         # or: choices = [0.5, 1.0]
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.domain import Choices, Domain, Range, Values
from harness.errors import RequestError, nearest
from harness.tensor_names import canonical

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_KEYS = ("shape", "range", "choices", "constant")


def read_input_spec(path: Path) -> dict[str, Domain]:
    """Return the domains that the file at `path` states, by input name.

    Raises:
        RequestError: there is no such file, or it states something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RequestError(f"--input-spec {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"--input-spec {path}: no TOML: it is not in UTF-8") from error
    return parse_input_spec(text, source=str(path))


def parse_input_spec(text: str, *, source: str = "input spec") -> dict[str, Domain]:
    """Return the domains stated in TOML text; `source` stands at the head of its errors.

    Raises:
        RequestError: the text is no TOML, or states something that no domain has.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"{source}: no TOML: {error}") from error
    for key in data:
        if key != "inputs":
            raise RequestError(f"{source}: unknown table [{key}]; tables are [inputs.NAME]")
    tables = data.get("inputs", {})
    if not isinstance(tables, Mapping):
        raise RequestError(f"{source}: inputs is {tables!r}, and should be tables [inputs.NAME]")
    names = [canonical(name) for name in tables]
    for name in names:
        if names.count(name) > 1:
            raise RequestError(f"{source}: [inputs.{name}] stands there twice, with and without :0")
    return {canonical(name): _domain(name, table, source) for name, table in tables.items()}


def _domain(name: str, table: Any, source: str) -> Domain:
    where = f"{source}: [inputs.{name}]"
    if not isinstance(table, Mapping):
        raise RequestError(f"{where} is {table!r}, and should be a table of {', '.join(_KEYS)}")
    for key in table:
        if key not in _KEYS:
            hint = nearest(key, _KEYS) or f"; there are {', '.join(_KEYS)}"
            raise RequestError(f"{where}: unknown key {key}{hint}")
    shape = table.get("shape")
    if shape is not None and not _is_list_of(shape, int):
        raise RequestError(f"{where}: shape = {shape!r} should be a list of sizes, -1 for any")
    bounds = table.get("range")
    if bounds is not None and not (
        _is_list_of(bounds, (int, float))
        and len(bounds) == 2
        and 0 <= bounds[1] - bounds[0] < math.inf
    ):
        raise RequestError(f"{where}: range = {bounds!r} should be [low, high], both inclusive")
    choices = table.get("choices", [])
    if "choices" in table and not (isinstance(choices, list) and choices and _are_values(choices)):
        raise RequestError(f"{where}: choices = {choices!r} should be a list of values")
    constant = table.get("constant")
    if constant is not None and not _are_values([constant]):
        raise RequestError(f"{where}: constant = {constant!r} should be one value")
    said = [key for key in ("range", "choices", "constant") if key in table]
    if len(said) > 1:
        raise RequestError(f"{where}: {' and '.join(said)} exclude each other: keep one")
    values: Values | None = None
    if bounds is not None:
        values = Range(low=bounds[0], high=bounds[1])
    if choices:
        values = Choices(values=tuple(choices))
    if constant is not None:
        values = Choices(values=(constant,))
    return Domain(
        shape=None if shape is None else tuple(None if size < 0 else size for size in shape),
        values=values,
    )


def _are_values(items: list[Any]) -> bool:
    return all(isinstance(item, (bool, int, float, str)) for item in items)


def _is_list_of(value: Any, kinds: type | tuple[type, ...]) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, kinds) and not isinstance(item, bool) for item in value
    )
