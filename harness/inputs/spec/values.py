"""What values a table of the input-spec file states: one way to state them, or none.

Each way is an entry of `KINDS`: the key that says it, the keys that go with it, and who reads it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.domain import (
    Axis,
    Choices,
    Column,
    Examples,
    Feature,
    Lengths,
    NewShape,
    NumberTexts,
    Phase,
    Pictures,
    Range,
    Recorded,
    Records,
    SizeOf,
    Sounds,
    Sparse,
    Values,
)
from harness.errors import nearest
from harness.inputs.completing import LARGEST_DIMENSION
from harness.inputs.spec.table import (
    END,
    FLAG,
    NUMBER,
    TEXT,
    VALUE,
    VALUES,
    Form,
    Misfit,
    Table,
    list_of,
    one_of,
    pair,
    whole_number,
)
from harness.inputs.spec.toml_text import key_text, value_text
from harness.tensor_names import canonical


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a table is read with: the axes that the file states, and the folder that it is in."""

    axes: Mapping[str, Axis]
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A way to state values; `beside` are the keys that go with its own."""

    read: Callable[[Table, Surroundings], Values]
    beside: tuple[str, ...] = ()
    of_strings: bool = False


def read_values(
    table: Table, around: Surroundings, *, kinds: Mapping[str, Kind], dtype: str = ""
) -> Values | None:
    """Return the values that the table states in one of `kinds`, or None; `dtype` may be unknown.

    Raises:
        RequestError: it states two, or one that is wrong, or one that is none of `dtype`.
    """
    said = [key for key in kinds if key in table]
    if not said:
        _check_alone(table, kinds)
        return None
    key = said[0]
    kind = kinds[key]
    others = [other for other in said[1:] if other not in kind.beside]
    if others:
        raise table.fault(f"{' and '.join([key, *others])} exclude each other: keep one")
    _check_alone(table, kinds, taken=kind.beside)
    values = kind.read(table, around)
    _check_dtype(table, key, values, dtype=dtype, of_strings=kind.of_strings)
    return values


def keys_of(kinds: Mapping[str, Kind]) -> tuple[str, ...]:
    """Return every key by which the values of `kinds` are stated."""
    return tuple(dict.fromkeys(k for key, kind in kinds.items() for k in (key, *kind.beside)))


def _check_alone(table: Table, kinds: Mapping[str, Kind], *, taken: Collection[str] = ()) -> None:
    """Refuse a key that goes with another, where that other does not stand there."""
    for key in keys_of(kinds):
        if key in table and key not in kinds and key not in taken:
            owners = [owner for owner, kind in kinds.items() if key in kind.beside]
            raise table.fault(f"{key} goes with {' or '.join(owners)}, which is not there")


def _check_dtype(table: Table, key: str, values: Values, *, dtype: str, of_strings: bool) -> None:
    if not dtype:
        return
    stated = values.values if isinstance(values, Choices) else ()
    texts = [isinstance(value, (str, bytes)) for value in stated]
    if dtype != "string" and (of_strings or any(texts)):
        raise table.fault(f"{key} states strings, and dtype is {dtype}")
    if dtype == "string" and (isinstance(values, (Range, Phase)) or not all(texts)):
        raise table.fault(f"{key} states numbers, and dtype is string")


def read_shape(table: Table, around: Surroundings) -> tuple[int | Axis | None, ...]:
    """Return the shape that the table states; None is any size.

    Raises:
        RequestError: it states none, or an axis without sizes.
    """
    return tuple(
        _axis_named(size, table, around) if isinstance(size, str) else None if size < 0 else size
        for size in table.need("shape", _SHAPE)
    )


def _dimension(value: Any) -> int | str:
    return TEXT.read(value) if isinstance(value, str) else whole_number(low=-1).read(value)


_SHAPE = list_of(
    Form(should="a size", read=_dimension),
    "a list of sizes, -1 for any, and of names of axes",
    least=0,
)


def _axis_named(name: str, table: Table, around: Surroundings) -> Axis:
    if name not in around.axes:
        hint = nearest(name, around.axes)
        raise table.fault(
            f"shape names the axis {value_text(name)}, whose sizes nothing states{hint}; state "
            f"them in [axes.{key_text(name)}] with sizes = [8, 16] or range = [1, 16]"
        )
    return around.axes[name]


def recorded(
    path: str, key: str, table: Table, around: Surroundings, *, hint: str = ""
) -> Recorded:
    """Return what stands in the file at `path`, which is seen from the folder of the spec.

    `hint` is what is said where there is none, nor one of a similar name.

    Raises:
        RequestError: there is no such file.
    """
    full = around.folder / Path(path).expanduser()
    if not full.exists():
        siblings = [p.name for p in full.parent.iterdir()] if full.parent.is_dir() else []
        hint = nearest(full.name, siblings) or hint
        raise table.fault(f"{full}: no such file or folder{hint}")
    if key and full.suffix.lower() != ".npz":
        raise table.fault(f"key = {value_text(key)} names an array of an .npz, which {full} is not")
    return Recorded(path=full, key=key)


def _bounds(value: Any) -> tuple[Any, Any]:
    low, high = _PAIR.read(value)
    # Of bounds that lie further apart no number between them can be drawn.
    if not math.isfinite(high - low):
        raise Misfit
    return low, high


_PAIR = pair(END, "[low, high], both inclusive")
_BOUNDS = Form(should=_PAIR.should, read=_bounds)
_AXIS = whole_number("a whole number, 0 for the first axis", low=0)
_SIZES = list_of(whole_number(low=1), "a list of sizes from 1")

FORMATS = ("png", "jpeg", "bmp", "gif")
DECIMAL_DTYPES = ("float32", "float64", "int32", "int64", "uint32", "uint64")
COLUMN_DTYPES = ("float32", "float64", "int32", "int64", "string")
FEATURE_DTYPES = ("float32", "int64", "string")
"""What StringToNumber, DecodeCSV and ParseExample give, as TensorFlow defines these ops."""


def _range(table: Table, _: Surroundings) -> Values:
    low, high = table.need("range", _BOUNDS)
    return Range(low=low, high=high)


def _choices(table: Table, _: Surroundings) -> Values:
    return Choices(values=table.need("choices", VALUES))


def _constant(table: Table, _: Surroundings) -> Values:
    return Choices(values=(table.need("constant", VALUE),))


def _phase(table: Table, _: Surroundings) -> Values:
    inner = table.table("phase")
    inner.check_keys(("inference", "training"))
    return Phase(inference=inner.need("inference", NUMBER), training=inner.need("training", NUMBER))


def _file(table: Table, around: Surroundings) -> Values:
    return recorded(table.need("file", TEXT), table.get("key", TEXT, ""), table, around)


def _lengths(table: Table, _: Surroundings) -> Values:
    return Lengths(
        of=canonical(table.need("lengths_of", TEXT)),
        axis=table.need("axis", _AXIS),
        divisor=table.get("divided_by", whole_number("a whole number from 1", low=1), 1),
    )


def _size(table: Table, _: Surroundings) -> Values:
    return SizeOf(of=canonical(table.need("size_of", TEXT)), axis=table.need("axis", _AXIS))


def _sparse(table: Table, around: Surroundings) -> Values:
    inner = table.table("sparse")
    inner.check_keys(("values", "dense_shape", "shape"))
    return Sparse(
        values=canonical(inner.need("values", TEXT)),
        dense_shape=canonical(inner.get("dense_shape", TEXT, "")),
        shape=tuple(
            # Of any size: an axis that nothing else has.
            Axis(name=f"{table.path[-1]} shape[{index}]", sizes=_ANY_SIZE) if size is None else size
            for index, size in enumerate(read_shape(inner, around))
        ),
    )


_ANY_SIZE = tuple(range(1, LARGEST_DIMENSION + 1))


def _pictures(table: Table, _: Surroundings) -> Values:
    inner = table.table("pictures")
    inner.check_keys(("formats", "channels", "heights", "widths"))
    form = list_of(one_of(FORMATS, "a format"), f"a list of {', '.join(FORMATS)}")
    default = Pictures()
    return Pictures(
        formats=inner.get("formats", form, default.formats),
        channels=inner.get(
            "channels", one_of((0, 1, 3, 4), "a number of channels"), default.channels
        ),
        heights=inner.get("heights", _SIZES, default.heights),
        widths=inner.get("widths", _SIZES, default.widths),
    )


def _sound(table: Table, _: Surroundings) -> Values:
    inner = table.table("sound")
    inner.check_keys(("channels", "samples"))
    default = Sounds()
    return Sounds(
        channels=inner.get("channels", whole_number("a number from 1", low=1), default.channels),
        samples=inner.get("samples", _SIZES, default.samples),
    )


def _numbers(table: Table, _: Surroundings) -> Values:
    return NumberTexts(dtype=table.need("numbers", one_of(DECIMAL_DTYPES, "a dtype of numbers")))


def _csv(table: Table, around: Surroundings) -> Values:
    inner = table.table("csv")
    inner.check_keys(("columns", "delimiter", "quotes"))
    if "columns" not in inner:
        raise inner.fault('columns is missing: a list of tables, as [{ dtype = "float32" }]')
    columns = inner.list_of_tables("columns")
    if not columns:
        raise inner.misfit("columns", 'a list of tables, as [{ dtype = "float32" }]')
    return Records(
        columns=tuple(_column(column, around) for column in columns),
        delimiter=inner.get("delimiter", _DELIMITER, ","),
        quotes=inner.get("quotes", FLAG, default=True),
    )


def _delimiter(value: Any) -> str:
    if len(TEXT.read(value)) != 1 or value in '"\r\n' or not value.isascii():
        raise Misfit
    return TEXT.read(value)


_DELIMITER = Form(should="one character, and no quote or line end", read=_delimiter)


def _column(table: Table, around: Surroundings) -> Column:
    table.check_keys(("dtype", "required", *keys_of(FIELD_KINDS)))
    dtype = table.need("dtype", one_of(COLUMN_DTYPES, "a dtype"))
    return Column(
        dtype=dtype,
        required=table.get("required", FLAG, default=True),
        values=read_values(table, around, kinds=FIELD_KINDS, dtype=dtype),
    )


def _example(table: Table, around: Surroundings) -> Values:
    named, lists = table.tables("example"), table.tables("feature_lists")
    return Examples(
        features={name: _feature(each, around) for name, each in named.items()},
        feature_lists={name: _feature(each, around) for name, each in lists.items()},
    )


def _feature(table: Table, around: Surroundings) -> Feature:
    table.check_keys(("dtype", "shape", "required", *keys_of(FIELD_KINDS)))
    dtype = table.need("dtype", one_of(FEATURE_DTYPES, "a dtype"))
    return Feature(
        dtype=dtype,
        shape=table.get("shape", _FEATURE_SHAPE, None),
        required=table.get("required", FLAG, default=True),
        values=read_values(table, around, kinds=FIELD_KINDS, dtype=dtype),
    )


def _feature_shape(value: Any) -> tuple[int | None, ...] | None:
    sizes = list_of(whole_number(low=-1), "", least=0).read(value)
    if any(size < 0 for size in sizes[1:]):
        raise Misfit
    return tuple(None if size < 0 else size for size in sizes)


_FEATURE_SHAPE = Form(should="a list of sizes, of which the first may be -1", read=_feature_shape)


def _new_shape(table: Table, _: Surroundings) -> Values:
    table.need("new_shape", Form(should="true", read=_true))
    return NewShape()


def _true(value: Any) -> None:
    if value is not True:
        raise Misfit


FIELD_KINDS: Mapping[str, Kind] = {
    "range": Kind(read=_range),
    "choices": Kind(read=_choices),
    "constant": Kind(read=_constant),
    "pictures": Kind(read=_pictures, of_strings=True),
    "sound": Kind(read=_sound, of_strings=True),
    "numbers": Kind(read=_numbers, of_strings=True),
}
"""The ways to state what a column of CSV holds, or a feature."""

KINDS: Mapping[str, Kind] = {
    **FIELD_KINDS,
    "phase": Kind(read=_phase),
    "file": Kind(read=_file, beside=("key",)),
    "lengths_of": Kind(read=_lengths, beside=("axis", "divided_by")),
    "size_of": Kind(read=_size, beside=("axis",)),
    "sparse": Kind(read=_sparse),
    "csv": Kind(read=_csv, of_strings=True),
    "example": Kind(read=_example, beside=("feature_lists",), of_strings=True),
    "feature_lists": Kind(read=_example, beside=("example",), of_strings=True),
    "new_shape": Kind(read=_new_shape),
}
"""The ways to state what an input holds."""
