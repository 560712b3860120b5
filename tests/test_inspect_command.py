"""The command `freezeproof inspect`, from its arguments to its exit code."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from harness.cli import main
from harness.domain import merged
from harness.graph.domains import domains_of
from harness.inputs.completing import completed
from harness.inputs.spec import read_input_spec
from harness.models.opening import open_model
from harness.subject import Request

BROKEN, MISTAKEN = 1, 4
Built = Callable[[str], Path]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def inspect(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process: its exit code, its output, its errors."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        code = main(["inspect", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def regression(built: Built) -> Path:
    return built("softmax_regression-resource")


@pytest.fixture
def two_heads(tmp_path: Path) -> Path:
    """A frozen graph of which nobody can tell the output."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (None, 3), name="x")
        for name in ("first", "second"):
            tf.matmul(x, tf.ones((3, 2)), name=name)
    path = tmp_path / "two.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def test_a_model_is_inspected_in_a_process_of_its_own(regression: Path) -> None:
    """TensorFlow's start writes nothing, the text is plain, and what it ends in can be typed."""
    environment = {**os.environ, "COLUMNS": "80"}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    command = [sys.executable, "-m", "harness.cli", "inspect", str(regression)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[0] == f"checkpoint {regression}"
    assert lines[-1] == f"  pytest --checkpoint={regression}"
    assert max(len(line) for line in lines if str(regression) not in line) <= 80


def test_any_file_of_a_checkpoint_stands_for_it(regression: Path, inspect: Run) -> None:
    code, out, _ = inspect(f"{regression}.index")
    assert code == 0
    assert out.startswith(f"checkpoint {regression}\n")


def test_options_are_those_of_a_run(regression: Path, inspect: Run) -> None:
    code, out, _ = inspect(regression, "--inputs=layer/MatMul", "--outputs", "layer/BiasAdd")
    assert code == 0
    assert out.splitlines()[-1].endswith("--inputs=layer/MatMul --outputs=layer/BiasAdd")
    assert "\nOutputs\n" in out


def test_what_registers_ops_belongs_to_the_command_to_copy(regression: Path, inspect: Run) -> None:
    _, out, _ = inspect(regression, "--import=json", "--import", "csv")
    assert out.splitlines()[-1] == f"  pytest --checkpoint={regression} --import=json --import=csv"


def test_all_cuts_no_list_short(regression: Path, inspect: Run) -> None:
    _, short, _ = inspect(regression)
    _, whole, _ = inspect(regression, "--all")
    assert "(--all lists them)" in short
    assert "(--all lists them)" not in whole


def test_outputs_that_cannot_be_told_are_no_failure(two_heads: Path, inspect: Run) -> None:
    code, out, err = inspect(two_heads)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"  freezeproof inspect {two_heads} --outputs=NAMES"


def test_for_programs_it_is_one_object(
    regression: Path, inspect: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, out, err = inspect(regression, "--json", "--import=json")
    assert (code, err) == (0, "")
    data = json.loads(out)
    assert data["signature"]["outputs"][0]["name"] == "prediction"
    assert data["next"] == ["pytest", f"--checkpoint={regression}", "--import=json"]
    assert "\x1b" not in out


def test_no_list_of_the_object_is_cut_short(regression: Path, inspect: Run) -> None:
    _, text, _ = inspect(regression)
    _, out, _ = inspect(regression, "--json")
    assert "more (--all lists them)" in text
    assert inspect(regression, "--json", "--all")[1] == out


@pytest.mark.parametrize("name", ["regression", "saved_model", "two_heads"])
def test_files_are_those_whose_bytes_are_counted(
    name: str, inspect: Run, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(name)
    data = json.loads(inspect(path, "--json")[1])
    assert data["files"]
    assert all(Path(file["path"]).is_file() for file in data["files"])
    assert sum(file["bytes"] for file in data["files"]) == data["bytes_on_disk"]


def test_a_choice_is_no_failure_for_programs(two_heads: Path, inspect: Run) -> None:
    code, out, err = inspect(two_heads, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["question"] == "outputs"


def test_a_fault_is_in_the_object_and_on_standard_error(
    regression: Path, inspect: Run, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(regression.parent, tmp_path / "copy"))
    (folder / f"{regression.name}.data-00000-of-00001").unlink()
    code, out, err = inspect(folder / regression.name, "--json")
    assert code == BROKEN
    message = json.loads(out)["fault"]["message"]
    assert "is missing" in message
    assert err == f"freezeproof: {message}\n"


def test_what_is_no_model_is_no_object(inspect: Run, tmp_path: Path) -> None:
    code, out, err = inspect(tmp_path / "nothing", "--json")
    assert (code, out) == (MISTAKEN, "")
    assert "no such checkpoint" in err


def test_a_url_of_what_is_no_model_is_told_as_it_was_given(inspect: Run, tmp_path: Path) -> None:
    path = tmp_path / "model.pb"
    path.write_bytes(b"\x0a\xff\xff\xff")
    code, out, err = inspect(f"file://{path}", "--json")
    assert (code, out) == (BROKEN, "")
    assert err.startswith(f"freezeproof: file://{path} ")


def test_a_url_is_told_in_the_object_as_it_was_given(regression: Path, inspect: Run) -> None:
    url = f"file://{regression}"
    data = json.loads(inspect(url, "--json")[1])
    assert data["path"] == url
    assert data["next"] == ["pytest", f"--checkpoint={url}"]
    assert {file["path"].rpartition("/")[0] for file in data["files"]} == {url.rpartition("/")[0]}


def test_operations_are_written_as_csv(regression: Path, inspect: Run, tmp_path: Path) -> None:
    path = tmp_path / "ops.csv"
    assert inspect(regression, f"--ops-csv={path}")[0] == 0
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    (prediction,) = (row for row in rows if row["name"] == "prediction")
    assert prediction == {"name": "prediction", "type": "Softmax", "output": "float32 [?, 3]"}
    assert any(row["name"].startswith("gradients/") for row in rows)  # of the whole graph


def test_a_file_that_cannot_be_written_is_named(regression: Path, inspect: Run) -> None:
    code, out, err = inspect(regression, "--ops-csv=/nowhere/ops.csv")
    assert (code, out) == (MISTAKEN, "")
    assert err == "freezeproof: /nowhere/ops.csv: No such file or directory\n"


def test_operations_of_a_graph_that_is_not_chosen_are_not_written(
    inspect: Run, tmp_path: Path
) -> None:
    saved = SavedModel()
    for tag in ("one", "two"):
        meta = saved.meta_graphs.add()
        meta.meta_info_def.tags.append(tag)
        meta.graph_def.node.add(name="x", op="Placeholder")
    (tmp_path / "saved_model.pb").write_bytes(saved.SerializeToString())
    path = tmp_path / "ops.csv"
    code, _, err = inspect(tmp_path, f"--ops-csv={path}")
    assert code == MISTAKEN
    assert err == f"freezeproof: --ops-csv {path}: say of which graph with --tags, of one; two\n"
    assert not path.exists()


def test_a_path_to_nothing_is_said_without_tensorflow(tmp_path: Path) -> None:
    program = (
        "import sys; from harness.cli import main; code = main(['inspect', sys.argv[1]]); "
        "print(code, 'tensorflow' in sys.modules)"
    )
    path = tmp_path / "nothing"
    command = [sys.executable, "-c", program, str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout == f"{MISTAKEN} False\n"
    assert ended.stderr == f"freezeproof: {path}: no such checkpoint, SavedModel or .pb\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--outputs=predictoin"], "nearest: prediction"),
        (["--signature=key"], "--signature goes with a SavedModel"),
        (["--import=no.such.module"], "--import no.such.module"),
        (["--op-library=nowhere.so"], "--op-library nowhere.so: no such file"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_is_named_and_not_there_is_one_line(
    arguments: list[str], said: str, regression: Path, inspect: Run
) -> None:
    code, out, err = inspect(regression, *arguments)
    assert (code, out) == (MISTAKEN, "")
    assert err.startswith("freezeproof: ")
    assert said in err
    assert err.count("\n") == 1


def test_files_that_cannot_be_used_are_shown_as_far_as_they_can_be_read(
    regression: Path, inspect: Run, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(regression.parent, tmp_path / "copy"))
    data = folder / f"{regression.name}.data-00000-of-00001"
    data.unlink()
    code, out, err = inspect(folder / regression.name)
    assert code == BROKEN
    assert "--outputs=prediction" in out
    assert "cannot be used: " in " ".join(out.split())
    assert err.startswith(f"freezeproof: {data} is missing")


def test_a_file_that_is_no_model_is_one_line(inspect: Run, tmp_path: Path) -> None:
    path = tmp_path / "model.pb"
    path.write_bytes(b"\x0a\xff\xff\xff")
    code, out, err = inspect(path)
    assert (code, out) == (BROKEN, "")
    assert err.startswith(f"freezeproof: {path} ")
    assert err.count("\n") == 1


def test_a_reader_that_has_seen_enough_is_no_failure(regression: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "harness.cli", "inspect", str(regression)]
    with os.fdopen(writer) as output:
        ended = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, check=True)
    assert ended.stderr == b""


def test_an_interrupt_is_told_in_a_line(regression: Path, tmp_path: Path) -> None:
    """Here it comes while a module of the user's is imported."""
    (tmp_path / "interrupted.py").write_text(
        "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    arguments = ["inspect", str(regression), "--import=interrupted"]
    command = [sys.executable, "-m", "harness.cli", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode in {130, -signal.SIGINT}  # which Python makes of 130 now and then
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert ended.stderr.splitlines()[-1] == "freezeproof: interrupted"


def test_a_url_is_inspected_and_told_as_it_was_given(regression: Path, inspect: Run) -> None:
    url = f"file://{regression}"
    code, out, err = inspect(url)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"checkpoint {url}"
    assert out.splitlines()[-1] == f"  pytest --checkpoint={url}"


def test_a_url_of_nothing_is_told_as_it_was_given(inspect: Run, tmp_path: Path) -> None:
    code, _, err = inspect(f"file://{tmp_path}/nothing")
    assert code == MISTAKEN
    assert err.startswith(f"freezeproof: file://{tmp_path}/nothing: no such checkpoint")


# What inputs accept


@pytest.mark.parametrize("name", ["embedding-resource", "softmax_regression-ref"])
def test_what_is_written_of_the_inputs_changes_nothing_when_it_is_given_back(
    name: str, built: Built, inspect: Run, tmp_path: Path
) -> None:
    path = tmp_path / "spec.toml"
    assert inspect(built(name), f"--write-input-spec={path}")[0] == 0
    model = open_model(Request(path=built(name)))
    read = domains_of(model.graph_def, model.signature)
    stated = read_input_spec(path).domains
    assert stated.keys() == read.keys()
    drawn = completed(model.signature, read)
    again = completed(model.signature, merged(read, stated))
    assert {n: replace(d, read_from="") for n, d in again.items()} == {
        n: replace(d, read_from="") for n, d in drawn.items()
    }


def test_an_input_spec_tells_a_url_as_it_was_given(
    regression: Path, inspect: Run, tmp_path: Path
) -> None:
    path = tmp_path / "spec.toml"
    assert inspect(f"file://{regression}", f"--write-input-spec={path}")[0] == 0
    assert path.read_text().startswith(f"# What the inputs of file://{regression} accept")


def test_an_input_spec_that_cannot_be_written_is_named(regression: Path, inspect: Run) -> None:
    code, out, err = inspect(regression, "--write-input-spec=/nowhere/spec.toml")
    assert (code, out) == (MISTAKEN, "")
    assert err == "freezeproof: /nowhere/spec.toml: No such file or directory\n"


def test_no_input_spec_is_written_before_outputs_are_chosen(
    two_heads: Path, inspect: Run, tmp_path: Path
) -> None:
    path = tmp_path / "spec.toml"
    code, out, err = inspect(two_heads, f"--write-input-spec={path}")
    assert (code, out) == (MISTAKEN, "")
    assert err == (
        f"freezeproof: --write-input-spec {path}: say of which inputs with --outputs; without "
        f"--write-input-spec, the choices are listed\n"
    )
    assert not path.exists()


def test_no_input_spec_is_written_of_a_model_that_cannot_be_used(
    regression: Path, inspect: Run, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(regression.parent, tmp_path / "copy"))
    (folder / f"{regression.name}.data-00000-of-00001").unlink()
    path = tmp_path / "spec.toml"
    code, out, err = inspect(folder / regression.name, f"--write-input-spec={path}")
    assert code == BROKEN
    assert "cannot be used: " in " ".join(out.split())
    assert "is missing" in err
    assert not path.exists()


def test_an_input_spec_that_is_there_is_not_overwritten(
    regression: Path, inspect: Run, tmp_path: Path
) -> None:
    path = tmp_path / "spec.toml"
    path.write_text("# edited\n")
    code, _, err = inspect(regression, f"--write-input-spec={path}")
    assert code == MISTAKEN
    assert "there is such a file" in err
    assert path.read_text() == "# edited\n"
