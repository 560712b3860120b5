"""Each fault in the weights of a real frozen graph is found, and explained as what it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.catalogue import find
from fixtures.faults import Frozen
from fixtures.faults.weights import (
    half_precision_weights,
    initial_values,
    one_ulp_weight,
    permuted_labels,
    raw_weights,
    stale_checkpoint,
    swapped_variables,
    transposed_kernel,
)
from fixtures.freezing import freeze_fixture, request_for
from harness.models.constants import Constants
from harness.models.opening import open_model
from harness.weights.comparing import Place, WeightsResult, compare_weights
from harness.weights.sources import sources_of
from harness.weights.telling import reason

Built = Callable[[str], Path]


def compared(name: str, built: Built, apply: Callable[[Frozen], object]) -> WeightsResult:
    fixture, prefix = find(name), built(name)
    model = open_model(request_for(fixture, prefix))
    graph_def = apply(freeze_fixture(fixture, prefix))
    names = [variable.name for variable in model.variables]
    return compare_weights(
        [Place(reference=name, candidate=name) for name in names],
        reference=model.weights,
        candidate=Constants(graph_def),
        expected=names,
        sources=sources_of(model),
    )


@pytest.mark.parametrize(
    "name",
    ["small_cnn-ref", "small_cnn-resource", "moving_averages-ref", "partitioned-resource",
     "v1_checkpoint-ref", "dtype_string-ref", "dtype_bfloat16-ref", "lstm_control_flow_v2-ref"],
)  # fmt: skip
def test_a_right_graph_passes(name: str, built: Built) -> None:
    result = compared(name, built, lambda frozen: frozen.graph_def)
    assert result.passed
    assert result.places == result.variables > 0
    assert reason(result) == ""


SMALL_CNN = [
    (swapped_variables, "batch_norm/gamma holds batch_norm/moving_mean's value, and batch_norm/"
                        "moving_mean batch_norm/gamma's (6 of 6 elements differ"),
    (one_ulp_weight, "batch_norm/gamma[5] = "),
    (transposed_kernel, "first/kernel holds its value with axes 0 and 1 exchanged (108 of 162"),
    (half_precision_weights, "all 9 variables hold their values rounded to float16 (first first/"),
    (permuted_labels, "2 of 9 variables hold their values with their last axis rolled by 1 (first "
                      "output/kernel["),
    (stale_checkpoint, "all 9 variables hold model.ckpt-5's values, not model.ckpt-60's: this .pb "
                       "is of model.ckpt-5, not model.ckpt-60 (first first/kernel["),
    (initial_values, "all 9 variables hold their initial values, not the checkpoint's: the graph "
                     "was initialised and nothing was restored into it (first first/kernel["),
]  # fmt: skip


@pytest.mark.parametrize("name", ["small_cnn-ref", "small_cnn-resource"])
@pytest.mark.parametrize(("fault", "text"), SMALL_CNN, ids=lambda v: getattr(v, "__name__", ""))
def test_a_fault_is_explained(
    name: str, fault: Callable[[Frozen], object], text: str, built: Built
) -> None:
    result = compared(name, built, fault)
    assert not result.passed
    assert reason(result).startswith(text)


OTHERS = [
    ("moving_averages-resource", raw_weights, "both variables hold their own values, not their "
                                              "moving averages: restore the averages before"),
    ("moving_averages-ref", stale_checkpoint, "both variables hold model.ckpt-5's values, not"),
    ("moving_averages-ref", initial_values, "both variables hold their initial values, not the"),
    ("partitioned-ref", swapped_variables, "kernel/part_0 holds kernel/part_1's value, and"),
    ("partitioned-ref", stale_checkpoint, "all 4 variables hold model.ckpt-5's values, not"),
    ("v1_checkpoint-resource", stale_checkpoint, "both variables hold model.ckpt-5's values"),
    ("lstm_while_v1-ref", half_precision_weights, "both variables hold their values rounded to"),
    ("dtype_bfloat16-ref", one_ulp_weight, "weights["),
    ("dtype_int8-resource", one_ulp_weight, "weights["),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fault", "text"), OTHERS)
def test_a_fault_is_explained_in_other_models(
    name: str, fault: Callable[[Frozen], object], text: str, built: Built
) -> None:
    assert reason(compared(name, built, fault)).startswith(text)
