"""Lines of CSV as DecodeCSV reads them.

A field in double quotes may hold the delimiter, quotes (written twice) and line ends. A field of
no characters, in quotes too, counts as missing, and a line of no characters has no fields at all.
"""

from __future__ import annotations

import numpy as np

from harness.domain import Column, Records
from harness.inputs.encoded.fields import field_values
from harness.inputs.encoded.number_texts import in_decimal
from harness.inputs.encoded.plain import WORDS

_QUOTE = b'"'


def draw_records(
    records: Records, count: int, rng: np.random.Generator, *, simplest: bool = False
) -> list[bytes]:
    """Return `count` lines, the `simplest` of them without what may be left empty.

    Raises:
        RequestError: a column cannot hold its values.
    """
    columns = [_fields(column, records, count, rng, simplest) for column in records.columns]
    return [records.delimiter.encode().join(line) for line in zip(*columns, strict=True)]


def _fields(
    column: Column, records: Records, count: int, rng: np.random.Generator, simplest: bool
) -> list[bytes]:
    """Return what stands in a column, in each of `count` lines."""
    texts = _texts(column, records, count, rng, simplest)
    empty = rng.random(count) < (0 if column.required else 1 if simplest else 0.25)
    quoted = rng.random(count) < (0.125 if column.dtype == "string" and not simplest else 0)
    alone = len(records.columns) == 1
    if alone and not records.quotes:
        empty[:] = False
    fields = []
    for text, is_empty, in_quotes in zip(texts, empty, quoted, strict=True):
        if is_empty:
            fields.append(2 * _QUOTE if alone else b"")
        elif records.quotes and (in_quotes or _needs_quotes(text, records.delimiter.encode())):
            fields.append(_QUOTE + text.replace(_QUOTE, 2 * _QUOTE) + _QUOTE)
        else:
            fields.append(text)
    return fields


def _texts(
    column: Column, records: Records, count: int, rng: np.random.Generator, simplest: bool
) -> list[bytes]:
    if column.dtype == "string" and column.values is None:
        words = _words(records)
        picked = np.zeros(count, int) if simplest else rng.integers(len(words), size=count)
        return [words[index] for index in picked]
    values = field_values(column.dtype, column.values, count, rng, simplest=simplest)
    return list(values) if values.dtype.kind == "O" else in_decimal(values, rng)


def _words(records: Records) -> list[bytes]:
    delimiter = records.delimiter.encode()
    if records.quotes:
        return [*WORDS, b"one" + delimiter + b"two", b'say "hi"', b"two\nlines"]
    return [word for word in WORDS if delimiter not in word]


def _needs_quotes(text: bytes, delimiter: bytes) -> bool:
    return any(part in text for part in (delimiter, _QUOTE, b"\n", b"\r"))
