"""Ops that this TensorFlow does not know are named with their nodes and what to do about them."""

from __future__ import annotations

import pytest
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef

from harness.errors import BrokenModel
from harness.graph.op_registration import check_registered


def graph_of(**ops: str) -> GraphDef:
    """A graph with a node of each name, of the op given."""
    return GraphDef(node=[NodeDef(name=name, op=op) for name, op in ops.items()])


def with_function(graph_def: GraphDef, name: str, **ops: str) -> GraphDef:
    """The graph with a library function that holds such nodes."""
    function = graph_def.library.function.add()
    function.signature.name = name
    function.node_def.extend(graph_of(**ops).node)
    return graph_def


def said_of(graph_def: GraphDef) -> str:
    with pytest.raises(BrokenModel) as caught:
        check_registered(graph_def, holder="model.pb")
    return str(caught.value)


def test_ops_of_tensorflow_are_known() -> None:
    check_registered(graph_of(x="Placeholder", y="Softmax", z="_Retval"), holder="model.pb")


def test_an_unknown_op_is_named_with_its_node_and_the_remedy() -> None:
    assert said_of(graph_of(x="Placeholder", twice="FreezeproofTwice")) == (
        "this TensorFlow does not know the op FreezeproofTwice, which model.pb needs (node twice): "
        "register it with --import MODULE, where a Python package brings it, or with "
        "--op-library FILE.so"
    )


def test_every_unknown_op_is_named_once_and_the_first_nodes() -> None:
    message = said_of(graph_of(a="NewA", b="NewB", c="NewA", d="NewA", e="NewB"))
    assert "the op NewA, NewB, which" in message
    assert "(node a, b, c and 2 more)" in message


def test_a_node_may_have_the_name_of_a_library_function_for_its_op() -> None:
    graph_def = with_function(graph_of(x="Placeholder", y="my_layer"), "my_layer", inner="Softmax")
    check_registered(graph_def, holder="model.pb")


def test_an_unknown_op_in_a_library_function_is_named_with_the_function() -> None:
    graph_def = with_function(graph_of(y="my_layer"), "my_layer", inner="FreezeproofTwice")
    assert "(node inner in the function my_layer)" in said_of(graph_def)
