"""From the value of an output to a class for each picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.criteria import Array
from harness.errors import RequestError, listed
from harness.evaluation.result import Prediction
from harness.signature import Shape, TensorSpec, format_shape

_KINDS = "classes as integers or names [batch], or scores as floats [batch, classes]"


def check_output(spec: TensorSpec, class_names: Mapping[int, str], *, is_alone: bool) -> None:
    """Refuse an output that holds no predictions, as far as it can be told before it is run.

    `is_alone` says that the input takes one picture, without a dimension for more.

    Raises:
        RequestError: it is of another dtype or shape, or has fewer classes than there are labels.
    """
    if not _is_class(spec) and "float" not in spec.dtype:
        raise _no_classes(spec, f"it is {spec.dtype}")
    if spec.shape is not None and not _fits(spec, spec.shape, is_alone):
        raise _no_classes(spec, f"its shape is {format_shape(spec.shape)}")
    if spec.shape and not _is_class(spec) and spec.shape[-1] is not None:
        _check_scores(spec, spec.shape[-1], class_names)


def predictions_of(
    value: Array,
    spec: TensorSpec,
    class_names: Mapping[int, str],
    *,
    count: int,
    is_alone: bool,
) -> list[Prediction]:
    """Return a prediction for each of `count` pictures, which are fed one by one if `is_alone`.

    Raises:
        RequestError: the value is none of predictions, or not of as many pictures.
    """
    if not _fits(spec, value.shape, is_alone):
        raise _no_classes(spec, f"it gave a value of shape {format_shape(value.shape)}")
    rows = value[np.newaxis] if value.ndim == _rank(spec) - 1 else value
    if len(rows) != count:
        raise _no_classes(spec, f"it gave {len(rows)} predictions for {count} pictures")
    if not _is_class(spec):
        _check_scores(spec, rows.shape[1], class_names)
        return [_highest(scores) for scores in rows.astype(np.float64)]
    if spec.dtype != "string":
        return [Prediction(predicted=int(each)) for each in rows]
    labels = {name: label for label, name in class_names.items()}
    names = [each.decode(errors="backslashreplace") for each in rows]
    return [Prediction(predicted=labels.get(name, name)) for name in names]


def _highest(scores: Array) -> Prediction:
    if np.isnan(scores).any():
        # numpy gives the place of the NaN for that of the maximum.
        return Prediction(predicted=None, problem="its scores hold NaN")
    return Prediction(predicted=int(np.argmax(scores)))


def _is_class(spec: TensorSpec) -> bool:
    return spec.dtype == "string" or spec.dtype.removeprefix("u").startswith("int")


def _rank(spec: TensorSpec) -> int:
    return 1 if _is_class(spec) else 2


def _fits(spec: TensorSpec, shape: Shape, is_alone: bool) -> bool:
    """Say whether the rank is that of predictions; of one picture, the batch may be left out."""
    return len(shape) == _rank(spec) or (is_alone and len(shape) == _rank(spec) - 1)


def _check_scores(spec: TensorSpec, scores: int, class_names: Mapping[int, str]) -> None:
    if scores == 1:
        raise _no_classes(spec, "it has one score, of which the highest is always the same")
    label = max(class_names)
    if scores != len(class_names) and any(not each.isdigit() for each in class_names.values()):
        raise RequestError(
            f"--output {spec.name} has scores of {scores} classes, and there are folders of "
            f"{len(class_names)} ({listed(list(class_names.values()))}): which is which cannot be "
            f"told; call the folders by the model's numbers, 0 to {scores - 1}"
        )
    if label >= scores:
        raise RequestError(
            f"--output {spec.name} has scores of {scores} classes, 0 to {scores - 1}, and there "
            f"are pictures of class {label} ({class_names[label]}): name another output, or the "
            f"folders of the classes by the model's numbers"
        )


def _no_classes(spec: TensorSpec, why: str) -> RequestError:
    return RequestError(
        f"--output {spec.name}: {spec} holds no predictions: {why}, and they should be {_KINDS}; "
        f"name another output"
    )
