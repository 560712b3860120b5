"""A frozen graph computes, bit for bit, what the graph with its variables computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2
from tensorflow.python.framework.function import Defun

from fixtures.control_flow import control_flow
from harness.errors import BrokenModel
from harness.graph import freezing
from harness.graph.extract import all_nodes
from harness.graph.freezing import freeze
from harness.graph.state import VARIABLE_OPS
from harness.models.opening import open_model
from harness.subject import Request

Array = np.ndarray[Any, Any]
Feeds = Mapping[str, object]

EITHER_KIND = pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
EITHER_CONTROL_FLOW = pytest.mark.parametrize("version", [1, 2], ids=["v1", "v2"])
ONES = np.ones((2, 3), np.float32)


@contextmanager
def session_without_optimisers() -> Iterator[Any]:
    """A session over a new default graph that executes the graph as it is written."""
    config = config_pb2.ConfigProto()
    config.graph_options.optimizer_options.opt_level = config_pb2.OptimizerOptions.L0
    config.graph_options.rewrite_options.CopyFrom(
        rewriter_config_pb2.RewriterConfig(disable_meta_optimizer=True)
    )
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph, config=config) as s:
        yield s


def variable(name: str, shape: Sequence[int], *, resource: bool = True) -> Any:
    """A float32 variable of random values that no other name gets."""
    seed = sum(name.encode())
    value = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return tf.compat.v1.get_variable(name, initializer=value, use_resource=resource)


def frozen(session: Any, outputs: Sequence[str]) -> GraphDef:
    """Initialise the variables and freeze the session's graph with the values that it holds."""
    variables = tf.compat.v1.global_variables()
    session.run(tf.compat.v1.global_variables_initializer())
    weights = {v.op.name: session.run(v) for v in variables}
    return freeze(session.graph.as_graph_def(), weights=weights, outputs=outputs)


def run(graph_def: GraphDef, outputs: Sequence[str], feeds: Feeds) -> list[Array]:
    with session_without_optimisers() as session:
        tf.import_graph_def(graph_def, name="")
        return list(session.run([f"{name}:0" for name in outputs], fed(feeds)))


def fed(feeds: Feeds) -> dict[str, object]:
    return {f"{name}:0": value for name, value in feeds.items()}


def bits(values: Sequence[Array]) -> list[tuple[object, tuple[int, ...], bytes]]:
    return [(value.dtype, value.shape, value.tobytes()) for value in map(np.asarray, values)]


def assert_freezes_exactly(
    session: Any, *feeds: Feeds, outputs: Sequence[str] = ("y",)
) -> GraphDef:
    """Freeze the session's graph; hold no variable against it, and the same bits on each feed."""
    graph_def = frozen(session, outputs)
    assert not {node.op for node in all_nodes(graph_def)} & VARIABLE_OPS
    for feed in feeds:
        expected = session.run([f"{name}:0" for name in outputs], fed(feed))
        assert bits(run(graph_def, outputs, feed)) == bits(expected)
    return graph_def


def placeholder(name: str, shape: Sequence[int | None] | None, dtype: Any = tf.float32) -> Any:
    return tf.compat.v1.placeholder(dtype, shape, name=name)


@EITHER_KIND
def test_a_variable_becomes_a_constant(resource: bool) -> None:
    with session_without_optimisers() as session:
        x = placeholder("x", (None, 3))
        tf.matmul(x, variable("w", (3, 4), resource=resource), name="y")
        graph_def = assert_freezes_exactly(session, {"x": ONES}, {"x": ONES * np.float32(0.1)})
    assert {node.name: node.op for node in graph_def.node}["w"] == "Const"


def test_the_op_of_the_oldest_graphs_becomes_a_constant() -> None:
    value = np.float32([[1.5, -2.0]])
    with session_without_optimisers() as session:
        w = tf.raw_ops.Variable(shape=(1, 2), dtype=tf.float32, name="w")
        tf.add(w, 1.0, name="y")
        graph_def = session.graph.as_graph_def()
    assert graph_def.node[0].op == "Variable"
    constant = freeze(graph_def, weights={"w": value}, outputs=["y"])
    assert bits(run(constant, ["y"], {})) == bits([value + np.float32(1)])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int8", "bool", "complex64", "string"])
@EITHER_KIND
def test_a_constant_has_the_dtype_of_its_variable(resource: bool, dtype: str) -> None:
    value = tf.cast([0, 1], dtype) if dtype != "string" else tf.constant([b"", b"a\0"])
    with session_without_optimisers() as session:
        initial = tf.constant(value.numpy(), dtype)
        w = tf.compat.v1.get_variable("w", initializer=initial, use_resource=resource)
        tf.identity(w, name="y")
        graph_def = frozen(session, ["y"])
        (expected,) = session.run(["y:0"])
    (actual,) = run(graph_def, ["y"], {})
    assert actual.dtype == expected.dtype
    assert actual.tolist() == expected.tolist()


def test_a_value_of_another_dtype_than_the_graphs_is_refused_by_name() -> None:
    with session_without_optimisers() as session:
        tf.identity(variable("layer/w", (2,)), name="y")
        graph_def = session.graph.as_graph_def()
    with pytest.raises(BrokenModel, match=r"layer/w is DT_FLOAT .* DT_DOUBLE in the checkpoint"):
        freeze(graph_def, weights={"layer/w": np.zeros(2)}, outputs=["y"])


@EITHER_KIND
def test_what_the_outputs_do_not_need_is_left_out(resource: bool) -> None:
    with session_without_optimisers() as session:
        used = variable("used", (2,), resource=resource)
        unused = variable("unused", (2,), resource=resource)
        tf.compat.v1.assign_add(unused, [1.0, 1.0], name="training")
        tf.identity(used, name="y")
        graph_def = session.graph.as_graph_def()
    constant = freeze(graph_def, weights={"used": np.zeros(2, np.float32)}, outputs=["y"])
    assert {node.name for node in constant.node} & {"unused", "training"} == set()


def test_the_graph_that_is_frozen_stays_as_it_is() -> None:
    with session_without_optimisers() as session:
        tf.gather(variable("w", (4, 2)), placeholder("x", None, tf.int32), name="y")
        graph_def = session.graph.as_graph_def()
    before = graph_def.SerializeToString(deterministic=True)
    freeze(graph_def, weights={"w": np.zeros((4, 2), np.float32)}, outputs=["y"])
    assert graph_def.SerializeToString(deterministic=True) == before


@EITHER_CONTROL_FLOW
@EITHER_KIND
def test_variables_are_read_in_both_branches_of_a_condition(resource: bool, version: int) -> None:
    with control_flow(version), session_without_optimisers() as session:
        flag, x = placeholder("flag", (), tf.bool), placeholder("x", (None, 3))
        a, b = (variable(name, (3, 2), resource=resource) for name in "ab")
        shared = variable("shared", (2,), resource=resource)
        chosen = tf.cond(flag, lambda: tf.matmul(x, a) + shared, lambda: tf.matmul(x, b) * shared)
        tf.identity(chosen, name="y")
        assert_freezes_exactly(session, {"x": ONES, "flag": True}, {"x": ONES, "flag": False})


@EITHER_CONTROL_FLOW
@EITHER_KIND
def test_variables_are_read_in_a_loop(resource: bool, version: int) -> None:
    with control_flow(version), session_without_optimisers() as session:
        x = placeholder("x", (None, 3))
        w = variable("w", (3, 3), resource=resource)
        most = variable("most", (), resource=resource)

        def unfinished(i: tf.Tensor, h: tf.Tensor) -> tf.Tensor:
            return (i < 4) & (tf.reduce_sum(h) < 100 + most)

        def body(i: tf.Tensor, h: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return i + 1, tf.tanh(tf.matmul(h, w))

        tf.identity(tf.while_loop(unfinished, body, (0, x))[1], name="y")
        assert_freezes_exactly(session, {"x": ONES})


@EITHER_CONTROL_FLOW
def test_a_condition_in_a_loop_reads_variables(version: int) -> None:
    with control_flow(version), session_without_optimisers() as session:
        x = placeholder("x", (None, 3))
        w, b = variable("w", (3, 3)), variable("b", (3,))

        def body(i: tf.Tensor, h: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return i + 1, tf.cond(i % 2 > 0, lambda: tf.matmul(h, w), lambda: h + b)

        tf.identity(tf.while_loop(lambda i, _: i < 3, body, (0, x))[1], name="y")
        assert_freezes_exactly(session, {"x": ONES})


@EITHER_CONTROL_FLOW
def test_rows_are_gathered_in_a_loop(version: int) -> None:
    with control_flow(version), session_without_optimisers() as session:
        ids = placeholder("ids", (None,), tf.int32)
        table = variable("table", (5, 2))

        def body(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return i + 1, total + tf.gather(table, (ids + i) % 5)

        first = tf.zeros((tf.size(ids), 2))
        shapes = (tf.TensorShape(()), tf.TensorShape((None, 2)))
        loop = tf.while_loop(lambda i, _: i < 4, body, (0, first), shape_invariants=shapes)
        tf.identity(loop[1], name="y")
        assert "ResourceGather" in {n.op for n in all_nodes(session.graph.as_graph_def())}
        assert_freezes_exactly(session, {"ids": [0, 4, 4]})


def test_rows_are_gathered_along_batch_dimensions() -> None:
    with session_without_optimisers() as session:
        table, ids = variable("table", (2, 5, 3)), placeholder("ids", (2, None), tf.int64)
        gathered = tf.raw_ops.ResourceGather(
            resource=table.handle, indices=ids, batch_dims=1, dtype=tf.float32
        )
        tf.identity(gathered, name="y")
        assert_freezes_exactly(session, {"ids": [[0, 4], [1, 1]]})


def test_elements_are_gathered_by_their_indices() -> None:
    with session_without_optimisers() as session:
        table, ids = variable("table", (2, 5, 3)), placeholder("ids", (None, 2), tf.int32)
        tf.raw_ops.ResourceGatherNd(resource=table.handle, indices=ids, dtype=tf.float32, name="y")
        assert_freezes_exactly(session, {"ids": [[0, 4], [1, 1]]})


def test_rows_are_gathered_by_a_fed_output_past_the_first() -> None:
    """As where a user cuts the graph at the second component of an iterator."""
    with session_without_optimisers() as session:
        unfed = placeholder("unfed", None)
        ids = tf.identity_n([unfed, placeholder("ids", None, tf.int32)], name="next")[1]
        tf.gather(variable("table", (5, 2)), ids, name="y")
        graph_def = frozen(session, ["y"])
        (expected,) = session.run(["y:0"], {"next:1": [3, 1]})
    with session_without_optimisers() as session:
        tf.import_graph_def(graph_def, name="")
        assert bits(session.run(["y:0"], {"next:1": [3, 1]})) == bits([expected])


def test_a_function_reads_and_gathers_the_variables_that_it_captures() -> None:
    with session_without_optimisers() as session:
        x, ids = placeholder("x", (None, 3)), placeholder("ids", (None,), tf.int32)
        w, table = variable("w", (3, 2)), variable("table", (5, 2))

        @tf.function(autograph=False)
        def function(x: tf.Tensor) -> tf.Tensor:
            return tf.matmul(x, w) + tf.gather(table, ids)

        tf.identity(function(x), name="y")
        assert_freezes_exactly(session, {"x": ONES, "ids": [4, 0]})


def test_a_handle_is_passed_through_two_levels_of_functions() -> None:
    with session_without_optimisers() as session:
        x = placeholder("x", (None, 3))
        w, b = variable("w", (3, 3)), variable("b", (3,))

        @tf.function(autograph=False)
        def inner(x: tf.Tensor) -> tf.Tensor:
            return tf.matmul(x, w)

        @tf.function(autograph=False)
        def outer(x: tf.Tensor) -> tf.Tensor:
            return inner(inner(x) + b)

        tf.identity(outer(x), name="y")
        assert_freezes_exactly(session, {"x": ONES})


def test_one_function_called_with_two_variables_reads_each() -> None:
    with session_without_optimisers() as session:
        x = placeholder("x", (None, 3))
        square, wide = variable("square", (3, 3)), variable("wide", (3, 3))

        @tf.function(autograph=False)
        def read(handle: tf.Tensor) -> tf.Tensor:
            return tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)

        product = tf.matmul(x, tf.ensure_shape(read(square.handle), (3, 3)))
        tf.matmul(product, tf.ensure_shape(read(wide.handle), (3, 3)), name="y")
        assert_freezes_exactly(session, {"x": ONES})


def test_one_function_called_with_variables_of_two_dtypes_takes_each() -> None:
    with session_without_optimisers() as session:
        single = variable("single", (3,))
        double = tf.compat.v1.get_variable(
            "double", initializer=np.array([0.1, 0.2, 0.3]), use_resource=True
        )

        @tf.function(autograph=False)
        def size(handle: tf.Tensor) -> tf.Tensor:
            return tf.raw_ops.VariableShape(input=handle)

        tf.add(size(single.handle), size(double.handle), name="y")
        assert_freezes_exactly(session, {})


def test_a_condition_in_a_function_reads_variables() -> None:
    with control_flow(2), session_without_optimisers() as session:
        x, flag = placeholder("x", (None, 3)), placeholder("flag", (), tf.bool)
        w, b = variable("w", (3, 3)), variable("b", (3,))

        @tf.function(autograph=False)
        def function(x: tf.Tensor) -> tf.Tensor:
            return tf.cond(flag, lambda: tf.matmul(x, w), lambda: x + b)

        tf.identity(function(x), name="y")
        assert_freezes_exactly(session, {"x": ONES, "flag": True}, {"x": ONES, "flag": False})


def test_the_branches_of_a_case_read_variables() -> None:
    with control_flow(2), session_without_optimisers() as session:
        index = placeholder("index", (), tf.int32)
        variables = [variable(name, (2,)) for name in "abc"]
        branches: list[Callable[[], Any]] = [
            lambda: variables[0] + 1.0,
            lambda: tf.gather(variables[1], [1, 0]),
            lambda: variables[2] * 2.0,
        ]
        tf.identity(tf.switch_case(index, branches), name="y")
        assert_freezes_exactly(session, *({"index": i} for i in range(3)))


def test_a_handle_passes_through_identity_switch_and_merge() -> None:
    with session_without_optimisers() as session:
        flag = placeholder("flag", (), tf.bool)
        a, b = variable("a", (2,)), variable("b", (2,))
        when_false = tf.raw_ops.Switch(data=tf.identity(a.handle), pred=flag).output_false
        when_true = tf.raw_ops.Switch(data=b.handle, pred=flag).output_true
        chosen = tf.raw_ops.Merge(inputs=[when_false, when_true]).output
        tf.raw_ops.ReadVariableOp(resource=chosen, dtype=tf.float32, name="y")
        assert_freezes_exactly(session, {"flag": True}, {"flag": False})


def test_handles_pass_through_identity_n_beside_values() -> None:
    with session_without_optimisers() as session:
        w = variable("w", (2,))
        x, handle = tf.raw_ops.IdentityN(input=[placeholder("x", (2,)), w.handle])
        tf.add(tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32), x, name="y")
        assert_freezes_exactly(session, {"x": [1.0, 2.0]})


def test_a_handle_is_returned_by_a_function() -> None:
    with session_without_optimisers() as session:
        w = variable("w", (2,))

        @tf.function(autograph=False)
        def function() -> tf.Tensor:
            return tf.identity(w.handle)

        tf.raw_ops.ReadVariableOp(resource=function(), dtype=tf.float32, name="y")
        assert_freezes_exactly(session, {})


def test_a_handle_is_read_after_the_loop_that_passed_it_on() -> None:
    with control_flow(2), session_without_optimisers() as session:
        x, w = placeholder("x", (None, 3)), variable("w", (3, 3))

        def read(handle: tf.Tensor) -> tf.Tensor:
            return tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)

        def body(i: tf.Tensor, h: tf.Tensor, handle: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return i + 1, tf.matmul(h, read(handle)), handle

        _, h, handle = tf.while_loop(lambda i, *_: i < 3, body, (0, x, w.handle))
        tf.matmul(h, read(handle), name="y")
        assert_freezes_exactly(session, {"x": ONES})


def test_an_op_that_may_do_anything_with_a_handle_is_refused_by_both_names() -> None:
    with session_without_optimisers() as session:
        state = tf.compat.v1.get_variable(
            "generator/state", initializer=np.zeros(3, np.int64), use_resource=True
        )
        tf.raw_ops.StatefulStandardNormalV2(
            resource=state.handle, algorithm=np.int64(1), shape=[2], name="y"
        )
        with pytest.raises(BrokenModel, match=r"y \(Stateful\w+\) .* variable generator/state"):
            frozen(session, ["y"])


def test_a_function_may_return_what_it_read_as_it_is() -> None:
    with session_without_optimisers() as session:
        w = variable("w", (2,))

        @tf.function(autograph=False)
        def function() -> tf.Tensor:
            return w.read_value()

        tf.identity(function(), name="y")
        graph_def = session.graph.as_graph_def()
    (function_def,) = graph_def.library.function
    (read,) = (node.name for node in function_def.node_def if node.op == "ReadVariableOp")
    # TensorFlow puts an Identity between them; other writers of graphs need not.
    for output in function_def.ret:
        function_def.ret[output] = f"{read}:value:0"
    value = np.float32([1.5, -2.0])
    assert bits(run(freeze(graph_def, weights={"w": value}, outputs=["y"]), ["y"], {})) == bits(
        [value]
    )


def test_a_handle_is_chosen_by_a_functional_condition() -> None:
    with control_flow(2), session_without_optimisers() as session:
        flag = placeholder("flag", (), tf.bool)
        a, b = variable("a", (2,)), variable("b", (2,))
        chosen = tf.cond(flag, lambda: tf.identity(a.handle), lambda: tf.identity(b.handle))
        tf.raw_ops.ReadVariableOp(resource=chosen, dtype=tf.float32, name="y")
        assert_freezes_exactly(session, {"flag": True}, {"flag": False})


@pytest.mark.parametrize(("resource", "version"), [(False, 1), (True, 1), (True, 2)])
def test_a_frozen_variable_counts_as_initialised(resource: bool, version: int) -> None:
    with control_flow(version), session_without_optimisers() as session:
        x, w = placeholder("x", ()), variable("w", (), resource=resource)

        def initialised() -> tf.Tensor:
            if resource:
                return tf.raw_ops.VarIsInitializedOp(resource=tf.identity(w.handle))
            return tf.compat.v1.is_variable_initialized(w)

        def body(i: tf.Tensor, h: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return i + 1, h + tf.cast(initialised(), tf.float32)

        # Outside of a loop and inside it, where a constant must belong to the frame of the loop.
        first = x + tf.cast(initialised(), tf.float32)
        tf.identity(tf.while_loop(lambda i, _: i < 3, body, (0, first))[1], name="y")
        assert_freezes_exactly(session, {"x": 1.0})


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_the_shape_of_a_variable_can_be_asked_for(dtype: Any) -> None:
    with session_without_optimisers() as session:
        w = variable("w", (2, 3))
        tf.raw_ops.VariableShape(input=w.handle, out_type=dtype, name="y")
        assert_freezes_exactly(session, {})


def test_the_shape_and_the_state_of_a_variable_can_be_asked_for_in_a_function() -> None:
    with session_without_optimisers() as session:
        w = variable("w", (2, 3))

        @tf.function(autograph=False)
        def function() -> tf.Tensor:
            shape = tf.raw_ops.VariableShape(input=w.handle, out_type=tf.int64)
            ready = tf.raw_ops.VarIsInitializedOp(resource=w.handle)
            return shape + tf.cast(ready, tf.int64)

        tf.identity(function(), name="y")
        assert_freezes_exactly(session, {})


@EITHER_KIND
def test_a_write_on_the_path_is_refused_by_name(resource: bool) -> None:
    with session_without_optimisers() as session:
        counter = variable("counter", (), resource=resource)
        with tf.control_dependencies([tf.compat.v1.assign_add(counter, 1.0)]):
            tf.identity(placeholder("x", ()), name="y")
        with pytest.raises(BrokenModel, match=r"\(Assign\w+\), which writes counter: .*frozen"):
            frozen(session, ["y"])


def test_a_write_in_a_function_is_refused_by_name() -> None:
    with session_without_optimisers() as session:
        counter = variable("counter", ())

        @tf.function(autograph=False)
        def function() -> tf.Tensor:
            counter.assign_add(1.0)
            return counter.read_value()

        tf.identity(function(), name="y")
        words = r"\(Assign\w+\) of the function \w+, which writes counter: .*frozen"
        with pytest.raises(BrokenModel, match=words):
            frozen(session, ["y"])


def test_what_is_summed_up_for_the_time_of_a_run_is_no_write() -> None:
    with session_without_optimisers() as session:
        x = placeholder("x", (2,))
        total = tf.raw_ops.TemporaryVariable(shape=(2,), dtype=tf.float32, var_name="total")
        first = tf.raw_ops.Assign(ref=total, value=variable("w", (2,)))
        added = tf.raw_ops.AssignAdd(ref=first, value=x)
        tf.raw_ops.DestroyTemporaryVariable(ref=added, var_name="total", name="y")
        assert_freezes_exactly(session, {"x": [1.0, 2.0]})


def held_inside(shared_name: str, *, resource: bool, name: str = "w") -> Any:
    """The value of a variable of two elements whose node stands where this is called."""
    kept = {"dtype": tf.float32, "shape": (2,), "shared_name": shared_name, "name": name}
    if resource:
        return tf.raw_ops.ReadVariableOp(resource=tf.raw_ops.VarHandleOp(**kept), dtype=tf.float32)
    return tf.raw_ops.Identity(input=tf.raw_ops.VariableV2(**kept))


@EITHER_KIND
def test_a_variable_that_stands_in_a_function_is_found_by_both_names(resource: bool) -> None:
    """Another of its node's name stands in the main graph."""
    values = {"outside": [1.0, 2.0], "inside": [30.0, 40.0]}
    with session_without_optimisers() as session:
        x = placeholder("x", (2,))

        @tf.function(autograph=False)
        def inner(x: tf.Tensor) -> tf.Tensor:
            return x * held_inside("inside", resource=resource)

        @tf.function(autograph=False)
        def outer(x: tf.Tensor) -> tf.Tensor:
            return inner(x) + 1.0

        tf.add(outer(x), held_inside("outside", resource=resource), name="y")
        graph_def = session.graph.as_graph_def()
    (holder,) = [f for f in graph_def.library.function if "inner" in f.signature.name]
    named = {
        "w": np.array(values["outside"], np.float32),
        f"w of the function {holder.signature.name}": np.array(values["inside"], np.float32),
    }
    constant = freeze(graph_def, weights=named, outputs=["y"])
    assert not {node.op for node in all_nodes(constant)} & VARIABLE_OPS
    (actual,) = run(constant, ["y"], {"x": [1.0, 10.0]})
    assert actual.tolist() == [32.0, 403.0]


def test_a_handle_is_passed_through_functions_of_tensorflow_1() -> None:
    with session_without_optimisers() as session:
        x, w = placeholder("x", (None, 3)), variable("w", (3, 3))

        @Defun(tf.float32)  # type: ignore[untyped-decorator]
        def inner(x: tf.Tensor) -> tf.Tensor:
            return tf.matmul(x, w)

        @Defun(tf.float32)  # type: ignore[untyped-decorator]
        def outer(x: tf.Tensor) -> tf.Tensor:
            return inner(inner(x) + tf.gather(w, [0]))

        tf.add(outer(x), inner(x), name="y")
        assert_freezes_exactly(session, {"x": ONES})


def test_a_function_of_tensorflow_1_gives_a_handle_back() -> None:
    with session_without_optimisers() as session:
        w, b = variable("w", (2, 3)), variable("b", (2, 3))

        @Defun(tf.resource, tf.resource)  # type: ignore[untyped-decorator]
        def swapped(one: tf.Tensor, other: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return tf.identity(other), tf.identity(one)

        @Defun()  # type: ignore[untyped-decorator]
        def difference() -> tf.Tensor:
            handles = swapped(w.handle, b.handle)
            first, second = (
                tf.ensure_shape(tf.raw_ops.ReadVariableOp(resource=h, dtype=tf.float32), (2, 3))
                for h in handles
            )
            return first - second

        tf.identity(difference(), name="y")
        assert_freezes_exactly(session, {})


def test_the_bodies_of_calls_are_walked_once_however_many_variables_they_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Keras export hands every variable through three calls, one inside the other."""
    module = tf.Module()
    module.layers = [tf.Variable(tf.eye(3) * number) for number in range(1, 31)]

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32)])
    def predict(x: tf.Tensor) -> tf.Tensor:
        for layer in module.layers:
            x = tf.matmul(x, layer)
        return x

    module.predict = predict
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=predict)
    model = open_model(Request(path=tmp_path / "saved"))
    walked: list[str] = []
    found = freezing._Library._found_handle_outputs

    def counted(library: freezing._Library, name: str, arguments: Any) -> dict[int, int]:
        walked.append(name)
        return found(library, name, arguments)

    monkeypatch.setattr(freezing._Library, "_found_handle_outputs", counted)

    freeze(model.graph_def, weights=model.weights, outputs=model.signature.output_names)

    assert len(walked) == len(set(walked)) > 0
