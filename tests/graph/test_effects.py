"""Ops that touch what is outside the graph."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from harness.graph.effects import file_ops


def graph_of(build: Callable[[], object]) -> GraphDef:
    with tf.Graph().as_default() as graph:
        build()
        return graph.as_graph_def()


def read() -> None:
    tf.io.read_file("labels.txt", name="op")


def written() -> None:
    tf.io.write_file("out.txt", "text", name="op")


def matched() -> None:
    tf.io.matching_files("*.txt", name="op")


def saved() -> None:
    tf.raw_ops.SaveV2(prefix="p", tensor_names=["a"], shape_and_slices=[""], tensors=[1.0],
                      name="op")  # fmt: skip


def restored() -> None:
    tf.raw_ops.RestoreV2(prefix="p", tensor_names=["a"], shape_and_slices=[""],
                         dtypes=[tf.float32], name="op")  # fmt: skip


def printed_to_a_file() -> None:
    tf.raw_ops.PrintV2(input="text", output_stream="file://log", name="op")


def watched() -> None:
    tf.raw_ops.DebugIdentityV2(input=1.0, name="op")


def decoded_by_a_file() -> None:
    tf.raw_ops.DecodeProtoV2(
        bytes="", message_type="M", field_names=[], output_types=[],
        descriptor_source="descriptor.pb", name="op",
    )  # fmt: skip


def sent() -> None:
    tf.raw_ops.RemoteCall(target="/device:CPU:0", args=[1.0], Tout=[tf.float32],
                          f=squared.get_concrete_function(), name="op")  # fmt: skip


@tf.function(input_signature=[tf.TensorSpec((), tf.float32)], autograph=False)
def squared(x: tf.Tensor) -> tf.Tensor:
    return x * x


@pytest.mark.parametrize(
    "build",
    [read, written, matched, saved, restored, printed_to_a_file, watched, decoded_by_a_file, sent],
    ids=lambda build: build.__name__,
)
def test_an_op_that_reaches_outside_is_found(build: Callable[[], None]) -> None:
    ((name, _),) = file_ops(graph_of(build))
    assert name == "op"


def test_one_in_a_function_is_named_with_it() -> None:
    def build() -> None:
        tf.function(lambda name: tf.io.read_file(name, name="op"), autograph=False)(tf.constant(""))

    ((name, op),) = file_ops(graph_of(build))
    assert name.startswith("op of the function ")
    assert op == "ReadFile"


def printed() -> None:
    tf.print("text")
    tf.compat.v1.Print(1.0, [1.0])


def decoded() -> None:
    tf.raw_ops.DecodeProtoV2(bytes="", message_type="M", field_names=[], output_types=[])
    tf.io.decode_png(b"")
    tf.io.parse_tensor(b"", tf.float32)


def held_by_python() -> None:
    tf.numpy_function(np.tanh, [1.0], tf.float32)


def summed() -> None:
    tf.compat.v1.summary.scalar("loss", 1.0)
    tf.debugging.Assert(tf.constant(True), ["text"])


@pytest.mark.parametrize(
    "build", [printed, decoded, held_by_python, summed], ids=lambda build: build.__name__
)
def test_what_stays_inside_is_not(build: Callable[[], None]) -> None:
    assert file_ops(graph_of(build)) == ()
