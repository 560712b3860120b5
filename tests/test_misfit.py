"""What a file is instead, told by its first bytes. Files of each format are made for it."""

from __future__ import annotations

import gzip
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from harness.misfit import (
    damaged,
    is_graph,
    is_table,
    is_text,
    misfit,
    other_format,
    pointer,
    stand_in,
)

POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    b"size 1048576\n"
)

Write = Callable[[Path], object]


def graph(name: str = "x") -> tf.compat.v1.GraphDef:
    with tf.Graph().as_default() as graph:
        tf.tanh(tf.compat.v1.placeholder(tf.float32, (None, 3), name=name), name="y")
        return graph.as_graph_def()


def write_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["kernel"] = np.ones((3, 2))


def write_zip(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "content")


def write_tar(path: Path) -> None:
    (path.parent / "model.ckpt.index").write_bytes(b"table")
    with tarfile.open(path, "w") as archive:
        archive.add(path.parent / "model.ckpt.index", "model.ckpt.index")


def write_tflite(path: Path) -> None:
    function = tf.function(lambda x: x + 1.0, input_signature=[tf.TensorSpec((1,), tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    path.write_bytes(converter.convert())


def write_onnx(path: Path, producer: bytes = b"tf2onnx") -> None:
    # ModelProto: ir_version 8, producer_name, graph with a name, opset_import of version 13.
    named = b"\x12" + bytes([len(producer)]) + producer if producer else b""
    path.write_bytes(b"\x08\x08" + named + b"\x3a\x07\x12\x05graph" + b"\x42\x02\x10\x0d")


@pytest.mark.parametrize(
    ("name", "write", "words"),
    [
        ("weights.h5", write_hdf5, r"is an HDF5 file, as Keras .*tf\.saved_model\.save"),
        ("frozen.pb", write_hdf5, r"frozen\.pb is an HDF5 file"),
        (
            "model.keras",
            lambda path: write_zip(path, "metadata.json", "config.json", "model.weights.h5"),
            r"is a Keras file, .*model\.export\(FOLDER\), and give that folder",
        ),
        (
            "renamed",
            lambda path: write_zip(path, "metadata.json", "config.json", "model.weights.h5"),
            "is a Keras file",
        ),
        ("model.keras", lambda path: path.write_bytes(b"PK\x03\x04 cut short"), "a Keras file"),
        ("model.zip", lambda path: write_zip(path, "model.ckpt.index"), "zip .*unpack it first"),
        ("cut.zip", lambda path: path.write_bytes(b"PK\x03\x04 cut short"), "is a zip archive"),
        (
            "model.tar.gz",
            lambda path: path.write_bytes(gzip.compress(b"model")),
            "is a gzip archive: unpack it first",
        ),
        ("model.tar", write_tar, "is a tar archive: unpack it first"),
        ("model.tflite", write_tflite, r"a TensorFlow Lite model: give the checkpoint, SavedModel"),
        ("model.onnx", write_onnx, "is an ONNX model: give the checkpoint, SavedModel"),
        ("frozen.pb", write_onnx, "is an ONNX model"),
        ("frozen.pb", lambda path: write_onnx(path, b""), "is an ONNX model"),
        ("cut.onnx", lambda path: path.write_bytes(b"ir"), "is an ONNX model"),
        (
            "frozen.pb",
            lambda path: path.write_bytes(b"\n\n<!DOCTYPE html><html>Not Found</html>"),
            "is a web page, so that its download went wrong: download the file itself",
        ),
        (
            "model.ckpt.meta",
            lambda path: path.write_bytes(b"<HTML><body>Sign in</body></HTML>"),
            "is a web page",
        ),
        (
            "model.ckpt.meta",
            lambda path: path.write_bytes(b'\xef\xbb\xbf<?xml version="1.0"?><Error/>'),
            "is a web page",
        ),
    ],
)
def test_another_format_is_named_with_what_to_do(
    tmp_path: Path, name: str, write: Write, words: str
) -> None:
    write(tmp_path / name)
    (said,) = {other_format(tmp_path / name), misfit(tmp_path / name), damaged(tmp_path / name)}
    assert said.startswith(f"{tmp_path / name} is ")
    assert re.search(words, said)


def write_graph(path: Path) -> None:
    path.write_bytes(graph().SerializeToString())


def write_saved_model(path: Path) -> None:
    tf.saved_model.save(tf.Module(), str(path.parent / "saved"))
    path.write_bytes((path.parent / "saved" / "saved_model.pb").read_bytes())


def write_index(path: Path) -> None:
    checkpoint = tf.train.Checkpoint(weight=tf.Variable([1.0]))
    checkpoint.write(str(path.with_name("written")))
    path.write_bytes(path.with_name("written.index").read_bytes())


@pytest.mark.parametrize("write", [write_graph, write_saved_model, write_index])
def test_nothing_is_said_against_a_file_of_tensorflow(tmp_path: Path, write: Write) -> None:
    path = tmp_path / "file"
    write(path)
    assert not misfit(path)
    assert not is_text(path.read_bytes())


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt.index"
    path.touch()
    said = f"{path} is empty (0 bytes): its copy or download went wrong, copy it again"
    assert said == stand_in(path) == misfit(path) == damaged(path)


def test_a_pointer_is_named_with_both_sizes_and_the_command(tmp_path: Path) -> None:
    path = tmp_path / "frozen.pb"
    path.write_bytes(POINTER)
    said = (
        f"{path} is a Git-LFS pointer of {len(POINTER)} bytes, not the file of 1048576 bytes: "
        f"run `git lfs pull` in its repository"
    )
    assert said == pointer(path) == stand_in(path) == misfit(path) == damaged(path)


def test_a_pointer_that_was_cut_short_is_one_still(tmp_path: Path) -> None:
    path = tmp_path / "frozen.pb"
    path.write_bytes(POINTER[:50])
    assert "is a Git-LFS pointer of 50 bytes, not the file: run" in misfit(path)


def test_a_file_that_cannot_be_read_and_is_nothing_known_is_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt.index"
    path.write_bytes(b"\x00\x01\x02")
    assert not misfit(path)
    assert damaged(path) == f"{path} was cut short or is damaged: copy it again (3 bytes)"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"node { name: 'x' }\n", True),
        ("größer".encode(), True),
        (b"a" * 511 + "ö".encode(), True),  # a character on the edge of what is looked at
        (b"", False),
        (b"\n\x05\n\x01x\x12\x00", False),
        (b"\xff" * 10, False),
    ],
)
def test_text_has_characters_and_no_control_codes(content: bytes, expected: bool) -> None:
    assert is_text(content) == expected


@pytest.mark.parametrize("name", ["x", "scope/inner_1/x", "x" * 100])
def test_a_graph_is_told_by_its_first_node(tmp_path: Path, name: str) -> None:
    path = tmp_path / "anything"
    path.write_bytes(graph(name).SerializeToString())
    assert is_graph(path)
    path.write_text(f"# written by a tool\n\n{text_format.MessageToString(graph(name))}")
    assert is_graph(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"\n\x05\n\x09x", b"\n\x05\n\x01x\x1a\x01y", b"\n\x05\n\x01x\x12\x05To", b"nodes"],
)
def test_what_only_begins_alike_is_no_graph(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert not is_graph(tmp_path / "file")


def test_a_saved_model_is_no_graph(tmp_path: Path) -> None:
    write_saved_model(tmp_path / "file")
    assert not is_graph(tmp_path / "file")


def test_a_table_is_told_by_its_end(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt.index"
    write_index(path)
    assert is_table(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert not is_table(path)
    path.write_bytes(b"short")
    assert not is_table(path)
