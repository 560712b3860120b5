"""A frozen graph: one GraphDef, binary or text, with its weights as constants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tensorflow.core.framework import graph_pb2

from harness.models.assemble import Named, assemble
from harness.models.model import Model
from harness.models.proto_file import GRAPH_DEF, making_sense_of, read_graph_file


def open_frozen(path: Path, *, inputs: Sequence[str] = (), outputs: Sequence[str] = ()) -> Model:
    """Return the model in the file at `path`.

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
        BrokenModel: the graph is damaged.
    """
    with making_sense_of(path):
        return assemble(
            graph_def,
            path=path,
            kind="frozen",
            named=Named(inputs=inputs, outputs=outputs),
            entries={},
        )


def read_graph_def(path: Path) -> graph_pb2.GraphDef:
    """Return the GraphDef in a file, binary or text whatever its name.

    Raises:
        BrokenModel: the file holds no GraphDef, or one without nodes.
    """
    return read_graph_file(path, GRAPH_DEF)
