"""What a reference's outputs do not depend on, seen on checkpoints of small graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from fixtures.catalogue import FIXTURES, Fixture
from fixtures.control_flow import control_flow
from fixtures.freezing import request_for
from fixtures.training import fresh_session, save_initialised
from harness import influence as influence_module
from harness.domain import Axis, Domain, merged
from harness.errors import Rejected
from harness.graph.domains import domains_of
from harness.influence import PERTURBED, Influence
from harness.inputs.first_examples import first_examples
from harness.models.model import Model
from harness.models.opening import open_model
from harness.runners import REFERENCE, Runners
from harness.runtime import Mode, Runner
from harness.subject import Request
from harness.verdict import ModelWarning

Look = Callable[..., dict[str, tuple[str, ...]]]
Built = Callable[[str], Path]


@pytest.fixture
def runners() -> Iterator[Runners]:
    opened = Runners(example_seconds=10)
    yield opened
    opened.close_all()


@pytest.fixture
def look(tmp_path: Path, runners: Runners) -> Look:
    """A function that builds the outputs of that name -> the nodes of each warning, by its code."""

    def looking(
        build: Callable[[], Any],
        *outputs: str,
        domains: Mapping[str, Domain] | None = None,
        feeds: Any = None,
    ) -> dict[str, tuple[str, ...]]:
        with fresh_session() as session:
            build()
            prefix = save_initialised(session, tmp_path)
        model = open_model(Request(path=prefix, outputs=outputs or ("y",)))
        return {w.code: w.nodes for w in examined(model, runners, domains or {}, feeds)}

    return looking


def examined(
    model: Model, runners: Runners, stated: Mapping[str, Domain], feeds: Any = None
) -> tuple[ModelWarning, ...]:
    """What is said of a model after the first examples, or those that are given."""
    domains = merged(domains_of(model.graph_def, model.signature), stated)
    influence = Influence(model, domains, runners)
    run = runners.runner(REFERENCE, model, Mode.STRICT)
    for each in feeds or first_examples(model.signature, domains):
        try:
            outputs = run(each)
        except Rejected:
            continue
        influence.look(each, outputs)
    return influence.warnings()


def fed(name: str = "x", shape: Any = (None, 3), dtype: Any = tf.float32) -> tf.Tensor:
    return tf.compat.v1.placeholder(dtype, shape, name=name)


def variable(name: str, value: Any, *, resource: bool = True) -> tf.Tensor:
    made = tf.compat.v1.get_variable(
        name, initializer=np.asarray(value, np.float32), use_resource=resource
    )
    return tf.identity(made)


def weight(name: str = "w", scale: float = 1.0) -> Any:
    return variable(name, scale * np.random.default_rng(0).normal(size=(3, 3)))


def test_nothing_is_said_of_a_sound_network(look: Look) -> None:
    assert look(lambda: tf.nn.softmax(fed() @ weight() + variable("b", [1, 2, 3]), name="y")) == {}


EACH_QUICK_FIXTURE = pytest.mark.parametrize(
    "fixture",
    [f for f in FIXTURES if f.name.endswith("-resource") and not f.name.startswith("captcha_cnn")],
    ids=lambda each: each.name,
)


@EACH_QUICK_FIXTURE
def test_nothing_is_said_of_a_fixture(fixture: Fixture, built: Built, runners: Runners) -> None:
    request = request_for(fixture, built(fixture.name))
    assert examined(open_model(request), runners, request.domains) == ()


@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
def test_what_lies_before_weights_that_are_zero_is_dead(look: Look, resource: bool) -> None:
    def build() -> None:
        x = fed()
        lost = variable("lost", np.ones((3, 3)), resource=resource)
        tf.nn.softmax(x @ weight() + (x @ lost) @ variable("off", np.zeros((3, 3))), name="y")

    assert look(build) == {"dead_variable": ("lost",)}


def test_what_lies_before_a_saturated_layer_is_dead(look: Look) -> None:
    def build() -> None:
        x = fed()
        far = tf.sigmoid(tf.tanh(x @ weight("lost")) + variable("far", [500.0] * 3))
        tf.multiply(x @ weight(), far, name="y")

    assert look(build) == {"dead_variable": ("lost",)}


def test_a_relu_that_lets_nothing_through_is_told(look: Look) -> None:
    def build() -> None:
        x = fed()
        hidden = tf.nn.relu(tf.tanh(x @ weight("lost")) + variable("far", [-500.0] * 3))
        tf.add(x @ weight(), hidden, name="y")

    assert look(build) == {"dead_variable": ("lost",)}


def test_units_of_a_variable_that_are_dead_are_no_dead_variable(look: Look) -> None:
    def build() -> None:
        hidden = tf.nn.relu(fed() @ weight() + variable("b", [0.0, -1e6, -1e6]))
        tf.nn.softmax(hidden, name="y")

    assert look(build) == {}


def test_a_row_that_is_not_looked_up_is_no_dead_variable(look: Look) -> None:
    def build() -> None:
        table = variable("table", np.random.default_rng(0).normal(size=(50, 3)))
        tf.gather(table, fed("ids", (None,), tf.int32), name="y")

    assert look(build) == {}


@pytest.mark.parametrize("name", ["VariableV2", "VarHandleOp"])
def test_several_handles_of_one_variable_are_one(look: Look, name: str) -> None:
    """Of two nodes of a resource, one is not on the path that moves."""

    def build() -> None:
        x = fed()
        w = tf.compat.v1.get_variable(
            "w", initializer=np.float32([1, 2, 3]), use_resource=name == "VarHandleOp"
        )
        if name == "VarHandleOp":
            again = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=(3,), shared_name="w")
            other = tf.raw_ops.ReadVariableOp(resource=again, dtype=tf.float32)
        else:
            other = tf.identity(w)
        tf.add(x * w, other * tf.nn.relu(-tf.abs(x)), name="y")

    assert look(build) == {}


def test_a_variable_of_a_branch_is_not_spoken_of(look: Look) -> None:
    def build() -> None:
        x, flag = fed(), fed("flag", (), tf.bool)
        w, lost = weight(), weight("lost")
        tf.cond(flag, lambda: x @ w, lambda: x @ w + (x @ lost) * 0.0)
        chosen = tf.cond(flag, lambda: x @ w, lambda: x @ w + (x @ lost) @ tf.zeros_like(w))
        tf.identity(chosen, name="y")

    assert look(build) == {}


def test_variables_behind_decisions_alone_are_not_spoken_of(look: Look) -> None:
    """However strongly they are moved: the scale of scores decides nothing."""

    def build() -> None:
        scale = tf.abs(variable("scale", 2.0)) + 0.1
        tf.argmax((fed() @ weight()) * scale, 1, name="y")

    assert look(build) == {}


def test_random_ops_leave_variables_alone(look: Look) -> None:
    def build() -> None:
        x = fed()
        noise = tf.random.shuffle(tf.range(3.0), seed=1)
        tf.add(x @ weight() + noise, (x @ weight("lost")) @ variable("off", np.zeros((3, 3))),
               name="y")  # fmt: skip

    assert look(build) == {}


def test_models_with_too_many_weights_are_left(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influence_module, "MOST_ELEMENTS", 26)

    def build() -> None:
        x = fed()
        lost = variable("lost", np.ones((3, 3)))
        tf.nn.softmax(x @ weight() + (x @ lost) @ variable("off", np.zeros((3, 3))), name="y")

    assert look(build) == {}


def test_without_time_nothing_is_said(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SHORTEST", "LONGEST"):
        monkeypatch.setattr(influence_module, name, 0.0)

    def build() -> None:
        x = fed()
        centred = x - tf.reduce_mean(x, 0)
        lost = variable("lost", np.ones((3, 3)))
        dead = (fed("z") @ lost) @ variable("off", np.zeros((3, 3)))
        tf.add(centred, dead, name="y")

    assert look(build) == {}


def test_an_input_that_weights_cut_off_is_ignored(look: Look) -> None:
    def build() -> None:
        tf.add(fed() @ weight(), fed("z") @ variable("off", np.zeros((3, 3))), name="y")

    assert look(build) == {"ignored_input": ("z",)}


def test_an_input_of_which_the_shape_alone_is_read_is_not_spoken_of(look: Look) -> None:
    def build() -> None:
        tf.add(fed() @ weight(), tf.zeros_like(fed("z")), name="y")

    assert look(build) == {}


def test_a_flag_of_training_is_not_spoken_of(look: Look) -> None:
    def build() -> None:
        rate = 1.0 - fed("keep_prob", ())
        x = fed()
        tf.identity(tf.nn.dropout(x, rate=rate, seed=1) @ weight(), name="y")

    assert look(build) == {}


def test_noise_that_training_alone_adds_is_not_spoken_of(look: Look) -> None:
    def build() -> None:
        noise = fed("noise") * tf.cast(fed("is_training", (), tf.bool), tf.float32)
        x = fed()
        either = tf.cond(
            tf.compat.v1.get_default_graph().get_tensor_by_name("is_training:0"),
            lambda: x * 2.0,
            lambda: x,
        )
        tf.identity((either + noise) @ weight(), name="y")

    assert look(build) == {}


def test_lengths_are_not_spoken_of(look: Look) -> None:
    def build() -> None:
        x, lengths = fed("x", (None, None, 3)), fed("lengths", (None,), tf.int32)
        mask = tf.sequence_mask(lengths, tf.shape(x)[1], tf.float32)
        tf.multiply(x @ weight(), 1.0 + 0.0 * mask[..., tf.newaxis], name="y")

    assert look(build) == {}


def test_that_all_outputs_are_one_value_is_said_elsewhere(look: Look) -> None:
    assert look(lambda: tf.nn.relu(fed() @ variable("w", np.zeros((3, 3))), name="y")) == {}


@pytest.mark.parametrize(
    ("bound", "factor"),
    [(tf.nn.softmax, 1e6), (tf.sigmoid, 1e6), (tf.tanh, 1e6), (tf.nn.relu6, 1e6)],
    ids=["softmax", "sigmoid", "tanh", "relu6"],
)
def test_an_output_that_is_always_saturated_is_told(
    look: Look, bound: Callable[..., Any], factor: float
) -> None:
    def build() -> None:
        logits = tf.add(
            fed() @ weight(scale=factor), variable("b", [9e3, -9e3, 8e3]), name="logits"
        )
        bound(logits, name="y")

    assert look(build) == {"saturated_output": ("y",)}


def test_nothing_else_is_said_of_an_output_that_is_saturated(look: Look) -> None:
    """Of course no input moves it."""

    def build() -> None:
        tf.nn.softmax(fed() @ weight() * 1e-2 + variable("b", [9e3, -9e3, 8e3]), name="y")

    assert look(build) == {"saturated_output": ("y",)}


def test_two_examples_do_not_show_that_an_output_is_saturated(look: Look) -> None:
    feeds = [{"x": np.float32([[1, 2, number]])} for number in (3, 4)]
    bias = [9e3, -9e3, 8e3]
    found = look(lambda: tf.sigmoid(fed() @ weight() + variable("b", bias), name="y"), feeds=feeds)
    assert "saturated_output" not in found


def test_the_warning_offers_the_tensor_before(tmp_path: Path, runners: Runners) -> None:
    with fresh_session() as session:
        tf.nn.softmax(
            tf.add(fed() @ weight(scale=1e6), variable("b", [9e3, -9e3, 8e3]), name="l"), name="y"
        )
        prefix = save_initialised(session, tmp_path)
    (warning,) = examined(open_model(Request(path=prefix, outputs=("y",))), runners, {})
    assert "every element of y was 0 or 1 in every example" in warning.message
    assert warning.message.endswith("verify --outputs=y,l")


def test_an_output_that_was_once_between_is_not_saturated(look: Look) -> None:
    """With zeros fed, a softmax of scores without a bias has equal parts."""
    found = look(lambda: tf.nn.softmax(fed() @ weight(scale=1e6), name="y"))
    assert "saturated_output" not in found


def test_an_output_that_depends_on_the_batch_is_told(look: Look) -> None:
    def build() -> None:
        x = fed()
        tf.matmul(x - tf.reduce_mean(x, 0), weight(), name="y")

    assert look(build) == {"batch_dependent": ("y",)}


def test_an_axis_that_the_user_calls_otherwise_is_no_batch(look: Look) -> None:
    def build() -> None:
        x = fed()
        tf.matmul(x - tf.reduce_mean(x, 0), weight(), name="y")

    frames = Domain(shape=(Axis(name="frames", sizes=(2, 3, 5)), 3))
    assert look(build, domains={"x": frames}) == {}


def test_batch_normalisation_as_in_training_is_said_once(look: Look) -> None:
    """By `lint`, which names its nodes."""

    def build() -> None:
        x = fed() @ weight()
        mean, variance = tf.nn.moments(x, [0])
        tf.nn.batch_normalization(x, mean, variance, None, None, 1e-3, name="norm")
        tf.identity(tf.compat.v1.get_default_graph().get_tensor_by_name("norm/add_1:0"), name="y")

    assert look(build) == {}


def test_few_examples_show_nothing(look: Look) -> None:
    def build() -> None:
        tf.add(fed() @ weight(), fed("z") @ variable("off", np.zeros((3, 3))), name="y")

    one = {"x": np.float32([[1, 2, 3]]), "z": np.float32([[3, 4, 5]])}
    assert look(build, feeds=[one, one, one]) == {}


def test_no_ordinary_example_shows_nothing(look: Look) -> None:
    zeros = {"x": np.zeros((2, 3), np.float32)}
    assert look(lambda: tf.matmul(fed(), weight(), name="y"), feeds=[zeros]) == {}


def test_the_same_batch_again_is_no_other(look: Look) -> None:
    def build() -> None:
        x = fed()
        tf.matmul(x - tf.reduce_mean(x, 0), weight(), name="y")

    batch = {"x": np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)}
    assert look(build, feeds=[batch, batch, batch]) == {}


@pytest.mark.parametrize("version", [1, 2])
def test_of_the_branch_for_inference_variables_are_spoken_of(look: Look, version: int) -> None:
    def build() -> None:
        x, flag = fed(), fed("is_training", (), tf.bool)
        lost, off = variable("lost", np.ones((3, 3))), variable("off", np.zeros((3, 3)))
        w = weight()
        tf.identity(tf.cond(flag, lambda: x @ w, lambda: x @ w + (x @ lost) @ off), name="y")

    with control_flow(version):
        assert look(build) == {"dead_variable": ("lost",)}


def test_a_rate_of_dropout_hides_nothing(look: Look) -> None:
    def build() -> None:
        x, keep_prob = fed(), fed("keep_prob", ())
        hidden = x @ weight() + fed("z") @ variable("off", np.zeros((3, 3)))
        mask = tf.floor(keep_prob + tf.random.uniform(tf.shape(hidden)))
        tf.multiply(hidden / keep_prob, mask, name="y")

    assert look(build) == {"ignored_input": ("z",)}


def test_the_sessions_are_left_as_they_were(tmp_path: Path, runners: Runners) -> None:
    with fresh_session() as session:
        tf.matmul(fed(), weight(), name="y")
        prefix = save_initialised(session, tmp_path)
    model = open_model(Request(path=prefix, outputs=("y",)))
    reference = runners.runner(REFERENCE, model, Mode.STRICT)
    feeds = {"x": np.float32([[1, 2, 3]])}
    before = reference(feeds)["y"]
    examined(model, runners, {})
    assert (reference(feeds)["y"] == before).all()
    perturbed = runners.runner(PERTURBED, model, Mode.STRICT)
    assert perturbed.was_opened
    assert perturbed._callable is None


def test_it_is_looked_for_once(
    tmp_path: Path, runners: Runners, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many candidates are compared."""
    with fresh_session() as session:
        x = fed()
        tf.matmul(x - tf.reduce_mean(x, 0), weight(), name="y")
        prefix = save_initialised(session, tmp_path)
    model = open_model(Request(path=prefix, outputs=("y",)))
    influence = Influence(model, {}, runners)
    run = runners.runner(REFERENCE, model, Mode.STRICT)
    for feeds in first_examples(model.signature):
        influence.look(feeds, run(feeds))
    first = influence.warnings()
    assert first
    runs: list[Runner] = []
    monkeypatch.setattr(Runner, "__call__", lambda runner, _: runs.append(runner))
    for feeds in first_examples(model.signature):
        influence.look(feeds, {})
    assert influence.warnings() is first
    assert runs == []
    assert not influence._examples
