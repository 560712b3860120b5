"""The steps of an export, in order: a model and a checkpoint become a folder to be served."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import BrokenModel, FreezeproofError, RequestError, Unsupported, first_line
from harness.exporters.method import Export
from harness.exporters.registry import load_method, method_names
from harness.exporters.saved_model import write_saved_model
from harness.exporters.training_graph import write_graph_def
from harness.exporting.building import Rebuilding, Rebuilt, rebuild
from harness.exporting.checkpoint_writing import write_checkpoint
from harness.exporting.folder import check_place, move_aside, move_in, workplace
from harness.exporting.layout import (
    CHECKPOINT,
    DEFAULT_COLLECTION,
    DEFAULT_METHOD,
    FROZEN_GRAPH,
    SAVED_MODEL,
)
from harness.exporting.manifest import Manifest, Source, Verified, digests_of, write_manifest
from harness.exporting.original_names import with_original_names
from harness.exporting.reading_back import check_checkpoint, check_saved_model
from harness.exporting.steps import Show, Step, show_nothing
from harness.graph.lint import obstacle
from harness.graph.op_registration import check_registered
from harness.locate import locate
from harness.models.frozen import read_graph_def
from harness.models.model import Model
from harness.models.opening import open_model
from harness.models.restorable import check_restorable
from harness.reproduction.fingerprint import fingerprint_of_reference
from harness.subject import Request


@dataclass(frozen=True, kw_only=True)
class Written:
    """An export that is written and not in its place yet, and the reference to hold it against.

    `request` opens the reference: the graph that was rebuilt, or the checkpoint's own, with values
    from the training checkpoint. Nothing of it was made from the export.
    """

    folder: Path
    request: Request


Verify = Callable[[Written], Verified]
"""Looks at an export before it is put in its place; raises an error of ours to keep it out."""


@dataclass(frozen=True, kw_only=True)
class How:
    """How a model is exported, whatever it is."""

    method: str = DEFAULT_METHOD
    verify: Verify | None = None
    show: Show = show_nothing


_PLAIN = How()


def export_rebuilt(
    what: Rebuilding, request: Request, output: Path, *, how: How = _PLAIN
) -> Manifest:
    """Rebuild a model's inference graph and export it with the values of a checkpoint.

    Of `request`, `path` and `moving_averages` count: what is served, the model says.

    Raises:
        RequestError, BrokenModel, Unsupported: as `harness.exporting.export_inference_graph`.
    """
    what.shape()  # a mistake in it is told before anything is read
    located = locate(request.path)
    if located.kind != "checkpoint":
        raise RequestError(f"--checkpoint {request.path}: this is no checkpoint of a training run")

    def rebuilt_in(aside: Path) -> Request:
        how.show(Step.BUILD)
        graph = aside / "rebuilt.meta"
        rebuilt = _written(rebuild(what), graph)
        return replace(
            request,
            path=located.path,
            meta_graph=graph,
            inputs=rebuilt.inputs,
            outputs=rebuilt.outputs,
        )

    return _export(
        rebuilt_in, output, input_type=what.input_type, collection=what.collection, how=how
    )


def export_own_graph(request: Request, output: Path, *, how: How = _PLAIN) -> Manifest:
    """Export the graph that a checkpoint or SavedModel has, between its inputs and outputs.

    Raises:
        RequestError, BrokenModel, Unsupported: as `harness.exporting.export_inference_graph`.
    """
    if locate(request.path).kind == "frozen":
        raise RequestError(f"--checkpoint {request.path}: this is a frozen graph already")
    return _export(
        lambda _: request, output, input_type=None, collection=DEFAULT_COLLECTION, how=how
    )


def _written(rebuilt: Rebuilt, graph: Path) -> Rebuilt:
    graph.write_bytes(rebuilt.meta_graph.SerializeToString(deterministic=True))
    return rebuilt


def _export(
    request_in: Callable[[Path], Request],
    output: Path,
    *,
    input_type: str | None,
    collection: str,
    how: How,
) -> Manifest:
    if how.method not in method_names():
        load_method(how.method)  # which says what there is
    output = check_place(output)  # absolute: the model's code may go elsewhere
    with workplace(output) as place:
        request = request_in(place.aside)
        how.show(Step.READ)
        model = open_model(request)
        _check(model, is_rebuilt=input_type is not None)
        how.show(Step.CHECKPOINT)
        written = write_checkpoint(model, place.export / CHECKPOINT, collection=collection)
        check_checkpoint(written, collection=collection)
        how.show(Step.FREEZE)
        _freeze(written, how.method, place.export / FROZEN_GRAPH, place.aside / "method")
        how.show(Step.SAVED_MODEL)
        check_saved_model(write_saved_model(written, place.export / SAVED_MODEL), model.signature)
        verified = None
        if how.verify is not None:
            how.show(Step.VERIFY)
            verified = how.verify(Written(folder=place.export, request=_named(request, model)))
        how.show(Step.MANIFEST)
        manifest = Manifest(
            signature=model.signature,
            source=_source(request, model),
            method=how.method,
            collection=collection,
            input_type=input_type,
            verified=verified,
            files=digests_of(place.export),
        )
        write_manifest(manifest, place.export)
        check_place(output)  # once more: verifying takes its time
        how.show(Step.MOVE_ASIDE)
        move_aside(place, output)
        how.show(Step.MOVE_IN)
        move_in(place, output)
        how.show(Step.CLEAN)
    return manifest


def _check(model: Model, *, is_rebuilt: bool) -> None:
    check_registered(model.graph_def, holder="the path to the outputs")
    try:
        check_restorable(model)
    except BrokenModel as error:
        if not is_rebuilt:
            raise
        raise BrokenModel(f"model: what it builds is not what was trained: {error}") from error
    reason = obstacle(model.graph_def)
    if reason:
        raise Unsupported(reason)
    if not model.variables:
        names = ", ".join(model.signature.output_names)
        why = "so that a frozen graph would hold nothing of the checkpoint"
        raise RequestError(
            f"model: no variable reaches what postprocess returns ({names}), {why}"
            if is_rebuilt
            else f"no variable reaches the output ({names}), {why}: name the model's outputs with "
            f"--outputs NAMES"
        )


def _freeze(model: Model, method: str, path: Path, folder: Path) -> None:
    """Write the frozen graph by a method, with the model's own tensor names.

    Raises:
        Unsupported: the method cannot serve the model, or writes no .pb.
        BrokenModel: the method fails.
    """
    folder.mkdir()
    try:
        export = load_method(method).export(model, folder)
        _move(export, path)
    except Unsupported as error:
        raise Unsupported(f"--method {method}: {error}") from error
    except FreezeproofError:
        raise
    except Exception as error:  # whatever a converter raises is its failure to export
        raise BrokenModel(
            f"--method {method}: {type(error).__name__}: {first_line(error)}"
        ) from error


def _move(export: Export, path: Path) -> None:
    if export.path.is_dir():
        raise Unsupported("it writes a SavedModel, which every export has, and no .pb")
    renamed = {old: new for old, new in export.names.items() if old != new}
    if renamed:
        write_graph_def(with_original_names(read_graph_def(export.path), renamed), path)
    else:
        shutil.move(export.path, path)


def _named(request: Request, model: Model) -> Request:
    """Return the request with all names settled: what is verified is what was exported."""
    return replace(
        request, inputs=model.signature.input_names, outputs=model.signature.output_names
    )


def _source(request: Request, model: Model) -> Source:
    # The graph that was rebuilt is no part of the source: it is thrown away.
    location = locate(request.path)
    fingerprint = fingerprint_of_reference(location.path)
    return Source(
        path=request.said(str(location.path)),
        digest=fingerprint.digest,
        digest_of=fingerprint.of,
        moving_averages=request.moving_averages,
        without_average=model.without_average,
    )
