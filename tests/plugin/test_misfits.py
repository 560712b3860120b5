"""What looks like a checkpoint and is none: said in a line, with the remedy, and no traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
import tensorflow as tf

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n"
Verify = Callable[..., pytest.RunResult]


@pytest.fixture
def copied(regression: Path, tmp_path: Path) -> Path:
    """The prefix of a checkpoint that a test may damage."""
    (tmp_path / "copy").mkdir()
    for file in regression.parent.glob(f"{regression.name}.*"):
        shutil.copy(file, tmp_path / "copy")
    return tmp_path / "copy" / regression.name


def broken(result: pytest.RunResult, report: Path) -> Any:
    """The model in the report of a run whose reference could not be used."""
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stderr.no_fnmatch_line("*Traceback*")
    (model,) = json.loads(report.read_text())["models"]
    assert (model["verdict"], model["stage"]) == ("broken", "restore")
    result.stdout.fnmatch_lines([f"restore: {model['message'].replace('[', '[[]')}"])
    return model["message"]


def refused(result: pytest.RunResult) -> str:
    """The message of a command that cannot be carried out."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line.strip()]
    return line.removeprefix("ERROR: ")


@pytest.mark.parametrize("ending", ["meta", "index", "data-00000-of-00001"])
def test_a_pointer_is_no_file_of_a_checkpoint(
    verify: Verify, copied: Path, tmp_path: Path, ending: str
) -> None:
    path = copied.with_name(f"{copied.name}.{ending}")
    path.write_bytes(POINTER)
    report = tmp_path / "report.json"

    message = broken(verify(f"--report-json={report}", checkpoint=copied), report)

    assert message == (
        f"{path} is a Git-LFS pointer of {len(POINTER)} bytes, not the file of 12345 bytes: "
        f"run `git lfs pull` in its repository"
    )


@pytest.mark.parametrize("ending", ["index", "data-00000-of-00001"])
def test_a_checkpoint_that_was_copied_in_part(
    verify: Verify, copied: Path, tmp_path: Path, ending: str
) -> None:
    path = copied.with_name(f"{copied.name}.{ending}")
    path.unlink()
    report = tmp_path / "report.json"

    message = broken(verify(f"--report-json={report}", checkpoint=copied), report)

    assert message.startswith(f"{path} is missing")


@pytest.mark.parametrize("ending", ["meta", "index", "data-00000-of-00001"])
def test_a_file_that_was_cut_short(
    verify: Verify, copied: Path, tmp_path: Path, ending: str
) -> None:
    path = copied.with_name(f"{copied.name}.{ending}")
    path.write_bytes(path.read_bytes()[:-10])
    report = tmp_path / "report.json"

    message = broken(verify(f"--report-json={report}", checkpoint=copied), report)

    assert message.startswith(str(path))
    assert "was cut short" in message


def test_a_saved_model_without_its_variables(verify: Verify, tmp_path: Path) -> None:
    module = tf.Module()
    module.weight = tf.Variable([2.0])
    module.serve = tf.function(
        lambda x: module.weight * x, input_signature=[tf.TensorSpec((1,), tf.float32)]
    )
    folder, report = tmp_path / "saved", tmp_path / "report.json"
    tf.saved_model.save(module, str(folder), signatures=module.serve)
    shutil.rmtree(folder / "variables")

    message = broken(verify(f"--report-json={report}", checkpoint=folder), report)

    assert "copy the whole folder of the SavedModel" in message


def test_a_training_graph_given_as_frozen(verify: Verify, regression: Path, tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        tf.compat.v1.train.import_meta_graph(f"{regression}.meta")
    path, report = tmp_path / "frozen.pb", tmp_path / "report.json"
    path.write_bytes(graph.as_graph_def().SerializeToString())

    options = (f"--report-json={report}", "--outputs=prediction")
    message = broken(verify(*options, checkpoint=path), report)

    assert "is a training graph, not a frozen one" in message


@pytest.mark.parametrize("name", ["weights.h5", "weights"])
@pytest.mark.parametrize("option", ["--checkpoint", "--frozen"])
def test_weights_of_keras_are_no_model(
    verify: Verify, tmp_path: Path, name: str, option: str
) -> None:
    path = tmp_path / name
    with h5py.File(path, "w") as file:
        file["kernel"] = [1.0]

    result = verify(checkpoint=path) if option == "--checkpoint" else verify(f"--frozen={path}")

    message = refused(result)
    assert message.startswith(f"{option} {path} is an HDF5 file, as Keras writes")
    assert "tf.saved_model.save(model, FOLDER)" in message


def test_a_checkpoint_of_objects_is_no_model(verify: Verify, tmp_path: Path) -> None:
    checkpoint = tf.train.Checkpoint(kernel=tf.Variable([1.0]))
    prefix = Path(checkpoint.write(str(tmp_path / "weights")))

    message = refused(verify(checkpoint=prefix))

    assert "holds values and no graph; save the model itself" in message


def test_a_state_file_alone_is_no_checkpoint(verify: Verify, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-7"\n')

    assert "names model.ckpt-7, of which no file is there" in refused(verify(checkpoint=tmp_path))


def test_a_candidate_that_is_no_graph_fails_in_reload(verify: Verify, tmp_path: Path) -> None:
    path, report = tmp_path / "frozen.pb", tmp_path / "report.json"
    path.write_bytes(POINTER)

    result = verify(f"--frozen={path}", f"--report-json={report}", methods="none")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.no_fnmatch_line("*Traceback*")
    (model,) = json.loads(report.read_text())["models"]
    (candidate,) = model["candidates"]
    assert (candidate["verdict"], candidate["stage"]) == ("different", "reload")
    assert candidate["message"].startswith(f"{path} is a Git-LFS pointer")
