"""Lines of CSV that TensorFlow reads."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given

from harness.domain import Choices, Column, NumberTexts, Pictures, Range, Records
from harness.inputs.encoded import encode

seeds = st.integers(0, 2**32 - 1)
columns = st.builds(
    Column,
    dtype=st.sampled_from(["float32", "float64", "int32", "int64", "string"]),
    required=st.booleans(),
)
records = st.builds(
    Records,
    columns=st.lists(columns, min_size=1, max_size=5).map(tuple),
    delimiter=st.sampled_from([",", ";", "\t", "|", " "]),
    quotes=st.booleans(),
)


def lines(records: Records, count: int = 50, *, simplest: bool = False) -> list[bytes]:
    return list(encode(records, (count,), np.random.default_rng(0), simplest=simplest))


def read(records: Records, written: list[bytes], *, missing: str = "-1") -> list[list[object]]:
    defaults = [
        tf.constant([] if column.required else [missing if column.dtype == "string" else -1],
                    column.dtype)
        for column in records.columns
    ]  # fmt: skip
    fields = tf.io.decode_csv(
        written, defaults, field_delim=records.delimiter, use_quote_delim=records.quotes
    )
    return [field.numpy().tolist() for field in fields]


@given(records=records, seed=seeds, simplest=st.booleans())
def test_every_line_is_read(records: Records, seed: int, simplest: bool) -> None:
    written = encode(records, (12,), np.random.default_rng(seed), simplest=simplest)
    assert all(len(column) == 12 for column in read(records, list(written)))


def test_a_required_column_is_never_empty_and_another_at_times() -> None:
    columns = (Column(dtype="int32", values=Range(low=0, high=9)),
               Column(dtype="int32", values=Range(low=0, high=9), required=False))  # fmt: skip
    required, other = read(Records(columns=columns), lines(Records(columns=columns)))
    assert set(required) == set(range(10))
    assert set(other) == set(range(-1, 10))


@pytest.mark.parametrize("quotes", [True, False])
def test_a_single_column_may_be_empty_where_quotes_keep_the_line_from_being_so(
    quotes: bool,
) -> None:
    alone = Records(columns=(Column(dtype="string", required=False),), quotes=quotes)
    written = lines(alone)
    assert (b'""' in written) == quotes
    assert b"" not in written
    read(alone, written)


def test_a_string_in_quotes_holds_the_delimiter_and_quotes() -> None:
    two = Records(columns=(Column(dtype="string"), Column(dtype="int32")))
    words, _ = read(two, lines(two, 100))
    assert {b"one,two", b'say "hi"'} <= set(words)


def test_a_string_that_needs_no_quotes_has_them_at_times() -> None:
    two = Records(columns=(Column(dtype="string"), Column(dtype="int32")))
    starts = [line.rpartition(b",")[0] for line in lines(two, 200)]
    assert {b"freeze", b'"freeze"'} <= set(starts)


def test_without_quotes_no_string_holds_them_or_the_delimiter() -> None:
    two = Records(columns=(Column(dtype="string"),) * 2, delimiter=" ", quotes=False)
    for line in lines(two):
        assert b'"' not in line
        assert line.count(b" ") == 1


def test_what_the_user_states_of_a_column_is_given_back() -> None:
    stated = Records(
        columns=(
            Column(dtype="string", values=Choices(values=('a,"b"\n', b"\xff"))),
            Column(dtype="float32", values=Range(low=0.25, high=0.5)),
            Column(dtype="string", values=NumberTexts(dtype="int32")),
            Column(dtype="string", values=Pictures(formats=("png",), heights=(2,), widths=(3,))),
        )
    )
    words, numbers, texts, pictures = read(stated, lines(stated))
    assert set(words) == {b'a,"b"\n', b"\xff"}
    assert all(0.25 <= number <= 0.5 for number in numbers)
    tf.strings.to_number(texts, tf.int32)
    assert all(tf.io.decode_png(picture).shape[:2] == (2, 3) for picture in pictures)


def test_the_simplest_has_zeros_the_least_and_the_first_and_leaves_out_what_it_may() -> None:
    stated = Records(
        columns=(
            Column(dtype="float32"),
            Column(dtype="int64", values=Range(low=3, high=9)),
            Column(dtype="int64", required=False),
            Column(dtype="string", values=Choices(values=("x", "y"))),
            Column(dtype="string", required=False),
        )
    )
    assert set(lines(stated, simplest=True)) == {b"0,3,,x,"}
