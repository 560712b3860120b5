"""A check on examples of feeds: the same ones each time, and the first that fails is shrunk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from harness.criteria import Array, Measurement
from harness.domain import Domain, Range
from harness.errors import BrokenModel
from harness.inputs.first_examples import first_examples
from harness.memo import digest
from harness.signature import Signature, TensorSpec
from harness.suite import examples
from harness.suite.examples import for_all_examples
from harness.verify import AcceptanceDiffers, Disagreement, OutputsDiffer

Feeds = Mapping[str, Array]
Check = Callable[[Feeds], None]

SIGNATURE = Signature(
    inputs=(
        TensorSpec(name="x", dtype="float32", shape=(None, 3)),
        TensorSpec(name="ids", dtype="int32", shape=(None,)),
    ),
    outputs=(),
)
SCALAR = Signature(inputs=(TensorSpec(name="n", dtype="int32", shape=()),), outputs=())
FIXED = Signature(inputs=(TensorSpec(name="x", dtype="float32", shape=(2, 3)),), outputs=())
NO_INPUTS = Signature(inputs=(), outputs=())


def run(
    check: Check, signature: Signature = SIGNATURE, *, max_examples: int = 50, **rest: Any
) -> None:
    settings: dict[str, Any] = {"seed": 0, **rest}
    domains = settings.pop("domains", {})
    for_all_examples(max_examples=max_examples, **settings)(signature, domains, check)


def seen(signature: Signature = SIGNATURE, **rest: Any) -> list[bytes]:
    """Digests of the feeds that a check is given."""
    digests: list[bytes] = []
    run(lambda feeds: digests.append(digest(feeds)), signature, **rest)
    return digests


def failure(check: Check, signature: Signature = SIGNATURE, **rest: Any) -> Disagreement:
    with pytest.raises(Disagreement) as caught:
        run(check, signature, **rest)
    return caught.value


def test_the_same_seed_gives_the_same_feeds() -> None:
    assert seen(seed=7) == seen(seed=7)


def test_another_seed_gives_other_feeds() -> None:
    assert seen(seed=7) != seen(seed=8)


@pytest.mark.parametrize("count", [1, 3, 5, 10, 14, 15, 25, 100])
@pytest.mark.parametrize("signature", [SIGNATURE, SCALAR, FIXED], ids=["open", "scalar", "fixed"])
def test_as_many_examples_are_run_as_asked_for(count: int, signature: Signature) -> None:
    assert len(seen(signature, max_examples=count)) == count


def test_the_first_examples_come_first_and_each_once() -> None:
    first = [*dict.fromkeys(digest(feeds) for feeds in first_examples(SIGNATURE))]
    assert seen(max_examples=50)[: len(first)] == first
    assert len(first) > 10


def test_fewer_examples_are_the_first_of_more() -> None:
    more = seen(max_examples=30)
    assert seen(max_examples=3) == more[:3]
    assert seen(max_examples=10) == more[:10]


def test_a_single_example_has_ordinary_numbers() -> None:
    found: list[Feeds] = []
    run(found.append, max_examples=1)
    assert len(np.unique(found[0]["x"])) > 5


def test_the_simplest_example_is_run_but_once() -> None:
    zeros = digest({"x": np.zeros((1, 3), np.float32), "ids": np.zeros(1, np.int32)})
    assert seen(max_examples=30).count(zeros) == 1


def test_most_examples_differ_from_each_other() -> None:
    assert len(set(seen(max_examples=100))) > 60


def test_examples_stay_in_the_domains() -> None:
    def check(feeds: Feeds) -> None:
        assert {*feeds["ids"].tolist()} <= {3, 4}

    run(check, domains={"ids": Domain(values=Range(low=3, high=4))})


def test_a_model_without_inputs_is_run_once() -> None:
    assert len(seen(NO_INPUTS)) == 1


def test_a_failing_example_is_shrunk() -> None:
    def check(feeds: Feeds) -> None:
        if feeds["x"].any():
            raise OutputsDiffer("y differs")

    assert failure(check).told() == (
        "y differs · fed x = [[1., 1., 1.]] (float32 [1, 3]); ids = [0] (int32 [1])"
    )


def test_a_first_example_that_fails_is_made_simpler() -> None:
    def check(feeds: Feeds) -> None:
        if np.isnan(feeds["x"]).any():
            raise OutputsDiffer("y differs")

    found = failure(check)
    assert found.feeds is not None
    assert found.feeds["ids"].tolist() == [0]
    assert sorted(map(str, found.feeds["x"].ravel().tolist())) == ["0.0", "0.0", "nan"]


def test_a_drawn_example_that_fails_is_made_simpler() -> None:
    calls = 0

    def check(feeds: Feeds) -> None:
        nonlocal calls
        calls += 1
        if calls > 20 and len(feeds["ids"]) >= 2:
            raise OutputsDiffer("y differs")

    found = failure(check, max_examples=100)
    assert found.feeds is not None
    assert found.feeds["ids"].tolist() == [0, 0]
    assert found.feeds["x"].tolist() == [[0.0] * 3] * 2


def test_the_smallest_batch_that_fails_is_told_rather_than_none() -> None:
    def check(feeds: Feeds) -> None:
        if len(feeds["x"]) != 1:
            raise AcceptanceDiffers("y differs")

    assert "ids = [0, 0] (int32 [2])" in failure(check).told()


def test_where_only_feeds_without_elements_fail_they_are_told() -> None:
    def check(feeds: Feeds) -> None:
        if not feeds["x"].size:
            raise AcceptanceDiffers("y differs")

    assert "ids = [] (int32 [0])" in failure(check).told()


def test_the_simplest_example_that_fails_is_not_run_again() -> None:
    calls = 0

    def check(_: Feeds) -> None:
        nonlocal calls
        calls += 1
        raise OutputsDiffer("y differs")

    failure(check)
    assert calls == 1


def test_an_example_is_not_made_simpler_into_another_kind_of_failure() -> None:
    def check(feeds: Feeds) -> None:
        if np.isnan(feeds["x"]).any():
            kind = OutputsDiffer if len(feeds["x"]) >= 2 else AcceptanceDiffers
            raise kind("y differs")

    found = failure(check)
    assert type(found) is OutputsDiffer
    assert found.feeds is not None
    assert len(found.feeds["x"]) == 2
    assert np.isnan(found.feeds["x"]).sum() == 1


def test_the_feeds_that_are_told_are_those_that_failed() -> None:
    def check(feeds: Feeds) -> None:
        value = int(feeds["n"])
        if value > 2:
            raise OutputsDiffer(f"differs at {value}")

    message = failure(check, SCALAR).told()
    value = message.removeprefix("differs at ").partition(" ")[0]
    assert message == f"differs at {value} · fed n = {value} (int32 [])"


def test_a_failure_keeps_its_kind_and_what_was_measured() -> None:
    def check(_: Feeds) -> None:
        raise OutputsDiffer("y differs", measured=Measurement(max_ulp=3))

    found = failure(check)
    assert type(found) is OutputsDiffer
    assert found.measured == Measurement(max_ulp=3)


def test_of_two_kinds_of_failure_one_comes_out_with_its_own_feeds() -> None:
    def check(feeds: Feeds) -> None:
        value = int(feeds["n"])
        if value > 5:
            raise AcceptanceDiffers(f"rejected at {value}")
        if value < -5:
            raise OutputsDiffer(f"differs at {value}")

    found = failure(check, SCALAR, max_examples=200)
    value = str(found).rpartition(" ")[2]
    assert found.told().endswith(f" · fed n = {value} (int32 [])")
    assert type(found) is (AcceptanceDiffers if int(value) > 0 else OutputsDiffer)


def test_a_failure_without_inputs_tells_no_feeds() -> None:
    def check(_: Feeds) -> None:
        raise OutputsDiffer("y differs")

    assert failure(check, NO_INPUTS).told() == "y differs"


def test_a_failure_in_the_last_example_comes_out() -> None:
    calls = 0

    def check(_: Feeds) -> None:
        nonlocal calls
        calls += 1
        if calls == 20:
            raise OutputsDiffer("y differs")

    failure(check, max_examples=20)


@pytest.mark.parametrize("passing", [3, 20])
def test_shrinking_stops_in_time_and_the_failure_still_comes_out(
    passing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "SHRINK_SECONDS", -1.0)
    calls = 0

    def check(_: Feeds) -> None:
        nonlocal calls
        calls += 1
        assert calls <= passing + 1, "what comes after the first failure is not to be run"
        if calls > passing:
            raise OutputsDiffer("y differs")

    assert failure(check).told().startswith("y differs · fed x")


@pytest.mark.parametrize("passing", [0, 20])
def test_feeds_that_failed_are_not_run_again(passing: int) -> None:
    calls = 0
    runs: dict[bytes, int] = {}

    def check(feeds: Feeds) -> None:
        nonlocal calls
        calls += 1
        if calls > passing and (np.abs(feeds["x"]) > 1).any():
            key = digest(feeds)
            runs[key] = runs.get(key, 0) + 1
            raise OutputsDiffer("y differs")

    failure(check, max_examples=100)
    assert len(runs) > 1
    assert {*runs.values()} == {1}


def test_a_check_that_fails_once_and_never_again_fails() -> None:
    has_failed = False

    def check(feeds: Feeds) -> None:
        nonlocal has_failed
        if feeds["x"].any() and not has_failed:
            has_failed = True
            raise OutputsDiffer("y differs")

    assert failure(check).told().startswith("y differs · fed x")


def test_an_error_that_is_no_disagreement_comes_out_as_it_is() -> None:
    error = BrokenModel("no such variable")

    def check(_: Feeds) -> None:
        raise error

    with pytest.raises(BrokenModel) as caught:
        run(check)
    assert caught.value is error


def test_progress_counts_the_examples_that_passed() -> None:
    counted: list[int] = []
    run(lambda _: None, max_examples=20, progress=counted.append)
    assert counted == [*range(1, 21)]


def test_progress_does_not_count_what_is_tried_while_shrinking() -> None:
    counted: list[int] = []
    calls = 0

    def check(feeds: Feeds) -> None:
        nonlocal calls
        calls += 1
        if calls > 40 and np.abs(feeds["x"]).max() > 1:
            raise OutputsDiffer("y differs")

    failure(check, max_examples=60, progress=counted.append)
    assert 40 <= len(counted) < 60
    assert calls > len(counted) + 1
