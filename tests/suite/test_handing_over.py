"""The report for whoever runs pytest, beside the user's own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.options import Settings
from harness.report.json_text import read_report
from harness.suite.handing_over import pytest_sessionfinish
from harness.suite.run import RUN, Run


def finish(path: Path, **config: Any) -> None:
    """End a session whose report goes to `path`."""
    known: dict[str, Any] = {"stash": {}, "getoption": lambda _: str(path)}
    session = SimpleNamespace(config=SimpleNamespace(**{**known, **config}))
    pytest_sessionfinish(cast("pytest.Session", session))


def test_the_report_of_a_run_is_written(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    finish(path, stash={RUN: Run(Settings(), (), seed=0)})
    assert read_report(path.read_text()).models == ()


def test_a_worker_writes_no_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    finish(path, stash={RUN: Run(Settings(), (), seed=0)}, workerinput={})
    assert not path.exists()


def test_where_nothing_was_verified_there_is_no_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    finish(path)
    assert not path.exists()
