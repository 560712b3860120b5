"""The input-spec file: its tables, and what is said of a file that states something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.domain import Axis, Choices, Domain, Range, Sparse
from harness.errors import RequestError
from harness.inputs.dtypes import DTYPES
from harness.inputs.spec import InputSpec, parse_input_spec, read_input_spec
from harness.inputs.values import DISTRIBUTIONS

TIME = Axis(name="time", sizes=(8, 16))


def stated(text: str) -> Domain:
    """What `[inputs.x]` with these lines states."""
    return parse_input_spec(f"[inputs.x]\n{text}").domains["x"]


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("", Domain()),
        ("shape = [-1, 28, 28, 3]", Domain(shape=(None, 28, 28, 3))),
        ("shape = [0]", Domain(shape=(0,))),
        ("shape = []", Domain(shape=())),
        ('dtype = "int32"', Domain(dtype="int32")),
        ('distribution = "normal"', Domain(distribution="normal")),
        ("landmarks = [0.5, 1]", Domain(landmarks=(0.5, 1))),
        ("default = false", Domain(default=False)),
        ("shape = [2]\nconstant = 1", Domain(shape=(2,), values=Choices(values=(1,)))),
        (
            'range = [0, 1]\ndistribution = "ramp"',
            Domain(values=Range(low=0, high=1), distribution="ramp"),
        ),
    ],
)
def test_a_table_states_a_domain(text: str, domain: Domain) -> None:
    assert stated(text) == domain


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_every_distribution_can_be_stated(name: str) -> None:
    assert stated(f'distribution = "{name}"').distribution == name


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_that_can_be_fed_can_be_stated(name: str) -> None:
    assert stated(f'dtype = "{name}"').dtype == name


@pytest.mark.parametrize("text", ["", "# nothing yet", "[inputs]", "[axes]", "known_outputs = []"])
def test_an_empty_file_states_nothing(text: str) -> None:
    assert parse_input_spec(text) == InputSpec()


def test_an_input_is_named_with_or_without_its_index() -> None:
    spec = parse_input_spec('[inputs."a/x:0"]\n[inputs."a/y"]\n[inputs."a/z:1"]')
    assert list(spec.domains) == ["a/x", "a/y", "a/z:1"]


def test_an_axis_has_one_size_in_every_input_that_names_it() -> None:
    spec = parse_input_spec("""
        [axes.time]
        sizes = [8, 16]
        [inputs.x]
        shape = [-1, "time", 3]
        [inputs.y]
        shape = ["time"]
    """)
    assert spec.domains["x"].shape == (None, TIME, 3)
    assert spec.domains["y"].shape == (TIME,)


def test_sizes_of_an_axis_are_put_in_order() -> None:
    spec = parse_input_spec('[axes.a]\nsizes = [9, 0, 9]\n[inputs.x]\nshape = ["a"]')
    assert spec.domains["x"].shape == (Axis(name="a", sizes=(0, 9)),)


def test_sizes_of_an_axis_can_be_a_range() -> None:
    spec = parse_input_spec('[axes.a]\nrange = [7, 10]\n[inputs.x]\nshape = ["a"]')
    assert spec.domains["x"].shape == (Axis(name="a", sizes=(7, 8, 9, 10)),)


def test_an_axis_may_be_one_of_a_sparse_tensor_alone() -> None:
    spec = parse_input_spec("""
        [axes.time]
        sizes = [8, 16]
        [inputs.x]
        sparse = { values = "v", shape = ["time", 3] }
    """)
    assert spec.domains["x"].values == Sparse(values="v", dense_shape="", shape=(TIME, 3))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inputs", "^input spec: no TOML: "),
        ("[inputs.a b]", "^input spec: no TOML: [^;]*$"),
        ("[inputs.a/b]", r'no TOML: .*; in quotes it is one name: \[inputs."a/b"\]$'),
        ("[inputs.a:1]", r'no TOML: .*; in quotes it is one name: \[inputs."a:1"\]$'),
        ("[axes.é]\nsizes = [1]", r'no TOML: .*; in quotes it is one name: \[axes."é"\]$'),
        ("[inputs.layer.1]", r'unknown key 1; in quotes it is one name: \[inputs."layer.1"\]$'),
        (
            "[input.x]",
            r"^input spec: unknown table \[input\]; nearest: inputs; tables are \[inputs.NAME\], "
            r"\[axes.NAME\] and \[\[known_outputs\]\]$",
        ),
        ("inputs = 3", r"^input spec: inputs = 3 should be tables \[inputs.NAME\]$"),
        ("[[inputs]]", r"^input spec: inputs = \[\{\}\] should be tables \[inputs.NAME\]$"),
        ("[inputs]\nx = 3", r"^input spec: \[inputs\]: x = 3 should be a table$"),
        ("axes = 3", r"^input spec: axes = 3 should be tables \[axes.NAME\]$"),
        (
            "[known_outputs]",
            r"^input spec: known_outputs = \{\} should be tables \[\[known_outputs\]\]$",
        ),
        (
            "known_outputs = [3]",
            r"known_outputs = \[3\] should be tables \[\[known_outputs\]\]$",
        ),
        (
            "[inputs.x]\nranges = [0, 1]",
            r"^input spec: \[inputs.x\]: unknown key ranges; nearest: ",
        ),
        ("[inputs.x]\nfoo = 1", r"\[inputs.x\]: unknown key foo; there are dtype, shape, range, "),
        ("[inputs.x]\n'f o' = 1", r'\[inputs.x\]: unknown key "f o"; there are dtype'),
        (
            '[inputs."a/x"]\nshape = 3',
            r'\[inputs."a/x"\]: shape = 3 should be a list of sizes, -1 for any, and of names of ',
        ),
        ("[inputs.x]\nshape = [1.5]", r"shape = \[1.5\] should be a list of sizes"),
        ("[inputs.x]\nshape = [true]", r"shape = \[true\] should be a list of sizes"),
        ("[inputs.x]\nshape = [-2]", r"shape = \[-2\] should be a list of sizes"),
        ('[inputs.x]\nshape = [""]', r'shape = \[""\] should be a list of sizes'),
        ('[inputs.x]\nshape = "time"', 'shape = "time" should be a list of sizes'),
        (
            '[inputs.x]\ndtype = "flaot32"',
            'dtype = "flaot32" should be a dtype: .*; nearest: float32',
        ),
        ("[inputs.x]\ndtype = 32", "dtype = 32 should be a dtype: bool, "),
        (
            '[inputs.x]\ndistribution = "gauss"',
            'distribution = "gauss" should be a distribution: zeros, ones, ',
        ),
        ('[inputs.x]\ndistribution = "norm"', "should be a distribution: .*; nearest: normal"),
        (
            '[inputs.x]\ndistribution = "normal"\nchoices = [1]',
            r"\[inputs.x\]: distribution and choices exclude each other: keep one$",
        ),
        ("[inputs.x]\nlandmarks = 3", "landmarks = 3 should be a list of numbers$"),
        ("[inputs.x]\nlandmarks = []", r"landmarks = \[\] should be a list of numbers$"),
        ('[inputs.x]\nlandmarks = ["a"]', r'landmarks = \["a"\] should be a list of numbers$'),
        ("[inputs.x]\ndefault = [1]", r"default = \[1\] should be one value: a number, a string,"),
    ],
)
def test_what_states_no_domain_is_told(text: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        parse_input_spec(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"^input spec: \[axes.a\]: its sizes are missing: sizes = \[8, 16\] or range = "),
        ("sizes = [1]\nrange = [1, 2]", r"\[axes.a\]: sizes and range exclude each other: keep "),
        ("sizes = 3", r"\[axes.a\]: sizes = 3 should be a list of sizes$"),
        ("sizes = []", r"sizes = \[\] should be a list of sizes$"),
        ("sizes = [-1]", r"sizes = \[-1\] should be a list of sizes$"),
        ("sizes = [true]", r"sizes = \[true\] should be a list of sizes$"),
        ("range = [3]", r"range = \[3\] should be \[low, high\], both inclusive$"),
        ("range = [2, 1]", r"range = \[2, 1\] should be \[low, high\], both inclusive$"),
        (
            "range = [1, 100001]",
            r"range = \[1, 100001\] should be \[low, high\], both inclusive, no more than 100,000 "
            r"sizes: state some with sizes = \[1, 1000\]$",
        ),
        ("size = [3]", r"\[axes.a\]: unknown key size; nearest: sizes$"),
    ],
)
def test_an_axis_without_sizes_is_told(text: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        parse_input_spec(f'[axes.a]\n{text}\n[inputs.x]\nshape = ["a"]')


def test_the_longest_range_of_an_axis_is_taken() -> None:
    spec = parse_input_spec('[axes.a]\nrange = [1, 100000]\n[inputs.x]\nshape = ["a"]')
    (axis,) = spec.domains["x"].shape or ()
    assert isinstance(axis, Axis)
    assert axis.sizes == tuple(range(1, 100_001))


def test_an_axis_that_is_not_stated_is_told_where_it_is_named() -> None:
    text = '[axes.time]\nsizes = [8]\n[inputs.x]\nshape = ["tiem"]'
    with pytest.raises(
        RequestError,
        match=r'^input spec: \[inputs.x\]: shape names the axis "tiem", whose sizes nothing '
        r"states; nearest: time; state them in \[axes.tiem\] with sizes = \[8, 16\] or range",
    ):
        parse_input_spec(text)


def test_an_axis_that_no_shape_names_is_told() -> None:
    text = '[axes.time]\nsizes = [8]\n[axes.times]\nsizes = [8]\n[inputs.x]\nshape = ["time"]'
    with pytest.raises(
        RequestError,
        match=r"^input spec: \[axes.times\] is in no shape: an input has it by its name, as shape "
        r'= \[-1, "times"\]; nearest: time$',
    ):
        parse_input_spec(text)


def test_an_input_that_is_stated_twice_is_refused() -> None:
    with pytest.raises(RequestError, match=r"\[inputs.x\] stands there twice, with and without :0"):
        parse_input_spec('[inputs.x]\nconstant = 1\n[inputs."x:0"]\nconstant = 2\n')


def test_what_is_long_is_told_by_its_beginning() -> None:
    with pytest.raises(RequestError, match=r"shape = \[1.5, 1.5, [^\n]{0,60}… should be"):
        stated(f"shape = [{', '.join(['1.5'] * 100)}]")


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text('[inputs."naïve"]\nconstant = "é"\n', encoding="utf-8")
    assert read_input_spec(path).domains == {"naïve": Domain(values=Choices(values=("é",)))}


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


def test_files_are_seen_from_the_folder_of_the_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "cat.png").write_bytes(b"png")
    path = tmp_path / "specs" / "spec.toml"
    path.write_text('[inputs.x]\nfile = "cat.png"\n[[known_outputs]]\nfeeds = { x = "cat.png" }\n')
    monkeypatch.chdir(tmp_path)
    spec = read_input_spec(path.relative_to(tmp_path))
    (known,) = spec.known
    assert spec.domains["x"].values == known.feeds["x"]
    assert str(known.feeds["x"]) == "from specs/cat.png"


def test_a_size_may_be_tried_once() -> None:
    text = '[axes.a]\nrange = [1, 3]\nonce = [64]\n[inputs.x]\nshape = ["a"]'
    (domain,) = parse_input_spec(text).domains.values()
    assert domain.shape == (Axis(name="a", sizes=(1, 2, 3), once=(64,)),)
