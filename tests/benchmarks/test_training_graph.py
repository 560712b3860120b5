"""The graphs whose loading is measured: as large as they are said to be, and real."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.training_graph import INPUT, OUTPUT, PATH_SHARE, build
from harness.models.checkpoint import read_meta_graph
from harness.models.model import Model
from harness.models.opening import open_model
from harness.models.restorable import check_restorable
from harness.runtime import Mode, Runner
from harness.subject import Request

NODES, VARIABLES = 503, 6


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("graph"), nodes=NODES, variables=VARIABLES)


@pytest.fixture(scope="module")
def model(prefix: Path) -> Model:
    return open_model(Request(path=prefix, inputs=(INPUT,), outputs=(OUTPUT,)))


def test_the_graph_has_as_many_nodes_as_asked_for(prefix: Path) -> None:
    meta = read_meta_graph(prefix.with_name(f"{prefix.name}.meta"))
    assert len(meta.graph_def.node) == NODES


def test_a_fixed_share_of_it_lies_on_the_path(model: Model) -> None:
    # Beside them, one read of each variable that TensorFlow's converter asks for by name.
    assert len(model.graph_def.node) == NODES // PATH_SHARE + VARIABLES


def test_the_model_has_as_many_variables_as_asked_for(model: Model) -> None:
    assert len(model.variables) == VARIABLES


def test_adam_keeps_two_more_of_each_in_the_checkpoint(model: Model) -> None:
    beta_powers = 2
    assert model.saved_tensors == 3 * VARIABLES + beta_powers


def test_it_opens_and_runs(model: Model) -> None:
    check_restorable(model)
    runner = Runner(model, mode=Mode.STRICT)
    runner.open()
    runner.close()


def test_more_variables_than_the_nodes_hold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nodes more"):
        build(tmp_path, nodes=100, variables=VARIABLES)
