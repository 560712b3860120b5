"""What models predict of labelled pictures, as text: accuracy, confusion, agreement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.text import Text

from harness.errors import listed
from harness.evaluation.result import (
    Agreement,
    Class,
    Confusion,
    Evaluation,
    Outcome,
    Prediction,
    accuracy,
    agreement,
    class_name,
    confusion_of,
    failures,
    most_confused,
    recalls,
    right,
)
from harness.report.page import Column, Page

_MOST_CLASSES = 20
_MOST_LISTED = 10
_GAP = 2
_NONE = "none"
_ZERO = "."


def render_evaluation(
    evaluation: Evaluation,
    *,
    width: int,
    color: bool,
    with_predictions: bool = False,
    least: float | None = None,
) -> str:
    """Return the text; `with_predictions`, a line a picture comes first.

    `least` is the accuracy below which the evaluation fails.
    """
    page = Page(width=width, color=color)
    compared = agreement(evaluation)
    if with_predictions:
        _predictions(page, evaluation)
    _subject(page, evaluation)
    _accuracy(page, evaluation, compared)
    if compared is not None:
        _differences(page, evaluation, compared)
    for outcome in evaluation.outcomes:
        _refusals(page, evaluation, outcome)
    both = compared is not None and bool(compared.differing)
    for outcome in evaluation.outcomes if both else [evaluation.frozen]:
        _confusion(page, evaluation, outcome, width=width)
    failed = failures(evaluation, least=least)
    if failed:
        page.line("", indent=0)
    for failure in failed:
        page.sentence(("FAILED", "bold red"), f": {failure}", indent=0)
    return str(page)


def _predictions(page: Page, evaluation: Evaluation) -> None:
    pictures = evaluation.data.pictures
    longest = max(cell_len(picture.name) for picture in pictures)
    for index, picture in enumerate(pictures):
        frozen = evaluation.frozen.predictions[index]
        said = [f"predicted {_class(frozen, evaluation)}"]
        marks: list[tuple[str, str]] = []
        if frozen.predicted != picture.label:
            marks.append(("  <- wrong", "red"))
        if evaluation.reference is not None:
            reference = evaluation.reference.predictions[index]
            said.append(f"checkpoint {_class(reference, evaluation)}")
            if reference.predicted != frozen.predicted:
                marks.append(("  <- different", "bold red"))
        said.append(f"label {class_name(picture.label, evaluation.data)}")
        name = picture.name + " " * (longest - cell_len(picture.name))
        page.line(f"{name}  {', '.join(said)}", *marks, indent=0)


def _class(prediction: Prediction, evaluation: Evaluation) -> str:
    return class_name(prediction.predicted, evaluation.data)


def _subject(page: Page, evaluation: Evaluation) -> None:
    page.heading(f"frozen graph {evaluation.frozen.path}")
    if evaluation.reference is not None:
        page.line((f"checkpoint   {evaluation.reference.path}", "bold"), indent=0)
    page.sentence(("on     ", "dim"), evaluation.data.description)
    page.sentence(("input  ", "dim"), str(evaluation.input))
    page.sentence(("output ", "dim"), str(evaluation.output))
    for line in (*evaluation.told, *evaluation.data.left_out):
        page.sentence(line)


def _accuracy(page: Page, evaluation: Evaluation, compared: Agreement | None) -> None:
    pictures = evaluation.data.pictures
    page.heading("Accuracy")
    page.table(
        [Column(heading=""), Column(heading="", is_right=True), Column(heading="", is_right=True)],
        [
            [
                Text(outcome.name),
                Text(_share(accuracy(outcome, pictures)), style="bold"),
                Text(f"{right(outcome, pictures)} of {len(pictures)} right"),
            ]
            for outcome in evaluation.outcomes
        ],
    )
    if compared is None:
        return
    style = "bold red" if compared.differing else "green"
    page.sentence(
        "equal predictions: ",
        (f"{compared.equal} of {compared.compared}", style if compared.compared else "bold red"),
    )
    if compared.refused:
        page.sentence(f"not compared: {len(compared.refused)}, of which neither predicts anything")


def _share(share: float) -> str:
    """Return a percentage: "100.0%" is said of all alone, and "0.0%" of none."""
    if share in {0, 1}:
        return f"{share:.1%}"
    return f"{min(max(share, 0.001), 0.999):.1%}"


def _differences(page: Page, evaluation: Evaluation, compared: Agreement) -> None:
    if not compared.differing or evaluation.reference is None:
        return
    page.heading("Predictions that differ")
    rows = []
    for index in compared.differing[:_MOST_LISTED]:
        picture = evaluation.data.pictures[index]
        rows.append(
            [
                Text(picture.name),
                *(
                    Text(_class(outcome.predictions[index], evaluation))
                    for outcome in evaluation.outcomes
                ),
                Text(class_name(picture.label, evaluation.data)),
            ]
        )
    page.table(
        [
            Column(heading="picture"),
            *(Column(heading=outcome.name, is_named=True) for outcome in evaluation.outcomes),
            Column(heading="label", is_named=True),
        ],
        rows,
    )
    _more(page, len(compared.differing))


def _more(page: Page, count: int) -> None:
    if count > _MOST_LISTED:
        page.sentence(f"and {count - _MOST_LISTED} more (--json tells all)")


def _refusals(page: Page, evaluation: Evaluation, outcome: Outcome) -> None:
    """Tell the pictures without a prediction, by the reason."""
    names: dict[str, list[str]] = {}
    for picture, prediction in zip(evaluation.data.pictures, outcome.predictions, strict=True):
        if prediction.predicted is None:
            names.setdefault(prediction.problem, []).append(picture.name)
    if not names:
        return
    count = sum(map(len, names.values()))
    page.heading(f"No prediction by the {outcome.name}, counted as wrong: {count}")
    for problem, refused in names.items():
        page.sentence((problem, "red"), f": {listed(refused, limit=_MOST_LISTED)}")


def _confusion(page: Page, evaluation: Evaluation, outcome: Outcome, *, width: int) -> None:
    confusion = confusion_of(outcome, evaluation.data)
    of = f" by the {outcome.name}" if evaluation.reference is not None else ""
    rows = _matrix(confusion, evaluation)
    widths = [max(map(cell_len, cells)) for cells in zip(*rows, strict=True)]
    is_small = max(len(confusion.labels), len(confusion.columns)) <= _MOST_CLASSES
    if is_small and sum(widths) + _GAP * len(widths) <= width:
        page.heading(f"Confusion{of} (rows are labels, columns predictions)")
        for number, row in enumerate(rows):
            page.line(*_styled(row, widths, number - 1))
        return
    _pairs(page, confusion, evaluation, of)
    _lowest(page, confusion, evaluation, of)


def _matrix(confusion: Confusion, evaluation: Evaluation) -> list[list[str]]:
    """Return the cells: a heading, and for each label its counts and its recall."""
    is_named = evaluation.data.is_named
    shares = recalls(confusion)
    rows = [["", *(_heading(each, is_named, evaluation) for each in confusion.columns), "recall"]]
    for label, counts in zip(confusion.labels, confusion.counts, strict=True):
        name = class_name(label, evaluation.data)
        share = shares[label]
        rows.append(
            [
                f"{label} {name}" if is_named else name,
                *(str(count) if count else _ZERO for count in counts),
                "-" if share is None else _share(share),
            ]
        )
    return rows


def _heading(column: Class, is_named: bool, evaluation: Evaluation) -> str:
    if column is None:
        return _NONE
    return str(column) if is_named else class_name(column, evaluation.data)


def _styled(row: Sequence[str], widths: Sequence[int], number: int) -> Iterable[str | Text]:
    """Return the cells of a row aligned: `number` is that of the label, -1 of the heading."""
    gap = " " * _GAP
    for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
        missing = " " * (width - cell_len(cell))
        if place == 0:
            yield Text(cell + missing, style="bold")
            continue
        is_count = number >= 0 and place < len(row) - 1
        if not is_count:
            style = "dim" if number < 0 else ""
        elif cell == _ZERO:
            style = "dim"
        else:
            style = "green" if place - 1 == number else "red"
        yield gap + missing
        yield Text(cell, style=style)


def _pairs(page: Page, confusion: Confusion, evaluation: Evaluation, of: str) -> None:
    pairs = most_confused(confusion)
    page.heading(f"Most confused{of}")
    if not pairs:
        page.sentence("nothing")
        return
    page.table(
        [
            Column(heading="label"),
            Column(heading="predicted", is_named=True),
            Column(heading="pictures", is_right=True, is_named=True),
        ],
        [
            [
                Text(class_name(label, evaluation.data)),
                Text(class_name(predicted, evaluation.data)),
                Text(str(count)),
            ]
            for label, predicted, count in pairs[:_MOST_LISTED]
        ],
    )
    _more(page, len(pairs))


def _lowest(page: Page, confusion: Confusion, evaluation: Evaluation, of: str) -> None:
    shares = [(share, label) for label, share in recalls(confusion).items() if share is not None]
    page.heading(f"Lowest recall{of}")
    page.table(
        [Column(heading="label"), Column(heading="recall", is_right=True)],
        [
            [Text(class_name(label, evaluation.data)), Text(_share(share))]
            for share, label in sorted(shares)[:_MOST_LISTED]
        ],
    )
    _more(page, len(shares))
