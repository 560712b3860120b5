"""What a training graph gives its variables at first, as TensorFlow itself initialises them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import variable_pb2

from fixtures.catalogue import find
from fixtures.control_flow import control_flow
from fixtures.freezing import first_values
from fixtures.training import initialise, save, saver
from harness.graph.state import Variable, as_variable
from harness.models.checkpoint import open_checkpoint_model, read_meta_graph
from harness.models.initial_values import InitialValues
from harness.models.model import Model

Built = Callable[[str], Path]
Values = dict[str, np.ndarray]


@pytest.mark.parametrize(
    "name",
    ["small_cnn-ref", "small_cnn-resource", "moving_averages-ref", "moving_averages-resource",
     "partitioned-ref", "partitioned-resource", "lstm_while_v1-ref", "cond_control_flow_v2-ref",
     "dtype_string-ref", "dtype_bfloat16-resource", "embedding-resource"],
)  # fmt: skip
def test_values_are_those_that_the_initialisers_give(name: str, built: Built) -> None:
    prefix, fixture = built(name), find(name)
    model = open_checkpoint_model(prefix, inputs=fixture.inputs, outputs=fixture.outputs)
    values = InitialValues(Path(f"{prefix}.meta"))
    expected = first_values(prefix)
    assert model.variables
    for variable in model.variables:
        value = values.value(variable)
        assert value is not None
        assert value.dtype == expected[variable.name].dtype
        np.testing.assert_array_equal(value, expected[variable.name])


def made(folder: Path, make: Callable[[], tf.Variable]) -> tuple[Model, Values]:
    """A model of one variable, and the first values of all."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (3,), name="x")
        tf.add(x, make(), name="y")
        initialise(session)
        variables = tf.compat.v1.global_variables()
        found = {v.op.name: session.run(v) for v in variables}
        prefix = save(session, saver(), folder, step=1)
    return open_checkpoint_model(prefix, inputs=["x"], outputs=["y"]), found


def initial(model: Model) -> np.ndarray | None:
    assert model.meta_path is not None
    return InitialValues(model.meta_path).value(model.variables[-1])


def variable(name: str, value: object, **options: object) -> tf.Variable:
    return tf.compat.v1.get_variable(name, initializer=value, use_resource=False, **options)


def test_a_seeded_value_is_the_first_of_its_numbers(tmp_path: Path) -> None:
    model, found = made(tmp_path, lambda: variable("v", tf.random.normal((3,), seed=5)))
    for _ in range(2):
        np.testing.assert_array_equal(initial(model), found["v"])


def test_an_unseeded_value_is_not_known(tmp_path: Path) -> None:
    model, _ = made(tmp_path, lambda: variable("v", tf.random.normal((3,))))
    assert initial(model) is None


def exported(path: Path, make: Callable[[], tf.Variable], *, collections: bool) -> Variable:
    """The variable `v` of a graph that is written to `path` without ever being run."""
    with tf.Graph().as_default():
        make()
        meta = tf.compat.v1.train.export_meta_graph()
    if not collections:
        meta.collection_def.clear()
    path.write_bytes(meta.SerializeToString())
    (node,) = [node for node in meta.graph_def.node if node.name == "v"]
    return as_variable(node, key="v")


def test_a_value_that_is_fed_is_not_known(tmp_path: Path) -> None:
    def make() -> tf.Variable:
        return variable("v", tf.compat.v1.placeholder(tf.float32, (3,)) * 2)

    v = exported(tmp_path / "m.meta", make, collections=True)
    assert InitialValues(tmp_path / "m.meta").value(v) is None


@pytest.mark.parametrize("collections", [True, False])
def test_the_initialiser_is_known_by_collection_or_name(tmp_path: Path, collections: bool) -> None:
    v = exported(tmp_path / "m.meta", lambda: variable("v", tf.ones((3,))), collections=collections)
    np.testing.assert_array_equal(InitialValues(tmp_path / "m.meta").value(v), np.ones(3))


def test_a_collection_goes_before_the_name(tmp_path: Path) -> None:
    def make() -> tf.Variable:
        made = variable("v", tf.ones((3,)))
        tf.compat.v1.assign(made, tf.zeros((3,)), name="first")
        return made

    v = exported(tmp_path / "m.meta", make, collections=True)
    meta = read_meta_graph(tmp_path / "m.meta")
    definition = variable_pb2.VariableDef.FromString(
        meta.collection_def["variables"].bytes_list.value[0]
    )
    definition.initializer_name = "first"
    meta.collection_def["variables"].bytes_list.value[0] = definition.SerializeToString()
    (tmp_path / "m.meta").write_bytes(meta.SerializeToString())
    np.testing.assert_array_equal(InitialValues(tmp_path / "m.meta").value(v), np.zeros(3))


def test_a_value_from_outside_the_graph_is_not_computed(tmp_path: Path) -> None:
    def make() -> tf.Variable:
        read = tf.compat.v1.py_func(lambda: np.ones(3, np.float32), [], tf.float32)
        read.set_shape((3,))
        return variable("v", read)

    model, _ = made(tmp_path, make)
    assert initial(model) is None


# A branch of the second version would read a reference variable before it is initialised.
@pytest.mark.parametrize(("use_resource", "version"), [(False, 1), (True, 1), (True, 2)])
def test_a_value_made_of_another_variables_is_known(
    tmp_path: Path, use_resource: bool, version: int
) -> None:
    def make() -> tf.Variable:
        other = tf.compat.v1.get_variable(
            "other", initializer=tf.random.normal((3,), seed=2), use_resource=use_resource
        )
        # As a moving average begins: with the variable's value, be it initialised or not yet.
        value = tf.compat.v1.cond(
            tf.compat.v1.is_variable_initialized(other),
            other.read_value,
            lambda: other.initial_value,
        )
        return tf.compat.v1.get_variable("v", initializer=value * 2, use_resource=use_resource)

    with control_flow(version):
        model, found = made(tmp_path, make)
    np.testing.assert_array_equal(initial(model), found["v"])
    assert found["v"].any()


def test_of_a_damaged_or_another_graph_nothing_is_known(built: Built, tmp_path: Path) -> None:
    model = open_checkpoint_model(built("small_cnn-ref"))
    damaged = tmp_path / "m.meta"
    damaged.write_bytes(b"nothing")
    for path in (damaged, Path(f"{built('softmax_regression-ref')}.meta")):
        assert InitialValues(path).value(model.variables[0]) is None
