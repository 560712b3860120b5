"""A SavedModel round trip: the model is saved with one signature and read again."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from harness.exporters.method import Export, Method
from harness.exporters.training_graph import restored_session, saver_def
from harness.models.model import Model
from harness.signature import TensorSpec
from harness.tensor_names import session_name

_SIGNATURE = "serving_default"


def export(model: Model, folder: Path) -> Export:
    """Write the restored model as a SavedModel, tagged `serve`, with one signature."""
    return Export(path=write_saved_model(model, folder / "saved_model"))


def write_saved_model(model: Model, folder: Path) -> Path:
    """Write the restored model into `folder`, which must not exist; return it."""
    builder = tf.compat.v1.saved_model.Builder(str(folder))
    with restored_session(model) as session:
        graph = session.graph

        def info(spec: TensorSpec) -> object:
            tensor = graph.get_tensor_by_name(session_name(spec.name))
            return tf.compat.v1.saved_model.build_tensor_info(tensor)

        signature = tf.compat.v1.saved_model.build_signature_def(
            inputs={spec.name: info(spec) for spec in model.signature.inputs},
            outputs={spec.name: info(spec) for spec in model.signature.outputs},
            method_name="tensorflow/serving/predict",
        )
        builder.add_meta_graph_and_variables(
            session,
            [tf.compat.v1.saved_model.tag_constants.SERVING],
            signature_def_map={_SIGNATURE: signature},
            saver=tf.compat.v1.train.Saver(saver_def=saver_def()) if model.variables else None,
        )
    builder.save()
    return folder


METHOD = Method(name="saved_model", summary="a SavedModel, written and read again", export=export)
