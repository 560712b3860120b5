"""`freeze_graph` on a SavedModel: what `freeze_graph --input_saved_model_dir` does."""

from __future__ import annotations

from pathlib import Path

from harness.exporters.freeze_graph_tool import run_freeze_graph
from harness.exporters.method import Export, Method
from harness.exporters.saved_model import write_saved_model
from harness.models.model import Model


def export(model: Model, folder: Path) -> Export:
    """Write the model as a SavedModel and freeze that."""
    saved_model = write_saved_model(model, folder / "saved_model")
    return run_freeze_graph(model, folder, saved_model=saved_model)


METHOD = Method(
    name="freeze_graph_saved_model",
    summary="tools.freeze_graph on a SavedModel",
    export=export,
)
