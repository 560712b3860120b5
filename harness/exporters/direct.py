"""Our own export: the GraphDef rewritten from the checkpoint reader, with no session.

TensorFlow's methods share one converter, so that their agreement proves little; this is the
independent second opinion. It also serves what the converter does not: legacy `Variable` ops,
graphs without `NAME/Read/ReadVariableOp`, reference variables inside `tf.cond`.
"""

from __future__ import annotations

from pathlib import Path

from harness.exporters.method import Export, Method
from harness.exporters.training_graph import write_graph_def
from harness.graph.freezing import freeze
from harness.models.model import Model


def export(model: Model, folder: Path) -> Export:
    """Replace each variable by its value in the checkpoint and write the .pb."""
    frozen = freeze(model.graph_def, weights=model.weights, outputs=model.signature.output_names)
    return Export(path=write_graph_def(frozen, folder / "frozen.pb"))


METHOD = Method(
    name="direct", summary="our own rewriting of the GraphDef, with no session", export=export
)
