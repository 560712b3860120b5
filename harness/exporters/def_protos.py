"""`freeze_graph_with_def_protos` with a SaverDef: the route of object-detection exporters."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorflow.python.tools import freeze_graph as tensorflow_tool

from harness.exporters.method import Export, Method, need_checkpoint, output_nodes
from harness.exporters.training_graph import saver_def, training_meta_graph
from harness.models.model import Model


def export(model: Model, folder: Path) -> Export:
    """Freeze the GraphDef, restored through the SaverDef that goes with it."""
    prefix = need_checkpoint(model)
    frozen = folder / "frozen.pb"
    with tf.Graph().as_default():
        tensorflow_tool.freeze_graph_with_def_protos(
            input_graph_def=training_meta_graph(model).graph_def,
            input_saver_def=saver_def(),
            input_checkpoint=prefix,
            output_node_names=",".join(output_nodes(model)),
            restore_op_name="save/restore_all",
            filename_tensor_name="save/Const:0",
            output_graph=str(frozen),
            clear_devices=True,
            initializer_nodes="",
        )
    return Export(path=frozen)


METHOD = Method(
    name="def_protos",
    summary="freeze_graph_with_def_protos with GraphDef and SaverDef",
    export=export,
)
