"""From which sources a change must come through to the outputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from fixtures.control_flow import control_flow
from harness.graph.branches import Branches
from harness.graph.connections import connections
from harness.graph.reading.flat import FlatGraph
from harness.graph.restoring import CheckpointEntry
from harness.graph.state import VARIABLE_OPS
from harness.models.assemble import Named, assemble

Connected = Callable[..., set[str]]


def connected(build: Callable[[], Any], *outputs: str, phase: bool | None = None) -> set[str]:
    """The inputs and variables that must show in the outputs; `phase` is how that one is fed."""
    with tf.Graph().as_default() as graph:
        tf.identity(build(), name="y")
    graph_def = graph.as_graph_def()
    variables = [node.name for node in graph_def.node if node.op in VARIABLE_OPS]
    model = assemble(
        graph_def,
        path=Path("a_test"),
        kind="checkpoint",
        named=Named(outputs=outputs or ("y",)),
        entries={name: CheckpointEntry(key=name) for name in variables},
        checkpoint_prefix="a_test",
    )
    flat = FlatGraph(model.graph_def, model.signature)
    phases = {} if phase is None else {"phase": phase}
    found = connections(
        flat,
        Branches(flat, phases),
        model.signature.output_names,
        variables=model.variables,
        phases=phases,
    )
    return set(found.inputs | found.variables)


def fed(name: str = "x", dtype: Any = tf.float32, shape: Any = (None, 3)) -> tf.Tensor:
    return tf.compat.v1.placeholder(dtype, shape, name=name)


def variable(name: str = "w", shape: Any = (3, 3), *, resource: bool = True) -> tf.Tensor:
    made = tf.compat.v1.get_variable(name, shape, use_resource=resource)
    return tf.identity(made)


@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
def test_what_is_computed_with_shows(resource: bool) -> None:
    found = connected(lambda: tf.tanh(tf.matmul(fed(), variable(resource=resource))))
    assert found == {"x", "w"}


def test_what_is_computed_with_in_a_function_shows() -> None:
    def build() -> tf.Tensor:
        w = tf.compat.v1.get_variable("w", (3, 3), use_resource=True)
        return tf.function(lambda x: tf.matmul(x, w), autograph=False)(fed())

    assert connected(build) == {"x", "w"}


def test_each_output_of_a_function_has_its_own() -> None:
    def build() -> tf.Tensor:
        one, other = variable("one"), variable("other")
        call = tf.function(lambda a, b: (a * 2.0, b * 2.0), autograph=False)
        return call(one, other)[1] + fed()

    assert connected(build) == {"x", "other"}


@pytest.mark.parametrize(
    "hide",
    [
        lambda w: tf.cast(tf.shape(w)[0], tf.float32),
        tf.zeros_like,
        lambda w: tf.cast(w > 0.0, tf.float32),
        lambda w: tf.cast(tf.argmax(w, 1), tf.float32),
        lambda w: tf.cast(tf.cast(w, tf.int32), tf.float32),
        tf.floor,
        lambda w: tf.where(w > 0.0, 1.0, 2.0),
        lambda w: tf.cast(tf.math.top_k(w, 1).indices, tf.float32),
        lambda w: w * 0.0,
        lambda w: tf.matmul(tf.zeros((3, 3)), w),
        lambda w: tf.matmul(tf.fill([tf.shape(w)[0], 3], 0.0), w),
        lambda w: tf.reshape(tf.range(3.0), tf.cast(tf.stack([w[0, 0], 1.0]), tf.int32)),
        lambda w: tf.random.normal(tf.cast(w[0], tf.int32)),
    ],
)  # fmt: skip
def test_what_is_hidden_need_not_show(hide: Callable[[tf.Tensor], tf.Tensor]) -> None:
    assert connected(lambda: hide(variable()) + tf.reduce_sum(fed())) == {"x"}


@pytest.mark.parametrize(
    "made",
    [
        tf.random.normal,
        lambda size: tf.reshape(tf.constant([1.0, 2.0]), size),
        lambda size: tf.fill(size, 1.0),
        lambda size: tf.slice(tf.ones((3, 3)), size, [1, 1]),
    ],
)
def test_a_size_need_not_show(made: Callable[[tf.Tensor], tf.Tensor]) -> None:
    def build() -> tf.Tensor:
        size = tf.compat.v1.get_variable("size", initializer=[1, 2], use_resource=True)
        return fed() + tf.reduce_sum(made(tf.identity(size)))

    assert connected(build) == {"x"}


@pytest.mark.parametrize(
    "keep",
    [
        lambda w: tf.math.top_k(w, 1).values,
        lambda w: w * 2.0,
        lambda w: tf.clip_by_value(w, -1.0, 1.0),
        lambda w: tf.gather(w, [0, 1]),
        lambda w: tf.cast(tf.cast(w, tf.float16), tf.float32),
        lambda w: tf.reshape(w, [-1]),
    ],
)
def test_what_comes_through_must(keep: Callable[[tf.Tensor], tf.Tensor]) -> None:
    assert connected(lambda: tf.reduce_sum(keep(variable())) + fed()) == {"x", "w"}


def test_an_input_that_is_clipped_may_lie_outside() -> None:
    assert connected(lambda: tf.clip_by_value(fed(), 0.0, 1.0) + variable()) == {"w"}


def test_behind_a_weight_a_limit_is_an_activation() -> None:
    assert connected(lambda: tf.minimum(tf.matmul(fed(), variable()), 6.0)) == {"x", "w"}


@pytest.mark.parametrize("version", [1, 2])
def test_what_a_flag_chooses_need_not_show(version: int) -> None:
    with control_flow(version):
        assert connected(branched) == {"always"}


@pytest.mark.parametrize("version", [1, 2])
def test_a_flag_of_training_is_as_it_is_fed(version: int) -> None:
    with control_flow(version):
        assert connected(branched, phase=False) == {"always", "x", "when_false"}


def branched() -> tf.Tensor:
    flag, x = fed("phase", tf.bool, ()), fed()
    one, other = variable("when_true"), variable("when_false")
    return tf.cond(flag, lambda: x @ one, lambda: x @ other) + variable("always", (3,))


def test_what_is_multiplied_with_a_flag_of_training_need_not_show() -> None:
    def build() -> tf.Tensor:
        return fed() + fed("noise") * tf.cast(fed("phase", tf.bool, ()), tf.float32)

    assert connected(build, phase=False) == {"x"}


@pytest.mark.parametrize("version", [1, 2])
def test_the_state_of_a_loop_that_begins_with_zeros_may_stay_so(version: int) -> None:
    """A sequence of one step never multiplies it by anything else."""

    def build() -> tf.Tensor:
        x, kernel, state = fed(), variable("kernel"), variable("recurrent")
        zeros = tf.zeros((tf.shape(x)[0], 3))
        _, last = tf.while_loop(
            lambda i, _: i < tf.shape(x)[1],
            lambda i, h: (i + 1, tf.tanh(x @ kernel + h @ state)),
            (0, zeros),
            shape_invariants=(tf.TensorShape(()), tf.TensorShape((None, 3))),
        )
        return last

    with control_flow(version):
        assert connected(build) == {"x", "kernel"}


def test_moving_averages_are_not_read_in_training() -> None:
    def build() -> tf.Tensor:
        x = fed(shape=(None, 2, 2, 3))
        gamma, mean = variable("gamma", (3,)), variable("mean", (3,))
        return tf.raw_ops.FusedBatchNormV3(
            x=x, scale=gamma, offset=gamma, mean=mean, variance=mean, is_training=True
        ).y

    assert connected(build) == {"x", "gamma"}
