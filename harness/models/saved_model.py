"""A SavedModel folder: MetaGraphDefs by tags, signatures by key, variables in a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from harness.errors import BrokenModel, RequestError, listed, nearest
from harness.graph.dtypes import dtype_name, shape_of
from harness.graph.forward import collections_of
from harness.graph.restoring import checkpoint_entries
from harness.locate import is_checkpoint
from harness.misfit import is_text, read_head
from harness.models.assemble import Named, assemble
from harness.models.checkpoint_files import check_files
from harness.models.model import Model, open_checkpoint
from harness.models.proto_file import SAVED_MODEL, making_sense_of, read_graph_file
from harness.models.variables import local_variables_of
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
    meta = choose_meta_graph(folder, tags)
    if signature_key and outputs:
        raise RequestError("--signature and --outputs both say what the outputs are: give one")
    prefix = folder / "variables" / "variables"
    has_variables = is_checkpoint(prefix)
    if has_variables:
        check_files(prefix)
    with making_sense_of(_file_in(folder)):
        signature = None if outputs else choose_signature(folder, meta, signature_key)
        stated = (
            {spec.name: spec for spec in signature_specs(signature.inputs.values())}
            if signature
            else None
        )
        results = signature_specs(signature.outputs.values() if signature else ())
        model = assemble(
            meta.graph_def,
            path=folder,
            kind="saved_model",
            named=Named(
                inputs=tuple(inputs) or tuple(stated or ()),
                outputs=tuple(outputs) or tuple(spec.name for spec in results),
                stated=stated,
            ),
            entries=checkpoint_entries(meta.graph_def, restore_op=meta.saver_def.restore_op_name),
            checkpoint_prefix=str(prefix) if has_variables else None,
            saved_tensors=_count_of_tensors(prefix) if has_variables else 0,
            collections=collections_of(meta),
            local_variables=local_variables_of(meta),
        )
    if model.variables and not has_variables:
        names = listed([variable.name for variable in model.variables])
        raise BrokenModel(
            f"{prefix.parent} holds no values, and the SavedModel has variables ({names}): "
            f"copy the whole folder of the SavedModel"
        )
    return model


def check_serves(folder: Path, *, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Make sure that a signature of the SavedModel in `folder` serves these tensors.

    Whoever loads it calls a signature: that the graph holds the nodes is not enough.

    Raises:
        BrokenModel: it has signatures, and none takes the inputs and gives the outputs.
    """
    meta = choose_meta_graph(folder, ())
    served = {
        key: (
            {spec.name for spec in signature_specs(signature.inputs.values())},
            {spec.name for spec in signature_specs(signature.outputs.values())},
        )
        for key, signature in signatures_of(meta).items()
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


def choose_meta_graph(folder: Path, tags: Sequence[str]) -> meta_graph_pb2.MetaGraphDef:
    """Return the graph with those tags; without any, the one to serve, or the only one.

    Raises:
        RequestError: there is none, or several and no tags to choose by.
        BrokenModel: the file cannot be read.
    """
    saved_model = read_saved_model(folder)
    by_tags = {frozenset(m.meta_info_def.tags): m for m in saved_model.meta_graphs}
    all_tags = "; ".join(",".join(sorted(found)) or "(none)" for found in by_tags)
    if tags:
        if frozenset(tags) not in by_tags:
            raise RequestError(
                f"--tags {','.join(tags)}: {folder} has no such tags; it has {all_tags}"
            )
        return by_tags[frozenset(tags)]
    if frozenset({_DEFAULT_TAG}) in by_tags:
        return by_tags[frozenset({_DEFAULT_TAG})]
    if len(by_tags) == 1:
        return next(iter(by_tags.values()))
    raise RequestError(f"{folder} holds several graphs: choose one with --tags, of {all_tags}")


def read_saved_model(folder: Path) -> saved_model_pb2.SavedModel:
    """Return what saved_model.pb or .pbtxt holds.

    Raises:
        BrokenModel: no SavedModel, or one that TensorFlow would not find under that name.
    """
    path = _file_in(folder)
    saved_model = read_graph_file(path, SAVED_MODEL)
    has_text = is_text(read_head(path))
    if has_text != (path.suffix == ".pbtxt"):
        what, name = ("text", "saved_model.pbtxt") if has_text else ("binary", "saved_model.pb")
        raise BrokenModel(
            f"{path} holds {what}, and TensorFlow goes by the name of this file: call it {name}"
        )
    return saved_model


def _file_in(folder: Path) -> Path:
    binary = folder / "saved_model.pb"
    return binary if binary.is_file() else binary.with_suffix(".pbtxt")


def signatures_of(meta: meta_graph_pb2.MetaGraphDef) -> dict[str, meta_graph_pb2.SignatureDef]:
    """Return the signatures by key, without TensorFlow's own ("__saved_model_init_op")."""
    return {k: s for k, s in meta.signature_def.items() if not k.startswith("__")}


def choose_signature(
    folder: Path, meta: meta_graph_pb2.MetaGraphDef, key: str | None
) -> meta_graph_pb2.SignatureDef | None:
    """Return the signature of that key; without a key, the default or the only one, or None.

    Raises:
        RequestError: there is none of that key, or several and no key.
    """
    signatures = signatures_of(meta)
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


def _count_of_tensors(prefix: Path) -> int:
    return len(open_checkpoint(str(prefix)).get_variable_to_shape_map())


def signature_specs(infos: Iterable[meta_graph_pb2.TensorInfo]) -> list[TensorSpec]:
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
