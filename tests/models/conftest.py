"""A SavedModel of TensorFlow 2, as its own tools write it."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf


class TwoLayers(tf.Module):
    """Two layers whose variables have one name and are told apart by their objects."""

    def __init__(self) -> None:
        super().__init__()
        self.first = tf.Variable(tf.random.stateless_normal((3, 4), (1, 2)), name="weights")
        self.second = tf.Variable(tf.random.stateless_normal((4, 2), (3, 4)), name="weights")

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, name="x")])
    def predict(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        hidden = tf.tanh(tf.matmul(x, self.first))
        return {"scores": tf.matmul(hidden, self.second), "hidden": hidden}

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, name="x")])
    def embed(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"embedding": tf.matmul(x, self.first)}


@pytest.fixture(scope="session")
def two_layers() -> TwoLayers:
    return TwoLayers()


@pytest.fixture(scope="session")
def saved_model(two_layers: TwoLayers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel with the signatures `serving_default` and `embed`."""
    folder = tmp_path_factory.mktemp("saved") / "two_layers"
    tf.saved_model.save(
        two_layers,
        str(folder),
        signatures={"serving_default": two_layers.predict, "embed": two_layers.embed},
    )
    return folder
