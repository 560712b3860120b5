from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from harness.domain import Domain
from harness.errors import RequestError
from harness.evaluation import evaluating
from harness.evaluation.data import Data, Picture, read_data
from harness.evaluation.evaluating import batches, evaluate
from harness.evaluation.feeding import feeding_of
from harness.evaluation.opening import open_interface
from harness.evaluation.result import Class, Evaluation, accuracy, agreement, failures
from harness.exporters import direct
from harness.models.model import Model
from harness.models.opening import open_model
from harness.runtime import Mode, Runner
from harness.signature import TensorSpec
from harness.subject import Request

Paint = Callable[..., Path]
Freeze = Callable[..., Path]
Built = Callable[[str], Path]

RIGHT = [0, 0, 1, 2, 2, 2]
"""What the model says of the pictures of `colours`."""


def evaluated(path: Path, data: Data, output: str = "classes", **options: Any) -> Evaluation:
    interface = open_interface(path, input_name="image", output_name=output)
    return evaluate(data, interface, **options)


def predicted(evaluation: Evaluation) -> list[Class]:
    return [each.predicted for each in evaluation.frozen.predictions]


WAYS = {
    "uint8": ("pixels", tf.uint8, (None, None, None, 3)),
    "float": ("pixels", tf.float32, (None, None, None, 3)),
    "sized": ("pixels", tf.uint8, (None, 8, 8, 3)),
    "batch of 4": ("pixels", tf.uint8, (4, 4, 4, 3)),
    "one": ("pixels", tf.uint8, (None, None, 3)),
    "strings": ("pictures", tf.string, (None,)),
    "string": ("pictures", tf.string, ()),
    "examples": ("examples", tf.string, (None,)),
}


@pytest.mark.parametrize("output", ["classes", "scores", "names"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_feeding_gives_the_same_predictions(
    way: str, output: str, colours: Path, freeze: Freeze
) -> None:
    kind, dtype, shape = WAYS[way]
    data = read_data(str(colours))
    if output == "names":
        data = replace(data, class_names={0: "red", 1: "green", 2: "blue"})
    found = evaluated(freeze(kind, dtype=dtype, shape=shape), data, output)
    assert predicted(found) == RIGHT
    assert accuracy(found.frozen, data.pictures) == 5 / 6


@pytest.mark.parametrize("batch_size", [1, 2, 4, 100])
def test_batches_change_no_prediction(batch_size: int, colours: Path, freeze: Freeze) -> None:
    data = read_data(str(colours))
    assert predicted(evaluated(freeze(), data, batch_size=batch_size)) == RIGHT


def test_pictures_of_several_sizes_keep_their_predictions(paint: Paint, freeze: Freeze) -> None:
    paint({"0/a.png": (9, 0, 0), "2/a.png": (0, 0, 9)}, size=(3, 5))
    folder = paint({"0/b.png": (0, 9, 0), "1/a.png": (0, 9, 0)}, size=(5, 3))
    data = read_data(str(folder))
    assert [picture.name for picture in data.pictures] == [
        "0/a.png",
        "0/b.png",
        "1/a.png",
        "2/a.png",
    ]
    assert predicted(evaluated(freeze(), data)) == [0, 1, 1, 2]


def test_pictures_of_one_size_are_fed_together_up_to_the_size_of_a_batch() -> None:
    sizes = [(1, 1), (2, 2), (1, 1), (1, 1), (2, 2)]
    pictures = [
        Picture(name=str(i), label=0, size=size, source=np.zeros(0)) for i, size in enumerate(sizes)
    ]

    def fed_together(shape: tuple[int | None, ...], batch_size: int) -> list[list[int]]:
        feeding = feeding_of(TensorSpec(name="x", dtype="uint8", shape=shape), Domain())
        return [list(places) for places in batches(pictures, feeding, batch_size)]

    assert fed_together((None, None, None, 3), 2) == [[0, 2], [3], [1, 4]]
    assert fed_together((None, 8, 8, 3), 4) == [[0, 1, 2, 3], [4]]
    assert fed_together((2, 8, 8, 3), 100) == [[0, 1], [2, 3], [4]]
    assert fed_together((None, None, 3), 100) == [[0], [2], [3], [1], [4]]


def test_progress_is_told_after_each_batch(colours: Path, freeze: Freeze) -> None:
    told: list[int] = []
    evaluated(freeze(), read_data(str(colours)), batch_size=4, on_progress=told.append)
    assert told == [4, 6]


def test_what_was_done_to_pictures_is_told(colours: Path, freeze: Freeze) -> None:
    found = evaluated(freeze(shape=(None, 8, 6, 3)), read_data(str(colours)))
    assert found.told[-1] == "6 of 6 pictures are resized to 8 x 6 (height x width), bilinearly"


def test_pictures_of_the_stated_size_are_not_told_to_be_resized(
    colours: Path, freeze: Freeze
) -> None:
    assert evaluated(freeze(shape=(None, 4, 4, 3)), read_data(str(colours))).told == ()


def test_what_is_known_of_the_reference_is_told(colours: Path, freeze: Freeze) -> None:
    found = evaluated(freeze(), read_data(str(colours)), told=("of other shape",))
    assert found.told == ("of other shape",)


def refusing(path: Path, *, above: int, name: str = "classes") -> Path:
    """Write a graph that refuses a batch in which a pixel is above a number."""
    with tf.Graph().as_default() as graph:
        pictures = tf.compat.v1.placeholder(tf.uint8, (None, None, None, 3), name="image")
        numbers = tf.cast(pictures, tf.int32)
        is_dark = tf.reduce_all(numbers <= above)
        with tf.control_dependencies([tf.debugging.Assert(is_dark, ["too bright"])]):
            tf.argmax(tf.reduce_sum(numbers, [1, 2]), axis=1, name=name)
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def test_a_picture_that_is_refused_is_wrong_and_others_of_its_batch_are_not(
    colours: Path, tmp_path: Path
) -> None:
    data = read_data(str(colours))
    found = evaluated(refusing(tmp_path / "dark.pb", above=220), data)
    assert predicted(found) == [None, *RIGHT[1:]]
    assert "too bright" in found.frozen.predictions[0].problem
    assert accuracy(found.frozen, data.pictures) == 4 / 6


def test_pictures_that_are_refused_together_alone_are_told(colours: Path, tmp_path: Path) -> None:
    """A batch of one is baked in, where no shape states it."""
    with tf.Graph().as_default() as graph:
        pictures = tf.compat.v1.placeholder(tf.uint8, (None, None, None, 3), name="image")
        is_alone = tf.equal(tf.shape(pictures)[0], 1)
        with tf.control_dependencies([tf.debugging.Assert(is_alone, ["too many"])]):
            sums = tf.reduce_sum(tf.cast(pictures, tf.int32), [1, 2])
        tf.argmax(sums, axis=1, name="classes")
    path = tmp_path / "alone.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    found = evaluated(path, read_data(str(colours)))
    assert predicted(found) == RIGHT
    (told,) = (each for each in found.told if "together" in each)
    assert told.startswith("the frozen graph refuses 6 pictures together (InvalidArgumentError:")
    assert told.endswith("): they were fed one by one")


def test_pictures_of_a_size_are_fed_so_many_that_they_have_room(
    colours: Path, freeze: Freeze, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluating, "_BYTES_AT_A_TIME", 4 * 4 * 3 * 8 * 2)
    fed: list[int] = []
    run = evaluating.Runner.__call__

    def noted(self: Any, feeds: Any, **rest: Any) -> Any:
        fed.append(len(feeds["image"]))
        return run(self, feeds, **rest)

    monkeypatch.setattr(evaluating.Runner, "__call__", noted)
    evaluated(freeze(shape=(None, 4, 4, 3)), read_data(str(colours)))
    assert fed == [2, 2, 2]


def test_a_graph_that_refuses_everything_fails(colours: Path, tmp_path: Path) -> None:
    found = evaluated(refusing(tmp_path / "dark.pb", above=0), read_data(str(colours)))
    assert predicted(found) == [None] * 6
    assert failures(found, least=None) == ["the frozen graph predicts nothing of 6 of 6 pictures"]


def test_a_refusal_by_the_frozen_graph_alone_is_a_difference(
    colours: Path, tmp_path: Path, freeze: Freeze
) -> None:
    data = read_data(str(colours))
    found = evaluated(
        refusing(tmp_path / "dark.pb", above=220), data, reference=open_model(
            Request(path=freeze(), inputs=("image",), outputs=("classes",)))
    )  # fmt: skip
    assert found.reference is not None
    assert [each.predicted for each in found.reference.predictions] == RIGHT
    compared = agreement(found)
    assert compared is not None
    assert (compared.differing, compared.compared) == ((0,), 6)


def test_an_output_of_fewer_predictions_than_pictures_is_refused(
    colours: Path, tmp_path: Path
) -> None:
    with tf.Graph().as_default() as graph:
        pictures = tf.compat.v1.placeholder(tf.uint8, (None, None, None, 3), name="image")
        classes = tf.argmax(tf.reduce_sum(tf.cast(pictures, tf.int32), [1, 2]), axis=1)
        tf.unique(classes, name="classes")
    path = tmp_path / "unique.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    with pytest.raises(RequestError, match="it gave 3 predictions for 6 pictures"):
        evaluated(path, read_data(str(colours)))


def test_a_flag_of_training_is_fed(colours: Path, tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        pictures = tf.compat.v1.placeholder(tf.float32, (None, None, None, 3), name="image")
        keep_prob = tf.compat.v1.placeholder(tf.float32, (), name="keep_prob")
        kept = tf.compat.v1.nn.dropout(pictures, keep_prob=keep_prob)
        tf.argmax(tf.reduce_sum(kept, [1, 2]), axis=1, name="classes")
    path = tmp_path / "dropout.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    assert predicted(evaluated(path, read_data(str(colours)))) == RIGHT


def test_a_batch_that_runs_too_long_is_named_with_what_to_do(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tf.Graph().as_default() as graph:
        pictures = tf.compat.v1.placeholder(tf.uint8, (None, None, None, 3), name="image")
        classes = tf.argmax(tf.reduce_sum(tf.cast(pictures, tf.int32), [1, 2]), axis=1)
        last = 10**9 + classes[0]
        first = (tf.constant(0, tf.int64), classes)
        tf.identity(
            tf.while_loop(lambda i, _: i < last, lambda i, each: (i + 1, each), first)[1],
            name="classes",
        )
    path = tmp_path / "endless.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    monkeypatch.setattr(evaluating, "_SECONDS", 0.05)
    with pytest.raises(RequestError, match=r"^6 pictures together: .* a smaller --batch-size"):
        evaluated(path, read_data(str(colours)))


def test_an_output_without_predictions_is_refused_though_nothing_is_ever_predicted(
    colours: Path, tmp_path: Path
) -> None:
    with tf.Graph().as_default() as graph:
        pictures = tf.compat.v1.placeholder(tf.uint8, (None, None, None, 3), name="image")
        with tf.control_dependencies([tf.debugging.Assert(tf.size(pictures) < 0, ["never"])]):
            tf.reduce_mean(tf.cast(pictures, tf.float32), [1, 2, 3], name="score")
    path = tmp_path / "never.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    with pytest.raises(RequestError, match=r"--output score: .* holds no predictions"):
        evaluated(path, read_data(str(colours)), "score")


def test_models_run_as_they_are_served(
    colours: Path, freeze: Freeze, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[Mode] = []

    class Noting(Runner):
        def __init__(self, model: Model, *, mode: Mode, **options: Any) -> None:
            modes.append(mode)
            super().__init__(model, mode=mode, **options)

    monkeypatch.setattr(evaluating, "Runner", Noting)
    path = freeze()
    reference = open_model(Request(path=path, inputs=("image",), outputs=("classes",)))
    evaluated(path, read_data(str(colours)), reference=reference)
    assert modes == [Mode.DEPLOYED, Mode.DEPLOYED]


# A network that was trained


@pytest.mark.parametrize("output", ["classes", "probabilities"])
def test_a_checkpoint_and_its_frozen_graph_agree_on_every_captcha(
    output: str, built: Built, tmp_path: Path
) -> None:
    request = Request(path=built("captcha_cnn-resource"), outputs=(output,))
    reference = open_model(request)
    frozen = direct.export(reference, tmp_path).path
    interface = open_interface(frozen, input_name="", output_name=output)
    data = read_data("captcha:500")

    found = evaluate(data, interface, reference)

    compared = agreement(found)
    assert compared is not None
    assert (compared.equal, compared.compared) == (500, 500)
    assert found.reference is not None
    for outcome in found.outcomes:
        assert accuracy(outcome, data.pictures) > 0.9
    assert failures(found, least=0.9) == []


def test_a_stale_checkpoint_is_seen_to_differ(built: Built, tmp_path: Path) -> None:
    prefix = built("captcha_cnn-ref")
    frozen = direct.export(open_model(Request(path=prefix, outputs=("classes",))), tmp_path).path
    stale = open_model(Request(path=prefix.with_name("model.ckpt-5"), outputs=("classes",)))
    interface = open_interface(frozen, input_name="", output_name="classes")
    found = evaluate(read_data("captcha:50"), interface, stale)
    compared = agreement(found)
    assert compared is not None
    assert len(compared.differing) > 25


def test_names_that_no_folder_has_are_told_with_the_nearest(paint: Paint, freeze: Freeze) -> None:
    folder = paint({"Red/a.png": (250, 0, 0), "blue/a.png": (0, 0, 90)})
    found = evaluated(freeze(), read_data(str(folder)), output="names")
    assert predicted(found) == ["red", 1]
    assert "predicted names that are no folder's: red; nearest: Red" in found.told


def test_which_number_a_folder_stands_for_is_told(paint: Paint, freeze: Freeze) -> None:
    folder = paint({"cat/a.png": (250, 0, 0), "dog/a.png": (0, 90, 0)})
    found = evaluated(freeze(), read_data(str(folder)))
    assert "classes are numbered by the order of their names: 0 cat, 1 dog" in found.told


def test_that_one_class_is_predicted_of_all_is_told(paint: Paint, freeze: Freeze) -> None:
    folder = paint({"0/a.png": (250, 0, 0), "1/a.png": (250, 0, 0)})
    found = evaluated(freeze(), read_data(str(folder)))
    assert "one class is predicted of all pictures" in found.told
