"""State that no checkpoint restores: found at its stage, and named with the reason.

The graphs are as people save them, and each is read from its checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.training import moving_averages

from fixtures.control_flow import control_flow
from fixtures.training import fresh_session, save_initialised
from harness.proof import Proof
from harness.subject import Request
from harness.verdict import Status

Build = Callable[[Any], Any]


def proof_of(folder: Path, build: Build, *, outputs: tuple[str, ...] = ("y",)) -> Proof:
    """The proof of a graph that multiplies what `build` makes of the input `x` by a weight."""
    run = folder / "run"
    run.mkdir()
    with fresh_session() as session:
        value = build(tf.compat.v1.placeholder(tf.float32, (None, 3), name="x"))
        kernel = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
        weight = tf.compat.v1.get_variable("kernel", initializer=kernel)
        tf.matmul(value, weight, name="y")
        prefix = save_initialised(session, run)
    # Inputs are named, so that the graph is not cut where a pipeline meets the model.
    request = Request(path=prefix, inputs=("x",), outputs=outputs)
    return Proof(request, folder=folder / "exports")


def reason_not_to_freeze(proof: Proof) -> str:
    restored, freezable = proof.restore(), proof.freezable()
    proof.close()
    assert restored.status is Status.PASSED, restored.reason
    assert freezable.status is Status.FAILED
    return freezable.reason


def one_shot_iterator(x: Any) -> Any:
    rows = tf.data.Dataset.range(3).map(lambda i: tf.cast(i, tf.float32) * tf.ones((1, 3)))
    return x + tf.compat.v1.data.make_one_shot_iterator(rows).get_next(name="batch")


def initialisable_iterator(x: Any) -> Any:
    rows = tf.data.Dataset.from_tensors(tf.ones((1, 3)))
    return x + tf.compat.v1.data.make_initializable_iterator(rows).get_next(name="batch")


def dataset_in_the_middle(x: Any) -> Any:
    numbers = tf.data.Dataset.range(3)
    return x + tf.cast(numbers.reduce(np.int64(0), lambda a, b: a + b), tf.float32)


def queue(x: Any) -> Any:
    return x + tf.queue.FIFOQueue(3, [tf.float32], shapes=[(3,)]).dequeue_many(2, name="batch")


def reader(x: Any) -> Any:
    names = tf.queue.FIFOQueue(3, [tf.string], shapes=[()])
    line = tf.compat.v1.TextLineReader().read(names)[1]
    return x + tf.stack(tf.io.decode_csv(line, [[0.0]] * 3))


def staging_area(x: Any) -> Any:
    (batch,) = tf.raw_ops.Unstage(dtypes=[tf.float32])
    return x + tf.ensure_shape(batch, (1, 3))


@pytest.mark.parametrize(
    "build",
    [
        one_shot_iterator,
        initialisable_iterator,
        dataset_in_the_middle,
        queue,
        reader,
        staging_area,
    ],
    ids=lambda build: build.__name__,
)
def test_an_input_pipeline_is_told_with_the_remedy(tmp_path: Path, build: Build) -> None:
    reason = reason_not_to_freeze(proof_of(tmp_path, build))
    assert reason.startswith("the output is fed by an input pipeline (")
    assert reason.endswith("name the tensor where it meets the model with --inputs NAME")


def from_file(x: Any) -> Any:
    initializer = tf.lookup.TextFileInitializer(
        __file__,  # any text would do: the table is never filled
        tf.string,
        tf.lookup.TextFileIndex.WHOLE_LINE,
        tf.int64,
        tf.lookup.TextFileIndex.LINE_NUMBER,
    )
    table = tf.lookup.StaticHashTable(initializer, -1, name="words")
    return x + tf.cast(table.lookup(tf.constant(["a", "b", "c"])), tf.float32)


def captured_by_a_branch(x: Any) -> Any:
    initializer = tf.lookup.KeyValueTensorInitializer(["a"], [1.0])
    table = tf.lookup.StaticHashTable(initializer, -1.0, name="words")
    with control_flow(2):
        return tf.cond(
            tf.reduce_sum(x) > 0, lambda: x + table.lookup(tf.constant(["a"])), lambda: x
        )


@pytest.mark.parametrize("build", [from_file, captured_by_a_branch])
def test_a_lookup_table_is_told_by_name(tmp_path: Path, build: Build) -> None:
    reason = reason_not_to_freeze(proof_of(tmp_path, build))
    assert reason.startswith("lookup tables (words, words_Lookup/LookupTableFindV2) cannot")


def counter(name: str, *, resource: bool) -> Any:
    return tf.compat.v1.get_variable(name, initializer=0.0, use_resource=resource)


def counted(x: Any, *, resource: bool) -> Any:
    step = tf.compat.v1.assign_add(counter("steps", resource=resource), 1.0)
    with tf.control_dependencies([step]):
        return tf.identity(x)


def counted_in_a_branch(x: Any, *, resource: bool) -> Any:
    steps = counter("steps", resource=resource)

    def chosen() -> Any:
        with tf.control_dependencies([tf.compat.v1.assign_add(steps, 1.0)]):
            return x * 2.0

    with control_flow(2 if resource else 1):
        return tf.cond(tf.reduce_sum(x) > 0, chosen, lambda: x)


def batch_norm_in_training_mode(x: Any, *, resource: bool) -> Any:
    kept = tf.compat.v1.get_variable("steps", initializer=np.zeros(3, "f"), use_resource=resource)
    mean = tf.reduce_mean(x, axis=0)
    update = moving_averages.assign_moving_average(kept, mean, 0.9, zero_debias=False)
    with tf.control_dependencies([update]):
        return x - mean


@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
@pytest.mark.parametrize(
    "build",
    [counted, counted_in_a_branch, batch_norm_in_training_mode],
    ids=lambda build: build.__name__,
)
def test_a_write_is_told_with_its_variable(
    tmp_path: Path, build: Callable[..., Any], resource: bool
) -> None:
    reason = reason_not_to_freeze(proof_of(tmp_path, lambda x: build(x, resource=resource)))
    assert reason.startswith("the output depends on ")
    assert ", which writes steps: a model that changes its own state" in reason


def test_a_write_by_a_function_to_a_reference_of_its_own_is_told(tmp_path: Path) -> None:
    @tf.function(autograph=False)
    def function(x: Any) -> Any:
        w = tf.raw_ops.VariableV2(shape=(), dtype=tf.float32, shared_name="kept", name="inner")
        return x + tf.raw_ops.Assign(ref=w, value=1.0, name="set")

    def build(x: Any) -> Any:
        tf.compat.v1.get_variable("kept", initializer=0.0, use_resource=False)
        return function(x)

    reason = reason_not_to_freeze(proof_of(tmp_path, build))
    assert reason.startswith("the output depends on set (Assign) of the function __inference_fun")
    assert ", which writes inner of the function __inference_function_" in reason


def test_a_generator_is_told_by_the_variable_that_holds_its_state(tmp_path: Path) -> None:
    def build(x: Any) -> Any:
        generator = tf.random.Generator.from_seed(1)
        return tf.function(lambda x: x + generator.normal((3,)), autograph=False)(x)

    reason = reason_not_to_freeze(proof_of(tmp_path, build))
    assert "the state that random_generator/StateVar holds" in reason


def test_a_local_variable_stops_the_stage_restore(tmp_path: Path) -> None:
    def build(x: Any) -> Any:
        return x * tf.compat.v1.metrics.mean(x)[0]

    proof = proof_of(tmp_path, build)
    restored = proof.restore()
    proof.close()
    assert restored.status is Status.FAILED
    assert "mean/total, mean/count, in the collection of local variables" in restored.reason


def test_an_output_that_does_without_the_local_variable_is_fine(tmp_path: Path) -> None:
    def build(x: Any) -> Any:
        tf.identity(x, name="without")
        return x * tf.compat.v1.metrics.mean(x)[0]

    proof = proof_of(tmp_path, build, outputs=("without",))
    assert proof.restore().status is Status.PASSED
    assert proof.freezable().status is Status.PASSED
    proof.close()
