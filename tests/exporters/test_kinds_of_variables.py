"""Variables as graphs hold them, by every method: proved equal, or refused with a reason.

Each is proved from checkpoint to outputs, and the reference held against TensorFlow's own saver.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.python.framework.function import Defun

from fixtures.control_flow import control_flow
from fixtures.training import fresh_session, initialise, save, saver
from harness.domain import Domain
from harness.exporters.registry import method_names
from harness.memo import Feeds
from harness.proof import Proof
from harness.signature import Signature
from harness.subject import Candidate, Request
from harness.verdict import Stage, StageResult, Status

EITHER_KIND = pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
GRAPHDEF = ("freeze_graph_graphdef", "freeze_graph_graphdef_text")
BY_OURSELVES = ("direct", "saved_model")


def for_all(
    signature: Signature,
    _: Mapping[str, Domain],
    check: Callable[[Feeds], None],
    **__: Any,
) -> None:
    """Run a check on one example a batch size."""
    for batch in (1, 3):
        generator = np.random.default_rng(batch)
        check(
            {
                spec.name: generator.normal(size=[n or batch for n in spec.shape or ()]).astype(
                    spec.dtype
                )
                for spec in signature.inputs
            }
        )


def proved(
    prefix: Path, folder: Path, *, outputs: tuple[str, ...] = ("y",), inputs: tuple[str, ...] = ()
) -> Mapping[str, StageResult]:
    """What became of each method: of the stage `outputs`, or of the first that did not pass."""
    proof = Proof(Request(path=prefix, inputs=inputs, outputs=outputs), folder=folder)
    assert proof.restore().status is Status.PASSED, proof.restore().reason
    found = {}
    for method in method_names():
        candidate = Candidate(name=method, method=method)
        stages = (
            proof.export,
            proof.reload,
            proof.weights,
            proof.structure,
            lambda c: proof.outputs(c, for_all),
        )
        results = (stage(candidate) for stage in stages)
        last = None
        for last in results:
            if last.status is not Status.PASSED:
                break
        assert last is not None
        found[method] = last
    proof.close()
    return found


def assert_served(found: Mapping[str, StageResult], *, but: Mapping[str, str]) -> None:
    """Hold that every method served the model, `but` those, for reasons that contain the words."""
    for method, result in found.items():
        if method in but:
            assert result.status is Status.UNSUPPORTED, f"{method}: {result.reason}"
            assert but[method] in result.reason
        else:
            assert result.status is Status.PASSED, f"{method}: {result.reason}"


def assert_left_behind(found: Mapping[str, StageResult], variable: str) -> None:
    """Hold that our own methods served the model, and that no other hid that it did not."""
    for method, result in found.items():
        if method in BY_OURSELVES:
            assert result.status is Status.PASSED, f"{method}: {result.reason}"
        elif result.status is Status.FAILED:
            assert result.stage is Stage.WEIGHTS
            assert re.search(rf"\b{variable}\b.* left unconverted", result.reason)
        else:
            assert result.status is Status.UNSUPPORTED, f"{method}: {result.reason}"
    assert found["convert_variables_to_constants"].status is Status.FAILED


def checkpoint(folder: Path, build: Callable[[], object], *, version: str = "V2") -> Path:
    folder.mkdir(exist_ok=True)
    with fresh_session() as session:
        build()
        initialise(session)
        as_written = getattr(tf.compat.v1.train.SaverDef, version)
        return save(session, saver(write_version=as_written), folder, step=1)


def random(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def x() -> Any:
    return tf.compat.v1.placeholder(tf.float32, (None, 3), name="x")


def weight(name: str = "w", *, resource: bool) -> Any:
    return tf.compat.v1.get_variable(name, initializer=random(3, 2), use_resource=resource)


def further(name: str, *, resource: bool) -> Any:
    """The value of a further node of the variable `w`, standing where this is called."""
    kept = {"dtype": tf.float32, "shape": (3, 2), "shared_name": "w", "name": name}
    if resource:
        return tf.raw_ops.ReadVariableOp(resource=tf.raw_ops.VarHandleOp(**kept), dtype=tf.float32)
    return tf.raw_ops.Identity(input=tf.raw_ops.VariableV2(**kept))


def resource_limits(*, resource: bool) -> dict[str, str]:
    return dict.fromkeys(GRAPHDEF, "does not restore resource variables") if resource else {}


@EITHER_KIND
def test_two_nodes_of_one_variable(resource: bool, tmp_path: Path) -> None:
    def build() -> None:
        both = weight(resource=resource) + further("again", resource=resource)
        tf.matmul(x(), both, name="y")

    found = proved(checkpoint(tmp_path / "run", build), tmp_path / "exports")
    assert_served(found, but=resource_limits(resource=resource))


@EITHER_KIND
def test_a_further_node_of_a_variable_that_is_off_the_path(resource: bool, tmp_path: Path) -> None:
    def build() -> None:
        weight(resource=resource)
        tf.matmul(x(), further("again", resource=resource), name="y")

    found = proved(checkpoint(tmp_path / "run", build), tmp_path / "exports")
    assert_served(found, but=dict.fromkeys(GRAPHDEF, "the checkpoint keeps again as w"))


def called(value: Callable[[], Any]) -> Any:
    inner = tf.function(value, autograph=False)
    return tf.function(lambda: inner() * 2.0, autograph=False)()


def called_as_by_tensorflow_1(value: Callable[[], Any]) -> Any:
    @Defun()  # type: ignore[untyped-decorator]
    def inner() -> Any:
        return value()

    @Defun()  # type: ignore[untyped-decorator]
    def outer() -> Any:
        return inner() * 2.0

    return outer()


def branched(value: Callable[[], Any]) -> Any:
    with control_flow(2):
        flag = tf.compat.v1.placeholder_with_default(True, ())
        return tf.cond(flag, value, lambda: tf.zeros((3, 2)))


def looped(value: Callable[[], Any]) -> Any:
    with control_flow(2):
        first = (tf.constant(0), tf.zeros((3, 2)))
        return tf.while_loop(lambda i, _: i < 2, lambda i, sum_: (i + 1, sum_ + value()), first)[1]


@EITHER_KIND
@pytest.mark.parametrize("stands", [called, called_as_by_tensorflow_1, branched, looped])
def test_a_variable_that_stands_in_a_function(
    stands: Callable[..., Any], resource: bool, tmp_path: Path
) -> None:
    """TensorFlow's converter does not look there and reports success: the .pb is dead."""

    def build() -> None:
        weight(resource=resource)
        tf.matmul(x(), stands(lambda: further("inner", resource=resource)), name="y")

    found = proved(checkpoint(tmp_path / "run", build), tmp_path / "exports")
    assert_left_behind(found, "inner")


def test_a_handle_that_goes_into_a_function_of_tensorflow_1(tmp_path: Path) -> None:
    """TensorFlow's converter does not follow it; what it writes cannot be imported."""

    def build() -> None:
        w = weight(resource=True)

        @Defun(tf.float32)  # type: ignore[untyped-decorator]
        def product(x: tf.Tensor) -> tf.Tensor:
            return tf.matmul(x, w)

        tf.identity(product(x()), name="y")

    found = proved(checkpoint(tmp_path / "run", build), tmp_path / "exports")
    assert {name for name, result in found.items() if result.status is Status.PASSED} == {
        "direct",
        "saved_model",
    }


LIFTS_NO_REFERENCE = {"constants_v2": "TF2 functions hold no reference variables, and w is one"}


@pytest.mark.parametrize("outputs", [("w",), ("w", "y")])
def test_a_reference_variable_that_is_an_output(outputs: tuple[str, ...], tmp_path: Path) -> None:
    prefix = checkpoint(tmp_path / "run", lambda: tf.matmul(x(), weight(resource=False), name="y"))
    found = proved(prefix, tmp_path / "exports", outputs=outputs)
    assert_served(found, but=LIFTS_NO_REFERENCE)


@pytest.mark.parametrize("outputs", [("w/Read/ReadVariableOp",), ("w/Read/ReadVariableOp", "y")])
def test_the_value_of_a_resource_variable_that_is_an_output(
    outputs: tuple[str, ...], tmp_path: Path
) -> None:
    prefix = checkpoint(tmp_path / "run", lambda: tf.matmul(x(), weight(resource=True), name="y"))
    found = proved(prefix, tmp_path / "exports", outputs=outputs)
    assert_served(found, but=resource_limits(resource=True))


@pytest.mark.parametrize("outputs", [("w",), ("y",)])
def test_a_variable_of_the_oldest_graphs(outputs: tuple[str, ...], tmp_path: Path) -> None:
    """TensorFlow's converter passes over the op `Variable` and reports success: a dead .pb."""
    prefix = checkpoint(tmp_path / "run", lambda: tf.matmul(x(), weight(resource=False), name="y"))
    path = Path(f"{prefix}.meta")
    meta = MetaGraphDef.FromString(path.read_bytes())
    for node in meta.graph_def.node:
        node.op = "Variable" if node.op == "VariableV2" else node.op
    path.write_bytes(meta.SerializeToString())
    found = proved(prefix, tmp_path / "exports", outputs=outputs)
    assert_left_behind(found, "w")


@pytest.mark.parametrize("version", ["V1", "V2"])
@EITHER_KIND
def test_a_variable_that_is_partitioned_by_columns(
    resource: bool, version: str, tmp_path: Path
) -> None:
    def build() -> None:
        parts = tf.compat.v1.get_variable(
            "w",
            (3, 5),
            partitioner=tf.compat.v1.fixed_size_partitioner(2, axis=1),
            use_resource=resource,
        )
        tf.matmul(x(), tf.convert_to_tensor(parts), name="y")

    prefix = checkpoint(tmp_path / "run", build, version=version)
    found = proved(prefix, tmp_path / "exports")
    assert_served(found, but=dict.fromkeys(GRAPHDEF, "w/part_0 is a slice of w"))


def test_a_variable_that_is_fed(tmp_path: Path) -> None:
    """The checkpoint holds a value for what is an input now, and a tool may want to restore it."""

    def build() -> None:
        both = weight("policy/w", resource=False) + weight("v", resource=False)
        tf.matmul(x(), both, name="y")

    prefix = checkpoint(tmp_path / "run", build)
    found = proved(prefix, tmp_path / "exports", inputs=("x", "policy/w"))
    reason = "the tool restores by name, and policy/w is fed"
    assert_served(found, but=dict.fromkeys(GRAPHDEF, reason))


def test_sums_that_are_kept_for_the_time_of_a_run(tmp_path: Path) -> None:
    """As in `tf.accumulate_n` of TensorFlow 1: a reference is written, and no variable."""

    def build() -> None:
        total = tf.raw_ops.TemporaryVariable(shape=(3, 2), dtype=tf.float32, var_name="total")
        first = tf.raw_ops.Assign(ref=total, value=tf.zeros((3, 2)))
        added = tf.raw_ops.AssignAdd(ref=first, value=weight(resource=False))
        kept = tf.raw_ops.DestroyTemporaryVariable(ref=added, var_name="total")
        tf.matmul(x(), kept, name="y")

    found = proved(checkpoint(tmp_path / "run", build), tmp_path / "exports")
    assert_served(found, but={})
