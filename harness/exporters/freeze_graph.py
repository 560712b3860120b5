"""`freeze_graph` on a .meta: what `freeze_graph --input_meta_graph` does on the command line."""

from __future__ import annotations

from pathlib import Path

from harness.exporters.freeze_graph_tool import run_freeze_graph
from harness.exporters.method import Export, Method, need_checkpoint
from harness.exporters.training_graph import training_meta_graph
from harness.models.model import Model


def export(model: Model, folder: Path) -> Export:
    """Write the model's MetaGraphDef and freeze it with the checkpoint."""
    checkpoint = need_checkpoint(model)
    meta_graph = folder / "model.meta"
    meta_graph.write_bytes(training_meta_graph(model).SerializeToString())
    return run_freeze_graph(model, folder, checkpoint=checkpoint, meta_graph=meta_graph)


METHOD = Method(
    name="freeze_graph", summary="tools.freeze_graph on .meta and checkpoint", export=export
)
