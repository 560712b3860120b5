"""What is checked of the reference itself; the whole of it, on real models, is in test_proof."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from harness.errors import TimedOut
from harness.models.opening import open_model
from harness.runtime import Mode, Runner
from harness.scrutiny import Scrutiny, instability
from harness.subject import Request

Feeds = Mapping[str, npt.NDArray[Any]]


def test_a_reference_that_repeats_itself_is_stable() -> None:
    assert instability(lambda feeds: {"y": feeds["x"] * 2}, {"x": np.ones(3)}) == ""


def test_a_reference_that_gives_other_outputs_the_second_time_is_told() -> None:
    counter = itertools.count()

    def reference(feeds: Feeds) -> Feeds:
        return {"y": feeds["x"] + next(counter)}

    said = instability(reference, {"x": np.zeros(1)})

    assert said.startswith("the reference does not give the same outputs twice")
    assert "y[0] = 1.0, but should be 0.0" in said


@pytest.fixture
def dropout(tmp_path: Path) -> Request:
    """A model with dropout left in, whose keep probability is an input."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None, 4], name="x")
        keep = tf.compat.v1.placeholder(tf.float32, [], name="keep")
        weight = tf.compat.v1.get_variable("weight", [4, 4])
        dropped = tf.floor(keep + tf.random.uniform(tf.shape(x))) * x
        tf.matmul(dropped, weight, name="output")
        session.run(tf.compat.v1.global_variables_initializer())
        prefix = tf.compat.v1.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    return Request(path=Path(prefix), outputs=("output",))


@pytest.mark.parametrize(("keep", "codes"), [(0.5, ["random_op"]), (1.0, [])])
def test_randomness_is_warned_of_where_it_reaches_an_output(
    dropout: Request, keep: float, codes: list[str]
) -> None:
    model = open_model(dropout)
    runner = Runner(model, mode=Mode.STRICT)
    scrutiny = Scrutiny(model, dropout)
    feeds = {"x": np.ones((2, 4), np.float32), "keep": np.float32(keep).reshape(())}

    scrutiny.look(feeds, runner(feeds))

    assert [warning.code for warning in scrutiny.warnings()] == codes
    scrutiny.close()
    runner.close()


def test_numbers_with_which_a_model_takes_too_long_show_nothing(
    dropout: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_too_long(*_: Any) -> None:
        raise TimedOut(3)

    scrutiny = Scrutiny(open_model(dropout), dropout)
    monkeypatch.setattr(Runner, "__call__", take_too_long)

    scrutiny.look({"x": np.ones((2, 4), np.float32)}, {"output": np.ones((2, 4))})

    assert scrutiny.warnings() == ()


def test_the_reference_of_a_fixture_is_what_tensorflow_restores(
    built: Callable[[str], Path],
) -> None:
    request = Request(path=built("softmax_regression-resource"))
    model = open_model(request)
    runner = Runner(model, mode=Mode.STRICT)
    scrutiny = Scrutiny(model, request)
    feeds = {"inputs": np.ones((2, 4), np.float32)}

    scrutiny.look(feeds, runner(feeds))

    assert scrutiny.fault() == ""
    runner.close()


def test_a_reference_that_is_not_what_tensorflow_restores_is_told(
    built: Callable[[str], Path],
) -> None:
    request = Request(path=built("softmax_regression-resource"))
    scrutiny = Scrutiny(open_model(request), request)

    scrutiny.look({"inputs": np.ones((2, 4), np.float32)}, {"prediction": np.zeros((2, 3), "f")})

    assert "is not what TensorFlow restores" in scrutiny.fault()
