"""Each way to state values, and what is said of one that is wrong."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

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
from harness.errors import RequestError
from harness.inputs.encoded.pictures import draw_pictures
from harness.inputs.spec import parse_input_spec
from harness.inputs.spec.values import FORMATS, KINDS

ANY_OF_X = tuple(Axis(name=f"x shape[{index}]", sizes=tuple(range(1, 33))) for index in range(2))

# A line or more for each key that states values, in its simplest form.
SIMPLEST = {
    "range": "range = [0, 1]",
    "choices": "choices = [0, 1]",
    "constant": "constant = 0",
    "pictures": "pictures = {}",
    "sound": "sound = {}",
    "numbers": 'numbers = "int32"',
    "phase": "phase = { inference = false, training = true }",
    "file": 'file = "."',
    "lengths_of": 'lengths_of = "y"\naxis = 1',
    "size_of": 'size_of = "y"\naxis = 1',
    "sparse": 'sparse = { values = "v", shape = [3] }',
    "csv": 'csv = { columns = [{ dtype = "int32" }] }',
    "example": 'example = { a = { dtype = "int64" } }',
    "feature_lists": 'feature_lists = { a = { dtype = "int64" } }',
    "new_shape": "new_shape = true",
}


def stated(text: str, *, folder: Path | None = None) -> Values | None:
    return parse_input_spec(f"[inputs.x]\n{text}", folder=folder).domains["x"].values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("range = [0, 49]", Range(low=0, high=49)),
        ("range = [-0.5, 0.5]", Range(low=-0.5, high=0.5)),
        ("range = [3, 3]", Range(low=3, high=3)),
        ("choices = [0.5, 1.0]", Choices(values=(0.5, 1.0))),
        ("choices = [true, false]", Choices(values=(True, False))),
        ('choices = ["a", { hex = "00ff" }]', Choices(values=("a", b"\x00\xff"))),
        ("constant = false", Choices(values=(False,))),
        ("constant = 0", Choices(values=(0,))),
        ('constant = ""', Choices(values=("",))),
        ("phase = { inference = 1.0, training = 0.5 }", Phase(inference=1.0, training=0.5)),
        ("phase = { inference = false, training = true }", Phase(inference=False, training=True)),
        ('lengths_of = "y:0"\naxis = 1', Lengths(of="y", axis=1)),
        ('lengths_of = "y"\naxis = 0\ndivided_by = 4', Lengths(of="y", axis=0, divisor=4)),
        ('size_of = "y:0"\naxis = 2', SizeOf(of="y", axis=2)),
        (
            'sparse = { values = "v:0", dense_shape = "s:0", shape = [4, 0] }',
            Sparse(values="v", dense_shape="s", shape=(4, 0)),
        ),
        (
            'sparse = { values = "v", shape = [-1, -1] }',
            Sparse(values="v", dense_shape="", shape=ANY_OF_X),
        ),
        ("pictures = {}", Pictures()),
        (
            'pictures = { formats = ["gif"], channels = 3, heights = [8], widths = [4, 2] }',
            Pictures(formats=("gif",), channels=3, heights=(8,), widths=(4, 2)),
        ),
        ("sound = {}", Sounds()),
        ("sound = { channels = 2, samples = [1, 9] }", Sounds(channels=2, samples=(1, 9))),
        ('numbers = "int64"', NumberTexts(dtype="int64")),
        (
            'csv = { columns = [{ dtype = "int32" }] }',
            Records(columns=(Column(dtype="int32"),)),
        ),
        (
            'csv = { columns = [{ dtype = "string", required = false, choices = ["a"] }, '
            '{ dtype = "float32", range = [0, 1] }], delimiter = "\\t", quotes = false }',
            Records(
                columns=(
                    Column(dtype="string", required=False, values=Choices(values=("a",))),
                    Column(dtype="float32", values=Range(low=0, high=1)),
                ),
                delimiter="\t",
                quotes=False,
            ),
        ),
        (
            'example."image/encoded" = { dtype = "string", shape = [], pictures = {} }\n'
            'example.ids = { dtype = "int64", required = false, range = [0, 9] }\n'
            'example.rows = { dtype = "float32", shape = [-1, 3] }',
            Examples(
                features={
                    "image/encoded": Feature(dtype="string", shape=(), values=Pictures()),
                    "ids": Feature(dtype="int64", required=False, values=Range(low=0, high=9)),
                    "rows": Feature(dtype="float32", shape=(None, 3)),
                }
            ),
        ),
        (
            'feature_lists.frames = { dtype = "float32", shape = [4] }',
            Examples(features={}, feature_lists={"frames": Feature(dtype="float32", shape=(4,))}),
        ),
        (
            'example.a = { dtype = "int64" }\nfeature_lists.b = { dtype = "int64" }',
            Examples(
                features={"a": Feature(dtype="int64")}, feature_lists={"b": Feature(dtype="int64")}
            ),
        ),
        ("new_shape = true", NewShape()),
    ],
)
def test_values_are_stated(text: str, values: Values) -> None:
    assert stated(text) == values


def test_values_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "x.npz").touch()
    values = stated('file = "x.npz"\nkey = "a"', folder=tmp_path)
    assert values == Recorded(path=tmp_path / "x.npz", key="a")


def test_values_may_stand_in_a_folder_named_as_a_whole(tmp_path: Path) -> None:
    assert stated(f'file = "{tmp_path}"', folder=Path("/nowhere")) == Recorded(path=tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("range = 3", r"^input spec: \[inputs.x\]: range = 3 should be \[low, high\], both incl"),
        ("range = [3]", r"range = \[3\] should be \[low, high\], both inclusive$"),
        ("range = [1, 0]", r"should be \[low, high\]"),
        ("range = [0, 1, 2]", r"should be \[low, high\]"),
        ("range = [false, true]", r"range = \[false, true\] should be \[low, high\]"),
        ("range = [0, nan]", r"should be \[low, high\]"),
        ("range = [0, inf]", r"should be \[low, high\]"),
        ("range = [inf, inf]", r"should be \[low, high\]"),
        ("range = [nan, nan]", r"should be \[low, high\]"),
        ('range = ["a", "b"]', r"should be \[low, high\]"),
        ("range = [-1.7e308, 1.7e308]", r"should be \[low, high\]"),
        ("choices = []", r"choices = \[\] should be a list of values$"),
        ("choices = 3", "choices = 3 should be a list of values$"),
        ("choices = [[1], [2]]", r"choices = \[\[1\], \[2\]\] should be a list of values$"),
        ("choices = [2020-01-01]", r"choices = \[2020-01-01\] should be a list of values$"),
        ("constant = [1]", r"constant = \[1\] should be one value: a number, a string, true or"),
        ("constant = { a = 1 }", r"constant = \{ a = 1 \} should be one value"),
        ('constant = { hex = "0g" }', "should be one value"),
        ("constant = { hex = 3 }", "should be one value"),
        ("phase = true", r"\[inputs.x\]: phase = true should be a table$"),
        ("phase = {}", r"\[inputs.x.phase\]: inference is missing: a number, true or false$"),
        ("phase = { inference = 1 }", r"\[inputs.x.phase\]: training is missing"),
        (
            'phase = { inference = "a", training = 1 }',
            r'\[inputs.x.phase\]: inference = "a" should be a number, true or false$',
        ),
        (
            "phase = { inferrence = 1, training = 1 }",
            r"\[inputs.x.phase\]: unknown key inferrence; nearest: inference$",
        ),
        ("file = 3", "file = 3 should be a text$"),
        ('lengths_of = "y"', r"axis is missing: a whole number, 0 for the first axis$"),
        ('lengths_of = ""\naxis = 1', 'lengths_of = "" should be a text$'),
        ('lengths_of = "y"\naxis = true', "axis = true should be a whole number, 0 for the first"),
        ('lengths_of = "y"\naxis = -1', "axis = -1 should be a whole number, 0 for the first axis"),
        ('lengths_of = "y"\naxis = 1\ndivided_by = 0', "divided_by = 0 should be a whole number "),
        ('size_of = "y"', "axis is missing"),
        ("axis = 1", "axis goes with lengths_of or size_of, which is not there$"),
        ("range = [0, 1]\naxis = 1", "axis goes with lengths_of or size_of, which is not there$"),
        ('size_of = "y"\naxis = 1\ndivided_by = 2', "divided_by goes with lengths_of, which is "),
        ('key = "a"', "key goes with file, which is not there$"),
        ("sparse = 3", "sparse = 3 should be a table$"),
        ("sparse = { shape = [1] }", r"\[inputs.x.sparse\]: values is missing: a text$"),
        ('sparse = { values = "v" }', r"\[inputs.x.sparse\]: shape is missing: a list of sizes"),
        ('sparse = { value = "v" }', r"\[inputs.x.sparse\]: unknown key value; nearest: values"),
        (
            'sparse = { values = "v", shape = ["a"] }',
            r'\[inputs.x.sparse\]: shape names the axis "a", whose sizes nothing states; state ',
        ),
        (
            'pictures = { formats = ["pgn"] }',
            r'\[inputs.x.pictures\]: formats = \["pgn"\] should be a list of png, jpeg, bmp, gif;'
            r" nearest: png, ",
        ),
        ("pictures = { formats = [] }", "should be a list of png, jpeg, bmp, gif$"),
        ("pictures = { channels = 2 }", "channels = 2 should be a number of channels: 0, 1, 3, 4$"),
        ("pictures = { channels = true }", "channels = true should be a number of channels"),
        ("pictures = { heights = [0] }", r"heights = \[0\] should be a list of sizes from 1$"),
        ("pictures = { widths = 3 }", "widths = 3 should be a list of sizes from 1$"),
        ("pictures = { width = 3 }", r"\[inputs.x.pictures\]: unknown key width; nearest: widths"),
        ("sound = { channels = 0 }", r"\[inputs.x.sound\]: channels = 0 should be a number from 1"),
        ("sound = { samples = [] }", r"samples = \[\] should be a list of sizes from 1$"),
        ("sound = { rate = 1 }", "unknown key rate; there are channels, samples$"),
        ('numbers = "string"', 'numbers = "string" should be a dtype of numbers: float32, '),
        ('numbers = "int23"', "should be a dtype of numbers: .*; nearest: int32"),
        ("csv = {}", r"\[inputs.x.csv\]: columns is missing: a list of tables, as \[\{ dtype"),
        ("csv = { columns = [] }", r"columns = \[\] should be a list of tables, as \[\{ dtype = "),
        ("csv = { columns = 3 }", "columns = 3 should be a list of tables"),
        ("csv = { columns = [3] }", r"columns = \[3\] should be a list of tables"),
        ("csv = { column = [] }", "unknown key column; nearest: columns"),
        (
            'csv = { columns = [{ dtype = "int32" }, {}] }',
            r"\[inputs.x.csv.columns\] number 2: dtype is missing: a dtype: float32, ",
        ),
        (
            'csv = { columns = [{ dtype = "int16" }] }',
            r'\[inputs.x.csv.columns\] number 1: dtype = "int16" should be a dtype: .*; nearest:',
        ),
        (
            'csv = { columns = [{ dtype = "int32", phase = 1 }] }',
            "unknown key phase; there are dtype, required, range, choices, constant, pictures, ",
        ),
        (
            'csv = { columns = [{ dtype = "int32", required = 1 }] }',
            "required = 1 should be true or false$",
        ),
        (
            "csv = { columns = [{ dtype = 'int32' }], delimiter = ';;' }",
            'delimiter = ";;" should be one character, and no quote or line end$',
        ),
        ("csv = { columns = [{ dtype = 'int32' }], delimiter = '\"' }", "should be one character"),
        ("csv = { columns = [{ dtype = 'int32' }], delimiter = 'é' }", "should be one character"),
        ("csv = { columns = [{ dtype = 'int32' }], quotes = 1 }", "quotes = 1 should be true or"),
        ("example = 3", "example = 3 should be a table$"),
        ("example = { a = 3 }", r"\[inputs.x.example\]: a = 3 should be a table$"),
        (
            "example.a = {}",
            r"\[inputs.x.example.a\]: dtype is missing: a dtype: float32, int64, string$",
        ),
        (
            'example."a/b" = { dtype = "int32" }',
            r'\[inputs.x.example."a/b"\]: dtype = "int32" should be a dtype: .*; nearest: int64',
        ),
        (
            "example.a = { dtype = 'int64', shape = [2, -1] }",
            r"shape = \[2, -1\] should be a list of sizes, of which the first may be -1$",
        ),
        ("example.a = { dtype = 'int64', shape = [-2] }", r"shape = \[-2\] should be a list of"),
        (
            "feature_lists.a = { dtype = 'int64', requried = true }",
            r"\[inputs.x.feature_lists.a\]: unknown key requried; nearest: required",
        ),
        ("new_shape = false", "new_shape = false should be true$"),
    ],
)
def test_what_is_wrong_is_told(text: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        stated(text)


def test_a_file_that_is_not_there_is_told_with_those_that_are_like_it(tmp_path: Path) -> None:
    (tmp_path / "inputs.npy").touch()
    with pytest.raises(
        RequestError,
        match=rf"\[inputs.x\]: {tmp_path}/input.npy: no such file or folder; nearest: inputs.npy$",
    ):
        stated('file = "input.npy"', folder=tmp_path)


def test_a_file_in_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"no/x\.npy: no such file or folder$"):
        stated('file = "no/x.npy"', folder=tmp_path)


def test_an_array_is_named_in_an_npz_alone(tmp_path: Path) -> None:
    (tmp_path / "x.npy").touch()
    with pytest.raises(
        RequestError, match=r'key = "a" names an array of an \.npz, which .*x\.npy is not$'
    ):
        stated('file = "x.npy"\nkey = "a"', folder=tmp_path)


@pytest.mark.parametrize(
    ("dtype", "line", "message"),
    [
        ("float32", "pictures", "pictures states strings, and dtype is float32"),
        ("int32", "numbers", "numbers states strings, and dtype is int32"),
        ("int32", "sound", "sound states strings, and dtype is int32"),
        ("int32", "csv", "csv states strings, and dtype is int32"),
        ("int32", "example", "example states strings, and dtype is int32"),
        ("int32", "feature_lists", "feature_lists states strings, and dtype is int32"),
        ("string", "range", "range states numbers, and dtype is string"),
        ("string", "choices", "choices states numbers, and dtype is string"),
        ("string", "phase", "phase states numbers, and dtype is string"),
    ],
)
def test_values_of_another_dtype_are_told(dtype: str, line: str, message: str) -> None:
    with pytest.raises(RequestError, match=rf"\[inputs.x\]: {message}$"):
        stated(f'dtype = "{dtype}"\n{SIMPLEST[line]}')


def test_strings_among_numbers_are_told() -> None:
    with pytest.raises(RequestError, match="choices states strings, and dtype is int32"):
        stated('dtype = "int32"\nchoices = [1, "a"]')


def test_values_of_a_feature_are_held_against_its_dtype() -> None:
    with pytest.raises(
        RequestError, match=r"\[inputs.x.example.a\]: range states numbers, and dtype is string$"
    ):
        stated("example.a = { dtype = 'string', range = [0, 1] }")


def test_every_way_to_state_values_is_tested() -> None:
    assert SIMPLEST.keys() == KINDS.keys()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pair
        for pair in itertools.combinations(SIMPLEST, 2)
        if set(pair) not in ({"example", "feature_lists"}, {"lengths_of", "size_of"})
    ],
)
def test_two_ways_to_state_values_exclude_each_other(one: str, other: str) -> None:
    with pytest.raises(
        RequestError, match=rf"({one} and {other}|{other} and {one}) exclude each other: keep one$"
    ):
        stated(f"{SIMPLEST[one]}\n{SIMPLEST[other]}")


def test_lengths_and_size_exclude_each_other() -> None:
    with pytest.raises(RequestError, match="lengths_of and size_of exclude each other: keep one"):
        stated('lengths_of = "y"\nsize_of = "y"\naxis = 1')


def test_all_that_exclude_each_other_are_named() -> None:
    with pytest.raises(RequestError, match="range and choices and constant exclude each other"):
        stated("range = [0, 1]\nconstant = 1\nchoices = [0]")


@pytest.mark.parametrize("name", FORMATS)
def test_a_picture_is_drawn_in_every_format_that_can_be_stated(name: str) -> None:
    pictures = stated(f'pictures = {{ formats = ["{name}"] }}')
    assert isinstance(pictures, Pictures)
    (picture,) = draw_pictures(pictures, 1, np.random.default_rng(0))
    assert picture
