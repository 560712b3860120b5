"""From a draft that fails to the simplest that fails too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.domain import Axis, Choices, Domain, Range
from harness.inputs.drafts import Draft, Feeds, Plan, feeds_of, planned
from harness.inputs.first_examples import first_drafts
from harness.inputs.simplifying import simplest
from harness.inputs.values import Recipe
from harness.signature import Shape, Signature, TensorSpec


def plan_of(shapes: dict[str, Shape | None], *, dtype: str = "float32", **domains: Domain) -> Plan:
    specs = tuple(TensorSpec(name=n, dtype=dtype, shape=shape) for n, shape in shapes.items())
    return planned(Signature(inputs=specs, outputs=()), domains)


def simplest_feeds(plan: Plan, fails: Callable[[Feeds], Any]) -> Feeds:
    """Return what the first of the first examples that fails leads to."""
    first = next(d for d in first_drafts(plan) if fails(feeds_of(plan, d)))
    return feeds_of(plan, simplest(plan, first, lambda draft: bool(fails(feeds_of(plan, draft)))))


def test_a_nan_is_alone_in_the_smallest_shape() -> None:
    plan = plan_of({"x": (None, None), "y": (None, 3)})
    found = simplest_feeds(plan, lambda f: any(np.isnan(v).any() for v in f.values()))
    shapes = sorted(value.size for value in found.values())
    assert shapes == [1, 3]
    assert sum(np.isnan(value).sum() for value in found.values()) == 1
    assert sum(np.count_nonzero(value) for value in found.values()) == 1


def test_whatever_fails_for_numbers_fails_for_ones() -> None:
    found = simplest_feeds(plan_of({"x": (None, None)}), lambda f: f["x"].any())
    assert found["x"].tolist() == [[1.0]]


@pytest.mark.parametrize("least", [2, 3, 5, 17])
def test_sizes_are_as_small_as_can_be(least: int) -> None:
    found = simplest_feeds(plan_of({"x": (None, None)}), lambda f: f["x"].shape[1] >= least)
    assert found["x"].tolist() == [[0.0] * least]


def test_a_size_that_others_must_match_is_found() -> None:
    found = simplest_feeds(plan_of({"x": (None, None)}), lambda f: np.ptp(f["x"].shape) > 3)
    assert sorted(found["x"].shape) == [1, 5]


@pytest.mark.parametrize("bad", [2, 3])
def test_examples_with_elements_are_simpler_than_those_without(bad: int) -> None:
    found = simplest_feeds(plan_of({"x": (None, 2)}), lambda f: len(f["x"]) in {0, bad})
    assert found["x"].tolist() == [[0.0, 0.0]] * bad


def test_where_only_an_empty_example_fails_it_stays() -> None:
    found = simplest_feeds(plan_of({"x": (None, 2), "y": (None,)}), lambda f: not f["x"].size)
    assert found["x"].shape == (0, 2)
    assert found["y"].shape == (0,)


def test_inputs_that_do_not_matter_are_zeros() -> None:
    found = simplest_feeds(plan_of({"x": (None, 4), "y": (None, 4)}), lambda f: (f["y"] < 0).any())
    assert not found["x"].any()
    assert found["y"].any()
    assert len(found["y"]) == 1


def test_a_landmark_is_left_where_it_matters() -> None:
    plan = plan_of({"x": (None, 9)}, x=Domain(landmarks=(2.5,)))
    found = simplest_feeds(plan, lambda f: (f["x"] == 2.5).any())
    assert np.count_nonzero(found["x"]) == 1


def test_values_stay_in_their_domain() -> None:
    plan = plan_of(
        {"x": (None,), "y": (None,)},
        dtype="int32",
        x=Domain(values=Range(low=3, high=60)),
        y=Domain(values=Choices(values=(7, 8))),
    )
    found = simplest_feeds(plan, lambda f: (f["x"] > 30).any())
    assert found["x"].tolist() == [60]
    assert found["y"].tolist() == [7]


def test_an_unknown_rank_becomes_0() -> None:
    found = simplest_feeds(plan_of({"x": None}), lambda f: f["x"].any())
    assert found["x"].tolist() == 1.0


def test_an_unknown_rank_is_as_large_as_it_must_be() -> None:
    found = simplest_feeds(plan_of({"x": None}), lambda f: f["x"].ndim >= 2)
    assert found["x"].tolist() == [[0.0]]


def test_a_draft_that_nothing_is_simpler_than_stays() -> None:
    plan = plan_of({"x": (None, 2), "y": (3,)})
    first = next(first_drafts(plan))
    asked: list[Draft] = []

    def fails(draft: Draft) -> bool:
        asked.append(draft)
        return True

    assert simplest(plan, first, fails) == first
    assert not asked


def test_few_drafts_are_tried_and_none_is_as_it_was() -> None:
    """Steps that lead nowhere cost a run of the model each, and one that leads back never ends."""
    sizes = Axis(name="n", sizes=tuple(range(1, 1000)))
    plan = plan_of(
        {"x": (None, None), "y": None},
        x=Domain(shape=(None, sizes), landmarks=(1.5,), default=2.0),
    )
    for first in first_drafts(plan):
        asked: list[Draft] = []

        def fails(draft: Draft, asked: list[Draft] = asked) -> bool:
            assert draft not in asked
            asked.append(draft)
            return draft.sizes["n"] >= 300 and draft.recipes["x"].distribution == "normal"

        simplest(plan, first, fails)
        assert len(asked) < 150


def test_special_values_and_a_scale_that_do_not_matter_are_left_out() -> None:
    plan = plan_of({"x": (None, 9)})
    recipe = Recipe(distribution="normal", scale=1e3, special="nan", seed=7)
    draft = Draft(sizes={"batch": 3}, recipes={"x": recipe})
    found = simplest(plan, draft, lambda step: step.recipes["x"].distribution == "normal")
    assert found == Draft(sizes={"batch": 1}, recipes={"x": Recipe(distribution="normal")})


def test_of_elements_that_were_drawn_one_by_one_ones_may_be_left() -> None:
    plan = plan_of({"x": (None,)})
    draft = Draft(sizes={"batch": 3}, recipes={"x": Recipe(elements=(0.5, 3.25, -7.0))})
    found = simplest(plan, draft, lambda step: (feeds_of(plan, step)["x"] > 0).any())
    assert feeds_of(plan, found)["x"].tolist() == [1.0]
    kept = simplest(plan, draft, lambda step: (feeds_of(plan, step)["x"] == 3.25).any())
    assert feeds_of(plan, kept)["x"].tolist() == [0.5, 3.25]
