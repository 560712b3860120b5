"""A few tensors of a graph, computed once in a session of their own on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2

from harness.errors import BrokenModel, first_line
from harness.tensor_names import session_name


def run_once(graph_def: graph_pb2.GraphDef, tensors: Sequence[str]) -> list[npt.NDArray[Any]]:
    """Return the values of tensors of the main graph, which feeds nothing and initialises nothing.

    Each op runs once, with TensorFlow's graph optimisers off.

    Raises:
        BrokenModel: the graph cannot be imported or run; the message says why.
    """
    with tf.Graph().as_default() as graph:
        try:
            tf.import_graph_def(graph_def, name="")
            with tf.compat.v1.Session(graph=graph, config=strict_config()) as session:
                values = session.run([session_name(name) for name in tensors])
        except (ValueError, KeyError, TypeError, tf.errors.OpError) as error:
            raise BrokenModel(f"it cannot be computed: {first_line(error)}") from error
    # Left to numpy, a scalar string loses its trailing zero bytes.
    return [np.asarray(v, dtype=object if isinstance(v, bytes) else None) for v in values]


def cpu_config() -> Any:
    """Return the ConfigProto of a session on the CPU, otherwise as TensorFlow has it."""
    config = config_pb2.ConfigProto()
    # A GPU of the machine would add rounding of its own and hold its memory against the tests.
    config.device_count["GPU"] = 0
    return config


def strict_config() -> Any:
    """Return the ConfigProto of a session with TensorFlow's graph optimisers off."""
    config = cpu_config()
    options = config.graph_options
    options.optimizer_options.opt_level = config_pb2.OptimizerOptions.L0
    options.rewrite_options.CopyFrom(
        rewriter_config_pb2.RewriterConfig(disable_meta_optimizer=True)
    )
    return config
