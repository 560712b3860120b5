"""Feeds that a signature and its domains allow, and no others."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import pytest
from hypothesis import find, given, settings

from harness.domain import Choices, Domain, Range
from harness.errors import RequestError
from harness.inputs import from_signature
from harness.inputs.dtypes import numpy_dtype
from harness.inputs.strategies import LARGEST_RANK, describe
from harness.signature import Shape, Signature, TensorSpec, shape_accepts

DTYPES = ("float32", "float16", "bfloat16", "int32", "uint8", "bool", "complex64", "string")


def signature_of(*specs: TensorSpec) -> Signature:
    return Signature(inputs=specs, outputs=())


def tensor(name: str, shape: Shape | None, dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, shape=shape)


shapes = st.none() | st.lists(st.none() | st.integers(0, 4), max_size=3).map(tuple)
signatures = st.lists(
    st.builds(
        TensorSpec,
        name=st.sampled_from(["x", "y", "z:1"]),
        dtype=st.sampled_from(DTYPES),
        shape=shapes,
    ),
    max_size=3,
    unique_by=lambda spec: spec.name,
).map(lambda specs: signature_of(*specs))


@given(signature=signatures, data=st.data())
def test_feeds_are_what_the_signature_says(signature: Signature, data: st.DataObject) -> None:
    feeds = data.draw(from_signature(signature))
    assert tuple(feeds) == signature.input_names
    for spec in signature.inputs:
        assert feeds[spec.name].dtype == numpy_dtype(spec.dtype)
        assert shape_accepts(spec.shape, feeds[spec.name].shape)


@given(signature=signatures, data=st.data())
def test_unknown_leading_dimensions_are_one_number(
    signature: Signature, data: st.DataObject
) -> None:
    feeds = data.draw(from_signature(signature))
    leading = {
        feeds[spec.name].shape[0]
        for spec in signature.inputs
        if spec.shape is not None and spec.shape[:1] == (None,)
    }
    assert len(leading) <= 1


def test_other_unknown_dimensions_are_drawn_on_their_own() -> None:
    strategy = from_signature(signature_of(tensor("x", (None, None)), tensor("y", (None, None))))
    feeds = find(strategy, lambda f: f["x"].shape[1] != f["y"].shape[1], settings=QUICK)
    assert feeds["x"].shape[0] == feeds["y"].shape[0]


QUICK = settings(database=None, max_examples=500)


@pytest.mark.parametrize("rank", range(LARGEST_RANK + 1))
def test_where_the_rank_is_unknown_every_small_rank_is_drawn(rank: int) -> None:
    strategy = from_signature(signature_of(tensor("x", None)))
    assert find(strategy, lambda f: f["x"].ndim == rank, settings=QUICK)


def test_feeds_shrink_to_one_zero() -> None:
    strategy = from_signature(signature_of(tensor("x", (None, None))))
    assert find(strategy, lambda _: True, settings=QUICK)["x"].tolist() == [[0.0]]


@given(data=st.data())
def test_a_model_without_inputs_is_fed_nothing(data: st.DataObject) -> None:
    assert data.draw(from_signature(signature_of())) == {}


# ---- domains


@given(data=st.data())
def test_a_domain_narrows_unknown_dimensions(data: st.DataObject) -> None:
    signature = signature_of(tensor("x", (None, None, 3)), tensor("y", None))
    domains = {"x": Domain(shape=(None, 28, None)), "y": Domain(shape=(5,))}
    feeds = data.draw(from_signature(signature, domains=domains))
    assert feeds["x"].shape[1:] == (28, 3)
    assert feeds["y"].shape == (5,)


@given(data=st.data())
def test_the_batch_that_a_domain_leaves_open_is_still_tied(data: st.DataObject) -> None:
    signature = signature_of(tensor("x", None), tensor("y", (None, 2)))
    feeds = data.draw(from_signature(signature, domains={"x": Domain(shape=(None, 7))}))
    assert feeds["x"].shape[0] == feeds["y"].shape[0]


@given(data=st.data())
def test_values_are_in_their_domain(data: st.DataObject) -> None:
    signature = signature_of(
        tensor("ids", (None,), "int64"),
        tensor("rate", (None,)),
        tensor("training", (), "bool"),
        tensor("word", (None,), "string"),
    )
    domains = {
        "ids": Domain(values=Range(low=3, high=9)),
        "rate": Domain(values=Choices(values=(0.5, 1.0))),
        "training": Domain(values=Choices(values=(False,))),
        "word": Domain(values=Choices(values=("yes", "no"))),
    }
    feeds = data.draw(from_signature(signature, domains=domains))
    assert {*feeds["ids"].tolist()} <= {*range(3, 10)}
    assert {*feeds["rate"].tolist()} <= {0.5, 1.0}
    assert feeds["training"].tolist() is False
    assert {*feeds["word"].tolist()} <= {b"yes", b"no"}


def test_a_domain_of_no_input_is_answered_with_the_nearest() -> None:
    with pytest.raises(RequestError, match=r"input spec image: .* no such input; nearest: images"):
        from_signature(signature_of(tensor("images", None)), domains={"image": Domain()})


@pytest.mark.parametrize("shape", [(None, 5), (3,), (None, None, None), ()])
def test_a_domain_that_contradicts_the_shape_is_refused(shape: Shape) -> None:
    signature = signature_of(tensor("x", (None, 4)))
    with pytest.raises(RequestError, match=r"input spec x: shape .* contradicts .* \[\?, 4\]"):
        from_signature(signature, domains={"x": Domain(shape=shape)})


@pytest.mark.parametrize(
    ("dtype", "domain", "value"),
    [
        ("int8", Domain(values=Range(low=0, high=300)), "300"),
        ("uint8", Domain(values=Range(low=-1, high=1)), "-1"),
        ("int32", Domain(values=Range(low=0, high=0.5)), "0.5"),
        ("uint8", Domain(values=Choices(values=(1, 300))), "300"),
        ("int32", Domain(values=Choices(values=(0.5,))), "0.5"),
        ("int64", Domain(values=Choices(values=(float("inf"),))), "inf"),
        ("bool", Domain(values=Choices(values=(0, 2))), "2"),
        ("bool", Domain(values=Choices(values=("false",))), "'false'"),
        ("float32", Domain(values=Choices(values=("a",))), "'a'"),
        ("float16", Domain(values=Range(low=0, high=1e6)), "1000000.0"),
        ("float32", Domain(values=Choices(values=(10**400,))), "1000"),
        ("string", Domain(values=Choices(values=(1,))), "1"),
        ("string", Domain(values=Range(low=0, high=1)), "0"),
    ],
)
def test_a_value_that_the_dtype_lacks_is_refused(dtype: str, domain: Domain, value: str) -> None:
    with pytest.raises(RequestError, match=rf"input spec x: {value}\d* is no value of {dtype}"):
        from_signature(signature_of(tensor("x", (), dtype)), domains={"x": domain})


@pytest.mark.parametrize(
    ("dtype", "domain"),
    [
        ("int32", Domain(values=Choices(values=(1.0, 2.0)))),
        ("bool", Domain(values=Choices(values=(0, 1)))),
        ("bool", Domain(values=Choices(values=(False,)))),
        ("int64", Domain(values=Range(low=-(2**63), high=2**63 - 1))),
        ("float32", Domain(values=Choices(values=(float("inf"), float("nan"), -1)))),
        ("bfloat16", Domain(values=Range(low=0, high=1e30))),
        ("complex64", Domain(values=Choices(values=(2,)))),
        ("string", Domain(values=Choices(values=("",)))),
    ],
)
def test_a_value_that_the_dtype_holds_is_taken(dtype: str, domain: Domain) -> None:
    strategy = from_signature(signature_of(tensor("x", (), dtype)), domains={"x": domain})
    assert find(strategy, lambda _: True, settings=QUICK)["x"].dtype == numpy_dtype(dtype)


def test_an_input_that_cannot_be_fed_is_refused_before_any_example() -> None:
    with pytest.raises(RequestError, match="dtype resource cannot be fed"):
        from_signature(signature_of(tensor("x", (), "resource")))


# ---- what is told of feeds


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.array([0.5, 1.0], np.float32), "x = [0.5, 1. ] (float32 [2])"),
        (np.array([[1, 2], [3, 4]]), "x = [[1, 2], [3, 4]] (int64 [2, 2])"),
        (np.array(True), "x = True (bool [])"),
        (np.array([b"a"], object), "x = [b'a'] (string [1])"),
        (np.zeros((0, 3), np.float32), "x = [] (float32 [0, 3])"),
        (np.array(0.5, ml_dtypes.bfloat16), "x = 0.5 (bfloat16 [])"),
        (np.arange(20), "x: int64 [20], 0 to 19"),
        (np.zeros((4, 5), np.float32), "x: float32 [4, 5], all 0.0"),
        (np.zeros(20, ml_dtypes.bfloat16), "x: bfloat16 [20], all 0.0"),
        (np.full(20, b"a", object), "x: string [20]"),
        (np.zeros(20, np.complex64), "x: complex64 [20]"),
    ],
)
def test_small_feeds_are_told_whole_and_large_ones_by_range(value: Any, text: str) -> None:
    assert " ".join(describe({"x": value}).split()) == text


def test_all_feeds_are_told() -> None:
    assert describe({"x": np.array(1), "y": np.array(2)}) == "x = 1 (int64 []); y = 2 (int64 [])"


def test_no_feeds_are_told_by_nothing() -> None:
    assert describe({}) == ""


def test_a_long_string_is_cut_and_its_size_told() -> None:
    said = describe({"x": np.array([b"\x89" * 5000], object)})

    assert len(said) < 400
    assert "(5,000 bytes)" in said
