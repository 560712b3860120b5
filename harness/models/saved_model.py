"""A SavedModel folder: MetaGraphDefs by tags, signatures by key, variables in a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from google.protobuf import text_format
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from harness.errors import BrokenModel, RequestError, nearest
from harness.graph.dtypes import dtype_name, shape_of
from harness.graph.restoring import checkpoint_entries
from harness.locate import missing_files
from harness.models.assemble import Named, assemble
from harness.models.model import Model, open_checkpoint
from harness.signature import Shape, TensorSpec
from harness.tensor_names import canonical

_DEFAULT_TAG = "serve"
_DEFAULT_SIGNATURE = "serving_default"


def open_saved_model(
    folder: Path,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    signature_key: str | None = None,
    tags: Sequence[str] = (),
) -> Model:
    """Return one signature of the SavedModel in `folder`.

    Tensors named in `inputs` and `outputs` go before the signature's.

    Raises:
        RequestError: there are no such tags, signature or tensors.
        BrokenModel: a file is missing or damaged.
    """
    meta = _meta_graph(folder, tags)
    if signature_key and outputs:
        raise RequestError("--signature and --outputs both say what the outputs are: give one")
    signature = None if outputs else _signature(folder, meta, signature_key)
    stated = {spec.name: spec for spec in _specs(signature.inputs.values())} if signature else None
    prefix = folder / "variables" / "variables"
    has_variables = prefix.with_name("variables.index").is_file()
    absent = missing_files(prefix) if has_variables else []
    if absent:
        raise BrokenModel(
            f"{prefix.parent / absent[0]} is missing: the SavedModel was copied in part"
        )
    return assemble(
        meta.graph_def,
        path=folder,
        kind="saved_model",
        named=Named(
            inputs=tuple(inputs) or tuple(stated or ()),
            outputs=tuple(outputs)
            or tuple(spec.name for spec in _specs(signature.outputs.values() if signature else ())),
            stated=stated,
        ),
        entries=checkpoint_entries(meta.graph_def, restore_op=meta.saver_def.restore_op_name),
        checkpoint_prefix=str(prefix) if has_variables else None,
        saved_tensors=(
            len(open_checkpoint(str(prefix)).get_variable_to_shape_map()) if has_variables else 0
        ),
    )


def check_serves(folder: Path, *, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Make sure that a signature of the SavedModel in `folder` serves these tensors.

    Whoever loads it calls a signature: that the graph holds the nodes is not enough.

    Raises:
        BrokenModel: it has signatures, and none takes the inputs and gives the outputs.
    """
    meta = _meta_graph(folder, ())
    served = {
        key: (
            {spec.name for spec in _specs(signature.inputs.values())},
            {spec.name for spec in _specs(signature.outputs.values())},
        )
        for key, signature in meta.signature_def.items()
        if not key.startswith("__")
    }
    if not served or any(
        takes.issuperset(inputs) and gives.issuperset(outputs) for takes, gives in served.values()
    ):
        return
    said = "; ".join(
        f"{key} serves {', '.join(sorted(gives))} from {', '.join(sorted(takes))}"
        for key, (takes, gives) in served.items()
    )
    raise BrokenModel(
        f"no signature of {folder.name} serves {', '.join(outputs)} from {', '.join(inputs)}: "
        f"{said}"
    )


def _meta_graph(folder: Path, tags: Sequence[str]) -> meta_graph_pb2.MetaGraphDef:
    saved_model = _read(folder)
    if not saved_model.meta_graphs:
        raise BrokenModel(f"{folder}: saved_model.pb holds no graph")
    by_tags = {frozenset(m.meta_info_def.tags): m for m in saved_model.meta_graphs}
    listed = "; ".join(",".join(sorted(found)) or "(none)" for found in by_tags)
    if tags:
        if frozenset(tags) not in by_tags:
            raise RequestError(
                f"--tags {','.join(tags)}: {folder} has no such tags; it has {listed}"
            )
        return by_tags[frozenset(tags)]
    if frozenset({_DEFAULT_TAG}) in by_tags:
        return by_tags[frozenset({_DEFAULT_TAG})]
    if len(by_tags) == 1:
        return next(iter(by_tags.values()))
    raise RequestError(f"{folder} holds several graphs: choose one with --tags, of {listed}")


def _read(folder: Path) -> saved_model_pb2.SavedModel:
    saved_model = saved_model_pb2.SavedModel()
    binary, text = folder / "saved_model.pb", folder / "saved_model.pbtxt"
    path = binary if binary.is_file() else text
    try:
        if path is binary:
            saved_model.ParseFromString(path.read_bytes())
        else:
            text_format.Parse(path.read_text(encoding="utf-8"), saved_model)
    except (DecodeError, text_format.ParseError, UnicodeDecodeError) as error:
        raise BrokenModel(f"{path} holds no SavedModel or is damaged: {error}") from error
    return saved_model


def _signature(
    folder: Path, meta: meta_graph_pb2.MetaGraphDef, key: str | None
) -> meta_graph_pb2.SignatureDef | None:
    signatures = {k: s for k, s in meta.signature_def.items() if not k.startswith("__")}
    if key is not None:
        if key not in signatures:
            raise RequestError(
                f"--signature {key}: {folder} has no such signature{nearest(key, signatures)}"
            )
        return signatures[key]
    if _DEFAULT_SIGNATURE in signatures:
        return signatures[_DEFAULT_SIGNATURE]
    if len(signatures) > 1:
        raise RequestError(
            f"{folder} has several signatures: choose one with --signature, "
            f"of {', '.join(sorted(signatures))}"
        )
    return next(iter(signatures.values()), None)


def _specs(infos: Iterable[meta_graph_pb2.TensorInfo]) -> list[TensorSpec]:
    """Return the tensors of a signature, by name, each once; a sparse one is three."""
    found: dict[str, TensorSpec] = {}
    for info in infos:
        sparse = info.coo_sparse
        if info.WhichOneof("encoding") == "coo_sparse":
            rank = None if info.tensor_shape.unknown_rank else len(info.tensor_shape.dim)
            parts: list[tuple[str, str, Shape | None]] = [
                (sparse.indices_tensor_name, "int64", (None, rank)),
                (sparse.values_tensor_name, dtype_name(info.dtype), (None,)),
                (sparse.dense_shape_tensor_name, "int64", (rank,)),
            ]
        else:
            parts = [(info.name, dtype_name(info.dtype), shape_of(info.tensor_shape))]
        for name, dtype, shape in parts:
            spec = TensorSpec(name=canonical(name), dtype=dtype, shape=shape)
            found.setdefault(spec.name, spec)
    return sorted(found.values(), key=lambda spec: spec.name)
