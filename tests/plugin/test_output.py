"""What a run shows: the header, the table, the JSON report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tensorflow.core.framework.graph_pb2 import GraphDef

from harness.exporters.registry import load_method
from harness.models.opening import open_model
from harness.replaying import Word, replay
from harness.report.json_text import read_report, write_report
from harness.reproduction.folder import read_reproduction
from harness.subject import Request
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
            "model.ckpt-60 is equivalent*",
        ]
    )
    assert result.ret == pytest.ExitCode.OK


def test_names_that_were_given_are_not_called_inferred(verify: Verify) -> None:
    result = verify("--inputs=inputs", "--outputs=prediction")

    result.stdout.fnmatch_lines(["  inputs: inputs *", "  outputs: prediction *"])


def test_the_table_shows_stages_verdict_and_numbers(
    verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")

    verify().stdout.re_match_lines(
        [
            r"model.ckpt-60 is equivalent, proved",
            r"  candidate  export  reload  weights  structure  outputs  deployed  verdict "
            r".*diff .*seconds .*size .*nodes",
            r"  direct     ok      ok      ok       ok         ok       ok        proved  "
            r" +0 +\d+\.\d +\d+ B +\d+",
        ]
    )


def test_a_narrow_terminal_shows_stages_and_verdict(
    verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    verify(methods="convert_variables_to_constants").stdout.re_match_lines(
        [
            r"  candidate +export reload weights structure outputs deployed verdict$",
            r"  convert_variables_to_constants$",
            r" {15,}ok     ok     ok      ok        ok      ok       proved$",
        ]
    )


def test_the_table_says_why_a_method_is_unsupported(
    verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
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
    assert list(candidate["stages"]) == [
        "export", "reload", "weights", "structure", "outputs", "deployed",
    ]  # fmt: skip
    assert candidate["proved"] is True
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


# ---- what failed is kept


@pytest.fixture
def wrong(pytester: pytest.Pytester, regression: Path) -> Path:
    """A frozen graph with another Softmax."""
    export = load_method("direct").export(open_model(Request(path=regression)), pytester.path)
    graph = GraphDef.FromString(export.path.read_bytes())
    (softmax,) = (node for node in graph.node if node.op == "Softmax")
    softmax.op = "LogSoftmax"
    path = pytester.path / "wrong.pb"
    path.write_bytes(graph.SerializeToString())
    return path


STAGES = ("structure", "outputs", "deployed")


def test_a_failure_ends_in_the_command_that_replays_it(verify: Verify, wrong: Path) -> None:
    result = verify(f"--frozen={wrong.name}", methods="none")

    result.stdout.fnmatch_lines(
        [
            line
            for stage in STAGES
            for line in (
                "reproduce with: pytest *",
                f"replay with: freezeproof replay .freezeproof/model.ckpt-60-wrong.pb-{stage}",
            )
        ]
    )


def test_what_failed_is_kept_with_its_feeds_and_outputs(verify: Verify, wrong: Path) -> None:
    verify(f"--frozen={wrong}", "--repro-dir=kept/here", methods="none")

    folders = {
        stage: wrong.parent / f"kept/here/model.ckpt-60-wrong.pb-{stage}" for stage in STAGES
    }
    for stage in STAGES[1:]:
        evidence = read_reproduction(folders[stage]).evidence
        assert evidence is not None
        assert evidence.feeds.keys() == {"inputs"}
        assert evidence.expected is not None
        assert evidence.actual is not None
        assert (evidence.expected["prediction"] != evidence.actual["prediction"]).any()
    outcomes = {stage: replay(folder).word for stage, folder in folders.items()}
    assert outcomes == dict.fromkeys(STAGES, Word.FAILED)
    assert not (wrong.parent / ".freezeproof").exists()


@pytest.mark.parametrize("option", ["--repro-dir=none", "--repro-dir="])
def test_nothing_is_kept_where_nobody_wants_it(option: str, verify: Verify, wrong: Path) -> None:
    result = verify(f"--frozen={wrong}", option, methods="none")

    result.assert_outcomes(failed=3, passed=6)
    result.stdout.no_fnmatch_line("*replay with*")
    assert not (wrong.parent / ".freezeproof").exists()
    assert not (wrong.parent / "none").exists()


def test_the_ini_file_says_where(verify: Verify, wrong: Path, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nfreezeproof_repro_dir = kept")
    result = verify(f"--frozen={wrong}", methods="none")
    result.stdout.fnmatch_lines(["replay with: freezeproof replay kept/model.ckpt-60-*"])

    pytester.makeini("[pytest]\nfreezeproof_repro_dir = none")
    verify(f"--frozen={wrong}", methods="none").stdout.no_fnmatch_line("*replay with*")


def test_where_nothing_fails_nothing_is_kept(verify: Verify, pytester: pytest.Pytester) -> None:
    verify()

    assert not (pytester.path / ".freezeproof").exists()


def test_what_cannot_be_kept_is_told_beside_the_failure(
    verify: Verify, wrong: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.reproduction.keeping.write_reproduction", full)

    result = verify(f"--frozen={wrong}", methods="none")

    result.assert_outcomes(failed=3, passed=6)
    result.stdout.fnmatch_lines(["nothing was kept to replay: No space left on device"])


def test_where_the_report_is_is_told_unless_pytest_is_quiet(verify: Verify, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    told, quiet = verify(f"--report-json={path}"), verify(f"--report-json={path}", "-q")
    told.stdout.fnmatch_lines([f"report: {path}"])
    quiet.stdout.no_fnmatch_line("report: *")
