"""Keys and values as TOML text are read back as they were."""

from __future__ import annotations

import math
import sys
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from harness.inputs.spec.toml_text import key_text, shortened, value_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

scalars = st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=6
)


@given(key=st.text(), value=values)
def test_what_was_written_is_read_back(key: str, value: Any) -> None:
    assert tomllib.loads(f"{key_text(key)} = {value_text(value)}") == {key: value}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (3, "3"),
        (-0.0, "-0.0"),
        (1e22, "1e+22"),
        (math.inf, "inf"),
        ('a"\\\n\x7f', '"a\\"\\\\\\n\\u007f"'),
        ("é", '"é"'),
        ((1, "a"), '[1, "a"]'),
        ({"a b": 1, "c": {}}, '{ "a b" = 1, c = {} }'),
        (np.float32(0.5), "0.5"),
        (np.bool_(False), "false"),
        (np.int64(7), "7"),
    ],
)
def test_a_value_is_written_plainly(value: Any, text: str) -> None:
    assert value_text(value) == text


def test_not_a_number_is_written() -> None:
    assert math.isnan(tomllib.loads(f"x = {value_text(math.nan)}")["x"])


def test_bytes_are_the_string_that_they_encode() -> None:
    assert value_text("é".encode()) == '"é"'


def test_bytes_that_encode_no_string_are_hex_digits() -> None:
    assert value_text(b"\x00\xff") == '{ hex = "00ff" }'


def test_a_key_stands_without_quotes_where_it_can() -> None:
    assert [key_text(name) for name in ("a-b_1", "a/b", "a.b", "")] == [
        "a-b_1",
        '"a/b"',
        '"a.b"',
        '""',
    ]


def test_a_long_value_is_cut() -> None:
    assert shortened([0] * 5) == "[0, 0, 0, 0, 0]"
    assert len(shortened([0] * 500)) == 61
