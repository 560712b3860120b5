"""A file that holds a graph: GraphDef, MetaGraphDef or SavedModel, binary or text.

Protobuf reads almost any bytes as almost any message: what a field does not fit is kept aside as
unknown. A file is held to be the message in which it has nodes with the names of ops. Binary or
text is told by the content, since `tf.io.write_graph` writes text whatever the file is called.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import DecodeError
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from harness.errors import BrokenModel, first_line
from harness.graph.state import variable_nodes
from harness.misfit import is_text, misfit

_OP = re.compile(r"[A-Za-z_][\w>.:-]*")  # an op's name, or in old graphs a function's


@dataclass(frozen=True, kw_only=True)
class GraphFile:
    """A kind of message that holds graphs."""

    name: str
    message: Any
    graphs: Callable[[Any], Iterable[graph_pb2.GraphDef]]
    remedy: Callable[[Any, Path], str]
    """What to do with a file that holds this message in another's place."""


def _use_graph_def(graph_def: graph_pb2.GraphDef, path: Path) -> str:
    if any(variable_nodes(graph_def)):
        return (
            "it has variables, so that it goes with a checkpoint and the .meta that was saved "
            "with it; tf.compat.v1.train.export_meta_graph(FILE, graph_def=…) writes a .meta"
        )
    name = "frozen.pb" if path.stem == "saved_model" else f"{path.stem}.pb"
    return f"call it {name} and give that path"


GRAPH_DEF = GraphFile(
    name="GraphDef",
    message=graph_pb2.GraphDef,
    graphs=lambda message: [message],
    remedy=_use_graph_def,
)
META_GRAPH_DEF = GraphFile(
    name="MetaGraphDef",
    message=meta_graph_pb2.MetaGraphDef,
    graphs=lambda message: [message.graph_def],
    remedy=lambda _, path: (
        f"as the .meta of a checkpoint it goes with that, --checkpoint PREFIX --meta-graph "
        f"{path.name}; a candidate is frozen from both"
    ),
)
SAVED_MODEL = GraphFile(
    name="SavedModel",
    message=saved_model_pb2.SavedModel,
    graphs=lambda message: [each.graph_def for each in message.meta_graphs],
    remedy=lambda *_: (
        "call it saved_model.pb, in a folder with its folder `variables`, and give that folder"
    ),
)
_KINDS = (GRAPH_DEF, META_GRAPH_DEF, SAVED_MODEL)


def read_graph_file(path: Path, kind: GraphFile) -> Any:
    """Return the message of `kind` in the file at `path`.

    Raises:
        BrokenModel: the file holds none; the message says what it is instead.
    """
    content = path.read_bytes()
    message, error = _parsed(content, kind)
    if message is not None and _has_nodes(message, kind):
        return message
    raise BrokenModel(
        misfit(path)
        or _other_message(content, path, kind.name)
        or _without_nodes(message, path, kind)
        or _unreadable(path, content, kind, error)
    )


@contextlib.contextmanager
def making_sense_of(path: Path) -> Iterator[None]:
    """Turn what is raised over a graph that no TensorFlow writes into a sentence on its file.

    A changed byte can make a dtype that there is none of, or a name that is no text; a graph has
    no checksum by which it would be seen before.

    Raises:
        BrokenModel: in the place of an error that this package does not raise on purpose.
    """
    try:
        yield
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise BrokenModel(
            f"{path} holds a graph that no sense can be made of ({type(error).__name__}: "
            f"{first_line(error)}): it is damaged, copy it again; if it is not, please report "
            f"this as a fault of freezeproof"
        ) from error


def graph_in(path: Path) -> str:
    """Say which message with a graph the file holds, and what to do; "" where it holds none."""
    return _other_message(path.read_bytes(), path, "checkpoint")


def _other_message(content: bytes, path: Path, wanted: str) -> str:
    for kind in _KINDS:
        message, _ = _parsed(content, kind)
        if kind.name != wanted and message is not None and _has_nodes(message, kind):
            return f"{path} holds a {kind.name}, not a {wanted}: {kind.remedy(message, path)}"
    return ""


def _parsed(content: bytes, kind: GraphFile) -> tuple[Any, Exception | None]:
    message = kind.message()
    try:
        if is_text(content):
            text_format.Parse(content.decode(), message)
        else:
            message.ParseFromString(content)
    except (DecodeError, text_format.ParseError, UnicodeDecodeError) as error:
        return None, error
    return message, None


def _has_nodes(message: Any, kind: GraphFile) -> bool:
    # What was read as another message than it is has nodes too, but their ops are no names.
    return any(_OP.fullmatch(node.op) for graph in kind.graphs(message) for node in graph.node)


def _without_nodes(message: Any, path: Path, kind: GraphFile) -> str:
    """Say that the message is one of `kind`, every byte of it, and that its graph is empty."""
    if message is None or any(graph.node for graph in kind.graphs(message)):
        return ""
    size = message.ByteSize()
    message.DiscardUnknownFields()
    if not message.ByteSize() == size > 0:
        return ""
    return (
        f"{path} holds a {kind.name} without nodes: it was exported with an output name that the "
        f"graph did not have, or without its graph"
    )


def _unreadable(path: Path, content: bytes, kind: GraphFile, error: Exception | None) -> str:
    if is_text(content):
        said = f" ({first_line(error)})" if error else ""
        return f"{path} is text that is no {kind.name}{said}: write or copy it again"
    # What protobuf says of binary content names neither place nor reason.
    return (
        f"{path} holds no {kind.name} that can be read: it was cut short or is damaged, or is "
        f"another file; copy it again ({len(content)} bytes)"
    )
