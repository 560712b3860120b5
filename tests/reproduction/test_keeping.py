"""What a test does with a stage that failed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.criteria import Close
from harness.reproduction.folder import Evidence, read_reproduction
from harness.reproduction.keeping import keep_failure
from harness.subject import Candidate, Request
from harness.verdict import Stage, StageResult, Status

EVIDENCE = Evidence(feeds={"x": np.zeros(2)}, expected={"y": np.zeros(1)})
Keep = Callable[..., str]


def failed(stage: Stage = Stage.OUTPUTS, status: Status = Status.FAILED) -> StageResult:
    return StageResult(stage=stage, status=status, reason="y differs")


FAILED = failed()


@pytest.fixture
def keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keep:
    """Keep a failure in the folder `kept` below the current one."""
    monkeypatch.chdir(tmp_path)
    for name in ("reference.pb", "shipped.pb"):
        (tmp_path / name).write_text(name)

    def kept(result: StageResult = FAILED, **changes: Any) -> str:
        given: dict[str, Any] = {
            "directory": tmp_path / "kept",
            "request": Request(path=Path("reference.pb")),
            "model": "model",
            "candidate": Candidate(name="c", method="file", path=Path("shipped.pb")),
            "export": Path("shipped.pb"),
            "names": {"x": "other"},
            "evidence": EVIDENCE,
            "tolerance": Close(rtol=0.5),
            "example_seconds": 2.5,
        }
        given |= changes
        return keep_failure(given.pop("directory"), given.pop("request"), result, **given)

    return kept


def test_a_failure_is_kept_as_it_was(keep: Keep, tmp_path: Path) -> None:
    line = keep(imports=["ops"], op_libraries=[Path("ops.so")], command="pytest …")

    assert line == "replay with: freezeproof replay kept/model-c-outputs"
    kept = read_reproduction(tmp_path / "kept" / "model-c-outputs")
    record = kept.reproduction
    assert (record.model, record.candidate, record.method) == ("model", "c", "file")
    assert (record.stage, record.reason) == (Stage.OUTPUTS, "y differs")
    assert (record.tolerance, record.example_seconds) == (Close(rtol=0.5), 2.5)
    assert record.imports == ("ops",)
    assert record.op_libraries == (str(tmp_path / "ops.so"),)
    assert (record.names, record.command) == ({"x": "other"}, "pytest …")
    assert kept.evidence is not None
    assert kept.evidence.expected is not None
    assert kept.candidate is not None


@pytest.mark.parametrize("stage", [Stage.WEIGHTS, Stage.STRUCTURE])
def test_stages_that_run_nothing_need_no_feeds(stage: Stage, keep: Keep) -> None:
    assert keep(failed(stage), evidence=None).endswith(f"kept/model-c-{stage}")


@pytest.mark.parametrize("stage", [Stage.OUTPUTS, Stage.DEPLOYED])
def test_outputs_without_feeds_are_not_kept(stage: Stage, keep: Keep, tmp_path: Path) -> None:
    assert keep(failed(stage), evidence=None) == ""
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("stage", [Stage.RESTORE, Stage.EXPORT, Stage.RELOAD])
def test_stages_that_compare_nothing_are_not_kept(stage: Stage, keep: Keep, tmp_path: Path) -> None:
    assert keep(failed(stage)) == ""
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.FAILED])
def test_what_did_not_fail_is_not_kept(status: Status, keep: Keep, tmp_path: Path) -> None:
    assert keep(failed(status=status)) == ""
    assert not (tmp_path / "kept").exists()


def test_nothing_is_kept_where_nobody_wants_it(keep: Keep, tmp_path: Path) -> None:
    assert keep(directory=None) == ""
    assert not (tmp_path / "kept").exists()


def test_a_folder_that_cannot_be_made_is_told(keep: Keep, tmp_path: Path) -> None:
    line = keep(directory=tmp_path / "reference.pb" / "kept")
    assert line.startswith("nothing was kept to replay: ")
    assert "Not a directory" in line


def test_an_array_that_cannot_be_kept_is_told(keep: Keep) -> None:
    odd = Evidence(feeds={"scope/x": np.array(["text"], dtype=object)})
    assert keep(evidence=odd).startswith("nothing was kept to replay: scope/x: ")


def test_a_reference_that_went_away_is_told(keep: Keep, tmp_path: Path) -> None:
    (tmp_path / "reference.pb").unlink()
    assert keep().startswith("nothing was kept to replay: ")
