"""Tensors that are made otherwise in the candidate: rounding passes, 8 bits do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from harness.criteria import Array
from harness.errors import BrokenModel
from harness.models.folded_values import value_of
from harness.models.frozen import open_frozen
from harness.models.model import Model
from harness.weights.folded import FoldedPair, FoldedResult, compare_folded, folded_reason

RIGHT = np.random.default_rng(1).normal(size=(8, 32)).astype(np.float32)


def pair(name: str, op: str = "") -> FoldedPair:
    return FoldedPair(reference=name, candidate=name, name=name, op=op)


def compared(given: Mapping[str, Array], *, op: str = "") -> FoldedResult:
    return compare_folded(
        [pair(name, op) for name in given],
        reference_value=lambda _: RIGHT,
        candidate_value=lambda name: given[name],
    )


def test_equal_values_agree() -> None:
    result = compared({"a": RIGHT.copy()})
    assert result.passed
    assert (result.compared, result.rounded) == (1, 0)
    assert folded_reason(result) == ""


def test_a_constant_that_another_kernel_rounded_agrees() -> None:
    result = compared({"a": np.nextafter(RIGHT, np.float32(9)), "b": RIGHT})
    assert result.passed
    assert (result.compared, result.rounded) == (2, 1)
    assert result.measured.max_ulp == 1


def test_more_than_rounding_differs() -> None:
    given = RIGHT.copy()
    given[3, 4] += 2e-6 * np.abs(RIGHT).max()
    result = compared({"a": given})
    assert not result.passed
    assert folded_reason(result).startswith("a[3, 4] = ")


@pytest.mark.parametrize("given", [RIGHT.astype(np.float64), RIGHT[None], RIGHT[:1, :1]])
def test_another_dtype_or_shape_differs(given: Array) -> None:
    result = compared({"a": given})
    assert not result.passed
    assert folded_reason(result)


def test_what_cannot_be_computed_is_a_fault() -> None:
    def fails(name: str) -> Array:
        raise BrokenModel(f"{name} stands in a loop")

    for values in ((fails, lambda _: RIGHT), (lambda _: RIGHT, fails)):
        result = compare_folded(
            [pair("a"), pair("b")], reference_value=values[0], candidate_value=values[1]
        )
        assert not result.passed
        assert result.compared == 0
        assert folded_reason(result) == (
            "a could not be compared: a stands in a loop, nor could 1 more"
        )


def test_several_of_one_kind_are_told_together() -> None:
    result = compared({"a": -RIGHT, "b": -RIGHT, "c": np.zeros_like(RIGHT)})
    first, second = folded_reason(result).split(" · ")
    assert first.startswith("2 weights hold the negative of their values (first a[")
    assert second.startswith("c is 0.0 throughout (256 of 256 elements differ, largest ")


@pytest.fixture(scope="module")
def by_integers(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Model]:
    """A matrix that a graph puts together from 8-bit integers when it runs."""

    def build(*, lowest: float, highest: float, mode: str) -> Model:
        with tf.Graph().as_default() as graph:
            x = tf.compat.v1.placeholder(tf.float32, (None, 8), name="x")
            quantized = tf.quantization.quantize(
                tf.constant(RIGHT), lowest, highest, tf.quint8, mode=mode
            )
            with tf.compat.v1.Session() as session:
                stored = session.run(quantized.output.op.outputs)
            made = tf.quantization.dequantize(
                tf.constant(stored[0], tf.quint8), *stored[1:], mode=mode, name="w"
            )
            tf.matmul(x, made, name="y")
            graph_def = tf.compat.v1.graph_util.extract_sub_graph(graph.as_graph_def(), ["y"])
        path: Path = tmp_path_factory.mktemp("dequantize") / "m.pb"
        path.write_bytes(graph_def.SerializeToString())
        return open_frozen(path, inputs=["x"], outputs=["y"])

    return build


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Model:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (None, 8), name="x")
        tf.matmul(x, tf.constant(RIGHT, name="w"), name="y")
        path: Path = tmp_path_factory.mktemp("reference") / "m.pb"
        path.write_bytes(graph.as_graph_def().SerializeToString())
    return open_frozen(path, inputs=["x"], outputs=["y"])


@pytest.mark.parametrize("mode", ["MIN_FIRST", "MIN_COMBINED"])
def test_a_weight_in_8_bits_is_said_to_be_so(
    mode: str, reference: Model, by_integers: Callable[..., Model]
) -> None:
    candidate = by_integers(lowest=float(RIGHT.min()), highest=float(RIGHT.max()), mode=mode)
    result = compare_folded(
        [pair("w", "Dequantize")],
        reference_value=lambda name: value_of(reference, [name])[name],
        candidate_value=lambda name: value_of(candidate, [name])[name],
    )
    (wrong,) = result.wrong
    assert wrong.explanation is not None
    assert wrong.explanation.one == "holds its value rounded to 8 bits"
    assert folded_reason(result).startswith("w is stored in 8 bits (Dequantize) (")


def test_several_weights_in_8_bits_are_told_together() -> None:
    result = compared({"a": RIGHT + 1, "b": RIGHT + 2}, op="Dequantize")
    assert folded_reason(result).startswith("2 weights are stored in 8 bits (Dequantize) (first a[")
