"""A digest of the files of a model: equal while they are the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import RequestError
from harness.reproduction import fingerprint
from harness.reproduction.fingerprint import fingerprint_of_candidate, fingerprint_of_reference

DATA = "m.data-00000-of-00001"


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """The files of a checkpoint, and another's beside them."""
    for name in ("m.index", DATA, "m.meta", "other.index"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path / "m"


def saved_model(folder: Path) -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    return folder


@pytest.mark.parametrize("name", ["m.index", DATA, "m.meta"])
def test_a_change_of_any_file_of_a_checkpoint_is_seen(name: str, prefix: Path) -> None:
    before = fingerprint_of_reference(prefix)
    (prefix.parent / name).write_bytes(b"changed.")
    assert before.of == "files"
    assert fingerprint_of_reference(prefix) != before


def test_files_of_others_are_none_of_it(prefix: Path) -> None:
    before = fingerprint_of_reference(prefix)
    (prefix.parent / "other.index").write_bytes(b"changed")
    assert fingerprint_of_reference(prefix) == before


def test_a_meta_graph_elsewhere_takes_the_place_of_its_own(prefix: Path, tmp_path: Path) -> None:
    graph = tmp_path / "elsewhere.meta"
    graph.write_bytes(b"first")
    before = fingerprint_of_reference(prefix, graph)
    graph.write_bytes(b"other")
    assert fingerprint_of_reference(prefix, graph) != before


def test_bytes_that_move_from_one_file_to_the_next_are_a_change(prefix: Path) -> None:
    before = fingerprint_of_reference(prefix)
    (prefix.parent / "m.index").write_bytes(b"m.inde")
    (prefix.parent / DATA).write_bytes(b"x" + DATA.encode())
    assert fingerprint_of_reference(prefix) != before


def test_a_copy_of_a_file_is_the_same_whatever_its_name(tmp_path: Path) -> None:
    for name in ("a.pb", "b.pb"):
        (tmp_path / name).write_bytes(b"graph")
    first = fingerprint_of_candidate(tmp_path / "a.pb")
    assert fingerprint_of_candidate(tmp_path / "b.pb") == first


def test_a_copy_of_a_folder_is_the_same_while_its_files_are_called_alike(tmp_path: Path) -> None:
    first, second = saved_model(tmp_path / "a"), saved_model(tmp_path / "b")
    assert fingerprint_of_candidate(first) == fingerprint_of_candidate(second)
    assert fingerprint_of_reference(first) == fingerprint_of_candidate(second)
    (second / "variables" / "variables.index").rename(second / "variables" / "renamed")
    assert fingerprint_of_candidate(first) != fingerprint_of_candidate(second)


def test_of_a_large_checkpoint_index_and_sizes_count(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "LARGEST", 10)
    fingerprint._digest.cache_clear()
    before = fingerprint_of_reference(prefix)
    assert before.of == "index and sizes"
    (prefix.parent / DATA).write_bytes(b"#" * len(DATA))
    assert fingerprint_of_reference(prefix) == before
    (prefix.parent / DATA).write_bytes(b"longer than it was before")
    assert fingerprint_of_reference(prefix) != before
    (prefix.parent / DATA).write_bytes(b"#" * len(DATA))
    (prefix.parent / "m.index").write_bytes(b"m.indeX")
    assert fingerprint_of_reference(prefix) != before
    fingerprint._digest.cache_clear()


def test_files_are_read_once_while_they_stay(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprint_of_reference(prefix)
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("it was read again"))
    fingerprint_of_reference(prefix)


def test_what_is_not_there_has_none(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such checkpoint"):
        fingerprint_of_reference(tmp_path / "none")
