"""The checkpoint of an export: the model's variables, each under its own name, beside its graph.

What is read from a training checkpoint under another name, the moving average above all, is written
under the variable's: whoever restores the export needs no map.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from harness.criteria import Exact, compare
from harness.errors import BrokenModel
from harness.exporters.saved_model import SIGNATURE_KEY, serving_signature
from harness.exporters.training_graph import cpu_session, training_meta_graph
from harness.graph.state import Variable
from harness.models.checkpoint import AVERAGE_SUFFIX
from harness.models.model import Model
from harness.tensor_names import session_name

_BYTES_AT_A_TIME = 256 * 2**20
"""So much is held in memory; a larger checkpoint is written in several shards."""


def write_checkpoint(model: Model, prefix: Path, *, collection: str) -> Model:
    """Write graph and values of `model` at `prefix`, and return the model that is there now.

    Raises:
        BrokenModel: a value cannot be read, or is not what was written.
    """
    variables = _under_own_names(model.variables)
    written = replace(
        model,
        path=prefix,
        variables=variables,
        checkpoint_prefix=str(prefix),
        meta_path=prefix.with_name(f"{prefix.name}.meta"),
    )
    tensors = _tensors(model.variables, variables)
    source = replace(model, variables=tuple(read for read, _ in tensors))
    target = replace(written, variables=tuple(kept for _, kept in tensors))
    _write_values(source, target, prefix)
    _check_values(source, target)
    assert written.meta_path is not None
    meta_graph = _meta_graph(written, collection)
    written.meta_path.write_bytes(meta_graph.SerializeToString(deterministic=True))
    return written


def _under_own_names(variables: tuple[Variable, ...]) -> tuple[Variable, ...]:
    """Return the variables as they are in the export: no average, and no slice without the others.

    TensorFlow cannot read a tensor that some slices of are missing.
    """
    taken = {variable.key for variable in variables}
    named = [replace(v, key=_own_key(v, taken), restored_into="") for v in variables]
    slices: dict[str, set[str]] = {}
    for variable in named:
        slices.setdefault(variable.key, set()).add(variable.slice_spec)
    partial = {key for key, specs in slices.items() if not _is_whole(specs)}
    return tuple(
        replace(v, key=v.name, slice_spec="") if v.slice_spec and v.key in partial else v
        for v in named
    )


def _own_key(variable: Variable, taken: Collection[str]) -> str:
    # A variable that is an average itself, read by the graph, keeps its name; so does one whose
    # own is another's.
    own = variable.key.removesuffix(AVERAGE_SUFFIX)
    is_average = variable.name.endswith(AVERAGE_SUFFIX)
    return variable.key if is_average or own in taken else own


def _is_whole(specs: Collection[str]) -> bool:
    """Say whether slices, which a saver's specs name, make up the tensor that they are of."""
    if "" in specs:
        return True
    covered = 0
    total = 0
    for spec in specs:
        *shape, extents = spec.split()
        sizes = list(map(int, shape))
        total = math.prod(sizes)
        covered += math.prod(
            size if extent == "-" else int(extent.partition(",")[2])
            for size, extent in zip(sizes, extents.split(":"), strict=True)
        )
    return covered == total


def _meta_graph(model: Model, collection: str) -> meta_graph_pb2.MetaGraphDef:
    meta_graph = training_meta_graph(model)
    outputs = [session_name(name) for name in model.signature.output_names]
    meta_graph.collection_def[collection].node_list.value.extend(outputs)
    meta_graph.signature_def[SIGNATURE_KEY].CopyFrom(serving_signature(model.signature))
    return meta_graph


def _tensors(
    sources: tuple[Variable, ...], targets: tuple[Variable, ...]
) -> list[tuple[Variable, Variable]]:
    """Return a variable to read each tensor that is written, and one to read it again.

    Several nodes of one variable are one tensor, and so are its slices: as a whole it is read
    once, and the merging of shards, which knows no slices, has nothing to mix up. It is restored
    into slices all the same.
    """
    by_key: dict[str, tuple[Variable, Variable]] = {}
    for source, target in zip(sources, targets, strict=True):
        pair = (source, target)
        if target.slice_spec:
            pair = (replace(source, slice_spec=""), replace(target, slice_spec=""))
        by_key.setdefault(target.key, pair)
    return list(by_key.values())


_Entry = tuple[Variable, npt.NDArray[Any]]


def _write_values(source: Model, target: Model, prefix: Path) -> None:
    """Read values one at a time and write them, so many at a time."""
    parts: list[str] = []
    for entries in _portions(source, target):
        part = prefix.with_name(f"{prefix.name}.part-{len(parts)}")
        _save(part, entries)
        parts.append(str(part))
        entries.clear()  # before the next are read
    with tf.Graph().as_default(), cpu_session() as session:
        merge = tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=parts, destination_prefix=str(prefix), delete_old_dirs=False
        )
        session.run(merge)


def _portions(source: Model, target: Model) -> Iterator[list[_Entry]]:
    weights = source.weights
    portion: list[_Entry] = []
    size = 0
    for read, kept in zip(source.variables, target.variables, strict=True):
        portion.append((kept, weights[read.name]))
        size += portion[-1][1].nbytes
        if size >= _BYTES_AT_A_TIME:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _save(prefix: Path, entries: list[_Entry]) -> None:
    with tf.Graph().as_default(), cpu_session() as session:
        values = [
            tf.compat.v1.placeholder(tf.as_dtype(variable.dtype), value.shape)
            for variable, value in entries
        ]
        save = tf.raw_ops.SaveV2(
            prefix=str(prefix),
            tensor_names=[variable.key for variable, _ in entries],
            shape_and_slices=[""] * len(entries),
            tensors=values,
        )
        session.run(save, dict(zip(values, (value for _, value in entries), strict=True)))


def _check_values(source: Model, written: Model) -> None:
    """Read every tensor back, and hold it against its source, bit for bit."""
    expected, found = source.weights, written.weights
    for variable in written.variables:
        difference = compare(
            np.asarray(expected[variable.name]), np.asarray(found[variable.name]), criterion=Exact()
        )
        if difference is not None:
            raise BrokenModel(
                f"{written.path}: a value was written otherwise than {source.checkpoint_prefix} "
                f"holds it: {difference.describe(variable.name)}"
            )
