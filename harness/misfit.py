"""What a file is in place of what its name promises: told by its first bytes, with the remedy.

Looks at bytes and sizes alone, and claims no more than they show. Each function returns a sentence
that begins with the path, or "" where it has nothing to say; whose fault that is (the command's or
the files') is the caller's to decide.
"""

from __future__ import annotations

import codecs
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_HEAD = 512
_CONTROL = frozenset(range(32)) - frozenset(b"\t\n\r") | {127}

_POINTER = b"version https://git-lfs"  # github.com/git-lfs/git-lfs, docs/spec.md
_POINTER_SIZE = re.compile(rb"^size (\d+)$", re.MULTILINE)

# The last eight bytes of a table: tensorflow/core/lib/io/format.h, kTableMagicNumber.
TABLE_MAGIC = bytes.fromhex("57fb808b247547db")

# What a serialised GraphDef begins with: a NodeDef, and in it its name and its op.
_FIRST_NODE = re.compile(rb"\n[\x80-\xff]{0,4}[\x00-\x7f]\n([\x01-\x7f])")
_NODE_NAME = re.compile(rb"[A-Za-z0-9.][\w.\\/>-]*")
_OP = re.compile(rb"[A-Za-z_][\w>]*")
_TEXT_GRAPH = re.compile(rb"(?:\s|#[^\n]*\n)*node\s*:?\s*[{<]")

# ModelProto (onnx/onnx.proto): ir_version, then the producer's name or, without one, the graph.
_ONNX = re.compile(rb"\x08[\x01-\x1f](?:\x12[\x01-\x7f][A-Za-z]|:)")

_ZIP = b"PK\x03\x04"
_HTML = (b"<!doctype html", b"<html", b"<head", b"<?xml")

SAVE_THE_MODEL = (
    "save the model itself with tf.saved_model.save(model, FOLDER), in later Keras "
    "model.export(FOLDER), and give that folder"
)
_GIVE_THE_SOURCE = "give the checkpoint, SavedModel or .pb that it was converted from"
_UNPACK = "unpack it first and give what is in it"


@dataclass(frozen=True, kw_only=True)
class _Format:
    """A format that is no checkpoint, SavedModel or graph."""

    what: str
    remedy: str
    begins: Callable[[bytes], bool]


_FORMATS = (
    _Format(
        what="an HDF5 file, as Keras writes weights and models, without a TensorFlow graph",
        remedy=SAVE_THE_MODEL,
        begins=lambda head: head.startswith(b"\x89HDF\r\n\x1a\n"),
    ),
    _Format(what="a zip archive", remedy=_UNPACK, begins=lambda head: head.startswith(_ZIP)),
    _Format(
        what="a gzip archive",
        remedy=_UNPACK,
        begins=lambda head: head.startswith(b"\x1f\x8b\x08"),
    ),
    _Format(what="a tar archive", remedy=_UNPACK, begins=lambda head: head[257:262] == b"ustar"),
    _Format(
        what="a TensorFlow Lite model",
        remedy=_GIVE_THE_SOURCE,
        begins=lambda head: head[4:8] == b"TFL3",
    ),
    _Format(
        what="an ONNX model",
        remedy=_GIVE_THE_SOURCE,
        begins=lambda head: _ONNX.match(head) is not None,
    ),
    _Format(
        what="a web page, so that its download went wrong",
        remedy="download the file itself",
        begins=lambda head: head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_HTML),
    ),
)


def misfit(path: Path) -> str:
    """Say that the file is empty, a Git-LFS pointer or of another format; "" if none is seen."""
    return stand_in(path) or other_format(path)


def stand_in(path: Path) -> str:
    """Say that the file is empty or a Git-LFS pointer: the right one has to be fetched."""
    if not path.stat().st_size:
        return f"{path} is empty (0 bytes): its copy or download went wrong, copy it again"
    return pointer(path)


def pointer(path: Path) -> str:
    """Say that the file is a Git-LFS pointer."""
    head = read_head(path)
    if not head.startswith(_POINTER):
        return ""
    stated = _POINTER_SIZE.search(head)
    size = f" of {int(stated[1])} bytes" if stated else ""
    return (
        f"{path} is a Git-LFS pointer of {path.stat().st_size} bytes, not the file{size}: "
        f"run `git lfs pull` in its repository"
    )


def other_format(path: Path) -> str:
    """Say that the file is of a format that is no checkpoint, SavedModel or graph."""
    head = read_head(path)
    if path.suffix == ".keras" or (head.startswith(_ZIP) and _is_keras_archive(path)):
        return f"{path} is a Keras file, without a TensorFlow graph: {SAVE_THE_MODEL}"
    if path.suffix == ".onnx":
        return f"{path} is an ONNX model: {_GIVE_THE_SOURCE}"
    for each in _FORMATS:
        if each.begins(head):
            return f"{path} is {each.what}: {each.remedy}"
    return ""


def damaged(path: Path) -> str:
    """Say what the file is instead, or else, of a file that cannot be read, that it is damaged."""
    return misfit(path) or (
        f"{path} was cut short or is damaged: copy it again ({path.stat().st_size} bytes)"
    )


def is_text(content: bytes) -> bool:
    """Say whether the first bytes are text; a binary protobuf has tags and lengths among them."""
    head = content[:_HEAD]
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # which may end in mid-character
    except UnicodeDecodeError:
        return False
    return bool(head) and _CONTROL.isdisjoint(head)


def is_graph(path: Path) -> bool:
    """Say whether the file begins as a GraphDef does, binary or text, whatever its name."""
    head = read_head(path)
    return _TEXT_GRAPH.match(head) is not None or _begins_with_node(head)


def is_table(path: Path) -> bool:
    """Say whether the file ends as TensorFlow's tables do: a V2 index, a whole V1 checkpoint."""
    with path.open("rb") as file:
        file.seek(-min(len(TABLE_MAGIC), path.stat().st_size), 2)
        return file.read() == TABLE_MAGIC


def read_head(path: Path) -> bytes:
    """Return the first bytes of the file, enough to tell what it is."""
    with path.open("rb") as file:
        return file.read(_HEAD)


def _begins_with_node(head: bytes) -> bool:
    matched = _FIRST_NODE.match(head)
    if matched is None:
        return False
    end_of_name = matched.end() + matched[1][0]
    tag, length = head[end_of_name : end_of_name + 1], head[end_of_name + 1 : end_of_name + 2]
    if tag != b"\x12" or not length:
        return False
    op = head[end_of_name + 2 :][: length[0]]
    name = head[matched.end() : end_of_name]
    return bool(_NODE_NAME.fullmatch(name) and _OP.fullmatch(op) and len(op) == length[0])


def _is_keras_archive(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return {"config.json", "model.weights.h5"} <= set(archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False
