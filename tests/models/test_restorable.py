"""Graph and checkpoint of different runs are told apart before any session is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

from fixtures.training import fresh_session, initialise, save, save_initialised, saver
from harness.errors import BrokenModel
from harness.models.model import Model
from harness.models.opening import open_model
from harness.models.restorable import check_restorable
from harness.subject import Request

Values = Mapping[str, object]


def saved(folder: Path, values: Values, *, resource: bool = True) -> Path:
    """A checkpoint of a graph that sums a scalar of each variable -> `y`."""
    folder.mkdir()
    with fresh_session() as session:
        total = tf.compat.v1.placeholder(tf.float32, (), name="x")
        for name, value in values.items():
            w = tf.compat.v1.get_variable(name, initializer=value, use_resource=resource)
            total += tf.cast(tf.reduce_sum(w), tf.float32)
        tf.identity(total, name="y")
        return save_initialised(session, folder)


def mixed(tmp_path: Path, graph: Values, checkpoint: Values) -> Model:
    """The graph of one run with the checkpoint of another."""
    meta = saved(tmp_path / "graph", graph)
    prefix = saved(tmp_path / "checkpoint", checkpoint)
    request = Request(path=prefix, meta_graph=Path(f"{meta}.meta"), outputs=("y",))
    return open_model(request)


ONES = np.ones((2, 3), np.float32)


@pytest.mark.parametrize("name", ["softmax_regression", "partitioned", "v1_checkpoint"])
@pytest.mark.parametrize("kind", ["ref", "resource"])
def test_a_checkpoint_fits_its_own_graph(
    name: str, kind: str, built: Callable[[str], Path]
) -> None:
    check_restorable(open_model(Request(path=built(f"{name}-{kind}"))))


def test_a_variable_that_the_checkpoint_lacks_is_named_with_the_nearest(tmp_path: Path) -> None:
    model = mixed(tmp_path, {"layer/kernel": ONES}, {"layer/kernel_1": ONES})
    with pytest.raises(BrokenModel, match=r"layer/kernel is not in .* nearest: layer/kernel_1"):
        check_restorable(model)


def test_a_key_that_is_not_the_variables_name_is_named_too(tmp_path: Path) -> None:
    model = mixed(tmp_path, {"w": ONES}, {"w": ONES})
    moved = replace(model, variables=(replace(model.variables[0], key="w/Average"),))
    with pytest.raises(BrokenModel, match=r"variable w \(saved as w/Average\) is not in"):
        check_restorable(moved)


def test_another_shape_is_named_on_both_sides(tmp_path: Path) -> None:
    model = mixed(tmp_path, {"w": ONES}, {"w": ONES.T})
    with pytest.raises(BrokenModel, match=r"w is \[2, 3\] in the graph and \[3, 2\] in the check"):
        check_restorable(model)


def test_another_dtype_is_named_on_both_sides(tmp_path: Path) -> None:
    model = mixed(tmp_path, {"w": ONES}, {"w": ONES.astype(np.float64)})
    with pytest.raises(BrokenModel, match=r"w is float32 in the graph and float64 in the check"):
        check_restorable(model)


def test_of_many_faults_the_first_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    model = mixed(tmp_path, {f"w{i}": ONES for i in range(5)}, {"other": ONES})
    with pytest.raises(BrokenModel, match=r"w0 .*w1 .*w2 .*and 2 more$"):
        check_restorable(model)


def test_a_part_of_another_shape_than_its_slice_is_named(built: Callable[[str], Path]) -> None:
    model = open_model(Request(path=built("partitioned-ref"), outputs=("outputs",)))
    first, *rest = model.variables
    assert first.slice_spec
    wrong = replace(model, variables=(replace(first, slice_spec="12 2 0,5:0,2"), *rest))
    with pytest.raises(BrokenModel, match=r"part_0 is \[4, 2\] in the graph and \[5, 2\]"):
        check_restorable(wrong)


def test_a_variable_of_unknown_shape_takes_any(tmp_path: Path) -> None:
    model = mixed(tmp_path, {"w": ONES}, {"w": ONES})
    check_restorable(replace(model, variables=(replace(model.variables[0], shape=None),)))


@pytest.mark.parametrize(
    ("count", "named"), [(1, r"\(w0\)"), (2, r"\(w0, w1\)"), (5, "w2 and 2 more")]
)
def test_a_training_graph_given_as_frozen_asks_for_its_checkpoint(
    tmp_path: Path, count: int, named: str
) -> None:
    prefix = saved(tmp_path / "run", {f"w{i}": ONES for i in range(count)})
    graph = tmp_path / "graph.pb"
    with tf.Graph().as_default() as whole:
        tf.compat.v1.train.import_meta_graph(f"{prefix}.meta")
        graph.write_bytes(whole.as_graph_def().SerializeToString())
    with pytest.raises(BrokenModel, match=rf"training graph.*{named}.*--checkpoint PREFIX"):
        check_restorable(open_model(Request(path=graph, outputs=("y",))))


def test_a_model_without_variables_needs_no_checkpoint(tmp_path: Path) -> None:
    graph = tmp_path / "graph.pb"
    with tf.Graph().as_default() as frozen:
        tf.tanh(tf.compat.v1.placeholder(tf.float32, (), name="x"), name="y")
        graph.write_bytes(frozen.as_graph_def().SerializeToString())
    check_restorable(open_model(Request(path=graph)))


def opened(folder: Path, build: Callable[[], object], **saver_options: Any) -> Model:
    """The model that `y` is of, each variable with its first value."""
    with fresh_session() as session:
        build()
        session.run(tf.compat.v1.local_variables_initializer())
        initialise(session)
        prefix = save(session, saver(**saver_options), folder, step=1)
        return open_model(Request(path=prefix, outputs=("y",)))


def weight(name: str = "w", **options: Any) -> Any:
    return tf.compat.v1.get_variable(name, initializer=ONES, **options)


def end(*values: Any) -> None:
    total = tf.add_n([tf.reduce_sum(value) for value in values])
    tf.add(tf.compat.v1.placeholder(tf.float32, (), name="x"), total, name="y")


def counted(*, resource: bool) -> None:
    local = [tf.compat.v1.GraphKeys.LOCAL_VARIABLES]
    end(weight(), weight("count", use_resource=resource, collections=local))


@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
def test_a_local_variable_is_told_as_such_with_the_remedy(tmp_path: Path, resource: bool) -> None:
    model = opened(tmp_path, lambda: counted(resource=resource))
    with pytest.raises(BrokenModel) as caught:
        check_restorable(model)
    assert str(caught.value) == (
        "the output depends on count, in the collection of local variables, which no saver saves: "
        "what initialises it must still be run, so that the model cannot be frozen as it is; name "
        "an output that does without it with --outputs NAME"
    )


def test_the_counters_of_a_metric_are_named(tmp_path: Path) -> None:
    model = opened(tmp_path, lambda: end(tf.compat.v1.metrics.mean(weight())[0]))
    with pytest.raises(BrokenModel, match=r"on mean/total, mean/count, in the .*local variables"):
        check_restorable(model)


def test_a_local_variable_of_a_saved_model_is_told_as_such(tmp_path: Path) -> None:
    builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "saved"))
    with fresh_session() as session:
        counted(resource=True)
        initialise(session)
        builder.add_meta_graph_and_variables(session, ["serve"])
    builder.save()
    model = open_model(Request(path=tmp_path / "saved", outputs=("y",)))
    with pytest.raises(BrokenModel, match=r"depends on count, in the .*local variables"):
        check_restorable(model)


def test_a_local_variable_that_was_saved_all_the_same_is_restored(tmp_path: Path) -> None:
    with fresh_session() as session:
        counted(resource=True)
        session.run(tf.compat.v1.local_variables_initializer())
        initialise(session)
        both = [*tf.compat.v1.global_variables(), *tf.compat.v1.local_variables()]
        prefix = save(session, saver(var_list=both), tmp_path, step=1)
        check_restorable(open_model(Request(path=prefix, outputs=("y",))))


def test_a_variable_that_the_saver_leaves_out_is_told_as_such(tmp_path: Path) -> None:
    with fresh_session() as session:
        kept = weight("kept")
        end(kept, weight("left"))
        initialise(session)
        prefix = save(session, saver(var_list=[kept]), tmp_path, step=1)
    with pytest.raises(BrokenModel, match=r"depends on left, which the graph's saver does not"):
        check_restorable(open_model(Request(path=prefix, outputs=("y",))))


def misled(folder: Path, *, resource: bool, names: tuple[str, ...] = ("w",)) -> Path:
    """A checkpoint that keeps moving averages under the names of what they are of."""
    with fresh_session() as session:
        raw = [weight(name, use_resource=resource) for name in names]
        averages = [weight(f"{name}_avg", use_resource=resource) for name in names]
        bias = weight("bias", use_resource=resource)
        end(*raw, bias)
        initialise(session)
        kept = dict(zip(names, averages, strict=True)) | {"bias": bias}
        return save(session, saver(var_list=kept), folder, step=1)


@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
def test_a_variable_by_whose_name_another_was_saved_is_refused(
    tmp_path: Path, resource: bool
) -> None:
    prefix = misled(tmp_path, resource=resource)
    with pytest.raises(BrokenModel) as caught:
        check_restorable(open_model(Request(path=prefix, outputs=("y",))))
    assert str(caught.value) == (
        "variable w: the saver restores w of the checkpoint into w_avg, not into w: a value of its "
        "own was not saved; name an output that does without it with --outputs NAME, or a graph "
        "whose saver restores it with --meta-graph FILE"
    )


def test_of_many_by_whose_names_others_were_saved_the_first_are_named(tmp_path: Path) -> None:
    prefix = misled(tmp_path, resource=True, names=("a", "b", "c", "d", "e"))
    with pytest.raises(BrokenModel, match=r"variable a: .*; variable b: .*; and 2 more: a value"):
        check_restorable(open_model(Request(path=prefix, outputs=("y",))))


def test_a_saved_model_takes_no_other_graph(tmp_path: Path) -> None:
    builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "saved"))
    with fresh_session() as session:
        end(weight())
        average = weight("w_avg")
        initialise(session)
        builder.add_meta_graph_and_variables(
            session, ["serve"], saver=saver(var_list={"w": average})
        )
    builder.save()
    with pytest.raises(BrokenModel, match=r"^variable w: .* into w_avg, .* --outputs NAME$"):
        check_restorable(open_model(Request(path=tmp_path / "saved", outputs=("y",))))


@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
def test_a_variable_left_out_takes_its_average_where_that_is_asked_for(
    tmp_path: Path, resource: bool
) -> None:
    name = "w/ExponentialMovingAverage"
    with fresh_session() as session:
        end(weight(use_resource=resource))
        kept = {"w": weight("other", use_resource=resource), name: weight(name)}
        initialise(session)
        prefix = save(session, saver(var_list=kept), tmp_path, step=1)
    request = Request(path=prefix, outputs=("y",))
    with pytest.raises(BrokenModel, match="not into w"):
        check_restorable(open_model(request))
    check_restorable(open_model(replace(request, moving_averages=True)))


def test_a_reference_variable_without_a_name_in_a_function_is_refused(tmp_path: Path) -> None:
    def build() -> None:
        @tf.function(autograph=False)
        def function() -> tf.Tensor:
            return tf.identity(tf.raw_ops.VariableV2(shape=(2,), dtype=tf.float32, name="inner"))

        end(weight(), function())

    words = r"variable inner of the function \w+ \(VariableV2\) has no shared_name"
    with pytest.raises(BrokenModel, match=words):
        check_restorable(opened(tmp_path, build))


def shared(folder: Path, *, other: float) -> Model:
    """A checkpoint with two values for the nodes of one resource, which the saver restores."""
    with fresh_session() as session:
        one, two = (weight(name, use_resource=True) for name in ("one", "two"))
        end(one, two)
        initialise(session)
        session.run(two.assign(ONES * other))
        prefix = save(session, saver(), folder, step=1)
    path = Path(f"{prefix}.meta")
    meta = MetaGraphDef.FromString(path.read_bytes())
    for node in meta.graph_def.node:
        if node.op == "VarHandleOp":
            node.attr["shared_name"].s = b"one"
    path.write_bytes(meta.SerializeToString())
    return open_model(Request(path=prefix, outputs=("y",)))


def test_one_variable_for_which_two_values_are_saved_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenModel) as caught:
        check_restorable(shared(tmp_path, other=2.0))
    assert str(caught.value) == (
        "one and two have the shared_name 'one' and so are one variable, yet the saver restores "
        "one into the one and two, of another value, into the other: which of them it keeps is "
        "left to chance"
    )


def test_one_variable_that_is_saved_twice_is_restored(tmp_path: Path) -> None:
    model = shared(tmp_path, other=1.0)
    assert {variable.key for variable in model.variables} == {"one", "two"}
    check_restorable(model)
