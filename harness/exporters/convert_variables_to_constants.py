"""`graph_util.convert_variables_to_constants` on a restored session: the classic recipe."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from harness.exporters.method import Export, Method, output_nodes
from harness.exporters.training_graph import restored_session, write_graph_def
from harness.models.model import Model


def export(model: Model, folder: Path) -> Export:
    """Restore the model in a session and convert its variables."""
    with restored_session(model) as session:
        frozen = tf.compat.v1.graph_util.convert_variables_to_constants(
            session, model.graph_def, output_nodes(model)
        )
    return Export(path=write_graph_def(frozen, folder / "frozen.pb"))


METHOD = Method(
    name="convert_variables_to_constants",
    summary="graph_util.convert_variables_to_constants on a session",
    export=export,
)
