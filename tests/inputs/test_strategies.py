"""Feeds that a signature and its domains allow, and no others; and how they shrink."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import Phase as HypothesisPhase
from hypothesis import find, given, settings

from harness.domain import (
    Axis,
    Choices,
    Domain,
    Lengths,
    NewShape,
    Phase,
    Range,
    SizeOf,
    Sparse,
    Values,
)
from harness.errors import RequestError
from harness.inputs import from_signature
from harness.inputs.drafts import Feeds, planned
from harness.inputs.dtypes import numpy_dtype
from harness.inputs.strategies import LARGEST_RANK, drafts_of
from harness.memo import digest
from harness.signature import Shape, Signature, TensorSpec, shape_accepts

T = TypeVar("T")

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


def collected(strategy: st.SearchStrategy[T], *, count: int = 300) -> list[T]:
    """Draw from a strategy, the same each time."""
    found: list[T] = []

    @hypothesis.seed(0)
    @settings(max_examples=count, database=None, phases=[HypothesisPhase.generate])
    @given(drawn=strategy)
    def collect(drawn: T) -> None:
        found.append(drawn)

    collect()
    return found


def drawn(
    *specs: TensorSpec, domains: dict[str, Domain] | None = None, count: int = 300
) -> list[Feeds]:
    """Draw feeds, the same ones each time."""
    return collected(from_signature(signature_of(*specs), domains=domains), count=count)


QUICK = settings(database=None, max_examples=2000)


def simplest(
    condition: Callable[[Any], bool],
    shape: Shape | None,
    dtype: str = "float32",
    domain: Domain | None = None,
) -> Any:
    """Return the simplest array x for which a condition holds."""
    strategy = from_signature(
        signature_of(tensor("x", shape, dtype)), domains={"x": domain or Domain()}
    )
    return find(strategy, lambda feeds: condition(feeds["x"]), settings=QUICK, random=Random(0))[
        "x"
    ]


# ---- shapes


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


def test_every_batch_up_to_8_is_drawn_and_none_without_elements() -> None:
    assert {feeds["x"].shape[0] for feeds in drawn(tensor("x", (None,)))} == {*range(1, 9)}


def test_other_unknown_dimensions_are_drawn_on_their_own() -> None:
    feeds = drawn(tensor("x", (None, None)), tensor("y", (None, None)))
    assert all(each["y"].shape[0] == each["x"].shape[0] for each in feeds)
    assert len({(each["x"].shape[1], each["y"].shape[1]) for each in feeds}) > 60
    sizes = {each["x"].shape[1] for each in feeds}
    assert len(sizes) > 25
    assert sizes <= {*range(1, 33)}


def test_only_the_sizes_of_an_axis_are_drawn_and_in_all_inputs_the_same() -> None:
    side = Axis(name="side", sizes=(0, 8, 16, 24))
    feeds = drawn(
        tensor("x", (None, None, None)),
        tensor("y", (None,)),
        domains={"x": Domain(shape=(None, side, side)), "y": Domain(shape=(side,))},
    )
    assert {each["x"].shape[1:] + each["y"].shape for each in feeds} == {
        (size,) * 3 for size in (8, 16, 24)
    }


def test_an_axis_may_have_no_other_size_than_0() -> None:
    none = Domain(shape=(Axis(name="n", sizes=(0,)),))
    assert {each["x"].shape for each in drawn(tensor("x", (None,)), domains={"x": none})} == {(0,)}


@pytest.mark.parametrize("rank", range(LARGEST_RANK + 1))
def test_where_the_rank_is_unknown_every_small_rank_is_drawn(rank: int) -> None:
    assert any(each["x"].ndim == rank for each in drawn(tensor("x", None)))


@given(data=st.data())
def test_a_model_without_inputs_is_fed_nothing(data: st.DataObject) -> None:
    assert data.draw(from_signature(signature_of())) == {}


# ---- values


@pytest.fixture(scope="module")
def floats() -> list[Any]:
    return [feeds["x"] for feeds in drawn(tensor("x", (4, 30)), count=500)]


@pytest.mark.parametrize(
    ("what", "least", "most"),
    [
        (lambda x: np.isnan(x).any(), 2, 100),
        (lambda x: np.isinf(x).any(), 2, 100),
        (lambda x: (np.signbit(x) & (x == 0)).any(), 2, 200),
        (lambda x: (np.abs(x) > 1e30).any(), 2, 100),
        (lambda x: ((x != 0) & (np.abs(x) < 1e-37)).any(), 2, 100),
        (lambda x: (np.abs(x) > 500).any(), 20, 200),
        (lambda x: (x != 0).any() and np.abs(x).max() < 0.01, 20, 250),
        (lambda x: not x.any(), 3, 100),
        (lambda x: len(np.unique(x)) == 1 and x.any(), 10, 200),
        (lambda x: len(np.unique(x)) > 100, 100, 400),
    ],
)
def test_floats_are_of_every_size_and_special_at_times(
    floats: list[Any], what: Callable[[Any], bool], least: int, most: int
) -> None:
    assert least <= sum(map(what, floats)) <= most


def test_two_inputs_do_not_hold_the_same_numbers() -> None:
    feeds = drawn(tensor("x", (9,)), tensor("y", (9,)), count=200)
    same = [f for f in feeds if f["x"].tobytes() == f["y"].tobytes() and len(np.unique(f["x"])) > 2]
    assert len(same) < 10


def test_most_feeds_are_drawn_but_once() -> None:
    assert len({digest(feeds) for feeds in drawn(tensor("x", (None, 3)))}) > 200


def test_landmarks_and_their_neighbours_are_drawn_often() -> None:
    domain = Domain(landmarks=(2.5,))
    arrays = [f["x"] for f in drawn(tensor("x", (None,)), domains={"x": domain}, count=100)]
    above, below = (np.nextafter(np.float32(2.5), np.float32(to)) for to in (9, 0))
    for value in (2.5, above, below):
        assert sum((array == value).any() for array in arrays) > 14


@pytest.mark.parametrize(("high", "least"), [(49, 30), (10**6, 20)])
def test_the_ends_of_a_range_are_drawn_often(high: int, least: int) -> None:
    domain = Domain(values=Range(low=0, high=high))
    feeds = drawn(tensor("x", (None, None), "int64"), domains={"x": domain}, count=100)
    for end in (0, high):
        assert sum((each["x"] == end).any() for each in feeds) >= least


def test_a_default_is_drawn_at_times() -> None:
    feeds = drawn(tensor("x", (3,)), domains={"x": Domain(default=0.125)}, count=200)
    share = [each["x"].tolist() == [0.125] * 3 for each in feeds]
    assert 10 < sum(share) < 120


def test_a_distribution_that_is_stated_is_the_only_one() -> None:
    domain = Domain(distribution="uniform")
    values = [f["x"] for f in drawn(tensor("x", (4, 4)), domains={"x": domain})]
    assert all(((array >= 0) & (array < 1)).all() for array in values)
    assert all(len(np.unique(array)) > 10 for array in values)


@given(data=st.data())
def test_values_are_in_their_domain(data: st.DataObject) -> None:
    signature = signature_of(
        tensor("ids", (None,), "int64"),
        tensor("rate", (None,)),
        tensor("training", (), "bool"),
        tensor("word", (None,), "string"),
        tensor("lengths", (None,), "int32"),
        tensor("size", (), "int32"),
        tensor("new_shape", (2,), "int32"),
        tensor("keep", ()),
    )
    domains = {
        "ids": Domain(values=Range(low=3, high=9)),
        "rate": Domain(values=Choices(values=(0.5, 1.0))),
        "training": Domain(values=Choices(values=(False,))),
        "word": Domain(values=Choices(values=("yes", "no"))),
        "lengths": Domain(values=Lengths(of="ids", axis=0)),
        "size": Domain(values=SizeOf(of="ids", axis=0)),
        "new_shape": Domain(values=NewShape()),
        "keep": Domain(values=Phase(inference=1.0, training=0.5)),
    }
    feeds = data.draw(from_signature(signature, domains=domains))
    batch = len(feeds["ids"])
    assert {*feeds["ids"].tolist()} <= {*range(3, 10)}
    assert {*feeds["rate"].tolist()} <= {0.5, 1.0}
    assert feeds["training"].tolist() is False
    assert {*feeds["word"].tolist()} <= {b"yes", b"no"}
    assert {*feeds["lengths"].tolist()} <= {*range(1, batch + 1)}
    assert feeds["size"].tolist() == batch
    assert sorted(feeds["new_shape"].tolist()) == [-1, 1]
    assert feeds["keep"].tolist() == 1.0


def test_a_sparse_tensor_is_drawn_as_a_whole() -> None:
    values = Sparse(
        values="v",
        dense_shape="s",
        shape=(None, Axis(name="words", sizes=(4, 6))),  # type: ignore[arg-type]
    )
    feeds = drawn(
        tensor("v", (None,)),
        tensor("i", (None, 2), "int64"),
        tensor("s", (2,), "int64"),
        domains={"i": Domain(values=values)},
    )
    for each in feeds:
        assert each["i"].shape == (len(each["v"]), 2)
        assert (each["i"] < each["s"]).all()
    counts = [len(each["v"]) for each in feeds]
    assert {0, 1} < {*counts}
    assert counts.count(0) < 40
    assert {each["s"][1] for each in feeds} == {4, 6}
    assert not all(np.isfinite(each["v"]).all() for each in feeds)


def test_requests_that_cannot_be_met_are_refused_before_any_example() -> None:
    with pytest.raises(RequestError, match="dtype resource cannot be fed"):
        from_signature(signature_of(tensor("x", (), "resource")))
    with pytest.raises(RequestError, match="input spec y: the model has no such input"):
        from_signature(signature_of(tensor("x", ())), domains={"y": Domain()})


# ---- elements one by one


@pytest.mark.parametrize("dtype", [*DTYPES, "float64", "float8_e5m2", "float8_e4m3fn", "uint64"])
@pytest.mark.parametrize("size", [1, 16, 17])
def test_small_arrays_of_every_dtype_can_be_drawn(dtype: str, size: int) -> None:
    for feeds in drawn(tensor("x", (size,), dtype), count=60):
        assert (feeds["x"].dtype, feeds["x"].shape) == (numpy_dtype(dtype), (size,))


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("float32", Range(low=0.1, high=0.3)),
        ("bfloat16", Range(low=-1, high=1)),
        ("float64", Range(low=0, high=5e-324)),
        ("uint8", Range(low=250, high=255)),
        ("int64", Range(low=0, high=2**63 - 1)),
        ("bool", Range(low=1, high=1)),
        ("int32", Choices(values=(3, 7))),
        ("float32", Choices(values=(0.5, float("inf")))),
    ],
)
def test_elements_that_are_drawn_one_by_one_are_in_their_domain(dtype: str, values: Values) -> None:
    for feeds in drawn(tensor("x", (2,), dtype), domains={"x": Domain(values=values)}, count=200):
        x = feeds["x"]
        if isinstance(values, Range):
            low, high = np.array([values.low, values.high]).astype(x.dtype)
            assert ((x >= low) & (x <= high)).all()
        else:
            assert np.isin(x, np.array([*values.values], x.dtype)).all()


@pytest.mark.parametrize(("size", "is_at_times"), [(1, True), (16, True), (17, False), (0, False)])
def test_elements_of_small_arrays_are_drawn_one_by_one_at_times(
    size: int, is_at_times: bool
) -> None:
    plan = planned(signature_of(tensor("x", (size,))), None)
    recipes = [draft.recipes["x"] for draft in collected(drafts_of(plan))]
    share = sum(recipe.elements is not None for recipe in recipes) / len(recipes)
    assert (0.05 < share < 0.7) is is_at_times
    assert all(len(recipe.elements) == size for recipe in recipes if recipe.elements is not None)


# ---- shrinking


def test_feeds_shrink_to_one_zero() -> None:
    assert simplest(lambda _: True, (None, None)).tolist() == [[0.0]]


def test_large_values_shrink_to_one_number_of_few_digits() -> None:
    found = simplest(lambda x: ((x > 5) & (x < 5000)).any(), (None, None))
    assert found.tolist() in ([[6.0]], [[10.0]], [[100.0]], [[1000.0]])


def test_sizes_shrink_to_the_smallest() -> None:
    found = simplest(lambda x: x.shape[1] >= 3, (None, None))
    assert found.tolist() == [[0.0, 0.0, 0.0]]


def test_sizes_shrink_within_their_axis() -> None:
    axis = Axis(name="side", sizes=(8, 16, 24, 32))
    found = simplest(lambda x: x.shape[0] > 10, (None,), domain=Domain(shape=(axis,)))
    assert found.tolist() == [0.0] * 16


def test_special_values_shrink_to_one_in_the_smallest_shape() -> None:
    found = simplest(lambda x: np.isnan(x).any(), (None, None))
    assert found.shape == (1, 1)
    large = simplest(lambda x: np.isnan(x).any(), (None, 100))
    assert large.shape == (1, 100)
    assert np.isnan(large).sum() == 1
    assert np.count_nonzero(large) == 1


def test_an_unknown_rank_shrinks_to_0() -> None:
    assert simplest(lambda _: True, None).tolist() == 0.0


def test_ids_shrink_to_the_lowest() -> None:
    domain = Domain(values=Range(low=3, high=10**6))
    assert simplest(lambda _: True, (None,), "int64", domain).tolist() == [3]
    last = simplest(lambda x: (x == 10**6).any(), (None,), "int64", domain)
    assert last.tolist() == [10**6]


def test_a_landmark_shrinks_to_itself() -> None:
    domain = Domain(landmarks=(2.5,))
    assert simplest(lambda x: (x == 2.5).any(), (None,), domain=domain).tolist() == [2.5]


def test_the_draws_of_large_and_small_feeds_are_equally_many() -> None:
    """Hypothesis draws what feeds are made of, not their elements."""
    feeds = drawn(tensor("x", (2, 224, 224, 3)), count=20)
    assert len({digest(each) for each in feeds}) > 10
