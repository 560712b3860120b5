"""The command `freezeproof export`, from its arguments to its exit code and what it leaves."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

from fixtures.training import fresh_session
from harness.cli import main

BROKEN, MISTAKEN, INTERRUPTED = 1, 4, 130
COMMAND = Path(sys.executable).with_name("freezeproof")
FILES = [
    "freezeproof.json",
    "frozen_inference_graph.pb",
    "model.ckpt.data-00000-of-00001",
    "model.ckpt.index",
    "model.ckpt.meta",
    "saved_model",
    "verification.json",
]
AVERAGE = "/ExponentialMovingAverage"
MODEL = """
import tensorflow as tf

class Model:
    def preprocess(self, inputs):
        return inputs / 255.0

    def predict(self, preprocessed):
        print("predict is called")
        weights = tf.compat.v1.get_variable("weights", (3, 4))
        return tf.matmul(tf.reduce_mean(preprocessed, axis=(1, 2)), weights)

    def postprocess(self, predicted):
        return {"scores": predicted}

class WithDropout(Model):
    def predict(self, preprocessed):
        return tf.nn.dropout(super().predict(preprocessed), rate=0.4)

class Failing(Model):
    def predict(self, preprocessed):
        return super().predict(preprocessed)["logits"]

class OtherScope(Model):
    def predict(self, preprocessed):
        with tf.compat.v1.variable_scope("net"):
            return super().predict(preprocessed)
"""

Run = Callable[..., tuple[int, str, str]]


def save(folder: Path) -> Path:
    """Train nothing; save the graph of a training run, with averages."""
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (None, 3), name="x")
        weights = tf.compat.v1.get_variable("weights", (3, 4), use_resource=False)
        tf.matmul(x, weights, name="scores")
        average = tf.compat.v1.get_variable(f"weights{AVERAGE}", (3, 4), use_resource=False)
        session.run([weights.initializer, average.initializer])
        return Path(tf.compat.v1.train.Saver().save(session, str(folder / "model.ckpt")))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("training"))


@pytest.fixture(scope="module")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose graph has an op that convert_variables_to_constants forgets."""
    prefix = save(tmp_path_factory.mktemp("legacy"))
    meta = prefix.with_name(f"{prefix.name}.meta")
    meta_graph = MetaGraphDef.FromString(meta.read_bytes())
    for node in meta_graph.graph_def.node:
        if node.op == "VariableV2":
            node.op = "Variable"
    meta.write_bytes(meta_graph.SerializeToString())
    return prefix


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, in which a run leaves the export and nothing else."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("COLUMNS", "80")
    yield folder
    left = {path.name for path in folder.iterdir()} - {"__pycache__"}
    assert left <= {"models.py", "exported", "exported.verification"}


@pytest.fixture
def models(here: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module with models, in the current folder."""
    (here / "models.py").write_text(MODEL)
    monkeypatch.delitem(sys.modules, "models", raising=False)
    return "models"


@pytest.fixture
def export(here: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process: its exit code, its output, its errors, pytest's with it."""
    del here

    def run(*arguments: str | Path, to: str = "exported") -> tuple[int, str, str]:
        code = main(["export", f"--output-dir={to}", *map(str, arguments)])
        return code, *capfd.readouterr()

    return run


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def manifest(folder: Path = Path("exported")) -> Any:
    return json.loads((folder / "freezeproof.json").read_text())


# In a process of its own, where everything that is about other tests is hostile.


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a broken configuration of pytest, and modules that must not be taken."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "models.py").write_text(MODEL)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    for name in ("conftest", "pytest", "hypothesis", "harness", "_pytest"):
        (folder / f"{name}.py").write_text("raise SystemExit('this is not to be imported')\n")
    return folder


@pytest.fixture(scope="module")
def ended(hostile: Path, checkpoint: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "export", "--checkpoint", checkpoint, "--output-dir", "exported",
         "--input-shape", "-1,8,8,3", "--moving-averages", "--extra-outputs", "MatMul:0",
         "--model", "models:Model", "--max-examples", "5"],
        cwd=hostile, check=False, capture_output=True, text=True,
        env={**os.environ, "COLUMNS": "80", "PYTEST_ADDOPTS": "--rubbish",
             "PYTEST_PLUGINS": "no_such_plugin"},
    )  # fmt: skip


def test_what_is_configured_for_other_tests_does_no_harm(
    ended: subprocess.CompletedProcess[str],
) -> None:
    assert ended.returncode == 0, ended.stderr
    assert "model.ckpt is equivalent, proved" in ended.stdout


def test_it_says_what_there_is_now(
    ended: subprocess.CompletedProcess[str], checkpoint: Path
) -> None:
    *_, last = ended.stdout.partition("exported exported\n")
    lines = [re.sub(r"[\d.]+ (kB|bytes)", "N", line) for line in last.splitlines()]
    assert lines == [
        "  inputs:  image_tensor uint8 [?, 8, 8, 3]",
        "  outputs: scores float32 [?, 4]",
        "           MatMul float32 [?, 4]",
        f"  values:  {checkpoint}, moving averages",
        "  frozen_inference_graph.pb  N, frozen by direct",
        "  saved_model                N, signature serving_default",
        "  model.ckpt.*               N",
        "  verification.json          equivalent, proved",
    ]


def test_what_it_says_fits_into_eighty_columns(
    ended: subprocess.CompletedProcess[str], checkpoint: Path
) -> None:
    lines = [line for line in ended.stdout.splitlines() if str(checkpoint) not in line]
    assert max(map(len, lines)) <= 80


def test_nothing_but_what_the_model_prints_goes_to_standard_error(
    ended: subprocess.CompletedProcess[str],
) -> None:
    """No warning of TensorFlow, and where nobody looks, no progress."""
    assert ended.stderr == "predict is called\n"


def test_it_leaves_the_export_and_nothing_else(
    ended: subprocess.CompletedProcess[str], hostile: Path
) -> None:
    assert ended.returncode == 0
    assert sorted(path.name for path in (hostile / "exported").iterdir()) == FILES
    unchanged = {"models.py", "conftest.py", "pytest.py", "harness.py", "_pytest.py"}
    left = {path.name for path in hostile.iterdir()}
    assert left - unchanged - {"__pycache__"} == {"hypothesis.py", "pytest.ini", "exported"}


def test_it_has_the_averages_of_the_checkpoint(
    ended: subprocess.CompletedProcess[str], hostile: Path, checkpoint: Path
) -> None:
    assert ended.returncode == 0
    exported = tf.train.load_checkpoint(str(hostile / "exported" / "model.ckpt"))
    training = tf.train.load_checkpoint(str(checkpoint))
    np.testing.assert_array_equal(
        exported.get_tensor("weights"), training.get_tensor(f"weights{AVERAGE}"), strict=True
    )


# Verified for real, in this process.


def test_json_is_the_manifest_alone(export: Run, checkpoint: Path) -> None:
    code, out, err = export(
        f"--checkpoint={checkpoint}", "--json", "--max-examples=2", "--moving-averages"
    )
    assert code == 0
    assert json.loads(out) == manifest()
    assert "is equivalent, proved" in err
    assert manifest()["verified"] == {"verdict": "equivalent", "proved": True}


def test_names_are_kept_by_a_method_that_makes_up_others(
    export: Run, checkpoint: Path, models: str
) -> None:
    code, out, _ = export(
        f"--checkpoint={checkpoint}", f"--model={models}:Model", "--method=constants_v2",
        "--moving-averages", "--max-examples=2",
    )  # fmt: skip
    assert code == 0
    assert out.splitlines()[-1].endswith("equivalent, proved")
    graph = tf.compat.v1.GraphDef.FromString(
        Path("exported/frozen_inference_graph.pb").read_bytes()
    )
    assert {"image_tensor", "scores"} <= {node.name for node in graph.node}


def test_dropout_that_is_left_on_is_told(export: Run, checkpoint: Path, models: str) -> None:
    code, out, _ = export(
        f"--checkpoint={checkpoint}", f"--model={models}:WithDropout", "--max-examples=2"
    )
    assert code == 0
    assert "model.ckpt is suspicious" in out
    assert "RandomUniform lies on the path to the output" in out.replace("\n  ", " ")
    assert out.splitlines()[-1].endswith("suspicious: it agrees, and a warning stands")
    assert manifest()["verified"]["verdict"] == "suspicious"


def test_a_suspicion_can_be_made_to_count(export: Run, checkpoint: Path, models: str) -> None:
    code, _, err = export(
        f"--checkpoint={checkpoint}", f"--model={models}:WithDropout", "--max-examples=2",
        "--fail-on=suspicious",
    )  # fmt: skip
    assert code == BROKEN
    assert err.splitlines()[-1] == (
        "freezeproof: exported: not exported, since verification failed; the report is "
        "exported.verification/report.json"
    )
    assert not Path("exported").exists()


def test_a_url_is_told_in_the_place_of_its_copy(export: Run, checkpoint: Path) -> None:
    url = checkpoint.as_uri()
    code, out, _ = export(f"--checkpoint={url}", "--max-examples=2")
    assert code == 0
    assert f"\n  values:  {url}\n" in out
    assert manifest()["source"]["path"] == url
    (model,) = json.loads(Path("exported/verification.json").read_text())["models"]
    assert model["reference"] == url


class TestAnExportThatIsWrong:
    """A method that forgets a variable is asked for, by a URL, over an older export."""

    @pytest.fixture
    def before(self, export: Run, checkpoint: Path) -> dict[str, bytes]:
        assert export(f"--checkpoint={checkpoint}", "--no-verify")[0] == 0
        return files(Path("exported"))

    @pytest.mark.parametrize("is_url", [False, True], ids=["path", "url"])
    def test_is_kept_out_and_can_be_replayed(
        self,
        before: dict[str, bytes],
        export: Run,
        legacy: Path,
        is_url: bool,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        source = legacy.as_uri() if is_url else legacy
        code, out, err = export(
            f"--checkpoint={source}", "--method=convert_variables_to_constants",
            "--max-examples=2",
        )  # fmt: skip
        assert code == BROKEN
        assert "model.ckpt is different at weights" in out
        assert "weights (Variable) left unconverted" in out
        assert err.splitlines() == [
            "freezeproof: exported: not exported, since verification failed; the report is "
            "exported.verification/report.json"
        ]
        assert files(Path("exported")) == before
        report = json.loads(Path("exported.verification/report.json").read_text())
        assert report["models"][0]["reference"] == str(source)

        (failure,) = (p for p in Path("exported.verification/failures").iterdir() if p.is_dir())
        assert f"replay with: freezeproof replay {failure}\n" in out
        assert "reproduce with" not in out  # what was compared is gone
        assert main(["replay", str(failure)]) == 1
        said, _ = capfd.readouterr()
        assert said.splitlines()[0] == "FAILED"
        assert "left unconverted" in said

        assert export(f"--checkpoint={legacy}", "--max-examples=2")[0] == 0
        assert files(Path("exported")) != before
        assert not Path("exported.verification").exists()


# Not verified: quick.


def test_without_verification_it_says_so(export: Run, checkpoint: Path) -> None:
    code, out, err = export(f"--checkpoint={checkpoint}", "--no-verify")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "  not verified"
    assert sorted(path.name for path in Path("exported").iterdir()) == FILES[:-1]


def test_a_saved_model_can_be_exported(export: Run, saved_model: Path) -> None:
    code, out, _ = export(f"--checkpoint={saved_model}", "--signature=embed", "--no-verify")
    assert code == 0
    assert f"\n  values:  {saved_model}\n" in out


def test_a_model_that_fails_is_told_with_its_traceback(
    export: Run, checkpoint: Path, models: str, here: Path
) -> None:
    code, out, err = export(f"--checkpoint={checkpoint}", f"--model={models}:Failing")
    line = MODEL[: MODEL.index('["logits"]')].count("\n") + 1
    assert (code, out) == (MISTAKEN, "")
    lines = err.splitlines()
    assert lines[:3] == [
        "predict is called",
        "Traceback (most recent call last):",
        f'  File "{here}/models.py", line {line}, in predict',
    ]
    assert "harness" not in "".join(lines[2:-1])
    assert lines[-1].startswith("freezeproof: model: predict fails with TypeError: ")
    assert lines[-1].endswith(f"({here}/models.py:{line})")


@pytest.mark.parametrize("is_url", [False, True], ids=["path", "url"])
def test_a_model_that_was_not_trained_is_told(
    export: Run, checkpoint: Path, models: str, is_url: bool
) -> None:
    source = checkpoint.as_uri() if is_url else checkpoint
    code, out, err = export(f"--checkpoint={source}", f"--model={models}:OtherScope")
    assert (code, out) == (BROKEN, "")
    assert err.splitlines()[-1] == (
        "freezeproof: model: what it builds is not what was trained: graph and weights of "
        f"{source} are of different runs: variable net/weights is not in the checkpoint; "
        "nearest: weights"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--input-type=png", "--input-type goes with --model"),
        ("--input-shape=-1,8,8,3", "--input-shape goes with --model"),
        ("--extra-outputs=a", "--extra-outputs goes with --model"),
        *(
            (
                f"--model=m:f {option}={value}",
                f"{option} goes with the checkpoint's own graph; --model builds one",
            )
            for option, value in (
                ("--meta-graph", "a.meta"),
                ("--inputs", "a"),
                ("--outputs", "a"),
                ("--signature", "a"),
                ("--tags", "a"),
            )
        ),
        *(
            (
                f"--no-verify {option}={value}",
                f"{option} is about verifying, and --no-verify leaves that out",
            )
            for option, value in (
                ("--max-examples", "5"),
                ("--example-timeout", "5"),
                ("--tolerance", "exact"),
                ("--input-spec", "spec.toml"),
                ("--fail-on", "suspicious"),
            )
        ),
        ("--model=m:f --input-type=png", "--input-type png: there are image_tensor, encoded_ima"),
        ("--model=m:f --input-shape=1,2", "--input-shape 1,2: it should be batch,height,width,ch"),
        ("--model=m:f --input-shape=a", "--input-shape a: it should be four numbers, as -1,28,28"),
        ("--model=m:f --input-shape=", "--input-shape : it should be four numbers, as -1,28,28"),
        (
            "--model=m:f --input-type=tf_example --input-shape=1,2,2,3",
            "--input-shape goes with --input-type image_tensor: the pictures in tf_example have",
        ),
        ("--method=dircet", "--method dircet: no such method; nearest: direct"),
        ("--method=all", "--method all: no such method"),
        ("--method=direct,session_graph", "--method direct,session_graph: no such method"),
        ("--tolerance=little", "--tolerance little: it should be exact or close:RTOL"),
        ("--max-examples=0", "--max-examples 0: it should be a number from 1"),
        ("--fail-on=anything", "--fail-on anything: the only choice is suspicious"),
        ("--input-spec=nowhere.toml", "--input-spec nowhere.toml: No such file or directory"),
        ("--checkpoint=nowhere", "--checkpoint nowhere: no such checkpoint, SavedModel or .pb"),
    ],
)
def test_what_makes_no_sense_is_refused_before_tensorflow_is_imported(
    export: Run,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: str,
    message: str,
) -> None:
    def too_late() -> None:
        raise AssertionError("TensorFlow would be imported")

    monkeypatch.setattr("harness.export_command.require_tensorflow", too_late)
    code, out, err = export(f"--checkpoint={checkpoint}", *options.split(" "))
    assert (code, out) == (MISTAKEN, "")
    assert err.startswith(f"freezeproof: {message}")
    assert err.count("\n") == 1


def test_a_place_that_is_taken_is_refused(export: Run, checkpoint: Path, here: Path) -> None:
    taken = here / "exported"
    taken.mkdir()
    (taken / "thesis.txt").write_text("years of work")
    code, _, err = export(f"--checkpoint={checkpoint}")
    assert code == MISTAKEN
    assert err.startswith("freezeproof: --output-dir exported: it holds thesis.txt")
    assert (taken / "thesis.txt").read_text() == "years of work"


def test_the_place_of_the_report_may_be_taken_too(
    export: Run, checkpoint: Path, here: Path
) -> None:
    taken = here / "exported.verification"
    taken.mkdir()
    (taken / "notes.txt").write_text("mine")
    code, _, err = export(f"--checkpoint={checkpoint}")
    assert code == MISTAKEN
    assert err.startswith("freezeproof: --output-dir exported: the report of its verification go")
    assert (taken / "notes.txt").read_text() == "mine"


# On a terminal.


def on_terminal(*arguments: str, cwd: Path, interrupt_at: bytes = b"") -> tuple[int, str]:
    """Run the command on a terminal of its own; press Ctrl-C when it has written something."""
    process, terminal = pty.fork()
    if process == 0:  # pragma: no cover (it becomes the command)
        os.chdir(cwd)
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
        os.execve(COMMAND, [str(COMMAND), "export", *arguments], environment)  # noqa: S606
    written, is_pressed = b"", False
    deadline = time.monotonic() + 120
    while piece := _read(terminal, deadline):
        written += piece
        if interrupt_at and interrupt_at in written and not is_pressed:
            is_pressed = True
            os.write(terminal, b"\x03")
    os.close(terminal)  # which ends it, where the time is up
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), written.decode()


def _read(terminal: int, deadline: float) -> bytes:
    """What is written next; nothing where it has ended, or the time is up."""
    is_written, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
    try:
        return os.read(terminal, 4096) if is_written else b""
    except OSError:  # Linux's way to say that it has ended
        return b""


def test_on_a_terminal_progress_is_shown_and_wiped(checkpoint: Path, here: Path) -> None:
    code, written = on_terminal(
        f"--checkpoint={checkpoint}", "--output-dir=exported", "--no-verify", cwd=here
    )
    assert code == 0
    assert "reading graph and checkpoint …" in written
    assert "writing the SavedModel …\r\x1b[K" in written
    left = written.rpartition("\x1b[K")[2]
    assert left.startswith("exported exported\r\n")


@pytest.mark.parametrize(
    "moment",
    ["reading graph", "writing the checkpoint", "\x1b[32m.\x1b[0m"],
    ids=["read", "write", "verify"],
)
def test_ctrl_c_leaves_nothing(checkpoint: Path, here: Path, moment: str) -> None:
    code, written = on_terminal(
        f"--checkpoint={checkpoint}", "--output-dir=exported", "--max-examples=1000000", cwd=here,
        interrupt_at=moment.encode(),
    )  # fmt: skip
    assert code == INTERRUPTED
    assert written.rstrip().endswith("freezeproof: interrupted")
    assert "Traceback" not in written
    assert list(here.iterdir()) == []


def test_ctrl_c_counts_where_tensorflow_forgets_it(
    export: Run, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(*_: object) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("harness.exporting.exporting.check_restorable", forgetful)
    code, out, err = export(f"--checkpoint={checkpoint}", "--no-verify")
    assert (code, out) == (INTERRUPTED, "")
    assert err.endswith("freezeproof: interrupted\n")
    assert not Path("exported").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_end_by_the_system_leaves_nothing(checkpoint: Path, here: Path) -> None:
    """As of a job that is cancelled: the process group gets SIGTERM."""
    with subprocess.Popen(
        [COMMAND, "export", "--checkpoint", checkpoint, "--output-dir", "exported",
         "--max-examples", "1000000"],
        cwd=here, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 60
        while not (here / "exported.verification" / "pytest.ini").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
    assert list(here.iterdir()) == []


def test_help_is_quick_and_imports_no_tensorflow() -> None:
    code = """
        import sys
        from harness.cli import main
        main(["export", "--help"])
        assert "tensorflow" not in sys.modules
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert "--output-dir DIR" in done.stdout
