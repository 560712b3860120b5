"""Domains written as an input-spec file are read back as they were, with hints for a user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from harness.domain import (
    Axis,
    Choices,
    Column,
    Domain,
    Examples,
    Feature,
    KnownOutputs,
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
from harness.inputs.dtypes import DTYPES
from harness.inputs.spec import parse_input_spec, spec_text
from harness.inputs.spec.values import COLUMN_DTYPES, DECIMAL_DTYPES, FEATURE_DTYPES, FORMATS
from harness.inputs.values import DISTRIBUTIONS
from harness.signature import Shape, Signature, TensorSpec
from harness.tensor_names import canonical

HERE = Path(__file__)

names = st.text(min_size=1).filter(lambda name: name == canonical(name))
sizes = st.lists(st.integers(1, 99), min_size=1, max_size=4).map(tuple)
numbers = st.booleans() | st.integers() | st.floats()
# Bytes that are UTF-8 come back as the string that they encode.
others = st.text() | st.binary().map(lambda value: b"\xff" + value)
ranges = (
    st.tuples(*[st.integers() | st.floats(-1e300, 1e300)] * 2)
    .map(sorted)
    .map(lambda ends: Range(low=ends[0], high=ends[1]))
)
pictures = st.builds(
    Pictures,
    formats=st.lists(st.sampled_from(FORMATS), min_size=1).map(tuple),
    channels=st.sampled_from([0, 1, 3, 4]),
    heights=sizes,
    widths=sizes,
)
sounds = st.builds(Sounds, channels=st.integers(1, 4), samples=sizes)
number_texts = st.builds(NumberTexts, dtype=st.sampled_from(DECIMAL_DTYPES))


def choices(each: st.SearchStrategy[object]) -> st.SearchStrategy[Choices]:
    return st.builds(Choices, values=st.lists(each, min_size=1, max_size=4).map(tuple))


def fields(dtype: str) -> st.SearchStrategy[Values | None]:
    """What a field of a dtype may hold."""
    if dtype == "string":
        return st.none() | choices(others) | pictures | sounds | number_texts
    return st.none() | choices(numbers) | ranges


columns = st.sampled_from(COLUMN_DTYPES).flatmap(
    lambda dtype: st.builds(Column, dtype=st.just(dtype), values=fields(dtype))
)
row_shapes = st.none() | st.lists(st.integers(0, 9)).map(tuple).flatmap(
    lambda shape: st.sampled_from([shape, (None, *shape)])
)
features = st.sampled_from(FEATURE_DTYPES).flatmap(
    lambda dtype: st.builds(
        Feature,
        dtype=st.just(dtype),
        shape=row_shapes,
        required=st.booleans(),
        values=fields(dtype),
    )
)
named_features = st.dictionaries(st.text(), features, max_size=2)


# Of one name, one size: a file cannot state two.
AXES = (
    Axis(name="batch", sizes=(0, 1, 2, 3), once=(512,)),
    Axis(name="x[1]", sizes=(8, 16, 24)),
    Axis(name='a "b"\n.é', sizes=(5,)),
    Axis(name="1", sizes=(1, 2)),
)
known_sizes = st.integers(0, 9) | st.sampled_from(AXES)
values = (
    ranges
    | choices(numbers | others)
    | st.builds(Phase, inference=numbers, training=numbers)
    | pictures
    | sounds
    | number_texts
    | st.builds(
        Records,
        columns=st.lists(columns, min_size=1, max_size=3).map(tuple),
        delimiter=st.sampled_from(",;\t |"),
        quotes=st.booleans(),
    )
    | st.builds(Examples, features=named_features, feature_lists=named_features)
    | st.builds(Lengths, of=names, axis=st.integers(0, 3), divisor=st.integers(1, 9))
    | st.builds(SizeOf, of=names, axis=st.integers(0, 3))
    | st.builds(
        Sparse,
        values=names,
        dense_shape=st.just("") | names,
        shape=st.lists(known_sizes, max_size=3).map(tuple),
    )
    | st.just(NewShape())
    | st.sampled_from([Recorded(path=HERE), Recorded(path=HERE.parent)])
)
rest = {
    "shape": st.none() | st.lists(known_sizes | st.none(), max_size=4).map(tuple),
    "landmarks": st.lists(numbers, max_size=3).map(tuple),
    "default": st.none() | numbers | others,
}
distributions = st.just("") | st.sampled_from(DISTRIBUTIONS)
dtypes = st.just("") | st.sampled_from(DTYPES)
inputs = st.dictionaries(
    names,
    st.builds(Domain, values=values, **rest)
    | st.builds(Domain, values=ranges, distribution=distributions, **rest)
    | st.builds(Domain, dtype=dtypes, distribution=distributions, **rest),
    max_size=2,
)


def signature_of(*specs: TensorSpec) -> Signature:
    output = TensorSpec(name="layer/y", dtype="float32", shape=None)
    return Signature(inputs=specs, outputs=(output,))


def tensor(name: str, dtype: str = "float32", shape: Shape | None = (None, 3)) -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, shape=shape)


@given(domains=inputs)
def test_what_was_written_is_read_back(domains: Mapping[str, Domain]) -> None:
    # By `repr`, for which 1 is not True, and nan is nan.
    assert repr(parse_input_spec(spec_text(domains)).domains) == repr(domains)


@given(domains=inputs, dtype=st.sampled_from(DTYPES), model=st.text())
def test_comments_change_nothing(domains: Mapping[str, Domain], dtype: str, model: str) -> None:
    signature = signature_of(*(tensor(name, dtype) for name in domains))
    spec = parse_input_spec(spec_text(domains, signature=signature, model=model))
    assert (repr(spec.domains), spec.known) == (repr(domains), ())


def test_bytes_that_encode_a_string_are_read_back_as_that() -> None:
    text = spec_text({"x": Domain(values=Choices(values=(b"a", "b")))})
    assert parse_input_spec(text).domains["x"].values == Choices(values=("a", "b"))


def test_an_array_of_an_npz_is_written_with_its_key(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.touch()
    domains = {"x": Domain(values=Recorded(path=path, key="a"))}
    assert parse_input_spec(spec_text(domains)).domains == domains


def test_a_table_says_what_the_input_is_and_where_the_rest_was_read() -> None:
    domain = Domain(values=Range(low=0, high=49), shape=(None, 3), read_from="lookup")
    text = spec_text({"a/ids": domain}, signature=signature_of(tensor("a/ids", "int32")))
    assert text.startswith(
        '# int32 [-1, 3]; read from lookup\n[inputs."a/ids"]\nshape = [-1, 3]\nrange = [0, 49]\n\n'
    )


def test_an_axis_says_who_refuses_other_sizes() -> None:
    axis = Axis(name="x[1]", sizes=(7, 8, 9), refused_by="conv/Conv2D")
    text = spec_text({"x": Domain(shape=(axis,))})
    assert text == (
        "# some other sizes are refused by conv/Conv2D\n"
        '[axes."x[1]"]\n'
        "range = [7, 9]\n\n"
        "[inputs.x]\n"
        'shape = ["x[1]"]\n'
    )


def test_an_axis_of_several_inputs_has_the_sizes_that_all_of_them_take() -> None:
    domains = {
        "x": Domain(shape=(Axis(name="a", sizes=(1, 8, 9)),)),
        "y": Domain(shape=(Axis(name="a", sizes=(8, 9, 10), refused_by="conv"),)),
    }
    assert spec_text(domains).startswith(
        "# some other sizes are refused by conv\n[axes.a]\nsizes = [8, 9]\n"
    )


def test_members_of_a_sparse_tensor_say_what_they_are_drawn_with() -> None:
    domains = {
        "indices": Domain(values=Sparse(values="values", dense_shape="shape", shape=(3,))),
        "values": Domain(shape=(None,)),
        "shape": Domain(shape=(1,)),
    }
    specs = [tensor("indices", "int64"), tensor("values"), tensor("shape", "int64")]
    text = spec_text(domains, signature=signature_of(*specs))
    assert (
        "# float32 [-1, 3]; drawn together with indices\n[inputs.values]\nshape = [-1]\n\n" in text
    )
    assert "# int64 [-1, 3]; drawn together with indices\n[inputs.shape]\nshape = [1]\n\n" in text


def test_the_file_begins_with_what_it_is_for() -> None:
    text = spec_text({"x": Domain()}, model="m.pb\nrm")
    assert text.startswith("# What the inputs of m.pb?rm accept, as far as the graph says it.\n# ")
    assert "--input-spec" in text


def test_a_line_is_shown_for_a_shape_that_is_open() -> None:
    text = spec_text({"x": Domain()}, signature=signature_of(tensor("x", shape=(None, 28, 1))))
    assert "[inputs.x]\n# shape = [-1, 28, 1]\n" in text


@pytest.mark.parametrize(
    ("dtype", "shape"), [("float32", "[-1, 28, 28, 3]"), ("string", "[-1]"), ("int32", "[-1]")]
)
def test_a_shape_is_made_up_where_none_is_known(dtype: str, shape: str) -> None:
    text = spec_text({"x": Domain()}, signature=signature_of(tensor("x", dtype, None)))
    assert f"# {dtype} of unknown rank\n[inputs.x]\n# shape = {shape}\n" in text


def test_no_line_is_shown_for_what_is_known() -> None:
    domain = Domain(shape=(3,), values=Range(low=0, high=1))
    text = spec_text({"x": domain}, signature=signature_of(tensor("x")))
    assert "# range" not in text
    assert "# shape" not in text


def shown(*specs: TensorSpec) -> list[str]:
    """The lines in comments in the table of the first input, without their comment signs."""
    domains = {spec.name: Domain() for spec in specs}
    text = spec_text(domains, signature=signature_of(*specs))
    table = text.partition(f"[inputs.{specs[0].name}]\n")[2].partition("\n\n")[0]
    return [line.removeprefix("# ") for line in table.splitlines()]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_line_that_is_shown_can_be_taken_as_it_is(dtype: str, tmp_path: Path) -> None:
    for name in ("FILE.npy", "FOLDER"):
        (tmp_path / name).touch()
    lines = shown(tensor("x", dtype))
    assert len(lines) >= 2
    for line in lines:
        text = f'[inputs.x]\ndtype = "{dtype}"\n{line}\n'
        (domain,) = parse_input_spec(text, folder=tmp_path).domains.values()
        assert replace(domain, dtype="") != Domain()


LENGTHS = ['lengths_of = "y"', "axis = 1"]


@pytest.mark.parametrize("shape", [(None,), (8,), None])
@pytest.mark.parametrize("other", [(None, None, 3), None])
def test_whole_numbers_may_be_the_lengths_of_another_input(
    shape: Shape | None, other: Shape | None
) -> None:
    lines = shown(tensor("x", "int32", shape), tensor("y", "float32", other))
    assert [line for line in lines if line in LENGTHS] == LENGTHS


@pytest.mark.parametrize(
    "specs",
    [
        (tensor("x", "int32", (None,)),),
        (tensor("x", "float32", (None,)), tensor("y")),
        (tensor("x", "int32", (None, 3)), tensor("y")),
        (tensor("x", "int32", ()), tensor("y")),
        (tensor("x", "int32", (None,)), tensor("y", shape=(None,))),
    ],
)
def test_what_can_be_no_lengths_is_not_shown_as_such(specs: tuple[TensorSpec, ...]) -> None:
    assert not set(LENGTHS) & set(shown(*specs))


def test_known_outputs_are_shown_at_the_end(tmp_path: Path) -> None:
    signature = signature_of(tensor("a/x"), tensor("b"))
    text = spec_text({"a/x": Domain(), "b": Domain()}, signature=signature)
    lines = text.rstrip().rpartition("\n\n")[2].splitlines()
    assert lines[0] == "# Feeds whose outputs you know are held against what the model computes:"
    for name in ("a_x.npy", "b.npy", "layer_y.npy"):
        (tmp_path / name).touch()
    spec = parse_input_spec("\n".join(line[2:] for line in lines[1:]), folder=tmp_path)
    assert spec.known == (
        KnownOutputs(
            feeds={
                "a/x": Recorded(path=tmp_path / "a_x.npy"),
                "b": Recorded(path=tmp_path / "b.npy"),
            },
            outputs={"layer/y": Recorded(path=tmp_path / "layer_y.npy")},
            where="input spec: [known_outputs] number 1",
        ),
    )


def test_long_values_have_tables_of_their_own() -> None:
    domains = {
        "x": Domain(
            shape=(None,),
            values=Examples(
                features={"a/b": Feature(dtype="int64", shape=(), required=False)},
                feature_lists={"c": Feature(dtype="string", values=Sounds())},
            ),
        ),
        "y": Domain(values=Records(columns=(Column(dtype="int32"), Column(dtype="string")))),
    }
    assert spec_text(domains) == (
        "[inputs.x]\n"
        "shape = [-1]\n\n"
        '[inputs.x.example."a/b"]\n'
        'dtype = "int64"\n'
        "shape = []\n"
        "required = false\n\n"
        "[inputs.x.feature_lists.c]\n"
        'dtype = "string"\n'
        "sound = { channels = 1, samples = [1, 160, 1000, 16000] }\n\n"
        "[inputs.y]\n\n"
        "[inputs.y.csv]\n"
        "columns = [\n"
        '    { dtype = "int32" },\n'
        '    { dtype = "string" },\n'
        "]\n"
    )


def test_nothing_is_written_of_nothing() -> None:
    assert spec_text({}) == ""
