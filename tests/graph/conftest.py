"""What is read off the graph that a test has built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from harness.domain import Domain
from harness.graph.reading.values import read_values
from harness.models.assemble import Named, assemble
from harness.models.model import Model
from harness.models.opening import open_model
from harness.subject import Request

Read = Callable[..., dict[str, Domain]]


def _extracted(
    graph_def: GraphDef, outputs: tuple[str, ...], inputs: tuple[str, ...] = ()
) -> Model:
    named = Named(inputs=inputs, outputs=outputs)
    return assemble(graph_def, path=Path("a_test"), kind="frozen", named=named, entries={})


@pytest.fixture
def extracted() -> Callable[..., Model]:
    """A graph and outputs -> the part that computes them from placeholders, or named inputs."""
    return _extracted


@pytest.fixture
def read() -> Read:
    """Outputs of the default graph -> what the inputs that they need accept."""

    def reading(*outputs: str) -> dict[str, Domain]:
        graph_def = tf.compat.v1.get_default_graph().as_graph_def()
        model = _extracted(graph_def, outputs or ("out",))
        return read_values(model.graph_def, model.signature)

    return reading


@pytest.fixture
def read_saved(tmp_path: Path) -> Read:
    """A tf.Module with the function `serve` -> what the inputs of the SavedModel accept."""

    def reading(module: tf.Module) -> dict[str, Domain]:
        tf.saved_model.save(module, str(tmp_path / "saved"), signatures=module.serve)
        model = open_model(Request(path=tmp_path / "saved"))
        found = read_values(model.graph_def, model.signature)
        return {name.removeprefix("serving_default_"): each for name, each in found.items()}

    return reading


@pytest.fixture
def graph() -> Iterator[tf.Graph]:
    """The default graph of the test, built as TensorFlow 1 does."""
    with tf.Graph().as_default() as built:
        yield built
