"""`freeze_graph` on a written GraphDef and a checkpoint, binary and text.

The tool restores whatever checkpoint key has the name of a node of the graph. It can therefore
serve neither resource variables, nor shards of a partitioned variable, nor values that the
checkpoint keeps under another name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from google.protobuf import text_format

from harness.errors import Unsupported
from harness.exporters.freeze_graph_tool import run_freeze_graph
from harness.exporters.method import Export, Method, known_limit, need_checkpoint
from harness.graph.state import Variable
from harness.models.model import Model, open_checkpoint
from harness.tensor_names import node_name


def export_binary(model: Model, folder: Path) -> Export:
    """Write the model's graph as a binary GraphDef and freeze it with the checkpoint."""
    return _export(model, folder, binary=True)


def export_text(model: Model, folder: Path) -> Export:
    """Write the model's graph as a text GraphDef and freeze it with the checkpoint."""
    return _export(model, folder, binary=False)


def _export(model: Model, folder: Path, *, binary: bool) -> Export:
    checkpoint = need_checkpoint(model)
    _check_names(model.variables)
    _check_fed(model, checkpoint)
    graph = folder / ("graph.pb" if binary else "graph.pbtxt")
    if binary:
        graph.write_bytes(model.graph_def.SerializeToString())
    else:
        graph.write_text(text_format.MessageToString(model.graph_def), encoding="utf-8")
    resource = any(variable.is_resource for variable in model.variables)
    reason = "the tool does not restore resource variables without a .meta"
    with known_limit(reason, applies=resource):
        return run_freeze_graph(model, folder, checkpoint=checkpoint, graph=graph, is_binary=binary)


def _check_names(variables: Sequence[Variable]) -> None:
    """Make sure that each variable has a node by whose name the checkpoint keeps it.

    Raises:
        Unsupported: naming one that has not.
    """
    by_name = {variable.resource for variable in variables if variable.key == variable.name}
    for variable in variables:
        if variable.slice_spec:
            raise Unsupported(
                f"the tool restores by name and does not know shards: {variable.name} is a "
                f"slice of {variable.key}"
            )
        if variable.resource in by_name:
            continue
        if variable.function:
            raise Unsupported(
                f"the tool restores by name, and cannot name {variable.name} from outside"
            )
        raise Unsupported(
            f"the tool restores by name, and the checkpoint keeps {variable.name} as {variable.key}"
        )


def _check_fed(model: Model, checkpoint: str) -> None:
    """Make sure that the tool takes no input for a variable.

    Raises:
        Unsupported: the checkpoint holds a tensor by the name of one.
    """
    reader = open_checkpoint(checkpoint)
    for name in map(node_name, model.signature.input_names):
        if reader.has_tensor(name):
            raise Unsupported(f"the tool restores by name, and {name} is fed")


BINARY = Method(
    name="freeze_graph_graphdef",
    summary="tools.freeze_graph on a binary GraphDef and checkpoint",
    export=export_binary,
)
TEXT = Method(
    name="freeze_graph_graphdef_text",
    summary="tools.freeze_graph on a text GraphDef and checkpoint",
    export=export_text,
)
