"""A .pb that is wrong fails in `outputs`, on every fixture where its outputs can show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fixtures.catalogue import FIXTURES, Fixture, find
from fixtures.faults import FAULTS, NotApplicable
from harness.graph.freezing import freeze
from harness.inputs.spec import parse_input_spec
from harness.models.model import Model
from harness.models.opening import open_model
from harness.proof import Proof
from harness.subject import Candidate, Request
from harness.suite.examples import for_all_examples
from harness.verdict import StageResult, Status

Built = Callable[[str], Path]

STALE = "stale_checkpoint"
KINDS = (*FAULTS, STALE)

# What outputs cannot show, and why. Fixtures are named without -ref and -resource, which share
# their fate.
UNSEEN = {
    ("sum_operation", "swapped_variables"): "a sum does not depend on the order of its terms",
    ("sequence_network", "one_ulp_weight"): "the cast to float16 rounds a float32 ULP away",
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
                     "from_iterator", "from_queue", "v1_checkpoint")
    },
    **{
        (f"dtype_{dtype}", kind): reason
        for dtype in ("float64", "float16", "bfloat16", "int8", "int64", "bool", "complex64",
                      "string")
        for kind, reason in (("swapped_variables", _ONE_SHAPE_EACH), ("dropped_bias", _NO_BIAS),
                             (STALE, _UNTRAINED))
    },
    **{(f"dtype_{d}", "one_ulp_weight"): _NO_ULP for d in ("bool", "complex64", "string")},
    ("lstm_control_flow_v2", "dropped_bias"): _NO_BIAS,
    ("cond_control_flow_v2", "dropped_bias"): _NO_BIAS,
    ("sum_operation", STALE): _UNTRAINED,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A fixture's frozen graph with a fault in it."""

    request: Request
    path: Path
    fixture: Fixture


def family(fixture: Fixture) -> str:
    return fixture.name.removesuffix("-ref").removesuffix("-resource")


def frozen(model: Model, *, weights_of: Model | None = None) -> Any:
    source = weights_of or model
    return freeze(model.graph_def, weights=source.weights, outputs=model.signature.output_names)


def break_it(fixture: Fixture, kind: str, *, built: Built, folder: Path,
             outputs: tuple[str, ...] | None = None) -> Broken:  # fmt: skip
    """Write the frozen graph with the fault; raise NotApplicable where it has no place."""
    prefix = built(fixture.name)
    request = Request(path=prefix, inputs=fixture.inputs, outputs=outputs or fixture.outputs)
    model = open_model(request)
    if kind == STALE:
        if fixture.stale is None:
            raise NotApplicable(_UNTRAINED)
        older = Request(
            path=prefix.with_name(fixture.stale),
            meta_graph=prefix.with_name(f"{prefix.name}.meta"),
            inputs=request.inputs,
            outputs=request.outputs,
        )
        graph_def = frozen(model, weights_of=open_model(older))
    else:
        names = [variable.name for variable in model.variables]
        graph_def = FAULTS[kind].apply(frozen(model), names)
    path = folder / "broken.pb"
    path.write_bytes(graph_def.SerializeToString())
    return Broken(request=request, path=path, fixture=fixture)


def compare_outputs(broken: Broken, folder: Path, *, examples: int = 100) -> StageResult:
    proof = Proof(broken.request, folder=folder)
    try:
        return proof.outputs(
            Candidate(name="broken.pb", method="file", path=broken.path),
            for_all_examples(
                domains=parse_input_spec(broken.fixture.input_spec),
                max_examples=examples,
                seed=0,
            ),
        )
    finally:
        proof.close()


def places(*, seen: bool) -> list[Any]:
    """Every fixture and kind of fault that has a place in it, seen in the outputs or not."""
    return [
        pytest.param(fixture, kind, id=f"{fixture.name}-{kind}")
        for fixture in FIXTURES
        for kind in KINDS
        if (family(fixture), kind) not in NO_PLACE
        and ((family(fixture), kind) not in UNSEEN) is seen
    ]


@pytest.mark.parametrize(("fixture", "kind"), places(seen=True))
def test_a_fault_fails_in_outputs(
    fixture: Fixture, kind: str, built: Built, tmp_path: Path
) -> None:
    broken = break_it(fixture, kind, built=built, folder=tmp_path)

    result = compare_outputs(broken, tmp_path / "work")

    assert result.status is Status.FAILED
    assert "but should be" in result.reason


@pytest.mark.parametrize(("fixture", "kind"), places(seen=False))
def test_a_fault_listed_as_unseen_is_unseen(
    fixture: Fixture, kind: str, built: Built, tmp_path: Path
) -> None:
    broken = break_it(fixture, kind, built=built, folder=tmp_path)

    assert compare_outputs(broken, tmp_path / "work").status is Status.PASSED


@pytest.mark.parametrize(
    ("fixture", "kind"),
    [
        pytest.param(fixture, kind, id=f"{fixture.name}-{kind}")
        for fixture in FIXTURES
        for kind in KINDS
        if (family(fixture), kind) in NO_PLACE
    ],
)
def test_a_fault_listed_as_without_place_has_none(
    fixture: Fixture, kind: str, built: Built, tmp_path: Path
) -> None:
    with pytest.raises(NotApplicable):
        break_it(fixture, kind, built=built, folder=tmp_path)


def test_the_tables_name_fixtures_and_faults_that_exist() -> None:
    families = {family(fixture) for fixture in FIXTURES}

    assert {name for name, _ in (*UNSEEN, *NO_PLACE)} <= families
    assert {kind for _, kind in (*UNSEEN, *NO_PLACE)} <= set(KINDS)


def test_a_graph_without_a_fault_passes(built: Built, tmp_path: Path) -> None:
    fixture = find("softmax_regression-resource")
    request = Request(path=built(fixture.name), inputs=fixture.inputs, outputs=fixture.outputs)
    path = tmp_path / "right.pb"
    path.write_bytes(frozen(open_model(request)).SerializeToString())

    result = compare_outputs(Broken(request=request, path=path, fixture=fixture), tmp_path / "work")

    assert result.status is Status.PASSED
    assert result.examples == 100


@pytest.mark.parametrize("kind", ["one_ulp_weight"])
def test_an_argmax_hides_a_fault_that_the_probabilities_show(
    kind: str, built: Built, tmp_path: Path
) -> None:
    """The class stays the same when the scores move by less than the gap between them."""
    captcha = find("captcha_cnn-resource")
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
