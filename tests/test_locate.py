"""What a path is: a checkpoint, a SavedModel, a frozen graph, or none of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from harness.errors import RequestError
from harness.locate import Location, locate, missing_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two checkpoints, the later one named by the state file."""
    for step in (5, 60):
        for ending in ("meta", "index", "data-00000-of-00001"):
            (tmp_path / f"model.ckpt-{step}.{ending}").touch()
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-60"\n')
    return tmp_path


def checkpoint(path: Path) -> Location:
    return Location(path=path, kind="checkpoint")


@pytest.mark.parametrize("ending", ["", ".meta", ".index", ".data-00000-of-00001"])
def test_any_file_of_a_checkpoint_stands_for_its_prefix(folder: Path, ending: str) -> None:
    assert locate(folder / f"model.ckpt-5{ending}") == checkpoint(folder / "model.ckpt-5")


def test_a_path_may_be_text(folder: Path) -> None:
    assert locate(str(folder / "model.ckpt-5")) == checkpoint(folder / "model.ckpt-5")


@pytest.mark.parametrize("name", [".", "checkpoint"])
def test_a_folder_and_its_state_file_stand_for_the_latest_checkpoint(
    folder: Path, name: str
) -> None:
    assert locate(folder / name) == checkpoint(folder / "model.ckpt-60")


@pytest.mark.parametrize(
    "stated",
    [
        "/home/somebody/runs/model.ckpt-5",
        r"C:\\Users\\somebody\\runs\\model.ckpt-5",
        r"D:\runs\model.ckpt-5",
        "./model.ckpt-5",
    ],
)
def test_a_state_file_may_state_a_path_of_another_machine(folder: Path, stated: str) -> None:
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{stated}"\n')
    assert locate(folder) == checkpoint(folder / "model.ckpt-5")


@pytest.mark.parametrize("state", [None, "", 'model_checkpoint_path: "gone.ckpt-7"\n', "\0\xff"])
def test_without_a_usable_state_file_the_newest_checkpoint_counts(
    folder: Path, state: str | None
) -> None:
    (folder / "checkpoint").unlink()
    if state is not None:
        (folder / "checkpoint").write_text(state)
    for file in folder.glob("model.ckpt-5.*"):
        os.utime(file, (2e9, 2e9))
    assert locate(folder) == checkpoint(folder / "model.ckpt-5")


def test_a_checkpoint_of_one_file_is_found_in_its_folder(
    built: Callable[[str], Path], tmp_path: Path
) -> None:
    prefix = built("v1_checkpoint-ref")
    for path in (prefix, prefix.with_name(f"{prefix.name}.meta"), prefix.parent):
        assert locate(path) == checkpoint(prefix)
    copy = tmp_path / "without_state"
    shutil.copytree(prefix.parent, copy, ignore=shutil.ignore_patterns("checkpoint"))
    assert locate(copy) == checkpoint(copy / prefix.name)


def test_a_checkpoint_of_one_file_is_one_under_the_name_of_another_format(
    built: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    shutil.copy(built("v1_checkpoint-ref"), path)
    assert locate(path) == checkpoint(path)


def test_a_checkpoint_of_several_files_without_an_index_is_found(tmp_path: Path) -> None:
    for shard in range(2):
        (tmp_path / f"old.ckpt-{shard:05d}-of-00002").touch()
    assert locate(tmp_path / "old.ckpt") == checkpoint(tmp_path / "old.ckpt")
    assert missing_files(tmp_path / "old.ckpt") == []
    (tmp_path / "old.ckpt-00000-of-00002").unlink()
    assert missing_files(tmp_path / "old.ckpt") == ["old.ckpt-00000-of-00002"]


@pytest.mark.parametrize("name", ["saved_model.pb", "saved_model.pbtxt"])
def test_a_saved_model_is_a_folder_or_the_file_in_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    expected = Location(path=tmp_path, kind="saved_model")
    assert locate(tmp_path) == locate(tmp_path / name) == expected


@pytest.mark.parametrize("name", ["frozen.pb", "frozen.pbtxt"])
def test_a_graph_file_is_a_frozen_graph(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert locate(tmp_path / name) == Location(path=tmp_path / name, kind="frozen")


def test_a_wrong_prefix_is_answered_with_the_nearest(folder: Path) -> None:
    with pytest.raises(RequestError, match=r"model.ckpt-6: no such .*nearest: .*model.ckpt-60"):
        locate(folder / "model.ckpt-6")


def test_a_missing_graph_file_is_answered_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "frozen.pb").touch()
    with pytest.raises(RequestError, match=r"nearest: frozen\.pb"):
        locate(tmp_path / "frozn.pb")


def test_a_path_in_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"gone is no folder"):
        locate(tmp_path / "gone" / "model.ckpt")


def test_a_folder_without_a_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"holds no checkpoint and no SavedModel$"):
        locate(tmp_path)


def test_a_state_file_that_names_what_is_not_there_says_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/home/me/run/model.ckpt-7"\n')
    words = r"no SavedModel; its file `checkpoint` names model\.ckpt-7, of which no file is there"
    for path in (tmp_path, tmp_path / "checkpoint"):
        with pytest.raises(RequestError, match=words):
            locate(path)


def test_a_state_file_may_name_a_checkpoint_of_which_the_graph_alone_is_there(
    tmp_path: Path,
) -> None:
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-7"\n')
    (tmp_path / "model.ckpt-7.meta").touch()
    with pytest.raises(RequestError, match=r"there is model.ckpt-7.meta but neither .*\.index"):
        locate(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"no SavedModel; .*checkpoint is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", r"checkpoint is a Git-LFS pointer"),
        (b"<html>", "checkpoint is a web page"),
        (b"no state", "no SavedModel$"),
    ],
)
def test_a_state_file_that_is_none_says_what_it_is(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "checkpoint").write_bytes(content)
    with pytest.raises(RequestError, match=words):
        locate(tmp_path)


@pytest.mark.parametrize("option", ["--checkpoint", "--frozen"])
def test_a_graph_without_weights_asks_for_all_files(folder: Path, option: str) -> None:
    for ending in ("index", "data-00000-of-00001"):
        (folder / f"model.ckpt-5.{ending}").unlink()
    words = rf"^{option} .*neither model.ckpt-5.index nor .* copy all files"
    with pytest.raises(RequestError, match=words):
        locate(folder / "model.ckpt-5.meta", option=option)


@pytest.mark.parametrize("with_graph", [True, False])
def test_a_checkpoint_that_lost_its_index_is_one_still(folder: Path, with_graph: bool) -> None:
    for name in ("checkpoint", "model.ckpt-5.meta", "model.ckpt-5.data-00000-of-00001"):
        (folder / name).unlink()
    for name in ("model.ckpt-5.index", "model.ckpt-60.index"):
        (folder / name).unlink()
    if not with_graph:
        (folder / "model.ckpt-60.meta").unlink()
    prefix = folder / "model.ckpt-60"
    assert locate(folder) == locate(prefix) == checkpoint(prefix)
    assert missing_files(prefix) == ["model.ckpt-60.index"]


def test_data_files_that_were_not_copied_are_named(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt.index").touch()
    assert missing_files(tmp_path / "model.ckpt") == ["model.ckpt.data-00000-of-00001"]
    (tmp_path / "model.ckpt.data-00001-of-00003").touch()
    assert missing_files(tmp_path / "model.ckpt") == [
        "model.ckpt.data-00000-of-00003",
        "model.ckpt.data-00002-of-00003",
    ]


def test_files_of_an_earlier_save_in_more_parts_are_not_missed(tmp_path: Path) -> None:
    for ending in ("index", "data-00000-of-00001", "data-00001-of-00003"):
        (tmp_path / f"model.ckpt.{ending}").touch()
    assert missing_files(tmp_path / "model.ckpt") == []


def test_a_name_that_was_cut_off_in_a_data_file_is_no_prefix(folder: Path) -> None:
    with pytest.raises(RequestError, match=r"model.ckpt-5.data: no such .*nearest: model.ckpt-5"):
        locate(folder / "model.ckpt-5.data")


@pytest.mark.parametrize("name", ["frozen_graph", "model.bytes", "frozen.pb.txt"])
def test_a_graph_under_a_name_of_its_own_is_told_by_its_content(tmp_path: Path, name: str) -> None:
    with tf.Graph().as_default() as graph:
        tf.compat.v1.placeholder(tf.float32, name="x")
    tf.io.write_graph(graph, str(tmp_path), name, as_text=name.endswith("txt"))
    assert locate(tmp_path / name) == Location(path=tmp_path / name, kind="frozen")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.h5", b"\x89HDF\r\n\x1a\n", r"model\.h5 is an HDF5 file.*saved_model\.save"),
        ("weights", b"\x89HDF\r\n\x1a\n", "weights is an HDF5 file"),
        ("model.keras", b"PK\x03\x04", r"model\.keras is a Keras file.*saved_model\.save"),
        ("model.tflite", b"\x1c\0\0\0TFL3", "TensorFlow Lite model: give the checkpoint"),
        ("model.onnx", b"\x08\x08:", "ONNX model: give the checkpoint"),
        ("model.zip", b"PK\x03\x04", "is a zip archive: unpack it first"),
        ("model.tar.gz", b"\x1f\x8b\x08", "is a gzip archive: unpack it first"),
        ("download", b"<!DOCTYPE html>", "is a web page"),
        ("notes.txt", b"the model is elsewhere\n", "is a text file, and no checkpoint"),
    ],
)
@pytest.mark.parametrize("option", ["--checkpoint", "--frozen"])
def test_a_file_of_another_format_is_no_checkpoint(
    tmp_path: Path, name: str, content: bytes, words: str, option: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RequestError, match=rf"^{option} {tmp_path}/.*{words}"):
        locate(tmp_path / name, option=option)


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_file_that_stands_in_for_a_checkpoint_is_left_to_whoever_opens_it(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "model.ckpt").write_bytes(content)
    assert locate(tmp_path / "model.ckpt") == checkpoint(tmp_path / "model.ckpt")


def test_a_prefix_may_hold_what_a_pattern_would_read_otherwise(tmp_path: Path) -> None:
    for ending in ("index", "data-00000-of-00001"):
        (tmp_path / f"model[v2]*.ckpt.{ending}").touch()
    prefix = tmp_path / "model[v2]*.ckpt"
    assert locate(prefix) == checkpoint(prefix)
    assert missing_files(prefix) == []
