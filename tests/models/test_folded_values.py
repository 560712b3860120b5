"""Tensors that need no input, computed from the checkpoint's and the file's values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from fixtures.training import save_initialised
from harness.errors import BrokenModel
from harness.models.checkpoint import open_checkpoint_model
from harness.models.constants import Constants
from harness.models.folded_values import value_of
from harness.models.frozen import open_frozen
from harness.models.model import Model
from harness.models.saved_model import open_saved_model


@pytest.fixture(scope="module", params=[False, True], ids=["ref", "resource"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (3,), name="x")
        w = tf.compat.v1.get_variable("w", initializer=[1.0, 4.0, 9.0], use_resource=request.param)
        root = tf.sqrt(w, name="root")
        parts = tf.split(root + tf.constant([1.0, 2.0, 3.0]), 3, name="parts")
        noise = tf.random.normal((3,), name="noise")
        tf.add_n([x * tf.concat(parts, 0, name="joined"), noise], name="y")
        prefix = save_initialised(session, tmp_path_factory.mktemp("model"))
    return open_checkpoint_model(prefix, inputs=["x"], outputs=["y"])


def test_values_are_computed_from_variables_and_constants(model: Model) -> None:
    found = value_of(model, ["root", "parts:1", "w"])
    np.testing.assert_array_equal(found["root"], [1, 2, 3])
    np.testing.assert_array_equal(found["parts:1"], [4])
    np.testing.assert_array_equal(found["w"], [1, 4, 9])


def test_the_graph_of_the_model_stays_as_it_is(model: Model) -> None:
    before = model.graph_def.SerializeToString(deterministic=True)
    value_of(model, ["joined"])
    assert model.graph_def.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize(
    ("tensor", "why"),
    [
        ("y", "depends on x, which is fed"),
        ("x", "x"),
        ("noise", "random numbers of noise"),
        ("gone", "gone stands in a branch or loop"),
    ],
)
def test_what_needs_an_input_or_is_random_has_no_value(model: Model, tensor: str, why: str) -> None:
    with pytest.raises(BrokenModel, match=why):
        value_of(model, [tensor])


def test_an_output_that_a_node_lacks_has_no_value(model: Model) -> None:
    with pytest.raises(BrokenModel, match="cannot be computed"):
        value_of(model, ["root:7"])


class Others(Constants):
    """The constants of a graph whose values were left in its file."""

    def __getitem__(self, name: str) -> np.ndarray:
        return {"c": np.array([[1.0, 2.0]]), "e": np.zeros((0, 2))}[name]


def test_constants_left_in_the_file_are_read_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float64, (1, 2), name="x")
        whole = tf.constant([[1.0, 2.0]], tf.float64, name="c")
        small = tf.constant(3.0, tf.float64, name="small")
        empty = tf.reduce_sum(tf.zeros((0, 2), tf.float64, name="e"))
        tf.multiply(x, tf.add(whole * small, empty, name="made"), name="y")
        graph_def = graph.as_graph_def()
    (node,) = [node for node in graph_def.node if node.name == "c"]
    for field, _ in node.attr["value"].tensor.ListFields():
        if field.name not in ("dtype", "tensor_shape"):
            node.attr["value"].tensor.ClearField(field.name)
    (tmp_path / "m.pb").write_bytes(graph_def.SerializeToString())
    model = open_frozen(tmp_path / "m.pb", inputs=["x"], outputs=["y"])
    monkeypatch.setattr(type(model), "constants", property(lambda self: Others(self.graph_def)))
    np.testing.assert_array_equal(value_of(model, ["made"])["made"], [[3, 6]])


class Folding(tf.Module):
    """A layer in which a part needs no input, in a function inside another."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(tf.reshape(tf.range(6000.0), (3, 2000)), name="weights")

    @tf.function(input_signature=[])
    def scaled(self) -> tf.Tensor:
        offset = tf.constant(np.arange(6000, dtype=np.float32).reshape(3, 2000), name="offset")
        return tf.add(self.weights * 2.0, offset, name="scaled")

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, name="x")])
    def predict(self, x: tf.Tensor) -> tf.Tensor:
        return tf.matmul(x, self.scaled())


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("saved") / "folding"
    module = Folding()
    tf.saved_model.save(module, str(folder), signatures=module.predict)
    return open_saved_model(folder)


def inner_name(model: Model, op: str) -> str:
    """CALL/NODE for the node of that op, by the calls that lead there."""
    library = {f.signature.name: f for f in model.graph_def.library.function}

    def below(nodes: object, prefix: str) -> list[str]:
        found = []
        for node in nodes:  # type: ignore[attr-defined]
            if node.op == op:
                found.append(f"{prefix}{node.name}")
            called = node.attr["f"].func.name if "f" in node.attr else ""
            if called in library:
                found += below(library[called].node_def, f"{prefix}{node.name}/")
        return found

    (name,) = below(model.graph_def.node, "")
    return name


def test_a_tensor_in_functions_is_computed_by_the_calls_that_lead_there(saved: Model) -> None:
    name = inner_name(saved, "AddV2")
    assert "/" in name
    expected = np.arange(6000, dtype=np.float32).reshape(3, 2000) * 3
    np.testing.assert_array_equal(value_of(saved, [name])[name], expected)


def test_a_tensor_in_a_function_that_needs_an_input_has_no_value(saved: Model) -> None:
    with pytest.raises(BrokenModel, match="which is fed"):
        value_of(saved, [inner_name(saved, "MatMul")])


def test_a_variable_in_a_function_has_the_value_of_its_resource(tmp_path: Path) -> None:
    @tf.function(input_signature=[])
    def doubled() -> tf.Tensor:
        handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=(3,), shared_name="w")
        return tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32) * 2.0

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (3,), name="x")
        tf.compat.v1.get_variable("w", initializer=[1.0, 4.0, 9.0], use_resource=True)
        tf.add(x, doubled(), name="y")
        prefix = save_initialised(session, tmp_path)
    model = open_checkpoint_model(prefix, inputs=["x"], outputs=["y"])
    assert [variable.name for variable in model.variables] != ["w"]
    name = inner_name(model, "Mul")
    np.testing.assert_array_equal(value_of(model, [name])[name], [2, 8, 18])
