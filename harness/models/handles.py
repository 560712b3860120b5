"""Inputs and outputs are values: a handle means nothing outside the session that made it."""

from __future__ import annotations

from collections.abc import Sequence

from tensorflow.core.framework import graph_pb2, node_def_pb2

from harness.errors import RequestError
from harness.graph.dtypes import HANDLES
from harness.signature import TensorSpec
from harness.tensor_names import canonical, node_name


def check_values(
    graph_def: graph_pb2.GraphDef,
    *,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
) -> None:
    """Make sure that no input or output is a handle.

    Raises:
        RequestError: one is, of dtype resource or variant; for the handle of a variable the message
            names the tensor that is its value.
    """
    nodes = {node.name: node for node in graph_def.node}
    for spec in outputs:
        if spec.dtype in HANDLES:
            raise RequestError(_no_output(spec, nodes[node_name(spec.name)], graph_def))
    for spec in inputs:
        check_fed_values(spec.name, spec.dtype, op=nodes[node_name(spec.name)].op)


def check_fed_values(name: str, dtype: str, *, op: str) -> None:
    """Make sure that a tensor that is fed, or would have to be, is no handle.

    Raises:
        RequestError: it is of dtype resource or variant.
    """
    if dtype not in HANDLES:
        return
    if op.startswith("Placeholder"):
        raise RequestError(
            f"--inputs {name}: it is a handle ({dtype}), which cannot be fed. The graph seems to "
            f"be the body of a tf.function, whose variables are passed to it and are not in the "
            f"file: export the model with tf.saved_model.save, or freeze the function"
        )
    raise RequestError(
        f"--inputs {name}: {op} gives a handle ({dtype}), which cannot be fed: name a tensor of "
        f"values further on"
    )


def _no_output(spec: TensorSpec, node: node_def_pb2.NodeDef, graph_def: graph_pb2.GraphDef) -> str:
    if node.op == "VarHandleOp":
        read = _read_of(node.name, graph_def)
        remedy = (
            f"name the tensor that is its value: --outputs {read}"
            if read
            else "no node of the graph reads its value: name an output that is computed from it"
        )
        return f"--outputs {spec.name}: it is the handle of a variable ({spec.dtype}); {remedy}"
    return (
        f"--outputs {spec.name}: {node.op} gives a handle ({spec.dtype}), which holds no values "
        f"to compare: name an output that is computed from it"
    )


def _read_of(variable: str, graph_def: graph_pb2.GraphDef) -> str:
    """Return the node that reads a variable, the variable's own before others; "" for none."""
    reads = [
        node.name
        for node in graph_def.node
        if node.op == "ReadVariableOp" and canonical(node.input[0]) == variable
    ]
    own = f"{variable}/Read/ReadVariableOp"
    return own if own in reads else next(iter(reads), "")
