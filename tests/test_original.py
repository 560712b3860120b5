"""The model as TensorFlow restores it, held against the harness's own reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

from fixtures.catalogue import FIXTURES, Fixture
from fixtures.training import fresh_session, initialise, save_initialised
from harness.criteria import Exact
from harness.domain import Domain
from harness.errors import Rejected
from harness.exporters.registry import load_method
from harness.inputs.spec import parse_input_spec
from harness.models.model import Model
from harness.models.opening import open_model
from harness.original import Original, Unavailable
from harness.runtime import Mode, Runner
from harness.subject import Request
from harness.suite.examples import for_all_examples
from harness.verify import OutputsDiffer, compare_on

Build = Callable[[], object]
Opens = Callable[..., tuple[Model, Original]]


@pytest.fixture
def opens() -> Iterator[Opens]:
    """What is asked of a model -> the model, and its original."""
    made: list[Original] = []

    def opened(path: Path, **rest: Any) -> tuple[Model, Original]:
        request = Request(path=path, **rest)
        model = open_model(request)
        original = Original(
            path=model.path,
            kind=model.kind,
            signature=model.signature,
            meta_graph=request.meta_graph,
            tags=request.tags,
        )
        made.append(original)
        return model, original

    yield opened
    for original in made:
        original.close()


def assert_identical(
    model: Model, original: Original, *, domains: Mapping[str, Domain] | None = None
) -> None:
    """Hold three examples' outputs against each other, bit by bit."""
    reference = Runner(model, mode=Mode.STRICT)
    accepted = []

    def check(feeds: Mapping[str, Any]) -> None:
        agreement = compare_on(feeds, reference=reference, candidate=original, criterion=Exact())
        accepted.append(agreement.outputs is not None)

    try:
        for_all_examples(max_examples=3, seed=0)(model.signature, domains or {}, check)
    finally:
        reference.close()
    assert accepted == [True] * 3


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
def test_every_fixture_is_restored_alike(
    fixture: Fixture, built: Callable[[str], Path], opens: Opens
) -> None:
    model, original = opens(built(fixture.name), inputs=fixture.inputs, outputs=fixture.outputs)
    assert_identical(model, original, domains=parse_input_spec(fixture.input_spec).domains)


def random(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def placeholder(name: str = "x", shape: Any = (None, 3)) -> Any:
    return tf.compat.v1.placeholder(tf.float32, shape, name=name)


def variable(name: str = "w", shape: tuple[int, ...] = (3, 2)) -> Any:
    return tf.compat.v1.get_variable(name, initializer=random(*shape))


def trained(folder: Path, build: Build) -> Path:
    """The checkpoint of a graph with its variables' first values."""
    folder.mkdir(exist_ok=True)
    with fresh_session() as session:
        build()
        return save_initialised(session, folder)


def linear() -> None:
    tf.matmul(placeholder(), variable(), name="y")


def save_v1(folder: Path, build: Build) -> Path:
    """Save `x` -> `y` by the builder of TensorFlow 1, for serving and for training.

    Where `build` returns an op, the loader runs it at last; there can be one of them in a graph.
    """
    builder = tf.compat.v1.saved_model.Builder(str(folder))
    with fresh_session() as session:
        main_op = build()
        graph = tf.compat.v1.get_default_graph()
        x, y = (graph.get_tensor_by_name(name) for name in ("x:0", "y:0"))
        signature = tf.compat.v1.saved_model.predict_signature_def({"a": x}, {"b": y})
        signatures = {"serving_default": signature}
        initialise(session)
        builder.add_meta_graph_and_variables(session, ["serve"], signatures, main_op=main_op)
        if main_op is None:
            builder.add_meta_graph(["train"], signatures)
    builder.save()
    return folder


@pytest.mark.parametrize("tags", [(), ("train",)])
def test_a_saved_model_of_tensorflow_1_is_restored_alike(
    tags: tuple[str, ...], tmp_path: Path, opens: Opens
) -> None:
    assert_identical(*opens(save_v1(tmp_path / "saved", linear), tags=tags))


def test_the_only_graph_is_taken_whatever_its_tags(tmp_path: Path, opens: Opens) -> None:
    builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "saved"))
    with fresh_session() as session:
        linear()
        initialise(session)
        builder.add_meta_graph_and_variables(session, ["mine"])
    builder.save()
    assert_identical(*opens(tmp_path / "saved"))


def test_a_saved_model_of_tensorflow_2_is_restored_alike(tmp_path: Path, opens: Opens) -> None:
    """Its calls ask for optimisers of their own, which would change the last bits."""
    module = tf.Module()
    module.kernels = [tf.Variable(random(3, 3, 8, 16)), tf.Variable(-random(3, 3, 8, 16))]

    @tf.function(input_signature=[tf.TensorSpec((None, 9, 9, 8), name="x")])
    def serve(x: tf.Tensor) -> tf.Tensor:
        scale, offset = tf.constant(random(16)), tf.constant(random(16) + 1)
        constant = tf.nn.conv2d(x, tf.constant(random(3, 3, 8, 16)), 1, "SAME") * scale + offset
        return constant + sum(tf.nn.conv2d(x, kernel, 1, "SAME") for kernel in module.kernels)

    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=serve)
    assert_identical(*opens(tmp_path / "saved"))


def test_the_initialisers_of_a_saved_model_are_run(tmp_path: Path, opens: Opens) -> None:
    def build() -> Any:
        values = tf.lookup.KeyValueTensorInitializer([b"a"], [3.0])
        table = tf.lookup.StaticHashTable(values, default_value=0.0)
        tf.multiply(placeholder(), table.lookup(tf.constant([b"a"])), name="y")
        return tf.compat.v1.tables_initializer()

    _, original = opens(save_v1(tmp_path / "saved", build))
    np.testing.assert_array_equal(original({"x": random(2, 3)})["y"], 3 * random(2, 3))


@pytest.mark.parametrize("name", ["graph.pb", "graph.pbtxt"])
def test_a_frozen_graph_is_imported_whole(name: str, tmp_path: Path, opens: Opens) -> None:
    with tf.Graph().as_default() as graph:
        tf.tanh(tf.matmul(placeholder(), tf.constant(random(3, 2))), name="y")
        variable("off_the_path")
        tf.io.write_graph(graph, str(tmp_path), name, as_text=name.endswith("txt"))
    assert_identical(*opens(tmp_path / name, outputs=("y",)))


def test_a_graph_made_by_the_harness_is_imported_too(
    built: Callable[[str], Path], tmp_path: Path, opens: Opens
) -> None:
    model = open_model(Request(path=built("lstm_while_v1-ref"), outputs=("last_state",)))
    export = load_method("direct").export(model, tmp_path)
    assert_identical(*opens(export.path, outputs=("last_state",)))


def test_tensors_in_mid_graph_are_fed_and_fetched(tmp_path: Path, opens: Opens) -> None:
    def build() -> None:
        tf.split(tf.tanh(placeholder(shape=(None, 4))), 2, axis=1, name="split")
        part = tf.compat.v1.get_default_graph().get_tensor_by_name("split:1")
        tf.raw_ops.TopKV2(input=tf.matmul(part, variable(shape=(2, 5))), k=2, name="y")

    path = trained(tmp_path, build)
    assert_identical(*opens(path, inputs=("split:1",), outputs=("y", "y:1")))


def test_nodes_pinned_to_a_device_that_is_not_there_are_restored(
    tmp_path: Path, opens: Opens
) -> None:
    @tf.function(autograph=False)
    def shifted(x: tf.Tensor) -> tf.Tensor:
        return x + 1

    def build() -> None:
        tf.identity(shifted(tf.matmul(placeholder(), variable())), name="y")

    def pin(meta: MetaGraphDef) -> None:
        functions = meta.graph_def.library.function
        assert functions
        for node in [*meta.graph_def.node, *(n for f in functions for n in f.node_def)]:
            node.device = "/job:worker/device:GPU:7"

    prefix = trained(tmp_path, build)
    assert_identical(*opens(prefix, meta_graph=edited(prefix, pin), outputs=("y",)))


def edited(prefix: Path, edit: Callable[[MetaGraphDef], object]) -> Path:
    """Write an edited copy of the checkpoint's .meta beside it, and return its path."""
    meta = MetaGraphDef.FromString(prefix.with_name(f"{prefix.name}.meta").read_bytes())
    edit(meta)
    path = prefix.with_name("edited.meta")
    path.write_bytes(meta.SerializeToString())
    return path


def add_unknown_op(meta: MetaGraphDef) -> None:
    meta.graph_def.node.add(name="off_the_path", op="NobodyKnowsThisOp")


def test_an_unknown_op_off_the_path_is_named(tmp_path: Path, opens: Opens) -> None:
    prefix = trained(tmp_path, linear)
    model, original = opens(prefix, meta_graph=edited(prefix, add_unknown_op), outputs=("y",))
    Runner(model, mode=Mode.STRICT).open()
    for _ in range(2):
        with pytest.raises(Unavailable, match="NobodyKnowsThisOp"):
            original.open()


def test_an_unknown_op_in_a_frozen_graph_is_named(tmp_path: Path, opens: Opens) -> None:
    with tf.Graph().as_default() as graph:
        tf.tanh(placeholder(), name="y")
        graph_def = graph.as_graph_def()
    graph_def.node.add(name="off_the_path", op="NobodyKnowsThisOp")
    (tmp_path / "graph.pb").write_bytes(graph_def.SerializeToString())
    with pytest.raises(Unavailable, match="NobodyKnowsThisOp"):
        opens(tmp_path / "graph.pb", outputs=("y",))[1]({"x": random(1, 3)})


def test_a_variable_off_the_path_that_the_checkpoint_lacks_is_named(
    tmp_path: Path, opens: Opens
) -> None:
    def more() -> None:
        linear()
        variable("missing")

    meta_graph = trained(tmp_path / "more", more).with_name("model.ckpt-1.meta")
    path = trained(tmp_path / "less", linear)
    model, original = opens(path, meta_graph=meta_graph, outputs=("y",))
    assert Runner(model, mode=Mode.STRICT)({"x": random(2, 3)})["y"].shape == (2, 2)
    with pytest.raises(Unavailable, match="missing"):
        original.open()


def test_a_variable_that_no_saver_restores_is_named(tmp_path: Path, opens: Opens) -> None:
    prefix = trained(tmp_path, linear)

    def forget(meta: MetaGraphDef) -> None:
        for name in ("saver_def", "collection_def"):
            meta.ClearField(name)

    _, original = opens(prefix, meta_graph=edited(prefix, forget), outputs=("y",))
    original.open()
    with pytest.raises(Unavailable, match=r"\bw\b"):
        original({"x": random(2, 3)})


def test_files_that_cannot_be_read_make_it_unavailable(tmp_path: Path, opens: Opens) -> None:
    prefix = trained(tmp_path, linear)
    _, original = opens(prefix, outputs=("y",))
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(b"damaged")
    with pytest.raises(Unavailable):
        original.open()


def test_feeds_are_rejected_as_by_a_runner(tmp_path: Path, opens: Opens) -> None:
    def build() -> None:
        i = tf.compat.v1.placeholder(tf.int32, (), name="i")
        tf.gather(tf.matmul(placeholder(), variable()), i, name="y")

    model, original = opens(trained(tmp_path, build), outputs=("y",))
    for run in (original, Runner(model, mode=Mode.STRICT)):
        with pytest.raises(Rejected, match=r"\[0, 2\)") as caught:
            run({"x": random(2, 3), "i": np.array(7, np.int32)})
        assert caught.value.kind == "InvalidArgumentError"
        with pytest.raises(Rejected) as caught:
            run({"x": random(2, 5), "i": np.array(0, np.int32)})
        assert caught.value.kind == "ValueError"
        assert run({"x": random(2, 3), "i": np.array(0, np.int32)})["y"].shape == (2,)


def test_a_closed_original_opens_again(tmp_path: Path, opens: Opens) -> None:
    _, original = opens(trained(tmp_path, linear), outputs=("y",))
    before = original({"x": random(2, 3)})["y"]
    original.close()
    original.close()
    np.testing.assert_array_equal(original({"x": random(2, 3)})["y"], before)


def test_a_reference_whose_values_were_misplaced_is_seen(tmp_path: Path, opens: Opens) -> None:
    """What it is there for: a wrong reading of the saver, with which every candidate agrees."""

    def build() -> None:
        first = tf.compat.v1.get_variable("first", initializer=random(3))
        second = tf.compat.v1.get_variable("second", initializer=-random(3))
        tf.add(placeholder() * first, second, name="y")

    model, original = opens(trained(tmp_path, build), outputs=("y",))
    other = {"first": "second", "second": "first"}
    variables = tuple(replace(v, key=other[v.key]) for v in model.variables)
    assert_identical(model, original)
    with pytest.raises(OutputsDiffer, match="y"):
        assert_identical(replace(model, variables=variables), original)
