"""The checkpoint of an export, restored by TensorFlow alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from fixtures.catalogue import FIXTURES, Fixture
from fixtures.freezing import request_for
from harness.errors import BrokenModel, RequestError
from harness.exporting import checkpoint_writing, export_inference_graph
from harness.exporting.checkpoint_writing import write_checkpoint
from harness.exporting.exporting import export_own_graph
from harness.exporting.manifest import read_manifest
from harness.models.model import Model
from harness.models.opening import open_model
from harness.signature import Signature, TensorSpec
from harness.subject import Request
from harness.tensor_names import session_name
from tests.conftest import TwoLayers

v1 = tf.compat.v1
Array = npt.NDArray[Any]
AVERAGE = "/ExponentialMovingAverage"
COLLECTION = "inference_op"
EITHER_KIND = pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
DTYPES = (
    "float32", "float64", "float16", "bfloat16", "int8", "uint8", "int16", "int32", "int64",
    "bool", "complex64", "complex128",
)  # fmt: skip


def saved(
    folder: Path, build: Callable[[], object], *, saver: Callable[[], Any] | None = None
) -> Path:
    """The checkpoint of the graph that `build` builds, with first values."""
    with tf.Graph().as_default(), v1.Session() as session:
        build()
        made = saver() if saver else v1.train.Saver()
        session.run(v1.global_variables_initializer())
        return Path(made.save(session, str(folder / "trained.ckpt")))


def written(request: Request, folder: Path) -> tuple[Model, Model]:
    """The model, and what is read again of it."""
    folder.mkdir()
    source = open_model(request)
    write_checkpoint(source, folder / "model.ckpt", collection=COLLECTION)
    again = replace(request, path=folder / "model.ckpt", meta_graph=None, moving_averages=False)
    return source, open_model(again)


def keys_in(prefix: Path) -> dict[str, Any]:
    keys: dict[str, Any] = tf.train.load_checkpoint(str(prefix)).get_variable_to_shape_map()
    return keys


def bits(value: object) -> object:
    array = np.asarray(value)
    return array.tolist() if array.dtype == object else (array.dtype, array.shape, array.tobytes())


def check_same_values(source: Model, target: Model) -> None:
    assert {variable.name for variable in source.variables} <= set(target.weights)
    for name, value in source.weights.items():
        assert bits(target.weights[name]) == bits(value)


def shape_or(spec: TensorSpec, unknown: Sequence[int]) -> Sequence[int | None]:
    return unknown if spec.shape is None else spec.shape


def feeds(signature: Signature) -> dict[str, Array]:
    generator = np.random.default_rng(1)

    def values(spec: TensorSpec) -> Array:
        shape = [4 if size is None else size for size in shape_or(spec, (4, 4))]
        small = generator.integers(0, 5, shape)
        if spec.dtype == "string":
            return small.astype(str).astype(object)
        return small.astype(tf.as_dtype(spec.dtype).as_numpy_dtype)

    return {session_name(spec.name): values(spec) for spec in signature.inputs}


def run(prefix: Path, signature: Signature, *, averages: bool = False) -> list[Array]:
    """The outputs, as TensorFlow restores the graph; averages are put in by hand."""
    with tf.Graph().as_default(), v1.Session() as session:
        v1.train.import_meta_graph(f"{prefix}.meta", clear_devices=True).restore(
            session, str(prefix)
        )
        if averages:
            reader = tf.train.load_checkpoint(str(prefix))
            for variable in v1.trainable_variables():
                variable.load(reader.get_tensor(variable.op.name + AVERAGE), session)
        names = [session_name(name) for name in signature.output_names]
        found: list[Array] = session.run(names, feeds(signature))
        return found


def weight(
    name: str, *, resource: bool = True, shape: Sequence[int] = (3, 3), **options: Any
) -> Any:
    return v1.get_variable(
        name,
        shape,
        initializer=v1.random_normal_initializer(),
        use_resource=resource,
        **options,
    )


def colours() -> Any:
    return v1.placeholder(tf.float32, (None, 3), name="x")


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
def test_what_is_written_computes_the_same(
    fixture: Fixture, built: Callable[[str], Path], tmp_path: Path
) -> None:
    prefix = built(fixture.name)

    source, target = written(request_for(fixture, prefix), tmp_path / "exported")

    check_same_values(source, target)
    expected = run(prefix, source.signature, averages=fixture.moving_averages)
    found = run(tmp_path / "exported" / "model.ckpt", source.signature)
    assert list(map(bits, found)) == list(map(bits, expected))


@EITHER_KIND
@pytest.mark.parametrize("name", DTYPES)
def test_each_value_is_written_bit_for_bit(name: str, resource: bool, tmp_path: Path) -> None:
    dtype = tf.as_dtype(name).as_numpy_dtype
    value = np.frombuffer(np.random.default_rng(1).bytes(64), np.uint8)
    value = value % 2 == 1 if name == "bool" else value.view(dtype)

    def build() -> None:
        w = v1.get_variable("w", initializer=tf.constant(value), use_resource=resource)
        tf.tile(w, v1.placeholder(tf.int32, (1,), name="times"), name="y")

    prefix = saved(tmp_path, build)

    written(Request(path=prefix, outputs=("y",)), tmp_path / "exported")

    reader = tf.train.load_checkpoint(str(tmp_path / "exported" / "model.ckpt"))
    assert bits(reader.get_tensor("w")) == bits(value)


@EITHER_KIND
@pytest.mark.parametrize(
    "value",
    [b"", b"zero at the end\0", [b"\xff\0", b"", "числа".encode()], [], [[]], 7, [[[1]]]],
    ids=str,
)
def test_values_of_any_size_are_written(value: Any, resource: bool, tmp_path: Path) -> None:
    def build() -> None:
        w = v1.get_variable("w", initializer=tf.constant(value), use_resource=resource)
        with tf.control_dependencies([v1.placeholder(tf.float32, name="x")]):
            tf.identity(w, name="y")

    prefix = saved(tmp_path, build)

    source, target = written(
        Request(path=prefix, inputs=("x",), outputs=("y",)), tmp_path / "exported"
    )

    assert bits(target.weights["w"]) == bits(source.weights["w"])
    assert np.asarray(target.weights["w"]).shape == np.shape(value)


def build_two_handles() -> None:
    w = weight("w")
    again = tf.raw_ops.VarHandleOp(
        dtype=tf.float32, shape=(3, 3), shared_name="w", container="", name="handle"
    )
    second = tf.raw_ops.ReadVariableOp(resource=again, dtype=tf.float32)
    tf.matmul(tf.matmul(colours(), w), second, name="y")


def test_a_variable_of_two_nodes_is_written_once(tmp_path: Path) -> None:
    prefix = saved(tmp_path, build_two_handles)

    source, target = written(Request(path=prefix, outputs=("y",)), tmp_path / "exported")

    assert len(source.variables) == 2
    assert list(keys_in(target.path)) == ["w"]
    check_same_values(source, target)


def build_averaged(*, reads_average: bool = False) -> None:
    """`w` has an average, `u` has none."""
    w, u = weight("w"), weight("u", trainable=False)
    average = v1.get_variable(
        f"w{AVERAGE}", (3, 3), initializer=v1.random_normal_initializer(), trainable=False
    )
    y = tf.matmul(tf.matmul(colours(), w), u)
    y = tf.identity(tf.matmul(y, average) if reads_average else y, name="y")
    tf.split(y, (1, 2), axis=1, name="halves")


@pytest.mark.parametrize("reads_average", [False, True])
def test_an_average_is_written_under_the_name_of_its_variable(
    reads_average: bool, tmp_path: Path
) -> None:
    prefix = saved(tmp_path, lambda: build_averaged(reads_average=reads_average))
    trained = tf.train.load_checkpoint(str(prefix))
    request = Request(path=prefix, outputs=("y",), moving_averages=True)

    written(request, tmp_path / "exported")

    reader = tf.train.load_checkpoint(str(tmp_path / "exported" / "model.ckpt"))
    own = {f"w{AVERAGE}"} if reads_average else set()
    assert set(reader.get_variable_to_shape_map()) == {"w", "u"} | own
    assert bits(reader.get_tensor("w")) == bits(trained.get_tensor(f"w{AVERAGE}"))
    assert bits(reader.get_tensor("u")) == bits(trained.get_tensor("u"))


def test_an_average_whose_variable_is_read_too_keeps_its_name(tmp_path: Path) -> None:
    made = []

    def build() -> None:
        made.extend([weight("a"), weight("b")])
        tf.matmul(tf.matmul(colours(), made[0]), made[1], name="y")

    prefix = saved(
        tmp_path, build, saver=lambda: v1.train.Saver({f"w{AVERAGE}": made[0], "w": made[1]})
    )

    source, target = written(Request(path=prefix, outputs=("y",)), tmp_path / "exported")

    assert set(keys_in(target.path)) == {"w", f"w{AVERAGE}"}
    check_same_values(source, target)


def build_in_parts(*, parts: Sequence[int], resource: bool, averaged: Sequence[int] = ()) -> None:
    """A matrix of six rows in three slices, of which some are used, and some have averages."""
    w = v1.get_variable(
        "w",
        (6, 3),
        initializer=v1.random_normal_initializer(),
        partitioner=v1.fixed_size_partitioner(3),
        use_resource=resource,
    )
    x = v1.placeholder(tf.float32, (None, 2 * len(parts)), name="x")
    tf.matmul(x, tf.concat([list(w)[part] for part in parts], axis=0), name="y")
    for part in averaged:
        weight(f"w/part_{part}{AVERAGE}", shape=(2, 3))


@EITHER_KIND
def test_slices_of_one_tensor_are_written_as_that(resource: bool, tmp_path: Path) -> None:
    prefix = saved(tmp_path, lambda: build_in_parts(parts=(0, 1, 2), resource=resource))

    source, target = written(Request(path=prefix, outputs=("y",)), tmp_path / "exported")

    assert keys_in(target.path) == {"w": [6, 3]}
    check_same_values(source, target)


@EITHER_KIND
def test_slices_without_the_others_are_written_as_tensors(resource: bool, tmp_path: Path) -> None:
    """TensorFlow cannot read a tensor that lacks a slice."""
    prefix = saved(tmp_path, lambda: build_in_parts(parts=(2, 0), resource=resource))

    source, target = written(Request(path=prefix, outputs=("y",)), tmp_path / "exported")

    assert keys_in(target.path) == {"w/part_0": [2, 3], "w/part_2": [2, 3]}
    check_same_values(source, target)
    assert bits(run(target.path, target.signature)) == bits(run(prefix, source.signature))


@EITHER_KIND
def test_slices_of_which_one_has_an_average_are_written_as_tensors(
    resource: bool, tmp_path: Path
) -> None:
    prefix = saved(
        tmp_path, lambda: build_in_parts(parts=(0, 1, 2), resource=resource, averaged=[1])
    )
    request = Request(path=prefix, outputs=("y",), moving_averages=True)

    source, target = written(request, tmp_path / "exported")

    assert {f"w/part_{index}" for index in range(3)} == set(keys_in(target.path))
    check_same_values(source, target)


@pytest.mark.parametrize(("size", "shards"), [(0, 4), (40, 3), (73, 2), (10**6, 1)])
def test_a_checkpoint_in_several_portions_is_put_together(
    size: int, shards: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build() -> None:
        build_in_parts(parts=(0, 1, 2), resource=True)
        y = tf.matmul(tf.matmul(colours(), weight("a")), weight("b"))
        tf.matmul(y, weight("c"), name="z")

    prefix = saved(tmp_path, build)
    monkeypatch.setattr(checkpoint_writing, "_BYTES_AT_A_TIME", size)

    source, target = written(Request(path=prefix, outputs=("y", "z")), tmp_path / "exported")

    assert set(keys_in(target.path)) == {"a", "b", "c", "w"}
    check_same_values(source, target)
    names = sorted(file.name for file in (tmp_path / "exported").iterdir())
    data = [f"model.ckpt.data-{index:05}-of-{shards:05}" for index in range(shards)]
    assert names == [*data, "model.ckpt.index", "model.ckpt.meta"]


def test_a_portion_is_let_go_before_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = saved(tmp_path, build_averaged)
    portions: list[list[Any]] = []
    save = checkpoint_writing._save

    def watched(path: Path, entries: list[Any]) -> None:
        assert not any(portions)
        portions.append(entries)
        save(path, entries)

    monkeypatch.setattr(checkpoint_writing, "_save", watched)
    monkeypatch.setattr(checkpoint_writing, "_BYTES_AT_A_TIME", 0)
    written(Request(path=prefix, outputs=("y",)), tmp_path / "exported")

    assert portions == [[], []]


def test_a_value_that_was_written_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = saved(tmp_path, build_averaged)
    save = checkpoint_writing._save

    def wrong(path: Path, entries: list[Any]) -> None:
        save(path, [(variable, value + (variable.key == "u")) for variable, value in entries])

    monkeypatch.setattr(checkpoint_writing, "_save", wrong)

    with pytest.raises(BrokenModel, match=r"a value was written otherwise than .* holds it: u\["):
        written(Request(path=prefix, outputs=("y",)), tmp_path / "exported")


def test_the_graph_is_what_plain_tensorflow_imports(tmp_path: Path) -> None:
    prefix = saved(tmp_path, build_averaged)
    export_own_graph(Request(path=prefix, outputs=("y", "halves:1")), tmp_path / "exported")

    with tf.Graph().as_default() as graph:
        v1.train.import_meta_graph(str(tmp_path / "exported" / "model.ckpt.meta"))

        outputs = v1.get_collection(COLLECTION)
        assert outputs == [graph.get_tensor_by_name(name) for name in ("y:0", "halves:1")]
        assert sorted(variable.op.name for variable in v1.global_variables()) == ["u", "w"]
        assert [variable.op.name for variable in v1.trainable_variables()] == ["w"]


def test_the_graph_tells_its_signature(tmp_path: Path) -> None:
    prefix = saved(tmp_path, build_averaged)
    export_own_graph(Request(path=prefix, outputs=("y", "halves:1")), tmp_path / "exported")

    meta = v1.MetaGraphDef.FromString((tmp_path / "exported" / "model.ckpt.meta").read_bytes())

    served = meta.signature_def["serving_default"]
    assert {name: info.name for name, info in served.inputs.items()} == {"x": "x:0"}
    assert {name: info.name for name, info in served.outputs.items()} == {
        "y": "y:0",
        "halves:1": "halves:1",
    }


def test_a_saved_model_of_tensorflow_2_has_a_checkpoint_too(
    saved_model: Path, two_layers: TwoLayers, tmp_path: Path
) -> None:
    export_own_graph(Request(path=saved_model), tmp_path / "exported")

    prefix = tmp_path / "exported" / "model.ckpt"
    target = open_model(Request(path=prefix))
    found = run(prefix, target.signature)
    x = feeds(target.signature)[session_name(target.signature.input_names[0])]
    expected = two_layers.predict(tf.constant(x))
    assert {array.shape for array in found} == {tuple(each.shape) for each in expected.values()}
    for array in found:
        name = "scores" if array.shape[1] == 2 else "hidden"
        np.testing.assert_allclose(array, expected[name], rtol=1e-6)


def test_the_export_of_an_export_is_the_same(tmp_path: Path) -> None:
    prefix = saved(tmp_path, build_averaged)
    export_own_graph(Request(path=prefix, outputs=("y",)), tmp_path / "first")

    export_own_graph(
        Request(path=tmp_path / "first" / "model.ckpt", outputs=("y",)), tmp_path / "second"
    )

    for name in ("frozen_inference_graph.pb", "model.ckpt.meta"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


class Averaged:
    """The mean colour of a picture, through the two variables of `build_averaged`."""

    def preprocess(self, pictures: Any) -> Any:
        return tf.reduce_mean(pictures, axis=(1, 2))

    def predict(self, means: Any) -> Any:
        return tf.matmul(tf.matmul(means, weight("w")), weight("u"))

    def postprocess(self, y: Any) -> dict[str, Any]:
        return {"y": tf.identity(y)}


def test_variables_without_an_average_keep_their_value_and_are_listed(tmp_path: Path) -> None:
    prefix = saved(tmp_path, build_averaged)
    trained = tf.train.load_checkpoint(str(prefix))

    export_inference_graph(
        "image_tensor", Averaged(), prefix, tmp_path / "exported", use_moving_averages=True
    )

    reader = tf.train.load_checkpoint(str(tmp_path / "exported" / "model.ckpt"))
    assert bits(reader.get_tensor("w")) == bits(trained.get_tensor(f"w{AVERAGE}"))
    assert bits(reader.get_tensor("u")) == bits(trained.get_tensor("u"))
    assert read_manifest(tmp_path / "exported").source.without_average == ("u",)


def test_without_averages_none_is_written_or_listed(tmp_path: Path) -> None:
    prefix = saved(tmp_path, build_averaged)
    trained = tf.train.load_checkpoint(str(prefix))

    export_inference_graph("image_tensor", Averaged(), prefix, tmp_path / "exported")

    reader = tf.train.load_checkpoint(str(tmp_path / "exported" / "model.ckpt"))
    assert bits(reader.get_tensor("w")) == bits(trained.get_tensor("w"))
    assert read_manifest(tmp_path / "exported").source.without_average == ()


def test_averages_that_nobody_kept_are_an_error_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "trained").mkdir()
    prefix = saved(tmp_path / "trained", lambda: tf.matmul(weight("w"), weight("u"), name="y"))

    with pytest.raises(RequestError, match=r"--moving-averages: the checkpoint .* holds no tensor"):
        export_inference_graph(
            "image_tensor", Averaged(), prefix, tmp_path / "exported", use_moving_averages=True
        )
    with pytest.raises(RequestError, match=r"--moving-averages: the checkpoint .* holds no tensor"):
        export_own_graph(
            Request(path=prefix, outputs=("y",), moving_averages=True), tmp_path / "exported"
        )

    assert [entry.name for entry in tmp_path.iterdir()] == ["trained"]
