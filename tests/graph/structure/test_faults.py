"""Every kind of fault that changes a graph is told in one sentence that names the culprit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tensorflow.core.framework.graph_pb2 import GraphDef

from fixtures.catalogue import FIXTURES, Fixture, find
from fixtures.faults import FAULTS, weights
from fixtures.freezing import freeze_fixture, request_for
from harness.graph.normal.form import normal_form
from harness.graph.structure.edits import Matching
from harness.graph.structure.matching import match
from harness.models.candidate import open_candidate
from harness.models.opening import open_model

Built = Callable[[str], Path]

SENTENCES = {
    ("aligned_corners", "small_cnn"):
        "resize/ResizeBilinear (ResizeBilinear): align_corners False became True",
    ("baked_batch", "softmax_regression"): "input inputs: shape [?, 4] became [1, 4]",
    ("baked_reshape", "small_cnn"): "Reshape/shape (Const): [-1, 6] became [1, 6]",
    ("clipped_ids", "embedding"): "Minimum added between ids and embedding_lookup",
    ("constant_for_input", "cond_v1"): "input flag became the constant False",
    ("dropped_bias", "softmax_regression"): "layer/BiasAdd (BiasAdd) missing before prediction",
    ("dropped_bias", "lstm_while_v1"): "while/BiasAdd (BiasAdd) missing before while/split",
    ("early_output", "softmax_regression"):
        "prediction (Softmax) missing before output prediction",
    ("exchanged_sides", "small_cnn"): "Transpose added between images and Cast",
    ("float64_output", "softmax_regression"): "Cast added after prediction",
    ("left_on_dropout", "softmax_regression"):
        "RandomUniform and Mul added between inputs and layer/MatMul",
    ("missing_relu", "small_cnn"): "Relu_1 (Relu) missing before Mean",
    ("other_activation", "lstm_while_v1"): "while/Sigmoid (Sigmoid) became Tanh",
    ("other_axis", "embedding"): "Mean/reduction_indices (Const): 1 became 0",
    ("other_channel_order", "small_cnn"): "ReverseV2 added between images and Cast",
    ("other_comparison", "hashed_features"): "Greater became GreaterEqual",
    ("other_epsilon", "small_cnn"):
        "batch_norm/FusedBatchNormV3 (FusedBatchNormV3): epsilon 0.001 became 1e-05",
    ("other_padding", "small_cnn"): "Conv2D: padding SAME became VALID",
    ("other_resizing", "small_cnn"):
        "resize/ResizeBilinear (ResizeBilinear) became ResizeNearestNeighbor",
    ("other_stride", "small_cnn"): "Conv2D: strides [1, 2, 2, 1] became [1, 1, 1, 1]",
    ("relu6", "small_cnn"): "Relu became Relu6",
    ("relu_without_nan", "small_cnn"): "Relu became Select",
    ("shifted_slice", "recent_steps"):
        "strided_slice/stack (Const): [0, -1] became [0, -2] and "
        "strided_slice/stack_1 (Const): [0, 0] became [0, -1]",
    ("swapped_outputs", "several_outputs"): "outputs parts and parts:1 exchanged",
    ("training_batch_norm", "small_cnn"):
        "batch_norm/FusedBatchNormV3 (FusedBatchNormV3): is_training False became True",
    ("truncated_division", "hashed_features"): "FloorMod became TruncateMod",
    ("unscaled_input", "small_cnn"): "truediv (RealDiv) missing before sub",
}  # fmt: skip
VALUES = {name for name in FAULTS if getattr(weights, name, None) is not None}


def matched(fixture: Fixture, candidate: GraphDef, *, built: Built, folder: Path) -> Matching:
    """The fixture's checkpoint and a graph that says to be it."""
    reference = open_model(request_for(fixture, built(fixture.name)))
    path = folder / "candidate.pb"
    path.write_bytes(candidate.SerializeToString())
    other = open_candidate(path, signature=reference.signature)
    forms = [
        normal_form(model.graph_def, inputs=model.signature.input_names,
                    outputs=model.signature.output_names)
        for model in (reference, other)
    ]  # fmt: skip
    outputs = reference.signature.output_names
    return match(*forms, same_constant=lambda *_: True, outputs=outputs)


@pytest.mark.parametrize(("kind", "family"), SENTENCES)
@pytest.mark.parametrize("variables", ["ref", "resource"])
def test_a_fault_is_told(
    kind: str, family: str, variables: str, built: Built, tmp_path: Path
) -> None:
    fixture = find(f"{family}-{variables}")
    broken = FAULTS[kind].apply(freeze_fixture(fixture, built(fixture.name)))

    found = matched(fixture, broken, built=built, folder=tmp_path)

    assert " and ".join(edit.text for edit in found.edits) == SENTENCES[kind, family]
    assert not found.transforms


@pytest.mark.parametrize("kind", sorted(VALUES))
def test_other_values_of_weights_are_no_structure(kind: str, built: Built, tmp_path: Path) -> None:
    fixture = find("moving_averages-ref" if kind == "raw_weights" else "small_cnn-resource")
    broken = FAULTS[kind].apply(freeze_fixture(fixture, built(fixture.name)))

    assert not matched(fixture, broken, built=built, folder=tmp_path).edits


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
def test_what_is_frozen_right_has_the_same_structure(
    fixture: Fixture, built: Built, tmp_path: Path
) -> None:
    frozen = freeze_fixture(fixture, built(fixture.name))

    found = matched(fixture, frozen.graph_def, built=built, folder=tmp_path)

    assert not any((found.edits, found.transforms, found.folded))
    assert not any((found.unmatched_reference, found.unmatched_candidate))
    assert len(found.leaves) >= len(frozen.weights) > 0


def test_every_kind_of_fault_is_tried() -> None:
    assert {kind for kind, _ in SENTENCES} | VALUES == set(FAULTS)
