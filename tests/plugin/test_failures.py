"""A candidate that differs, a model that is broken, a run that proves nothing."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from fixtures.faults import FAULTS, Frozen
from harness.graph.freezing import freeze
from harness.models.opening import open_model
from harness.subject import Request

Verify = Callable[..., pytest.RunResult]


@pytest.fixture
def wrong(regression: Path, tmp_path: Path) -> Path:
    """The regression's frozen graph with one weight changed by one ULP."""
    model = open_model(Request(path=regression))
    graph_def = freeze(model.graph_def, weights=model.weights, outputs=["prediction"])
    right = Frozen(graph_def=graph_def, weights=[variable.name for variable in model.variables])
    path = tmp_path / "wrong.pb"
    path.write_bytes(FAULTS["one_ulp_weight"].apply(right).SerializeToString())
    return path


def test_a_wrong_pb_fails_in_weights_and_outputs_and_names_both_elements(
    verify: Verify, wrong: Path
) -> None:
    result = verify(f"--frozen={wrong}", methods="none")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.re_match_lines(
        [
            r"_+ test_weights_are_the_references\[model.ckpt-60-wrong.pb\] _+",
            r"weights: layer/kernel\[1, 0\] = -5.985265, but should be -5.9852653 "
            r"\(1 of 12 elements differ, largest 4.8e-07, 1 ULP\)",
            r"_+ test_outputs_are_identical\[model.ckpt-60-wrong.pb\] _+",
            r"outputs: prediction\[\d+, \d+\] = \S+, but should be \S+ "
            r"\(.* elements differ, largest .*, \d+ ULP\) · first at layer/kernel · "
            r"layer/kernel differs in 1 of 12 elements · fed inputs.*",
        ]
    )


def test_the_failing_feeds_are_shrunk_to_a_batch_of_one(verify: Verify, wrong: Path) -> None:
    result = verify(f"--frozen={wrong}", methods="none")

    result.stdout.re_match_lines([r"outputs: .*fed inputs.*float32 \[1, \d+\].*"])


def test_a_difference_in_the_first_example_is_a_comparison(
    verify: Verify, regression: Path, tmp_path: Path
) -> None:
    model = open_model(Request(path=regression))
    graph_def = freeze(model.graph_def, weights=model.weights, outputs=["prediction"])
    right = Frozen(graph_def=graph_def, weights=[variable.name for variable in model.variables])
    path = tmp_path / "rounded.pb"
    path.write_bytes(FAULTS["half_precision_weights"].apply(right).SerializeToString())

    result = verify(f"--frozen={path}", methods="none")

    result.assert_outcomes(passed=6, failed=3)
    result.stdout.no_fnmatch_line("*nothing was compared*")


def test_no_traceback_is_shown(verify: Verify, wrong: Path) -> None:
    result = verify(f"--frozen={wrong}", methods="none")

    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*hypothesis*Error*")
    result.stdout.no_fnmatch_line("*Falsifying*")


def test_the_command_that_is_printed_fails_alike(
    pytester: pytest.Pytester, verify: Verify, wrong: Path
) -> None:
    first = verify(f"--frozen={wrong}", methods="none")
    command = next(
        line.removeprefix("reproduce with: pytest ")
        for line in first.outlines
        if line.startswith("reproduce with: pytest ") and "test_outputs" in line
    )

    again = pytester.runpytest_inprocess(*shlex.split(command))

    again.assert_outcomes(failed=1)
    message = next(line for line in first.outlines if line.startswith("outputs: prediction"))
    again.stdout.fnmatch_lines([message.replace("[", "[[]")])


def test_a_difference_is_in_the_report(verify: Verify, wrong: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.json"

    verify(f"--frozen={wrong}", f"--report-json={path}", methods="direct")

    (model,) = json.loads(path.read_text())["models"]
    right, broken = model["candidates"]
    assert model["verdict"] == "different"
    assert model["stage"] == "weights"
    assert model["message"].startswith("wrong.pb: layer/kernel[")
    assert right["verdict"] == "equivalent"
    assert (broken["verdict"], broken["stage"], broken["method"]) == (
        "different",
        "weights",
        "file",
    )
    assert broken["max_ulp"] >= 1


def test_a_pb_cut_one_node_early_fails_in_reload(
    verify: Verify, regression: Path, tmp_path: Path
) -> None:
    model = open_model(Request(path=regression))
    early = next(node for node in model.graph_def.node if node.name == "prediction").input[0]
    path = tmp_path / "early.pb"
    path.write_bytes(
        freeze(model.graph_def, weights=model.weights, outputs=[early]).SerializeToString()
    )

    result = verify(f"--frozen={path}", methods="none")

    result.stdout.fnmatch_lines(["reload: early.pb holds no node prediction, an output of *"])
    result.assert_outcomes(failed=2, passed=3, skipped=4)


def test_a_tiny_dead_pb_fails_in_reload(verify: Verify, tmp_path: Path) -> None:
    path = tmp_path / "dead.pb"
    path.write_bytes(GraphDef(versions={"producer": 1000}).SerializeToString())

    verify(f"--frozen={path}", methods="none").stdout.fnmatch_lines(["reload: *without nodes*"])


def test_a_failure_skips_the_stages_that_need_it_and_names_it(
    verify: Verify, tmp_path: Path
) -> None:
    path = tmp_path / "dead.pb"
    path.write_bytes(b"no graph at all")

    result = verify(f"--frozen={path}", "-rs", methods="none")

    result.stdout.fnmatch_lines(["SKIPPED*reload failed"])


def test_a_damaged_meta_is_a_failed_item_and_no_traceback(
    verify: Verify, regression: Path, tmp_path: Path
) -> None:
    for file in regression.parent.glob(f"{regression.name}.*"):
        shutil.copy(file, tmp_path)
    copy = tmp_path / regression.name
    meta = copy.with_name(f"{copy.name}.meta")
    meta.write_bytes(b"\xff" * 100)

    result = verify(checkpoint=copy)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["restore: *.meta holds no MetaGraphDef *is damaged*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_damaged_data_file_is_a_failed_item(
    verify: Verify, regression: Path, tmp_path: Path
) -> None:
    for file in regression.parent.glob(f"{regression.name}.*"):
        shutil.copy(file, tmp_path)
    (data,) = tmp_path.glob("*.data-*")
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 0xFF
    data.write_bytes(content)

    result = verify(checkpoint=tmp_path / regression.name)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["restore: *cannot be read*"])


def test_a_run_in_which_every_method_is_unsupported_fails(verify: Verify) -> None:
    result = verify(methods="freeze_graph_graphdef")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["nothing was compared:", "*freeze_graph_graphdef: *"])


def test_mostly_rejected_examples_fail_and_say_so(
    built: Callable[[str], Path], verify: Verify
) -> None:
    # Ids beyond the table are rejected by both sides alike, but no ids are accepted.
    spec = Path("spec.toml")
    spec.write_text("[inputs.ids]\nrange = [1000, 2000]\n")

    result = verify(f"--input-spec={spec}", checkpoint=built("embedding-resource"))

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["outputs: both sides rejected * of 10 examples*--input-spec*"])
    result.stdout.fnmatch_lines(["* is unverified at outputs"])


def test_another_checkpoint_of_the_model_is_different(
    verify: Verify, regression: Path, tmp_path: Path
) -> None:
    model = open_model(Request(path=regression))
    path = tmp_path / "newest.pb"
    path.write_bytes(
        freeze(model.graph_def, weights=model.weights, outputs=["prediction"]).SerializeToString()
    )
    older = regression.with_name("model.ckpt-5")

    result = verify(f"--frozen={path}", checkpoint=older, methods="none")

    result.stdout.fnmatch_lines(["model.ckpt-5 is different at weights"])


def test_a_reference_that_differs_from_itself_is_said_to(verify: Verify, tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float64, [None], name="x")
        weight = tf.compat.v1.get_variable("weight", [], tf.float64)
        tf.add(x * weight, tf.timestamp(), name="output")
        session.run(tf.compat.v1.global_variables_initializer())
        checkpoint = tf.compat.v1.train.Saver().save(session, str(tmp_path / "model.ckpt"))

    result = verify("--outputs=output", checkpoint=Path(checkpoint))

    result.stdout.fnmatch_lines(["outputs: the reference does not give the same outputs twice*"])
