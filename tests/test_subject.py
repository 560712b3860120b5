"""What is to be verified, under names that tell it apart."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from harness.subject import (
    Candidate,
    Request,
    Subject,
    candidates_of,
    free_name,
    subject_name,
    with_distinct_names,
)


def subject_of(name: str) -> Subject:
    return Subject(name=name, locate=lambda: Request(path=Path(name)), candidates=())


def test_a_candidate_is_made_of_each_method_and_each_file() -> None:
    assert candidates_of(["direct"], [Path("ship/model.pb")]) == (
        Candidate(name="direct", method="direct"),
        Candidate(name="model.pb", method="file", path=Path("ship/model.pb")),
    )


def test_files_of_one_name_are_told_apart() -> None:
    found = candidates_of([], [Path("a/model.pb"), Path("b/model.pb"), Path("c/model.pb")])
    assert [candidate.name for candidate in found] == ["model.pb", "model.pb#2", "model.pb#3"]
    assert [candidate.path for candidate in found] == [Path(p, "model.pb") for p in "abc"]


def test_a_file_named_like_a_method_is_told_apart() -> None:
    found = candidates_of(["direct"], [Path("direct")])
    assert [(c.name, c.method) for c in found] == [("direct", "direct"), ("direct#2", "file")]


def test_models_of_one_name_are_told_apart() -> None:
    found = with_distinct_names(map(subject_of, ["model", "other", "model"]))
    assert [subject.name for subject in found] == ["model", "other", "model#2"]
    assert found[2].locate().path == Path("model")


@given(names=st.lists(st.sampled_from(["a", "a#2", "a#2#2", "b"]), max_size=12))
def test_free_names_are_never_given_twice(names: list[str]) -> None:
    taken: set[str] = set()
    given_names = [free_name(name, taken) for name in names]
    assert len(set(given_names)) == len(names)
    assert taken == set(given_names)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("runs/model.ckpt-1000", "model.ckpt-1000"),
        ("frozen.pb", "frozen.pb"),
        ("export/00000123", "export.00000123"),
        ("00000123", "{folder}.00000123"),
        (".", "{folder}"),
        ("inner/..", "{folder}"),
    ],
)
def test_a_model_is_named_after_its_path(
    path: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert subject_name(Path(path)) == name.format(folder=tmp_path.name)
