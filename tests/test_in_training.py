"""Inputs that tell a model whether it is trained are fed as for inference; otherwise, apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.python.framework import tensor_util

from fixtures.training import fresh_session, save_initialised
from harness.domain import Phase
from harness.graph.freezing import freeze
from harness.proof import Proof
from harness.subject import Candidate, Request
from harness.suite.examples import for_all_examples
from harness.verdict import StageResult, Status

v1 = tf.compat.v1

Proves = Callable[[Callable[[], object]], Proof]
FOR_ALL = for_all_examples(max_examples=30, seed=0)
DIRECT = Candidate(name="direct", method="direct")


@pytest.fixture
def proves(tmp_path: Path) -> Iterator[Proves]:
    """A function that builds a graph with variables -> its proof."""
    made: list[Proof] = []

    def prove(build: Callable[[], object]) -> Proof:
        (tmp_path / "run").mkdir()
        with fresh_session() as session:
            build()
            path = save_initialised(session, tmp_path / "run")
        made.append(Proof(Request(path=path, outputs=("y",)), folder=tmp_path / "exports"))
        return made[-1]

    yield prove
    for proof in made:
        proof.close()


def weighed() -> Any:
    x = v1.placeholder(tf.float32, [None, 4], name="x")
    return x * v1.get_variable("w", initializer=np.float32([0.5, 1, 2, 4]), use_resource=True)


def with_dropout() -> None:
    keep = v1.placeholder(tf.float32, [], name="keep_prob")
    tf.identity(v1.nn.dropout(weighed(), keep_prob=keep), name="y")


def with_a_flag() -> None:
    """In training, a second variable is added."""
    training = v1.placeholder(tf.bool, [], name="is_training")
    shift = v1.get_variable("shift", initializer=np.float32(3), use_resource=True)
    y = weighed()
    tf.identity(v1.cond(training, lambda: y + shift, lambda: y * 1.0), name="y")


def codes(result: StageResult) -> set[str]:
    return {warning.code for warning in result.warnings}


def file_of(proof: Proof, folder: Path, change: Callable[[GraphDef], None]) -> Candidate:
    """The frozen graph with a change, as a file that somebody ships."""
    model = proof.model
    graph_def = freeze(model.graph_def, weights=model.weights, outputs=["y"])
    change(graph_def)
    path = folder / "shipped.pb"
    path.write_bytes(graph_def.SerializeToString())
    return Candidate(name="shipped.pb", method="file", path=path)


def add_one(name: str) -> Callable[[GraphDef], None]:
    def change(graph_def: GraphDef) -> None:
        (node,) = (node for node in graph_def.node if node.name == name)
        tensor = node.attr["value"].tensor
        value = tensor_util.MakeNdarray(tensor)
        tensor.CopyFrom(tensor_util.make_tensor_proto(value + value.dtype.type(1)))

    return change


def test_a_dropout_rate_is_fed_as_for_inference(proves: Proves) -> None:
    proof = proves(with_dropout)
    assert proof.domains["keep_prob"].values == Phase(inference=1.0, training=0.5)


def test_randomness_that_only_training_shows_is_a_warning_that_says_so(proves: Proves) -> None:
    result = proves(with_dropout).outputs(DIRECT, FOR_ALL)
    assert result.status is Status.PASSED
    (warning,) = result.warnings
    assert warning.code == "random_op"
    assert "where it is fed as in training (keep_prob = 0.5)" in warning.message


def test_a_flag_that_changes_nothing_between_the_two_warns_of_nothing(proves: Proves) -> None:
    result = proves(with_a_flag).outputs(DIRECT, FOR_ALL)
    assert (result.status, codes(result)) == (Status.PASSED, set())


def test_examples_fed_as_in_training_are_not_counted(proves: Proves) -> None:
    result = proves(with_a_flag).outputs(DIRECT, FOR_ALL)
    assert result.examples == 30


def test_a_candidate_that_differs_only_in_training_is_a_warning(
    proves: Proves, tmp_path: Path
) -> None:
    proof = proves(with_a_flag)
    shipped = file_of(proof, tmp_path, add_one("shift"))

    result = proof.outputs(shipped, FOR_ALL)

    assert result.status is Status.PASSED
    (warning,) = result.warnings
    assert warning.code == "training_phase"
    assert warning.message.startswith("fed as in training (is_training = True)")
    assert "but should be" in warning.message


def test_a_candidate_that_differs_in_inference_fails(proves: Proves, tmp_path: Path) -> None:
    proof = proves(with_a_flag)
    shipped = file_of(proof, tmp_path, add_one("w"))
    assert proof.outputs(shipped, FOR_ALL).status is Status.FAILED
