"""Runs that would pass without having shown anything: each must say so or fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from harness.graph.freezing import freeze
from harness.models.opening import open_model
from harness.subject import Request

Verify = Callable[..., pytest.RunResult]


@pytest.fixture
def right(regression: Path) -> Any:
    """The regression's frozen GraphDef, as it should be."""
    model = open_model(Request(path=regression))
    return freeze(model.graph_def, weights=model.weights, outputs=["prediction"])


def written(graph_def: Any, path: Path) -> Path:
    path.write_bytes(graph_def.SerializeToString())
    return path


def node(graph_def: Any, name: str) -> Any:
    return next(node for node in graph_def.node if node.name == name)


def test_a_batch_that_is_baked_into_the_pb_is_found(
    verify: Verify, right: Any, tmp_path: Path
) -> None:
    node(right, "inputs").attr["shape"].shape.dim[0].size = 1
    path = written(right, tmp_path / "batch.pb")

    result = verify(f"--frozen={path}", methods="none")

    result.stdout.fnmatch_lines(["outputs: the candidate rejects feeds that *"])


def test_a_pb_with_an_op_that_nobody_knows_is_found_though_it_is_off_the_path(
    verify: Verify, right: Any, tmp_path: Path
) -> None:
    right.node.add(name="stray", op="NoSuchOp")
    path = written(right, tmp_path / "stray.pb")

    result = verify(f"--frozen={path}", methods="none")

    result.stdout.fnmatch_lines(["reload: *does not know the op NoSuchOp, which stray.pb needs*"])


def test_a_variable_left_in_the_pb_is_found_though_it_is_off_the_path(
    verify: Verify, right: Any, tmp_path: Path
) -> None:
    left = right.node.add(name="left", op="VariableV2")
    left.attr["dtype"].type = tf.float32.as_datatype_enum
    left.attr["shape"].shape.dim.add(size=1)
    path = written(right, tmp_path / "left.pb")

    result = verify(f"--frozen={path}", methods="none")

    result.stdout.fnmatch_lines(["weights: left left unconverted, off the path to the outputs*"])


def test_a_saved_model_whose_signature_serves_another_tensor_is_found(
    verify: Verify, right: Any, tmp_path: Path
) -> None:
    early = node(right, "prediction").input[0]
    folder = tmp_path / "served"
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        tf.import_graph_def(right, name="")
        tf.compat.v1.saved_model.simple_save(
            session,
            str(folder),
            {"x": graph.get_tensor_by_name("inputs:0")},
            {"y": graph.get_tensor_by_name(f"{early}:0")},
        )

    result = verify(f"--frozen={folder}", methods="none")

    result.stdout.fnmatch_lines(["reload: no signature of served serves prediction from inputs*"])


def test_a_run_that_compares_nothing_fails(verify: Verify) -> None:
    result = verify("-k", "not outputs")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["nothing was compared:", "*direct: its outputs were not compared"])


def test_suspicion_is_not_denied_before_anything_was_compared(verify: Verify) -> None:
    result = verify("--fail-on=suspicious", "-k", "suspicious")

    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_the_suite_runs_beside_files_that_are_named(
    pytester: pytest.Pytester, verify: Verify
) -> None:
    pytester.makepyfile(test_mine="def test_of_the_user() -> None:\n    pass\n")

    verify("test_mine.py").assert_outcomes(passed=10)


def test_one_and_the_same_feeds_are_called_suspicious(verify: Verify, tmp_path: Path) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text("[inputs.inputs]\nconstant = 0.0\nshape = [2, 4]\n")

    result = verify(f"--input-spec={spec}")

    result.stdout.fnmatch_lines(["*is suspicious", "  warning: only 1 of 10 examples *"])


def test_models_of_one_name_that_a_conftest_adds_are_told_apart(
    pytester: pytest.Pytester, regression: Path, right: Any
) -> None:
    path = written(right, pytester.path / "newest.pb")
    pytester.makeconftest(
        f"""
        from pathlib import Path
        from harness import Candidate, Request, Subject

        def subject(checkpoint):
            candidate = Candidate(name="newest.pb", method="file", path=Path({str(path)!r}))
            return Subject(
                name="softmax",
                locate=lambda: Request(path=Path(checkpoint), outputs=("prediction",)),
                candidates=(candidate,),
            )

        def pytest_freezeproof_subjects(config):
            newest, stale = {str(regression)!r}, {str(regression.with_name("model.ckpt-5"))!r}
            return [subject(newest), subject(stale)]
        """
    )

    result = pytester.runpytest_inprocess()

    result.stdout.fnmatch_lines(["softmax is equivalent*", "softmax#2 is different at weights"])


def test_moving_averages_are_what_is_verified_when_they_are_asked_for(
    built: Callable[[str], Path], verify: Verify, tmp_path: Path
) -> None:
    """The training checkpoint holds raw weights and averages; the .pb was made of the averages."""
    inference = built("captcha_cnn-resource")
    model = open_model(Request(path=inference, outputs=("probabilities",)))
    path = written(
        freeze(model.graph_def, weights=model.weights, outputs=["probabilities"]),
        tmp_path / "averaged.pb",
    )
    training = inference.parent / "training" / inference.name
    common = [f"--meta-graph={inference}.meta", "--outputs=probabilities", f"--frozen={path}"]

    raw = verify(*common, checkpoint=training, methods="none")
    averaged = verify(*common, "--moving-averages", checkpoint=training, methods="none")

    raw.stdout.fnmatch_lines(["*is different at weights"])
    assert averaged.ret == pytest.ExitCode.OK


def test_every_stage_that_ran_is_in_the_report(verify: Verify, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    result = verify(f"--report-json={path}")

    (model,) = json.loads(path.read_text())["models"]
    stages = len(model["stages"]) + sum(len(c["stages"]) for c in model["candidates"])
    # One item is no stage: it asks whether anything was compared.
    assert stages == result.parseoutcomes()["passed"] - 1
