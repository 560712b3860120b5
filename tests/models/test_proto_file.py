"""GraphDef, MetaGraphDef and SavedModel, each in the place of each."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from fixtures.training import fresh_session, save_initialised
from harness.errors import BrokenModel, RequestError
from harness.models.proto_file import (
    GRAPH_DEF,
    META_GRAPH_DEF,
    SAVED_MODEL,
    GraphFile,
    graph_in,
    making_sense_of,
    read_graph_file,
)

KINDS = {"GraphDef": GRAPH_DEF, "MetaGraphDef": META_GRAPH_DEF, "SavedModel": SAVED_MODEL}
MESSAGES = {"GraphDef": GraphDef, "MetaGraphDef": MetaGraphDef, "SavedModel": SavedModel}
Files = dict[str, Path]


@pytest.fixture(scope="module")
def files(saved_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A file of each kind as TensorFlow writes it, all with a function library."""
    folder = tmp_path_factory.mktemp("files")
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (None, 3), name="x")
        w = tf.compat.v1.get_variable("w", (3, 2), use_resource=True)
        tf.cond(tf.reduce_all(x > 0), lambda: x @ w, lambda: -x @ w, name="y")
        meta = save_initialised(session, folder).with_name("model.ckpt-1.meta")
    graph = folder / "frozen.pb"
    with tf.Graph().as_default() as frozen:
        x = tf.compat.v1.placeholder(tf.float32, (None, 3), name="x")
        tf.cond(tf.reduce_all(x > 0), lambda: x, lambda: -x, name="y")
        graph.write_bytes(frozen.as_graph_def().SerializeToString())
    return {"GraphDef": graph, "MetaGraphDef": meta, "SavedModel": saved_model / "saved_model.pb"}


def message_of(files: Files, name: str) -> object:
    return MESSAGES[name].FromString(files[name].read_bytes())


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
@pytest.mark.parametrize("file", ["model.pb", "model.pbtxt", "model.meta"])
def test_binary_and_text_are_read_under_any_name(
    files: Files, tmp_path: Path, name: str, text: bool, file: str
) -> None:
    message = message_of(files, name)
    content = text_format.MessageToString(message).encode() if text else files[name].read_bytes()
    (tmp_path / file).write_bytes(content)
    assert read_graph_file(tmp_path / file, KINDS[name]) == message


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
@pytest.mark.parametrize(
    ("held", "wanted", "remedy"),
    [
        ("GraphDef", "MetaGraphDef", r"call it model\.pb and give that path$"),
        ("GraphDef", "SavedModel", r"call it model\.pb and give that path$"),
        ("MetaGraphDef", "GraphDef", r"--checkpoint PREFIX --meta-graph model\.x; a candidate is"),
        ("MetaGraphDef", "SavedModel", r"--checkpoint PREFIX --meta-graph model\.x"),
        ("SavedModel", "GraphDef", r"call it saved_model\.pb, .*folder `variables`, and give that"),
        ("SavedModel", "MetaGraphDef", r"call it saved_model\.pb, in a folder"),
    ],
)
def test_one_in_the_place_of_another_is_named_with_what_to_do(
    files: Files, tmp_path: Path, *, held: str, wanted: str, remedy: str, text: bool
) -> None:
    path = tmp_path / "model.x"
    shutil.copy(files[held], path)
    if text:
        path.write_text(text_format.MessageToString(message_of(files, held)))
    words = rf"^{path} holds a {held}, not a {wanted}: .*{remedy}"
    with pytest.raises(BrokenModel, match=words):
        read_graph_file(path, KINDS[wanted])


def test_a_training_graph_in_anothers_place_asks_for_its_meta(files: Files, tmp_path: Path) -> None:
    meta = MetaGraphDef.FromString(files["MetaGraphDef"].read_bytes())
    path = tmp_path / "model.meta"
    path.write_bytes(meta.graph_def.SerializeToString())
    words = r"holds a GraphDef, not a MetaGraphDef: it has variables, .*export_meta_graph\(FILE"
    with pytest.raises(BrokenModel, match=words):
        read_graph_file(path, META_GRAPH_DEF)


def test_what_is_said_to_write_a_meta_writes_one(files: Files, tmp_path: Path) -> None:
    graph_def = MetaGraphDef.FromString(files["MetaGraphDef"].read_bytes()).graph_def
    with tf.Graph().as_default():
        tf.compat.v1.train.export_meta_graph(str(tmp_path / "model.meta"), graph_def=graph_def)
    assert read_graph_file(tmp_path / "model.meta", META_GRAPH_DEF).graph_def == graph_def


def test_a_graph_called_saved_model_gets_another_name(files: Files, tmp_path: Path) -> None:
    shutil.copy(files["GraphDef"], tmp_path / "saved_model.pb")
    with pytest.raises(BrokenModel, match=r"holds a GraphDef, .*: call it frozen\.pb"):
        read_graph_file(tmp_path / "saved_model.pb", SAVED_MODEL)


@pytest.mark.parametrize("name", KINDS)
def test_a_graph_in_the_place_of_a_checkpoint_is_named(files: Files, name: str) -> None:
    assert f"holds a {name}, not a checkpoint: " in graph_in(files[name])


def test_no_graph_is_seen_where_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").write_bytes(b"\x00\x01\x02")
    assert not graph_in(tmp_path / "model.ckpt")


EACH_KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@EACH_KIND
@pytest.mark.parametrize("name", ["model.pb", "model.pbtxt", "model.meta"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"version https://git-lfs.github.com/spec/v1\nsize 9\n", r"pointer .*`git lfs pull`"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
        (b"<!doctype html>", "is a web page"),
        (b"\xff\xfe", r"can be read: it was cut short or is damaged, .*copy it again \(2 bytes\)$"),
        (b"node { name", r"is text that is no \w+ \(1:.*\): write or copy it again"),
        (b"hello, world", r"is text that is no \w+ \(1:1 : .*\): write or copy it again"),
        (b"a" * 600 + b"\xff", r"is text that is no \w+ \('utf-8' codec"),
    ],
    ids=["empty", "pointer", "HDF5", "page", "bytes", "cut text", "text", "other text"],
)
def test_a_file_that_is_none_of_them_says_what_it_is(
    tmp_path: Path, kind: GraphFile, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BrokenModel, match=rf"^{tmp_path / name} .*{words}"):
        read_graph_file(tmp_path / name, kind)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_file_that_was_cut_short_says_its_size(
    files: Files, tmp_path: Path, name: str, part: float
) -> None:
    content = files[name].read_bytes()
    content = content[: int(len(content) * part)]
    path = tmp_path / files[name].name
    path.write_bytes(content)
    words = rf"^{path} holds no {name} that can be read: it was cut .*\({len(content)} bytes\)$"
    with pytest.raises(BrokenModel, match=words):
        read_graph_file(path, KINDS[name])


def versions_alone() -> GraphDef:
    message = GraphDef()
    message.versions.producer = 1000
    return message


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (GRAPH_DEF, versions_alone()),
        (META_GRAPH_DEF, MetaGraphDef(graph_def=versions_alone())),
        (META_GRAPH_DEF, MetaGraphDef(meta_info_def={"tags": ["serve"]})),
        (SAVED_MODEL, SavedModel(saved_model_schema_version=1)),
        (SAVED_MODEL, SavedModel(meta_graphs=[MetaGraphDef(graph_def=versions_alone())])),
    ],
    ids=["GraphDef", "MetaGraphDef", "without graph", "without graphs", "SavedModel"],
)
def test_a_graph_without_nodes_says_how_it_may_have_come_about(
    tmp_path: Path, kind: GraphFile, message: GraphDef
) -> None:
    (tmp_path / "model.pb").write_bytes(message.SerializeToString())
    with pytest.raises(BrokenModel, match=rf"a {kind.name} without nodes: .*an output name that"):
        read_graph_file(tmp_path / "model.pb", kind)


def test_an_error_over_a_graph_becomes_a_sentence_on_its_file() -> None:
    words = r"^/x\.pb holds a graph that .* \(TypeError: no dtype\): it is damaged, copy it again"
    with pytest.raises(BrokenModel, match=words), making_sense_of(Path("/x.pb")):
        raise TypeError("no dtype")


def test_what_is_raised_on_purpose_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"^--outputs x$"), making_sense_of(Path("/x.pb")):
        raise RequestError("--outputs x")
    with pytest.raises(FileNotFoundError), making_sense_of(Path("/x.pb")):
        tmp_path.joinpath("gone").read_bytes()


def write_fingerprint(path: Path, saved_model: Path) -> None:
    shutil.copy(saved_model / "fingerprint.pb", path)


def write_nodes_without_ops(path: Path, _: Path) -> None:
    message = GraphDef()
    message.node.add(name="x")
    message.node.add(name="y", op="no op's name")
    path.write_bytes(message.SerializeToString())


@EACH_KIND
@pytest.mark.parametrize("write", [write_fingerprint, write_nodes_without_ops])
def test_what_protobuf_can_make_something_of_is_no_graph_for_that(
    tmp_path: Path, saved_model: Path, kind: GraphFile, write: Callable[[Path, Path], None]
) -> None:
    write(tmp_path / "model.pb", saved_model)
    with pytest.raises(BrokenModel, match=f"holds no {kind.name} that can be read"):
        read_graph_file(tmp_path / "model.pb", kind)
