"""Checkpoints of training runs, and what is said of those that lack a part."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

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


def test_what_only_training_needs_is_not_in_the_model(built: Built) -> None:
    model = open_checkpoint_model(built("softmax_regression-ref"))
    assert {variable.name for variable in model.variables} == {"layer/kernel", "layer/bias"}
    assert model.saved_tensors > 2
    assert model.outputs_inferred
    assert not any(node.name.startswith("gradients") for node in model.graph_def.node)


def test_a_missing_data_file_is_named(copied: Path) -> None:
    file(copied, "data-00000-of-00001").unlink()
    with pytest.raises(RequestError, match=r"data-00000-of-00001 is missing: copy all files"):
        open_checkpoint_model(copied)


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
    file(copied, "meta").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(BrokenModel, match=r"\.meta .*damaged"):
        open_checkpoint_model(copied)


def test_an_empty_graph_is_called_empty(copied: Path) -> None:
    file(copied, "meta").write_bytes(b"")
    with pytest.raises(BrokenModel, match=r"\.meta .* without nodes"):
        read_meta_graph(file(copied, "meta"))


def test_a_damaged_index_is_named_with_its_checkpoint(copied: Path) -> None:
    file(copied, "index").write_bytes(b"no table")
    with pytest.raises(BrokenModel, match=rf"{copied.name} cannot be read"):
        open_checkpoint_model(copied)


def test_a_damaged_value_is_found_when_it_is_read(copied: Path) -> None:
    data = file(copied, "data-00000-of-00001")
    data.write_bytes(bytes(byte ^ 0xFF for byte in data.read_bytes()))
    model = open_checkpoint_model(copied)
    with pytest.raises(BrokenModel, match="variable layer/kernel cannot be read"):
        model.weights["layer/kernel"]


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
