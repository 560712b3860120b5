"""A SavedModel round trip: the model is saved with one signature and read again."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from harness.exporters.method import Export, Method
from harness.exporters.training_graph import restored_session, saver_def
from harness.graph.dtypes import dtype_enum
from harness.models.model import Model
from harness.signature import Signature, TensorSpec
from harness.tensor_names import session_name

SIGNATURE_KEY = "serving_default"


def export(model: Model, folder: Path) -> Export:
    """Write the restored model as a SavedModel, tagged `serve`, with one signature."""
    return Export(path=write_saved_model(model, folder / "saved_model"))


def write_saved_model(model: Model, folder: Path) -> Path:
    """Write the restored model into `folder`, which must not exist; return it."""
    builder = tf.compat.v1.saved_model.Builder(str(folder))
    with restored_session(model) as session:
        builder.add_meta_graph_and_variables(
            session,
            [tf.compat.v1.saved_model.tag_constants.SERVING],
            signature_def_map={SIGNATURE_KEY: serving_signature(model.signature)},
            saver=tf.compat.v1.train.Saver(saver_def=saver_def()) if model.variables else None,
        )
    builder.save()
    return folder


def serving_signature(signature: Signature) -> meta_graph_pb2.SignatureDef:
    """Return the signature as TensorFlow Serving reads it: each tensor under its own name."""
    served = meta_graph_pb2.SignatureDef(method_name="tensorflow/serving/predict")
    for spec in signature.inputs:
        served.inputs[spec.name].CopyFrom(_info(spec))
    for spec in signature.outputs:
        served.outputs[spec.name].CopyFrom(_info(spec))
    return served


def _info(spec: TensorSpec) -> meta_graph_pb2.TensorInfo:
    return meta_graph_pb2.TensorInfo(
        name=session_name(spec.name),
        dtype=dtype_enum(spec.dtype),
        tensor_shape=tf.TensorShape(spec.shape).as_proto(),
    )


METHOD = Method(name="saved_model", summary="a SavedModel, written and read again", export=export)
