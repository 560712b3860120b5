"""Models that agree and yet are wrong: warned of, and failed when asked to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

Verify = Callable[..., pytest.RunResult]


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
    verify("--fail-on=suspicious").assert_outcomes(passed=8)
