"""Domains that an input cannot have are refused, with what can be done about it."""

from __future__ import annotations

import pytest

from harness.domain import (
    Choices,
    Domain,
    Examples,
    Lengths,
    NewShape,
    NumberTexts,
    Phase,
    Pictures,
    Range,
    Records,
    SizeOf,
    Sounds,
    Sparse,
    Values,
)
from harness.errors import RequestError
from harness.inputs.checking import check_domains
from harness.signature import Shape, Signature, TensorSpec

INF, NAN = float("inf"), float("nan")


def check(dtype: str, domain: Domain, *, shape: Shape | None = None) -> None:
    """Check a domain of the input x, beside an input `images` of two axes."""
    inputs = (
        TensorSpec(name="x", dtype=dtype, shape=shape),
        TensorSpec(name="images", dtype="float32", shape=(None, 4)),
    )
    check_domains(Signature(inputs=inputs, outputs=()), {"x": domain})


def refusal(dtype: str, domain: Domain, *, shape: Shape | None = None) -> str:
    with pytest.raises(RequestError) as caught:
        check(dtype, domain, shape=shape)
    assert str(caught.value).startswith("input spec x: ")
    return str(caught.value).removeprefix("input spec x: ")


def test_a_domain_of_no_input_is_answered_with_the_nearest() -> None:
    signature = Signature(
        inputs=(TensorSpec(name="images", dtype="float32", shape=None),), outputs=()
    )
    with pytest.raises(RequestError, match=r"input spec image: .* no such input; nearest: images"):
        check_domains(signature, {"image": Domain()})


@pytest.mark.parametrize(
    ("dtype", "values", "value", "held"),
    [
        ("int8", Range(low=0, high=300), "300", "the whole numbers from -128 to 127"),
        ("uint8", Range(low=-1, high=1), "-1", "the whole numbers from 0 to 255"),
        ("int32", Range(low=0, high=0.5), "0.5", "the whole numbers from -2147483648 to "),
        ("uint8", Choices(values=(1, 300)), "300", "the whole numbers"),
        ("int32", Choices(values=(0.5,)), "0.5", "the whole numbers"),
        ("int64", Choices(values=(INF,)), "inf", "the whole numbers"),
        ("int64", Choices(values=(NAN,)), "nan", "the whole numbers"),
        ("bool", Choices(values=(0, 2)), "2", "false and true"),
        ("bool", Choices(values=("false",)), "'false'", "false and true"),
        ("bool", Phase(inference=False, training=0.5), "0.5", "false and true"),
        ("float32", Choices(values=("a",)), "'a'", "numbers up to 3.40282e+38"),
        ("float16", Range(low=0, high=1e6), "1000000.0", "numbers up to 65504"),
        ("complex64", Choices(values=(1e300,)), "1e+300", "numbers up to 3.40282e+38"),
        ("string", Choices(values=(1,)), "1", "strings"),
        ("string", Range(low=0, high=1), "0", "strings"),
        ("string", Phase(inference=False, training=True), "False", "strings"),
    ],
)
def test_a_value_that_the_dtype_lacks_is_refused(
    dtype: str, values: Values, value: str, held: str
) -> None:
    said = refusal(dtype, Domain(values=values))
    assert said.startswith(f"{value} is no value of {dtype}, which holds {held}")


def test_a_default_that_the_dtype_lacks_is_refused() -> None:
    assert refusal("int32", Domain(default=0.5)).startswith("0.5 is no value of int32")


def test_a_value_of_many_digits_is_shortened() -> None:
    said = refusal("float32", Domain(values=Choices(values=(10**400,))))
    assert len(said) < 120


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("int32", Choices(values=(1.0, 2.0))),
        ("bool", Choices(values=(0, 1))),
        ("bool", Choices(values=(False,))),
        ("int64", Range(low=-(2**63), high=2**63 - 1)),
        ("float32", Choices(values=(INF, NAN, -1))),
        ("bfloat16", Range(low=0, high=1e30)),
        ("complex64", Choices(values=(2,))),
        ("string", Choices(values=("", b"\xff"))),
        ("float32", Phase(inference=1.0, training=0.5)),
        ("string", Pictures()),
        ("int32", Lengths(of="images", axis=1)),
        ("int64", SizeOf(of="images", axis=0)),
        ("int32", NewShape()),
        ("int64", Sparse(values="images", dense_shape="", shape=(3, 4))),
    ],
)
def test_values_that_the_dtype_holds_are_taken(dtype: str, values: Values) -> None:
    check(dtype, Domain(values=values))


@pytest.mark.parametrize(("low", "high"), [(1.0, 0.5), (0.0, INF), (NAN, 1.0)])
def test_a_range_has_two_finite_ends_in_order(low: float, high: float) -> None:
    assert "should have two finite ends" in refusal(
        "float32", Domain(values=Range(low=low, high=high))
    )


def test_choices_of_nothing_are_refused() -> None:
    assert "there are no choices" in refusal("float32", Domain(values=Choices(values=())))


@pytest.mark.parametrize(
    ("dtype", "values", "should"),
    [
        *[
            ("float32", values, "should be a string, and is float32")
            for values in (
                Pictures(),
                Sounds(),
                NumberTexts(),
                Records(columns=()),
                Examples(features={}),
            )
        ],
        ("float32", Lengths(of="images", axis=0), "should be an integer"),
        ("string", SizeOf(of="images", axis=0), "should be an integer"),
        ("bool", NewShape(), "should be an integer"),
        ("int32", Sparse(values="images", dense_shape="", shape=(2,)), "should be int64"),
    ],
)
def test_a_kind_of_values_that_the_dtype_cannot_hold_is_refused(
    dtype: str, values: Values, should: str
) -> None:
    said = refusal(dtype, Domain(values=values))
    assert should in said
    assert said.endswith("state values of another kind")


def test_a_dtype_that_is_not_the_models_is_refused() -> None:
    assert refusal("float32", Domain(dtype="float64")).startswith(
        "dtype float64 contradicts the model's float32"
    )
    check("float32", Domain(dtype="float32"))


def test_a_distribution_that_there_is_not_is_answered_with_the_nearest() -> None:
    assert refusal("float32", Domain(distribution="norml")) == (
        "there is no distribution norml; nearest: normal, uniform"
    )
    assert "there are zeros, ones, " in refusal("float32", Domain(distribution="???"))


def test_strings_have_no_distribution() -> None:
    assert "is one of numbers" in refusal("string", Domain(distribution="normal"))


@pytest.mark.parametrize(
    "values",
    [
        Lengths(of="image", axis=0),
        SizeOf(of="image", axis=0),
        Sparse(values="image", dense_shape="", shape=(2,)),
        Sparse(values="images", dense_shape="image", shape=(2,)),
    ],
)
def test_an_input_that_there_is_not_is_answered_with_the_nearest(values: Values) -> None:
    said = refusal("int64", Domain(values=values))
    assert said.endswith("names image, which is no input; nearest: images")


def test_an_input_that_names_itself_is_refused() -> None:
    assert "names the input itself" in refusal("int64", Domain(values=SizeOf(of="x", axis=0)))


@pytest.mark.parametrize("axis", [2, -1])
def test_an_axis_that_the_other_input_has_not_is_refused(axis: int) -> None:
    said = refusal("int32", Domain(values=Lengths(of="images", axis=axis)))
    assert said.startswith(f"images has no axis {axis}: its shape is [?, 4]")


@pytest.mark.parametrize("shape", [(None,), (None, 3), (None, 2, 1)])
def test_indices_of_a_sparse_tensor_have_a_column_an_axis(shape: Shape) -> None:
    sparse = Sparse(values="images", dense_shape="", shape=(5, 6))
    said = refusal("int64", Domain(values=sparse), shape=shape)
    assert said.startswith("indices of a sparse tensor of rank 2 have the shape [?, 2]")


def test_an_input_that_cannot_be_fed_is_refused() -> None:
    with pytest.raises(RequestError, match="dtype resource cannot be fed"):
        check("resource", Domain())
