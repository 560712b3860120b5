"""The command `freezeproof evaluate`, from its arguments to its exit code."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf
from PIL import Image

from fixtures.models.captcha_cnn import training_prefix
from harness.cli import main
from harness.exporters import direct
from harness.models.opening import open_model
from harness.subject import Request

FAILED, MISTAKEN = 1, 4
Built = Callable[[str], Path]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def evaluate(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process: its exit code, its output, its errors."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        code = main(["evaluate", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def checkpoint(built: Built) -> Path:
    return built("captcha_cnn-resource")


@pytest.fixture(scope="session")
def frozen(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = open_model(Request(path=checkpoint, outputs=("classes", "probabilities")))
    return direct.export(model, tmp_path_factory.mktemp("frozen")).path


def given(frozen: Path, data: str | Path = "captcha:20") -> list[str]:
    return [f"--frozen-graph={frozen}", f"--data={data}"]


def test_a_checkpoint_is_evaluated_beside_its_frozen_graph(
    frozen: Path, checkpoint: Path, evaluate: Run
) -> None:
    code, out, err = evaluate(
        *given(frozen, "captcha:500"), f"--checkpoint={checkpoint}", "--min-accuracy=0.9"
    )
    assert (code, err) == (0, "")
    assert out.startswith(f"frozen graph {frozen}\ncheckpoint   {checkpoint}\n")
    assert "  equal predictions: 500 of 500\n" in out
    assert "\nConfusion by the frozen graph" in out


def test_json_is_one_object_and_nothing_else(frozen: Path, checkpoint: Path, evaluate: Run) -> None:
    code, out, err = evaluate(*given(frozen), f"--checkpoint={checkpoint}", "--json")
    assert (code, err) == (0, "")
    content = json.loads(out)
    assert content["agreement"]["equal"] == len(content["predictions"]) == 20
    assert content["checkpoint"]["path"] == str(checkpoint)
    assert content["passed"] is True


def test_predictions_are_told_on_request(frozen: Path, evaluate: Run) -> None:
    _, without, _ = evaluate(*given(frozen))
    _, out, _ = evaluate(*given(frozen), "--predictions")
    assert "captcha-0000" not in without
    assert out.startswith("captcha-0000  predicted ")
    assert out.count(", label ") == 20


def test_predictions_that_differ_fail(frozen: Path, checkpoint: Path, evaluate: Run) -> None:
    stale = checkpoint.with_name("model.ckpt-5")
    code, out, err = evaluate(*given(frozen), f"--checkpoint={stale}")
    assert code == FAILED
    assert "\nPredictions that differ\n" in out
    assert err.startswith("freezeproof: ")
    assert "predictions differ between the frozen graph and the checkpoint" in err


def test_an_accuracy_that_is_not_reached_fails(frozen: Path, tmp_path: Path, evaluate: Run) -> None:
    for digit in ("0", "1"):
        (tmp_path / digit).mkdir()
        Image.new("RGB", (28, 28)).save(tmp_path / digit / "black.png")
    code, out, err = evaluate(*given(frozen, tmp_path), "--min-accuracy=0.9", "--json")
    assert code == FAILED
    assert json.loads(out)["passed"] is False
    assert "below --min-accuracy 0.9" in err
    assert evaluate(*given(frozen, tmp_path), "--min-accuracy=0")[0] == 0


@pytest.mark.parametrize("option", ["--checkpoint", "--output", "--batch-size"])
def test_an_option_that_is_empty_is_refused(frozen: Path, evaluate: Run, option: str) -> None:
    """As of a variable of the shell that is not set: what it asks for must not be left out."""
    code, out, err = evaluate(*given(frozen), f"{option}=")
    assert (code, out, err) == (MISTAKEN, "", f"freezeproof: {option}: it is empty\n")


def test_a_frozen_graph_is_not_compared_with_itself(frozen: Path, evaluate: Run) -> None:
    code, _, err = evaluate(*given(frozen), f"--checkpoint={frozen.parent / '.' / frozen.name}")
    assert code == MISTAKEN
    assert "would be compared with itself" in err


def test_what_training_left_in_both_models_is_told(
    checkpoint: Path, tmp_path: Path, evaluate: Run
) -> None:
    """They agree, and what they predict depends on what is fed together."""
    training = training_prefix(checkpoint)
    request = Request(path=training, inputs=("image_tensor",), outputs=("classes",))
    graph = direct.export(open_model(request), tmp_path).path
    _, out, _ = evaluate(*given(graph), f"--checkpoint={training}", "--json")
    told = json.loads(out)["told"]
    for who in ("frozen graph", "checkpoint"):
        assert any(t.startswith(f"{who}: ") and "batch" in t for t in told)
        assert any(t.startswith(f"{who}: random numbers are drawn") for t in told)
    assert any(t.startswith("checkpoint: ") and "average" in t for t in told)


def test_the_seed_decides_which_captchas_are_drawn(frozen: Path, evaluate: Run) -> None:
    def labels(*options: str) -> list[int]:
        _, out, _ = evaluate(*given(frozen), "--json", *options)
        return [each["label"] for each in json.loads(out)["predictions"]]

    assert labels() == labels("--seed=2")
    assert labels() != labels("--seed=3")


def test_input_output_and_batch_size_are_those_that_are_named(frozen: Path, evaluate: Run) -> None:
    code, out, _ = evaluate(
        *given(frozen), "--input=image_tensor", "--output=probabilities", "--batch-size=7"
    )
    assert code == 0
    assert "  output probabilities float32 [?, 10]\n" in out
    assert "inferred" not in out


def test_so_many_pictures_are_fed_together_as_are_asked_for(tmp_path: Path, evaluate: Run) -> None:
    with tf.Graph().as_default() as graph:
        pictures = tf.compat.v1.placeholder(tf.uint8, (None, None, None, 3), name="image")
        tf.fill(tf.shape(pictures)[:1], tf.shape(pictures)[0], name="classes")
    path = tmp_path / "sizes.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    _, out, _ = evaluate(*given(path), "--output=classes", "--batch-size=7", "--json")
    sizes = [each["frozen_graph"] for each in json.loads(out)["predictions"]]
    assert sizes == [7] * 14 + [6] * 6


def test_pixels_may_begin_with_a_sign(frozen: Path, evaluate: Run) -> None:
    code, _, err = evaluate(*given(frozen), "--pixels", "-1..1")
    assert code == MISTAKEN
    assert err.startswith("freezeproof: --pixels goes with an input of floats")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--moving-averages"], "--moving-averages goes with --checkpoint PATH"),
        (["--meta-graph=x.meta"], "--meta-graph goes with --checkpoint PATH"),
        (["--seed=x"], "--seed x: it should be a number from 0"),
        (["--batch-size=0"], "--batch-size 0: it should be a number from 1"),
        (["--min-accuracy=90"], "--min-accuracy 90: it should be from 0 to 1"),
        (["--min-accuracy=nan"], "--min-accuracy nan: it should be from 0 to 1"),
        (["--output=clases"], "--output clases: "),
        (["--data=nowhere"], "--data nowhere: no such folder"),
        (["--checkpoint=nowhere"], "--checkpoint nowhere: no such checkpoint"),
        (["--frozen-graph=nowhere.pb"], "--frozen-graph nowhere.pb: no such"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_is_mistaken_is_one_line(
    arguments: list[str], said: str, frozen: Path, evaluate: Run
) -> None:
    code, out, err = evaluate(*given(frozen), *arguments)
    assert (code, out) == (MISTAKEN, "")
    assert err.startswith(f"freezeproof: {said}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--moving-averages", "holds no tensor NAME/ExponentialMovingAverage"),
        ("--meta-graph=nowhere.meta", "--meta-graph nowhere.meta: no such file"),
    ],
)
def test_options_of_the_checkpoint_are_heeded(
    option: str, said: str, frozen: Path, checkpoint: Path, evaluate: Run
) -> None:
    code, out, err = evaluate(*given(frozen), f"--checkpoint={checkpoint}", option)
    assert (code, out) == (MISTAKEN, "")
    assert said in err


def test_a_checkpoint_is_no_frozen_graph(checkpoint: Path, evaluate: Run) -> None:
    code, _, err = evaluate(*given(checkpoint))
    assert code == MISTAKEN
    assert "this is a checkpoint, which goes with --checkpoint" in err


def test_a_frozen_graph_that_is_broken_is_no_mistake_of_the_command(
    tmp_path: Path, evaluate: Run
) -> None:
    path = tmp_path / "frozen.pb"
    path.write_bytes(b"\x0a\xff\xff\xff")
    code, out, err = evaluate(*given(path))
    assert (code, out) == (FAILED, "")
    assert str(path) in err


def test_mistakes_in_data_are_told_before_tensorflow_is_imported(frozen: Path) -> None:
    program = (
        "import sys; from harness.cli import main; code = main(sys.argv[1:]); "
        "print(code, 'tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", program, "evaluate", *given(frozen, "nowhere")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout == f"{MISTAKEN} False\n"


@pytest.fixture
def on_a_terminal(frozen: Path) -> Callable[..., tuple[int, bytes]]:
    """Run the command with a terminal for the named streams: its exit code, what was shown."""

    def run(
        *options: str, environment: dict[str, str] | None = None, **streams: bool
    ) -> tuple[int, bytes]:
        plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        variables = {**plain, "TERM": "xterm", "COLUMNS": "100", **(environment or {})}
        command = [sys.executable, "-m", "harness.cli", "evaluate", *given(frozen), *options]
        terminal, end = pty.openpty()
        others = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        shown = b""
        with subprocess.Popen(
            command, env=variables, **{**others, **dict.fromkeys(streams, end)}
        ) as process:
            os.close(end)
            while part := _read(terminal):
                shown += part
        os.close(terminal)
        return process.returncode, shown

    return run


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # of Linux, when nobody writes any more
        return b""


def test_a_terminal_is_shown_colours_unless_it_wants_none(
    on_a_terminal: Callable[..., tuple[int, bytes]],
) -> None:
    assert b"\x1b[1m" in on_a_terminal(stdout=True)[1]
    assert b"\x1b[" not in on_a_terminal(stdout=True, environment={"NO_COLOR": "1"})[1]


def test_a_terminal_is_shown_progress(on_a_terminal: Callable[..., tuple[int, bytes]]) -> None:
    _, shown = on_a_terminal("--json", stderr=True)
    assert b"pictures" in shown
    assert b"100%" in shown


def test_a_file_that_cannot_be_read_is_named(frozen: Path, tmp_path: Path, evaluate: Run) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "link.png").symlink_to("nowhere.png")
    code, out, err = evaluate(*given(frozen, tmp_path))
    assert (code, out) == (MISTAKEN, "")
    assert err == f"freezeproof: {tmp_path}/0/link.png: No such file or directory\n"


def test_a_failure_is_one_on_a_terminal_too(
    on_a_terminal: Callable[..., tuple[int, bytes]], checkpoint: Path
) -> None:
    stale = checkpoint.with_name("model.ckpt-5")
    code, shown = on_a_terminal(f"--checkpoint={stale}", stdout=True, stderr=True)
    assert code == FAILED
    assert b"freezeproof: " not in shown  # it is told once
