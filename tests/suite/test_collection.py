"""How the suite becomes items."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.subject import Candidate, Request, Subject
from harness.suite.collection import SUITE, SuiteModule, file_argument, in_order, parametrize

DIRECT, SHIPPED = (
    Candidate(name="direct", method="direct"),
    Candidate(name="shipped.pb", method="file", path=Path("shipped.pb")),
)
STAGES = ["test_candidate_is_exported", "test_outputs_are_identical"]


def subject_of(name: str) -> Subject:
    return Subject(name=name, locate=lambda: Request(path=Path(name)), candidates=(DIRECT, SHIPPED))


# Not by name: the order is that of the command line.
SUBJECTS = (subject_of("b"), subject_of("a"))


class FunctionOf:
    """As much of pytest's metafunc as is asked for; keeps what a test is parametrized by."""

    def __init__(self, *fixturenames: str) -> None:
        self.fixturenames = fixturenames
        self.values: list[Any] = []
        self.ids: list[str] = []

    def parametrize(self, _: object, values: Any, *, ids: list[str]) -> None:
        self.values, self.ids = list(values), ids


def item_of(name: str, **params: object) -> Any:
    module = object.__new__(SuiteModule)
    return SimpleNamespace(name=name, parent=module, callspec=SimpleNamespace(params=params))


def test_the_suite_is_a_file_of_the_package() -> None:
    assert SUITE.is_file()


def test_a_test_of_a_candidate_is_an_item_for_each() -> None:
    function: Any = FunctionOf("subject", "candidate")
    parametrize(function, SUBJECTS)
    assert function.ids == ["b-direct", "b-shipped.pb", "a-direct", "a-shipped.pb"]
    assert function.values[1] == (SUBJECTS[0], SHIPPED)


def test_a_test_of_the_reference_is_an_item_for_each_model() -> None:
    function: Any = FunctionOf("subject", "proof")
    parametrize(function, SUBJECTS)
    assert function.ids == ["b", "a"]
    assert function.values == [*SUBJECTS]


@pytest.mark.parametrize(
    ("argument", "file"),
    [
        ("freezeproof::test_x[model-direct]", f"{SUITE}::test_x[model-direct]"),
        ("freezeproof", str(SUITE)),
        ("tests/freezeproof::test_x", "tests/freezeproof::test_x"),
        ("tests/test_a.py::test_freezeproof", "tests/test_a.py::test_freezeproof"),
    ],
)
def test_an_id_of_the_suite_is_the_packages_file(argument: str, file: str) -> None:
    assert file_argument(argument) == file


def test_the_suite_runs_last_model_by_model_and_candidate_by_candidate() -> None:
    other: Any = SimpleNamespace(name="test_other", parent=None)
    collected = [
        *(item_of("test_reference_is_restored", subject=s) for s in SUBJECTS),
        *(
            item_of(stage, subject=s, candidate=c)
            for stage in STAGES
            for s in SUBJECTS
            for c in s.candidates
        ),
        *(item_of("test_a_candidate_was_compared", subject=s) for s in SUBJECTS),
        other,
    ]
    ordered = in_order(collected, SUBJECTS)
    assert ordered[0] is other
    told = [
        (item.callspec.params["subject"].name, item.name)  # type: ignore[attr-defined]
        for item in ordered[1:]
    ]
    assert told == [
        (name, test)
        for name in ("b", "a")
        for test in (
            "test_reference_is_restored",
            *STAGES,
            *STAGES,
            "test_a_candidate_was_compared",
        )
    ]
    candidates = [item.callspec.params.get("candidate") for item in ordered[1:7]]  # type: ignore[attr-defined]
    assert candidates == [None, DIRECT, DIRECT, SHIPPED, SHIPPED, None]
