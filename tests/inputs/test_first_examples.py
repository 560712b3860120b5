"""The first examples: the same each time, and in the order of what they show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.domain import Axis, Choices, Domain, Phase, Range
from harness.inputs.drafts import Feeds
from harness.inputs.dtypes import numpy_dtype
from harness.inputs.first_examples import first_examples
from harness.memo import digest
from harness.signature import Shape, Signature, TensorSpec, shape_accepts

MOST = 15
SIDE = Axis(name="side", sizes=(8, 16, 24, 32))


def tensor(name: str, shape: Shape | None, dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, shape=shape)


def examples(*specs: TensorSpec, **domains: Domain) -> list[Feeds]:
    return list(first_examples(Signature(inputs=specs, outputs=()), domains))


def arrays(shape: Shape | None, dtype: str = "float32", **domain: Any) -> list[Any]:
    return [feeds["x"] for feeds in examples(tensor("x", shape, dtype), x=Domain(**domain))]


@pytest.mark.parametrize("shape", [None, (), (None,), (None, 4), (2, 3), (None, None, None, 3)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "uint8", "bool", "string"])
def test_there_are_few_and_each_is_what_the_signature_says(shape: Shape | None, dtype: str) -> None:
    found = arrays(shape, dtype)
    assert 4 <= len(found) <= MOST
    for array in found:
        assert array.dtype == numpy_dtype(dtype)
        assert shape_accepts(shape, array.shape)


def test_they_are_the_same_each_time() -> None:
    specs = (tensor("x", (None, 3)), tensor("ids", (None,), "int32"))
    assert [*map(digest, examples(*specs))] == [*map(digest, examples(*specs))]


def test_they_differ_from_each_other() -> None:
    found = examples(tensor("x", (None, None, 3)), tensor("ids", (None,), "int32"))
    assert len({*map(digest, found)}) == len(found)


def test_the_first_three_are_zeros_ordinary_numbers_and_ones() -> None:
    zeros, ordinary, ones = arrays((None, 4))[:3]
    assert zeros.tolist() == [[0.0] * 4]
    assert ones.tolist() == [[1.0] * 4]
    assert len(ordinary) > 2
    assert 0.5 < ordinary.std() < 2


def test_the_fourth_has_the_largest_batch() -> None:
    x, y = examples(tensor("x", (3, None)), tensor("y", (None,)))[3].values()
    assert y.shape == (8,)
    assert x.shape[1] < 32


@pytest.mark.parametrize(
    ("special", "is_so"),
    [
        ("nan", np.isnan),
        ("inf", lambda x: x == np.inf),
        ("-inf", lambda x: x == -np.inf),
        ("largest", lambda x: np.abs(x) == np.finfo(np.float32).max),
        ("-0", lambda x: (x == 0) & np.signbit(x)),
        ("subnormal", lambda x: (x != 0) & (np.abs(x) < np.finfo(np.float32).tiny)),
    ],
)
def test_each_special_value_is_in_one_among_ordinary_numbers(special: str, is_so: Any) -> None:
    having = [x for x in arrays((None, 40)) if is_so(x).any()]
    assert len(having) == 1, special
    assert 1 <= is_so(having[0]).sum() <= 8
    assert np.nanmedian(np.abs(having[0])) > 0.3


def test_special_values_are_in_the_largest_input_alone() -> None:
    found = examples(tensor("rate", ()), tensor("x", (None, 4)), tensor("y", (3,)))
    special = [f for f in found if any(not np.isfinite(v).all() for v in f.values())]
    assert len(special) == 3
    for feeds in special:
        assert not np.isfinite(feeds["x"]).all()
        assert np.isfinite(feeds["rate"]).all()
        assert np.isfinite(feeds["y"]).all()


def test_a_batch_of_0_is_among_them_but_not_among_the_first_five() -> None:
    sizes = [len(x) for x in arrays((None, 4))]
    assert sizes.count(0) == 1
    assert 0 not in sizes[:5]


def test_only_sizes_that_hold_0_are_ever_0() -> None:
    batch, time = Axis(name="batch", sizes=(1, 2)), Axis(name="time", sizes=(0, 3, 4))
    found = examples(tensor("x", (None,) * 3), x=Domain(shape=(batch, time, SIDE)))
    assert [f["x"].shape for f in found if f["x"].size == 0] == [(1, 0, 8)]


def test_each_axis_that_may_be_0_is_so_once() -> None:
    axes = tuple(Axis(name=name, sizes=(0, 2, 3)) for name in "abcde")
    found = examples(tensor("x", (None,) * 5), x=Domain(shape=axes))
    assert [f["x"].shape for f in found if f["x"].size == 0] == [
        (0, 2, 2, 2, 2),
        (2, 0, 2, 2, 2),
        (2, 2, 0, 2, 2),
    ]


def test_sides_of_pictures_differ() -> None:
    assert any(x.shape[1] != x.shape[2] for x in arrays((None, None, None, 3))[:2])


def test_all_that_is_drawn_of_a_range_are_its_ends_and_what_lies_between() -> None:
    lowest, between, highest = arrays((None,), "int64", values=Range(low=5, high=60))[:3]
    assert lowest.tolist() == [5]
    assert highest.tolist() == [60]
    assert {*between.tolist()} - {5, 60}


def test_the_ends_of_a_range_are_among_other_values() -> None:
    found = arrays((None, 20), "int64", values=Range(low=5, high=10**9))
    assert any(
        ({5, 6, 10**9 - 1, 10**9} & {*x.ravel().tolist()}) and x.std() > 0 for x in found[3:]
    )


def test_landmarks_come_before_special_values() -> None:
    found = arrays((None, 20), landmarks=(1000.0,))
    first = next(i for i, x in enumerate(found) if (x == 1000).any())
    nan = next(i for i, x in enumerate(found) if np.isnan(x).any())
    assert 3 < first < nan


def test_the_default_is_the_first() -> None:
    found = arrays((3,), default=0.125)
    assert found[0].tolist() == [0.125] * 3
    assert found[2].tolist() == [1.0] * 3


def test_a_distribution_that_is_stated_is_in_all() -> None:
    for x in arrays((None, 9), distribution="uniform"):
        assert ((x >= 0) & (x < 1)).all()
        assert len(np.unique(x)) == x.size


@pytest.mark.parametrize("values", [Phase(inference=True, training=False), Choices(values=(True,))])
def test_a_value_that_does_not_vary_never_does(values: Any) -> None:
    found = examples(tensor("flag", (), "bool"), tensor("x", (None,)), flag=Domain(values=values))
    assert all(feeds["flag"].tolist() is True for feeds in found)


def test_unknown_ranks_vary() -> None:
    ranks = [x.ndim for x in arrays(None)]
    assert {*ranks[:5]} == {0, 1, 2, 3}
    assert ranks[0] == 1


def test_a_model_without_inputs_has_feeds_without_values() -> None:
    assert {*map(len, examples())} == {0}
