"""Checkpoints of training runs, and what is said of those that lack a part."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from fixtures.catalogue import FIXTURES, Fixture
from fixtures.training import fresh_session, initialise, save, saver
from harness.errors import BrokenModel, RequestError
from harness.models.checkpoint import open_checkpoint_model, read_meta_graph

AVERAGE = "/ExponentialMovingAverage"
Built = Callable[[str], Path]

# The captcha network takes long to train, and has nothing here that the others lack.
EACH_QUICK_FIXTURE = pytest.mark.parametrize(
    "fixture",
    [fixture for fixture in FIXTURES if not fixture.name.startswith("captcha_cnn")],
    ids=lambda fixture: fixture.name,
)


@pytest.fixture
def copied(built: Built, tmp_path: Path) -> Path:
    """The prefix of a checkpoint that a test may damage."""
    prefix = built("softmax_regression-ref")
    return Path(shutil.copytree(prefix.parent, tmp_path / "copy")) / prefix.name


def file(prefix: Path, ending: str) -> Path:
    return prefix.with_name(f"{prefix.name}.{ending}")


@EACH_QUICK_FIXTURE
def test_variables_on_the_path_have_keys_of_the_checkpoint(fixture: Fixture, built: Built) -> None:
    prefix = built(fixture.name)
    model = open_checkpoint_model(prefix, inputs=fixture.inputs, outputs=fixture.outputs)
    saved = tf.train.load_checkpoint(str(prefix)).get_variable_to_shape_map()
    assert {variable.key for variable in model.variables} <= set(saved)
    assert model.saved_tensors == len(saved)
    assert model.signature.input_names == fixture.inputs
    assert model.signature.output_names == fixture.outputs


def test_a_collection_of_the_graph_names_its_outputs(tmp_path: Path) -> None:
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (None,), name="x")
        w = tf.compat.v1.get_variable("w", ())
        one, _ = (tf.tanh(x * w, name=name) for name in ("one", "other"))
        tf.compat.v1.add_to_collection("outputs", one)
        initialise(session)
        prefix = save(session, saver(), tmp_path, step=1)
    assert open_checkpoint_model(prefix).signature.output_names == ("one",)


def test_what_only_training_needs_is_not_in_the_model(built: Built) -> None:
    model = open_checkpoint_model(built("softmax_regression-ref"))
    assert {variable.name for variable in model.variables} == {"layer/kernel", "layer/bias"}
    assert model.saved_tensors > 2
    assert model.outputs_inferred
    assert not any(node.name.startswith("gradients") for node in model.graph_def.node)


def test_a_missing_graph_is_named_with_the_remedy(copied: Path) -> None:
    file(copied, "meta").unlink()
    with pytest.raises(RequestError, match=r"--checkpoint .*\.meta: .* --meta-graph FILE"):
        open_checkpoint_model(copied)


def test_the_graph_may_be_another_checkpoints(copied: Path) -> None:
    file(copied, "meta").unlink()
    model = open_checkpoint_model(copied, meta_graph=copied.with_name("model.ckpt-5.meta"))
    assert model.path == copied
    assert model.signature.output_names == ("prediction",)


def test_a_graph_file_that_is_not_there_is_named_by_its_option(copied: Path) -> None:
    with pytest.raises(RequestError, match=r"--meta-graph .*gone\.meta: no such file"):
        open_checkpoint_model(copied, meta_graph=copied.with_name("gone.meta"))


def test_a_damaged_graph_is_called_damaged(copied: Path) -> None:
    meta = file(copied, "meta")
    meta.write_bytes(meta.read_bytes()[:-20])
    with pytest.raises(BrokenModel, match=r"\.meta holds no MetaGraphDef .* is damaged"):
        open_checkpoint_model(copied)


def test_a_graph_as_text_is_read_too(copied: Path) -> None:
    meta = file(copied, "meta")
    as_text = text_format.MessageToString(read_meta_graph(meta))
    expected = open_checkpoint_model(copied)
    meta.write_text(as_text, encoding="utf-8")
    assert open_checkpoint_model(copied) == expected


def test_a_file_with_values_that_is_missing_is_named_before_a_missing_graph(copied: Path) -> None:
    for ending in ("meta", "data-00000-of-00001"):
        file(copied, ending).unlink()
    with pytest.raises(BrokenModel, match=r"data-00000-of-00001 is missing"):
        open_checkpoint_model(copied)


def test_keys_that_no_saver_writes_are_called_damaged(copied: Path) -> None:
    meta = read_meta_graph(file(copied, "meta"))
    for node in meta.graph_def.node:
        if node.op == "Const" and node.name.endswith("tensor_names"):
            node.attr["value"].tensor.string_val[:] = [b"\xff"] * 2
    file(copied, "meta").write_bytes(meta.SerializeToString())
    with pytest.raises(BrokenModel, match=r"\.meta holds a graph that no sense .*Unicode.*damaged"):
        open_checkpoint_model(copied)


def of_objects(folder: Path) -> Path:
    """What `tf.train.Checkpoint` writes, and Keras for `save_weights` in TensorFlow's format."""
    module = tf.Module()
    module.kernel = tf.Variable(tf.ones((3, 3)))
    return Path(tf.train.Checkpoint(model=module).write(str(folder / "weights")))


def test_a_checkpoint_of_objects_has_no_graph_and_says_what_to_save(tmp_path: Path) -> None:
    words = r"save_weights: it holds values and no graph; save the model itself with tf\.saved_"
    with pytest.raises(RequestError, match=rf"^--checkpoint {tmp_path}/weights .* {words}"):
        open_checkpoint_model(of_objects(tmp_path))


def test_a_checkpoint_of_objects_is_of_no_use_to_a_graph_of_names(
    copied: Path, tmp_path: Path
) -> None:
    words = (
        r"by their objects \(model/kernel/\.ATTRIBUTES/VARIABLE_VALUE.*\); the graph in .*\.meta "
        r"asks for them by name \(layer/.*tf\.saved_model\.save"
    )
    with pytest.raises(RequestError, match=words):
        open_checkpoint_model(of_objects(tmp_path), meta_graph=file(copied, "meta"))


def test_a_checkpoint_of_objects_serves_a_graph_that_restores_by_them(saved_model: Path) -> None:
    """As that of a SavedModel does, written out as a .meta with its variables as checkpoint."""
    (meta,) = SavedModel.FromString((saved_model / "saved_model.pb").read_bytes()).meta_graphs
    path = saved_model.parent / "model.meta"
    path.write_bytes(meta.SerializeToString())
    model = open_checkpoint_model(
        saved_model / "variables" / "variables",
        meta_graph=path,
        inputs=["embed_x"],
        outputs=["StatefulPartitionedCall"],
    )
    assert model.weights


def test_the_variables_of_a_saved_model_are_no_model_without_it(saved_model: Path) -> None:
    words = rf"these are the variables of the SavedModel .*: give --checkpoint {saved_model}$"
    with pytest.raises(RequestError, match=words):
        open_checkpoint_model(saved_model / "variables" / "variables")


def averaged(folder: Path, **names: Any) -> Path:
    """`x` * `w` + `b` -> `y`, with the moving average of `w` in the checkpoint.

    With `restores_averages`, the graph's own saver knows `w` by the average's name.
    """
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (), name="x")
        w, b = (tf.compat.v1.get_variable(n, (), use_resource=False) for n in "wb")
        tf.add(x * w, b, name="y")
        average = tf.train.ExponentialMovingAverage(0.9)
        step = average.apply([w])
        initialise(session)
        session.run([w.assign(3.0), b.assign(1.0)])
        session.run(step)
        if names.get("restores_averages"):
            return save(session, saver(var_list={f"w{AVERAGE}": w, "b": b}), folder, step=1)
        return save(session, saver(), folder, step=1)


def test_moving_averages_take_the_place_of_their_variables(tmp_path: Path) -> None:
    prefix = averaged(tmp_path)
    plain = open_checkpoint_model(prefix)
    model = open_checkpoint_model(prefix, moving_averages=True)
    saved = tf.train.load_checkpoint(str(prefix))
    assert plain.weights["w"] == 3.0
    assert model.weights["w"] == saved.get_tensor(f"w{AVERAGE}") != 3.0
    # A variable without an average keeps its own value.
    assert model.weights["b"] == 1.0


def test_a_graph_that_restores_averages_as_it_is_can_be_asked_for_them(tmp_path: Path) -> None:
    prefix = averaged(tmp_path, restores_averages=True)
    for asked in (False, True):
        model = open_checkpoint_model(prefix, moving_averages=asked)
        assert model.weights["w"] == 3.0
        assert {variable.key for variable in model.variables} == {f"w{AVERAGE}", "b"}


def test_without_any_moving_average_asking_for_them_is_refused(built: Built) -> None:
    with pytest.raises(RequestError, match=r"--moving-averages: .*NAME/ExponentialMovingAverage"):
        open_checkpoint_model(built("softmax_regression-ref"), moving_averages=True)


def test_a_saver_of_averages_over_plain_weights_finds_the_plain_names(tmp_path: Path) -> None:
    """The .meta of an evaluation graph, used with the checkpoint of a run without averages."""
    plain, other = tmp_path / "plain", tmp_path / "other"
    for folder in (plain, other):
        folder.mkdir()
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (), name="x")
        w = tf.compat.v1.get_variable("w", (), use_resource=False)
        tf.multiply(x, w, name="y")
        initialise(session)
        prefix = save(session, saver(), plain, step=1)
        evaluation = save(session, saver(var_list={f"w{AVERAGE}": w}), other, step=1)
    model = open_checkpoint_model(prefix, meta_graph=file(evaluation, "meta"))
    assert model.variables[0].key == "w"
    assert model.without_average == ("w",)


@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
def test_variables_on_the_path_that_take_plain_names_for_averages_are_told(
    tmp_path: Path, resource: bool
) -> None:
    plain, other = tmp_path / "plain", tmp_path / "other"
    for folder in (plain, other):
        folder.mkdir()
    with fresh_session() as session:
        kept = {"use_resource": resource}
        x = tf.compat.v1.placeholder(tf.float32, (), name="x")
        w, b, aside = (tf.compat.v1.get_variable(n, (), **kept) for n in ("w", "b", "aside"))
        shared = {"dtype": tf.float32, "shape": (), "shared_name": "w", "name": "again"}
        again = (
            tf.raw_ops.ReadVariableOp(resource=tf.raw_ops.VarHandleOp(**shared), dtype=tf.float32)
            if resource
            else tf.raw_ops.Identity(input=tf.raw_ops.VariableV2(**shared))
        )
        tf.add_n([x * w, b, again], name="y")
        initialise(session)
        prefix = save(session, saver(), plain, step=1)
        names = {f"w{AVERAGE}": w, "b": b, f"aside{AVERAGE}": aside}
        evaluation = save(session, saver(var_list=names), other, step=1)
    meta = file(evaluation, "meta")
    model = open_checkpoint_model(prefix, meta_graph=meta, outputs=["y"])
    assert {variable.key for variable in model.variables} == {"w", "b"}
    assert sorted(model.without_average) == ["again", "w"]
    own = open_checkpoint_model(evaluation, outputs=["y"])
    assert own.without_average == ()


def with_statistics(
    folder: Path, *, resource: bool, trainable: tuple[str, ...] = ("w", "b")
) -> Path:
    """Of w, b and the moving mean m, of which training has kept an average of w alone."""
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (), name="x")
        w, b, m = (
            tf.compat.v1.get_variable(n, (), use_resource=resource, trainable=n in trainable)
            for n in "wbm"
        )
        tf.add(x * w - m, b, name="y")
        average = tf.train.ExponentialMovingAverage(0.9).apply([w])
        initialise(session)
        session.run(average)
        return save(session, saver(), folder, step=1)


@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
def test_what_is_not_trained_lacks_no_average(tmp_path: Path, resource: bool) -> None:
    prefix = with_statistics(tmp_path, resource=resource)
    model = open_checkpoint_model(prefix, outputs=["y"], moving_averages=True)
    assert {v.name: v.key for v in model.variables} == {"w": f"w{AVERAGE}", "b": "b", "m": "m"}
    assert model.without_average == ("b",)


def test_where_the_graph_does_not_say_what_is_trained_all_without_an_average_are_told(
    tmp_path: Path,
) -> None:
    prefix = with_statistics(tmp_path, resource=True, trainable=())
    assert "trainable_variables" not in read_meta_graph(file(prefix, "meta")).collection_def
    model = open_checkpoint_model(prefix, outputs=["y"], moving_averages=True)
    assert set(model.without_average) == {"b", "m"}


def test_averages_of_none_but_what_is_not_trained_are_refused_too(tmp_path: Path) -> None:
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (), name="x")
        tf.compat.v1.get_variable("aside", ())
        tf.add(x, tf.compat.v1.get_variable("m", (), trainable=False), name="y")
        initialise(session)
        prefix = save(session, saver(), tmp_path, step=1)
    with pytest.raises(RequestError, match=r"--moving-averages: .*NAME/ExponentialMovingAverage"):
        open_checkpoint_model(prefix, outputs=["y"], moving_averages=True)


@pytest.mark.parametrize("asked", ["average", "other"])
def test_a_saver_may_ask_for_another_name_of_what_is_not_trained(
    tmp_path: Path, asked: str
) -> None:
    """Of the average of a moving mean nobody has heard; another name may be a mistake."""
    plain, other = tmp_path / "plain", tmp_path / "other"
    for folder in (plain, other):
        folder.mkdir()
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (), name="x")
        w, m = (tf.compat.v1.get_variable(n, (), trainable=n == "w") for n in "wm")
        tf.add(x * w, m, name="y")
        initialise(session)
        prefix = save(session, saver(), plain, step=1)
        key = f"m{AVERAGE}" if asked == "average" else "mean"
        evaluation = save(session, saver(var_list={f"w{AVERAGE}": w, key: m}), other, step=1)
    model = open_checkpoint_model(prefix, meta_graph=file(evaluation, "meta"), outputs=["y"])
    assert set(model.without_average) == ({"w"} if asked == "average" else {"w", "m"})


def test_reads_that_the_path_does_not_use_stay_for_tensorflows_converter(tmp_path: Path) -> None:
    with fresh_session() as session:
        ids = tf.compat.v1.placeholder(tf.int32, (None,), name="ids")
        table = tf.compat.v1.get_variable("table", (5, 2), use_resource=True)
        tf.gather(table, ids, name="y")
        initialise(session)
        prefix = save(session, saver(), tmp_path, step=1)
    model = open_checkpoint_model(prefix, outputs=["y"])
    assert "table/Read/ReadVariableOp" in {node.name for node in model.graph_def.node}


def two_inputs(folder: Path) -> Path:
    with fresh_session() as session:
        x, y = (tf.compat.v1.placeholder(tf.float32, (), name=name) for name in "xy")
        w = tf.compat.v1.get_variable("w", (), use_resource=True)
        keep = tf.compat.v1.placeholder_with_default(1.0, (), name="keep")
        tf.add(x * w, y * keep, name="sum")
        initialise(session)
        return save(session, saver(), folder, step=1)


def test_a_placeholder_that_nothing_feeds_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"--inputs x: .* also need y"):
        open_checkpoint_model(two_inputs(tmp_path), inputs=["x"], outputs=["sum"])


def test_a_placeholder_with_a_default_need_not_be_fed(tmp_path: Path) -> None:
    model = open_checkpoint_model(two_inputs(tmp_path), inputs=["x", "y"], outputs=["sum"])
    assert model.signature.input_names == ("x", "y")


def test_an_input_named_twice_is_one_input(tmp_path: Path) -> None:
    model = open_checkpoint_model(two_inputs(tmp_path), inputs=["x", "y", "x:0"], outputs=["sum"])
    assert model.signature.input_names == ("x", "y")


def test_an_input_in_the_middle_needs_no_placeholder(tmp_path: Path) -> None:
    model = open_checkpoint_model(two_inputs(tmp_path), inputs=["mul", "mul_1"], outputs=["sum"])
    assert not model.variables
    assert model.saved_tensors == 1


def test_a_shape_hint_that_contradicts_tensorflow_does_no_harm(copied: Path) -> None:
    meta = MetaGraphDef.FromString(file(copied, "meta").read_bytes())
    for node in meta.graph_def.node:
        node.attr["_output_shapes"].list.shape.add().dim.add(size=99)
    file(copied, "meta").write_bytes(meta.SerializeToString())
    model = open_checkpoint_model(copied)
    assert model.signature.outputs[0].shape == (None, 3)
    np.testing.assert_equal(len(model.variables), 2)


def test_averages_beside_raw_values_are_unread(built: Built) -> None:
    prefix = built("moving_averages-ref")
    model = open_checkpoint_model(prefix, outputs=("prediction",))
    assert set(model.unread_averages) == {"layer/kernel", "layer/bias"}


def test_averages_that_are_asked_for_are_read(built: Built) -> None:
    prefix = built("moving_averages-ref")
    model = open_checkpoint_model(prefix, outputs=("prediction",), moving_averages=True)
    assert model.unread_averages == ()


def test_averages_that_the_saver_restores_are_read(tmp_path: Path) -> None:
    """In the place of the variables, as for inference."""
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (None,), name="x")
        tf.multiply(x, tf.compat.v1.get_variable("w", ()), name="y")
        average = tf.compat.v1.get_variable("w_average", ())
        initialise(session)
        both = {f"w{AVERAGE}": average, "w": tf.compat.v1.global_variables()[0]}
        prefix = save(session, tf.compat.v1.train.Saver(both), tmp_path, step=1)
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (None,), name="x")
        tf.multiply(x, tf.compat.v1.get_variable("w", ()), name="y")
        restored = tf.compat.v1.train.Saver({f"w{AVERAGE}": tf.compat.v1.global_variables()[0]})
        meta = restored.export_meta_graph(str(tmp_path / "inference.meta"))
    del meta
    assert open_checkpoint_model(prefix).unread_averages == ("w",)
    inference = open_checkpoint_model(prefix, meta_graph=tmp_path / "inference.meta")
    assert inference.unread_averages == ()


def test_a_checkpoint_without_averages_has_none_unread(built: Built) -> None:
    assert open_checkpoint_model(built("softmax_regression-ref")).unread_averages == ()


def test_the_graph_that_was_read_is_remembered(copied: Path) -> None:
    assert open_checkpoint_model(copied).meta_path == file(copied, "meta")
    other = copied.with_name("model.ckpt-5.meta")
    assert open_checkpoint_model(copied, meta_graph=other).meta_path == other
