"""SavedModels, of TensorFlow 1 and 2."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from fixtures.training import fresh_session, initialise
from harness.errors import BrokenModel, RequestError
from harness.models.restorable import check_restorable
from harness.models.saved_model import open_saved_model
from harness.runtime import Mode, Runner

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def test_the_default_signature_is_taken(saved_model: Path) -> None:
    model = open_saved_model(saved_model)
    assert model.kind == "saved_model"
    assert model.signature.input_names == ("serving_default_x",)
    assert model.signature.inputs[0].shape == (None, 3)
    assert {spec.shape for spec in model.signature.outputs} == {(None, 4), (None, 2)}
    assert not model.inputs_inferred
    assert not model.outputs_inferred


def test_another_signature_is_taken_by_its_key(saved_model: Path) -> None:
    model = open_saved_model(saved_model, signature_key="embed")
    assert model.signature.input_names == ("embed_x",)
    assert [variable.shape for variable in model.variables] == [(3, 4)]


def test_it_computes_what_the_module_computes(saved_model: Path, two_layers: Any) -> None:
    model = open_saved_model(saved_model)
    check_restorable(model)
    outputs = Runner(model, mode=Mode.STRICT)({"serving_default_x": X})
    expected = {value.shape: value.numpy() for value in two_layers.predict(X).values()}
    for value in outputs.values():
        np.testing.assert_allclose(value, expected[value.shape], rtol=1e-6)


def test_values_of_variables_of_one_name_are_not_mixed_up(
    saved_model: Path, two_layers: Any
) -> None:
    values = {value.shape: value for value in open_saved_model(saved_model).weights.values()}
    np.testing.assert_array_equal(values[3, 4], two_layers.first.numpy())
    np.testing.assert_array_equal(values[4, 2], two_layers.second.numpy())


def test_a_signature_that_is_not_there_is_answered_with_the_nearest(saved_model: Path) -> None:
    with pytest.raises(RequestError, match=r"--signature embd: .* nearest: embed"):
        open_saved_model(saved_model, signature_key="embd")


def test_tags_that_are_not_there_are_answered_with_those_that_are(saved_model: Path) -> None:
    with pytest.raises(RequestError, match=r"--tags train,gpu: .* it has serve"):
        open_saved_model(saved_model, tags=["train", "gpu"])


def test_named_tensors_go_before_those_of_the_signature(saved_model: Path) -> None:
    last = open_saved_model(saved_model).signature.output_names[-1]
    model = open_saved_model(saved_model, outputs=[last])
    assert model.signature.output_names == (last,)
    assert model.inputs_inferred


def copy_of(folder: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    return copy


def test_a_missing_data_file_is_named(saved_model: Path, tmp_path: Path) -> None:
    folder = copy_of(saved_model, tmp_path)
    (folder / "variables" / "variables.data-00000-of-00001").unlink()
    with pytest.raises(BrokenModel, match=r"variables\.data-00000-of-00001 is missing"):
        open_saved_model(folder)


def test_a_missing_index_is_named(saved_model: Path, tmp_path: Path) -> None:
    folder = copy_of(saved_model, tmp_path)
    (folder / "variables" / "variables.index").unlink()
    with pytest.raises(BrokenModel, match=r"variables\.index is missing"):
        open_saved_model(folder)


def test_variables_that_were_not_copied_are_named(saved_model: Path, tmp_path: Path) -> None:
    folder = copy_of(saved_model, tmp_path)
    shutil.rmtree(folder / "variables")
    words = r"variables holds no values, and .* \(weights, weights_1\): copy the whole folder"
    with pytest.raises(BrokenModel, match=words):
        open_saved_model(folder)


@pytest.mark.parametrize("name", ["variables.index", "variables.data-00000-of-00001"])
def test_a_pointer_in_the_place_of_variables_is_named(
    saved_model: Path, tmp_path: Path, name: str
) -> None:
    path = copy_of(saved_model, tmp_path) / "variables" / name
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(BrokenModel, match=rf"^{path} is a Git-LFS pointer"):
        open_saved_model(path.parent.parent)


def test_a_data_file_that_was_cut_short_is_named(saved_model: Path, tmp_path: Path) -> None:
    path = copy_of(saved_model, tmp_path) / "variables" / "variables.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BrokenModel, match=rf"^{path} was cut short: it has \d+ of the \d+ bytes"):
        open_saved_model(path.parent.parent)


def test_a_file_that_is_no_saved_model_is_called_damaged(saved_model: Path, tmp_path: Path) -> None:
    path = copy_of(saved_model, tmp_path) / "saved_model.pb"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BrokenModel, match=rf"^{path} holds no SavedModel .* is damaged"):
        open_saved_model(path.parent)


def test_keys_that_no_saver_writes_are_called_damaged(saved_model: Path, tmp_path: Path) -> None:
    path = copy_of(saved_model, tmp_path) / "saved_model.pb"
    message = SavedModel.FromString(path.read_bytes())
    for function in message.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            if node.name.endswith("tensor_names"):
                node.attr["value"].tensor.string_val[:] = [b"\xff"] * 3
    path.write_bytes(message.SerializeToString())
    with pytest.raises(BrokenModel, match=rf"^{path} holds a graph that no sense can be made of"):
        open_saved_model(path.parent)


@pytest.mark.parametrize(
    ("name", "right"),
    [("saved_model.pb", "saved_model.pbtxt"), ("saved_model.pbtxt", "saved_model.pb")],
)
def test_text_and_binary_under_each_others_name_have_to_be_renamed(
    saved_model: Path, tmp_path: Path, name: str, right: str
) -> None:
    """TensorFlow itself would not read them."""
    folder = copy_of(saved_model, tmp_path)
    content = (folder / "saved_model.pb").read_bytes()
    (folder / "saved_model.pb").unlink()
    if name == "saved_model.pb":
        content = text_format.MessageToString(SavedModel.FromString(content)).encode()
    (folder / name).write_bytes(content)
    with pytest.raises(BrokenModel, match=rf"{name} holds .*: call it {right}$"):
        open_saved_model(folder)
    (folder / name).rename(folder / right)
    open_saved_model(folder)


def test_the_text_format_is_read(saved_model: Path, tmp_path: Path) -> None:
    folder = copy_of(saved_model, tmp_path)
    binary = folder / "saved_model.pb"
    text = text_format.MessageToString(SavedModel.FromString(binary.read_bytes()))
    binary.unlink()
    (folder / "saved_model.pbtxt").write_text(text, encoding="utf-8")
    assert open_saved_model(folder).signature == open_saved_model(saved_model).signature


def save_v1(
    folder: Path,
    *,
    resource: bool = True,
    tags: Sequence[Sequence[str]] = (["serve"],),
    signatures: Sequence[str] = ("serving_default",),
) -> Path:
    """Save `x` -> `y` by the builder of TensorFlow 1, once for each set of tags."""
    builder = tf.compat.v1.saved_model.Builder(str(folder))
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (None, 3), name="x")
        w = tf.compat.v1.get_variable("w", (3, 2), use_resource=resource)
        y = tf.matmul(x, w, name="y")
        initialise(session)
        signature = tf.compat.v1.saved_model.predict_signature_def({"a": x}, {"b": y})
        by_key = dict.fromkeys(signatures, signature)
        builder.add_meta_graph_and_variables(session, list(tags[0]), signature_def_map=by_key)
        for more in tags[1:]:
            builder.add_meta_graph(list(more), signature_def_map=by_key)
    builder.save()
    return folder


@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
def test_one_of_tensorflow_1_is_opened_by_its_tensors(tmp_path: Path, resource: bool) -> None:
    model = open_saved_model(save_v1(tmp_path / "saved", resource=resource))
    assert model.signature.input_names == ("x",)
    assert model.signature.output_names == ("y",)
    assert model.saved_tensors == 1
    check_restorable(model)
    np.testing.assert_allclose(
        Runner(model, mode=Mode.STRICT)({"x": X})["y"], X @ model.weights["w"], rtol=1e-6
    )


def test_of_several_graphs_that_for_serving_is_taken(tmp_path: Path) -> None:
    folder = save_v1(tmp_path / "saved", tags=[["train"], ["serve"]])
    assert open_saved_model(folder) == open_saved_model(folder, tags=["serve"])
    assert open_saved_model(folder, tags=["train"]).signature.output_names == ("y",)


def test_several_graphs_without_one_for_serving_need_a_choice(tmp_path: Path) -> None:
    folder = save_v1(tmp_path / "saved", tags=[["train"], ["serve", "gpu"]])
    with pytest.raises(RequestError, match=r"choose one with --tags, of train; gpu,serve"):
        open_saved_model(folder)


def test_the_only_graph_is_taken_whatever_its_tags(tmp_path: Path) -> None:
    folder = save_v1(tmp_path / "saved", tags=[["mine"]])
    assert open_saved_model(folder).signature.output_names == ("y",)


def test_several_signatures_without_a_default_need_a_choice(tmp_path: Path) -> None:
    folder = save_v1(tmp_path / "saved", signatures=["first", "second"])
    with pytest.raises(RequestError, match=r"choose one with --signature, of first, second"):
        open_saved_model(folder)


def test_the_only_signature_is_taken_whatever_its_key(tmp_path: Path) -> None:
    folder = save_v1(tmp_path / "saved", signatures=["mine"])
    assert open_saved_model(folder).signature.input_names == ("x",)


def test_without_a_signature_inputs_and_outputs_are_inferred(tmp_path: Path) -> None:
    model = open_saved_model(save_v1(tmp_path / "saved", signatures=[]))
    assert (model.signature.input_names, model.signature.output_names) == (("x",), ("y",))
    assert model.inputs_inferred
    assert model.outputs_inferred


def add_sparse(inputs: dict[str, Any]) -> None:
    sparse = tf.compat.v1.sparse_placeholder(tf.float32, (None, 3), name="sparse")
    tf.identity(tf.sparse.to_dense(sparse), name="y")
    inputs["s"] = tf.compat.v1.saved_model.build_tensor_info(sparse)


def add_vague(inputs: dict[str, Any]) -> None:
    x = tf.compat.v1.placeholder(tf.float32, name="x")
    tf.identity(x, name="y")
    inputs["x"] = tf.compat.v1.saved_model.build_tensor_info(x)
    inputs["x"].tensor_shape.CopyFrom(tf.TensorShape((None, 7)).as_proto())


def save_inputs(folder: Path, add: Callable[[dict[str, Any]], None]) -> Path:
    builder = tf.compat.v1.saved_model.Builder(str(folder))
    with fresh_session() as session:
        inputs: dict[str, Any] = {}
        add(inputs)
        y = tf.compat.v1.get_default_graph().get_tensor_by_name("y:0")
        outputs = {"y": tf.compat.v1.saved_model.build_tensor_info(y)}
        signature = tf.compat.v1.saved_model.build_signature_def(inputs, outputs, "predict")
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
    builder.save()
    return folder


def test_a_sparse_input_is_three_tensors(tmp_path: Path) -> None:
    model = open_saved_model(save_inputs(tmp_path / "saved", add_sparse))
    specs = {spec.name: (spec.dtype, spec.shape) for spec in model.signature.inputs}
    assert specs == {
        "sparse/indices": ("int64", (None, 2)),
        "sparse/values": ("float32", (None,)),
        "sparse/shape": ("int64", (2,)),
    }


def test_a_signature_may_know_the_shape_that_the_placeholder_does_not(tmp_path: Path) -> None:
    model = open_saved_model(save_inputs(tmp_path / "saved", add_vague))
    assert model.signature.inputs[0].shape == (None, 7)


def test_a_saved_model_without_variables_has_no_checkpoint(tmp_path: Path) -> None:
    model = open_saved_model(save_inputs(tmp_path / "saved", add_vague))
    assert model.checkpoint_prefix is None
    assert not model.saved_tensors
