from __future__ import annotations

import json
from typing import Any

from harness.evaluation.data import Data, Picture
from harness.evaluation.result import Class, Evaluation, Outcome, Prediction
from harness.report.evaluation_json import evaluation_json
from harness.signature import TensorSpec


def outcome(name: str, *predicted: Class) -> Outcome:
    predictions = (
        Prediction(predicted=each, problem="refused" if each is None else "") for each in predicted
    )
    return Outcome(name=name, path=f"/{name}", predictions=tuple(predictions))


def written(*reference: Class, least: float | None = None) -> dict[str, Any]:
    pictures = tuple(
        Picture(name=f"p{index}", label=label, size=(1, 1), source=None)  # type: ignore[arg-type]
        for index, label in enumerate((0, 1, 1))
    )
    made = Evaluation(
        data=Data(pictures=pictures, class_names={0: "a", 1: "b"}, description="three"),
        input=TensorSpec(name="image", dtype="uint8", shape=(None, 28, 28, 3)),
        output=TensorSpec(name="classes", dtype="int64", shape=(None,)),
        frozen=outcome("frozen graph", 0, None, "c"),
        reference=outcome("checkpoint", *reference) if reference else None,
        told=("told",),
    )
    content: dict[str, Any] = json.loads(evaluation_json(made, least=least))
    return content


def test_accuracy_confusion_and_recall_are_those_of_the_model() -> None:
    content = written()
    assert content["schema"] == 1
    assert content["frozen_graph"] == {
        "path": "/frozen graph",
        "accuracy": 1 / 3,
        "right": 1,
        "unpredicted": 1,
        "confusion": {
            "labels": [0, 1],
            "columns": [0, 1, "c", None],
            "counts": [[1, 0, 0, 0], [0, 0, 1, 1]],
        },
        "recall": {"0": 1.0, "1": 0.0},
    }
    assert content["data"]["classes"] == {"0": "a", "1": "b"}
    assert content["input"] == {"name": "image", "dtype": "uint8", "shape": [None, 28, 28, 3]}


def test_without_a_checkpoint_its_places_are_null() -> None:
    content = written()
    assert (content["checkpoint"], content["agreement"]) == (None, None)
    assert content["predictions"][0] == {"picture": "p0", "label": 0, "frozen_graph": 0}


def test_predictions_of_both_are_told_of_each_picture() -> None:
    content = written(1, None, "c")
    assert (content["checkpoint"]["path"], content["checkpoint"]["right"]) == ("/checkpoint", 0)
    assert content["predictions"] == [
        {"picture": "p0", "label": 0, "frozen_graph": 0, "checkpoint": 1},
        {
            "picture": "p1",
            "label": 1,
            "frozen_graph": None,
            "checkpoint": None,
            "problems": {"frozen_graph": "refused", "checkpoint": "refused"},
        },
        {"picture": "p2", "label": 1, "frozen_graph": "c", "checkpoint": "c"},
    ]
    assert content["agreement"] == {
        "compared": 2,
        "equal": 1,
        "differing": ["p0"],
        "unpredicted_by_both": ["p1"],
    }


def test_whether_it_passed_is_told_with_the_reasons() -> None:
    assert (written()["passed"], written()["failures"]) == (True, [])
    content = written(0, None, "c", least=0.5)
    assert content["passed"] is False
    assert content["failures"] == ["1 of 3 are right, below --min-accuracy 0.5"]
