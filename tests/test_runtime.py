"""Runners: a model in a session, strict or deployed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.python.framework.function import Defun

from fixtures.control_flow import control_flow
from fixtures.training import fresh_session, save_initialised
from harness.errors import BrokenModel, Rejected, TimedOut
from harness.exporters.registry import load_method
from harness.graph.extract import all_nodes
from harness.models.candidate import open_candidate
from harness.models.frozen import open_frozen
from harness.models.model import Model
from harness.models.opening import open_model
from harness.runtime import Mode, Runner, first_line
from harness.subject import Request

EACH_MODE = pytest.mark.parametrize("mode", list(Mode))
Build = Callable[[], object]


def frozen(folder: Path, build: Build, *, output: str = "y") -> Model:
    """The model of a graph without variables."""
    with tf.Graph().as_default() as graph:
        build()
        (folder / "graph.pb").write_bytes(graph.as_graph_def().SerializeToString())
    return open_frozen(folder / "graph.pb", outputs=[output])


def trained(folder: Path, build: Build) -> Model:
    """The model of a graph with variables, each with its first value."""
    with fresh_session() as session:
        build()
        return open_model(Request(path=save_initialised(session, folder), outputs=("y",)))


def placeholder(shape: Any, dtype: Any = tf.float32) -> Any:
    return tf.compat.v1.placeholder(dtype, shape, name="x")


def random(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.fixture
def runner(built: Callable[[str], Path]) -> Iterator[Runner]:
    model = open_model(Request(path=built("softmax_regression-resource"), outputs=("prediction",)))
    runner = Runner(model, mode=Mode.STRICT)
    yield runner
    runner.close()


def test_outputs_are_named_as_in_the_signature(runner: Runner) -> None:
    (y,) = runner({"inputs": random(5, 4)}).items()
    assert y[0] == "prediction"
    assert (y[1].dtype, y[1].shape) == (np.float32, (5, 3))
    np.testing.assert_allclose(y[1].sum(axis=-1), 1, rtol=1e-6)


@EACH_MODE
@pytest.mark.parametrize("kind", ["ref", "resource"])
def test_variables_have_their_values_from_the_checkpoint(
    mode: Mode, kind: str, built: Callable[[str], Path]
) -> None:
    model = open_model(Request(path=built(f"partitioned-{kind}"), outputs=("outputs",)))
    saved = tf.train.load_checkpoint(model.checkpoint_prefix)
    x = random(3, 12)
    expected = x @ saved.get_tensor("kernel") + saved.get_tensor("bias")
    actual = Runner(model, mode=mode)({"inputs": x})["outputs"]
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_a_session_is_opened_by_the_first_call_and_kept(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = count_sessions(monkeypatch)
    assert not runner.was_opened
    for _ in range(3):
        runner({"inputs": random(2, 4)})
    runner.open()
    assert runner.was_opened
    assert len(opened) == 1


def test_a_closed_runner_opens_again(runner: Runner) -> None:
    before = runner({"inputs": random(2, 4)})["prediction"]
    runner.close()
    runner.close()
    np.testing.assert_array_equal(runner({"inputs": random(2, 4)})["prediction"], before)


def count_sessions(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    opened: list[object] = []
    init = tf.compat.v1.Session.__init__

    def counted(self: object, *args: object, **kwargs: object) -> None:
        opened.append(self)
        init(self, *args, **kwargs)

    monkeypatch.setattr(tf.compat.v1.Session, "__init__", counted)
    return opened


def test_feeds_that_tensorflow_refuses_are_rejected_by_kind_and_message(tmp_path: Path) -> None:
    model = frozen(tmp_path, lambda: tf.gather(tf.range(3), placeholder((), tf.int32), name="y"))
    with pytest.raises(Rejected, match=r"not in \[0, 3\)") as caught:
        Runner(model, mode=Mode.STRICT)({"x": np.array(7, np.int32)})
    assert caught.value.kind == "InvalidArgumentError"
    assert caught.value.nodes == ("y",)
    assert "\n" not in caught.value.message


def test_a_rejection_from_a_function_names_its_node_and_the_call(tmp_path: Path) -> None:
    def build() -> None:
        inner = tf.function(lambda i: tf.gather(tf.range(3), i, name="lookup"), autograph=False)
        tf.identity(inner(placeholder((), tf.int32)), name="y")

    with pytest.raises(Rejected) as caught:
        Runner(frozen(tmp_path, build), mode=Mode.STRICT)({"x": np.array(7, np.int32)})
    assert caught.value.nodes[0] == "lookup"
    assert caught.value.message == "indices = 7 is not in [0, 3)"


def test_a_rejection_leaves_the_session_usable(runner: Runner) -> None:
    with pytest.raises(Rejected):
        runner({"inputs": random(2, 5)})
    assert runner({"inputs": random(2, 4)})["prediction"].shape == (2, 3)


def test_an_input_of_another_dtype_is_rejected(runner: Runner) -> None:
    with pytest.raises(Rejected, match=r"double"):
        runner({"inputs": random(2, 4).astype(np.float64)})


def test_a_model_without_inputs_runs(tmp_path: Path) -> None:
    model = frozen(tmp_path, lambda: tf.identity([1.0, 2.0], name="y"))
    assert Runner(model, mode=Mode.STRICT)({})["y"].tolist() == [1.0, 2.0]


def test_outputs_past_the_first_and_strings_come_out(tmp_path: Path) -> None:
    def build() -> None:
        parts = tf.strings.split([placeholder((), tf.string)], "-").values
        tf.raw_ops.UniqueWithCounts(x=parts, name="y")

    outputs = Runner(frozen(tmp_path, build, output="y:2"), mode=Mode.STRICT)
    assert outputs({"x": np.array(b"a-b-a", object)})["y:2"].tolist() == [2, 1]
    text = Runner(frozen(tmp_path, build), mode=Mode.STRICT)
    assert text({"x": np.array(b"a-b-a", object)})["y"].tolist() == [b"a", b"b"]


def counting(*, version: int = 2) -> None:
    """A loop of x rounds."""
    with control_flow(version):
        first = (tf.constant(0, tf.int64), tf.constant(0.5))
        x = placeholder((), tf.int64)
        rounds = tf.while_loop(lambda i, _: i < x, lambda i, y: (i + 1, tf.tanh(y)), first)
    tf.identity(rounds[1], name="y")


def a_loop_in_a_function() -> None:
    def body(x: Any) -> Any:
        first = (tf.constant(0, tf.int64), tf.constant(0.5))
        return tf.while_loop(lambda i, _: i < x, lambda i, y: (i + 1, tf.tanh(y)), first)[1]

    tf.identity(tf.function(body, autograph=False)(placeholder((), tf.int64)), name="y")


ENDLESS = {"x": np.array(10**9)}
FIVE_ROUNDS = {"x": np.array(5)}
LOOPS = pytest.mark.parametrize(
    "build",
    [lambda: counting(version=1), counting, a_loop_in_a_function],
    ids=["V1", "V2", "function"],
)


@EACH_MODE
@LOOPS
def test_an_example_that_runs_too_long_ends_and_no_other(
    build: Build, mode: Mode, tmp_path: Path
) -> None:
    run = Runner(frozen(tmp_path, build), mode=mode, seconds=0.2)
    before = run(FIVE_ROUNDS)["y"]
    for _ in range(2):
        with pytest.raises(TimedOut, match=r"longer than 0.2 s"):
            run(ENDLESS)
        np.testing.assert_array_equal(run(FIVE_ROUNDS)["y"], before)
    run.close()


def test_nothing_goes_on_running_after_the_limit(tmp_path: Path) -> None:
    run = Runner(frozen(tmp_path, counting), mode=Mode.STRICT, seconds=0.2)
    with pytest.raises(TimedOut):
        run(ENDLESS)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1


@pytest.mark.parametrize(("before", "tries"), [("new", 2), ("closed", 2), ("warm", 1)])
def test_the_first_example_of_a_session_gets_a_second_try(
    before: str, tries: int, tmp_path: Path
) -> None:
    run = Runner(frozen(tmp_path, counting), mode=Mode.STRICT, seconds=0.1)
    if before != "new":
        run(FIVE_ROUNDS)
    if before == "closed":
        run.close()
    run.open()
    tried: list[object] = []
    call = run._callable

    def noted(*feeds: object) -> object:
        tried.append(feeds)
        return call(*feeds)

    run._callable = noted
    with pytest.raises(TimedOut):
        run(ENDLESS)
    assert len(tried) == tries


@pytest.mark.parametrize("seconds", [1e-9, 1e9, math.inf])
def test_any_number_of_seconds_is_a_limit(seconds: float, tmp_path: Path) -> None:
    run = Runner(frozen(tmp_path, counting), mode=Mode.STRICT, seconds=seconds)
    if seconds < 1:
        with pytest.raises(TimedOut):
            run(ENDLESS)
    else:
        assert run(FIVE_ROUNDS)["y"] < 0.5


def test_moved_weights_are_off_by_their_last_bit(tmp_path: Path) -> None:
    weights = np.linspace(1, 2, 64, dtype=np.float32)

    def build() -> None:
        w = tf.compat.v1.get_variable("w", initializer=weights, use_resource=True)
        tf.concat([placeholder((1,)), w, tf.constant(weights)], 0, name="y")

    model = trained(tmp_path, build)
    x = {"x": np.ones(1, np.float32)}
    exact, one, other = (
        Runner(model, mode=Mode.STRICT, moved_by=seed)(x)["y"] for seed in (None, 1, 2)
    )
    assert exact[1:65].tolist() == exact[65:].tolist() == weights.tolist()
    for values in (one, other):
        np.testing.assert_array_max_ulp(values, exact, maxulp=1)
        assert (values[1:65] != weights).any()
        assert (values[65:] != weights).any()
    assert (one != other).any()


def test_a_graph_that_cannot_be_imported_is_broken(tmp_path: Path) -> None:
    model = frozen(tmp_path, lambda: tf.tanh(placeholder(()), name="y"))
    model.graph_def.node[-1].op = "NobodyKnowsThisOp"
    with pytest.raises(BrokenModel, match=r"cannot be imported: .*NobodyKnowsThisOp"):
        Runner(model, mode=Mode.STRICT).open()


def test_a_value_of_another_shape_than_its_variable_is_broken_by_name(
    built: Callable[[str], Path],
) -> None:
    model = open_model(Request(path=built("softmax_regression-ref"), outputs=("prediction",)))
    wrong = tuple(replace(v, key="layer/bias") for v in model.variables)
    with pytest.raises(BrokenModel, match=r"variable layer/kernel does not take its value"):
        Runner(replace(model, variables=wrong), mode=Mode.STRICT).open()


def test_a_variable_that_only_a_function_holds_is_broken_by_name(runner: Runner) -> None:
    model = runner._model
    hidden = tuple(replace(v, name=f"hidden/{v.name}") for v in model.variables)
    with pytest.raises(BrokenModel, match=r"hidden/layer/"):
        Runner(replace(model, variables=hidden), mode=Mode.STRICT).open()


def inside(shared_name: str, *, resource: bool) -> Any:
    """The value of a variable whose node stands where this is called."""
    kept = {"dtype": tf.float32, "shape": (2,), "shared_name": shared_name, "name": "inner"}
    if resource:
        return tf.raw_ops.ReadVariableOp(resource=tf.raw_ops.VarHandleOp(**kept), dtype=tf.float32)
    return tf.raw_ops.Identity(input=tf.raw_ops.VariableV2(**kept))


def called(value: Callable[[], Any]) -> Any:
    return tf.function(value, autograph=False)()


def called_as_by_tensorflow_1(value: Callable[[], Any]) -> Any:
    @Defun()  # type: ignore[untyped-decorator]
    def function() -> Any:
        return value()

    return function()


def branched(value: Callable[[], Any]) -> Any:
    with control_flow(2):
        flag = tf.compat.v1.placeholder_with_default(True, ())
        return tf.cond(flag, value, lambda: tf.zeros((2,)))


def looped(value: Callable[[], Any]) -> Any:
    with control_flow(2):
        first = (tf.constant(0), tf.zeros((2,)))
        return tf.while_loop(lambda i, _: i < 1, lambda i, total: (i + 1, total + value()), first)[
            1
        ]


@EACH_MODE
@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
@pytest.mark.parametrize("stands", [called, called_as_by_tensorflow_1, branched, looped])
def test_a_variable_that_stands_in_a_function_has_its_value_by_its_resource(
    stands: Callable[..., Any], resource: bool, mode: Mode, tmp_path: Path
) -> None:
    def build() -> None:
        tf.compat.v1.get_variable("w", initializer=[1.5, -2.0], use_resource=resource)
        tf.add(placeholder((2,)), stands(lambda: inside("w", resource=resource)), name="y")

    model = trained(tmp_path, build)
    assert [variable.name.partition(" ")[0] for variable in model.variables] == ["inner"]
    outputs = Runner(model, mode=mode)({"x": np.array([1, 1], np.float32)})
    assert outputs["y"].tolist() == [2.5, -1.0]


def test_a_variable_in_a_function_without_a_name_is_broken_by_name(tmp_path: Path) -> None:
    def build() -> None:
        tf.compat.v1.get_variable("w", initializer=[1.5, -2.0])
        tf.add(placeholder((2,)), called(lambda: inside("", resource=False)), name="y")

    with pytest.raises(
        BrokenModel, match=r"inner of the function \S+ \(VariableV2\) has no shared"
    ):
        Runner(trained(tmp_path, build), mode=Mode.STRICT).open()


@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
def test_a_variable_of_several_nodes_is_given_its_value_once(
    resource: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build() -> None:
        w = tf.compat.v1.get_variable("w", initializer=[1.5, -2.0], use_resource=resource)
        tf.add_n([placeholder((2,)), w, inside("w", resource=resource)], name="y")

    given: list[str] = []
    assign = Runner._assign

    def counted(runner: Runner, name: str, *rest: Any) -> None:
        given.append(name)
        assign(runner, name, *rest)

    monkeypatch.setattr(Runner, "_assign", counted)
    model = trained(tmp_path, build)
    assert {variable.name for variable in model.variables} == {"w", "inner"}
    outputs = Runner(model, mode=Mode.STRICT)({"x": np.array([0, 0], np.float32)})
    assert outputs["y"].tolist() == [3.0, -4.0]
    assert len(given) == 1


@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
def test_variables_are_given_their_values_so_many_bytes_at_a_time(
    resource: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build() -> None:
        values = [
            tf.compat.v1.get_variable(f"w{index}", initializer=[value] * 2, use_resource=resource)
            for index, value in enumerate((1.0, 10.0, 100.0))
        ]
        tf.add_n([placeholder((2,)), *values], name="y")

    given: list[list[str]] = []
    assign = Runner._assign_batch

    def noted(runner: Runner, batch: list[tuple[str, Any, Any, Any]]) -> None:
        given.append([name for name, *_ in batch])
        assign(runner, batch)

    monkeypatch.setattr(Runner, "_assign_batch", noted)
    model = trained(tmp_path, build)
    for limit, sizes in ((1, [1, 1, 1, 0]), (9, [2, 1]), (1000, [3])):
        given.clear()
        monkeypatch.setattr("harness.runtime._BYTES_AT_A_TIME", limit)
        outputs = Runner(model, mode=Mode.STRICT)({"x": np.array([0, 0], np.float32)})
        assert outputs["y"].tolist() == [111.0, 111.0]
        assert [len(batch) for batch in given] == sizes
        assert sorted(name for batch in given for name in batch) == ["w0", "w1", "w2"]


def test_an_op_without_a_kernel_is_named_and_no_variable(runner: Runner) -> None:
    graph_def = runner._model.graph_def
    lost = GraphDef.FromString(graph_def.SerializeToString())
    # Of boosted trees, TensorFlow knows the ops still and has no kernels any more.
    lost.node.add(name="trees", op="BoostedTreesEnsembleResourceHandleOp")
    (output,) = (node for node in lost.node if node.name == "prediction")
    output.input.append("^trees")
    with pytest.raises(BrokenModel, match=r"computed from the inputs: .*'BoostedTreesEnsemble"):
        Runner(replace(runner._model, graph_def=lost), mode=Mode.STRICT).open()


def test_an_input_that_cannot_be_fed_is_broken(runner: Runner) -> None:
    signature = runner._model.signature
    twice = replace(signature, inputs=(*signature.inputs, *signature.inputs))
    with pytest.raises(BrokenModel, match=r"cannot be computed from the inputs: .*inputs:0"):
        Runner(replace(runner._model, signature=twice), mode=Mode.STRICT).open()


def test_the_model_stays_as_it_is(tmp_path: Path) -> None:
    model = frozen(tmp_path, lambda: tf.add(placeholder(()), tf.random.normal(()), name="y"))
    before = GraphDef.FromString(model.graph_def.SerializeToString())
    Runner(model, mode=Mode.STRICT)({"x": np.float32(1)})
    assert model.graph_def == before


def test_random_ops_give_the_same_numbers_in_every_run_and_runner(tmp_path: Path) -> None:
    model = frozen(
        tmp_path, lambda: tf.identity(tf.nn.dropout(placeholder((64,)), rate=0.5), name="y")
    )
    x = {"x": random(64)}
    one, other = (Runner(model, mode=Mode.STRICT) for _ in range(2))
    values = [run(x)["y"] for run in (one, one, other)]
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[0], values[2])


def test_another_random_seed_gives_other_numbers(tmp_path: Path) -> None:
    model = frozen(tmp_path, lambda: tf.add(placeholder(()), tf.random.normal((9,)), name="y"))
    x = {"x": np.float32(0)}
    one = Runner(model, mode=Mode.STRICT)(x)["y"]
    assert (Runner(model, mode=Mode.STRICT, random_seed=(1, 2))(x)["y"] != one).all()


def test_a_random_stream_starts_anew_in_every_run(tmp_path: Path) -> None:
    model = frozen(tmp_path, lambda: tf.random.shuffle(placeholder((64,)), name="y"))
    run = Runner(model, mode=Mode.STRICT)
    x = {"x": np.arange(64, dtype=np.float32)}
    first, second = run(x)["y"], run(x)["y"]
    np.testing.assert_array_equal(first, second)
    assert (first != x["x"]).any()


def convolution(x: Any, kernel: Any, scale: Any, offset: Any) -> Any:
    """A convolution, then a batch normalisation of its parts.

    TensorFlow's optimisers multiply a constant scale into a constant kernel.
    """
    return tf.nn.conv2d(x, kernel, 1, "SAME") * scale + offset


@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
def test_strictly_a_convolution_and_its_frozen_graph_agree_in_every_bit(
    resource: bool, tmp_path: Path
) -> None:
    def build() -> None:
        shapes = {"kernel": (3, 3, 8, 16), "scale": (16,), "offset": (16,)}
        variables = [
            tf.compat.v1.get_variable(n, initializer=random(*s), use_resource=resource)
            for n, s in shapes.items()
        ]
        tf.identity(convolution(placeholder((None, 9, 9, 8)), *variables), name="y")

    assert_identical(trained(tmp_path, build), tmp_path, random(4, 9, 9, 8))


def test_strictly_a_function_with_its_own_configuration_is_not_optimised(tmp_path: Path) -> None:
    module = tf.Module()
    module.offset = tf.Variable(random(16) + 1)

    @tf.function(input_signature=[tf.TensorSpec((None, 9, 9, 8), name="x")])
    def serve(x: tf.Tensor) -> tf.Tensor:
        kernel, scale = tf.constant(random(3, 3, 8, 16)), tf.constant(random(16))
        return convolution(x, kernel, scale, module.offset)

    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=serve)
    model = open_model(Request(path=tmp_path / "saved"))
    assert any(node.attr["config_proto"].s for node in all_nodes(model.graph_def))
    # This method leaves no function: the reference's would be optimised, the candidate would not.
    assert_identical(model, tmp_path, random(4, 9, 9, 8), method="constants_v2")


def assert_identical(
    model: Model, folder: Path, x: np.ndarray[Any, Any], *, method: str = "direct"
) -> None:
    """Run a model and its frozen graph strictly; compare bits."""
    export = load_method(method).export(model, folder)
    candidate = open_candidate(export.path, signature=model.signature, names=export.names)
    expected, actual = (
        next(iter(Runner(each, mode=Mode.STRICT)({each.signature.input_names[0]: x}).values()))
        for each in (model, candidate)
    )
    assert expected.tobytes() == actual.tobytes()


def test_strictly_a_static_shape_is_held_against_the_feeds(tmp_path: Path) -> None:
    """With the optimisers on, this reshape is removed, and a batch of three accepted."""

    def build() -> None:
        product = tf.matmul(placeholder((None, 4)), tf.ones((4, 2)))
        tf.reshape(product, (8, 2), name="y")

    model = frozen(tmp_path, build)
    assert Runner(model, mode=Mode.STRICT)({"x": random(8, 4)})["y"].shape == (8, 2)
    with pytest.raises(Rejected, match="reshape"):
        Runner(model, mode=Mode.STRICT)({"x": random(3, 4)})


def test_deployed_outputs_are_close_to_strict_ones(runner: Runner) -> None:
    x = {"inputs": random(5, 4)}
    deployed = Runner(runner._model, mode=Mode.DEPLOYED)(x)
    np.testing.assert_allclose(deployed["prediction"], runner(x)["prediction"], rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Table not initialized", "Table not initialized"),
        (
            "Graph execution error:\n\nDetected at node 'y' defined at (most recent call last):\n"
            '  File "model.py", line 3, in <module>\n    y = tf.gather(x, i)\n'
            "Node: 'y'\nindices = 7 is not in [0, 3)\n\t [[{{node y}}]]",
            "indices = 7 is not in [0, 3)",
        ),
        ("", "ValueError"),
        ("x" * 400, "x" * 299 + "…"),
    ],
)
def test_of_an_error_the_first_line_that_says_something_is_kept(text: str, line: str) -> None:
    assert first_line(ValueError(text)) == line
