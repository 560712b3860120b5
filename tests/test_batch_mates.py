"""Outputs that depend on the other examples of a batch. A model is a function here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from harness.batch_mates import batch_warning
from harness.domain import BATCH, Axis, Domain, Sparse
from harness.errors import Rejected
from harness.memo import Feeds
from harness.ordinary import Example
from harness.verdict import ModelWarning

NEVER = math.inf
ROWS = Axis(name=BATCH, sizes=(1, 2, 3))
DENSE = {"x": Domain(shape=(ROWS, 3))}
Model = Callable[[Feeds], Mapping[str, Any]]


def examples(model: Model, *rows: int, **inputs: Any) -> list[Example]:
    found = []
    for number, count in enumerate(rows):
        feeds = {"x": np.random.default_rng(number).normal(size=(count, 3)), **inputs}
        found.append(Example(feeds=feeds, outputs=model(feeds)))
    return found


def look(
    model: Model, *rows: int, domains: Mapping[str, Domain] = DENSE, **options: Any
) -> ModelWarning | None:
    stop_at = options.pop("stop_at", NEVER)
    known = examples(model, *rows, **options)
    return batch_warning(model, domains=domains, examples=known, stop_at=stop_at)


def sound(feeds: Feeds) -> Mapping[str, Any]:
    return {"y": np.tanh(feeds["x"])}


def centred(feeds: Feeds) -> Mapping[str, Any]:
    return {"y": feeds["x"] - feeds["x"].mean(axis=0)}


def test_a_model_whose_rows_are_their_own_is_sound() -> None:
    assert look(sound, 4, 5, 6) is None


def test_one_that_takes_the_mean_of_the_batch_is_not() -> None:
    warning = look(centred, 4, 5, 6)
    assert warning is not None
    assert (warning.code, warning.nodes) == ("batch_dependent", ("y",))
    assert "as 3 batches showed" in warning.message
    assert "--input-spec FILE" in warning.message


def test_of_several_outputs_those_that_depend_are_named() -> None:
    def model(feeds: Feeds) -> Mapping[str, Any]:
        return {**sound(feeds), "z": centred(feeds)["y"]}

    warning = look(model, 4, 5)
    assert warning is not None
    assert warning.nodes == ("z",)


def test_rounding_is_no_dependence() -> None:
    def model(feeds: Feeds) -> Mapping[str, Any]:
        return {"y": feeds["x"] + 1e-7 * feeds["x"].mean(axis=0)}

    assert look(model, 4, 5, 6) is None


@pytest.mark.parametrize(
    "sequence",
    [
        lambda x: np.cumsum(x, axis=0),
        lambda x: x - np.roll(x, 1, axis=0),
        lambda x: x + x[:1],
        lambda x: x[::-1],
    ],
)
def test_rows_that_have_an_order_are_no_examples(sequence: Callable[[Any], Any]) -> None:
    assert look(lambda feeds: {"y": sequence(feeds["x"])}, 4, 5, 6) is None


def test_one_batch_is_not_enough() -> None:
    assert look(centred, 4) is None


def test_a_batch_of_one_shows_nothing() -> None:
    assert look(centred, 1, 1, 1) is None


def test_an_output_without_a_batch_is_left() -> None:
    def model(feeds: Feeds) -> Mapping[str, Any]:
        return {"y": feeds["x"].mean(axis=0), "z": feeds["x"].mean(), **sound_as("s", feeds)}

    assert look(model, 4, 5, 6) is None


def sound_as(name: str, feeds: Feeds) -> dict[str, Any]:
    return {name: sound(feeds)["y"]}


def test_an_output_of_another_shape_shows_nothing() -> None:
    """As words are filled up to the longest of the batch."""

    def model(feeds: Feeds) -> Mapping[str, Any]:
        width = 1 if feeds["x"].std(axis=0).max() < 1e-9 else 5
        return {"y": feeds["x"][:, :1] + np.arange(width)}

    assert look(model, 4, 5, 6) is None


def test_a_rejection_shows_nothing() -> None:
    known = examples(centred, 4, 5, 6)

    def refuses(_: Feeds) -> Mapping[str, Any]:
        raise Rejected("InvalidArgumentError", "no")

    assert batch_warning(refuses, domains=DENSE, examples=known, stop_at=NEVER) is None


def test_after_the_time_nothing_is_said() -> None:
    assert look(centred, 4, 5, 6, stop_at=-NEVER) is None


def test_a_flag_stays_as_it_is() -> None:
    seen = []

    def model(feeds: Feeds) -> Mapping[str, Any]:
        seen.append(feeds["rate"])
        return centred(feeds)

    domains = {**DENSE, "rate": Domain(shape=())}
    assert look(model, 4, 5, domains=domains, rate=np.float32(0.5)) is not None
    assert set(map(float, seen)) == {0.5}


@pytest.mark.parametrize(
    "other",
    [
        Domain(shape=(Axis(name="time", sizes=(4, 5)), 3)),
        Domain(shape=(4, 3)),
        Domain(shape=None),
        Domain(shape=(ROWS, ROWS)),
        Domain(shape=(ROWS, 2), values=Sparse(values="v", dense_shape="", shape=(3, 3))),
    ],
    ids=str,
)
def test_inputs_that_are_not_all_batches_are_left(other: Domain) -> None:
    assert look(centred, 4, 4, domains={"x": other}) is None
    assert look(centred, 4, 4, domains={**DENSE, "o": other}, o=np.ones((4, 3))) is None


def test_a_model_without_a_batch_is_left() -> None:
    assert look(centred, 4, 5, domains={"x": Domain(shape=())}) is None
