from __future__ import annotations

from dataclasses import replace

from harness.evaluation.data import Data, Picture
from harness.evaluation.result import Class, Evaluation, Outcome, Prediction
from harness.report.evaluation_text import render_evaluation
from harness.signature import TensorSpec

WIDTH = 100


def outcome(name: str, *predicted: Class) -> Outcome:
    predictions = (
        Prediction(predicted=each, problem="InvalidArgumentError: bad" if each is None else "")
        for each in predicted
    )
    return Outcome(name=name, path=f"{name}.pb", predictions=tuple(predictions))


def evaluation(
    labels: tuple[int, ...],
    frozen: tuple[Class, ...],
    reference: tuple[Class, ...] = (),
    names: tuple[str, ...] = ("0", "1", "2"),
) -> Evaluation:
    pictures = tuple(
        Picture(name=f"p{index}", label=label, size=(1, 1), source=None)  # type: ignore[arg-type]
        for index, label in enumerate(labels)
    )
    return Evaluation(
        data=Data(
            pictures=pictures,
            class_names=dict(enumerate(names)),
            description="pictures of a test",
            left_out=("hidden, skipped: .x",),
        ),
        input=TensorSpec(name="image", dtype="uint8", shape=(None, 28, 28, 3)),
        output=TensorSpec(name="classes", dtype="int64", shape=(None,)),
        frozen=outcome("frozen graph", *frozen),
        reference=outcome("checkpoint", *reference) if reference else None,
        told=("pictures are resized",),
    )


def lines(made: Evaluation, *, width: int = WIDTH, least: float | None = None) -> list[str]:
    return render_evaluation(made, width=width, color=False, least=least).splitlines()


def section(text: list[str], heading: str) -> list[str]:
    (start,) = [index for index, line in enumerate(text) if line.startswith(heading)]
    rest = text[start + 1 :]
    return rest[: rest.index("")] if "" in rest else rest


def test_models_and_data_and_interface_come_first() -> None:
    text = lines(evaluation((0, 1), (0, 1), (0, 1)))
    assert text[:8] == [
        "frozen graph frozen graph.pb",
        "checkpoint   checkpoint.pb",
        "  on     pictures of a test",
        "  input  image uint8 [?, 28, 28, 3]",
        "  output classes int64 [?]",
        "  pictures are resized",
        "  hidden, skipped: .x",
        "",
    ]


def test_accuracy_is_told_of_one_model() -> None:
    assert section(lines(evaluation((0, 1, 2), (0, 1, 1))), "Accuracy") == [
        "  frozen graph  66.7%  2 of 3 right"
    ]


def test_accuracy_of_two_models_stands_side_by_side_with_what_is_equal() -> None:
    text = lines(evaluation((0, 1, 2), (0, 1, 1), (0, 2, 1)))
    assert section(text, "Accuracy") == [
        "  frozen graph  66.7%  2 of 3 right",
        "  checkpoint    33.3%  1 of 3 right",
        "  equal predictions: 2 of 3",
    ]


def test_a_share_is_called_whole_only_where_nothing_is_missing() -> None:
    text = lines(evaluation((0,) * 5000, (*[0] * 4999, 1), (*[1] * 4999, 0)))
    assert "  frozen graph  99.9%  4999 of 5000 right" in text
    assert "  checkpoint     0.1%     1 of 5000 right" in text


def test_zeros_of_the_matrix_are_dots_and_each_label_has_its_recall() -> None:
    made = evaluation((0, 0, 1), (0, 1, None))
    assert section(lines(made), "Confusion (rows are labels") == [
        "     0  1  2  none  recall",
        "  0  1  1  .     .   50.0%",
        "  1  .  .  .     1    0.0%",
        "  2  .  .  .     .       -",
    ]


def test_classes_with_names_are_told_by_name_and_number() -> None:
    made = evaluation((0, 1), (0, "thistle"), names=("daisy", "rose"))
    assert section(lines(made), "Confusion (rows are labels") == [
        "           0  1  thistle  recall",
        "  0 daisy  1  .        .  100.0%",
        "  1 rose   .  .        1    0.0%",
    ]


def test_where_models_differ_pictures_are_named_and_both_matrices_shown() -> None:
    text = lines(evaluation((0, 1, 2), (0, 1, 1), (0, 2, None)))
    assert section(text, "Predictions that differ") == [
        "  picture  frozen graph  checkpoint  label",
        "  p1       1             2           1",
        "  p2       1             nothing     2",
    ]
    assert any(line.startswith("Confusion by the frozen graph") for line in text)
    assert any(line.startswith("Confusion by the checkpoint") for line in text)
    assert text[-1] == (
        "FAILED: 2 of 3 predictions differ between the frozen graph and the checkpoint"
    )


def test_where_models_agree_one_matrix_is_shown_and_nothing_fails() -> None:
    text = lines(evaluation((0, 1), (0, 1), (0, 1)))
    assert sum(line.startswith("Confusion") for line in text) == 1
    assert not any(line.startswith(("FAILED", "Predictions that differ")) for line in text)


def test_of_many_differences_ten_are_shown() -> None:
    shown = section(lines(evaluation((0,) * 14, (0,) * 14, (1,) * 14)), "Predictions that differ")
    assert len(shown) == 1 + 10 + 1
    assert shown[-1] == "  and 4 more (--json tells all)"


def test_pictures_without_prediction_are_named_with_the_reason() -> None:
    text = lines(evaluation((0, 1, 2), (None, 1, None), (None, 1, None)))
    assert "No prediction by the frozen graph, counted as wrong: 2" in text
    assert "No prediction by the checkpoint, counted as wrong: 2" in text
    assert text.count("  InvalidArgumentError: bad: p0, p2") == 2
    assert "  equal predictions: 1 of 1" in text
    assert "  not compared: 2, of which neither predicts anything" in text


def test_an_accuracy_that_is_not_reached_is_told_last() -> None:
    made = evaluation((0, 1), (0, 0))
    assert lines(made, least=0.9)[-1] == "FAILED: 1 of 2 are right, below --min-accuracy 0.9"
    assert "FAILED" not in render_evaluation(made, width=WIDTH, color=False, least=0.5)


def test_of_many_classes_the_most_confused_and_the_lowest_recall_are_shown() -> None:
    labels = (*range(30), 7, 7, 8)
    predicted = (*range(30), 9, 9, 9)
    made = evaluation(labels, predicted, names=tuple(map(str, range(30))))
    text = lines(made, width=300)
    assert section(text, "Most confused") == [
        "  label  predicted  pictures",
        "  7      9                 2",
        "  8      9                 1",
    ]
    assert section(text, "Lowest recall")[:3] == [
        "  label  recall",
        "  7       33.3%",
        "  8       50.0%",
    ]
    assert not any(line.startswith("Confusion") for line in text)


def test_a_matrix_wider_than_the_terminal_gives_way_to_pairs() -> None:
    made = evaluation((0, 1), (0, 0), names=("a" * 60, "b"))
    assert section(lines(made, width=70), "Most confused")
    assert section(lines(made, width=100), "Confusion (rows are labels")


def test_predictions_are_told_one_by_one_where_they_are_asked_for() -> None:
    made = evaluation((0, 1, 2), (0, 2, 2), (0, 2, None))
    text = render_evaluation(made, width=WIDTH, color=False, with_predictions=True).splitlines()
    assert text[:4] == [
        "p0  predicted 0, checkpoint 0, label 0",
        "p1  predicted 2, checkpoint 2, label 1  <- wrong",
        "p2  predicted 2, checkpoint nothing, label 2  <- different",
        "",
    ]


def test_predictions_of_one_model_are_told_without_a_checkpoint() -> None:
    made = evaluation((3, 4), (3, 3), names=tuple("01234"))
    text = render_evaluation(made, width=WIDTH, color=False, with_predictions=True).splitlines()
    assert text[:2] == ["p0  predicted 3, label 3", "p1  predicted 3, label 4  <- wrong"]


def test_colours_are_there_where_they_are_wanted_alone() -> None:
    made = evaluation((0, 1), (0, 0), (0, 1))
    assert "\x1b[" in render_evaluation(made, width=WIDTH, color=True, with_predictions=True)
    assert "\x1b[" not in render_evaluation(made, width=WIDTH, color=False, with_predictions=True)


def test_brackets_in_names_are_no_markup() -> None:
    made = evaluation((0, 1), (0, 0), names=("[red]a", "[/b]"))
    made = replace(made, data=replace(made.data, description="[bold]x"))
    text = "\n".join(lines(made))
    assert "[bold]x" in text
    assert "1 [/b]" in text


def test_of_many_classes_that_are_never_confused_so_much_is_said() -> None:
    made = evaluation(tuple(range(30)), tuple(range(30)), names=tuple(map(str, range(30))))
    assert section(lines(made), "Most confused") == ["  nothing"]
