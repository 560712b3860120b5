"""What a run shows: the header, the table, the JSON report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.report.json_text import read_report, write_report
from harness.verdict import Stage, Verdict

Verify = Callable[..., pytest.RunResult]


def test_the_header_names_the_reference_the_signature_and_the_settings(
    verify: Verify, regression: Path
) -> None:
    verify().stdout.fnmatch_lines(
        [
            "freezeproof *, TensorFlow *",
            f"reference model.ckpt-60: checkpoint {regression}",
            "  inputs (inferred): inputs float32 [[]?, *[]]",
            "  outputs (inferred): prediction float32 *",
            "  10 examples a stage, seed 0; outputs: bit for bit, deployed: close:0.0001",
        ]
    )


@pytest.mark.parametrize(
    ("fixture", "tensor"), [("from_iterator-ref", "IteratorGetNext"), ("from_queue-ref", "batch")]
)
def test_a_model_fed_by_an_input_pipeline_is_cut_there(
    fixture: str, tensor: str, verify: Verify, built: Callable[[str], Path]
) -> None:
    result = verify(checkpoint=built(fixture))

    result.stdout.fnmatch_lines(
        [
            f"  inputs (inferred): {tensor} float32 *",
            f"  the graph is cut at {tensor}: what lies before is not run",
            "  outputs (inferred): prediction float32 *",
            "model.ckpt-60 is equivalent",
        ]
    )
    assert result.ret == pytest.ExitCode.OK


def test_names_that_were_given_are_not_called_inferred(verify: Verify) -> None:
    result = verify("--inputs=inputs", "--outputs=prediction")

    result.stdout.fnmatch_lines(["  inputs: inputs *", "  outputs: prediction *"])


def test_the_table_shows_stages_verdict_and_numbers(verify: Verify) -> None:
    verify().stdout.re_match_lines(
        [
            r"model.ckpt-60 is equivalent",
            r"  candidate  export  reload  outputs  deployed  verdict .*nodes .*bytes .*diff .*sec",
            r"  direct     ok      ok      ok       ok        equivalent +\d+ +[\d,]+ +\S+.*",
        ]
    )


def test_the_table_says_why_a_method_is_unsupported(verify: Verify) -> None:
    result = verify(methods="direct,freeze_graph_graphdef")

    assert result.ret == pytest.ExitCode.OK
    result.stdout.re_match_lines(
        [r"  freeze_graph_graphdef .*unsupported", r"  unsupported: .*resource variables.*"]
    )


def test_a_long_stage_shows_how_far_it_is(verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.report.progress.QUIET_SECONDS", 0.0)
    monkeypatch.setattr("harness.report.progress.LINE_SECONDS", 0.0)

    verify().stdout.fnmatch_lines(["model.ckpt-60-direct: 9 of 10 examples, * s"])


def test_the_report_is_json_of_the_documented_schema(verify: Verify, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "report.json"

    verify(f"--report-json={path}")

    data = json.loads(path.read_text())
    assert data["schema"] == 1
    (model,) = data["models"]
    assert model["kind"] == "checkpoint"
    assert model["inferred"] == {"inputs": True, "outputs": True}
    assert model["inputs"][0]["name"] == "inputs"
    assert model["verdict"] == "equivalent"
    (candidate,) = model["candidates"]
    assert list(candidate["stages"]) == ["export", "reload", "outputs", "deployed"]
    assert candidate["examples"] == 10
    assert candidate["bytes"] > 0
    assert candidate["nodes"] > 0


def test_the_report_reads_back_as_the_object_that_was_rendered(
    verify: Verify, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"

    verify(f"--report-json={path}")

    report = read_report(path.read_text())
    assert report.models[0].verdict is Verdict.EQUIVALENT
    assert report.models[0].candidates[0].stages[Stage.OUTPUTS].examples == 10
    assert write_report(report) == path.read_text()


def test_junit_carries_the_stage_results(verify: Verify, tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"

    verify(f"--junit-xml={path}")

    text = path.read_text()
    assert 'property name="freezeproof"' in text
    assert "&quot;stage&quot;:&quot;outputs&quot;" in text
