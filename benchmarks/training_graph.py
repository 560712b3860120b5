"""A training graph of any size, as checkpoints hold them: a fifth of it is the model.

A chain of dense layers, a loss, its gradients, Adam, summaries and a saver, made by TensorFlow's
own functions and saved as .meta, .index and .data. What is missing to the wanted number of nodes is
filled up with ops that need no variables, on the path to the output and off it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from fixtures.training import fresh_session, save, saver
from fixtures.variables import dense
from harness.graph.extract import reachable

WIDTH = 8
INPUT = "features"
OUTPUT = "probabilities"
PATH_SHARE = 5
"""One node in so many lies on the path, whatever the size: or the path would grow faster."""


def build(folder: Path, *, nodes: int, variables: int) -> Path:
    """`features` `(batch, 8) float32` -> `probabilities` of that shape; a prefix in `folder`.

    The graph has `nodes` nodes in all, and `variables` (an even number) variables on the path to
    the output. Adam keeps two more of each, and they are saved with them.

    Raises:
        ValueError: so many variables take more nodes than that.
    """
    with fresh_session() as session:
        hidden = tf.compat.v1.placeholder(tf.float32, (None, WIDTH), name=INPUT)
        for number in range(variables // 2):
            layer = f"network/layer_{number:05}"
            hidden = dense(hidden, WIDTH, layer, use_resource=True)
            hidden = tf.nn.relu(hidden, name=f"{layer}/Relu")
        loss = _train(hidden)
        # All at once: TensorFlow copies the whole graph for each set of ops that it runs.
        initialise = tf.compat.v1.global_variables_initializer()
        all_variables = saver()
        on_path = len(reachable({n.name: n for n in session.graph_def.node}, [hidden.op.name]))
        with tf.name_scope("network/head"):
            hidden = _chain(hidden, nodes=nodes // PATH_SHARE - on_path - 1)
        tf.nn.softmax(hidden, name=OUTPUT)
        with tf.name_scope("gradients/network/head"):
            _chain(loss, nodes=nodes - len(session.graph.get_operations()))
        session.run(initialise)
        return save(session, all_variables, folder, step=1)


def _train(logits: tf.Tensor) -> tf.Tensor:
    labels = tf.compat.v1.placeholder(tf.int64, (None,), name="labels")
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    loss = tf.reduce_mean(losses, name="loss")
    tf.compat.v1.train.AdamOptimizer(0.01).minimize(loss)
    tf.compat.v1.summary.scalar("loss", loss)
    for variable in tf.compat.v1.trainable_variables():
        tf.compat.v1.summary.histogram(variable.op.name, variable)
    tf.compat.v1.summary.merge_all()
    return loss


def _chain(tensor: Any, *, nodes: int) -> Any:
    """Return the end of a chain of exactly `nodes` ops that starts at `tensor`."""
    if nodes < 0:
        raise ValueError(f"so many variables take {-nodes} nodes more")
    for _ in range(nodes // 6):
        tensor = tf.nn.relu(tensor * 0.5 + 0.25) + tensor  # with the two constants, six nodes
    for _ in range(nodes % 6):
        tensor = tf.identity(tensor)
    return tensor
