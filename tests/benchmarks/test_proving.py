"""The models whose proof is measured: as large as they are said to be, and each its frozen copy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.proving import INPUT, OUTPUT, TINY, build, compare_bytes
from harness.models.candidate import open_candidate
from harness.models.model import Model
from harness.models.opening import open_model
from harness.models.restorable import check_restorable
from harness.runtime import Mode, Runner
from harness.subject import Request


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(TINY, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def model(prefix: Path) -> Model:
    return open_model(Request(path=prefix, inputs=(INPUT,), outputs=(OUTPUT,)))


@pytest.fixture
def frozen(prefix: Path) -> Path:
    return prefix.with_name("frozen.pb")


def test_the_reference_has_as_many_nodes_as_said_and_its_weights(model: Model) -> None:
    assert len(model.graph_def.node) == TINY.nodes
    assert sum(value.nbytes for value in model.weights.values()) == TINY.gigabytes * 1e9
    check_restorable(model)


def test_the_frozen_copy_computes_the_same(model: Model, frozen: Path) -> None:
    feeds = {INPUT: np.ones((2, TINY.width), np.float32)}
    candidate = open_candidate(frozen, signature=model.signature)
    (expected,), (found,) = (
        Runner(each, mode=Mode.STRICT)(feeds).values() for each in (model, candidate)
    )
    np.testing.assert_array_equal(found, expected)


def test_what_is_measured_sees_one_bit(model: Model, frozen: Path, tmp_path: Path) -> None:
    compare_bytes(model, frozen)
    other = tmp_path / "other.pb"
    content = frozen.read_bytes()
    value = model.weights["layer_1/kernel"].tobytes()
    assert content.count(value) == 1
    other.write_bytes(content.replace(value, bytes([value[0] ^ 1]) + value[1:]))
    with pytest.raises(AssertionError, match="layer_1/kernel"):
        compare_bytes(model, other)
