from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from harness.errors import RequestError
from harness.evaluation.opening import Interface, open_interface, open_reference

Freeze = Callable[..., Path]

Write = Callable[[Callable[[], None]], Path]


def opened(path: Path, input_name: str = "", output_name: str = "") -> Interface:
    return open_interface(path, input_name=input_name, output_name=output_name)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the graph that a function builds as a .pb."""

    def write(build: Callable[[], None]) -> Path:
        with tf.Graph().as_default() as graph:
            build()
        path = tmp_path / "frozen.pb"
        path.write_bytes(graph.as_graph_def().SerializeToString())
        return path

    return write


def image(shape: tuple[int | None, ...] = (None, 2, 2, 3)) -> tf.Tensor:
    return tf.compat.v1.placeholder(tf.float32, shape, name="image")


def weighted(name: str, tensor: tf.Tensor) -> None:
    flat = tf.reshape(tensor, (-1, 12))
    tf.matmul(flat, tf.constant(np.ones((12, 3), np.float32)), name=name)


def test_what_is_named_is_taken(freeze: Freeze) -> None:
    found = opened(freeze(), "image:0", "scores")
    assert (found.input.name, found.output.name, found.told) == ("image", "scores", ())


def test_what_is_inferred_is_told(write: Write) -> None:
    found = opened(write(lambda: weighted("scores", image())))
    assert (found.input.name, found.output.name) == ("image", "scores")
    assert found.told == ("output inferred: scores", "input inferred: image")


def test_of_several_outputs_classes_are_taken(write: Write) -> None:
    def build() -> None:
        flat = tf.reshape(image(), (-1, 12))
        logits = tf.matmul(flat, tf.constant(np.ones((12, 3), np.float32)))
        tf.nn.softmax(logits, name="probabilities")
        tf.argmax(logits, axis=1, name="classes")

    found = opened(write(build))
    assert found.output.name == "classes"
    assert found.told[0] == "output taken: classes (there are probabilities too)"


def test_of_several_outputs_without_classes_none_is_taken(write: Write) -> None:
    def build() -> None:
        pictures = image()
        weighted("probabilities", pictures)
        weighted("logits", pictures)

    with pytest.raises(RequestError) as caught:
        opened(write(build))
    message = str(caught.value)
    assert "\n  --output=probabilities   " in message
    assert "\n  --output=logits   " in message
    assert "--outputs" not in message


def test_outputs_that_cannot_be_told_are_listed_to_be_copied(write: Write) -> None:
    def build() -> None:
        pictures = image()
        weighted("first", pictures)
        weighted("second", pictures)

    with pytest.raises(RequestError, match=r"cannot be told[^\n]*\n  --output=first"):
        opened(write(build))


def test_a_flag_of_training_is_fed_as_for_inference(write: Write) -> None:
    def build() -> None:
        keep_prob = tf.compat.v1.placeholder(tf.float32, (), name="keep_prob")
        weighted("scores", tf.compat.v1.nn.dropout(image(), keep_prob=keep_prob))

    for input_name in ("image", ""):
        found = opened(write(build), input_name, "scores")
        assert found.input.name == "image"
        assert found.phases == {"keep_prob": 1.0}
        assert "keep_prob is fed 1, as for inference" in found.told


def test_another_input_of_which_nothing_is_known_is_named(write: Write) -> None:
    def build() -> None:
        scale = tf.compat.v1.placeholder(tf.float32, (None, 1), name="scale")
        weighted("scores", image() * tf.reshape(scale, (-1, 1, 1, 1)))

    path = write(build)
    with pytest.raises(RequestError, match="--output scores also needs scale, of which nothing"):
        opened(path, "image", "scores")
    with pytest.raises(RequestError, match=r"--output scores needs the inputs scale, image, and"):
        opened(path, "", "scores")


def test_the_graph_is_cut_at_an_input_inside_it(write: Write) -> None:
    found = opened(write(lambda: weighted("scores", tf.identity(image(), "inner"))), "inner")
    assert found.input.name == "inner"
    assert found.output.name == "scores"


def test_a_name_that_is_none_is_told_with_the_option_of_this_command(freeze: Freeze) -> None:
    with pytest.raises(RequestError, match=r"--input imag.*nearest: image") as caught:
        opened(freeze(), "imag", "classes")
    assert "--inputs" not in str(caught.value)
    with pytest.raises(RequestError, match=r"--output clases.*nearest: classes"):
        opened(freeze(), "image", "clases")


def test_an_output_without_input_is_refused(write: Write) -> None:
    def build() -> None:
        image()
        tf.constant([1, 2], name="classes")

    with pytest.raises(RequestError, match="--output classes depends on no input"):
        opened(write(build), "", "classes")


def test_a_reference_of_another_dtype_is_refused(freeze: Freeze) -> None:
    interface = opened(freeze(), "image", "classes")
    other = freeze(dtype=tf.float32, name="other.pb")
    with pytest.raises(RequestError, match=r"its image is float32, and that .* uint8"):
        open_reference(other, interface, meta_graph=None, moving_averages=False)


def test_a_reference_of_another_shape_is_told(freeze: Freeze) -> None:
    interface = opened(freeze(shape=(1, 4, 4, 3)), "image", "classes")
    other = freeze(name="other.pb")
    _, told = open_reference(other, interface, meta_graph=None, moving_averages=False)
    assert told[0] == (
        "in the checkpoint it is image uint8 [?, ?, ?, 3], in the frozen graph image uint8 "
        "[1, 4, 4, 3]"
    )


def test_a_reference_without_the_output_is_refused(freeze: Freeze, write: Write) -> None:
    interface = opened(freeze(name="one.pb"), "image", "classes")
    other = write(lambda: weighted("scores", image()))
    with pytest.raises(RequestError, match=f"--checkpoint {other}: .*classes"):
        open_reference(other, interface, meta_graph=None, moving_averages=False)


def test_a_reference_may_have_its_graph_elsewhere_and_its_moving_averages(
    freeze: Freeze, tmp_path: Path
) -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        pictures = tf.compat.v1.placeholder(tf.uint8, (None, None, None, 3), name="image")
        numbers = tf.reduce_sum(tf.cast(pictures, tf.float32), [1, 2])
        weight = tf.compat.v1.get_variable("weight", initializer=[1.0, 2.0, 3.0])
        average = tf.compat.v1.get_variable("average", initializer=[4.0, 5.0, 6.0])
        tf.argmax(numbers * weight, axis=1, name="classes")
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver(
            {"weight": weight, "weight/ExponentialMovingAverage": average}
        )
        prefix = Path(saver.save(session, str(tmp_path / "model.ckpt")))
    meta = (tmp_path / "model.ckpt.meta").rename(tmp_path / "other.meta")
    interface = opened(freeze(), "image", "classes")

    model, _ = open_reference(prefix, interface, meta_graph=meta, moving_averages=True)

    assert model.weights["weight"].tolist() == [4, 5, 6]
    model, _ = open_reference(prefix, interface, meta_graph=meta, moving_averages=False)
    assert model.weights["weight"].tolist() == [1, 2, 3]
