"""Weights: read when they are asked for, one at a time, and in slices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from fixtures.training import fresh_session, initialise, save, save_initialised, saver
from harness.errors import BrokenModel
from harness.models.model import CheckpointWeights, Model, slice_of
from harness.models.opening import open_model
from harness.subject import Request

WHOLE = np.arange(40).reshape(10, 4)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("", WHOLE),
        ("10 4 -:-", WHOLE),
        ("10 4 0,10:0,4", WHOLE),
        ("10 4 0,5:0,4", WHOLE[:5]),
        ("10 4 5,5:-", WHOLE[5:]),
        ("10 4 -:1,2", WHOLE[:, 1:3]),
        ("10 4 3,0:-", WHOLE[3:3]),
    ],
)
def test_a_slice_is_start_and_length_by_dimension(
    spec: str, expected: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
) -> None:
    np.testing.assert_array_equal(slice_of(WHOLE, spec), expected)


def test_a_scalar_is_its_own_slice() -> None:
    assert slice_of(np.array(3), "") == 3


@pytest.mark.parametrize("spec", ["10 4 0,5:0,x", "10 4 0,5:0", "10 4 2 -:-:0,1", "10 4 ü"])
def test_a_slice_that_the_tensor_does_not_have_is_named(spec: str) -> None:
    with pytest.raises(BrokenModel, match=rf"the slice '{spec}' of a tensor that is \[10, 4\]"):
        slice_of(WHOLE, spec)


@pytest.fixture(scope="module")
def model(built: Callable[[str], Path]) -> Model:
    return open_model(Request(path=built("softmax_regression-resource"), outputs=("prediction",)))


def test_weights_are_those_of_the_checkpoint_by_node_name(model: Model) -> None:
    saved = tf.train.load_checkpoint(model.checkpoint_prefix)
    assert set(model.weights) == {"layer/kernel", "layer/bias"}
    assert len(model.weights) == 2
    for name, value in model.weights.items():
        np.testing.assert_array_equal(value, saved.get_tensor(name))
        assert value.dtype == np.float32


def test_nothing_is_read_before_it_is_asked_for(model: Model) -> None:
    gone = replace(model, checkpoint_prefix="/no/such/checkpoint")
    weights = gone.weights
    assert "layer/bias" in set(weights)
    with pytest.raises(BrokenModel, match="the checkpoint /no/such/checkpoint cannot be read"):
        weights["layer/bias"]


def test_a_name_of_no_variable_is_a_key_error(model: Model) -> None:
    with pytest.raises(KeyError):
        model.weights["layer/unknown"]


def test_a_value_that_the_checkpoint_lacks_is_named_with_its_variable(model: Model) -> None:
    renamed = replace(model, variables=(replace(model.variables[0], key="elsewhere"),))
    name = model.variables[0].name
    with pytest.raises(BrokenModel, match=rf"variable {name} cannot be read .*elsewhere"):
        renamed.weights[name]


def test_a_reader_that_is_open_is_used(model: Model) -> None:
    other = tf.train.load_checkpoint(model.checkpoint_prefix)
    weights = CheckpointWeights(replace(model, checkpoint_prefix="/no/such/checkpoint"), other)
    np.testing.assert_array_equal(weights["layer/bias"], other.get_tensor("layer/bias"))


def test_a_model_without_checkpoint_has_no_values(model: Model) -> None:
    alone = replace(model, checkpoint_prefix=None)
    with pytest.raises(
        BrokenModel, match=r"is not frozen: layer/bias left as variable \(VarHandle"
    ):
        alone.weights["layer/bias"]


def test_constants_are_those_of_the_graph(built: Callable[[str], Path]) -> None:
    model = open_model(Request(path=built("partitioned-resource"), outputs=("outputs",)))
    names = {node.name for node in model.graph_def.node if node.op == "Const"}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(model.graph_def, name="")
        for name, value in model.constants.items():
            np.testing.assert_array_equal(value, session.run(f"{name}:0"))
    assert set(model.constants) == names != set()


def test_constants_are_looked_for_once(model: Model) -> None:
    assert model.constants is model.constants


@pytest.mark.parametrize("kind", ["ref", "resource"])
def test_parts_of_a_partitioned_variable_are_read_as_slices(
    kind: str, built: Callable[[str], Path]
) -> None:
    model = open_model(Request(path=built(f"partitioned-{kind}"), outputs=("outputs",)))
    saved = tf.train.load_checkpoint(model.checkpoint_prefix).get_tensor("kernel")
    parts = [model.weights[f"kernel/part_{index}"] for index in range(3)]
    assert {part.shape for part in parts} == {(4, 2)}
    np.testing.assert_array_equal(np.concatenate(parts), saved)


def test_parts_that_the_reader_does_not_put_together_are_restored_without_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of V1 checkpoints; a session that sees a GPU of the machine takes its memory."""
    with fresh_session() as session:
        parts = tf.compat.v1.get_variable(
            "w", (3, 5), partitioner=tf.compat.v1.fixed_size_partitioner(2, axis=1)
        )
        expected = tf.concat(list(parts), axis=1)
        tf.multiply(tf.compat.v1.placeholder(tf.float32, (), name="x"), expected, name="y")
        initialise(session)
        whole = session.run(expected)
        v1 = saver(write_version=tf.compat.v1.train.SaverDef.V1)
        model = open_model(Request(path=save(session, v1, tmp_path, step=1), outputs=("y",)))
    seen = []
    init = tf.compat.v1.Session.__init__

    def noted(self: object, target: str = "", graph: object = None, config: Any = None) -> None:
        seen.append(dict(config.device_count) if config else {})
        init(self, target, graph, config)

    monkeypatch.setattr(tf.compat.v1.Session, "__init__", noted)
    read = [model.weights[f"w/part_{index}"] for index in range(2)]
    np.testing.assert_array_equal(np.concatenate(read, axis=1), whole)
    assert seen == [{"GPU": 0}] * 2


@pytest.mark.parametrize("value", [b"ends in zeros\0\0", [b"a\0", b""]])
def test_strings_keep_every_byte(value: bytes | list[bytes], tmp_path: Path) -> None:
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.string, (), name="x")
        w = tf.compat.v1.get_variable("w", initializer=tf.constant(value), use_resource=True)
        tf.strings.join([x, w], name="y")
        prefix = save_initialised(session, tmp_path)
    (read,) = open_model(Request(path=prefix, outputs=("y",))).weights.values()
    assert read.dtype == object
    assert read.tolist() == value
