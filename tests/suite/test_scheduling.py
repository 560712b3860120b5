"""Which items must run on the same worker."""

from __future__ import annotations

from typing import Any

import pytest

from harness.suite.scheduling import Scheduling

SCHEDULING = Scheduling(["model", "model-b", "other", "modèle"])


class ConfigOf:
    """As much of pytest's config as the scheduler reads."""

    def __init__(self, dist: str) -> None:
        self._dist = dist

    def getoption(self, _: str) -> str:
        return self._dist


@pytest.mark.parametrize(
    ("parameters", "model"),
    [
        ("model", "model"),
        ("model-direct", "model"),
        ("model-frozen[1].pb", "model"),
        ("model-b", "model-b"),
        ("model-b-direct", "model-b"),
        ("other-model", "other"),
        (r"mod\xe8le-direct", r"mod\xe8le"),
    ],
)
def test_items_of_a_model_run_together(parameters: str, model: str) -> None:
    scope = SCHEDULING.scope_of(f"freezeproof::test_outputs_are_identical[{parameters}]")
    assert scope == f"freezeproof[{model}]"


def test_an_item_of_no_known_model_runs_alone() -> None:
    nodeid = "freezeproof::test_outputs_are_identical[models-direct]"
    assert SCHEDULING.scope_of(nodeid) == nodeid


def test_other_tests_run_together_by_file() -> None:
    assert SCHEDULING.scope_of("tests/test_a.py::TestX::test_y[model]") == "tests/test_a.py"


@pytest.mark.parametrize("dist", ["loadfile", "each", "no", "worksteal"])
def test_a_distribution_that_the_user_chose_is_kept(dist: str) -> None:
    config: Any = ConfigOf(dist)
    assert SCHEDULING.pytest_xdist_make_scheduler(config, None) is None
