"""The whole graph that a path holds, before anything is cut from it, and what is saved with it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from harness.errors import FreezeproofError, RequestError
from harness.graph.forward import collections_of
from harness.graph.restoring import CheckpointEntry, checkpoint_entries
from harness.inspection.facts import ServedSignature, TaggedGraph
from harness.inspection.saved_tensors import NOTHING, SavedTensors, saved_tensors
from harness.locate import Location, is_checkpoint, meta_file
from harness.models.checkpoint import known_entries, read_meta_graph
from harness.models.frozen import read_graph_def
from harness.models.saved_model import (
    choose_meta_graph,
    choose_signature,
    read_saved_model,
    signature_specs,
    signatures_of,
)
from harness.subject import Request


@dataclass(frozen=True, kw_only=True)
class WholeGraph:
    """A graph as it was saved, and the tensors saved with it; `prefix` is where, if anywhere.

    `entries` tell by its node which of them each variable is restored from.
    """

    graph_def: graph_pb2.GraphDef
    collections: Mapping[str, Collection[str]]
    prefix: Path | None = None
    saved: SavedTensors = NOTHING
    entries: Mapping[str, CheckpointEntry]


def read_whole_graph(location: Location, request: Request) -> WholeGraph:
    """Return the whole graph that `request` asks for.

    Raises:
        RequestError: there are several, or none of the tags asked for, or no .meta.
        BrokenModel: a file is damaged.
    """
    if location.kind == "frozen":
        graph_def = read_graph_def(location.path)
        return WholeGraph(graph_def=graph_def, collections={}, entries={})
    is_checkpoint_file = location.kind == "checkpoint"
    if is_checkpoint_file:
        prefix = location.path
        meta = read_meta_graph(request.meta_graph or meta_file(prefix))
    else:
        prefix = location.path / "variables" / "variables"
        meta = choose_meta_graph(location.path, request.tags)
    saved = NOTHING
    if is_checkpoint(prefix):
        # Whoever opens the model says what is wrong with its files.
        with contextlib.suppress(FreezeproofError):
            saved = saved_tensors(prefix)
    entries = checkpoint_entries(meta.graph_def, restore_op=meta.saver_def.restore_op_name)
    return WholeGraph(
        graph_def=meta.graph_def,
        collections=collections_of(meta),
        prefix=prefix if is_checkpoint(prefix) else None,
        saved=saved,
        entries=known_entries(entries, dict(saved.shapes)) if is_checkpoint_file else entries,
    )


def tagged_graphs(folder: Path, request: Request) -> tuple[TaggedGraph, ...]:
    """Return the graphs of the SavedModel in `folder`, what `request` takes of them marked.

    Raises:
        BrokenModel: the file cannot be read.
    """
    try:
        taken = frozenset(choose_meta_graph(folder, request.tags).meta_info_def.tags)
    except RequestError:
        taken = None
    by_tags = {
        frozenset(meta.meta_info_def.tags): meta for meta in read_saved_model(folder).meta_graphs
    }
    return tuple(
        TaggedGraph(
            tags=tuple(sorted(tags)),
            signatures=_signatures(folder, meta, request, is_taken=tags == taken),
            is_taken=tags == taken,
        )
        for tags, meta in by_tags.items()
    )


def _signatures(
    folder: Path, meta: meta_graph_pb2.MetaGraphDef, request: Request, *, is_taken: bool
) -> tuple[ServedSignature, ...]:
    taken = None
    if is_taken and not request.outputs:
        with contextlib.suppress(RequestError):
            taken = choose_signature(folder, meta, request.signature_key)
    return tuple(
        ServedSignature(
            key=key,
            inputs=tuple(signature_specs(signature.inputs.values())),
            outputs=tuple(signature_specs(signature.outputs.values())),
            is_taken=signature == taken,
        )
        for key, signature in sorted(signatures_of(meta).items())
    )
