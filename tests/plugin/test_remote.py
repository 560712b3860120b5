"""A model that is named by a URL: copied, verified, and told by the URL."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from harness.exporters.registry import load_method
from harness.models.opening import open_model
from harness.subject import Request

Verify = Callable[..., pytest.RunResult]
gfile = tf.io.gfile


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let temporary folders be made where it is seen whether they are removed."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


@pytest.fixture
def bucket(tmp_path: Path, regression: Path) -> Iterator[str]:
    """The URL of a folder in TensorFlow's memory with the regression in `run`."""
    url = f"ram://{tmp_path.name}"
    gfile.makedirs(f"{url}/run")
    for file in regression.parent.iterdir():
        gfile.copy(str(file), f"{url}/run/{file.name}")
    yield url
    gfile.rmtree(url)


@pytest.fixture
def shipped(regression: Path, bucket: str, tmp_path: Path) -> str:
    """The URL of the regression's frozen graph."""
    model = open_model(Request(path=regression))
    (tmp_path / "export").mkdir()
    export = load_method("direct").export(model, tmp_path / "export")
    gfile.copy(str(export.path), f"{bucket}/shipped.pb")
    return f"{bucket}/shipped.pb"


def error_of(result: pytest.RunResult) -> str:
    """The message of a usage error."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    lines = [line for line in result.errlines if line.strip()]
    assert len(lines) == 1, lines
    return lines[0].removeprefix("ERROR: ")


def is_clean(tmp_path: Path) -> bool:
    return not any((tmp_path / "temporary").iterdir())


@pytest.mark.parametrize("named", ["run/model.ckpt-60", "run/model.ckpt-60.meta", "run", "run/"])
def test_a_checkpoint_is_verified_and_told_by_its_url(
    bucket: str, verify: Verify, tmp_path: Path, named: str
) -> None:
    report = tmp_path / "report.json"

    result = verify(f"--report-json={report}", checkpoint=f"{bucket}/{named}")

    result.assert_outcomes(passed=9)
    result.stdout.fnmatch_lines(
        [
            f"freezeproof: copying {bucket}/{named}",
            f"reference model.ckpt-60: checkpoint {bucket}/run/model.ckpt-60",
        ]
    )
    result.stdout.no_fnmatch_line("*temporary*")
    (model,) = json.loads(report.read_text())["models"]
    assert model["name"] == "model.ckpt-60"
    assert model["reference"] == f"{bucket}/run/model.ckpt-60"
    assert is_clean(tmp_path)


def test_a_saved_model_is_verified(
    bucket: str, verify: Verify, regression: Path, tmp_path: Path
) -> None:
    model = open_model(Request(path=regression))
    (tmp_path / "export").mkdir()
    folder = load_method("saved_model").export(model, tmp_path / "export").path
    for file in folder.rglob("*"):
        if file.is_file():
            url = f"{bucket}/export/00000123/{file.relative_to(folder)}"
            gfile.makedirs(url.rpartition("/")[0])
            gfile.copy(str(file), url)

    result = verify(checkpoint=f"{bucket}/export/00000123")

    result.assert_outcomes(passed=9)
    result.stdout.fnmatch_lines(
        [f"reference export.00000123: saved model {bucket}/export/00000123"]
    )


def test_candidate_and_graph_may_be_remote_as_well(
    bucket: str, shipped: str, verify: Verify
) -> None:
    gfile.rename(f"{bucket}/run/model.ckpt-60.meta", f"{bucket}/graph.meta")

    result = verify(
        f"--frozen={shipped}",
        f"--meta-graph={bucket}/graph.meta",
        checkpoint=f"{bucket}/run/model.ckpt-60",
        methods="none",
    )

    result.assert_outcomes(passed=9)
    result.stdout.fnmatch_lines(["*shipped.pb*proved*"])


def test_a_failure_tells_urls_too(bucket: str, shipped: str, verify: Verify) -> None:
    with gfile.GFile(shipped, "w") as file:
        file.write("no graph at all")

    result = verify(f"--frozen={shipped}", checkpoint=f"{bucket}/run", methods="none")

    result.stdout.fnmatch_lines(
        [f"reload: {shipped} *", f"reproduce with: pytest --checkpoint={bucket}/run *"]
    )
    result.stdout.no_fnmatch_line("*temporary*")


def test_a_model_that_cannot_be_used_is_told_by_its_url(
    bucket: str, verify: Verify, tmp_path: Path
) -> None:
    with gfile.GFile(f"{bucket}/run/model.ckpt-60.meta", "w") as file:
        file.write("no graph at all")
    report = tmp_path / "report.json"

    result = verify(f"--report-json={report}", checkpoint=f"{bucket}/run")

    result.stdout.fnmatch_lines([f"reference model.ckpt-60: {bucket}/run/* cannot be used: *"])
    result.stdout.no_fnmatch_line("*temporary*")
    (model,) = json.loads(report.read_text())["models"]
    assert model["reference"] == f"{bucket}/run/model.ckpt-60"
    assert f"{bucket}/run/model.ckpt-60.meta" in model["message"]


def test_a_module_may_bring_the_file_system(
    pytester: pytest.Pytester, bucket: str, verify: Verify
) -> None:
    pytester.makepyfile(
        my_files=f"""
        from tensorflow import io

        io.gfile.makedirs({bucket + "/there"!r})
        for name in io.gfile.listdir({bucket + "/run"!r}):
            io.gfile.copy({bucket + "/run/"!r} + name, {bucket + "/there/"!r} + name)
        """
    )

    verify("--import=my_files", checkpoint=f"{bucket}/there").assert_outcomes(passed=9)


def test_urls_may_stand_in_the_ini_file(
    pytester: pytest.Pytester, bucket: str, shipped: str
) -> None:
    pytester.makeini(
        f"""
        [pytest]
        freezeproof_checkpoint = {bucket}/run
        freezeproof_meta_graph = {bucket}/run/model.ckpt-60.meta
        freezeproof_frozen = {shipped}
        freezeproof_export_methods = none
        freezeproof_max_examples = 5
        """
    )

    pytester.runpytest_inprocess().assert_outcomes(passed=9)


def test_the_command_takes_a_url(
    pytester: pytest.Pytester, regression: Path, tmp_path: Path
) -> None:
    # What is in TensorFlow's memory is not in that of another process.
    result = pytester.run(
        sys.executable,
        "-m",
        "harness.cli",
        "verify",
        f"file://{regression}",
        "--export-methods=direct",
        "--max-examples=5",
        f"--report-json={tmp_path / 'report.json'}",
    )

    result.assert_outcomes(passed=9)
    (model,) = json.loads((tmp_path / "report.json").read_text())["models"]
    assert model["reference"] == f"file://{regression}"


def test_workers_are_handed_what_the_controller_copied(
    pytester: pytest.Pytester, regression: Path, tmp_path: Path
) -> None:
    pytest.importorskip("xdist")
    for file in regression.parent.glob(f"{regression.name}.*"):
        shutil.copy(file, tmp_path)
    # Once a worker has started, there is nothing left to copy.
    pytester.makeconftest(
        f"""
        import pathlib

        def pytest_configure_node(node):
            for file in pathlib.Path({str(tmp_path)!r}).glob("model.ckpt*"):
                file.unlink()
        """
    )

    result = pytester.runpytest_subprocess(
        f"--checkpoint=file://{tmp_path / regression.name}",
        "--export-methods=direct",
        "--max-examples=5",
        "-n1",
    )

    result.assert_outcomes(passed=9)


# ---- usage errors


def test_a_typo_is_answered_with_the_nearest_name(
    bucket: str, verify: Verify, tmp_path: Path
) -> None:
    assert error_of(verify(checkpoint=f"{bucket}/run/model.ckpt-6")) == (
        f"--checkpoint {bucket}/run/model.ckpt-6: no such checkpoint, SavedModel or .pb; "
        f"nearest: model.ckpt-60, model.ckpt-5"
    )
    assert is_clean(tmp_path)


def test_a_usage_error_after_the_copying_tells_the_url(
    bucket: str, verify: Verify, tmp_path: Path
) -> None:
    gfile.remove(f"{bucket}/run/model.ckpt-60.meta")

    message = error_of(verify(checkpoint=f"{bucket}/run/model.ckpt-60"))

    assert message.startswith(f"--checkpoint {bucket}/run/model.ckpt-60.meta: no such file")
    assert is_clean(tmp_path)


def test_an_unknown_scheme(verify: Verify) -> None:
    message = error_of(verify(checkpoint="nowhere://bucket/model.ckpt"))

    assert message.startswith("--checkpoint nowhere://bucket/model.ckpt: File system scheme")


def test_a_checkpoint_is_no_candidate(bucket: str, verify: Verify) -> None:
    message = error_of(verify(f"--frozen={bucket}/run", checkpoint=f"{bucket}/run"))

    assert message == (
        f"--frozen {bucket}/run/model.ckpt-60: a checkpoint is no candidate; give a .pb"
    )


@pytest.mark.parametrize("option", ["--report-json", "--input-spec", "--op-library"])
def test_an_option_that_takes_no_url(verify: Verify, option: str) -> None:
    assert error_of(verify(f"{option}=gs://bucket/file")) == (
        f"{option} gs://bucket/file: it should be a file of this machine"
    )


def test_a_typo_elsewhere_is_told_before_anything_is_copied(bucket: str, verify: Verify) -> None:
    result = verify("--tolerance=close", checkpoint=f"{bucket}/run")

    assert "--tolerance close" in error_of(result)
    result.stdout.no_fnmatch_line("*copying*")
