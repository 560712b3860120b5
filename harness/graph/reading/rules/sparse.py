"""Sparse tensors that are fed in three parts: indices, values and, mostly, the shape.

Ops that take a sparse tensor name the parts alike: `a_indices`, `a_values`, `a_shape`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tensorflow.core.framework import node_def_pb2

from harness.domain import BATCH, Axis, Sparse
from harness.graph.reading.flat import FlatGraph
from harness.graph.reading.following import uses
from harness.graph.reading.op_arguments import attribute, read_by_argument
from harness.signature import TensorSpec
from harness.tensor_names import output_index

SIZES = tuple(range(1, 17))
BATCHES = tuple(range(1, 9))
_SHAPES = ("shape", "dense_shape", "shapes")
_SUFFIXES = ("/indices", "/values", "/shape")
"""How `tf.sparse.placeholder` calls the parts, where it is given a name."""
_DIMENSIONS = ("rows", "columns")
_MOST_STEPS = 100
_Way = Mapping[tuple[str, int], int]
"""An op and one of its outputs -> the input that stands for it, as far as a part is concerned."""
_VALUES: _Way = {
    **{(f"SparseDenseCwise{op}", 0): 1 for op in ("Mul", "Div", "Add")},
    ("SparseSoftmax", 0): 1,
    ("SparseReorder", 1): 1,
    ("SparseFillEmptyRows", 1): 1,
    **{(op, 0): 0 for op in ("Cast", "Gather", "GatherV2", "Reshape", "Abs", "Sqrt", "Exp", "Log",
                             "Log1p", "Neg", "Square", "Sigmoid", "Tanh", "Relu", "StringStrip")},
}  # fmt: skip
_INDICES: _Way = {(op, 0): 0 for op in ("Gather", "GatherV2", "Cast", "Reshape", "SparseReshape",
                                        "SparseReorder", "SparseFillEmptyRows")}  # fmt: skip
_SHAPE: _Way = {("Cast", 0): 0, ("SparseReshape", 1): 1}
_ONE_SIZE: _Way = {("StridedSlice", 0): 0, ("Cast", 0): 0, ("Reshape", 0): 0}
_ROW_NUMBERS: _Way = {("Cast", 0): 0, ("Reshape", 0): 0}
_COMPUTES = ("SparseTensorDense", "SparseDenseCwise", "SparseAdd", "SparseSparse", "SparseMatrix",
             "SparseTensorToCSR")  # fmt: skip
_SEGMENTS = ("SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN")


@dataclass(frozen=True, kw_only=True)
class Triple:
    """The inputs that are one sparse tensor; `dense_shape` is "" where it is none.

    `known` are sizes of dimensions that the graph states. `node` is the one that reads them;
    `is_operand` says that it computes with the whole, and its shape function knows the rows. Else
    they are taken for the batch, which nothing ties them to: an embedding of each row has as many.
    """

    indices: str
    values: str
    dense_shape: str
    node: str
    rank: int
    known: Mapping[int, int]
    is_operand: bool = False

    def as_domain_values(self) -> Sparse:
        """Return what the indices accept."""
        return Sparse(
            values=self.values,
            dense_shape=self.dense_shape,
            shape=tuple(self.known.get(axis, self._axis(axis)) for axis in range(self.rank)),
        )

    def _axis(self, axis: int) -> int | Axis:
        """Return a dimension of the sparse tensor; shape functions may find it to be another."""
        if axis == 0 and not self.is_operand:
            return Axis(name=BATCH, sizes=BATCHES)
        is_matrix = self.rank == len(_DIMENSIONS)
        name = f"{self.indices}.{_DIMENSIONS[axis] if is_matrix else f'axis {axis}'}"
        return Axis(name=name, sizes=SIZES)


def triples(flat: FlatGraph) -> list[Triple]:
    """Return the sparse tensors among the inputs, each once."""
    found: dict[str, Triple] = {}
    for triple in (*_read_together(flat), *_looked_up_together(flat), *_named_alike(flat)):
        known = found.get(triple.indices)
        if known is None:
            found[triple.indices] = triple
        elif (triple.values, triple.dense_shape or known.dense_shape) == (
            known.values,
            known.dense_shape or triple.dense_shape,
        ):
            found[triple.indices] = replace(
                known,
                dense_shape=known.dense_shape or triple.dense_shape,
                known={**triple.known, **known.known},
            )
    return list(found.values())


def _read_together(flat: FlatGraph) -> Iterator[Triple]:
    for node in flat.graph_def.node:
        if len(node.input) > 1:
            for parts in _sparse_arguments(node):
                triple = _triple(flat, node, *parts)
                if triple is not None:
                    yield triple


def _sparse_arguments(node: node_def_pb2.NodeDef) -> Iterator[tuple[str, str, str]]:
    """Yield the sparse tensors that a node takes: their indices, values, and shape or ""."""
    if node.op not in _takes_sparse_tensors:
        arguments = read_by_argument(node)
        _takes_sparse_tensors[node.op] = any(
            name.endswith("indices") and f"{name[:-7]}values" in arguments for name in arguments
        )
    if not _takes_sparse_tensors[node.op]:
        return
    arguments = read_by_argument(node)
    for name, indices in arguments.items():
        prefix = name[:-7]
        values = arguments.get(f"{prefix}values") if name.endswith("indices") else None
        if values is None:
            continue
        shapes = next((arguments[prefix + s] for s in _SHAPES if prefix + s in arguments), [])
        # Of SparseToDense, the shape is the output's.
        shapes = shapes or arguments.get("output_shape", [])
        yield from zip(indices, values, shapes or [""] * len(indices), strict=False)


_takes_sparse_tensors: dict[str, bool] = {}


def _triple(
    flat: FlatGraph, node: node_def_pb2.NodeDef, indices: str, values: str, shape: str
) -> Triple | None:
    fed_indices = _input_before(flat, indices, _INDICES)
    fed_values = _input_before(flat, values, _VALUES)
    spec = flat.inputs.get(fed_indices or "")
    if spec is None or fed_values is None or fed_values == fed_indices or not _are_indices(spec):
        return None
    fed_shape, known = _shape_of(flat, shape) if shape else ("", {})
    rank = (max(known) + 1 if known else 0) or _rank(flat, spec, fed_shape, node)
    if rank is None:
        return None
    if "SparseReshape" in {origin.op for origin in _made_of(flat, indices)}:
        known = {}  # they are sizes of what it was made
    elif node.op == "SparseTensorDenseMatMul":
        rank, known = 2, _sizes_in_a_product(flat, node)
    return Triple(
        indices=spec.name,
        values=fed_values,
        dense_shape=fed_shape,
        node=str(node.name),
        rank=rank,
        known={axis: size for axis, size in known.items() if size > 0},
        is_operand=node.op.startswith(_COMPUTES),
    )


def _shape_of(flat: FlatGraph, tensor: str) -> tuple[str, dict[int, int]]:
    """Return the input that is the shape, in whole or in part, or "", and the sizes that are not.

    What makes a sparse tensor dense may be told one size and read the others off the input.
    """
    fed = _input_before(flat, tensor, _SHAPE)
    if fed is not None:
        return fed, {}
    stated = flat.constant(tensor)
    if stated is not None:
        return "", dict(enumerate(map(int, stated.reshape(-1))))
    node = flat.origin_node(tensor)
    known: dict[int, int] = {}
    for axis, size in enumerate(node.input if node is not None and node.op == "Pack" else ()):
        number = flat.scalar(size)
        if number is None:
            fed = _input_before(flat, size, _ONE_SIZE)
        else:
            known[axis] = int(number)
    return fed or "", known


def _are_indices(spec: TensorSpec) -> bool:
    return spec.dtype in {"int64", "int32"} and (spec.shape is None or len(spec.shape) in {1, 2})


def _rank(
    flat: FlatGraph, indices: TensorSpec, shape: str, node: node_def_pb2.NodeDef
) -> int | None:
    """Return the rank of the sparse tensor, as the shape of its indices or of its shape says it."""
    if indices.shape is not None and len(indices.shape) == 1:
        return 1
    stated = indices.shape[1] if indices.shape is not None else None
    spec = flat.inputs.get(shape)
    if stated is None and spec is not None and spec.shape is not None and len(spec.shape) == 1:
        stated = spec.shape[0]
    # Most sparse tensors are matrices, and some ops take no others.
    return 2 if stated is None and not node.op.startswith("SparseReshape") else stated


def _sizes_in_a_product(flat: FlatGraph, node: node_def_pb2.NodeDef) -> dict[int, int]:
    """Return the size of a sparse matrix along which it is multiplied, where the other states it.

    An adjoint is multiplied along its other dimension.
    """
    is_adjoint = bool(attribute(node, "adjoint_a").b)
    other_axis = 1 if attribute(node, "adjoint_b").b else 0
    size = flat.size(node.input[3], other_axis)
    return {} if size is None else {0 if is_adjoint else 1: size}


def _input_before(flat: FlatGraph, tensor: str, onward: _Way) -> str | None:
    for _ in range(_MOST_STEPS):
        tensor = flat.origin(tensor)
        if tensor in flat.inputs:
            return tensor
        node = flat.producer(tensor)
        before = None if node is None else onward.get((node.op, output_index(tensor)))
        if node is None or before is None:
            return None
        tensor = node.input[before]
    return None


def _made_of(flat: FlatGraph, indices: str) -> Iterator[node_def_pb2.NodeDef]:
    """Yield the nodes on the way from the input to `indices`."""
    for _ in range(_MOST_STEPS):
        indices = flat.origin(indices)
        node = flat.producer(indices)
        if node is None or indices in flat.inputs or not node.input:
            return
        yield node
        indices = node.input[0]


def _looked_up_together(flat: FlatGraph) -> Iterator[Triple]:
    """Yield what `tf.nn.embedding_lookup_sparse` reads: rows of the indices, and the values.

    No op reads all parts: the first column of the indices numbers the segments, and the values
    are what is looked up.
    """
    candidates = [
        spec
        for spec in flat.inputs.values()
        if _are_indices(spec) and spec.shape is not None and len(spec.shape) == 2
    ]
    for spec in candidates:
        for use in uses(flat, spec.name):
            if use.node.op.startswith(_SEGMENTS) and use.position == 2:
                values = _looked_up(flat, use.node.input[1])
                if values is not None and values != spec.name:
                    yield Triple(
                        indices=spec.name,
                        values=values,
                        dense_shape="",
                        node=str(use.node.name),
                        rank=(spec.shape or ())[1] or 2,
                        known={},
                    )


def _looked_up(flat: FlatGraph, tensor: str) -> str | None:
    """Return the input that the rows of a SparseSegmentSum are numbered by."""
    origin = flat.origin(tensor)
    node = flat.producer(origin)
    if node is not None and node.op == "Unique" and origin.endswith(":1"):
        origin = node.input[0]
    return _input_before(flat, origin, _ROW_NUMBERS)


def _named_alike(flat: FlatGraph) -> Iterator[Triple]:
    """Yield inputs that are called as `tf.sparse.placeholder` calls the parts."""
    for name, spec in flat.inputs.items():
        indices, values, shape = _SUFFIXES
        stem = name.removesuffix(indices)
        if stem == name or f"{stem}{values}" not in flat.inputs or not _are_indices(spec):
            continue
        fed_shape = f"{stem}{shape}" if f"{stem}{shape}" in flat.inputs else ""
        rank = _rank(flat, spec, fed_shape, node_def_pb2.NodeDef())
        if rank is not None:
            yield Triple(
                indices=name,
                values=f"{stem}{values}",
                dense_shape=fed_shape,
                node=name,
                rank=rank,
                known={},
            )
