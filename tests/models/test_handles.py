"""A handle is no value: named as an input or output it is refused, with its value's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from fixtures.training import fresh_session, save_initialised
from harness.errors import BrokenModel, RequestError
from harness.models.candidate import open_candidate
from harness.models.model import Model
from harness.models.opening import open_model
from harness.subject import Request


def opened(folder: Path, build: Callable[[], object], **named: tuple[str, ...]) -> Model:
    """The model of a graph with variables, each with its first value."""
    with fresh_session() as session:
        tf.compat.v1.get_variable("w", (3,), use_resource=True)
        build()
        return open_model(Request(path=save_initialised(session, folder), **named))


def multiplied() -> None:
    w = tf.compat.v1.global_variables()[0]
    tf.multiply(tf.compat.v1.placeholder(tf.float32, (3,), name="x"), w, name="y")


@pytest.mark.parametrize("output", ["w", "w:0"])
def test_a_handle_as_an_output_is_answered_with_the_read_of_its_value(
    tmp_path: Path, output: str
) -> None:
    with pytest.raises(RequestError) as caught:
        opened(tmp_path, multiplied, outputs=(output,))
    assert str(caught.value) == (
        "--outputs w: it is the handle of a variable (resource); name the tensor that is its "
        "value: --outputs w/Read/ReadVariableOp"
    )


def test_the_read_that_is_offered_can_be_named(tmp_path: Path) -> None:
    model = opened(tmp_path, multiplied, outputs=("w/Read/ReadVariableOp", "y"))
    assert [spec.dtype for spec in model.signature.outputs] == ["float32", "float32"]


def test_without_a_read_of_its_own_another_is_offered(tmp_path: Path) -> None:
    def build() -> None:
        handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=(3,), shared_name="w", name="h")
        tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32, name="value")

    with pytest.raises(RequestError, match=r"--outputs h: .* value: --outputs value$"):
        opened(tmp_path, build, outputs=("h",))


def test_the_read_of_its_own_goes_before_others(tmp_path: Path) -> None:
    def build() -> None:
        handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=(3,), shared_name="w", name="h")
        for name in ("value", "h/Read/ReadVariableOp"):
            tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32, name=name)

    with pytest.raises(RequestError, match=r"--outputs h/Read/ReadVariableOp$"):
        opened(tmp_path, build, outputs=("h",))


def test_a_handle_that_nothing_reads_is_refused_too(tmp_path: Path) -> None:
    def build() -> None:
        tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=(3,), shared_name="w", name="h")

    with pytest.raises(RequestError, match=r"--outputs h: .*no node of the graph reads its value"):
        opened(tmp_path, build, outputs=("h",))


def queue() -> None:
    tf.queue.FIFOQueue(3, [tf.float32], shapes=[(3,)], name="handle")


def list_of_tensors() -> None:
    tf.raw_ops.EmptyTensorList(
        element_shape=tf.constant([3]), max_num_elements=1, element_dtype=tf.float32, name="handle"
    )


@pytest.mark.parametrize(
    ("build", "op", "dtype"),
    [(queue, "FIFOQueueV2", "resource"), (list_of_tensors, "EmptyTensorList", "variant")],
)
def test_any_other_handle_is_refused_with_op_and_dtype(
    tmp_path: Path, build: Callable[[], None], op: str, dtype: str
) -> None:
    with pytest.raises(RequestError, match=rf"--outputs handle: {op} gives a handle \({dtype}\)"):
        opened(tmp_path, build, outputs=("handle",))


def test_a_handle_cannot_be_fed(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"--inputs w: VarHandleOp gives a handle \(resource\)"):
        opened(tmp_path, multiplied, inputs=("w",), outputs=("y",))


def body_of_a_function(path: Path) -> Path:
    """A graph as people write it from a concrete function: its variables are placeholders."""
    w = tf.Variable(tf.ones((3,)))
    function = tf.function(lambda x: tf.identity(x * w, name="y"), autograph=False)
    concrete = function.get_concrete_function(tf.TensorSpec((3,), tf.float32, name="x"))
    path.write_bytes(concrete.graph.as_graph_def().SerializeToString())
    return path


def test_the_body_of_a_function_is_told_by_its_handles(tmp_path: Path) -> None:
    path = body_of_a_function(tmp_path / "body.pb")
    with pytest.raises(RequestError, match=r"\(resource\), which .* body of a tf\.function"):
        open_model(Request(path=path, outputs=("y",)))


def test_of_a_candidate_it_is_the_candidate_that_is_broken(tmp_path: Path) -> None:
    path = body_of_a_function(tmp_path / "body.pb")
    signature = opened(tmp_path, multiplied, outputs=("y",)).signature
    with pytest.raises(BrokenModel, match=r"body\.pb: --inputs .*body of a tf\.function"):
        open_candidate(path, signature=signature)
