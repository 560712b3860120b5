"""Further examples: the harness's own under other seeds, and those that owe nothing to it."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.input_policies import OURS
from benchmarks.thorough_search import LARGEST_BATCH, LARGEST_DIMENSION, further
from harness.domain import Axis, Choices, Domain, Pictures, Range
from harness.inputs.dtypes import numpy_dtype
from harness.memo import Feeds, digest
from harness.signature import Shape, Signature, TensorSpec

DTYPES = ("float16", "float64", "bfloat16", "uint8", "int64", "uint64", "bool", "complex64",
          "string")  # fmt: skip


def signature(*inputs: tuple[str, str, Shape | None]) -> Signature:
    specs = (TensorSpec(name=name, dtype=dtype, shape=shape) for name, dtype, shape in inputs)
    return Signature(inputs=tuple(specs), outputs=())


def both_kinds(
    examples: int, *inputs: tuple[str, str, Shape | None], **domains: Domain
) -> tuple[list[Feeds], list[Feeds]]:
    found = list(further(examples)(signature(*inputs), domains))
    return found[0::2], found[1::2]


def wild(examples: int, *inputs: tuple[str, str, Shape | None], **domains: Domain) -> list[Feeds]:
    return both_kinds(examples, *inputs, **domains)[1]


def test_there_are_as_many_of_each_kind_as_asked_for() -> None:
    ours, others = both_kinds(300, ("x", "float32", (None, 2)))

    assert len(ours) == len(others) == 300
    shared = {digest(feeds) for feeds in ours} & {digest(feeds) for feeds in others}
    assert len(shared) < 30  # zeros of every size


def test_ours_are_others_than_those_of_the_policy() -> None:
    x = ("x", "float32", (None, 2))
    first = [digest(feeds) for feeds in OURS.draw(signature(x), {})]
    ours = [digest(feeds) for feeds in both_kinds(len(first), x)[0]]

    assert len(ours) == len(first)
    assert len(set(ours) - set(first)) > len(first) / 2


def test_they_are_the_same_each_time() -> None:
    once, again = (
        [digest(feeds) for feeds in further(20)(signature(("x", "float32", (None, 2))), {})]
        for _ in range(2)
    )
    assert once == again


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_fed(dtype: str) -> None:
    for feeds in wild(30, ("x", dtype, (None, 3))):
        assert feeds["x"].dtype == numpy_dtype(dtype)
        assert feeds["x"].shape[1:] == (3,)


def test_shapes_are_small_and_large() -> None:
    shapes = [feeds["x"].shape for feeds in wild(300, ("x", "uint8", (None, None, None, 3)))]

    assert {shape[0] for shape in shapes} == {*range(1, LARGEST_BATCH + 1)}
    assert min(shape[1] for shape in shapes) == 1
    assert LARGEST_DIMENSION * 3 / 4 < max(shape[1] for shape in shapes) <= LARGEST_DIMENSION


def test_any_rank_is_fed_where_it_is_unknown() -> None:
    assert {feeds["x"].ndim for feeds in wild(50, ("x", "float32", None))} == {0, 1, 2, 3}


def test_axes_of_one_name_have_one_size_and_refused_sizes_are_left_out() -> None:
    tied = Axis(name="time", sizes=(1, 2, 3))
    narrow = Axis(name="narrow", sizes=(5, 7), refused_by="Reshape")
    inputs = (("x", "float32", (None, None)), ("y", "float32", (None, None, None)))
    found = wild(50, *inputs, x=Domain(shape=(None, tied)), y=Domain(shape=(None, tied, narrow)))

    assert all(feeds["x"].shape == feeds["y"].shape[:2] for feeds in found)
    assert {feeds["y"].shape[2] for feeds in found} == {5, 7}
    assert max(feeds["x"].shape[1] for feeds in found) > 3


def test_values_stay_in_their_domain() -> None:
    inputs = (("ids", "int32", (9,)), ("word", "string", (9,)))
    domains = {
        "ids": Domain(values=Range(low=3, high=7)),
        "word": Domain(values=Choices(values=("a", "b"))),
    }
    found = wild(50, *inputs, **domains)

    assert {int(value) for feeds in found for value in feeds["ids"]} == {3, 4, 5, 6, 7}
    assert {value for feeds in found for value in feeds["word"]} == {b"a", b"b"}


def test_what_it_cannot_make_is_left_to_the_harness() -> None:
    pictures = Domain(values=Pictures())
    found = list(further(3)(signature(("file", "string", ())), {"file": pictures}))

    assert len(found) == 3


def test_floats_are_of_any_scale_and_special_at_times() -> None:
    values = [feeds["x"] for feeds in wild(200, ("x", "float32", (20,)))]
    scales = [np.abs(value).max() for value in values if np.isfinite(value).all() and value.any()]

    assert min(scales) < 1e-4
    assert max(scales) > 1e4
    assert any(np.isnan(value).any() for value in values)
    assert any(np.isinf(value).any() for value in values)


def test_some_pictures_have_two_values_in_blocks() -> None:
    found = [feeds["x"] for feeds in wild(100, ("x", "uint8", (1, 12, 12, 3)))]
    of_two = [x for x in found if len(np.unique(x)) == 2]
    in_blocks = [x for x in of_two if np.array_equal(x[:, 0::2], x[:, 1::2])]

    assert 10 < len(of_two) < 90
    assert 0 < len(in_blocks) < len(of_two)
    assert any(set(np.unique(x)) == {0, 255} for x in of_two)


def test_whole_numbers_reach_the_ends_of_their_dtype() -> None:
    values = np.concatenate([feeds["x"] for feeds in wild(300, ("x", "int64", (5,)))])
    assert values.max() == np.iinfo(np.int64).max
    assert values.min() == np.iinfo(np.int64).min
