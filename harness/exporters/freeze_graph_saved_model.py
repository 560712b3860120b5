"""`freeze_graph` on a SavedModel: what `freeze_graph --input_saved_model_dir` does."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from harness.exporters.freeze_graph_tool import run_freeze_graph
from harness.exporters.method import Export, Method, known_limit
from harness.exporters.saved_model import write_saved_model
from harness.models.frozen import read_graph_def
from harness.models.model import Model


def export(model: Model, folder: Path) -> Export:
    """Write the model as a SavedModel and freeze that."""
    saved_model = write_saved_model(model, folder / "saved_model")
    frozen = run_freeze_graph(model, folder, saved_model=saved_model)
    resource = any(variable.is_resource for variable in model.variables)
    reason = (
        "a SavedModel states the shapes of handles, the tool puts values in their place, and "
        "the .pb that it writes cannot be imported"
    )
    with tf.Graph().as_default(), known_limit(reason, applies=resource):
        tf.import_graph_def(read_graph_def(frozen.path), name="")
    return frozen


METHOD = Method(
    name="freeze_graph_saved_model",
    summary="tools.freeze_graph on a SavedModel",
    export=export,
)
