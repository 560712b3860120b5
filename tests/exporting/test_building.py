"""The graph of a model that is built anew: what it serves, and what is told of mistakes in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from fixtures.control_flow import control_flow
from harness.errors import RequestError
from harness.exporting.building import Rebuilding, Rebuilt, rebuild
from harness.exporting.layout import IMAGE_TENSOR, INPUT_TYPES
from harness.exporting.model_protocol import ModelRaised

Post = Callable[[Any], Any]


class Model:
    """A mean of each picture -> four scores; postprocess is given."""

    def __init__(self, postprocess: Post = lambda scores: {"scores": scores}) -> None:
        self.postprocess = postprocess

    def preprocess(self, inputs: Any) -> Any:
        return inputs / 255.0

    def predict(self, preprocessed: Any) -> Any:
        weights = tf.compat.v1.get_variable("weights", (3, 4))
        return tf.matmul(tf.reduce_mean(preprocessed, axis=(1, 2)), weights)


def built(model: Any, *, input_type: str = IMAGE_TENSOR, **rest: Any) -> Rebuilt:
    return rebuild(Rebuilding(input_type=input_type, model=model, **rest))


def refused(model: Any, **rest: Any) -> str:
    with pytest.raises(RequestError) as caught:
        built(model, **rest)
    return str(caught.value)


def in_scope(scores: Any) -> Any:
    with tf.name_scope("scope"):
        return tf.add(scores, 1.0, name="inner")


def ops(rebuilt: Rebuilt) -> dict[str, str]:
    return {node.name: node.op for node in rebuilt.meta_graph.graph_def.node}


@pytest.mark.parametrize("input_type", INPUT_TYPES)
def test_the_placeholder_has_the_name_of_the_input_type(input_type: str) -> None:
    rebuilt = built(Model(), input_type=input_type)
    assert (rebuilt.inputs, rebuilt.outputs) == ((input_type,), ("scores",))
    assert ops(rebuilt)[input_type] == "Placeholder"
    assert ops(rebuilt)["scores"] == "Identity"


def test_the_model_gets_floats_of_the_given_shape() -> None:
    seen = []

    class Seeing(Model):
        def preprocess(self, inputs: Any) -> Any:
            seen.append((inputs.dtype, inputs.shape.as_list()))
            return super().preprocess(inputs)

    built(Seeing(), input_shape=(-1, 28, None, 3))
    built(Seeing(), input_type="tf_example")
    assert seen == [(tf.float32, [None, 28, None, 3]), (tf.float32, [None, None, None, 3])]


@pytest.mark.parametrize("is_encoded", [False, True], ids=["pixels", "PNG"])
def test_pixels_come_to_the_model_as_they_are(is_encoded: bool) -> None:
    class Passing(Model):
        def preprocess(self, inputs: Any) -> Any:
            tf.identity(inputs, name="seen")
            return super().preprocess(inputs)

    pixels = np.array([[[[0, 1, 255], [7, 128, 254]]]], np.uint8)
    kind = "encoded_image_string_tensor" if is_encoded else "image_tensor"
    feeds = [tf.io.encode_png(pixels[0]).numpy()] if is_encoded else pixels
    rebuilt = built(Passing(), input_type=kind)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(rebuilt.meta_graph.graph_def, name="")
        seen = session.run("seen:0", {f"{kind}:0": feeds})
    np.testing.assert_array_equal(seen, pixels.astype(np.float32))


def test_a_model_makes_all_variables_anew_each_time() -> None:
    first, second = built(Model()), built(Model())
    assert ops(first) == ops(second)
    assert tf.compat.v1.get_default_graph().get_operations() == []


def test_variables_may_be_made_anywhere_and_reused() -> None:
    class Anywhere(Model):
        def preprocess(self, inputs: Any) -> Any:
            return inputs - tf.compat.v1.get_variable("mean", (3,))

        def predict(self, preprocessed: Any) -> Any:
            for reuse in (False, True):
                with tf.compat.v1.variable_scope("net", reuse=reuse):
                    scores = super().predict(preprocessed)
            return {"scores": scores + tf.Variable(np.ones(4, np.float32), name="offset")}

        def __init__(self) -> None:
            super().__init__(lambda predicted: predicted)

    handles = [name for name, op in ops(built(Anywhere())).items() if op == "VarHandleOp"]
    assert handles == ["mean", "net/weights", "offset"]


def test_layers_of_keras_make_variables_too() -> None:
    class Layers(Model):
        def predict(self, preprocessed: Any) -> Any:
            dense = tf.keras.layers.Dense(4, name="dense")
            return dense(tf.reduce_mean(preprocessed, axis=(1, 2)))

    handles = [name for name, op in ops(built(Layers())).items() if op == "VarHandleOp"]
    assert handles == ["dense/kernel", "dense/bias"]


@pytest.mark.parametrize("version", [1, 2])
def test_either_control_flow_will_do(version: int) -> None:
    with control_flow(version):
        kinds = set(ops(built(Model(), input_type="tf_example")).values())
    assert ("Switch" in kinds) == (version == 1)
    assert bool(kinds & {"While", "StatelessWhile"}) == (version == 2)


@pytest.mark.parametrize(
    ("postprocess", "name", "op"),
    [
        (lambda scores: {"out": tf.nn.softmax(scores, name="out")}, "out", "Softmax"),
        (lambda scores: {"out": tf.nn.top_k(scores)[1]}, "out", "Identity"),
        (lambda scores: {"net/out": scores}, "net/out", "Identity"),
        (lambda scores: {"out": tf.reduce_sum(scores)}, "out", "Identity"),
        (lambda x: {"w": tf.compat.v1.global_variables()[0], "scores": x}, "w", "Identity"),
        (lambda scores: {"scope": in_scope(scores)}, "scope", "Identity"),
    ],
    ids=["of its own", "second output", "slash", "scalar", "variable", "name of a scope"],
)
def test_each_output_is_a_node_of_its_name(postprocess: Post, name: str, op: str) -> None:
    rebuilt = built(Model(postprocess))
    assert rebuilt.outputs[0] == name
    assert ops(rebuilt)[name] == op


def test_one_tensor_may_be_served_by_two_names() -> None:
    rebuilt = built(Model(lambda scores: {"a": scores, "b": scores}))
    assert rebuilt.outputs == ("a", "b")


def test_outputs_are_collected() -> None:
    rebuilt = built(
        Model(), collection="served", additional_outputs=("weights/Read/ReadVariableOp",)
    )
    assert rebuilt.outputs == ("scores", "weights/Read/ReadVariableOp")
    assert list(rebuilt.meta_graph.collection_def["served"].node_list.value) == [
        "scores:0",
        "weights/Read/ReadVariableOp:0",
    ]


@pytest.mark.parametrize("name", ["MatMul", "MatMul:0"])
def test_an_additional_output_may_have_its_index(name: str) -> None:
    assert built(Model(), additional_outputs=(name,)).outputs == ("scores", "MatMul")


def test_an_additional_output_that_postprocess_returns_is_served_once() -> None:
    assert built(Model(), additional_outputs=("scores", "scores:0")).outputs == ("scores",)


@pytest.mark.parametrize("name", ["MatMull", "MatMull:0", "MatMul:1", "image_tensr", "a b", ""])
def test_an_additional_output_that_is_none_is_told_with_the_nearest(name: str) -> None:
    said = refused(Model(), additional_outputs=(name,))
    assert said.startswith(f"--extra-outputs {name}: the graph has no such tensor")
    if name.startswith("MatMul"):
        assert said.partition("nearest: ")[2].startswith("MatMul")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("image_tensor", "this is the input"),
        (
            "weights:0",
            "this is a handle (resource) that is worth nothing outside the graph: name what is "
            "read from it",
        ),
    ],
)
def test_an_additional_output_should_have_a_value_of_its_own(name: str, why: str) -> None:
    assert refused(Model(), additional_outputs=(name,)) == f"--extra-outputs {name}: {why}"


def test_the_hook_is_called_in_the_finished_graph() -> None:
    seen = []

    def hook() -> None:
        seen.extend(tf.compat.v1.get_default_graph().get_operations())
        tf.constant(1, name="by_the_hook")

    rebuilt = built(Model(), graph_hook=hook)
    assert "scores" in [operation.name for operation in seen]
    assert ops(rebuilt)["by_the_hook"] == "Const"


def test_devices_of_training_are_not_kept() -> None:
    class Pinned(Model):
        def predict(self, preprocessed: Any) -> Any:
            with tf.device("/gpu:7"):
                return super().predict(preprocessed)

    assert {node.device for node in built(Pinned()).meta_graph.graph_def.node} == {""}


@pytest.mark.parametrize(
    ("value", "described"),
    [
        (lambda scores: scores, "a tensor (MatMul:0)"),
        (lambda _: None, "None"),
        (lambda _: {}, "an empty dict"),
        (lambda scores: [scores], "a list"),
        (lambda _: np.ones(3), "a ndarray"),
    ],
)
def test_postprocess_should_return_a_dict(value: Post, described: str) -> None:
    assert refused(Model(value)) == (
        "model: postprocess should return a dict of tensors by the names that they are served by, "
        f"and returned {described}"
    )


@pytest.mark.parametrize(
    ("value", "described"),
    [
        (lambda _: None, "None"),
        (lambda _: 1.0, "a float"),
        (lambda _: np.ones(3), "a ndarray"),
        (lambda scores: [scores], "a list"),
        (lambda scores: {"scores": scores}, "a dict"),
        (lambda _: tf.TensorArray(tf.float32, 3), "a TensorArray"),
    ],
)
def test_of_the_dict_each_value_should_be_a_tensor(value: Post, described: str) -> None:
    assert refused(Model(lambda scores: {"out": value(scores)})) == (
        f"model: postprocess should return tensors by name, and returned {described} as 'out'"
    )


@pytest.mark.parametrize(
    ("value", "kind", "remedy"),
    [
        (
            lambda scores: tf.RaggedTensor.from_row_lengths(scores, [1, 2]),
            "RaggedTensor",
            "its values and row_splits by names of their own, or its to_tensor()",
        ),
        (
            tf.sparse.from_dense,
            "SparseTensor",
            "its parts by names of their own, or tf.sparse.to_dense of it",
        ),
    ],
)
def test_a_tensor_of_several_parts_is_refused(value: Post, kind: str, remedy: str) -> None:
    assert refused(Model(lambda scores: {"out": value(scores)})) == (
        f"model: postprocess returns a {kind} as 'out', and a node gives one dense tensor: return "
        f"{remedy}"
    )


def test_a_handle_is_no_output() -> None:
    said = refused(Model(lambda _: {"out": tf.compat.v1.global_variables()[0].handle}))
    assert said.startswith("model: postprocess returns weights:0 as 'out', a handle (resource)")


def test_tensors_of_other_graphs_are_refused() -> None:
    with tf.Graph().as_default():
        foreign = tf.constant(1.0, name="foreign")
    eager = tf.constant(1.0)
    for value, described in ((foreign, "a tensor (foreign:0)"), (eager, "an eager tensor")):
        assert refused(Model(lambda _, value=value: {"out": value})) == (
            f"model: postprocess returns as 'out' {described} that was made outside the graph that "
            "is built: preprocess, predict and postprocess should make all they use"
        )


@pytest.mark.parametrize("is_eager", [True, False])
def test_variables_of_other_graphs_are_refused(is_eager: bool) -> None:
    with tf.init_scope() if is_eager else tf.Graph().as_default():
        weights = tf.Variable(np.ones((3, 4), np.float32), name="weights")

    class Keeping(Model):
        def predict(self, preprocessed: Any) -> Any:
            return tf.matmul(tf.reduce_mean(preprocessed, axis=(1, 2)), weights)

    said = refused(Keeping())
    assert said.startswith("model: predict fails with ")
    assert said.endswith(
        "; what preprocess, predict and postprocess use must be made by them, variables too: they "
        "are called in a graph of their own"
    )


@pytest.mark.parametrize("name", ["a b", "a:0", "", "a/", "_a", "/a", "é", "a\n"])
def test_an_output_needs_a_name_that_a_node_can_have(name: str) -> None:
    said = refused(Model(lambda scores: {name: scores}))
    assert said.startswith(f"model: postprocess returns an output {name!r}, which is no name for a")


def test_names_are_text() -> None:
    assert refused(Model(lambda scores: {1: scores})) == (
        "model: postprocess should return tensors by name, and 1 is no name: names are text"
    )


@pytest.mark.parametrize(
    ("postprocess", "who", "op"),
    [
        (lambda scores: {"weights": scores}, "MatMul:0 as 'weights'", "weights (VarHandleOp)"),
        (lambda scores: {"image_tensor": scores}, "MatMul:0 as 'ima", "image_tensor (Placeholder)"),
        (lambda scores: {"top": tf.nn.top_k(scores, name="top")[1]}, "top:1 as 'top'", "top (TopK"),
    ],
)
def test_a_name_that_another_node_has_is_refused(postprocess: Post, who: str, op: str) -> None:
    said = refused(Model(postprocess))
    assert said.startswith(f"model: postprocess returns {who}")
    assert f"another node of the graph is called {op}" in said


@pytest.mark.parametrize("function", ["preprocess", "predict", "postprocess"])
def test_a_function_that_fails_is_told_with_the_line(function: str) -> None:
    model = Model()

    def failing(_: Any) -> Any:
        raise KeyError("mean")

    setattr(model, function, failing)
    line = failing.__code__.co_firstlineno + 1
    with pytest.raises(ModelRaised) as caught:
        built(model)
    assert str(caught.value) == f"model: {function} fails with KeyError: 'mean' ({__file__}:{line})"
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_hook_that_fails_is_told() -> None:
    assert refused(Model(), graph_hook=lambda: 1 / 0).startswith(
        "graph_hook_fn fails with ZeroDivisionError: division by zero ("
    )


def test_a_model_without_variables_is_refused() -> None:
    class Constant(Model):
        def predict(self, preprocessed: Any) -> Any:
            return preprocessed

    assert refused(Constant()).startswith("model: it made no variable, so that there is nothing to")


def test_a_model_without_a_function_is_refused() -> None:
    assert refused(object()).startswith("model: object has no preprocess and no predict and no")


@pytest.mark.skipif(
    not tf.keras.__version__.startswith("3"), reason="tf.compat.v1.layers works before Keras 3"
)
def test_layers_that_keras_3_dropped_are_told_with_the_remedy() -> None:
    class Layers(Model):
        def predict(self, preprocessed: Any) -> Any:
            return tf.compat.v1.layers.dense(tf.reduce_mean(preprocessed, axis=(1, 2)), 4)

    assert refused(Layers()).endswith(
        "; pip install tf_keras and set the environment variable TF_USE_LEGACY_KERAS=1"
    )


def test_outputs_that_the_input_does_not_reach_are_refused() -> None:
    assert refused(Model(lambda _: {"one": tf.constant(1), "two": tf.constant(2)})) == (
        "model: what postprocess returns (one, two) does not depend on what preprocess is given"
    )


def test_a_placeholder_of_training_is_told() -> None:
    class Switching(Model):
        def predict(self, preprocessed: Any) -> Any:
            is_training = tf.compat.v1.placeholder(tf.bool, (), name="is_training")
            return tf.where(is_training, 0.0, super().predict(preprocessed))

    assert refused(Switching()).startswith(
        "model: what postprocess returns needs the placeholder is_training, which nothing feeds: "
    )


def test_a_placeholder_that_no_output_needs_is_none_of_the_inputs() -> None:
    class Learning(Model):
        def predict(self, preprocessed: Any) -> Any:
            tf.compat.v1.placeholder(tf.int64, (None,), name="labels")
            tf.compat.v1.placeholder_with_default(False, (), name="is_training")
            return super().predict(preprocessed)

    assert built(Learning()).inputs == ("image_tensor",)


@pytest.mark.parametrize("name", ["variables", "trainable_variables", "savers"])
def test_a_collection_that_tensorflow_keeps_something_in_is_refused(name: str) -> None:
    assert refused(Model(), collection=name) == (
        f"output_collection_name '{name}': TensorFlow keeps something else under it; inference_op "
        f"is the usual one"
    )
