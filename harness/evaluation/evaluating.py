"""Run a frozen graph, and its checkpoint where one is given, over labelled pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack

import numpy as np

from harness.criteria import Array
from harness.errors import Rejected, RequestError, TimedOut, listed, nearest
from harness.evaluation.data import Data, Picture
from harness.evaluation.feeding import Feeding, fed, feeding_of
from harness.evaluation.opening import Interface
from harness.evaluation.predicting import check_output, predictions_of
from harness.evaluation.result import Evaluation, Outcome, Prediction, is_constant
from harness.inputs.dtypes import numpy_dtype
from harness.models.model import Model
from harness.runtime import Mode, Runner

DEFAULT_BATCH_SIZE = 100
FROZEN, CHECKPOINT = "frozen graph", "checkpoint"
_SECONDS = 600.0
"""That a batch may take; a model is slow on a small machine, and it is not that which is tested."""

_BYTES_AT_A_TIME, _BYTES_OF_A_PIXEL = 2**28, 8
"""Of the pictures that are fed together, and of one channel while it is scaled."""

_Say = Callable[[int], None]


def evaluate(
    data: Data,
    interface: Interface,
    reference: Model | None = None,
    *,
    batch_size: int = DEFAULT_BATCH_SIZE,
    pixels: str | None = None,
    told: Sequence[str] = (),
    on_progress: _Say = lambda _: None,
) -> Evaluation:
    """Return what the models predict of each picture, both on the very same feeds.

    Raises:
        RequestError: the input takes no pictures, the output gives no classes, a file is damaged.
        BrokenModel: graph and weights cannot be brought together.
    """
    feeding = feeding_of(interface.input, interface.domain, pixels=pixels)
    is_alone = feeding.batch == "none"
    check_output(interface.output, data.class_names, is_alone=is_alone)
    models = {FROZEN: interface.model}
    if reference is not None:
        models[CHECKPOINT] = reference
    found: dict[str, list[Prediction | None]] = {
        name: [None] * len(data.pictures) for name in models
    }
    refused: dict[str, str] = {}
    with ExitStack() as stack:
        runners: dict[str, Runner] = {}
        for name, model in models.items():
            runners[name] = Runner(model, mode=Mode.DEPLOYED, seconds=_SECONDS)
            stack.callback(runners[name].close)
        done = 0
        for places in batches(data.pictures, feeding, batch_size):
            pictures = [data.pictures[place] for place in places]
            for name, predictions in _predicted(
                runners, pictures, feeding, interface, data.class_names, refused
            ).items():
                for place, prediction in zip(places, predictions, strict=True):
                    found[name][place] = prediction
            done += len(places)
            on_progress(done)
    outcomes = {
        name: Outcome(name=name, path=str(models[name].path), predictions=_all(predictions))
        for name, predictions in found.items()
    }
    return Evaluation(
        data=data,
        input=interface.input,
        output=interface.output,
        frozen=outcomes[FROZEN],
        reference=outcomes.get(CHECKPOINT),
        told=(
            *interface.told,
            *told,
            *feeding.told,
            *_resized(data.pictures, feeding),
            *_fed_alone(refused, outcomes),
            *_seen(outcomes[FROZEN], data),
        ),
    )


def batches(
    pictures: Sequence[Picture], feeding: Feeding, batch_size: int
) -> Iterator[Sequence[int]]:
    """Return the places of pictures that are fed together: those of one size, in their order."""
    by_size: dict[tuple[int, int], list[int]] = {}
    for place, picture in enumerate(pictures):
        by_size.setdefault(feeding.size(picture), []).append(place)
    for (width, height), places in by_size.items():
        room = max(1, _BYTES_AT_A_TIME // (width * height * feeding.channels * _BYTES_OF_A_PIXEL))
        most = _together(feeding, min(batch_size, room))
        for start in range(0, len(places), most):
            yield places[start : start + most]


def _together(feeding: Feeding, wanted: int) -> int:
    """Return how many pictures are fed together, where so many are wanted."""
    if feeding.batch == "any":
        return wanted
    return 1 if feeding.batch == "none" else feeding.batch


def _predicted(  # noqa: PLR0917 (what one batch takes)
    runners: Mapping[str, Runner],
    pictures: Sequence[Picture],
    feeding: Feeding,
    interface: Interface,
    class_names: Mapping[int, str],
    refused: dict[str, str],
) -> dict[str, list[Prediction]]:
    """Return the predictions of each model; where one refuses, all are asked picture by picture.

    Why a model refused pictures together is put into `refused`.
    """
    feeds = _feeds(pictures, feeding, interface)
    size = _together(feeding, len(pictures))
    found: dict[str, list[Prediction]] = {}
    for name, runner in runners.items():
        try:
            value = _run(runner, feeds, interface, size)
        except Rejected as error:
            if len(pictures) > 1:
                refused.setdefault(name, f"{len(pictures)} pictures together ({error})")
                return _one_by_one(runners, pictures, feeding, interface, class_names, refused)
            found[name] = [Prediction(predicted=None, problem=str(error))]
            continue
        predictions = predictions_of(
            value,
            interface.output,
            class_names,
            count=size,
            is_alone=feeding.batch == "none",
        )
        found[name] = predictions[: len(pictures)]
    return found


def _one_by_one(  # noqa: PLR0917 (as above)
    runners: Mapping[str, Runner],
    pictures: Sequence[Picture],
    feeding: Feeding,
    interface: Interface,
    class_names: Mapping[int, str],
    refused: dict[str, str],
) -> dict[str, list[Prediction]]:
    found: dict[str, list[Prediction]] = {name: [] for name in runners}
    for picture in pictures:
        alone = _predicted(runners, [picture], feeding, interface, class_names, refused)
        for name, predictions in alone.items():
            found[name] += predictions
    return found


def _feeds(pictures: Sequence[Picture], feeding: Feeding, interface: Interface) -> dict[str, Array]:
    """Return the feeds; a batch that is baked in is filled up with the last picture."""
    missing = _together(feeding, len(pictures)) - len(pictures)
    feeds = {feeding.input.name: fed(feeding, [*pictures, *[pictures[-1]] * missing])}
    for spec in interface.model.signature.inputs:
        if spec.name in interface.phases:
            dtype = numpy_dtype(spec.dtype)
            feeds[spec.name] = np.asarray(interface.phases[spec.name], dtype)
    return feeds


def _run(runner: Runner, feeds: Mapping[str, Array], interface: Interface, size: int) -> Array:
    try:
        return runner(feeds)[interface.output.name]
    except TimedOut as error:
        raise RequestError(
            f"{size} pictures together: {error}; give a smaller --batch-size"
        ) from error


def _all(predictions: Sequence[Prediction | None]) -> tuple[Prediction, ...]:
    made = tuple(each for each in predictions if each is not None)
    assert len(made) == len(predictions), "a picture was in no batch"
    return made


def _fed_alone(refused: Mapping[str, str], outcomes: Mapping[str, Outcome]) -> list[str]:
    """Tell of a model that takes every picture, and does not take them together."""
    return [
        f"the {name} refuses {what}: they were fed one by one"
        for name, what in refused.items()
        if all(each.predicted is not None for each in outcomes[name].predictions)
    ]


def _seen(outcome: Outcome, data: Data) -> list[str]:
    """Tell which classes are predicted that are none, and where there is but one."""
    told = []
    if data.is_named and not any(isinstance(p.predicted, str) for p in outcome.predictions):
        numbered = [f"{label} {name}" for label, name in data.class_names.items()]
        told.append(f"classes are numbered by the order of their names: {listed(numbered)}")
    unknown = sorted({p.predicted for p in outcome.predictions if isinstance(p.predicted, str)})
    if unknown:
        hint = nearest(unknown[0], data.class_names.values())
        told.append(f"predicted names that are no folder's: {listed(unknown)}{hint}")
    if is_constant(outcome, data.pictures):
        told.append("one class is predicted of all pictures")
    return told


def _resized(pictures: Sequence[Picture], feeding: Feeding) -> list[str]:
    others = [picture for picture in pictures if feeding.size(picture) != picture.size]
    if not others:
        return []
    sizes = {feeding.size(picture) for picture in others}
    width, height = min(sizes)
    to = f"{height} x {width} (height x width)" if len(sizes) == 1 else "the stated side"
    return [f"{len(others)} of {len(pictures)} pictures are resized to {to}, bilinearly"]
