"""Every operation of a graph with the dtypes and shapes of its outputs."""

from __future__ import annotations

from collections.abc import Iterator

from tensorflow.core.framework import graph_pb2, node_def_pb2

from harness.errors import BrokenModel
from harness.graph.dtypes import declared_shape, output_dtypes
from harness.graph.extract import extract
from harness.graph.tensors import static_shapes
from harness.inspection.facts import Operation
from harness.signature import Shape, TensorSpec


def operations(graph_def: graph_pb2.GraphDef) -> tuple[Operation, ...]:
    """Return the operations of a graph in its order; those inside library functions are left out.

    Shapes are those that TensorFlow's shape functions find. Where the graph cannot be imported,
    for an op that nobody defines, they are what the nodes state of themselves.
    """
    dtypes = {node.name: output_dtypes(node, graph_def) for node in graph_def.node}
    names = {
        name: [name, *(f"{name}:{index}" for index in range(1, len(found)))]
        for name, found in dtypes.items()
        if found
    }
    shapes = _static_shapes(graph_def, [tensor for found in names.values() for tensor in found])

    def outputs(node: node_def_pb2.NodeDef, found: tuple[str, ...]) -> Iterator[TensorSpec]:
        for index, dtype in enumerate(found):
            name = names[node.name][index]
            shape = shapes.get(name)
            if shape is None:
                shape = declared_shape(node, index, producer=graph_def.versions.producer)
            yield TensorSpec(name=name, dtype=dtype, shape=shape)

    return tuple(
        Operation(
            name=node.name,
            op=node.op,
            outputs=None if found is None else tuple(outputs(node, found)),
        )
        for node, found in zip(graph_def.node, dtypes.values(), strict=True)
    )


def _static_shapes(graph_def: graph_pb2.GraphDef, tensors: list[str]) -> dict[str, Shape | None]:
    try:
        # Extracted, since what older versions state of shapes may contradict what is found now.
        whole = extract(graph_def, inputs=(), outputs=[node.name for node in graph_def.node])
    except BrokenModel:
        return {}
    return static_shapes(whole, tensors)
