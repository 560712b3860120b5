"""Examples that show nothing, in stages on real graphs: rejected, too long, or ill-conditioned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.python.framework import tensor_util

from fixtures.training import fresh_session, save_initialised
from harness.comparison import ForAll
from harness.criteria import Array, Close
from harness.domain import Domain
from harness.graph.freezing import freeze
from harness.memo import Feeds
from harness.proof import Proof
from harness.runtime import Mode, Runner
from harness.signature import Signature
from harness.subject import Candidate, Request
from harness.verdict import Stage, StageResult, Status

Build = Callable[[], object]
CLOSE = Close(rtol=1e-4)
DIRECT = Candidate(name="direct", method="direct")
Proves = Callable[..., Proof]


@pytest.fixture
def proves(tmp_path: Path) -> Iterator[Proves]:
    """A function that builds a graph with variables -> its proof."""
    made: list[Proof] = []

    def prove(build: Build, **rest: Any) -> Proof:
        (tmp_path / "run").mkdir()
        with fresh_session() as session:
            build()
            path = save_initialised(session, tmp_path / "run")
        request = Request(path=path, outputs=("y",))
        made.append(Proof(request, folder=tmp_path / "exports", **rest))
        return made[-1]

    yield prove
    for proof in made:
        proof.close()


def on(examples: Sequence[Feeds]) -> ForAll:
    """Run a check on these examples."""

    def for_all(
        signature: Signature, _: Mapping[str, Domain], check: Callable[[Feeds], None]
    ) -> None:
        assert all(set(feeds) == set(signature.input_names) for feeds in examples)
        for feeds in examples:
            check(feeds)

    return for_all


def compare(
    proof: Proof, examples: Sequence[Feeds], *, candidate: Candidate = DIRECT
) -> dict[Stage, StageResult]:
    results = [
        proof.outputs(candidate, on(examples)),
        proof.deployed(candidate, on(examples), tolerance=CLOSE),
    ]
    return {result.stage: result for result in results}


def placeholder(shape: Any, dtype: Any = tf.float32, name: str = "x") -> Any:
    return tf.compat.v1.placeholder(dtype, shape, name=name)


def variable(name: str, value: Array) -> Any:
    return tf.compat.v1.get_variable(name, initializer=value, use_resource=True)


# ---- ill-conditioned


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def convolution(*, activation: Callable[[Any], Any] = tf.identity) -> Build:
    """A convolution with a scale, which TensorFlow's optimisers multiply into a constant kernel.

    The second half of the channels takes away what the first half adds.
    """
    half = normal(3, 3, 4, 16)

    def build() -> None:
        kernel = variable("kernel", np.concatenate([half, -half], axis=2))
        x = placeholder((None, 9, 9, 8))
        product = tf.nn.conv2d(x, kernel, 1, "SAME") * variable("scale", normal(16, seed=1))
        tf.identity(activation(product + variable("offset", normal(16, seed=2))), name="y")

    return build


ORDINARY = [{"x": normal(2, 9, 9, 8, seed=seed)} for seed in range(5)]
CANCELLING = [
    {"x": np.concatenate([half, half], axis=3)}
    for half in (normal(2, 9, 9, 4, seed=seed) * np.float32(1e4) for seed in range(5))
]


def with_wrong_weights(proof: Proof, folder: Path, *, factor: float) -> Candidate:
    """The right export, but for one weight tensor."""
    proof.export(DIRECT)
    graph_def = GraphDef.FromString((folder / "exports/direct/frozen.pb").read_bytes())
    (kernel,) = (node for node in graph_def.node if node.name == "kernel")
    value = tensor_util.MakeNdarray(kernel.attr["value"].tensor) * np.float32(factor)
    kernel.attr["value"].tensor.CopyFrom(tensor_util.make_tensor_proto(value))
    path = folder / "wrong.pb"
    path.write_bytes(graph_def.SerializeToString())
    return Candidate(name="wrong", method="file", path=path)


def test_a_right_export_passes_where_large_terms_cancel(proves: Proves) -> None:
    results = compare(proves(convolution()), [*ORDINARY, *CANCELLING[:3]])
    outputs, deployed = results[Stage.OUTPUTS], results[Stage.DEPLOYED]
    assert (outputs.status, outputs.ill_conditioned) == (Status.PASSED, 0)
    assert (deployed.status, deployed.ill_conditioned) == (Status.PASSED, 3)
    assert (deployed.examples, deployed.compared) == (8, 5)
    assert deployed.measured.max_rel < 1e-4


def test_without_the_measure_it_would_fail(proves: Proves, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.conditioning.MULTIPLE", 0)
    deployed = compare(proves(convolution()), [*ORDINARY, *CANCELLING[:3]])[Stage.DEPLOYED]
    assert deployed.status is Status.FAILED


@pytest.mark.parametrize("factor", [1.001, 1.0005])
def test_a_wrong_weight_fails_as_deployed_too(
    proves: Proves, tmp_path: Path, factor: float
) -> None:
    proof = proves(convolution())
    wrong = with_wrong_weights(proof, tmp_path, factor=factor)
    results = compare(proof, ORDINARY, candidate=wrong)
    assert results[Stage.OUTPUTS].status is Status.FAILED
    assert results[Stage.DEPLOYED].status is Status.FAILED
    assert "y[" in results[Stage.DEPLOYED].reason


def test_strictly_every_bit_counts_where_large_terms_cancel_too(
    proves: Proves, tmp_path: Path
) -> None:
    proof = proves(convolution())
    wrong = with_wrong_weights(proof, tmp_path, factor=1.0005)
    result = proof.outputs(wrong, on(CANCELLING))
    assert (result.status, result.ill_conditioned) == (Status.FAILED, 0)


def test_examples_that_are_mostly_ill_conditioned_prove_nothing(proves: Proves) -> None:
    deployed = compare(proves(convolution()), [*ORDINARY[:2], *CANCELLING])[Stage.DEPLOYED]
    assert deployed.status is Status.FAILED
    assert "5 of 7 differ by no more than rounding explains" in deployed.reason


@pytest.mark.parametrize("number", [3e38, np.nan, -np.inf])
def test_what_overflows_is_compared_strictly_alone(proves: Proves, number: float) -> None:
    """Behind a bounded activation both sides are finite, and say other things."""
    extreme = {"x": normal(2, 9, 9, 8)}
    extreme["x"][np.random.default_rng(0).random((2, 9, 9, 8)) < 0.3] = number
    results = compare(proves(convolution(activation=tf.nn.relu6)), [*ORDINARY, extreme])
    assert results[Stage.OUTPUTS].compared == 6
    assert results[Stage.DEPLOYED].status is Status.PASSED
    assert results[Stage.DEPLOYED].ill_conditioned == 1


def test_the_moved_reference_is_opened_where_outputs_differ_and_closed_with_its_stage(
    proves: Proves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Runner] = []
    make = Runner.__init__

    def noted(runner: Runner, *args: Any, **kwargs: Any) -> None:
        made.append(runner)
        make(runner, *args, **kwargs)

    monkeypatch.setattr(Runner, "__init__", noted)
    proof = proves(convolution())
    compare(proof, ORDINARY)
    assert not [runner for runner in made if runner._moved_by is not None]
    compare(proof, ORDINARY, candidate=with_wrong_weights(proof, tmp_path, factor=1.001))
    moved = [runner for runner in made if runner._moved_by is not None]
    assert len(moved) == 2
    assert all(runner.was_opened and runner._session is None for runner in moved)


# ---- too long


def counting() -> None:
    first = (tf.constant(0, tf.int64), variable("start", np.float32(0.5)))
    rounds = placeholder((), tf.int64)
    y = tf.while_loop(lambda i, _: i < rounds, lambda i, y: (i + 1, tf.tanh(y)), first)[1]
    tf.identity(y, name="y")


def rounds(*numbers: int) -> list[Feeds]:
    return [{"x": np.array(number)} for number in numbers]


def test_an_example_that_takes_too_long_is_no_disagreement(proves: Proves) -> None:
    results = compare(proves(counting, example_seconds=0.2), rounds(1, 10**9, 2, 3))
    for result in results.values():
        assert (result.status, result.timed_out) == (Status.PASSED, 1)
        assert (result.examples, result.compared) == (4, 3)


def test_each_example_is_waited_for_once_however_many_candidates(
    proves: Proves, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[tuple[Mode, int]] = []
    call = Runner.__call__

    def noted(runner: Runner, feeds: Feeds) -> Mapping[str, Array]:
        runs.append((runner._mode, int(feeds["x"])))
        return call(runner, feeds)

    monkeypatch.setattr(Runner, "__call__", noted)
    proof = proves(counting, example_seconds=0.2)
    for method in ("direct", "session_graph", "constants_v2"):
        compare(proof, rounds(1, 10**9, 2), candidate=Candidate(name=method, method=method))
    assert runs.count((Mode.STRICT, 10**9)) == runs.count((Mode.DEPLOYED, 10**9)) == 1


def test_examples_most_of_which_take_too_long_prove_nothing(proves: Proves) -> None:
    result = proves(counting, example_seconds=0.05).outputs(DIRECT, on(rounds(1, 10**9, 10**8)))
    assert result.status is Status.FAILED
    assert result.reason.startswith(
        "2 of 3 ran longer than 0.05 s (--example-timeout), so that too little was compared"
    )


def test_the_stage_ends_where_example_after_example_takes_too_long(proves: Proves) -> None:
    many = rounds(1, *range(10**9, 10**9 + 50))
    result = proves(counting, example_seconds=0.05).outputs(DIRECT, on(many))
    assert (result.examples, result.timed_out) == (11, 10)
    assert "and no other was tried" in result.reason


# ---- rejected


def looked_up() -> None:
    table = variable("table", normal(50, 3))
    rows = tf.nn.embedding_lookup(table, placeholder((None,), tf.int32, name="ids"))
    tf.multiply(tf.reduce_sum(rows, 0), placeholder((), name="scale"), name="y")


def ids(*numbers: int) -> Feeds:
    return {"ids": np.array(numbers, np.int32), "scale": np.asarray(np.float32(2))}


@pytest.mark.parametrize("stage", [Stage.OUTPUTS, Stage.DEPLOYED], ids=str)
def test_the_input_to_blame_is_named_with_what_an_input_spec_would_say(
    stage: Stage, proves: Proves
) -> None:
    result = compare(proves(looked_up), [ids(1, 57), ids(-1), ids(3), ids(1000)])[stage]
    assert result.status is Status.FAILED
    assert result.reason == (
        "both sides rejected 3 of 4 examples, so that too little was compared; "
        "3 by ids: indices[1] = 57 is not in [0, 50); state it with --input-spec FILE:\n"
        "  [inputs.ids]\n"
        "  range = [0, 49]"
    )


def test_of_inputs_either_of_which_would_help_the_one_below_which_the_error_arose_is_named(
    proves: Proves,
) -> None:
    def build() -> None:
        flag = placeholder((), tf.bool, name="a_flag")
        table, numbers = (
            variable("table", normal(50, 3)),
            placeholder((None,), tf.int32, name="ids"),
        )
        rows = tf.cond(flag, lambda: tf.gather(table, numbers), lambda: table)
        tf.reduce_sum(rows, name="y")

    examples = [{"a_flag": np.asarray(True), "ids": np.array([n], np.int32)} for n in (57, 1, -1)]
    reason = proves(build).outputs(DIRECT, on(examples)).reason
    assert "2 by ids" in reason
    assert "a_flag" not in reason


def test_the_input_is_looked_for_once_however_many_candidates(
    proves: Proves, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def blame(rejections: object, **_: object) -> str:
        asked.append(rejections)
        return "ids"

    monkeypatch.setattr("harness.comparison.blame", blame)
    proof = proves(looked_up)
    for method in ("direct", "session_graph"):
        result = proof.outputs(Candidate(name=method, method=method), on([ids(99), ids(-1)]))
        assert result.reason.endswith("; ids")
    assert len(asked) == 1


def test_a_candidate_that_hangs_where_the_reference_answers_is_a_disagreement(
    proves: Proves, tmp_path: Path
) -> None:
    def build() -> None:
        first = (tf.constant(0, tf.int64), variable("start", np.float32(0.5)))
        limit = placeholder((), tf.int64) * tf.constant(1, tf.int64, name="factor")
        y = tf.while_loop(lambda i, _: i < limit, lambda i, y: (i + 1, tf.tanh(y)), first)[1]
        tf.identity(y, name="y")

    proof = proves(build, example_seconds=0.2)
    model = proof.model
    graph_def = freeze(model.graph_def, weights=model.weights, outputs=["y"])
    (factor,) = (node for node in graph_def.node if node.name == "factor")
    factor.attr["value"].tensor.CopyFrom(tensor_util.make_tensor_proto(np.int64(10**9)))
    path = tmp_path / "hangs.pb"
    path.write_bytes(graph_def.SerializeToString())

    result = proof.outputs(
        Candidate(name="hangs.pb", method="file", path=path), on(rounds(0, 3, 0))
    )

    assert result.status is Status.FAILED
    assert "the candidate ran longer than 0.2 s, twice" in result.reason
