"""Who catches which fault: counted rightly, and nothing counted that is no fault."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.fault_detection import (
    Excluded,
    Outcome,
    Trial,
    by_fault,
    is_shown,
    main,
    report,
    summary,
    try_faults,
)
from benchmarks.input_policies import ARRAYS, BY_HAND, OURS, POLICIES, Policy
from fixtures.catalogue import find
from fixtures.faults import FAULTS, Fault, Frozen
from harness.domain import Domain
from harness.errors import Rejected, TimedOut
from harness.memo import Feeds
from harness.signature import Signature

Built = Callable[[str], Path]

ONE, FIVE, ONES, FROM_ONE = (policy.name for policy in BY_HAND)

NOTHING_WRONG = Fault(name="nothing_wrong", description="", apply=lambda frozen: frozen.graph_def)


@pytest.fixture
def try_in(built: Built, tmp_path: Path) -> Callable[..., Outcome]:
    def try_them(name: str, *faults: Fault, policies: Sequence[Policy] = POLICIES,
                 further_examples: int = 20) -> Outcome:  # fmt: skip
        return try_faults(
            find(name),
            built(name),
            faults=faults,
            folder=tmp_path,
            policies=policies,
            further_examples=further_examples,
        )

    return try_them


def of_one_id(value: int) -> Policy:
    def draw(signature: Signature, domains: Mapping[str, Domain]) -> Iterator[Feeds]:
        del signature, domains
        yield {"ids": np.full((2, 2), value, dtype=np.int32)}

    return Policy(name=f"id {value}", draw=draw)


def test_each_policy_catches_what_its_inputs_can_show(try_in: Callable[..., Outcome]) -> None:
    found = try_in(
        "sequence_network-ref",
        FAULTS["dropped_bias"],
        FAULTS["baked_batch"],
        FAULTS["relu6"],
        FAULTS["relu_without_nan"],
    )

    seen_by = {trial.fault: set(trial.first) for trial in found.trials}
    everyone = {policy.name for policy in POLICIES}
    assert seen_by["dropped_bias"] == everyone
    # One example of a batch of one fits a batch that is fixed to one.
    assert seen_by["baked_batch"] == {OURS.name, ARRAYS.name}
    # Sums of numbers below one stay below six, and no number by hand is NaN.
    assert seen_by["relu6"] == everyone - {ONE, FIVE}
    assert not seen_by["relu_without_nan"] & {ONE, FIVE, ONES, FROM_ONE}


def test_the_first_example_that_shows_a_fault_is_told(try_in: Callable[..., Outcome]) -> None:
    fives = Policy(name="0 and then 49", draw=lambda *_: iter([_ids(0), _ids(49), _ids(49)]))

    found = try_in("embedding-ref", FAULTS["clipped_ids"], policies=[fives])

    assert found.trials[0].first == {"0 and then 49": 2}


def _ids(value: int) -> Feeds:
    return {"ids": np.full((2, 2), value, dtype=np.int32)}


def test_a_graph_without_a_fault_is_never_caught(try_in: Callable[..., Outcome]) -> None:
    for name in ("sequence_network-ref", "embedding-ref"):
        found = try_in(name, NOTHING_WRONG, further_examples=30)

        assert found.false_alarms == []
        (trial,) = found.trials
        assert not trial.observable
        assert not trial.missed
        assert trial.searched == 2 * 30  # of either kind


def test_a_reference_that_differs_from_itself_is_a_false_alarm(
    try_in: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = FAULTS["dropped_bias"]
    monkeypatch.setattr(
        "benchmarks.fault_detection.NO_FAULT", replace(wrong, name="none", description="")
    )

    found = try_in("embedding-ref")

    assert [trial.fault for trial in found.false_alarms] == ["none"]
    assert found.trials == []


def test_what_both_sides_refuse_shows_nothing(try_in: Callable[..., Outcome]) -> None:
    found = try_in(
        "embedding-ref", FAULTS["dropped_bias"], policies=[of_one_id(50)], further_examples=0
    )

    assert found.trials[0].first == {}
    assert found.drawn == found.rejected == {"id 50": 1}


def test_what_one_side_refuses_shows_the_fault(try_in: Callable[..., Outcome]) -> None:
    accepts_too_much = try_in("embedding-ref", FAULTS["clipped_ids"], policies=[of_one_id(50)])
    rejects_too_much = try_in("embedding-ref", FAULTS["baked_batch"], policies=[of_one_id(3)])

    assert accepts_too_much.trials[0].first == {"id 50": 1}
    assert rejects_too_much.trials[0].first == {"id 3": 1}


ONE_NUMBER = {"y": np.array([1.0])}


@pytest.mark.parametrize(
    ("model_says", "broken_graph_says", "shown"),
    [
        (ONE_NUMBER, ONE_NUMBER, False),
        (ONE_NUMBER, {"y": np.array([2.0])}, True),
        (ONE_NUMBER, Rejected("InvalidArgumentError", "no"), True),
        (ONE_NUMBER, TimedOut(1.0), False),
        (Rejected("InvalidArgumentError", "no"), ONE_NUMBER, True),
        (Rejected("InvalidArgumentError", "no"), Rejected("OutOfRangeError", "out"), False),
        (Rejected("InvalidArgumentError", "no"), TimedOut(1.0), False),
        (TimedOut(1.0), ONE_NUMBER, False),
    ],
)
def test_only_another_answer_shows_a_fault(
    model_says: Any, broken_graph_says: Any, shown: bool
) -> None:
    def broken_graph(feeds: Feeds) -> Any:
        del feeds
        if isinstance(broken_graph_says, Exception):
            raise broken_graph_says
        return broken_graph_says

    assert is_shown({}, model_says, broken_graph) is shown


def test_what_no_policy_shows_is_searched_for(try_in: Callable[..., Outcome]) -> None:
    found = try_in("embedding-ref", FAULTS["clipped_ids"], policies=[of_one_id(3)])

    (trial,) = found.trials
    assert trial.first == {}
    assert trial.further is not None
    assert trial.searched == trial.further
    assert trial.observable
    assert trial.missed


def test_the_search_ends_in_time(built: Built, tmp_path: Path) -> None:
    found = try_faults(
        find("embedding-ref"),
        built("embedding-ref"),
        faults=[NOTHING_WRONG],
        folder=tmp_path,
        policies=[of_one_id(3)],
        further_examples=10,
        further_seconds=0.0,
    )

    assert found.trials[0].searched == 0
    assert "not seen in 0 further examples" in report(found)


def test_a_fault_without_a_place_is_counted_apart(try_in: Callable[..., Outcome]) -> None:
    found = try_in("embedding-ref", FAULTS["other_stride"], policies=[of_one_id(3)])

    assert found.trials == []
    assert [excluded.fault for excluded in found.without_place] == ["other_stride"]


def test_a_graph_that_cannot_be_opened_is_counted_apart(try_in: Callable[..., Outcome]) -> None:
    def without_the_last_node(frozen: Frozen) -> object:
        broken = type(frozen.graph_def)()
        broken.CopyFrom(frozen.graph_def)
        del broken.node[-1]
        return broken

    halved = Fault(name="halved", description="", apply=without_the_last_node)

    found = try_in("embedding-ref", halved, policies=[of_one_id(3)])

    assert found.trials == []
    assert [excluded.fault for excluded in found.unreadable] == ["halved"]
    assert "prediction" in report(found)


@pytest.mark.parametrize(
    ("first", "further", "missed"),
    [
        ({OURS.name: 100}, None, False),
        ({OURS.name: 101}, None, True),
        ({ONES: 1}, None, True),
        ({}, 7, True),
        ({}, None, False),
    ],
)
def test_ours_misses_what_is_seen_otherwise_or_too_late(
    first: Mapping[str, int], further: int | None, missed: bool
) -> None:
    trial = Trial(fixture="f", fault="relu6", first=first, further=further)
    assert trial.missed is missed


def outcome() -> Outcome:
    def trial(fault: str, **rest: object) -> Trial:
        return Trial(fixture="a", fault=fault, **rest)

    return Outcome(
        trials=[
            trial("relu6", first={OURS.name: 3, ONES: 1}),
            trial("relu6", first={OURS.name: 4}),
            trial("relu6", first={OURS.name: 11}),
            trial("baked_batch", first={ARRAYS.name: 12}),
            trial("relu_without_nan", first={}, searched=1000),
        ],
        without_place=[Excluded(fixture="a", fault="other_axis", reason="no op")],
        unreadable=[Excluded(fixture="a", fault="other_stride", reason="no such size")],
        drawn={OURS.name: 200, ONES: 2, ARRAYS.name: 200},
        rejected={OURS.name: 1, ONES: 0, ARRAYS.name: 100},
    )


OF_THREE = (OURS, BY_HAND[2], ARRAYS)


def test_the_summary_counts_what_is_observable() -> None:
    assert summary(outcome(), OF_THREE).splitlines() == [
        "| inputs            | caught |  share | example (median) | (latest) | refused |",
        "| ----------------- | -----: | -----: | ---------------: | -------: | ------: |",
        "| freezeproof       | 3 of 4 | 75.0 % |                4 |       11 |   0.5 % |",
        "| all ones          | 1 of 4 | 25.0 % |                1 |        1 |   0.0 % |",
        "| hypothesis arrays | 1 of 4 | 25.0 % |               12 |       12 |  50.0 % |",
    ]


def test_each_kind_of_fault_has_a_row() -> None:
    assert by_fault(outcome(), OF_THREE).splitlines()[2:] == [
        "| baked_batch      |        1 |          1 |           0 |        0 |                 1 |",
        "| relu6            |        3 |          3 |           3 |        1 |                 0 |",
        "| relu_without_nan |        1 |          0 |           0 |        0 |                 0 |",
    ]


def test_the_report_names_what_was_missed_and_what_cannot_be_seen() -> None:
    text = report(outcome(), OF_THREE)

    assert (
        "missed by freezeproof:\n  baked_batch in a: seen by hypothesis arrays in example 12"
    ) in text
    assert (
        "not observable:\n  relu_without_nan in a: not seen in 1,000 further examples either"
    ) in text
    assert "5 faults were tried; 1 have no place in their fixture" in text
    assert "FALSE ALARMS" not in text


def test_outcomes_of_fixtures_are_added() -> None:
    total = Outcome()
    total.add(outcome())
    total.add(outcome())

    assert len(total.trials) == 10
    assert total.drawn == {OURS.name: 400, ONES: 4, ARRAYS.name: 400}
    assert len(total.without_place) == len(total.unreadable) == 2


@pytest.fixture
def run_main(built: Built, tmp_path: Path) -> Callable[[], int]:
    """Try one fault in one fixture; trials are written to trials.json."""
    models = built("embedding-ref").parent.parent
    return lambda: main(
        ["--fixtures", "embedding-ref", "--faults", "clipped_ids", "--further", "20",
         "--models", str(models), "--json", str(tmp_path / "trials.json")]
    )  # fmt: skip


def test_it_ends_with_0_where_ours_sees_all(
    run_main: Callable[[], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main() == 0
    assert "| freezeproof       | 1 of 1 | 100.0 % |" in capsys.readouterr().out
    (trial,) = json.loads((tmp_path / "trials.json").read_text())["trials"]
    assert trial["fault"] == "clipped_ids"
    assert trial["observable"] is True


def test_it_ends_with_1_where_ours_misses_something(
    run_main: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing is seen by a policy of that name.
    monkeypatch.setattr("benchmarks.fault_detection.OURS", replace(OURS, name="blind"))
    assert run_main() == 1


def test_it_ends_with_1_where_a_right_graph_is_caught(
    run_main: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.fault_detection.NO_FAULT", FAULTS["dropped_bias"])
    assert run_main() == 1


def test_an_unknown_fixture_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--fixtures", "embeding-ref"])
    assert "did you mean embedding-ref" in capsys.readouterr().err
