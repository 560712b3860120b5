"""From drafts to feeds: inputs whose values depend on the sizes of others are made together."""

from __future__ import annotations

import numpy as np
import pytest

from harness.domain import Axis, Domain, Lengths, Range, SizeOf, Sparse
from harness.inputs.drafts import Draft, Feeds, feeds_of, planned
from harness.inputs.values import Recipe
from harness.signature import Shape, Signature, TensorSpec

TIME = Axis(name="time", sizes=(0, 3, 5))


def made(
    shapes: dict[str, Shape | None],
    domains: dict[str, Domain],
    *,
    sizes: dict[str, int] | None = None,
    distribution: str = "uniform",
    seed: int = 0,
    dtypes: dict[str, str] | None = None,
    unknown: dict[str, tuple[int, ...]] | None = None,
) -> Feeds:
    """Make feeds whose inputs are all filled alike."""
    specs = tuple(
        TensorSpec(name=name, dtype=(dtypes or {}).get(name, "int64"), shape=shape)
        for name, shape in shapes.items()
    )
    recipe = Recipe(distribution=distribution, seed=seed)
    draft = Draft(sizes=sizes or {}, recipes=dict.fromkeys(shapes, recipe), shapes=unknown or {})
    return feeds_of(planned(Signature(inputs=specs, outputs=()), domains), draft)


def test_inputs_are_in_the_order_of_the_signature_with_the_sizes_of_the_draft() -> None:
    feeds = made(
        {"y": (None, None), "x": (None, 2), "z": None},
        {"y": Domain(shape=(None, TIME))},
        sizes={"batch": 4, "time": 5},
        unknown={"z": (1, 2, 3)},
    )
    assert {name: value.shape for name, value in feeds.items()} == {
        "y": (4, 5),
        "x": (4, 2),
        "z": (1, 2, 3),
    }
    assert list(feeds) == ["y", "x", "z"]


def test_each_axis_of_a_plan_stands_there_once() -> None:
    specs = (
        TensorSpec(name="x", dtype="int64", shape=(None, 2)),
        TensorSpec(name="y", dtype="int64", shape=(None, None)),
    )
    plan = planned(Signature(inputs=specs, outputs=()), {"y": Domain(shape=(None, TIME))})
    assert [axis.name for axis in plan.axes] == ["batch", "time"]


# ---- lengths and sizes


def lengths(*, size: int, distribution: str = "uniform", divisor: int = 1) -> np.ndarray:
    return made(
        {"lengths": (200,), "x": (2, size)},
        {"lengths": Domain(values=Lengths(of="x", axis=1, divisor=divisor))},
        distribution=distribution,
    )["lengths"]


def test_lengths_are_from_1_to_the_size_of_the_axis() -> None:
    assert {*lengths(size=4).tolist()} == {1, 2, 3, 4}
    assert {*lengths(size=4, distribution="zeros").tolist()} == {1}
    assert {*lengths(size=4, distribution="ones").tolist()} == {4}


def test_lengths_after_strides_are_a_part_of_the_size() -> None:
    assert {*lengths(size=9, divisor=4).tolist()} == {1, 2}


@pytest.mark.parametrize(("size", "divisor"), [(0, 1), (3, 4)])
def test_of_an_axis_without_elements_lengths_are_0(size: int, divisor: int) -> None:
    assert {*lengths(size=size, divisor=divisor).tolist()} == {0}


def test_the_size_of_an_axis_is_in_every_element() -> None:
    feeds = made(
        {"size": (3,), "x": (2, None)},
        {"size": Domain(values=SizeOf(of="x", axis=1)), "x": Domain(shape=(2, TIME))},
        sizes={"time": 5},
    )
    assert feeds["size"].tolist() == [5, 5, 5]


def test_an_axis_that_an_unknown_rank_may_lack_counts_as_1() -> None:
    feeds = made(
        {"size": (), "x": None},
        {"size": Domain(values=SizeOf(of="x", axis=1))},
        unknown={"x": (7,)},
    )
    assert feeds["size"].tolist() == 1


def test_a_size_that_the_dtype_lacks_is_its_largest() -> None:
    feeds = made(
        {"size": (), "lengths": (9,), "x": (300,)},
        {
            "size": Domain(values=SizeOf(of="x", axis=0)),
            "lengths": Domain(values=Lengths(of="x", axis=0)),
        },
        dtypes={"size": "int8", "lengths": "int8"},
        distribution="ones",
    )
    assert feeds["size"].tolist() == 127
    assert {*feeds["lengths"].tolist()} == {127}


# ---- sparse tensors

SPARSE: dict[str, Shape | None] = {
    "values": (None,),
    "indices": (None, 2),
    "shape": (2,),
}


def sparse(*, dense_shape: str = "shape", sizes: tuple[int, int] = (3, 5), **rest: object) -> Feeds:
    words = Axis(name="words", sizes=tuple(range(10)))
    values = Sparse(
        values="values", dense_shape=dense_shape, shape=(Axis(name="batch", sizes=(0, 3)), words)
    )
    return made(
        {**SPARSE, "x": (None,)},
        {"indices": Domain(values=values), "values": Domain(values=Range(low=10, high=20))},
        sizes=dict(zip(("batch", "words"), sizes, strict=True)),
        **rest,  # type: ignore[arg-type]
    )


def test_the_parts_of_a_sparse_tensor_fit_each_other() -> None:
    counts = set()
    for seed in range(20):
        feeds = sparse(seed=seed)
        assert list(feeds) == ["values", "indices", "shape", "x"]
        counts.add(len(feeds["indices"]))
        assert feeds["values"].shape == (len(feeds["indices"]),)
        assert feeds["shape"].tolist() == [3, 5]
        assert (feeds["indices"] < [3, 5]).all()
        assert ((feeds["values"] >= 10) & (feeds["values"] <= 20)).all()
        assert feeds["x"].shape == (3,)
    assert len(counts) > 3


def test_a_sparse_tensor_without_rows_has_no_entries() -> None:
    feeds = sparse(sizes=(0, 5))
    assert feeds["indices"].shape == (0, 2)
    assert feeds["values"].shape == (0,)
    assert feeds["shape"].tolist() == [0, 5]


def test_the_shape_need_be_no_input() -> None:
    assert 0 <= sparse(dense_shape="")["shape"].min() <= sparse(dense_shape="")["shape"].max() <= 9


@pytest.mark.parametrize(("name", "shape"), [("indices", (4, 2)), ("values", (4,))])
def test_a_number_of_entries_that_is_baked_in_is_drawn(name: str, shape: Shape) -> None:
    feeds = made(
        {**SPARSE, name: shape},
        {"indices": Domain(values=Sparse(values="values", dense_shape="shape", shape=(3, 5)))},
    )
    assert feeds["indices"].shape == (4, 2)
    assert feeds["values"].shape == (4,)


def test_values_of_a_sparse_tensor_may_be_rows() -> None:
    feeds = made(
        {**SPARSE, "values": (None, 3)},
        {"indices": Domain(values=Sparse(values="values", dense_shape="shape", shape=(3, 5)))},
    )
    assert feeds["values"].shape == (len(feeds["indices"]), 3)
