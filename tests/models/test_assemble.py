"""From a whole graph to the model between inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from harness.errors import RequestError
from harness.models.frozen import open_frozen


def written(path: Path, build: Callable[[], object]) -> Path:
    with tf.Graph().as_default() as graph:
        build()
        path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def placeholder(name: str) -> tf.Tensor:
    return tf.compat.v1.placeholder(tf.float32, (2,), name=name)


def test_a_placeholder_that_is_not_among_the_inputs_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "g.pb", lambda: tf.add(placeholder("a"), placeholder("b"), name="y"))
    with pytest.raises(RequestError, match=r"--inputs a: the outputs also need b, a placeholder"):
        open_frozen(path, inputs=("a",), outputs=("y",))


def test_what_was_cut_at_two_outputs_of_a_node_can_be_cut_there_again(tmp_path: Path) -> None:
    """As a candidate is, which a method wrote from the graph that was cut."""

    def build() -> None:
        one, other = tf.split(placeholder("x"), 2, name="parts")
        tf.add(one, other, name="y")

    cut = open_frozen(
        written(tmp_path / "g.pb", build), inputs=("parts", "parts:1"), outputs=("y",)
    )
    again = tmp_path / "cut.pb"
    again.write_bytes(cut.graph_def.SerializeToString())
    model = open_frozen(again, inputs=("parts", "parts:1"), outputs=("y",))
    assert model.signature == cut.signature


def test_an_input_in_mid_graph_has_the_shape_that_it_has_there(tmp_path: Path) -> None:
    def build() -> None:
        hidden = tf.reshape(placeholder("x"), (-1, 1), name="hidden")
        tf.square(hidden, name="y")

    model = open_frozen(written(tmp_path / "g.pb", build), inputs=("hidden",), outputs=("y",))
    assert str(model.signature.inputs[0]) == "hidden float32 [2, 1]"
    assert model.cuts == ("hidden",)


def test_a_placeholder_is_no_cut(tmp_path: Path) -> None:
    path = written(tmp_path / "g.pb", lambda: tf.square(placeholder("x"), name="y"))
    assert open_frozen(path).cuts == ()


def test_an_unknown_rank_is_narrowed(tmp_path: Path) -> None:
    def build() -> None:
        x = tf.compat.v1.placeholder(tf.float32, name="x")
        tf.transpose(x, (1, 0), name="y")

    model = open_frozen(written(tmp_path / "g.pb", build))
    assert str(model.signature.inputs[0]) == "x float32 [?, ?]"


def queue_in_mid_model() -> None:
    """`x` -> a weight -> a queue -> `prediction`: the queue's dequeue does not depend on `w`."""
    queue = tf.queue.FIFOQueue(8, [tf.float32], [(2,)])
    w = tf.compat.v1.get_variable("w", (2,), use_resource=False)
    filled = queue.enqueue(placeholder("x") * w)
    with tf.control_dependencies([filled]):
        tf.square(queue.dequeue(name="dequeued"), name="prediction")


def test_variables_before_a_pipeline_that_was_cut_are_named(tmp_path: Path) -> None:
    model = open_frozen(written(tmp_path / "g.pb", queue_in_mid_model), outputs=("prediction",))
    assert model.cuts == ("dequeued",)
    assert model.cut_off == ("w",)


def test_variables_before_a_cut_that_was_named_are_the_users_choice(tmp_path: Path) -> None:
    path = written(tmp_path / "g.pb", queue_in_mid_model)
    assert open_frozen(path, inputs=("dequeued",), outputs=("prediction",)).cut_off == ()
