"""An export that serves something else than it should is seen before it is in its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from harness.errors import BrokenModel
from harness.exporters.saved_model import write_saved_model
from harness.exporting.checkpoint_writing import write_checkpoint
from harness.exporting.reading_back import check_checkpoint, check_saved_model
from harness.models.model import Model
from harness.models.opening import open_model
from harness.subject import Request

COLLECTION = "inference_op"


@pytest.fixture
def written(built: Callable[[str], Path], tmp_path: Path) -> Model:
    """A model of two outputs, written."""
    model = open_model(Request(path=built("several_outputs-resource")))
    assert len(model.signature.outputs) > 1
    return write_checkpoint(model, tmp_path / "model.ckpt", collection=COLLECTION)


def edit_meta_graph(written: Model, change: Callable[[Any], None]) -> None:
    assert written.meta_path is not None
    meta = meta_graph_pb2.MetaGraphDef.FromString(written.meta_path.read_bytes())
    change(meta)
    written.meta_path.write_bytes(meta.SerializeToString())


def exchange(signature: Any) -> None:
    first, second = sorted(signature.outputs)[:2]
    kept = signature.outputs[first].name
    signature.outputs[first].name = signature.outputs[second].name
    signature.outputs[second].name = kept


def test_what_was_written_is_found(written: Model) -> None:
    check_checkpoint(written, collection=COLLECTION)


def other_op(meta: Any) -> None:
    next(node for node in meta.graph_def.node if node.op == "MatMul").attr["transpose_a"].b = True


def other_key(meta: Any) -> None:
    node = next(n for n in meta.graph_def.node if n.name == "freezeproof_save/tensor_names")
    values = node.attr["value"].tensor.string_val
    values[:] = list(reversed(values))


def fewer_outputs(meta: Any) -> None:
    del meta.collection_def[COLLECTION].node_list.value[-1]


def exchanged(meta: Any) -> None:
    exchange(meta.signature_def["serving_default"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_op, "model.ckpt.meta holds another graph than was written"),
        (other_key, "model.ckpt.meta restores other variables than the graph has"),
        (fewer_outputs, "model.ckpt.meta lists other outputs in inference_op than are served"),
        (exchanged, "model.ckpt.meta serves .* in serving_default, and should serve .*"),
    ],
)
def test_a_checkpoint_that_serves_something_else_is_refused(
    written: Model, change: Callable[[Any], None], message: str
) -> None:
    edit_meta_graph(written, change)
    with pytest.raises(BrokenModel, match=message):
        check_checkpoint(written, collection=COLLECTION)


def test_a_saved_model_whose_keys_are_exchanged_is_refused(written: Model, tmp_path: Path) -> None:
    folder = write_saved_model(written, tmp_path / "saved_model")
    check_saved_model(folder, written.signature)
    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    exchange(saved.meta_graphs[0].signature_def["serving_default"])
    path.write_bytes(saved.SerializeToString())
    with pytest.raises(BrokenModel, match=r"saved_model serves .*, and should serve"):
        check_saved_model(folder, written.signature)
