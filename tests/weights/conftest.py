"""A folder of checkpoints of one training, as TensorFlow leaves it, and one of them read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saver_pb2

from fixtures.training import initialise
from harness.criteria import Array
from harness.models.checkpoint import open_checkpoint_model
from harness.models.model import Model
from harness.weights.comparing import Place, WeightsResult, compare_weights
from harness.weights.sources import sources_of

STEPS = (100, 102, 103, 150, 200)
"""In which the variables were saved, each step changes all but `fixed/weights`."""
STEP = 102
"""Of the checkpoint that is the reference."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The reference, and whatever its variables held at other times."""

    model: Model
    prefix: Path
    saved: Mapping[int, Mapping[str, Array]]
    """By step, all tensors of the checkpoint; 0 for those before the first step."""

    @property
    def right(self) -> dict[str, Array]:
        return {v.name: self.saved[STEP][v.key] for v in self.model.variables}

    def compared(self, given: Mapping[str, Array], *, model: Model | None = None) -> WeightsResult:
        """Compare with a candidate whose constants have the names of the variables."""
        model = model or self.model
        names = [variable.name for variable in model.variables]
        return compare_weights(
            [Place(reference=name, candidate=name) for name in names],
            reference=model.weights,
            candidate={**{n: model.weights[n] for n in names}, **given},
            expected=names,
            sources=sources_of(model),
        )


def build(folder: Path, *, use_resource: bool) -> Mapping[int, Mapping[str, Array]]:
    """Train and save at each of `STEPS`; of step 150 by a saver of the first format."""
    glorot = tf.compat.v1.glorot_uniform_initializer
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:

        def variable(name: str, shape: tuple[int, ...], initializer: object) -> tf.Variable:
            return tf.compat.v1.get_variable(
                name, shape, tf.float32, initializer=initializer, use_resource=use_resource
            )

        x = tf.compat.v1.placeholder(tf.float32, (None, 8), name="x")
        first = variable("fc1/weights", (8, 8), glorot(seed=1))
        second = variable("fc2/weights", (8, 8), glorot(seed=2))
        bias = variable("fc2/bias", (8,), tf.compat.v1.zeros_initializer())
        fixed = variable("fixed/weights", (8, 4), glorot(seed=3))
        unseeded = variable("unseeded/kernel", (4, 3), glorot())
        averages = tf.compat.v1.train.ExponentialMovingAverage(0.9)
        changing = [first, second, bias, unseeded]
        hidden = tf.tanh(tf.matmul(tf.matmul(x, first), second) + bias)
        tf.matmul(tf.matmul(hidden, fixed), unseeded, name="y")
        changes = [
            v.assign_add(tf.random.stateless_normal(v.shape, (i, 7)) * 0.1 + 0.01 * (i + 1))
            for i, v in enumerate(changing)
        ]
        with tf.control_dependencies(changes):
            step = averages.apply(changing)
        savers = {
            version: tf.compat.v1.train.Saver(max_to_keep=None, write_version=version)
            for version in (saver_pb2.SaverDef.V1, saver_pb2.SaverDef.V2)
        }
        initialise(session)
        everything = {v.op.name: v for v in tf.compat.v1.global_variables()}
        saved = {0: session.run(everything)}
        for number in range(1, max(STEPS) + 1):
            session.run(step)
            if number in STEPS:
                saved[number] = session.run(everything)
                version = saver_pb2.SaverDef.V1 if number == 150 else saver_pb2.SaverDef.V2
                savers[version].save(session, str(folder / "model.ckpt"), global_step=number)
        return saved


def trained(folder: Path, *, use_resource: bool) -> Trained:
    saved = build(folder, use_resource=use_resource)
    prefix = folder / f"model.ckpt-{STEP}"
    model = open_checkpoint_model(prefix, inputs=["x"], outputs=["y"])
    return Trained(model=model, prefix=prefix, saved=saved)


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return trained(tmp_path_factory.mktemp("trained"), use_resource=False)


@pytest.fixture(scope="session")
def of_resources(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return trained(tmp_path_factory.mktemp("of_resources"), use_resource=True)


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[], Trained]:
    """Train again, in a folder that a test may damage."""
    return lambda: trained(tmp_path, use_resource=False)


def nudged(value: Array) -> Array:
    """The value with its first element moved to the next number."""
    result = value.copy()
    flat = result.reshape(-1)
    flat[0] = np.nextafter(flat[0], np.float32(np.inf))
    return result
