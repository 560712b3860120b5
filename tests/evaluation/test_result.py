from __future__ import annotations

from dataclasses import replace

import pytest

from harness.evaluation.data import Data, Picture
from harness.evaluation.result import (
    Class,
    Evaluation,
    Outcome,
    Prediction,
    accuracy,
    agreement,
    confusion_of,
    failures,
    most_confused,
    recalls,
    right,
)
from harness.signature import TensorSpec

X = TensorSpec(name="x", dtype="uint8", shape=None)
LABELS = (0, 0, 1, 2, 2)
FROZEN: tuple[Class, ...] = (0, 1, 1, None, 7)


def outcome(*predicted: Class) -> Outcome:
    predictions = tuple(Prediction(predicted=each) for each in predicted)
    return Outcome(name="frozen graph", path="frozen.pb", predictions=predictions)


def evaluation(*reference: Class) -> Evaluation:
    pictures = tuple(
        Picture(name=f"p{index}", label=label, size=(1, 1), source=None)  # type: ignore[arg-type]
        for index, label in enumerate(LABELS)
    )
    return Evaluation(
        data=Data(
            pictures=pictures,
            class_names={0: "0", 1: "1", 2: "2", 3: "3"},
            description="five pictures",
        ),
        input=X,
        output=X,
        frozen=outcome(*FROZEN),
        reference=outcome(*reference) if reference else None,
    )


def test_accuracy_is_over_all_pictures() -> None:
    made = evaluation()
    assert right(made.frozen, made.data.pictures) == 2
    assert accuracy(made.frozen, made.data.pictures) == 2 / 5


def test_the_matrix_has_a_row_a_label_and_a_column_a_prediction() -> None:
    made = evaluation()
    confusion = confusion_of(made.frozen, made.data)
    assert confusion.labels == (0, 1, 2, 3)
    assert confusion.columns == (0, 1, 2, 3, 7, None)
    assert confusion.counts == (
        (1, 1, 0, 0, 0, 0),
        (0, 1, 0, 0, 0, 0),
        (0, 0, 0, 0, 1, 1),
        (0, 0, 0, 0, 0, 0),
    )


def test_recall_is_of_each_label_and_none_of_a_class_without_pictures() -> None:
    made = evaluation()
    assert recalls(confusion_of(made.frozen, made.data)) == {0: 0.5, 1: 1.0, 2: 0.0, 3: None}


def test_names_that_are_no_labels_stand_after_numbers() -> None:
    made = evaluation()
    confusion = confusion_of(outcome(0, "thistle", 9, None, "ash"), made.data)
    assert confusion.columns == (0, 1, 2, 3, 9, "ash", "thistle", None)


def test_the_most_confused_come_first() -> None:
    made = evaluation()
    confusion = confusion_of(outcome(0, 0, 2, 0, 0), made.data)
    assert most_confused(confusion) == [(2, 0, 2), (1, 2, 1)]


def test_without_a_checkpoint_nothing_agrees() -> None:
    assert agreement(evaluation()) is None


def test_predictions_are_compared_picture_by_picture() -> None:
    found = agreement(evaluation(0, 0, 1, None, 7))
    assert found is not None
    assert (found.compared, found.equal, found.differing, found.refused) == (4, 3, (1,), (3,))


def test_a_prediction_by_one_model_alone_is_a_difference() -> None:
    found = agreement(evaluation(None, 1, 1, 2, 7))
    assert found is not None
    assert (found.compared, found.differing, found.refused) == (5, (0, 3), ())


def test_what_neither_predicts_is_not_counted_as_equal() -> None:
    made = evaluation()
    nothing = outcome(*[None] * 5)
    both = Evaluation(data=made.data, input=X, output=X, frozen=nothing, reference=nothing)
    found = agreement(both)
    assert found is not None
    assert (found.compared, found.equal) == (0, 0)
    assert failures(both, least=None) == ["the frozen graph predicts nothing of 5 of 5 pictures"]


def test_where_most_pictures_have_no_prediction_agreement_shows_nothing() -> None:
    made = evaluation(0, None, None, None, 1)
    most = replace(made, frozen=made.reference)
    assert failures(most, least=None) == ["the frozen graph predicts nothing of 3 of 5 pictures"]


def test_two_models_that_predict_one_class_alone_are_not_shown_to_agree() -> None:
    made = evaluation(*[1] * 5)
    both = replace(made, frozen=made.reference)
    assert failures(both, least=None) == [
        "the frozen graph predicts one class of all pictures: that its checkpoint does so too "
        "would show nothing"
    ]
    assert failures(replace(both, reference=None), least=None) == []


def test_names_that_are_no_folders_are_a_failure() -> None:
    made = evaluation()
    names = replace(made, frozen=outcome("Cat", "Dog", None, "Cat", "Cat"))
    assert failures(names, least=None) == ["the frozen graph predicts no name that is a folder's"]


def test_a_difference_is_a_failure() -> None:
    assert failures(evaluation(*FROZEN), least=None) == []
    assert failures(evaluation(0, 0, 1, None, 7), least=None) == [
        "1 of 5 predictions differ between the frozen graph and the checkpoint"
    ]


@pytest.mark.parametrize(("least", "count"), [(None, 0), (0.4, 0), (0.41, 1), (1.0, 1)])
def test_an_accuracy_below_the_least_is_a_failure(least: float | None, count: int) -> None:
    assert len(failures(evaluation(), least=least)) == count


def test_no_picture_may_lack_its_outcome() -> None:
    made = evaluation()
    with pytest.raises(AssertionError):
        Evaluation(data=made.data, input=X, output=X, frozen=outcome(0, 1))
