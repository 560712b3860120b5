"""What models predict of labelled pictures, as JSON text.

schema, freezeproof       numbers of this schema (1) and of the version
data                      description, pictures, classes (name by label), left_out
input, output             name, dtype, shape (null is unknown)
told                      what was done to the pictures, and chosen without being asked
frozen_graph, checkpoint  path, accuracy, right, unpredicted, confusion, recall; null for none
  confusion               labels (rows), columns, counts; null stands for no prediction
  recall                  by label; null for a class without pictures
agreement                 compared, equal, differing, unpredicted_by_both; null for none
predictions               a picture each: picture, label, frozen_graph, checkpoint, and problems,
                          by model, where there is no prediction
passed, failures          whether the exit code is 0, and if not, why
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from harness import __version__
from harness.evaluation.result import (
    Evaluation,
    Outcome,
    accuracy,
    agreement,
    confusion_of,
    failures,
    recalls,
    right,
)

SCHEMA = 1


def evaluation_json(evaluation: Evaluation, *, least: float | None = None) -> str:
    """Return the evaluation as indented JSON; `least` is the accuracy below which it fails."""
    data = evaluation.data
    failed = failures(evaluation, least=least)
    reference = evaluation.reference
    content = {
        "schema": SCHEMA,
        "freezeproof": __version__,
        "data": {
            "description": data.description,
            "pictures": len(data.pictures),
            "classes": {str(label): name for label, name in data.class_names.items()},
            "left_out": list(data.left_out),
        },
        "input": asdict(evaluation.input),
        "output": asdict(evaluation.output),
        "told": list(evaluation.told),
        "frozen_graph": _outcome(evaluation.frozen, evaluation),
        "checkpoint": None if reference is None else _outcome(reference, evaluation),
        "agreement": _agreement(evaluation),
        "predictions": [_prediction(evaluation, index) for index in range(len(data.pictures))],
        "passed": not failed,
        "failures": failed,
    }
    return json.dumps(content, indent=2, allow_nan=False)


def _outcome(outcome: Outcome, evaluation: Evaluation) -> dict[str, Any]:
    confusion = confusion_of(outcome, evaluation.data)
    return {
        "path": outcome.path,
        "accuracy": accuracy(outcome, evaluation.data.pictures),
        "right": right(outcome, evaluation.data.pictures),
        "unpredicted": sum(each.predicted is None for each in outcome.predictions),
        "confusion": asdict(confusion),
        "recall": {str(label): share for label, share in recalls(confusion).items()},
    }


def _agreement(evaluation: Evaluation) -> dict[str, Any] | None:
    compared = agreement(evaluation)
    if compared is None:
        return None
    pictures = evaluation.data.pictures
    return {
        "compared": compared.compared,
        "equal": compared.equal,
        "differing": [pictures[index].name for index in compared.differing],
        "unpredicted_by_both": [pictures[index].name for index in compared.refused],
    }


def _prediction(evaluation: Evaluation, index: int) -> dict[str, Any]:
    picture = evaluation.data.pictures[index]
    content: dict[str, Any] = {"picture": picture.name, "label": picture.label}
    problems = {}
    for outcome in evaluation.outcomes:
        key = outcome.name.replace(" ", "_")
        content[key] = outcome.predictions[index].predicted
        if outcome.predictions[index].problem:
            problems[key] = outcome.predictions[index].problem
    return {**content, "problems": problems} if problems else content
