"""Every method on a model of each kind of variable: frozen exactly, or unsupported for a reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from fixtures.training import fresh_session, save_initialised
from harness.errors import Unsupported
from harness.exporters.method import Export, known_limit, need_checkpoint, output_nodes
from harness.exporters.registry import load_method, method_names
from harness.graph.extract import all_nodes
from harness.graph.state import VARIABLE_OPS
from harness.models.candidate import open_candidate
from harness.models.model import Model
from harness.models.opening import open_model
from harness.runtime import Mode, Runner
from harness.subject import Request

Opened = Callable[[str], Model]
EACH_METHOD = pytest.mark.parametrize("method", method_names())
GRAPHDEF = ("freeze_graph_graphdef", "freeze_graph_graphdef_text")

# What TensorFlow cannot do today: (method, kind of variable) -> words of the reason.
LIMITS = {(method, "resource"): "does not restore resource variables" for method in GRAPHDEF}
SERVED = [
    (m, kind) for m in method_names() for kind in ("ref", "resource") if (m, kind) not in LIMITS
]
A_KIND = dict(SERVED)


def export(method: str, model: Model, folder: Path) -> Export:
    folder.mkdir(exist_ok=True)
    return load_method(method).export(model, folder)


def assert_equivalent(model: Model, export: Export) -> Model:
    """Run both strictly on a few feeds; return the candidate."""
    candidate = open_candidate(export.path, signature=model.signature, names=export.names)
    reference, other = Runner(model, mode=Mode.STRICT), Runner(candidate, mode=Mode.STRICT)
    (name,) = model.signature.input_names
    (renamed,) = candidate.signature.input_names
    for batch in (0, 1, 7):
        shape = [size or batch for size in model.signature.inputs[0].shape or ()]
        values = np.random.default_rng(batch).normal(size=shape).astype(np.float32)
        expected = reference({name: values}).values()
        actual = other({renamed: values}).values()
        for one, two in zip(expected, actual, strict=True):
            assert (one.dtype, one.shape, one.tobytes()) == (two.dtype, two.shape, two.tobytes())
    reference.close()
    other.close()
    return candidate


@EACH_METHOD
@pytest.mark.parametrize("kind", ["ref", "resource"])
def test_a_method_freezes_exactly_or_says_why_it_cannot(
    kind: str, method: str, opened: Opened, tmp_path: Path
) -> None:
    model = opened(f"softmax_regression-{kind}")
    if (method, kind) in LIMITS:
        with pytest.raises(Unsupported, match=LIMITS[method, kind]):
            export(method, model, tmp_path)
        return
    candidate = assert_equivalent(model, export(method, model, tmp_path))
    # A SavedModel keeps its variables beside the graph: it is a candidate all the same.
    left = {node.op for node in all_nodes(candidate.graph_def)} & VARIABLE_OPS
    assert bool(left) == (method == "saved_model")


@EACH_METHOD
@pytest.mark.parametrize("kind", ["ref", "resource"])
def test_parts_of_a_partitioned_variable_are_frozen_or_refused(
    kind: str, method: str, opened: Opened, tmp_path: Path
) -> None:
    model = opened(f"partitioned-{kind}")
    if method in GRAPHDEF:
        with pytest.raises(Unsupported, match=r"does not know shards: kernel/part_0 is a slice of"):
            export(method, model, tmp_path)
    else:
        assert_equivalent(model, export(method, model, tmp_path))


@pytest.mark.parametrize(("method", "kind"), SERVED)
def test_functional_control_flow_is_frozen(
    method: str, kind: str, opened: Opened, tmp_path: Path
) -> None:
    model = opened(f"lstm_control_flow_v2-{kind}")
    if (method, kind) == ("freeze_graph_saved_model", "resource"):
        # The SavedModel states the shapes of the loop's handles, and the tool leaves them.
        with pytest.raises(Unsupported, match="cannot be imported"):
            export(method, model, tmp_path)
    else:
        assert_equivalent(model, export(method, model, tmp_path))


@EACH_METHOD
def test_a_method_can_be_used_twice_in_one_process(
    method: str, opened: Opened, tmp_path: Path
) -> None:
    model = opened(f"softmax_regression-{A_KIND[method]}")
    for name in ("once", "twice"):
        assert_equivalent(model, export(method, model, tmp_path / name))


@pytest.mark.parametrize(("method", "kind"), SERVED)
def test_models_whose_variables_share_names_do_not_meet(
    method: str, kind: str, opened: Opened, tmp_path: Path
) -> None:
    models = [opened(f"{family}-{kind}") for family in ("softmax_regression", "top_k")]
    shapes = [{v.name: v.shape for v in model.variables}["layer/kernel"] for model in models]
    assert shapes[0] != shapes[1]
    for index, model in enumerate((*models, models[0])):
        export_of = export(method, model, tmp_path / str(index))
        assert_equivalent(model, export_of)


@EACH_METHOD
def test_the_default_graph_is_left_alone(method: str, opened: Opened, tmp_path: Path) -> None:
    before = len(tf.compat.v1.get_default_graph().get_operations())
    export(method, opened(f"softmax_regression-{A_KIND[method]}"), tmp_path)
    assert len(tf.compat.v1.get_default_graph().get_operations()) == before
    assert tf.executing_eagerly()


@EACH_METHOD
def test_an_output_past_the_first_is_exported(method: str, opened: Opened, tmp_path: Path) -> None:
    model = opened(f"several_outputs-{A_KIND[method]}")
    assert model.signature.output_names == ("parts", "parts:1", "parts:2")
    assert_equivalent(model, export(method, model, tmp_path))


@pytest.mark.parametrize("method", GRAPHDEF)
def test_values_under_another_key_are_beyond_restoring_by_name(
    method: str, opened: Opened, tmp_path: Path
) -> None:
    model = opened("softmax_regression-ref")
    first, *rest = model.variables
    moved = replace(model, variables=(replace(first, key=f"{first.name}/Average"), *rest))
    with pytest.raises(Unsupported, match=rf"keeps {first.name} as {first.name}/Average"):
        export(method, moved, tmp_path)


def without_weights(folder: Path) -> Model:
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (None, 3), name="x")
        tf.compat.v1.get_variable("unused", (2,), use_resource=False)
        tf.tanh(x, name="y")
        return open_model(Request(path=save_initialised(session, folder), outputs=("y",)))


@EACH_METHOD
def test_a_model_without_weights_is_exported_or_has_nothing_to_restore(
    method: str, tmp_path: Path
) -> None:
    model = without_weights(tmp_path)
    if method in {"freeze_graph", "def_protos", *GRAPHDEF}:
        with pytest.raises(Unsupported, match="nothing to restore"):
            export(method, model, tmp_path / "out")
    else:
        assert_equivalent(model, export(method, model, tmp_path / "out"))


def test_a_frozen_graph_has_no_checkpoint_to_restore(opened: Opened) -> None:
    model = replace(opened("softmax_regression-ref"), kind="frozen")
    with pytest.raises(Unsupported, match="no checkpoint"):
        need_checkpoint(model)


def test_nodes_of_outputs_are_named_once(opened: Opened) -> None:
    assert output_nodes(opened("several_outputs-ref")) == ["parts"]


def test_a_known_limit_explains_a_failure_only_where_it_applies() -> None:
    with (
        pytest.raises(Unsupported, match=r"too old \(IndexError\)"),
        known_limit("too old", applies=True),
    ):
        raise IndexError
    with pytest.raises(IndexError), known_limit("too old", applies=False):
        raise IndexError


def test_a_reason_that_is_given_already_stays() -> None:
    with pytest.raises(Unsupported, match=r"^mine$"), known_limit("too old", applies=True):
        raise Unsupported("mine")
