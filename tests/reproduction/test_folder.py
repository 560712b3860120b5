"""The folder of a reproduction, written and read."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.criteria import Close, Exact
from harness.errors import RequestError
from harness.reproduction import folder as folder_module
from harness.reproduction.folder import (
    Evidence,
    folder_name,
    read_reproduction,
    replay_line,
    write_reproduction,
)
from harness.reproduction.record import REPLAYED, Reproduction, Versions, reproduction_of
from harness.subject import Candidate, Copy, Request
from harness.verdict import Stage, StageResult, Status

FEEDS = {"x": np.ones((1, 2), np.float32)}
EVIDENCE = Evidence(feeds=FEEDS, expected={"y": np.zeros(1)}, actual={"y": np.ones(1)})
FAILED = StageResult(stage=Stage.OUTPUTS, status=Status.FAILED, reason="y[0] = 1, but …\nmore")


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    path = tmp_path / "reference.pb"
    path.write_bytes(b"reference")
    return path


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    path = tmp_path / "shipped.pb"
    path.write_bytes(b"shipped")
    return path


Record = Callable[..., Reproduction]


@pytest.fixture
def record(reference: Path, shipped: Path) -> Record:
    """What is kept of a stage that failed, changed in some fields."""

    def made(**changes: Any) -> Reproduction:
        known = reproduction_of(
            Request(path=reference),
            model="model",
            candidate=Candidate(name="shipped.pb", method="file", path=shipped),
            export=shipped,
            result=FAILED,
            tolerance=Exact(),
            example_seconds=10.0,
        )
        return replace(known, **changes)

    return made


Write = Callable[..., Path]


@pytest.fixture
def write(record: Record, shipped: Path, tmp_path: Path) -> Write:
    """Write a reproduction, changed in some fields, into the folder `kept`."""

    def written(
        export: Path = shipped, evidence: Evidence | None = EVIDENCE, **changes: Any
    ) -> Path:
        directory = tmp_path / "kept"
        return write_reproduction(directory, record(**changes), evidence=evidence, export=export)

    return written


# ---- what is written is read


def test_what_was_written_is_read(write: Write, record: Record) -> None:
    everything = {
        "meta_graph": "/a.meta", "inputs": ("x",), "outputs": ("y", "z:1"),
        "signature_key": "s", "tags": ("serve",), "moving_averages": True,
        "imports": ("ops",), "op_libraries": ("/o.so",),
        "names": {"x": "other_x"}, "tolerance": Close(rtol=1 / 3), "example_seconds": 2.5,
        "command": "pytest …", "stage": Stage.DEPLOYED,
        "versions": Versions(freezeproof="1", tensorflow="2", python="3", numpy="4"),
    }  # fmt: skip
    kept = read_reproduction(write(**everything))
    assert kept.reproduction == record(**everything)


def test_what_was_not_stated_is_read_as_such(write: Write, record: Record) -> None:
    assert read_reproduction(write()).reproduction == record()


def test_arrays_are_read_with_their_names(write: Write) -> None:
    evidence = read_reproduction(write()).evidence
    assert evidence is not None
    assert evidence.expected is not None
    assert evidence.actual is not None
    assert evidence.feeds["x"].tolist() == [[1.0, 1.0]]
    assert evidence.expected["y"].tolist() == [0.0]
    assert evidence.actual["y"].tolist() == [1.0]


def test_a_side_that_rejected_the_feeds_has_no_outputs(write: Write) -> None:
    folder = write(evidence=Evidence(feeds=FEEDS, expected={"y": np.zeros(1)}))
    evidence = read_reproduction(folder).evidence
    assert evidence is not None
    assert evidence.actual is None
    assert evidence.expected is not None
    assert not (folder / "actual.npz").exists()


def test_no_feeds_and_feeds_of_no_input_are_told_apart(write: Write) -> None:
    assert read_reproduction(write(evidence=None)).evidence is None
    evidence = read_reproduction(write(evidence=Evidence(feeds={}))).evidence
    assert evidence == Evidence(feeds={})


def test_the_readme_says_what_it_is_and_how_it_is_replayed(write: Write) -> None:
    lines = (write(command="pytest --x") / "README.txt").read_text().splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("Stage outputs found that shipped.pb is not model: y[0] = 1")
    assert "candidate.pb (shipped.pb), feeds.npz, expected.npz, actual.npz" in lines[2]
    assert "freezeproof replay " in lines[3]
    assert lines[4].endswith("pytest --x")


# ---- what is recorded


def test_paths_are_absolute(
    reference: Path, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = reproduction_of(
        Request(path=Path(reference.name), meta_graph=Path("a.meta")),
        model="m",
        candidate=Candidate(name="c", method="file", path=Path(shipped.name)),
        export=Path(shipped.name),
        result=FAILED,
        tolerance=Exact(),
        example_seconds=1.0,
        op_libraries=[Path("ops.so")],
    )
    assert made.reference == str(reference)
    assert made.path == str(shipped)
    assert made.meta_graph == str(tmp_path / "a.meta")
    assert made.op_libraries == (str(tmp_path / "ops.so"),)


def test_what_was_copied_from_a_url_is_recorded_as_the_url(reference: Path, shipped: Path) -> None:
    copies = (Copy(path=reference, folder=reference.parent, url="gs://bucket/runs"),)
    made = reproduction_of(
        Request(path=reference, copies=copies),
        model="m",
        candidate=Candidate(name="c", method="file", path=shipped),
        export=shipped,
        result=FAILED,
        tolerance=Exact(),
        example_seconds=1.0,
    )
    assert made.reference == "gs://bucket/runs/reference.pb"
    assert made.path == "gs://bucket/runs/shipped.pb"


def test_of_a_folder_the_checkpoint_is_recorded_that_was_meant(
    tmp_path: Path, shipped: Path
) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    for name in ("m-7.index", "m-7.data-00000-of-00001", "m-7.meta"):
        (folder / name).write_bytes(b"")
    made = reproduction_of(
        Request(path=folder),
        model="m",
        candidate=Candidate(name="direct", method="direct"),
        export=shipped,
        result=FAILED,
        tolerance=Exact(),
        example_seconds=1.0,
    )
    assert made.reference == str(folder / "m-7")
    assert made.path == ""


# ---- the copy of the candidate


def test_the_copy_of_a_users_file_stays_when_the_file_is_mended_in_place(
    write: Write, shipped: Path
) -> None:
    copy = read_reproduction(write()).candidate
    shipped.write_bytes(b"mended")
    assert copy is not None
    assert copy.name == "candidate.pb"
    assert copy.read_bytes() == b"shipped"


def test_an_export_of_the_run_is_linked(write: Write, shipped: Path) -> None:
    copy = read_reproduction(write(path="", method="direct")).candidate
    assert copy is not None
    assert copy.samefile(shipped)


def test_an_export_that_cannot_be_linked_is_copied(
    write: Write, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("another device")

    monkeypatch.setattr(os, "link", refuse)
    copy = read_reproduction(write(path="", method="direct")).candidate
    assert copy is not None
    assert not copy.samefile(shipped)
    assert copy.read_bytes() == b"shipped"


@pytest.mark.parametrize("given", ["", "saved_model.pb"])
def test_of_a_saved_model_the_whole_folder_is_copied(
    given: str, write: Write, tmp_path: Path
) -> None:
    export = tmp_path / "export"
    (export / "variables").mkdir(parents=True)
    (export / "saved_model.pb").write_bytes(b"graph")
    (export / "variables" / "variables.index").write_bytes(b"index")
    copy = read_reproduction(write(export=export / given)).candidate
    assert copy is not None
    assert copy.name == "candidate"
    assert (copy / "saved_model.pb").read_bytes() == b"graph"
    assert (copy / "variables" / "variables.index").read_bytes() == b"index"


def test_a_copy_keeps_the_suffix_by_which_it_is_read(write: Write, tmp_path: Path) -> None:
    export = tmp_path / "graph.pbtxt"
    export.write_text("node {}")
    copy = read_reproduction(write(export=export)).candidate
    assert copy is not None
    assert copy.name == "candidate.pbtxt"


def test_a_large_candidate_is_left_where_it_is(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "LARGEST", 3)
    folder = write()
    assert read_reproduction(folder).candidate is None
    assert not (folder / "candidate.pb").exists()
    assert "candidate.pb" not in (folder / "README.txt").read_text()
    export = tmp_path / "export"
    export.mkdir()
    (export / "saved_model.pb").write_bytes(b"graph")
    assert read_reproduction(write(export=export)).candidate is None


# ---- names of folders


def test_a_folder_is_called_after_model_candidate_and_stage(record: Record) -> None:
    assert folder_name(record(model="model.ckpt-60")) == "model.ckpt-60-shipped.pb-outputs"


@pytest.mark.parametrize(
    "model", ["a/b", "../../etc", "..", "-rf", "a b$(x);'\"\n", "ünï", "\\", "m[v2]", "x" * 400]
)
def test_a_name_is_safe_in_a_path_and_in_a_shell(model: str, record: Record) -> None:
    name = folder_name(record(model=model))
    assert Path(name).name == name
    assert shlex.quote(name) == name
    assert name[0] not in ".-"
    assert len(name) <= 200


def test_long_names_that_differ_in_the_middle_are_two(record: Record) -> None:
    first, second = (record(model=f"{'a' * 200}{x}{'b' * 200}") for x in "xy")
    assert folder_name(first) != folder_name(second)


def test_failures_of_one_name_do_not_overwrite_each_other(write: Write) -> None:
    folders = {
        write(model="a", candidate="b-c"),
        write(model="a-b", candidate="c"),
        write(model="a/b", candidate="c"),
        write(model="a_b", candidate="c"),
        write(model="a", candidate="b-c", reference="/another/a"),
        *(write(model="a", candidate="b", stage=stage) for stage in REPLAYED),
    }
    assert len(folders) == 5 + len(REPLAYED)
    models = {read_reproduction(folder).reproduction.model for folder in folders}
    assert models == {"a", "a-b", "a/b", "a_b"}


def test_a_later_run_replaces_the_folder_whole(write: Write) -> None:
    first = write(evidence=EVIDENCE)
    second = write(evidence=None, reason="otherwise")
    assert second == first
    assert read_reproduction(second).reproduction.reason == "otherwise"
    assert not (second / "feeds.npz").exists()
    assert [entry.name for entry in second.parent.iterdir() if entry.is_dir()] == [second.name]


def test_a_folder_of_the_users_is_never_replaced(write: Write, tmp_path: Path) -> None:
    own = tmp_path / "kept" / "model-shipped.pb-outputs"
    own.mkdir(parents=True)
    (own / "thesis.tex").write_text("…")
    folder = write()
    assert folder != own
    assert (own / "thesis.tex").exists()
    assert write() == folder


def test_what_cannot_be_written_leaves_the_folder_of_before(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write()

    def full(*_: Any, **__: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        write(reason="otherwise")
    assert read_reproduction(folder).reproduction.reason == FAILED.reason
    assert [entry.name for entry in folder.parent.iterdir() if entry.is_dir()] == [folder.name]


def test_a_new_directory_is_kept_from_version_control(write: Write, tmp_path: Path) -> None:
    write()
    assert (tmp_path / "kept" / ".gitignore").read_text() == "*\n"


def test_a_directory_that_is_there_is_left_as_it_is(write: Write, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    write()
    assert not (tmp_path / "kept" / ".gitignore").exists()


# ---- the line


def test_the_line_is_told_from_the_folder_where_one_stands(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write()
    monkeypatch.chdir(tmp_path)
    assert replay_line(folder) == f"replay with: freezeproof replay kept/{folder.name}"
    monkeypatch.chdir(folder)
    assert replay_line(folder) == "replay with: freezeproof replay ."
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert replay_line(folder) == f"replay with: freezeproof replay {folder}"
    assert replay_line(elsewhere / "a b") == "replay with: freezeproof replay 'a b'"


# ---- what cannot be read


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"none: there is no such folder"):
        read_reproduction(tmp_path / "none")


def test_a_folder_without_a_reproduction_is_told(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"holds no reproduction\.json"):
        read_reproduction(tmp_path)


@pytest.mark.parametrize("schema", [2, "1", None, [1]])
def test_an_unknown_schema_is_told(schema: Any, write: Write) -> None:
    folder = write()
    path = folder / "reproduction.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": schema}))
    with pytest.raises(RequestError, match=r"is of schema .* reads 1"):
        read_reproduction(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '"text"', "\xff"])
def test_text_that_is_no_reproduction_is_damaged(text: str, write: Write) -> None:
    folder = write()
    (folder / "reproduction.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RequestError, match=r"is damaged|is of schema None"):
        read_reproduction(folder)


def leaves(data: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths to all fields, however deep."""
    if not isinstance(data, dict):
        return [path]
    return [path, *(leaf for key, value in data.items() for leaf in leaves(value, (*path, key)))]


def test_any_field_that_is_missing_is_damage(write: Write) -> None:
    folder = write()
    path = folder / "reproduction.json"
    text = path.read_text()
    found = [leaf for leaf in leaves(json.loads(text)) if leaf]
    assert len(found) > 25
    for *above, last in found:
        data = whole = json.loads(text)
        for key in above:
            data = data[key]
        del data[last]
        path.write_text(json.dumps(whole))
        with pytest.raises(RequestError, match=r"is damaged|is of schema"):
            read_reproduction(folder)


@pytest.mark.parametrize(
    ("above", "key", "value"),
    [
        ("", "tolerance", 2.0),
        ("", "tolerance", "x"),
        ("", "example_seconds", 0),
        ("", "example_seconds", -1),
        ("", "stage", "restore"),
        ("", "stage", "odd"),
        ("", "reason", None),
        ("reference", "inputs", "x"),
        ("reference", "inputs", [1]),
        ("reference", "path", None),
        ("candidate", "names", []),
        ("candidate", "names", {"x": 1}),
        ("candidate", "copy", "../shipped.pb"),
        ("candidate", "copy", "/etc/passwd"),
        ("candidate", "copy", 3),
        ("arrays", "feeds", [1]),
        ("arrays", "feeds", 1),
    ],
)
def test_a_field_that_is_none_of_its_values_is_damage(
    above: str, key: str, value: Any, write: Write
) -> None:
    folder = write()
    path = folder / "reproduction.json"
    data = json.loads(path.read_text())
    (data[above] if above else data)[key] = value
    path.write_text(json.dumps(data))
    with pytest.raises(RequestError, match="is damaged"):
        read_reproduction(folder)


def test_feeds_that_are_gone_are_told(write: Write) -> None:
    folder = write()
    (folder / "feeds.npz").unlink()
    with pytest.raises(RequestError, match=r"feeds\.npz: No such file"):
        read_reproduction(folder)
