"""Models that agree and yet are wrong: warned of, and failed when asked to."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from fixtures.training import fresh_session, save_initialised

Verify = Callable[..., pytest.RunResult]
Suspicious = Callable[..., pytest.RunResult]


@pytest.fixture
def without_weight(tmp_path: Path) -> Path:
    """A checkpoint whose one variable does not reach the output."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None], name="x")
        tf.identity(x * 2.0, name="output")
        tf.compat.v1.get_variable("unused", [3])
        session.run(tf.compat.v1.global_variables_initializer())
        return Path(tf.compat.v1.train.Saver().save(session, str(tmp_path / "model.ckpt")))


def test_a_model_without_a_weight_on_its_path_is_suspicious(
    verify: Verify, without_weight: Path
) -> None:
    result = verify(checkpoint=without_weight)

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        ["model.ckpt is suspicious", "  warning: no variable of the checkpoint reaches the output*"]
    )


def test_it_fails_with_fail_on_suspicious(verify: Verify, without_weight: Path) -> None:
    result = verify("--fail-on=suspicious", checkpoint=without_weight)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*test_nothing_is_suspicious*", "suspicious: model.ckpt"])


def test_a_sound_model_passes_with_fail_on_suspicious(verify: Verify) -> None:
    result = verify("--fail-on=suspicious")

    assert result.ret == pytest.ExitCode.OK
    assert result.parseoutcomes().keys() == {"passed"}


@pytest.fixture
def warned(verify: Verify, tmp_path: Path) -> Suspicious:
    """Verify the checkpoint of a function's graph, which computes `y` of `x` by a weight `w`."""

    def run(build: Callable[[tf.Tensor, tf.Tensor], Any], *arguments: str) -> pytest.RunResult:
        with fresh_session() as session:
            x = tf.compat.v1.placeholder(tf.float32, (None, 3), name="x")
            w = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
            build(x, tf.compat.v1.get_variable("w", initializer=w))
            prefix = save_initialised(session, tmp_path)
        return verify(*(arguments or ("--outputs=y",)), checkpoint=prefix)

    return run


def normalised_by_the_batch(x: tf.Tensor, w: tf.Tensor) -> None:
    h = x @ w
    mean, variance = tf.nn.moments(h, [0], name="moments")
    tf.identity(tf.nn.batch_normalization(h, mean, variance, None, None, 1e-3), name="y")


def centred_by_the_batch(x: tf.Tensor, w: tf.Tensor) -> None:
    tf.matmul(x - tf.reduce_mean(x, 0), w, name="y")


def decided(x: tf.Tensor, w: tf.Tensor) -> None:
    tf.argmax(tf.matmul(x, w, name="scores"), 1, name="y")


def read_from_a_file(x: tf.Tensor, w: tf.Tensor) -> None:
    here = tf.io.read_file(__file__, name="constants")
    tf.add(x @ w, tf.cast(tf.strings.length(here), tf.float32), name="y")


def saturated(x: tf.Tensor, w: tf.Tensor) -> None:
    bias = tf.compat.v1.get_variable("b", initializer=[9e5, -9e5, 8e5])
    tf.sigmoid(tf.add(x @ w * 1e5, bias, name="scores"), name="y")


def cut_off(x: tf.Tensor, w: tf.Tensor) -> None:
    off = tf.compat.v1.get_variable("off", initializer=np.zeros((3, 3), np.float32))
    lost = tf.compat.v1.get_variable("lost", initializer=np.ones((3, 3), np.float32))
    tf.add(x @ w, (x @ lost) @ off, name="y")


def ignored(x: tf.Tensor, w: tf.Tensor) -> None:
    other = tf.compat.v1.placeholder(tf.float32, (None, 3), name="other")
    off = tf.compat.v1.get_variable("off", initializer=np.zeros((3, 3), np.float32))
    tf.add(x @ w, other @ off, name="y")


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (normalised_by_the_batch, ["moments/mean normalises by the mean", "training=False"]),
        (centred_by_the_batch, ["y of an example depends on the other", "--input-spec FILE"]),
        (decided, ["y is decided by ArgMax", "--outputs=y,scores"]),
        (read_from_a_file, ["on the path to the output, constants (ReadFile)", "--inputs NAME"]),
        (saturated, ["every element of y was 0 or 1 in every example", "--outputs=y,scores"]),
        (cut_off, ["no output changed when lost took other values", "multiplies it by zero"]),
        (ignored, ["no output changed with the values of other", "--input-spec FILE"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_model_that_hides_its_faults_is_suspicious(
    warned: Suspicious, build: Callable[..., None], said: list[str]
) -> None:
    inputs = "x,other" if build is ignored else "x"
    result = warned(build, f"--inputs={inputs}", "--outputs=y")

    assert result.ret == pytest.ExitCode.OK
    printed = re.sub(r"\s+", " ", result.stdout.str())  # long lines are wrapped
    assert "model.ckpt-1 is suspicious" in printed
    assert re.findall(r"warning: (.*?) =+", printed)[0].startswith(said[0])
    assert said[-1] in printed
    assert printed.count(" warning: ") == 1


def test_a_decision_beside_its_scores_is_not_suspicious(warned: Suspicious) -> None:
    result = warned(decided, "--outputs=y,scores", "--fail-on=suspicious")

    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("*suspicious*warning*")


def test_averages_that_were_not_asked_for_are_suspicious(
    verify: Verify, built: Callable[[str], Path]
) -> None:
    result = verify("--outputs=prediction", checkpoint=built("moving_averages-resource"))

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        ["*is suspicious", "  warning: the checkpoint holds moving averages of layer/*"]
    )


def test_averages_that_were_are_not(verify: Verify, built: Callable[[str], Path]) -> None:
    result = verify(
        "--outputs=prediction",
        "--moving-averages",
        "--fail-on=suspicious",
        checkpoint=built("moving_averages-resource"),
    )

    assert result.ret == pytest.ExitCode.OK
