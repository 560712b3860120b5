"""Batch normalisation as in training is told from what is right in inference."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow as tf

from fixtures.control_flow import control_flow
from harness.graph.batch_norm import training_batch_norms
from harness.graph.branches import Branches
from harness.graph.reading.flat import FlatGraph
from harness.models.model import Model

Extracted = Callable[..., Model]
Find = Callable[..., tuple[str, ...]]

PICTURES = (None, 4, 4, 3)


@pytest.fixture
def find(extracted: Extracted) -> Find:
    """A function that builds `y` -> the nodes that normalise by the batch."""

    def found(build: Callable[[], tf.Tensor], *inputs: str) -> tuple[str, ...]:
        with tf.Graph().as_default() as graph:
            tf.identity(build(), name="y")
        model = extracted(graph.as_graph_def(), ("y",), inputs)
        flat = FlatGraph(model.graph_def, model.signature)
        return training_batch_norms(flat, Branches(flat), ("y",))

    return found


def pictures(shape: tuple[int | None, ...] = PICTURES) -> tf.Tensor:
    """A convolution of `x`."""
    x = tf.compat.v1.placeholder(tf.float32, shape, name="x")
    kernel = tf.compat.v1.get_variable("kernel", (1, 1, 3, 3))
    return tf.nn.conv2d(x, kernel, 1, "SAME")


def fused(x: tf.Tensor, *, training: bool, **options: object) -> tf.Tensor:
    ones, zeros = tf.ones(3), tf.zeros(3)
    return tf.compat.v1.nn.fused_batch_norm(
        x, ones, zeros, zeros, ones, is_training=training, name="fused", **options
    )[0]


def written_out(x: tf.Tensor, axes: list[int]) -> tf.Tensor:
    mean, variance = tf.nn.moments(x, axes, keepdims=True, name="moments")
    return tf.nn.batch_normalization(x, mean, variance, None, None, 1e-3)


def test_the_fused_op_in_training_is_found(find: Find) -> None:
    assert find(lambda: fused(pictures(), training=True)) == ("fused",)


def test_the_fused_op_in_inference_is_not(find: Find) -> None:
    assert find(lambda: fused(pictures(), training=False)) == ()


def test_an_attribute_that_is_left_out_means_training(extracted: Extracted) -> None:
    with tf.Graph().as_default() as graph:
        tf.identity(fused(pictures(), training=True), name="y")
    graph_def = graph.as_graph_def()
    for node in graph_def.node:
        if node.name == "fused":
            del node.attr["is_training"]
    model = extracted(graph_def, ("y",))
    flat = FlatGraph(model.graph_def, model.signature)
    assert training_batch_norms(flat, Branches(flat), ("y",)) == ("fused",)


def test_one_of_a_function_is_found(find: Find) -> None:
    def build() -> tf.Tensor:
        return tf.function(lambda x: fused(x, training=True), autograph=False)(pictures())

    (name,) = find(build)
    assert name.endswith("/fused")


@pytest.mark.parametrize("axes", [[0, 1, 2], [0], [-4, -3, -2]], ids=str)
def test_moments_over_the_batch_are_found(find: Find, axes: list[int]) -> None:
    assert find(lambda: written_out(pictures(), axes)) == ("moments/mean",)


@pytest.mark.parametrize("axes", [[1, 2], [3], [-1], [1, 2, 3]], ids=str)
def test_moments_of_each_example_are_not(find: Find, axes: list[int]) -> None:
    assert find(lambda: written_out(pictures(), axes)) == ()


def test_moments_by_hand_are_found(find: Find) -> None:
    def build() -> tf.Tensor:
        x = pictures()
        centred = x - tf.reduce_mean(x, 0, name="mean")
        return centred / tf.sqrt(tf.reduce_mean(tf.square(centred), 0) + 1e-3)

    assert find(build) == ("mean",)


def test_a_mean_over_the_batch_alone_is_no_normalisation(find: Find) -> None:
    def build() -> tf.Tensor:
        x = pictures()
        return tf.math.squared_difference(x, tf.reduce_mean(x, 0))

    assert find(build) == ()


def test_a_mean_of_something_else_is_no_normalisation(find: Find) -> None:
    def build() -> tf.Tensor:
        x = pictures()
        other = tf.nn.relu(x)
        spread = tf.reduce_mean(tf.math.squared_difference(other, tf.reduce_mean(x, 0)), 0)
        return other * tf.math.rsqrt(spread + 1e-3)

    assert find(build) == ()


def test_data_as_it_was_fed_may_be_normalised_over_time(find: Find) -> None:
    def build() -> tf.Tensor:
        frames = tf.compat.v1.placeholder(tf.float32, (None, 3), name="x")
        return tf.matmul(written_out(frames, [0]), tf.compat.v1.get_variable("w", (3, 2)))

    assert find(build) == ()


def test_a_first_axis_that_is_no_batch_is_not_meant(find: Find) -> None:
    """Pictures of one example after the other: rows of all of them."""

    def build() -> tf.Tensor:
        return written_out(tf.reshape(pictures((2, 4, 4, 3)), (8, 12)), [0])

    assert find(build) == ()


def test_a_batch_that_is_baked_in_is_one(find: Find) -> None:
    assert find(lambda: written_out(pictures((2, 4, 4, 3)), [0])) == ("moments/mean",)


def test_layer_normalisation_by_the_fused_op_is_none(find: Find) -> None:
    """As Keras does it: every example is a channel of a batch of one."""

    def build() -> tf.Tensor:
        x = tf.reshape(pictures(), (-1, 48))
        rows = tf.shape(x)[0]
        laid = tf.reshape(x, (1, rows, 48, 1))
        ones, zeros = tf.ones((rows,)), tf.zeros((rows,))
        normal, _, _ = tf.compat.v1.nn.fused_batch_norm(laid, ones, zeros, data_format="NCHW")
        return tf.reshape(normal, (rows, 48))

    assert find(build) == ()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("kind", ["fused", "written out"])
def test_what_a_flag_chooses_is_right(find: Find, version: int, kind: str) -> None:
    def build() -> tf.Tensor:
        flag = tf.compat.v1.placeholder(tf.bool, (), name="is_training")
        return chosen(flag, kind)

    with control_flow(version):
        assert find(build) == ()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("kind", ["fused", "written out"])
@pytest.mark.parametrize("training", [False, True])
def test_a_flag_that_the_graph_itself_sets_chooses_once(
    find: Find, version: int, kind: str, training: bool
) -> None:
    def build() -> tf.Tensor:
        return chosen(tf.compat.v1.placeholder_with_default(training, (), name="flag"), kind)

    with control_flow(version):
        assert bool(find(build, "x")) is training


@pytest.mark.parametrize("version", [1, 2])
def test_statistics_that_a_flag_chooses_are_right(find: Find, version: int) -> None:
    """The moments are computed always, and taken in training alone."""

    def build() -> tf.Tensor:
        x = pictures()
        flag = tf.compat.v1.placeholder(tf.bool, (), name="is_training")
        mean, variance = tf.nn.moments(x, [0, 1, 2])
        mean, variance = tf.cond(flag, lambda: (mean, variance), lambda: (mean * 0, mean * 0 + 1))
        return tf.nn.batch_normalization(x, mean, variance, None, None, 1e-3)

    with control_flow(version):
        assert find(build) == ()


def test_a_flag_may_choose_among_results(find: Find) -> None:
    def build() -> tf.Tensor:
        flag = tf.compat.v1.placeholder(tf.bool, (), name="is_training")
        x = pictures()
        return tf.where(flag, fused(x, training=True), x)

    assert find(build) == ()


def test_a_branch_behind_another_is_chosen_too(find: Find) -> None:
    """What follows the inner Merge is still in the outer branch."""

    def build() -> tf.Tensor:
        outer = tf.compat.v1.placeholder(tf.bool, (), name="outer")
        inner = tf.compat.v1.placeholder(tf.bool, (), name="inner")
        x = pictures()

        def branch() -> tf.Tensor:
            return fused(tf.cond(inner, lambda: x * 2.0, lambda: x), training=True)

        return tf.cond(outer, branch, lambda: x)

    with control_flow(1):
        assert find(build) == ()


def test_a_branch_in_a_dead_one_is_dead(find: Find) -> None:
    def build() -> tf.Tensor:
        outer = tf.compat.v1.placeholder_with_default(False, (), name="outer")
        inner = tf.compat.v1.placeholder(tf.bool, (), name="inner")
        x = pictures()

        def branch() -> tf.Tensor:
            return fused(tf.cond(inner, lambda: x * 2.0, lambda: x * 3.0), training=True)

        return tf.cond(outer, branch, lambda: x)

    with control_flow(1):
        assert find(build, "x", "inner") == ()


@pytest.mark.parametrize("training", [False, True])
def test_a_flag_may_be_turned(find: Find, training: bool) -> None:
    def build() -> tf.Tensor:
        infers = tf.compat.v1.placeholder_with_default(not training, (), name="infers")
        return chosen(tf.logical_not(infers), "fused")

    with control_flow(1):
        assert bool(find(build, "x")) is training


def test_what_follows_a_branch_is_needed_always(find: Find) -> None:
    def build() -> tf.Tensor:
        flag = tf.compat.v1.placeholder(tf.bool, (), name="flag")
        x = pictures()
        return fused(tf.cond(flag, lambda: x * 2.0, lambda: x), training=True)

    for version in (1, 2):
        with control_flow(version):
            assert find(build) == ("fused",)


def chosen(flag: tf.Tensor, kind: str) -> tf.Tensor:
    """Batch normalisation as in training where `flag` is True."""
    x = pictures()

    def in_training() -> tf.Tensor:
        return fused(x, training=True) if kind == "fused" else written_out(x, [0, 1, 2])

    return tf.cond(flag, in_training, lambda: fused(x, training=False))
