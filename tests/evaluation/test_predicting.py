from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from harness.criteria import Array
from harness.errors import RequestError
from harness.evaluation.predicting import check_output, predictions_of
from harness.signature import Shape, TensorSpec

NAMES = {0: "daisy", 1: "rose", 2: "tulip"}


def spec(dtype: str, shape: Shape | None = None) -> TensorSpec:
    return TensorSpec(name="out", dtype=dtype, shape=shape)


def predicted(value: Array, dtype: str, *, count: int, is_alone: bool = False) -> list[object]:
    made = predictions_of(value, spec(dtype), NAMES, count=count, is_alone=is_alone)
    return [each.predicted for each in made]


def texts(*values: bytes) -> Array:
    return np.array(values, dtype=object)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_whole_numbers_are_classes(dtype: str) -> None:
    assert predicted(np.array([2, 0, 7], dtype), dtype, count=3) == [2, 0, 7]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ml_dtypes.bfloat16])
def test_the_highest_score_is_the_class(dtype: type) -> None:
    scores = np.array([[0.1, 0.2, 0.7], [-1, -3, -2]], dtype)
    assert predicted(scores, np.dtype(dtype).name, count=2) == [2, 0]


def test_names_are_the_labels_of_their_folders() -> None:
    value = texts(b"tulip", b"daisy", b"thistle", b"\xff")
    assert predicted(value, "string", count=4) == [2, 0, "thistle", "\\xff"]


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (np.array(1), "int64"),
        (np.array([1]), "int64"),
        (np.array([0.1, 0.7, 0.2], np.float32), "float32"),
        (np.array([[0.1, 0.7, 0.2]], np.float32), "float32"),
        (np.asarray(b"rose", dtype=object), "string"),
        (texts(b"rose"), "string"),
    ],
)
def test_of_one_picture_without_a_batch_there_may_be_one_prediction(
    value: Array, dtype: str
) -> None:
    assert predicted(value, dtype, count=1, is_alone=True) == [1]


def test_scores_with_nan_are_no_prediction() -> None:
    scores = np.array([[np.nan, 1, 2], [0, 1, np.inf]], np.float32)
    first, second = predictions_of(scores, spec("float32"), NAMES, count=2, is_alone=False)
    assert (first.predicted, first.problem) == (None, "its scores hold NaN")
    assert second.predicted == 2


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (np.array(1), "int64"),
        (np.array([[1]]), "int64"),
        (np.zeros(3, np.float32), "float32"),
        (np.zeros((1, 3, 3), np.float32), "float32"),
        (np.asarray(b"rose", dtype=object), "string"),
    ],
)
def test_a_value_of_another_rank_is_refused(value: Array, dtype: str) -> None:
    with pytest.raises(RequestError, match=r"--output out: .* it gave a value of shape"):
        predicted(value, dtype, count=1)


@pytest.mark.parametrize("given", [1, 3])
def test_predictions_of_another_number_than_pictures_are_refused(given: int) -> None:
    with pytest.raises(RequestError, match=f"it gave {given} predictions for 2 pictures"):
        predicted(np.zeros(given, np.int64), "int64", count=2)


def test_scores_of_fewer_classes_than_there_are_labels_are_refused() -> None:
    with pytest.raises(RequestError, match=r"2 classes, 0 to 1, .* of class 2 \(2\)"):
        check_output(spec("float32", (None, 2)), {0: "0", 2: "2"}, is_alone=False)


@pytest.mark.parametrize("scores", [2, 10])
def test_folders_with_names_are_those_of_all_classes(scores: int) -> None:
    with pytest.raises(RequestError, match=rf"of {scores} classes, .* folders of 3 \(daisy"):
        predicted(np.zeros((1, scores), np.float32), "float32", count=1)


@pytest.mark.parametrize(
    ("dtype", "shape", "said"),
    [
        ("bool", (None,), "it is bool"),
        ("complex64", (None, 3), "it is complex64"),
        ("int64", (), r"its shape is \[\]"),
        ("int64", (None, 1), r"its shape is \[\?, 1\]"),
        ("float32", (None,), r"its shape is \[\?\]"),
        ("float32", (None, 7, 7, 3), "its shape is"),
        ("float32", (None, 1), "one score, of which the highest is always the same"),
        ("float32", (None, 2), "scores of 2 classes"),
    ],
)
def test_an_output_without_predictions_is_refused_before_it_is_run(
    dtype: str, shape: Shape, said: str
) -> None:
    with pytest.raises(RequestError, match=said):
        check_output(spec(dtype, shape), NAMES, is_alone=False)


@pytest.mark.parametrize(
    ("dtype", "shape", "is_alone"),
    [
        ("int64", None, False),
        ("int32", (None,), False),
        ("string", (8,), False),
        ("float32", (None, 3), False),
        ("float32", (None, None), False),
        ("float32", (3,), True),
        ("int64", (), True),
    ],
)
def test_an_output_of_predictions_is_taken(dtype: str, shape: Shape | None, is_alone: bool) -> None:
    check_output(spec(dtype, shape), NAMES, is_alone=is_alone)
