"""What was written is read again: does it serve what it should, by the names that clients call?

Values are held against their source where they are written; here it is graph, variables, signatures
and the collection. That the graph computes what was trained is what verification asks, of the
frozen graph and the SavedModel.
"""

from __future__ import annotations

from pathlib import Path

from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from harness.errors import BrokenModel
from harness.exporters.saved_model import SIGNATURE_KEY
from harness.graph.forward import collections_of
from harness.models.checkpoint import open_checkpoint_model, read_meta_graph
from harness.models.model import Model
from harness.models.saved_model import choose_meta_graph
from harness.signature import Signature
from harness.tensor_names import canonical


def check_checkpoint(written: Model, *, collection: str) -> None:
    """Open the checkpoint that was written, with the graph beside it, and find `written` there.

    Raises:
        BrokenModel: another graph, other variables, or other outputs are there.
    """
    path = written.meta_path
    assert path is not None
    meta = read_meta_graph(path)
    signature = written.signature
    again = open_checkpoint_model(
        written.path, inputs=signature.input_names, outputs=signature.output_names
    )
    nodes, found = _nodes(written.graph_def), _nodes(again.graph_def)
    if any(found.get(name) != node for name, node in nodes.items()):
        raise BrokenModel(f"{path.name} holds another graph than was written")
    if _variables(again) != _variables(written):
        raise BrokenModel(f"{path.name} restores other variables than the graph has")
    if collections_of(meta).get(collection) != signature.output_names:
        raise BrokenModel(f"{path.name} lists other outputs in {collection} than are served")
    _check_signature(meta, signature, path)


def check_saved_model(folder: Path, signature: Signature) -> None:
    """Make sure that each tensor is served by its own name.

    Raises:
        BrokenModel: another tensor is, or none.
    """
    _check_signature(choose_meta_graph(folder, ()), signature, folder)


def _check_signature(meta: meta_graph_pb2.MetaGraphDef, signature: Signature, path: Path) -> None:
    served = meta.signature_def[SIGNATURE_KEY]
    for found, names in (
        (served.inputs, signature.input_names),
        (served.outputs, signature.output_names),
    ):
        if {key: canonical(info.name) for key, info in found.items()} != {n: n for n in names}:
            told = ", ".join(f"{key} as {found[key].name}" for key in sorted(found)) or "nothing"
            raise BrokenModel(
                f"{path.name} serves {told} in {SIGNATURE_KEY}, and should serve {', '.join(names)}"
            )


def _nodes(graph_def: graph_pb2.GraphDef) -> dict[str, bytes]:
    return {node.name: node.SerializeToString(deterministic=True) for node in graph_def.node}


def _variables(model: Model) -> set[tuple[str, str, str]]:
    return {(each.name, each.key, each.slice_spec) for each in model.variables}
