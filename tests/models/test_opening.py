"""One entry for whatever a path turned out to be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from harness.errors import RequestError
from harness.models.opening import open_model
from harness.subject import Request


@pytest.fixture
def frozen(tmp_path: Path) -> Path:
    with tf.Graph().as_default() as graph:
        tf.tanh(tf.compat.v1.placeholder(tf.float32, (None, 3), name="x"), name="y")
        (tmp_path / "frozen.pb").write_bytes(graph.as_graph_def().SerializeToString())
    return tmp_path / "frozen.pb"


def test_a_checkpoint_is_opened(built: Callable[[str], Path]) -> None:
    model = open_model(Request(path=built("softmax_regression-ref")))
    assert (model.kind, model.signature.output_names) == ("checkpoint", ("prediction",))


def test_a_saved_model_is_opened_at_the_signature_asked_for(saved_model: Path) -> None:
    model = open_model(Request(path=saved_model, signature_key="embed", tags=("serve",)))
    assert (model.kind, model.signature.input_names) == ("saved_model", ("embed_x",))


def test_a_frozen_graph_is_opened(frozen: Path) -> None:
    model = open_model(Request(path=frozen, inputs=("x",), outputs=("y",)))
    assert (model.kind, model.signature.output_names) == ("frozen", ("y",))


def test_a_graph_file_goes_with_a_checkpoint_alone(frozen: Path, saved_model: Path) -> None:
    for path, kind in ((frozen, "frozen"), (saved_model, "saved model")):
        with pytest.raises(RequestError, match=f"--meta-graph goes with a checkpoint.* {kind}"):
            open_model(Request(path=path, meta_graph=Path("model.meta")))


def test_a_graph_that_cannot_be_imported_is_opened_all_the_same(frozen: Path) -> None:
    """Its output shapes stay unknown; the stage `restore` says what is wrong."""
    frozen.write_bytes(frozen.read_bytes().replace(b"Placeholder", b"Nobodyknows"))
    model = open_model(Request(path=frozen, inputs=(), outputs=("y",)))
    assert model.signature.outputs[0].shape is None
