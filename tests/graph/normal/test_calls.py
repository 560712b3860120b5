"""Calls of functions: laid open, but for those that have no end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.function_pb2 import FunctionDef
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.python.framework import function, tensor_util

from fixtures.small_graphs import frozen
from harness.errors import BrokenModel
from harness.graph.functions import rename_functions
from harness.graph.normal import form as form_module
from harness.graph.normal import opening
from harness.graph.normal.graph import NormalGraph
from tests.graph.normal.walking import difference, form, form_of, ops

FLOAT = tf.float32.as_datatype_enum


def calling(functions: Iterable[FunctionDef], name: str) -> GraphDef:
    """Y = NAME(x)."""
    graph_def = GraphDef()
    x = graph_def.node.add(name="x", op="Placeholder")
    x.attr["dtype"].type = FLOAT
    call = graph_def.node.add(name="call", op="PartitionedCall", input=["x"])
    call.attr["f"].func.name = name
    last = graph_def.node.add(name="y", op="Tanh", input=["call"])
    last.attr["T"].type = FLOAT
    graph_def.library.function.extend(functions)
    return graph_def


def unary(name: str, *nodes: tuple[str, str], result: str) -> FunctionDef:
    """A function of the argument a, whose nodes are (op or called function, input)."""
    made = FunctionDef()
    made.signature.name = name
    made.signature.input_arg.add(name="a", type=FLOAT)
    made.signature.output_arg.add(name="r", type=FLOAT)
    for op, read in nodes:
        is_call = op[0].islower()
        node = made.node_def.add(name=f"n{len(made.node_def)}", input=[read])
        node.op = "PartitionedCall" if is_call else op
        if is_call:
            node.attr["f"].func.name = op
        else:
            node.attr["T"].type = FLOAT
    made.ret["r"] = result
    return made


def recursive(name: str, op: str = "Neg") -> FunctionDef:
    return unary(name, (op, "a"), (name, "n0:y:0"), result="n1:output:0")


def test_the_body_of_a_call_stands_in_its_place() -> None:
    @tf.function
    def body(x: Any) -> Any:
        return tf.negative(tf.identity(x) + 1.0)

    called = form_of(lambda x: tf.tanh(body(x), name="y"))
    assert not difference(form_of(lambda x: tf.tanh(-(x + 1.0), name="y")), called)
    assert any(name.endswith("Call/Neg") for name in called.names)


def test_a_function_that_is_called_twice_stands_there_twice() -> None:
    @tf.function
    def halves(x: Any) -> Any:
        return tf.split(x, 2, axis=1)

    def build(x: Any, split: Any) -> None:
        a, b = split(x)
        c, d = split(tf.concat([b, a], 1))
        tf.subtract(c, d, name="y")

    called = form_of(lambda x: build(x, halves))
    assert ops(called).count("Split") == 2
    assert not difference(form_of(lambda x: build(x, lambda t: tf.split(t, 2, axis=1))), called)


def test_which_result_of_a_node_a_body_reads_is_told() -> None:
    def ranked(x: Any, index: int) -> Any:
        return tf.cast(tf.math.top_k(x, 1)[index], tf.float32)

    called = [form_of(lambda x, k=k: tf.tanh(tf.function(ranked)(x, k), name="y")) for k in (0, 1)]
    flat = [form_of(lambda x, k=k: tf.tanh(ranked(x, k), name="y")) for k in (0, 1)]
    assert not difference(called[0], flat[0])
    assert not difference(called[1], flat[1])


def test_another_body_is_told() -> None:
    one, other = (
        form(calling([unary("f", (op, "a"), result="n0:y:0")], "f")) for op in ("Neg", "Exp")
    )
    assert difference(one, other)


def test_the_names_of_functions_make_no_difference() -> None:
    graph_def = calling([unary("f", ("Neg", "a"), result="n0:y:0")], "f")
    renamed = GraphDef()
    renamed.CopyFrom(graph_def)
    rename_functions(renamed, suffix="_frozen")
    assert not difference(form(graph_def), form(renamed))


def test_attributes_that_a_body_leaves_open_are_those_of_the_call() -> None:
    @function.Defun(tf.float32)  # type: ignore[misc]
    def body(x: Any) -> Any:
        return tf.reduce_sum(x, axis=1)

    def build(x: Any) -> None:
        tf.tanh(body(x), name="y")

    def called(keeps: bool) -> GraphDef:
        graph_def = frozen(build).graph_def
        (inner,) = (n for n in graph_def.library.function[0].node_def if n.op == "Sum")
        inner.attr["keep_dims"].placeholder = "k"
        (call,) = (
            n for n in graph_def.node if n.op == graph_def.library.function[0].signature.name
        )
        call.attr["k"].b = keeps
        return graph_def

    assert difference(form(called(True)), form(called(False)))
    assert not difference(
        form_of(lambda x: tf.tanh(tf.reduce_sum(x, axis=1), name="y")), form(called(False))
    )


def summing(op: str, attribute: str, keeps: bool, *, nested: bool = False) -> GraphDef:
    """Y of a call whose function leaves open whether it keeps the axis that it sums."""
    made = unary("f", ("Sum", "a"), result="n0:output:0")
    (total,) = made.node_def
    axis = made.node_def.add(name="axis", op="Const")
    axis.attr["dtype"].type = tf.int32.as_datatype_enum
    axis.attr["value"].tensor.CopyFrom(tensor_util.make_tensor_proto(np.int32(1)))
    total.input.append("axis:output:0")
    total.attr["keep_dims"].placeholder = "keeps"
    functions = [made]
    if nested:
        outer = unary("g", ("f", "a"), result="n0:output:0")
        outer.node_def[0].attr["f"].func.attr["keeps"].placeholder = "keeps"
        functions.append(outer)
    graph_def = calling(functions, "g" if nested else "f")
    (call,) = (node for node in graph_def.node if node.name == "call")
    if op == "If":
        call.op = "If"
        call.input.insert(0, "x")
        call.attr["Tcond"].type = FLOAT
        del call.attr["f"]
        for branch in ("then_branch", "else_branch"):
            call.attr[branch].func.name = "f"
            call.attr[branch].func.attr["keeps"].b = False
    call.attr[attribute].func.attr["keeps"].b = keeps
    call.attr["keeps"].b = True  # of another meaning: the op is not the function's name
    return graph_def


@pytest.mark.parametrize(
    ("op", "attribute", "nested"),
    [
        ("PartitionedCall", "f", False),
        ("PartitionedCall", "f", True),
        ("If", "then_branch", False),
        ("If", "else_branch", False),
    ],
)
def test_attributes_that_a_body_leaves_open_are_those_that_the_call_gives_its_function(
    op: str, attribute: str, nested: bool
) -> None:
    one, same, other = (
        form(summing(op, attribute, keeps, nested=nested)) for keeps in (True, True, False)
    )
    kept = [dict(node.attributes).get("keep_dims") for node in one.nodes if node.op == "Sum"]
    assert True in kept
    assert not difference(one, same)
    assert difference(one, other)


MARKS = ["_XlaMustCompile", "_XlaCompile"]


def marked(name: str, value: bool, *, on: str, stays: bool) -> GraphDef:
    """A call that is marked, or whose function is."""
    made = recursive("f") if stays else unary("f", ("Neg", "a"), result="n0:y:0")
    graph_def = calling([made], "f")
    (call,) = (node for node in graph_def.node if node.name == "call")
    marked_one = call if on == "call" else graph_def.library.function[0]
    marked_one.attr[name].b = value
    return graph_def


@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("on", ["call", "function"])
@pytest.mark.parametrize("name", MARKS)
def test_whether_a_function_is_compiled_is_told(name: str, on: str, stays: bool) -> None:
    yes, same, no = (form(marked(name, v, on=on, stays=stays)) for v in (True, True, False))
    assert not difference(yes, same)
    assert difference(yes, no)
    assert not difference(no, form(marked("_unmeant", True, on=on, stays=stays)))


def test_a_node_that_calls_nothing_is_marked_in_vain() -> None:
    graph_def = calling([unary("f", ("Neg", "a"), result="n0:y:0")], "f")
    before = form(graph_def)
    (last,) = (node for node in graph_def.node if node.name == "y")
    last.attr["_XlaCompile"].b = True
    assert not difference(before, form(graph_def))


@pytest.mark.parametrize("stays", [False, True])
def test_another_executor_is_told(stays: bool) -> None:
    def run_by(executor: bytes) -> NormalGraph:
        graph_def = marked("_unmeant", True, on="call", stays=stays)
        (call,) = (node for node in graph_def.node if node.name == "call")
        call.attr["executor_type"].s = executor
        return form(graph_def)

    assert difference(run_by(b""), run_by(b"SINGLE_THREADED_EXECUTOR"))
    assert not difference(run_by(b""), form(marked("_unmeant", True, on="call", stays=stays)))


def test_a_function_that_calls_itself_is_told_by_what_it_does() -> None:
    graph = form(calling([recursive("f")], "f"))
    assert "PartitionedCall" in ops(graph)
    assert not difference(graph, form(calling([recursive("g")], "g")))
    assert difference(graph, form(calling([recursive("f", "Exp")], "f")))


def test_functions_that_call_each_other_are_told_by_what_they_do() -> None:
    def pair(first: str, second: str, op: str) -> GraphDef:
        one = unary(first, ("Neg", "a"), (second, "n0:y:0"), result="n1:output:0")
        other = unary(second, (op, "a"), (first, "n0:y:0"), result="n1:output:0")
        return calling([one, other], first)

    assert not difference(form(pair("f", "g", "Exp")), form(pair("h", "i", "Exp")))
    assert difference(form(pair("f", "g", "Exp")), form(pair("f", "g", "Log")))


def test_functions_that_double_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def doubling(op: str) -> GraphDef:
        last = unary("f30", (op, "a"), result="n0:y:0")
        others = [
            unary(f"f{i}", (f"f{i + 1}", "a"), (f"f{i + 1}", "n0:output:0"), result="n1:output:0")
            for i in range(30)
        ]
        return calling([*others, last], "f0")

    monkeypatch.setattr(opening, "MOST_OPERATIONS", 2000)
    monkeypatch.setattr(form_module, "MOST_OF_A_FUNCTION", 200)
    graph = form(doubling("Neg"))
    assert len(graph.nodes) < 3000
    assert not difference(graph, form(doubling("Neg")))
    assert difference(graph, form(doubling("Exp")))


def test_an_attribute_that_is_a_function_is_told_by_what_that_does() -> None:
    def gradient(name: str, op: str) -> GraphDef:
        graph_def = calling([unary(name, (op, "a"), result="n0:y:0")], name)
        (call,) = (node for node in graph_def.node if node.name == "call")
        call.op = "SymbolicGradient"
        call.input.append("x")
        for attribute in ("Tin", "Tout"):
            call.attr[attribute].list.type.append(FLOAT)
        return graph_def

    assert not difference(form(gradient("f", "Neg")), form(gradient("g", "Neg")))
    assert difference(form(gradient("f", "Neg")), form(gradient("f", "Exp")))


def test_a_call_of_a_function_that_is_missing_is_told_by_its_name() -> None:
    assert difference(form(calling([], "f")), form(calling([], "g")))


def test_a_call_with_too_few_arguments_is_named() -> None:
    graph_def = calling([unary("f", ("Neg", "a"), result="n0:y:0")], "f")
    (call,) = (node for node in graph_def.node if node.name == "call")
    del call.input[:]
    with pytest.raises(BrokenModel, match=r"call calls f with 0 argument\(s\), and it takes 1"):
        form(graph_def)


def test_constants_in_a_body_are_named_with_it() -> None:
    made = unary("f", result="c:output:0")
    node = made.node_def.add(name="c", op="Const")
    node.attr["value"].tensor.CopyFrom(tensor_util.make_tensor_proto(np.float32(2)))
    graph = form(calling([made], "f"), inputs=())
    (constant,) = (node for node in graph.nodes if node.op == "Const")
    assert (constant.name, constant.constant) == ("call/c", "c of the function f")
