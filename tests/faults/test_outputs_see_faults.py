"""A .pb that is wrong fails in `outputs`, on every fixture where its outputs can show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fixtures.catalogue import FIXTURES, Fixture, find
from fixtures.faults import FAULTS, NotApplicable
from fixtures.freezing import freeze_fixture, request_for
from harness.proof import Proof
from harness.subject import Candidate, Request
from harness.suite.examples import for_all_examples
from harness.verdict import StageResult, Status

Built = Callable[[str], Path]

# Tried on every fixture.
EVERYWHERE = ("swapped_variables", "dropped_bias", "one_ulp_weight", "stale_checkpoint")

# Tried where they have their natural place, for the sake of time. Fixtures are named without -ref
# and -resource, which share their fate. No captchas: what is shrunk there costs seconds.
_PICTURES = ("small_cnn",)
PLACES = {
    "transposed_kernel": ("small_cnn", "recent_steps"),
    "half_precision_weights": ("embedding", "softmax_regression", "dtype_float64"),
    "permuted_labels": ("softmax_regression", "inception_head", "embedding"),
    "initial_values": ("sum_operation", "partitioned", "lstm_control_flow_v2", "unknown_rank"),
    "raw_weights": ("moving_averages", "softmax_regression"),
    "other_stride": ("small_cnn", "sequence_network", "inception_head"),
    "other_padding": ("small_cnn", "sequence_network"),
    "other_epsilon": _PICTURES,
    "training_batch_norm": _PICTURES,
    "left_on_dropout": ("small_cnn", "recent_steps", "lstm_while_v1"),
    "other_axis": ("recent_steps", "embedding"),
    "other_activation": ("recent_steps", "softmax_regression", "lstm_while_v1"),
    "relu6": ("sequence_network",),
    "missing_relu": ("small_cnn", "sequence_network"),
    "relu_without_nan": ("small_cnn", "sequence_network"),
    "shifted_slice": ("recent_steps", "lstm_while_v1"),
    "other_comparison": ("hashed_features",),
    "truncated_division": ("hashed_features",),
    "other_resizing": _PICTURES,
    "aligned_corners": _PICTURES,
    "early_output": ("softmax_regression", "inception_head", "cond_v1"),
    "float64_output": ("sequence_network", "embedding", "dtype_float64"),
    "swapped_outputs": ("several_outputs", "top_k"),
    "constant_for_input": ("cond_v1", "cond_control_flow_v2", "sum_operation"),
    "baked_batch": ("softmax_regression", "small_cnn", "sum_operation"),
    "baked_reshape": _PICTURES,
    "clipped_ids": ("embedding", "hashed_features"),
    "unscaled_input": _PICTURES,
    "other_channel_order": _PICTURES,
    "exchanged_sides": _PICTURES,
}

# What outputs do not show, and why.
UNSEEN = {
    ("sum_operation", "swapped_variables"): "a sum does not depend on the order of its terms",
    ("inception_head", "other_stride"): "the window covers the picture: there is one position",
    ("small_cnn", "relu_without_nan"): "a picture of uint8 holds no NaN",
}

# What outputs show on some feeds, which may be among a hundred examples and may not.
BY_CHANCE = {
    ("sequence_network", "one_ulp_weight"): (
        "the cast to float16 rounds a float32 ULP away, but where a sum lies between two values"
    ),
}

# Where a fixture offers no place for the fault: the graph has nothing of the kind to break.
_ONE_SHAPE_EACH = "every variable has a shape of its own"
_NO_BIAS = "no constant is added outside a function body"
_NO_ULP = "the dtype has no neighbouring values"
_UNTRAINED = "there is one checkpoint: the model is not trained"
NO_PLACE = {
    **{
        (name, "swapped_variables"): _ONE_SHAPE_EACH
        for name in ("softmax_regression", "sequence_network", "inception_head", "lstm_while_v1",
                     "lstm_control_flow_v2", "embedding", "several_outputs", "top_k", "two_shards",
                     "from_iterator", "from_queue", "v1_checkpoint", "moving_averages",
                     "recent_steps", "hashed_features")
    },
    **{
        (f"dtype_{dtype}", kind): reason
        for dtype in ("float64", "float16", "bfloat16", "int8", "int64", "bool", "complex64",
                      "string")
        for kind, reason in (("swapped_variables", _ONE_SHAPE_EACH), ("dropped_bias", _NO_BIAS),
                             ("stale_checkpoint", _UNTRAINED))
    },
    **{(f"dtype_{d}", "one_ulp_weight"): _NO_ULP for d in ("bool", "complex64", "string")},
    ("lstm_control_flow_v2", "dropped_bias"): _NO_BIAS,
    ("cond_control_flow_v2", "dropped_bias"): _NO_BIAS,
    ("sum_operation", "stale_checkpoint"): _UNTRAINED,
    ("embedding", "permuted_labels"): "there is one label",
    ("softmax_regression", "raw_weights"): "the weights are no moving averages",
    ("lstm_while_v1", "left_on_dropout"): "the only product with a matrix is in a loop",
    ("lstm_while_v1", "shifted_slice"): "nothing but shapes is sliced",
    ("cond_v1", "early_output"): "what comes before the output is one of two branches",
    ("dtype_float64", "float64_output"): "the output is of that dtype",
    ("top_k", "swapped_outputs"): "the outputs are of two dtypes",
    ("sum_operation", "baked_batch"): "the input has no axes",
}  # fmt: skip

# In which ways outputs show a fault: by other values, or by feeds that are refused.
SHOWN = ("but should be", "the candidate rejects feeds that the reference accepts")


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A fixture's frozen graph with a fault in it."""

    request: Request
    path: Path
    fixture: Fixture


def family(fixture: Fixture) -> str:
    return fixture.name.removesuffix("-ref").removesuffix("-resource")


def break_it(fixture: Fixture, kind: str, *, built: Built, folder: Path,
             outputs: tuple[str, ...] = ()) -> Broken:  # fmt: skip
    """Write the frozen graph with the fault; raise NotApplicable where it has no place."""
    prefix = built(fixture.name)
    graph_def = FAULTS[kind].apply(freeze_fixture(fixture, prefix, outputs=outputs))
    path = folder / "broken.pb"
    path.write_bytes(graph_def.SerializeToString())
    request = request_for(fixture, prefix, outputs=outputs)
    return Broken(request=request, path=path, fixture=fixture)


def compare_outputs(broken: Broken, folder: Path, *, examples: int = 100) -> StageResult:
    proof = Proof(broken.request, folder=folder)
    try:
        return proof.outputs(
            Candidate(name="broken.pb", method="file", path=broken.path),
            for_all_examples(max_examples=examples, seed=0),
        )
    finally:
        proof.close()


def tried(keep: Callable[[tuple[str, str]], bool]) -> list[Any]:
    """The fixtures and kinds of fault that are tried together, as far as `keep` says."""
    return [
        pytest.param(fixture, kind, id=f"{fixture.name}-{kind}")
        for fixture in FIXTURES
        for kind in FAULTS
        if kind in EVERYWHERE or family(fixture) in PLACES[kind]
        if keep((family(fixture), kind))
    ]


@pytest.mark.parametrize(
    ("fixture", "kind"), tried(lambda pair: pair not in {*UNSEEN, *BY_CHANCE, *NO_PLACE})
)
def test_a_fault_fails_in_outputs(
    fixture: Fixture, kind: str, built: Built, tmp_path: Path
) -> None:
    broken = break_it(fixture, kind, built=built, folder=tmp_path)

    result = compare_outputs(broken, tmp_path / "work")

    assert result.status is Status.FAILED
    assert any(way in result.reason for way in SHOWN)


@pytest.mark.parametrize(("fixture", "kind"), tried(UNSEEN.__contains__))
def test_a_fault_listed_as_unseen_is_unseen(
    fixture: Fixture, kind: str, built: Built, tmp_path: Path
) -> None:
    broken = break_it(fixture, kind, built=built, folder=tmp_path)

    assert compare_outputs(broken, tmp_path / "work").status is Status.PASSED


@pytest.mark.parametrize(("fixture", "kind"), tried(NO_PLACE.__contains__))
def test_a_fault_listed_as_without_place_has_none(
    fixture: Fixture, kind: str, built: Built, tmp_path: Path
) -> None:
    with pytest.raises(NotApplicable):
        break_it(fixture, kind, built=built, folder=tmp_path)


def test_every_fault_is_tried_somewhere() -> None:
    assert {*EVERYWHERE, *PLACES} == set(FAULTS)
    assert not set(EVERYWHERE) & set(PLACES)


def test_the_tables_name_what_is_tried() -> None:
    families = {family(fixture) for fixture in FIXTURES}
    tried_together = {(name, kind) for name in families for kind in EVERYWHERE}
    tried_together |= {(name, kind) for kind, names in PLACES.items() for name in names}

    assert {name for names in PLACES.values() for name in names} <= families
    assert {*UNSEEN, *BY_CHANCE, *NO_PLACE} <= tried_together
    assert len({*UNSEEN, *BY_CHANCE, *NO_PLACE}) == sum(map(len, (UNSEEN, BY_CHANCE, NO_PLACE)))


def test_a_graph_without_a_fault_passes(built: Built, tmp_path: Path) -> None:
    fixture = find("softmax_regression-resource")
    prefix = built(fixture.name)
    request = request_for(fixture, prefix)
    path = tmp_path / "right.pb"
    path.write_bytes(freeze_fixture(fixture, prefix).graph_def.SerializeToString())

    result = compare_outputs(Broken(request=request, path=path, fixture=fixture), tmp_path / "work")

    assert result.status is Status.PASSED
    assert result.examples == 100


def test_an_argmax_hides_a_fault_that_the_probabilities_show(built: Built, tmp_path: Path) -> None:
    """The class stays the same when the scores move by less than the gap between them."""
    kind, captcha = "one_ulp_weight", find("captcha_cnn-resource")
    (tmp_path / "classes").mkdir()
    (tmp_path / "probabilities").mkdir()
    classes = break_it(
        captcha, kind, built=built, folder=tmp_path / "classes", outputs=("classes",)
    )
    probabilities = break_it(
        captcha, kind, built=built, folder=tmp_path / "probabilities", outputs=("probabilities",)
    )

    assert compare_outputs(classes, tmp_path / "a", examples=25).status is Status.PASSED
    assert compare_outputs(probabilities, tmp_path / "b", examples=25).status is Status.FAILED
