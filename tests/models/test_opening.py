"""One entry for whatever a path turned out to be."""

from __future__ import annotations

import gc
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
    for path, kind in ((frozen, "frozen"), (saved_model, "SavedModel")):
        with pytest.raises(RequestError, match=f"--meta-graph goes with a checkpoint.* {kind}"):
            open_model(Request(path=path, meta_graph=Path("model.meta")))


def test_a_graph_that_cannot_be_imported_is_opened_all_the_same(frozen: Path) -> None:
    """Its output shapes stay unknown; the stage `restore` says what is wrong."""
    frozen.write_bytes(frozen.read_bytes().replace(b"Placeholder", b"Nobodyknows"))
    model = open_model(Request(path=frozen, inputs=(), outputs=("y",)))
    assert model.signature.outputs[0].shape is None


@pytest.mark.parametrize("is_enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(frozen: Path, is_enabled: bool) -> None:
    try:
        if not is_enabled:
            gc.disable()
        open_model(Request(path=frozen, inputs=("x",), outputs=("y",)))
        assert gc.isenabled() == is_enabled
        with pytest.raises(RequestError, match="--outputs nothing"):
            open_model(Request(path=frozen, inputs=("x",), outputs=("nothing",)))
        assert gc.isenabled() == is_enabled
    finally:
        gc.enable()


def two_inputs(folder: Path) -> Path:
    """A SavedModel of `used` and `unused` -> `y`, `used` alone reaching it."""
    module = tf.Module()
    module.w = tf.Variable(2.0)
    spec = tf.TensorSpec((None,), tf.float32)

    @tf.function(input_signature=[spec, spec])
    def serve(used: tf.Tensor, unused: tf.Tensor) -> tf.Tensor:
        del unused
        return used * module.w

    tf.saved_model.save(module, str(folder), signatures=serve)
    return folder


def unused_placeholder(folder: Path) -> Path:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (None, 3), name="x")
        tf.compat.v1.placeholder(tf.float32, (), name="rate")
        tf.tanh(x, name="y")
        (folder / "frozen.pb").write_bytes(graph.as_graph_def().SerializeToString())
    return folder / "frozen.pb"


def test_an_input_that_no_output_depends_on_cannot_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"--inputs rate: .* depend on x$"):
        open_model(Request(path=unused_placeholder(tmp_path), inputs=("x", "rate"), outputs=("y",)))


def test_a_signatures_input_that_a_call_takes_and_drops_is_still_an_input(tmp_path: Path) -> None:
    model = open_model(Request(path=two_inputs(tmp_path / "saved")))
    assert model.signature.input_names == ("serving_default_unused", "serving_default_used")
    assert not model.unused_inputs


def test_a_signatures_input_that_no_output_depends_on_is_left_out_and_told(tmp_path: Path) -> None:
    builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "saved"))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x, rate = (tf.compat.v1.placeholder(tf.float32, (), name=name) for name in ("x", "rate"))
        signature = tf.compat.v1.saved_model.predict_signature_def(
            {"x": x, "rate": rate}, {"y": tf.tanh(x, name="y")}
        )
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
    builder.save()
    model = open_model(Request(path=tmp_path / "saved"))
    assert model.signature.input_names == ("x",)
    assert model.unused_inputs == ("rate",)
    assert "rate" not in {node.name for node in model.graph_def.node}
