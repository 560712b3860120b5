"""The input-spec file, and what is said of one that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.domain import Choices, Domain, Range
from harness.errors import RequestError
from harness.inputs.spec import parse_input_spec, read_input_spec


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("shape = [-1, 28, 28, 3]", Domain(shape=(None, 28, 28, 3))),
        ("shape = []", Domain(shape=())),
        ("range = [0, 49]", Domain(values=Range(low=0, high=49))),
        ("range = [-0.5, 0.5]", Domain(values=Range(low=-0.5, high=0.5))),
        ("range = [3, 3]", Domain(values=Range(low=3, high=3))),
        ("choices = [0.5, 1.0]", Domain(values=Choices(values=(0.5, 1.0)))),
        ('choices = ["a", "b"]', Domain(values=Choices(values=("a", "b")))),
        ("constant = false", Domain(values=Choices(values=(False,)))),
        ("constant = 0", Domain(values=Choices(values=(0,)))),
        ('constant = ""', Domain(values=Choices(values=("",)))),
        ("shape = [2]\nconstant = 1", Domain(shape=(2,), values=Choices(values=(1,)))),
        ("", Domain()),
    ],
)
def test_a_table_states_a_domain(text: str, domain: Domain) -> None:
    assert parse_input_spec(f"[inputs.x]\n{text}") == {"x": domain}


@pytest.mark.parametrize("text", ["", "# nothing yet", "[inputs]"])
def test_an_empty_file_states_nothing(text: str) -> None:
    assert parse_input_spec(text) == {}


def test_an_input_is_named_with_or_without_its_index() -> None:
    domains = parse_input_spec('[inputs."a/x:0"]\n[inputs."a/y"]\n[inputs."a/z:1"]')
    assert list(domains) == ["a/x", "a/y", "a/z:1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inputs", "^input spec: no TOML: "),
        ("[inputs.a/b]", "^input spec: no TOML: "),
        ("[x]", r"^input spec: unknown table \[x\]; tables are \[inputs.NAME\]"),
        ("inputs = 3", r"^input spec: inputs is 3, and should be tables \[inputs.NAME\]"),
        ("[[inputs]]", r"^input spec: inputs is .* and should be tables"),
        ("[inputs]\nx = 3", r"^input spec: \[inputs.x\] is 3, and should be a table of shape, "),
        ("[inputs.x]\nranges = [0, 1]", r"\[inputs.x\]: unknown key ranges; nearest: range$"),
        ("[inputs.x]\nfoo = 1", "unknown key foo; there are shape, range, choices, constant$"),
        ("[inputs.x]\nshape = 3", "shape = 3 should be a list of sizes, -1 for any"),
        ("[inputs.x]\nshape = [1.5]", "shape = .* should be a list of sizes"),
        ("[inputs.x]\nshape = [true]", "shape = .* should be a list of sizes"),
        ("[inputs.x]\nrange = 3", r"range = 3 should be \[low, high\], both inclusive"),
        ("[inputs.x]\nrange = [3]", r"should be \[low, high\]"),
        ("[inputs.x]\nrange = [1, 0]", r"should be \[low, high\]"),
        ("[inputs.x]\nrange = [0, 1, 2]", r"should be \[low, high\]"),
        ("[inputs.x]\nrange = [false, true]", r"should be \[low, high\]"),
        ("[inputs.x]\nrange = [0, nan]", r"should be \[low, high\]"),
        ("[inputs.x]\nrange = [0, inf]", r"should be \[low, high\]"),
        ("[inputs.x]\nchoices = []", r"choices = \[\] should be a list of values"),
        ("[inputs.x]\nchoices = 3", "choices = 3 should be a list of values"),
        ("[inputs.x]\nchoices = [[1], [2]]", "choices = .* should be a list of values"),
        ("[inputs.x]\nchoices = [2020-01-01]", "choices = .* should be a list of values"),
        ("[inputs.x]\nconstant = [1]", r"constant = \[1\] should be one value"),
        ("[inputs.x]\nconstant = {a = 1}", "constant = .* should be one value"),
    ],
)
def test_what_states_no_domain_is_told(text: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        parse_input_spec(text)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text('[inputs."naïve"]\nconstant = "é"\n', encoding="utf-8")
    assert read_input_spec(path) == {"naïve": Domain(values=Choices(values=("é",)))}


def test_the_file_stands_at_the_head_of_its_errors(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text("[x]\n")
    with pytest.raises(RequestError, match=r"^/.*spec\.toml: unknown table"):
        read_input_spec(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=f"^--input-spec {tmp_path}: Is a directory"):
        read_input_spec(tmp_path)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_bytes(b"\xff\xfe[inputs]")
    with pytest.raises(RequestError, match=r"^--input-spec .*spec\.toml: no TOML: .*UTF-8"):
        read_input_spec(path)


def test_statements_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(RequestError, match="range and constant exclude each other"):
        parse_input_spec("[inputs.x]\nrange = [0, 1]\nconstant = 1\n")


def test_an_input_that_is_stated_twice_is_refused() -> None:
    with pytest.raises(RequestError, match="stands there twice"):
        parse_input_spec('[inputs.x]\nconstant = 1\n[inputs."x:0"]\nconstant = 2\n')
