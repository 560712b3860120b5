"""The stages, in order: each passes, fails, or says why it was not taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

from fixtures.faults import FAULTS, Frozen
from fixtures.training import fresh_session, save_initialised
from harness.criteria import Close
from harness.domain import Domain
from harness.errors import Unsupported
from harness.exporters import registry
from harness.exporters.method import Export, Method
from harness.graph.randomness import OTHER_SEED, SEED
from harness.influence import Influence
from harness.memo import Feeds
from harness.models import checkpoint as checkpoint_module
from harness.models.model import Model
from harness.models.opening import open_model
from harness.original import Original
from harness.proof import Proof
from harness.runtime import Mode, Runner
from harness.signature import Signature
from harness.subject import Candidate, Request
from harness.verdict import Stage, StageResult, Status

Build = Callable[[], object]
BATCHES = (1, 2, 5)
CLOSE = Close(rtol=1e-4)
DIRECT = Candidate(name="direct", method="direct")
SECOND = Candidate(name="second", method="direct")


def for_all(
    signature: Signature,
    _: Mapping[str, Domain],
    check: Callable[[Feeds], None],
    **__: Any,
) -> None:
    """Run a check on one example a batch size."""
    for batch in BATCHES:
        generator = np.random.default_rng(batch)
        check(
            {
                spec.name: np.asarray(
                    generator.normal(size=[size or batch for size in spec.shape or ()])
                ).astype(spec.dtype)
                for spec in signature.inputs
            }
        )


def nothing(
    signature: Signature,
    _: Mapping[str, Domain],
    check: Callable[[Feeds], None],
    **__: Any,
) -> None:
    """Run a check on no example."""


class Calls:
    """What runners did, by model: sessions opened and examples run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[Runner] = []
        self.opened: list[Runner] = []
        self.run: list[Runner] = []
        make, opening, call = Runner.__init__, Runner.open, Runner.__call__

        def counted_make(runner: Runner, *args: Any, **kwargs: Any) -> None:
            self.made.append(runner)
            make(runner, *args, **kwargs)

        def counted_open(runner: Runner) -> None:
            if runner._callable is None:
                self.opened.append(runner)
            opening(runner)

        def counted_call(runner: Runner, feeds: Feeds) -> dict[str, Any]:
            self.run.append(runner)
            return call(runner, feeds)

        # What is looked for in the reference alone, once, is not counted.
        monkeypatch.setattr(Influence, "warnings", lambda _: ())
        monkeypatch.setattr(Runner, "__init__", counted_make)
        monkeypatch.setattr(Runner, "open", counted_open)
        monkeypatch.setattr(Runner, "__call__", counted_call)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


Proves = Callable[..., Proof]


@pytest.fixture
def proves(tmp_path: Path) -> Iterator[Proves]:
    """The path of a reference, and the rest of the request -> its proof."""
    made: list[Proof] = []

    def prove(path: Path, **request: Any) -> Proof:
        made.append(Proof(Request(path=path, **request), folder=tmp_path / "exports"))
        return made[-1]

    yield prove
    for proof in made:
        proof.close()


@pytest.fixture
def regression(built: Callable[[str], Path], proves: Proves) -> Proof:
    return proves(built("softmax_regression-resource"), outputs=("prediction",))


def checkpoint(folder: Path, build: Build) -> Path:
    """The checkpoint of a graph with its variables' first values."""
    folder.mkdir(exist_ok=True)
    with fresh_session() as session:
        build()
        return save_initialised(session, folder)


def frozen(path: Path, build: Build) -> Path:
    with tf.Graph().as_default() as graph:
        build()
        path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def shipped(path: Path) -> Candidate:
    return Candidate(name=path.name, method="file", path=path)


def all_stages(proof: Proof, candidate: Candidate) -> dict[Stage, StageResult]:
    results = [
        proof.restore(),
        proof.export(candidate),
        proof.reload(candidate),
        proof.weights(candidate),
        proof.structure(candidate),
        proof.outputs(candidate, for_all),
        proof.deployed(candidate, for_all, tolerance=CLOSE),
    ]
    return {result.stage: result for result in results}


def statuses(results: dict[Stage, StageResult]) -> list[str]:
    return [str(results[stage].status) for stage in Stage]


def scaled(dtype: Any) -> Build:
    """`x` * `w` -> `y`, `w` of a dtype."""

    def build() -> None:
        x = tf.compat.v1.placeholder(dtype, (None, 2), name="x")
        w = tf.compat.v1.get_variable("w", (2,), dtype, use_resource=True)
        tf.multiply(x, w, name="y")

    return build


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Export]], Candidate]:
    """Register an export function as a method; return the candidate that it makes."""

    def register(export: Callable[[Model, Path], Export]) -> Candidate:
        method = Method(name="theirs", summary="", export=export)
        point = type("Point", (), {"name": "theirs", "value": "", "load": lambda _: method})()
        monkeypatch.setattr(registry, "_registered", lambda: {"theirs": point})
        return Candidate(name="theirs", method="theirs")

    return register


def test_a_candidate_that_is_right_passes_every_stage(regression: Proof) -> None:
    results = all_stages(regression, DIRECT)
    assert statuses(results) == ["passed"] * 7
    assert results[Stage.RESTORE].nodes
    assert results[Stage.EXPORT].bytes == results[Stage.RELOAD].bytes
    assert results[Stage.RELOAD].nodes
    assert results[Stage.OUTPUTS].examples == results[Stage.DEPLOYED].examples == len(BATCHES)
    assert results[Stage.OUTPUTS].measured.max_ulp == 0
    assert not regression.warnings()


def test_a_stage_runs_those_that_it_needs(regression: Proof) -> None:
    assert regression.outputs(DIRECT, for_all).status is Status.PASSED


def test_a_stage_is_taken_once(regression: Proof) -> None:
    assert regression.outputs(DIRECT, for_all) is regression.outputs(DIRECT, nothing)


def test_the_time_of_a_stage_is_its_own(regression: Proof) -> None:
    outputs = regression.outputs(DIRECT, for_all)
    assert 0 < outputs.seconds < 60


def test_facts_tell_the_signature_and_what_of_it_was_inferred(regression: Proof) -> None:
    facts = regression.facts()
    assert (facts.kind, facts.inputs_inferred, facts.outputs_inferred) == (
        "checkpoint",
        True,
        False,
    )
    assert [spec.name for spec in (*facts.inputs, *facts.outputs)] == ["inputs", "prediction"]


def test_facts_of_a_model_that_cannot_be_opened_are_its_path(proves: Proves) -> None:
    facts = proves(Path("gone/model.ckpt")).facts()
    assert (facts.reference, facts.kind) == ("gone/model.ckpt", "unknown")


def test_a_reference_that_cannot_be_opened_fails_and_blocks_all(proves: Proves) -> None:
    results = all_stages(proves(Path("gone/model.ckpt")), DIRECT)
    assert statuses(results) == ["failed", *["skipped"] * 6]
    assert "gone" in results[Stage.RESTORE].reason
    assert {result.reason for result in results.values()} >= {"restore failed"}
    assert results[Stage.DEPLOYED].reason == "restore failed"


def test_weights_of_another_run_fail_in_restore(proves: Proves, tmp_path: Path) -> None:
    meta = checkpoint(tmp_path / "one", scaled(tf.float32))
    other = checkpoint(tmp_path / "other", scaled(tf.float64))
    proof = proves(other, meta_graph=Path(f"{meta}.meta"), outputs=("y",))
    assert proof.restore().status is Status.FAILED
    assert "variable w is float32 in the graph and float64" in proof.restore().reason


def test_a_reference_that_cannot_be_frozen_says_so_whatever_the_method(
    proves: Proves, tmp_path: Path
) -> None:
    def build() -> None:
        x = tf.compat.v1.placeholder(tf.float32, (), name="x")
        steps = tf.compat.v1.get_variable("steps", (), use_resource=True)
        with tf.control_dependencies([tf.compat.v1.assign_add(steps, 1.0)]):
            tf.identity(x, name="y")

    proof = proves(checkpoint(tmp_path / "run", build), outputs=("y",))
    assert proof.freezable().status is Status.FAILED
    assert "writes steps" in proof.freezable().reason
    results = all_stages(proof, DIRECT)
    assert statuses(results) == ["passed", *["skipped"] * 6]
    assert results[Stage.EXPORT].reason == "export failed"


def test_a_method_that_cannot_serve_the_model_is_unsupported_to_the_end(regression: Proof) -> None:
    candidate = Candidate(name="text", method="freeze_graph_graphdef_text")
    results = all_stages(regression, candidate)
    assert statuses(results) == ["passed", *["unsupported"] * 6]
    assert len({results[stage].reason for stage in list(Stage)[1:]}) == 1
    assert "resource variables" in results[Stage.EXPORT].reason


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (ValueError("no such thing\nmore"), "failed", "ValueError: no such thing"),
        (Unsupported("too new"), "unsupported", "too new"),
    ],
)
def test_whatever_a_method_raises_is_its_failure_to_export(
    regression: Proof, registered: Any, error: Exception, status: str, reason: str
) -> None:
    def export(*_: object) -> Export:
        raise error

    result = regression.export(registered(export))
    assert (result.status, result.reason) == (status, reason)


def test_an_unknown_method_fails_by_name(regression: Proof) -> None:
    result = regression.export(Candidate(name="mine", method="direkt"))
    assert result.status is Status.FAILED
    assert "nearest: direct" in result.reason


def test_an_export_that_wrote_nothing_fails_in_reload(regression: Proof, registered: Any) -> None:
    candidate = registered(lambda _, folder: Export(path=folder / "frozen.pb"))
    result = regression.reload(candidate)
    assert result.status is Status.FAILED
    assert "frozen.pb" in result.reason


def test_a_candidate_that_cannot_be_used_fails_in_reload_and_blocks_what_follows(
    regression: Proof, tmp_path: Path
) -> None:
    def build() -> None:
        x = tf.compat.v1.placeholder(tf.float32, (None, 4), name="inputs")
        tf.tanh(x, name="predictions")

    results = all_stages(regression, shipped(frozen(tmp_path / "shipped.pb", build)))
    assert statuses(results) == ["passed", "passed", "failed", *["skipped"] * 4]
    assert "nearest: predictions" in results[Stage.RELOAD].reason
    assert results[Stage.DEPLOYED].reason == "reload failed"


def test_a_candidate_with_an_op_that_is_not_known_fails_in_reload(
    regression: Proof, tmp_path: Path
) -> None:
    def build() -> None:
        x = tf.compat.v1.placeholder(tf.float32, (None, 4), name="inputs")
        tf.nn.softmax(tf.nn.tanh(x, name="hidden"), name="prediction")

    path = frozen(tmp_path / "shipped.pb", build)
    path.write_bytes(path.read_bytes().replace(b"Tanh", b"Nope"))
    result = regression.reload(shipped(path))
    assert result.status is Status.FAILED
    assert "the op Nope, which shipped.pb needs (node hidden)" in result.reason


def test_a_weight_that_is_one_bit_off_fails_in_outputs(regression: Proof, tmp_path: Path) -> None:
    regression.export(DIRECT)
    graph_def = GraphDef.FromString((tmp_path / "exports/direct/frozen.pb").read_bytes())
    broken = tmp_path / "broken.pb"
    right = Frozen(graph_def=graph_def, weights=["layer/kernel"])
    broken.write_bytes(FAULTS["one_ulp_weight"].apply(right).SerializeToString())
    results = all_stages(regression, shipped(broken))
    assert statuses(results) == [
        "passed",
        "passed",
        "passed",
        "failed",
        "passed",
        "failed",
        "passed",
    ]
    assert "prediction" in results[Stage.OUTPUTS].reason
    assert results[Stage.OUTPUTS].measured.max_ulp


def test_weights_of_an_earlier_step_fail_in_outputs_and_deployed(
    built: Callable[[str], Path], proves: Proves, tmp_path: Path
) -> None:
    prefix = built("softmax_regression-ref")
    stale = Proof(
        Request(path=prefix.with_name("model.ckpt-5"), outputs=("prediction",)),
        folder=tmp_path / "stale",
    )
    stale.export(DIRECT)
    results = all_stages(
        proves(prefix, outputs=("prediction",)), shipped(tmp_path / "stale/direct/frozen.pb")
    )
    assert statuses(results) == [
        "passed",
        "passed",
        "passed",
        "failed",
        "passed",
        "failed",
        "failed",
    ]


def test_a_stage_without_examples_fails(regression: Proof) -> None:
    result = regression.outputs(DIRECT, nothing)
    assert result.status is Status.FAILED
    assert "no example" in result.reason


def test_a_stage_whose_feeds_are_all_rejected_fails(proves: Proves, tmp_path: Path) -> None:
    def build() -> None:
        x = tf.compat.v1.placeholder(tf.float32, (None, 2), name="x")
        with tf.control_dependencies([tf.debugging.Assert(x[0, 0] > 1e9, ["too small"])]):
            tf.multiply(x, tf.compat.v1.get_variable("w", (2,), use_resource=True), name="y")

    proof = proves(checkpoint(tmp_path / "run", build), outputs=("y",))
    result = proof.outputs(DIRECT, for_all)
    assert result.status is Status.FAILED
    assert (result.examples, result.rejected) == (len(BATCHES), len(BATCHES))
    assert "--input-spec" in result.reason


def test_the_reference_runs_once_an_example_however_many_candidates(
    regression: Proof, calls: Calls
) -> None:
    methods = ["direct", "session_graph", "freeze_graph", "constants_v2", "saved_model"]
    for method in methods:
        candidate = Candidate(name=method, method=method)
        assert regression.outputs(candidate, for_all).status is Status.PASSED
        assert regression.deployed(candidate, for_all, tolerance=CLOSE).status is Status.PASSED
    reference = [runner for runner in calls.run if runner._model is regression.model]
    assert len(reference) == 2 * len(BATCHES)
    for mode in Mode:
        assert regression._runners._memos["", mode].runs == len(BATCHES)


def test_candidates_that_are_one_graph_share_a_session_and_what_it_computed(
    regression: Proof, calls: Calls
) -> None:
    for candidate in (DIRECT, SECOND):
        assert statuses(all_stages(regression, candidate)) == ["passed"] * 7
    assert len(calls.run) == 2 * 2 * len(BATCHES)
    # The reference and the one candidate, strictly and as shipped.
    assert len(calls.opened) == 4
    assert len(calls.made) == 4


def test_candidates_that_are_not_one_graph_have_sessions_of_their_own(
    regression: Proof, calls: Calls, tmp_path: Path
) -> None:
    regression.outputs(DIRECT, for_all)
    graph_def = GraphDef.FromString((tmp_path / "exports/direct/frozen.pb").read_bytes())
    graph_def.node[-1].name = "moved"
    graph_def.node.add(name="prediction", op="Identity", input=["moved"])
    graph_def.node[-1].attr["T"].type = tf.float32.as_datatype_enum
    other = tmp_path / "other.pb"
    other.write_bytes(graph_def.SerializeToString())
    assert regression.outputs(shipped(other), for_all).status is Status.PASSED
    assert len(calls.opened) == 3


def test_the_session_of_a_candidate_is_closed_after_its_stage(
    regression: Proof, calls: Calls
) -> None:
    all_stages(regression, DIRECT)
    open_now = [runner for runner in calls.made if runner._session is not None]
    assert all(runner._model is regression.model for runner in open_now)
    regression.close()
    assert not [runner for runner in calls.made if runner._session is not None]


def test_a_candidate_whose_method_renames_tensors_is_compared_by_name(
    built: Callable[[str], Path], proves: Proves, registered: Any
) -> None:
    def export(model: Model, folder: Path) -> Export:
        written = registry.load_method("direct").export(model, folder)
        graph_def = GraphDef.FromString(written.path.read_bytes())
        nodes = {node.name: node for node in graph_def.node}
        for node in graph_def.node:
            for index, source in enumerate(node.input):
                node.input[index] = source.replace("inputs", "given")
        nodes["inputs"].name, nodes["top"].name = "given", "best"
        written.path.write_bytes(graph_def.SerializeToString())
        # The outputs come in another order than their names have.
        return Export(
            path=written.path, names={"inputs": "given", "top": "best", "top:1": "best:1"}
        )

    proof = proves(built("top_k-resource"), outputs=("top:1", "top"))
    assert statuses(all_stages(proof, registered(export))) == ["passed"] * 7


def test_a_frozen_graph_can_be_the_reference(proves: Proves, tmp_path: Path) -> None:
    def build() -> None:
        tf.tanh(tf.compat.v1.placeholder(tf.float32, (None, 2), name="x"), name="y")

    proof = proves(frozen(tmp_path / "frozen.pb", build))
    assert statuses(all_stages(proof, DIRECT)) == ["passed"] * 7
    assert proof.facts().kind == "frozen"
    assert proof.export(Candidate(name="tool", method="freeze_graph")).status == "unsupported"


def test_a_checkpoint_of_which_nothing_reaches_the_output_is_warned_of(
    proves: Proves, tmp_path: Path
) -> None:
    def build() -> None:
        tf.compat.v1.get_variable("unused", (2,), use_resource=True)
        tf.tanh(tf.compat.v1.placeholder(tf.float32, (None, 2), name="x"), name="y")

    proof = proves(checkpoint(tmp_path / "run", build), outputs=("y",))
    assert statuses(all_stages(proof, DIRECT)) == ["passed"] * 7
    assert [warning.code for warning in proof.warnings()] == ["no_weight"]


def noisy(*, keep: float) -> Build:
    def build() -> None:
        x = tf.compat.v1.placeholder(tf.float32, (None, 2), name="x")
        w = tf.compat.v1.get_variable("w", initializer=np.float32([1, 2]), use_resource=True)
        kept = tf.cast(tf.random.uniform((64,)) < keep, tf.float32)
        tf.multiply(tf.reduce_sum(x * w), kept, name="y")

    return build


def test_a_random_model_is_compared_with_its_numbers_pinned_and_warned_of(
    proves: Proves, tmp_path: Path, calls: Calls
) -> None:
    proof = proves(checkpoint(tmp_path / "run", noisy(keep=0.5)), outputs=("y",))
    for candidate in (DIRECT, Candidate(name="session_graph", method="session_graph")):
        assert statuses(all_stages(proof, candidate)) == ["passed"] * 7
    (warning,) = proof.warnings()
    assert warning.code == "random_op"
    # Reference and candidates, strictly and as shipped, and the reference with other numbers.
    assert len({id(runner) for runner in calls.made}) <= 7


def test_a_random_op_that_changes_no_output_is_not_warned_of(
    proves: Proves, tmp_path: Path, calls: Calls
) -> None:
    proof = proves(checkpoint(tmp_path / "run", noisy(keep=2.0)), outputs=("y",))
    assert statuses(all_stages(proof, DIRECT)) == ["passed"] * 7
    assert not proof.warnings()
    assert len(calls.made) == 5


def test_feeds_that_only_some_random_numbers_accept_make_the_model_random(
    proves: Proves, tmp_path: Path
) -> None:
    number = frozen(tmp_path / "number.pb", lambda: tf.identity(tf.random.uniform(()), name="y"))
    model = open_model(Request(path=number, outputs=("y",)))
    here, there = (
        Runner(model, mode=Mode.STRICT, random_seed=seed)({})["y"] for seed in (SEED, OTHER_SEED)
    )

    def build() -> None:
        x = tf.compat.v1.placeholder(tf.float32, (None, 2), name="x")
        w = tf.compat.v1.get_variable("w", initializer=np.float32([1, 2]), use_resource=True)
        drawn = tf.random.uniform(())
        accepted = tf.abs(drawn - here) < tf.abs(drawn - there)
        with tf.control_dependencies([tf.debugging.Assert(accepted, [drawn])]):
            tf.multiply(x, w, name="y")

    proof = proves(checkpoint(tmp_path / "run", build), outputs=("y",))
    assert statuses(all_stages(proof, DIRECT)) == ["passed"] * 7
    assert [warning.code for warning in proof.warnings()] == ["random_op"]


def shifted(folder: Path) -> Path:
    """The checkpoint of x * first + second."""

    def build() -> None:
        x = tf.compat.v1.placeholder(tf.float32, (None, 3), name="x")
        first = tf.compat.v1.get_variable("first", initializer=[1.0, 2.0, 3.0])
        second = tf.compat.v1.get_variable("second", initializer=[4.0, 5.0, 6.0])
        tf.add(x * first, second, name="y")

    return checkpoint(folder, build)


def misplace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the harness read the saver wrongly: two variables change places."""
    right = checkpoint_module.checkpoint_entries

    def wrong(*args: Any, **kwargs: Any) -> dict[str, Any]:
        entries = right(*args, **kwargs)
        first, second = entries
        return {first: entries[second], second: entries[first]}

    monkeypatch.setattr(checkpoint_module, "checkpoint_entries", wrong)


def test_a_reference_that_is_not_what_tensorflow_restores_fails_every_candidate(
    tmp_path: Path, proves: Proves, monkeypatch: pytest.MonkeyPatch
) -> None:
    misplace(monkeypatch)
    proof = proves(shifted(tmp_path / "model"), outputs=("y",))
    for candidate in (DIRECT, SECOND):
        result = proof.outputs(candidate, for_all)
        assert result.status is Status.FAILED
        assert "the harness's own reference is not what TensorFlow restores" in result.reason
        assert "y[0, 2] = " in result.reason


def test_a_model_that_tensorflow_cannot_restore_whole_is_compared_still(
    tmp_path: Path, proves: Proves, monkeypatch: pytest.MonkeyPatch
) -> None:
    misplace(monkeypatch)
    path = shifted(tmp_path / "model")
    meta = path.with_name(f"{path.name}.meta")
    graph = MetaGraphDef.FromString(meta.read_bytes())
    graph.graph_def.node.add(name="off_the_path", op="NobodyKnowsThisOp")
    meta.write_bytes(graph.SerializeToString())
    assert proves(path, outputs=("y",)).outputs(DIRECT, for_all).status is Status.PASSED


def test_the_model_is_restored_by_tensorflow_once_for_all_candidates(
    regression: Proof, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Original] = []
    opening = Original.open

    def counted(original: Original) -> None:
        if original not in opened:
            opened.append(original)
        opening(original)

    monkeypatch.setattr(Original, "open", counted)
    for candidate in (DIRECT, SECOND):
        assert regression.outputs(candidate, for_all).status is Status.PASSED
    assert len(opened) == 1
