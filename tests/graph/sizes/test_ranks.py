"""The rank of an input that states none, told by which sizes fit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from harness.domain import Domain
from harness.graph.sizes.ranks import with_ranks
from harness.graph.sizes.trials import BUDGET
from harness.models.model import Model

v1 = tf.compat.v1

Shape = tuple[None, ...] | None


@pytest.fixture
def shape_of(
    extracted: Callable[[GraphDef, tuple[str, ...]], Model], graph: tf.Graph
) -> Callable[..., object]:
    """What is made of the input `x` of unknown rank -> the shape that is found for it."""

    def found(
        build: Callable[[tf.Tensor], tf.Tensor], known: Domain | None = None, budget: int = BUDGET
    ) -> object:
        tf.identity(build(v1.placeholder(tf.float32, None, name="x")), name="out")
        model = extracted(graph.as_graph_def(), ("out",))
        domains = {"x": known} if known else {}
        result = with_ranks(model.graph_def, model.signature, domains, budget=budget)
        return result.get("x", Domain()).shape

    return found


@pytest.mark.parametrize(
    ("rank", "build"),
    [
        (2, lambda x: tf.reshape(x, (tf.shape(x)[0], 28, 28))),
        (2, lambda x: x * tf.ones(4)),
        (2, lambda x: tf.reduce_sum(x, axis=0)),
    ],
    ids=["reshaped", "broadcast", "reduced"],
)
def test_a_rank_is_one_that_can_be_given_sizes(
    rank: int, build: Callable[[tf.Tensor], tf.Tensor], shape_of: Callable[..., object]
) -> None:
    assert shape_of(build) == (None,) * rank


def test_where_any_rank_will_do_it_is_left(shape_of: Callable[..., object]) -> None:
    assert shape_of(tf.square) is None


def test_where_nothing_may_be_tried_it_is_left(shape_of: Callable[..., object]) -> None:
    assert shape_of(lambda x: x * tf.ones(4), budget=0) is None


def test_a_shape_that_is_known_is_kept(shape_of: Callable[..., object]) -> None:
    assert shape_of(lambda x: x * tf.ones(4), known=Domain(shape=())) == ()
