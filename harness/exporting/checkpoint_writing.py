"""The checkpoint of an export: the model's variables, each under its own name, beside its graph.

What is read from a training checkpoint under another name, the moving average above all, is written
under the variable's: whoever restores the export needs no map.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    variables = tuple(replace(v, key=_own_key(v), restored_into="") for v in model.variables)
    written = replace(
        model,
        path=prefix,
        variables=variables,
        checkpoint_prefix=str(prefix),
        meta_path=prefix.with_name(f"{prefix.name}.meta"),
    )
    _write_values(model, variables, prefix)
    _check_values(model, written)
    assert written.meta_path is not None
    meta_graph = _meta_graph(written, collection)
    written.meta_path.write_bytes(meta_graph.SerializeToString(deterministic=True))
    return written


def _own_key(variable: Variable) -> str:
    # A variable that is an average itself, read by the graph, keeps its name.
    if variable.name.endswith(AVERAGE_SUFFIX):
        return variable.key
    return variable.key.removesuffix(AVERAGE_SUFFIX)


def _meta_graph(model: Model, collection: str) -> meta_graph_pb2.MetaGraphDef:
    meta_graph = training_meta_graph(model)
    outputs = [session_name(name) for name in model.signature.output_names]
    meta_graph.collection_def[collection].node_list.value.extend(outputs)
    meta_graph.signature_def[SIGNATURE_KEY].CopyFrom(serving_signature(model.signature))
    return meta_graph


def _write_values(model: Model, written: tuple[Variable, ...], prefix: Path) -> None:
    """Read values one at a time and write them, so many at a time."""
    parts: list[str] = []
    for entries in _portions(zip(model.variables, written, strict=True), model):
        part = prefix.with_name(f"{prefix.name}.part-{len(parts)}")
        _save(part, entries)
        parts.append(str(part))
    with tf.Graph().as_default(), cpu_session() as session:
        merge = tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=parts, destination_prefix=str(prefix), delete_old_dirs=False
        )
        session.run(merge)


_Entry = tuple[Variable, npt.NDArray[Any]]


def _portions(pairs: Iterable[tuple[Variable, Variable]], model: Model) -> Iterator[list[_Entry]]:
    # Of several nodes of one variable the value is written once, and the slices of one tensor
    # together: the merging of shards knows no slices.
    by_key: dict[str, dict[str, tuple[Variable, str]]] = {}
    for source, target in pairs:
        by_key.setdefault(target.key, {}).setdefault(target.slice_spec, (target, source.name))
    weights = model.weights
    portion: list[_Entry] = []
    size = 0
    for slices in by_key.values():
        entries = [(target, weights[name]) for target, name in slices.values()]
        portion += entries
        size += sum(value.nbytes for _, value in entries)
        if size >= _BYTES_AT_A_TIME:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _save(prefix: Path, entries: list[_Entry]) -> None:
    with tf.Graph().as_default(), cpu_session() as session:
        values = [
            tf.compat.v1.placeholder(tf.as_dtype(v.dtype), array.shape) for v, array in entries
        ]
        save = tf.raw_ops.SaveV2(
            prefix=str(prefix),
            tensor_names=[variable.key for variable, _ in entries],
            shape_and_slices=[variable.slice_spec for variable, _ in entries],
            tensors=values,
        )
        session.run(save, dict(zip(values, (array for _, array in entries), strict=True)))


def _check_values(source: Model, written: Model) -> None:
    """Read every value back, and hold it against its source, bit for bit."""
    expected, found = source.weights, written.weights
    for variable in written.variables:
        difference = compare(
            np.asarray(expected[variable.name]), np.asarray(found[variable.name]), criterion=Exact()
        )
        if difference is not None:
            raise BrokenModel(
                f"{written.path}: variable {variable.name} was written with another value than "
                f"{source.checkpoint_prefix} holds: {difference}"
            )
