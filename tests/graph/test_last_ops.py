"""What outputs end in, and which of them hide the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from harness.graph.last_ops import LastOp, decisions, remedy, saturable
from harness.graph.reading.flat import FlatGraph
from harness.models.model import Model

Extracted = Callable[..., Model]
Flatten = Callable[..., FlatGraph]


@pytest.fixture
def flatten(extracted: Extracted) -> Flatten:
    """A function that names its outputs, and their names -> the graph laid flat."""

    def flat_graph(build: Callable[[], Any], *outputs: str) -> FlatGraph:
        with tf.Graph().as_default() as graph:
            build()
        model = extracted(graph.as_graph_def(), outputs)
        return FlatGraph(model.graph_def, model.signature)

    return flat_graph


def scores(name: str = "scores") -> tf.Tensor:
    x = tf.compat.v1.placeholder(tf.float32, (None, 4), name=f"x_of_{name}")
    return tf.matmul(x, tf.compat.v1.get_variable(f"w_of_{name}", (4, 3)), name=name)


def ends(flat: FlatGraph, *outputs: str) -> list[tuple[str, str]]:
    return [(end.output, end.before) for end in decisions(flat, outputs)]


@pytest.mark.parametrize(
    ("decide", "before"),
    [
        (lambda t: tf.argmax(t, 1, name="c"), "scores"),
        (lambda t: tf.argmin(t, 1, name="c"), "scores"),
        (lambda t: tf.argmax(tf.nn.softmax(t, name="p"), 1, name="c"), "p"),
        (lambda t: tf.greater(t, 0.5, name="c"), "scores"),
        (lambda t: tf.less(0.5, t, name="c"), "scores"),
        (lambda t: tf.round(tf.sigmoid(t, name="p"), name="c"), "p"),
        (lambda t: tf.identity(tf.math.top_k(t, 2).indices, name="c"), "scores"),
        (lambda t: tf.cast(tf.argmax(t, 1), tf.int32, name="c"), "scores"),
        (lambda t: tf.expand_dims(tf.argmax(t, 1), 1, name="c"), "scores"),
        (lambda t: tf.gather(tf.constant(["a", "b", "c"]), tf.argmax(t, 1), name="c"), "scores"),
        (lambda t: tf.one_hot(tf.argmax(t, 1), 3, name="c"), "scores"),
        (lambda t: tf.where(t > 0.0, 1.0, -1.0, name="c"), "scores"),
        (lambda t: tf.stack([tf.argmax(t, 1), tf.argmin(t, 1)], name="c"), "scores"),
    ],
)  # fmt: skip
def test_a_decision_is_found_with_what_it_is_taken_of(
    flatten: Flatten, decide: Callable[[tf.Tensor], tf.Tensor], before: str
) -> None:
    flat = flatten(lambda: decide(scores()), "c")
    assert ends(flat, "c") == [("c", before)]


@pytest.mark.parametrize(
    "compute",
    [
        lambda t: tf.nn.softmax(t, name="c"),
        lambda t: tf.reduce_max(t, 1, name="c"),
        lambda t: tf.math.top_k(t, 2, name="c").values,
        lambda t: tf.round(tf.clip_by_value(t, 0.0, 255.0), name="c"),  # a picture
        lambda t: tf.stack([tf.reduce_max(t, 1), tf.cast(tf.argmax(t, 1), tf.float32)], name="c"),
        lambda t: tf.add(tf.cast(tf.argmax(t, 1), tf.float32), 0.5, name="c"),
        lambda t: tf.gather(t, tf.argmax(t, 1), name="c"),
    ],
)
def test_a_number_is_no_decision(
    flatten: Flatten, compute: Callable[[tf.Tensor], tf.Tensor]
) -> None:
    flat = flatten(lambda: compute(scores()), "c")
    assert ends(flat, "c") == []


def test_a_decision_of_a_function_is_found(flatten: Flatten) -> None:
    def build() -> None:
        tf.function(lambda t: tf.argmax(t, 1), autograph=False)(scores())

    flat = flatten(build, "PartitionedCall")
    ((output, before),) = ends(flat, "PartitionedCall")
    assert (output, before) == ("PartitionedCall", "scores")


@pytest.mark.parametrize(
    "other",
    [
        lambda t: tf.identity(t, name="o"),
        lambda t: tf.nn.softmax(t, name="o"),
        lambda t: tf.reduce_max(t, 1, name="o"),
        lambda t: tf.nn.softmax(t / 2.0, name="o"),
    ],
)
def test_scores_that_are_shown_otherwise_hide_nothing(
    flatten: Flatten, other: Callable[[tf.Tensor], tf.Tensor]
) -> None:
    def build() -> None:
        t = scores()
        tf.argmax(tf.nn.softmax(t), 1, name="c")
        other(t)

    assert ends(flatten(build, "c", "o"), "c", "o") == []


def test_values_beside_the_indices_show_the_scores(flatten: Flatten) -> None:
    flat = flatten(lambda: tf.math.top_k(scores(), 2, name="top"), "top", "top:1")
    assert ends(flat, "top", "top:1") == []


def test_the_scores_of_another_head_show_nothing(flatten: Flatten) -> None:
    def build() -> None:
        tf.argmax(scores("one"), 1, name="c")
        tf.nn.softmax(scores("other"), name="o")

    assert ends(flatten(build, "c", "o"), "c", "o") == [("c", "one")]


def test_a_decision_shows_nothing_of_another(flatten: Flatten) -> None:
    def build() -> None:
        t = scores()
        tf.argmax(t, 1, name="c")
        tf.greater(t, 0.0, name="o")

    assert ends(flatten(build, "c", "o"), "c", "o") == [("c", "scores"), ("o", "scores")]


def test_a_number_that_is_made_of_a_decision_shows_nothing(flatten: Flatten) -> None:
    def build() -> None:
        c = tf.argmax(scores(), 1, name="c")
        tf.add(tf.cast(c, tf.float32), 0.5, name="o")

    assert ends(flatten(build, "c", "o"), "c", "o") == [("c", "scores")]


def test_a_decision_without_weights_hides_none(flatten: Flatten) -> None:
    def build() -> None:
        tf.argmax(tf.compat.v1.placeholder(tf.float32, (None, 3)) * 2.0, 1, name="c")

    flat = flatten(build, "c")
    assert ends(flat, "c") == []


def test_a_decision_by_weights_that_are_frozen_is_found(flatten: Flatten) -> None:
    def build() -> None:
        x = tf.compat.v1.placeholder(tf.float32, (None, 4))
        tf.argmax(tf.matmul(x, tf.ones((4, 8)), name="scores"), 1, name="c")

    assert ends(flatten(build, "c"), "c") == [("c", "scores")]


def test_the_remedy_names_a_tensor_that_can_be_named(extracted: Extracted) -> None:
    with tf.Graph().as_default() as graph:
        tf.argmax(scores(), 1, name="c")
    model = extracted(graph.as_graph_def(), ("c",))

    def said(before: str) -> str:
        end = LastOp(output="c", node="c", op="ArgMax", before=before)
        return remedy(end, model.graph_def, model.signature)

    assert said("scores") == "verify --outputs=c,scores"
    assert said("call/scores") == "let the model give what comes before it too"


@pytest.mark.parametrize(
    ("bound", "levels"),
    [
        (lambda t: tf.nn.softmax(t, name="c"), {0.0, 1.0}),
        (lambda t: tf.sigmoid(t, name="c"), {0.0, 1.0}),
        (lambda t: tf.tanh(t, name="c"), {-1.0, 1.0}),
        (lambda t: tf.nn.relu6(t, name="c"), {0.0, 6.0}),
        (lambda t: tf.raw_ops.ClipByValue(t=t, clip_value_min=-2.0, clip_value_max=3.0, name="c"),
         {-2.0, 3.0}),
        (lambda t: tf.minimum(3.0, tf.maximum(t, -2.0), name="c"), {-2.0, 3.0}),
        (lambda t: tf.maximum(tf.minimum(t, 3.0), -2.0, name="c"), {-2.0, 3.0}),
        (lambda t: tf.reshape(tf.sigmoid(t), [-1], name="c"), {0.0, 1.0}),
        (lambda t: tf.concat([tf.sigmoid(t), tf.nn.softmax(t)], 0, name="c"), {0.0, 1.0}),
    ],
)  # fmt: skip
def test_an_output_that_can_be_saturated_is_found(
    flatten: Flatten, bound: Callable[[tf.Tensor], tf.Tensor], levels: set[float]
) -> None:
    end = saturable(flatten(lambda: bound(scores()), "c"), "c")
    assert end is not None
    assert set(end.levels) == levels
    assert end.before == "scores"


@pytest.mark.parametrize(
    "bound",
    [
        lambda t: tf.identity(t, name="c"),
        lambda t: tf.nn.relu(t, name="c"),
        lambda t: tf.maximum(t, 0.0, name="c"),
        lambda t: tf.minimum(t, tf.maximum(t, 0.0), name="c"),
        lambda t: tf.minimum(tf.minimum(t, 3.0), 5.0, name="c"),
        lambda t: tf.multiply(tf.sigmoid(t), 2.0, name="c"),
        lambda t: tf.concat([tf.sigmoid(t), t], 0, name="c"),
        lambda t: tf.concat([tf.sigmoid(t), tf.tanh(t)], 0, name="c"),
    ],
)
def test_one_that_cannot_be_is_not(
    flatten: Flatten, bound: Callable[[tf.Tensor], tf.Tensor]
) -> None:
    assert saturable(flatten(lambda: bound(scores()), "c"), "c") is None
