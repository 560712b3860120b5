"""Outputs that were computed once are not computed again, and never confused."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping

import ml_dtypes
import numpy as np
import pytest

from harness.criteria import Array
from harness.errors import BrokenModel, Rejected, TimedOut
from harness.memo import Memo, Memory, Run, digest

ONE = np.ones(4, np.float32)


def double(feeds: Mapping[str, Array]) -> dict[str, Array]:
    return {"y": feeds["x"] * 2}


def reject(feeds: Mapping[str, Array]) -> dict[str, Array]:
    raise Rejected("InvalidArgumentError", f"rank {feeds['x'].ndim}", nodes=["add"])


def take_too_long(feeds: Mapping[str, Array]) -> dict[str, Array]:
    raise TimedOut(feeds["x"].size)


def test_the_same_feeds_run_once() -> None:
    memo = Memo(double)
    first, second = memo({"x": ONE}), memo({"x": ONE.copy()})
    np.testing.assert_array_equal(first["y"], ONE * 2)
    np.testing.assert_array_equal(second["y"], ONE * 2)
    assert memo.runs == 1


def test_other_feeds_run_again() -> None:
    memo = Memo(double)
    memo({"x": ONE})
    np.testing.assert_array_equal(memo({"x": ONE * 3})["y"], ONE * 6)
    assert memo.runs == 2


def test_a_rejection_is_remembered() -> None:
    memo = Memo(reject)
    for _ in range(2):
        with pytest.raises(Rejected, match="InvalidArgumentError: rank 1") as caught:
            memo({"x": ONE})
        assert caught.value.kind == "InvalidArgumentError"
        assert caught.value.nodes == ("add",)
    assert memo.runs == 1


def test_what_took_too_long_is_not_waited_for_again() -> None:
    memo = Memo(take_too_long)
    for _ in range(2):
        with pytest.raises(TimedOut, match="longer than 4 s"):
            memo({"x": ONE})
    assert memo.runs == 1


@pytest.mark.parametrize("run", [reject, take_too_long])
def test_a_remembered_error_holds_none_of_the_feeds(run: Run) -> None:
    memo = Memo(run)

    def call() -> weakref.ref[Array]:
        feeds = {"x": np.ones(4)}
        with pytest.raises((Rejected, TimedOut)):
            memo(feeds)
        return weakref.ref(feeds["x"])

    feeds = [call(), call()]
    gc.collect()
    assert [feed() for feed in feeds] == [None, None]


def test_another_error_is_not_remembered() -> None:
    def fail(_: Mapping[str, Array]) -> dict[str, Array]:
        raise BrokenModel("no such variable")

    memo = Memo(fail)
    for _ in range(2):
        with pytest.raises(BrokenModel):
            memo({"x": ONE})
    assert memo.runs == 2


def test_what_came_first_is_forgotten_where_outputs_outgrow_the_limit() -> None:
    memo = Memo(double, memory=Memory(limit=2 * ONE.nbytes))
    for number in (1, 2, 3):
        memo({"x": ONE * number})
    memo({"x": ONE * 3})
    memo({"x": ONE * 2})
    assert memo.runs == 3
    memo({"x": ONE})
    assert memo.runs == 4


def test_the_latest_outputs_are_kept_however_large() -> None:
    memo = Memo(double, memory=Memory(limit=0))
    memo({"x": ONE})
    memo({"x": ONE})
    assert memo.runs == 1
    memo({"x": ONE * 2})
    memo({"x": ONE})
    assert memo.runs == 3


def test_after_forgetting_there_is_room_again() -> None:
    memo = Memo(double, memory=Memory(limit=2 * ONE.nbytes))
    for number in range(10):
        memo({"x": ONE * number})
    memo({"x": ONE * 8})
    assert memo.runs == 10


def test_the_order_of_the_feeds_does_not_matter() -> None:
    assert digest({"a": ONE, "b": ONE * 2}) == digest({"b": ONE * 2, "a": ONE})


def test_the_layout_in_memory_does_not_matter() -> None:
    array = np.arange(6).reshape(2, 3)
    assert digest({"x": array.T}) == digest({"x": np.ascontiguousarray(array.T)})
    assert digest({"x": array[:, ::2]}) == digest({"x": array[:, ::2].copy()})


def test_strings_with_equal_bytes_have_one_digest() -> None:
    text = np.array([b"a", b"\0b"], object)
    assert digest({"x": text}) == digest({"x": text.copy()})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"x": ONE}, {"z": ONE}),
        ({"x": ONE}, {"x": ONE, "z": ONE}),
        ({"a": ONE, "b": ONE * 2}, {"a": ONE * 2, "b": ONE}),
        ({"x": ONE}, {"x": ONE.astype(np.float64)}),
        ({"x": np.ones(2, np.int32)}, {"x": np.ones(2, np.uint32)}),
        ({"x": np.ones(2, np.float16)}, {"x": np.ones(2, np.float16).view(ml_dtypes.bfloat16)}),
        ({"x": ONE}, {"x": ONE.reshape(2, 2)}),
        ({"x": np.ones(())}, {"x": np.ones(1)}),
        ({"x": np.zeros((0, 2))}, {"x": np.zeros((2, 0))}),
        ({"x": np.zeros(1)}, {"x": -np.zeros(1)}),
        (
            {"x": np.array([0x7FC00000], "u4").view("f4")},
            {"x": np.array([0x7FC00001], "u4").view("f4")},
        ),
        ({"x": ONE}, {"x": np.nextafter(ONE, 2 * ONE)}),
        ({"x": np.array([b"ab", b"c"], object)}, {"x": np.array([b"a", b"bc"], object)}),
        ({"x": np.array([b"a", b""], object)}, {"x": np.array([b"a", b"\0"], object)}),
        ({"x": np.array(b"a", object)}, {"x": np.array([b"a"], object)}),
    ],
    ids=[
        "name",
        "one more",
        "exchanged",
        "width",
        "sign",
        "bfloat16",
        "rank",
        "scalar",
        "empty",
        "minus zero",
        "payload",
        "one ULP",
        "where strings end",
        "nul",
        "scalar string",
    ],
)
def test_feeds_that_differ_have_another_digest(
    one: dict[str, Array], other: dict[str, Array]
) -> None:
    assert digest(one) != digest(other)


def test_memos_that_share_a_memory_share_its_limit_and_no_answers() -> None:
    memory = Memory(limit=2 * ONE.nbytes)
    first, second = Memo(double, memory=memory), Memo(double, memory=memory)

    first({"x": ONE})
    second({"x": ONE})
    assert (first.runs, second.runs) == (1, 1)

    second({"x": ONE + 1})
    first({"x": ONE})
    assert first.runs == 2
