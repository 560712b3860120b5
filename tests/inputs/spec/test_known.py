"""Feeds and known outputs, as the input-spec file states them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.domain import KnownOutputs, Recorded
from harness.errors import RequestError
from harness.inputs.spec import parse_input_spec


def stated(text: str, *, folder: Path | None = None) -> KnownOutputs:
    (known,) = parse_input_spec(f"[[known_outputs]]\n{text}", folder=folder).known
    return known


def test_values_are_stated_where_they_are_used() -> None:
    known = stated('feeds = { x = [[1, 2], [3, 4.5]], "a/flag:0" = false, empty = [] }')
    assert known.feeds == {"x": ((1, 2), (3, 4.5)), "a/flag": False, "empty": ()}


def test_a_text_names_a_file_beside_the_spec(tmp_path: Path) -> None:
    (tmp_path / "x.npy").touch()
    known = stated('feeds = { x = "x.npy" }', folder=tmp_path)
    assert known.feeds == {"x": Recorded(path=tmp_path / "x.npy")}


def test_an_array_of_an_npz_is_named_by_its_key(tmp_path: Path) -> None:
    (tmp_path / "all.npz").touch()
    known = stated('feeds = { x = { file = "all.npz", key = "a" } }', folder=tmp_path)
    assert known.feeds == {"x": Recorded(path=tmp_path / "all.npz", key="a")}


def test_a_string_itself_is_a_value_or_stands_in_a_list() -> None:
    known = stated('feeds = { x = { value = "hello" }, y = ["a", { hex = "ff" }] }')
    assert known.feeds == {"x": "hello", "y": ("a", b"\xff")}


def test_outputs_and_their_tolerance_are_stated() -> None:
    known = stated('feeds = { x = 1 }\noutputs = { "y:0" = [2.0], "y:1" = 3 }\nrtol = 0.01')
    assert (known.outputs, known.rtol) == ({"y": (2.0,), "y:1": 3}, 0.01)


def test_without_outputs_there_are_feeds_to_try() -> None:
    assert stated("feeds = { x = 1 }").outputs == {}


def test_each_table_is_told_by_its_number() -> None:
    text = "[[known_outputs]]\nfeeds = { x = 1 }\n" * 2
    first, second = parse_input_spec(text, source="spec.toml").known
    assert first.where == "spec.toml: [known_outputs] number 1"
    assert second.where == "spec.toml: [known_outputs] number 2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"^input spec: \[known_outputs\] number 1: feeds is missing: a table, as \{ x = "),
        ("feeds = 3", r"\[known_outputs\] number 1: feeds = 3 should be a table$"),
        ("feeds = {}\noutput = {}", r"unknown key output; nearest: outputs$"),
        ("feeds = {}\nrtol = 0.1", "rtol goes with outputs, which is not there$"),
        (
            "feeds = { x = 1 }\noutputs = { y = 1 }\nrtol = 1.0",
            "rtol = 1.0 should be a number from 0 to below 1, as 1e-4$",
        ),
        ("feeds = { x = 1 }\noutputs = { y = 1 }\nrtol = false", "rtol = false should be a number"),
        ('feeds = { x = 1 }\noutputs = { y = 1 }\nrtol = "a"', 'rtol = "a" should be a number'),
        (
            'feeds = { x = "hello" }',
            r"\[known_outputs.feeds\] number 1: hello: no such file or folder; a string itself is "
            r'stated as \{ value = "hello" \}$',
        ),
        ('feeds = { x = "" }', 'x = "" should be a text$'),
        (
            "feeds = { x = [[1, 2], [3]] }",
            r"x = \[\[1, 2\], \[3\]\] should be a file's name, a value, or a list of values or of "
            r"rows, all numbers or all strings, and no row longer than another$",
        ),
        ('feeds = { x = [1, "a"] }', r'x = \[1, "a"\] should be a file.s name'),
        ("feeds = { x = [1, [2]] }", r"x = \[1, \[2\]\] should be a file.s name"),
        ("feeds = { x = 2020-01-01 }", "x = 2020-01-01 should be a file.s name"),
        ("feeds = { x = {} }", r"\[known_outputs.feeds.x\] number 1: file is missing: a text$"),
        (
            "feeds = { x = { value = 1, file = '.' } }",
            r"\[known_outputs.feeds.x\] number 1: value and file exclude each other: keep one$",
        ),
        ("feeds = { x = { value = 1, key = 'a' } }", "value and key exclude each other: keep one$"),
        ("feeds = { x = { path = 'a' } }", "unknown key path; there are file, key, value$"),
        ("feeds = { x = { file = 'a' } }", "a: no such file or folder$"),
        ("feeds = { x = 1, 'x:0' = 1 }", "x stands there twice, with and without :0$"),
        ("feeds = { x = 1 }\noutputs = 3", "outputs = 3 should be a table$"),
    ],
)
def test_what_is_wrong_is_told(text: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        stated(text)
