"""Ways to choose the inputs on which a frozen graph is held against its model.

`OURS` is what the harness draws. `BY_HAND` is what people write: random numbers or ones, cast to
the dtype of the input, at the smallest shape, where every unknown dimension is 1 (of an unknown
rank: a scalar). `ARRAYS` is what hypothesis offers for numpy. Only ours is told of domains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import hypothesis
import hypothesis.extra.numpy as hypothesis_numpy
import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt
from hypothesis import HealthCheck, Phase, given, settings

from harness.domain import Domain
from harness.inputs.dtypes import numpy_dtype
from harness.memo import Feeds
from harness.signature import Shape, Signature
from harness.suite.examples import for_all_examples

Array = npt.NDArray[Any]
Draw = Callable[[Signature, Mapping[str, Domain]], Iterator[Feeds]]

MOST_EXAMPLES = 100
LARGEST_DIMENSION = 8


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A name, and a signature and its domains -> feeds, the same each time."""

    name: str
    draw: Draw


def drawn(
    signature: Signature, domains: Mapping[str, Domain], *, examples: int, seed: int
) -> list[Feeds]:
    """The feeds on which the harness compares, when nothing is found."""
    found: list[Feeds] = []
    for_all_examples(max_examples=examples, seed=seed)(signature, domains, found.append)
    return found


def _ours(signature: Signature, domains: Mapping[str, Domain]) -> Iterator[Feeds]:
    yield from drawn(signature, domains, examples=MOST_EXAMPLES, seed=0)


def _by_hand(
    fill: Callable[[np.random.Generator, tuple[int, ...]], Array], *, seeds: Sequence[int]
) -> Draw:
    def draw(signature: Signature, domains: Mapping[str, Domain]) -> Iterator[Feeds]:
        del domains
        for seed in seeds:
            generator = np.random.default_rng(seed)
            yield {
                spec.name: _cast(fill(generator, _smallest(spec.shape)), numpy_dtype(spec.dtype))
                for spec in signature.inputs
            }

    return draw


def _smallest(shape: Shape | None) -> tuple[int, ...]:
    return tuple(1 if size is None else size for size in shape or ())


def _cast(numbers: Array, dtype: np.dtype[Any]) -> Array:
    """Of uniform numbers, integers become zeros and booleans True; strings are all empty."""
    if dtype.kind == "O":
        return np.full(numbers.shape, b"", dtype=object)
    return numbers.astype(dtype)


def _arrays(signature: Signature, domains: Mapping[str, Domain]) -> Iterator[Feeds]:
    del domains
    found: list[Feeds] = []

    @hypothesis.seed(0)
    @settings(
        max_examples=MOST_EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(feeds=_feeds_of_arrays(signature))
    def collect(feeds: Feeds) -> None:
        found.append(feeds)

    collect()
    yield from found


@st.composite
def _feeds_of_arrays(draw: st.DrawFn, signature: Signature) -> Feeds:
    """Unknown leading dimensions are one number: who writes this knows what a batch is."""
    sizes = st.integers(1, LARGEST_DIMENSION)
    batch = draw(sizes)
    feeds = {}
    for spec in signature.inputs:
        if spec.shape is None:
            shape = draw(hypothesis_numpy.array_shapes(min_dims=0, max_side=LARGEST_DIMENSION))
        else:
            shape = tuple(
                size if size is not None else batch if axis == 0 else draw(sizes)
                for axis, size in enumerate(spec.shape)
            )
        feeds[spec.name] = draw(_arrays_of(numpy_dtype(spec.dtype), shape))
    return feeds


def _arrays_of(dtype: np.dtype[Any], shape: tuple[int, ...]) -> st.SearchStrategy[Array]:
    if dtype.kind == "O":
        return hypothesis_numpy.arrays(dtype, shape, elements=st.binary())
    if dtype.kind == "V":  # bfloat16 and the like are unknown to it
        of_float32 = hypothesis_numpy.arrays(np.dtype(np.float32), shape)
        return of_float32.map(lambda array: array.astype(dtype))
    return hypothesis_numpy.arrays(dtype, shape)


OURS = Policy(name="freezeproof", draw=_ours)
BY_HAND = (
    Policy(name="one U[0, 1)", draw=_by_hand(lambda g, shape: g.random(shape), seeds=(0,))),
    Policy(name="five U[0, 1)", draw=_by_hand(lambda g, shape: g.random(shape), seeds=range(5))),
    Policy(name="all ones", draw=_by_hand(lambda _, shape: np.ones(shape), seeds=(0,))),
    Policy(name="one U[1, 2)", draw=_by_hand(lambda g, shape: 1 + g.random(shape), seeds=(0,))),
)
ARRAYS = Policy(name="hypothesis arrays", draw=_arrays)
POLICIES = (OURS, *BY_HAND, ARRAYS)
