"""Whose value a variable was given: of another checkpoint, an average, the first, another's."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from harness.models import bundle_index
from harness.models.checkpoint import open_checkpoint_model
from harness.weights import sources
from harness.weights.comparing import WeightsResult
from harness.weights.sources import OtherConstants, sources_of
from tests.weights.conftest import STEP, Trained, nudged

AVERAGE = "/ExponentialMovingAverage"


@pytest.fixture(params=["ref", "resource"])
def trained(request: pytest.FixtureRequest) -> Trained:
    name = "reference" if request.param == "ref" else "of_resources"
    found: Trained = request.getfixturevalue(name)
    return found


def told(result: WeightsResult) -> dict[str, str]:
    return {w.place.reference: w.explanation.one if w.explanation else "" for w in result.wrong}


@pytest.mark.parametrize("step", [100, 103, 150, 200])
def test_a_value_of_another_checkpoint_is_told_with_its_step(trained: Trained, step: int) -> None:
    given = {"fc2/bias": trained.saved[step]["fc2/bias"]}
    text = f"holds model.ckpt-{step}'s value, not model.ckpt-{STEP}'s"
    assert told(trained.compared(given)) == {"fc2/bias": text}


def test_checkpoints_one_step_apart_are_told_apart(trained: Trained) -> None:
    given = {n: trained.saved[103][n] for n in ("fc1/weights", "fc2/weights", "fc2/bias")}
    kinds = {w.explanation.kind for w in trained.compared(given).wrong if w.explanation}
    assert kinds == {"checkpoint model.ckpt-103"}


def test_a_value_that_several_checkpoints_hold_is_of_the_one_that_explains_the_others(
    fresh: Callable[[], Trained],
) -> None:
    trained = fresh()
    nearest, other = "model.ckpt-103", "other.ckpt-103"
    for file in trained.prefix.parent.glob(f"{nearest}.*"):
        shutil.copy(file, file.with_name(file.name.replace(nearest, other)))
    given = {
        "fc2/bias": trained.saved[103]["fc2/bias"],
        "fc1/weights": trained.saved[103]["fc1/weights"],
    }
    kinds = {w.explanation.kind for w in trained.compared(given).wrong if w.explanation}
    assert kinds == {f"checkpoint {nearest}"}
    for file in trained.prefix.parent.glob(f"{nearest}.*"):
        file.unlink()
    kinds = {w.explanation.kind for w in trained.compared(given).wrong if w.explanation}
    assert kinds == {f"checkpoint {other}"}


def test_the_vote_of_other_values_goes_before_nearness() -> None:
    # In `explain`: of two kinds that fit one value, the one that fits another as well.
    from harness.criteria import Exact, compare
    from harness.weights.explaining import Wrong, explain
    from harness.weights.explanation import Explanation

    near, far = (
        Explanation(kind=kind, one=kind, many=kind, short=kind) for kind in ("near", "far")
    )

    class Both:
        def explanations(self, name: str, *_: object) -> list[Explanation]:
            return [near, far] if name == "a" else [far]

    right, given = np.zeros(3), np.arange(3.0)
    difference = compare(right, given, criterion=Exact())
    assert difference is not None
    found = explain(
        {(name, name): Wrong(difference=difference, nbytes=24) for name in "ab"},
        reference={"a": right, "b": right},
        candidate={"a": given, "b": given},
        sources=[Both()],
    )
    assert [found[name, name].kind for name in "ab"] == ["far", "far"]


def test_a_value_that_is_off_by_a_bit_is_of_no_checkpoint(trained: Trained) -> None:
    given = {"fc1/weights": nudged(trained.saved[200]["fc1/weights"])}
    assert told(trained.compared(given)) == {"fc1/weights": ""}


def test_broken_checkpoints_are_skipped(fresh: Callable[[], Trained]) -> None:
    trained = fresh()
    folder = trained.prefix.parent
    data = folder / "model.ckpt-103.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:100])
    (folder / "model.ckpt-100.index").write_bytes(b"nothing")
    (folder / "model.ckpt-999.index").write_bytes(b"")
    given = {
        "fc1/weights": trained.saved[103]["fc1/weights"],
        "fc2/weights": trained.saved[200]["fc2/weights"],
    }
    assert told(trained.compared(given)) == {
        "fc1/weights": "",
        "fc2/weights": "holds model.ckpt-200's value, not model.ckpt-102's",
    }


def test_a_moving_average_in_the_place_of_the_raw_value_is_named(trained: Trained) -> None:
    given = {"fc1/weights": trained.saved[STEP][f"fc1/weights{AVERAGE}"]}
    text = "holds its moving average, not its own value"
    assert told(trained.compared(given)) == {"fc1/weights": text}


def test_a_raw_value_in_the_place_of_the_moving_average_is_named(trained: Trained) -> None:
    model = open_checkpoint_model(trained.prefix, inputs=["x"], outputs=["y"], moving_averages=True)
    assert trained.compared({}, model=model).passed
    given = {"fc1/weights": trained.saved[STEP]["fc1/weights"]}
    text = "holds its own value, not its moving average"
    assert told(trained.compared(given, model=model)) == {"fc1/weights": text}


@pytest.mark.parametrize("name", ["fc1/weights", "fc2/bias"])
def test_a_first_value_is_named(trained: Trained, name: str) -> None:
    given = {name: trained.saved[0][name]}
    text = "holds its initial value, not the checkpoint's"
    assert told(trained.compared(given)) == {name: text}


def test_a_first_value_without_a_seed_is_not_known(trained: Trained) -> None:
    given = {"unseeded/kernel": trained.saved[0]["unseeded/kernel"]}
    assert told(trained.compared(given)) == {"unseeded/kernel": ""}


def test_the_value_of_another_variable_is_named(trained: Trained) -> None:
    right = trained.right
    given = {"fc1/weights": right["fc2/weights"], "fc2/weights": right["fc1/weights"]}
    assert told(trained.compared(given)) == {
        "fc1/weights": "holds fc2/weights' value, not its own",
        "fc2/weights": "holds fc1/weights' value, not its own",
    }


def test_a_value_from_off_the_path_is_named_by_its_key(trained: Trained) -> None:
    given = {"fc1/weights": trained.saved[STEP][f"fc2/weights{AVERAGE}"]}
    text = f"holds fc2/weights{AVERAGE}'s value, not its own"
    assert told(trained.compared(given)) == {"fc1/weights": text}


def test_a_value_that_differs_past_a_glance_is_not_taken_for_another(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_index, "_GLANCE", 4)
    for value in (trained.right["fc2/weights"], trained.saved[200]["fc1/weights"]):
        given = value.copy()
        given[-1, -1] += 1
        assert told(trained.compared({"fc1/weights": given})) == {"fc1/weights": ""}


def test_zeros_are_not_another_variables_value(fresh: Callable[[], Trained]) -> None:
    trained = fresh()
    zeros = np.zeros((8, 8), np.float32)
    assert told(trained.compared({"fc1/weights": zeros})) == {"fc1/weights": "is 0.0 throughout"}


def test_what_is_made_of_the_right_value_is_found_last(trained: Trained) -> None:
    given = {"fc1/weights": np.ascontiguousarray(trained.right["fc1/weights"].T)}
    text = "holds its value with axes 0 and 1 exchanged"
    assert told(trained.compared(given)) == {"fc1/weights": text}


@pytest.mark.parametrize("limit", ["_MOST_READ", "_MOST_COMPUTED"])
def test_sources_read_no_more_than_their_limit(
    trained: Trained, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, limit, 100)
    step = 200 if limit == "_MOST_READ" else 0
    given = {name: trained.saved[step][name] for name in ("fc2/bias", "fc1/weights")}
    found = told(trained.compared(given))
    assert found["fc2/bias"]
    assert not found["fc1/weights"]


def test_without_the_graphs_file_first_values_are_not_known(trained: Trained) -> None:
    model = replace(trained.model, meta_path=None)
    given = {"fc1/weights": trained.saved[0]["fc1/weights"]}
    assert told(trained.compared(given, model=model)) == {"fc1/weights": ""}


def test_other_constants_of_a_frozen_reference_are_named() -> None:
    values = {"a": np.arange(3.0), "b": np.arange(1.0, 4.0), "c": np.ones(3)}
    source = OtherConstants(values)
    (found,) = source.explanations("a", values["a"], values["b"])
    assert found.one == "holds b's value, not its own"
    assert not source.explanations("a", values["a"], values["a"])
    assert not source.explanations("a", values["a"], values["c"])


def test_a_frozen_reference_has_its_other_constants_as_source(trained: Trained) -> None:
    model = replace(trained.model, checkpoint_prefix=None, variables=())
    assert [type(source) for source in sources_of(model)] == [OtherConstants]
