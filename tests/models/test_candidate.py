"""A candidate is read back and held against what the reference's signature needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from harness.errors import BrokenModel, RequestError
from harness.models.candidate import identity, open_candidate, open_outline, size_on_disk
from harness.models.frozen import open_frozen
from harness.models.opening import open_model
from harness.runtime import Mode, Runner
from harness.signature import Signature, TensorSpec
from harness.subject import Request


def signature(*outputs: str, dtype: str = "float32", input: str = "inputs") -> Signature:
    return Signature(
        inputs=(TensorSpec(name=input, dtype=dtype, shape=(None, 3)),),
        outputs=tuple(TensorSpec(name=o, dtype="float32", shape=None) for o in outputs),
    )


def frozen(folder: Path, build: Callable[[Any], object], name: str = "frozen.pb") -> Path:
    """Write the graph of what `build` makes of `inputs`, `(batch, 3) float32`."""
    with tf.Graph().as_default() as graph:
        build(tf.compat.v1.placeholder(tf.float32, (None, 3), name="inputs"))
        (folder / name).write_bytes(graph.as_graph_def().SerializeToString())
    return folder / name


@pytest.fixture(params=[open_candidate, open_outline], ids=["whole", "outline"])
def opened(request: pytest.FixtureRequest) -> Any:
    """Either way to open a candidate."""
    return request.param


def prediction(x: tf.Tensor) -> tf.Tensor:
    return tf.tanh(x, name="prediction")


def test_a_candidate_has_the_inputs_and_outputs_of_the_reference(
    opened: Any, tmp_path: Path
) -> None:
    candidate = opened(frozen(tmp_path, prediction), signature=signature("prediction"))
    assert candidate.signature.input_names == ("inputs",)
    assert candidate.signature.output_names == ("prediction",)


def test_a_method_may_rename_tensors(opened: Any, tmp_path: Path) -> None:
    path = frozen(tmp_path, prediction)
    names = {"x": "inputs", "y": "prediction"}
    candidate = opened(path, signature=signature("y", input="x"), names=names)
    assert candidate.signature.output_names == ("prediction",)


def test_a_missing_output_is_answered_with_the_nearest(opened: Any, tmp_path: Path) -> None:
    path = frozen(tmp_path, prediction)
    with pytest.raises(BrokenModel, match=r"frozen.pb holds no node predictions, an output .*"
                       r"nearest: prediction"):  # fmt: skip
        opened(path, signature=signature("predictions"))


def test_a_missing_input_is_named(opened: Any, tmp_path: Path) -> None:
    path = frozen(tmp_path, prediction)
    with pytest.raises(BrokenModel, match="holds no node input_ids, an input of the reference"):
        opened(path, signature=signature("prediction", input="input_ids"))


def test_an_output_past_those_of_its_node_is_named(opened: Any, tmp_path: Path) -> None:
    path = frozen(tmp_path, prediction)
    with pytest.raises(BrokenModel, match=r"no tensor prediction:1, .*\(Tanh\) has 1 output"):
        opened(path, signature=signature("prediction:1"))


def test_an_output_whose_op_is_not_known_is_named(opened: Any, tmp_path: Path) -> None:
    path = frozen(tmp_path, prediction)
    path.write_bytes(path.read_bytes().replace(b"Tanh", b"Nope"))
    with pytest.raises(BrokenModel, match=r"the op Nope, which .* needs \(node prediction\)"):
        opened(path, signature=signature("prediction"))


def test_an_input_of_another_dtype_is_named_on_both_sides(opened: Any, tmp_path: Path) -> None:
    path = frozen(tmp_path, prediction)
    with pytest.raises(BrokenModel, match=r"takes inputs as float32, .* reference takes float64"):
        opened(path, signature=signature("prediction", dtype="float64"))


def test_the_input_of_a_saved_model_has_the_dtype_of_the_reference_too(
    opened: Any, saved_model: Path
) -> None:
    wanted = signature("StatefulPartitionedCall", dtype="float64", input="embed_x")
    with pytest.raises(BrokenModel, match="takes embed_x as float32"):
        opened(saved_model, signature=wanted)


def test_an_input_may_be_cut_in_mid_graph(opened: Any, tmp_path: Path) -> None:
    path = frozen(tmp_path, lambda x: prediction(tf.square(x, name="features")))
    candidate = opened(path, signature=signature("prediction", input="features"))
    assert {node.name for node in candidate.graph_def.node} == {"features", "prediction"}


@pytest.mark.parametrize(
    ("resource", "op"), [(False, "VariableV2"), (True, "VarHandleOp")], ids=["ref", "resource"]
)
def test_a_variable_left_is_the_models_and_has_no_value(
    opened: Any, tmp_path: Path, resource: bool, op: str
) -> None:
    def build(x: tf.Tensor) -> None:
        w = tf.compat.v1.get_variable("layer/w", (3, 3), use_resource=resource)
        prediction(tf.matmul(x, w))

    candidate = opened(frozen(tmp_path, build), signature=signature("prediction"))

    assert [(each.name, each.op) for each in candidate.variables] == [("layer/w", op)]
    assert (candidate.checkpoint_prefix, candidate.variables_off_path) == (None, ())
    with pytest.raises(BrokenModel, match=rf"is not frozen: layer/w left as variable \({op}\)"):
        candidate.weights["layer/w"]


def test_a_candidate_with_a_variable_left_does_not_run(tmp_path: Path) -> None:
    def build(x: tf.Tensor) -> None:
        prediction(tf.matmul(x, tf.compat.v1.get_variable("w", (3, 3), use_resource=True)))

    candidate = open_candidate(frozen(tmp_path, build), signature=signature("prediction"))

    with pytest.raises(BrokenModel, match="is not frozen: w left as variable"):
        Runner(candidate, mode=Mode.STRICT).open()


def test_variables_off_the_path_are_named_beside_those_on_it(opened: Any, tmp_path: Path) -> None:
    def build(x: tf.Tensor) -> None:
        used, _, _ = (
            tf.compat.v1.get_variable(name, (3, 3), use_resource=resource)
            for name, resource in (("used", True), ("step", True), ("slot", False))
        )
        prediction(tf.matmul(x, used))

    candidate = opened(frozen(tmp_path, build), signature=signature("prediction"))

    assert [each.name for each in candidate.variables] == ["used"]
    assert candidate.variables_off_path == ("step", "slot")


def test_a_table_left_is_named(opened: Any, tmp_path: Path) -> None:
    def build(x: tf.Tensor) -> None:
        initializer = tf.lookup.KeyValueTensorInitializer([1], [2.0], tf.int64, tf.float32)
        table = tf.lookup.StaticHashTable(initializer, -1.0, name="words")
        prediction(table.lookup(tf.cast(x, tf.int64)))

    path = frozen(tmp_path, build)
    with pytest.raises(BrokenModel, match="still holds a lookup table: words"):
        opened(path, signature=signature("prediction"))


def test_an_input_pipeline_left_is_named(opened: Any, tmp_path: Path) -> None:
    def build(x: tf.Tensor) -> None:
        dataset = tf.data.Dataset.from_tensors(1.0)
        prediction(x + tf.compat.v1.data.make_one_shot_iterator(dataset).get_next())

    path = frozen(tmp_path, build)
    with pytest.raises(BrokenModel, match=r"still holds an input pipeline: .*Iterator"):
        opened(path, signature=signature("prediction"))


def test_a_placeholder_left_that_the_reference_does_not_feed_is_named(tmp_path: Path) -> None:
    def build(x: tf.Tensor) -> None:
        prediction(x * tf.compat.v1.placeholder(tf.float32, (), name="keep_prob"))

    path = frozen(tmp_path, build)
    with pytest.raises(BrokenModel, match=r"frozen.pb: .* keep_prob, a placeholder that nothing"):
        open_candidate(path, signature=signature("prediction"))


def test_a_training_graph_in_a_meta_file_is_named_with_what_it_is(
    opened: Any, built: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "frozen.pb"
    path.write_bytes(Path(f"{built('softmax_regression-ref')}.meta").read_bytes())
    words = r"frozen\.pb holds a MetaGraphDef, not a GraphDef: .*; a candidate is frozen from both"
    with pytest.raises(BrokenModel, match=words):
        opened(path, signature=signature("prediction"))


def test_a_saved_model_out_of_its_folder_is_named_with_what_it_is(
    opened: Any, saved_model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "frozen.pb"
    path.write_bytes((saved_model / "saved_model.pb").read_bytes())
    with pytest.raises(BrokenModel, match=r"holds a SavedModel, not a GraphDef: call it saved_"):
        opened(path, signature=signature("prediction"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git-LFS pointer"),
        (b"", "is empty"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
        (b"\n\xff\xff", "was cut short or is damaged"),
    ],
)
def test_a_file_that_is_no_graph_says_what_it_is(
    opened: Any, tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "frozen.pb"
    path.write_bytes(content)
    with pytest.raises(BrokenModel, match=rf"^{path} .*{words}"):
        opened(path, signature=signature("prediction"))


def test_a_graph_that_no_sense_can_be_made_of_is_called_damaged(
    opened: Any, tmp_path: Path
) -> None:
    path = frozen(tmp_path, prediction)
    graph_def = GraphDef.FromString(path.read_bytes())
    graph_def.node[0].attr["dtype"].type = 0
    path.write_bytes(graph_def.SerializeToString())
    with pytest.raises(BrokenModel, match=r"no sense can be made of .* it is damaged"):
        opened(path, signature=signature("prediction"))


def test_a_graph_written_as_text_is_read_whatever_its_name(opened: Any, tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        prediction(tf.compat.v1.placeholder(tf.float32, (None, 3), name="inputs"))
    tf.io.write_graph(graph, str(tmp_path), "frozen.pb")
    candidate = opened(tmp_path / "frozen.pb", signature=signature("prediction"))
    assert candidate.signature.output_names == ("prediction",)


def test_a_checkpoint_is_no_candidate(opened: Any, built: Callable[[str], Path]) -> None:
    with pytest.raises(RequestError, match="a checkpoint is no candidate"):
        opened(built("softmax_regression-ref"), signature=signature("prediction"))


def test_nothing_at_the_path_is_a_fault_of_the_request(opened: Any, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"gone\.pb"):
        opened(tmp_path / "gone.pb", signature=signature("prediction"))


def test_a_saved_model_without_the_tensors_of_the_reference_names_them(
    opened: Any, saved_model: Path
) -> None:
    with pytest.raises(BrokenModel, match="no signature of two_layers serves prediction"):
        opened(saved_model, signature=signature("prediction"))


def large(x: tf.Tensor) -> tf.Tensor:
    return prediction(tf.matmul(x, tf.constant(KERNEL, name="kernel")))


KERNEL = np.random.default_rng(0).normal(size=(3, 900)).astype(np.float32)


def test_an_outline_is_the_candidate_without_its_large_constants(tmp_path: Path) -> None:
    path = frozen(tmp_path, large)

    outline = open_outline(path, signature=signature("prediction"))

    candidate = open_candidate(path, signature=signature("prediction"))
    assert not candidate.left_out
    assert outline.signature.inputs == candidate.signature.inputs
    for node in candidate.graph_def.node:
        if node.name == "kernel":
            node.attr["value"].tensor.tensor_content = b""
    assert outline.graph_def == candidate.graph_def
    np.testing.assert_array_equal(outline.constants["kernel"], KERNEL)


def test_a_node_off_the_path_that_cannot_be_imported_is_found_where_it_is(tmp_path: Path) -> None:
    path = frozen(tmp_path, prediction)
    stray = GraphDef.FromString(path.read_bytes())
    stray.node.add(name="stray", op="Tanh", input=["gone"]).attr["T"].type = 1
    path.write_bytes(stray.SerializeToString())
    with pytest.raises(BrokenModel, match=r"^frozen\.pb cannot be imported: .*gone"):
        open_candidate(path, signature=signature("prediction"))
    open_outline(path, signature=signature("prediction"))


def test_an_outline_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = frozen(tmp_path, large)
    monkeypatch.setattr(tf, "import_graph_def", pytest.fail)
    assert open_outline(path, signature=signature("prediction")).constants["kernel"].size == 2700


def test_the_outline_of_a_saved_model_has_its_variables(saved_model: Path) -> None:
    outline = open_outline(
        saved_model, signature=signature("StatefulPartitionedCall", input="embed_x")
    )
    assert [value.shape for value in outline.weights.values()] == [(3, 4)]


def test_outlines_are_told_apart_by_their_path(tmp_path: Path) -> None:
    paths = [frozen(tmp_path, large, name) for name in ("one.pb", "other.pb")]
    one, other = (open_outline(path, signature=signature("prediction")) for path in paths)
    assert one.graph_def == other.graph_def
    assert identity(one) != identity(other)


def test_candidates_that_are_one_graph_have_one_identity(tmp_path: Path) -> None:
    one = open_frozen(frozen(tmp_path, prediction))
    again = open_frozen(frozen(tmp_path, prediction, "again.pb"))
    other = open_frozen(frozen(tmp_path, lambda x: tf.tanh(x * 2.0, name="prediction"), "other.pb"))
    assert identity(one) == identity(again) != identity(other)


def test_graphs_that_keep_their_weights_outside_are_told_apart_by_their_path(
    built: Callable[[str], Path],
) -> None:
    prefix = built("softmax_regression-ref")
    fresh = open_model(Request(path=prefix))
    stale = open_model(Request(path=prefix.with_name("model.ckpt-5")))
    assert identity(fresh) != identity(stale)


def test_the_size_is_that_of_the_file_or_of_all_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    for name, size in (("a", 10), ("inner/b", 5)):
        (tmp_path / name).write_bytes(bytes(size))
    assert size_on_disk(tmp_path / "a") == 10
    assert size_on_disk(tmp_path) == 15
