"""TensorFlow's tool `freeze_graph`, called as its command line calls it."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorflow.python.tools import freeze_graph as tensorflow_tool

from harness.exporters.method import Export, output_nodes
from harness.models.model import Model


def run_freeze_graph(
    model: Model,
    folder: Path,
    *,
    checkpoint: str = "",
    graph: Path | None = None,
    is_binary: bool = True,
    meta_graph: Path | None = None,
    saved_model: Path | None = None,
) -> Export:
    """Freeze one of `graph`, `meta_graph` or `saved_model` into `folder`, clearing devices."""
    frozen = folder / "frozen.pb"
    # The tool works on the default graph: a second call in one graph fails.
    with tf.Graph().as_default():
        tensorflow_tool.freeze_graph(
            input_graph=str(graph or ""),
            input_saver="",
            input_binary=is_binary,
            input_checkpoint=checkpoint,
            output_node_names=",".join(output_nodes(model)),
            restore_op_name="",
            filename_tensor_name="",
            output_graph=str(frozen),
            clear_devices=True,
            # What initialisers assign after restoring would overwrite the weights.
            initializer_nodes="",
            input_meta_graph=str(meta_graph or ""),
            input_saved_model_dir=str(saved_model or ""),
        )
    return Export(path=frozen)
