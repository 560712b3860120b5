"""Indices of sparse tensors."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from harness.inputs.distributions import DISTRIBUTIONS
from harness.inputs.sparse import MOST_ENTRIES, draw_indices
from harness.inputs.specials import EMPTY
from harness.inputs.values import Recipe

recipes = st.builds(
    Recipe,
    distribution=st.sampled_from(DISTRIBUTIONS),
    seed=st.integers(0, 2**16),
    special=st.sampled_from(["", "", EMPTY]),
)
shapes = st.lists(st.integers(0, 5) | st.sampled_from([1000, 2**40]), max_size=3).map(tuple)


@given(shape=shapes, recipe=recipes)
def test_indices_are_sorted_distinct_and_within_the_shape(
    shape: tuple[int, ...], recipe: Recipe
) -> None:
    indices = draw_indices(shape, recipe=recipe)
    assert indices.dtype == np.int64
    assert indices.shape[1:] == (len(shape),)
    rows = [tuple(row) for row in indices.tolist()]
    assert rows == sorted(set(rows))
    assert all(0 <= at < size for row in rows for at, size in zip(row, shape, strict=True))


def entries(shape: tuple[int, ...], **recipe: object) -> int:
    return len(draw_indices(shape, recipe=Recipe(**recipe)))


def test_the_simplest_is_one_entry_in_the_first_place() -> None:
    assert draw_indices((3, 4), recipe=Recipe()).tolist() == [[0, 0]]


def test_a_tensor_may_be_full() -> None:
    assert entries((3, 4), distribution="ones") == 12
    assert entries((1000, 1000), distribution="ones") == MOST_ENTRIES


def test_a_tensor_may_have_no_entry() -> None:
    assert entries((3, 4), distribution="uniform", special=EMPTY) == 0
    assert entries((3, 0), distribution="uniform") == entries((0,)) == 0


@pytest.mark.parametrize("shape", [(6, 7), (2**40, 2**40)])
def test_otherwise_there_is_any_number_of_entries(shape: tuple[int, ...]) -> None:
    counts = {entries(shape, distribution="uniform", seed=seed) for seed in range(200)}
    assert 0 not in counts
    assert len(counts) > 20


def test_entries_are_in_every_place_and_rows_are_empty_at_times() -> None:
    drawn = [
        draw_indices((3, 4), recipe=Recipe(distribution="uniform", seed=s)) for s in range(100)
    ]
    assert len({tuple(row) for indices in drawn for row in indices.tolist()}) == 12
    assert any(len({*indices[:, 0].tolist()}) < 3 <= len(indices) for indices in drawn)


@pytest.mark.parametrize("shape", [(5, 6), (2**40, 3)])
@pytest.mark.parametrize("distribution", ["zeros", "uniform"])
def test_their_number_may_be_given(shape: tuple[int, ...], distribution: str) -> None:
    indices = draw_indices(shape, recipe=Recipe(distribution=distribution), count=7)
    assert len(indices) == 7
    assert len(np.unique(indices, axis=0)) == 7
