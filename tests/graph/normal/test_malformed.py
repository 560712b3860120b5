"""Graphs that TensorFlow would not run: a sentence says what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.core.framework.function_pb2 import FunctionDef
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef

from fixtures.control_flow import control_flow
from harness.errors import BrokenModel
from tests.graph.normal.test_calls import FLOAT, calling, unary
from tests.graph.normal.walking import difference, form

tf1 = tf.compat.v1


def functional(op: str) -> GraphDef:
    """Y of an If, a Case or a While."""
    with control_flow(2), tf.Graph().as_default() as graph:
        x = tf1.placeholder(tf.float32, (4,), name="x")
        if op == "If":
            y = tf.cond(x[0] > 0, lambda: tf.sin(x), lambda: x * 2)
        elif op == "Case":
            y = tf.switch_case(tf.cast(x[0], tf.int32), [lambda: tf.sin(x), lambda: tf.cos(x)])
        else:
            y = tf.while_loop(lambda i, _: i < 3, lambda i, v: (i + 1, v * 1.5), [0, x])[1]
        tf.tanh(y, name="y")
    return graph.as_graph_def()


def called_by(graph_def: GraphDef, attribute: str) -> FunctionDef:
    """The function that the one node with such an attribute calls, of some the last."""
    (value,) = (node.attr[attribute] for node in graph_def.node if attribute in node.attr)
    name = value.func.name or value.list.func[-1].name
    (found,) = (f for f in graph_def.library.function if f.signature.name == name)
    return found


def with_another_result(graph_def: GraphDef, attribute: str) -> GraphDef:
    function = called_by(graph_def, attribute)
    first = function.signature.output_arg[0]
    function.signature.output_arg.add(name="another", type=first.type)
    function.ret["another"] = function.ret[first.name]
    return graph_def


def without_the_last_result(graph_def: GraphDef, attribute: str) -> GraphDef:
    del called_by(graph_def, attribute).signature.output_arg[-1]
    return graph_def


@pytest.mark.parametrize(
    ("change", "op", "attribute", "message"),
    [
        (
            with_another_result,
            "If",
            "then_branch",
            r"^\S*cond\S* chooses between .* gives 2 result",
        ),
        (with_another_result, "If", "else_branch", r"^\S*cond\S* chooses between .* gives 2$"),
        (with_another_result, "Case", "branches", r" chooses between .* gives 2$"),
        (without_the_last_result, "If", "then_branch", r" chooses between .* gives 0 result"),
        (with_another_result, "While", "cond", r"^while asks .* gives 2 results rather than one"),
        (without_the_last_result, "While", "cond", r"^while asks .* gives 0 results"),
        (
            with_another_result,
            "While",
            "body",
            r"^while has \d variable.* its body, gives \d result",
        ),
        (without_the_last_result, "While", "body", r"^while has \d variable.* gives \d result"),
    ],
)
def test_a_function_with_another_number_of_results_is_named(
    change: Callable[[GraphDef, str], GraphDef], op: str, attribute: str, message: str
) -> None:
    graph_def = functional(op)
    form(graph_def)
    with pytest.raises(BrokenModel, match=message):
        form(change(graph_def, attribute))


def test_an_if_that_reads_nothing_is_named() -> None:
    graph_def = functional("If")
    (choice,) = (node for node in graph_def.node if node.op.endswith("If"))
    del choice.input[:]
    with pytest.raises(BrokenModel, match=f"{choice.name} reads nothing to choose"):
        form(graph_def, inputs=())


@pytest.mark.parametrize("waits", [False, True])
def test_a_result_that_a_call_does_not_give_is_named(waits: bool) -> None:
    graph_def = calling([unary("f", ("Neg", "a"), result="n0:y:0")], "f")
    (last,) = (node for node in graph_def.node if node.name == "y")
    last.input[:] = ["call:1"]
    if waits:
        graph_def.node.add(name="check", op="Abort")
        last.input.append("^check")
    with pytest.raises(BrokenModel, match=r"result 1 of call, which has 1 result\(s\)"):
        form(graph_def, inputs=())


@pytest.mark.parametrize("reference", ["n0:y:0:9", "n0:y:-1", "n0:y:z"])
def test_a_result_of_a_function_that_is_no_tensor_is_named(reference: str) -> None:
    graph_def = calling([unary("f", ("Neg", "a"), result=reference)], "f")
    with pytest.raises(BrokenModel, match=f"the function f reads {reference}, which names no out"):
        form(graph_def)


@pytest.mark.parametrize("reference", ["call:y", "call:-1", "call:0:0:9"])
def test_an_input_that_is_no_tensor_is_named(reference: str) -> None:
    graph_def = calling([unary("f", ("Neg", "a"), result="n0:y:0")], "f")
    (last,) = (node for node in graph_def.node if node.name == "y")
    last.input[:] = [reference]
    with pytest.raises(BrokenModel, match=f"the graph reads {reference}, which names no output"):
        form(graph_def)


def test_a_result_that_is_nothing_is_named() -> None:
    graph_def = calling([unary("f", ("Neg", "a"), result="n0:y:0")], "f")
    (function,) = graph_def.library.function
    function.signature.output_arg.add(name="s", type=FLOAT)
    with pytest.raises(BrokenModel, match="the function f does not say what its s is"):
        form(graph_def)


def chain(*nodes: tuple[str, str, list[str]]) -> GraphDef:
    """A graph of (name, op, inputs)."""
    graph_def = GraphDef()
    for name, op, inputs in nodes:
        node = graph_def.node.add(name=name, op=op, input=inputs)
        node.attr["T"].type = FLOAT
    return graph_def


def constant_of_no_dtype(node: NodeDef) -> None:
    node.op = "Const"
    del node.input[:]
    node.attr["value"].tensor.dtype = 0


def attribute_of_no_dtype(node: NodeDef) -> None:
    node.op = "Cast"
    node.attr["DstT"].type = 99


@pytest.mark.parametrize("damage", [constant_of_no_dtype, attribute_of_no_dtype])
def test_a_dtype_that_there_is_not_is_named(damage: Callable[[Any], None]) -> None:
    graph_def = chain(("x", "Placeholder", []), ("k", "Neg", ["x"]), ("y", "Add", ["x", "k"]))
    graph_def.node[0].attr["dtype"].type = FLOAT
    damage(graph_def.node[1])
    with pytest.raises(BrokenModel, match=r"^k \(\w+\) cannot be read: "):
        form(graph_def)


def test_a_gather_along_an_axis_of_no_dtype_is_named() -> None:
    graph_def = chain(
        ("x", "Placeholder", []), ("k", "Const", []), ("y", "GatherV2", ["x", "x", "k"])
    )
    graph_def.node[0].attr["dtype"].type = FLOAT
    graph_def.node[1].attr["value"].tensor.dtype = 0
    with pytest.raises(BrokenModel, match=r"^k \(Const\) cannot be read: "):
        form(graph_def)


def test_a_switch_that_reads_itself_is_named() -> None:
    graph_def = chain(
        ("x", "Placeholder", []),
        ("s", "Switch", ["s", "x"]),
        ("y", "Exit", ["s"]),
    )
    with pytest.raises(BrokenModel, match="reads itself"):
        form(graph_def)


def nested(depth: int) -> GraphDef:
    """Loops within each other."""
    test = unary("test", ("IsFinite", "a"), result="n0:y:0")
    functions = [test, unary("f0", ("Neg", "a"), result="n0:y:0")]
    for index in range(depth):
        function = unary(f"f{index + 1}", ("While", "a"), result="n0:output:0")
        (loop,) = function.node_def
        loop.attr["T"].list.type.append(FLOAT)
        loop.attr["cond"].func.name = "test"
        loop.attr["body"].func.name = f"f{index}"
        functions.append(function)
    return calling(functions, f"f{depth}")


def test_loops_that_stand_too_deep_within_each_other_are_named() -> None:
    assert form(nested(5)).nodes
    with pytest.raises(BrokenModel, match="stands in more loops within each other"):
        form(nested(150))


def test_an_axis_whose_bytes_make_no_number_is_told_by_its_bytes() -> None:
    def gathering(content: bytes) -> GraphDef:
        graph_def = chain(
            ("x", "Placeholder", []), ("k", "Const", []), ("y", "GatherV2", ["x", "x", "k"])
        )
        graph_def.node[0].attr["dtype"].type = FLOAT
        value = graph_def.node[1].attr["value"].tensor
        value.dtype, value.tensor_content = tf.int32.as_datatype_enum, content
        return graph_def

    one, other = (form(gathering(content)) for content in (b"\0\0\1", b"\0\0\2"))
    assert difference(one, other)
