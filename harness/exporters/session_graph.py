"""`convert_variables_to_constants_from_session_graph`, which knows functional control flow."""

from __future__ import annotations

from pathlib import Path

from tensorflow.python.framework import convert_to_constants

from harness.exporters.method import Export, Method, output_nodes
from harness.exporters.training_graph import restored_session, write_graph_def
from harness.models.model import Model


def export(model: Model, folder: Path) -> Export:
    """Restore the model in a session and convert its variables."""
    with restored_session(model) as session:
        frozen = convert_to_constants.convert_variables_to_constants_from_session_graph(
            session=session,
            graph_def=model.graph_def,
            output_node_names=output_nodes(model),
        )
    return Export(path=write_graph_def(frozen, folder / "frozen.pb"))


METHOD = Method(
    name="session_graph",
    summary="convert_variables_to_constants_from_session_graph on a session",
    export=export,
)
