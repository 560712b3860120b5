"""`freeze_graph` on a SavedModel: what `freeze_graph --input_saved_model_dir` does."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorflow.python.tools import freeze_graph as tensorflow_tool

from harness.exporters.method import Export, Method, output_nodes
from harness.exporters.saved_model import write_saved_model
from harness.models.model import Model


def export(model: Model, folder: Path) -> Export:
    """Write the model as a SavedModel and freeze that."""
    saved_model = write_saved_model(model, folder / "saved_model")
    frozen = folder / "frozen.pb"
    with tf.Graph().as_default():
        tensorflow_tool.freeze_graph(
            input_graph="",
            input_saver="",
            input_binary=True,
            input_checkpoint="",
            output_node_names=",".join(output_nodes(model)),
            restore_op_name="",
            filename_tensor_name="",
            output_graph=str(frozen),
            clear_devices=True,
            initializer_nodes="",
            input_saved_model_dir=str(saved_model),
        )
    return Export(path=frozen)


METHOD = Method(
    name="freeze_graph_saved_model",
    summary="tools.freeze_graph on a SavedModel",
    export=export,
)
