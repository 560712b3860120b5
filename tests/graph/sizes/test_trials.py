"""What shape functions say of sizes, and at what cost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from harness.graph.sizes import trials as module
from harness.graph.sizes.output_checks import Wanted
from harness.graph.sizes.sized_inputs import Slot
from harness.graph.sizes.trials import OutOfBudget, Trials
from harness.models.model import Model

v1 = tf.compat.v1

ROWS, COLUMNS = Slot(input="x", axis=0), Slot(input="x", axis=1)


@pytest.fixture
def made(extracted: Callable[[GraphDef, tuple[str, ...]], Model], graph: tf.Graph) -> Model:
    """`x` is multiplied, and its square is reshaped to rows of six."""
    x = v1.placeholder(tf.float32, (None, None), name="x")
    product = tf.matmul(x, tf.constant(np.ones((128, 64), np.float32), name="w"), name="product")
    rows = tf.reshape(tf.square(x, name="square"), (-1, 6), name="rows")
    tf.concat([tf.reduce_sum(product, axis=1), tf.reduce_sum(rows, axis=1)], axis=0, name="out")
    return extracted(graph.as_graph_def(), ("out",))


def trials_of(model: Model, *, budget: int = module.BUDGET) -> Trials:
    trials = Trials(model.graph_def, model.signature, {}, budget=budget)
    assert trials.can_be_tried
    return trials


def test_unknown_dimensions_are_those_of_the_inputs(made: Model) -> None:
    assert trials_of(made).slots == (ROWS, COLUMNS)


def test_sizes_that_are_left_out_stay_unknown(made: Model) -> None:
    trials = trials_of(made)

    assert trials.refusal({}) is None
    assert trials.refusal({ROWS: 3}) is None
    assert trials.refusal({ROWS: 3, COLUMNS: 128}) is None


def test_a_refusal_tells_the_node_and_the_numbers(made: Model) -> None:
    refusal = trials_of(made).refusal({COLUMNS: 31})

    assert refusal is not None
    assert refusal.node == "product"
    assert refusal.numbers[:2] == (31, 128)


def test_only_what_the_named_nodes_need_is_looked_at(made: Model) -> None:
    trials = trials_of(made)

    assert trials.refusal({ROWS: 6, COLUMNS: 31}, of=["rows"]) is None
    refusal = trials.refusal({ROWS: 5, COLUMNS: 31}, of=["rows"])
    assert refusal is not None
    assert refusal.node == "rows"


def test_what_is_wanted_of_outputs_is_objected_to(
    extracted: Callable[[GraphDef, tuple[str, ...]], Model], graph: tf.Graph
) -> None:
    x = v1.placeholder(tf.float32, (None, None), name="x")
    tf.identity(tf.reshape(x, (-1, 2))[1:], name="out")
    trials = trials_of(extracted(graph.as_graph_def(), ("out",)))

    assert trials.refusal({ROWS: 3, COLUMNS: 2}, wanted=Wanted(rows=2, filled=True)) is None
    for sizes, wanted in [
        ({ROWS: 3, COLUMNS: 4}, Wanted(rows=2)),
        ({ROWS: 1, COLUMNS: 2}, Wanted(filled=True)),
    ]:
        refusal = trials.refusal(sizes, wanted=wanted)
        assert refusal is not None
        assert (refusal.node, refusal.of_output) == ("out", True)
    refusal = trials.refusal({ROWS: 1, COLUMNS: 3}, wanted=Wanted(rows=2, filled=True))
    assert refusal is not None
    assert not refusal.of_output


def test_weights_tell_sizes(made: Model) -> None:
    assert trials_of(made).weight_sizes(["product"]) == (64, 128)


def test_the_largest_input_counts(made: Model) -> None:
    assert trials_of(made).elements({ROWS: 3, COLUMNS: 128}) == 384


def test_what_is_imported_is_counted(made: Model) -> None:
    trials = trials_of(made, budget=1000)
    affordable = trials.affordable

    for _ in range(affordable):
        trials.refusal({})

    assert trials.affordable == 0
    with pytest.raises(OutOfBudget):
        trials.refusal({})


def test_a_graph_too_large_for_a_few_trials_is_not_tried(made: Model) -> None:
    assert not Trials(made.graph_def, made.signature, {}, budget=200).can_be_tried


def test_large_constants_are_imported_without_their_values(made: Model) -> None:
    whole = len(made.graph_def.SerializeToString())

    stripped = module._without_weights(made.graph_def)

    assert len(stripped.SerializeToString()) < whole - 4 * 128 * 64
    (shape,) = (
        node.attr["value"].tensor.tensor_shape for node in stripped.node if node.name == "w"
    )
    assert [dim.size for dim in shape.dim] == [128, 64]
