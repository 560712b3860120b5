"""A checkpoint of a training run: MetaGraphDef beside saved tensors."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tensorflow.core.protobuf import meta_graph_pb2

from harness.errors import RequestError, listed
from harness.graph.forward import collections_of
from harness.graph.restoring import CheckpointEntry, checkpoint_entries
from harness.graph.state import Resource, Variable
from harness.locate import is_saved_model, meta_file
from harness.misfit import SAVE_THE_MODEL
from harness.models.assemble import Named, assemble
from harness.models.checkpoint_files import check_files
from harness.models.model import Model, open_checkpoint
from harness.models.proto_file import META_GRAPH_DEF, making_sense_of, read_graph_file
from harness.models.variables import local_variables_of, trainable_variables_of

AVERAGE_SUFFIX = "/ExponentialMovingAverage"
_AVERAGE = re.compile(r"average|(^|[/_])(avg|ema)([/_]|$)", re.IGNORECASE)

_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"  # trackable/base.py, OBJECT_GRAPH_PROTO_KEY


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
    checkpoint has one. Without, it takes its own where the graph's saver asks for an average, or
    another name, that the checkpoint lacks: TensorFlow could not restore that.

    Raises:
        RequestError: the .meta is missing, the checkpoint holds values by objects and not by name,
            or a name is no tensor of the graph.
        BrokenModel: another file is missing, or one is damaged.
    """
    check_files(prefix)
    meta_path = meta_graph or meta_file(prefix)
    if not meta_path.is_file():
        raise RequestError(_without_graph(prefix, meta_path, is_named=meta_graph is not None))
    meta = read_meta_graph(meta_path)
    saved = open_checkpoint(str(prefix)).get_variable_to_shape_map()
    with making_sense_of(meta_path):
        entries = checkpoint_entries(meta.graph_def, restore_op=meta.saver_def.restore_op_name)
        known = known_entries(entries, saved)
        model = assemble(
            meta.graph_def,
            path=prefix,
            kind="checkpoint",
            named=Named(inputs=inputs, outputs=outputs),
            entries=known,
            checkpoint_prefix=str(prefix),
            saved_tensors=len(saved),
            collections=collections_of(meta),
            local_variables=local_variables_of(meta),
        )
    _check_keys(model, saved, meta_path)
    model = replace(
        model,
        meta_path=meta_path,
        variables=_told_trainable(model.variables, trainable_variables_of(meta)),
    )
    if moving_averages:
        return _averaged(model, saved)
    unknown = {name: entry for name, entry in entries.items() if name not in known}
    return replace(
        model,
        without_average=_without_average(model, unknown, known),
        unread_averages=_unread_averages(model, saved),
    )


def read_meta_graph(path: Path) -> meta_graph_pb2.MetaGraphDef:
    """Return the MetaGraphDef in a .meta file, binary or text.

    Raises:
        BrokenModel: the file holds none, or one without nodes.
    """
    return read_graph_file(path, META_GRAPH_DEF)


def _without_graph(prefix: Path, meta_path: Path, *, is_named: bool) -> str:
    """Say what to do about a checkpoint without its .meta."""
    if not is_named:
        folder = prefix.parent.parent
        if prefix.parent.name == "variables" and is_saved_model(folder):
            return (
                f"--checkpoint {prefix}: these are the variables of the SavedModel {folder}, "
                f"which holds the graph: give --checkpoint {folder}"
            )
        if _OBJECT_GRAPH in open_checkpoint(str(prefix)).get_variable_to_shape_map():
            return (
                f"--checkpoint {prefix} was written by tf.train.Checkpoint or Keras' "
                f"save_weights: it holds values and no graph; {SAVE_THE_MODEL}"
            )
    return (
        f"{'--meta-graph' if is_named else '--checkpoint'} {meta_path}: no such file; it holds "
        f"the graph. Without it, give the .meta of the same training run with --meta-graph FILE"
    )


def _check_keys(model: Model, saved: dict[str, list[int]], meta_path: Path) -> None:
    """Refuse a checkpoint of objects with a graph whose saver knows variables by their names.

    Raises:
        RequestError: no variable of the model is in it.
    """
    keys = [variable.key for variable in model.variables]
    if not keys or _OBJECT_GRAPH not in saved or any(key in saved for key in keys):
        return
    objects = sorted(saved.keys() - {_OBJECT_GRAPH})
    raise RequestError(
        f"--checkpoint {model.path} was written by tf.train.Checkpoint or Keras' save_weights and "
        f"holds values by their objects ({listed(objects, limit=1)}); the graph in "
        f"{meta_path.name} asks for them by name ({listed(keys, limit=1)}): {SAVE_THE_MODEL}"
    )


def known_entries(
    entries: dict[str, CheckpointEntry], saved: dict[str, list[int]]
) -> dict[str, CheckpointEntry]:
    """Return the entries without those whose key is not saved while the variable's own name is.

    A saver of moving averages names keys that a checkpoint of plain values lacks.
    """
    return {
        name: entry for name, entry in entries.items() if entry.key in saved or name not in saved
    }


def _without_average(
    model: Model,
    unknown: Mapping[str, CheckpointEntry],
    known: Collection[str],
) -> tuple[str, ...]:
    """Return the variables that go by the name of a node whose entry the checkpoint lacks.

    They need not be that node: a further node of its resource takes the same value. Those that are
    not trained, the statistics of a batch norm for example, never have an average: they are among
    them where the saver asks for something else.
    """
    return tuple(
        v.name
        for v in model.variables
        if v.key in unknown
        and v.name not in known
        and (v.is_trainable or not unknown[v.key].key.endswith(AVERAGE_SUFFIX))
    )


def _told_trainable(
    variables: tuple[Variable, ...], trainable: Collection[Resource] | None
) -> tuple[Variable, ...]:
    return tuple(
        replace(v, is_trainable=trainable is None or v.resource is None or v.resource in trainable)
        for v in variables
    )


def _unread_averages(model: Model, saved: dict[str, list[int]]) -> tuple[str, ...]:
    """Return the variables that take their raw value while an average of them was saved."""
    return tuple(
        variable.name
        for variable in model.variables
        if not variable.key.endswith(AVERAGE_SUFFIX) and _average(variable, saved) is not variable
    )


def _averaged(model: Model, saved: dict[str, list[int]]) -> Model:
    averages = tuple(_average(variable, saved) for variable in model.variables)
    raw = [variable for variable in averages if not variable.key.endswith(AVERAGE_SUFFIX)]
    if len(raw) == len(averages):
        raise RequestError(
            f"--moving-averages: the checkpoint {model.path} holds no tensor "
            f"NAME{AVERAGE_SUFFIX} of a variable on the path{_other_averages(model, saved)}"
        )
    without = tuple(variable.name for variable in raw if variable.is_trainable)
    return replace(model, variables=averages, without_average=without)


def _other_averages(model: Model, saved: dict[str, list[int]]) -> str:
    """Return what may be averages under other names, as an optimiser or a scope gives them."""
    names = [
        key
        for key in sorted(saved)
        if _AVERAGE.search(key) and any(variable.name in key for variable in model.variables)
    ]
    return f"; it holds {listed(names)}, which no option maps" if names else ""


def _average(variable: Variable, saved: dict[str, list[int]]) -> Variable:
    # By its key first: the average of a shard is the same slice of the whole variable's average.
    for key, slice_spec in ((variable.key, variable.slice_spec), (variable.name, "")):
        if key + AVERAGE_SUFFIX in saved:
            return replace(
                variable, key=key + AVERAGE_SUFFIX, slice_spec=slice_spec, restored_into=""
            )
    return variable
