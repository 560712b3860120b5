"""What a path holds and what would be taken of it: told as a run would take it, and without one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from fixtures.catalogue import FIXTURES, Fixture
from fixtures.training import fresh_session, initialise, save, saver
from harness.errors import BrokenModel, RequestError
from harness.graph.domains import domains_of
from harness.inputs.completing import completed
from harness.inspection.facts import GraphFacts, Inspection, OpCount, Role
from harness.inspection.inspecting import inspect
from harness.models.opening import open_model
from harness.subject import Request

Built = Callable[[str], Path]

EACH_QUICK_FIXTURE = pytest.mark.parametrize(
    "fixture",
    [fixture for fixture in FIXTURES if not fixture.name.startswith(("captcha_cnn", "dtype_"))],
    ids=lambda fixture: fixture.name,
)


def inspected(path: Path, **named: Any) -> Inspection:
    return inspect(Request(path=path, **named))


def facts(path: Path, **named: Any) -> GraphFacts:
    graph = inspected(path, **named).graph
    assert graph is not None
    return graph


def roles(graph: GraphFacts) -> dict[str, Role | None]:
    return {each.spec.name: each.role for each in (*graph.placeholders, *graph.cuts)}


@pytest.fixture
def copied(built: Built, tmp_path: Path) -> Path:
    """The prefix of a checkpoint that a test may damage."""
    prefix = built("softmax_regression-ref")
    return Path(shutil.copytree(prefix.parent, tmp_path / "copy")) / prefix.name


def file(prefix: Path, ending: str) -> Path:
    return prefix.with_name(f"{prefix.name}.{ending}")


def write_graph(path: Path, build: Callable[[], Any]) -> Path:
    with tf.Graph().as_default() as graph:
        build()
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def two_heads() -> None:
    """Of which neither is called like an output, nor better than the other."""
    x = tf.compat.v1.placeholder(tf.float32, (None, 3), name="x")
    for name in ("first", "second"):
        tf.matmul(x, tf.ones((3, 2)), name=name)


# What is taken


@EACH_QUICK_FIXTURE
def test_what_a_run_takes_is_what_is_told(fixture: Fixture, built: Built) -> None:
    request = Request(path=built(fixture.name))
    model, inspection = open_model(request), inspect(request)
    graph = inspection.graph
    assert graph is not None
    assert graph.signature == model.signature
    assert (graph.inputs_inferred, graph.outputs_inferred) == (True, True)
    assert (inspection.question, inspection.fault) == ("", "")
    on_path = [variable.name for variable in graph.variables if variable.is_on_path]
    assert on_path == [variable.name for variable in model.variables]


def test_what_is_named_is_taken(built: Built) -> None:
    named = {"inputs": ("layer/MatMul",), "outputs": ("layer/BiasAdd",)}
    graph = facts(built("softmax_regression-ref"), **named)
    assert graph.signature is not None
    assert graph.signature.input_names == ("layer/MatMul",)
    assert graph.signature.output_names == ("layer/BiasAdd",)
    assert (graph.inputs_inferred, graph.outputs_inferred) == (False, False)


def test_a_signature_is_marked_where_it_is_taken(saved_model: Path) -> None:
    def taken(**named: Any) -> list[str]:
        (graph,) = inspected(saved_model, **named).graphs
        assert (graph.tags, graph.is_taken) == (("serve",), True)
        assert [each.key for each in graph.signatures] == ["embed", "serving_default"]
        return [each.key for each in graph.signatures if each.is_taken]

    assert taken() == ["serving_default"]
    assert taken(signature_key="embed") == ["embed"]
    assert taken(outputs=("StatefulPartitionedCall",)) == []


def test_a_signature_is_told_with_its_tensors(saved_model: Path) -> None:
    (graph,) = inspected(saved_model).graphs
    embed = graph.signatures[0]
    assert [str(spec) for spec in embed.inputs] == ["embed_x float32 [?, 3]"]
    assert [str(spec) for spec in embed.outputs] == ["StatefulPartitionedCall float32 [?, 4]"]


# What the user has to choose


def test_where_outputs_cannot_be_told_candidates_are_listed(tmp_path: Path) -> None:
    inspection = inspected(write_graph(tmp_path / "two.pb", two_heads))
    graph = inspection.graph
    assert graph is not None
    assert (inspection.question, inspection.fault, graph.signature) == ("outputs", "", None)
    assert [str(c.tensors[0]) for c in graph.candidates] == [
        "first float32 [?, 2]",
        "second float32 [?, 2]",
    ]
    assert not any(candidate.is_taken for candidate in graph.candidates)
    assert graph.candidates[0].score == graph.candidates[1].score > 0
    assert graph.candidates[0].reasons


def test_where_outputs_cannot_be_told_the_path_is_that_of_the_best(tmp_path: Path) -> None:
    graph = facts(write_graph(tmp_path / "two.pb", two_heads))
    assert graph.leads_to == "candidates"
    assert roles(graph) == {"x": Role.INPUT}
    assert next(o for o in graph.ops if o.op == "MatMul") == OpCount(
        op="MatMul", on_path=2, in_graph=2
    )
    assert graph.freezing is None


def test_a_lesser_candidate_is_not_followed(tmp_path: Path) -> None:
    def build() -> None:
        two_heads()
        other = tf.compat.v1.placeholder(tf.float32, (2,), name="other")
        tf.negative(other, name="scope/of/lesser")

    assert roles(facts(write_graph(tmp_path / "three.pb", build)))["other"] is Role.NOT_NEEDED


def test_a_graph_without_any_candidate_is_told_all_the_same(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "none.pb", lambda: tf.constant(1.0, name="one"))
    inspection = inspected(path)
    graph = inspection.graph
    assert graph is not None
    assert (inspection.question, graph.candidates, graph.leads_to) == ("outputs", (), "")


def test_candidates_are_marked_where_they_are_taken(built: Built) -> None:
    graph = facts(built("softmax_regression-ref"))
    assert [c.names for c in graph.candidates if c.is_taken] == [("prediction",)]


def with_signatures(source: Path, folder: Path, change: Callable[[SavedModel], None]) -> Path:
    shutil.copytree(source, folder)
    file = folder / "saved_model.pb"
    saved = SavedModel.FromString(file.read_bytes())
    change(saved)
    file.write_bytes(saved.SerializeToString())
    return folder


def test_one_of_several_signatures_has_to_be_chosen(saved_model: Path, tmp_path: Path) -> None:
    def rename(saved: SavedModel) -> None:
        signatures = saved.meta_graphs[0].signature_def
        signatures["other"].CopyFrom(signatures.pop("serving_default"))

    inspection = inspected(with_signatures(saved_model, tmp_path / "renamed", rename))
    graph = inspection.graph
    assert graph is not None
    assert (inspection.question, graph.signature) == ("signature", None)
    assert not any(s.is_taken for s in inspection.graphs[0].signatures)
    # The path is that of all signatures.
    assert graph.leads_to == "signatures"
    assert {n for n, role in roles(graph).items() if role is Role.INPUT} == {
        "embed_x",
        "serving_default_x",
    }


def test_one_of_several_graphs_has_to_be_chosen(saved_model: Path, tmp_path: Path) -> None:
    def twice(saved: SavedModel) -> None:
        saved.meta_graphs.add().CopyFrom(saved.meta_graphs[0])
        for meta, tag in zip(saved.meta_graphs, ("one", "two"), strict=True):
            meta.meta_info_def.tags[:] = [tag, "cpu"]

    folder = with_signatures(saved_model, tmp_path / "twice", twice)
    inspection = inspected(folder)
    assert (inspection.question, inspection.graph) == ("tags", None)
    assert [(g.tags, g.is_taken) for g in inspection.graphs] == [
        (("cpu", "one"), False),
        (("cpu", "two"), False),
    ]
    chosen = inspected(folder, tags=("two", "cpu"))
    assert chosen.question == ""
    assert [g.is_taken for g in chosen.graphs] == [False, True]


# Placeholders


def test_placeholders_are_told_by_what_they_are_to_the_outputs(built: Built) -> None:
    assert roles(facts(built("softmax_regression-ref"))) == {
        "inputs": Role.INPUT,
        "labels": Role.LABEL,
        "save/filename": Role.NOT_NEEDED,
        "save/Const": Role.NOT_NEEDED,
    }


def test_a_placeholder_with_a_default_in_mid_graph_keeps_it(tmp_path: Path) -> None:
    def build() -> None:
        x = tf.compat.v1.placeholder(tf.float32, (None, 3), name="x")
        rate = tf.compat.v1.placeholder_with_default(0.5, (), name="rate")
        tf.multiply(x, rate, name="output")

    graph = facts(write_graph(tmp_path / "default.pb", build))
    assert roles(graph) == {"x": Role.INPUT, "rate": Role.KEEPS_DEFAULT}
    assert [p.op for p in graph.placeholders] == ["Placeholder", "PlaceholderWithDefault"]


def test_an_input_of_a_signature_that_no_output_needs_is_told(tmp_path: Path) -> None:
    with fresh_session() as session:
        used, unused = (tf.compat.v1.placeholder(tf.float32, (2,), name=n) for n in "ab")
        inputs = {"used": used, "unused": unused}
        folder = str(tmp_path / "saved")
        tf.compat.v1.saved_model.simple_save(session, folder, inputs, {"y": used * 2.0})
    assert roles(facts(tmp_path / "saved")) == {"a": Role.INPUT, "b": Role.UNUSED}


def test_an_input_is_told_with_the_shape_that_a_run_draws(tmp_path: Path) -> None:
    def build() -> None:
        x = tf.compat.v1.placeholder(tf.float32, None, name="x")
        tf.raw_ops.MatMul(a=x, b=tf.ones((3, 2)), name="output")

    graph = facts(write_graph(tmp_path / "narrow.pb", build))
    assert [str(each.spec) for each in graph.placeholders] == ["x float32 [?, ?]"]


@pytest.mark.parametrize("named", [{}, {"outputs": ("prediction",)}], ids=["inferred", "named"])
def test_the_tensors_at_which_a_pipeline_meets_the_model_are_told(
    named: dict[str, Any], built: Built
) -> None:
    graph = facts(built("from_queue-ref"), **named)
    cuts = {each.spec.name: each.role for each in graph.cuts}
    assert cuts["batch"] is Role.INPUT
    assert set(cuts.values()) <= {Role.INPUT, Role.LABEL, Role.NOT_NEEDED}


def test_a_pipeline_that_is_left_on_the_path_is_told(built: Built) -> None:
    """As where another input is named than the tensor at which it meets the model."""
    graph = facts(built("from_queue-ref"), inputs=("layer/kernel/read",), outputs=("prediction",))
    assert roles(graph)["batch"] is Role.UNFED
    assert graph.freezing is not None
    assert "input pipeline" in graph.freezing.obstacle


# Variables and weights


def test_variables_are_told_with_where_their_values_stand(built: Built) -> None:
    graph = facts(built("two_shards-ref"))
    assert graph.saved_tensors == 14
    found = {v.name: (v.bytes, v.file, v.is_saved, v.is_on_path) for v in graph.variables}
    assert found["first/kernel"] == (96, "data-00000-of-00002", True, True)
    assert found["second/bias"] == (4, "data-00001-of-00002", True, True)
    assert found["second/bias/Adam"] == (4, "data-00001-of-00002", True, False)


def test_a_part_of_a_partitioned_variable_is_told_with_what_it_is_of(built: Built) -> None:
    found = {v.name: v.key + v.part for v in facts(built("partitioned-resource")).variables}
    assert found["kernel/part_1"] == "kernel[4:8, 0:2]"
    assert found["bias"] == "bias"


def test_keys_are_those_of_objects_in_a_saved_model(saved_model: Path) -> None:
    keys = {v.key for v in facts(saved_model).variables if v.is_on_path}
    assert keys == {f"{name}/.ATTRIBUTES/VARIABLE_VALUE" for name in ("first", "second")}


def averaged(folder: Path) -> Path:
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (), name="x")
        w, b = (tf.compat.v1.get_variable(n, (), use_resource=False) for n in "wb")
        tf.add(x * w, b, name="y")
        average = tf.train.ExponentialMovingAverage(0.9).apply([w])
        initialise(session)
        session.run(average)
        return save(session, saver(), folder, step=1)


def test_moving_averages_are_told_where_they_are_asked_for(tmp_path: Path) -> None:
    graph = facts(averaged(tmp_path), moving_averages=True, outputs=("y",))
    keys = {v.name: v.key for v in graph.variables if v.is_on_path}
    assert keys == {"w": "w/ExponentialMovingAverage", "b": "b"}
    assert graph.freezing is not None
    assert [w.code for w in graph.freezing.warnings] == ["without_average"]


def test_a_variable_that_was_not_saved_is_told(tmp_path: Path) -> None:
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (2,), name="x")
        w, _ = (tf.compat.v1.get_variable(n, (2,), use_resource=True) for n in ("w", "other"))
        tf.multiply(x, w, name="y")
        initialise(session)
        prefix = save(session, saver(var_list=[w]), tmp_path, step=1)
    found = {v.name: (v.is_saved, v.file) for v in facts(prefix, outputs=("y",)).variables}
    assert found == {"w": (True, "data-00000-of-00001"), "other": (False, "")}


def frozen_with_weights() -> None:
    x = tf.compat.v1.placeholder(tf.float32, (None, 3), name="x")
    weights = tf.constant(np.arange(18, dtype=np.float32).reshape(3, 6), name="weights")
    bias = tf.constant(np.arange(6, dtype=np.float32), name="bias")
    tf.constant(np.zeros(100, np.float32), name="off_the_path")
    tf.add(tf.matmul(x, weights), bias, name="output")


def test_large_constants_on_the_path_of_a_frozen_graph_are_its_weights(tmp_path: Path) -> None:
    graph = facts(write_graph(tmp_path / "frozen.pb", frozen_with_weights))
    assert [(w.name, w.dtype, w.shape, w.bytes) for w in graph.weights] == [
        ("weights", "float32", (3, 6), 72)
    ]
    assert graph.variables == ()


def test_constants_of_a_checkpoints_graph_are_no_weights(tmp_path: Path) -> None:
    with fresh_session() as session:
        w = tf.compat.v1.get_variable("w", (18,), use_resource=False)
        tf.add(w, np.arange(18, dtype=np.float32), name="output")
        initialise(session)
        prefix = save(session, saver(), tmp_path, step=1)
    assert facts(prefix, outputs=("output",)).weights == ()


# The graph as such


def test_ops_are_counted_on_the_path_and_in_the_graph(built: Built) -> None:
    graph = facts(built("softmax_regression-ref"))
    counts = {each.op: (each.on_path, each.in_graph) for each in graph.ops}
    assert counts["VariableV2"] == (2, 4)
    assert counts["Softmax"] == (1, 1)
    assert counts["SaveV2"] == (0, 1)
    assert list(graph.ops) == sorted(graph.ops, key=lambda o: (-o.on_path, -o.in_graph, o.op))


def test_ops_inside_library_functions_are_counted(saved_model: Path) -> None:
    counts = {each.op: each.on_path for each in facts(saved_model).ops}
    assert counts["MatMul"] == 2


def test_ops_that_only_a_converter_needs_are_not_on_the_path(tmp_path: Path) -> None:
    with fresh_session() as session:
        ids = tf.compat.v1.placeholder(tf.int32, (None,), name="ids")
        table = tf.compat.v1.get_variable("table", (5, 2), use_resource=True)
        tf.nn.embedding_lookup(table, ids, name="rows")
        initialise(session)
        prefix = save(session, saver(), tmp_path, step=1)
    counts = {each.op: each.on_path for each in facts(prefix, outputs=("rows",)).ops}
    assert (counts["ResourceGather"], counts["ReadVariableOp"]) == (1, 0)


def test_what_is_fed_is_not_computed(built: Built) -> None:
    named = {"inputs": ("layer/BiasAdd",), "outputs": ("prediction",)}
    graph = facts(built("softmax_regression-ref"), **named)
    assert {each.op for each in graph.ops if each.on_path} == {"Softmax"}


@pytest.mark.parametrize(("producer", "is_legacy"), [(23, True), (24, False)])
def test_graphs_of_old_producers_do_not_know_scalars(
    producer: int, is_legacy: bool, tmp_path: Path
) -> None:
    path = write_graph(tmp_path / "old.pb", frozen_with_weights)
    graph_def = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    graph_def.versions.producer = producer
    path.write_bytes(graph_def.SerializeToString())
    graph = facts(path)
    assert (graph.producer, graph.has_legacy_shapes) == (producer, is_legacy)


def test_the_size_on_disk_is_that_of_all_files_of_the_model(copied: Path) -> None:
    endings = ("meta", "index", "data-00000-of-00001")
    expected = sum(file(copied, ending).stat().st_size for ending in endings)
    assert inspected(copied).bytes_on_disk == expected


def test_operations_are_looked_at_only_where_they_are_asked_for(built: Built) -> None:
    request = Request(path=built("softmax_regression-ref"))
    without, with_them = inspect(request).graph, inspect(request, with_operations=True).graph
    assert without is not None
    assert with_them is not None
    assert without.operations == ()
    assert len(with_them.operations) == with_them.nodes


# What would be frozen


def test_what_would_be_frozen_is_about_as_large_as_what_is(built: Built, tmp_path: Path) -> None:
    from harness.exporters.direct import export

    request = Request(path=built("embedding-ref"))
    freezing = facts(request.path).freezing
    assert freezing is not None
    assert not freezing.is_frozen
    assert freezing.obstacle == ""
    size = export(open_model(request), tmp_path).path.stat().st_size
    assert abs(freezing.bytes - size) < 50 * freezing.variables


def test_a_frozen_graph_is_called_frozen(tmp_path: Path) -> None:
    freezing = facts(write_graph(tmp_path / "frozen.pb", frozen_with_weights)).freezing
    assert freezing is not None
    assert (freezing.is_frozen, freezing.variables) == (True, 0)


def test_warnings_that_stand_already_are_told(tmp_path: Path) -> None:
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (2,), name="x")
        tf.multiply(x, 2.0, name="y")
        tf.compat.v1.get_variable("w", (2,), use_resource=True)
        initialise(session)
        prefix = save(session, saver(), tmp_path, step=1)
    freezing = facts(prefix, outputs=("y",)).freezing
    assert freezing is not None
    assert [warning.code for warning in freezing.warnings] == ["no_weight"]


def test_random_ops_on_the_path_are_told(tmp_path: Path) -> None:
    def build() -> None:
        x = tf.compat.v1.placeholder(tf.float32, (2, 3), name="x")
        tf.add(x, tf.random.uniform((2, 3)), name="output")

    freezing = facts(write_graph(tmp_path / "random.pb", build)).freezing
    assert freezing is not None
    assert freezing.random_ops == ("RandomUniform",)


def test_an_obstacle_to_freezing_is_no_fault_of_the_files(tmp_path: Path) -> None:
    with fresh_session() as session:
        delta = tf.compat.v1.placeholder(tf.float32, (), name="delta")
        counter = tf.compat.v1.get_variable("counter", (), use_resource=False)
        tf.compat.v1.assign_add(counter, delta, name="count")
        initialise(session)
        prefix = save(session, saver(), tmp_path, step=1)
    inspection = inspected(prefix, outputs=("count",))
    assert inspection.fault == ""
    assert inspection.graph is not None
    assert inspection.graph.freezing is not None
    assert "count (AssignAdd), which writes counter" in inspection.graph.freezing.obstacle


# What cannot be used


def test_variables_that_do_not_fit_are_a_fault_and_hide_nothing(copied: Path) -> None:
    path = file(copied, "meta")
    meta = MetaGraphDef.FromString(path.read_bytes())
    for node in meta.graph_def.node:
        if node.op == "VariableV2":
            node.attr["shape"].shape.dim[0].size += 1
    path.write_bytes(meta.SerializeToString())
    inspection = inspected(copied)
    assert "of different runs" in inspection.fault
    assert not inspection.fault_is_of_request
    assert inspection.graph is not None
    assert inspection.graph.signature is not None
    assert inspection.graph.signature.output_names == ("prediction",)


def test_missing_values_are_a_fault_and_hide_nothing_of_the_graph(copied: Path) -> None:
    file(copied, "data-00000-of-00001").unlink()
    inspection = inspected(copied)
    assert "data-00000-of-00001 is missing" in inspection.fault
    graph = inspection.graph
    assert graph is not None
    assert graph.signature is not None
    assert graph.signature.input_names == ("inputs",)
    assert roles(graph)["labels"] is Role.LABEL
    assert {v.name for v in graph.variables if v.is_on_path} == {"layer/kernel", "layer/bias"}


def test_a_damaged_index_is_a_fault_and_hides_nothing_of_the_graph(copied: Path) -> None:
    index = file(copied, "index")
    index.write_bytes(index.read_bytes()[:-60])
    inspection = inspected(copied)
    assert f"{index} was cut short or is damaged" in inspection.fault
    graph = inspection.graph
    assert graph is not None
    assert graph.saved_tensors == 0
    assert {v.name: v.is_saved for v in graph.variables if v.is_on_path} == {
        "layer/kernel": False,
        "layer/bias": False,
    }


def test_a_signature_is_told_though_values_are_missing(saved_model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(saved_model, tmp_path / "copy"))
    (folder / "variables" / "variables.data-00000-of-00001").unlink()
    inspection = inspected(folder, signature_key="embed")
    assert "is missing" in inspection.fault
    assert inspection.graph is not None
    assert inspection.graph.signature is not None
    assert inspection.graph.signature.input_names == ("embed_x",)


def test_missing_values_and_outputs_to_choose_are_both_told(copied: Path) -> None:
    path = file(copied, "meta")
    meta = MetaGraphDef()
    with tf.Graph().as_default() as graph:
        two_heads()
    meta.graph_def.CopyFrom(graph.as_graph_def())
    path.write_bytes(meta.SerializeToString())
    file(copied, "data-00000-of-00001").unlink()
    inspection = inspected(copied)
    assert inspection.question == "outputs"
    assert "is missing" in inspection.fault


def with_an_unknown_op(path: Path) -> Path:
    write_graph(path, frozen_with_weights)
    graph_def = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    next(node for node in graph_def.node if node.op == "MatMul").op = "NobodyDefinesThis"
    path.write_bytes(graph_def.SerializeToString())
    return path


def test_an_op_that_nobody_defines_is_a_fault_on_the_path(tmp_path: Path) -> None:
    path = with_an_unknown_op(tmp_path / "odd.pb")
    inspection = inspected(path, inputs=("x",), outputs=("output",))
    assert "does not know the op NobodyDefinesThis" in inspection.fault
    assert inspection.graph is not None
    assert any(each.op == "NobodyDefinesThis" for each in inspection.graph.ops)


def test_a_candidate_of_an_op_that_nobody_defines_has_no_dtype(tmp_path: Path) -> None:
    graph = facts(with_an_unknown_op(tmp_path / "odd.pb"))
    found = {c.names: c.tensors for c in graph.candidates if c.op == "NobodyDefinesThis"}
    assert found == {("MatMul",): ()}


def test_a_graph_that_lacks_a_node_is_told_without_shapes(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "lacking.pb", frozen_with_weights)
    graph_def = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    del graph_def.node[[node.name for node in graph_def.node].index("bias")]
    path.write_bytes(graph_def.SerializeToString())
    inspection = inspected(path)
    assert "reads bias, which the graph does not hold" in inspection.fault
    assert inspection.graph is not None
    assert inspection.graph.leads_to == ""
    assert roles(inspection.graph) == {"x": None}


def twice(graph_def: tf.compat.v1.GraphDef) -> None:
    graph_def.node.append(next(node for node in graph_def.node if node.name == "output"))


def without_a_value(graph_def: tf.compat.v1.GraphDef) -> None:
    constant = next(node for node in graph_def.node if node.name == "bias")
    del constant.attr["value"]


@pytest.mark.parametrize(("damage", "named"), [(twice, "'output'"), (without_a_value, "'value'")])
def test_a_graph_that_tensorflow_does_not_import_is_a_fault(
    damage: Callable[[tf.compat.v1.GraphDef], None], named: str, tmp_path: Path
) -> None:
    path = write_graph(tmp_path / "damaged.pb", frozen_with_weights)
    graph_def = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    damage(graph_def)
    path.write_bytes(graph_def.SerializeToString())
    inspection = inspected(path, inputs=("x",), outputs=("output",))
    assert inspection.fault.startswith("the graph cannot be imported: ")
    assert named in inspection.fault
    assert not inspection.fault_is_of_request
    assert inspection.graph is not None
    assert inspection.graph.signature is not None


def test_a_read_of_a_pipeline_that_it_does_not_give_is_left_out(tmp_path: Path) -> None:
    def build() -> None:
        frozen_with_weights()
        data = tf.compat.v1.data.Dataset.from_tensors(np.ones((2, 3), np.float32))
        batch = tf.compat.v1.data.make_one_shot_iterator(data).get_next()
        tf.negative(tf.matmul(batch, tf.ones((3, 6)), name="product"), name="aside")

    path = write_graph(tmp_path / "damaged.pb", build)
    graph_def = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    product = next(node for node in graph_def.node if node.name == "product")
    product.input[0] = f"{product.input[0]}:4"
    path.write_bytes(graph_def.SerializeToString())
    inspection = inspected(path, inputs=("x",), outputs=("output",))
    assert inspection.fault == ""
    assert inspection.graph is not None
    assert roles(inspection.graph) == {"x": Role.INPUT}


def test_a_path_to_nothing_is_the_commands_fault(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such checkpoint"):
        inspected(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"outputs": ("predictoin",)}, "nearest: prediction"),
        ({"inputs": ("nobody",)}, "--inputs nobody"),
        ({"tags": ("serve",)}, "--tags goes with a SavedModel"),
        ({"meta_graph": Path("nowhere.meta")}, r"--meta-graph nowhere\.meta"),
        ({"moving_averages": True}, "--moving-averages"),
    ],
    ids=["outputs", "inputs", "tags", "meta_graph", "moving_averages"],
)
def test_what_is_named_and_not_there_is_the_commands_fault(
    named: dict[str, Any], said: str, built: Built
) -> None:
    with pytest.raises(RequestError, match=said):
        inspected(built("softmax_regression-ref"), **named)


def test_an_option_of_another_kind_is_told_where_outputs_are_to_choose(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="--tags goes with a SavedModel"):
        inspected(write_graph(tmp_path / "two.pb", two_heads), tags=("serve",))


def test_inputs_that_are_not_there_are_told_where_outputs_are_to_choose(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="--inputs nobody"):
        inspected(write_graph(tmp_path / "two.pb", two_heads), inputs=("nobody",))


def test_signatures_and_tags_that_are_not_there_are_the_commands_fault(saved_model: Path) -> None:
    with pytest.raises(RequestError, match=r"--signature embde: .*nearest: embed"):
        inspected(saved_model, signature_key="embde")
    with pytest.raises(RequestError, match=r"--tags gpu: .* it has serve"):
        inspected(saved_model, tags=("gpu",))


def test_a_file_without_a_graph_is_broken(copied: Path) -> None:
    file(copied, "meta").write_bytes(b"")
    with pytest.raises(BrokenModel, match=r"\.meta is empty"):
        inspected(copied)


# What would be drawn


@pytest.mark.parametrize("name", ["embedding-resource", "softmax_regression-ref"])
def test_what_a_run_would_draw_is_told(name: str, built: Built) -> None:
    request = Request(path=built(name))
    model = open_model(request)
    read = domains_of(model.graph_def, model.signature, defaults=model.defaults)
    assert inspect(request).domains == completed(model.signature, read)


def test_nothing_would_be_drawn_for_a_model_without_its_data(copied: Path) -> None:
    file(copied, "data-00000-of-00001").unlink()
    assert inspected(copied).domains == {}


def test_nothing_would_be_drawn_where_variables_do_not_fit(copied: Path) -> None:
    path = file(copied, "meta")
    meta = MetaGraphDef.FromString(path.read_bytes())
    for node in meta.graph_def.node:
        if node.op == "VariableV2":
            node.attr["shape"].shape.dim[0].size += 1
    path.write_bytes(meta.SerializeToString())
    assert inspected(copied).domains == {}


def test_an_input_that_cannot_be_fed_is_a_fault_of_the_request(tmp_path: Path) -> None:
    def build() -> None:
        x = tf.compat.v1.placeholder(tf.qint8, (3,), name="x")
        tf.raw_ops.Dequantize(input=x, min_range=0.0, max_range=1.0, name="value")

    found = inspected(write_graph(tmp_path / "quantized.pb", build), outputs=("value",))
    assert "an input of dtype qint8 cannot be fed from numpy: cut the graph" in found.fault
    assert (found.fault_is_of_request, found.domains) == (True, {})
