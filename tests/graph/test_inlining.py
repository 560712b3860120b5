"""Function calls laid open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.python.framework import function, tensor_util

from harness.graph.edges import closure, edges_of
from harness.graph.inlining import inlined
from harness.graph.tensors import imported
from harness.tensor_names import session_name

tf1 = tf.compat.v1


def graph_of(called: Callable[..., object], *specs: tf.TensorSpec) -> GraphDef:
    """The graph of a call of `called` from a main graph, with the placeholders x, y, …."""
    with tf.Graph().as_default() as graph:
        names = "xyz"
        arguments = [
            tf1.placeholder(s.dtype, s.shape, n) for s, n in zip(specs, names, strict=False)
        ]
        results = tf.nest.flatten(tf.function(called)(*arguments))
        for index, result in enumerate(results):
            tf.identity(result, name=f"out_{index}")
        return graph.as_graph_def()


FLOATS = tf.TensorSpec((None, 4), tf.float32)
FLAG = tf.TensorSpec((), tf.bool)


def ops(graph_def: GraphDef) -> set[str]:
    return {node.op for node in graph_def.node}


def shape(graph_def: GraphDef, tensor: str) -> list[int | None]:
    found: list[int | None] = (
        imported(graph_def).get_tensor_by_name(session_name(tensor)).shape.as_list()
    )
    return found


def depends(graph_def: GraphDef, tensor: str, on: str) -> bool:
    return on in closure([tensor], edges_of(graph_def).sources.__getitem__)


def test_the_body_of_a_call_stands_in_the_graph() -> None:
    flat = inlined(graph_of(tf.tanh, FLOATS))
    assert "Tanh" in ops(flat)
    assert not ops(flat) & {"PartitionedCall", "StatefulPartitionedCall"}
    assert not flat.library.function
    assert depends(flat, "out_0", on="x")


def test_nodes_of_a_body_are_named_after_the_call() -> None:
    graph_def = graph_of(tf.tanh, FLOATS)
    (call,) = (node.name for node in graph_def.node if "PartitionedCall" in node.op)
    (tanh,) = (node.name for node in inlined(graph_def).node if node.op == "Tanh")
    assert tanh == f"{call}/Tanh"


def test_tensors_of_the_main_graph_keep_their_names() -> None:
    graph_def = graph_of(lambda x: tf.split(x, [1, 3], axis=1), FLOATS)
    (call,) = (node.name for node in graph_def.node if "PartitionedCall" in node.op)
    flat = inlined(graph_def)
    assert {node.name for node in graph_def.node} <= {node.name for node in flat.node}
    assert shape(flat, call) == [None, 1]
    assert shape(flat, f"{call}:1") == [None, 3]


def test_an_output_is_found_by_its_argument_and_place() -> None:
    """`node:output_arg:index`: of TopK the second argument, of Unpack the third of one argument."""

    def called(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.nn.top_k(x, 2).indices + 1, tf.unstack(x, axis=1)[2] + 1.0

    flat = inlined(graph_of(called, FLOATS))
    added = {read for node in flat.node if node.op == "AddV2" for read in node.input}
    assert any(read.endswith("TopKV2:1") for read in added)
    assert any(read.endswith("unstack:2") for read in added)
    assert imported(flat).get_tensor_by_name("out_0:0").dtype == tf.int32


def test_outputs_behind_a_list_are_counted_on() -> None:
    """Of ParseExampleV2, the dense values stand behind three lists of sparse ones."""

    def called(x: tf.Tensor) -> tf.Tensor:
        features = {
            "a": tf.io.VarLenFeature(tf.string),
            "b": tf.io.VarLenFeature(tf.int64),
            "c": tf.io.FixedLenFeature((3,), tf.float32),
        }
        return tf.io.parse_example(x, features)["c"] * 2.0

    flat = inlined(graph_of(called, tf.TensorSpec((None,), tf.string)))
    (product,) = (node for node in flat.node if node.op == "Mul")
    assert product.input[0].endswith(":6")
    assert shape(flat, "out_0") == [None, 3]


def test_calls_in_bodies_are_laid_open_too() -> None:
    inner = tf.function(tf.tanh)
    flat = inlined(graph_of(lambda x: inner(x) + inner(2 * x), FLOATS))
    tanhs = [node for node in flat.node if node.op == "Tanh"]
    assert len(tanhs) == 2
    assert len({tanh.name for tanh in tanhs}) == 2
    assert imported(flat) is not None


def test_a_function_of_tensorflow_1_is_called_by_its_name() -> None:
    with tf.Graph().as_default() as graph:

        @function.Defun(tf.float32, func_name="double")
        def double(x: tf.Tensor) -> tf.Tensor:
            return x * 2.0

        tf.identity(double(tf1.placeholder(tf.float32, (3,), "x")), name="out")
        graph_def = graph.as_graph_def()
    assert "double" in ops(graph_def)
    flat = inlined(graph_def)
    assert "double" not in ops(flat)
    assert shape(flat, "out") == [3]


def test_a_handle_is_read_in_a_body(tmp_path: Path) -> None:
    class Module(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = tf.Variable(tf.ones((5, 3)))

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.int32)])
        def serve(self, ids: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"rows": tf.gather(self.table, ids)}

    module = Module()
    tf.saved_model.save(module, str(tmp_path), signatures=module.serve)
    meta = tf.saved_model.load(str(tmp_path)).signatures["serving_default"].graph.as_graph_def()
    flat = inlined(meta)
    (gather,) = (node for node in flat.node if node.op == "ResourceGather")
    assert not ops(flat) & {"PartitionedCall", "StatefulPartitionedCall"}
    assert len(gather.input) == 2


def test_branches_and_loops_stay_functions() -> None:
    def called(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        chosen = tf.cond(y, lambda: tf.tanh(x), lambda: x)
        return tf.while_loop(lambda i, _: i < 3, lambda i, z: (i + 1, z * 2), (0, chosen))[1]

    flat = inlined(graph_of(called, FLOATS, FLAG))

    assert {"StatelessIf", "StatelessWhile"} <= ops(flat)
    assert flat.library.function
    assert shape(flat, "out_0") == [None, 4]


def test_on_request_branches_and_loops_are_laid_open() -> None:
    def called(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        chosen = tf.cond(y, lambda: tf.tanh(x), lambda: tf.sin(x))
        return tf.while_loop(lambda i, _: i < 3, lambda i, z: (i + 1, tf.cos(z)), (0, chosen))[1]

    flat = inlined(graph_of(called, FLOATS, FLAG), branches=True)

    assert {"Tanh", "Sin", "Cos", "Less"} <= ops(flat)
    assert not flat.library.function
    assert imported(flat) is not None
    assert depends(flat, "out_0", on="x")
    cosine, sine = (node.name for op in ("Cos", "Sin") for node in flat.node if node.op == op)
    assert depends(flat, "out_0", on=cosine)
    assert depends(flat, cosine, on=cosine)
    assert depends(flat, cosine, on=sine)
    assert any(node.op == "Switch" and "y" in node.input for node in flat.node)


def test_what_a_loop_does_not_change_keeps_its_shape() -> None:
    def called(x: tf.Tensor) -> tf.Tensor:
        return tf.while_loop(
            lambda i, *_: i < 3,
            lambda i, z, w: (i + 1, tf.matmul(z, w), w),
            (0, x, tf.ones((4, 4)) * x[0, 0]),
        )[1]

    flat = inlined(graph_of(called, FLOATS), branches=True)

    (product,) = (node for node in flat.node if node.op == "MatMul")
    assert shape(flat, product.input[1]) == [4, 4]


def test_branches_of_a_case_are_merged() -> None:
    def called(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.switch_case(y, [lambda: tf.tanh(x), lambda: tf.sin(x), lambda: x])

    flat = inlined(graph_of(called, FLOATS, tf.TensorSpec((), tf.int32)), branches=True)

    (merge,) = (node for node in flat.node if node.op == "Merge")
    assert len(merge.input) == 3
    (gather,) = (node for node in flat.node if node.op == "Gather")
    assert gather.input[1] == "y"
    assert shape(flat, gather.input[0]) == [3]


def test_a_function_that_calls_itself_stays() -> None:
    graph_def = graph_of(tf.tanh, FLOATS)
    (own,) = graph_def.library.function
    again = own.node_def.add(name="again", op="PartitionedCall")
    again.attr["f"].func.name = own.signature.name
    again.attr["Tin"].list.type.append(tf.float32.as_datatype_enum)
    again.attr["Tout"].list.type.append(tf.float32.as_datatype_enum)
    again.input.append(own.signature.input_arg[0].name)

    flat = inlined(graph_def)

    assert [node.op for node in flat.node if node.name.endswith("/again")] == ["PartitionedCall"]
    assert [f.signature.name for f in flat.library.function] == [own.signature.name]


def test_a_call_of_what_is_not_there_stays() -> None:
    graph_def = graph_of(tf.tanh, FLOATS)
    del graph_def.library.function[:]
    assert any("PartitionedCall" in op for op in ops(inlined(graph_def)))


def test_a_function_without_results_gives_a_node_without_outputs() -> None:
    graph_def = graph_of(tf.tanh, FLOATS)
    (own,) = graph_def.library.function
    (call,) = (node for node in graph_def.node if "PartitionedCall" in node.op)
    del own.signature.output_arg[:]
    own.ret.clear()
    del call.attr["Tout"].list.type[:]
    (stays,) = (node for node in inlined(graph_def).node if node.name == call.name)
    assert stays.op == "NoOp"


def test_control_edges_are_left_out() -> None:
    with tf.Graph().as_default() as graph:
        x = tf1.placeholder(tf.float32, (), "x")
        with tf.control_dependencies([tf1.assert_positive(x)]):
            tf.identity(x, name="out")
        flat = inlined(graph.as_graph_def())
    assert not any(read.startswith("^") for node in flat.node for read in node.input)


def test_a_large_constant_keeps_its_shape_alone() -> None:
    with tf.Graph().as_default() as graph:
        tf.constant(np.arange(10_000, dtype=np.float32).reshape(100, 100), name="weights")
        tf.constant(np.arange(100, dtype=np.float32), name="boundaries")
        flat = inlined(graph.as_graph_def())
    assert flat.ByteSize() < 5000
    assert shape(flat, "weights") == [100, 100]
    (small,) = (node for node in flat.node if node.name == "boundaries")
    values = tensor_util.MakeNdarray(small.attr["value"].tensor)
    np.testing.assert_array_equal(values, np.arange(100))


def test_the_graph_that_was_given_stays_as_it_was() -> None:
    def called(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.cond(y, lambda: tf.tanh(x), lambda: x)

    graph_def = graph_of(called, FLOATS, FLAG)
    before = graph_def.SerializeToString(deterministic=True)
    inlined(graph_def, branches=True)
    assert graph_def.SerializeToString(deterministic=True) == before


def test_a_name_that_is_taken_is_not_given_twice() -> None:
    graph_def = graph_of(tf.tanh, FLOATS)
    (call,) = (node.name for node in graph_def.node if "PartitionedCall" in node.op)
    graph_def.node.add(name=f"{call}/Tanh", op="NoOp")
    flat = inlined(graph_def)
    names = [node.name for node in flat.node]
    assert len(set(names)) == len(names)
    assert depends(flat, "out_0", on="x")


def test_functions_that_call_others_twice_do_not_grow_without_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.graph.inlining._MOST_NODES", 200)

    called = tf.tanh
    for _ in range(8):
        inner = tf.function(called)
        called = lambda x, inner=inner: inner(x) + inner(2 * x)  # noqa: E731
    flat = inlined(graph_of(called, FLOATS))
    assert 200 <= len(flat.node) < 600
    assert imported(flat) is not None
