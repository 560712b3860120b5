"""A model and a checkpoint become a folder, whole, or nothing at all is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from fixtures.training import fresh_session
from harness.errors import BrokenModel, FreezeproofError, RequestError, Unsupported
from harness.exporters import registry
from harness.exporters.method import Export, Method
from harness.exporting import export_inference_graph
from harness.exporting.building import Rebuilding
from harness.exporting.exporting import How, Written, export_own_graph, export_rebuilt
from harness.exporting.manifest import Verified
from harness.exporting.steps import Step
from harness.subject import Copy, Request

FILES = [
    "freezeproof.json",
    "frozen_inference_graph.pb",
    "model.ckpt.data-00000-of-00001",
    "model.ckpt.index",
    "model.ckpt.meta",
    "saved_model",
]
Export_ = Callable[..., Any]


class Model:
    """A mean of each picture -> scores of `classes` classes, in a scope."""

    def __init__(self, *, classes: int = 4, scope: str = "net", kind: Any = tf.float32) -> None:
        self.classes, self.scope, self.kind = classes, scope, kind

    def preprocess(self, inputs: Any) -> Any:
        return inputs / 255.0

    def predict(self, preprocessed: Any) -> Any:
        with tf.compat.v1.variable_scope(self.scope):
            weights = tf.compat.v1.get_variable("weights", (3, self.classes), self.kind)
        return tf.matmul(tf.reduce_mean(preprocessed, axis=(1, 2)), tf.cast(weights, tf.float32))

    def postprocess(self, predicted: Any) -> dict[str, Any]:
        return {"scores": tf.nn.softmax(predicted), "classes": tf.argmax(predicted, axis=1)}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of training: the model's variable, and what training keeps beside it."""
    folder = tmp_path_factory.mktemp("training")
    with fresh_session() as session:
        images = tf.compat.v1.placeholder(tf.float32, (None, None, None, 3), name="images")
        model = Model()
        model.postprocess(model.predict(images))
        tf.compat.v1.train.get_or_create_global_step()
        session.run(tf.compat.v1.global_variables_initializer())
        prefix = tf.compat.v1.train.Saver().save(session, str(folder / "model.ckpt"), 7)
    return Path(prefix)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where to: a folder that is not there yet, alone in a folder of its own."""
    return tmp_path / "exports" / "model"


@pytest.fixture
def export(checkpoint: Path, place: Path) -> Iterator[Export_]:
    """Export to a place; an export that fails leaves nothing, and what was there before."""

    def run(model: Any, **rest: Any) -> Any:
        arguments = {"input_type": "image_tensor", "trained_checkpoint_prefix": checkpoint, **rest}
        try:
            return export_inference_graph(model=model, output_directory=place, **arguments)
        except FreezeproofError:
            assert not place.parent.exists() or list(place.parent.iterdir()) == []
            raise

    yield run
    assert not place.parent.exists() or {each.name for each in place.parent.iterdir()} <= {"model"}


def written(place: Path) -> Any:
    return json.loads((place / "freezeproof.json").read_text())


def test_the_folder_holds_all_and_nothing_else(export: Export_, place: Path) -> None:
    manifest = export(Model())
    assert sorted(each.name for each in place.iterdir()) == FILES
    assert manifest.signature.output_names == ("scores", "classes")
    assert written(place)["verified"] is None


def test_arguments_may_be_given_by_place(checkpoint: Path, place: Path) -> None:
    """As those who call exporters of detection models do."""
    called = []
    manifest = export_inference_graph(
        "image_tensor", Model(), str(checkpoint), str(place), [None, 8, 8, 3], False, "served",
        ["net/weights/Read/ReadVariableOp"], lambda: called.append(True),
    )  # fmt: skip
    assert manifest.signature.inputs[0].shape == (None, 8, 8, 3)
    assert manifest.signature.output_names[2:] == ("net/weights/Read/ReadVariableOp",)
    assert manifest.collection == "served"
    assert called == [True]


def test_one_additional_output_may_be_given_as_text(export: Export_) -> None:
    manifest = export(Model(), additional_output_tensor_names="MatMul")
    assert manifest.signature.output_names == ("scores", "classes", "MatMul")


def test_a_second_export_takes_the_place_of_the_first(export: Export_, place: Path) -> None:
    export(Model())
    export(Model(), input_type="tf_example")
    assert sorted(each.name for each in place.iterdir()) == FILES
    assert written(place)["input_type"] == "tf_example"


def test_an_export_that_fails_leaves_the_one_before(
    export: Export_, checkpoint: Path, place: Path
) -> None:
    export(Model())
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    with pytest.raises(BrokenModel):
        export_inference_graph("image_tensor", Model(classes=5), checkpoint, place)
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        (
            Model(scope="network"),
            "variable network/weights is not in the checkpoint; nearest: net/weights",
        ),
        (
            Model(classes=5),
            "variable net/weights is [3, 5] in the graph and [3, 4] in the checkpoint",
        ),
        (
            Model(kind=tf.float64),
            "variable net/weights is float64 in the graph and float32 in the checkpoint",
        ),
    ],
)
def test_variables_that_were_not_trained_are_the_models(
    export: Export_, checkpoint: Path, model: Model, fault: str
) -> None:
    with pytest.raises(BrokenModel) as caught:
        export(model)
    assert str(caught.value) == (
        f"model: what it builds is not what was trained: graph and weights of {checkpoint} are of "
        f"different runs: {fault}"
    )


def test_averages_that_were_not_kept_are_missed(export: Export_, checkpoint: Path) -> None:
    with pytest.raises(RequestError) as caught:
        export(Model(), use_moving_averages=True)
    assert str(caught.value) == (
        f"--moving-averages: the checkpoint {checkpoint} holds no tensor "
        "NAME/ExponentialMovingAverage of a variable on the path"
    )


def test_outputs_that_no_variable_reaches_are_the_models(export: Export_) -> None:
    class Detached(Model):
        def predict(self, preprocessed: Any) -> Any:
            super().predict(preprocessed)
            return tf.reduce_mean(preprocessed, axis=(1, 2))

    with pytest.raises(RequestError) as caught:
        export(Detached())
    assert str(caught.value) == (
        "model: no variable reaches what postprocess returns (scores, classes), so that a frozen "
        "graph would hold nothing of the checkpoint"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_type": "image_tensr"}, "--input-type image_tensr: there are"),
        ({"input_shape": (28, 28, 3)}, "--input-shape 28,28,3: it should be"),
        ({"input_type": "tf_example", "input_shape": (1, 2, 3, 3)}, "--input-shape goes with"),
        (
            {"trained_checkpoint_prefix": "nowhere/model.ckpt"},
            "--checkpoint nowhere/model.ckpt: no",
        ),
        ({"additional_output_tensor_names": ["scors"]}, "--extra-outputs scors: the graph has no"),
        ({"graph_hook_fn": lambda: 1 / 0}, "graph_hook_fn fails with ZeroDivisionError"),
    ],
)
def test_arguments_that_name_nothing_are_refused(
    export: Export_, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError) as caught:
        export(Model(), **arguments)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("function", ["preprocess", "predict", "postprocess"])
def test_a_model_that_fails_leaves_its_own_traceback(export: Export_, function: str) -> None:
    model = Model()
    setattr(model, function, lambda _: {}["mean"])
    with pytest.raises(RequestError, match=f"^model: {function} fails with KeyError: 'mean'") as at:
        export(model)
    assert isinstance(at.value.__cause__, KeyError)


def test_what_no_graph_can_hold_is_unsupported(export: Export_) -> None:
    class Python(Model):
        def preprocess(self, inputs: Any) -> Any:
            found = tf.compat.v1.py_func(lambda x: x, [inputs], tf.float32)
            found.set_shape(inputs.shape)
            return found

    with pytest.raises(Unsupported, match="PyFunc"):
        export(Python())


def test_a_frozen_graph_is_no_training(export: Export_, place: Path, tmp_path: Path) -> None:
    export(Model())
    frozen = place / "frozen_inference_graph.pb"
    with pytest.raises(RequestError) as caught:
        export_own_graph(Request(path=frozen), tmp_path / "again")
    assert str(caught.value) == f"--checkpoint {frozen}: this is a frozen graph already"
    with pytest.raises(RequestError, match="no checkpoint of a training run"):
        export_inference_graph("image_tensor", Model(), frozen, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_an_export_can_be_exported_again(export: Export_, place: Path, tmp_path: Path) -> None:
    """Its checkpoint has all that is needed, and so has its SavedModel."""
    first = export(Model())
    for source in ("model.ckpt", "saved_model"):
        again = export_own_graph(Request(path=place / source), tmp_path / source)
        assert set(again.signature.outputs) == set(first.signature.outputs)
        assert again.signature.inputs == first.signature.inputs


def test_own_graph_without_a_variable_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        export_own_graph(Request(path=checkpoint, outputs=("Mean",)), tmp_path / "model")
    assert str(caught.value) == (
        "no variable reaches the output (Mean), so that a frozen graph would hold nothing of the "
        "checkpoint: name the model's outputs with --outputs NAMES"
    )


def test_names_of_own_graph_are_kept_by_every_method(checkpoint: Path, tmp_path: Path) -> None:
    for method in ("direct", "constants_v2", "session_graph"):
        request = Request(path=checkpoint, outputs=("Softmax", "ArgMax"))
        export_own_graph(request, tmp_path / method, how=How(method=method))
        graph = tf.compat.v1.GraphDef.FromString(
            (tmp_path / method / "frozen_inference_graph.pb").read_bytes()
        )
        assert {"images", "Softmax", "ArgMax"} <= {node.name for node in graph.node}
        assert not any("Var" in node.op for node in graph.node)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("dircet", "--export-methods dircet: no such method; nearest: direct"),
        (
            "saved_model",
            "--method saved_model: it writes a SavedModel, which every export has, and no .pb",
        ),
        ("raising", "--method raising: IndexError: tuple index out of range"),
        ("unable", "--method unable: too large"),
    ],
)
def test_a_method_that_cannot_is_named(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path, tmp_path: Path, method: str, message: str
) -> None:
    def raising(*_: Any) -> Export:
        raise IndexError("tuple index out of range")

    def unable(*_: Any) -> Export:
        raise Unsupported("too large")

    for name, function in (("raising", raising), ("unable", unable)):
        found = Method(name=name, summary="", export=function)
        monkeypatch.setattr(registry, f"_{name}", found, raising=False)
        entry = registry._Own(value=f"{registry.__name__}:_{name}", summary="")
        monkeypatch.setitem(registry._OWN, name, entry)
    request = Request(path=checkpoint, outputs=("Softmax",))
    with pytest.raises(FreezeproofError) as caught:
        export_own_graph(request, tmp_path / "model", how=How(method=method))
    assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


def test_names_that_a_method_makes_up_are_made_the_models_own(
    checkpoint: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def renaming(model: Any, folder: Path) -> Export:
        path = registry.load_method("direct").export(model, folder).path
        graph_def = tf.compat.v1.GraphDef.FromString(path.read_bytes())
        for node in graph_def.node:
            node.name = f"own_{node.name}"
            node.input[:] = [f"own_{name}" for name in node.input]
        path.write_bytes(graph_def.SerializeToString())
        names = (*model.signature.input_names, *model.signature.output_names)
        return Export(path=path, names={name: f"own_{name}" for name in names})

    found = Method(name="renaming", summary="", export=renaming)
    monkeypatch.setattr(registry, "_renaming", found, raising=False)
    entry = registry._Own(value=f"{registry.__name__}:_renaming", summary="")
    monkeypatch.setitem(registry._OWN, "renaming", entry)
    request = Request(path=checkpoint, outputs=("Softmax",))
    export_own_graph(request, place, how=How(method="renaming"))
    frozen = (place / "frozen_inference_graph.pb").read_bytes()
    names = {node.name for node in tf.compat.v1.GraphDef.FromString(frozen).node}
    assert {"images", "Softmax"} <= names
    assert not {"own_images", "own_Softmax"} & names
    assert "own_MatMul" in names


def test_a_model_that_changes_the_working_folder_takes_nothing_along(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wandering(Model):
        def predict(self, preprocessed: Any) -> Any:
            os.chdir(elsewhere)
            return super().predict(preprocessed)

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    export_inference_graph("image_tensor", Wandering(), checkpoint, "model")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["elsewhere", "model"]
    assert list(elsewhere.iterdir()) == []


def test_what_verifies_sees_the_export_before_it_is_in_its_place(
    checkpoint: Path, place: Path
) -> None:
    seen: list[Written] = []

    def verify(export: Written) -> Verified:
        assert not place.exists()
        assert sorted(each.name for each in export.folder.iterdir()) == FILES[1:]
        (export.folder / "verification.json").write_text("{}")
        seen.append(export)
        return Verified(verdict="equivalent", proved=True)

    request = Request(path=checkpoint, outputs=("Softmax:0",))
    export_own_graph(request, place, how=How(verify=verify))
    # All names are settled: what is verified is what was exported.
    assert seen[0].request == replace(request, inputs=("images",), outputs=("Softmax",))
    assert "verification.json" in written(place)["files"]
    assert written(place)["verified"] == {"verdict": "equivalent", "proved": True}


def test_the_reference_is_the_checkpoint_of_training(checkpoint: Path, place: Path) -> None:
    seen: list[Request] = []

    def verify(export: Written) -> Verified:
        seen.append(export.request)
        assert export.request.meta_graph is not None
        assert export.folder not in export.request.meta_graph.parents
        return Verified(verdict="equivalent", proved=True)

    what = Rebuilding(input_type="image_tensor", model=Model())
    export_rebuilt(what, Request(path=checkpoint), place, how=How(verify=verify))
    assert seen[0].path == checkpoint
    assert (seen[0].inputs, seen[0].outputs) == (("image_tensor",), ("scores", "classes"))


def test_an_export_that_does_not_verify_is_kept_out(checkpoint: Path, place: Path) -> None:
    def refuse(_: Written) -> Verified:
        raise BrokenModel("it differs")

    request = Request(path=checkpoint, outputs=("Softmax",))
    with pytest.raises(BrokenModel, match=r"^it differs$"):
        export_own_graph(request, place, how=How(verify=refuse))
    assert not place.parent.exists()


def test_every_step_is_shown_in_order(checkpoint: Path, place: Path) -> None:
    shown: list[Step] = []
    how = How(show=shown.append, verify=lambda _: Verified(verdict="equivalent", proved=True))
    what = Rebuilding(input_type="image_tensor", model=Model())
    export_rebuilt(what, Request(path=checkpoint), place, how=how)
    assert shown == list(Step)


def test_a_copy_of_a_url_is_told_as_the_url(checkpoint: Path, place: Path) -> None:
    copy = Copy(path=checkpoint, folder=checkpoint.parent, url="gs://bucket/run")
    request = Request(path=checkpoint, outputs=("Softmax",), copies=(copy,))
    manifest = export_own_graph(request, place)
    assert manifest.source.path == f"gs://bucket/run/{checkpoint.name}"


def test_nothing_is_written_to_standard_error(checkpoint: Path, tmp_path: Path) -> None:
    """As in a notebook: the model is imported first, and with it TensorFlow."""
    code = f"""
        import os
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
        import tensorflow as tf
        from harness.exporting import export_inference_graph
        class Model:
            def preprocess(self, inputs): return inputs / 255.0
            def predict(self, preprocessed):
                weights = tf.compat.v1.get_variable("net/weights", (3, 4))
                return tf.matmul(tf.reduce_mean(preprocessed, axis=(1, 2)), weights)
            def postprocess(self, predicted): return {{"scores": predicted}}
        os.dup2(os.open("noise", os.O_WRONLY | os.O_CREAT), 2)
        export_inference_graph("tf_example", Model(), {str(checkpoint)!r}, "model")
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, check=True)
    assert (tmp_path / "noise").read_text() == ""


def test_no_warning_of_python_is_shown(export: Export_) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        export(Model())
    assert [w.message for w in caught if "/harness/" in str(w.filename)] == []


@pytest.mark.parametrize("switch", ["disable_v2_behavior", "disable_eager_execution"])
def test_a_module_may_switch_tensorflow_to_its_old_ways(
    checkpoint: Path, tmp_path: Path, switch: str
) -> None:
    code = f"""
        import tensorflow.compat.v1 as tf
        tf.{switch}()
        from harness.exporting import export_inference_graph
        class Model:
            def preprocess(self, inputs): return inputs / 255.0
            def predict(self, preprocessed):
                with tf.variable_scope("net", reuse=tf.AUTO_REUSE):
                    weights = tf.get_variable("weights", [3, 4])
                return tf.matmul(tf.reduce_mean(preprocessed, axis=[1, 2]), weights)
            def postprocess(self, predicted): return {{"scores": predicted}}
        found = export_inference_graph("tf_example", Model(), {str(checkpoint)!r}, "model")
        assert found.signature.output_names == ("scores",)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, check=True)
    saved = tf.train.load_checkpoint(str(checkpoint)).get_tensor("net/weights")
    exported = tf.train.load_checkpoint(str(tmp_path / "model" / "model.ckpt"))
    np.testing.assert_array_equal(exported.get_tensor("net/weights"), saved, strict=True)
