"""What was predicted of each picture, and what follows: accuracy, confusion, agreement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.evaluation.data import Data, Picture
from harness.signature import TensorSpec

Class = int | str | None
"""A label; a name that is no label's; None for no prediction."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a model says of one picture; where `predicted` is None, `problem` says why."""

    predicted: Class
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one model says of all pictures, in their order."""

    name: str
    path: str
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A frozen graph, and its checkpoint where one is given, on the same pictures.

    `told` is what was done to the pictures, and what was chosen without being asked.
    """

    data: Data
    input: TensorSpec
    output: TensorSpec
    frozen: Outcome
    reference: Outcome | None = None
    told: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for outcome in self.outcomes:
            assert len(outcome.predictions) == len(self.data.pictures) > 0

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The models, the frozen graph first."""
        return (self.frozen,) if self.reference is None else (self.frozen, self.reference)


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """`counts[row][column]`: how many pictures of a label were predicted as a class."""

    labels: tuple[int, ...]
    columns: tuple[Class, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How two models compare picture by picture.

    `refused` are pictures of which neither predicts anything: they are not `compared`.
    """

    compared: int
    differing: tuple[int, ...]
    refused: tuple[int, ...]

    @property
    def equal(self) -> int:
        """How many pictures both predict alike."""
        return self.compared - len(self.differing)


def class_name(predicted: Class, data: Data) -> str:
    """Return the name of a class as the data has it, or as the model says it."""
    if predicted is None:
        return "nothing"
    return (
        data.class_names.get(predicted, str(predicted)) if isinstance(predicted, int) else predicted
    )


def right(outcome: Outcome, pictures: Sequence[Picture]) -> int:
    """Return how many pictures are predicted as they are labelled."""
    pairs = zip(outcome.predictions, pictures, strict=True)
    return sum(prediction.predicted == picture.label for prediction, picture in pairs)


def accuracy(outcome: Outcome, pictures: Sequence[Picture]) -> float:
    """Return the share of all pictures that are predicted as they are labelled."""
    return right(outcome, pictures) / len(pictures)


def confusion_of(outcome: Outcome, data: Data) -> Confusion:
    """Return the matrix: a row a class of the data, a column a class of the data or predicted."""
    pairs = zip(data.pictures, outcome.predictions, strict=True)
    counted = Counter((picture.label, prediction.predicted) for picture, prediction in pairs)
    labels = tuple(data.class_names)
    others = {predicted for _, predicted in counted} - set(labels)
    columns = (*labels, *sorted(others, key=_order))
    return Confusion(
        labels=labels,
        columns=columns,
        counts=tuple(tuple(counted[label, column] for column in columns) for label in labels),
    )


def _order(predicted: Class) -> tuple[int, int, str]:
    """Numbers before names, and what is no prediction last."""
    if isinstance(predicted, int):
        return 0, predicted, ""
    return (2, 0, "") if predicted is None else (1, 0, predicted)


def recalls(confusion: Confusion) -> dict[int, float | None]:
    """Return for each label the share of its pictures that are right; None where it has none."""
    found: dict[int, float | None] = {}
    for label, row in zip(confusion.labels, confusion.counts, strict=True):
        total = sum(row)
        found[label] = row[confusion.columns.index(label)] / total if total else None
    return found


def most_confused(confusion: Confusion) -> list[tuple[int, Class, int]]:
    """Return label, predicted class and count of all confusions, the most frequent first."""
    pairs = [
        (label, column, count)
        for label, row in zip(confusion.labels, confusion.counts, strict=True)
        for column, count in zip(confusion.columns, row, strict=True)
        if count and column != label
    ]
    return sorted(pairs, key=lambda pair: -pair[2])


def agreement(evaluation: Evaluation) -> Agreement | None:
    """Return how the frozen graph compares with the checkpoint; None where there is none."""
    if evaluation.reference is None:
        return None
    pairs = zip(evaluation.frozen.predictions, evaluation.reference.predictions, strict=True)
    differing, refused = [], []
    for index, (frozen, reference) in enumerate(pairs):
        if frozen.predicted is None and reference.predicted is None:
            refused.append(index)
        elif frozen.predicted != reference.predicted:
            differing.append(index)
    return Agreement(
        compared=len(evaluation.data.pictures) - len(refused),
        differing=tuple(differing),
        refused=tuple(refused),
    )


def failures(evaluation: Evaluation, *, least: float | None) -> list[str]:
    """Return why the evaluation fails: nothing for a success.

    `least` is the accuracy that the frozen graph must reach.
    """
    found = []
    pictures = evaluation.data.pictures
    predicted = [each.predicted for each in evaluation.frozen.predictions]
    lacking = predicted.count(None)
    if 2 * lacking > len(pictures):
        found.append(f"the frozen graph predicts nothing of {lacking} of {len(pictures)} pictures")
    elif all(each is None or isinstance(each, str) for each in predicted):
        found.append("the frozen graph predicts no name that is a folder's")
    compared = agreement(evaluation)
    if compared is not None and is_constant(evaluation.frozen, pictures):
        found.append(
            "the frozen graph predicts one class of all pictures: that its checkpoint does so too "
            "would show nothing"
        )
    if compared is not None and compared.differing:
        found.append(
            f"{len(compared.differing)} of {len(pictures)} predictions differ between the frozen "
            f"graph and the checkpoint"
        )
    reached = accuracy(evaluation.frozen, pictures)
    if least is not None and reached < least:
        found.append(
            f"{right(evaluation.frozen, pictures)} of {len(pictures)} are right, below "
            f"--min-accuracy {least:g}"
        )
    return found


def is_constant(outcome: Outcome, pictures: Sequence[Picture]) -> bool:
    """Say whether pictures of several classes are all predicted to be of one."""
    several = len({picture.label for picture in pictures}) > 1
    predicted = {each.predicted for each in outcome.predictions}
    return several and len(predicted) == 1 and None not in predicted
