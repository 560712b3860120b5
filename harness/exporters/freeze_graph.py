"""`freeze_graph` on a .meta: what `freeze_graph --input_meta_graph` does on the command line."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorflow.python.tools import freeze_graph as tensorflow_tool

from harness.exporters.method import Export, Method, need_checkpoint, output_nodes
from harness.exporters.training_graph import training_meta_graph
from harness.models.model import Model


def export(model: Model, folder: Path) -> Export:
    """Write the model's MetaGraphDef and freeze it with the checkpoint."""
    prefix = need_checkpoint(model)
    meta = folder / "model.meta"
    meta.write_bytes(training_meta_graph(model).SerializeToString())
    frozen = folder / "frozen.pb"
    # The tool works on the default graph: a second call in one graph fails.
    with tf.Graph().as_default():
        tensorflow_tool.freeze_graph(
            input_graph="",
            input_saver="",
            input_binary=True,
            input_checkpoint=prefix,
            output_node_names=",".join(output_nodes(model)),
            restore_op_name="",
            filename_tensor_name="",
            output_graph=str(frozen),
            clear_devices=True,
            initializer_nodes="",
            input_meta_graph=str(meta),
        )
    return Export(path=frozen)


METHOD = Method(
    name="freeze_graph", summary="tools.freeze_graph on .meta and checkpoint", export=export
)
