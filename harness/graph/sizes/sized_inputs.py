"""The inputs of a graph as nodes of stated sizes, for shape functions to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.python.framework import tensor_util

from harness.domain import Axis, Domain, SizeOf, Sparse
from harness.graph.dtypes import dtype_enum
from harness.graph.extract import PLACEHOLDER_OPS, placeholder
from harness.signature import Shape, Signature, TensorSpec
from harness.tensor_names import node_name, output_index

_WHOLE_NUMBERS = frozenset({"int32", "int64"})


@dataclass(frozen=True, kw_only=True)
class Slot:
    """An unknown dimension of an input, or of the sparse tensor whose indices the input is."""

    input: str
    axis: int
    is_sparse: bool = False


Sizes = Mapping[Slot, int]
"""Sizes of unknown dimensions; those that it leaves out stay unknown."""
Dimensions = tuple[int | Slot | None, ...]
"""Of a tensor; None is a dimension that stays unknown."""


@dataclass(frozen=True, kw_only=True)
class SizedInput:
    """An input: its placeholder, its dimensions, and those that its elements are the sizes of.

    `dimensions` is None for an unknown rank. `content` is None for an input whose values have
    nothing to do with sizes.
    """

    spec: TensorSpec
    placeholder: str
    dimensions: Dimensions | None
    content: Dimensions | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The nodes that `nodes` may return."""
        parts = range(len(self.content or ()))
        return (self.placeholder, *(_part(self.placeholder, index) for index in parts))

    def nodes(self, sizes: Sizes) -> list[node_def_pb2.NodeDef]:
        """Return the input as nodes, of which the last has the name of the placeholder.

        An input of sizes is a constant where they are known: shape functions look into it.
        """
        shape = known_shape(self.dimensions, sizes)
        if self.content is None:
            return [_placeholder(self.placeholder, self.spec.dtype, shape)]
        values = known_shape(self.content, sizes)
        assert values is not None
        if None not in values and shape is not None and None not in shape:
            return [_constant(self.placeholder, self.spec.dtype, values, shape)]
        if shape is None or len(shape) != 1 or len(values) == 1:
            return [_placeholder(self.placeholder, self.spec.dtype, shape)]
        parts = [
            _placeholder(_part(self.placeholder, index), self.spec.dtype, ())
            if value is None
            else _constant(_part(self.placeholder, index), self.spec.dtype, (value,), ())
            for index, value in enumerate(values)
        ]
        return [*parts, _packed(self.placeholder, self.spec.dtype, parts)]


def sized_inputs(
    graph_def: graph_pb2.GraphDef, signature: Signature, domains: Mapping[str, Domain]
) -> tuple[SizedInput, ...]:
    """Return the inputs of the extracted `graph_def`, as far as they are known by `domains`."""
    placeholders = {node.name for node in graph_def.node if node.op in PLACEHOLDER_OPS}
    triples = {
        name: domain.values for name, domain in domains.items() if isinstance(domain.values, Sparse)
    }
    members = {name for name, sparse in triples.items()}
    members |= {sparse.values for sparse in triples.values()}
    dense_shapes = {
        sparse.dense_shape: sparse_dimensions(name, sparse) for name, sparse in triples.items()
    }
    dimensions = {
        spec.name: _dimensions(
            spec,
            domains.get(spec.name, Domain()),
            is_drawn_together=spec.name in members or spec.name in dense_shapes,
        )
        for spec in signature.inputs
    }
    found = []
    for spec in signature.inputs:
        cut = f"{node_name(spec.name)}/cut_{output_index(spec.name)}"
        content = dense_shapes.get(spec.name) or _size_of(domains.get(spec.name), dimensions)
        own = dimensions[spec.name]
        if spec.name in dense_shapes and content is not None:
            own = (len(content),)
        found.append(
            SizedInput(
                spec=spec,
                placeholder=spec.name if spec.name in placeholders else cut,
                dimensions=own,
                content=content if spec.dtype in _WHOLE_NUMBERS else None,
            )
        )
    return tuple(found)


def sparse_dimensions(name: str, sparse: Sparse) -> Dimensions:
    """Return the dimensions of the sparse tensor whose indices are the input `name`."""
    return tuple(
        size if isinstance(size, int) else Slot(input=name, axis=axis, is_sparse=True)
        for axis, size in enumerate(sparse.shape)
    )


def slots_of(inputs: tuple[SizedInput, ...]) -> Iterator[Slot]:
    """Yield every unknown dimension that a size is wanted for, in the order of the inputs."""
    for each in inputs:
        for size in (*(each.dimensions or ()), *(each.content or ())):
            if isinstance(size, Slot):
                yield size


def known_shape(dimensions: Dimensions | None, sizes: Sizes) -> Shape | None:
    """Return the shape that `dimensions` are with these sizes."""
    if dimensions is None:
        return None
    return tuple(sizes.get(size) if isinstance(size, Slot) else size for size in dimensions)


def _dimensions(spec: TensorSpec, domain: Domain, *, is_drawn_together: bool) -> Dimensions | None:
    stated = domain.shape
    if spec.shape is None and stated is None:
        return None
    rank = len(spec.shape if spec.shape is not None else stated or ())
    if stated is None or len(stated) != rank:
        stated = (None,) * rank
    found: list[int | Slot | None] = []
    for axis, (own, said) in enumerate(zip(spec.shape or (None,) * rank, stated, strict=True)):
        size = own if isinstance(said, Axis) or said is None else said
        # How many entries a sparse tensor has is drawn with its indices.
        found.append(None if is_drawn_together else Slot(input=spec.name, axis=axis))
        if size is not None:
            found[-1] = size
    return tuple(found)


def _size_of(
    domain: Domain | None, dimensions: Mapping[str, Dimensions | None]
) -> Dimensions | None:
    if domain is None or not isinstance(domain.values, SizeOf):
        return None
    of = dimensions.get(domain.values.of)
    if of is None or not -len(of) <= domain.values.axis < len(of):
        return None
    return (of[domain.values.axis],)


def _part(name: str, index: int) -> str:
    return f"{name}/trial_size_{index}"


def _placeholder(name: str, dtype: str, shape: Shape | None) -> node_def_pb2.NodeDef:
    return placeholder(name, TensorSpec(name=name, dtype=dtype, shape=shape))


def _constant(name: str, dtype: str, values: Shape, shape: Shape) -> node_def_pb2.NodeDef:
    node = node_def_pb2.NodeDef(name=name, op="Const")
    node.attr["dtype"].type = dtype_enum(dtype)
    # One value stands for all elements, but not for none.
    sizes = [size or 0 for size in shape]
    array = np.zeros(sizes, dtype) if 0 in sizes else np.asarray(values, dtype)
    proto = tensor_util.make_tensor_proto(array, shape=shape)
    node.attr["value"].tensor.CopyFrom(proto)
    return node


def _packed(name: str, dtype: str, parts: list[node_def_pb2.NodeDef]) -> node_def_pb2.NodeDef:
    node = node_def_pb2.NodeDef(name=name, op="Pack", input=[part.name for part in parts])
    node.attr["T"].type = dtype_enum(dtype)
    node.attr["N"].i = len(parts)
    return node
