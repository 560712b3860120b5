"""A frozen graph: one GraphDef, binary or text, with its weights as constants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from google.protobuf import text_format
from google.protobuf.message import DecodeError
from tensorflow.core.framework import graph_pb2

from harness.errors import BrokenModel
from harness.models.assemble import Named, assemble
from harness.models.model import Model


def open_frozen(path: Path, *, inputs: Sequence[str] = (), outputs: Sequence[str] = ()) -> Model:
    """Return the model in the .pb or .pbtxt at `path`.

    Raises:
        RequestError: a name is no tensor of the graph.
        BrokenModel: the file holds no GraphDef.
    """
    return frozen_model(read_graph_def(path), path, inputs=inputs, outputs=outputs)


def frozen_model(
    graph_def: graph_pb2.GraphDef,
    path: Path,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
) -> Model:
    """Return the model in a GraphDef that was read from `path`.

    Raises:
        RequestError: a name is no tensor of the graph.
    """
    return assemble(
        graph_def,
        path=path,
        kind="frozen",
        named=Named(inputs=inputs, outputs=outputs),
        entries={},
    )


def read_graph_def(path: Path) -> graph_pb2.GraphDef:
    """Return the GraphDef in a file, text where its name ends in .pbtxt.

    Raises:
        BrokenModel: the file holds no GraphDef.
    """
    graph_def = graph_pb2.GraphDef()
    try:
        if path.suffix == ".pbtxt":
            text_format.Parse(path.read_text(encoding="utf-8"), graph_def)
        else:
            graph_def.ParseFromString(path.read_bytes())
    except (DecodeError, text_format.ParseError, UnicodeDecodeError) as error:
        raise BrokenModel(f"{path} holds no GraphDef or is damaged: {error}") from error
    if not graph_def.node:
        raise BrokenModel(
            f"{path} holds a graph without nodes: it is empty, or it was exported with "
            f"an output name that the graph did not have"
        )
    return graph_def
