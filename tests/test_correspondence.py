"""The proof end to end: real checkpoints, real files, no session for weights and structure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.python.framework.tensor_util import make_tensor_proto

from fixtures.training import fresh_session, save_initialised
from harness.criteria import Close
from harness.domain import KnownOutputs
from harness.graph.freezing import freeze
from harness.models.opening import open_model
from harness.proof import Proof
from harness.runtime import Runner
from harness.subject import Candidate, Request
from harness.suite.examples import for_all_examples
from harness.verdict import CandidateReport, Stage, StageResult, Status, Verdict

Change = Callable[[GraphDef], None]
CLOSE = Close(rtol=1e-4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolution with a batch norm and a scaled layer: checkpoints of steps 1 to 4."""
    folder = tmp_path_factory.mktemp("trained")
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None, 6, 6, 2], name="x")
        kernel = tf.compat.v1.get_variable("kernel", [3, 3, 2, 4])
        values = {
            name: tf.compat.v1.get_variable(name, initializer=np.float32(first) + spread)
            for name, first, spread in (
                ("gamma", 1, np.linspace(0, 0.3, 4, dtype=np.float32)),
                ("beta", 0, np.linspace(-1, 1, 4, dtype=np.float32)),
                ("mean", 0, np.linspace(-0.1, 0.2, 4, dtype=np.float32)),
                ("variance", 1, np.linspace(0, 0.5, 4, dtype=np.float32)),
            )
        }
        convolved = tf.nn.conv2d(x, kernel, 1, "SAME", name="conv")
        normal = tf.compat.v1.nn.fused_batch_norm(
            convolved, values["gamma"], values["beta"], values["mean"], values["variance"],
            is_training=False,
        )[0]  # fmt: skip
        scale = tf.compat.v1.get_variable("scale", initializer=np.float32([0.5, 1, 2, 4]))
        y = tf.nn.relu(normal * tf.exp(scale, name="exp"), name="y")
        loss = tf.reduce_mean(tf.square(y - 1.0))
        step = tf.compat.v1.train.GradientDescentOptimizer(0.01).minimize(loss)
        saver = tf.compat.v1.train.Saver(max_to_keep=None)
        session.run(tf.compat.v1.global_variables_initializer())
        pictures = np.random.default_rng(0).normal(size=[5, 6, 6, 2])
        for number in range(1, 5):
            session.run(step, {x: pictures})
            saver.save(session, str(folder / "model.ckpt"), number)
    return folder / "model.ckpt-4"


def frozen(prefix: Path, *, meta: Path | None = None) -> GraphDef:
    model = open_model(Request(path=prefix, meta_graph=meta, outputs=("y",)))
    return freeze(model.graph_def, weights=model.weights, outputs=["y"])


def verified(prefix: Path, graph_def: GraphDef, folder: Path) -> CandidateReport:
    """What every stage makes of a file that holds `graph_def`."""
    path = folder / "shipped.pb"
    path.write_bytes(graph_def.SerializeToString())
    proof = Proof(Request(path=prefix, outputs=("y",)), folder=folder / "work")
    candidate = Candidate(name=path.name, method="file", path=path)
    for_all = for_all_examples(max_examples=15, seed=0)
    stages: Mapping[Stage, StageResult] = {
        result.stage: result
        for result in (
            proof.export(candidate),
            proof.reload(candidate),
            proof.weights(candidate),
            proof.structure(candidate),
            proof.outputs(candidate, for_all, tolerance=CLOSE),
        )
    }
    proof.close()
    return CandidateReport(name=path.name, method="file", stages=stages)


def node(graph_def: GraphDef, name: str) -> Any:
    return next(node for node in graph_def.node if node.name == name)


def made_constant(graph_def: GraphDef, name: str, value: Any) -> None:
    found = node(graph_def, name)
    dtype = found.attr["T"].type
    found.Clear()
    found.name, found.op = name, "Const"
    found.attr["dtype"].type = dtype
    found.attr["value"].tensor.CopyFrom(make_tensor_proto(value))


def optimized(graph_def: GraphDef) -> GraphDef:
    """The graph as `optimize_for_inference` leaves it, with the batch norm folded."""
    tools = pytest.importorskip("tensorflow.python.tools.optimize_for_inference_lib")
    return tools.optimize_for_inference(graph_def, ["x"], ["y"], tf.float32.as_datatype_enum)


def test_a_right_file_is_proved(trained: Path, tmp_path: Path) -> None:
    report = verified(trained, frozen(trained), tmp_path)

    assert report.verdict is Verdict.EQUIVALENT
    assert report.is_proved


def test_a_checkpoint_one_training_step_away_is_named(trained: Path, tmp_path: Path) -> None:
    meta = trained.with_name("model.ckpt-4.meta")
    report = verified(trained, frozen(trained.with_name("model.ckpt-3"), meta=meta), tmp_path)

    assert report.failed is not None
    assert report.failed.stage is Stage.WEIGHTS
    assert "hold model.ckpt-3's values, not model.ckpt-4's" in report.message
    assert "this .pb is of model.ckpt-3, not model.ckpt-4" in report.message


def test_outputs_that_differ_are_told_with_the_place_and_the_culprit(
    trained: Path, tmp_path: Path
) -> None:
    graph_def = frozen(trained)
    node(graph_def, "conv").attr["padding"].s = b"VALID"
    node(graph_def, "conv").attr["strides"].list.i[1] = 2

    report = verified(trained, graph_def, tmp_path)

    assert report.message == (
        "conv (Conv2D): padding SAME became VALID, strides [1, 1, 1, 1] became [1, 2, 1, 1]"
    )
    assert " · first at conv · conv (Conv2D): padding" in report.stages[Stage.OUTPUTS].reason


def test_a_constant_that_was_computed_ahead_is_a_transform_and_no_proof(
    trained: Path, tmp_path: Path
) -> None:
    graph_def = frozen(trained)
    scale = open_model(Request(path=trained, outputs=("y",))).weights["scale"]
    made_constant(graph_def, "exp", np.exp(scale))

    report = verified(trained, graph_def, tmp_path)

    assert report.verdict is Verdict.EQUIVALENT
    assert not report.is_proved
    assert report.stages[Stage.STRUCTURE].transforms == ("constant folding (exp)",)


def test_a_constant_that_was_computed_ahead_wrong_is_a_wrong_weight(
    trained: Path, tmp_path: Path
) -> None:
    graph_def = frozen(trained)
    scale = open_model(Request(path=trained, outputs=("y",))).weights["scale"]
    made_constant(graph_def, "exp", np.exp(scale * np.float32(1.0001)))

    report = verified(trained, graph_def, tmp_path)

    assert report.failed is not None
    assert report.failed.stage is Stage.WEIGHTS
    assert report.message.startswith("exp")


def test_a_folded_batch_norm_is_a_transform_and_outputs_decide_within_the_tolerance(
    trained: Path, tmp_path: Path
) -> None:
    report = verified(trained, optimized(frozen(trained)), tmp_path)

    assert report.verdict is Verdict.EQUIVALENT
    assert not report.is_proved
    (transform,) = report.stages[Stage.STRUCTURE].transforms
    assert transform.startswith("batch-norm folding")
    assert report.stages[Stage.OUTPUTS].compared > 0
    assert 0 < report.measured.max_rel < CLOSE.rtol


def test_a_batch_norm_that_was_folded_wrong_fails_in_outputs(trained: Path, tmp_path: Path) -> None:
    graph_def = frozen(trained)
    gamma = node(graph_def, "gamma").attr["value"].tensor
    gamma.CopyFrom(make_tensor_proto(np.full(4, 1.2, np.float32)))

    report = verified(trained, optimized(graph_def), tmp_path)

    assert report.failed is not None
    assert report.failed.stage is Stage.OUTPUTS


def test_a_constant_that_stands_for_nothing_is_told(trained: Path, tmp_path: Path) -> None:
    graph_def = frozen(trained)
    stray = graph_def.node.add(name="stray", op="Const")
    stray.attr["dtype"].type = tf.float32.as_datatype_enum
    stray.attr["value"].tensor.CopyFrom(make_tensor_proto(np.ones([1, 6, 6, 4], np.float32)))
    added = graph_def.node.add(name="moved", op="AddV2", input=["conv", "stray"])
    added.attr["T"].type = tf.float32.as_datatype_enum
    reader = next(n for n in graph_def.node if "conv" in n.input and n.name != "moved")
    reader.input[0] = "moved"

    report = verified(trained, graph_def, tmp_path)

    assert report.failed is not None
    assert report.failed.stage is Stage.WEIGHTS
    assert "the constant stray float32 [1, 6, 6, 4] stands for no variable" in report.message


def test_weights_and_structure_open_no_session(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shipped.pb"
    path.write_bytes(frozen(trained).SerializeToString())
    candidate = Candidate(name=path.name, method="file", path=path)
    proof = Proof(Request(path=trained, outputs=("y",)), folder=tmp_path / "work")
    assert proof.restore().status is Status.PASSED
    monkeypatch.setattr(Runner, "open", lambda _: pytest.fail("a session was opened"))

    assert proof.weights(candidate).status is Status.PASSED
    assert proof.structure(candidate).status is Status.PASSED
    monkeypatch.undo()
    proof.close()


def test_of_a_file_that_cannot_be_read_reload_says_why(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "shipped.pb"
    path.write_bytes(b"no graph")
    candidate = Candidate(name=path.name, method="file", path=path)
    proof = Proof(Request(path=trained, outputs=("y",)), folder=tmp_path / "work")

    for stage in (proof.weights, proof.structure):
        assert stage(candidate).status is Status.SKIPPED
        assert stage(candidate).reason == "reload failed"
    assert proof.reload(candidate).status is Status.FAILED
    proof.close()


def with_default(value: float) -> Callable[[], None]:
    def build() -> None:
        x = tf.compat.v1.placeholder(tf.float32, [None, 2], name="x")
        keep = tf.compat.v1.placeholder_with_default(np.float32(value), [], name="keep")
        tf.multiply(x, keep, name="y")

    return build


def built_graph(path: Path, build: Callable[[], None]) -> Path:
    with tf.Graph().as_default() as graph:
        build()
        path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


@pytest.mark.parametrize(("other", "said"), [(1.0, ""), (0.5, "1.0 became 0.5")])
def test_an_input_with_another_default_is_another_model(
    other: float, said: str, tmp_path: Path
) -> None:
    """It gives other outputs wherever nobody feeds it."""
    reference = built_graph(tmp_path / "reference.pb", with_default(1.0))
    path = built_graph(tmp_path / "shipped.pb", with_default(other))
    proof = Proof(Request(path=reference, inputs=("x", "keep"), outputs=("y",)), folder=tmp_path)

    result = proof.structure(Candidate(name=path.name, method="file", path=path))
    proof.close()

    assert result.status is (Status.FAILED if said else Status.PASSED)
    assert said in result.reason


@pytest.mark.parametrize("kind", ["frozen", "checkpoint"])
def test_a_variable_in_the_place_of_a_constant_must_have_its_value(
    kind: str, tmp_path: Path
) -> None:
    table = np.arange(4, dtype=np.float32)

    def constant() -> Any:
        x = tf.compat.v1.placeholder(tf.float32, [None, 4], name="x")
        return tf.multiply(x, tf.constant(table), name="y" if kind == "frozen" else "product")

    folder = tmp_path / "saved"
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None, 4], name="x")
        held = tf.compat.v1.get_variable("held", initializer=table + np.float32([0, 0, 0, 1]))
        y = tf.multiply(x, held, name="y" if kind == "frozen" else "product")
        if kind == "checkpoint":
            y = tf.add(y, tf.compat.v1.get_variable("b", initializer=np.float32(2)), name="y")
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.saved_model.simple_save(session, str(folder), {"x": x}, {"y": y})
    if kind == "frozen":
        reference = built_graph(tmp_path / "reference.pb", constant)
    else:
        with fresh_session() as session:
            b = tf.compat.v1.get_variable("b", initializer=np.float32(2))
            tf.add(constant(), b, name="y")
            reference = save_initialised(session, tmp_path)
    proof = Proof(Request(path=reference, outputs=("y",)), folder=tmp_path / "work")

    result = proof.weights(Candidate(name="saved", method="file", path=folder))
    proof.close()

    assert result.status is Status.FAILED
    assert "Const[3] = 4.0, but should be 3.0" in result.reason


def test_a_function_that_calls_itself_without_end_is_refused_and_kills_nothing(
    trained: Path, tmp_path: Path
) -> None:
    graph_def = frozen(trained)
    function = graph_def.library.function.add()
    function.signature.name = "endless"
    argument = function.signature.input_arg.add(name="a", type=tf.float32.as_datatype_enum)
    function.signature.output_arg.add(name="r", type=argument.type)
    call = function.node_def.add(name="again", op="PartitionedCall", input=["a"])
    outer = graph_def.node.add(name="called", op="PartitionedCall", input=["conv"])
    for each in (call, outer):
        each.attr["f"].func.name = "endless"
        each.attr["Tin"].list.type.append(argument.type)
        each.attr["Tout"].list.type.append(argument.type)
    function.ret["r"] = "again:output:0"
    reader = next(n for n in graph_def.node if "conv" in n.input and n.name != "called")
    reader.input[0] = "called"

    report = verified(trained, graph_def, tmp_path)

    assert report.failed is not None
    assert report.failed.stage is Stage.RELOAD
    assert "the function endless calls itself without end" in report.message


def test_known_feeds_that_show_a_difference_are_followed_and_kept(
    trained: Path, tmp_path: Path
) -> None:
    graph_def = frozen(trained)
    node(graph_def, "conv").attr["padding"].s = b"VALID"
    path = tmp_path / "shipped.pb"
    path.write_bytes(graph_def.SerializeToString())
    known = KnownOutputs(feeds={"x": np.ones([1, 6, 6, 2]).tolist()})
    proof = Proof(Request(path=trained, outputs=("y",), known=(known,)), folder=tmp_path / "work")
    candidate = Candidate(name=path.name, method="file", path=path)

    result = proof.outputs(candidate, for_all_examples(max_examples=1, seed=0))
    evidence = proof.evidence(Stage.OUTPUTS, candidate)
    proof.close()

    assert "first at conv" in result.reason
    assert evidence is not None
    assert evidence.feeds["x"].tolist() == np.ones([1, 6, 6, 2]).tolist()
    assert evidence.expected is not None
    assert evidence.actual is not None
