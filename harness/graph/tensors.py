"""Tensors by name: dtype, and shape as far as the graph tells it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2

from harness.errors import BrokenModel, RequestError, first_line, nearest
from harness.graph.dtypes import declared_shape, output_dtypes
from harness.graph.extract import extract
from harness.graph.op_registration import not_registered
from harness.signature import Shape, TensorSpec
from harness.tensor_names import canonical, node_name, session_name


def specs_of(
    graph_def: graph_pb2.GraphDef, names: Sequence[str], *, option: str
) -> tuple[TensorSpec, ...]:
    """Return the named tensors with dtype and declared shape.

    Raises:
        RequestError: a name is no tensor of the graph; the message gives the nearest.
        BrokenModel: its node's op is not known to this TensorFlow, nor then its dtype.
    """
    nodes = {node.name: node for node in graph_def.node}
    return tuple(_spec(canonical(name), nodes, graph_def, option=option) for name in names)


def _spec(
    name: str,
    nodes: dict[str, node_def_pb2.NodeDef],
    graph_def: graph_pb2.GraphDef,
    *,
    option: str,
) -> TensorSpec:
    node = nodes.get(name.partition(":")[0])
    if node is None:
        raise RequestError(f"{option} {name}: the graph has no such node{nearest(name, nodes)}")
    dtypes = output_dtypes(node, graph_def)
    if dtypes is None:
        raise not_registered([node.op], [node.name], holder=f"{option} {name}")
    stated = name.partition(":")[2] or "0"
    index = int(stated) if stated.isdecimal() else len(dtypes)
    if index >= len(dtypes):
        what = f"{len(dtypes)} output(s)" if dtypes else "no output: it is run, not read"
        raise RequestError(f"{option} {name}: the node {node.name} ({node.op}) has {what}")
    shape = declared_shape(node, index, producer=graph_def.versions.producer)
    return TensorSpec(name=name, dtype=dtypes[index], shape=shape)


def imported(graph_def: graph_pb2.GraphDef, *, holder: str = "the graph") -> tf.Graph:
    """Return the graph, which is that of `holder`, as TensorFlow takes it.

    Raises:
        BrokenModel: it does not; the message says why.
    """
    graph = tf.Graph()
    try:
        with graph.as_default():
            tf.import_graph_def(graph_def, name="")
    except (ValueError, KeyError, tf.errors.OpError) as error:
        raise BrokenModel(f"{holder} cannot be imported: {first_line(error)}") from error
    return graph


def static_shapes(graph_def: graph_pb2.GraphDef, names: Collection[str]) -> dict[str, Shape | None]:
    """Return the shapes that TensorFlow's shape functions find; {} where they cannot be run.

    A graph that cannot be imported is no error here: the stage `restore` says why.
    """
    try:
        graph = imported(graph_def)
    except BrokenModel:
        return {}
    found: dict[str, Shape | None] = {}
    for name in names:
        shape = graph.get_tensor_by_name(session_name(name)).shape
        found[name] = None if shape.rank is None else tuple(shape.as_list())
    return found


def with_static_shapes(
    specs: Sequence[TensorSpec], graph_def: graph_pb2.GraphDef
) -> tuple[TensorSpec, ...]:
    """Return the tensors of `graph_def` with their static shapes, where those can be found."""
    shapes = static_shapes(graph_def, [spec.name for spec in specs])
    return tuple(replace(spec, shape=shapes.get(spec.name, spec.shape)) for spec in specs)


def described(graph_def: graph_pb2.GraphDef, names: Collection[str]) -> dict[str, TensorSpec]:
    """Return dtype and static shape of tensors that exist, but for those of unknown ops."""
    nodes = {node.name: node for node in graph_def.node}
    known = [n for n in names if output_dtypes(nodes[node_name(n)], graph_def) is not None]
    specs = specs_of(graph_def, known, option="--outputs")
    part = extract(graph_def, inputs=(), outputs=known)
    return {spec.name: spec for spec in with_static_shapes(specs, part)}
