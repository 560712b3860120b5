"""A checkpoint of a training run: MetaGraphDef beside saved tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2

from harness.errors import BrokenModel, RequestError
from harness.graph.restoring import CheckpointEntry, checkpoint_entries
from harness.graph.state import Variable
from harness.locate import missing_files
from harness.models.assemble import Named, assemble
from harness.models.model import Model, open_checkpoint

AVERAGE_SUFFIX = "/ExponentialMovingAverage"


def open_checkpoint_model(
    prefix: Path,
    *,
    meta_graph: Path | None = None,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    moving_averages: bool = False,
) -> Model:
    """Return the model of the checkpoint at `prefix`; its .meta is beside it or `meta_graph`.

    With `moving_averages`, each variable takes the value of its moving average where the
    checkpoint has one.

    Raises:
        RequestError: a file is missing, or a name is no tensor of the graph.
        BrokenModel: a file is damaged.
    """
    absent = missing_files(prefix)
    if absent:
        raise RequestError(
            f"--checkpoint {prefix}: the data file {absent[0]} is missing: "
            f"copy all files of the checkpoint"
        )
    meta_path = meta_graph or prefix.with_name(f"{prefix.name}.meta")
    if not meta_path.is_file():
        option = "--meta-graph" if meta_graph else "--checkpoint"
        raise RequestError(
            f"{option} {meta_path}: no such file; it holds the graph. Without it, "
            f"give the .meta of the same training run with --meta-graph FILE"
        )
    meta = read_meta_graph(meta_path)
    saved = open_checkpoint(str(prefix)).get_variable_to_shape_map()
    entries = checkpoint_entries(meta.graph_def, restore_op=meta.saver_def.restore_op_name)
    model = assemble(
        meta.graph_def,
        path=prefix,
        kind="checkpoint",
        named=Named(inputs=inputs, outputs=outputs),
        entries=_known(entries, saved),
        checkpoint_prefix=str(prefix),
        saved_tensors=len(saved),
    )
    return _averaged(model, saved) if moving_averages else model


def read_meta_graph(path: Path) -> meta_graph_pb2.MetaGraphDef:
    """Return the MetaGraphDef in a .meta file.

    Raises:
        BrokenModel: the file holds none.
    """
    meta = meta_graph_pb2.MetaGraphDef()
    try:
        meta.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise BrokenModel(f"{path} holds no MetaGraphDef or is damaged: {error}") from error
    if not meta.graph_def.node:
        raise BrokenModel(f"{path} holds a graph without nodes: it is empty or was cut short")
    return meta


def _known(
    entries: dict[str, CheckpointEntry], saved: dict[str, list[int]]
) -> dict[str, CheckpointEntry]:
    # A saver of moving averages names keys that this checkpoint lacks; the plain name may do.
    return {
        name: entry for name, entry in entries.items() if entry.key in saved or name not in saved
    }


def _averaged(model: Model, saved: dict[str, list[int]]) -> Model:
    averages = tuple(_average(variable, saved) for variable in model.variables)
    raw = tuple(v.name for v in averages if not v.key.endswith(AVERAGE_SUFFIX))
    if len(raw) == len(averages):
        raise RequestError(
            f"--moving-averages: the checkpoint {model.path} holds no tensor "
            f"NAME{AVERAGE_SUFFIX} of a variable on the path"
        )
    return replace(model, variables=averages, without_average=raw)


def _average(variable: Variable, saved: dict[str, list[int]]) -> Variable:
    # By its key first: the average of a shard is the same slice of the whole variable's average.
    for key, slice_spec in ((variable.key, variable.slice_spec), (variable.name, "")):
        if key + AVERAGE_SUFFIX in saved:
            return replace(variable, key=key + AVERAGE_SUFFIX, slice_spec=slice_spec)
    return variable
